#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "policy/document.h"

enum trouble { FINE, NO_MEMORY, TOO_MANY, TOO_LONG, BAD_TYPE, BAD_TEXT };

struct cella_policy_claims {
    struct cella_arena arena;
    enum trouble trouble; /* the first */
    struct cella_policy_claim *item;
    uint32_t count, capacity;
};

CELLA_RESULT cella_policy_claims_new(struct cella_policy_claims **out) {
    *out = calloc(1, sizeof(**out));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for claims");
    cella_arena_begin(&(*out)->arena, CELLA_POLICY_MEMORY_MAX);
    return CELLA_SUCCESS;
}

void cella_policy_claims_free(struct cella_policy_claims **claims) {
    if (!*claims) return;
    cella_arena_free(&(*claims)->arena);
    free(*claims);
    *claims = NULL;
}

const struct cella_policy_claim *cella_policy_claims_at(const struct cella_policy_claims *claims,
                                                        size_t *count) {
    *count = claims->trouble ? 0 : claims->count;
    return claims->item;
}

CELLA_RESULT cella_policy_claims_result(const struct cella_policy_claims *claims) {
    static const char *const why[] = {"",
                                      "no memory for claims",
                                      "more claims than 4096",
                                      "a claim's value above 1 MiB",
                                      "a claim with an empty type, or one that is not UTF-8",
                                      "a claim's value that is not UTF-8"};
    ENSURE(!claims->trouble, claims->trouble == NO_MEMORY ? CELLA_ERR_MEMORY : CELLA_ERR_LIMIT,
           NULL, "%s", why[claims->trouble]);
    return CELLA_SUCCESS;
}

static void stick(struct cella_policy_claims *claims, enum trouble trouble) {
    if (!claims->trouble) claims->trouble = trouble;
}

static void add(struct cella_policy_claims *claims, struct cella_bytes type,
                struct cella_policy_value value, enum cella_policy_issuer issuer) {
    if (claims->trouble) return;
    if (claims->count == CELLA_POLICY_CLAIMS_MAX) return stick(claims, TOO_MANY);
    if (type.size == 0 || type.size > CELLA_POLICY_VALUE_MAX || !cella_document_utf8(type))
        return stick(claims, BAD_TYPE);
    if (value.text.size > CELLA_POLICY_VALUE_MAX) return stick(claims, TOO_LONG);
    if (!cella_document_utf8(value.text)) return stick(claims, BAD_TEXT);
    struct cella_policy_claim *slot = cella_arena_push(
        &claims->arena, (void **)&claims->item, &claims->count, &claims->capacity, sizeof(*slot));
    if (!slot) return stick(claims, NO_MEMORY);
    *slot = (struct cella_policy_claim){cella_arena_copy(&claims->arena, type), value, issuer};
    slot->value.text = cella_arena_copy(&claims->arena, value.text);
    if (!slot->type.data || !slot->value.text.data) stick(claims, NO_MEMORY);
}

void cella_policy_claims_text(struct cella_policy_claims *claims, const char *type,
                              struct cella_bytes text, enum cella_policy_issuer issuer) {
    add(claims, cella_bytes_text(type),
        (struct cella_policy_value){.type = CELLA_POLICY_STRING, .text = text}, issuer);
}
void cella_policy_claims_integer(struct cella_policy_claims *claims, const char *type,
                                 int64_t integer, enum cella_policy_issuer issuer) {
    add(claims, cella_bytes_text(type),
        (struct cella_policy_value){.type = CELLA_POLICY_INTEGER, .integer = integer}, issuer);
}
void cella_policy_claims_boolean(struct cella_policy_claims *claims, const char *type, bool value,
                                 enum cella_policy_issuer issuer) {
    add(claims, cella_bytes_text(type),
        (struct cella_policy_value){.type = CELLA_POLICY_BOOLEAN, .integer = value}, issuer);
}
void cella_policy_claims_read_only(struct cella_policy_claims *claims) {
    if (claims->count) claims->item[claims->count - 1].value.read_only = true;
}

/* --- From JSON --- */

typedef const struct cella_document *doc;

static bool is_scalar(doc d) {
    return d->type != CELLA_DOCUMENT_ARRAY && d->type != CELLA_DOCUMENT_OBJECT;
}

/* What is no string, integer or boolean is carried as a string of JSON; null is no claim. */
static void add_one(struct cella_policy_claims *claims, struct cella_bytes type, doc d,
                    enum cella_policy_issuer issuer, bool read_only) {
    struct cella_policy_value value = {.type = CELLA_POLICY_STRING, .read_only = read_only};
    switch (d->type) {
    case CELLA_DOCUMENT_NULL: return;
    case CELLA_DOCUMENT_STRING: value.text = d->text; break;
    case CELLA_DOCUMENT_INTEGER:
        value.type = CELLA_POLICY_INTEGER;
        value.integer = d->integer;
        break;
    case CELLA_DOCUMENT_BOOLEAN:
        value.type = CELLA_POLICY_BOOLEAN;
        value.integer = d->boolean;
        break;
    default:
        value.text = cella_document_write(&claims->arena, d);
        if (!value.text.data) return stick(claims, TOO_LONG);
    }
    add(claims, type, value, issuer);
}

static void add_value(struct cella_policy_claims *claims, struct cella_bytes type, doc d,
                      enum cella_policy_issuer issuer, bool read_only) {
    bool scalars = d->type == CELLA_DOCUMENT_ARRAY;
    for (uint32_t i = 0; scalars && i < d->count; i++) scalars = is_scalar(d->item[i]);
    if (!scalars) return add_one(claims, type, d, issuer, read_only);
    for (uint32_t i = 0; i < d->count; i++) add_one(claims, type, d->item[i], issuer, read_only);
}

static doc part(doc object, const char *name) {
    return cella_document_member(object, cella_bytes_text(name));
}

static bool is_word(doc d, const char *word) {
    return d->type == CELLA_DOCUMENT_STRING && d->text.size == strlen(word) &&
           cella_equal(d->text.data, word, d->text.size);
}

static struct cella_result issuer_of(doc d, enum cella_policy_issuer *issuer) {
    for (int i = CELLA_POLICY_CUSTOM_CLAIM; d && i <= CELLA_POLICY_POLICY; i++)
        if (is_word(d, cella_policy_issuer_name((enum cella_policy_issuer)i)))
            return *issuer = (enum cella_policy_issuer)i, CELLA_SUCCESS;
    ENSURE(!d, CELLA_ERR_FORMAT, NULL,
           "claims: issuer: expected AttestationService, AttestationPolicy or CustomClaim");
    return CELLA_SUCCESS;
}

/* valueType, where it is given, must be the value's own: JSON says it already. */
static struct cella_result check_value_type(doc given, doc value) {
    static const char *const name[] = {"",       "Boolean", "Integer", "",
                                       "String", "String",  "String",  ""};
    ENSURE(!given || value->type == CELLA_DOCUMENT_ARRAY || is_word(given, name[value->type]),
           CELLA_ERR_FORMAT, NULL, "claims: valueType: expected %s, as the value is",
           name[value->type]);
    return CELLA_SUCCESS;
}

static struct cella_result add_described(struct cella_policy_claims *claims, doc d,
                                         enum cella_policy_issuer issuer) {
    doc type = d->type == CELLA_DOCUMENT_OBJECT ? part(d, "type") : NULL,
        value = type ? part(d, "value") : NULL;
    ENSURE(type && type->type == CELLA_DOCUMENT_STRING && value, CELLA_ERR_FORMAT, NULL,
           "claims: expected objects with \"type\" and \"value\" in the list");
    doc read_only = part(d, "readOnly");
    TRY(issuer_of(part(d, "issuer"), &issuer));
    TRY(check_value_type(part(d, "valueType"), value));
    ENSURE(!read_only || read_only->type == CELLA_DOCUMENT_BOOLEAN, CELLA_ERR_FORMAT, NULL,
           "claims: readOnly: expected true or false");
    add_value(claims, type->text, value, issuer, read_only && read_only->boolean);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_policy_claims_json(struct cella_policy_claims *claims, struct cella_bytes json,
                                      enum cella_policy_issuer issuer) {
    const char *failed = NULL;
    size_t at = 0;
    doc d = cella_document_read(&claims->arena, json, &failed, &at);
    ENSURE(d, CELLA_ERR_FORMAT, NULL, "claims: at byte %zu: %s", at, failed);
    ENSURE(d->type == CELLA_DOCUMENT_OBJECT || d->type == CELLA_DOCUMENT_ARRAY, CELLA_ERR_FORMAT,
           NULL, "claims: expected an object of claims, or a list of objects with type and value");
    if (d->type == CELLA_DOCUMENT_OBJECT)
        for (uint32_t i = 0; i < d->count; i++)
            add_value(claims, d->member[i].key, d->member[i].value, issuer, false);
    else
        for (uint32_t i = 0; i < d->count; i++) TRY(add_described(claims, d->item[i], issuer));
    return cella_policy_claims_result(claims);
}
