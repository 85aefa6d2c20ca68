#include "crypto/rsa3072.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/file.h"
#include "crypto/openssl.h"

enum { BITS = 3072, EXPONENT = 3, KEY_FILE_MAX = 16384 };
#define REMEDY "make one with `cella keygen -o key.pem` or `openssl genrsa -3 3072`"

struct cella_rsa3072 {
    EVP_PKEY *pkey;
};

static void drop_pkey(EVP_PKEY **p) { EVP_PKEY_free(*p); }
static void drop_pkey_ctx(EVP_PKEY_CTX **p) { EVP_PKEY_CTX_free(*p); }
static void drop_md_ctx(EVP_MD_CTX **p) { EVP_MD_CTX_free(*p); }
static void drop_bio(BIO **p) { BIO_free_all(*p); }
static void drop_bn(BIGNUM **p) { BN_clear_free(*p); }
static void drop_bn_ctx(BN_CTX **p) { BN_CTX_free(*p); }
#define OWNED(type, drop) __attribute__((cleanup(drop))) type *

void cella_rsa3072_free(struct cella_rsa3072 **key) {
    if (*key) EVP_PKEY_free((*key)->pkey);
    free(*key);
    *key = NULL;
}

/* Takes *pkey when it is a key of the one kind; leaves it otherwise. */
static CELLA_RESULT adopt(EVP_PKEY **pkey, const char *name, struct cella_rsa3072 **out) {
    OWNED(BIGNUM, drop_bn) e = NULL;
    ENSURE(EVP_PKEY_is_a(*pkey, "RSA") && EVP_PKEY_get_bits(*pkey) == BITS, CELLA_ERR_FORMAT,
           REMEDY, "%s: expected an RSA key of %d bits, found %s of %d", name, BITS,
           EVP_PKEY_get0_type_name(*pkey) ? EVP_PKEY_get0_type_name(*pkey) : "something else",
           EVP_PKEY_get_bits(*pkey));
    ENSURE(EVP_PKEY_get_bn_param(*pkey, OSSL_PKEY_PARAM_RSA_E, &e) > 0 && BN_is_word(e, EXPONENT),
           CELLA_ERR_FORMAT, REMEDY, "%s: the RSA exponent is not 3, as SGX wants it", name);
    struct cella_rsa3072 *key = calloc(1, sizeof(*key));
    ENSURE(key, CELLA_ERR_MEMORY, NULL, "no memory for a key");
    key->pkey = *pkey;
    *pkey = NULL;
    *out = key;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_rsa3072_new(struct cella_rsa3072 **out) {
    OWNED(EVP_PKEY_CTX, drop_pkey_ctx) ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OWNED(BIGNUM, drop_bn) e = BN_new();
    OWNED(EVP_PKEY, drop_pkey) pkey = NULL;
    OPENSSL(ctx && e && BN_set_word(e, EXPONENT), "prepare a key");
    OPENSSL(EVP_PKEY_keygen_init(ctx), "prepare a key");
    OPENSSL(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, BITS), "set the key's size");
    OPENSSL(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e), "set the key's exponent");
    OPENSSL(EVP_PKEY_generate(ctx, &pkey), "make a key");
    return adopt(&pkey, "new key", out);
}

CELLA_RESULT cella_rsa3072_save(const struct cella_rsa3072 *key, const char *path) {
    OWNED(BIO, drop_bio) bio = BIO_new(BIO_s_secmem());
    OPENSSL(bio ? 1 : 0, "make a buffer");
    OPENSSL(PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL),
            "encode a key");
    char *text = NULL;
    long size = BIO_get_mem_data(bio, &text);
    return cella_file_write(path, cella_bytes(text, (size_t)size), 0600, CELLA_FILE_EXCLUSIVE);
}

CELLA_RESULT cella_rsa3072_load(const char *path, struct cella_rsa3072 **out) {
    CELLA_SECRET file = {0};
    TRY(cella_file_read_secret(path, KEY_FILE_MAX, &file));
    OWNED(BIO, drop_bio) bio = BIO_new_mem_buf(file.data, (int)file.size);
    OPENSSL(bio ? 1 : 0, "read a key");
    OWNED(EVP_PKEY, drop_pkey)
    pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) "");
    ENSURE(pkey, CELLA_ERR_FORMAT, REMEDY,
           "%s: expected a private key in PEM, without a passphrase: %s", path,
           cella_openssl_reason());
    return adopt(&pkey, path, out);
}

CELLA_RESULT cella_rsa3072_public(struct cella_bytes spki, struct cella_rsa3072 **out) {
    OWNED(BIO, drop_bio) bio = BIO_new_mem_buf(spki.data, (int)spki.size);
    OPENSSL(bio ? 1 : 0, "read a key");
    bool pem = spki.size > 0 && spki.data[0] == '-';
    OWNED(EVP_PKEY, drop_pkey)
    pkey = pem ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : d2i_PUBKEY_bio(bio, NULL);
    ENSURE(pkey, CELLA_ERR_FORMAT, "`openssl pkey -in key.pem -pubout` writes it",
           "expected a public key (SubjectPublicKeyInfo, PEM or DER): %s", cella_openssl_reason());
    return adopt(&pkey, "public key", out);
}

CELLA_RESULT cella_rsa3072_public_pem(const struct cella_rsa3072 *key, struct cella_buffer *out) {
    OWNED(BIO, drop_bio) bio = BIO_new(BIO_s_mem());
    OPENSSL(bio ? 1 : 0, "make a buffer");
    OPENSSL(PEM_write_bio_PUBKEY(bio, key->pkey), "encode a key");
    char *text = NULL;
    long size = BIO_get_mem_data(bio, &text);
    return cella_buffer_append(out, cella_bytes(text, (size_t)size));
}

CELLA_RESULT cella_rsa3072_modulus(const struct cella_rsa3072 *key,
                                   uint8_t modulus[CELLA_RSA3072_SIZE]) {
    OWNED(BIGNUM, drop_bn) n = NULL;
    OPENSSL(EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_N, &n), "read a modulus");
    OPENSSL(BN_bn2lebinpad(n, modulus, CELLA_RSA3072_SIZE), "write a modulus");
    return CELLA_SUCCESS;
}

static void reverse(uint8_t *to, const uint8_t *from) {
    for (size_t i = 0; i < CELLA_RSA3072_SIZE; i++) to[i] = from[CELLA_RSA3072_SIZE - 1 - i];
}

CELLA_RESULT cella_rsa3072_sign(const struct cella_rsa3072 *key, struct cella_bytes message,
                                uint8_t signature[CELLA_RSA3072_SIZE]) {
    OWNED(EVP_MD_CTX, drop_md_ctx) ctx = EVP_MD_CTX_new();
    uint8_t big[CELLA_RSA3072_SIZE];
    size_t size = sizeof(big);
    OPENSSL(ctx ? 1 : 0, "prepare to sign");
    OPENSSL(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key->pkey), "prepare to sign");
    OPENSSL(EVP_DigestSign(ctx, big, &size, message.data, message.size), "sign");
    ENSURE(size == sizeof(big), CELLA_ERR_INTERNAL, NULL, "a signature of %zu bytes", size);
    reverse(signature, big);
    return CELLA_SUCCESS;
}

static CELLA_RESULT public_of(const uint8_t modulus[CELLA_RSA3072_SIZE], EVP_PKEY **out) {
    OWNED(BIGNUM, drop_bn) n = BN_lebin2bn(modulus, CELLA_RSA3072_SIZE, NULL);
    OWNED(EVP_PKEY_CTX, drop_pkey_ctx) ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    bool done = n && ctx && builder &&
                OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) > 0 &&
                OSSL_PARAM_BLD_push_uint(builder, OSSL_PKEY_PARAM_RSA_E, EXPONENT) > 0 &&
                (params = OSSL_PARAM_BLD_to_param(builder)) && EVP_PKEY_fromdata_init(ctx) > 0 &&
                EVP_PKEY_fromdata(ctx, out, EVP_PKEY_PUBLIC_KEY, params) > 0;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    OPENSSL(done ? 1 : 0, "read a modulus");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_rsa3072_verify(const uint8_t modulus[CELLA_RSA3072_SIZE],
                                  struct cella_bytes message,
                                  const uint8_t signature[CELLA_RSA3072_SIZE]) {
    uint8_t big[CELLA_RSA3072_SIZE];
    OWNED(EVP_PKEY, drop_pkey) pkey = NULL;
    ENSURE(modulus[CELLA_RSA3072_SIZE - 1] & 0x80, CELLA_ERR_FORMAT, NULL,
           "the RSA modulus is not of 3072 bits");
    TRY(public_of(modulus, &pkey));
    OWNED(EVP_MD_CTX, drop_md_ctx) ctx = EVP_MD_CTX_new();
    OPENSSL(ctx ? 1 : 0, "prepare to verify");
    OPENSSL(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pkey), "prepare to verify");
    reverse(big, signature);
    int good = EVP_DigestVerify(ctx, big, sizeof(big), message.data, message.size);
    ERR_clear_error();
    ENSURE(good == 1, CELLA_ERR_INTEGRITY, NULL,
           "the RSA-3072 signature does not match what it signs");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_rsa3072_quotients(const uint8_t modulus[CELLA_RSA3072_SIZE],
                                     const uint8_t signature[CELLA_RSA3072_SIZE],
                                     uint8_t q1[CELLA_RSA3072_SIZE],
                                     uint8_t q2[CELLA_RSA3072_SIZE]) {
    OWNED(BN_CTX, drop_bn_ctx) ctx = BN_CTX_new();
    OWNED(BIGNUM, drop_bn) m = BN_lebin2bn(modulus, CELLA_RSA3072_SIZE, NULL);
    OWNED(BIGNUM, drop_bn) s = BN_lebin2bn(signature, CELLA_RSA3072_SIZE, NULL);
    OWNED(BIGNUM, drop_bn) product = BN_new();
    OWNED(BIGNUM, drop_bn) quotient = BN_new();
    OWNED(BIGNUM, drop_bn) rest = BN_new();
    OPENSSL(ctx && m && s && product && quotient && rest, "prepare a division");
    ENSURE(!BN_is_zero(m), CELLA_ERR_FORMAT, NULL, "the RSA modulus is zero");
    OPENSSL(BN_sqr(product, s, ctx), "multiply");
    OPENSSL(BN_div(quotient, rest, product, m, ctx), "divide");
    ENSURE(BN_bn2lebinpad(quotient, q1, CELLA_RSA3072_SIZE) > 0, CELLA_ERR_FORMAT, NULL,
           "the signature is larger than its modulus");
    /* S*S*S - q1*S*M = S * (S*S - q1*M) = S * rest */
    OPENSSL(BN_mul(product, s, rest, ctx), "multiply");
    OPENSSL(BN_div(quotient, NULL, product, m, ctx), "divide");
    ENSURE(BN_bn2lebinpad(quotient, q2, CELLA_RSA3072_SIZE) > 0, CELLA_ERR_FORMAT, NULL,
           "the signature is larger than its modulus");
    return CELLA_SUCCESS;
}
