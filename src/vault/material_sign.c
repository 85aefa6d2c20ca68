/* Signatures over digests that the caller made. */
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "base/memory.h"
#include "vault/material_inner.h"

static void free_context(EVP_PKEY_CTX **context) { EVP_PKEY_CTX_free(*context); }
static void free_signature(ECDSA_SIG **signature) { ECDSA_SIG_free(*signature); }
#define OF(type, how) __attribute__((cleanup(how))) type *

enum { RSA_SIZE_MAX = 512, ECDSA_DER_MAX = 160, RAW1_OVERHEAD = 11 };

static bool set_up(EVP_PKEY_CTX *context, const struct cella_algorithm *algorithm, bool verify) {
    const EVP_MD *digest = algorithm->digest ? EVP_get_digestbyname(algorithm->digest) : NULL;
    if ((verify ? EVP_PKEY_verify_init(context) : EVP_PKEY_sign_init(context)) != 1) return false;
    if (algorithm->scheme == CELLA_SCHEME_ECDSA)
        return EVP_PKEY_CTX_set_signature_md(context, digest) == 1;
    if (algorithm->scheme == CELLA_SCHEME_PSS)
        return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_signature_md(context, digest) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
           (!digest || EVP_PKEY_CTX_set_signature_md(context, digest) == 1);
}

void cella_signing_free(struct cella_signing *signing) {
    if (!signing) return;
    EVP_PKEY_CTX_free(signing->context);
    free(signing);
}

static EVP_PKEY_CTX *new_context(const struct cella_material *material,
                                 const struct cella_algorithm *algorithm) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(material->pkey, NULL);
    if (context && set_up(context, algorithm, false)) return context;
    EVP_PKEY_CTX_free(context);
    return NULL;
}

/* Keeps a copy for the signatures that follow; another thread may have been faster. */
static void keep_context(const struct cella_material *material,
                         const struct cella_algorithm *algorithm, EVP_PKEY_CTX *context) {
    struct cella_material *writable = (struct cella_material *)(uintptr_t)material;
    struct cella_signing *none = NULL, *made = calloc(1, sizeof(*made));
    if (!made) return;
    made->algorithm = algorithm;
    made->context = EVP_PKEY_CTX_dup(context);
    if (!made->context || !atomic_compare_exchange_strong(&writable->signing, &none, made))
        cella_signing_free(made);
}

/* Making a context looks algorithms up by name, some microseconds; copying one does not. */
static EVP_PKEY_CTX *signing_context(const struct cella_material *material,
                                     const struct cella_algorithm *algorithm) {
    const struct cella_signing *kept = atomic_load(&material->signing);
    if (kept && kept->algorithm == algorithm) return EVP_PKEY_CTX_dup(kept->context);
    EVP_PKEY_CTX *context = new_context(material, algorithm);
    if (context && !kept) keep_context(material, algorithm, context);
    return context;
}

/* r || s, each of the curve's size (RFC 7518 3.4), from DER and back. */
static CELLA_RESULT raw_of_der(struct cella_bytes der, int size, struct cella_product *out) {
    const unsigned char *at = der.data;
    OF(ECDSA_SIG, free_signature) signature = d2i_ECDSA_SIG(NULL, &at, (long)der.size);
    ENSURE(signature, CELLA_ERR_INTERNAL, NULL, "cannot read a signature");
    ENSURE(BN_bn2binpad(ECDSA_SIG_get0_r(signature), out->value, size) == size &&
               BN_bn2binpad(ECDSA_SIG_get0_s(signature), out->value + size, size) == size,
           CELLA_ERR_INTERNAL, NULL, "cannot write a signature");
    out->size = (size_t)size * 2;
    return CELLA_SUCCESS;
}

static int der_of_raw(struct cella_bytes raw, int size, unsigned char der[ECDSA_DER_MAX]) {
    OF(ECDSA_SIG, free_signature) signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.data, size, NULL), *s = BN_bin2bn(raw.data + size, size, NULL);
    if (!signature || !r || !s || ECDSA_SIG_set0(signature, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return 0;
    }
    unsigned char *at = der;
    return i2d_ECDSA_SIG(signature, NULL) <= ECDSA_DER_MAX ? i2d_ECDSA_SIG(signature, &at) : 0;
}

static CELLA_RESULT sign(const struct cella_material *material,
                         const struct cella_algorithm *algorithm, struct cella_bytes digest,
                         struct cella_product *out) {
    OF(EVP_PKEY_CTX, free_context) context = signing_context(material, algorithm);
    uint8_t der[ECDSA_DER_MAX];
    bool ecdsa = algorithm->scheme == CELLA_SCHEME_ECDSA;
    size_t size = ecdsa ? sizeof(der) : RSA_SIZE_MAX;
    TRY(cella_product_room(out, RSA_SIZE_MAX));
    ENSURE(context && EVP_PKEY_sign(context, ecdsa ? der : out->value, &size, digest.data,
                                    digest.size) == 1,
           CELLA_ERR_INTERNAL, NULL, "cannot sign");
    if (ecdsa) return raw_of_der(cella_bytes(der, size), ((int)material->bits + 7) / 8, out);
    out->size = size;
    return CELLA_SUCCESS;
}

/* A signature of a wrong size is not valid, and no error. */
static CELLA_RESULT verify(const struct cella_material *material,
                           const struct cella_algorithm *algorithm, struct cella_bytes digest,
                           struct cella_bytes signature, struct cella_product *out) {
    OF(EVP_PKEY_CTX, free_context) context = EVP_PKEY_CTX_new(material->pkey, NULL);
    unsigned char der[ECDSA_DER_MAX];
    int size = ((int)material->bits + 7) / 8;
    ENSURE(context && set_up(context, algorithm, true), CELLA_ERR_INTERNAL, NULL, "cannot verify");
    if (algorithm->scheme == CELLA_SCHEME_ECDSA) {
        if (signature.size != (size_t)size * 2) return CELLA_SUCCESS;
        signature = cella_bytes(der, (size_t)der_of_raw(signature, size, der));
    }
    out->valid =
        EVP_PKEY_verify(context, signature.data, signature.size, digest.data, digest.size) == 1;
    ERR_clear_error();
    return CELLA_SUCCESS;
}

static CELLA_RESULT mac(const struct cella_material *material,
                        const struct cella_algorithm *algorithm, bool check,
                        const struct cella_operands *operands, struct cella_product *out) {
    uint8_t made[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    ENSURE(HMAC(EVP_get_digestbyname(algorithm->digest), material->oct.data,
                (int)material->oct.size, operands->value.data, operands->value.size, made, &size),
           CELLA_ERR_INTERNAL, NULL, "cannot sign");
    if (!check) {
        TRY(cella_product_room(out, size));
        cella_copy(out->value, made, size);
        out->size = size;
        return CELLA_SUCCESS;
    }
    out->valid = operands->signature.size == size &&
                 cella_equal_secret(made, operands->signature.data, size); /* K07 */
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_check_signed(const struct cella_material *material,
                                const struct cella_algorithm *algorithm, struct cella_bytes value) {
    size_t found = value.size;
    ENSURE(!algorithm->digest || found == algorithm->digest_size, CELLA_ERR_USAGE, NULL,
           "%s: expected a digest of %u bytes, found %zu", algorithm->name, algorithm->digest_size,
           found);
    ENSURE(algorithm->digest || (found > 0 && found + RAW1_OVERHEAD <= material->bits / 8),
           CELLA_ERR_USAGE, NULL, "%s: expected 1 to %u bytes, found %zu", algorithm->name,
           material->bits / 8 - RAW1_OVERHEAD, found);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_use_sign(const struct cella_material *material,
                            const struct cella_algorithm *algorithm, bool check,
                            const struct cella_operands *operands, struct cella_product *out) {
    TRY(cella_check_signed(material, algorithm, operands->value));
    if (algorithm->scheme == CELLA_SCHEME_HMAC)
        return mac(material, algorithm, check, operands, out);
    if (check) return verify(material, algorithm, operands->value, operands->signature, out);
    return sign(material, algorithm, operands->value, out);
}
