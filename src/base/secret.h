/* Secrets: a type of their own that wipes itself, is locked in memory where the system allows,
 * stays out of core dumps, and that no log or printf format takes. */
#ifndef CELLA_BASE_SECRET_H
#define CELLA_BASE_SECRET_H

#include <cella/bytes.h>
#include <cella/result.h>

struct cella_secret {
    uint8_t *data; /* owned; NULL when empty */
    size_t size;   /* bytes */
};

/* Zeroed secret of size bytes (1 byte to 1 MiB). */
CELLA_RESULT cella_secret_new(size_t size, struct cella_secret *out);
/* A secret holding a copy; the caller still has to wipe the source. */
CELLA_RESULT cella_secret_from(struct cella_bytes source, struct cella_secret *out);
/* Wipes and releases; leaves it empty. Harmless when empty. */
void cella_secret_free(struct cella_secret *secret);
static inline struct cella_bytes cella_secret_bytes(const struct cella_secret *s) {
    return cella_bytes(s->data, s->size);
}
#define CELLA_SECRET __attribute__((cleanup(cella_secret_free))) struct cella_secret

#endif
