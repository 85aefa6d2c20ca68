/* CBOR in its deterministic encoding (RFC 8949 section 4.2.1), over libcbor's stateless coder: a
 * writer, and a reader for untrusted bytes that takes nothing else.
 *
 * The reader is pulled along the shape that the caller expects, item by item; there is no tree, no
 * recursion and no allocation, so the depth is the schema's own. The first item that is not as
 * asked (other type, size or value, indefinite length, longer form than needed, cut short) fails
 * the reader for good: later getters return zero or an empty view, and cella_cbor_end says which
 * field it was, what was expected and what was found. (threats.md A31)
 */
#ifndef CELLA_CRYPTO_CBOR_H
#define CELLA_CRYPTO_CBOR_H

#include <cella/bytes.h>
#include <cella/result.h>

#include "base/writer.h"

struct cella_cbor {
    struct cella_bytes in;
    size_t at;
    const char *
        what; /* what the bytes are, for errors; must outlive the reader, as must all field names */
    bool failed;
    const char *field;
    char expected[64];
    char found[64];
};

struct cella_cbor cella_cbor(struct cella_bytes in, const char *what);

uint64_t cella_cbor_uint(struct cella_cbor *c, const char *field, uint64_t max);
/* Exactly this integer, positive or negative; used for keys, too. */
void cella_cbor_expect_int(struct cella_cbor *c, const char *field, int64_t value);
/* Exactly this text. */
void cella_cbor_expect_text(struct cella_cbor *c, const char *field, const char *text);
struct cella_bytes cella_cbor_bytes(struct cella_cbor *c, const char *field, size_t min,
                                    size_t max);
void cella_cbor_copy(struct cella_cbor *c, const char *field, void *out, size_t size);
/* Text of min to max printable ASCII characters. */
struct cella_bytes cella_cbor_text(struct cella_cbor *c, const char *field, size_t min, size_t max);
/* The same, of 0 to size - 1 characters, copied into out with zeros after it. */
void cella_cbor_text_copy(struct cella_cbor *c, const char *field, char *out, size_t size);
size_t cella_cbor_array(struct cella_cbor *c, const char *field, size_t min, size_t max);
size_t cella_cbor_map(struct cella_cbor *c, const char *field, size_t min, size_t max);
/* A tag below 24. */
void cella_cbor_tag(struct cella_cbor *c, const char *field, unsigned tag);
/* Fails the reader by a rule of the caller's. */
void cella_cbor_refuse(struct cella_cbor *c, const char *field, const char *expected,
                       const char *found);
/* CELLA_ERR_FORMAT when anything failed or bytes are left over. */
CELLA_RESULT cella_cbor_end(struct cella_cbor *c);

/* The writer: appends to w, whose sticky failure is checked once at its end. Order of map keys is
 * the caller's duty. */
void cella_cbor_put_int(struct cella_writer *w, int64_t value);
void cella_cbor_put_uint(struct cella_writer *w, uint64_t value);
void cella_cbor_put_bytes(struct cella_writer *w, struct cella_bytes bytes);
/* Only what stands before the bytes of a byte string. */
void cella_cbor_put_bytes_head(struct cella_writer *w, size_t size);
void cella_cbor_put_text(struct cella_writer *w, const char *text);
void cella_cbor_put_array(struct cella_writer *w, size_t count);
void cella_cbor_put_map(struct cella_writer *w, size_t count);
void cella_cbor_put_tag(struct cella_writer *w, uint64_t tag);

#endif
