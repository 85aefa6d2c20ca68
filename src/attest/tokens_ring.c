/* The signing keys in memory: opened, with their headers and the body of /certs made beforehand. */
#include <stdlib.h>
#include <string.h>

#include "attest/tokens_inner.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/x509.h"

void token_ring_free(struct token_ring **ring) {
    struct token_ring *r = *ring;
    if (!r) return;
    for (size_t i = 0; i < r->count; i++) {
        cella_jose_key_free(&r->key[i].key);
        cella_buffer_free(&r->key[i].certificate);
        json_decref(r->key[i].header);
        json_decref(r->key[i].header_x5c);
        json_decref(r->key[i].header_x5t);
    }
    cella_buffer_free(&r->keyset);
    free(r);
    *ring = NULL;
}
#define RING __attribute__((cleanup(token_ring_free))) struct token_ring *

static json_t *text_of(const struct cella_buffer *buffer) {
    return json_stringn((const char *)buffer->data, buffer->size);
}

static struct cella_result make_headers(const struct cella_tokens *tokens, struct token_key *key) {
    CELLA_BUFFER x5c = {0}, x5t = {0};
    uint8_t thumbprint[CELLA_HASH_SIZE_MAX];
    struct cella_bytes der = cella_buffer_bytes(&key->certificate);
    TRY(cella_base64_encode(der, false, &x5c));
    TRY(cella_hash(CELLA_HASH_SHA1, &der, 1, thumbprint)); /* RFC 7515 section 4.1.7 */
    TRY(cella_base64_encode(cella_bytes(thumbprint, cella_hash_size(CELLA_HASH_SHA1)), true, &x5t));
    key->header = json_pack("{s:s, s:s, s:s}", "jku", tokens->jku, "kid", key->kid, "typ", "JWT");
    key->header_x5c = json_copy(key->header);
    key->header_x5t = json_copy(key->header);
    CELLA_JSON chain = json_array();
    ENSURE(json_array_append_new(chain, text_of(&x5c)) == 0 &&
               json_object_set(key->header_x5c, "x5c", chain) == 0 &&
               json_object_set_new(key->header_x5t, "x5t", text_of(&x5t)) == 0,
           CELLA_ERR_MEMORY, NULL, "no memory for the header of tokens");
    return CELLA_SUCCESS;
}

/* Whether the certificate shows what the service has to show. */
static bool shows_evidence(const struct cella_attest_settings *settings,
                           const struct cella_certificate *certificate) {
    static const uint8_t oid[] = {0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x69, 0x01};
    struct cella_bytes value, evidence = settings->evidence;
    if (settings->evidence_over)
        return cella_certificate_extension(certificate, CELLA_BYTES_OF(oid), &value);
    return !evidence.size ||
           memmem(certificate->der.data, certificate->der.size, evidence.data, evidence.size);
}

/* The service may have got evidence since the key was made, or other evidence. */
static struct cella_result renew_certificate(const struct cella_tokens *tokens,
                                             struct token_key *key) {
    struct cella_certificate old;
    CELLA_BUFFER der = {0};
    TRY(cella_certificate_parse(cella_buffer_bytes(&key->certificate), &old));
    if (shows_evidence(&tokens->instance->settings, &old)) return CELLA_SUCCESS;
    TRY(token_certify(tokens, key->key, old.not_before_unix, old.not_after_unix, &der));
    TRY(tokens_certificate_store(tokens, key->kid, cella_buffer_bytes(&der)));
    cella_buffer_free(&key->certificate);
    key->certificate = MOVE(der);
    return CELLA_SUCCESS;
}

static struct cella_result open_key(const struct cella_tokens *tokens, struct token_key *key,
                                    struct cella_bytes sealed) {
    CELLA_BUFFER context = {0};
    CELLA_SECRET pkcs8 = {0};
    char kid[TOKENS_KID];
    TRY(token_context(tokens, key->kid, &context));
    TRY_IN(cella_sealer_unseal(tokens->instance->sealer, (const char *)context.data, sealed,
                               &pkcs8),
           "signing key %s of attestation instance %s", key->kid, tokens->instance->settings.name);
    TRY(cella_jose_key_private(cella_secret_bytes(&pkcs8), &key->key));
    TRY(token_kid(key->key, kid));
    ENSURE(strcmp(kid, key->kid) == 0 &&
               (cella_jose_key_algorithms(key->key) & key->times.algorithm),
           CELLA_ERR_INTEGRITY, "restore the database from a backup",
           "signing key %s of attestation instance %s is another key in the store", key->kid,
           tokens->instance->settings.name);
    return CELLA_SUCCESS;
}

static struct cella_result read_key(const struct cella_tokens *tokens,
                                    struct cella_session *session, struct token_key *key,
                                    struct cella_buffer *sealed) {
    const struct cella_value argument[] = {cella_value_text(tokens->instance->settings.name),
                                           cella_value_text(key->kid)};
    CELLA_ROWS rows = NULL;
    bool there = false;
    TRY(cella_query(session,
                    "SELECT sealed, certificate FROM attest_tokens_key"
                    " WHERE instance = ? AND kid = ?",
                    argument, 2, &rows));
    TRY(cella_rows_next(rows, &there));
    ENSURE(there, CELLA_ERR_INTERNAL, NULL, "a signing key went within a transaction");
    TRY(cella_buffer_append(sealed, cella_rows_bytes(rows, 0)));
    return cella_buffer_append(&key->certificate, cella_rows_bytes(rows, 1));
}

static struct cella_result make_keyset(struct token_ring *ring) {
    CELLA_JSON keys = json_array();
    for (size_t i = 0; i < ring->count; i++) {
        struct token_key *key = &ring->key[i];
        CELLA_JSON entry = cella_jose_key_members(key->key);
        int failed = json_object_set_new(entry, "kid", json_string(key->kid));
        failed |= json_object_set_new(entry, "use", json_string("sig"));
        failed |=
            json_object_set_new(entry, "alg", json_string(cella_jose_name(key->times.algorithm)));
        failed |= json_object_set(entry, "x5c", json_object_get(key->header_x5c, "x5c"));
        failed |= json_array_append(keys, entry);
        ENSURE(!failed, CELLA_ERR_MEMORY, NULL, "no memory for the key set");
    }
    CELLA_JSON body = json_pack("{s:O}", "keys", keys);
    char *text = body ? json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for the key set");
    struct cella_result r = cella_buffer_append(&ring->keyset, cella_bytes_text(text));
    free(text);
    return r;
}

CELLA_RESULT tokens_read(const struct cella_tokens *tokens, struct token_ring **out) {
    struct cella_buffer sealed[TOKENS_KEYS] = {{0}};
    struct cella_result r = CELLA_SUCCESS;
    struct token_rows rows;
    RING ring = calloc(1, sizeof(*ring));
    ENSURE(ring, CELLA_ERR_MEMORY, NULL, "no memory for signing keys");
    {
        CELLA_SESSION session = NULL;
        TRY(cella_session_begin(tokens->instance->database, false, &session));
        TRY(tokens_rows(tokens, session, &rows));
        ring->count = rows.count;
        for (size_t i = 0; i < rows.count && !cella_failed(r); i++) {
            memcpy(ring->key[i].kid, rows.row[i].kid, TOKENS_KID);
            ring->key[i].times = rows.row[i].times;
            atomic_init(&ring->key[i].lifetime_s, rows.row[i].times.lifetime_s);
            r = read_key(tokens, session, &ring->key[i], &sealed[i]);
        }
    }
    for (size_t i = 0; i < ring->count && !cella_failed(r); i++) {
        r = open_key(tokens, &ring->key[i], cella_buffer_bytes(&sealed[i]));
        if (!cella_failed(r)) r = renew_certificate(tokens, &ring->key[i]);
        if (!cella_failed(r)) r = make_headers(tokens, &ring->key[i]);
    }
    for (size_t i = 0; i < TOKENS_KEYS; i++) cella_buffer_free(&sealed[i]);
    TRY(r);
    TRY(make_keyset(ring));
    *out = MOVE(ring);
    return CELLA_SUCCESS;
}
