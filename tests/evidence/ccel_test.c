/* Event logs of TDX against the RTMRs of their quotes: whole, dropped, reordered, doubled, changed
 * (A21, A31). */
#include "vector.h"

#include "evidence/ccel.h"
#include "evidence/sgx_quote.h"

enum { WHEN = 1770000000 };

static bool replays(struct cella_bytes log, struct cella_rtmr_replay *replay) {
    struct cella_result r = cella_rtmr_replay(log, replay, NULL, NULL);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

static bool explains(struct cella_bytes log, const struct cella_quote *quote) {
    struct cella_rtmr_replay replay;
    if (!replays(log, &replay)) return false;
    for (size_t i = 0; i < 4; i++)
        if (memcmp(replay.rtmr[i], quote->td.rtmr[i].data, 48) != 0) return false;
    return true;
}

/* The whole verification with the log as collateral; without other collateral the verdict stops at
 * that. */
static void verify(struct cella_bytes quote, struct cella_bytes log, bool good) {
    struct cella_collateral *set = NULL;
    CELLA_VERIFICATION v;
    bool taken = false;
    VECTOR_OK(cella_collateral_new(&set));
    VECTOR_OK(cella_collateral_add(set, "log", log, &taken));
    assert_true(taken);
    VECTOR_OK(cella_collateral_finish(set));
    vector_verify(quote, set, CELLA_EVIDENCE_TDX, WHEN, &v);
    assert_string_equal(v.reason.step, good ? "collateral" : "event log");
    assert_true(v.authentic);
    assert_int_equal(cella_claimset_find(v.claims, "tdx.event-count") != NULL, good);
    cella_collateral_free(&set);
}

static void ccel(void **state) {
    (void)state;
    CELLA_BUFFER quote = {0}, log = {0};
    struct cella_quote q;
    struct cella_rtmr_replay replay;
    if (!vector_has("tdx-eventlog")) return;
    vector_read("tdx-eventlog/gcp-cos-113/quote.bin", &quote);
    vector_read("tdx-eventlog/gcp-cos-113/ccel.bin", &log);
    VECTOR_OK(cella_quote_parse(cella_buffer_bytes(&quote), &q));
    assert_true(explains(cella_buffer_bytes(&log), &q));
    verify(cella_buffer_bytes(&quote), cella_buffer_bytes(&log), true);
    json_t *expected = vector_json("tdx-eventlog/gcp-cos-113/expected.json");
    assert_true(replays(cella_buffer_bytes(&log), &replay));
    for (size_t i = 0; i < 3; i++) {
        char name[8], hex[97];
        snprintf(name, sizeof(name), "rtmr%zu", i);
        cella_hex_encode(CELLA_BYTES_OF(replay.rtmr[i]), hex);
        assert_string_equal(
            hex, json_string_value(json_object_get(
                     json_object_get(json_object_get(expected, "rtmrs"), name), "replayed")));
    }
    assert_int_equal(replay.event_count + 1,
                     json_integer_value(json_object_get(expected, "events"))); /* but the header */
    json_decref(expected);
    /* the second event ends where its data does: dropped, doubled, swapped with the next, changed
     */
    size_t first = 65, one = 4 + 4 + 4 + 2 + 48 + 4 + 42, two = 4 + 4 + 4 + 2 + 48 + 4 + 58;
    CELLA_BUFFER other = {0};
    VECTOR_OK(cella_buffer_append(&other, cella_bytes(log.data, first)));
    VECTOR_OK(
        cella_buffer_append(&other, cella_bytes(log.data + first + one, log.size - first - one)));
    assert_true(replays(cella_buffer_bytes(&other), &replay) &&
                !explains(cella_buffer_bytes(&other), &q));
    verify(cella_buffer_bytes(&quote), cella_buffer_bytes(&other), false);
    other.size = first;
    VECTOR_OK(cella_buffer_append(&other, cella_bytes(log.data + first, one)));
    VECTOR_OK(cella_buffer_append(&other, cella_bytes(log.data + first, log.size - first)));
    assert_true(replays(cella_buffer_bytes(&other), &replay) &&
                !explains(cella_buffer_bytes(&other), &q));
    other.size = first;
    VECTOR_OK(cella_buffer_append(&other, cella_bytes(log.data + first + one, two)));
    VECTOR_OK(cella_buffer_append(&other, cella_bytes(log.data + first, one)));
    VECTOR_OK(cella_buffer_append(&other, cella_bytes(log.data + first + one + two,
                                                      log.size - first - one - two)));
    assert_true(replays(cella_buffer_bytes(&other), &replay) &&
                !explains(cella_buffer_bytes(&other), &q));
    log.data[first + 14] ^= 1;
    assert_false(explains(cella_buffer_bytes(&log), &q));
}

static json_t *dstack(void) {
    json_t *report = vector_json("tdx-eventlog/dstack-quote-report/report.json");
    json_t *log = json_loads(json_string_value(json_object_get(report, "event_log")), 0, NULL);
    assert_true(json_array_size(log) > 20);
    json_decref(report);
    return log;
}

static bool json_explains(const json_t *log, const struct cella_quote *q) {
    char *text = json_dumps(log, JSON_COMPACT);
    bool good = explains(cella_bytes_text(text), q);
    free(text);
    return good;
}

static void dstack_log(void **state) {
    (void)state;
    CELLA_BUFFER quote = {0};
    struct cella_quote q;
    if (!vector_has("tdx-eventlog")) return;
    vector_read("tdx-eventlog/dstack-quote-report/quote.bin", &quote);
    VECTOR_OK(cella_quote_parse(cella_buffer_bytes(&quote), &q));
    json_t *log = dstack();
    size_t count = json_array_size(log);
    char *text = json_dumps(log, JSON_COMPACT);
    assert_true(json_explains(log, &q));
    verify(cella_buffer_bytes(&quote), cella_bytes_text(text), true);
    for (size_t i = 0; i < count; i++) { /* each dropped, each doubled */
        json_t *entry = json_incref(json_array_get(log, i));
        json_array_remove(log, i);
        assert_false(json_explains(log, &q));
        json_array_insert(log, i, entry);
        json_array_insert(log, i, entry);
        assert_false(json_explains(log, &q));
        json_array_remove(log, i);
        json_decref(entry);
    }
    json_t *last =
        json_array_get(log, count - 1); /* a runtime event: its payload is under the digest */
    json_object_set_new(last, "event_payload", json_string("00"));
    assert_false(json_explains(log, &q));
    free(text);
    json_decref(log);
}

/* In the envelope that the quote came in, the log is found by itself. */
static void envelope(void **state) {
    (void)state;
    CELLA_BUFFER report = {0};
    CELLA_VERIFICATION v;
    if (!vector_has("tdx-eventlog")) return;
    vector_read("tdx-eventlog/dstack-quote-report/report.json", &report);
    vector_verify(cella_buffer_bytes(&report), NULL, CELLA_EVIDENCE_AUTO, WHEN, &v);
    assert_true(v.authentic);
    vector_same_number(&v, "tdx.event-count", 28);
    vector_same_text(&v, "tdx.event", "system-preparing: ");
}

static void cut(void **state) {
    (void)state;
    CELLA_BUFFER log = {0};
    struct cella_rtmr_replay whole, replay;
    if (!vector_has("tdx-eventlog")) return;
    vector_read("tdx-eventlog/gcp-cos-113/ccel.bin", &log);
    assert_true(replays(cella_buffer_bytes(&log), &whole));
    for (size_t size = 0; size < 8192; size++) {
        uint8_t *copy = malloc(size ? size : 1);
        cella_copy(copy, log.data, size);
        if (replays(cella_bytes(copy, size), &replay))
            assert_memory_not_equal(&replay, &whole, sizeof(whole));
        free(copy);
    }
    static const char *const odd[] = {"[",
                                      "[{\"imr\":4}]",
                                      "[{\"imr\":-1}]",
                                      "[{\"imr\":0,\"event_type\":1,\"digest\":\"00\"}]",
                                      "[1]",
                                      "{}"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        assert_false(replays(cella_bytes_text(odd[i]), &replay));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(ccel), cmocka_unit_test(dstack_log),
                                       cmocka_unit_test(envelope), cmocka_unit_test(cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
