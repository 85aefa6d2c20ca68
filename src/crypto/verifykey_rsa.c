#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "crypto/openssl.h"
#include "crypto/verifykey_inner.h"

CELLA_RESULT verifykey_load_rsa(struct cella_verifykey *key, struct cella_bytes n, uint64_t e) {
    BIGNUM *modulus = BN_bin2bn(n.data, (int)n.size, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    if (modulus && build && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) &&
        OSSL_PARAM_BLD_push_uint64(build, OSSL_PKEY_PARAM_RSA_E, e))
        params = OSSL_PARAM_BLD_to_param(build);
    bool done = params && verifykey_pkey("RSA", EVP_PKEY_PUBLIC_KEY, params, &key->pkey);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_free(modulus);
    ENSURE(done, CELLA_ERR_FORMAT, NULL, "public key: OpenSSL refuses the RSA key");
    return CELLA_SUCCESS;
}

/* The salt is as long as the digest, as every format here fixes it; any other length is refused. */
bool verifykey_check_rsa(const struct cella_verifykey *key, const struct verifykey_algorithm *a,
                         struct cella_bytes digest, const uint8_t *signature) {
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
    bool good =
        ctx && EVP_PKEY_verify_init(ctx) > 0 &&
        EVP_PKEY_CTX_set_rsa_padding(ctx, a->pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) > 0 &&
        EVP_PKEY_CTX_set_signature_md(ctx, key->digest[a->digest]) > 0 &&
        (!a->pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0) &&
        EVP_PKEY_verify(ctx, signature, key->size, digest.data, digest.size) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!good) ERR_clear_error();
    return good;
}
