/* A reader of CBOR that others wrote (RFC 8949): for Nitro documents and RA-TLS evidence, whose
 * makers do not keep to the deterministic form that our own reader (crypto/cbor.h) asks for.
 *
 * Takes maps and arrays of either definite or indefinite length, in any order of keys: AWS writes
 * its payload map both ways. Everything else is held to one spelling: shortest heads, no chunked
 * strings, no reserved forms, depth 8. Errors are sticky; getters then give nothing. Nothing is
 * allocated, views are into the caller's bytes. (A30, A31)
 */
#ifndef CELLA_EVIDENCE_CBORWALK_H
#define CELLA_EVIDENCE_CBORWALK_H

#include "base/reader.h"

enum { CELLA_WALK_DEPTH = 8 };

struct cella_walk {
    struct cella_reader in;
    const char *failed; /* NULL, or what is wrong */
};
/* How much of a list is left to read. */
struct cella_walk_list {
    uint64_t left;
    bool open; /* of indefinite length: ends with a break */
};

static inline struct cella_walk cella_walk(struct cella_bytes bytes) {
    return (struct cella_walk){cella_reader(bytes), NULL};
}
/* Nothing failed and no byte is left. */
static inline bool cella_walk_done(const struct cella_walk *w) {
    return !w->failed && cella_reader_done(&w->in);
}
void cella_walk_fail(struct cella_walk *w, const char *why);
uint64_t cella_walk_uint(struct cella_walk *w, uint64_t maximum);
/* An integer of either sign within 32 bits. */
int64_t cella_walk_int(struct cella_walk *w);
struct cella_bytes cella_walk_bytes(struct cella_walk *w);
struct cella_bytes cella_walk_text(struct cella_walk *w);
/* Consumes a null if that is next. */
bool cella_walk_null(struct cella_walk *w);
/* Consumes this tag if it is next. */
bool cella_walk_tag(struct cella_walk *w, uint64_t tag);
struct cella_walk_list cella_walk_array(struct cella_walk *w);
/* Of a map, each entry counts once: read a key and a value per _more. */
struct cella_walk_list cella_walk_map(struct cella_walk *w);
/* Whether another member follows; takes the break of an open list. */
bool cella_walk_more(struct cella_walk *w, struct cella_walk_list *list);
/* One item of any kind. */
void cella_walk_skip(struct cella_walk *w);

#endif
