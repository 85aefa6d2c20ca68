/* Named keys: asked of their owners at start, or taken from a vault (fetch.h) (abi/keygrant.h,
 * docs/formats/grant.md), kept in the enclave's memory. */
#ifndef CELLA_SHIM_KEYS_H
#define CELLA_SHIM_KEYS_H

#include "abi/keygrant.h"
#include "shim/shim.h"

/* When the configuration names keys of owners: makes an X25519 key, proves it, hands the request to
 * the host, and takes grants until every name has its key. Bad grants are refused with a line and
 * do not end the wait. */
CELLA_RESULT shim_keys_start(void);
/* Takes a key that the fetching program got from a vault: 0, -EEXIST, -EACCES when the manifest
 * pins another, or comes from owners. */
long shim_keys_take(uint32_t index, const uint8_t key[CELLA_KEY_SIZE]);
bool shim_keys_have(uint32_t index);
/* Ends the enclave, naming a key that is missing, if one is. */
void shim_keys_complete(void);
/* The key number index of the configuration. Valid until shim_keys_wipe. */
const uint8_t *shim_keys_named(uint32_t index);
void shim_keys_wipe(void);

#endif
