#include <cella/claims.h>

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Names and values lie in blocks that the set owns and never moves. The first is part of the set,
 * so that the usual evidence costs one allocation. */
enum { FIRST_BLOCK = 12 * 1024, BLOCK = 16 * 1024 };

struct block {
    struct block *next;
    size_t size, used;
    uint8_t *data;
};

enum trouble { FINE = 0, NO_MEMORY, TOO_MANY, TOO_LARGE, BAD_NAME, BAD_TEXT, BAD_NUMBER };

struct cella_claimset {
    enum trouble trouble; /* the first */
    char about[CELLA_CLAIM_NAME_MAX];
    size_t count;
    struct block *blocks; /* newest first */
    struct block first;
    struct cella_claim claim[CELLA_CLAIM_MAX];
    uint8_t space[FIRST_BLOCK];
};

CELLA_RESULT cella_claimset_new(struct cella_claimset **out) {
    *out = NULL;
    struct cella_claimset *set =
        malloc(sizeof(*set)); /* the claims up to count are all that is read of it */
    ENSURE(set, CELLA_ERR_MEMORY, NULL, "no memory for claims");
    set->trouble = FINE;
    set->about[0] = 0;
    set->count = 0;
    set->first = (struct block){NULL, FIRST_BLOCK, 0, set->space};
    set->blocks = &set->first;
    *out = set;
    return CELLA_SUCCESS;
}

void cella_claimset_free(struct cella_claimset **set) {
    if (!*set) return;
    for (struct block *b = (*set)->blocks, *next; b != &(*set)->first; b = next) {
        next = b->next;
        free(b);
    }
    free(*set);
    *set = NULL;
}

size_t cella_claimset_count(const struct cella_claimset *set) { return set ? set->count : 0; }

const struct cella_claim *cella_claimset_at(const struct cella_claimset *set, size_t index) {
    return set && index < set->count ? &set->claim[index] : NULL;
}

const struct cella_claim *cella_claimset_find(const struct cella_claimset *set, const char *name) {
    for (size_t i = 0; i < cella_claimset_count(set); i++)
        if (strcmp(set->claim[i].name, name) == 0) return &set->claim[i];
    return NULL;
}

static void stick(struct cella_claimset *set, enum trouble trouble, const char *name) {
    if (set->trouble) return;
    set->trouble = trouble;
    size_t size = strnlen(name, sizeof(set->about) - 1);
    cella_copy(set->about, name, size);
    set->about[size] = 0;
}

static uint8_t *take(struct cella_claimset *set, size_t size) {
    struct block *b = set->blocks;
    if (size > b->size - b->used) {
        size_t fresh = size > BLOCK ? size : BLOCK;
        b = malloc(sizeof(*b) + fresh);
        if (!b) return NULL;
        *b = (struct block){set->blocks, fresh, 0, (uint8_t *)(b + 1)};
        set->blocks = b;
    }
    uint8_t *taken = b->data + b->used;
    b->used += size;
    return taken;
}

/* Printable ASCII without space: names that came from evidence (tokens) must not be able to look
 * like others. */
static bool name_good(const char *name) {
    size_t size = strnlen(name, CELLA_CLAIM_NAME_MAX);
    if (size == 0 || size == CELLA_CLAIM_NAME_MAX) return false;
    for (size_t i = 0; i < size; i++)
        if (name[i] <= 0x20 || name[i] >= 0x7f) return false;
    return true;
}

/* The size of the UTF-8 character at p, 0 when it is none: no overlong forms, no surrogates (RFC
 * 3629). */
static size_t character_size(const uint8_t *p, size_t left) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (p[0] < 0x80) return p[0] != 0;
    size_t size = p[0] >= 0xf0 && p[0] <= 0xf4  ? 4
                  : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
                  : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                                                : 0;
    if (size == 0 || size > left) return 0;
    uint32_t value = p[0] & (0x7fU >> size);
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        value = value << 6 | (p[i] & 0x3fU);
    }
    bool good = value >= least[size] && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
    return good ? size : 0;
}

static bool text_good(struct cella_bytes text) {
    for (size_t at = 0; at < text.size;) {
        size_t size = character_size(text.data + at, text.size - at);
        if (size == 0) return false;
        at += size;
    }
    return true;
}

static const char *take_name(struct cella_claimset *set, const char *name) {
    if (set->count > 0 && strcmp(set->claim[set->count - 1].name, name) == 0)
        return set->claim[set->count - 1].name;
    size_t size = strlen(name) + 1;
    uint8_t *copy = take(set, size);
    cella_copy(copy, name, copy ? size : 0);
    return (const char *)copy;
}

static void add(struct cella_claimset *set, const char *name, enum cella_claim_type type,
                struct cella_bytes value, uint64_t number, bool list) {
    if (set->trouble) return;
    if (!name_good(name)) return stick(set, BAD_NAME, name);
    if (value.size > CELLA_CLAIM_VALUE_MAX) return stick(set, TOO_LARGE, name);
    if (set->count == CELLA_CLAIM_MAX) return stick(set, TOO_MANY, name);
    if (type == CELLA_CLAIM_TEXT && !text_good(value)) return stick(set, BAD_TEXT, name);
    const char *own_name = take_name(set, name);
    uint8_t *own_value = own_name ? take(set, value.size + 1) : NULL;
    if (!own_value) return stick(set, NO_MEMORY, name);
    cella_copy(own_value, value.data, value.size);
    own_value[value.size] = 0; /* for the eyes of a debugger; size counts */
    set->claim[set->count++] =
        (struct cella_claim){own_name, type, list, cella_bytes(own_value, value.size), number};
}

void cella_claim_text(struct cella_claimset *set, const char *name, const char *text) {
    add(set, name, CELLA_CLAIM_TEXT, cella_bytes_text(text), 0, false);
}

void cella_claim_list_text(struct cella_claimset *set, const char *name, const char *text) {
    add(set, name, CELLA_CLAIM_TEXT, cella_bytes_text(text), 0, true);
}

void cella_claim_bytes(struct cella_claimset *set, const char *name, struct cella_bytes bytes) {
    add(set, name, CELLA_CLAIM_BYTES, bytes, 0, false);
}

void cella_claim_number(struct cella_claimset *set, const char *name, uint64_t number) {
    add(set, name, CELLA_CLAIM_NUMBER, cella_bytes(NULL, 0), number, false);
}

void cella_claim_boolean(struct cella_claimset *set, const char *name, bool value) {
    add(set, name, CELLA_CLAIM_BOOLEAN, cella_bytes(NULL, 0), value, false);
}

void cella_claim_time(struct cella_claimset *set, const char *name, uint64_t unix_s) {
    if (unix_s > 253402300799ULL)
        return stick(set, BAD_NUMBER, name); /* RFC 3339 ends with the year 9999 */
    add(set, name, CELLA_CLAIM_TIME, cella_bytes(NULL, 0), unix_s, false);
}

CELLA_RESULT cella_claimset_result(const struct cella_claimset *set) {
    switch (set->trouble) {
    case FINE: return CELLA_SUCCESS;
    case NO_MEMORY: FAIL(CELLA_ERR_MEMORY, NULL, "no memory for claim %s", set->about);
    case TOO_MANY:
        FAIL(CELLA_ERR_LIMIT, NULL, "claim %s: more than %d claims", set->about, CELLA_CLAIM_MAX);
    case TOO_LARGE:
        FAIL(CELLA_ERR_LIMIT, NULL, "claim %s: value of more than %d bytes", set->about,
             CELLA_CLAIM_VALUE_MAX);
    case BAD_NAME:
        FAIL(CELLA_ERR_FORMAT, NULL, "a claim's name is not 1 to %d printable ASCII characters",
             CELLA_CLAIM_NAME_MAX - 1);
    case BAD_TEXT: FAIL(CELLA_ERR_FORMAT, NULL, "claim %s: its text is not UTF-8", set->about);
    case BAD_NUMBER: break;
    }
    FAIL(CELLA_ERR_FORMAT, NULL, "claim %s: a time after the year 9999", set->about);
}
