/* The server's TLS settings (K18, A28). For files of the http part. */
#ifndef CELLA_HTTP_TLS_H
#define CELLA_HTTP_TLS_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <openssl/ssl.h>

CELLA_RESULT cella_http_tls_new(struct cella_bytes certificate, struct cella_bytes key, bool tls12,
                                SSL_CTX **out);

#endif
