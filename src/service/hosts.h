/* The hosts that a configuration's urls name: what certificates must be for. */
#ifndef CELLA_SERVICE_HOSTS_H
#define CELLA_SERVICE_HOSTS_H

#include "crypto/ca.h"
#include "service/config.h"

struct cella_service_hosts {
    char text[CELLA_CA_HOSTS][260];
    const char *host[CELLA_CA_HOSTS]; /* of text */
    size_t count;
};
/* A host, once; and with _below also "*." and it, where readers of certificates take that: names
 * of at least two parts. */
CELLA_RESULT cella_service_hosts_add(struct cella_service_hosts *hosts, const char *host,
                                     bool below);
/* localhost, 127.0.0.1, ::1, and the hosts of all urls. */
CELLA_RESULT cella_service_hosts_of(const struct cella_service_config *config,
                                    struct cella_service_hosts *out);
/* "https://[::1]:8443" to "::1"; url is an origin. */
void cella_service_host_of_url(const char *url, char *host, size_t size);

#endif
