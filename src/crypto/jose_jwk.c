/* JSON Web Keys (RFC 7517, 7518 section 6, 7638). */
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/jose_inner.h"
#include "crypto/openssl.h"

enum { POINT_MAX = 1 + 2 * 66, X5C_TEXT_MAX = 16384 };

static void build_free(OSSL_PARAM_BLD **build) { OSSL_PARAM_BLD_free(*build); }
#define BUILD __attribute__((cleanup(build_free))) OSSL_PARAM_BLD *
static void number_free(BIGNUM **number) { BN_free(*number); }
#define NUMBER __attribute__((cleanup(number_free))) BIGNUM *

/* --- Reading --- */

static struct cella_result pkey_of(const char *type, OSSL_PARAM_BLD *build, EVP_PKEY **out) {
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    *out = NULL;
    bool good = params && ctx && EVP_PKEY_fromdata_init(ctx) > 0 &&
                EVP_PKEY_fromdata(ctx, out, EVP_PKEY_PUBLIC_KEY, params) > 0;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    ENSURE(good, CELLA_ERR_FORMAT, NULL, "JWK: its numbers are not a public key of %s: %s", type,
           cella_openssl_reason());
    return CELLA_SUCCESS;
}

/* Base64urlUInt or a coordinate. */
static struct cella_result number_of(const json_t *jwk, const char *name,
                                     struct cella_buffer *out) {
    const json_t *value = json_object_get(jwk, name);
    ENSURE(json_is_string(value), CELLA_ERR_FORMAT, NULL, "JWK: %s is missing or no text", name);
    struct cella_bytes text = cella_bytes(json_string_value(value), json_string_length(value));
    TRY_IN(cella_base64_decode(text, true, out), "JWK: %s", name);
    ENSURE(out->size > 0 && out->size <= JOSE_SIGNATURE_MAX, CELLA_ERR_FORMAT, NULL,
           "JWK: %s of %zu bytes, expected 1 to %d", name, out->size, JOSE_SIGNATURE_MAX);
    return CELLA_SUCCESS;
}

static struct cella_result read_rsa(const json_t *jwk, struct cella_jose_key **out) {
    CELLA_BUFFER n_bytes = {0};
    CELLA_BUFFER e_bytes = {0};
    TRY(number_of(jwk, "n", &n_bytes));
    TRY(number_of(jwk, "e", &e_bytes));
    /* RFC 7518 section 2: no zero octets in front, so that a key has one spelling */
    ENSURE(n_bytes.data[0] != 0 && e_bytes.data[0] != 0, CELLA_ERR_FORMAT, NULL,
           "JWK: n or e begins with a zero byte");
    BUILD build = OSSL_PARAM_BLD_new();
    NUMBER n = BN_bin2bn(n_bytes.data, (int)n_bytes.size, NULL);
    NUMBER e = BN_bin2bn(e_bytes.data, (int)e_bytes.size, NULL);
    OPENSSL(build && n && e && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) &&
                OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e),
            "take the numbers of a key");
    EVP_PKEY *pkey = NULL;
    TRY(pkey_of("RSA", build, &pkey));
    return jose_key_from(pkey, false, out);
}

static bool curve_named(const char *name, enum cella_jose_kind *kind, size_t *size) {
    static const size_t sizes[] = {
        [CELLA_JOSE_P256] = 32, [CELLA_JOSE_P384] = 48, [CELLA_JOSE_P521] = 66};
    for (unsigned k = CELLA_JOSE_P256; name && k <= CELLA_JOSE_P521; k++)
        if (strcmp(name, jose_curve_name(k)) == 0) return *kind = k, *size = sizes[k], true;
    return false;
}

/* OpenSSL refuses a point that is not on the curve (A20). */
static struct cella_result read_ec(const json_t *jwk, struct cella_jose_key **out) {
    enum cella_jose_kind kind = CELLA_JOSE_P256;
    size_t size = 0;
    uint8_t point[POINT_MAX] = {4};
    CELLA_BUFFER x = {0};
    CELLA_BUFFER y = {0};
    ENSURE(curve_named(json_string_value(json_object_get(jwk, "crv")), &kind, &size),
           CELLA_ERR_FORMAT, NULL, "JWK: crv is not P-256, P-384 or P-521");
    TRY(number_of(jwk, "x", &x));
    TRY(number_of(jwk, "y", &y));
    ENSURE(x.size == size && y.size == size, CELLA_ERR_FORMAT, NULL,
           "JWK: coordinates of %zu and %zu bytes, expected %zu (%s)", x.size, y.size, size,
           jose_curve_name(kind));
    cella_copy(point + 1, x.data, size);
    cella_copy(point + 1 + size, y.data, size);
    BUILD build = OSSL_PARAM_BLD_new();
    OPENSSL(build &&
                OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
                                                jose_curve_name(kind), 0) &&
                OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                 1 + 2 * size),
            "take the point of a key");
    EVP_PKEY *pkey = NULL;
    TRY(pkey_of("EC", build, &pkey));
    return jose_key_from(pkey, false, out);
}

/* The first certificate carries the key; whether it is to be believed is the caller's matter
 * (A26). */
static struct cella_result read_x5c(const json_t *x5c, struct cella_jose_key **out) {
    const json_t *first = json_array_get(x5c, 0);
    ENSURE(json_is_string(first) && json_string_length(first) <= X5C_TEXT_MAX, CELLA_ERR_FORMAT,
           NULL, "JWK: x5c is not a list of certificates in base64");
    CELLA_BUFFER der = {0};
    struct cella_bytes text = cella_bytes(json_string_value(first), json_string_length(first));
    TRY_IN(cella_base64_decode(text, false, &der), "JWK: x5c");
    TRY_IN(cella_jose_key_certificate(cella_buffer_bytes(&der), out), "JWK: x5c");
    return CELLA_SUCCESS;
}

static struct cella_result check_public(const json_t *jwk) {
    static const char *const secret[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
        ENSURE(!json_object_get(jwk, secret[i]), CELLA_ERR_FORMAT,
               "give the public key only, and take this one out of use",
               "JWK: it holds private material (%s)", secret[i]);
    return CELLA_SUCCESS;
}

static bool has(const json_t *list, const char *name) {
    const json_t *item;
    size_t i;
    json_array_foreach(list, i, item) {
        const char *text = json_string_value(item);
        if (text && strcmp(text, name) == 0) return true;
    }
    return false;
}

/* RFC 8725 section 3.1, A24: a key is for what it says it is for, and for nothing else; one that is
 * not for signatures fits no algorithm. */
static struct cella_result read_purpose(const json_t *jwk, struct cella_jose_key *key) {
    const json_t *use = json_object_get(jwk, "use"), *ops = json_object_get(jwk, "key_ops"),
                 *alg = json_object_get(jwk, "alg");
    unsigned algorithm = 0;
    ENSURE(!use || json_is_string(use), CELLA_ERR_FORMAT, NULL, "JWK: use is no text");
    ENSURE(!ops || json_is_array(ops), CELLA_ERR_FORMAT, NULL, "JWK: key_ops is no list");
    ENSURE(!alg || json_is_string(alg), CELLA_ERR_FORMAT, NULL, "JWK: alg is no text");
    if (alg && jose_algorithm_named(json_string_value(alg), &algorithm))
        ENSURE(key->algorithms & algorithm, CELLA_ERR_FORMAT, NULL,
               "JWK: alg is %s, which does not fit its kty", json_string_value(alg));
    if (alg) key->algorithms = algorithm;
    if (use && strcmp(json_string_value(use), "sig") != 0) key->algorithms = 0;
    if (ops && !has(ops, "verify")) key->algorithms = 0;
    return CELLA_SUCCESS;
}

static struct cella_result read_kty(const json_t *jwk, bool numbers, const char *kty,
                                    struct cella_jose_key **out) {
    const json_t *x5c = json_object_get(jwk, "x5c");
    CELLA_JOSE_KEY key = NULL;
    CELLA_JOSE_KEY certified = NULL;
    bool rsa = strcmp(kty, "RSA") == 0;
    if (numbers) TRY(rsa ? read_rsa(jwk, &key) : read_ec(jwk, &key));
    if (x5c) TRY(read_x5c(x5c, &certified));
    ENSURE(key || certified, CELLA_ERR_FORMAT, NULL, "JWK: neither a key's numbers nor x5c");
    ENSURE(!key || !certified || jose_same(key, certified), CELLA_ERR_FORMAT, NULL,
           "JWK: its numbers are not the key of x5c");
    if (!key) key = MOVE(certified);
    ENSURE((key->kind == CELLA_JOSE_RSA) == rsa, CELLA_ERR_FORMAT, NULL,
           "JWK: kty is not the kind of the key in x5c");
    *out = MOVE(key);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_jose_key_jwk(const json_t *jwk, struct cella_jose_key **out) {
    CELLA_JOSE_KEY key = NULL;
    *out = NULL;
    const char *kty = json_string_value(json_object_get(jwk, "kty"));
    bool rsa = kty && strcmp(kty, "RSA") == 0, ec = kty && strcmp(kty, "EC") == 0;
    ENSURE(rsa || ec, CELLA_ERR_FORMAT, NULL, "JWK: kty is neither RSA nor EC");
    TRY(check_public(jwk));
    bool numbers = rsa ? json_object_get(jwk, "n") || json_object_get(jwk, "e")
                       : json_object_get(jwk, "crv") || json_object_get(jwk, "x");
    TRY(read_kty(jwk, numbers, kty, &key));
    TRY(read_purpose(jwk, key));
    *out = MOVE(key);
    return CELLA_SUCCESS;
}

/* --- Writing --- */

static json_t *text_of(struct cella_bytes bytes) {
    CELLA_BUFFER text = {0};
    struct cella_result r = cella_base64_encode(bytes, true, &text);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good ? json_stringn((const char *)text.data, text.size) : NULL;
}

static json_t *parameter(const struct cella_jose_key *key, const char *name, size_t size) {
    uint8_t bytes[JOSE_SIGNATURE_MAX];
    NUMBER number = NULL;
    if (EVP_PKEY_get_bn_param(key->pkey, name, &number) <= 0) return NULL;
    int all = size ? (int)size : BN_num_bytes(number);
    if (all > (int)sizeof(bytes) || BN_bn2binpad(number, bytes, all) != all) return NULL;
    return text_of(cella_bytes(bytes, (size_t)all));
}

json_t *cella_jose_key_members(const struct cella_jose_key *key) {
    json_t *jwk = json_object();
    bool rsa = key->kind == CELLA_JOSE_RSA;
    int failed = json_object_set_new(jwk, "kty", json_string(rsa ? "RSA" : "EC"));
    if (rsa) {
        failed |= json_object_set_new(jwk, "n", parameter(key, OSSL_PKEY_PARAM_RSA_N, 0));
        failed |= json_object_set_new(jwk, "e", parameter(key, OSSL_PKEY_PARAM_RSA_E, 0));
    } else {
        failed |= json_object_set_new(jwk, "crv", json_string(jose_curve_name(key->kind)));
        failed |=
            json_object_set_new(jwk, "x", parameter(key, OSSL_PKEY_PARAM_EC_PUB_X, key->size));
        failed |=
            json_object_set_new(jwk, "y", parameter(key, OSSL_PKEY_PARAM_EC_PUB_Y, key->size));
    }
    if (!failed) return jwk;
    json_decref(jwk);
    return NULL;
}

/* Its required members in the order of their names, without white space; no character of theirs
 * needs an escape. */
CELLA_RESULT cella_jose_key_thumbprint(const struct cella_jose_key *key, uint8_t thumbprint[32]) {
    CELLA_JSON members = cella_jose_key_members(key);
    char *text = json_dumps(members, JSON_COMPACT | JSON_SORT_KEYS);
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a thumbprint");
    struct cella_result r = cella_sha256(cella_bytes_text(text), thumbprint);
    free(text);
    return r;
}
