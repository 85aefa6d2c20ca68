#include "attest/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/tokens_inner.h"
#include "base/text.h"
#include "crypto/digest.h"

enum { TOKEN_S = 28800, ROTATE_S = 90 * 86400, LIFETIME_MAX_S = 366 * 86400, JTI_SIZE = 32 };

/* --- Life --- */

static struct token_ring *take_ring(struct cella_tokens *tokens) {
    pthread_mutex_lock(&tokens->lock);
    struct token_ring *ring = tokens->ring;
    ring->holders++;
    pthread_mutex_unlock(&tokens->lock);
    return ring;
}

static void drop_ring(struct cella_tokens *tokens, struct token_ring *ring) {
    pthread_mutex_lock(&tokens->lock);
    bool last = --ring->holders == 0;
    pthread_mutex_unlock(&tokens->lock);
    if (last) token_ring_free(&ring);
}

/* The lent ring of a scope. */
struct lent {
    struct cella_tokens *tokens;
    struct token_ring *ring;
};
static void give_back(const struct lent *lent) { drop_ring(lent->tokens, lent->ring); }
#define LENT __attribute__((cleanup(give_back))) const struct lent

static void set_ring(struct cella_tokens *tokens, struct token_ring *ring) {
    ring->holders = 1;
    pthread_mutex_lock(&tokens->lock);
    struct token_ring *old = tokens->ring;
    tokens->ring = ring;
    pthread_mutex_unlock(&tokens->lock);
    if (old) drop_ring(tokens, old);
}

static struct cella_result reload(struct cella_tokens *tokens, uint64_t now_unix) {
    struct token_ring *ring = NULL;
    TRY(tokens_read(tokens, &ring));
    struct token_times times[TOKENS_KEYS];
    for (size_t i = 0; i < ring->count; i++) times[i] = ring->key[i].times;
    if (token_signer(times, ring->count, tokens->rules.algorithm, now_unix) == TOKENS_NONE) {
        token_ring_free(&ring);
        FAIL(CELLA_ERR_LIMIT, "wait until old keys may go, or use another instance name",
             "attestation instance %s has %d signing keys of another algorithm and no room",
             tokens->instance->settings.name, TOKENS_KEYS);
    }
    set_ring(tokens, ring);
    return CELLA_SUCCESS;
}

static struct cella_result set_up(const struct cella_attest_instance *instance,
                                  struct cella_tokens *tokens) {
    const struct cella_attest_settings *settings = &instance->settings;
    unsigned algorithm = settings->algorithm ? settings->algorithm : CELLA_JOSE_RS256;
    ENSURE(algorithm == CELLA_JOSE_RS256 || algorithm == CELLA_JOSE_ES256, CELLA_ERR_USAGE,
           "set the algorithm to RS256 or ES256",
           "attestation instance %s signs tokens with an algorithm that is neither",
           settings->name);
    uint64_t rotate_s = settings->rotate_s ? settings->rotate_s : ROTATE_S;
    uint64_t lead_s = rotate_s / 4 < TOKENS_LEAD_S ? rotate_s / 4 : TOKENS_LEAD_S;
    tokens->instance = instance;
    tokens->rules = (struct token_rules){algorithm, rotate_s, lead_s};
    tokens->lifetime_s = settings->token_s ? settings->token_s : TOKEN_S;
    int size = snprintf(tokens->jku, sizeof(tokens->jku), "%s/certs", settings->url);
    ENSURE(size > 0 && (size_t)size < sizeof(tokens->jku), CELLA_ERR_LIMIT, NULL,
           "attestation instance %s has a URL of more than %d characters", settings->name,
           TOKENS_URL);
    ENSURE(tokens->lifetime_s <= LIFETIME_MAX_S, CELLA_ERR_USAGE, "set a year or less",
           "attestation instance %s: tokens live for %u s", settings->name, tokens->lifetime_s);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tokens_new(const struct cella_attest_instance *instance, uint64_t now_unix,
                              struct cella_tokens **out) {
    __attribute__((cleanup(cella_tokens_free))) struct cella_tokens *tokens =
        calloc(1, sizeof(*tokens));
    ENSURE(tokens, CELLA_ERR_MEMORY, NULL, "no memory for the tokens of an instance");
    pthread_mutex_init(&tokens->lock, NULL);
    TRY(set_up(instance, tokens));
    TRY(tokens_migrate(tokens));
    TRY(cella_tokens_tend(tokens, now_unix));
    *out = MOVE(tokens);
    return CELLA_SUCCESS;
}

void cella_tokens_free(struct cella_tokens **tokens) {
    struct cella_tokens *t = *tokens;
    if (!t) return;
    if (t->ring) drop_ring(t, t->ring);
    pthread_mutex_destroy(&t->lock);
    free(t);
    *tokens = NULL;
}

/* Whether the store still has what is in memory; then nothing is read again. */
static struct cella_result is_current(struct cella_tokens *tokens, bool *current) {
    struct token_rows rows;
    *current = false;
    if (!tokens->ring) return CELLA_SUCCESS;
    CELLA_SESSION session = NULL;
    TRY(cella_session_begin(tokens->instance->database, false, &session));
    TRY(tokens_rows(tokens, session, &rows));
    LENT lent = {tokens, take_ring(tokens)};
    bool same = rows.count == lent.ring->count;
    for (size_t i = 0; i < rows.count && same; i++)
        same = strcmp(rows.row[i].kid, lent.ring->key[i].kid) == 0 &&
               rows.row[i].times.signs_unix == lent.ring->key[i].times.signs_unix;
    *current = same;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tokens_tend(struct cella_tokens *tokens, uint64_t now_unix) {
    bool current = false;
    TRY(tokens_carry_out(tokens, now_unix));
    TRY(is_current(tokens, &current));
    return current ? CELLA_SUCCESS : reload(tokens, now_unix);
}

CELLA_RESULT cella_tokens_keyset(struct cella_tokens *tokens, struct cella_buffer *out) {
    LENT lent = {tokens, take_ring(tokens)};
    return cella_buffer_append(out, cella_buffer_bytes(&lent.ring->keyset));
}

/* --- Tokens --- */

static struct cella_result add_jti(json_t *claims) {
    uint8_t random[JTI_SIZE];
    char text[2 * JTI_SIZE + 1];
    TRY(cella_random(random, sizeof(random)));
    cella_hex_encode(CELLA_BYTES_OF(random), text);
    ENSURE(json_object_set_new(claims, "jti", json_string(text)) == 0, CELLA_ERR_MEMORY, NULL,
           "no memory for a token");
    return CELLA_SUCCESS;
}

static struct cella_result payload_of(const struct cella_tokens *tokens, json_t *claims,
                                      uint64_t now_unix, uint32_t lifetime_s, bool with_jti,
                                      char **out) {
    uint64_t issued =
        now_unix > CELLA_TOKENS_BACKDATE_S ? now_unix - CELLA_TOKENS_BACKDATE_S : now_unix;
    int failed = json_object_set_new(claims, "iss", json_string(tokens->instance->settings.url));
    failed |= json_object_set_new(claims, "iat", json_integer((json_int_t)issued));
    failed |= json_object_set_new(claims, "nbf", json_integer((json_int_t)issued));
    failed |= json_object_set_new(claims, "exp", json_integer((json_int_t)(issued + lifetime_s)));
    ENSURE(!failed, CELLA_ERR_MEMORY, NULL, "no memory for a token");
    if (with_jti) TRY(add_jti(claims));
    *out = json_dumps(claims, JSON_COMPACT | JSON_SORT_KEYS);
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for a token, or its claims are no JSON");
    return CELLA_SUCCESS;
}

static struct token_key *signer_of(const struct cella_tokens *tokens, struct token_ring *ring,
                                   uint64_t now_unix) {
    struct token_times times[TOKENS_KEYS];
    for (size_t i = 0; i < ring->count; i++) times[i] = ring->key[i].times;
    size_t index = token_signer(times, ring->count, tokens->rules.algorithm, now_unix);
    return index == TOKENS_NONE ? NULL : &ring->key[index];
}

/* A key must stay as long as its longest token: known to the store before the token is out. */
static struct cella_result remember_lifetime(const struct cella_tokens *tokens,
                                             struct token_key *key, uint32_t lifetime_s) {
    ENSURE(lifetime_s <= LIFETIME_MAX_S, CELLA_ERR_USAGE, NULL,
           "a token is to live for %u s, expected up to a year", lifetime_s);
    if (lifetime_s <= atomic_load(&key->lifetime_s)) return CELLA_SUCCESS;
    TRY(tokens_extend(tokens, key->kid, lifetime_s));
    atomic_store(&key->lifetime_s, lifetime_s);
    return CELLA_SUCCESS;
}

enum header { HEADER_PLAIN, HEADER_X5C, HEADER_X5T };

static const json_t *header_of(const struct token_key *key, enum header header) {
    if (header == HEADER_X5C) return key->header_x5c;
    return header == HEADER_X5T ? key->header_x5t : key->header;
}

static struct cella_result sign(struct cella_tokens *tokens, json_t *claims, uint64_t now_unix,
                                uint32_t lifetime_s, bool with_jti, bool unsecured,
                                enum header header, struct cella_buffer *out) {
    LENT lent = {tokens, take_ring(tokens)};
    struct token_key *key = signer_of(tokens, lent.ring, now_unix);
    char *payload = NULL;
    if (!lifetime_s) lifetime_s = tokens->lifetime_s;
    ENSURE(key, CELLA_ERR_INTERNAL, NULL, "attestation instance %s has no signing key",
           tokens->instance->settings.name);
    if (!unsecured) TRY(remember_lifetime(tokens, key, lifetime_s));
    TRY(payload_of(tokens, claims, now_unix, lifetime_s, with_jti, &payload));
    struct cella_result r =
        cella_jws_sign(unsecured ? NULL : key->key,
                       unsecured ? (unsigned)CELLA_JOSE_NONE : key->times.algorithm,
                       header_of(key, header), cella_bytes_text(payload), out);
    free(payload);
    return r;
}

CELLA_RESULT cella_tokens_sign(struct cella_tokens *tokens, json_t *claims, uint64_t now_unix,
                               uint32_t lifetime_s, bool with_jti, struct cella_buffer *out) {
    return sign(tokens, claims, now_unix, lifetime_s, with_jti, false, HEADER_PLAIN, out);
}

CELLA_RESULT cella_tokens_sign_x5(struct cella_tokens *tokens, json_t *claims, uint64_t now_unix,
                                  uint32_t lifetime_s, bool x5t, struct cella_buffer *out) {
    return sign(tokens, claims, now_unix, lifetime_s, true, false, x5t ? HEADER_X5T : HEADER_X5C,
                out);
}

CELLA_RESULT cella_tokens_unsecured(struct cella_tokens *tokens, json_t *claims, uint64_t now_unix,
                                    uint32_t lifetime_s, struct cella_buffer *out) {
    return sign(tokens, claims, now_unix, lifetime_s, true, true, HEADER_PLAIN, out);
}
