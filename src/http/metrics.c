#include "http/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 14, LINE_MAX_SIZE = 512 };

/* Upper ends of a histogram's buckets. */
static const uint64_t bucket_us[BUCKETS] = {500,     1000,    2500,    5000,    10000,
                                            20000,   50000,   100000,  200000,  500000,
                                            1000000, 2500000, 5000000, 10000000};

struct cella_metric {
    struct cella_metric *next;
    enum cella_metric_kind kind;
    const char *name, *labels, *help; /* owned */
    _Atomic int64_t value;            /* of counters and gauges */
    _Atomic uint64_t bucket[BUCKETS + 1], sum_ns;
};

struct cella_metrics {
    struct cella_metric *first, **last;
};

static void metric_free(struct cella_metric *metric) {
    free((char *)metric->name);
    free((char *)metric->labels);
    free((char *)metric->help);
    free(metric);
}

CELLA_RESULT cella_metrics_new(struct cella_metrics **out) {
    *out = calloc(1, sizeof(**out));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for metrics");
    (*out)->last = &(*out)->first;
    return CELLA_SUCCESS;
}

void cella_metrics_free(struct cella_metrics **metrics) {
    if (!*metrics) return;
    for (struct cella_metric *m = (*metrics)->first, *next; m; m = next) {
        next = m->next;
        metric_free(m);
    }
    free(*metrics);
    *metrics = NULL;
}

struct cella_metric *cella_metrics_add(struct cella_metrics *metrics, enum cella_metric_kind kind,
                                       const char *name, const char *labels, const char *help) {
    struct cella_metric *m = metrics ? calloc(1, sizeof(*m)) : NULL;
    if (!m) return NULL;
    m->kind = kind;
    m->name = strdup(name);
    m->labels = strdup(labels);
    m->help = strdup(help);
    if (!m->name || !m->labels || !m->help) {
        metric_free(m);
        return NULL;
    }
    /* After the last of its name: Prometheus wants them together. */
    struct cella_metric **at = metrics->last;
    for (struct cella_metric *k = metrics->first; k; k = k->next)
        if (strcmp(k->name, name) == 0) at = &k->next;
    m->next = *at;
    *at = m;
    if (!m->next) metrics->last = &m->next;
    return m;
}

void cella_metric_count(struct cella_metric *metric, uint64_t n) {
    if (metric) atomic_fetch_add_explicit(&metric->value, (int64_t)n, memory_order_relaxed);
}

void cella_metric_set(struct cella_metric *metric, int64_t value) {
    if (metric) atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void cella_metric_observe(struct cella_metric *metric, uint64_t nanoseconds) {
    size_t i = 0;
    if (!metric) return;
    while (i < BUCKETS && nanoseconds > bucket_us[i] * 1000) i++;
    atomic_fetch_add_explicit(&metric->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->sum_ns, nanoseconds, memory_order_relaxed);
}

/* --- Text --- */

__attribute__((format(printf, 2, 3))) static CELLA_RESULT put(struct cella_buffer *out,
                                                              const char *format, ...) {
    char line[LINE_MAX_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    ENSURE(size > 0 && (size_t)size < sizeof(line), CELLA_ERR_LIMIT, NULL, "metric: too long");
    return cella_buffer_append(out, cella_bytes(line, (size_t)size));
}

static CELLA_RESULT put_value(const struct cella_metric *m, struct cella_buffer *out) {
    int64_t value = atomic_load_explicit(&m->value, memory_order_relaxed);
    if (!*m->labels) return put(out, "%s %" PRId64 "\n", m->name, value);
    return put(out, "%s{%s} %" PRId64 "\n", m->name, m->labels, value);
}

static CELLA_RESULT put_histogram(const struct cella_metric *m, struct cella_buffer *out) {
    const char *comma = *m->labels ? "," : "", *open = *m->labels ? "{" : "",
               *close = *m->labels ? "}" : "";
    uint64_t below = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        below += atomic_load_explicit(&m->bucket[i], memory_order_relaxed);
        TRY(put(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", m->name, m->labels, comma,
                (double)bucket_us[i] / 1e6, below));
    }
    below += atomic_load_explicit(&m->bucket[BUCKETS], memory_order_relaxed);
    TRY(put(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", m->name, m->labels, comma, below));
    TRY(put(out, "%s_sum%s%s%s %.9f\n", m->name, open, m->labels, close,
            (double)atomic_load_explicit(&m->sum_ns, memory_order_relaxed) / 1e9));
    return put(out, "%s_count%s%s%s %" PRIu64 "\n", m->name, open, m->labels, close, below);
}

CELLA_RESULT cella_metrics_text(const struct cella_metrics *metrics, struct cella_buffer *out) {
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const char *name = "";
    for (const struct cella_metric *m = metrics ? metrics->first : NULL; m; m = m->next) {
        if (strcmp(name, m->name) != 0) {
            TRY(put(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
                    kinds[m->kind]));
            name = m->name;
        }
        if (m->kind == CELLA_METRIC_SECONDS)
            TRY(put_histogram(m, out));
        else
            TRY(put_value(m, out));
    }
    return CELLA_SUCCESS;
}
