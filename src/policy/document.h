/* JSON as a tree in an arena: read strictly, never changed, written compactly.
 *
 * Strict (A29): RFC 8259 grammar, UTF-8, no BOM, no comments, depth 32, no duplicate keys, no lone
 * surrogates, no NUL in keys, integers exact in 64 bits or refused, nothing after the value. */
#ifndef CELLA_POLICY_DOCUMENT_H
#define CELLA_POLICY_DOCUMENT_H

#include <cella/policy.h>

#include "base/arena.h"

enum cella_document_type {
    CELLA_DOCUMENT_NULL,
    CELLA_DOCUMENT_BOOLEAN,
    CELLA_DOCUMENT_INTEGER,
    CELLA_DOCUMENT_REAL,
    CELLA_DOCUMENT_STRING,
    CELLA_DOCUMENT_ARRAY,
    CELLA_DOCUMENT_OBJECT,
    CELLA_DOCUMENT_EXPRESSION, /* of a JMESPath query, never in JSON */
};

struct cella_document_member;

struct cella_document {
    enum cella_document_type type;
    uint32_t count, capacity; /* of item or member */
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct cella_bytes text; /* UTF-8 without escapes; may hold NUL */
        const struct cella_document **item;
        struct cella_document_member *member; /* in the order of the text */
        const void *expression;
    };
};

struct cella_document_member {
    struct cella_bytes key;
    const struct cella_document *value;
};

/* NULL when it is not JSON: then *failed, static, says why and *at where; also on a failed arena.
 */
const struct cella_document *cella_document_read(struct cella_arena *arena, struct cella_bytes json,
                                                 const char **failed, size_t *at);
/* Compact JSON, in the arena; data NULL when it failed or would be above CELLA_POLICY_VALUE_MAX. */
struct cella_bytes cella_document_write(struct cella_arena *arena,
                                        const struct cella_document *document);
/* Of JSON values: 1 equals 1.0, objects whatever their order. Adds to *steps what it looked at. */
bool cella_document_equal(const struct cella_document *a, const struct cella_document *b,
                          uint64_t *steps);
/* The value of a member, or NULL. */
const struct cella_document *cella_document_member(const struct cella_document *object,
                                                   struct cella_bytes key);
double cella_document_number(const struct cella_document *number);
static inline bool cella_document_is_number(const struct cella_document *d) {
    return d->type == CELLA_DOCUMENT_INTEGER || d->type == CELLA_DOCUMENT_REAL;
}
/* Whether bytes are UTF-8 (RFC 3629). */
bool cella_document_utf8(struct cella_bytes text);

#endif
