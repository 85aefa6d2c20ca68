#include "shim/crypto.h"

#include <bearssl.h>

void shim_sha256(struct cella_bytes a, struct cella_bytes b, struct cella_bytes c,
                 uint8_t out[SHIM_SHA256_SIZE]) {
    br_sha256_context sha;
    br_sha256_init(&sha);
    br_sha256_update(&sha, a.data, a.size);
    br_sha256_update(&sha, b.data, b.size);
    br_sha256_update(&sha, c.data, c.size);
    br_sha256_out(&sha, out);
    cella_wipe(&sha, sizeof(sha));
}

void shim_sha512(struct cella_bytes a, struct cella_bytes b, uint8_t out[SHIM_SHA512_SIZE]) {
    br_sha512_context sha;
    br_sha512_init(&sha);
    br_sha512_update(&sha, a.data, a.size);
    br_sha512_update(&sha, b.data, b.size);
    br_sha512_out(&sha, out);
    cella_wipe(&sha, sizeof(sha));
}

static void hmac(struct cella_bytes key, struct cella_bytes a, struct cella_bytes b,
                 struct cella_bytes c, uint8_t out[SHIM_SHA256_SIZE]) {
    br_hmac_key_context schedule;
    br_hmac_context mac;
    br_hmac_key_init(&schedule, &br_sha256_vtable, key.data, key.size);
    br_hmac_init(&mac, &schedule, 0);
    br_hmac_update(&mac, a.data, a.size);
    br_hmac_update(&mac, b.data, b.size);
    br_hmac_update(&mac, c.data, c.size);
    br_hmac_out(&mac, out);
    cella_wipe(&schedule, sizeof(schedule));
    cella_wipe(&mac, sizeof(mac));
}

static const struct cella_bytes nothing = {NULL, 0};

/* An empty salt is as good as 32 zeros: HMAC pads both to the same block (RFC 5869 2.2). */
void shim_hkdf_extract(struct cella_bytes salt, struct cella_bytes secret,
                       uint8_t prk[SHIM_SHA256_SIZE]) {
    hmac(salt, secret, nothing, nothing, prk);
}

bool shim_hkdf_expand(const uint8_t prk[SHIM_SHA256_SIZE], struct cella_bytes info, uint8_t *out,
                      size_t size) {
    uint8_t block[SHIM_SHA256_SIZE];
    if (size > 255 * sizeof(block)) return false;
    size_t done = 0;
    for (uint8_t i = 1; done < size; i++) {
        hmac(cella_bytes(prk, SHIM_SHA256_SIZE), cella_bytes(block, i == 1 ? 0 : sizeof(block)),
             info, cella_bytes(&i, 1), block);
        size_t n = size - done < sizeof(block) ? size - done : sizeof(block);
        cella_copy(out + done, block, n);
        done += n;
    }
    cella_wipe(block, sizeof(block));
    return true;
}

bool shim_hkdf(struct cella_bytes secret, struct cella_bytes salt, struct cella_bytes info,
               uint8_t *out, size_t size) {
    uint8_t prk[SHIM_SHA256_SIZE];
    shim_hkdf_extract(salt, secret, prk);
    bool done = shim_hkdf_expand(prk, info, out, size);
    cella_wipe(prk, sizeof(prk));
    return done;
}

/* ---- X25519 ---- */

/* BearSSL clamps the scalar itself and takes it little-endian, as RFC 7748 has it (unlike its other
 * curves). */
static void multiply(uint8_t point[SHIM_X25519_SIZE], const uint8_t private[SHIM_X25519_SIZE]) {
    br_ec_c25519_i31.mul(point, SHIM_X25519_SIZE, private, SHIM_X25519_SIZE, BR_EC_curve25519);
}

void shim_x25519_public(const uint8_t private[SHIM_X25519_SIZE], uint8_t out[SHIM_X25519_SIZE]) {
    cella_zero(out, SHIM_X25519_SIZE);
    out[0] = 9;
    multiply(out, private);
}

bool shim_x25519(const uint8_t private[SHIM_X25519_SIZE], const uint8_t public[SHIM_X25519_SIZE],
                 uint8_t out[SHIM_X25519_SIZE]) {
    static const uint8_t zero[SHIM_X25519_SIZE];
    cella_copy(out, public, SHIM_X25519_SIZE);
    multiply(out, private);
    return !cella_equal_secret(out, zero, sizeof(zero));
}

const struct cella_protected_crypto shim_protected_crypto = {.hkdf = shim_hkdf,
                                                             .random = shim_random};
