#include "service/config_value.h"

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include "base/text.h"

static bool one_of(char c, const char *more) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c && strchr(more, c));
}

bool cella_conf_url(const char *text) {
    static const char scheme[] = "https://";
    uint64_t port = 443;
    size_t head = strlen(scheme);
    if (strncmp(text, scheme, head) != 0 || strlen(text) > 255) return false;
    const char *host = text + head, *end = host;
    if (*host == '[') {
        end = strchr(host, ']');
        for (const char *c = host + 1; end && c < end; c++)
            if (!one_of(*c, ":.")) return false;
        if (!end || end == host + 1) return false;
        end++;
    } else {
        while (one_of(*end, ".-_")) end++;
        if (end == host || *host == '.' || *host == '-') return false;
    }
    if (*end == 0) return true;
    return *end == ':' && end[1] != '0' && cella_number_read(end + 1, &port) && port > 0 &&
           port <= UINT16_MAX && port != 443; /* one spelling: clients leave 443 out */
}

static bool resolve(const char *text, struct addrinfo **list) {
    char host[64];
    uint64_t port;
    const char *colon = strrchr(text, ':'), *from = text;
    size_t size = colon ? (size_t)(colon - text) : 0;
    bool six = size >= 2 && text[0] == '[' && text[size - 1] == ']';
    if (six) {
        from++;
        size -= 2;
    }
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_family = six ? AF_INET6 : AF_INET,
                             .ai_socktype = SOCK_STREAM};
    if (!colon || size == 0 || size >= sizeof(host)) return false;
    if (!cella_number_read(colon + 1, &port) || port > UINT16_MAX) return false;
    memcpy(host, from, size);
    host[size] = 0;
    return getaddrinfo(host, colon + 1, &hints, list) == 0;
}

bool cella_conf_listen(const char *text) {
    struct addrinfo *list = NULL;
    if (!resolve(text, &list)) return false;
    freeaddrinfo(list);
    return true;
}

bool cella_conf_loopback(const char *listen) {
    struct addrinfo *list = NULL;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    bool local;
    if (!resolve(listen, &list)) return false;
    if (list->ai_family == AF_INET) {
        memcpy(&four, list->ai_addr, sizeof(four));
        local = ntohl(four.sin_addr.s_addr) >> 24 == 127;
    } else {
        memcpy(&six, list->ai_addr, sizeof(six));
        local = IN6_IS_ADDR_LOOPBACK(&six.sin6_addr);
    }
    freeaddrinfo(list);
    return local;
}

bool cella_conf_guid(const char *text) {
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (strlen(text) != strlen(form)) return false;
    for (size_t i = 0; form[i]; i++) {
        bool digit = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
        if (form[i] == '-' ? text[i] != '-' : !digit) return false;
    }
    return true;
}

bool cella_conf_name(const char *text) {
    size_t size = strlen(text);
    if (size == 0 || size > 63 || text[0] == '-' || text[size - 1] == '-') return false;
    for (size_t i = 0; i < size; i++)
        if (!one_of(text[i], "-")) return false;
    return true;
}

bool cella_conf_source(const char *text) {
    return strcmp(text, "none") == 0 || strncmp(text, "pcs=https://", 12) == 0 ||
           strncmp(text, "kds=https://", 12) == 0;
}
