/* Root pkcs11: an AES key that never leaves an HSM wraps the root (RFC 7512 names it). */
#include "hsm/root.h"
#include "store/sealer_inner.h"

CELLA_RESULT sealer_pkcs11_wrap(const struct sealer_place *at, struct cella_bytes key,
                                json_t *kept) {
    uint8_t iv[CELLA_HSM_IV_SIZE];
    CELLA_BUFFER wrapped = {0};
    TRY(cella_hsm_root_wrap(at->root, at->folder, key, iv, &wrapped));
    TRY(sealer_kept_put(kept, "iv", CELLA_BYTES_OF(iv)));
    return sealer_kept_put(kept, "wrapped", cella_buffer_bytes(&wrapped));
}

CELLA_RESULT sealer_pkcs11_unwrap(const struct sealer_place *at, const json_t *kept,
                                  struct cella_secret *key) {
    CELLA_BUFFER iv = {0}, wrapped = {0};
    TRY(sealer_kept_get(kept, "iv", &iv));
    TRY(sealer_kept_get(kept, "wrapped", &wrapped));
    ENSURE(iv.size == CELLA_HSM_IV_SIZE && wrapped.size == SEALER_KEY_SIZE + CELLA_HSM_TAG_SIZE,
           CELLA_ERR_FORMAT, "restore it from a backup",
           "store.key: a wrapped root of %zu and %zu bytes", iv.size, wrapped.size);
    return cella_hsm_root_unwrap(at->root, at->folder, cella_buffer_bytes(&iv),
                                 cella_buffer_bytes(&wrapped), key);
}
