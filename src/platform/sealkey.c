#include "platform/sealkey.h"

#include "abi/platcall.h"
#include "base/writer.h"
#include "crypto/digest.h"

static const char label[] = "cella seal key v1"; /* with its NUL */

CELLA_RESULT cella_seal_key(struct cella_bytes seal_root, const struct cella_identity *caller,
                            uint16_t policy, uint16_t svn, struct cella_bytes key_id,
                            uint8_t out[CELLA_SEAL_KEY_SIZE]) {
    bool by_enclave = policy == CELLA_SEAL_POLICY_ENCLAVE;
    ENSURE(by_enclave || policy == CELLA_SEAL_POLICY_SIGNER, CELLA_ERR_FORMAT, NULL,
           "seal policy %u is neither 1 (enclave) nor 2 (signer)", policy);
    ENSURE(seal_root.size == CELLA_SEAL_ROOT_SIZE && key_id.size == CELLA_SEAL_KEY_ID_SIZE,
           CELLA_ERR_INTERNAL, NULL, "sizes of seal root or key id");
    ENSURE(svn <= caller->svn, CELLA_ERR_REFUSED, "run the newer version of the enclave",
           "the key of security version %u is not for an enclave of version %u", svn, caller->svn);
    uint8_t info[sizeof(label) + 2 + 32 + 2 + 2 + 1 + 64 + CELLA_SEAL_KEY_ID_SIZE];
    struct cella_writer w = cella_writer(info, sizeof(info));
    cella_writer_put(&w, CELLA_BYTES_OF(label));
    cella_writer_u16le(&w, policy);
    cella_writer_put(&w, by_enclave ? CELLA_BYTES_OF(caller->mrenclave)
                                    : CELLA_BYTES_OF(caller->mrsigner));
    cella_writer_u16le(&w, by_enclave ? 0 : caller->product_id);
    cella_writer_u16le(&w, svn);
    cella_writer_u8(
        &w, caller->debug); /* a debug enclave's memory is open: it never gets a production key */
    cella_writer_put(&w, CELLA_BYTES_OF(caller->config_id));
    cella_writer_put(&w, key_id);
    ENSURE(!w.failed && w.size == sizeof(info), CELLA_ERR_INTERNAL, NULL,
           "seal key derivation layout");
    return cella_hkdf_sha256(seal_root, cella_bytes(NULL, 0), cella_writer_bytes(&w), out,
                             CELLA_SEAL_KEY_SIZE);
}
