/* The development set-up that a first start makes. */
#ifndef CELLA_SERVICE_DEVELOPMENT_H
#define CELLA_SERVICE_DEVELOPMENT_H

#include "base/buffer.h"
#include "service/service.h"

/* A cella_service_maker; context: the options. */
CELLA_RESULT cella_service_development_make(const char *folder, const char *final, void *context);
/* The configuration's text alone. */
struct cella_service_development {
    const char *host, *listen; /* as in the options; listen NULL: loopback */
    unsigned port;
    bool six; /* this machine has [::1] */
    char tenant[37];
};
CELLA_RESULT cella_service_development_config(const struct cella_service_development *d,
                                              struct cella_buffer *out);
/* The URL of a part: the first port and its offset. */
enum {
    CELLA_SERVICE_PORT_VAULT = 1,
    CELLA_SERVICE_PORT_AAD = 2,
    CELLA_SERVICE_PORT_ISOLATED = 3,
    CELLA_SERVICE_PORT_SHARED = 4,
    CELLA_SERVICE_PORT_HSM = 5,
    CELLA_SERVICE_PORT_METRICS = 6
};
void cella_service_development_url(const struct cella_service_development *d, unsigned offset,
                                   char *url, size_t size);
/* Appends formatted text. */
CELLA_RESULT cella_service_text(struct cella_buffer *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What a user is told once the server of a first start is ready. */
CELLA_RESULT cella_service_development_tell(const char *path);

#define CELLA_SERVICE_ENVIRONMENT "dev/env.sh"

#endif
