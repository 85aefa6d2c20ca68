/* AzureGuest: a whole round, from a machine of paper to a token that only its TPM can read; and
 * each link of the chain broken (threats.md A13, A21, A22, A31; azure-attestation 6.2). */
#include "guest_forge.h"

#include "attest/guest_check.h"
#include "attest/guest_claims.h"

static struct guest good; /* made once: keys are slow */

static int make_guest(void **state) {
    (void)state;
    guest_make(&good);
    return 0;
}
static int free_guest(void **state) {
    (void)state;
    guest_free(&good);
    return 0;
}

/* --- The check alone --- */

static void parse_json(const struct guest *g, struct cella_guest_info *info) {
    json_t *json = guest_json(g);
    char *text = json_dumps(json, JSON_COMPACT);
    GOOD(cella_guest_info_parse(cella_bytes_text(text), info));
    free(text);
    json_decref(json);
}

static struct cella_collateral *collateral_of(const struct guest *g, struct cella_bytes trusted) {
    struct cella_collateral *c;
    struct cella_bytes roots[1] = {cella_buffer_bytes(&g->root)};
    GOOD(cella_collateral_new(&c));
    GOOD(cella_collateral_set_roots(c, roots, 1));
    if (trusted.size) GOOD(cella_collateral_trust(c, trusted));
    GOOD(cella_collateral_finish(c));
    return c;
}

static struct cella_result check_info(const struct guest *g, const struct cella_guest_info *info,
                                      struct cella_bytes trusted) {
    const struct cella_evidence_options options = {.time_unix = FORGE_NOW};
    CELLA_GUEST_CHECKED checked = {0};
    struct cella_collateral *c = collateral_of(g, trusted);
    struct cella_result r = cella_guest_check(info, c, &options, &checked);
    cella_collateral_free(&c);
    return r;
}

static struct cella_result check_with(const struct guest *g, struct cella_bytes trusted) {
    CELLA_GUEST_INFO info = {0};
    parse_json(g, &info);
    return check_info(g, &info, trusted);
}

/* Refused, and the message names the link. */
static void refused(const struct guest *g, const char *link) {
    struct cella_result r = check_with(g, cella_bytes(NULL, 0));
    assert_true(cella_failed(r));
    if (!strstr(r.error->what, link)) fail_msg("expected '%s' in: %s", link, r.error->what);
    cella_result_drop(r);
}

static void test_good(void **state) {
    (void)state;
    GOOD(check_with(&good, cella_bytes(NULL, 0)));
}

static void test_hardware(void **state) {
    (void)state;
    struct guest *g = guest_copy(&good);
    g->report[0x2a0] ^= 1;
    refused(g, "hardware");
    g->report[0x2a0] ^= 1;
    g->report[0x50] ^= 1; /* not signed anew */
    refused(g, "hardware");
    forge_sign(g->report, g->chip_key); /* signed, but of other runtime data */
    refused(g, "report data");
    guest_report(g);
    g->report[0x50 + 40] = 1; /* a tail that is not zero */
    forge_sign(g->report, g->chip_key);
    refused(g, "report data");
    guest_report(g);
    g->runtime.data[g->runtime.size - 3] = '1';
    guest_report(g);
    GOOD(check_with(g, cella_bytes(NULL, 0)));
    g->runtime.data[g->runtime.size - 3] = '0'; /* changed after the report */
    refused(g, "report data");
    guest_drop(g);
}

static void test_attestation_key(void **state) {
    (void)state;
    struct guest *g = guest_copy(&good);
    EVP_PKEY *other = EVP_RSA_gen(2048);
    guest_runtime(g, other); /* the hardware vouches for another key */
    guest_report(g);
    refused(g, "HCLAkPub");
    guest_runtime(g, g->tpm.ak);
    guest_report(g);
    forge_public(other, AK_ATTRIBUTES, CELLA_TPM_RSASSA, &g->ak_public);
    refused(g, "HCLAkPub");
    forge_public(g->tpm.ak, AK_ATTRIBUTES & ~(uint32_t)CELLA_TPM_RESTRICTED, CELLA_TPM_RSASSA,
                 &g->ak_public);
    refused(g, "restricted");
    forge_public(g->tpm.ak, AK_ATTRIBUTES, CELLA_TPM_RSASSA, &g->ak_public);
    forge_ak_certificate(other, other, "CA", "AK", false, FORGE_NOW - 100, FORGE_NOW + 100,
                         &g->ak_certificate);
    refused(g, "AikCert");
    EVP_PKEY_free(other);
    guest_drop(g);
}

static void resign_quote(struct guest *g) {
    forge_rsa_sign(g->tpm.ak, cella_buffer_bytes(&g->quote), &g->quote_signature);
}

static void test_quote(void **state) {
    (void)state;
    struct guest *g = guest_copy(&good);
    struct cella_bytes none = cella_bytes(NULL, 0);
    g->quote_signature.data[9] ^= 1;
    refused(g, "PCR quote signature");
    forge_quote_of(&g->tpm, CELLA_TPM_MAGIC + 1, CELLA_TPM_ATTEST_QUOTE, g->mask, none, &g->quote);
    resign_quote(g);
    refused(g, "magic");
    forge_quote_of(&g->tpm, CELLA_TPM_MAGIC, 0x8014, g->mask, none, &g->quote);
    resign_quote(g);
    refused(g, "type");
    forge_tpm_quote(&g->tpm, 0, none, &g->quote);
    resign_quote(g);
    refused(g, "PCR selection");
    forge_tpm_quote(&g->tpm, 0x7f, none, &g->quote); /* fewer than PcrSet says */
    resign_quote(g);
    refused(g, "PcrSet");
    forge_tpm_quote(&g->tpm, 0x1ff, none, &g->quote); /* more than there are values */
    resign_quote(g);
    refused(g, "PCR values");
    forge_tpm_quote(&g->tpm, g->mask, none, &g->quote);
    resign_quote(g);
    GOOD(check_with(g, none));
    g->tpm.pcr[3][0] ^= 1;
    refused(g, "PCR digest");
    guest_drop(g);
}

static void test_nonce(void **state) {
    (void)state;
    struct guest *g = guest_copy(&good);
    uint8_t digest[32];
    GOOD(cella_sha256(cella_bytes("123", 3), digest));
    guest_sign(g, cella_bytes("123", 3)); /* MTIz */
    GOOD(check_with(g, cella_bytes(NULL, 0)));
    guest_sign(g, CELLA_BYTES_OF(digest));
    GOOD(check_with(g, cella_bytes(NULL, 0)));
    guest_sign(g, cella_bytes("124", 3)); /* A13: another's */
    refused(g, "extraData");
    json_object_clear(g->payload);
    guest_sign(g, cella_bytes("123", 3));
    refused(g, "extraData");
    json_object_set_new(good.payload, "nonce", json_string("MTIz")); /* shared with the copy */
    guest_drop(g);
}

/* A21 */
static void test_log(void **state) {
    (void)state;
    struct guest *g = guest_copy(&good);
    struct cella_bytes none = cella_bytes(NULL, 0);
    g->tpm.log.data[g->tpm.log.size - 40] ^= 1; /* a digest */
    refused(g, "event log");
    g->tpm.log.data[g->tpm.log.size - 40] ^= 1;
    g->tpm.log.size -= 4 + 4 + 4 + 2 + 32 + 4 + 12; /* without its last event */
    refused(g, "PCR 4");
    g->tpm.log.size -= 1;
    refused(g, "event log");
    cella_buffer_free(&g->tpm.log);
    GOOD(check_with(g, none));  /* without one nothing is explained */
    forge_boot(&g->tpm, false); /* another boot's */
    memcpy(g->tpm.pcr, good.tpm.pcr, sizeof(g->tpm.pcr));
    refused(g, "PCR 7");
    guest_drop(g);
}

static void certify_again(struct guest *g) {
    forge_certify(cella_buffer_bytes(&g->key_public), CELLA_TPM_ATTEST_CERTIFY, &g->certify);
    forge_rsa_sign(g->tpm.ak, cella_buffer_bytes(&g->certify), &g->certify_signature);
}

static void test_encryption_key(void **state) {
    (void)state;
    struct guest *g = guest_copy(&good);
    EVP_PKEY *other = EVP_RSA_gen(2048);
    forge_public(other, ENC_ATTRIBUTES, CELLA_TPM_NULL,
                 &g->key_public); /* not what was certified */
    refused(g, "name");
    forge_rsa_sign(other, cella_buffer_bytes(&g->certify), &g->certify_signature);
    refused(g, "certification signature");
    certify_again(g); /* of the other one: it may be any that the TPM has */
    GOOD(check_with(g, cella_bytes(NULL, 0)));
    forge_certify(cella_buffer_bytes(&g->key_public), CELLA_TPM_ATTEST_QUOTE, &g->certify);
    forge_rsa_sign(g->tpm.ak, cella_buffer_bytes(&g->certify), &g->certify_signature);
    refused(g, "certify");
    const uint32_t lacks[] = {CELLA_TPM_FIXED_TPM, CELLA_TPM_SENSITIVE_DATA_ORIGIN,
                              CELLA_TPM_DECRYPT};
    for (size_t i = 0; i < 3; i++) {
        forge_public(g->tpm.enc, ENC_ATTRIBUTES & ~lacks[i], CELLA_TPM_NULL, &g->key_public);
        certify_again(g);
        refused(g, "attributes");
    }
    EVP_PKEY_free(other);
    guest_drop(g);
}

/* Without hardware, somebody must vouch for the key: the operator, or a CA that is a root. */
static void test_trusted_launch(void **state) {
    (void)state;
    struct guest *g = guest_copy(&good);
    CELLA_BUFFER spki = {0};
    forge_spki(g->tpm.ak, &spki);
    g->type = "TrustedLaunch";
    refused(g, "nobody vouches");
    GOOD(check_with(g, cella_buffer_bytes(&spki)));
    forge_ak_certificate(g->tpm.ak, g->authority_key, "some CA", "AK", false, FORGE_NOW - 100,
                         FORGE_NOW + 100, &g->ak_certificate);
    refused(g, "certificate of the attestation key: root");
    forge_ak_certificate(g->tpm.ak, g->root_key, "the root", "AK", false, FORGE_NOW - 100,
                         FORGE_NOW + 100, &g->ak_certificate);
    GOOD(check_with(g, cella_bytes(NULL, 0)));
    forge_append(&g->ak_certificate, "\0\0\0\0", 4); /* as the NV index is padded */
    GOOD(check_with(g, cella_bytes(NULL, 0)));
    forge_ak_certificate(g->tpm.ak, g->root_key, "the root", "AK", false, FORGE_NOW - 200,
                         FORGE_NOW - 100, &g->ak_certificate);
    refused(g, "notAfter");
    forge_ak_certificate(g->tpm.enc, g->root_key, "the root", "AK", false, FORGE_NOW - 100,
                         FORGE_NOW + 100, &g->ak_certificate);
    refused(g, "another key");
    guest_drop(g);
}

/* --- Form --- */

static void broken_form(const char *path, json_t *value, const char *word) {
    CELLA_GUEST_INFO info = {0};
    json_t *json = guest_json(&good), *at = json;
    char copy_of[64], *name = copy_of, *dot;
    snprintf(copy_of, sizeof(copy_of), "%s", path);
    for (; (dot = strchr(name, '.')); name = dot + 1) {
        *dot = 0;
        at = json_object_get(at, name);
    }
    if (value)
        json_object_set_new(at, name, value);
    else
        json_object_del(at, name);
    char *text = json_dumps(json, JSON_COMPACT);
    struct cella_result r = cella_guest_info_parse(cella_bytes_text(text), &info);
    assert_true(cella_failed(r));
    if (!strstr(r.error->what, word))
        fail_msg("%s: expected '%s' in: %s", path, word, r.error->what);
    cella_result_drop(r);
    free(text);
    json_decref(json);
}

static void test_form(void **state) {
    (void)state;
    static const char *const required[] = {"TpmInfo",
                                           "TpmInfo.AikPub",
                                           "TpmInfo.PcrQuote",
                                           "TpmInfo.PcrSignature",
                                           "TpmInfo.EncKeyPub",
                                           "TpmInfo.EncKeyCertifyInfo",
                                           "TpmInfo.PCRs",
                                           "TpmInfo.EncKeyCertifyInfoSignature",
                                           "TpmInfo.PcrSet",
                                           "AttestationProtocolVersion",
                                           "IsolationInfo",
                                           "IsolationInfo.Evidence",
                                           "IsolationInfo.Evidence.Proof",
                                           "IsolationInfo.Evidence.RunTimeData"};
    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
        const char *dot = strrchr(required[i], '.');
        broken_form(required[i], NULL, dot ? dot + 1 : required[i]);
    }
    broken_form("AttestationProtocolVersion", json_string("1.0"), "2.0");
    broken_form("TpmInfo.PcrQuote", json_string("!"), "PcrQuote");
    broken_form("TpmInfo.PcrQuote", json_integer(3), "PcrQuote");
    broken_form("TpmInfo.PcrSet", json_pack("[i]", 24), "PcrSet");
    broken_form("TpmInfo.PcrSet", json_pack("[i]", -1), "PcrSet");
    broken_form("TpmInfo.PCRs", json_pack("[{s:i,s:s}]", "Index", 0, "Digest", "AAAA"), "32 bytes");
    broken_form("OSVersionMajor", json_string("22"), "OSVersionMajor");
    broken_form("OSVersionMajor", json_integer(-22), "OSVersionMajor");
    broken_form("OSType", json_string("gICA"), "OSType"); /* no UTF-8 */
    broken_form("OSType", json_string("QQBB"), "OSType"); /* NUL */
    broken_form("ClientPayload", json_string("x"), "ClientPayload");
    broken_form("ClientPayload", json_pack("{s:i}", "nonce", 1), "ClientPayload");
    broken_form("IsolationInfo.Type", json_string("Sgx"), "TrustedLaunch");
}

/* A31: cut at every byte, and bits turned: nothing but a refusal or what holds all the same. */
static void test_mutations(void **state) {
    (void)state;
    json_t *json = guest_json(&good);
    char *text = json_dumps(json, JSON_COMPACT);
    size_t size = strlen(text);
    forge_seed("guest_snp", -1, cella_bytes(text, size));
    for (size_t cut = 0; cut < size; cut += 7) {
        CELLA_GUEST_INFO info = {0};
        struct cella_result r = cella_guest_info_parse(cella_bytes(text, cut), &info);
        assert_true(cella_failed(r));
        cella_result_drop(r);
    }
    for (size_t at = 0; at < size; at += 61) {
        CELLA_GUEST_INFO info = {0};
        text[at] ^= 1;
        struct cella_result r = cella_guest_info_parse(cella_bytes(text, size), &info);
        if (!cella_failed(r)) r = check_info(&good, &info, cella_bytes(NULL, 0));
        cella_result_drop(r);
        text[at] ^= 1;
    }
    free(text);
    json_decref(json);
}

/* Every byte of what is signed or bound, one after the other: none may change. */
static void test_bound_bytes(void **state) {
    (void)state;
    CELLA_GUEST_INFO info = {0};
    parse_json(&good, &info);
    struct cella_buffer *bound[] = {
        &info.quote,    &info.quote_signature, &info.key_public,           &info.key_certify,
        &info.hardware, &info.runtime,         &info.key_certify_signature};
    for (size_t b = 0; b < sizeof(bound) / sizeof(bound[0]); b++)
        for (size_t at = 0; at < bound[b]->size; at += bound[b]->size / 40 + 1) {
            bound[b]->data[at] ^= 0x10;
            struct cella_result r = check_info(&good, &info, cella_bytes(NULL, 0));
            if (!cella_failed(r)) fail_msg("part %zu, byte %zu: accepted when changed", b, at);
            cella_result_drop(r);
            bound[b]->data[at] ^= 0x10;
        }
    GOOD(check_info(&good, &info, cella_bytes(NULL, 0)));
}

/* What the log says of SecureBoot: 1, 0, or -1 for nothing. */
static int secure_boot_of(struct guest *g) {
    CELLA_GUEST_INFO info = {0};
    CELLA_GUEST_CHECKED checked = {0};
    struct cella_policy_claims *claims = NULL;
    CELLA_JSON service = NULL;
    const struct cella_evidence_options options = {.time_unix = FORGE_NOW};
    struct cella_collateral *c = collateral_of(g, cella_bytes(NULL, 0));
    size_t count = 0;
    int said = -1;
    guest_sign(g, cella_bytes(NULL, 0));
    parse_json(g, &info);
    GOOD(cella_guest_check(&info, c, &options, &checked));
    GOOD(cella_policy_claims_new(&claims));
    GOOD(cella_guest_claims(&info, &checked, NULL, claims, &service));
    const struct cella_policy_claim *claim = cella_policy_claims_at(claims, &count);
    for (size_t k = 0; k < count; k++)
        if (claim[k].type.size == 10 && memcmp(claim[k].type.data, "secureboot", 10) == 0)
            said = (int)claim[k].value.integer;
    cella_policy_claims_free(&claims);
    cella_collateral_free(&c);
    return said;
}

/* A boot in PCR 7, a letter an event: 1 and 0 SecureBoot, s the separator, k another variable, and
 * what an attacker writes into the log while the digests stay: x a 0 with other data, y a 0 under
 * another type, z a separator under another type. */
static void boot_of(struct guest *g, const char *events) {
    forge_log_begin(&g->tpm);
    for (const char *e = events; *e; e++) {
        CELLA_BUFFER variable = {0}, lie = {0};
        uint8_t value = *e == '1';
        forge_variable(&variable, *e == 'k' ? "PK" : "SecureBoot", cella_bytes(&value, 1));
        forge_variable(&lie, "Timeout", cella_bytes("1", 1));
        struct cella_bytes measured = cella_buffer_bytes(&variable);
        if (*e == 's')
            forge_event(&g->tpm, 7, 4, cella_bytes("\0\0\0\0", 4));
        else if (*e == 'z')
            forge_event(&g->tpm, 7, 13, cella_bytes("\0\0\0\0", 4));
        else if (*e == 'x')
            forge_event_of(&g->tpm, 7, 0x80000001, cella_buffer_bytes(&lie), measured);
        else
            forge_event(&g->tpm, 7, *e == 'y' ? 13 : 0x80000001, measured);
    }
}

/* Type and data of an event are not measured, and PCRs can be extended after the boot (A21). */
static void test_boot_claims(void **state) {
    (void)state;
    static const struct {
        const char *events;
        int said;
    } cases[] = {
        {"1ks", 1},  {"0ks", 0},  {"10s", 0},  {"01s", 0},   {"1ks0", 1}, {"0ks1", 0},
        {"1k", -1},  {"k1s", -1}, {"xs1", -1}, {"ys1", -1},  {"x1s", -1}, {"0z1s", 0},
        {"1xs", -1}, {"1ys", -1}, {"s1", -1},  {"xz1s", -1}, {"", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct guest *g = guest_copy(&good);
        boot_of(g, cases[i].events);
        int said = secure_boot_of(g);
        if (said != cases[i].said)
            fail_msg("%s: expected %d, found %d", cases[i].events, cases[i].said, said);
        guest_drop(g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_hardware),
        cmocka_unit_test(test_attestation_key),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_nonce),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_encryption_key),
        cmocka_unit_test(test_trusted_launch),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_bound_bytes),
        cmocka_unit_test(test_boot_claims),
    };
    return cmocka_run_group_tests(tests, make_guest, free_guest);
}
