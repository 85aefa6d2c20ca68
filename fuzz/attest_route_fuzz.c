/* Targets of requests to an instance: what needs a role is never reached without one (K19). */
#include <stdlib.h>

#include "attest/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const methods[] = {"GET", "PUT", "POST"};
    static struct cella_attest_route route;
    for (size_t i = 0; i < 3; i++) {
        cella_attest_route_read(cella_bytes_text(methods[i]), cella_bytes(data, size), &route);
        if (route.fault != CELLA_ATTEST_ROUTE_GOOD) continue;
        bool open = route.action == CELLA_ATTEST_DISCOVERY || route.action == CELLA_ATTEST_KEYS ||
                    (route.action == CELLA_ATTEST_ATTEST && route.type != CELLA_ATTEST_TPM);
        if ((route.permission == NULL) != open) abort();
    }
    return 0;
}
