/* Public keys and DER signatures: a key that is taken is taken by OpenSSL too, and no signature
 * checks by chance.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "crypto/verifykey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void no_signature(const struct cella_verifykey *key, struct cella_bytes signature) {
    for (int a = CELLA_SIG_NONE; a <= CELLA_SIG_RSA_PSS_SHA512; a++) {
        struct cella_result r = cella_verifykey_check(key, (enum cella_signature_algorithm)a,
                                                      cella_bytes_text("message"), signature);
        if (!cella_failed(r)) abort();
        cella_result_drop(r);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CELLA_VERIFYKEY key = NULL;
    uint8_t rs[96];
    struct cella_result r = cella_verifykey_new(cella_bytes(data, size), &key);
    if (!cella_failed(r)) {
        const unsigned char *at = data;
        EVP_PKEY *theirs = d2i_PUBKEY(NULL, &at, (long)size);
        if (!theirs || at != data + size) abort();
        EVP_PKEY_free(theirs);
        no_signature(key, cella_bytes(data, size < 64 ? size : 64));
        no_signature(key, cella_bytes(data, size < 96 ? size : 96));
    }
    cella_result_drop(r);
    for (size_t half = 32; half <= 48; half += 16)
        cella_result_drop(cella_ecdsa_from_der(cella_bytes(data, size), rs, half));
    ERR_clear_error();
    return 0;
}
