/* Text encodings, strict: one spelling per value (threats.md A32, A33). */
#ifndef CELLA_BASE_TEXT_H
#define CELLA_BASE_TEXT_H

#include "base/buffer.h"

/* Writes 2*size lower-case hex digits and a NUL to out, which has room for 2*size+1. */
void cella_hex_encode(struct cella_bytes bytes, char *out);
/* Exactly 2*size hex digits of either case into out[size]; anything else is CELLA_ERR_FORMAT. */
CELLA_RESULT cella_hex_decode(struct cella_bytes text, uint8_t *out, size_t size);
/* Any even count of hex digits, appended to out. */
CELLA_RESULT cella_hex_decode_all(struct cella_bytes text, struct cella_buffer *out);
/* RFC 4648: base64 with padding, or base64url without. No white space, no spare bits set. */
CELLA_RESULT cella_base64_encode(struct cella_bytes bytes, bool url, struct cella_buffer *out);
CELLA_RESULT cella_base64_decode(struct cella_bytes text, bool url, struct cella_buffer *out);
/* A decimal number below 2^64, digits and nothing else; false otherwise. */
bool cella_number_read(const char *text, uint64_t *number);

#endif
