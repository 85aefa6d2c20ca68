/* Percent-encoding (RFC 3986 §2.1). */
#ifndef CELLA_HTTP_PERCENT_H
#define CELLA_HTTP_PERCENT_H

#include <cella/bytes.h>
#include <cella/result.h>

#include "base/buffer.h"

/* Appends to out; all but unreserved characters are encoded. */
CELLA_RESULT cella_percent_encode(struct cella_bytes bytes, struct cella_buffer *out);
/* Decodes to out, which has room for text.size bytes, and gives the size; false when a % is not
 * followed by two hex digits. Any byte may come out. */
bool cella_percent_decode(struct cella_bytes text, uint8_t *out, size_t *size);

#endif
