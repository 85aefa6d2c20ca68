/* Software evidence: made, verified, and refused in every way it can be wrong. */
#include "fixture.h"

#include <stdlib.h>

static bool all_zero(const void *p, size_t n) {
    const uint8_t *bytes = p;
    for (size_t i = 0; i < n; i++)
        if (bytes[i]) return false;
    return true;
}

static void says_what_was_said(void **state) {
    (void)state;
    struct fixture f;
    struct cella_claims claims;
    uint8_t fingerprint[32];
    fixture_new(&f);
    OK(fixture_verify(&f, cella_buffer_bytes(&f.evidence), &claims));
    assert_memory_equal(&claims.software, &f.claims, sizeof(f.claims));
    OK(cella_key_fingerprint(f.key, fingerprint));
    assert_memory_equal(claims.platform_key, fingerprint, 32);
    assert_memory_equal(claims.trusted_by, fingerprint, 32);
    assert_int_equal(claims.root, CELLA_ROOT_FILE);
    assert_int_equal(claims.tpm_pcr_count, 0);
    fixture_free(&f);
}

/* Settings in any order give the same payload; values of any bytes come out printable. */
static void orders_and_cleans_settings(void **state) {
    (void)state;
    struct fixture f;
    fixture_new(&f);
    struct cella_buffer first = f.evidence;
    f.evidence = (struct cella_buffer){0};
    struct cella_setting moved = f.claims.setting[0];
    f.claims.setting[0] = f.claims.setting[3];
    f.claims.setting[3] = moved;
    OK(cella_software_evidence(f.signer, &f.claims, &f.evidence));
    assert_int_equal(first.size, f.evidence.size);
    assert_memory_equal(first.data, f.evidence.data, first.size - 64); /* all but the signature */
    cella_buffer_free(&first);
    snprintf(f.claims.setting[1].value, CELLA_SETTING_VALUE_MAX, "tab\there\x80");
    struct cella_claims claims;
    f.evidence.size = 0;
    OK(cella_software_evidence(f.signer, &f.claims, &f.evidence));
    OK(fixture_verify(&f, cella_buffer_bytes(&f.evidence), &claims));
    assert_string_equal(claims.software.setting[1].value, "tab?here?");
    fixture_free(&f);
}

static void maker_refuses_contradictions(void **state) {
    (void)state;
    struct fixture f;
    fixture_new(&f);
    struct cella_software_claims bad[4];
    for (int i = 0; i < 4; i++) bad[i] = f.claims;
    bad[0].identity.debug = true; /* attributes do not say so */
    bad[1].assurance = 4;
    bad[2].setting_count = CELLA_SETTING_MAX + 1;
    memcpy(bad[3].setting[1].name, bad[3].setting[0].name, CELLA_SETTING_NAME_MAX);
    for (int i = 0; i < 4; i++) {
        CELLA_BUFFER out = {0};
        assert_int_not_equal(code_of(cella_software_evidence(f.signer, &bad[i], &out)), CELLA_OK);
        assert_int_equal(out.size, 0);
    }
    struct cella_software_signer *signer = NULL;
    assert_int_equal(
        code_of(cella_software_signer_new(f.key, CELLA_ROOT_TPM, cella_bytes(NULL, 0), &signer)),
        CELLA_ERR_USAGE);
    assert_int_equal(
        code_of(cella_software_signer_new(f.key, CELLA_ROOT_FILE, cella_bytes("x", 1), &signer)),
        CELLA_ERR_USAGE);
    assert_null(signer);
    fixture_free(&f);
}

/* The largest claims fit. */
static void takes_the_largest_claims(void **state) {
    (void)state;
    struct fixture f;
    struct cella_claims claims;
    fixture_new(&f);
    f.claims.identity.attributes = UINT64_MAX;
    f.claims.identity.debug = true;
    f.claims.identity.xfrm = UINT64_MAX;
    f.claims.identity.miscselect = UINT32_MAX;
    f.claims.identity.svn = f.claims.identity.product_id = UINT16_MAX;
    f.claims.issued_unix = 253402300799ULL;
    memset(f.claims.platform_version, 'v', sizeof(f.claims.platform_version) - 1);
    f.claims.setting_count = CELLA_SETTING_MAX;
    for (unsigned i = 0; i < CELLA_SETTING_MAX; i++) {
        memset(&f.claims.setting[i], 'x', sizeof(f.claims.setting[i]));
        snprintf(f.claims.setting[i].name + 40, 8, "%07u", i);
        f.claims.setting[i].value[CELLA_SETTING_VALUE_MAX - 1] = 0;
    }
    f.evidence.size = 0;
    OK(cella_software_evidence(f.signer, &f.claims, &f.evidence));
    OK(fixture_verify(&f, cella_buffer_bytes(&f.evidence), &claims));
    assert_memory_equal(&claims.software, &f.claims, sizeof(f.claims));
    fixture_free(&f);
}

/* threats.md A36: every bit of the evidence is signed or has one right value. */
static void refuses_every_flip(void **state) {
    (void)state;
    struct fixture f;
    fixture_new(&f);
    struct cella_bytes anchor = cella_buffer_bytes(&f.spki);
    struct cella_verifier *verifier = NULL;
    OK(cella_verifier_new(&anchor, 1, &verifier));
    for (size_t bit = 0; bit < f.evidence.size * 8; bit++) {
        struct cella_claims claims;
        memset(&claims, 0xff, sizeof(claims));
        f.evidence.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        enum cella_code code = code_of(
            cella_verifier_check(verifier, cella_buffer_bytes(&f.evidence), NOW, 0, &claims));
        if (code == CELLA_OK) fail_msg("bit %zu flipped and accepted", bit);
        assert_true(all_zero(&claims, sizeof(claims))); /* A35: nothing of it leaves */
        f.evidence.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    cella_verifier_free(&verifier);
    fixture_free(&f);
}

static void refuses_every_cut_and_tail(void **state) {
    (void)state;
    struct fixture f;
    struct cella_claims claims;
    fixture_new(&f);
    for (size_t size = 0; size < f.evidence.size; size++) {
        /* A copy of exactly this size, so that a sanitizer sees one byte read too far. */
        uint8_t *copy = malloc(size ? size : 1);
        memcpy(copy, f.evidence.data, size);
        assert_int_equal(code_of(fixture_verify(&f, cella_bytes(copy, size), &claims)),
                         CELLA_ERR_FORMAT);
        free(copy);
    }
    OK(cella_buffer_append(&f.evidence, cella_bytes("", 1)));
    assert_int_equal(code_of(fixture_verify(&f, cella_buffer_bytes(&f.evidence), &claims)),
                     CELLA_ERR_FORMAT);
    CELLA_BUFFER large = {0};
    uint8_t *to = NULL;
    OK(cella_buffer_extend(&large, CELLA_EVIDENCE_MAX + 1, &to));
    assert_int_equal(code_of(fixture_verify(&f, cella_buffer_bytes(&large), &claims)),
                     CELLA_ERR_LIMIT);
    fixture_free(&f);
}

static void trusts_only_what_it_is_told(void **state) {
    (void)state;
    struct fixture f, g;
    struct cella_claims claims;
    fixture_new(&f);
    fixture_new(&g);
    struct cella_bytes evidence = cella_buffer_bytes(&f.evidence);
    struct cella_bytes own = cella_buffer_bytes(&f.spki), other = cella_buffer_bytes(&g.spki);
    struct cella_bytes both[] = {other, own}, none_good[] = {other, cella_bytes_text("not a key")};
    struct cella_verify_options options = {NULL, 0, NOW, 0};
    assert_int_equal(code_of(cella_evidence_verify(evidence, &options, &claims)),
                     CELLA_ERR_REFUSED);
    options = (struct cella_verify_options){&other, 1, NOW, 0};
    assert_int_equal(code_of(cella_evidence_verify(evidence, &options, &claims)),
                     CELLA_ERR_REFUSED);
    options = (struct cella_verify_options){both, 2, NOW, 0};
    OK(cella_evidence_verify(evidence, &options, &claims));
    options = (struct cella_verify_options){none_good, 2, NOW, 0};
    assert_int_equal(code_of(cella_evidence_verify(evidence, &options, &claims)), CELLA_ERR_FORMAT);
    fixture_free(&f);
    fixture_free(&g);
}

/* Another key's signature under this key's name; and this key's name left out of the claims. */
static void refuses_a_borrowed_name(void **state) {
    (void)state;
    struct fixture f, g;
    struct cella_claims claims;
    fixture_new(&f);
    fixture_new(&g);
    struct fixture mixed = g;
    mixed.key = f.key; /* f signs, and names itself in the header, over claims that name g */
    CELLA_BUFFER evidence = {0};
    fixture_sign(&mixed, fixture_payload(&g), &evidence);
    assert_int_equal(code_of(fixture_verify(&f, cella_buffer_bytes(&evidence), &claims)),
                     CELLA_ERR_INTEGRITY);
    assert_int_equal(code_of(fixture_verify(&g, cella_buffer_bytes(&evidence), &claims)),
                     CELLA_ERR_INTEGRITY);
    /* rightly signed by f, but the ueid says another platform */
    CELLA_BUFFER payload = {0};
    OK(cella_buffer_append(&payload, fixture_payload(&f)));
    uint8_t *ueid = memmem(payload.data, payload.size, "\x58\x21\x01", 3);
    assert_non_null(ueid);
    ueid[3] ^= 1;
    fixture_sign(&f, cella_buffer_bytes(&payload), &evidence);
    assert_int_equal(code_of(fixture_verify(&f, cella_buffer_bytes(&evidence), &claims)),
                     CELLA_ERR_INTEGRITY);
    /* the header and claims of f, the signature of g */
    memcpy(f.evidence.data + f.evidence.size - 64, g.evidence.data + g.evidence.size - 64, 64);
    assert_int_equal(code_of(fixture_verify(&f, cella_buffer_bytes(&f.evidence), &claims)),
                     CELLA_ERR_INTEGRITY);
    fixture_free(&f);
    fixture_free(&g);
}

/* threats.md A20: r and s of 0, n, and above. */
static void refuses_signature_edges(void **state) {
    (void)state;
    static const uint8_t n[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                  0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    struct fixture f;
    struct cella_claims claims;
    fixture_new(&f);
    uint8_t *r = f.evidence.data + f.evidence.size - 64, good[64];
    memcpy(good, r, 64);
    for (int edge = 0; edge < 4; edge++)
        for (int which = 1; which < 4; which++) {
            uint8_t value[32] = {0};
            if (edge == 1) memcpy(value, n, 32);
            if (edge == 2) memset(value, 0xff, 32);
            if (edge == 3) value[31] = 1;
            memcpy(r, good, 64);
            if (which & 1) memcpy(r, value, 32);
            if (which & 2) memcpy(r + 32, value, 32);
            assert_int_equal(code_of(fixture_verify(&f, cella_buffer_bytes(&f.evidence), &claims)),
                             CELLA_ERR_INTEGRITY);
        }
    memcpy(r, good, 64);
    OK(fixture_verify(&f, cella_buffer_bytes(&f.evidence), &claims));
    fixture_free(&f);
}

static void holds_to_the_age_asked_for(void **state) {
    (void)state;
    static const struct {
        uint64_t now, max_age;
        enum cella_code code;
    } rows[] = {
        {NOW, 0, CELLA_OK},
        {0, 0, CELLA_OK},
        {NOW + 1000, 1000, CELLA_OK},
        {NOW + 1060, 1000, CELLA_OK},
        {NOW + 1061, 1000, CELLA_ERR_EXPIRED},
        {NOW - 60, 1, CELLA_OK},
        {NOW - 61, 1, CELLA_ERR_EXPIRED},
        {0, 1, CELLA_ERR_EXPIRED},
        {UINT64_MAX, 1, CELLA_ERR_EXPIRED},
        {0, UINT64_MAX, CELLA_ERR_EXPIRED},
        {UINT64_MAX, UINT64_MAX, CELLA_OK},
    };
    struct fixture f;
    struct cella_claims claims;
    fixture_new(&f);
    struct cella_bytes anchor = cella_buffer_bytes(&f.spki);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cella_verify_options options = {&anchor, 1, rows[i].now, rows[i].max_age};
        enum cella_code code =
            code_of(cella_evidence_verify(cella_buffer_bytes(&f.evidence), &options, &claims));
        if (code != rows[i].code) fail_msg("row %zu: %s", i, cella_code_name(code));
    }
    fixture_free(&f);
}

struct change { /* of the payload's bytes: the first place where from stands becomes to */
    const char *what;
    const char *from;
    size_t from_size;
    const char *to;
    size_t to_size;
};
#define CHANGE(what, from, to)                                                                     \
    { what, from, sizeof(from) - 1, to, sizeof(to) - 1 }

static const struct change changes[] = {
    CHANGE("indefinite map", "\xa8\x06", "\xbf\x06"),
    CHANGE("one claim fewer", "\xa8\x06", "\xa7\x06"),
    CHANGE("one claim more", "\xa8\x06", "\xa9\x06"),
    CHANGE("array for the map", "\xa8\x06", "\x90\x06"),
    CHANGE("key in long form", "\xa8\x06", "\xa8\x18\x06"),
    CHANGE("iat as text", "\x06\x1a\x68\x4e\xe1\x80", "\x06\x64six!"),
    CHANGE("iat in eight bytes", "\x06\x1a\x68\x4e\xe1\x80", "\x06\x1b\0\0\0\0\x68\x4e\xe1\x80"),
    CHANGE("iat negative", "\x06\x1a\x68\x4e\xe1\x80", "\x06\x3a\x68\x4e\xe1\x80"),
    CHANGE("iat as a float", "\x06\x1a\x68\x4e\xe1\x80", "\x06\xfa\x68\x4e\xe1\x80"),
    CHANGE("iat twice", "\x0a\x58\x40", "\x06\x1a\x68\x4e\xe1\x80\x0a\x58\x40"),
    CHANGE("nonce as text", "\x0a\x58\x40", "\x0a\x78\x40"),
    CHANGE("nonce one byte short", "\x0a\x58\x40\x44", "\x0a\x58\x3f"),
    CHANGE("nonce one byte long", "\x0a\x58\x40", "\x0a\x58\x41\x44"),
    CHANGE("nonce indefinite", "\x0a\x58\x40", "\x0a\x5f\x58\x40"),
    CHANGE("nonce tagged", "\x0a\x58\x40", "\x0a\xc2\x58\x40"),
    CHANGE("ueid of another type", "\x58\x21\x01", "\x58\x21\x02"),
    CHANGE("dbgstat 1", "\x19\x01\x07\x02", "\x19\x01\x07\x01"),
    CHANGE("dbgstat 3", "\x19\x01\x07\x02", "\x19\x01\x07\x03"),
    CHANGE("debug said in dbgstat alone", "\x19\x01\x07\x02", "\x19\x01\x07\x00"),
    CHANGE("debug said in attributes alone", "attributes\x05", "attributes\x07"),
    CHANGE("another profile", "urn:cella:evidence:software:1", "urn:cella:evidence:software:2"),
    CHANGE("hardware", "teehsoftware", "teehhardware"), /* 0x68 is 'h' */
    CHANGE("another key", "ctee", "ctea"),
    CHANGE("svn too large", "csvn\x03", "csvn\x1a\x00\x01\x00\x00"),
    CHANGE("svn null", "csvn\x03", "csvn\xf6"),
    CHANGE("svn true", "csvn\x03", "csvn\xf5"),
    CHANGE("assurance 4", "assurance\x01", "assurance\x04"),
    CHANGE("root tpm without its evidence", "rootdfile", "rootctpm"),
    CHANGE("another root", "rootdfile", "rootdfilf"),
    CHANGE("another memory", "memoryfsecret", "memoryfsecreu"),
    CHANGE("setting twice", "aaa1hlockdown", "aaa1aa"),
    CHANGE("settings out of order", "aaa1", "jaaaaaaaaaaa1"),
    CHANGE("setting without a name",
           "\xa4"
           "aaa1",
           "\xa4`a1"),
    CHANGE("setting with a control character", "aaa1", "aaa\x1b"),
    CHANGE("a setting fewer than said",
           "\xa4"
           "aaa1",
           "\xa4"),
    CHANGE("33 settings said",
           "\xa4"
           "aaa1",
           "\xb8\x21"
           "aaa1"),
    CHANGE("2^32 settings said",
           "\xa4"
           "aaa1",
           "\xba\xff\xff\xff\xff"
           "aaa1"),
    CHANGE("2^64 settings said",
           "\xa4"
           "aaa1",
           "\xbb\xff\xff\xff\xff\xff\xff\xff\xff"
           "aaa1"),
    CHANGE("2^63 bytes said", "boot-id\x50", "boot-id\x5b\x7f\xff\xff\xff\xff\xff\xff\xff"),
    CHANGE("2^64 bytes said", "boot-id\x50", "boot-id\x5b\xff\xff\xff\xff\xff\xff\xff\xff"),
    CHANGE("reserved head", "boot-id\x50", "boot-id\x5c"),
    CHANGE("platform key of another curve", "platform-key\xa5\x01\x02\x03\x26\x20\x01",
           "platform-key\xa5\x01\x02\x03\x26\x20\x02"),
    CHANGE("platform key for ES384", "platform-key\xa5\x01\x02\x03\x26",
           "platform-key\xa5\x01\x02\x03\x38\x22"),
};

static bool apply(const struct change *change, struct cella_bytes payload,
                  struct cella_buffer *out) {
    const uint8_t *at = memmem(payload.data, payload.size, change->from, change->from_size);
    if (!at) return false;
    size_t before = (size_t)(at - payload.data), after = before + change->from_size;
    out->size = 0;
    OK(cella_buffer_append(out, cella_bytes(payload.data, before)));
    OK(cella_buffer_append(out, cella_bytes(change->to, change->to_size)));
    OK(cella_buffer_append(out, cella_bytes(payload.data + after, payload.size - after)));
    return true;
}

/* Each is rightly signed, so only its form can be the reason. */
static void refuses_every_other_form(void **state) {
    (void)state;
    struct fixture f;
    struct cella_claims claims;
    CELLA_BUFFER evidence = {0}, payload = {0};
    fixture_new(&f);
    fixture_sign(&f, fixture_payload(&f), &evidence);
    OK(fixture_verify(&f, cella_buffer_bytes(&evidence), &claims));
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        if (!apply(&changes[i], fixture_payload(&f), &payload))
            fail_msg("%s: not found in the payload", changes[i].what);
        fixture_sign(&f, cella_buffer_bytes(&payload), &evidence);
        enum cella_code code = code_of(fixture_verify(&f, cella_buffer_bytes(&evidence), &claims));
        if (code != CELLA_ERR_FORMAT) fail_msg("%s: %s", changes[i].what, cella_code_name(code));
    }
    fixture_free(&f);
}

static const struct change frames[] = {
    CHANGE("no tag", "\xd2\x84", "\x84"),
    CHANGE("tag 17", "\xd2\x84", "\xd1\x84"),
    CHANGE("tag 18 in long form", "\xd2\x84", "\xd8\x12\x84"),
    CHANGE("two tags", "\xd2\x84", "\xd2\xd2\x84"),
    CHANGE("indefinite array", "\xd2\x84", "\xd2\x9f"),
    CHANGE("five items", "\xd2\x84", "\xd2\x85"),
    CHANGE("ES384", "\xa3\x01\x26", "\xa3\x01\x27"),
    CHANGE("an unprotected header", "\xa0\x59", "\xa1\x01\x26\x59"),
    CHANGE("another content type", "application/eat+cwt", "application/eat+jwt"),
    CHANGE("detached payload", "\xa0\x59", "\xa0\xf6\x59"),
};

static void refuses_every_other_frame(void **state) {
    (void)state;
    struct fixture f;
    struct cella_claims claims;
    CELLA_BUFFER changed = {0};
    fixture_new(&f);
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        if (!apply(&frames[i], cella_buffer_bytes(&f.evidence), &changed))
            fail_msg("%s: not found", frames[i].what);
        enum cella_code code = code_of(fixture_verify(&f, cella_buffer_bytes(&changed), &claims));
        if (code != CELLA_ERR_FORMAT) fail_msg("%s: %s", frames[i].what, cella_code_name(code));
    }
    fixture_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_was_said),
        cmocka_unit_test(orders_and_cleans_settings),
        cmocka_unit_test(maker_refuses_contradictions),
        cmocka_unit_test(takes_the_largest_claims),
        cmocka_unit_test(refuses_every_flip),
        cmocka_unit_test(refuses_every_cut_and_tail),
        cmocka_unit_test(trusts_only_what_it_is_told),
        cmocka_unit_test(refuses_a_borrowed_name),
        cmocka_unit_test(refuses_signature_edges),
        cmocka_unit_test(holds_to_the_age_asked_for),
        cmocka_unit_test(refuses_every_other_form),
        cmocka_unit_test(refuses_every_other_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
