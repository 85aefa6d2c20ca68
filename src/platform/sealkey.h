/* Seal keys: SGX's EGETKEY(seal key), played by the platform. docs/formats/seal-key.md.
 *
 * key = HKDF-SHA256(seal root, salt none, "cella seal key v1\0" | u16 policy | MRENCLAVE or
 * MRSIGNER (32) | u16 product id (0 by enclave) | u16 svn | u8 debug | CONFIGID (64) | key id
 * (32)), 32 bytes A caller gets keys of its own security version and older ones, never newer (R71).
 */
#ifndef CELLA_PLATFORM_SEALKEY_H
#define CELLA_PLATFORM_SEALKEY_H

#include <cella/bytes.h>
#include <cella/identity.h>
#include <cella/result.h>

enum { CELLA_SEAL_ROOT_SIZE = 32, CELLA_SEAL_KEY_SIZE = 32, CELLA_SEAL_KEY_ID_SIZE = 32 };

/* policy: CELLA_SEAL_POLICY_*. CELLA_ERR_REFUSED: svn above the caller's; CELLA_ERR_FORMAT: unknown
 * policy. */
CELLA_RESULT cella_seal_key(struct cella_bytes seal_root, const struct cella_identity *caller,
                            uint16_t policy, uint16_t svn, struct cella_bytes key_id,
                            uint8_t out[CELLA_SEAL_KEY_SIZE]);

#endif
