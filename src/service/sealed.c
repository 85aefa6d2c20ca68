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

static CELLA_RESULT look(struct cella_service *s) {
    struct cella_service_epoch epoch;
    char why[CELLA_SERVICE_WHY] = "";
    TRY(cella_service_epoch_read(s->database, s->config.audit.path, &epoch));
    bool old = cella_service_epoch_is_old(&epoch);
    if (old)
        snprintf(why, sizeof(why),
                 "an older one was put back: it is of epoch %" PRId64 ", the audit log knows "
                 "%" PRId64 "; `cella vault accept-rollback` takes it",
                 epoch.store, epoch.log);
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
    TRY(look(s));
    if (!atomic_load(&s->sealed)) TRY(cella_service_epoch_next(s->database, s->audit, true));
    s->counting = true;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_service_sealed_tend(struct cella_service *s) {
    if (!atomic_load(&s->sealed)) return cella_service_epoch_next(s->database, s->audit, false);
    return look(s);
}

void cella_service_sealed_close(struct cella_service *s) {
    if (!s->counting || atomic_load(&s->sealed)) return;
    struct cella_result r = cella_service_epoch_next(s->database, s->audit, false);
    if (cella_failed(r)) cella_log(CELLA_LOG_WARN, "store: %s", r.error->what);
    cella_result_drop(r);
}
