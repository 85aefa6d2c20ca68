/* Digests, MACs, key derivation and randomness, thin over OpenSSL 3. */
#ifndef CELLA_CRYPTO_DIGEST_H
#define CELLA_CRYPTO_DIGEST_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <openssl/types.h>
#include <stdint.h>

enum {
    CELLA_SHA256_SIZE = 32,
    CELLA_SHA384_SIZE = 48,
    CELLA_SHA512_SIZE = 64,
    CELLA_CMAC_SIZE = 16
};

/* A running SHA-256. _free also after success; harmless when zeroed. */
struct cella_sha256 {
    EVP_MD_CTX *ctx;
};
CELLA_RESULT cella_sha256_begin(struct cella_sha256 *sha);
CELLA_RESULT cella_sha256_add(struct cella_sha256 *sha, struct cella_bytes bytes);
CELLA_RESULT cella_sha256_end(struct cella_sha256 *sha, uint8_t digest[CELLA_SHA256_SIZE]);
void cella_sha256_free(struct cella_sha256 *sha);
#define CELLA_SHA256 __attribute__((cleanup(cella_sha256_free))) struct cella_sha256

/* A running SHA-384, likewise. */
struct cella_sha384 {
    EVP_MD_CTX *ctx;
};
CELLA_RESULT cella_sha384_begin(struct cella_sha384 *sha);
CELLA_RESULT cella_sha384_add(struct cella_sha384 *sha, struct cella_bytes bytes);
CELLA_RESULT cella_sha384_end(struct cella_sha384 *sha, uint8_t digest[CELLA_SHA384_SIZE]);
void cella_sha384_free(struct cella_sha384 *sha);
#define CELLA_SHA384 __attribute__((cleanup(cella_sha384_free))) struct cella_sha384

CELLA_RESULT cella_sha384(struct cella_bytes bytes, uint8_t digest[CELLA_SHA384_SIZE]);
CELLA_RESULT cella_sha256(struct cella_bytes bytes, uint8_t digest[CELLA_SHA256_SIZE]);
CELLA_RESULT cella_sha512(struct cella_bytes bytes, uint8_t digest[CELLA_SHA512_SIZE]);
/* Digests by name, over the parts as if they lay in one piece. SHA-1 is here for event logs and PCR
 * banks of old machines; nothing that is signed is ever checked with it (A28). */
enum cella_hash { CELLA_HASH_SHA1, CELLA_HASH_SHA256, CELLA_HASH_SHA384, CELLA_HASH_SHA512 };
enum { CELLA_HASH_SIZE_MAX = 64 };
size_t cella_hash_size(enum cella_hash hash);
CELLA_RESULT cella_hash(enum cella_hash hash, const struct cella_bytes *parts, size_t count,
                        uint8_t *digest);

CELLA_RESULT cella_hmac_sha256(struct cella_bytes key, struct cella_bytes bytes,
                               uint8_t mac[CELLA_SHA256_SIZE]);
/* RFC 5869; size at most 255*32 bytes. salt may be empty. */
CELLA_RESULT cella_hkdf_sha256(struct cella_bytes secret, struct cella_bytes salt,
                               struct cella_bytes info, uint8_t *out, size_t size);
/* AES-128-CMAC (RFC 4493), the MAC of an SGX REPORT. */
CELLA_RESULT cella_cmac_aes128(const uint8_t key[16], struct cella_bytes bytes,
                               uint8_t mac[CELLA_CMAC_SIZE]);
/* Bytes from OpenSSL's private generator. */
CELLA_RESULT cella_random(void *out, size_t size);

#endif
