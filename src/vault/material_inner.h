/* Inside of key material, for the files of its operations. */
#ifndef CELLA_VAULT_MATERIAL_INNER_H
#define CELLA_VAULT_MATERIAL_INNER_H

#include <openssl/evp.h>
#include <stdatomic.h>

#include "hsm/hsm.h"
#include "vault/material.h"

struct cella_signing;
struct cella_material {
    enum cella_material_kind kind;
    enum cella_material_curve curve;
    unsigned bits;
    EVP_PKEY *pkey;          /* owned; NULL of oct */
    struct cella_secret oct; /* owned; empty else */
    uint8_t rejection[32];   /* of RSA: the secret behind implicit rejection, from the private
                                exponent, or drawn for a resident key */
    bool resident; /* pkey is the public part alone, oct is empty; the rest is in an HSM */
    uint8_t id[CELLA_HSM_ID_SIZE]; /* of a resident key: its object's */
    /* owned: for the algorithm that first signed, made once; NULL before. All else of a material
     * stays as it was made. */
    _Atomic(struct cella_signing *) signing;
};

/* A context that is ready to sign: copied for each signature, never used itself. */
struct cella_signing {
    const struct cella_algorithm *algorithm;
    EVP_PKEY_CTX *context; /* owned */
};
void cella_signing_free(struct cella_signing *signing);

/* Room for a material, its kind set. */
CELLA_RESULT cella_material_allocate(enum cella_material_kind kind, struct cella_material **out);
/* Whether a key of that shape can be made; exponent: in and out, 0 for the usual one. */
CELLA_RESULT cella_material_check_new(enum cella_material_kind kind,
                                      enum cella_material_curve curve, unsigned size,
                                      uint32_t *exponent);
/* curve of a key of EC. */
CELLA_RESULT cella_material_find_curve(struct cella_material *material);
const char *cella_curve_group(enum cella_material_curve curve); /* OpenSSL's name */
CELLA_RESULT cella_material_save_resident(const struct cella_material *material,
                                          struct cella_secret *out);

/* One row for each algorithm that the vault knows. */
enum cella_scheme {
    CELLA_SCHEME_RSA1_5,
    CELLA_SCHEME_OAEP,
    CELLA_SCHEME_GCM,
    CELLA_SCHEME_CBC,
    CELLA_SCHEME_CBCPAD,
    CELLA_SCHEME_KW,
    CELLA_SCHEME_KWP,
    CELLA_SCHEME_PKCS1, /* signatures from here on */
    CELLA_SCHEME_PSS,
    CELLA_SCHEME_RAW1, /* RSNULL */
    CELLA_SCHEME_ECDSA,
    CELLA_SCHEME_HMAC,
};
struct cella_algorithm {
    const char *name;
    enum cella_scheme scheme;
    enum cella_material_kind kind;
    enum cella_material_curve curve; /* of ECDSA */
    unsigned bits;                   /* of AES; 0: any size */
    const char *digest;              /* of OpenSSL; NULL: none */
    unsigned digest_size;
};

/* The algorithm of an operation, checked against key and operation. */
CELLA_RESULT cella_algorithm_for(const struct cella_material *material,
                                 enum cella_operation operation, const char *name,
                                 const struct cella_algorithm **out);
/* What an operation is given has a size that it can have. */
CELLA_RESULT cella_check_signed(const struct cella_material *material,
                                const struct cella_algorithm *algorithm, struct cella_bytes value);
CELLA_RESULT cella_check_rsa(const struct cella_material *material,
                             const struct cella_algorithm *algorithm, struct cella_bytes value);
CELLA_RESULT cella_check_aes(const struct cella_algorithm *algorithm, bool decrypt,
                             const struct cella_operands *operands);
/* The message of a padded block of the modulus' size, without a branch on its content (K06): of
 * RSA1_5 by implicit rejection, for which cipher is what the block came from. */
CELLA_RESULT cella_unpad_v15(const struct cella_material *material, struct cella_bytes cipher,
                             const uint8_t *block, struct cella_product *out);

CELLA_RESULT cella_use_rsa(const struct cella_material *material,
                           const struct cella_algorithm *algorithm, bool decrypt,
                           const struct cella_operands *operands, struct cella_product *out);
CELLA_RESULT cella_use_aes(const struct cella_material *material,
                           const struct cella_algorithm *algorithm, bool decrypt,
                           const struct cella_operands *operands, struct cella_product *out);
CELLA_RESULT cella_use_sign(const struct cella_material *material,
                            const struct cella_algorithm *algorithm, bool verify,
                            const struct cella_operands *operands, struct cella_product *out);

/* K10: an RSA key of a size that the vault has, with an odd exponent and two primes of half its
 * size, far apart; an EC key on its curve; both of parts that belong together. */
CELLA_RESULT cella_material_sound(const EVP_PKEY *pkey);
/* In the HSM of the operands (material_hsm.c); a key that lives there. */
CELLA_RESULT cella_use_hsm(const struct cella_material *material,
                           const struct cella_algorithm *algorithm, enum cella_operation operation,
                           const struct cella_operands *operands, struct cella_product *out);

/* Room for size bytes in a product. */
CELLA_RESULT cella_product_room(struct cella_product *product, size_t size);
/* What does not decrypt, whatever the cause (K06, K08). */
#define CELLA_NOT_DECRYPTED                                                                        \
    CELLA_FAILURE(CELLA_ERR_INTEGRITY, NULL, "the value does not decrypt under this key")

#endif
