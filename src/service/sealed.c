/* Sealed mode (K24). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "service/epoch.h"
#include "service/service_inner.h"

/* --- What is answered --- */

static void refuse(struct cella_http_response *response) {
    static const char body[] =
        "{\"error\":{\"code\":\"ServiceUnavailable\",\"message\":\"An older state of this "
        "service's store was put back; nothing is released from it until its operator has accepted "
        "it\"}}";
    cella_http_header(response, "Cache-Control", "no-store");
    cella_http_header(response, "Retry-After", "60");
    response->status = 503;
    response->content_type = "application/json; charset=utf-8";
    response->body = cella_bytes_text(body);
    response->note = "sealed";
}

void cella_service_answer_attest(void *context, const struct cella_http_request *request,
                                 struct cella_http_response *response) {
    struct cella_service *s = context;
    if (atomic_load(&s->sealed))
        refuse(response);
    else
        cella_attest_answer(s->attest, request, response);
}

void cella_service_answer_vaults(void *context, const struct cella_http_request *request,
                                 struct cella_http_response *response) {
    struct cella_service *s = context;
    if (atomic_load(&s->sealed))
        refuse(response);
    else
        cella_vaults_answer(s->vaults, request, response);
}

/* --- Looking --- */

static struct cella_service_epoch_parts parts_of(struct cella_service *s) {
    return (struct cella_service_epoch_parts){.database = s->database,
                                              .sealer = s->sealer,
                                              .path = s->config.audit.path,
                                              .audit = s->audit};
}

static CELLA_RESULT look(struct cella_service *s) {
    struct cella_service_epoch epoch;
    char why[CELLA_SERVICE_WHY] = "";
    const struct cella_service_epoch_parts parts = parts_of(s);
    TRY(cella_service_epoch_read(&parts, &epoch));
    bool old = cella_service_epoch_is_old(&epoch);
    if (old)
        snprintf(why, sizeof(why),
                 "an older one was put back: it is of epoch %" PRId64 ", the audit log knows "
                 "%" PRId64 " (counter of the TPM: %" PRId64 ", %" PRId64 "); "
                 "`cella vault accept-rollback` takes it",
                 epoch.store, epoch.log, epoch.store_counter, epoch.counter);
    if (old && !atomic_load(&s->sealed)) cella_log(CELLA_LOG_ERROR, "store: %s", why);
    if (!old && atomic_load(&s->sealed))
        cella_log(CELLA_LOG_WARN, "store: the older one was accepted; serving again");
    pthread_mutex_lock(&s->health.lock);
    memcpy(s->health.rollback, why, sizeof(why));
    pthread_mutex_unlock(&s->health.lock);
    atomic_store(&s->sealed, old);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_service_sealed_open(struct cella_service *s) {
    const struct cella_service_epoch_parts parts = parts_of(s);
    TRY(look(s));
    if (!atomic_load(&s->sealed)) TRY(cella_service_epoch_next(&parts, true));
    s->counting = true;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_service_sealed_tend(struct cella_service *s) {
    const struct cella_service_epoch_parts parts = parts_of(s);
    return atomic_load(&s->sealed) ? look(s) : cella_service_epoch_next(&parts, false);
}

void cella_service_sealed_close(struct cella_service *s) {
    if (!s->counting || atomic_load(&s->sealed)) return;
    const struct cella_service_epoch_parts parts = parts_of(s);
    struct cella_result r = cella_service_epoch_next(&parts, false);
    if (cella_failed(r)) cella_log(CELLA_LOG_WARN, "store: %s", r.error->what);
    cella_result_drop(r);
}
