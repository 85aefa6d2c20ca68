/* The head of a request and its chunks (RFC 9112), read in one strict way: what two readers could
 * understand differently is refused, so that nothing can be smuggled past a proxy before us (K16).
 *
 * Refused beyond what RFC 9112 demands: lone LF, obs-fold, absolute-form, empty lines before a
 * request, chunk extensions, trailers, more than one Host, Content-Length, Transfer-Encoding or
 * Expect, and Content-Length beside Transfer-Encoding. No allocation; views of the given bytes. */
#ifndef CELLA_HTTP_MESSAGE_H
#define CELLA_HTTP_MESSAGE_H

#include <cella/bytes.h>
#include <stdbool.h>

enum { CELLA_HTTP_FIELDS = 100 /* more is 431 */ };

struct cella_http_field {
    struct cella_bytes name, value; /* the value without spaces around it */
};
/* What cella_http_request.inside points to. */
struct cella_http_message {
    struct cella_bytes method, target, authority;
    unsigned minor;  /* of HTTP/1.minor: 0 or 1 */
    bool last;       /* the connection ends after it: asked for, or HTTP/1.0 */
    bool chunked;    /* the body comes in chunks; else it has `length` bytes */
    bool expects;    /* 100-continue */
    uint64_t length; /* 0 without a body */
    size_t count;
    struct cella_http_field field[CELLA_HTTP_FIELDS];
};
/* status 0: well. Else the answer that it gets, after which the connection ends. */
struct cella_http_refusal {
    int status;
    const char *why; /* static */
};

/* Finds the end of a head as bytes come; begins zeroed. */
struct cella_http_scan {
    size_t at, line;
};
enum cella_http_scanned { CELLA_HTTP_MORE, CELLA_HTTP_WHOLE, CELLA_HTTP_BAD };
/* All that came; WHOLE: the head is scan->at bytes. */
enum cella_http_scanned cella_http_scan(struct cella_http_scan *scan, struct cella_bytes bytes);

/* head: as found by the scan, with the empty line. */
struct cella_http_refusal cella_http_message_parse(struct cella_bytes head,
                                                   struct cella_http_message *out);

/* Takes the chunks out of a body in place; begins zeroed. */
struct cella_http_chunks {
    int state;
    unsigned digits;
    uint64_t left;
    size_t size; /* bytes of body so far: at the beginning of the data */
    size_t raw;  /* where what is not read yet begins */
};
/* data: the body's bytes, all that came, *size of them; *size becomes smaller as they are taken
 * together. WHOLE: the body is chunks->size bytes, and what follows it begins at chunks->raw. A
 * body of more than max is CELLA_HTTP_BAD with chunks->size > max. */
enum cella_http_scanned cella_http_chunks(struct cella_http_chunks *chunks, uint8_t *data,
                                          size_t *size, size_t max);

/* The value of a field that came once; name in lower case. */
bool cella_http_message_field(const struct cella_http_message *message, const char *name,
                              struct cella_bytes *value);

#endif
