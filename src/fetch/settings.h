/* What an image says of the vaults that its keys come from: measured with it, written by `cella
 * sign`, read by the fetching program inside and by `cella run` and `cella inspect` outside.
 *
 * One JSON object, in one spelling:
 *   {"attest": URL, "ca": PEM, "keys": {NAME: "https://HOST[:PORT]/keys/KEY[/VERSION]", ...}}
 */
#ifndef CELLA_FETCH_SETTINGS_H
#define CELLA_FETCH_SETTINGS_H

#include <jansson.h>

#include "base/buffer.h"

enum {
    CELLA_FETCH_KEY_MAX = 16,
    CELLA_FETCH_URL_MAX = 256,      /* bytes of a URL with its NUL */
    CELLA_FETCH_CA_MAX = 24576,     /* bytes of the certificates */
    CELLA_FETCH_HEAP_MIN = 1 << 20, /* bytes that TLS and the answers take */
    CELLA_FETCH_PEER_MAX = 1 + CELLA_FETCH_KEY_MAX,
};

/* An https URL without user, query and fragment, in parts. */
struct cella_fetch_url {
    char host[CELLA_FETCH_URL_MAX];      /* as it stands in a certificate */
    char peer[CELLA_FETCH_URL_MAX];      /* "HOST:PORT": where to connect */
    char authority[CELLA_FETCH_URL_MAX]; /* "HOST[:PORT]" as written: the Host header */
    char path[CELLA_FETCH_URL_MAX];      /* "/..." without a slash at its end; "" for none */
};
/* False for all else; no IPv6 addresses. */
bool cella_fetch_url(const char *url, struct cella_fetch_url *out);
/* A key of a vault: /keys/NAME or /keys/NAME/VERSION. */
bool cella_fetch_key_url(const char *url, struct cella_fetch_url *out);

struct cella_fetch_key {
    const char *name; /* in the image */
    const char *url;
};
struct cella_fetch_settings {
    const char *attest, *ca;
    size_t count;
    struct cella_fetch_key key[CELLA_FETCH_KEY_MAX];
    json_t *json; /* owned; the texts of a read one are in it */
};
void cella_fetch_settings_free(struct cella_fetch_settings *settings);
#define CELLA_FETCH_SETTINGS                                                                       \
    __attribute__((cleanup(cella_fetch_settings_free))) struct cella_fetch_settings

CELLA_RESULT cella_fetch_settings_write(const struct cella_fetch_settings *settings,
                                        struct cella_buffer *out);
/* Strict: members as above and no others, at least one key. */
CELLA_RESULT cella_fetch_settings_read(struct cella_bytes bytes, struct cella_fetch_settings *out);

#endif
