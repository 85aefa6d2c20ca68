/* Keys of JOSE in every form that they come in: PKCS#8, SubjectPublicKeyInfo, JWK, key sets,
 * certificates (threats.md A20, A24, A25, A26, A30; RFC 7517, 7518, 8725). */
#include "jose_tools.h"

#include <openssl/x509v3.h>

#include "crypto/x509.h"

static struct cella_jose_key *keys[4]; /* one of each kind, made once */

static int make_keys(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) OK(cella_jose_key_new(kind, 2048, &keys[kind]));
    return 0;
}

static int free_keys(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) cella_jose_key_free(&keys[kind]);
    return 0;
}

static enum cella_code jwk_code(const json_t *jwk, struct cella_jose_key **out) {
    enum cella_code code = code_of(cella_jose_key_jwk(jwk, out));
    assert_true((code == CELLA_OK) == (*out != NULL));
    return code;
}

static bool same(const struct cella_jose_key *a, const struct cella_jose_key *b) {
    uint8_t left[32], right[32];
    OK(cella_jose_key_thumbprint(a, left));
    OK(cella_jose_key_thumbprint(b, right));
    return memcmp(left, right, 32) == 0;
}

/* --- DER --- */

static void keeps_a_private_key_through_pkcs8(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        CELLA_SECRET der = {0};
        CELLA_JOSE_KEY again = NULL;
        CELLA_BUFFER token = {0};
        unsigned algorithm =
            cella_jose_key_algorithms(keys[kind]) & -cella_jose_key_algorithms(keys[kind]);
        OK(cella_jose_key_export(keys[kind], &der));
        OK(cella_jose_key_private(cella_secret_bytes(&der), &again));
        assert_true(same(keys[kind], again));
        assert_int_equal(cella_jose_key_kind(again), kind);
        OK(cella_jws_sign(again, algorithm, NULL, text("x"), &token));
        assert_int_equal(check_code(cella_buffer_bytes(&token), keys[kind], algorithm), CELLA_OK);
        for (size_t size = 0; size < der.size; size += kind ? 1 : 7) {
            CELLA_JOSE_KEY cut = NULL;
            assert_int_equal(code_of(cella_jose_key_private(cella_bytes(der.data, size), &cut)),
                             CELLA_ERR_FORMAT);
            assert_null(cut);
        }
        CELLA_BUFFER longer = {0};
        OK(cella_buffer_append(&longer, cella_secret_bytes(&der)));
        OK(cella_buffer_append(&longer, text("x")));
        CELLA_JOSE_KEY trailing = NULL;
        assert_int_equal(code_of(cella_jose_key_private(cella_buffer_bytes(&longer), &trailing)),
                         CELLA_ERR_FORMAT);
    }
}

/* The public point of another key in the private key's DER. */
static void refuses_halves_that_do_not_belong_together(void **state) {
    (void)state;
    CELLA_JOSE_KEY other = NULL;
    CELLA_JOSE_KEY mixed = NULL;
    CELLA_SECRET a = {0};
    CELLA_SECRET b = {0};
    OK(cella_jose_key_new(CELLA_JOSE_P256, 0, &other));
    OK(cella_jose_key_export(keys[CELLA_JOSE_P256], &a));
    OK(cella_jose_key_export(other, &b));
    assert_int_equal(a.size, b.size);
    memcpy(a.data + a.size - 64, b.data + b.size - 64, 64);
    assert_int_equal(code_of(cella_jose_key_private(cella_secret_bytes(&a), &mixed)),
                     CELLA_ERR_FORMAT);
    assert_null(mixed);
}

static void reads_public_keys_in_one_form(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        CELLA_BUFFER der = {0};
        CELLA_JOSE_KEY public = NULL;
        CELLA_SECRET none = {0};
        OK(cella_jose_key_spki_der(keys[kind], &der));
        OK(cella_jose_key_spki(cella_buffer_bytes(&der), &public));
        assert_true(same(keys[kind], public));
        assert_int_equal(code_of(cella_jose_key_export(public, &none)), CELLA_ERR_USAGE);
        assert_null(none.data);
        CELLA_BUFFER token = {0};
        assert_int_equal(code_of(cella_jws_sign(public,
                                                cella_jose_key_algorithms(public) &
                                                    -cella_jose_key_algorithms(public),
                                                NULL, text("x"), &token)),
                         CELLA_ERR_USAGE);
        assert_null(token.data);
        for (size_t size = 0; size < der.size; size++) {
            CELLA_JOSE_KEY cut = NULL;
            assert_int_equal(code_of(cella_jose_key_spki(cella_bytes(der.data, size), &cut)),
                             CELLA_ERR_FORMAT);
        }
        OK(cella_buffer_append(&der, text("x")));
        CELLA_JOSE_KEY trailing = NULL;
        assert_int_equal(code_of(cella_jose_key_spki(cella_buffer_bytes(&der), &trailing)),
                         CELLA_ERR_FORMAT);
        if (kind == CELLA_JOSE_RSA) continue;
        der.data[der.size - 2] ^= 1; /* off the curve (A20) */
        der.size--;
        CELLA_JOSE_KEY off = NULL;
        assert_int_equal(code_of(cella_jose_key_spki(cella_buffer_bytes(&der), &off)),
                         CELLA_ERR_FORMAT);
    }
}

/* Other encodings of a good key, which OpenSSL would take: compressed and hybrid points, explicit
 * parameters. */
static void refuses_other_forms_of_a_point(void **state) {
    (void)state;
    static const char *const formats[] = {"compressed", "hybrid", "explicit"};
    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY *pkey = EVP_EC_gen("P-256");
        uint8_t *der = NULL;
        CELLA_JOSE_KEY key = NULL;
        const char *name = i < 2 ? "point-format" : "encoding";
        assert_true(EVP_PKEY_set_utf8_string_param(pkey, name, formats[i]) > 0);
        int size = i2d_PUBKEY(pkey, &der);
        assert_true(size > 0);
        assert_int_equal(code_of(cella_jose_key_spki(cella_bytes(der, (size_t)size), &key)),
                         CELLA_ERR_FORMAT);
        OPENSSL_free(der);
        EVP_PKEY_free(pkey);
    }
}

static void refuses_keys_of_other_kinds(void **state) {
    (void)state;
    static const struct {
        const char *type, *parameter;
    } rows[] = {{"ED25519", NULL}, {"X25519", NULL}, {"EC", "secp256k1"}, {"EC", "P-224"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        EVP_PKEY *pkey = rows[i].parameter ? EVP_EC_gen(rows[i].parameter)
                                           : EVP_PKEY_Q_keygen(NULL, NULL, rows[i].type);
        uint8_t *der = NULL;
        CELLA_JOSE_KEY key = NULL;
        int size = i2d_PUBKEY(pkey, &der);
        assert_true(size > 0);
        assert_int_equal(code_of(cella_jose_key_spki(cella_bytes(der, (size_t)size), &key)),
                         CELLA_ERR_FORMAT);
        OPENSSL_free(der);
        EVP_PKEY_free(pkey);
    }
    EVP_PKEY *small = EVP_RSA_gen(1024);
    uint8_t *der = NULL;
    CELLA_JOSE_KEY key = NULL;
    int size = i2d_PUBKEY(small, &der);
    assert_int_equal(code_of(cella_jose_key_spki(cella_bytes(der, (size_t)size), &key)),
                     CELLA_ERR_FORMAT);
    OPENSSL_free(der);
    EVP_PKEY_free(small);
    assert_int_equal(code_of(cella_jose_key_new(CELLA_JOSE_RSA, 1024, &key)), CELLA_ERR_USAGE);
    assert_int_equal(code_of(cella_jose_key_new(CELLA_JOSE_RSA, 2047, &key)), CELLA_ERR_USAGE);
}

/* --- JWK --- */

static void reads_its_own_members(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        CELLA_JSON jwk = cella_jose_key_members(keys[kind]);
        CELLA_JOSE_KEY key = NULL;
        assert_int_equal(jwk_code(jwk, &key), CELLA_OK);
        assert_true(same(keys[kind], key));
        assert_int_equal(cella_jose_key_algorithms(key), cella_jose_key_algorithms(keys[kind]));
        const char *name;
        json_t *value;
        void *next;
        json_object_foreach_safe(jwk, next, name, value) { /* each member is needed */
            CELLA_JSON less = json_copy(jwk);
            CELLA_JOSE_KEY none = NULL;
            json_object_del(less, name);
            assert_int_equal(jwk_code(less, &none), CELLA_ERR_FORMAT);
        }
    }
}

static json_t *with(unsigned kind, const char *name, json_t *value) {
    json_t *jwk = cella_jose_key_members(keys[kind]);
    assert_int_equal(json_object_set_new(jwk, name, value), 0);
    return jwk;
}

/* RFC 8725 section 3.1, 3.2; A24: what a key is for is its own word. */
static void holds_a_key_to_its_purpose(void **state) {
    (void)state;
    static const struct {
        unsigned kind;
        const char *name, *value; /* of value: a list when it begins with [ */
        enum cella_code code;
        unsigned algorithms; /* 0: not for signatures */
    } rows[] = {
        {CELLA_JOSE_RSA, "alg", "RS256", CELLA_OK, CELLA_JOSE_RS256},
        {CELLA_JOSE_RSA, "alg", "PS512", CELLA_OK, CELLA_JOSE_PS512},
        {CELLA_JOSE_P256, "alg", "ES256", CELLA_OK, CELLA_JOSE_ES256},
        {CELLA_JOSE_P521, "alg", "ES512", CELLA_OK, CELLA_JOSE_ES512},
        {CELLA_JOSE_RSA, "alg", "ES256", CELLA_ERR_FORMAT, 0},
        {CELLA_JOSE_P256, "alg", "ES384", CELLA_ERR_FORMAT, 0},
        {CELLA_JOSE_P256, "alg", "RS256", CELLA_ERR_FORMAT, 0},
        {CELLA_JOSE_RSA, "alg", "none", CELLA_OK, 0},
        {CELLA_JOSE_RSA, "alg", "HS256", CELLA_OK, 0},
        {CELLA_JOSE_RSA, "alg", "rs256", CELLA_OK, 0},
        {CELLA_JOSE_RSA, "alg", "RSA-OAEP", CELLA_OK, 0},
        {CELLA_JOSE_RSA, "alg", "", CELLA_OK, 0},
        {CELLA_JOSE_P256, "use", "sig", CELLA_OK, CELLA_JOSE_ES256},
        {CELLA_JOSE_P256, "use", "enc", CELLA_OK, 0},
        {CELLA_JOSE_P256, "use", "", CELLA_OK, 0},
        {CELLA_JOSE_P256, "use", "SIG", CELLA_OK, 0},
        {CELLA_JOSE_P256, "key_ops", "[\"sign\",\"verify\"]", CELLA_OK, CELLA_JOSE_ES256},
        {CELLA_JOSE_P256, "key_ops", "[\"encrypt\",\"wrapKey\"]", CELLA_OK, 0},
        {CELLA_JOSE_P256, "key_ops", "[1]", CELLA_OK, 0},
        {CELLA_JOSE_P256, "key_ops", "[]", CELLA_OK, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *value = rows[i].value[0] == '[' ? json_loads(rows[i].value, 0, NULL)
                                                : json_string(rows[i].value);
        CELLA_JSON jwk = with(rows[i].kind, rows[i].name, value);
        CELLA_JOSE_KEY key = NULL;
        assert_int_equal(jwk_code(jwk, &key), rows[i].code);
        if (key) assert_int_equal(cella_jose_key_algorithms(key), rows[i].algorithms);
    }
    CELLA_BUFFER token = {0};
    CELLA_JOSE_KEY ps = NULL;
    CELLA_JSON jwk = with(CELLA_JOSE_RSA, "alg", json_string("PS256"));
    OK(cella_jose_key_jwk(jwk, &ps));
    OK(cella_jws_sign(keys[CELLA_JOSE_RSA], CELLA_JOSE_RS256, NULL, text("x"), &token));
    assert_int_equal(check_code(cella_buffer_bytes(&token), ps, CELLA_JOSE_ANY), CELLA_ERR_FORMAT);
    CELLA_JSON encryption = with(CELLA_JOSE_RSA, "use", json_string("enc"));
    CELLA_JOSE_KEY enc = NULL;
    OK(cella_jose_key_jwk(encryption, &enc));
    assert_int_equal(check_code(cella_buffer_bytes(&token), enc, CELLA_JOSE_ANY), CELLA_ERR_FORMAT);
}

static void refuses_bad_members(void **state) {
    (void)state;
    const struct {
        unsigned kind;
        const char *name;
        json_t *value;
        enum cella_code code;
    } rows[] = {
        {CELLA_JOSE_RSA, "use", json_true(), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "key_ops", json_string("verify"), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "key_ops", json_object(), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "alg", json_integer(256), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "alg", json_null(), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "kty", json_string("EC"), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "kty", json_string("rsa"), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "kty", json_string("oct"), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "kty", json_null(), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "d", json_string("AQAB"), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "p", json_null(), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "oth", json_array(), CELLA_ERR_FORMAT},
        {CELLA_JOSE_P256, "k", json_string("AQAB"), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "e", json_string("AQ"), CELLA_ERR_FORMAT},     /* 1 */
        {CELLA_JOSE_RSA, "e", json_string("AQAC"), CELLA_ERR_FORMAT},   /* even */
        {CELLA_JOSE_RSA, "e", json_string("AAEAAQ"), CELLA_ERR_FORMAT}, /* a zero in front */
        {CELLA_JOSE_RSA, "e", json_string("AQAB="), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "e", json_string(""), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "e", json_integer(65537), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "e", json_string("AQAAAAAAAAAB"), CELLA_ERR_FORMAT}, /* 65 bits */
        {CELLA_JOSE_RSA, "n", json_string("AQAB"), CELLA_ERR_FORMAT},         /* 17 bits */
        {CELLA_JOSE_P256, "crv", json_string("P-384"), CELLA_ERR_FORMAT},
        {CELLA_JOSE_P256, "crv", json_string("p-256"), CELLA_ERR_FORMAT},
        {CELLA_JOSE_P256, "crv", json_string("secp256k1"), CELLA_ERR_FORMAT},
        {CELLA_JOSE_P256, "x", json_string("AA"), CELLA_ERR_FORMAT},
        {CELLA_JOSE_P256, "x", json_string("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
         CELLA_ERR_FORMAT}, /* not on the curve */
        {CELLA_JOSE_RSA, "x5c", json_array(), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "x5c", json_string("AAAA"), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "x5c", json_pack("[s]", "AAAA"), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "x5c", json_pack("[i]", 1), CELLA_ERR_FORMAT},
        {CELLA_JOSE_RSA, "x5t", json_string("anything"), CELLA_OK},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CELLA_JSON jwk = with(rows[i].kind, rows[i].name, rows[i].value);
        CELLA_JOSE_KEY key = NULL;
        if (jwk_code(jwk, &key) != rows[i].code)
            fail_msg("row %zu: a JWK with another %s", i, rows[i].name);
    }
    CELLA_JOSE_KEY none = NULL;
    assert_int_equal(jwk_code(NULL, &none), CELLA_ERR_FORMAT);
    CELLA_JSON list = json_array();
    assert_int_equal(jwk_code(list, &none), CELLA_ERR_FORMAT);
}

/* RFC 7518 section 6.2.1.2: a coordinate has its size, and no byte more or less. */
static void refuses_coordinates_of_another_size(void **state) {
    (void)state;
    for (unsigned kind = CELLA_JOSE_P256; kind <= CELLA_JOSE_P521; kind++)
        for (int more = 0; more < 2; more++) {
            CELLA_JSON jwk = cella_jose_key_members(keys[kind]);
            CELLA_JOSE_KEY none = NULL;
            CELLA_BUFFER y = {0};
            CELLA_BUFFER other = {0};
            uint8_t *zero = NULL;
            OK(cella_base64_decode(text(json_string_value(json_object_get(jwk, "y"))), true, &y));
            if (more)
                OK(cella_buffer_extend(&y, 1, &zero));
            else
                y.size--;
            OK(cella_base64_encode(cella_buffer_bytes(&y), true, &other));
            json_object_set_new(jwk, "y", json_stringn((const char *)other.data, other.size));
            assert_int_equal(jwk_code(jwk, &none), CELLA_ERR_FORMAT);
        }
}

/* --- Certificates --- */

static const struct cella_jose_certificate plain = {.common_name = "https://localhost:8445",
                                                    .not_before_unix = 1700000000,
                                                    .not_after_unix = 1800000000};

static json_t *x5c_of(const struct cella_jose_key *key) {
    CELLA_BUFFER der = {0};
    CELLA_BUFFER base64 = {0};
    OK(cella_jose_certify(key, &plain, &der));
    OK(cella_base64_encode(cella_buffer_bytes(&der), false, &base64));
    return json_pack("[s%]", base64.data, base64.size);
}

static void makes_certificates_that_the_strict_reader_takes(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        CELLA_BUFFER der = {0};
        CELLA_BUFFER again = {0};
        CELLA_JOSE_KEY public = NULL;
        struct cella_certificate certificate;
        struct cella_jose_certificate as = plain;
        struct cella_bytes value;
        static const uint8_t oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x7f};
        char name[64];
        as.is_ca = kind & 1;
        as.extension_oid = "1.2.840.113549.1.9.127";
        as.extension = text("\x04\x02hi");
        OK(cella_jose_certify(keys[kind], &as, &der));
        OK(cella_certificate_parse(cella_buffer_bytes(&der), &certificate));
        assert_int_equal(certificate.not_before_unix, 1700000000);
        assert_int_equal(certificate.not_after_unix, 1800000000);
        assert_true(certificate.has_basic_constraints && certificate.has_key_usage);
        assert_int_equal(certificate.is_ca, as.is_ca);
        assert_int_equal(certificate.key_usage, as.is_ca ? 0x21 : 0x01);
        assert_int_equal(certificate.serial.size, 16);
        cella_name_common(certificate.subject, name, sizeof(name));
        assert_string_equal(name, as.common_name);
        assert_int_equal(certificate.issuer.size, certificate.subject.size);
        assert_true(cella_certificate_extension(&certificate, CELLA_BYTES_OF(oid), &value));
        assert_int_equal(value.size, 4);
        OK(cella_jose_key_certificate(cella_buffer_bytes(&der), &public));
        assert_true(same(keys[kind], public));
        OK(cella_jose_certify(keys[kind], &as, &again)); /* a serial of its own */
        assert_true(again.size != der.size || memcmp(again.data, der.data, der.size) != 0);
        const uint8_t *at = der.data;
        X509 *x509 = d2i_X509(NULL, &at, (long)der.size);
        assert_int_equal(X509_verify(x509, public->pkey), 1);
        X509_free(x509);
    }
}

static void refuses_certificates_that_make_no_sense(void **state) {
    (void)state;
    CELLA_BUFFER der = {0};
    CELLA_JOSE_KEY public = NULL;
    CELLA_BUFFER spki = {0};
    struct cella_jose_certificate as = plain;
    as.not_after_unix = as.not_before_unix;
    assert_int_equal(code_of(cella_jose_certify(keys[1], &as, &der)), CELLA_ERR_USAGE);
    as = plain;
    as.not_after_unix = 253402300800;
    assert_int_equal(code_of(cella_jose_certify(keys[1], &as, &der)), CELLA_ERR_USAGE);
    as.not_after_unix--; /* 9999-12-31T23:59:59Z: "never" (RFC 5280 4.1.2.5) */
    OK(cella_jose_certify(keys[1], &as, &der));
    der.size = 0;
    as = plain;
    as.common_name = "";
    assert_int_equal(code_of(cella_jose_certify(keys[1], &as, &der)), CELLA_ERR_USAGE);
    as = plain;
    as.extension_oid = "no oid";
    assert_int_equal(code_of(cella_jose_certify(keys[1], &as, &der)), CELLA_ERR_USAGE);
    OK(cella_jose_key_spki_der(keys[1], &spki));
    OK(cella_jose_key_spki(cella_buffer_bytes(&spki), &public));
    assert_int_equal(code_of(cella_jose_certify(public, &plain, &der)), CELLA_ERR_USAGE);
    assert_int_equal(der.size, 0);
}

static void takes_a_certificate_for_a_jwk(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        CELLA_JSON both = with(kind, "x5c", x5c_of(keys[kind]));
        CELLA_JSON alone =
            json_pack("{s:s,s:o}", "kty", kind ? "EC" : "RSA", "x5c", x5c_of(keys[kind]));
        CELLA_JSON wrong =
            json_pack("{s:s,s:o}", "kty", kind ? "RSA" : "EC", "x5c", x5c_of(keys[kind]));
        CELLA_JOSE_KEY other_key = NULL;
        OK(cella_jose_key_new(kind, 2048, &other_key));
        CELLA_JSON other = with(kind, "x5c", x5c_of(other_key));
        CELLA_JOSE_KEY a = NULL;
        CELLA_JOSE_KEY b = NULL;
        CELLA_JOSE_KEY c = NULL;
        assert_int_equal(jwk_code(both, &a), CELLA_OK);
        assert_int_equal(jwk_code(alone, &b), CELLA_OK);
        assert_true(same(a, keys[kind]) && same(b, keys[kind]));
        assert_int_equal(jwk_code(wrong, &c), CELLA_ERR_FORMAT);
        assert_int_equal(jwk_code(other, &c), CELLA_ERR_FORMAT); /* two keys in one */
    }
}

/* --- Key sets --- */

static json_t *named(unsigned kind, const char *kid) { return with(kind, "kid", json_string(kid)); }

static enum cella_code set_code(json_t *keys_list, struct cella_jose_keyset **out) {
    CELLA_JSON whole = json_pack("{s:o}", "keys", keys_list);
    char *json = json_dumps(whole, 0);
    cella_jose_keyset_free(out);
    enum cella_code code = code_of(cella_jose_keyset_new(text(json), out));
    free(json);
    return code;
}

static enum cella_code find_code(const struct cella_jose_keyset *set, const char *kid,
                                 unsigned kind) {
    const struct cella_jose_key *key = NULL;
    enum cella_code code = code_of(cella_jose_keyset_find(set, kid, &key));
    assert_true((code == CELLA_OK) == (key != NULL));
    if (key) assert_true(same(key, keys[kind]));
    return code;
}

/* A25 */
static void finds_a_key_by_its_very_kid(void **state) {
    (void)state;
    struct cella_jose_keyset *set = NULL;
    assert_int_equal(set_code(json_pack("[o,o,o]", named(0, "one"), named(1, "../../dev/null"),
                                        named(2, "' OR 1=1 --")),
                              &set),
                     CELLA_OK);
    assert_int_equal(find_code(set, "one", 0), CELLA_OK);
    assert_int_equal(find_code(set, "../../dev/null", 1), CELLA_OK);
    assert_int_equal(find_code(set, "' OR 1=1 --", 2), CELLA_OK);
    static const char *const misses[] = {"", "two", "ONE", "one ", "on", "one/", "%"};
    for (size_t i = 0; i < sizeof(misses) / sizeof(misses[0]); i++)
        assert_int_equal(find_code(set, misses[i], 0), CELLA_ERR_NOT_FOUND);
    assert_int_equal(find_code(set, NULL, 0), CELLA_ERR_REFUSED); /* which of the three? */
    /* of a set of one there is no doubt */
    assert_int_equal(set_code(json_pack("[o]", named(0, "one")), &set), CELLA_OK);
    assert_int_equal(find_code(set, NULL, 0), CELLA_OK);
    assert_int_equal(find_code(set, "two", 0), CELLA_ERR_NOT_FOUND);
    assert_int_equal(set_code(json_pack("[o]", cella_jose_key_members(keys[1])), &set), CELLA_OK);
    assert_int_equal(find_code(set, NULL, 1), CELLA_OK);
    assert_int_equal(find_code(set, "one", 1), CELLA_ERR_NOT_FOUND);
    assert_int_equal(set_code(json_array(), &set), CELLA_OK);
    assert_int_equal(find_code(set, NULL, 0), CELLA_ERR_NOT_FOUND);
    assert_int_equal(find_code(set, "one", 0), CELLA_ERR_NOT_FOUND);
    cella_jose_keyset_free(&set);
}

static void refuses_a_kid_of_two_keys(void **state) {
    (void)state;
    struct cella_jose_keyset *set = NULL;
    assert_int_equal(set_code(json_pack("[o,o]", named(0, "one"), named(1, "one")), &set),
                     CELLA_OK);
    assert_int_equal(find_code(set, "one", 0), CELLA_ERR_REFUSED);
    assert_int_equal(set_code(json_pack("[o,o]", named(0, "one"), named(0, "one")), &set),
                     CELLA_OK);
    assert_int_equal(find_code(set, "one", 0), CELLA_OK); /* one key, told twice */
    cella_jose_keyset_free(&set);
}

/* An entry of no use stands for its kid: nothing else is tried for it (A25). */
static void keeps_what_is_of_no_use_from_standing_in(void **state) {
    (void)state;
    struct cella_jose_keyset *set = NULL;
    json_t *encryption = named(0, "enc");
    json_object_set_new(encryption, "use", json_string("enc"));
    assert_int_equal(set_code(json_pack("[o,o,{s:s,s:s,s:s}]", encryption, named(0, "sig"), "kty",
                                        "oct", "k", "AAAA", "kid", "secret"),
                              &set),
                     CELLA_OK);
    assert_int_equal(find_code(set, "sig", 0), CELLA_OK);
    assert_int_equal(find_code(set, "enc", 0), CELLA_ERR_FORMAT);
    assert_int_equal(find_code(set, "secret", 0), CELLA_ERR_FORMAT);
    cella_jose_keyset_free(&set);
}

static void refuses_sets_that_are_none(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "{}",
                                      "[]",
                                      "{\"keys\":{}}",
                                      "{\"keys\":[1]}",
                                      "{\"keys\":[[]]}",
                                      "{\"keys\":[{\"kid\":1}]}",
                                      "{\"keys\":[{\"kid\":\"\"}]}",
                                      "{\"keys\":[{\"kid\":\"a\\u0000\"}]}",
                                      "{\"keys\":[],\"keys\":[]}",
                                      "{\"keys\":[{\"kid\":\"a\",\"kid\":\"b\"}]}",
                                      "{\"keys\":[]}x"};
    struct cella_jose_keyset *set = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(code_of(cella_jose_keyset_new(text(bad[i]), &set)), CELLA_ERR_FORMAT);
        assert_null(set);
    }
    json_t *many = json_array();
    for (size_t i = 0; i < 129; i++) json_array_append_new(many, json_object());
    assert_int_equal(set_code(many, &set), CELLA_ERR_FORMAT);
    char kid[300];
    memset(kid, 'k', sizeof(kid));
    kid[257] = 0;
    assert_int_equal(set_code(json_pack("[{s:s}]", "kid", kid), &set), CELLA_ERR_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_a_private_key_through_pkcs8),
        cmocka_unit_test(refuses_halves_that_do_not_belong_together),
        cmocka_unit_test(reads_public_keys_in_one_form),
        cmocka_unit_test(refuses_other_forms_of_a_point),
        cmocka_unit_test(refuses_keys_of_other_kinds),
        cmocka_unit_test(reads_its_own_members),
        cmocka_unit_test(holds_a_key_to_its_purpose),
        cmocka_unit_test(refuses_bad_members),
        cmocka_unit_test(refuses_coordinates_of_another_size),
        cmocka_unit_test(makes_certificates_that_the_strict_reader_takes),
        cmocka_unit_test(refuses_certificates_that_make_no_sense),
        cmocka_unit_test(takes_a_certificate_for_a_jwk),
        cmocka_unit_test(finds_a_key_by_its_very_kid),
        cmocka_unit_test(refuses_a_kid_of_two_keys),
        cmocka_unit_test(keeps_what_is_of_no_use_from_standing_in),
        cmocka_unit_test(refuses_sets_that_are_none),
    };
    return cmocka_run_group_tests_name("jose keys", tests, make_keys, free_keys);
}
