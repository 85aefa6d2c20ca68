/* Private keys from JWKs, checked as a whole before they are believed (K10). Errors name members
 * and never hold their values (K11). */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "vault/material_inner.h"

static void free_context(EVP_PKEY_CTX **context) { EVP_PKEY_CTX_free(*context); }
static void free_number(BIGNUM **number) { BN_clear_free(*number); }
static void free_numbers(BN_CTX **context) { BN_CTX_free(*context); }
static void free_builder(OSSL_PARAM_BLD **builder) { OSSL_PARAM_BLD_free(*builder); }
static void free_params(OSSL_PARAM **params) { OSSL_PARAM_free(*params); }
static void free_pkey(EVP_PKEY **pkey) { EVP_PKEY_free(*pkey); }
#define OF(type, how) __attribute__((cleanup(how))) type *
#define NUMBER        __attribute__((cleanup(free_number))) BIGNUM *

enum { MEMBER_MAX = 1024, PRIME_TRIES = 128, SLACK = 32, NEAR = 100 /* bits */ };

/* A member of base64url; empty when it is absent. */
static CELLA_RESULT member(const json_t *jwk, const char *name, bool needed,
                           struct cella_secret *out) {
    const json_t *value = json_object_get(jwk, name);
    CELLA_BUFFER bytes = {0};
    if (!value && !needed) return CELLA_SUCCESS;
    ENSURE(json_is_string(value), CELLA_ERR_FORMAT, NULL, "key: expected member %s, base64url",
           name);
    struct cella_result result = cella_base64_decode(
        cella_bytes(json_string_value(value), json_string_length(value)), true, &bytes);
    bool good = !cella_failed(result) && bytes.size > 0 && bytes.size <= MEMBER_MAX;
    cella_result_drop(result);
    result = good ? cella_secret_from(cella_buffer_bytes(&bytes), out) : CELLA_SUCCESS;
    if (bytes.data) cella_wipe(bytes.data, bytes.size);
    ENSURE(good, CELLA_ERR_FORMAT, NULL, "key: member %s is not base64url of 1 to %d bytes", name,
           MEMBER_MAX);
    return result;
}

static CELLA_RESULT number(const json_t *jwk, const char *name, bool needed, BIGNUM **out) {
    CELLA_SECRET bytes = {0};
    TRY(member(jwk, name, needed, &bytes));
    if (!bytes.data) return CELLA_SUCCESS;
    *out = BN_bin2bn(bytes.data, (int)bytes.size, NULL);
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for a key");
    BN_set_flags(*out, BN_FLG_CONSTTIME);
    return CELLA_SUCCESS;
}

struct rsa {
    BIGNUM *n, *e, *d, *p, *q, *dp, *dq, *qi; /* owned */
};
static void free_rsa(struct rsa *rsa) {
    BIGNUM **all[] = {&rsa->n, &rsa->e, &rsa->d, &rsa->p, &rsa->q, &rsa->dp, &rsa->dq, &rsa->qi};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) free_number(all[i]);
}

/* One try with a base: y = base^r; its square roots of 1 other than +-1 give a factor. */
static bool try_base(struct rsa *rsa, const BIGNUM *r, int twos, BIGNUM *base, BN_CTX *ctx) {
    NUMBER less = BN_dup(rsa->n);
    NUMBER square = BN_new();
    if (!less || !square || !BN_sub_word(less, 1) || !BN_mod_exp(base, base, r, rsa->n, ctx))
        return false;
    if (BN_is_one(base) || BN_cmp(base, less) == 0) return false;
    for (int i = 0; i < twos; i++) {
        if (!BN_mod_sqr(square, base, rsa->n, ctx)) return false;
        if (BN_is_one(square))
            return BN_sub_word(base, 1) && BN_gcd(rsa->p, base, rsa->n, ctx) &&
                   BN_div(rsa->q, NULL, rsa->n, rsa->p, ctx);
        if (BN_cmp(square, less) == 0 || !BN_copy(base, square)) return false;
    }
    return false;
}

/* p and q from n, e and d (SP 800-56B, appendix C): clients may send d alone. */
static CELLA_RESULT recover_primes(struct rsa *rsa) {
    OF(BN_CTX, free_numbers) ctx = BN_CTX_new();
    NUMBER r = BN_new();
    NUMBER base = BN_new();
    int twos = 0;
    rsa->p = BN_new();
    rsa->q = BN_new();
    ENSURE(ctx && r && base && rsa->p && rsa->q && BN_mul(r, rsa->d, rsa->e, ctx) &&
               BN_sub_word(r, 1),
           CELLA_ERR_MEMORY, NULL, "no memory for a key");
    while (!BN_is_zero(r) && !BN_is_odd(r)) {
        BN_rshift1(r, r);
        twos++;
    }
    for (int i = 0; twos > 0 && i < PRIME_TRIES; i++) {
        ENSURE(BN_priv_rand_range(base, rsa->n), CELLA_ERR_INTERNAL, NULL, "no random number");
        if (try_base(rsa, r, twos, base, ctx)) return CELLA_SUCCESS;
    }
    FAIL(CELLA_ERR_FORMAT, NULL, "key: d does not belong to n and e");
}

/* K10: two primes of half the size of n, and not so near to each other that Fermat finds them (FIPS
 * 186-5, A.1.1; a few bits more are left to keys that others made). */
static CELLA_RESULT check_primes(const struct rsa *rsa) {
    NUMBER difference = BN_new();
    int half = BN_num_bits(rsa->n) / 2;
    ENSURE(difference && BN_sub(difference, rsa->p, rsa->q), CELLA_ERR_MEMORY, NULL,
           "no memory for a key");
    ENSURE(BN_num_bits(rsa->p) > half - SLACK && BN_num_bits(rsa->q) > half - SLACK &&
               BN_num_bits(difference) > half - NEAR,
           CELLA_ERR_FORMAT, NULL, "key: expected two primes of half the size of n, and far apart");
    return CELLA_SUCCESS;
}

/* The rest is computed; what the client sent of it must be the same. */
static CELLA_RESULT complete(struct rsa *rsa) {
    OF(BN_CTX, free_numbers) ctx = BN_CTX_new();
    NUMBER product = BN_new();
    NUMBER p1 = BN_dup(rsa->p);
    NUMBER q1 = BN_dup(rsa->q);
    NUMBER dp = BN_new();
    NUMBER dq = BN_new();
    ENSURE(ctx && product && p1 && q1 && dp && dq && BN_mul(product, rsa->p, rsa->q, ctx) &&
               BN_sub_word(p1, 1) && BN_sub_word(q1, 1),
           CELLA_ERR_MEMORY, NULL, "no memory for a key");
    ENSURE(BN_cmp(product, rsa->n) == 0, CELLA_ERR_FORMAT, NULL, "key: p times q is not n");
    TRY(check_primes(rsa));
    ENSURE(BN_mod(dp, rsa->d, p1, ctx) && BN_mod(dq, rsa->d, q1, ctx), CELLA_ERR_FORMAT, NULL,
           "key: p or q is no prime");
    NUMBER qi = BN_mod_inverse(NULL, rsa->q, rsa->p, ctx);
    ENSURE(qi, CELLA_ERR_FORMAT, NULL, "key: p and q have a factor in common");
    ENSURE((!rsa->dp || BN_cmp(rsa->dp, dp) == 0) && (!rsa->dq || BN_cmp(rsa->dq, dq) == 0) &&
               (!rsa->qi || BN_cmp(rsa->qi, qi) == 0),
           CELLA_ERR_FORMAT, NULL, "key: dp, dq or qi do not belong to p, q and d");
    BIGNUM **to[] = {&rsa->dp, &rsa->dq, &rsa->qi}, **from[] = {&dp, &dq, &qi};
    for (int i = 0; i < 3; i++) {
        BN_clear_free(*to[i]);
        *to[i] = *from[i];
        *from[i] = NULL;
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_rsa(const struct rsa *rsa) {
    int bits = BN_num_bits(rsa->n);
    ENSURE(bits == 2048 || bits == 3072 || bits == 4096, CELLA_ERR_FORMAT, NULL,
           "key: expected n of 2048, 3072 or 4096 bits, found %d", bits);
    ENSURE(BN_is_odd(rsa->n) && BN_is_odd(rsa->e) && !BN_is_one(rsa->e) &&
               BN_num_bits(rsa->e) <= 64,
           CELLA_ERR_FORMAT, NULL, "key: expected an odd n, and an odd e of 3 to 2^64");
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_pair(const EVP_PKEY *pkey) {
    OF(EVP_PKEY_CTX, free_context) check = EVP_PKEY_CTX_new((EVP_PKEY *)pkey, NULL);
    bool good = check && EVP_PKEY_check(check) == 1;
    ERR_clear_error();
    ENSURE(good, CELLA_ERR_FORMAT, NULL,
           "key: not a valid pair: the private part does not belong to the public one, or a number "
           "is out of range");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_material_sound(const EVP_PKEY *pkey) {
    __attribute__((cleanup(free_rsa))) struct rsa rsa = {0};
    if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA) {
        ENSURE(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &rsa.n) == 1 &&
                   EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &rsa.e) == 1 &&
                   EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR1, &rsa.p) == 1 &&
                   EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR2, &rsa.q) == 1,
               CELLA_ERR_FORMAT, NULL, "key: expected n, e, p and q");
        TRY(check_rsa(&rsa));
        TRY(check_primes(&rsa));
    }
    return check_pair(pkey);
}

static CELLA_RESULT from_params(const char *type, OSSL_PARAM_BLD *builder, EVP_PKEY **out) {
    OF(OSSL_PARAM, free_params) params = OSSL_PARAM_BLD_to_param(builder);
    OF(EVP_PKEY_CTX, free_context) context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    OF(EVP_PKEY, free_pkey) pkey = NULL;
    ENSURE(params && context && EVP_PKEY_fromdata_init(context) == 1, CELLA_ERR_MEMORY, NULL,
           "no memory for a key");
    bool made = EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, params) == 1;
    ERR_clear_error();
    ENSURE(made, CELLA_ERR_FORMAT, NULL, "key: a number is out of range");
    TRY(check_pair(pkey));
    *out = pkey;
    pkey = NULL;
    return CELLA_SUCCESS;
}

static CELLA_RESULT import_rsa(const json_t *jwk, struct cella_material *material) {
    __attribute__((cleanup(free_rsa))) struct rsa rsa = {0};
    OF(OSSL_PARAM_BLD, free_builder) builder = OSSL_PARAM_BLD_new();
    TRY(number(jwk, "n", true, &rsa.n));
    TRY(number(jwk, "e", true, &rsa.e));
    TRY(number(jwk, "d", true, &rsa.d));
    TRY(number(jwk, "p", false, &rsa.p));
    TRY(number(jwk, "q", false, &rsa.q));
    TRY(number(jwk, "dp", false, &rsa.dp));
    TRY(number(jwk, "dq", false, &rsa.dq));
    TRY(number(jwk, "qi", false, &rsa.qi));
    TRY(check_rsa(&rsa));
    ENSURE(BN_cmp(rsa.d, rsa.n) < 0 && !BN_is_zero(rsa.d), CELLA_ERR_FORMAT, NULL,
           "key: expected a d below n");
    ENSURE(!rsa.p == !rsa.q, CELLA_ERR_FORMAT, NULL, "key: expected both p and q, or neither");
    if (!rsa.p) TRY(recover_primes(&rsa));
    TRY(complete(&rsa));
    ENSURE(builder && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, rsa.n) &&
               OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, rsa.e) &&
               OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_D, rsa.d) &&
               OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_FACTOR1, rsa.p) &&
               OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_FACTOR2, rsa.q) &&
               OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_EXPONENT1, rsa.dp) &&
               OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_EXPONENT2, rsa.dq) &&
               OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, rsa.qi),
           CELLA_ERR_MEMORY, NULL, "no memory for a key");
    return from_params("RSA", builder, &material->pkey);
}

static CELLA_RESULT import_ec(const json_t *jwk, struct cella_material *material) {
    static const char *const groups[] = {[CELLA_CURVE_P256] = "prime256v1",
                                         [CELLA_CURVE_P256K] = "secp256k1",
                                         [CELLA_CURVE_P384] = "secp384r1",
                                         [CELLA_CURVE_P521] = "secp521r1"};
    static const size_t sizes[] = {[CELLA_CURVE_P256] = 32,
                                   [CELLA_CURVE_P256K] = 32,
                                   [CELLA_CURVE_P384] = 48,
                                   [CELLA_CURVE_P521] = 66};
    const char *name = json_string_value(json_object_get(jwk, "crv"));
    CELLA_SECRET x = {0}, y = {0}, d = {0};
    OF(OSSL_PARAM_BLD, free_builder) builder = OSSL_PARAM_BLD_new();
    uint8_t point[1 + 2 * 66] = {4};
    ENSURE(name && cella_curve_find(name, &material->curve), CELLA_ERR_FORMAT, NULL,
           "key: expected crv of P-256, P-256K, P-384 or P-521");
    size_t size = sizes[material->curve];
    TRY(member(jwk, "x", true, &x));
    TRY(member(jwk, "y", true, &y));
    TRY(member(jwk, "d", true, &d));
    ENSURE(x.size == size && y.size == size && d.size == size, CELLA_ERR_FORMAT, NULL,
           "key: expected x, y and d of %zu bytes each", size);
    cella_copy(point + 1, x.data, size);
    cella_copy(point + 1 + size, y.data, size);
    NUMBER private = BN_bin2bn(d.data, (int)size, NULL);
    ENSURE(builder && private &&
               OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME,
                                               groups[material->curve], 0) &&
               OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                1 + 2 * size) &&
               OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, private),
           CELLA_ERR_MEMORY, NULL, "no memory for a key");
    return from_params("EC", builder, &material->pkey);
}

CELLA_RESULT cella_material_import(const json_t *jwk, struct cella_material **out) {
    const char *kty = json_string_value(json_object_get(jwk, "kty"));
    struct cella_material draft = {.kind = CELLA_MATERIAL_OCT};
    CELLA_SECRET saved = {0};
    *out = NULL;
    if (kty && strncmp(kty, "RSA", 3) == 0) draft.kind = CELLA_MATERIAL_RSA;
    if (kty && strncmp(kty, "EC", 2) == 0) draft.kind = CELLA_MATERIAL_EC;
    ENSURE(kty && (draft.kind != CELLA_MATERIAL_OCT || strncmp(kty, "oct", 3) == 0),
           CELLA_ERR_FORMAT, NULL, "key: expected kty of RSA, EC or oct");
    if (draft.kind == CELLA_MATERIAL_OCT) {
        TRY(member(jwk, "k", true, &saved));
        return cella_material_load(CELLA_MATERIAL_OCT, cella_secret_bytes(&saved), out);
    }
    TRY(draft.kind == CELLA_MATERIAL_RSA ? import_rsa(jwk, &draft) : import_ec(jwk, &draft));
    struct cella_result result = cella_material_save(&draft, &saved);
    EVP_PKEY_free(draft.pkey);
    TRY(result);
    return cella_material_load(draft.kind, cella_secret_bytes(&saved), out);
}
