/* The target of a request (RFC 9112 §3.2, origin form): a path, and the parameters of its query,
 * decoded.
 *
 * One spelling per resource: a path that is percent-encoded (but for the colon of an operation,
 * which becomes one), holds "." or ".." parts, double slashes or control characters is refused, so
 * that nothing after this reads it in another way (K12, K19). A parameter may come once. Services
 * whose clients send empty parts (Key Vault's "/keys/k//sign") take those out before this. */
#ifndef CELLA_HTTP_TARGET_H
#define CELLA_HTTP_TARGET_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>

enum { CELLA_HTTP_PARAMETERS = 16, CELLA_HTTP_TARGET_MAX = 4096 };

struct cella_http_target {
    struct cella_bytes path; /* view of the text or of storage */
    size_t count;
    struct {
        struct cella_bytes name, value; /* of storage */
    } parameter[CELLA_HTTP_PARAMETERS];
    uint8_t storage[CELLA_HTTP_TARGET_MAX];
};

/* CELLA_ERR_FORMAT, or CELLA_ERR_LIMIT for one that is too long. */
CELLA_RESULT cella_http_target_parse(struct cella_bytes text, struct cella_http_target *out);
bool cella_http_path_is(const struct cella_http_target *target, const char *path);
/* The parameter's value; false when there is none. Names are compared byte for byte. */
bool cella_http_parameter(const struct cella_http_target *target, const char *name,
                          struct cella_bytes *value);

#endif
