/* Attesting evidence of SGX, SEV-SNP, TDX and software: what is answered, and what is refused
 * why. */
#include "rig.h"

#include "../evidence/fixture.h"
#include "crypto/hpke.h"
#include "crypto/x509.h"

#define TDX      "tdx-quote/v4-00806f050000-go-tdx-guest-00b2526a"
#define TDX_AT   1740714290
#define TDX_COLL TDX "/collateral-20250228-ev17"
#define SNP      "snp-report/v3-milan-vcek-confidential-sidecar-49d19193"
#define SGX_COLL RIG_SGX "/collateral-20220730-ev12"
#define BARE     "version=1.0; authorizationrules{=> permit();}; issuancerules{};"

static bool mentions(const struct reply *reply, const char *word) {
    if (!strstr(reply->message, word)) print_error("no '%s' in: %s\n", word, reply->message);
    return strstr(reply->message, word) != NULL;
}
static bool has(const struct reply *reply, const char *claim) {
    return json_object_get(reply->claims, claim) != NULL;
}

/* --- SGX --- */

static json_t *sgx_body(void) {
    CELLA_BUFFER quote = {0};
    return read_vector(RIG_SGX "/quote.bin", &quote) ? body_of("quote", cella_buffer_bytes(&quote))
                                                     : NULL;
}

static void test_sgx(void **state) {
    (void)state;
    RIG rig;
    json_t *body = sgx_body();
    if (!body) skip();
    rig_make(&rig, SGX_COLL, RIG_TIME_SGX);
    REPLY reply = rig_attest(&rig, DEV, "sgxENCLAVE", body);
    ANSWERED(reply, 200);
    assert_string_equal(reply_text(&reply, "x-ms-attestation-type"), "sgx");
    assert_string_equal(reply_text(&reply, "iss"), "https://localhost:8445");
    assert_int_equal(strlen(reply_text(&reply, "jti")), 64);
    assert_int_equal(json_integer_value(json_object_get(reply.claims, "exp")) -
                         json_integer_value(json_object_get(reply.claims, "iat")),
                     28800);
    assert_true(json_integer_value(json_object_get(reply.claims, "nbf")) <= time(NULL));
    assert_false(has(&reply, "x-ms-runtime") || has(&reply, "x-ms-sgx-ehd"));
    assert_false(has(&reply, "$is-debuggable") || has(&reply, "x-ms-sgx-config-id"));
    assert_int_equal(audited(&rig.stand, "\"verdict\":\"permitted\""), 1);
    assert_int_equal(audited(&rig.stand, reply_text(&reply, "jti")), 1);
    assert_int_equal(audited(&rig.stand, "192.0.2.7"), 1);
    CELLA_BUFFER metrics = {0};
    GOOD(cella_metrics_text(rig.metrics, &metrics));
    static const char counted[] =
        "cella_attest_decisions_total{type=\"SgxEnclave\",verdict=\"permitted\"} 1\n";
    assert_non_null(memmem(metrics.data, metrics.size, counted, sizeof(counted) - 1));
}

/* Every bit of it, and every length: no token (A31, A36). Steps keep the time bounded. */
static void test_sgx_damaged(void **state) {
    (void)state;
    RIG rig;
    CELLA_BUFFER quote = {0};
    if (!read_vector(RIG_SGX "/quote.bin", &quote)) skip();
    rig_make(&rig, SGX_COLL, RIG_TIME_SGX);
    for (size_t at = 0; at < 432 + 64 + 64 + 384; at += 7) {
        quote.data[at] ^= 0x10;
        REPLY reply =
            rig_attest(&rig, DEV, "SgxEnclave", body_of("quote", cella_buffer_bytes(&quote)));
        ANSWERED(reply, 400);
        assert_string_equal(reply.code, "InvalidParameter");
        assert_true(strlen(reply.message) > 40);
        quote.data[at] ^= 0x10;
    }
    for (size_t size = 1; size < quote.size; size += 97) {
        REPLY reply =
            rig_attest(&rig, DEV, "SgxEnclave", body_of("quote", cella_bytes(quote.data, size)));
        ANSWERED(reply, 400);
    }
}

static void test_runtime_data(void **state) {
    (void)state;
    RIG rig;
    json_t *body = sgx_body();
    if (!body) skip();
    rig_make(&rig, SGX_COLL, RIG_TIME_SGX);
    json_object_set_new(body, "runtimeData", data_of("not what was hashed", "Binary"));
    REPLY reply = rig_attest(&rig, DEV, "SgxEnclave", json_incref(body));
    ANSWERED(reply, 400);
    assert_string_equal(reply.code, "InvalidParameter");
    /* which check, what was expected, what was found (A13) */
    assert_true(mentions(&reply, "runtimeData") && mentions(&reply, "expected its SHA-256") &&
                mentions(&reply, "found 73691626bc27"));
    json_object_del(body, "runtimeData");
    json_object_set_new(body, "initTimeData", data_of("not what was configured", "Binary"));
    REPLY init = rig_attest(&rig, DEV, "SgxEnclave", json_incref(body));
    ANSWERED(init, 400);
    assert_true(mentions(&init, "initTimeData"));
    json_object_set_new(body, "initTimeData", data_of("", ""));
    REPLY absent = rig_attest(&rig, DEV, "SgxEnclave", body);
    ANSWERED(absent, 200);
}

/* A23: the endpoint says what it must be. */
static void test_other_types(void **state) {
    (void)state;
    RIG rig;
    CELLA_BUFFER quote = {0}, report = {0}, td = {0};
    if (!read_vector(RIG_SGX "/quote.bin", &quote) || !read_vector(SNP "/report.bin", &report) ||
        !read_vector(TDX "/quote.bin", &td))
        skip();
    struct fixture f;
    fixture_new(&f);
    rig_make(&rig, SGX_COLL, RIG_TIME_SGX);
    const struct {
        const char *type, *member;
        struct cella_bytes evidence;
    } wrong[] = {
        {"SgxEnclave", "quote", cella_buffer_bytes(&f.evidence)},
        {"OpenEnclave", "report", cella_buffer_bytes(&f.evidence)},
        {"SevSnpVm", "report", cella_buffer_bytes(&f.evidence)},
        {"TdxVm", "quote", cella_buffer_bytes(&f.evidence)},
        {"SgxEnclave", "quote", cella_buffer_bytes(&td)},
        {"SgxEnclave", "quote", cella_buffer_bytes(&report)},
        {"TdxVm", "quote", cella_buffer_bytes(&quote)},
        {"SevSnpVm", "report", cella_buffer_bytes(&quote)},
        {"OpenEnclave", "report", cella_buffer_bytes(&quote)},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        REPLY reply =
            rig_attest(&rig, DEV, wrong[i].type, body_of(wrong[i].member, wrong[i].evidence));
        ANSWERED(reply, 400);
        assert_string_equal(reply.code, "InvalidParameter");
    }
    json_t *soft = body_of("evidence", cella_buffer_bytes(&quote));
    json_object_set_new(soft, "draftPolicyForAttestation", json_string(BARE));
    REPLY reply = rig_attest(&rig, DEV, "SoftwareEnclave", soft);
    ANSWERED(reply, 400);
    fixture_free(&f);
}

/* A01: the status and what would satisfy it are said; a status that is named is accepted. */
static void test_tcb(void **state) {
    (void)state;
    RIG rig;
    json_t *body = sgx_body();
    if (!body) skip();
    rig_make(&rig, RIG_SGX "/collateral-20230202-ev14", 1675375269);
    REPLY refused = rig_attest(&rig, DEV, "SgxEnclave", json_incref(body));
    ANSWERED(refused, 400);
    assert_true(mentions(&refused, "OutOfDate") && mentions(&refused, "INTEL-SA-"));
    cella_attest_free(&rig.attest);
    rig.settings.accept_tcb[0] = "OutOfDate";
    rig.settings.accept_tcb_count = 1;
    rig_start(&rig);
    REPLY accepted = rig_attest(&rig, DEV, "SgxEnclave", body);
    ANSWERED(accepted, 200);
}

static void test_no_collateral(void **state) {
    (void)state;
    RIG rig;
    json_t *body = sgx_body();
    if (!body) skip();
    rig_make(&rig, NULL, RIG_TIME_SGX);
    REPLY reply = rig_attest(&rig, DEV, "SgxEnclave", body);
    ANSWERED(reply, 400);
    assert_true(mentions(&reply, "collateral") && mentions(&reply, "tcb info"));
    assert_null(strstr(reply.message, "being fetched")); /* nothing is, here */
}

/* What is missing is fetched behind the request's back, and the client told to come again. */
static void test_fetching(void **state) {
    (void)state;
    RIG rig;
    json_t *body = sgx_body();
    if (!body) skip();
    rig_make(&rig, NULL, RIG_TIME_SGX);
    char cache[256];
    snprintf(cache, sizeof(cache), "%s/cache", rig.stand.folder);
    struct cella_trust_settings trust = {
        .source = "pcs=https://127.0.0.1:1 kds=https://127.0.0.1:1", .cache = cache};
    cella_attest_free(&rig.attest);
    cella_trust_free(&rig.trust);
    GOOD(cella_trust_new(&trust, &rig.trust));
    rig_start(&rig);
    REPLY reply = rig_attest(&rig, DEV, "SgxEnclave", body);
    ANSWERED(reply, 400);
    assert_true(mentions(&reply, "being fetched"));
    assert_string_equal(reply.retry, "5");
}

/* Past its time, within the grace: accepted, and said in the token. */
static void test_stale(void **state) {
    (void)state;
    RIG rig;
    json_t *body = sgx_body();
    if (!body) skip();
    const uint64_t later = RIG_TIME_SGX + 45 * 86400;
    rig_make(&rig, SGX_COLL, later);
    REPLY refused = rig_attest(&rig, DEV, "SgxEnclave", json_incref(body));
    ANSWERED(refused, 400);
    cella_attest_free(&rig.attest);
    rig.settings.grace_s = 60 * 86400;
    rig_start(&rig);
    REPLY accepted = rig_attest(&rig, DEV, "SgxEnclave", body);
    ANSWERED(accepted, 200);
    assert_true(json_is_true(json_object_get(accepted.claims, "x-ms-cella-collateral-stale")));
}

/* Open Enclave's header before the quote: exactly it. */
static void test_open_enclave(void **state) {
    (void)state;
    RIG rig;
    CELLA_BUFFER quote = {0}, report = {0};
    static const uint8_t header[8] = {1, 0, 0, 0, 2, 0, 0, 0};
    uint8_t size[8] = {0};
    if (!read_vector(RIG_SGX "/quote.bin", &quote)) skip();
    for (size_t i = 0; i < 8; i++) size[i] = (uint8_t)(quote.size >> 8 * i);
    GOOD(cella_buffer_append(&report, CELLA_BYTES_OF(header)));
    GOOD(cella_buffer_append(&report, CELLA_BYTES_OF(size)));
    GOOD(cella_buffer_append(&report, cella_buffer_bytes(&quote)));
    rig_make(&rig, SGX_COLL, RIG_TIME_SGX);
    REPLY good =
        rig_attest(&rig, DEV, "OpenEnclave", body_of("report", cella_buffer_bytes(&report)));
    ANSWERED(good, 200);
    for (size_t at = 0; at < 16; at++) {
        report.data[at] ^= 1;
        REPLY reply =
            rig_attest(&rig, DEV, "OpenEnclave", body_of("report", cella_buffer_bytes(&report)));
        ANSWERED(reply, 400);
        assert_true(mentions(&reply, "Open Enclave's header"));
        report.data[at] ^= 1;
        REPLY cut = rig_attest(&rig, DEV, "OpenEnclave",
                               body_of("report", cella_bytes(report.data, at + 1)));
        ANSWERED(cut, 400);
    }
}

/* --- SEV-SNP --- */

static void add_pem(struct cella_buffer *pem, const char *path) {
    CELLA_BUFFER der = {0}, encoded = {0};
    assert_true(read_vector(path, &der));
    GOOD(cella_base64_encode(cella_buffer_bytes(&der), false, &encoded));
    GOOD(cella_buffer_append(pem, cella_bytes_text("-----BEGIN CERTIFICATE-----\n")));
    for (size_t at = 0; at < encoded.size; at += 64) {
        size_t size = encoded.size - at < 64 ? encoded.size - at : 64;
        GOOD(cella_buffer_append(pem, cella_bytes(encoded.data + at, size)));
        GOOD(cella_buffer_append(pem, cella_bytes_text("\n")));
    }
    GOOD(cella_buffer_append(pem, cella_bytes_text("-----END CERTIFICATE-----\n")));
}

static json_t *snp_body(bool chain, const char *report_name) {
    CELLA_BUFFER report = {0}, pem = {0};
    if (!read_vector(SNP "/report.bin", &report)) return NULL;
    add_pem(&pem, SNP "/vcek.der");
    CELLA_JSON inner = json_pack("{s:o}", report_name, base64url(cella_buffer_bytes(&report)));
    if (chain) json_object_set_new(inner, "VcekCertChain", base64url(cella_buffer_bytes(&pem)));
    char *text = json_dumps(inner, JSON_COMPACT);
    json_t *body = body_of("report", cella_bytes_text(text));
    free(text);
    return body;
}

static void test_snp(void **state) {
    (void)state;
    RIG rig;
    json_t *body = snp_body(true, "snpREPORT"); /* names in any case */
    if (!body) skip();
    rig_make(&rig, NULL, 0);
    REPLY reply = rig_attest(&rig, DEV, "SevSnpVM", body); /* as Microsoft's sidecars write it */
    ANSWERED(reply, 200);
    assert_string_equal(reply_text(&reply, "x-ms-attestation-type"), "sevsnpvm");
    assert_string_equal(
        reply_text(&reply, "x-ms-sevsnpvm-launchmeasurement"),
        "5feee30d6d7e1a29f403d70a4198237ddfb13051a2d6976439487c609388ed7f98189887920ab2fa0096903a0c"
        "23fca1");
    assert_false(has(&reply, "x-ms-compliance-status"));
    REPLY none = rig_attest(&rig, DEV, "SevSnpVm", snp_body(false, "SnpReport"));
    ANSWERED(none, 400);
    assert_true(mentions(&none, "vcek"));
}

/* The whole chain, in whichever order; one of another line, or a chip's alone that is another's,
 * does not hold (A07, A15). */
static void test_snp_chains(void **state) {
    (void)state;
    static const struct {
        const char *name[3];
        int status;
    } chains[] = {
        {{SNP "/vcek.der", "snp-certs/milan/ask.der", "snp-certs/milan/ark.der"}, 200},
        {{"snp-certs/milan/ark.der", "snp-certs/milan/ask.der", SNP "/vcek.der"}, 200},
        {{SNP "/vcek.der", NULL, NULL}, 200},
        {{SNP "/vcek.der", "snp-certs/milan/ask.der", NULL}, 200},
        {{"snp-certs/milan/ask.der", "snp-certs/milan/ark.der", NULL}, 400},
        {{"snp-certs/milan/vcek-052df5.der", "snp-certs/milan/ask.der", "snp-certs/milan/ark.der"},
         400},
        {{"snp-certs/milan/vlek-43001b.der", "snp-certs/milan/asvk.der", "snp-certs/milan/ark.der"},
         400},
    };
    RIG rig;
    CELLA_BUFFER report = {0};
    if (!read_vector(SNP "/report.bin", &report)) skip();
    rig_make(&rig, NULL, 0);
    for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
        CELLA_BUFFER pem = {0};
        for (size_t k = 0; k < 3 && chains[i].name[k]; k++) add_pem(&pem, chains[i].name[k]);
        CELLA_JSON inner =
            json_pack("{s:o, s:o}", "SnpReport", base64url(cella_buffer_bytes(&report)),
                      "VcekCertChain", base64url(cella_buffer_bytes(&pem)));
        char *text = json_dumps(inner, JSON_COMPACT);
        REPLY reply = rig_attest(&rig, DEV, "SevSnpVm", body_of("report", cella_bytes_text(text)));
        free(text);
        if (reply.status != chains[i].status)
            fail_msg("chain %zu: %d %s", i, reply.status, reply.message);
    }
}

static void test_snp_references(void **state) {
    (void)state;
    static const char values[] =
        "# guests that we built\r\n\n  "
        "5FEEE30d6d7e1a29f403d70a4198237ddfb13051a2d6976439487c609388ed7f98189887920ab2fa0096903a0c"
        "23fca1 # ours\n"
        "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "00"
        "0000";
    RIG rig;
    json_t *body = snp_body(true, "SnpReport");
    if (!body) skip();
    rig_make(&rig, NULL, 0);
    cella_attest_free(&rig.attest);
    rig.settings.reference_values = cella_bytes_text(values);
    rig_start(&rig);
    REPLY reply = rig_attest(&rig, DEV, "SevSnpVm", body);
    ANSWERED(reply, 200);
    assert_string_equal(reply_text(&reply, "x-ms-compliance-status"), "azure-compliant-cvm");
}

static void test_snp_malformed(void **state) {
    (void)state;
    RIG rig;
    rig_make(&rig, NULL, 0);
    static const char *const inner[] = {
        "{}",
        "{\"SnpReport\":7}",
        "{\"SnpReport\":\"\"}",
        "{\"SnpReport\":\"AAAA\"}",
        "{\"SnpReport\":\"!!\"}",
        "{\"SnpReport\":\"AAAA\",\"SnpReport\":\"AAAA\"}",
        "{\"SnpReport\":\"AAAA\",\"VcekCertChain\":\"AAAA\"}",
        "{",
        "[]",
        "x",
    };
    for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
        REPLY reply =
            rig_attest(&rig, DEV, "SevSnpVm", body_of("report", cella_bytes_text(inner[i])));
        ANSWERED(reply, 400);
        assert_string_equal(reply.code, "InvalidParameter");
    }
}

/* --- TDX --- */

static void test_tdx(void **state) {
    (void)state;
    RIG rig;
    CELLA_BUFFER quote = {0};
    if (!read_vector(TDX "/quote.bin", &quote)) skip();
    rig_make(&rig, TDX_COLL, TDX_AT);
    REPLY reply = rig_attest(&rig, DEV, "TdxVm", body_of("quote", cella_buffer_bytes(&quote)));
    ANSWERED(reply, 200);
    static const char *const names[] = {"attester_tcb_status",
                                        "dbgstat",
                                        "eat_profile",
                                        "intuse",
                                        "tdx_mrconfigid",
                                        "tdx_mrowner",
                                        "tdx_mrownerconfig",
                                        "tdx_mrseam",
                                        "tdx_mrsignerseam",
                                        "tdx_mrtd",
                                        "tdx_report_data",
                                        "tdx_rtmr0",
                                        "tdx_rtmr3",
                                        "tdx_seam_attributes",
                                        "tdx_td_attributes",
                                        "tdx_xfam",
                                        "tdx_seamsvn",
                                        "tdx_tee_tcb_svn",
                                        "tdx_td_attributes_debug",
                                        "tdx_td_attributes_key_locker",
                                        "tdx_td_attributes_perfmon",
                                        "tdx_td_attributes_protection_keys",
                                        "tdx_td_attributes_septve_disable",
                                        "x-ms-attestation-type",
                                        "x-ms-policy-hash",
                                        "x-ms-ver"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!has(&reply, names[i])) fail_msg("no %s", names[i]);
    assert_string_equal(reply_text(&reply, "x-ms-attestation-type"), "tdxvm");
}

/* --- Software --- */

static void software_trust(struct rig *rig, const struct fixture *f) {
    static char path[256];
    static const char *const list[] = {path};
    snprintf(path, sizeof(path), "%s/platform.der", rig->stand.folder);
    GOOD(cella_file_write(path, cella_buffer_bytes(&f->spki), 0600, 0));
    struct cella_trust_settings trust = {.source = "none", .platform = list, .platform_count = 1};
    cella_attest_free(&rig->attest);
    cella_trust_free(&rig->trust);
    GOOD(cella_trust_new(&trust, &rig->trust));
    rig_start(rig);
}
static json_t *software_body(struct cella_bytes evidence) {
    json_t *body = body_of("evidence", evidence);
    json_object_set_new(body, "draftPolicyForAttestation", json_string(BARE));
    return body;
}

static void test_software(void **state) {
    (void)state;
    RIG rig;
    struct fixture f;
    static const char data[] = "{\"keys\":[{\"kid\":\"a\"}]}";
    fixture_new(&f);
    memset(f.claims.report_data, 0, sizeof(f.claims.report_data));
    GOOD(cella_sha256(cella_bytes_text(data), f.claims.report_data));
    f.evidence.size = 0;
    GOOD(cella_software_evidence(f.signer, &f.claims, &f.evidence));
    rig_make(&rig, NULL, 0);
    json_t *unknown = software_body(cella_buffer_bytes(&f.evidence));
    REPLY refused = rig_attest(&rig, DEV, "SoftwareEnclave", unknown);
    ANSWERED(refused, 400); /* nobody's key: platforms are trusted by name (A08) */
    software_trust(&rig, &f);
    /* off unless a policy of that type is set */
    REPLY off = rig_attest(&rig, DEV, "SoftwareEnclave",
                           body_of("evidence", cella_buffer_bytes(&f.evidence)));
    ANSWERED(off, 400);
    assert_string_equal(off.code, "InvalidOperation");
    assert_true(mentions(&off, "No attestation policy has been set for SoftwareEnclave"));
    json_t *body = software_body(cella_buffer_bytes(&f.evidence));
    json_object_set_new(body, "runtimeData", data_of(data, "JSON"));
    REPLY reply = rig_attest(&rig, DEV, "SoftwareEnclave", body);
    ANSWERED(reply, 200);
    assert_string_equal(reply_text(&reply, "x-ms-attestation-type"), "cella-software");
    assert_string_equal(reply_text(&reply, "x-ms-cella-assurance"), "S1");
    assert_string_equal(reply_text(&reply, "x-ms-cella-root"), "file");
    assert_string_equal(reply_text(&reply, "x-ms-cella-memory"), "secret");
    assert_int_equal(json_integer_value(json_object_get(reply.claims, "x-ms-cella-svn")), 3);
    assert_int_equal(json_integer_value(json_object_get(reply.claims, "x-ms-cella-product-id")), 7);
    assert_true(json_is_false(json_object_get(reply.claims, "x-ms-cella-is-debuggable")));
    assert_true(json_is_object(json_object_get(reply.claims, "x-ms-runtime")));
    const char *name;
    json_t *value;
    json_object_foreach(reply.claims, name, value) /* A23: no name of hardware */
        assert_true(strncmp(name, "x-ms-sgx-", 9) != 0 && strncmp(name, "x-ms-sevsnp", 11) != 0 &&
                    strncmp(name, "tdx_", 4) != 0 && strcmp(name, "tee") != 0);
    fixture_free(&f);
}

/* What an enclave was started with is bound by its configuration id: the hash, then zeros. */
static void test_init_time(void **state) {
    (void)state;
    RIG rig;
    struct fixture f;
    static const char data[] = "{\"role\":\"ward 7\"}";
    fixture_new(&f);
    rig_make(&rig, NULL, 0);
    software_trust(&rig, &f);
    for (int tail = 0; tail < 2; tail++) {
        memset(f.claims.identity.config_id, 0, sizeof(f.claims.identity.config_id));
        GOOD(cella_sha256(cella_bytes_text(data), f.claims.identity.config_id));
        f.claims.identity.config_id[63] = (uint8_t)tail;
        f.evidence.size = 0;
        GOOD(cella_software_evidence(f.signer, &f.claims, &f.evidence));
        for (int json = 0; json < 2; json++) {
            json_t *body = software_body(cella_buffer_bytes(&f.evidence));
            json_object_set_new(body, "initTimeData", data_of(data, json ? "JSON" : "Binary"));
            REPLY reply = rig_attest(&rig, DEV, "SoftwareEnclave", body);
            ANSWERED(reply, tail ? 400 : 200);
            assert_true(has(&reply, "x-ms-inittime") == (json && !tail));
        }
    }
    fixture_free(&f);
}

/* A request for keys is bound to its evidence by all 64 bytes. */
static void test_key_request(void **state) {
    (void)state;
    RIG rig;
    struct fixture f;
    CELLA_BUFFER request = {0}, labeled = {0};
    uint8_t head[16 + 64 + 2 + 1] = "CELLAREQ", size[4];
    head[8] = 1, head[12] = 1, head[80] = 1, head[82] = 'k';
    fixture_new(&f);
    struct cella_secret private = {0};
    GOOD(cella_x25519_new(&private, head + 16));
    cella_secret_free(&private);
    GOOD(cella_buffer_append(&labeled, cella_bytes("cella key request v1", 21)));
    GOOD(cella_buffer_append(&labeled, CELLA_BYTES_OF(head)));
    GOOD(cella_sha512(cella_buffer_bytes(&labeled), f.claims.report_data));
    f.evidence.size = 0;
    GOOD(cella_software_evidence(f.signer, &f.claims, &f.evidence));
    for (size_t i = 0; i < 4; i++) size[i] = (uint8_t)(f.evidence.size >> 8 * i);
    GOOD(cella_buffer_append(&request, CELLA_BYTES_OF(head)));
    GOOD(cella_buffer_append(&request, CELLA_BYTES_OF(size)));
    GOOD(cella_buffer_append(&request, cella_buffer_bytes(&f.evidence)));
    rig_make(&rig, NULL, 0);
    software_trust(&rig, &f);
    REPLY reply =
        rig_attest(&rig, DEV, "SoftwareEnclave", software_body(cella_buffer_bytes(&request)));
    ANSWERED(reply, 200);
    uint8_t digest[32];
    char hex[65];
    GOOD(cella_sha256(cella_buffer_bytes(&request), digest));
    cella_hex_encode(CELLA_BYTES_OF(digest), hex);
    assert_string_equal(reply_text(&reply, "x-ms-cella-key-request"), hex);
    request.data[60] ^= 1; /* the nonce of another request (A13) */
    REPLY other =
        rig_attest(&rig, DEV, "SoftwareEnclave", software_body(cella_buffer_bytes(&request)));
    ANSWERED(other, 400);
    fixture_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgx),
        cmocka_unit_test(test_sgx_damaged),
        cmocka_unit_test(test_runtime_data),
        cmocka_unit_test(test_other_types),
        cmocka_unit_test(test_tcb),
        cmocka_unit_test(test_no_collateral),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_fetching),
        cmocka_unit_test(test_snp),
        cmocka_unit_test(test_snp_chains),
        cmocka_unit_test(test_snp_references),
        cmocka_unit_test(test_snp_malformed),
        cmocka_unit_test(test_tdx),
        cmocka_unit_test(test_software),
        cmocka_unit_test(test_key_request),
        cmocka_unit_test(test_init_time),
        cmocka_unit_test(test_open_enclave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
