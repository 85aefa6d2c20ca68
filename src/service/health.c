#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/memory.h"
#include "service/service_inner.h"

enum { AUDIT_ROOM = 1 << 20 /* bytes left on the disk */ };

/* --- Looking --- */

static void tell(struct cella_service_health *h, char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void tell(struct cella_service_health *h, char *where, const char *format, ...) {
    char text[CELLA_SERVICE_WHY];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    pthread_mutex_lock(&h->lock);
    memcpy(where, text, sizeof(text));
    pthread_mutex_unlock(&h->lock);
}

/* One row, written anew each time: nothing tells whether a store takes writes but a write. */
static CELLA_RESULT write_row(struct cella_database *database, uint64_t now_unix) {
    CELLA_SESSION session = NULL;
    const struct cella_value now = cella_value_integer((int64_t)now_unix);
    uint64_t changed = 0;
    TRY(cella_session_begin(database, true, &session));
    TRY(cella_execute(session, "UPDATE service_health SET seen = ?", &now, 1, &changed));
    if (changed == 0)
        TRY(cella_execute(session, "INSERT INTO service_health (seen) VALUES (?)", &now, 1, NULL));
    return cella_session_commit(&session);
}

static void look_at_store(struct cella_service *s, uint64_t now_unix) {
    struct cella_result r = write_row(s->database, now_unix);
    tell(&s->health, s->health.store, "%s", cella_failed(r) ? r.error->what : "");
    cella_result_drop(r);
}

static void look_at_audit(struct cella_service *s) {
    struct statvfs fs;
    const char *path = s->config.audit.path;
    if (access(path, W_OK) != 0)
        tell(&s->health, s->health.audit, "%s cannot be written: %m", path);
    else if (statvfs(path, &fs) == 0 && fs.f_bavail * fs.f_frsize < AUDIT_ROOM)
        tell(&s->health, s->health.audit, "the disk of %s is full", path);
    else
        tell(&s->health, s->health.audit, "%s", "");
}

static void look_at_certificates(struct cella_service *s, uint64_t now_unix) {
    const struct cella_service_certificates *c = s->certificates;
    uint64_t first = UINT64_MAX;
    const char *bad = NULL;
    for (size_t i = 0; i < c->count; i++) {
        if (c->pair[i].not_after_unix < first) first = c->pair[i].not_after_unix;
        if (now_unix > c->pair[i].not_after_unix || now_unix < c->pair[i].not_before_unix)
            bad = c->pair[i].certificate_path;
    }
    cella_metric_set(s->health.not_after, (int64_t)first);
    if (bad)
        tell(&s->health, s->health.certificate, "%s is not valid now", bad);
    else
        tell(&s->health, s->health.certificate, "%s", "");
}

static void look_at_collateral(struct cella_service *s, uint64_t now_unix) {
    struct cella_service_health *h = &s->health;
    struct cella_trust_state state = {0};
    if (!s->trust) return;
    cella_trust_state(s->trust, now_unix, &state);
    cella_metric_set(h->age, (int64_t)state.age_s);
    cella_metric_set(h->items, (int64_t)state.count);
    cella_metric_set(h->stale, (int64_t)state.stale);
    cella_metric_count(h->failures, state.failures - h->failures_counted);
    h->failures_counted = state.failures;
    bool out = state.count > 0 && state.stale == state.count;
    tell(h, h->collateral, "%s", out ? "all of it is past its time" : "");
    tell(h, h->remark, "%s%s", state.count == 0 ? "no collateral of Intel or AMD yet" : "",
         state.last[0] ? "the last refresh of collateral failed, see the log" : "");
}

static bool is_well(struct cella_service_health *h) {
    return !h->stopping && !h->store[0] && !h->audit[0] && !h->certificate[0] &&
           !h->collateral[0] && !h->rollback[0];
}

void cella_service_health_look(struct cella_service *s, uint64_t now_unix) {
    look_at_store(s, now_unix);
    look_at_audit(s);
    look_at_collateral(s, now_unix);
    pthread_mutex_lock(&s->health.lock);
    bool well = is_well(&s->health);
    pthread_mutex_unlock(&s->health.lock);
    cella_metric_set(s->health.ready, well);
}

void cella_service_health_certificates(struct cella_service *s, uint64_t now_unix) {
    look_at_certificates(s, now_unix);
}

void cella_service_health_open(struct cella_service *s) {
    struct cella_service_health *h = &s->health;
    struct cella_metrics *m = s->metrics;
    h->ready =
        cella_metrics_add(m, CELLA_METRIC_GAUGE, "cella_ready", "", "1 when /healthz says ready");
    h->started_ms = cella_metrics_add(m, CELLA_METRIC_GAUGE, "cella_start_milliseconds", "",
                                      "from start to ready");
    h->not_after = cella_metrics_add(m, CELLA_METRIC_GAUGE, "cella_certificate_not_after_seconds",
                                     "", "when the first TLS certificate expires, Unix time");
    h->age = cella_metrics_add(m, CELLA_METRIC_GAUGE, "cella_collateral_age_seconds", "",
                               "since collateral was refreshed");
    h->items = cella_metrics_add(m, CELLA_METRIC_GAUGE, "cella_collateral_items", "",
                                 "signed items of collateral that hold");
    h->stale = cella_metrics_add(m, CELLA_METRIC_GAUGE, "cella_collateral_stale_items", "",
                                 "of them, those past their time");
    h->failures = cella_metrics_add(m, CELLA_METRIC_COUNTER, "cella_collateral_failures_total", "",
                                    "refreshes of collateral that failed");
}

/* --- Telling --- */

static CELLA_RESULT add(struct cella_buffer *out, const char *name, const char *text) {
    char line[CELLA_SERVICE_WHY + 32];
    if (!text[0]) return CELLA_SUCCESS;
    int n = snprintf(line, sizeof(line), "%s: %s\n", name, text);
    return cella_buffer_append(out, cella_bytes(line, (size_t)n));
}

static CELLA_RESULT describe(struct cella_service_health *h, bool well, struct cella_buffer *out) {
    const char *head = well ? "ready\n" : "not ready\n";
    TRY(cella_buffer_append(out, cella_bytes_text(head)));
    if (h->stopping) TRY(add(out, "server", "it is stopping"));
    TRY(add(out, "store", h->store));
    TRY(add(out, "store", h->rollback));
    TRY(add(out, "audit log", h->audit));
    TRY(add(out, "certificate", h->certificate));
    TRY(add(out, "collateral", h->collateral));
    return add(out, "remark", h->remark);
}

static CELLA_RESULT answer_health(struct cella_service *s, struct cella_http_response *response) {
    pthread_mutex_lock(&s->health.lock);
    bool well = is_well(&s->health);
    struct cella_result r = describe(&s->health, well, &response->text);
    pthread_mutex_unlock(&s->health.lock);
    response->status = well ? 200 : 503;
    response->content_type = "text/plain; charset=utf-8";
    return r;
}

static CELLA_RESULT answer_metrics(struct cella_service *s, struct cella_http_response *response) {
    response->status = 200;
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    return cella_metrics_text(s->metrics, &response->text);
}

static bool is(struct cella_bytes a, const char *b) {
    return a.size == strlen(b) && cella_equal(a.data, b, a.size);
}

void cella_service_health_answer(void *context, const struct cella_http_request *request,
                                 struct cella_http_response *response) {
    struct cella_service *s = context;
    struct cella_result r = CELLA_SUCCESS;
    bool metrics = is(request->target, "/metrics"), health = is(request->target, "/healthz");
    cella_http_header(response, "Cache-Control", "no-store");
    if (!metrics && !health)
        response->status = 404;
    else if (!is(request->method, "GET"))
        response->status = 405;
    else
        r = metrics ? answer_metrics(s, response) : answer_health(s, response);
    if (cella_failed(r)) response->status = 500;
    response->body = cella_buffer_bytes(&response->text);
    cella_result_drop(r);
}
