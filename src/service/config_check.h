/* What the settings must be together. For the files of the configuration. */
#ifndef CELLA_SERVICE_CONFIG_CHECK_H
#define CELLA_SERVICE_CONFIG_CHECK_H

#include "service/config.h"

CELLA_RESULT cella_service_config_check(const struct cella_service_config *config,
                                        const char *name);

#endif
