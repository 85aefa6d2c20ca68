/* A server of cella: configuration, the parts it wires together, its life from start to drain.
 * `cella serve` runs every service that the configuration has; `cella serve attest` the attestation
 * service and the identity it needs. */
#ifndef CELLA_SERVICE_SERVICE_H
#define CELLA_SERVICE_SERVICE_H

#include <cella/result.h>
#include <stdbool.h>

struct cella_service_options {
    const char *data; /* data folder; a first start makes a development set-up in it */
    const char *only; /* "attest", or NULL: every service configured */
    const char *host; /* of a first start: the host name of the URLs [localhost] */
    unsigned port;    /* of a first start: the first of the ports [8443] */
    bool quiet;       /* no exports on standard output */
};
/* Runs until SIGTERM or SIGINT. */
CELLA_RESULT cella_service_run(const struct cella_service_options *options);

#endif
