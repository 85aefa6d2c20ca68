/* RA-TLS certificates: all vectors; every flip and cut; evidence moved to other keys, in every
 * wrapping (A13, A28, A30, A31, A36). */
#include "vector.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/digest.h"
#include "evidence/family.h"
#include "evidence/ratls.h"

static void read_der(const char *folder, struct cella_buffer *out) {
    char file[600], full[1200];
    snprintf(file, sizeof(file), "%s/cert.der", folder);
    snprintf(full, sizeof(full), "%s/%s", vector_root(), file);
    if (access(full, R_OK) == 0) return vector_read(file, out);
    CELLA_BUFFER pem = {0};
    size_t at = 0;
    bool found = false;
    snprintf(file, sizeof(file), "%s/cert.pem", folder);
    vector_read(file, &pem);
    VECTOR_OK(cella_pem_next(cella_buffer_bytes(&pem), "CERTIFICATE", &at, out, &found));
    assert_true(found);
}

/* What each vector binds its key by, and where: by an independent parser where it knows the way,
 * the rest by hand. */
static const struct {
    const char *folder, *extension, *binding;
    bool weak;
} known[] = {
    {"ra-tls/ccc-gramine-cert", "2.23.133.5.4.9", "claims-buffer", false},
    {"ra-tls/ccc-rats-tls-cert", "2.23.133.5.4.9", "claims-buffer", false},
    {"ra-tls/cosmian-cert", "1.2.840.113741.1337.6", "ec-point", false},
    {"ra-tls/cosmian-sgx-cert", "1.2.840.113741.1337.6", "ec-point", false},
    {"ra-tls/inclavare", "1.2.840.113741.1337.6", "pkcs1", true},
    {"ra-tls/maa-maa", "1.2.840.113556.10.1.1", "pem", true},
    {"ra-tls/sgxlkl-maa", "1.2.840.113556.10.1.1", "pem", false},
};
enum { KNOWN_COUNT = sizeof(known) / sizeof(known[0]) };

static size_t authentic, refused;

static uint64_t begin_of(const json_t *expected) {
    return vector_time(json_string_value(json_object_get(expected, "not_before")));
}

static void check_good(struct cella_bytes der, const json_t *expected, size_t index) {
    CELLA_VERIFICATION v;
    const json_t *quotes = json_object_get(expected, "quotes");
    const json_t *quote =
        json_array_get(quotes, json_array_size(quotes) - 1); /* the interoperable one stands last */
    vector_verify(der, NULL, CELLA_EVIDENCE_AUTO, begin_of(expected), &v);
    assert_int_equal(v.type, CELLA_EVIDENCE_RATLS);
    assert_true(v.authentic);
    assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
    assert_string_equal(v.reason.step, "collateral"); /* nothing but that is missing */
    vector_same_text(&v, "ratls.extension", known[index].extension);
    vector_same_text(&v, "ratls.binding", known[index].binding);
    vector_same_text(&v, "ratls.evidence", "sgx");
    vector_same_number(&v, "ratls.weak-signature", known[index].weak);
    vector_same_number(&v, "ratls.not-before", begin_of(expected));
    vector_same_number(&v, "ratls.not-after",
                       vector_time(json_string_value(json_object_get(expected, "not_after"))));
    vector_same_hex(&v, "measurement", json_string_value(json_object_get(quote, "mrenclave")));
    vector_same_hex(&v, "report-data", json_string_value(json_object_get(quote, "report_data")));
    vector_same_text(&v, "tee", "sgx");
    assert_int_equal(vector_claim(&v, "ratls.public-key")->bytes.size, 32);
    authentic++;
}

static void check_vector(const char *path) {
    char file[600];
    CELLA_BUFFER der = {0};
    size_t index = 0;
    while (index < KNOWN_COUNT && strcmp(known[index].folder, path) != 0) index++;
    snprintf(file, sizeof(file), "%s/expected.json", path);
    json_t *expected = vector_json(file);
    read_der(path, &der);
    if (json_is_true(json_object_get(expected, "self_signed_ok"))) {
        assert_true(index < KNOWN_COUNT);
        check_good(cella_buffer_bytes(&der), expected, index);
    } else {
        CELLA_VERIFICATION v;
        vector_verify(cella_buffer_bytes(&der), NULL, CELLA_EVIDENCE_AUTO, begin_of(expected), &v);
        assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
        assert_false(v.authentic);
        refused++;
    }
    json_decref(expected);
}

static void all_vectors(void **state) {
    (void)state;
    if (!vector_has("ra-tls")) skip();
    vector_each("ra-tls", check_vector);
    print_message("%zu authentic, %zu refused\n", authentic, refused);
    assert_true(authentic >= KNOWN_COUNT && refused >= 1);
}

#define SET "sgx-quote/v3-00606a000000-interoperable-ra-tls-5cfdb51d/collateral-20250619-ev17"
enum { SET_TIME = 1750324941 };

static struct cella_collateral *intel_set(void) {
    char path[1024];
    struct cella_collateral *collateral = NULL;
    snprintf(path, sizeof(path), "%s/" SET, vector_root());
    VECTOR_OK(cella_collateral_new(&collateral));
    VECTOR_OK(cella_collateral_add_path(collateral, path));
    VECTOR_OK(cella_collateral_finish(collateral));
    return collateral;
}

static void verify_out_of_date(struct cella_bytes der, const struct cella_collateral *collateral,
                               uint64_t time_unix, struct cella_verification *out) {
    static const char *const accept[] = {"OutOfDate"};
    struct cella_evidence_options options = {
        .time_unix = time_unix, .accept_tcb = accept, .accept_tcb_count = 1};
    VECTOR_OK(cella_verify(der, collateral, &options, out));
}

/* With collateral all holds, and TCB and the carrier's own dates are judged. */
static void with_collateral(void **state) {
    (void)state;
    if (!vector_has(SET)) skip();
    CELLA_BUFFER gramine = {0}, rats = {0};
    CELLA_VERIFICATION v, w, x;
    read_der("ra-tls/ccc-gramine-cert", &gramine);
    read_der("ra-tls/ccc-rats-tls-cert", &rats);
    struct cella_collateral *collateral = intel_set();
    verify_out_of_date(cella_buffer_bytes(&gramine), collateral, SET_TIME, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
    assert_string_equal(v.tcb_status, "OutOfDate");
    vector_verify(cella_buffer_bytes(&gramine), collateral, CELLA_EVIDENCE_RATLS, SET_TIME, &w);
    assert_string_equal(w.reason.step, "tcb level"); /* A01: the inner reason stays */
    assert_true(w.authentic);
    verify_out_of_date(cella_buffer_bytes(&rats), collateral, SET_TIME, &x);
    assert_int_equal(x.verdict, CELLA_VERIFY_REFUSED); /* its certificate was of 2023 */
    assert_string_equal(x.reason.step, "certificate");
    assert_string_equal(x.reason.field, "validity");
    assert_true(x.authentic);
    static const char value[] = "value_0"; /* with its NUL */
    const struct cella_claim *custom = vector_claim(&x, "ratls.claim.key_0");
    assert_int_equal(custom->bytes.size, sizeof(value));
    assert_memory_equal(custom->bytes.data, value, sizeof(value));
    cella_collateral_free(&collateral);
}

/* All of the evidence holds, but the key that it speaks of can be factored. */
static void short_key(void **state) {
    (void)state;
#define LKL "sgx-quote/v3-00906ed50000-sgx-lkl-b21534e0/collateral-20250205-ev17"
    if (!vector_has(LKL)) skip();
    static const char *const accept[] = {"OutOfDate", "OutOfDateConfigurationNeeded",
                                         "ConfigurationNeeded", "SWHardeningNeeded",
                                         "ConfigurationAndSWHardeningNeeded"};
    CELLA_BUFFER der = {0};
    CELLA_VERIFICATION v;
    char path[1024];
    struct cella_collateral *collateral = NULL;
    struct cella_evidence_options options = {
        .time_unix = 1738760000, .accept_tcb = accept, .accept_tcb_count = 5};
    snprintf(path, sizeof(path), "%s/" LKL, vector_root());
    VECTOR_OK(cella_collateral_new(&collateral));
    VECTOR_OK(cella_collateral_add_path(collateral, path));
    VECTOR_OK(cella_collateral_finish(collateral));
    read_der("ra-tls/maa-maa", &der);
    VECTOR_OK(cella_verify(cella_buffer_bytes(&der), collateral, &options, &v));
    if (strcmp(v.reason.field, "public key") != 0)
        print_error("%s %s %s\n", v.reason.step, v.reason.field, v.reason.found);
    assert_string_equal(v.reason.field, "public key");
    assert_true(v.authentic);
    cella_collateral_free(&collateral);
}

/* A36: no byte of a certificate is outside its signature. Names, key and extension heads each, long
 * stretches by stride. */
static void flips(void **state) {
    (void)state;
    if (!vector_has("ra-tls")) skip();
    for (size_t k = 0; k < KNOWN_COUNT; k++) {
        CELLA_BUFFER der = {0};
        read_der(known[k].folder, &der);
        for (size_t i = 0; i < der.size; i += i < 500 || der.size - i < 400 ? 1 : 7) {
            CELLA_VERIFICATION v;
            der.data[i] ^= (uint8_t)(1U << ((i + k) % 8));
            vector_verify(cella_buffer_bytes(&der), NULL, CELLA_EVIDENCE_RATLS, 1, &v);
            if (v.authentic) print_error("%s: byte %zu\n", known[k].folder, i);
            assert_false(v.authentic);
            der.data[i] ^= (uint8_t)(1U << ((i + k) % 8));
        }
    }
}

static void cuts(void **state) {
    (void)state;
    if (!vector_has("ra-tls/ccc-gramine-cert")) skip();
    CELLA_BUFFER der = {0};
    read_der("ra-tls/ccc-gramine-cert", &der);
    for (size_t size = 0; size < der.size; size++)
        vector_refused(cella_bytes(der.data, size), NULL, CELLA_EVIDENCE_RATLS, 1,
                       "certificate: certificate");
    uint8_t zero = 0;
    VECTOR_OK(cella_buffer_append(&der, cella_bytes(&zero, 1)));
    vector_refused(cella_buffer_bytes(&der), NULL, CELLA_EVIDENCE_RATLS, 1,
                   "certificate: certificate");
}

/* --- Certificates of our own, to carry other people's evidence --- */

static void own_certificate(EVP_PKEY *key, EVP_PKEY *signer, const char *oid,
                            struct cella_bytes value, struct cella_buffer *out) {
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    unsigned char *der = NULL;
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"own", -1, -1, 0);
    X509_set_issuer_name(x, name);
    ASN1_TIME_set(X509_getm_notBefore(x), 0);
    ASN1_TIME_set(X509_getm_notAfter(x), 4000000000);
    X509_set_pubkey(x, key);
    ASN1_OCTET_STRING_set(octets, value.data, (int)value.size);
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, 0, octets);
    assert_int_equal(X509_add_ext(x, extension, -1), 1);
    assert_true(X509_sign(x, signer, EVP_sha256()) > 0);
    int size = i2d_X509(x, &der);
    assert_true(size > 0);
    out->size = 0;
    VECTOR_OK(cella_buffer_append(out, cella_bytes(der, (size_t)size)));
    OPENSSL_free(der);
    X509_EXTENSION_free(extension);
    ASN1_OBJECT_free(object);
    ASN1_OCTET_STRING_free(octets);
    X509_free(x);
}

static void own_refused(EVP_PKEY *key, const char *oid, struct cella_bytes value,
                        const char *where) {
    CELLA_BUFFER der = {0};
    CELLA_VERIFICATION v;
    char found[160];
    own_certificate(key, key, oid, value, &der);
    vector_verify(cella_buffer_bytes(&der), NULL, CELLA_EVIDENCE_AUTO, 1, &v);
    assert_false(v.authentic);
    snprintf(found, sizeof(found), "%s: %s", v.reason.step, v.reason.field);
    if (!strstr(found, where))
        print_error("expected %s, found %s: %s\n", where, found, v.reason.found);
    assert_non_null(strstr(found, where));
}

static void put(struct cella_buffer *to, const char *hex) {
    VECTOR_OK(cella_hex_decode_all(cella_bytes_text(hex), to));
}

/* Tag 60000 around quote and claims. */
static void wrap(struct cella_bytes quote, struct cella_bytes claims, const char *head,
                 struct cella_buffer *out) {
    char size[32];
    out->size = 0;
    put(out, head);
    snprintf(size, sizeof(size), "59%04zx", quote.size);
    put(out, size);
    VECTOR_OK(cella_buffer_append(out, quote));
    assert_true(claims.size >= 24 && claims.size < 0x100);
    snprintf(size, sizeof(size), "58%02zx", claims.size);
    put(out, size);
    VECTOR_OK(cella_buffer_append(out, claims));
}

/* A31: the header of an Open Enclave report, each field off by one. */
static void oe_header(void **state) {
    (void)state;
    if (!vector_has("ra-tls/sgxlkl-maa")) skip();
    CELLA_BUFFER der = {0}, report = {0};
    struct cella_certificate certificate;
    struct cella_ratls_found found;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    read_der("ra-tls/sgxlkl-maa", &der);
    VECTOR_OK(cella_certificate_parse(cella_buffer_bytes(&der), &certificate));
    VECTOR_OK(cella_ratls_find(&certificate, &found));
    VECTOR_OK(cella_buffer_append(&report,
                                  cella_bytes(found.evidence.data - 16, found.evidence.size + 16)));
    own_refused(key, "1.3.6.1.4.1.311.105.1", cella_buffer_bytes(&report), "key binding");
    for (size_t i = 0; i < 16; i++) {
        report.data[i] ^= 1;
        own_refused(key, "1.3.6.1.4.1.311.105.1", cella_buffer_bytes(&report),
                    "certificate: extension");
        report.data[i] ^= 1;
    }
    own_refused(key, "1.3.6.1.4.1.311.105.1", cella_bytes(report.data, report.size - 1),
                "certificate: extension");
    own_refused(key, "1.3.6.1.4.1.311.105.1", cella_bytes(report.data, 15),
                "certificate: extension");
    EVP_PKEY_free(key);
}

/* A13: genuine evidence in the certificate of another key, in each way that someone binds keys. */
static void moved(void **state) {
    (void)state;
    if (!vector_has("ra-tls")) skip();
    EVP_PKEY *key = EVP_EC_gen("P-256"), *rsa = EVP_RSA_gen(2048);
    for (size_t k = 0; k < KNOWN_COUNT; k++) {
        CELLA_BUFFER der = {0}, wrapped = {0};
        struct cella_certificate certificate;
        struct cella_ratls_found found;
        read_der(known[k].folder, &der);
        VECTOR_OK(cella_certificate_parse(cella_buffer_bytes(&der), &certificate));
        VECTOR_OK(cella_ratls_find(&certificate, &found));
        own_refused(key, "1.2.840.113741.1337.6", found.evidence, "key binding");
        own_refused(rsa, "1.2.840.113741.1337.6", found.evidence, "key binding");
        own_refused(key, "0.6.9.42.840.113741.1337.6", found.evidence, "key binding");
        own_refused(key, "1.2.840.113741.1337.8", found.evidence, "key binding");
        own_refused(key, "1.2.840.113556.10.1.1", found.evidence, "key binding");
        own_refused(key, "1.2.840.113741.1337.7", found.evidence,
                    "certificate: extension"); /* no SNP report */
        if (!found.has_claims) continue;
        wrap(found.evidence, found.claims, "d9ea6082", &wrapped);
        own_refused(key, "2.23.133.5.4.9", cella_buffer_bytes(&wrapped), "key binding");
        CELLA_BUFFER own = {0};
        uint8_t hash[32], *spki = NULL;
        int size = i2d_PUBKEY(key, &spki);
        VECTOR_OK(cella_sha256(cella_bytes(spki, (size_t)size), hash));
        OPENSSL_free(spki);
        put(&own,
            "a16b7075626b65792d68617368582482015820"); /* {"pubkey-hash": h'82 01 58 20 ...'} */
        VECTOR_OK(cella_buffer_append(&own, CELLA_BYTES_OF(hash)));
        wrap(found.evidence, cella_buffer_bytes(&own), "d9ea6082",
             &wrapped); /* claims that name the key, unbound */
        own_refused(key, "2.23.133.5.4.9", cella_buffer_bytes(&wrapped), "key binding");
        wrap(found.evidence, found.claims, "d9ea6182", &wrapped); /* 60001 */
        own_refused(key, "2.23.133.5.4.9", cella_buffer_bytes(&wrapped), "certificate: extension");
        wrap(found.evidence, found.claims, "82", &wrapped);
        own_refused(key, "2.23.133.5.4.9", cella_buffer_bytes(&wrapped), "certificate: extension");
        wrap(found.evidence, found.claims, "d9ea6083", &wrapped);
        own_refused(key, "2.23.133.5.4.9", cella_buffer_bytes(&wrapped), "certificate: extension");
    }
    EVP_PKEY_free(key);
    EVP_PKEY_free(rsa);
}

/* Bindings by themselves, with report data made for a key: what holds, and each part changed. */
static void bindings(void **state) {
    (void)state;
    EVP_PKEY *ec = EVP_EC_gen("P-384"), *rsa = EVP_RSA_gen(2048), *other = EVP_EC_gen("P-256");
    CELLA_BUFFER der = {0};
    struct cella_certificate c;
    const char *how = NULL;
    struct cella_ratls_found raw = {0};
    own_certificate(ec, other, "1.2.3.4", cella_bytes("x", 1), &der); /* not self-signed */
    vector_refused(cella_buffer_bytes(&der), NULL, CELLA_EVIDENCE_RATLS, 1,
                   "certificate: signature");
    own_certificate(ec, ec, "1.2.3.4", cella_bytes("x", 1), &der);
    vector_refused(cella_buffer_bytes(&der), NULL, CELLA_EVIDENCE_RATLS, 1,
                   "certificate: extension");
    assert_false(cella_detect_ratls(cella_buffer_bytes(&der)));
    VECTOR_OK(cella_certificate_parse(cella_buffer_bytes(&der), &c));
    uint8_t data[64] = {0};
    VECTOR_OK(cella_sha256(c.spki, data));
    VECTOR_OK(cella_ratls_binding(&c, &raw, CELLA_BYTES_OF(data), &how));
    assert_string_equal(how, "spki");
    for (size_t i = 0; i < 64; i++) {
        data[i] ^= 1;
        VECTOR_OK(cella_ratls_binding(&c, &raw, CELLA_BYTES_OF(data), &how));
        assert_null(how);
        data[i] ^= 1;
    }
    VECTOR_OK(cella_sha256(cella_bytes(c.spki.data + c.spki.size - 97, 97), data));
    memset(data + 32, 7, 32); /* the second half is theirs to use */
    VECTOR_OK(cella_ratls_binding(&c, &raw, CELLA_BYTES_OF(data), &how));
    assert_string_equal(how, "ec-point");
    raw.has_claims = true;
    for (int algorithm = 0; algorithm < 10; algorithm++) {
        CELLA_BUFFER claims = {0};
        uint8_t hash[64];
        size_t size = algorithm == 7 ? 48 : algorithm == 8 ? 64 : 32;
        if (size == 32) VECTOR_OK(cella_sha256(c.spki, hash));
        if (size == 48) VECTOR_OK(cella_sha384(c.spki, hash));
        if (size == 64) VECTOR_OK(cella_sha512(c.spki, hash));
        char head[64];
        snprintf(head, sizeof(head), "a26b7075626b65792d6861736858%02zx82%02x58%02zx", size + 4,
                 (unsigned)algorithm, size);
        put(&claims, head);
        VECTOR_OK(cella_buffer_append(&claims, cella_bytes(hash, size)));
        put(&claims, "656e6f6e636542abcd"); /* nonce */
        raw.claims = cella_buffer_bytes(&claims);
        memset(data, 0, sizeof(data));
        VECTOR_OK(cella_sha256(raw.claims, data));
        struct cella_result r = cella_ratls_binding(&c, &raw, CELLA_BYTES_OF(data), &how);
        bool good =
            algorithm == 1 || algorithm == 7 || algorithm == 8; /* A28: no truncated hashes */
        assert_int_equal(cella_failed(r), !good);
        cella_result_drop(r);
        if (!good) continue;
        assert_string_equal(how, "claims-buffer");
        for (size_t i = 0; i < claims.size; i++) {
            claims.data[i] ^= 1;
            VECTOR_OK(cella_sha256(
                raw.claims, data)); /* bound again, so that only its content can be refused */
            r = cella_ratls_binding(&c, &raw, CELLA_BYTES_OF(data), &how);
            bool in_hash = i >= 19 && i < 19 + size;
            if (in_hash) assert_true(!cella_failed(r) && !how);
            cella_result_drop(r);
            claims.data[i] ^= 1;
        }
        data[40] = 1;
        VECTOR_OK(cella_sha256(raw.claims, data));
        VECTOR_OK(cella_ratls_binding(&c, &raw, CELLA_BYTES_OF(data), &how));
        assert_null(how); /* a tail that is not zero */
        memset(data, 0, sizeof(data));
        for (size_t cut = 0; cut < claims.size; cut++) {
            struct cella_ratls_claims parsed;
            r = cella_ratls_claims_parse(cella_bytes(claims.data, cut), &parsed);
            assert_true(cella_failed(r));
            cella_result_drop(r);
        }
    }
    raw.has_claims = false;
    own_certificate(rsa, rsa, "1.2.3.4", cella_bytes("x", 1), &der);
    VECTOR_OK(cella_certificate_parse(cella_buffer_bytes(&der), &c));
    memset(data, 0, sizeof(data));
    VECTOR_OK(cella_sha256(cella_bytes(c.spki.data + 24, c.spki.size - 24),
                           data)); /* RSAPublicKey of a 2048-bit key */
    VECTOR_OK(cella_ratls_binding(&c, &raw, CELLA_BYTES_OF(data), &how));
    assert_string_equal(how, "pkcs1");
    data[63] = 1;
    VECTOR_OK(cella_ratls_binding(&c, &raw, CELLA_BYTES_OF(data), &how));
    assert_null(how);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_vectors), cmocka_unit_test(with_collateral),
        cmocka_unit_test(moved),       cmocka_unit_test(short_key),
        cmocka_unit_test(oe_header),   cmocka_unit_test(bindings),
        cmocka_unit_test(cuts),        cmocka_unit_test(flips),
    };
    return cmocka_run_group_tests_name("ratls", tests, NULL, NULL);
}
