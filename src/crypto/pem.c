#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "crypto/x509.h"

/* Start of the needle at or after `from`; text.size when it is not there. */
static size_t find(struct cella_bytes text, size_t from, const char *needle) {
    if (from >= text.size) return text.size;
    const uint8_t *hit = memmem(text.data + from, text.size - from, needle, strlen(needle));
    return hit ? (size_t)(hit - text.data) : text.size;
}

/* RFC 7468 with line ends of either kind and lines of any length; the base64 itself is strict
 * (A33). */
static CELLA_RESULT decode(struct cella_bytes body, const char *label, struct cella_buffer *out) {
    CELLA_BUFFER digits = {0};
    uint8_t *to = NULL;
    TRY(cella_buffer_extend(&digits, body.size, &to));
    size_t n = 0;
    for (size_t i = 0; i < body.size; i++)
        if (body.data[i] != '\n' && body.data[i] != '\r') to[n++] = body.data[i];
    ENSURE(n > 0, CELLA_ERR_FORMAT, NULL, "PEM: a block %s without content", label);
    TRY_IN(cella_base64_decode(cella_bytes(to, n), false, out), "PEM block %s", label);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_pem_next(struct cella_bytes text, const char *label, size_t *at,
                            struct cella_buffer *out, bool *found) {
    *found = false;
    char begin[64], end[64];
    int begin_size = snprintf(begin, sizeof(begin), "-----BEGIN %s-----", label);
    int end_size = snprintf(end, sizeof(end), "-----END %s-----", label);
    ENSURE(begin_size > 0 && begin_size < (int)sizeof(begin) && end_size > 0, CELLA_ERR_INTERNAL,
           NULL, "the PEM label %s is too long", label);
    size_t start = find(text, *at, begin);
    if (start >= text.size) return CELLA_SUCCESS;
    start += (size_t)begin_size;
    size_t stop = find(text, start, end);
    ENSURE(stop < text.size, CELLA_ERR_FORMAT, "give the whole file",
           "PEM: BEGIN %s without its END", label);
    TRY(decode(cella_bytes(text.data + start, stop - start), label, out));
    *at = stop + (size_t)end_size;
    *found = true;
    return CELLA_SUCCESS;
}
