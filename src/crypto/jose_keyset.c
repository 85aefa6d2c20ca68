/* JWK sets (RFC 7517 section 5). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/jose_inner.h"

enum { KEYS_MAX = 128, REASON_SIZE = 128 };

/* An entry that is of no use is kept with the reason, so that a token that names it is refused for
 * it and no other key is tried in its place (A25). */
struct entry {
    char *kid; /* NULL: none */
    struct cella_jose_key *key;
    char unusable[REASON_SIZE];
};

struct cella_jose_keyset {
    size_t count;
    struct entry entry[];
};

void cella_jose_keyset_free(struct cella_jose_keyset **set) {
    if (!*set) return;
    for (size_t i = 0; i < (*set)->count; i++) {
        free((*set)->entry[i].kid);
        cella_jose_key_free(&(*set)->entry[i].key);
    }
    free(*set);
    *set = NULL;
}
#define KEYSET __attribute__((cleanup(cella_jose_keyset_free))) struct cella_jose_keyset *

static struct cella_result read_entry(const json_t *jwk, struct entry *out) {
    const json_t *kid = json_object_get(jwk, "kid");
    ENSURE(json_is_object(jwk), CELLA_ERR_FORMAT, NULL, "key set: an entry that is no object");
    if (kid) {
        size_t size = json_string_length(kid);
        ENSURE(size > 0 && size <= JOSE_KID_MAX, CELLA_ERR_FORMAT, NULL,
               "key set: a kid that is not a text of 1 to %d bytes", JOSE_KID_MAX);
        out->kid = strdup(json_string_value(kid));
        ENSURE(out->kid, CELLA_ERR_MEMORY, NULL, "no memory for a key set");
    }
    struct cella_result r = cella_jose_key_jwk(jwk, &out->key);
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    if (cella_failed(r)) snprintf(out->unusable, sizeof(out->unusable), "%s", r.error->what);
    cella_result_drop(r);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_jose_keyset_new(struct cella_bytes json, struct cella_jose_keyset **out) {
    CELLA_JSON whole = NULL;
    *out = NULL;
    TRY(cella_json_object(json, "key set", &whole));
    const json_t *keys = json_object_get(whole, "keys");
    size_t count = json_array_size(keys);
    ENSURE(json_is_array(keys) && count <= KEYS_MAX, CELLA_ERR_FORMAT, NULL,
           "key set: keys is not a list of up to %d", KEYS_MAX);
    KEYSET set = calloc(1, sizeof(*set) + count * sizeof(set->entry[0]));
    ENSURE(set, CELLA_ERR_MEMORY, NULL, "no memory for a key set");
    for (size_t i = 0; i < count; i++) {
        set->count = i + 1;
        TRY(read_entry(json_array_get(keys, i), &set->entry[i]));
    }
    *out = MOVE(set);
    return CELLA_SUCCESS;
}

static bool same_key(const struct entry *a, const struct entry *b) {
    return a->key && b->key && jose_same(a->key, b->key) &&
           a->key->algorithms == b->key->algorithms;
}

CELLA_RESULT cella_jose_keyset_find(const struct cella_jose_keyset *set, const char *kid,
                                    const struct cella_jose_key **out) {
    const struct entry *found = NULL;
    *out = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct entry *entry = &set->entry[i];
        if (kid && (!entry->kid || strcmp(entry->kid, kid) != 0)) continue;
        ENSURE(!found || (kid && same_key(found, entry)), CELLA_ERR_REFUSED, NULL,
               kid ? "two different keys have that kid"
                   : "the token names no key, and there are several"); /* A25 */
        if (!found) found = entry;
    }
    ENSURE(found, CELLA_ERR_NOT_FOUND, "fetch the issuer's key set anew",
           "no key of that kid among %zu", set->count);
    ENSURE(found->key, CELLA_ERR_FORMAT, NULL, "the key of that kid is unusable: %s",
           found->unusable);
    ENSURE(found->key->algorithms, CELLA_ERR_FORMAT, NULL,
           "the key of that kid is not for signatures by an algorithm that is known");
    *out = found->key;
    return CELLA_SUCCESS;
}
