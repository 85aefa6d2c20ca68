/* The verifier's common part: dispatch, collateral sets, reasons, links, TCB judgement. Software
 * evidence stands for all. */
#include "fixture.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "evidence/bundle.h"
#include "evidence/family.h"

static const struct cella_evidence_options any = {.time_unix = NOW};

static struct cella_collateral *set_with(const struct fixture *f, bool trusted) {
    struct cella_collateral *set = NULL;
    OK(cella_collateral_new(&set));
    if (trusted) OK(cella_collateral_trust(set, cella_buffer_bytes(&f->spki)));
    OK(cella_collateral_finish(set));
    return set;
}

/* What it answers must be whole: a verdict, and either no reason or all of one; claims only of
 * authentic evidence. */
static enum cella_verify_verdict judged(struct cella_bytes evidence,
                                        const struct cella_collateral *set,
                                        const struct cella_evidence_options *options,
                                        struct cella_verification *v) {
    OK(cella_verify(evidence, set, options, v));
    bool accepted = v->verdict == CELLA_VERIFY_ACCEPTED;
    assert_int_equal(v->reason.step[0] == 0, accepted);
    assert_int_equal(v->reason.found[0] == 0, accepted);
    assert_true(v->authentic || !accepted);
    assert_int_equal(cella_claimset_count(v->claims) > 0, v->authentic);
    assert_null(v->envelope);
    return v->verdict;
}

static void refused_at(struct cella_bytes evidence, const struct cella_collateral *set,
                       const struct cella_evidence_options *options, const char *step,
                       const char *field) {
    CELLA_VERIFICATION v = {0};
    assert_int_equal(judged(evidence, set, options, &v), CELLA_VERIFY_REFUSED);
    assert_string_equal(v.reason.step, step);
    assert_string_equal(v.reason.field, field);
}

static void accepts_what_is_trusted(void **state) {
    (void)state;
    struct fixture f;
    CELLA_VERIFICATION v = {0};
    fixture_new(&f);
    struct cella_collateral *set = set_with(&f, true);
    assert_int_equal(judged(cella_buffer_bytes(&f.evidence), set, &any, &v), CELLA_VERIFY_ACCEPTED);
    assert_int_equal(v.type, CELLA_EVIDENCE_SOFTWARE);
    assert_true(v.link_count >= 2);
    const struct cella_claim *claim = cella_claimset_find(v.claims, "measurement");
    assert_memory_equal(claim->bytes.data, f.claims.identity.mrenclave, 32);
    claim = cella_claimset_find(v.claims, "confidential-computing"); /* A23 */
    assert_int_equal(claim->number, 0);
    cella_collateral_free(&set);
    fixture_free(&f);
}

static void accepts_every_spelling(void **state) {
    (void)state;
    struct fixture f;
    fixture_new(&f);
    struct cella_collateral *set = set_with(&f, true);
    CELLA_BUFFER text = {0};
    CELLA_BUFFER json = {0};
    OK(cella_base64_encode(cella_buffer_bytes(&f.evidence), false, &text));
    OK(cella_buffer_append(&json, cella_bytes_text("{\"evidence\": \"")));
    OK(cella_buffer_append(&json, cella_buffer_bytes(&text)));
    OK(cella_buffer_append(&json, cella_bytes_text("\"}")));
    const struct cella_buffer *spellings[] = {&text, &json};
    struct cella_evidence_options forced = any;
    forced.type = CELLA_EVIDENCE_SOFTWARE;
    for (size_t i = 0; i < 2; i++)
        for (int force = 0; force < 2; force++) {
            CELLA_VERIFICATION v = {0};
            assert_int_equal(judged(cella_buffer_bytes(spellings[i]), set, force ? &forced : &any,
                                    &v),
                             CELLA_VERIFY_ACCEPTED);
        }
    cella_collateral_free(&set);
    fixture_free(&f);
}

static void refuses_with_a_reason(void **state) {
    (void)state;
    struct fixture f;
    fixture_new(&f);
    struct cella_bytes evidence = cella_buffer_bytes(&f.evidence);
    struct cella_collateral *trusted = set_with(&f, true), *empty = set_with(&f, false);
    struct cella_evidence_options old = any, other = any;
    refused_at(evidence, empty, &any, "software evidence", "trust");
    refused_at(evidence, NULL, &any, "software evidence",
               "trust"); /* the set of those who give none */
    refused_at(cella_bytes("", 0), trusted, &any, "format", "evidence");
    refused_at(cella_bytes_text("hello"), trusted, &any, "format", "evidence");
    refused_at(cella_bytes_text("{\"quote\": \"00\"}"), trusted, &any, "format", "evidence");
    refused_at(cella_bytes("\x01\x02\x03", 3), trusted, &any, "format", "evidence");
    old.max_age_s = 60;
    old.time_unix = NOW + 121;
    refused_at(evidence, trusted, &old, "software evidence", "issued");
    other.type = CELLA_EVIDENCE_SGX; /* forced, and another's */
    CELLA_VERIFICATION v = {0};
    assert_int_equal(judged(evidence, trusted, &other, &v), CELLA_VERIFY_REFUSED);
    assert_false(v.authentic);
    static uint8_t large[CELLA_EVIDENCE_INPUT_MAX + 1];
    refused_at(CELLA_BYTES_OF(large), trusted, &any, "format", "size");
    cella_collateral_free(&trusted);
    cella_collateral_free(&empty);
    fixture_free(&f);
}

/* A36, A31: every bit, and every length. The evidence ends in its signature, so nothing of it is
 * unsigned. */
static void no_bit_and_no_byte_less(void **state) {
    (void)state;
    struct fixture f;
    fixture_new(&f);
    struct cella_collateral *set = set_with(&f, true);
    struct cella_evidence_options forced = any;
    forced.type = CELLA_EVIDENCE_SOFTWARE;
    for (size_t i = 0; i < f.evidence.size; i++) {
        CELLA_VERIFICATION v = {0};
        f.evidence.data[i] ^= (uint8_t)(1U << i % 8);
        assert_int_equal(judged(cella_buffer_bytes(&f.evidence), set, &forced, &v),
                         CELLA_VERIFY_REFUSED);
        assert_false(v.authentic);
        f.evidence.data[i] ^= (uint8_t)(1U << i % 8);
    }
    for (size_t size = 0; size < f.evidence.size; size++) {
        CELLA_VERIFICATION v = {0};
        assert_int_equal(judged(cella_bytes(f.evidence.data, size), set, &any, &v),
                         CELLA_VERIFY_REFUSED);
    }
    cella_collateral_free(&set);
    fixture_free(&f);
}

static void wrong_use_is_an_error(void **state) {
    (void)state;
    struct fixture f;
    CELLA_VERIFICATION v = {0};
    struct cella_collateral *set = NULL;
    bool taken = false;
    fixture_new(&f);
    struct cella_bytes evidence = cella_buffer_bytes(&f.evidence);
    struct cella_evidence_options odd = {.type = CELLA_EVIDENCE_TYPE_COUNT};
    OK(cella_collateral_new(&set));
    assert_int_equal(code_of(cella_verify(evidence, set, &any, &v)),
                     CELLA_ERR_USAGE);                 /* not finished */
    assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED); /* A35 */
    OK(cella_collateral_finish(set));
    assert_int_equal(code_of(cella_collateral_finish(set)), CELLA_ERR_USAGE);
    assert_int_equal(code_of(cella_collateral_add(set, "x", evidence, &taken)), CELLA_ERR_USAGE);
    assert_int_equal(code_of(cella_collateral_trust(set, cella_buffer_bytes(&f.spki))),
                     CELLA_ERR_USAGE);
    assert_int_equal(code_of(cella_collateral_set_roots(set, NULL, 0)), CELLA_ERR_USAGE);
    assert_int_equal(code_of(cella_verify(evidence, set, NULL, &v)), CELLA_ERR_USAGE);
    assert_int_equal(code_of(cella_verify(evidence, set, &odd, &v)), CELLA_ERR_USAGE);
    cella_collateral_free(&set);
    fixture_free(&f);
}

/* --- Trust --- */

static enum cella_verify_verdict with_key_as(const struct fixture *f, bool as_root, bool as_item,
                                             struct cella_bytes key) {
    CELLA_VERIFICATION v = {0};
    struct cella_collateral *set = NULL;
    bool taken = false;
    OK(cella_collateral_new(&set));
    if (as_root) OK(cella_collateral_set_roots(set, &key, 1));
    if (as_item) OK(cella_collateral_add(set, "platform.pem", key, &taken));
    OK(cella_collateral_finish(set));
    enum cella_verify_verdict verdict = judged(cella_buffer_bytes(&f->evidence), set, &any, &v);
    cella_collateral_free(&set);
    return verdict;
}

static void only_the_caller_trusts(void **state) {
    (void)state;
    struct fixture f, other;
    fixture_new(&f);
    fixture_new(&other);
    CELLA_BUFFER pem = {0};
    OK(cella_buffer_append(&pem, cella_bytes_text("-----BEGIN PUBLIC KEY-----\n")));
    OK(cella_base64_encode(cella_buffer_bytes(&f.spki), false, &pem));
    OK(cella_buffer_append(&pem, cella_bytes_text("\n-----END PUBLIC KEY-----\n")));
    assert_int_equal(with_key_as(&f, true, false, cella_buffer_bytes(&f.spki)),
                     CELLA_VERIFY_ACCEPTED);
    assert_int_equal(with_key_as(&f, true, false, cella_buffer_bytes(&pem)), CELLA_VERIFY_ACCEPTED);
    assert_int_equal(with_key_as(&f, true, false, cella_buffer_bytes(&other.spki)),
                     CELLA_VERIFY_REFUSED);
    /* What comes beside the evidence is the attacker's choice: a key there is no trusted key. */
    assert_int_equal(with_key_as(&f, false, true, cella_buffer_bytes(&f.spki)),
                     CELLA_VERIFY_REFUSED);
    assert_int_equal(with_key_as(&f, false, true, cella_buffer_bytes(&pem)), CELLA_VERIFY_REFUSED);
    struct cella_collateral *set = NULL;
    OK(cella_collateral_new(&set));
    assert_int_equal(code_of(cella_collateral_trust(set, cella_bytes_text("no key"))),
                     CELLA_ERR_FORMAT);
    assert_int_equal(code_of(cella_collateral_trust(set, cella_bytes("0\x03\x02\x01\x01", 5))),
                     CELLA_ERR_FORMAT);
    cella_collateral_free(&set);
    fixture_free(&f);
    fixture_free(&other);
}

/* --- Folders, files, bundles --- */

static void put(const char *folder, const char *name, struct cella_bytes content) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    OK(cella_file_write(path, content, 0644, 0));
}

static void folders_and_bundles_are_read(void **state) {
    (void)state;
    char folder[] = "/tmp/cella_collateral_XXXXXX", inner[64], path[128];
    struct cella_collateral *set = NULL;
    CELLA_BUFFER bundle = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(inner, sizeof(inner), "%s/collateral-2026", folder);
    assert_int_equal(mkdir(inner, 0755), 0);
    put(folder, "notes.txt", cella_bytes_text("notes"));
    put(folder, ".hidden", cella_bytes_text("hidden"));
    put(inner, "junk.der", cella_bytes("0\x80\x00", 3));
    OK(cella_bundle_put(&bundle, "a/b/notes.txt", cella_bytes_text("notes")));
    OK(cella_bundle_end(&bundle));
    put(folder, "bundle.tar", cella_buffer_bytes(&bundle));
    OK(cella_collateral_new(&set));
    OK(cella_collateral_add_path(set, folder));
    snprintf(path, sizeof(path), "%s/absent", folder);
    assert_int_equal(code_of(cella_collateral_add_path(set, path)), CELLA_ERR_NOT_FOUND);
    OK(cella_collateral_finish(set));
    cella_collateral_free(&set);
    bool taken = false;
    struct fixture
        f; /* a bundle cut short refuses what is judged with it, and is no error of the caller */
    fixture_new(&f);
    OK(cella_collateral_new(&set));
    OK(cella_collateral_trust(set, cella_buffer_bytes(&f.spki)));
    OK(cella_collateral_add(set, "cut.tar", cella_bytes(bundle.data, 600), &taken));
    OK(cella_collateral_finish(set));
    refused_at(cella_buffer_bytes(&f.evidence), set, &any, "collateral", "bundle");
    cella_collateral_free(&set);
    fixture_free(&f);
    bundle.data[0] ^= 1; /* no bundle any more, so an item that is nobody's */
    taken = true;
    OK(cella_collateral_new(&set));
    OK(cella_collateral_add(set, "bundle.tar", cella_buffer_bytes(&bundle), &taken));
    assert_false(taken);
    cella_collateral_free(&set);
    static const char *const files[] = {"notes.txt", ".hidden", "collateral-2026/junk.der",
                                        "bundle.tar"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(inner);
    rmdir(folder);
}

static void sets_are_bounded(void **state) {
    (void)state;
    struct cella_collateral *set = NULL;
    bool taken = false;
    uint8_t *large = calloc(1, 9 << 20);
    assert_non_null(large);
    OK(cella_collateral_new(&set));
    OK(cella_collateral_add(set, "large", cella_bytes(large, 9 << 20), &taken));
    assert_int_equal(
        code_of(cella_collateral_add(set, "large", cella_bytes(large, 9 << 20), &taken)),
        CELLA_ERR_LIMIT);
    cella_collateral_free(&set);
    OK(cella_collateral_new(&set));
    struct cella_result r = CELLA_SUCCESS;
    int count = 0;
    for (; !cella_failed(r) && count < 10000; count++)
        r = cella_collateral_add(set, "x", cella_bytes(large, 1), &taken);
    assert_int_equal(code_of(r), CELLA_ERR_LIMIT);
    cella_collateral_free(&set);
    free(large);
}

/* --- Reasons, links, statuses --- */

static void reasons_are_one_tame_line(void **state) {
    (void)state;
    CELLA_VERIFICATION v = {0};
    char large[600];
    memset(large, 'a', sizeof(large));
    memcpy(large + 254, "\xe2\x82\xac", 3); /* a character across the end */
    large[sizeof(large) - 1] = 0;
    cella_result_drop(
        cella_refuse(&v, CELLA_ERR_REFUSED, "step", "field", NULL, "x\x1b[2Jy\n", large));
    assert_string_equal(v.reason.expected, "x?[2Jy?");
    assert_int_equal(strlen(v.reason.found), 254);
    assert_string_equal(v.reason.remedy, "");
    cella_result_drop(cella_refuse(&v, CELLA_ERR_REFUSED, v.reason.field, v.reason.step, NULL,
                                   v.reason.found, "z"));
    assert_string_equal(v.reason.step, "field"); /* also when its own texts are given back */
    assert_int_equal(strlen(v.reason.expected), 254);
    struct cella_result r = cella_refuse_because(
        &v, CELLA_FAILURE(CELLA_ERR_FORMAT, "do this", "what it was"), "s", "f", NULL, "e");
    assert_int_equal(code_of(r), CELLA_ERR_FORMAT);
    assert_string_equal(v.reason.found, "what it was");
    assert_string_equal(v.reason.remedy, "do this");
    const char *first = cella_text(&v, "%d", 1), *second = cella_text(&v, "%d", 2);
    assert_string_equal(first, "1");
    assert_string_equal(second, "2");
    uint8_t bytes[49] = {0};
    assert_int_equal(strlen(cella_text_hex(&v, cella_bytes(bytes, 48))), 96);
    assert_string_equal(cella_text_hex(&v, CELLA_BYTES_OF(bytes)) + 96, "...");
}

static void links_make_no_circle(void **state) {
    (void)state;
    CELLA_VERIFICATION v = {0};
    assert_int_equal(cella_link_add(&v, 0, "a", "b", "c", true), 0);
    assert_int_equal(v.link[0].parent, -1); /* not its own parent */
    assert_int_equal(cella_link_add(&v, 7, "a", "b", NULL, true), 1);
    assert_int_equal(v.link[1].parent, -1);
    assert_int_equal(cella_link_add(&v, 1, "a", "b", "c", false), 2);
    assert_int_equal(v.link[2].parent, 1);
    for (int i = 3; i < CELLA_CHAIN_MAX; i++)
        assert_int_equal(cella_link_add(&v, i - 1, "a", "b", "c", true), i);
    assert_int_equal(cella_link_add(&v, -1, "a", "b", "c", true), -1);
}

/* A01: UpToDate, or what is named letter for letter. */
static void statuses_are_accepted_by_name(void **state) {
    (void)state;
    static const char *const named[] = {"SWHardeningNeeded", ""};
    static const struct {
        const char *status;
        bool alone, with;
    } cases[] = {{"UpToDate", true, true},
                 {"SWHardeningNeeded", false, true},
                 {"OutOfDate", false, false},
                 {"swhardeningneeded", false, false},
                 {"SWHardeningNeeded ", false, false},
                 {"Revoked", false, false},
                 {"", false, false}};
    struct cella_evidence_options with = {.accept_tcb = named, .accept_tcb_count = 2};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CELLA_VERIFICATION v = {0};
        snprintf(v.tcb_status, sizeof(v.tcb_status), "%s", cases[i].status);
        assert_int_equal(code_of(cella_judge_tcb(&v, &any, "shortfall")),
                         cases[i].alone ? CELLA_OK : CELLA_ERR_REFUSED);
        if (!cases[i].alone) assert_non_null(strstr(v.reason.found, "shortfall"));
        assert_int_equal(code_of(cella_judge_tcb(&v, &with, NULL)),
                         cases[i].with ? CELLA_OK : CELLA_ERR_REFUSED);
    }
}

static void types_have_names(void **state) {
    (void)state;
    enum cella_evidence_type type;
    for (int i = CELLA_EVIDENCE_AUTO + 1; i < CELLA_EVIDENCE_TYPE_COUNT; i++) {
        OK(cella_evidence_type_of(cella_evidence_type_name((enum cella_evidence_type)i), &type));
        assert_int_equal(type, i);
    }
    assert_int_equal(code_of(cella_evidence_type_of("unknown", &type)), CELLA_ERR_USAGE);
    assert_int_equal(code_of(cella_evidence_type_of("SGX", &type)), CELLA_ERR_USAGE);
    assert_string_equal(cella_evidence_type_name(CELLA_EVIDENCE_TYPE_COUNT), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_is_trusted),       cmocka_unit_test(accepts_every_spelling),
        cmocka_unit_test(refuses_with_a_reason),         cmocka_unit_test(no_bit_and_no_byte_less),
        cmocka_unit_test(wrong_use_is_an_error),         cmocka_unit_test(only_the_caller_trusts),
        cmocka_unit_test(folders_and_bundles_are_read),  cmocka_unit_test(sets_are_bounded),
        cmocka_unit_test(reasons_are_one_tame_line),     cmocka_unit_test(links_make_no_circle),
        cmocka_unit_test(statuses_are_accepted_by_name), cmocka_unit_test(types_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
