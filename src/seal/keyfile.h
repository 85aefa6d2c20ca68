/* Files of data keys, as `cella keygen --data` makes them: 64 hex digits and a newline, mode 0600.
 */
#ifndef CELLA_SEAL_KEYFILE_H
#define CELLA_SEAL_KEYFILE_H

#include "base/secret.h"

enum { CELLA_KEYFILE_KEY_SIZE = 32 };

/* Reads the key. Refuses a file that others may read (CELLA_ERR_PERMISSION) or of another form
 * (CELLA_ERR_FORMAT); no error says anything of the content. */
CELLA_RESULT cella_keyfile_read(const char *path, struct cella_secret *key);
/* The key's id, which manifests pin (abi/keygrant.h): not secret. */
CELLA_RESULT cella_keyfile_id(const struct cella_secret *key, uint8_t id[32]);

#endif
