/* Counters of a running service, as text in Prometheus' exposition format 0.0.4.
 *
 * Metrics are added at start, before any thread counts; counting is lock-free, from any thread.
 * Nothing that a caller sends becomes a label (K11). */
#ifndef CELLA_HTTP_METRICS_H
#define CELLA_HTTP_METRICS_H

#include "base/buffer.h"

enum cella_metric_kind { CELLA_METRIC_COUNTER, CELLA_METRIC_GAUGE, CELLA_METRIC_SECONDS };
/* SECONDS: a histogram with buckets from 0.5 ms to 10 s. */

struct cella_metrics;
struct cella_metric;
CELLA_RESULT cella_metrics_new(struct cella_metrics **out);
void cella_metrics_free(struct cella_metrics **metrics);
/* name: "cella_attest_decisions_total"; labels: "type=\"SgxEnclave\",verdict=\"permitted\"" or "".
 * Metrics of one name have one help and kind. NULL metrics gives NULL, and counting on NULL does
 * nothing. */
struct cella_metric *cella_metrics_add(struct cella_metrics *metrics, enum cella_metric_kind kind,
                                       const char *name, const char *labels, const char *help);
void cella_metric_count(struct cella_metric *metric, uint64_t n);
void cella_metric_set(struct cella_metric *metric, int64_t value);
void cella_metric_observe(struct cella_metric *metric, uint64_t nanoseconds);
CELLA_RESULT cella_metrics_text(const struct cella_metrics *metrics, struct cella_buffer *out);

#endif
