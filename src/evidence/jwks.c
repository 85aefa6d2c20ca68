#include "evidence/jwks.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/spki.h"
#include "crypto/x509.h"
#include "evidence/json.h"

enum { EXPONENT_MAX = 8 /* bytes */ };

void cella_jwks_free(struct cella_jwks *set) {
    for (size_t i = 0; i < set->count; i++) cella_verifykey_free(&set->entry[i].key);
    set->count = 0;
}

/* A raw JSON string's text, decoded into a buffer. */
static struct cella_result text_of(struct cella_bytes raw, struct cella_buffer *out) {
    uint8_t *to = NULL;
    out->size = 0;
    TRY(cella_buffer_extend(out, raw.size, &to));
    out->size = cella_jwt_text(raw, to);
    return CELLA_SUCCESS;
}

/* --- Entries --- */

struct raw_entry {
    struct cella_bytes kid, kty, use, alg, n, e, x5c; /* raw JSON; size 0: absent */
};

static void read_entry(struct cella_json *json, struct raw_entry *raw) {
    struct cella_bytes key;
    *raw = (struct raw_entry){0};
    cella_json_enter_object(json);
    while (cella_json_key(json, &key)) {
        struct cella_bytes value;
        if (cella_json_is(key, "x5c") && cella_json_peek(json) == '[') {
            cella_json_array(json);
            for (size_t i = 0; cella_json_item(json); i++) {
                value = cella_json_raw(json);
                if (i == 0)
                    raw->x5c = value; /* the rest would be for those who trust a public authority */
            }
            continue;
        }
        value = cella_json_raw(json);
        if (cella_json_is(key, "kid")) raw->kid = value;
        if (cella_json_is(key, "kty")) raw->kty = value;
        if (cella_json_is(key, "use")) raw->use = value;
        if (cella_json_is(key, "alg")) raw->alg = value;
        if (cella_json_is(key, "n")) raw->n = value;
        if (cella_json_is(key, "e")) raw->e = value;
    }
}

static bool is_text(struct cella_bytes raw) { return raw.size >= 2 && raw.data[0] == '"'; }

/* The URL that a self-signed certificate names: the service issues one per instance. Other names,
 * of certificates from an authority, say nothing of the instance. */
static void read_issuer(const struct cella_certificate *c, struct cella_jwk *out) {
    bool own = c->issuer.size == c->subject.size &&
               cella_equal(c->issuer.data, c->subject.data, c->issuer.size);
    char name[CELLA_JWK_ISSUER_SIZE];
    cella_name_common(c->subject, name, sizeof(name));
    if (own && strncmp(name, "https://", 8) == 0)
        snprintf(out->issuer, sizeof(out->issuer), "%s", name);
}

static struct cella_result read_certificate(struct cella_bytes raw, struct cella_buffer *der,
                                            struct cella_jwk *out, struct cella_bytes *spki) {
    CELLA_BUFFER text = {0};
    struct cella_certificate certificate;
    ENSURE(is_text(raw), CELLA_ERR_FORMAT, NULL, "x5c is not text");
    TRY(text_of(raw, &text));
    TRY(cella_base64_decode(cella_buffer_bytes(&text), false, der));
    TRY(cella_certificate_parse(cella_buffer_bytes(der), &certificate));
    out->has_validity = true;
    out->not_before_unix = certificate.not_before_unix;
    out->not_after_unix = certificate.not_after_unix;
    read_issuer(&certificate, out);
    *spki = certificate.spki;
    return CELLA_SUCCESS;
}

static struct cella_result read_numbers(const struct raw_entry *raw, struct cella_spki *spki) {
    CELLA_BUFFER n_text = {0}, e_text = {0}, n = {0}, e = {0};
    uint64_t exponent = 0;
    ENSURE(is_text(raw->n) && is_text(raw->e), CELLA_ERR_FORMAT, NULL, "neither x5c nor n and e");
    TRY(text_of(raw->n, &n_text));
    TRY(text_of(raw->e, &e_text));
    TRY(cella_base64_decode(cella_buffer_bytes(&n_text), true, &n));
    TRY(cella_base64_decode(cella_buffer_bytes(&e_text), true, &e));
    ENSURE(e.size > 0 && e.size <= EXPONENT_MAX && e.data[0] != 0, CELLA_ERR_FORMAT, NULL,
           "an exponent of %zu bytes, or with a zero in front", e.size);
    for (size_t i = 0; i < e.size; i++) exponent = exponent << 8 | e.data[i];
    return cella_spki_rsa(cella_buffer_bytes(&n), exponent, spki);
}

/* The key's own word on what it is for fixes the algorithm: RS256 and nothing else (A24). */
static struct cella_result read_key(const struct raw_entry *raw, struct cella_jwk *out) {
    CELLA_BUFFER der = {0};
    struct cella_spki numbers = {0};
    struct cella_bytes spki = {0};
    ENSURE(cella_json_is(raw->kty, "\"RSA\""), CELLA_ERR_FORMAT, NULL, "kty is not RSA");
    ENSURE(raw->use.size == 0 || cella_json_is(raw->use, "\"sig\""), CELLA_ERR_FORMAT, NULL,
           "use is not sig");
    ENSURE(raw->alg.size == 0 || cella_json_is(raw->alg, "\"RS256\""), CELLA_ERR_FORMAT, NULL,
           "alg is not RS256");
    if (raw->x5c.size > 0) TRY(read_certificate(raw->x5c, &der, out, &spki));
    if (raw->x5c.size == 0 || raw->n.size > 0) TRY(read_numbers(raw, &numbers));
    if (raw->x5c.size == 0) spki = cella_spki_bytes(&numbers);
    ENSURE(numbers.size == 0 ||
               (numbers.size == spki.size && cella_equal(numbers.data, spki.data, spki.size)),
           CELLA_ERR_FORMAT, NULL, "n and e are not the key of x5c");
    TRY(cella_sha256(spki, out->spki_digest));
    return cella_verifykey_new(spki, &out->key);
}

static struct cella_result add_entry(struct cella_jwks *set, const struct raw_entry *raw) {
    if (!is_text(raw->kid)) return CELLA_SUCCESS; /* no token can name it */
    ENSURE(set->count < CELLA_JWKS_MAX, CELLA_ERR_FORMAT, NULL, "key set: more than %d keys",
           CELLA_JWKS_MAX);
    ENSURE(raw->kid.size <= CELLA_JWT_KID_MAX, CELLA_ERR_FORMAT, NULL,
           "key set: a kid of %zu bytes", raw->kid.size);
    struct cella_jwk *entry = &set->entry[set->count];
    cella_zero(entry, sizeof(*entry));
    entry->kid_size = cella_jwt_text(raw->kid, entry->kid);
    struct cella_result r = read_key(raw, entry);
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    if (cella_failed(r)) {
        cella_verifykey_free(&entry->key);
        snprintf(entry->unusable, sizeof(entry->unusable), "%s", r.error->what);
    }
    cella_result_drop(r);
    set->count++;
    return CELLA_SUCCESS;
}

static bool find_keys(struct cella_json *json) {
    struct cella_bytes key;
    cella_json_enter_object(json);
    while (cella_json_key(json, &key)) {
        if (cella_json_is(key, "keys") && cella_json_peek(json) == '[') return true;
        cella_json_skip(json);
    }
    return false;
}

bool cella_jwks_detect(struct cella_bytes content) {
    struct cella_json json;
    cella_json_begin(&json, content);
    return cella_json_peek(&json) == '{' && find_keys(&json);
}

/* Read through once before anything is taken from it: a set is whole or it is none (A29). */
static struct cella_result check_whole(struct cella_bytes content) {
    struct cella_json json;
    cella_json_begin(&json, content);
    cella_json_skip(&json);
    return cella_json_end(&json, "key set");
}

CELLA_RESULT cella_jwks_add(struct cella_jwks *set, struct cella_bytes content) {
    struct cella_json json;
    struct raw_entry raw;
    TRY(check_whole(content));
    cella_json_begin(&json, content);
    if (!find_keys(&json)) FAIL(CELLA_ERR_FORMAT, NULL, "key set: no list of keys");
    cella_json_array(&json);
    while (cella_json_item(&json)) {
        read_entry(&json, &raw);
        ENSURE(!json.failed, CELLA_ERR_FORMAT, NULL, "key set: at byte %zu: %s", json.at,
               json.failed);
        TRY(add_entry(set, &raw));
    }
    ENSURE(!json.failed, CELLA_ERR_FORMAT, NULL, "key set: at byte %zu: %s", json.at, json.failed);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_jwks_find(const struct cella_jwks *set, struct cella_bytes kid,
                             const struct cella_jwk **out) {
    *out = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct cella_jwk *entry = &set->entry[i];
        if (entry->kid_size != kid.size || !cella_equal(entry->kid, kid.data, kid.size)) continue;
        ENSURE(entry->key, CELLA_ERR_FORMAT, NULL, "the key of that kid is unusable: %s",
               entry->unusable);
        ENSURE(!*out ||
                   cella_equal((*out)->spki_digest, entry->spki_digest, sizeof(entry->spki_digest)),
               CELLA_ERR_REFUSED, NULL, "two different keys have that kid"); /* A25 */
        if (!*out) *out = entry;
    }
    ENSURE(*out, CELLA_ERR_NOT_FOUND, "fetch the issuer's key set anew",
           "no key of that kid among %zu", set->count);
    return CELLA_SUCCESS;
}

const struct cella_jwk *cella_jwks_next(const struct cella_jwks *set,
                                        const struct cella_jwk *entry) {
    for (const struct cella_jwk *e = entry + 1; e < set->entry + set->count; e++)
        if (e->kid_size == entry->kid_size && cella_equal(e->kid, entry->kid, e->kid_size))
            return e;
    return NULL;
}
