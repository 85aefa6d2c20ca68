#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../results.h"
#include "http/metrics.h"

static void text_is_prometheus(void **state) {
    struct cella_metrics *m = NULL;
    CELLA_BUFFER text = {0};
    (void)state;
    GOOD(cella_metrics_new(&m));
    struct cella_metric *a = cella_metrics_add(m, CELLA_METRIC_COUNTER, "a_total", "k=\"1\"", "A."),
                        *g = cella_metrics_add(m, CELLA_METRIC_GAUGE, "g", "", "G."),
                        *b = cella_metrics_add(m, CELLA_METRIC_COUNTER, "a_total", "k=\"2\"", "A."),
                        *s = cella_metrics_add(m, CELLA_METRIC_SECONDS, "s", "k=\"1\"", "S.");
    cella_metric_count(a, 3);
    cella_metric_count(b, 1);
    cella_metric_count(b, 4);
    cella_metric_set(g, -7);
    cella_metric_observe(s, 499999);
    cella_metric_observe(s, 500000);
    cella_metric_observe(s, 500001);
    cella_metric_observe(s, UINT64_C(60000000000));
    GOOD(cella_metrics_text(m, &text));
    GOOD(cella_buffer_append(&text, cella_bytes("", 1)));
    const char *at = (const char *)text.data;
    /* One help and type for each name, its metrics together. */
    const char *start = "# HELP a_total A.\n# TYPE a_total counter\na_total{k=\"1\"} 3\n"
                        "a_total{k=\"2\"} 5\n# HELP g G.\n# TYPE g gauge\ng -7\n"
                        "# HELP s S.\n# TYPE s histogram\ns_bucket{k=\"1\",le=\"0.0005\"} 2\n"
                        "s_bucket{k=\"1\",le=\"0.001\"} 3\n";
    assert_int_equal(strncmp(at, start, strlen(start)), 0);
    assert_non_null(strstr(at, "s_bucket{k=\"1\",le=\"10\"} 3\ns_bucket{k=\"1\",le=\"+Inf\"} 4\n"
                               "s_sum{k=\"1\"} 60.001500000\ns_count{k=\"1\"} 4\n"));
    cella_metrics_free(&m);
    assert_null(m);
}

static void nothing_counts_to_nothing(void **state) {
    CELLA_BUFFER text = {0};
    (void)state;
    assert_null(cella_metrics_add(NULL, CELLA_METRIC_COUNTER, "a", "", ""));
    cella_metric_count(NULL, 1);
    cella_metric_set(NULL, 1);
    cella_metric_observe(NULL, 1);
    GOOD(cella_metrics_text(NULL, &text));
    assert_int_equal(text.size, 0);
}

enum { THREADS = 4, ROUNDS = 20000 };
struct both {
    struct cella_metric *count, *seconds;
};
static void *count(void *data) {
    struct both *both = data;
    for (int i = 0; i < ROUNDS; i++) {
        cella_metric_count(both->count, 1);
        cella_metric_observe(both->seconds, 1);
    }
    return NULL;
}

static void threads_lose_nothing(void **state) {
    struct cella_metrics *m = NULL;
    CELLA_BUFFER text = {0};
    pthread_t thread[THREADS];
    (void)state;
    GOOD(cella_metrics_new(&m));
    struct both both = {cella_metrics_add(m, CELLA_METRIC_COUNTER, "c", "", "C."),
                        cella_metrics_add(m, CELLA_METRIC_SECONDS, "s", "", "S.")};
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, count, &both), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    GOOD(cella_metrics_text(m, &text));
    GOOD(cella_buffer_append(&text, cella_bytes("", 1)));
    assert_non_null(strstr((const char *)text.data, "\nc 80000\n"));
    assert_non_null(strstr((const char *)text.data, "\ns_count 80000\n"));
    cella_metrics_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_prometheus),
        cmocka_unit_test(nothing_counts_to_nothing),
        cmocka_unit_test(threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
