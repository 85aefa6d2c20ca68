/* `cella policy release`: writes a release policy for a vault's key. */
#ifndef CELLA_CLI_POLICY_RELEASE_H
#define CELLA_CLI_POLICY_RELEASE_H

#include <cella/result.h>

/* argv[0] is "release". */
CELLA_RESULT cella_cli_policy_release(int argc, char **argv);

#endif
