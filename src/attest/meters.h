/* What the attestation service counts. */
#ifndef CELLA_ATTEST_METERS_H
#define CELLA_ATTEST_METERS_H

#include "attest/instance.h"

enum cella_attest_verdict {
    CELLA_DECIDED_PERMITTED,
    CELLA_DECIDED_DENIED,  /* by the policy */
    CELLA_DECIDED_REFUSED, /* evidence that does not hold or bind, or no policy that can be used */
    CELLA_DECIDED_FAILED,  /* the service's own fault: no token, whatever the evidence */
    CELLA_DECIDED_COUNT
};
const char *cella_decided_name(enum cella_attest_verdict verdict);

struct cella_attest_meters {
    struct cella_metric *decisions[CELLA_ATTEST_TYPE_COUNT][CELLA_DECIDED_COUNT];
    struct cella_metric *seconds[CELLA_ATTEST_TYPE_COUNT];
    struct cella_metric *stale, *malformed, *unauthorized;
};
/* metrics may be NULL: then nothing is counted. */
void cella_attest_meters_add(struct cella_metrics *metrics, struct cella_attest_meters *out);

#endif
