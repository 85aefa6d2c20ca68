/* Private keys of files as JSON Web Keys, for `cella key import`. */
#ifndef CELLA_CLI_KEY_IMPORT_H
#define CELLA_CLI_KEY_IMPORT_H

#include <cella/result.h>
#include <jansson.h>

/* A data key (`cella keygen --data`), or a private RSA or EC key in PEM that no passphrase
 * protects. hsm: the vault is to keep it as an HSM's. *out: new; it holds the key:
 * cella_key_import_free. */
CELLA_RESULT cella_key_import_read(const char *path, bool hsm, json_t **out);
/* Overwrites what its texts hold, and frees it. */
void cella_key_import_free(json_t **jwk);

#endif
