/* A growable byte buffer that owns its memory. Hosted code only; never for secrets (secret.h). */
#ifndef CELLA_BASE_BUFFER_H
#define CELLA_BASE_BUFFER_H

#include <cella/bytes.h>
#include <cella/result.h>

struct cella_buffer {
    uint8_t *data; /* owned */
    size_t size;
    size_t capacity;
};

/* Makes size more bytes at the end, zeroed, and gives their address in *out (valid until the next
 * append). */
CELLA_RESULT cella_buffer_extend(struct cella_buffer *buffer, size_t size, uint8_t **out);
CELLA_RESULT cella_buffer_append(struct cella_buffer *buffer, struct cella_bytes bytes);
void cella_buffer_free(struct cella_buffer *buffer);
static inline struct cella_bytes cella_buffer_bytes(const struct cella_buffer *b) {
    return cella_bytes(b->data, b->size);
}
#define CELLA_BUFFER __attribute__((cleanup(cella_buffer_free))) struct cella_buffer
/* Hands ownership out of a cleanup variable: `*out = MOVE(buffer);` */
#define MOVE(variable)                                                                             \
    ({                                                                                             \
        __typeof__(variable) moved_ = (variable);                                                  \
        (variable) = (__typeof__(variable)){0};                                                    \
        moved_;                                                                                    \
    })

#endif
