#include "attest/meters.h"

#include <stdio.h>

const char *cella_decided_name(enum cella_attest_verdict verdict) {
    static const char *const names[] = {"permitted", "denied", "refused", "failed"};
    return (unsigned)verdict < CELLA_DECIDED_COUNT ? names[verdict] : "failed";
}

void cella_attest_meters_add(struct cella_metrics *metrics, struct cella_attest_meters *out) {
    char labels[96];
    for (unsigned type = 0; type < CELLA_ATTEST_TYPE_COUNT; type++) {
        const char *name = cella_attest_type_name((enum cella_attest_type)type);
        for (unsigned verdict = 0; verdict < CELLA_DECIDED_COUNT; verdict++) {
            snprintf(labels, sizeof(labels), "type=\"%s\",verdict=\"%s\"", name,
                     cella_decided_name((enum cella_attest_verdict)verdict));
            out->decisions[type][verdict] =
                cella_metrics_add(metrics, CELLA_METRIC_COUNTER, "cella_attest_decisions_total",
                                  labels, "Attestations decided, by type of evidence and verdict");
        }
        snprintf(labels, sizeof(labels), "type=\"%s\"", name);
        out->seconds[type] =
            cella_metrics_add(metrics, CELLA_METRIC_SECONDS, "cella_attest_seconds", labels,
                              "Time to answer an attest request, by type of evidence");
    }
    out->stale = cella_metrics_add(
        metrics, CELLA_METRIC_COUNTER, "cella_attest_stale_total", "",
        "Evidence accepted with collateral past its time, within the grace configured");
    out->malformed =
        cella_metrics_add(metrics, CELLA_METRIC_COUNTER, "cella_attest_malformed_total", "",
                          "Attest requests that could not be read");
    out->unauthorized =
        cella_metrics_add(metrics, CELLA_METRIC_COUNTER, "cella_attest_unauthorized_total", "",
                          "Requests without a token or a role that they need");
}
