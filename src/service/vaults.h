/* The vaults, from their sections: with the authorities whose tokens may release keys, and what
 * they sign releases with. */
#ifndef CELLA_SERVICE_VAULTS_H
#define CELLA_SERVICE_VAULTS_H

#include "service/service_inner.h"

/* After the instances of the attestation service, which are authorities without being asked. */
CELLA_RESULT cella_service_vaults_open(struct cella_service *service);
/* Key sets are read again; rotation, renewal and purges that are due. */
CELLA_RESULT cella_service_vaults_tend(struct cella_service *service, uint64_t now_unix);

#endif
