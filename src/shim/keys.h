/* Named keys: asked of their owners at start (abi/keygrant.h, docs/formats/grant.md), kept in the
 * enclave's memory. */
#ifndef CELLA_SHIM_KEYS_H
#define CELLA_SHIM_KEYS_H

#include "abi/keygrant.h"
#include "shim/shim.h"

/* When the configuration names keys: makes an X25519 key, proves it, hands the request to the host,
 * and takes grants until every name has its key. Bad grants are refused with a line and do not end
 * the wait. */
CELLA_RESULT shim_keys_start(void);
/* The key number index of the configuration. Valid until shim_keys_wipe. */
const uint8_t *shim_keys_named(uint32_t index);
void shim_keys_wipe(void);

#endif
