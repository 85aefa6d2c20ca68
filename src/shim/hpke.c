#include "shim/hpke.h"

#include "abi/keygrant.h"
#include "base/writer.h"
#include "seal/gcm.h"
#include "shim/crypto.h"

enum { LABELED_MAX = 512, INFO_MAX = 256 }; /* bytes of a labeled input; of info */

struct suite {
    uint8_t id[10];
    size_t size;
};

static struct suite kem_suite(void) {
    struct suite s;
    struct cella_writer w = cella_writer(s.id, sizeof(s.id));
    cella_writer_put(&w, cella_bytes_text("KEM"));
    cella_writer_u16be(&w, CELLA_HPKE_KEM_X25519);
    s.size = w.size;
    return s;
}

static struct suite hpke_suite(uint16_t aead) {
    struct suite s;
    struct cella_writer w = cella_writer(s.id, sizeof(s.id));
    cella_writer_put(&w, cella_bytes_text("HPKE"));
    cella_writer_u16be(&w, CELLA_HPKE_KEM_X25519);
    cella_writer_u16be(&w, CELLA_HPKE_KDF_SHA256);
    cella_writer_u16be(&w, aead);
    s.size = w.size;
    return s;
}

/* RFC 9180 section 4: "HPKE-v1" || suite_id || label || content */
static void put_labeled(struct cella_writer *w, const struct suite *suite, const char *label,
                        struct cella_bytes content) {
    cella_writer_put(w, cella_bytes_text("HPKE-v1"));
    cella_writer_put(w, cella_bytes(suite->id, suite->size));
    cella_writer_put(w, cella_bytes_text(label));
    cella_writer_put(w, content);
}

static bool labeled_extract(const struct suite *suite, struct cella_bytes salt, const char *label,
                            struct cella_bytes ikm, uint8_t prk[32]) {
    uint8_t input[LABELED_MAX];
    struct cella_writer w = cella_writer(input, sizeof(input));
    put_labeled(&w, suite, label, ikm);
    if (!w.failed) shim_hkdf_extract(salt, cella_writer_bytes(&w), prk);
    cella_wipe(input, sizeof(input));
    return !w.failed;
}

static bool labeled_expand(const struct suite *suite, const uint8_t prk[32], const char *label,
                           struct cella_bytes info, uint8_t *out, size_t size) {
    uint8_t input[LABELED_MAX];
    struct cella_writer w = cella_writer(input, sizeof(input));
    cella_writer_u16be(&w, (uint16_t)size);
    put_labeled(&w, suite, label, info);
    return !w.failed && shim_hkdf_expand(prk, cella_writer_bytes(&w), out, size);
}

bool shim_hpke_decap(const uint8_t private[32], const uint8_t public[32],
                     const uint8_t enc[SHIM_HPKE_ENC_SIZE], uint8_t shared_secret[32]) {
    uint8_t dh[32], prk[32], context[64];
    struct suite suite = kem_suite();
    bool ok = shim_x25519(private, enc, dh);
    cella_copy(context, enc, 32);
    cella_copy(context + 32, public, 32);
    ok = ok &&
         labeled_extract(&suite, (struct cella_bytes){NULL, 0}, "eae_prk", CELLA_BYTES_OF(dh),
                         prk) &&
         labeled_expand(&suite, prk, "shared_secret", CELLA_BYTES_OF(context), shared_secret, 32);
    cella_wipe(dh, sizeof(dh));
    cella_wipe(prk, sizeof(prk));
    return ok;
}

bool shim_hpke_schedule(const uint8_t shared_secret[32], uint16_t aead, size_t key_size,
                        struct cella_bytes info, uint8_t *key,
                        uint8_t nonce[SHIM_HPKE_NONCE_SIZE]) {
    const struct cella_bytes none = {NULL, 0};
    uint8_t context[1 + 32 + 32] = {0}, secret[32]; /* mode_base = 0 || psk_id_hash || info_hash */
    struct suite suite = hpke_suite(aead);
    bool ok = info.size <= INFO_MAX &&
              labeled_extract(&suite, none, "psk_id_hash", none, context + 1) &&
              labeled_extract(&suite, none, "info_hash", info, context + 33) &&
              labeled_extract(&suite, cella_bytes(shared_secret, 32), "secret", none, secret) &&
              labeled_expand(&suite, secret, "key", CELLA_BYTES_OF(context), key, key_size) &&
              labeled_expand(&suite, secret, "base_nonce", CELLA_BYTES_OF(context), nonce,
                             SHIM_HPKE_NONCE_SIZE);
    cella_wipe(secret, sizeof(secret));
    return ok;
}

bool shim_hpke_open(const uint8_t private[32], const uint8_t public[32],
                    const uint8_t enc[SHIM_HPKE_ENC_SIZE], struct cella_bytes info,
                    struct cella_bytes aad, struct cella_bytes ciphertext, uint8_t *out) {
    uint8_t shared[32], key[CELLA_GCM_KEY_SIZE], nonce[SHIM_HPKE_NONCE_SIZE];
    static struct cella_gcm
        gcm; /* too large for a shim stack; used at start, by the one thread there is */
    if (ciphertext.size < SHIM_HPKE_TAG_SIZE) return false;
    size_t size = ciphertext.size - SHIM_HPKE_TAG_SIZE;
    bool ok = shim_hpke_decap(private, public, enc, shared) &&
              shim_hpke_schedule(shared, CELLA_HPKE_AEAD_AES256GCM, sizeof(key), info, key, nonce);
    if (ok) {
        cella_gcm_init(&gcm, key);
        ok = cella_gcm_decrypt(&gcm, nonce, aad, cella_bytes(ciphertext.data, size), out,
                               ciphertext.data + size);
        cella_wipe(&gcm, sizeof(gcm));
    }
    cella_wipe(shared, sizeof(shared));
    cella_wipe(key, sizeof(key));
    return ok;
}
