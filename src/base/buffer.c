#include "base/buffer.h"

#include <stdlib.h>

#include "base/memory.h"

CELLA_RESULT cella_buffer_extend(struct cella_buffer *buffer, size_t size, uint8_t **out) {
    size_t need = 0;
    *out = NULL;
    ENSURE(cella_add(buffer->size, size, &need), CELLA_ERR_LIMIT, NULL, "buffer size overflows");
    if (need > buffer->capacity || !buffer->data) {
        size_t capacity = 0; /* doubled; never below what is needed */
        if (!cella_mul(buffer->capacity, 2, &capacity) || capacity < need) capacity = need;
        if (capacity < 256) capacity = 256;
        uint8_t *data = realloc(buffer->data, capacity);
        ENSURE(data, CELLA_ERR_MEMORY, NULL, "no memory for a buffer of %zu bytes", capacity);
        buffer->data = data;
        buffer->capacity = capacity;
    }
    *out = buffer->data + buffer->size;
    cella_zero(*out, size);
    buffer->size = need;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_buffer_append(struct cella_buffer *buffer, struct cella_bytes bytes) {
    uint8_t *to = NULL;
    TRY(cella_buffer_extend(buffer, bytes.size, &to));
    if (bytes.size) cella_copy(to, bytes.data, bytes.size);
    return CELLA_SUCCESS;
}

void cella_buffer_free(struct cella_buffer *buffer) {
    free(buffer->data);
    *buffer = (struct cella_buffer){NULL, 0, 0};
}
