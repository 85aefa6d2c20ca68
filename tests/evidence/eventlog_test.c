/* Event logs of real machines, replayed against the PCRs that were quoted, and damaged in every way
 * (A21, A31). */
#include "tpm_vector.h"

#include "evidence/eventlog.h"
#include "evidence/tpm_companion.h"

#define GCE     "tpm2-quote/go-tpm-tools-gce-cos-85-no-nonce"
#define WINDOWS "tpm2-quote/go-attestation-windows"

static enum cella_code code_of(struct cella_result r) {
    enum cella_code code = cella_code_of(r);
    cella_result_drop(r);
    return code;
}

/* Every PCR that the log extends is as quoted; returns how many. */
static unsigned replay_equals(struct cella_bytes log, enum cella_hash bank, const json_t *pcrs,
                              uint32_t but) {
    struct cella_registers found;
    unsigned count = 0;
    VECTOR_OK(cella_eventlog_replay(log, bank, &found));
    for (int p = 0; p < 24; p++) {
        char index[8], hex[129];
        snprintf(index, sizeof(index), "%d", p);
        const json_t *value = json_object_get(pcrs, index);
        if (!(found.extended >> p & 1) || !value || but >> p & 1) continue;
        cella_hex_encode(cella_bytes(found.value[p], cella_hash_size(bank)), hex);
        assert_string_equal(hex, json_string_value(value));
        count++;
    }
    return count;
}

static void replays_each_bank(void **state) {
    (void)state;
    if (!vector_has(GCE)) return;
    CELLA_BUFFER log = {0};
    json_t *expected = vector_json(GCE "/expected.json");
    vector_read(GCE "/eventlog.bin", &log);
    assert_true(cella_eventlog_is(cella_buffer_bytes(&log)));
    for (int i = 0; i < 3; i++)
        assert_true(replay_equals(cella_buffer_bytes(&log), (enum cella_hash)i,
                                  json_object_get(json_array_get(expected, (size_t)i), "pcrs"),
                                  0) >= 8);
    struct cella_registers none;
    assert_int_equal(
        code_of(cella_eventlog_replay(cella_buffer_bytes(&log), CELLA_HASH_SHA512, &none)),
        CELLA_ERR_NOT_FOUND);
    json_decref(expected);
}

static void replays_the_older_form(void **state) {
    (void)state;
    if (!vector_has(WINDOWS)) return;
    CELLA_BUFFER log = {0};
    json_t *pcrs = vector_json(WINDOWS "/pcrs.json");
    vector_read(WINDOWS "/eventlog.bin", &log);
    assert_false(cella_eventlog_is(cella_buffer_bytes(&log)));
    assert_true(replay_equals(cella_buffer_bytes(&log), CELLA_HASH_SHA1, pcrs, 0) >= 5);
    json_decref(pcrs);
}

static uint32_t count_of(struct cella_bytes log) {
    struct cella_registers found;
    struct cella_result r = cella_eventlog_replay(log, CELLA_HASH_SHA256, &found);
    bool failed = cella_failed(r);
    cella_result_drop(r);
    return failed ? UINT32_MAX : found.event_count;
}

/* A log may be handed out in the area it was kept in; anything else behind it is damage. */
static void takes_padding_alone(void **state) {
    (void)state;
    if (!vector_has(GCE)) return;
    CELLA_BUFFER log = {0};
    uint8_t *tail = NULL;
    vector_read(GCE "/eventlog.bin", &log);
    uint32_t count = count_of(cella_buffer_bytes(&log));
    assert_true(count > 20 && count < 1000);
    VECTOR_OK(cella_buffer_extend(&log, 4096, &tail));
    assert_int_equal(count_of(cella_buffer_bytes(&log)), count);
    memset(tail, 0xff, 4096);
    assert_int_equal(count_of(cella_buffer_bytes(&log)), count);
    tail[4095] = 0;
    assert_int_equal(count_of(cella_buffer_bytes(&log)), UINT32_MAX);
}

/* Cut anywhere: an error, or a shorter log whose registers are others. */
static void notices_every_cut(void **state) {
    (void)state;
    if (!vector_has(GCE)) return;
    CELLA_BUFFER log = {0};
    vector_read(GCE "/eventlog.bin", &log);
    uint32_t whole = count_of(cella_buffer_bytes(&log));
    size_t errors = 0;
    for (size_t size = 0; size < log.size; size += 13) {
        uint32_t count = count_of(cella_bytes(log.data, size));
        assert_true(count == UINT32_MAX || count < whole);
        errors += count == UINT32_MAX;
    }
    assert_true(errors > log.size / 13 / 2);
}

static void refuses_damaged_headers(void **state) {
    (void)state;
    if (!vector_has(GCE)) return;
    /* size of the event, count of banks, each bank's id and size, size of the vendor's part (A31)
     */
    static const size_t at[] = {28, 29, 31, 56, 59, 60, 61, 62, 63,
                                64, 65, 66, 67, 68, 69, 70, 71, 72};
    CELLA_BUFFER log = {0};
    vector_read(GCE "/eventlog.bin", &log);
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
        for (int change = 0; change < 2; change++) {
            struct cella_registers found;
            uint8_t was = log.data[at[i]];
            log.data[at[i]] = change ? 0xff : (uint8_t)(was + 1);
            struct cella_result r =
                cella_eventlog_replay(cella_buffer_bytes(&log), CELLA_HASH_SHA256, &found);
            assert_true(cella_failed(r));
            cella_result_drop(r);
            log.data[at[i]] = was;
        }
}

/* An event of PCR 0 that tells the locality, before and after PCR 0 was measured; one register too
 * many. */
static void starts_by_locality(void **state) {
    (void)state;
    uint8_t log[512] = {0};
    struct cella_registers found;
    size_t size = 0;
    static const uint8_t spec[] = {'S', 'p', 'e', 'c', ' ', 'I', 'D',  ' ', 'E', 'v', 'e',
                                   'n', 't', '0', '3', 0,   0,   0,    0,   0,   0,   2,
                                   0,   2,   1,   0,   0,   0,   0x0b, 0,   32,  0,   0};
    log[4] = 3;
    log[28] = sizeof(spec);
    memcpy(log + 32, spec, sizeof(spec));
    size = 32 + sizeof(spec);
    size_t locality = size;
    log[size + 4] = 3;
    log[size + 8] = 1;
    log[size + 12] = 0x0b;
    log[size + 46] = 17;
    memcpy(log + size + 50, "StartupLocality\0\3", 17);
    size += 67;
    VECTOR_OK(cella_eventlog_replay(cella_bytes(log, size), CELLA_HASH_SHA256, &found));
    assert_int_equal(found.value[0][31], 3);
    size_t measured = size;
    log[size + 4] = 8;
    log[size + 8] = 1;
    log[size + 12] = 0x0b;
    size += 50;
    uint8_t expected[32], start[64] = {0};
    start[31] = 3;
    VECTOR_OK(cella_sha256(CELLA_BYTES_OF(start), expected));
    VECTOR_OK(cella_eventlog_replay(cella_bytes(log, size), CELLA_HASH_SHA256, &found));
    assert_memory_equal(found.value[0], expected, 32);
    log[measured] = 32;
    assert_int_equal(
        code_of(cella_eventlog_replay(cella_bytes(log, size), CELLA_HASH_SHA256, &found)),
        CELLA_ERR_FORMAT);
    log[measured] = 31;
    VECTOR_OK(cella_eventlog_replay(cella_bytes(log, size), CELLA_HASH_SHA256, &found));
    log[measured + 8] = 0; /* an event without the bank's digest would not be replayed */
    log[measured + 12] = 0;
    assert_int_equal(
        code_of(cella_eventlog_replay(cella_bytes(log, measured + 16), CELLA_HASH_SHA256, &found)),
        CELLA_ERR_FORMAT);
    log[measured + 8] = 1;
    log[measured + 12] = 0x0b;
    log[locality + 8] = 2; /* more digests than banks */
    assert_int_equal(
        code_of(cella_eventlog_replay(cella_bytes(log, size), CELLA_HASH_SHA256, &found)),
        CELLA_ERR_FORMAT);
}

static void reads_pcr_values(void **state) {
    (void)state;
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    static const struct {
        const char *form; /* %s: a value */
        bool good;
        uint32_t given;
    } cases[] = {
        {"0 %s\n7 %s\n", true, 0x81},
        {"sha256:\n  0 : 0x%s\n  23: 0x%s\n", true, 0x800001},
        {"{\"3\": \"%s\"}", true, 8},
        {"[\"%s\", \"%s\"]", true, 3},
        {"{\"sha256\": {\"3\": \"%s\"}}", true, 8},
        {"0 %s\n0 %s\n", false, 0},
        {"24 %s\n", false, 0},
        {"0 %s00\n", false, 0},
        {"0 %s 1\n", false, 0},
        {"{\"3\": \"%s\", \"3\": \"%s\"}", false, 0},
        {"{\"03x\": \"%s\"}", false, 0},
        {"{\"3\": \"%s\"} x", false, 0},
        {"x %s\n", false, 0},
        {"999999 %s\n", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cella_tpm_pcrs pcrs[CELLA_TPM_HASH_COUNT] = {{0}};
        char text[512];
        size_t size = 0;
        for (const char *f = cases[i].form; *f; f++) {
            bool value = f[0] == '%';
            size += (size_t)snprintf(text + size, sizeof(text) - size, "%.*s", value ? 64 : 1,
                                     value ? zeros : f);
            f += value;
        }
        struct cella_result r = cella_tpm_pcrs_parse(cella_bytes(text, size), pcrs);
        assert_int_equal(!cella_failed(r), cases[i].good);
        if (cases[i].good) assert_int_equal(pcrs[CELLA_HASH_SHA256].given, cases[i].given);
        cella_result_drop(r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replays_each_bank),       cmocka_unit_test(replays_the_older_form),
        cmocka_unit_test(takes_padding_alone),     cmocka_unit_test(notices_every_cut),
        cmocka_unit_test(refuses_damaged_headers), cmocka_unit_test(starts_by_locality),
        cmocka_unit_test(reads_pcr_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
