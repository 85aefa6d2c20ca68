/* Envelopes and bundles: the spellings of evidence and collateral, strict in each. */
#include "fixture.h"

#include "base/text.h"
#include "evidence/bundle.h"
#include "evidence/envelope.h"

static void opens(const char *text, const char *evidence, size_t size) {
    CELLA_ENVELOPE e = {0};
    OK(cella_envelope_open(cella_bytes_text(text), &e));
    assert_int_equal(e.evidence.size, size);
    assert_memory_equal(e.evidence.data, evidence, size);
}

static enum cella_code code_for(struct cella_bytes input) {
    CELLA_ENVELOPE e = {0};
    return code_of(cella_envelope_open(input, &e));
}

static void refused(const char *text, enum cella_code code) {
    assert_int_equal(code_for(cella_bytes_text(text)), code);
}

static void one_value_in_every_spelling(void **state) {
    (void)state;
    opens("00ff10fb", "\x00\xff\x10\xfb", 4);
    opens("0x00FF10fb", "\x00\xff\x10\xfb", 4);
    opens(" 00 ff\n10 fb \r\n", "\x00\xff\x10\xfb", 4);
    opens("AP8Q+w==", "\x00\xff\x10\xfb", 4);
    opens("AP8Q\n+w==\n", "\x00\xff\x10\xfb", 4);
    opens("AP8Q-w", "\x00\xff\x10\xfb", 4);
    opens("AP8Q-w==", "\x00\xff\x10\xfb", 4);
    opens("-----BEGIN CERTIFICATE-----\nAP8Q+w==\n-----END CERTIFICATE-----\n", "\x00\xff\x10\xfb",
          4);
    opens("some notes\n-----BEGIN ATTESTATION EVIDENCE-----\r\nAP8Q+w==\r\n-----END ATTESTATION "
          "EVIDENCE-----\r\n",
          "\x00\xff\x10\xfb", 4);
    opens("\n aGVhZA.Ym9keQ.c2ln \n", "aGVhZA.Ym9keQ.c2ln", 18); /* a token stays text */
    opens("aGVhZA.Ym9keQ.", "aGVhZA.Ym9keQ.", 14);
    opens("{\"quote\": \"00ff10fb\"}", "\x00\xff\x10\xfb", 4);
    opens("{\"quote\": [0, 255, 16, 251]}", "\x00\xff\x10\xfb", 4);
    opens("{\"platform\": \"x\", \"evidence\": {\"report\": \"AP8Q+w==\"}}", "\x00\xff\x10\xfb", 4);
    opens("{\"token\": \"aGVhZA.Ym9keQ.c2ln\"}", "aGVhZA.Ym9keQ.c2ln", 18);
}

static void open_enclave_header_goes(void **state) {
    (void)state;
    char report[] = "\1\0\0\0\2\0\0\0\3\0\0\0\0\0\0\0abc";
    CELLA_ENVELOPE e = {0};
    OK(cella_envelope_open(cella_bytes(report, 19), &e));
    assert_int_equal(e.evidence.size, 3);
    assert_memory_equal(e.evidence.data, "abc", 3);
    assert_int_equal(code_for(cella_bytes(report, 18)), CELLA_ERR_FORMAT);
    assert_int_equal(code_for(cella_bytes(report, 20)), CELLA_ERR_FORMAT);
    for (size_t i = 0; i < 16; i++) {
        report[i] ^= 0x10;
        assert_int_equal(code_for(cella_bytes(report, 19)), CELLA_ERR_FORMAT);
        report[i] ^= 0x10;
    }
}

/* A32: nothing beside the one right spelling. */
static void lenient_spellings_are_refused(void **state) {
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < 64; i++) { /* "AP8Q+?==": four spare bits, which must be zero */
        char text[] = "AP8Q+w==";
        text[5] = digits[i];
        assert_int_equal(code_for(cella_bytes_text(text)),
                         i % 16 == 0 ? CELLA_OK : CELLA_ERR_FORMAT);
    }
    refused("AP8Q+w=", CELLA_ERR_FORMAT);
    refused("AP8Q+w===", CELLA_ERR_FORMAT);
    refused("AP8Q+-==", CELLA_ERR_FORMAT);
    refused("AP8Q-w=", CELLA_ERR_FORMAT);
    refused("AP8Q-w===", CELLA_ERR_FORMAT);
    refused("AP8Q-_w==", CELLA_ERR_FORMAT);
    refused("AP8Q-===", CELLA_ERR_FORMAT);
    refused("AP8Q====", CELLA_ERR_FORMAT);
    refused("00ff10f!", CELLA_ERR_FORMAT);
    refused("", CELLA_ERR_FORMAT);
    refused(" \n", CELLA_ERR_FORMAT);
    refused("a.b", CELLA_ERR_FORMAT);
    refused("a.b.c.d", CELLA_ERR_FORMAT);
    refused("-----BEGIN CERTIFICATE-----\nAP8Q+w==\n", CELLA_ERR_FORMAT);
    refused("-----BEGIN CERTIFICATE-----\nAP8Q+x==\n-----END CERTIFICATE-----\n", CELLA_ERR_FORMAT);
    assert_int_equal(code_for(cella_bytes("00\0ff", 5)), CELLA_ERR_FORMAT);
    assert_int_equal(code_for(cella_bytes("\x03\x00\x02\x00", 4)),
                     CELLA_ERR_FORMAT); /* binary is no envelope */
}

/* A29. */
static void json_is_strict(void **state) {
    (void)state;
    char deep[200] = "{\"quote\": \"00\", \"x\": ";
    refused("{}", CELLA_ERR_FORMAT);
    refused("{\"quote\": \"\"}", CELLA_ERR_FORMAT);
    refused("{\"quote\": \"00\"", CELLA_ERR_FORMAT);
    refused("{\"quote\": \"00\"} x", CELLA_ERR_FORMAT);
    refused("{\"quote\": \"00\", \"quote\": \"01\"}", CELLA_ERR_FORMAT);
    refused("{\"quote\": \"00\", \"x\": {\"a\": 1, \"a\": 2}}", CELLA_ERR_FORMAT);
    refused("{\"quote\": \"00\", \"x\": \"\\u0000\"}", CELLA_ERR_FORMAT);
    refused("{\"quote\": \"00\", \"x\": \"\\ud800\"}", CELLA_ERR_FORMAT);
    refused("{\"quote\": \"00\", \"x\": 1e999}", CELLA_ERR_FORMAT);
    refused("{\"quote\": \"00\", /* x */ \"y\": 1}", CELLA_ERR_FORMAT);
    refused("{\"quote\": 7}", CELLA_ERR_FORMAT);
    refused("{\"other\": \"00\"}", CELLA_ERR_FORMAT);
    refused("[\"00\"]", CELLA_ERR_FORMAT);
    for (size_t depth = 31; depth <= 32; depth++) {
        size_t at = strlen("{\"quote\": \"00\", \"x\": ");
        memset(deep + at, '[', depth);
        memset(deep + at + depth, ']', depth);
        snprintf(deep + at + 2 * depth, 2, "}");
        refused(deep, depth == 31 ? CELLA_OK : CELLA_ERR_LIMIT);
    }
    char many[1024] = "{\"quote\": \"00\"";
    for (int i = 0; i < CELLA_PART_MAX; i++) snprintf(many + strlen(many), 32, ", \"k%d\": 1", i);
    strcat(many, "}");
    refused(many, CELLA_ERR_LIMIT);
    static uint8_t large[CELLA_EVIDENCE_INPUT_MAX + 1];
    memset(large, '0', sizeof(large));
    assert_int_equal(code_for(CELLA_BYTES_OF(large)), CELLA_ERR_LIMIT);
}

static void part_is(const struct cella_envelope *e, const char *name, const char *content,
                    size_t size) {
    for (uint32_t i = 0; i < e->part_count; i++) {
        if (strcmp(e->part[i].name, name) != 0) continue;
        assert_int_equal(e->part[i].content.size, size);
        assert_memory_equal(e->part[i].content.data, content, size);
        return;
    }
    fail_msg("no part %s", name);
}

static void parts_have_their_names(void **state) {
    (void)state;
    CELLA_ENVELOPE azure = {0};
    CELLA_ENVELOPE vtpm = {0};
    CELLA_ENVELOPE flat = {0};
    OK(cella_envelope_open(
        cella_bytes_text(
            "{\"version\": 1, \"hcl_report\": \"AP8Q-w\", \"tpm_quote\": {\"message\": \"ff54\","
            " \"signature\": \"0102\", \"pcrs\": [\"aa\", \"bb\"]}, \"vcek\": \"AQI=\"}"),
        &azure));
    assert_memory_equal(azure.evidence.data, "\x00\xff\x10\xfb", 4);
    part_is(&azure, "tpm_quote.msg", "\xffT", 2);
    part_is(&azure, "tpm_quote.sig", "\x01\x02", 2);
    part_is(&azure, "pcrs_sha256.txt", "0 aa\n1 bb\n", 10);
    part_is(&azure, "vcek", "\x01\x02", 2);
    OK(cella_envelope_open(
        cella_bytes_text(
            "{\"pcrs\": {\"sha384\": {\"10\": \"bb\", \"7\": \"aa\"}}, \"attestation\": {\"tpm\":"
            " {\"ecc_p256\": {\"attest_data\": \"ff54\", \"signature\": \"3000\"}}},"
            " \"ak_pubkeys\": {\"ecc_p256\": {\"x\": \"01\", \"y\": \"02\"}}}"),
        &vtpm));
    assert_memory_equal(vtpm.evidence.data, "\xffT", 2);
    part_is(&vtpm, "quote.sig.der", "0\0", 2);
    part_is(&vtpm, "ak_pub.x", "\x01", 1);
    part_is(&vtpm, "pcrs_sha384.txt", "7 aa\n10 bb\n", 11);
    OK(cella_envelope_open(
        cella_bytes_text(
            "{\"event_log\": \"[{\\\"imr\\\":0}]\", \"quote\": \"00\", \"n\": {\"a\": true}}"),
        &flat));
    part_is(&flat, "event_log", "[{\"imr\":0}]", 11);
    part_is(&flat, "n", "{\"a\":true}", 10);
    refused("{\"hcl_report\": \"00\", \"tpm_quote\": {\"pcrs\": [\"\"]}}", CELLA_ERR_FORMAT);
}

/* Cut at every length and flipped in every byte: any answer but a crash, and views that lie in the
 * store. */
static void torn_envelopes(void **state) {
    (void)state;
    static const char text[] = "{\"hcl_report\": \"AP8Q-w\", \"tpm_quote\": {\"message\": "
                               "\"ff54\", \"pcrs\": [\"aa\", [1]]}}";
    char copy[sizeof(text)];
    for (size_t size = 0; size < sizeof(text); size++) code_for(cella_bytes(text, size));
    for (size_t i = 0; i + 1 < sizeof(text); i++)
        for (int bit = 0; bit < 8; bit++) {
            CELLA_ENVELOPE e = {0};
            memcpy(copy, text, sizeof(text));
            copy[i] = (char)(copy[i] ^ 1 << bit);
            cella_result_drop(cella_envelope_open(cella_bytes(copy, sizeof(text) - 1), &e));
            unsigned sum = 0;
            for (uint32_t p = 0; p < e.part_count; p++)
                for (size_t b = 0; e.part[p].content.data && b < e.part[p].content.size; b++)
                    sum ^= e.part[p].content.data[b];
            assert_true(sum < 256);
        }
}

/* --- Bundles --- */

static void bundle_holds_bytes_exactly(void **state) {
    (void)state;
    CELLA_BUFFER bundle = {0};
    CELLA_BUFFER again = {0};
    static uint8_t content[1500];
    for (size_t i = 0; i < sizeof(content); i++) content[i] = (uint8_t)(i * 7);
    for (int twice = 0; twice < 2; twice++) {
        struct cella_buffer *to = twice ? &again : &bundle;
        OK(cella_bundle_put(to, "pck_crl.der", CELLA_BYTES_OF(content)));
        OK(cella_bundle_put(to, "empty", cella_bytes(NULL, 0)));
        OK(cella_bundle_put(to, "tcb_info.json", cella_bytes(content, 512)));
        OK(cella_bundle_end(to));
    }
    assert_int_equal(bundle.size, again.size);
    assert_memory_equal(bundle.data, again.data, bundle.size);
    assert_true(cella_bundle_is(cella_buffer_bytes(&bundle)));
    static const size_t sizes[] = {1500, 0, 512};
    static const char *const names[] = {"pck_crl.der", "empty", "tcb_info.json"};
    struct cella_bundle_file file;
    bool found = false;
    size_t at = 0;
    for (size_t i = 0; i < 3; i++) {
        OK(cella_bundle_next(cella_buffer_bytes(&bundle), &at, &file, &found));
        assert_true(found);
        assert_string_equal(file.name, names[i]);
        assert_int_equal(file.content.size, sizes[i]);
        assert_memory_equal(file.content.data, content, sizes[i]);
    }
    OK(cella_bundle_next(cella_buffer_bytes(&bundle), &at, &file, &found));
    assert_false(found);
    assert_int_equal(code_of(cella_bundle_put(&bundle, "", cella_bytes(NULL, 0))), CELLA_ERR_LIMIT);
    char name[101];
    memset(name, 'n', 100);
    name[100] = 0;
    assert_int_equal(code_of(cella_bundle_put(&bundle, name, cella_bytes(NULL, 0))),
                     CELLA_ERR_LIMIT);
}

static enum cella_code walk(struct cella_bytes bundle) {
    struct cella_bundle_file file;
    bool found = true;
    for (size_t at = 0; found;) {
        struct cella_result r = cella_bundle_next(bundle, &at, &file, &found);
        if (cella_failed(r)) return code_of(r);
    }
    return CELLA_OK;
}

static void torn_bundles(void **state) {
    (void)state;
    CELLA_BUFFER bundle = {0};
    OK(cella_bundle_put(&bundle, "a", cella_bytes("content", 7)));
    OK(cella_bundle_end(&bundle));
    assert_int_equal(walk(cella_buffer_bytes(&bundle)), CELLA_OK);
    for (size_t size = 0; size < bundle.size;
         size++) { /* an end between files, or behind the first record of the end */
        bool whole = size == 0 || size == 1024 || size >= 1536;
        assert_int_equal(walk(cella_bytes(bundle.data, size)), whole ? CELLA_OK : CELLA_ERR_FORMAT);
    }
    for (size_t i = 0; i < 512; i++) { /* every byte of the header is under its checksum */
        bundle.data[i] ^= 0x01;
        assert_int_equal(walk(cella_buffer_bytes(&bundle)), CELLA_ERR_FORMAT);
        assert_false(cella_bundle_is(cella_buffer_bytes(&bundle)));
        bundle.data[i] ^= 0x01;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_value_in_every_spelling),   cmocka_unit_test(open_enclave_header_goes),
        cmocka_unit_test(lenient_spellings_are_refused), cmocka_unit_test(json_is_strict),
        cmocka_unit_test(parts_have_their_names),        cmocka_unit_test(torn_envelopes),
        cmocka_unit_test(bundle_holds_bytes_exactly),    cmocka_unit_test(torn_bundles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
