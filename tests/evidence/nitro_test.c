/* Nitro documents: all vectors, every field; every flip and cut; roots, times, shapes (A07, A08,
 * A14, A20, A30, A31, A36). */
#include "vector.h"

#include "evidence/cborwalk.h"
#include "evidence/family.h"
#include "evidence/nitro.h"

static const char *text_of(const json_t *json, const char *name) {
    return json_string_value(json_object_get(json, name));
}

static void same_optional(const struct cella_verification *v, const char *name,
                          const json_t *value) {
    if (json_is_null(value))
        assert_null(cella_claimset_find(v->claims, name));
    else
        vector_same_hex(v, name, json_string_value(value));
}

static void same_fields(const struct cella_verification *v, const json_t *expected) {
    const char *index;
    json_t *value;
    char name[32];
    bool tpm = strcmp(text_of(expected, "pcr_map"), "nitrotpm_pcrs") == 0;
    vector_same_text(v, "nitro.module-id", text_of(expected, "module_id"));
    vector_same_text(v, "platform-id", text_of(expected, "module_id"));
    vector_same_text(v, "nitro.digest", text_of(expected, "digest"));
    vector_same_text(v, "tee", tpm ? "nitro-tpm" : "nitro");
    vector_same_number(v, "nitro.timestamp-ms",
                       (uint64_t)json_integer_value(json_object_get(expected, "timestamp_ms")));
    vector_same_number(v, "issued", vector_time(text_of(expected, "timestamp")));
    vector_same_number(v, "debug", json_is_true(json_object_get(expected, "debug_mode")));
    json_object_foreach(json_object_get(expected, "pcrs"), index, value) {
        snprintf(name, sizeof(name), "nitro.pcr%s", index);
        vector_same_hex(v, name, json_string_value(value));
        if (strcmp(index, tpm ? "4" : "0") == 0)
            vector_same_hex(v, "measurement", json_string_value(value));
    }
    same_optional(v, "nitro.public-key", json_object_get(expected, "public_key"));
    same_optional(v, "nitro.user-data", json_object_get(expected, "user_data"));
    same_optional(v, "report-data", json_object_get(expected, "user_data"));
    same_optional(v, "nitro.nonce", json_object_get(expected, "nonce"));
    assert_int_equal(v->link_count, json_integer_value(json_object_get(expected, "chain_len")) + 1);
}

static size_t accepted, refused;

/* The expected verdict at its time, by detection and by name; refused at any time outside the
 * chain's (A14). */
static void check_vector(const char *path) {
    char file[600];
    CELLA_BUFFER document = {0};
    CELLA_VERIFICATION v;
    snprintf(file, sizeof(file), "%s/expected.json", path);
    json_t *expected = vector_json(file);
    snprintf(file, sizeof(file), "%s/document.cbor", path);
    vector_read(file, &document);
    struct cella_bytes bytes = cella_buffer_bytes(&document);
    bool good = strncmp(text_of(expected, "verdict"), "accept", 6) == 0;
    uint64_t from = vector_time(text_of(expected, "valid_from")),
             to = vector_time(text_of(expected, "valid_to"));
    vector_verify(bytes, NULL, CELLA_EVIDENCE_AUTO, vector_time(text_of(expected, "verify_time")),
                  &v);
    print_message("%s: %s %s %s\n", path, v.verdict ? "accepted" : "refused", v.reason.field,
                  v.reason.found);
    assert_int_equal(v.type, CELLA_EVIDENCE_NITRO);
    assert_int_equal(v.verdict, good);
    assert_int_equal(v.authentic, good);
    if (good) {
        same_fields(&v, expected);
        vector_refused(bytes, NULL, CELLA_EVIDENCE_NITRO, from - 1, "validity");
        vector_refused(bytes, NULL, CELLA_EVIDENCE_NITRO, to + 1, "validity");
        vector_refused(bytes, NULL, CELLA_EVIDENCE_NITRO, 0, "validity");
        accepted++;
    } else {
        refused++;
    }
    json_decref(expected);
}

static void all_vectors(void **state) {
    (void)state;
    if (!vector_has("nitro")) skip();
    size_t count = vector_each("nitro", check_vector);
    print_message("%zu vectors: %zu accepted, %zu refused\n", count, accepted, refused);
    assert_true(accepted >= 9 && refused >= 2);
}

enum { BEARCLAVE_TIME = 1749295504, OYSTER_TIME = 1734080745 };

/* A36: there is no byte outside the signature. Every byte of the first 200 and of the signature,
 * the rest by stride; a flip of a certificate or of the payload costs a chain, so a stride that
 * meets every field. */
static void flips(void **state) {
    (void)state;
    if (!vector_has("nitro/bearclave")) skip();
    CELLA_BUFFER document = {0};
    vector_read("nitro/bearclave/document.cbor", &document);
    struct cella_bytes bytes = cella_buffer_bytes(&document);
    for (size_t i = 0; i < bytes.size; i += i < 200 || bytes.size - i < 110 ? 1 : 7) {
        document.data[i] ^= (uint8_t)(1U << (i % 8));
        vector_refused(bytes, NULL, CELLA_EVIDENCE_NITRO, BEARCLAVE_TIME, NULL);
        document.data[i] ^= (uint8_t)(1U << (i % 8));
    }
}

static void cuts(void **state) {
    (void)state;
    if (!vector_has("nitro/bearclave")) skip();
    CELLA_BUFFER document = {0};
    vector_read("nitro/bearclave/document.cbor", &document);
    for (size_t size = 0; size < document.size; size++)
        vector_refused(cella_bytes(document.data, size), NULL, CELLA_EVIDENCE_NITRO, BEARCLAVE_TIME,
                       "format");
    uint8_t zero = 0;
    VECTOR_OK(cella_buffer_append(&document, cella_bytes(&zero, 1)));
    vector_refused(cella_buffer_bytes(&document), NULL, CELLA_EVIDENCE_NITRO, BEARCLAVE_TIME,
                   "format");
}

/* Tag 18 in front, hex and base64 of it: the same document. */
static void spellings(void **state) {
    (void)state;
    if (!vector_has("nitro/bearclave")) skip();
    CELLA_BUFFER document = {0}, tagged = {0}, text = {0};
    CELLA_VERIFICATION v, w;
    uint8_t tag = 0xd2;
    vector_read("nitro/bearclave/document.cbor", &document);
    VECTOR_OK(cella_buffer_append(&tagged, cella_bytes(&tag, 1)));
    VECTOR_OK(cella_buffer_append(&tagged, cella_buffer_bytes(&document)));
    VECTOR_OK(cella_base64_encode(cella_buffer_bytes(&document), false, &text));
    vector_verify(cella_buffer_bytes(&tagged), NULL, CELLA_EVIDENCE_AUTO, BEARCLAVE_TIME, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
    vector_verify(cella_buffer_bytes(&text), NULL, CELLA_EVIDENCE_AUTO, BEARCLAVE_TIME, &w);
    assert_int_equal(w.verdict, CELLA_VERIFY_ACCEPTED);
    tagged.data[0] = 0xd1; /* another tag */
    vector_refused(cella_buffer_bytes(&tagged), NULL, CELLA_EVIDENCE_NITRO, BEARCLAVE_TIME,
                   "format");
}

static struct cella_collateral *with_roots(const struct cella_bytes *roots, size_t count) {
    struct cella_collateral *collateral = NULL;
    VECTOR_OK(cella_collateral_new(&collateral));
    VECTOR_OK(cella_collateral_set_roots(collateral, roots, count));
    VECTOR_OK(cella_collateral_finish(collateral));
    return collateral;
}

/* A08: a root is what it is given as, and no root is more than given. */
static void roots(void **state) {
    (void)state;
    if (!vector_has("nitro/oyster-custom")) skip();
    CELLA_BUFFER custom = {0}, real = {0}, pem = {0};
    struct cella_nitro_document parsed;
    vector_read("nitro/oyster-custom/document.cbor", &custom);
    vector_read("nitro/bearclave/document.cbor", &real);
    vector_read("nitro/aws-nitro-root.pem", &pem);
    VECTOR_OK(cella_nitro_parse(cella_buffer_bytes(&custom), &parsed));
    struct cella_bytes aws = cella_buffer_bytes(&pem);
    vector_refused(cella_buffer_bytes(&custom), NULL, CELLA_EVIDENCE_NITRO, OYSTER_TIME,
                   "chain: cabundle[0]");
    struct cella_collateral *own = with_roots(&parsed.bundle[0], 1),
                            *only_aws = with_roots(&aws, 1), *none = with_roots(NULL, 0);
    vector_refused(cella_buffer_bytes(&real), own, CELLA_EVIDENCE_NITRO, BEARCLAVE_TIME,
                   "chain: cabundle[0]");
    vector_refused(cella_buffer_bytes(&real), none, CELLA_EVIDENCE_NITRO, BEARCLAVE_TIME,
                   "chain: cabundle[0]");
    vector_refused(cella_buffer_bytes(&custom), only_aws, CELLA_EVIDENCE_NITRO, OYSTER_TIME,
                   "chain: cabundle[0]");
    CELLA_VERIFICATION v, w;
    vector_verify(cella_buffer_bytes(&real), only_aws, CELLA_EVIDENCE_NITRO, BEARCLAVE_TIME, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
    vector_verify(cella_buffer_bytes(&custom), own, CELLA_EVIDENCE_NITRO, OYSTER_TIME, &w);
    assert_int_equal(w.verdict, CELLA_VERIFY_ACCEPTED);
    cella_collateral_free(&own);
    cella_collateral_free(&only_aws);
    cella_collateral_free(&none);
    if (!vector_has("nitro/negative-tampered_root_cert.crt")) return;
    CELLA_BUFFER bad = {0};
    vector_read("nitro/negative-tampered_root_cert.crt", &bad);
    struct cella_bytes bytes = cella_buffer_bytes(&bad);
    struct cella_collateral *collateral = NULL;
    VECTOR_OK(cella_collateral_new(&collateral));
    struct cella_result r = cella_collateral_set_roots(collateral, &bytes, 1);
    print_message("tampered root: %s\n", r.error ? r.error->what : "taken");
    bool taken = !cella_failed(r);
    cella_result_drop(r);
    VECTOR_OK(cella_collateral_finish(collateral));
    if (taken)
        vector_refused(cella_buffer_bytes(&real), collateral, CELLA_EVIDENCE_NITRO, BEARCLAVE_TIME,
                       "chain");
    cella_collateral_free(&collateral);
}

/* A14: how old it may be. */
static void age(void **state) {
    (void)state;
    if (!vector_has("nitro/bearclave")) skip();
    CELLA_BUFFER document = {0};
    vector_read("nitro/bearclave/document.cbor", &document);
    static const struct {
        int64_t after;
        uint64_t max_age;
        bool good;
    } rows[] = {{0, 60, true}, {60, 60, true},  {61, 60, false},
                {61, 0, true}, {-300, 0, true}, {-301, 0, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CELLA_VERIFICATION v;
        struct cella_evidence_options options = {.type = CELLA_EVIDENCE_NITRO,
                                                 .time_unix =
                                                     (uint64_t)(BEARCLAVE_TIME + rows[i].after),
                                                 .max_age_s = rows[i].max_age};
        VECTOR_OK(cella_verify(cella_buffer_bytes(&document), NULL, &options, &v));
        assert_int_equal(v.verdict, rows[i].good);
        assert_true(v.authentic); /* genuine, but not what was asked for */
        if (!rows[i].good) assert_string_equal(v.reason.step, "age");
    }
}

/* A30, A31: what the reader takes and what it does not. */
static void reader(void **state) {
    (void)state;
    static const struct {
        const char *hex;
        bool good;
    } rows[] = {
        {"00", true},
        {"17", true},
        {"1818", true},
        {"1817", false},
        {"190100", true},
        {"1900ff", false},
        {"1a00010000", true},
        {"1a0000ffff", false},
        {"1b0000000100000000", true},
        {"1b00000000ffffffff", false},
        {"1c", false},
        {"1f", false},
        {"4161", true},
        {"5f4161ff", false},
        {"7f6161ff", false},
        {"9fff", true},
        {"9f00", false},
        {"bf6161f6ff", true},
        {"bf61f6ff", false},
        {"a0", true},
        {"a10000", true},
        {"a100", false},
        {"ff", false},
        {"f6", true},
        {"c000", true},
        {"dfff", false},
        {"5bffffffffffffffff", false},
        {"9bffffffffffffffff", false},
        {"bbffffffffffffffff", false},
        {"8181818181818100", true},
        {"818181818181818100", false},
        {"0000", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CELLA_BUFFER bytes = {0};
        VECTOR_OK(cella_hex_decode_all(cella_bytes_text(rows[i].hex), &bytes));
        struct cella_walk w = cella_walk(cella_buffer_bytes(&bytes));
        cella_walk_skip(&w);
        if (cella_walk_done(&w) != rows[i].good) print_error("%s\n", rows[i].hex);
        assert_int_equal(cella_walk_done(&w), rows[i].good);
    }
}

/* Documents built by hand, wrong in one thing: refused where it is wrong, before any signature. */
static void shapes(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"00", "COSE"},
        {"8444a1013822a041a058600000", "COSE"},
        {"8444a1013823a041a05860", "COSE"},
    };
    struct cella_nitro_document parsed;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CELLA_BUFFER bytes = {0};
        VECTOR_OK(cella_hex_decode_all(cella_bytes_text(rows[i][0]), &bytes));
        struct cella_result r = cella_nitro_parse(cella_buffer_bytes(&bytes), &parsed);
        assert_non_null(r.error);
        assert_non_null(strstr(r.error->what, rows[i][1]));
        cella_result_drop(r);
    }
}

/* Swaps, drops and doubles certificates and headers of a real document (A07, A24). */
static void refuse_parse(struct cella_buffer *document, size_t at, uint8_t value, const char *why) {
    struct cella_nitro_document parsed;
    uint8_t before = document->data[at];
    document->data[at] = value;
    struct cella_result r = cella_nitro_parse(cella_buffer_bytes(document), &parsed);
    document->data[at] = before;
    assert_non_null(r.error);
    if (!strstr(r.error->what, why)) print_error("%s\n", r.error->what);
    assert_non_null(strstr(r.error->what, why));
    cella_result_drop(r);
}

static void headers(void **state) {
    (void)state;
    if (!vector_has("nitro/bearclave")) skip();
    CELLA_BUFFER document = {0};
    vector_read("nitro/bearclave/document.cbor", &document);
    refuse_parse(&document, 0, 0x85, "COSE_Sign1");
    refuse_parse(&document, 0, 0x9f, "COSE_Sign1");
    refuse_parse(&document, 2, 0xa0, "protected header");
    refuse_parse(&document, 3, 0x02, "protected header");
    refuse_parse(&document, 5, 0x06, "protected header"); /* ES256 is -7 */
    refuse_parse(&document, 5, 0x23, "protected header"); /* ES512 */
    refuse_parse(&document, 6, 0xa1, "COSE_Sign1");       /* unprotected headers */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_vectors), cmocka_unit_test(spellings), cmocka_unit_test(roots),
        cmocka_unit_test(age),         cmocka_unit_test(headers),   cmocka_unit_test(reader),
        cmocka_unit_test(shapes),      cmocka_unit_test(cuts),      cmocka_unit_test(flips),
    };
    return cmocka_run_group_tests_name("nitro", tests, NULL, NULL);
}
