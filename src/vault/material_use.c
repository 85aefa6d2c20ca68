/* Which algorithm fits which key and operation, and the check of what an operation is given. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "vault/material_inner.h"

#define RSA(name, scheme, digest, size)                                                            \
    { name, CELLA_SCHEME_##scheme, CELLA_MATERIAL_RSA, CELLA_CURVE_NONE, 0, digest, size }
#define EC(name, curve, digest, size)                                                              \
    { name, CELLA_SCHEME_ECDSA, CELLA_MATERIAL_EC, CELLA_CURVE_##curve, 0, digest, size }
#define AES(name, scheme, bits)                                                                    \
    { name, CELLA_SCHEME_##scheme, CELLA_MATERIAL_OCT, CELLA_CURVE_NONE, bits, NULL, 0 }
#define HMAC(name, digest, size)                                                                   \
    { name, CELLA_SCHEME_HMAC, CELLA_MATERIAL_OCT, CELLA_CURVE_NONE, 0, digest, size }

static const struct cella_algorithm algorithms[] = {
    RSA("RSA1_5", RSA1_5, NULL, 0),
    RSA("RSA-OAEP", OAEP, "SHA1", 20),
    RSA("RSA-OAEP-256", OAEP, "SHA256", 32),
    RSA("RS256", PKCS1, "SHA256", 32),
    RSA("RS384", PKCS1, "SHA384", 48),
    RSA("RS512", PKCS1, "SHA512", 64),
    RSA("PS256", PSS, "SHA256", 32),
    RSA("PS384", PSS, "SHA384", 48),
    RSA("PS512", PSS, "SHA512", 64),
    RSA("RSNULL", RAW1, NULL, 0),
    EC("ES256", P256, "SHA256", 32),
    EC("ES256K", P256K, "SHA256", 32),
    EC("ES384", P384, "SHA384", 48),
    EC("ES512", P521, "SHA512", 64),
    AES("A128GCM", GCM, 128),
    AES("A192GCM", GCM, 192),
    AES("A256GCM", GCM, 256),
    AES("A128CBC", CBC, 128),
    AES("A192CBC", CBC, 192),
    AES("A256CBC", CBC, 256),
    AES("A128CBCPAD", CBCPAD, 128),
    AES("A192CBCPAD", CBCPAD, 192),
    AES("A256CBCPAD", CBCPAD, 256),
    AES("A128KW", KW, 128),
    AES("A192KW", KW, 192),
    AES("A256KW", KW, 256),
    AES("CKM_AES_KEY_WRAP", KW, 0),
    AES("CKM_AES_KEY_WRAP_PAD", KWP, 0),
    HMAC("HS256", "SHA256", 32),
    HMAC("HS384", "SHA384", 48),
    HMAC("HS512", "SHA512", 64),
};

static const struct cella_algorithm *find(const char *name) {
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
        if (strcmp(name, algorithms[i].name) == 0) return &algorithms[i];
    return NULL;
}

static bool fits_operation(enum cella_scheme scheme, enum cella_operation operation) {
    switch (operation) {
    case CELLA_OP_ENCRYPT:
    case CELLA_OP_DECRYPT: return scheme <= CELLA_SCHEME_CBCPAD;
    case CELLA_OP_WRAP:
    case CELLA_OP_UNWRAP:
        return scheme <= CELLA_SCHEME_OAEP || scheme == CELLA_SCHEME_KW ||
               scheme == CELLA_SCHEME_KWP;
    case CELLA_OP_SIGN:
    case CELLA_OP_VERIFY: return scheme >= CELLA_SCHEME_PKCS1;
    }
    return false;
}

void cella_product_free(struct cella_product *product) {
    if (product->value) cella_wipe(product->value, product->capacity);
    free(product->value);
    product->value = NULL;
    product->size = product->capacity = 0;
}

CELLA_RESULT cella_product_room(struct cella_product *product, size_t size) {
    product->value = malloc(size);
    ENSURE(product->value, CELLA_ERR_MEMORY, NULL, "no memory for %zu bytes", size);
    product->capacity = size;
    product->size = 0;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_algorithm_for(const struct cella_material *material,
                                 enum cella_operation operation, const char *name,
                                 const struct cella_algorithm **out) {
    const struct cella_algorithm *algorithm = find(name);
    ENSURE(algorithm, CELLA_ERR_USAGE, NULL, "unknown algorithm '%.40s'", name);
    ENSURE(algorithm->kind == material->kind && algorithm->curve == material->curve &&
               (!algorithm->bits || algorithm->bits == material->bits),
           CELLA_ERR_USAGE, NULL, "algorithm %s does not fit this key", algorithm->name);
    ENSURE(fits_operation(algorithm->scheme, operation), CELLA_ERR_USAGE, NULL,
           "algorithm %s is not for this operation", algorithm->name);
    *out = algorithm;
    return CELLA_SUCCESS;
}

/* With the public part alone. */
static bool is_public(const struct cella_material *material, enum cella_operation operation) {
    return material->pkey && (operation == CELLA_OP_VERIFY || operation == CELLA_OP_ENCRYPT ||
                              operation == CELLA_OP_WRAP);
}

CELLA_RESULT cella_material_use(const struct cella_material *material,
                                enum cella_operation operation,
                                const struct cella_operands *operands, struct cella_product *out) {
    const struct cella_algorithm *algorithm = NULL;
    *out = (struct cella_product){.valid = false};
    TRY(cella_algorithm_for(material, operation, operands->algorithm, &algorithm));
    if (material->resident && !is_public(material, operation))
        return cella_use_hsm(material, algorithm, operation, operands, out);
    bool back = operation == CELLA_OP_DECRYPT || operation == CELLA_OP_UNWRAP;
    if (algorithm->scheme >= CELLA_SCHEME_PKCS1)
        return cella_use_sign(material, algorithm, operation == CELLA_OP_VERIFY, operands, out);
    if (algorithm->kind == CELLA_MATERIAL_RSA)
        return cella_use_rsa(material, algorithm, back, operands, out);
    return cella_use_aes(material, algorithm, back, operands, out);
}
