/* Envelope encryption with a vault's key: a fresh data key for each file, wrapped by the vault,
 * kept beside the file as JSON {"kid", "alg", "value"}. */
#ifndef CELLA_CLI_ENVELOPE_H
#define CELLA_CLI_ENVELOPE_H

#include "base/secret.h"

/* A fresh data key, and its wrapped form written to path. key_url: "https://vault/keys/NAME", also
 * with a version; the version that wrapped is kept. */
CELLA_RESULT cella_cli_envelope_new(const char *key_url, const char *ca, const char *path,
                                    struct cella_secret *key);
/* The data key of a wrapped form. url: the vault, or its key, that may be asked: another one that
 * the file names gets neither a request nor a token. */
CELLA_RESULT cella_cli_envelope_open(const char *url, const char *ca, const char *path,
                                     struct cella_secret *key);

#endif
