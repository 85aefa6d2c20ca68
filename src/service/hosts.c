#include "service/hosts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static CELLA_RESULT add_one(struct cella_service_hosts *hosts, const char *before,
                            const char *host) {
    char text[sizeof(hosts->text[0])];
    int n = snprintf(text, sizeof(text), "%s%s", before, host);
    ENSURE(n > 0 && (size_t)n < sizeof(text), CELLA_ERR_LIMIT, NULL, "a host's name this long: %s",
           host);
    for (size_t i = 0; i < hosts->count; i++)
        if (strcmp(hosts->text[i], text) == 0) return CELLA_SUCCESS;
    ENSURE(hosts->count < CELLA_CA_HOSTS, CELLA_ERR_LIMIT, "give certificates of your own",
           "more hosts than %d for one certificate", CELLA_CA_HOSTS);
    memcpy(hosts->text[hosts->count], text, sizeof(text));
    hosts->host[hosts->count] = hosts->text[hosts->count];
    hosts->count++;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_service_hosts_add(struct cella_service_hosts *hosts, const char *host,
                                     bool below) {
    uint8_t address[16];
    bool name = inet_pton(AF_INET, host, address) != 1 && inet_pton(AF_INET6, host, address) != 1;
    TRY(add_one(hosts, "", host));
    return below && name && strchr(host, '.') ? add_one(hosts, "*.", host) : CELLA_SUCCESS;
}

void cella_service_host_of_url(const char *url, char *host, size_t size) {
    const char *from = url + strlen("https://");
    size_t length = strcspn(from, ":");
    if (*from == '[') {
        from++;
        length = strcspn(from, "]");
    }
    snprintf(host, size, "%.*s", (int)length, from);
}

CELLA_RESULT cella_service_hosts_of(const struct cella_service_config *config,
                                    struct cella_service_hosts *out) {
    char host[256];
    *out = (struct cella_service_hosts){.count = 0};
    TRY(cella_service_hosts_add(out, "localhost", false));
    TRY(cella_service_hosts_add(out, "127.0.0.1", false));
    TRY(cella_service_hosts_add(out, "::1", false));
    if (config->identity.url) {
        cella_service_host_of_url(config->identity.url, host, sizeof(host));
        TRY(cella_service_hosts_add(out, host, true));
    }
    for (size_t i = 0; i < config->attest_count; i++) {
        cella_service_host_of_url(config->attest[i].url, host, sizeof(host));
        TRY(cella_service_hosts_add(out, host, true));
    }
    for (size_t i = 0; i < config->vault_count; i++) {
        cella_service_host_of_url(config->vault[i].url, host, sizeof(host));
        TRY(cella_service_hosts_add(out, host, true));
    }
    return CELLA_SUCCESS;
}
