/* The instances of the attestation service, from their sections and the files these name. */
#ifndef CELLA_SERVICE_INSTANCES_H
#define CELLA_SERVICE_INSTANCES_H

#include "service/service_inner.h"

/* Makes the trust that all share, and the service with every instance. */
CELLA_RESULT cella_service_instances_open(struct cella_service *service);
/* Reads every file that they name. */
CELLA_RESULT cella_service_instances_check(const struct cella_service_config *config);

#endif
