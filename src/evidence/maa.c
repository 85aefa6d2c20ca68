#include "evidence/maa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/verifykey.h"
#include "evidence/jwks.h"

struct state {
    struct cella_jwks keys;
    bool given;
    char failure[160]; /* of a key set that could not be read */
};

static const char remedy_token[] = "ask the attestation service for a new token";
static const char remedy_keys[] =
    "give the key set of the token's issuer (its /certs) as collateral";

static struct cella_result new_state(void **out) {
    *out = calloc(1, sizeof(struct state));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for key sets");
    return CELLA_SUCCESS;
}

static void free_state(void *opaque) {
    struct state *state = opaque;
    cella_jwks_free(&state->keys);
    free(state);
}

/* The service's keys have no root: they are as trustworthy as the way they were fetched. */
static struct cella_result set_root(void *state, struct cella_bytes der) {
    (void)state;
    ENSURE(der.size == 0, CELLA_ERR_FORMAT, NULL, "key sets have no root");
    return CELLA_SUCCESS;
}

/* Only what its name calls a key set or a JSON file: what evidence brings along in an envelope is
 * offered as collateral, too, under names of parts, and must not bring keys of its own (A26). */
static bool name_fits(const char *name) {
    size_t size = strlen(name);
    bool json = size > 5 && strcmp(name + size - 5, ".json") == 0;
    return json || strstr(name, "jwks") || strcmp(name, "certs") == 0 || strcmp(name, "keys") == 0;
}

static struct cella_result add(void *opaque, const char *name, struct cella_bytes content,
                               bool *taken) {
    struct state *state = opaque;
    *taken = name_fits(name) && cella_jwks_detect(content);
    if (!*taken) return CELLA_SUCCESS;
    state->given = true;
    struct cella_result r = cella_jwks_add(&state->keys, content);
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    if (cella_failed(r) && !state->failure[0])
        snprintf(state->failure, sizeof(state->failure), "%s", r.error->what);
    cella_result_drop(r);
    return CELLA_SUCCESS;
}

static struct cella_result finish(void *state) {
    (void)state;
    return CELLA_SUCCESS;
}

const struct cella_family cella_family_maa = {"maa", new_state, free_state, set_root,
                                              add,   finish,    NULL};

/* --- Verification --- */

/* A24: the algorithm is RS256, whatever the header would like; tokens issued for a draft of a
 * policy are unsigned. */
static struct cella_result check_algorithm(const struct cella_jwt *jwt,
                                           struct cella_verification *out) {
    if (strcmp(jwt->alg, "RS256") != 0)
        REFUSE(out, CELLA_ERR_REFUSED, "token header", "alg",
               strcmp(jwt->alg, "none") == 0
                   ? "a token for a draft policy proves nothing: attest with the policy in force"
                   : remedy_token,
               "RS256", jwt->alg[0] ? jwt->alg : "none given");
    if (!jwt->has_kid || jwt->kid_size == 0)
        REFUSE(out, CELLA_ERR_FORMAT, "token header", "kid", remedy_token, "the id of a key",
               "none");
    return CELLA_SUCCESS;
}

static struct cella_result find_key(const struct state *state, const struct cella_jwt *jwt,
                                    struct cella_verification *out, const struct cella_jwk **key) {
    if (state->failure[0])
        REFUSE(out, CELLA_ERR_FORMAT, "collateral", "jwks", "fetch the key set anew",
               "a key set that can be read", state->failure);
    if (!state->given)
        REFUSE(out, CELLA_ERR_NOT_FOUND, "collateral", "jwks", remedy_keys, "a key set", "none");
    REFUSE_TRY(out, cella_jwks_find(&state->keys, cella_bytes(jwt->kid, jwt->kid_size), key),
               "token header", "kid", remedy_keys,
               cella_text(out, "one key with kid %s",
                          cella_text_hex(out, cella_bytes(jwt->kid, jwt->kid_size))));
    return CELLA_SUCCESS;
}

static bool is_for(const struct cella_jwk *key, const char *issuer) {
    return !key->issuer[0] || strcmp(key->issuer, issuer) == 0;
}

/* The certificate around the key: made out to the issuer, and valid now. One of them must fit,
 * where several carry it. */
static struct cella_result check_certificate(const struct state *state, const struct cella_jwk *key,
                                             const char *issuer, uint64_t time_unix,
                                             struct cella_verification *out) {
    const struct cella_jwk *best = NULL;
    for (const struct cella_jwk *k = key; k; k = cella_jwks_next(&state->keys, k)) {
        if (!is_for(k, issuer)) continue;
        best = k;
        if (!k->has_validity || (time_unix >= k->not_before_unix && time_unix <= k->not_after_unix))
            return CELLA_SUCCESS;
    }
    if (!best)
        REFUSE(out, CELLA_ERR_REFUSED, "token", "iss", "give the key set of that issuer",
               cella_text(out, "%s, whose key it is", key->issuer), issuer); /* A27 */
    REFUSE(out, CELLA_ERR_EXPIRED, "signing certificate", "validity", "fetch the key set anew",
           cella_text(out, "from %llu to %llu", (unsigned long long)best->not_before_unix,
                      (unsigned long long)best->not_after_unix),
           cella_text(out, "%llu", (unsigned long long)time_unix));
}

static struct cella_result refuse_time(struct cella_verification *out, const char *field,
                                       const char *relation, uint64_t bound, uint64_t found) {
    REFUSE(out, CELLA_ERR_EXPIRED, "token time", field, remedy_token,
           cella_text(out, "%s %llu, give or take %d s", relation, (unsigned long long)bound,
                      CELLA_JWT_SKEW_S),
           cella_text(out, "%llu", (unsigned long long)found));
}

/* A27. NumericDates are below 2^53, so that nothing here overflows. */
static struct cella_result check_times(const struct cella_maa_times *t,
                                       const struct cella_evidence_options *options,
                                       struct cella_verification *out) {
    uint64_t now = options->time_unix, late = now > CELLA_JWT_SKEW_S ? now - CELLA_JWT_SKEW_S : 0;
    if (late > t->expires_unix)
        return refuse_time(out, "exp", "judged not after", t->expires_unix, now);
    if (t->not_before_unix > CELLA_JWT_SKEW_S && t->not_before_unix - CELLA_JWT_SKEW_S > now)
        return refuse_time(out, "nbf", "judged not before", t->not_before_unix, now);
    if (t->issued_unix > CELLA_JWT_SKEW_S && t->issued_unix - CELLA_JWT_SKEW_S > now)
        return refuse_time(out, "iat", "judged not before", t->issued_unix, now);
    if (t->not_before_unix > t->expires_unix)
        return refuse_time(out, "nbf", "not after exp", t->expires_unix, t->not_before_unix);
    if (options->max_age_s && late > t->issued_unix && late - t->issued_unix > options->max_age_s)
        return refuse_time(out, "iat", "age of at most", options->max_age_s, now - t->issued_unix);
    return CELLA_SUCCESS;
}

static void add_links(const struct cella_jwt *jwt, const struct cella_maa_token *token,
                      struct cella_verification *out) {
    int32_t link = cella_link_add(out, -1, "key set", token->issuer,
                                  "given as collateral: trusted as far as the way it came", true);
    link = cella_link_add(out, link, "key",
                          cella_text(out, "kid %.*s", (int)jwt->kid_size, (const char *)jwt->kid),
                          "found by its exact kid", true);
    cella_link_add(out, link, "token", token->issuer, "RS256 signature by that key", true);
}

/* What the service says of the platform's state, where it says so (TDX); its policy judged all
 * else. */
static struct cella_result judge_status(const struct cella_maa_token *token,
                                        const struct cella_evidence_options *options,
                                        struct cella_verification *out) {
    if (!token->tcb_status[0]) return CELLA_SUCCESS;
    snprintf(out->tcb_status, sizeof(out->tcb_status), "%s", token->tcb_status);
    return cella_judge_tcb(out, options, "as the attestation service found it");
}

struct cella_result cella_verify_maa(struct cella_bytes evidence,
                                     const struct cella_collateral *collateral,
                                     const struct cella_evidence_options *options,
                                     struct cella_verification *out) {
    const struct state *state = cella_collateral_of(collateral, &cella_family_maa);
    const struct cella_jwk *key = NULL;
    struct cella_maa_token token;
    CELLA_JWT jwt = {0};
    ENSURE(state, CELLA_ERR_INTERNAL, NULL, "maa is not part of this collateral set");
    REFUSE_TRY(out, cella_jwt_open(evidence, &jwt), "format", "token",
               "give the token as the service gave it", "a JSON Web Token in compact form");
    TRY(check_algorithm(&jwt, out));
    TRY(find_key(state, &jwt, out, &key));
    REFUSE_TRY(out,
               cella_verifykey_check(key->key, CELLA_SIG_RSA_PKCS1_SHA256, jwt.signed_part,
                                     jwt.signature),
               "token signature", "signature", remedy_token, "valid under the key of its kid");
    REFUSE_TRY(out, cella_maa_read(jwt.payload, &token), "format", "token payload", remedy_token,
               "the claims of an attestation token");
    TRY(check_certificate(state, key, token.issuer, options->time_unix, out));
    out->authentic = true;
    add_links(&jwt, &token, out);
    cella_maa_claims(jwt.payload_store, jwt.payload.size, out->claims);
    cella_claim_time(out->claims, "issued", token.times.issued_unix);
    TRY(check_times(&token.times, options, out));
    return judge_status(&token, options, out);
}

bool cella_detect_maa(struct cella_bytes evidence) { return cella_jwt_detect(evidence); }
