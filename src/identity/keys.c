/* The issuer's signing keys: made in the store, so that every process over it signs with the same
 * one at the same time, and published some time before they sign. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "identity/issuer_inner.h"

enum {
    RSA_BITS = 2048,
    DAY_S = 86400,
    YEAR_S = 366 * DAY_S,
    ANNOUNCE_S = 600, /* other processes look every few seconds, other programs' caches later */
};

/* --- Holding --- */

struct ring *ring_hold(struct cella_issuer *issuer) {
    pthread_mutex_lock(&issuer->lock);
    struct ring *ring = issuer->ring;
    atomic_fetch_add(&ring->holders, 1);
    pthread_mutex_unlock(&issuer->lock);
    return ring;
}

void ring_release(struct ring **ring) {
    struct ring *r = *ring;
    *ring = NULL;
    if (!r || atomic_fetch_sub(&r->holders, 1) != 1) return;
    for (size_t i = 0; i < r->count; i++) cella_jose_key_free(&r->key[i].key);
    free(r->jwks);
    free(r);
}

/* The newest that signs already; when the clock went back before all, the oldest. */
const struct ring_key *ring_signer(const struct ring *ring, uint64_t now_unix) {
    const struct ring_key *signer = &ring->key[0];
    for (size_t i = 1; i < ring->count; i++)
        if (ring->key[i].signs_unix <= now_unix) signer = &ring->key[i];
    return signer;
}

/* --- Making --- */

static CELLA_RESULT make_kid(const struct cella_jose_key *key, char kid[KID_SIZE]) {
    uint8_t thumbprint[32];
    CELLA_BUFFER text = {0};
    TRY(cella_jose_key_thumbprint(key, thumbprint));
    TRY(cella_base64_encode(CELLA_BYTES_OF(thumbprint), true, &text));
    ENSURE(text.size < KID_SIZE, CELLA_ERR_INTERNAL, NULL, "a kid of %zu characters", text.size);
    memcpy(kid, text.data, text.size);
    kid[text.size] = 0;
    return CELLA_SUCCESS;
}

static void seal_context(const char *kid, char context[96]) {
    snprintf(context, 96, "identity|signing key|%s", kid);
}

struct made_key {
    struct cella_jose_key *key;
    char kid[KID_SIZE];
};
static void made_free(struct made_key *made) { cella_jose_key_free(&made->key); }
#define MADE_KEY __attribute__((cleanup(made_free))) struct made_key

static CELLA_RESULT make_key(struct made_key *out) {
    TRY(cella_jose_key_new(CELLA_JOSE_RSA, RSA_BITS, &out->key));
    return make_kid(out->key, out->kid);
}

static CELLA_RESULT insert(const struct cella_issuer *issuer, struct cella_session *session,
                           const struct made_key *made, uint64_t now_unix, uint64_t signs_unix) {
    char context[96];
    CELLA_SECRET pkcs8 = {0};
    CELLA_BUFFER sealed = {0}, certificate = {0};
    struct cella_jose_certificate as = {.common_name = issuer->url,
                                        .not_before_unix = now_unix > DAY_S ? now_unix - DAY_S : 0,
                                        .not_after_unix =
                                            signs_unix + 2 * (uint64_t)issuer->rotate_s + YEAR_S};
    seal_context(made->kid, context);
    TRY(cella_jose_key_export(made->key, &pkcs8));
    TRY(cella_sealer_seal(issuer->sealer, context, cella_secret_bytes(&pkcs8), &sealed));
    TRY(cella_jose_certify(made->key, &as, &certificate));
    const struct cella_value row[] = {text_value(made->kid), time_value(now_unix),
                                      time_value(signs_unix),
                                      cella_value_bytes(cella_buffer_bytes(&sealed)),
                                      cella_value_bytes(cella_buffer_bytes(&certificate))};
    return cella_execute(session,
                         "INSERT INTO identity_key (kid, made_unix, signs_unix, sealed,"
                         " certificate) VALUES (?, ?, ?, ?, ?)",
                         row, 5, NULL);
}

/* --- Reading --- */

/* What the store has, without the keys themselves. */
struct rows {
    size_t count;
    struct {
        char kid[KID_SIZE];
        uint64_t signs_unix;
    } row[RING_KEYS];
};

static CELLA_RESULT read_rows(struct cella_session *session, struct rows *out) {
    CELLA_ROWS rows = NULL;
    bool there = false;
    out->count = 0;
    TRY(cella_query(session, "SELECT kid, signs_unix FROM identity_key ORDER BY signs_unix, kid",
                    NULL, 0, &rows));
    for (;;) {
        TRY(cella_rows_next(rows, &there));
        if (!there) return CELLA_SUCCESS;
        ENSURE(out->count < RING_KEYS, CELLA_ERR_INTEGRITY, NULL,
               "the issuer has more than %d signing keys in the store", RING_KEYS);
        ENSURE(cella_rows_text(rows, 0, out->row[out->count].kid, KID_SIZE), CELLA_ERR_INTEGRITY,
               NULL, "a signing key's kid in the store is too long");
        out->row[out->count++].signs_unix = (uint64_t)cella_rows_integer(rows, 1);
    }
}

static bool same_rows(const struct ring *ring, const struct rows *rows) {
    if (!ring || ring->count != rows->count) return false;
    for (size_t i = 0; i < rows->count; i++)
        if (strcmp(ring->key[i].kid, rows->row[i].kid) != 0 ||
            ring->key[i].signs_unix != rows->row[i].signs_unix)
            return false;
    return true;
}

static json_t *base64_json(struct cella_bytes bytes) {
    CELLA_BUFFER text = {0};
    struct cella_result r = cella_base64_encode(bytes, false, &text);
    bool failed = cella_failed(r);
    cella_result_drop(r);
    return failed ? NULL : json_stringn((const char *)text.data, text.size);
}

static CELLA_RESULT add_jwk(json_t *keys, const struct ring_key *key,
                            struct cella_bytes certificate) {
    json_t *jwk = cella_jose_key_members(key->key);
    bool good = jwk && json_object_set_new(jwk, "use", json_string("sig")) == 0 &&
                json_object_set_new(jwk, "alg", json_string("RS256")) == 0 &&
                json_object_set_new(jwk, "kid", json_string(key->kid)) == 0 &&
                json_object_set_new(jwk, "x5c", json_pack("[o]", base64_json(certificate))) == 0;
    good = json_array_append_new(keys, jwk) == 0 && good;
    ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for a key set");
    return CELLA_SUCCESS;
}

static CELLA_RESULT open_key(const struct cella_issuer *issuer, struct cella_session *session,
                             struct ring_key *key, json_t *keys) {
    const struct cella_value kid = text_value(key->kid);
    char context[96];
    bool there = false;
    CELLA_SECRET pkcs8 = {0};
    CELLA_ROWS rows = NULL;
    TRY(cella_query(session, "SELECT sealed, certificate FROM identity_key WHERE kid = ?", &kid, 1,
                    &rows));
    TRY(cella_rows_next(rows, &there));
    ENSURE(there, CELLA_ERR_INTERNAL, NULL, "a signing key went away while it was read");
    seal_context(key->kid, context);
    TRY_IN(cella_sealer_unseal(issuer->sealer, context, cella_rows_bytes(rows, 0), &pkcs8),
           "signing key %s of the issuer", key->kid);
    TRY(cella_jose_key_private(cella_secret_bytes(&pkcs8), &key->key));
    return add_jwk(keys, key, cella_rows_bytes(rows, 1));
}

static CELLA_RESULT load(const struct cella_issuer *issuer, struct cella_session *session,
                         const struct rows *rows, struct ring **out) {
    CELLA_JSON set = json_pack("{s:[]}", "keys");
    RING ring = calloc(1, sizeof(*ring));
    ENSURE(ring && set && rows->count > 0, CELLA_ERR_MEMORY, NULL, "no memory for signing keys");
    atomic_init(&ring->holders, 1);
    for (size_t i = 0; i < rows->count; i++) {
        struct ring_key *key = &ring->key[i];
        memcpy(key->kid, rows->row[i].kid, KID_SIZE);
        key->signs_unix = rows->row[i].signs_unix;
        ring->count = i + 1;
        TRY(open_key(issuer, session, key, json_object_get(set, "keys")));
    }
    ring->jwks = json_dumps(set, JSON_COMPACT);
    ENSURE(ring->jwks, CELLA_ERR_MEMORY, NULL, "no memory for a key set");
    *out = MOVE(ring);
    return CELLA_SUCCESS;
}

/* In a session that sees the store as it is; the ring in use is replaced only by one that opened
 * whole. */
static CELLA_RESULT follow(struct cella_issuer *issuer, struct cella_session *session,
                           bool *changed) {
    struct rows rows;
    struct ring *ring = NULL;
    TRY(read_rows(session, &rows));
    *changed = !same_rows(issuer->ring, &rows);
    if (!*changed) return CELLA_SUCCESS;
    TRY(load(issuer, session, &rows, &ring));
    pthread_mutex_lock(&issuer->lock);
    struct ring *old = issuer->ring;
    issuer->ring = ring;
    pthread_mutex_unlock(&issuer->lock);
    ring_release(&old);
    return CELLA_SUCCESS;
}

/* --- Rotation --- */

/* The clock went back after a key was made: it must not wait for a time that is years away. */
static bool is_late(const struct rows *rows, uint64_t now_unix) {
    return rows->count > 0 && rows->row[rows->count - 1].signs_unix > now_unix + 2 * ANNOUNCE_S;
}

static bool is_due(const struct cella_issuer *issuer, const struct rows *rows, uint64_t now_unix) {
    if (rows->count == 0) return true;
    return rows->count < RING_KEYS &&
           rows->row[rows->count - 1].signs_unix + issuer->rotate_s <= now_unix + ANNOUNCE_S;
}

/* A key is kept until the last token that it may have signed has ended for every clock. */
static bool is_over(const struct rows *rows, size_t i, uint64_t now_unix) {
    return i + 1 < rows->count &&
           rows->row[i + 1].signs_unix + CELLA_ISSUER_TOKEN_S_MAX + 5 * IDENTITY_SKEW_S < now_unix;
}

static CELLA_RESULT pull(struct cella_session *session, struct rows *rows, uint64_t now_unix) {
    size_t last = rows->count - 1;
    const struct cella_value argument[] = {time_value(now_unix), text_value(rows->row[last].kid)};
    if (!is_late(rows, now_unix)) return CELLA_SUCCESS;
    cella_log(CELLA_LOG_WARN, "issuer: the clock went back; key %s signs from now on",
              rows->row[last].kid);
    return cella_execute(session, "UPDATE identity_key SET signs_unix = ? WHERE kid = ?", argument,
                         2, NULL);
}

static CELLA_RESULT forget(struct cella_session *session, const struct rows *rows,
                           uint64_t now_unix) {
    for (size_t i = 0; i < rows->count; i++) {
        const struct cella_value kid = text_value(rows->row[i].kid);
        if (!is_over(rows, i, now_unix)) continue;
        cella_log(CELLA_LOG_INFO, "issuer: signing key %s is forgotten", rows->row[i].kid);
        TRY(cella_execute(session, "DELETE FROM identity_key WHERE kid = ?", &kid, 1, NULL));
    }
    return CELLA_SUCCESS;
}

static bool has_work(const struct cella_issuer *issuer, const struct rows *rows,
                     uint64_t now_unix) {
    bool work = is_due(issuer, rows, now_unix) || is_late(rows, now_unix);
    for (size_t i = 0; i < rows->count; i++) work = work || is_over(rows, i, now_unix);
    return work;
}

/* Decided anew under the writer's lock: of several processes over one store one makes the key, and
 * the others find it made. The key itself is made before, since that takes long. */
static CELLA_RESULT change(struct cella_issuer *issuer, const struct made_key *made,
                           uint64_t now_unix) {
    struct rows rows;
    CELLA_SESSION session = NULL;
    TRY(cella_session_begin(issuer->database, true, &session));
    TRY(read_rows(session, &rows));
    if (rows.count > 0) TRY(pull(session, &rows, now_unix));
    TRY(forget(session, &rows, now_unix));
    if (made->key && is_due(issuer, &rows, now_unix)) {
        uint64_t signs = rows.count > 0 ? now_unix + ANNOUNCE_S : now_unix;
        TRY(insert(issuer, session, made, now_unix, signs));
        cella_log(CELLA_LOG_INFO, "issuer: new signing key %s", made->kid);
    }
    return cella_session_commit(&session);
}

static CELLA_RESULT look(struct cella_issuer *issuer, struct rows *rows) {
    CELLA_SESSION session = NULL;
    TRY(cella_session_begin(issuer->database, false, &session));
    return read_rows(session, rows);
}

CELLA_RESULT ring_tend(struct cella_issuer *issuer, uint64_t now_unix, bool *changed) {
    struct rows rows;
    MADE_KEY made = {.key = NULL};
    CELLA_SESSION session = NULL;
    TRY(look(issuer, &rows));
    if (is_due(issuer, &rows, now_unix)) TRY(make_key(&made));
    if (has_work(issuer, &rows, now_unix)) TRY(change(issuer, &made, now_unix));
    TRY(cella_session_begin(issuer->database, false, &session));
    return follow(issuer, session, changed);
}

CELLA_RESULT ring_open(struct cella_issuer *issuer, uint64_t now_unix) {
    bool changed = false;
    return ring_tend(issuer, now_unix, &changed);
}
