/* Shared by the files of the sealer only, and with its tests (docs/formats/sealed-record.md). */
#ifndef CELLA_STORE_SEALER_INNER_H
#define CELLA_STORE_SEALER_INNER_H

#include <jansson.h>

#include "store/sealer.h"

enum { SEALER_KEY_SIZE = 32, SEALER_KEYS_MAX = 64 };

/* --- Keys --- */

/* The id by which records say which key they are under; not secret. */
enum { SEALER_ID_SIZE = 16 };
CELLA_RESULT sealer_key_id(struct cella_bytes key, uint8_t id[SEALER_ID_SIZE]);
static inline struct cella_bytes sealer_key_at(struct cella_bytes keys, size_t index) {
    return cella_bytes(keys.data + index * SEALER_KEY_SIZE, SEALER_KEY_SIZE);
}
/* keys: one after the other, the oldest first; copied. */
CELLA_RESULT sealer_of_keys(struct cella_bytes keys, struct cella_sealer **out);
/* As cella_sealer_open, with another device than "/dev/cella", where an enclave's keys are. */
CELLA_RESULT sealer_open_device(const char *root, const char *folder, const char *device,
                                struct cella_sealer **out);

/* --- Roots --- */

struct sealer_place {
    const char *root; /* "file:PATH" ... */
    const char *folder, *device;
};
/* A root gives 32 bytes: the key that the store's keys are sealed under. What it has to remember to
 * give the same ones again is the object kept, which is not secret and lies in store.key. */
CELLA_RESULT sealer_root_make(const struct sealer_place *at, json_t *kept,
                              struct cella_secret *key);
CELLA_RESULT sealer_root_open(const struct sealer_place *at, const json_t *kept,
                              struct cella_secret *key);
/* Of folders that were made before store.key was: their records stand on the root itself. *there:
 * whether there may be such records. */
CELLA_RESULT sealer_root_old(const struct sealer_place *at, struct cella_secret *key, bool *there);

/* Text of hex digits or base64url to and from the object. */
CELLA_RESULT sealer_kept_put(json_t *kept, const char *name, struct cella_bytes bytes);
CELLA_RESULT sealer_kept_get(const json_t *kept, const char *name, struct cella_buffer *out);

/* Roots that wrap: key is drawn here and leaves wrapped (root_pkcs11.c, root_tpm.c). rest: what
 * comes behind "pkcs11:" or "tpm:". */
CELLA_RESULT sealer_pkcs11_wrap(const struct sealer_place *at, struct cella_bytes key,
                                json_t *kept);
CELLA_RESULT sealer_pkcs11_unwrap(const struct sealer_place *at, const json_t *kept,
                                  struct cella_secret *key);
CELLA_RESULT sealer_tpm_wrap(const struct sealer_place *at, struct cella_bytes key, json_t *kept);
CELLA_RESULT sealer_tpm_unwrap(const struct sealer_place *at, const json_t *kept,
                               struct cella_secret *key);

/* A counter of the TPM's own at an NV index of the owner, made at first use. */
CELLA_RESULT sealer_tpm_counter(const char *root, uint32_t index, bool raise, uint64_t *value);

/* --- store.key --- */

/* The keys of the store, by the root that store.key names; made at first use, from what came before
 * where there is something. */
CELLA_RESULT sealer_store_keys(const struct sealer_place *at, struct cella_secret *keys);

#endif
