/* What an instance says of itself: /.well-known/openid-configuration (azure-attestation 2.1). */
#ifndef CELLA_ATTEST_DISCOVERY_H
#define CELLA_ATTEST_DISCOVERY_H

#include "attest/instance.h"
#include "http/server.h"

void cella_discovery_answer(const struct cella_attest_instance *instance,
                            struct cella_http_response *response);

#endif
