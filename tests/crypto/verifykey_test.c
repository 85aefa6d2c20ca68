/* Public keys and signatures: OpenSSL signs, cella checks; then everything that must be refused
 * (A20, A24). */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/verifykey.h"

static bool fails(struct cella_result r) {
    bool failed = cella_failed(r);
    cella_result_print(r);
    cella_result_drop(r);
    return failed;
}
#define OK(r) assert_false(fails(r))

static enum cella_code code_of(struct cella_result r) {
    enum cella_code code = cella_code_of(r);
    cella_result_drop(r);
    return code;
}
#define REFUSED(r, code) assert_int_equal(code_of(r), code)

struct pair {
    EVP_PKEY *private;
    struct cella_verifykey *public;
    uint8_t *spki;
    size_t spki_size, half; /* half: of r || s, or of the modulus 0 */
};

static struct pair pair_of(EVP_PKEY *private, size_t half) {
    struct pair p = {.private = private, .half = half};
    assert_non_null(private);
    p.spki_size = (size_t)i2d_PUBKEY(private, &p.spki);
    OK(cella_verifykey_new(cella_bytes(p.spki, p.spki_size), &p.public));
    return p;
}

static void pair_free(struct pair *p) {
    EVP_PKEY_free(p->private);
    OPENSSL_free(p->spki);
    cella_verifykey_free(&p->public);
}

static struct pair ec_pair(bool p384) {
    return pair_of(EVP_EC_gen(p384 ? "P-384" : "P-256"), p384 ? 48 : 32);
}

static struct cella_bytes sign(const struct pair *p, const char *digest, bool pss, int salt,
                               struct cella_bytes message, uint8_t out[512]) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    uint8_t made[512];
    size_t size = sizeof(made);
    assert_int_equal(
        EVP_DigestSignInit(ctx, &options, EVP_get_digestbyname(digest), NULL, p->private), 1);
    if (pss) {
        assert_true(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) > 0);
        assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, salt) > 0);
    }
    assert_int_equal(EVP_DigestSign(ctx, made, &size, message.data, message.size), 1);
    EVP_MD_CTX_free(ctx);
    if (!p->half) {
        cella_copy(out, made, size);
        return cella_bytes(out, size);
    }
    OK(cella_ecdsa_from_der(cella_bytes(made, size), out, p->half));
    return cella_bytes(out, 2 * p->half);
}

static struct cella_bytes text(const char *t) { return cella_bytes_text(t); }

static void checks_ecdsa(void **state) {
    (void)state;
    static const struct {
        bool p384;
        const char *digest;
        enum cella_signature_algorithm algorithm, other;
    } cases[] = {
        {false, "SHA256", CELLA_SIG_ECDSA_P256_SHA256, CELLA_SIG_ECDSA_P256_SHA384},
        {true, "SHA384", CELLA_SIG_ECDSA_P384_SHA384, CELLA_SIG_ECDSA_P384_SHA256},
        {false, "SHA384", CELLA_SIG_ECDSA_P256_SHA384, CELLA_SIG_ECDSA_P256_SHA256},
        {true, "SHA256", CELLA_SIG_ECDSA_P384_SHA256, CELLA_SIG_ECDSA_P384_SHA384},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (int round = 0; round < 40; round++) {
            struct pair p = ec_pair(cases[i].p384), q = ec_pair(cases[i].p384);
            uint8_t rs[512];
            struct cella_bytes s = sign(&p, cases[i].digest, false, 0, text("message"), rs);
            OK(cella_verifykey_check(p.public, cases[i].algorithm, text("message"), s));
            REFUSED(cella_verifykey_check(p.public, cases[i].algorithm, text("messagf"), s),
                    CELLA_ERR_INTEGRITY);
            REFUSED(cella_verifykey_check(q.public, cases[i].algorithm, text("message"), s),
                    CELLA_ERR_INTEGRITY);
            REFUSED(cella_verifykey_check(p.public, cases[i].other, text("message"), s),
                    CELLA_ERR_INTEGRITY);
            if (round == 0)
                for (size_t b = 0; b < s.size * 8; b++) {
                    rs[b / 8] ^= (uint8_t)(1U << b % 8);
                    REFUSED(cella_verifykey_check(p.public, cases[i].algorithm, text("message"), s),
                            CELLA_ERR_INTEGRITY);
                    rs[b / 8] ^= (uint8_t)(1U << b % 8);
                }
            for (size_t n = 0; n < s.size; n += 7)
                REFUSED(cella_verifykey_check(p.public, cases[i].algorithm, text("message"),
                                              cella_bytes(rs, n)),
                        CELLA_ERR_INTEGRITY);
            pair_free(&p);
            pair_free(&q);
        }
}

static BIGNUM *order_of(bool p384) {
    EC_GROUP *group = EC_GROUP_new_by_curve_name(p384 ? NID_secp384r1 : NID_X9_62_prime256v1);
    BIGNUM *n = BN_dup(EC_GROUP_get0_order(group));
    EC_GROUP_free(group);
    return n;
}

/* r and s of 0, n, n + 1, 2^bits - 1, and r + n or s + n where they fit: every one but the true one
 * is refused (A20). */
static void refuses_scalars_out_of_range(void **state) {
    (void)state;
    for (int p384 = 0; p384 < 2; p384++) {
        struct pair p = ec_pair(p384);
        enum cella_signature_algorithm a =
            p384 ? CELLA_SIG_ECDSA_P384_SHA384 : CELLA_SIG_ECDSA_P256_SHA256;
        uint8_t good[512], bad[96], values[5][48] = {0};
        struct cella_bytes s = sign(&p, p384 ? "SHA384" : "SHA256", false, 0, text("m"), good);
        BIGNUM *n = order_of(p384);
        BN_bn2binpad(n, values[1], (int)p.half);
        BN_add_word(n, 1);
        BN_bn2binpad(n, values[2], (int)p.half);
        memset(values[3], 0xff, 48);
        values[4][p.half - 1] = 1;
        for (size_t i = 0; i < 5; i++)
            for (size_t j = 0; j < 6; j++) {
                memcpy(bad, good, s.size);
                memcpy(bad, values[i], p.half);
                if (j < 5) memcpy(bad + p.half, values[j], p.half);
                REFUSED(cella_verifykey_check(p.public, a, text("m"), cella_bytes(bad, s.size)),
                        CELLA_ERR_INTEGRITY);
                memcpy(bad, good, s.size);
                memcpy(bad + p.half, values[i], p.half);
                REFUSED(cella_verifykey_check(p.public, a, text("m"), cella_bytes(bad, s.size)),
                        CELLA_ERR_INTEGRITY);
            }
        BN_free(n);
        pair_free(&p);
    }
}

/* Keys made so that in the check u1*G = u2*Q (the two points to add are one), or u1*G = -u2*Q (the
 * sum is infinity): the second must fail. The first should pass and does with P-256; nettle refuses
 * it for P-384. Only who makes a key for it can meet this, so refusing is safe, and the record says
 * so (0007). d = e/r, s = 2e/k; d = -e/r and any s. */
static void adds_equal_and_opposite_points(void **state) {
    (void)state;
    for (int p384 = 0; p384 < 2; p384++) {
        EC_GROUP *group = EC_GROUP_new_by_curve_name(p384 ? NID_secp384r1 : NID_X9_62_prime256v1);
        const BIGNUM *n = EC_GROUP_get0_order(group);
        int half = p384 ? 48 : 32;
        BN_CTX *ctx = BN_CTX_new();
        BIGNUM *k = BN_new(), *r = BN_new(), *d = BN_new(), *s = BN_new(), *x = BN_new(),
               *y = BN_new();
        EC_POINT *point = EC_POINT_new(group);
        uint8_t digest[64], xy[96], rs[96];
        unsigned size = 0;
        EVP_Digest("m", 1, digest, &size, p384 ? EVP_sha384() : EVP_sha256(), NULL);
        BIGNUM *e = BN_bin2bn(digest, (int)size, NULL);
        for (int opposite = 0; opposite < 2; opposite++) {
            BN_rand_range(k, n);
            EC_POINT_mul(group, point, k, NULL, NULL, ctx);
            EC_POINT_get_affine_coordinates(group, point, r, NULL, ctx);
            BN_nnmod(r, r, n, ctx);
            BN_mod_inverse(x, r, n, ctx);
            BN_mod_mul(d, e, x, n, ctx);
            if (opposite) BN_sub(d, n, d);
            BN_mod_inverse(x, k, n, ctx);
            BN_mod_mul(s, e, x, n, ctx);
            BN_mod_lshift1(s, s, n, ctx);
            EC_POINT_mul(group, point, d, NULL, NULL, ctx);
            EC_POINT_get_affine_coordinates(group, point, x, y, ctx);
            BN_bn2binpad(x, xy, half);
            BN_bn2binpad(y, xy + half, half);
            BN_bn2binpad(r, rs, half);
            BN_bn2binpad(s, rs + half, half);
            CELLA_VERIFYKEY key = NULL;
            OK(cella_verifykey_from_point(cella_bytes(xy, 2 * half), &key));
            struct cella_result result = cella_verifykey_check(
                key, p384 ? CELLA_SIG_ECDSA_P384_SHA384 : CELLA_SIG_ECDSA_P256_SHA256, text("m"),
                cella_bytes(rs, 2 * half));
            assert_int_equal(code_of(result), opposite || p384 ? CELLA_ERR_INTEGRITY : CELLA_OK);
        }
        BN_free(e), BN_free(k), BN_free(r), BN_free(d), BN_free(s), BN_free(x), BN_free(y);
        EC_POINT_free(point);
        EC_GROUP_free(group);
        BN_CTX_free(ctx);
    }
}

static EVP_PKEY *rsa(unsigned bits, unsigned e) {
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;
    BIGNUM *exponent = BN_new();
    BN_set_word(exponent, e);
    assert_true(
        EVP_PKEY_keygen_init(ctx) > 0 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits) > 0 &&
        EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, exponent) > 0 && EVP_PKEY_generate(ctx, &key) > 0);
    BN_free(exponent);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static void checks_rsa(void **state) {
    (void)state;
    static const char *const digests[] = {"SHA256", "SHA384", "SHA512"};
    struct pair p = pair_of(rsa(2048, 65537), 0), q = pair_of(rsa(2048, 3), 0);
    for (int pss = 0; pss < 2; pss++)
        for (int i = 0; i < 3; i++) {
            uint8_t made[512];
            int algorithm = (pss ? CELLA_SIG_RSA_PSS_SHA256 : CELLA_SIG_RSA_PKCS1_SHA256) + i;
            struct cella_bytes s =
                sign(&p, digests[i], pss, RSA_PSS_SALTLEN_DIGEST, text("m"), made);
            for (int a = CELLA_SIG_RSA_PKCS1_SHA256; a <= CELLA_SIG_RSA_PSS_SHA512; a++)
                REFUSED(cella_verifykey_check(p.public, a, text("m"), s),
                        a == algorithm ? CELLA_OK : CELLA_ERR_INTEGRITY);
            REFUSED(cella_verifykey_check(p.public, algorithm, text("n"), s), CELLA_ERR_INTEGRITY);
            REFUSED(cella_verifykey_check(q.public, algorithm, text("m"), s), CELLA_ERR_INTEGRITY);
            for (size_t b = 0; b < s.size * 8; b += 5) {
                made[b / 8] ^= (uint8_t)(1U << b % 8);
                REFUSED(cella_verifykey_check(p.public, algorithm, text("m"), s),
                        CELLA_ERR_INTEGRITY);
                made[b / 8] ^= (uint8_t)(1U << b % 8);
            }
            made[s.size] = 0;
            REFUSED(cella_verifykey_check(p.public, algorithm, text("m"),
                                          cella_bytes(made, s.size + 1)),
                    CELLA_ERR_INTEGRITY);
            REFUSED(cella_verifykey_check(p.public, algorithm, text("m"),
                                          cella_bytes(made, s.size - 1)),
                    CELLA_ERR_INTEGRITY);
            REFUSED(cella_verifykey_check(p.public, algorithm, text("m"), cella_bytes(NULL, 0)),
                    CELLA_ERR_INTEGRITY);
        }
    /* The salt is as long as the digest and of no other length. */
    uint8_t made[512];
    struct cella_bytes s = sign(&q, "SHA256", true, 20, text("m"), made);
    REFUSED(cella_verifykey_check(q.public, CELLA_SIG_RSA_PSS_SHA256, text("m"), s),
            CELLA_ERR_INTEGRITY);
    pair_free(&p);
    pair_free(&q);
}

/* PKCS#1 v1.5 by hand: short padding and bytes after the digest, the forgery against e = 3, must
 * not pass. */
static void refuses_loose_pkcs1_padding(void **state) {
    (void)state;
    static const uint8_t info[19] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                     0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    struct pair p = pair_of(rsa(2048, 3), 0);
    for (int padding = 8; padding <= 202; padding += 194) {
        uint8_t block[256] = {0, 1}, made[256];
        memset(block + 2, 0xff, padding);
        memcpy(block + 3 + padding, info, sizeof(info));
        unsigned size = 0;
        EVP_Digest("m", 1, block + 3 + padding + sizeof(info), &size, EVP_sha256(), NULL);
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(p.private, NULL);
        size_t made_size = sizeof(made);
        assert_true(EVP_PKEY_decrypt_init(ctx) > 0 &&
                    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0 &&
                    EVP_PKEY_decrypt(ctx, made, &made_size, block, sizeof(block)) > 0);
        EVP_PKEY_CTX_free(ctx);
        REFUSED(cella_verifykey_check(p.public, CELLA_SIG_RSA_PKCS1_SHA256, text("m"),
                                      cella_bytes(made, made_size)),
                padding == 202 ? CELLA_OK : CELLA_ERR_INTEGRITY);
    }
    pair_free(&p);
}

/* A24: whatever the message says, a key takes only algorithms of its own kind. */
static void fits_algorithm_to_key(void **state) {
    (void)state;
    struct pair keys[3] = {ec_pair(false), ec_pair(true), pair_of(rsa(2048, 65537), 0)};
    static const uint8_t kinds[] = {9, 0, 1, 0, 1, 2, 2, 2, 2, 2, 2};
    uint8_t zeros[256] = {0};
    for (int k = 0; k < 3; k++) {
        for (int a = -1; a <= CELLA_SIG_RSA_PSS_SHA512 + 1; a++) {
            bool fits = a > 0 && a <= CELLA_SIG_RSA_PSS_SHA512 && kinds[a] == k;
            struct cella_result r =
                cella_verifykey_check(keys[k].public, (enum cella_signature_algorithm)a, text("m"),
                                      cella_bytes(zeros, 64));
            assert_int_equal(code_of(r), fits ? CELLA_ERR_INTEGRITY : CELLA_ERR_FORMAT);
        }
        pair_free(&keys[k]);
    }
}

static bool key_taken(const uint8_t *spki, size_t size) {
    CELLA_VERIFYKEY key = NULL;
    struct cella_result r = cella_verifykey_new(cella_bytes(spki, size), &key);
    bool taken = !cella_failed(r);
    assert_true(taken == (key != NULL));
    cella_result_drop(r);
    return taken;
}

/* Each bit of a key flipped, each truncation, one byte more: an elliptic curve key is refused (a
 * point off the curve is as good as certain), an RSA key is refused outside of modulus and
 * exponent. */
static void refuses_changed_keys(void **state) {
    (void)state;
    struct pair keys[3] = {ec_pair(false), ec_pair(true), pair_of(rsa(2048, 65537), 0)};
    for (int k = 0; k < 3; k++) {
        struct pair *p = &keys[k];
        uint8_t *spki = calloc(1, p->spki_size + 1);
        memcpy(spki, p->spki, p->spki_size);
        assert_true(key_taken(spki, p->spki_size));
        assert_false(key_taken(spki, p->spki_size + 1));
        for (size_t n = 0; n < p->spki_size; n++) assert_false(key_taken(spki, n));
        for (size_t b = 0; b < (k < 2 ? p->spki_size : 32) * 8; b++) {
            spki[b / 8] ^= (uint8_t)(1U << b % 8);
            assert_false(key_taken(spki, p->spki_size));
            spki[b / 8] ^= (uint8_t)(1U << b % 8);
        }
        free(spki);
        pair_free(p);
    }
}

static void refuses_points(void **state) {
    (void)state;
    static const char *const field[2] = {
        "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ff"
        "ffffff"};
    for (int p384 = 0; p384 < 2; p384++) {
        struct pair p = ec_pair(p384), other = ec_pair(!p384);
        uint8_t xy[96], prime[48];
        memcpy(xy, p.spki + p.spki_size - 2 * p.half, 2 * p.half);
        OK(cella_hex_decode(text(field[p384]), prime, p.half));
        struct cella_verifykey *key = NULL;
        OK(cella_verifykey_from_point(cella_bytes(xy, 2 * p.half), &key));
        cella_verifykey_free(&key);
        for (size_t n = 0; n < 2 * p.half; n++)
            REFUSED(cella_verifykey_from_point(cella_bytes(xy, n), &key), CELLA_ERR_FORMAT);
        memcpy(xy, prime, p.half); /* x = p: 0 written otherwise */
        REFUSED(cella_verifykey_from_point(cella_bytes(xy, 2 * p.half), &key), CELLA_ERR_FORMAT);
        memset(xy, 0, sizeof(xy)); /* (0, 0), some libraries' infinity */
        REFUSED(cella_verifykey_from_point(cella_bytes(xy, 2 * p.half), &key), CELLA_ERR_FORMAT);
        memset(xy, 0xff, sizeof(xy));
        REFUSED(cella_verifykey_from_point(cella_bytes(xy, 2 * p.half), &key), CELLA_ERR_FORMAT);
        /* Compressed, hybrid, and infinity as SEC 1 writes them, in a key that says so everywhere.
         */
        uint8_t spki[200];
        size_t head = p.spki_size - 2 * p.half - 1;
        for (uint8_t form = 0; form < 8; form++) {
            memcpy(spki, p.spki, p.spki_size);
            spki[head] = form;
            assert_int_equal(key_taken(spki, p.spki_size), form == 4);
            size_t kept = form == 0 ? 0 : p.half;
            spki[1] = (uint8_t)(spki[1] - (2 * p.half - kept));
            spki[head - 2] = (uint8_t)(spki[head - 2] - (2 * p.half - kept));
            assert_false(key_taken(spki, p.spki_size - (2 * p.half - kept)));
        }
        pair_free(&p);
        pair_free(&other);
    }
}

/* An RSA key in the lengths of 16-bit form, by hand: anything may be put in. */
static bool rsa_taken(const uint8_t *n, size_t n_size, const uint8_t *e, size_t e_size) {
    static const uint8_t algorithm[15] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                          0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    uint8_t der[1400];
    size_t pair = 4 + n_size + 2 + e_size, bits = 1 + 4 + pair, all = sizeof(algorithm) + 4 + bits,
           at = 0;
    const uint8_t start[4] = {0x30, 0x82, (uint8_t)(all >> 8), (uint8_t)all};
    const uint8_t middle[13] = {0x03,
                                0x82,
                                (uint8_t)(bits >> 8),
                                (uint8_t)bits,
                                0,
                                0x30,
                                0x82,
                                (uint8_t)(pair >> 8),
                                (uint8_t)pair,
                                0x02,
                                0x82,
                                (uint8_t)(n_size >> 8),
                                (uint8_t)n_size};
    memcpy(der, start, 4), at = 4;
    memcpy(der + at, algorithm, 15), at += 15;
    memcpy(der + at, middle, 13), at += 13;
    memcpy(der + at, n, n_size), at += n_size;
    der[at++] = 0x02;
    der[at++] = (uint8_t)e_size;
    memcpy(der + at, e, e_size), at += e_size;
    return key_taken(der, at);
}

static void limits_rsa_keys(void **state) {
    (void)state;
    uint8_t n[1100];
    memset(n, 0xa5, sizeof(n));
    n[0] = 0;
    static const uint8_t three[] = {3}, one[] = {1}, two[] = {2}, f4[] = {1, 0, 1},
                         even[] = {1, 0, 0}, zero[] = {0}, padded[] = {0, 3}, negative[] = {0x83},
                         large[] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
                         larger[] = {1, 0, 0, 0, 0, 0, 0, 0, 1};
    assert_true(rsa_taken(n, 257, f4, 3) && rsa_taken(n, 257, three, 1) &&
                rsa_taken(n, 513, f4, 3));
    assert_true(rsa_taken(n, 257, large, 9));
    assert_false(rsa_taken(n, 256, f4, 3));     /* 2040 bits */
    assert_false(rsa_taken(n, 514, f4, 3));     /* 4104 bits */
    assert_false(rsa_taken(n, 1025, f4, 3));    /* 8192 bits */
    assert_false(rsa_taken(n + 1, 256, f4, 3)); /* negative */
    assert_false(rsa_taken(n, 257, one, 1) || rsa_taken(n, 257, two, 1) ||
                 rsa_taken(n, 257, even, 3));
    assert_false(rsa_taken(n, 257, zero, 1) || rsa_taken(n, 257, padded, 2) ||
                 rsa_taken(n, 257, negative, 1));
    assert_false(rsa_taken(n, 257, larger, 9));
    n[256] = 0xa4; /* even modulus */
    assert_false(rsa_taken(n, 257, f4, 3));
    n[256] = 0xa5;
    n[1] = 0x7f; /* 2047 bits, and a zero that is not needed */
    assert_false(rsa_taken(n, 257, f4, 3) || rsa_taken(n + 1, 256, f4, 3));
    n[0] = 1; /* 2049 bits with the first byte full */
    assert_true(rsa_taken(n, 257, f4, 3));
}

/* ECDSA-Sig-Value: the good one, then each way to write it that BER knows and DER does not. */
static void reads_signatures_strictly(void **state) {
    (void)state;
    static const struct {
        const char *hex;
        bool good;
    } cases[] = {
        {"3006020101020102", true},
        {"300702020080020102", true}, /* a zero before a high bit */
        {"3006020100020102", true},   /* zero is a number; the check refuses it later */
        {"", false},
        {"3000", false},
        {"3003020101", false},             /* one number */
        {"3009020101020102020103", false}, /* three */
        {"300602010102010200", false},     /* bytes follow */
        {"300702010102010200", false},     /* bytes follow inside */
        {"300702020001020102", false},     /* not minimal */
        {"3006020181020102", false},       /* negative */
        {"30050200020102", false},         /* no content */
        {"308106020101020102", false},     /* long length */
        {"30070281010102 0102", false},
        {"30800201010201020000", false}, /* indefinite */
        {"3106020101020102", false},     /* SET */
        {"3006030101020102", false},     /* BIT STRING */
        {"3006820101020102", false},     /* context tag */
        {"3007020101020102", false},     /* too long a length */
        {"3005020101020102", false},     /* too short */
        {"3084000000060201010201 02", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char hex[80];
        size_t n = 0;
        for (const char *c = cases[i].hex; *c; c++)
            if (*c != ' ') hex[n++] = *c;
        uint8_t der[40], rs[64];
        OK(cella_hex_decode(cella_bytes(hex, n), der, n / 2));
        struct cella_result r = cella_ecdsa_from_der(cella_bytes(der, n / 2), rs, 32);
        assert_int_equal(code_of(r), cases[i].good ? CELLA_OK : CELLA_ERR_FORMAT);
    }
    uint8_t long_r[2 + 3 + 33 + 3] = {0x30, 39, 0x02, 34, 0x01},
                                rs[64]; /* 33 bytes of value do not fit 32 */
    long_r[38] = 0x02, long_r[39] = 1, long_r[40] = 1;
    REFUSED(cella_ecdsa_from_der(cella_bytes(long_r, sizeof(long_r)), rs, 32), CELLA_ERR_FORMAT);
}

struct job {
    const struct pair *pair;
    enum cella_signature_algorithm algorithm;
    struct cella_bytes signature;
    bool good;
};

static void *check_many(void *argument) {
    struct job *job = argument;
    job->good = true;
    for (int i = 0; i < 100; i++) {
        struct cella_result r =
            cella_verifykey_check(job->pair->public, job->algorithm, text("m"), job->signature);
        struct cella_result bad =
            cella_verifykey_check(job->pair->public, job->algorithm, text("n"), job->signature);
        if (cella_failed(r) || cella_code_of(bad) != CELLA_ERR_INTEGRITY) job->good = false;
        cella_result_drop(r);
        cella_result_drop(bad);
    }
    return NULL;
}

static void serves_four_threads(void **state) {
    (void)state;
    struct pair keys[3] = {ec_pair(false), ec_pair(true), pair_of(rsa(4096, 65537), 0)};
    static const char *const digests[3] = {"SHA256", "SHA384", "SHA384"};
    for (int k = 0; k < 3; k++) {
        uint8_t made[512];
        struct cella_bytes s =
            sign(&keys[k], digests[k], k == 2, RSA_PSS_SALTLEN_DIGEST, text("m"), made);
        enum cella_signature_algorithm a = k == 0   ? CELLA_SIG_ECDSA_P256_SHA256
                                           : k == 1 ? CELLA_SIG_ECDSA_P384_SHA384
                                                    : CELLA_SIG_RSA_PSS_SHA384;
        struct job jobs[4];
        pthread_t threads[4];
        for (int t = 0; t < 4; t++) {
            jobs[t] = (struct job){&keys[k], a, s, false};
            assert_int_equal(pthread_create(&threads[t], NULL, check_many, &jobs[t]), 0);
        }
        for (int t = 0; t < 4; t++) {
            pthread_join(threads[t], NULL);
            assert_true(jobs[t].good);
        }
        pair_free(&keys[k]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_ecdsa),
        cmocka_unit_test(refuses_scalars_out_of_range),
        cmocka_unit_test(adds_equal_and_opposite_points),
        cmocka_unit_test(checks_rsa),
        cmocka_unit_test(refuses_loose_pkcs1_padding),
        cmocka_unit_test(fits_algorithm_to_key),
        cmocka_unit_test(refuses_changed_keys),
        cmocka_unit_test(refuses_points),
        cmocka_unit_test(limits_rsa_keys),
        cmocka_unit_test(reads_signatures_strictly),
        cmocka_unit_test(serves_four_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
