/* A small certificate authority for the TLS certificates of one's own servers: P-256, X.509 v3
 * (RFC 5280). For development and tests, where nobody else vouches for a server. */
#ifndef CELLA_CRYPTO_CA_H
#define CELLA_CRYPTO_CA_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/secret.h"

enum { CELLA_CA_HOSTS = 64 };

struct cella_ca_request {
    const char *common_name;
    const char *const *host; /* DNS names, "*." before them for every name below, or addresses */
    size_t host_count;
    uint64_t not_before_unix, not_after_unix;
};
/* A self-signed authority that can vouch for these hosts and all below them, and for no others
 * (critical name constraints; without "*."). PEM; the key is PKCS#8, not encrypted. */
CELLA_RESULT cella_ca_new(const struct cella_ca_request *request, struct cella_buffer *certificate,
                          struct cella_secret *key);
/* A server's certificate under it; CELLA_ERR_REFUSED when the authority may not vouch for a host.
 */
CELLA_RESULT cella_ca_issue(struct cella_bytes ca_certificate, struct cella_bytes ca_key,
                            const struct cella_ca_request *request,
                            struct cella_buffer *certificate, struct cella_secret *key);

struct cella_ca_validity {
    uint64_t not_before_unix, not_after_unix;
};
/* Of the first certificate of a PEM text. *missing: the first of the hosts that it is not for, or
 * NULL. */
CELLA_RESULT cella_ca_inspect(struct cella_bytes certificate, const char *const *host, size_t count,
                              struct cella_ca_validity *validity, const char **missing);
/* Whether the first certificate was signed with the key of the other. */
CELLA_RESULT cella_ca_signed_by(struct cella_bytes certificate, struct cella_bytes ca_certificate,
                                bool *is);
/* Whether the key is that of the first certificate. */
CELLA_RESULT cella_ca_key_fits(struct cella_bytes certificate, struct cella_bytes key, bool *fits);

#endif
