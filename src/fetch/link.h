/* One request over TLS, from inside an enclave: the host carries the bytes of a connection
 * (/dev/cella/connect), and TLS ends here. The peer's certificate is checked against the image's
 * own authorities and the URL's host; what time it is, the host says. */
#ifndef CELLA_FETCH_LINK_H
#define CELLA_FETCH_LINK_H

#include <openssl/ssl.h>

#include "fetch/settings.h"

/* A client's context that trusts the certificates of a PEM text and no others. */
CELLA_RESULT cella_link_context(const char *ca, SSL_CTX **out);

/* POST of JSON. path: with its query. bearer: an access token, or NULL. *reply: new. A status other
 * than 200 is an error that says what the service said. */
CELLA_RESULT cella_link_post(SSL_CTX *context, const struct cella_fetch_url *url, const char *path,
                             const char *bearer, const json_t *body, json_t **reply);

#endif
