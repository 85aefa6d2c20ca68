/* Access tokens of others and of our own: what they say is believed after every check (A24 to A27,
 * K01, K02). */
#include <stdio.h>
#include <strings.h>

#include "identity/believed.h"

enum {
    TOKEN_MAX = 32768, /* more than any header may be */
    KEPT_MAX = 8192,   /* longer ones are checked each time */
    AUDIENCES_MAX = 64
};
static const char hint[] = "get a new token from an issuer that this server knows";

void issuers_token_free(struct issuers_token *token) {
    json_decref(token->claims);
    token->claims = NULL;
}

/* Every refusal is one kind of error for the caller; the reason stays. */
static struct cella_result refusal(struct cella_result r) {
    enum cella_code code = cella_code_of(r);
    if (code == CELLA_OK || code == CELLA_ERR_MEMORY || code == CELLA_ERR_PERMISSION) return r;
    struct cella_result out =
        CELLA_FAILURE(CELLA_ERR_PERMISSION, r.error->hint, "%s", r.error->what);
    cella_result_drop(r);
    return out;
}

/* --- Claims --- */

/* A text claim of printable ASCII, whole or not at all: cut off, it would be another's. */
static CELLA_RESULT text_claim(const json_t *claims, const char *name, char *out, size_t size) {
    const json_t *value = json_object_get(claims, name);
    out[0] = 0;
    if (!value) return CELLA_SUCCESS;
    struct cella_bytes text = cella_bytes(json_string_value(value), json_string_length(value));
    ENSURE(json_is_string(value) && plain_text(text, size - 1), CELLA_ERR_PERMISSION, hint,
           "token: %s is not a text of 1 to %zu printable characters", name, size - 1);
    memcpy(out, text.data, text.size);
    out[text.size] = 0;
    return CELLA_SUCCESS;
}

/* The first of the claims that is there. */
static CELLA_RESULT first_claim(const json_t *claims, const char *const *name, size_t count,
                                char *out, size_t size) {
    out[0] = 0;
    for (size_t i = 0; i < count && !out[0]; i++) TRY(text_claim(claims, name[i], out, size));
    return CELLA_SUCCESS;
}

static CELLA_RESULT date_claim(const json_t *claims, const char *name, bool needed, uint64_t *out,
                               bool *there) {
    *there = json_object_get(claims, name) != NULL;
    ENSURE(*there || !needed, CELLA_ERR_PERMISSION, hint, "token: %s is missing", name);
    *out = 0;
    ENSURE(!*there || cella_json_date(claims, name, out), CELLA_ERR_PERMISSION, hint,
           "token: %s is not a whole number of seconds", name);
    return CELLA_SUCCESS;
}

CELLA_RESULT token_times(const json_t *claims, uint64_t now_unix) {
    static const char *const starts[] = {"nbf", "iat"};
    uint64_t exp = 0, start = 0;
    bool there = false;
    TRY(date_claim(claims, "exp", true, &exp, &there));
    ENSURE(now_unix < exp + IDENTITY_SKEW_S, CELLA_ERR_PERMISSION, hint,
           "token: it ended at %llu, now is %llu", (unsigned long long)exp,
           (unsigned long long)now_unix);
    for (size_t i = 0; i < 2; i++) {
        TRY(date_claim(claims, starts[i], false, &start, &there));
        if (!there) continue;
        ENSURE(start <= now_unix + IDENTITY_SKEW_S, CELLA_ERR_PERMISSION,
               "set the clocks of issuer and server", "token: %s is %llu, now is %llu", starts[i],
               (unsigned long long)start, (unsigned long long)now_unix);
        ENSURE(start <= exp, CELLA_ERR_PERMISSION, hint, "token: it ends before its %s", starts[i]);
    }
    return CELLA_SUCCESS;
}

/* Equal but for one slash at the end of either. */
static bool same_audience(const char *a, const char *b) {
    size_t m = strlen(a), n = strlen(b);
    if (m > 0 && a[m - 1] == '/') m--;
    if (n > 0 && b[n - 1] == '/') n--;
    return m > 0 && m == n && cella_equal(a, b, m);
}

static bool one_audience(const json_t *value, const char *const *audience, size_t count) {
    const char *text = json_string_value(value);
    if (!text) return false;
    for (size_t i = 0; i < count; i++)
        if (audience[i] && same_audience(text, audience[i])) return true;
    return false;
}

bool token_audience(const json_t *claims, const char *const *audience, size_t count) {
    const json_t *aud = json_object_get(claims, "aud");
    size_t listed = json_array_size(aud);
    if (listed > AUDIENCES_MAX) return false;
    for (size_t i = 0; i < listed; i++)
        if (one_audience(json_array_get(aud, i), audience, count)) return true;
    return one_audience(aud, audience, count);
}

/* --- Tokens --- */

/* RFC 9068 and what everybody else says; in any case (RFC 7515 4.1.9). A token of another kind, a
 * logout token for one, is not for us. */
static bool is_access_token(const char *typ) {
    static const char *const known[] = {"JWT", "at+jwt", "application/at+jwt"};
    for (size_t i = 0; typ && i < sizeof(known) / sizeof(known[0]); i++)
        if (strcasecmp(typ, known[i]) == 0) return true;
    return false;
}

/* By that very kid in that very issuer's set (A25); nothing the header carries is a key (A26), and
 * the key says which algorithms fit (A24). */
static CELLA_RESULT check_signature(const struct cella_jws *jws, const struct issuers_held *held) {
    const struct cella_jose_key *key = NULL;
    TRY(cella_jose_keyset_find(held->keys->set, jws->kid, &key));
    TRY_IN(cella_jws_check(jws, key, CELLA_JOSE_ANY & cella_jose_key_algorithms(key)), "token");
    return CELLA_SUCCESS;
}

/* The tenant that the operator named; a token that names another is not of it. */
static CELLA_RESULT check_tenant(const struct issuers_held *held, struct issuers_token *token) {
    TRY(text_claim(token->claims, "tid", token->tenant, sizeof(token->tenant)));
    if (!held->tenant[0]) return CELLA_SUCCESS;
    ENSURE(!token->tenant[0] || strcasecmp(token->tenant, held->tenant) == 0, CELLA_ERR_PERMISSION,
           hint, "token: tid is not the tenant of its issuer");
    memcpy(token->tenant, held->tenant, sizeof(token->tenant));
    return CELLA_SUCCESS;
}

/* The keys it was checked with go to the caller. */
static CELLA_RESULT verify(const struct cella_issuers *issuers, struct cella_bytes text,
                           enum issuers_typ typ, uint64_t now_unix, struct issuers_token *token,
                           struct issuers_keys **keys) {
    CELLA_JWS jws = {0};
    struct issuers_held held = {.keys = NULL};
    ENSURE(text.size > 0 && text.size <= TOKEN_MAX, CELLA_ERR_PERMISSION, hint,
           "token: %zu bytes, expected 1 to %d", text.size, TOKEN_MAX);
    TRY(cella_jws_open(text, false, &jws));
    ENSURE(typ == ISSUERS_ANY_TYP || is_access_token(jws.typ), CELLA_ERR_PERMISSION, hint,
           "token: typ is neither JWT nor at+jwt");
    ENSURE(jws.kid, CELLA_ERR_PERMISSION, hint, "token: it has no kid");
    /* The one thing that is read before the signature holds: which keys to ask. */
    TRY(cella_jws_object(&jws, &token->claims));
    TRY(text_claim(token->claims, "iss", token->issuer, sizeof(token->issuer)));
    ENSURE(token->issuer[0] && issuers_hold(issuers, token->issuer, &held), CELLA_ERR_PERMISSION,
           "an issuer is named by [issuer NAME] of cella.conf",
           "token: its issuer is not one that this server knows"); /* K01 */
    *keys = held.keys;
    TRY(check_signature(&jws, &held));
    token->own = held.own;
    TRY(token_times(token->claims, now_unix));
    return check_tenant(&held, token);
}

/* Whether the issuer's keys are the very set that the token was checked with. */
static bool still_speaks(const struct cella_issuers *issuers, const char *issuer,
                         const struct issuers_keys *keys) {
    struct issuers_held held = {.keys = NULL};
    bool same = issuers_hold(issuers, issuer, &held) && held.keys == keys;
    issuers_keys_release(&held.keys);
    return same;
}

/* What was found of it before. */
static bool recall(const struct cella_issuers *issuers, const uint8_t digest[CELLA_SHA256_SIZE],
                   struct issuers_token *token) {
    ISSUERS_KEYS keys = NULL;
    if (!believed_find(issuers_believed(issuers), digest, token, &keys)) return false;
    if (still_speaks(issuers, token->issuer, keys)) return true;
    issuers_token_free(token);
    return false;
}

static CELLA_RESULT verify_once(const struct cella_issuers *issuers, struct cella_bytes text,
                                uint64_t now_unix, struct issuers_token *token) {
    ISSUERS_KEYS keys = NULL;
    uint8_t digest[CELLA_SHA256_SIZE];
    if (text.size > KEPT_MAX)
        return verify(issuers, text, ISSUERS_ACCESS_TOKEN, now_unix, token, &keys);
    TRY(cella_sha256(text, digest));
    if (recall(issuers, digest, token)) return token_times(token->claims, now_unix);
    TRY(verify(issuers, text, ISSUERS_ACCESS_TOKEN, now_unix, token, &keys));
    believed_keep(issuers_believed(issuers), digest, token, keys);
    return CELLA_SUCCESS;
}

CELLA_RESULT issuers_verify(const struct cella_issuers *issuers, struct cella_bytes token,
                            enum issuers_typ typ, uint64_t now_unix, struct issuers_token *out) {
    ISSUERS_TOKEN judged = {.claims = NULL};
    ISSUERS_KEYS keys = NULL;
    if (typ == ISSUERS_ACCESS_TOKEN)
        TRY(refusal(verify_once(issuers, token, now_unix, &judged)));
    else
        TRY(refusal(verify(issuers, token, typ, now_unix, &judged, &keys)));
    *out = MOVE(judged);
    return CELLA_SUCCESS;
}

/* --- The header --- */

/* RFC 6750 section 2.1, RFC 9110 section 11.1: the scheme in any case, spaces, one token68. */
static CELLA_RESULT take_token(struct cella_bytes header, struct cella_bytes *token) {
    static const char scheme[] = "Bearer";
    size_t at = sizeof(scheme) - 1;
    ENSURE(header.size > at && strncasecmp((const char *)header.data, scheme, at) == 0 &&
               header.data[at] == ' ',
           CELLA_ERR_PERMISSION, "send the header Authorization: Bearer TOKEN",
           "the Authorization header is not of the scheme Bearer");
    while (at < header.size && header.data[at] == ' ') at++;
    *token = cella_bytes(header.data + at, header.size - at);
    return CELLA_SUCCESS;
}

static CELLA_RESULT name_caller(const struct issuers_token *token, struct cella_caller *caller) {
    static const char *const objects[] = {"oid", "sub"}, *const apps[] = {"appid", "azp",
                                                                          "client_id"};
    TRY(first_claim(token->claims, objects, 2, caller->object, sizeof(caller->object)));
    ENSURE(caller->object[0], CELLA_ERR_PERMISSION, hint, "token: it has neither oid nor sub");
    TRY(first_claim(token->claims, apps, 3, caller->app, sizeof(caller->app)));
    memcpy(caller->issuer, token->issuer, sizeof(caller->issuer));
    memcpy(caller->tenant, token->tenant, sizeof(caller->tenant));
    caller->own = token->own;
    caller->known = true;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_bearer_check(const struct cella_issuers *issuers,
                                struct cella_bytes authorization, const char *const *audience,
                                size_t count, uint64_t now_unix, struct cella_caller *out) {
    ISSUERS_TOKEN token = {.claims = NULL};
    struct cella_caller caller = {.known = false};
    struct cella_bytes text;
    *out = caller; /* anonymous until all is well (A35) */
    TRY(take_token(authorization, &text));
    TRY(issuers_verify(issuers, text, ISSUERS_ACCESS_TOKEN, now_unix, &token));
    ENSURE(token_audience(token.claims, audience, count), CELLA_ERR_PERMISSION,
           "ask the issuer for a token for this service", "token: its aud is not this service");
    TRY(name_caller(&token, &caller));
    *out = caller;
    return CELLA_SUCCESS;
}
