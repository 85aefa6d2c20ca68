/* What `cella seal` and `cella unseal` have in common: arguments, the key, progress on a terminal.
 */
#ifndef CELLA_CLI_SEAL_ARGUMENTS_H
#define CELLA_CLI_SEAL_ARGUMENTS_H

#include <cella/seal.h>

#include "base/secret.h"

struct cella_cli_progress {
    const char *verb;
    bool wanted, shown;
    double started_s, told_s;
};

struct cella_cli_seal {
    const char *key_path, *name, *in, *out, *info;
    const char *vault, *ca, *wrapped; /* instead of key_path: envelope.h */
    bool force;
    struct cella_cli_progress progress;
    struct cella_secret key;           /* owned */
    struct cella_seal_options options; /* points into this structure: do not copy it */
};
void cella_cli_seal_free(struct cella_cli_seal *s);
#define CELLA_CLI_SEAL __attribute__((cleanup(cella_cli_seal_free))) struct cella_cli_seal

/* Reads arguments and key. verb: "seal" or "unseal". With --info nothing else is read. */
CELLA_RESULT cella_cli_seal_parse(const char *verb, int argc, char **argv,
                                  struct cella_cli_seal *out);

#endif
