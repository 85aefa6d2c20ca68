/* A server of cella: configuration, the parts it wires together, its life from start to drain.
 * `cella serve` runs every service that the configuration has; `cella serve attest` the attestation
 * service and the identity it needs. */
#ifndef CELLA_SERVICE_SERVICE_H
#define CELLA_SERVICE_SERVICE_H

#include <cella/result.h>
#include <stdbool.h>

struct cella_service_options {
    const char *data;   /* data folder; a first start makes a development set-up in it */
    const char *only;   /* "attest", or NULL: every service configured */
    const char *host;   /* of a first start: the host name of the URLs [localhost] */
    const char *listen; /* of a first start: the address to listen on [127.0.0.1, and ::1] */
    unsigned port;      /* of a first start: the first of the ports [8443] */
    bool quiet;         /* no exports on standard output */
};
/* Runs until SIGTERM or SIGINT; a second of them ends the process at once. Once in a process. */
CELLA_RESULT cella_service_run(const struct cella_service_options *options);
/* Reads the configuration and the files that it names, and changes nothing. */
CELLA_RESULT cella_service_check(const struct cella_service_options *options);

#endif
