/* The attestation service: every instance behind one handler, told apart by the Host header. */
#ifndef CELLA_ATTEST_ATTEST_H
#define CELLA_ATTEST_ATTEST_H

#include "attest/instance.h"
#include "http/server.h"

struct cella_attest;
struct cella_attest_parts { /* borrowed; must outlive the service */
    struct cella_database *database;
    const struct cella_sealer *sealer;
    const struct cella_issuers *issuers;
    struct cella_audit *audit;
    struct cella_metrics *metrics;
};
/* Brings the tables to the newest version. */
CELLA_RESULT cella_attest_new(const struct cella_attest_parts *parts, struct cella_attest **out);
void cella_attest_free(struct cella_attest **attest);
/* Before serving. The settings' texts and trust must outlive the service. */
CELLA_RESULT cella_attest_add(struct cella_attest *attest,
                              const struct cella_attest_settings *settings,
                              struct cella_trust *trust);
/* The handler; context: the service. An unknown host is 404. */
void cella_attest_answer(void *context, const struct cella_http_request *request,
                         struct cella_http_response *response);
/* The key set of the instance at index, as its /certs has it, appended; *url: its origin. NULL url
 * after the last. For a vault of the same server, which need not ask over the network. */
CELLA_RESULT cella_attest_keyset(struct cella_attest *attest, size_t index, const char **url,
                                 struct cella_buffer *jwks);
/* Rotation and housekeeping; now and then, from one thread. */
CELLA_RESULT cella_attest_tend(struct cella_attest *attest, uint64_t now_unix);
/* The largest body that the service reads. */
enum { CELLA_ATTEST_BODY_MAX = 4 << 20 };

#endif
