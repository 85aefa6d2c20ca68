#include "crypto/hpke.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/memory.h"
#include "base/writer.h"
#include "crypto/digest.h"
#include "crypto/openssl.h"

enum {
    KEM_ID = 0x0020,  /* DHKEM(X25519, HKDF-SHA256) */
    KDF_ID = 0x0001,  /* HKDF-SHA256 */
    AEAD_ID = 0x0002, /* AES-256-GCM */
    KEY_SIZE = 32,
    NONCE_SIZE = 12,
    HASH_SIZE = CELLA_SHA256_SIZE,
    LABELED_MAX = 512, /* bytes of one labeled input */
};

/* The suite that a label is bound to (RFC 9180 sections 4.1 and 5.1). */
static void put_suite(struct cella_writer *w, bool kem) {
    cella_writer_put(w, cella_bytes_text(kem ? "KEM" : "HPKE"));
    cella_writer_u16be(w, KEM_ID);
    if (kem) return;
    cella_writer_u16be(w, KDF_ID);
    cella_writer_u16be(w, AEAD_ID);
}

static void put_label(struct cella_writer *w, bool kem, const char *label) {
    cella_writer_put(w, cella_bytes_text("HPKE-v1"));
    put_suite(w, kem);
    cella_writer_put(w, cella_bytes_text(label));
}

/* LabeledExtract (section 4). An empty salt is 32 zeros, which HMAC takes alike (RFC 5869
 * section 2.2). */
static struct cella_result extract(bool kem, const uint8_t *salt, const char *label,
                                   struct cella_bytes input, uint8_t out[HASH_SIZE]) {
    static const uint8_t zeros[HASH_SIZE];
    uint8_t labeled[LABELED_MAX];
    struct cella_writer w = cella_writer(labeled, sizeof(labeled));
    put_label(&w, kem, label);
    cella_writer_put(&w, input);
    ENSURE(!w.failed, CELLA_ERR_LIMIT, NULL, "HPKE: %s of %zu bytes is too long", label,
           input.size);
    struct cella_result r =
        cella_hmac_sha256(cella_bytes(salt ? salt : zeros, HASH_SIZE), cella_writer_bytes(&w), out);
    cella_wipe(labeled, sizeof(labeled));
    return r;
}

/* LabeledExpand (section 4) to at most one hash. */
static struct cella_result expand(bool kem, const uint8_t prk[HASH_SIZE], const char *label,
                                  struct cella_bytes info, uint8_t *out, uint16_t size) {
    uint8_t labeled[LABELED_MAX], block[HASH_SIZE];
    struct cella_writer w = cella_writer(labeled, sizeof(labeled));
    cella_writer_u16be(&w, size);
    put_label(&w, kem, label);
    cella_writer_put(&w, info);
    cella_writer_u8(&w, 1);
    ENSURE(!w.failed && size <= HASH_SIZE, CELLA_ERR_LIMIT, NULL, "HPKE: %s is too long", label);
    TRY(cella_hmac_sha256(cella_bytes(prk, HASH_SIZE), cella_writer_bytes(&w), block));
    cella_copy(out, block, size);
    cella_wipe(block, sizeof(block));
    return CELLA_SUCCESS;
}

static void pkey_free(EVP_PKEY **key) { EVP_PKEY_free(*key); }
#define PKEY __attribute__((cleanup(pkey_free))) EVP_PKEY *

CELLA_RESULT cella_x25519_public(struct cella_bytes private, uint8_t public[CELLA_X25519_SIZE]) {
    size_t size = CELLA_X25519_SIZE;
    PKEY key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private.data, private.size);
    OPENSSL(key && EVP_PKEY_get_raw_public_key(key, public, &size) > 0 && size == CELLA_X25519_SIZE
                ? 1
                : 0,
            "use an X25519 key");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_x25519_new(struct cella_secret *private, uint8_t public[CELLA_X25519_SIZE]) {
    TRY(cella_secret_new(CELLA_X25519_SIZE, private));
    TRY(cella_random(private->data, private->size));
    return cella_x25519_public(cella_secret_bytes(private), public);
}

static struct cella_result x25519(struct cella_bytes private,
                                  const uint8_t public[CELLA_X25519_SIZE],
                                  uint8_t shared[CELLA_X25519_SIZE]) {
    static const uint8_t zeros[CELLA_X25519_SIZE];
    size_t size = CELLA_X25519_SIZE;
    PKEY own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private.data, private.size);
    PKEY peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, public, CELLA_X25519_SIZE);
    EVP_PKEY_CTX *ctx = own ? EVP_PKEY_CTX_new(own, NULL) : NULL;
    bool done = peer && ctx && EVP_PKEY_derive_init(ctx) > 0 &&
                EVP_PKEY_derive_set_peer(ctx, peer) > 0 &&
                EVP_PKEY_derive(ctx, shared, &size) > 0 && size == CELLA_X25519_SIZE;
    EVP_PKEY_CTX_free(ctx);
    if (!done) ERR_clear_error();
    /* A point of small order would let anyone know the secret (RFC 9180 section 7.1.4). */
    ENSURE(done && !cella_equal_secret(shared, zeros, sizeof(zeros)), CELLA_ERR_FORMAT, NULL,
           "HPKE: the X25519 public key is of small order or none");
    return CELLA_SUCCESS;
}

struct schedule { /* wiped by its holder */
    uint8_t shared[HASH_SIZE];
    uint8_t secret[HASH_SIZE];
    uint8_t key[KEY_SIZE];
    uint8_t nonce[NONCE_SIZE];
};
static void schedule_wipe(struct schedule *s) { cella_wipe(s, sizeof(*s)); }
#define SCHEDULE __attribute__((cleanup(schedule_wipe))) struct schedule

/* ExtractAndExpand of section 4.1: from the Diffie-Hellman value to the KEM's shared secret. */
static struct cella_result kem_secret(struct cella_bytes private,
                                      const uint8_t peer[CELLA_X25519_SIZE],
                                      const uint8_t enc[CELLA_X25519_SIZE],
                                      const uint8_t public[CELLA_X25519_SIZE], struct schedule *s) {
    uint8_t context[2 * CELLA_X25519_SIZE];
    cella_copy(context, enc, CELLA_X25519_SIZE);
    cella_copy(context + CELLA_X25519_SIZE, public, CELLA_X25519_SIZE);
    TRY(x25519(private, peer, s->shared));
    TRY(extract(true, NULL, "eae_prk", CELLA_BYTES_OF(s->shared), s->secret));
    return expand(true, s->secret, "shared_secret", CELLA_BYTES_OF(context), s->shared, HASH_SIZE);
}

/* KeySchedule of section 5.1 in base mode. */
static struct cella_result key_schedule(struct cella_bytes info, struct schedule *s) {
    uint8_t context[1 + 2 * HASH_SIZE] = {0}; /* mode 0: base */
    struct cella_bytes none = {NULL, 0};
    TRY(extract(false, NULL, "psk_id_hash", none, context + 1));
    TRY(extract(false, NULL, "info_hash", info, context + 1 + HASH_SIZE));
    TRY(extract(false, s->shared, "secret", none, s->secret));
    TRY(expand(false, s->secret, "key", CELLA_BYTES_OF(context), s->key, KEY_SIZE));
    return expand(false, s->secret, "base_nonce", CELLA_BYTES_OF(context), s->nonce, NONCE_SIZE);
}

static void cipher_free(EVP_CIPHER_CTX **ctx) { EVP_CIPHER_CTX_free(*ctx); }
#define CIPHER __attribute__((cleanup(cipher_free))) EVP_CIPHER_CTX *

/* Sequence number 0: the nonce is the base nonce itself. */
static struct cella_result gcm(const struct schedule *s, bool seal, struct cella_bytes aad,
                               struct cella_bytes in, uint8_t *out,
                               uint8_t tag[CELLA_HPKE_TAG_SIZE]) {
    CIPHER ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    uint8_t none = 0;
    ENSURE(ctx && aad.size <= LABELED_MAX && in.size <= 65536, CELLA_ERR_LIMIT, NULL,
           "HPKE: message or aad too long");
    bool ready = EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, s->key, s->nonce, seal) > 0 &&
                 (aad.size == 0 || EVP_CipherUpdate(ctx, NULL, &n, aad.data, (int)aad.size) > 0) &&
                 EVP_CipherUpdate(ctx, out, &n, in.data, (int)in.size) > 0;
    OPENSSL(ready ? 1 : 0, "run AES-256-GCM");
    if (seal) {
        OPENSSL(EVP_CipherFinal_ex(ctx, &none, &n), "finish AES-256-GCM");
        OPENSSL(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CELLA_HPKE_TAG_SIZE, tag),
                "give a tag");
        return CELLA_SUCCESS;
    }
    OPENSSL(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CELLA_HPKE_TAG_SIZE, tag),
            "take a tag");
    bool good = EVP_CipherFinal_ex(ctx, &none, &n) > 0;
    if (!good) ERR_clear_error();
    ENSURE(good, CELLA_ERR_INTEGRITY, NULL,
           "HPKE: sealed for another key, in another context, or changed since");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_hpke_seal_with(struct cella_bytes ephemeral,
                                  const uint8_t public[CELLA_X25519_SIZE], struct cella_bytes info,
                                  struct cella_bytes aad, struct cella_bytes plain,
                                  uint8_t enc[CELLA_X25519_SIZE], struct cella_buffer *out) {
    SCHEDULE s = {0};
    TRY(cella_x25519_public(ephemeral, enc));
    TRY(kem_secret(ephemeral, public, enc, public, &s));
    TRY(key_schedule(info, &s));
    uint8_t *to = NULL;
    size_t before = out->size;
    TRY(cella_buffer_extend(out, plain.size + CELLA_HPKE_TAG_SIZE, &to));
    struct cella_result r = gcm(&s, true, aad, plain, to, to + plain.size);
    if (cella_failed(r)) out->size = before;
    return r;
}

CELLA_RESULT cella_hpke_seal(const uint8_t public[CELLA_X25519_SIZE], struct cella_bytes info,
                             struct cella_bytes aad, struct cella_bytes plain,
                             uint8_t enc[CELLA_X25519_SIZE], struct cella_buffer *out) {
    CELLA_SECRET ephemeral = {0};
    uint8_t own[CELLA_X25519_SIZE];
    TRY(cella_x25519_new(&ephemeral, own));
    return cella_hpke_seal_with(cella_secret_bytes(&ephemeral), public, info, aad, plain, enc, out);
}

CELLA_RESULT cella_hpke_open(struct cella_bytes private, const uint8_t enc[CELLA_X25519_SIZE],
                             struct cella_bytes info, struct cella_bytes aad,
                             struct cella_bytes sealed, struct cella_secret *plain) {
    *plain = (struct cella_secret){NULL, 0};
    ENSURE(sealed.size > CELLA_HPKE_TAG_SIZE, CELLA_ERR_FORMAT, NULL, "HPKE: %zu bytes are too few",
           sealed.size);
    SCHEDULE s = {0};
    uint8_t public[CELLA_X25519_SIZE], tag[CELLA_HPKE_TAG_SIZE];
    TRY(cella_x25519_public(private, public));
    TRY(kem_secret(private, enc, enc, public, &s));
    TRY(key_schedule(info, &s));
    struct cella_bytes in = cella_bytes(sealed.data, sealed.size - CELLA_HPKE_TAG_SIZE);
    cella_copy(tag, sealed.data + in.size, sizeof(tag));
    TRY(cella_secret_new(in.size, plain));
    struct cella_result r = gcm(&s, false, aad, in, plain->data, tag);
    if (cella_failed(r)) cella_secret_free(plain);
    return r;
}
