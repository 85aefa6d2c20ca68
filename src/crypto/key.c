#include "crypto/key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "crypto/digest.h"
#include "crypto/openssl.h"

enum { KEY_FILE_MAX = 16384, RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192, DER_SIGNATURE_MAX = 80 };

struct cella_key {
    EVP_PKEY *pkey;
    enum cella_key_kind kind;
    /* P-256: contexts made ready once; each use works on a copy, so that a key may serve many
     * threads. */
    EVP_PKEY_CTX *sign; /* NULL for a public key */
    EVP_PKEY_CTX *verify;
};

void cella_key_free(struct cella_key **key) {
    if (!*key) return;
    EVP_PKEY_CTX_free((*key)->sign);
    EVP_PKEY_CTX_free((*key)->verify);
    EVP_PKEY_free((*key)->pkey);
    free(*key);
    *key = NULL;
}

enum cella_key_kind cella_key_kind(const struct cella_key *key) { return key->kind; }

static struct cella_result prepare_p256(struct cella_key *key, bool private) {
    key->verify = EVP_PKEY_CTX_new(key->pkey, NULL);
    ENSURE(key->verify, CELLA_ERR_MEMORY, NULL, "no memory for a key");
    OPENSSL(EVP_PKEY_verify_init(key->verify), "make a key ready to verify");
    if (!private) return CELLA_SUCCESS;
    key->sign = EVP_PKEY_CTX_new(key->pkey, NULL);
    ENSURE(key->sign, CELLA_ERR_MEMORY, NULL, "no memory for a key");
    OPENSSL(EVP_PKEY_sign_init(key->sign), "make a key ready to sign");
    return CELLA_SUCCESS;
}

/* Takes pkey over, also on failure. */
static struct cella_result key_from(EVP_PKEY *pkey, enum cella_key_kind kind, bool private,
                                    struct cella_key **out) {
    CELLA_KEY key = calloc(1, sizeof(*key));
    if (!key) EVP_PKEY_free(pkey);
    ENSURE(key, CELLA_ERR_MEMORY, NULL, "no memory for a key");
    key->pkey = pkey;
    key->kind = kind;
    if (kind == CELLA_KEY_P256) TRY(prepare_p256(key, private));
    *out = MOVE(key);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_key_new_p256(struct cella_key **out) {
    *out = NULL;
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    OPENSSL(pkey ? 1 : 0, "make a P-256 key");
    return key_from(pkey, CELLA_KEY_P256, true, out);
}

CELLA_RESULT cella_key_share(const struct cella_key *key, struct cella_key **out) {
    *out = NULL;
    OPENSSL(EVP_PKEY_up_ref(key->pkey), "share a key");
    return key_from(key->pkey, key->kind, key->sign != NULL, out);
}

static bool is_p256(const EVP_PKEY *pkey) {
    char group[32] = "";
    return EVP_PKEY_is_a(pkey, "EC") &&
           EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) > 0 &&
           strcmp(group, "prime256v1") == 0;
}

static void memory_free(BIO **bio) { BIO_free(*bio); }
#define MEMORY __attribute__((cleanup(memory_free))) BIO *

CELLA_RESULT cella_key_save(const struct cella_key *key, const char *path) {
    /* The secure BIO wipes what it held. */
    MEMORY bio = BIO_new(BIO_s_secmem());
    ENSURE(bio, CELLA_ERR_MEMORY, NULL, "no memory to write a key");
    OPENSSL(PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL),
            "write a private key");
    char *text = NULL;
    long size = BIO_get_mem_data(bio, &text);
    ENSURE(size > 0, CELLA_ERR_INTERNAL, NULL, "a private key came out empty");
    return cella_file_write(path, cella_bytes(text, (size_t)size), 0600, CELLA_FILE_EXCLUSIVE);
}

/* A pass phrase is never asked for: an encrypted key is refused instead of a prompt on the
 * terminal. */
static int no_pass_phrase(char *buffer, int size, int writing, void *user) {
    (void)buffer, (void)size, (void)writing, (void)user;
    return -1;
}

CELLA_RESULT cella_key_load_p256(const char *path, struct cella_key **out) {
    *out = NULL;
    CELLA_SECRET text = {0};
    TRY(cella_file_read_secret(path, KEY_FILE_MAX, &text));
    MEMORY bio = BIO_new_mem_buf(text.data, (int)text.size);
    ENSURE(bio, CELLA_ERR_MEMORY, NULL, "no memory to read a key");
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
    ENSURE(pkey, CELLA_ERR_FORMAT, "make one anew, or give it without a pass phrase",
           "%s is not a private key in PEM: %s", path, cella_openssl_reason());
    if (!is_p256(pkey)) {
        EVP_PKEY_free(pkey);
        FAIL(CELLA_ERR_FORMAT, NULL, "%s holds a private key, but not one of P-256", path);
    }
    return key_from(pkey, CELLA_KEY_P256, true, out);
}

static bool is_pem(struct cella_bytes text) {
    return text.size >= 5 && cella_equal(text.data, "-----", 5);
}

/* The bytes of the one block of PEM in text; *der is OpenSSL's to free. */
static struct cella_result read_pem(struct cella_bytes text, unsigned char **der, long *size) {
    MEMORY bio = BIO_new_mem_buf(text.data, (int)text.size);
    ENSURE(bio, CELLA_ERR_MEMORY, NULL, "no memory to read a key");
    ENSURE(PEM_bytes_read_bio(der, size, NULL, PEM_STRING_PUBLIC, bio, no_pass_phrase, NULL) > 0,
           CELLA_ERR_FORMAT, "`openssl pkey -pubout` makes one",
           "not a public key in PEM (BEGIN PUBLIC KEY): %s", cella_openssl_reason());
    char *rest = NULL;
    long left = BIO_get_mem_data(bio, &rest);
    for (long i = 0; i < left; i++)
        ENSURE(rest[i] && strchr(" \r\n", rest[i]), CELLA_ERR_FORMAT, "one file for each key",
               "more text follows the PEM of a public key");
    return CELLA_SUCCESS;
}

/* One key has one encoding, so a fingerprint names it whoever encoded it (A30). */
static struct cella_result read_der(struct cella_bytes der, EVP_PKEY **out) {
    const unsigned char *at = der.data;
    *out = d2i_PUBKEY(NULL, &at, (long)der.size);
    ENSURE(*out, CELLA_ERR_FORMAT, NULL, "not a public key (SubjectPublicKeyInfo DER): %s",
           cella_openssl_reason());
    unsigned char *again = NULL;
    int size = i2d_PUBKEY(*out, &again);
    bool same = size > 0 && (size_t)size == der.size && cella_equal(again, der.data, der.size);
    OPENSSL_free(again);
    ENSURE(same, CELLA_ERR_FORMAT, NULL,
           "a public key is not in its canonical DER form, or bytes follow it");
    return CELLA_SUCCESS;
}

static struct cella_result check_public(struct cella_bytes der, const EVP_PKEY *pkey,
                                        enum cella_key_kind *kind) {
    if (EVP_PKEY_is_a(pkey, "RSA")) {
        int bits = EVP_PKEY_get_bits(pkey);
        *kind = CELLA_KEY_RSA;
        ENSURE(bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX, CELLA_ERR_FORMAT, NULL,
               "an RSA public key has %d bits, expected %d to %d", bits, RSA_BITS_MIN,
               RSA_BITS_MAX);
        return CELLA_SUCCESS;
    }
    *kind = CELLA_KEY_P256;
    const char *name = EVP_PKEY_get0_type_name(pkey);
    ENSURE(is_p256(pkey), CELLA_ERR_FORMAT, NULL,
           "a public key is of kind %s, expected P-256 or RSA", name ? name : "unknown");
    /* A named curve and an uncompressed point have exactly this form; explicit parameters,
     * compressed and hybrid points, which OpenSSL reads and writes as well, would be other names of
     * the same key (A20). */
    ENSURE(der.size == CELLA_P256_SPKI_SIZE && der.data[CELLA_P256_SPKI_SIZE - 65] == 4,
           CELLA_ERR_FORMAT, NULL,
           "a P-256 public key is not a named curve with an uncompressed point");
    return CELLA_SUCCESS;
}

static struct cella_result read_public(struct cella_bytes der, struct cella_key **out) {
    EVP_PKEY *pkey = NULL;
    enum cella_key_kind kind = CELLA_KEY_P256;
    struct cella_result r = read_der(der, &pkey);
    if (!cella_failed(r)) r = check_public(der, pkey, &kind);
    if (!cella_failed(r)) return key_from(pkey, kind, false, out);
    EVP_PKEY_free(pkey);
    return r;
}

CELLA_RESULT cella_key_public(struct cella_bytes spki, struct cella_key **out) {
    *out = NULL;
    ENSURE(spki.size > 0 && spki.size <= KEY_FILE_MAX, CELLA_ERR_FORMAT, NULL,
           "a public key of %zu bytes, expected 1 to %d", spki.size, KEY_FILE_MAX);
    if (!is_pem(spki)) return read_public(spki, out);
    unsigned char *der = NULL;
    long size = 0;
    struct cella_result r = read_pem(spki, &der, &size);
    if (!cella_failed(r)) r = read_public(cella_bytes(der, (size_t)size), out);
    OPENSSL_free(der);
    return r;
}

CELLA_RESULT cella_key_spki(const struct cella_key *key, struct cella_buffer *out) {
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(key->pkey, &der);
    OPENSSL(size, "encode a public key");
    struct cella_result r = cella_buffer_append(out, cella_bytes(der, (size_t)size));
    OPENSSL_free(der);
    return r;
}

CELLA_RESULT cella_key_fingerprint(const struct cella_key *key, uint8_t fingerprint[32]) {
    CELLA_BUFFER spki = {0};
    TRY(cella_key_spki(key, &spki));
    return cella_sha256(cella_buffer_bytes(&spki), fingerprint);
}

/* DER of ECDSA-Sig-Value to and from r || s. */
static bool signature_to_der(const uint8_t signature[64], uint8_t *der, size_t *size) {
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, 32, NULL), *s = BN_bin2bn(signature + 32, 32, NULL);
    bool owned = sig && r && s && ECDSA_SIG_set0(sig, r, s) > 0;
    if (!owned) BN_free(r), BN_free(s);
    int n = owned ? i2d_ECDSA_SIG(sig, &der) : -1;
    ECDSA_SIG_free(sig);
    *size = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static bool signature_from_der(const uint8_t *der, size_t size, uint8_t signature[64]) {
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)size);
    bool done = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, 32) == 32 &&
                BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + 32, 32) == 32;
    ECDSA_SIG_free(sig);
    return done;
}

CELLA_RESULT cella_key_sign_p256_digest(const struct cella_key *key, const uint8_t digest[32],
                                        uint8_t signature[CELLA_P256_SIGNATURE_SIZE]) {
    ENSURE(key->kind == CELLA_KEY_P256 && key->sign, CELLA_ERR_USAGE, NULL,
           "signing needs a P-256 private key");
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_dup(key->sign);
    uint8_t der[DER_SIGNATURE_MAX];
    size_t size = sizeof(der);
    bool done = ctx && EVP_PKEY_sign(ctx, der, &size, digest, 32) > 0 &&
                signature_from_der(der, size, signature);
    EVP_PKEY_CTX_free(ctx);
    OPENSSL(done ? 1 : 0, "sign with P-256");
    return CELLA_SUCCESS;
}

/* OpenSSL refuses r and s outside 1..n-1 (A20); tests/crypto/key_test.c holds it to that. */
CELLA_RESULT cella_key_verify_p256_digest(const struct cella_key *key, const uint8_t digest[32],
                                          const uint8_t signature[CELLA_P256_SIGNATURE_SIZE]) {
    ENSURE(key->kind == CELLA_KEY_P256, CELLA_ERR_INTEGRITY, NULL,
           "a P-256 signature, but the key is not of P-256");
    uint8_t der[DER_SIGNATURE_MAX];
    size_t size = 0;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_dup(key->verify);
    bool good = ctx && signature_to_der(signature, der, &size) &&
                EVP_PKEY_verify(ctx, der, size, digest, 32) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!good) ERR_clear_error();
    ENSURE(good, CELLA_ERR_INTEGRITY, NULL,
           "the P-256 signature does not match: the data was changed, or another key made it");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_key_sign_p256(const struct cella_key *key, struct cella_bytes message,
                                 uint8_t signature[CELLA_P256_SIGNATURE_SIZE]) {
    uint8_t digest[CELLA_SHA256_SIZE];
    TRY(cella_sha256(message, digest));
    return cella_key_sign_p256_digest(key, digest, signature);
}

CELLA_RESULT cella_key_verify_p256(const struct cella_key *key, struct cella_bytes message,
                                   const uint8_t signature[CELLA_P256_SIGNATURE_SIZE]) {
    uint8_t digest[CELLA_SHA256_SIZE];
    TRY(cella_sha256(message, digest));
    return cella_key_verify_p256_digest(key, digest, signature);
}

CELLA_RESULT cella_key_verify_rsa(const struct cella_key *key, bool pss, struct cella_bytes message,
                                  struct cella_bytes signature) {
    ENSURE(key->kind == CELLA_KEY_RSA, CELLA_ERR_INTEGRITY, NULL,
           "an RSA signature, but the key is not RSA");
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    bool good =
        ctx && EVP_DigestVerifyInit(ctx, &options, EVP_sha256(), NULL, key->pkey) > 0 &&
        EVP_PKEY_CTX_set_rsa_padding(options, pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) >
            0 &&
        (!pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_AUTO) > 0) &&
        EVP_DigestVerify(ctx, signature.data, signature.size, message.data, message.size) == 1;
    EVP_MD_CTX_free(ctx);
    if (!good) ERR_clear_error();
    ENSURE(good, CELLA_ERR_INTEGRITY, NULL,
           "the RSA signature does not match: the data was changed, or another key made it");
    return CELLA_SUCCESS;
}
