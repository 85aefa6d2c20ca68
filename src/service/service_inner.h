/* A server's parts, in the order in which they are made; freed the other way round. For the files
 * of service.c. */
#ifndef CELLA_SERVICE_INNER_H
#define CELLA_SERVICE_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "attest/attest.h"
#include "attest/trust.h"
#include "audit/audit.h"
#include "http/server.h"
#include "identity/issuer.h"
#include "service/certificates.h"
#include "service/service.h"
#include "store/database.h"
#include "store/sealer.h"
#include "vault/vault.h"

enum { CELLA_SERVICE_WHY = 256 };

/* What is wrong with the server now: told by the thread that looks, read by /healthz. */
struct cella_service_health {
    pthread_mutex_t lock;
    char store[CELLA_SERVICE_WHY], audit[CELLA_SERVICE_WHY]; /* "": well */
    char certificate[CELLA_SERVICE_WHY], collateral[CELLA_SERVICE_WHY];
    char rollback[CELLA_SERVICE_WHY]; /* an older store was put back (K24) */
    char remark[CELLA_SERVICE_WHY];   /* not wrong, but good to know */
    bool stopping;
    struct cella_metric *ready, *age, *items, *stale, *failures, *not_after, *started_ms;
    uint64_t failures_counted;
};

struct cella_service {
    const struct cella_service_options *options;
    int lock, signals, stop, end, access_log;
    bool first; /* made in this start */
    char folder[4096];
    struct cella_service_config config;
    struct cella_service_certificates *certificates;
    struct cella_database *database;
    struct cella_sealer *sealer;
    struct cella_audit *audit;
    struct cella_metrics *metrics;
    struct cella_service_health health;
    struct cella_issuers *issuers;
    struct cella_issuer *issuer;
    struct cella_trust *trust;
    struct cella_attest *attest;
    struct cella_authorities *authorities;
    struct cella_vaults *vaults;
    struct cella_buffer file[2 * CELLA_SERVICE_ATTEST_MAX]; /* owned: what instances read */
    size_t file_count;
    struct cella_buffer login[CELLA_SERVICE_VAULT_MAX]; /* owned: of the vaults' challenges */
    size_t login_count;
    struct cella_http_site site[CELLA_HTTP_SITES];
    const struct cella_service_pair *pair[CELLA_HTTP_SITES]; /* of the site */
    size_t site_count;
    struct cella_http_server *server;
    pthread_t thread[3];
    unsigned thread_count;
    atomic_bool stopping;
    atomic_bool sealed; /* nothing is decided or released until the operator has looked (K24) */
    bool counting;      /* epochs go on: everything was opened */
};

/* sites.c */
CELLA_RESULT cella_service_sites(struct cella_service *service);
/* health.c: the handler of the metrics site, and what it tells. */
void cella_service_health_answer(void *context, const struct cella_http_request *request,
                                 struct cella_http_response *response);
void cella_service_health_open(struct cella_service *service);
void cella_service_health_look(struct cella_service *service, uint64_t now_unix);
void cella_service_health_certificates(struct cella_service *service, uint64_t now_unix);
/* sealed.c: an older store is noticed at start, and nothing is served from it until it is accepted.
 */
CELLA_RESULT cella_service_sealed_open(struct cella_service *service);
/* Looks again, while it is sealed; counts on, while it is not. */
CELLA_RESULT cella_service_sealed_tend(struct cella_service *service);
void cella_service_sealed_close(struct cella_service *service);
cella_http_handler cella_service_answer_attest, cella_service_answer_vaults;
/* background.c: threads for signals and certificates, for housekeeping, and for collateral. */
CELLA_RESULT cella_service_background_start(struct cella_service *service);
void cella_service_background_end(struct cella_service *service);

#endif
