/* Any bytes as a server's configuration; of what is taken every text that must be there is, and the
 * hosts are those of its urls. */
#include <stdlib.h>
#include <string.h>

#include "service/config.h"
#include "service/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CELLA_SERVICE_CONFIG config = {0};
    struct cella_service_hosts hosts;
    struct cella_result r =
        cella_service_config_parse(cella_bytes(data, size), "cella.conf", "/data", &config);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    if (!good) return 0;
    if (!config.server.metrics || !config.store.root || !config.store.location[0]) abort();
    if (!config.tls.development && !config.tls.key) abort();
    if (!config.identity.url && config.attest_count == 0) abort();
    for (size_t i = 0; i < config.attest_count; i++)
        if (!config.attest[i].name || !config.attest[i].url || config.attest[i].listen.count == 0)
            abort();
    r = cella_service_hosts_of(&config, &hosts);
    if (!cella_failed(r) && hosts.count < 3) abort();
    cella_result_drop(r);
    return 0;
}
