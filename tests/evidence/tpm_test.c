/* Root tpm: quotes forged here to break each link (threats.md A22), captured ones, and live ones of
 * a software TPM. */
#include "fixture.h"

#include <jansson.h>
#include <openssl/ec.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "evidence/tpm.h"
#include "evidence/tpm_attest.h"

/* A TPM of paper: what it would say, and a key to say it with. */
struct paper_tpm {
    struct cella_key *ak;
    struct cella_buffer spki;
    uint32_t magic;
    uint16_t type, bank, banks;
    uint8_t extra[32], values[3][32], digest[32];
    uint32_t selection, tail;
};

static const uint8_t indexes[3] = {0, 4, 7};

static void paper_new(struct paper_tpm *t, struct cella_bytes platform_spki) {
    memset(t, 0, sizeof(*t));
    OK(cella_key_new_p256(&t->ak));
    OK(cella_key_spki(t->ak, &t->spki));
    t->magic = 0xff544347;
    t->type = 0x8018;
    t->bank = 0x000b;
    t->banks = 1;
    t->selection = 1U << 0 | 1U << 4 | 1U << 7;
    OK(cella_tpm_binding(platform_spki, t->extra));
    for (int i = 0; i < 3; i++) memset(t->values[i], 0x10 + i, 32);
    OK(cella_sha256(cella_bytes(t->values, 96), t->digest));
}

static void paper_free(struct paper_tpm *t) {
    cella_key_free(&t->ak);
    cella_buffer_free(&t->spki);
}

static void paper_quote(const struct paper_tpm *t, struct cella_buffer *out) {
    uint8_t attest[256], signature[128], rs[64];
    struct cella_writer a = cella_writer(attest, sizeof(attest)),
                        s = cella_writer(signature, sizeof(signature));
    cella_writer_u32be(&a, t->magic);
    cella_writer_u16be(&a, t->type);
    cella_writer_u16be(&a, 34);
    cella_writer_zero(&a, 34);
    cella_writer_u16be(&a, 32);
    cella_writer_put(&a, CELLA_BYTES_OF(t->extra));
    cella_writer_zero(&a, 8 + 4 + 4);
    cella_writer_u8(&a, 1);
    cella_writer_u64be(&a, 0x2016051100162800);
    cella_writer_u32be(&a, t->banks);
    for (unsigned i = 0; i < t->banks; i++) {
        cella_writer_u16be(&a, t->bank);
        cella_writer_u8(&a, 3);
        for (unsigned j = 0; j < 3; j++) cella_writer_u8(&a, (uint8_t)(t->selection >> 8 * j));
    }
    cella_writer_u16be(&a, 32);
    cella_writer_put(&a, CELLA_BYTES_OF(t->digest));
    cella_writer_zero(&a, t->tail);
    OK(cella_key_sign_p256(t->ak, cella_writer_bytes(&a), rs));
    cella_writer_u16be(&s, 0x0018);
    cella_writer_u16be(&s, 0x000b);
    for (int i = 0; i < 2; i++) {
        cella_writer_u16be(&s, 32);
        cella_writer_put(&s, cella_bytes(rs + 32 * i, 32));
    }
    struct cella_tpm_quote quote = {
        cella_writer_bytes(&a), cella_writer_bytes(&s), cella_buffer_bytes(&t->spki), 3, {{0}}};
    for (int i = 0; i < 3; i++) {
        quote.pcr[i].index = indexes[i];
        memcpy(quote.pcr[i].value, t->values[i], 32);
    }
    out->size = 0;
    OK(cella_tpm_quote_encode(&quote, out));
}

/* The code, and that the error names the step. */
static enum cella_code verify_names(const struct cella_buffer *cbor, struct cella_bytes spki,
                                    const char *step) {
    struct cella_tpm_quote out;
    struct cella_result r = cella_tpm_quote_verify(cella_buffer_bytes(cbor), spki, &out);
    enum cella_code code = cella_code_of(r);
    if (code != CELLA_OK && !strstr(r.error->what, step))
        fail_msg("'%s' does not name %s", r.error->what, step);
    if (code != CELLA_OK) assert_int_equal(out.pcr_count, 0);
    cella_result_drop(r);
    return code;
}

static void breaks_at_every_link(void **state) {
    (void)state;
    struct fixture f;
    struct paper_tpm t, good;
    CELLA_BUFFER cbor = {0};
    fixture_new(&f);
    struct cella_bytes spki = cella_buffer_bytes(&f.spki);
    paper_new(&good, spki);
    paper_quote(&good, &cbor);
    assert_int_equal(verify_names(&cbor, spki, ""), CELLA_OK);
    t = good, t.magic ^= 1, paper_quote(&t, &cbor);
    assert_int_equal(verify_names(&cbor, spki, "magic"), CELLA_ERR_FORMAT);
    t = good, t.type = 0x8017, paper_quote(&t, &cbor);
    assert_int_equal(verify_names(&cbor, spki, "type"), CELLA_ERR_FORMAT);
    t = good, t.extra[31] ^= 1, paper_quote(&t, &cbor);
    assert_int_equal(verify_names(&cbor, spki, "extraData"), CELLA_ERR_INTEGRITY);
    t = good, t.bank = 0x0004, paper_quote(&t, &cbor);
    assert_int_equal(verify_names(&cbor, spki, "selection"), CELLA_ERR_FORMAT);
    t = good, t.banks = 2, paper_quote(&t, &cbor);
    assert_int_equal(verify_names(&cbor, spki, "selection"), CELLA_ERR_FORMAT);
    t = good, t.banks = 0, paper_quote(&t, &cbor);
    assert_int_equal(verify_names(&cbor, spki, "selection"), CELLA_ERR_FORMAT);
    t = good, t.selection |= 2, paper_quote(&t, &cbor);
    assert_int_equal(verify_names(&cbor, spki, "selection"), CELLA_ERR_INTEGRITY);
    t = good, t.values[2][0] ^= 1, paper_quote(&t, &cbor);
    assert_int_equal(verify_names(&cbor, spki, "pcrDigest"), CELLA_ERR_INTEGRITY);
    t = good, t.tail = 1, paper_quote(&t, &cbor);
    assert_int_equal(verify_names(&cbor, spki, "TPMS_ATTEST"), CELLA_ERR_FORMAT);
    struct cella_key *other = NULL;
    OK(cella_key_new_p256(&other));
    t = good, t.ak = other, paper_quote(&t, &cbor); /* signed by another key than the one shown */
    assert_int_equal(verify_names(&cbor, spki, "signature"), CELLA_ERR_INTEGRITY);
    cella_key_free(&other);
    paper_free(&good);
    fixture_free(&f);
}

static void refuses_every_flip_and_cut(void **state) {
    (void)state;
    struct fixture f;
    struct paper_tpm t;
    struct cella_tpm_quote out;
    CELLA_BUFFER cbor = {0};
    fixture_new(&f);
    struct cella_bytes spki = cella_buffer_bytes(&f.spki);
    paper_new(&t, spki);
    paper_quote(&t, &cbor);
    for (size_t bit = 0; bit < cbor.size * 8; bit++) {
        cbor.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (code_of(cella_tpm_quote_verify(cella_buffer_bytes(&cbor), spki, &out)) == CELLA_OK)
            fail_msg("bit %zu", bit);
        cbor.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t size = 0; size < cbor.size; size++) {
        uint8_t *copy = malloc(size ? size : 1);
        memcpy(copy, cbor.data, size);
        assert_int_not_equal(code_of(cella_tpm_quote_verify(cella_bytes(copy, size), spki, &out)),
                             CELLA_OK);
        free(copy);
    }
    paper_free(&t);
    fixture_free(&f);
}

/* The whole chain: the platform key need not be known, its TPM must be. */
static void chain_ends_in_the_attestation_key(void **state) {
    (void)state;
    struct fixture f;
    struct paper_tpm t, thief;
    struct cella_claims claims;
    CELLA_BUFFER cbor = {0}, evidence = {0};
    fixture_new(&f);
    paper_new(&t, cella_buffer_bytes(&f.spki));
    paper_new(&thief, cella_buffer_bytes(&f.spki));
    paper_quote(&t, &cbor);
    struct cella_software_signer *signer = NULL;
    OK(cella_software_signer_new(f.key, CELLA_ROOT_TPM, cella_buffer_bytes(&cbor), &signer));
    OK(cella_software_evidence(signer, &f.claims, &evidence));
    struct cella_bytes ak = cella_buffer_bytes(&t.spki), platform = cella_buffer_bytes(&f.spki);
    struct cella_bytes stranger = cella_buffer_bytes(&thief.spki);
    uint8_t print[32];
    struct cella_verify_options options = {&ak, 1, NOW, 0};
    OK(cella_evidence_verify(cella_buffer_bytes(&evidence), &options, &claims));
    OK(cella_sha256(ak, print));
    assert_int_equal(claims.root, CELLA_ROOT_TPM);
    assert_memory_equal(claims.trusted_by, print, 32);
    assert_int_equal(claims.tpm_pcr_count, 3);
    assert_int_equal(claims.tpm_pcr[1].index, 4);
    assert_memory_equal(claims.tpm_pcr[1].value, t.values[1], 32);
    options.anchors = &stranger;
    assert_int_equal(
        code_of(cella_evidence_verify(cella_buffer_bytes(&evidence), &options, &claims)),
        CELLA_ERR_REFUSED);
    /* Trusted for its own sake, the platform key says nothing of PCRs that a TPM nobody trusts
     * gave. */
    options.anchors = &platform;
    OK(cella_evidence_verify(cella_buffer_bytes(&evidence), &options, &claims));
    assert_int_equal(claims.root, CELLA_ROOT_FILE);
    assert_int_equal(claims.tpm_pcr_count, 0);
    /* Every bit of the whole, under the anchor that needs the nested quote. */
    options.anchors = &ak;
    for (size_t bit = 0; bit < evidence.size * 8; bit++) {
        evidence.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (code_of(cella_evidence_verify(cella_buffer_bytes(&evidence), &options, &claims)) ==
            CELLA_OK)
            fail_msg("bit %zu", bit);
        evidence.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    cella_software_signer_free(&signer);
    paper_free(&t);
    paper_free(&thief);
    fixture_free(&f);
}

/* A quote that binds one platform key nested into evidence of another. */
static void refuses_a_borrowed_quote(void **state) {
    (void)state;
    struct fixture f, g;
    struct paper_tpm t;
    struct cella_claims claims;
    CELLA_BUFFER cbor = {0}, evidence = {0};
    fixture_new(&f);
    fixture_new(&g);
    paper_new(&t, cella_buffer_bytes(&g.spki));
    paper_quote(&t, &cbor);
    struct cella_software_signer *signer = NULL;
    OK(cella_software_signer_new(f.key, CELLA_ROOT_TPM, cella_buffer_bytes(&cbor), &signer));
    OK(cella_software_evidence(signer, &f.claims, &evidence));
    struct cella_bytes anchors[] = {cella_buffer_bytes(&t.spki), cella_buffer_bytes(&f.spki)};
    struct cella_verify_options options = {anchors, 2, NOW, 0};
    assert_int_equal(
        code_of(cella_evidence_verify(cella_buffer_bytes(&evidence), &options, &claims)),
        CELLA_ERR_INTEGRITY);
    cella_software_signer_free(&signer);
    paper_free(&t);
    fixture_free(&f);
    fixture_free(&g);
}

/* --- captured quotes, where the vectors are --- */

static bool vector(const char *name, struct cella_buffer *out) {
    char path[512];
    const char *root = getenv("CELLA_VECTORS");
    snprintf(path, sizeof(path), "%s/tpm2-quote/%s",
             root ? root : CELLA_SOURCE_ROOT "/../shared/vectors", name);
    out->size = 0;
    if (access(path, R_OK) != 0) return false;
    OK(cella_file_read(path, 1 << 20, out));
    return true;
}

static void expect_hex(const json_t *from, const char *name, struct cella_bytes found) {
    char hex[300];
    assert_true(found.size < 140);
    cella_hex_encode(found, hex);
    assert_string_equal(json_string_value(json_object_get(from, name)), hex);
}

static void parses_captured_quotes(void **state) {
    (void)state;
    static const struct {
        const char *quote, *expected;
        int index; /* into an array, or -1 */
        uint16_t bank;
    } rows[] = {
        {"go-attestation-windows/quote.msg", "go-attestation-windows/expected.json", -1, 0x4},
        {"go-tpm-tools-gce-cos-85-no-nonce/quote0.msg",
         "go-tpm-tools-gce-cos-85-no-nonce/expected.json", 0, 0x4},
        {"go-tpm-tools-gce-cos-85-no-nonce/quote1.msg",
         "go-tpm-tools-gce-cos-85-no-nonce/expected.json", 1, 0xb},
        {"go-tpm-tools-gce-cos-85-no-nonce/quote2.msg",
         "go-tpm-tools-gce-cos-85-no-nonce/expected.json", 2, 0xc},
        {"vaportpm-gcp-amd/quote.msg", "vaportpm-gcp-amd/expected.json", -1, 0xb},
        {"vaportpm-nitro/quote.msg", "vaportpm-nitro/expected.json", -1, 0xc},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CELLA_BUFFER quote = {0}, text = {0};
        struct cella_tpm_attest a;
        if (!vector(rows[i].quote, &quote) || !vector(rows[i].expected, &text)) {
            print_message("no test vectors at hand: set CELLA_VECTORS\n");
            skip();
        }
        json_t *all = json_loadb((const char *)text.data, text.size, 0, NULL);
        const json_t *e = rows[i].index >= 0 ? json_array_get(all, (size_t)rows[i].index) : all;
        e = json_object_get(e, "quote");
        OK(cella_tpm_attest_parse(cella_buffer_bytes(&quote), &a));
        expect_hex(e, "qualified_signer", a.signer);
        expect_hex(e, "extra_data", a.extra_data);
        expect_hex(e, "pcr_digest", a.pcr_digest);
        assert_true(a.clock_ms == (uint64_t)json_integer_value(json_object_get(e, "clock")));
        assert_int_equal(a.reset_count, json_integer_value(json_object_get(e, "reset_count")));
        assert_int_equal(a.restart_count, json_integer_value(json_object_get(e, "restart_count")));
        assert_int_equal(a.bank_count, 1);
        assert_int_equal(a.bank[0].hash, rows[i].bank);
        assert_int_equal(a.bank[0].pcrs, 0xffffff);
        json_decref(all);
        for (size_t size = 0; size < quote.size; size++)
            assert_int_equal(code_of(cella_tpm_attest_parse(cella_bytes(quote.data, size), &a)),
                             CELLA_ERR_FORMAT);
    }
}

/* DER of ECDSA, as some tools keep it, to TPMT_SIGNATURE. */
static void to_tpmt(struct cella_buffer *signature) {
    uint8_t out[72] = {0x00, 0x18, 0x00, 0x0b, 0x00, 0x20};
    const unsigned char *at = signature->data;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)signature->size);
    assert_non_null(sig);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), out + 6, 32), 32);
    out[39] = 0x20;
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 40, 32), 32);
    ECDSA_SIG_free(sig);
    signature->size = 0;
    OK(cella_buffer_append(signature, CELLA_BYTES_OF(out)));
}

static void checks_captured_signatures(void **state) {
    (void)state;
    static const struct {
        const char *ak, *quote, *signature;
        enum cella_code code;
    } rows[] = {
        {"go-tpm-tools-gce-cos-85-no-nonce/ak_pub.pem",
         "go-tpm-tools-gce-cos-85-no-nonce/quote0.msg",
         "go-tpm-tools-gce-cos-85-no-nonce/quote0.sig", CELLA_OK},
        {"go-tpm-tools-gce-cos-85-no-nonce/ak_pub.pem",
         "go-tpm-tools-gce-cos-85-no-nonce/quote2.msg",
         "go-tpm-tools-gce-cos-85-no-nonce/quote2.sig", CELLA_OK},
        {"go-tpm-tools-gce-cos-85-no-nonce/ak_pub.pem",
         "go-tpm-tools-gce-cos-85-no-nonce/quote1.msg",
         "go-tpm-tools-gce-cos-85-no-nonce/quote2.sig", CELLA_ERR_INTEGRITY},
        {"go-attestation-windows/ak_pub.pem", "go-attestation-windows/quote.msg",
         "go-attestation-windows/quote.sig", CELLA_ERR_UNSUPPORTED /* SHA-1 */},
        {"vaportpm-gcp-amd/ak_pub.pem", "vaportpm-gcp-amd/quote.msg",
         "vaportpm-gcp-amd/quote.sig.der", CELLA_OK},
        {"vaportpm-nitro/ak_pub.pem", "vaportpm-nitro/quote.msg", "vaportpm-nitro/quote.sig.der",
         CELLA_OK},
        {"vaportpm-nitro/ak_pub.pem", "vaportpm-gcp-amd/quote.msg",
         "vaportpm-gcp-amd/quote.sig.der", CELLA_ERR_INTEGRITY},
        {"vaportpm-nitro/ak_pub.pem", "go-tpm-tools-gce-cos-85-no-nonce/quote0.msg",
         "go-tpm-tools-gce-cos-85-no-nonce/quote0.sig",
         CELLA_ERR_INTEGRITY /* RSA signature, P-256 key */},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CELLA_BUFFER pem = {0}, quote = {0}, signature = {0};
        CELLA_KEY ak = NULL;
        if (!vector(rows[i].ak, &pem) || !vector(rows[i].quote, &quote) ||
            !vector(rows[i].signature, &signature))
            skip();
        OK(cella_key_public(cella_buffer_bytes(&pem), &ak));
        if (signature.data[0] == 0x30) to_tpmt(&signature);
        enum cella_code code = code_of(cella_tpm_signature_verify(ak, cella_buffer_bytes(&quote),
                                                                  cella_buffer_bytes(&signature)));
        if (code != rows[i].code) fail_msg("row %zu: %s", i, cella_code_name(code));
    }
}

/* --- a live software TPM --- */

static void live_quote(const char *scheme) {
    struct fixture f;
    char folder[] = "/tmp/cella-tpm-XXXXXX", command[512], path[128], hex[65];
    uint8_t binding[32];
    fixture_new(&f);
    assert_non_null(mkdtemp(folder));
    OK(cella_tpm_binding(cella_buffer_bytes(&f.spki), binding));
    cella_hex_encode(CELLA_BYTES_OF(binding), hex);
    snprintf(command, sizeof(command), "timeout 60 %s/tests/evidence/swtpm_quote.sh %s %s %s",
             CELLA_SOURCE_ROOT, folder, hex, scheme);
    int status = system(command);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("no swtpm or tpm2-tools here\n");
        skip();
    }
    assert_int_equal(status, 0);
    struct cella_buffer files[4] = {{0}};
    static const char *const names[4] = {"ak.pem", "attest", "signature", "pcrs"};
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        OK(cella_file_read(path, 65536, &files[i]));
    }
    CELLA_KEY ak = NULL;
    CELLA_BUFFER spki = {0}, cbor = {0};
    OK(cella_key_public(cella_buffer_bytes(&files[0]), &ak));
    OK(cella_key_spki(ak, &spki));
    struct cella_tpm_quote quote = {cella_buffer_bytes(&files[1]),
                                    cella_buffer_bytes(&files[2]),
                                    cella_buffer_bytes(&spki),
                                    8,
                                    {{0}}};
    assert_int_equal(files[3].size, 256);
    for (uint8_t i = 0; i < 8; i++) {
        quote.pcr[i].index = i;
        memcpy(quote.pcr[i].value, files[3].data + 32 * i, 32);
    }
    OK(cella_tpm_quote_encode(&quote, &cbor));
    struct cella_tpm_quote out;
    OK(cella_tpm_quote_verify(cella_buffer_bytes(&cbor), cella_buffer_bytes(&f.spki), &out));
    assert_int_equal(out.pcr_count, 8);
    for (int i = 0; i < 4; i++) cella_buffer_free(&files[i]);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    fixture_free(&f);
}

static void live_ecdsa(void **state) { (void)state, live_quote("ecdsa"); }
static void live_rsassa(void **state) { (void)state, live_quote("rsassa"); }
static void live_rsapss(void **state) { (void)state, live_quote("rsapss"); }

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(breaks_at_every_link),
        cmocka_unit_test(refuses_every_flip_and_cut),
        cmocka_unit_test(chain_ends_in_the_attestation_key),
        cmocka_unit_test(refuses_a_borrowed_quote),
        cmocka_unit_test(parses_captured_quotes),
        cmocka_unit_test(checks_captured_signatures),
        cmocka_unit_test(live_ecdsa),
        cmocka_unit_test(live_rsassa),
        cmocka_unit_test(live_rsapss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
