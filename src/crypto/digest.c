#include "crypto/digest.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <pthread.h>

#include "crypto/openssl.h"

/* Fetched once: OpenSSL's own constants, EVP_sha256() and others, are looked up by name under a
 * lock at each use, which takes longer than a small digest. */
static EVP_MD *fetched[4];

static void fetch_all(void) {
    static const char *const name[] = {"SHA1", "SHA256", "SHA384", "SHA512"};
    for (size_t i = 0; i < 4; i++) fetched[i] = EVP_MD_fetch(NULL, name[i], NULL);
}

static const EVP_MD *hash_algorithm(enum cella_hash hash) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fetch_all);
    return fetched[hash];
}

CELLA_RESULT cella_sha256_begin(struct cella_sha256 *sha) {
    if (!sha->ctx) sha->ctx = EVP_MD_CTX_new();
    ENSURE(sha->ctx, CELLA_ERR_MEMORY, NULL, "no memory for a digest");
    OPENSSL(EVP_DigestInit_ex(sha->ctx, hash_algorithm(CELLA_HASH_SHA256), NULL), "start SHA-256");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_sha256_add(struct cella_sha256 *sha, struct cella_bytes bytes) {
    OPENSSL(EVP_DigestUpdate(sha->ctx, bytes.data, bytes.size), "hash");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_sha256_end(struct cella_sha256 *sha, uint8_t digest[CELLA_SHA256_SIZE]) {
    OPENSSL(EVP_DigestFinal_ex(sha->ctx, digest, NULL), "finish SHA-256");
    return CELLA_SUCCESS;
}

void cella_sha256_free(struct cella_sha256 *sha) {
    EVP_MD_CTX_free(sha->ctx);
    sha->ctx = NULL;
}

CELLA_RESULT cella_sha384_begin(struct cella_sha384 *sha) {
    if (!sha->ctx) sha->ctx = EVP_MD_CTX_new();
    ENSURE(sha->ctx, CELLA_ERR_MEMORY, NULL, "no memory for a digest");
    OPENSSL(EVP_DigestInit_ex(sha->ctx, hash_algorithm(CELLA_HASH_SHA384), NULL), "start SHA-384");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_sha384_add(struct cella_sha384 *sha, struct cella_bytes bytes) {
    OPENSSL(EVP_DigestUpdate(sha->ctx, bytes.data, bytes.size), "hash");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_sha384_end(struct cella_sha384 *sha, uint8_t digest[CELLA_SHA384_SIZE]) {
    OPENSSL(EVP_DigestFinal_ex(sha->ctx, digest, NULL), "finish SHA-384");
    return CELLA_SUCCESS;
}

void cella_sha384_free(struct cella_sha384 *sha) {
    EVP_MD_CTX_free(sha->ctx);
    sha->ctx = NULL;
}

CELLA_RESULT cella_sha384(struct cella_bytes bytes, uint8_t digest[CELLA_SHA384_SIZE]) {
    OPENSSL(EVP_Digest(bytes.data, bytes.size, digest, NULL, hash_algorithm(CELLA_HASH_SHA384),
                       NULL),
            "hash");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_sha256(struct cella_bytes bytes, uint8_t digest[CELLA_SHA256_SIZE]) {
    OPENSSL(EVP_Digest(bytes.data, bytes.size, digest, NULL, hash_algorithm(CELLA_HASH_SHA256),
                       NULL),
            "hash");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_sha512(struct cella_bytes bytes, uint8_t digest[CELLA_SHA512_SIZE]) {
    OPENSSL(EVP_Digest(bytes.data, bytes.size, digest, NULL, hash_algorithm(CELLA_HASH_SHA512),
                       NULL),
            "hash");
    return CELLA_SUCCESS;
}

size_t cella_hash_size(enum cella_hash hash) {
    static const size_t size[] = {20, 32, 48, 64};
    return size[hash];
}

CELLA_RESULT cella_hash(enum cella_hash hash, const struct cella_bytes *parts, size_t count,
                        uint8_t *digest) {
    CELLA_SHA256 running = {EVP_MD_CTX_new()}; /* for its cleanup: the context is any digest's */
    ENSURE(running.ctx, CELLA_ERR_MEMORY, NULL, "no memory for a digest");
    OPENSSL(EVP_DigestInit_ex(running.ctx, hash_algorithm(hash), NULL), "start a digest");
    for (size_t i = 0; i < count; i++)
        OPENSSL(EVP_DigestUpdate(running.ctx, parts[i].data, parts[i].size), "hash");
    OPENSSL(EVP_DigestFinal_ex(running.ctx, digest, NULL), "finish a digest");
    return CELLA_SUCCESS;
}

static struct cella_result mac_once(const char *name, const OSSL_PARAM *params,
                                    struct cella_bytes key, struct cella_bytes bytes, uint8_t *mac,
                                    size_t size) {
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, name, NULL);
    EVP_MAC_CTX *ctx = algorithm ? EVP_MAC_CTX_new(algorithm) : NULL;
    size_t got = 0;
    bool done = ctx && EVP_MAC_init(ctx, key.data, key.size, params) > 0 &&
                EVP_MAC_update(ctx, bytes.data, bytes.size) > 0 &&
                EVP_MAC_final(ctx, mac, &got, size) > 0 && got == size;
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(algorithm);
    OPENSSL(done ? 1 : 0, "compute a MAC");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_hmac_sha256(struct cella_bytes key, struct cella_bytes bytes,
                               uint8_t mac[CELLA_SHA256_SIZE]) {
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                            (char[]){"SHA256"}, 0),
                           OSSL_PARAM_construct_end()};
    return mac_once("HMAC", params, key, bytes, mac, CELLA_SHA256_SIZE);
}

CELLA_RESULT cella_cmac_aes128(const uint8_t key[16], struct cella_bytes bytes,
                               uint8_t mac[CELLA_CMAC_SIZE]) {
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER,
                                                            (char[]){"AES-128-CBC"}, 0),
                           OSSL_PARAM_construct_end()};
    return mac_once("CMAC", params, cella_bytes(key, 16), bytes, mac, CELLA_CMAC_SIZE);
}

CELLA_RESULT cella_hkdf_sha256(struct cella_bytes secret, struct cella_bytes salt,
                               struct cella_bytes info, uint8_t *out, size_t size) {
    EVP_KDF *algorithm = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = algorithm ? EVP_KDF_CTX_new(algorithm) : NULL;
    OSSL_PARAM params[5], *p = params;
    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){"SHA256"}, 0);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret.data,
                                             secret.size);
    if (salt.size)
        *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt.data,
                                                 salt.size);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info.data,
                                             info.size);
    *p = OSSL_PARAM_construct_end();
    bool done = ctx && EVP_KDF_derive(ctx, out, size, params) > 0;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(algorithm);
    OPENSSL(done ? 1 : 0, "derive a key");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_random(void *out, size_t size) {
    ENSURE(size <= 1U << 20, CELLA_ERR_LIMIT, NULL, "too many random bytes asked: %zu", size);
    OPENSSL(RAND_priv_bytes(out, (int)size), "give random bytes");
    return CELLA_SUCCESS;
}
