#include "vault/signer.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/x509.h"

enum { CHAIN_MAX = 8, CHAIN_BYTES = 32768 };

struct cella_signer {
    pthread_rwlock_t lock;
    struct cella_jose_key *key; /* owned, as the next; NULL: none yet */
    json_t *header;
};

CELLA_RESULT cella_signer_new(struct cella_signer **out) {
    *out = calloc(1, sizeof(**out));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for a signer");
    pthread_rwlock_init(&(*out)->lock, NULL);
    return CELLA_SUCCESS;
}

void cella_signer_free(struct cella_signer **signer) {
    if (!*signer) return;
    cella_jose_key_free(&(*signer)->key);
    json_decref((*signer)->header);
    pthread_rwlock_destroy(&(*signer)->lock);
    free(*signer);
    *signer = NULL;
}

/* --- Reading --- */

static bool add_base64(json_t *to, const char *name, struct cella_bytes bytes, bool url) {
    CELLA_BUFFER text = {0};
    struct cella_result result = cella_base64_encode(bytes, url, &text);
    json_t *value = cella_failed(result) ? NULL : json_stringn((const char *)text.data, text.size);
    cella_result_drop(result);
    return name ? json_object_set_new(to, name, value) == 0 : json_array_append_new(to, value) == 0;
}

static CELLA_RESULT describe(const struct cella_bytes *der, size_t count, json_t **out) {
    uint8_t sha1[20], sha256[32];
    char kid[41];
    TRY(cella_hash(CELLA_HASH_SHA1, der, 1, sha1));
    TRY(cella_sha256(der[0], sha256));
    cella_hex_encode(CELLA_BYTES_OF(sha1), kid);
    for (char *c = kid; *c; c++)
        if (*c >= 'a') *c = (char)(*c - 'a' + 'A');
    CELLA_JSON made = json_pack("{s:s, s:s, s:[]}", "kid", kid, "typ", "JWT", "x5c");
    bool good = made && add_base64(made, "x5t", CELLA_BYTES_OF(sha1), true) &&
                add_base64(made, "x5t#S256", CELLA_BYTES_OF(sha256), true);
    for (size_t i = 0; good && i < count; i++)
        good = add_base64(json_object_get(made, "x5c"), NULL, der[i], false);
    ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for a signer");
    *out = json_incref(made);
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_key(struct cella_bytes pem, struct cella_jose_key **out) {
    CELLA_SECRET der = {0};
    CELLA_BUFFER raw = {0};
    size_t at = 0;
    bool found = false;
    TRY(cella_pem_next(pem, "PRIVATE KEY", &at, &raw, &found));
    struct cella_result result =
        found ? cella_secret_from(cella_buffer_bytes(&raw), &der)
              : CELLA_FAILURE(CELLA_ERR_FORMAT, "openssl pkcs8 -topk8 -nocrypt -in KEY",
                              "the server's key: expected PKCS#8 in PEM (BEGIN PRIVATE KEY)");
    if (raw.data) cella_wipe(raw.data, raw.capacity);
    TRY(result);
    return cella_jose_key_private(cella_secret_bytes(&der), out);
}

static CELLA_RESULT check_fits(const struct cella_jose_key *key, struct cella_bytes leaf) {
    CELLA_JOSE_KEY certified = NULL;
    uint8_t ours[32], theirs[32];
    TRY(cella_jose_key_certificate(leaf, &certified));
    TRY(cella_jose_key_thumbprint(key, ours));
    TRY(cella_jose_key_thumbprint(certified, theirs));
    ENSURE(cella_equal(ours, theirs, sizeof(ours)), CELLA_ERR_INTEGRITY, NULL,
           "the key does not fit the certificate");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_signer_set(struct cella_signer *signer, struct cella_bytes chain,
                              struct cella_bytes key) {
    uint8_t storage[CHAIN_BYTES];
    struct cella_bytes der[CHAIN_MAX];
    size_t count = 0;
    CELLA_JOSE_KEY fresh = NULL;
    CELLA_JSON header = NULL;
    TRY(cella_pem_certificates(chain, storage, sizeof(storage), der, CHAIN_MAX, &count));
    ENSURE(count > 0, CELLA_ERR_FORMAT, NULL, "expected a certificate in PEM");
    TRY(read_key(key, &fresh));
    TRY(check_fits(fresh, der[0]));
    TRY(describe(der, count, &header));
    pthread_rwlock_wrlock(&signer->lock);
    struct cella_jose_key *old_key = signer->key;
    json_t *old_header = signer->header;
    signer->key = MOVE(fresh);
    signer->header = MOVE(header);
    pthread_rwlock_unlock(&signer->lock);
    cella_jose_key_free(&old_key);
    json_decref(old_header);
    return CELLA_SUCCESS;
}

/* --- Signing --- */

/* The header's own copy: a tree's counts are not for several threads. */
static CELLA_RESULT sign(const struct cella_signer *signer, struct cella_bytes payload,
                         struct cella_buffer *jws) {
    CELLA_JSON header = json_deep_copy(signer->header);
    ENSURE(header, CELLA_ERR_INTERNAL, NULL, "no certificate to sign releases with");
    bool rsa = cella_jose_key_kind(signer->key) == CELLA_JOSE_RSA;
    unsigned algorithm =
        rsa ? CELLA_JOSE_RS256 : cella_jose_key_algorithms(signer->key); /* a curve has but one */
    return cella_jws_sign(signer->key, algorithm, header, payload, jws);
}

CELLA_RESULT cella_signer_sign(struct cella_signer *signer, struct cella_bytes payload,
                               struct cella_buffer *jws) {
    pthread_rwlock_rdlock(&signer->lock);
    struct cella_result result = sign(signer, payload, jws);
    pthread_rwlock_unlock(&signer->lock);
    return result;
}
