/* Byte views: a pointer and a size in bytes, passed by value, never owning. */
#ifndef CELLA_BYTES_H
#define CELLA_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct cella_bytes {
    const uint8_t *data; /* may be NULL only when size is 0 */
    size_t size;         /* bytes */
};

static inline struct cella_bytes cella_bytes(const void *data, size_t size) {
    return (struct cella_bytes){(const uint8_t *)data, size};
}
/* The characters of a C string without its NUL. */
static inline struct cella_bytes cella_bytes_text(const char *text) {
    return (struct cella_bytes){(const uint8_t *)text, __builtin_strlen(text)};
}
/* View of a whole array object: CELLA_BYTES_OF(digest). */
#define CELLA_BYTES_OF(array) cella_bytes((array), sizeof(array))

#endif
