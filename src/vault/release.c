#include "vault/release.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "vault/authority.h"

enum { AUTHORITIES = 64, SKEW_S = 60 /* K02, A27 */ };

/* --- Authorities --- */

struct cella_authorities {
    pthread_rwlock_t lock;
    size_t count;
    struct {
        char url[CELLA_AUTHORITY_MAX];
        struct cella_jose_keyset *keys;
    } entry[AUTHORITIES];
};

CELLA_RESULT cella_authorities_new(struct cella_authorities **out) {
    *out = calloc(1, sizeof(**out));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for authorities");
    pthread_rwlock_init(&(*out)->lock, NULL);
    return CELLA_SUCCESS;
}

void cella_authorities_free(struct cella_authorities **authorities) {
    struct cella_authorities *a = *authorities;
    if (!a) return;
    for (size_t i = 0; i < a->count; i++) cella_jose_keyset_free(&a->entry[i].keys);
    pthread_rwlock_destroy(&a->lock);
    free(a);
    *authorities = NULL;
}

/* The place of a URL in its one spelling; count when it is not there. */
static size_t place_of(const struct cella_authorities *authorities, const char *url) {
    size_t i = 0;
    while (i < authorities->count && strcmp(authorities->entry[i].url, url) != 0) i++;
    return i;
}

CELLA_RESULT cella_authorities_set(struct cella_authorities *authorities, const char *url,
                                   struct cella_bytes jwks) {
    char normal[CELLA_AUTHORITY_MAX];
    struct cella_jose_keyset *keys = NULL;
    ENSURE(cella_authority_normal(url, normal), CELLA_ERR_USAGE, NULL,
           "expected the https URL of an attestation service, found '%.200s'", url);
    TRY_IN(cella_jose_keyset_new(jwks, &keys), "keys of %s", url);
    pthread_rwlock_wrlock(&authorities->lock);
    size_t place = place_of(authorities, normal);
    if (place < AUTHORITIES) {
        struct cella_jose_keyset *old = authorities->entry[place].keys;
        authorities->entry[place].keys = keys;
        keys = old;
        if (place == authorities->count) {
            snprintf(authorities->entry[place].url, sizeof(normal), "%s", normal);
            authorities->count++;
        }
    }
    pthread_rwlock_unlock(&authorities->lock);
    cella_jose_keyset_free(&keys);
    ENSURE(place < AUTHORITIES, CELLA_ERR_LIMIT, NULL, "more than %d authorities", AUTHORITIES);
    return CELLA_SUCCESS;
}

/* The signature, under the very key of that authority that the token names (K01, A25). Draft tokens
 * are unsecured and never hold. */
static CELLA_RESULT check_signature(struct cella_authorities *authorities, const char *issuer,
                                    const struct cella_jws *token, bool *known) {
    char normal[CELLA_AUTHORITY_MAX];
    const struct cella_jose_key *key = NULL;
    *known = false;
    ENSURE(cella_authority_normal(issuer, normal), CELLA_ERR_FORMAT, NULL, "issuer: no https URL");
    pthread_rwlock_rdlock(&authorities->lock);
    size_t place = place_of(authorities, normal);
    struct cella_result result = CELLA_SUCCESS;
    *known = place < authorities->count;
    if (*known) result = cella_jose_keyset_find(authorities->entry[place].keys, token->kid, &key);
    if (*known && !cella_failed(result)) result = cella_jws_check(token, key, CELLA_JOSE_ANY);
    pthread_rwlock_unlock(&authorities->lock);
    return result;
}

/* --- Judging --- */

void cella_release_free(struct cella_release *release) {
    json_decref(release->wrap_key);
    release->wrap_key = NULL;
}

/* Sets verdict and why of a refusal; returns true so that callers can end on it. */
__attribute__((format(printf, 3, 4))) static bool refuse(struct cella_release *release,
                                                         enum cella_release_verdict verdict,
                                                         const char *why, ...) {
    va_list list;
    va_start(list, why);
    vsnprintf(release->why, sizeof(release->why), why, list);
    va_end(list);
    release->verdict = verdict;
    return true;
}

static bool refuse_failure(struct cella_release *release, struct cella_result result) {
    refuse(release, CELLA_RELEASE_UNVERIFIED, "%s", result.error->what);
    cella_result_drop(result);
    return true;
}

static bool bad_times(struct cella_release *release, const json_t *claims, uint64_t now) {
    uint64_t expires = 0, from = 0, issued = 0;
    const char *wrong = NULL;
    if (!cella_json_date(claims, "exp", &expires))
        wrong = "exp: missing, or no NumericDate";
    else if (json_object_get(claims, "nbf") && !cella_json_date(claims, "nbf", &from))
        wrong = "nbf: no NumericDate";
    else if (json_object_get(claims, "iat") && !cella_json_date(claims, "iat", &issued))
        wrong = "iat: no NumericDate";
    if (wrong) return refuse(release, CELLA_RELEASE_UNVERIFIED, "%s", wrong);
    if (now >= expires + SKEW_S)
        return refuse(release, CELLA_RELEASE_UNVERIFIED, "exp: the token expired %llu s ago",
                      (unsigned long long)(now - expires));
    if (now + SKEW_S < from || now + SKEW_S < issued)
        return refuse(release, CELLA_RELEASE_UNVERIFIED, "nbf or iat: the token is of the future");
    return false;
}

/* A key of a set that is there to encrypt to; azure-keyvault 8.5 step 6: keys to sign with, as
 * HCLAkPub, are never wrapped to, whatever their place. */
static const json_t *encryption_key(const json_t *set) {
    const json_t *keys = json_object_get(set, "keys");
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *key = json_array_get(keys, i), *ops = json_object_get(key, "key_ops");
        const char *use = json_string_value(json_object_get(key, "use"));
        const char *kty = json_string_value(json_object_get(key, "kty"));
        bool encrypts = use && strcmp(use, "enc") == 0;
        for (size_t j = 0; j < json_array_size(ops); j++) {
            const char *op = json_string_value(json_array_get(ops, j));
            encrypts = encrypts || (op && strcmp(op, "encrypt") == 0);
        }
        if (encrypts && kty && strcmp(kty, "RSA") == 0) return key;
    }
    return NULL;
}

/* Of binary runtime data: base64url of a JSON key set. */
static json_t *key_of_held_data(const json_t *claims) {
    static const char *const names[] = {"maa-ehd", "aas-ehd", "x-ms-sgx-ehd"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *text = json_string_value(json_object_get(claims, names[i]));
        CELLA_BUFFER data = {0};
        CELLA_JSON set = NULL;
        if (!text) continue;
        struct cella_result result = cella_base64_decode(cella_bytes_text(text), true, &data);
        if (!cella_failed(result))
            result = cella_json_object(cella_buffer_bytes(&data), names[i], &set);
        cella_result_drop(result);
        json_t *key = (json_t *)encryption_key(set);
        if (key) return json_incref(key);
    }
    return NULL;
}

static bool no_wrap_key(struct cella_release *release, const json_t *claims) {
    const json_t *key = encryption_key(json_object_get(claims, "x-ms-runtime"));
    CELLA_JOSE_KEY checked = NULL;
    if (!key) key = encryption_key(json_object_get(claims, "x-ms-runtime-claims"));
    release->wrap_key = key ? json_incref((json_t *)key) : key_of_held_data(claims);
    if (!release->wrap_key)
        return refuse(release, CELLA_RELEASE_NO_KEY,
                      "the token proves no RSA key to encrypt to (x-ms-runtime.keys)");
    struct cella_result result = cella_jose_key_jwk(release->wrap_key, &checked);
    if (!cella_failed(result)) return false;
    refuse_failure(release, result);
    return refuse(release, CELLA_RELEASE_NO_KEY,
                  "the key to encrypt to: not RSA of 2048 bits or "
                  "more");
}

static bool judge(struct cella_authorities *authorities, const struct cella_release_policy *policy,
                  const struct cella_jws *token, const json_t *claims, uint64_t now,
                  struct cella_release *release) {
    const char *issuer = json_string_value(json_object_get(claims, "iss"));
    const char *id = json_string_value(json_object_get(claims, "jti"));
    bool known = false;
    if (!issuer || strlen(issuer) >= sizeof(release->issuer))
        return refuse(release, CELLA_RELEASE_UNVERIFIED, "iss: missing or too long");
    snprintf(release->issuer, sizeof(release->issuer), "%s", issuer);
    snprintf(release->token_id, sizeof(release->token_id), "%.127s", id ? id : "");
    if (!cella_release_policy_names(policy, issuer)) /* K01; K20: nobody else is even looked up */
        return refuse(release, CELLA_RELEASE_UNVERIFIED, "the policy names no authority %.180s",
                      issuer);
    struct cella_result result = check_signature(authorities, issuer, token, &known);
    if (cella_failed(result)) return refuse_failure(release, result);
    if (!known)
        return refuse(release, CELLA_RELEASE_UNKNOWN_AUTHORITY, "no keys are known of %.180s",
                      issuer);
    if (bad_times(release, claims, now)) return true;
    if (!cella_release_policy_holds(policy, issuer, claims, release->why, sizeof(release->why))) {
        release->verdict = CELLA_RELEASE_UNMET;
        return true;
    }
    return no_wrap_key(release, claims);
}

CELLA_RESULT cella_release_judge(struct cella_authorities *authorities,
                                 const struct cella_release_policy *policy,
                                 struct cella_bytes token, uint64_t now_unix,
                                 struct cella_release *out) {
    CELLA_JWS jws = {0};
    CELLA_JSON claims = NULL;
    *out = (struct cella_release){.verdict = CELLA_RELEASE_REFUSED};
    struct cella_result result = cella_jws_open(token, false, &jws);
    if (!cella_failed(result)) result = cella_jws_object(&jws, &claims);
    if (cella_code_of(result) == CELLA_ERR_MEMORY) return result;
    if (cella_failed(result)) {
        refuse_failure(out, result);
        return CELLA_SUCCESS;
    }
    if (!judge(authorities, policy, &jws, claims, now_unix, out))
        out->verdict = CELLA_RELEASE_GRANTED;
    return CELLA_SUCCESS;
}
