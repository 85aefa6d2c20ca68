/* Key material of the vault: RSA, EC and symmetric keys, made, imported, kept, and used
 * (azure-keyvault 2, 4). No store and no HTTP here.
 *
 * Material is immutable once made and may be used by many threads. Private parts live in memory
 * that is wiped; they leave only as PKCS#8 or raw bytes in a cella_secret. */
#ifndef CELLA_VAULT_MATERIAL_H
#define CELLA_VAULT_MATERIAL_H

#include <jansson.h>

#include "base/buffer.h"
#include "base/secret.h"

enum cella_material_kind { CELLA_MATERIAL_RSA, CELLA_MATERIAL_EC, CELLA_MATERIAL_OCT };
enum cella_material_curve {
    CELLA_CURVE_NONE,
    CELLA_CURVE_P256,
    CELLA_CURVE_P256K,
    CELLA_CURVE_P384,
    CELLA_CURVE_P521
};
const char *cella_curve_name(enum cella_material_curve curve);             /* "P-256" ... */
bool cella_curve_find(const char *name, enum cella_material_curve *curve); /* SECP256K1 too */

struct cella_material;
void cella_material_free(struct cella_material **material);
#define CELLA_MATERIAL __attribute__((cleanup(cella_material_free))) struct cella_material *

/* size: bits of RSA (2048, 3072, 4096) or oct (128, 192, 256); exponent of RSA, 0: 65537. */
CELLA_RESULT cella_material_new(enum cella_material_kind kind, enum cella_material_curve curve,
                                unsigned size, uint32_t exponent, struct cella_material **out);
/* A private JWK: of RSA n, e, d and, when given, the primes (else recovered); of EC crv, x, y, d;
 * of oct k. Checked as a whole (K10): odd exponent, sizes, the point on its curve, the private part
 * fits the public one, primes multiply to n. The error never holds any of it. */
CELLA_RESULT cella_material_import(const json_t *jwk, struct cella_material **out);
/* PKCS#8 DER of RSA and EC, raw bytes of oct, in and out. */
CELLA_RESULT cella_material_load(enum cella_material_kind kind, struct cella_bytes bytes,
                                 struct cella_material **out);
/* Of what _save gave, here or in an HSM. Not for bytes that a caller chose: they could name
 * another's object. */
CELLA_RESULT cella_material_open(enum cella_material_kind kind, struct cella_bytes saved,
                                 struct cella_material **out);
CELLA_RESULT cella_material_save(const struct cella_material *material, struct cella_secret *out);

enum cella_material_kind cella_material_kind(const struct cella_material *material);
enum cella_material_curve cella_material_curve(const struct cella_material *material);
unsigned cella_material_bits(const struct cella_material *material);
/* Public members of the JWK (n, e; crv, x, y; nothing of oct); new. */
json_t *cella_material_members(const struct cella_material *material);
CELLA_RESULT cella_material_spki(const struct cella_material *material, struct cella_buffer *der);
/* For certificates and CSRs: the OpenSSL key, borrowed. */
struct evp_pkey_st;
struct evp_pkey_st *cella_material_pkey(const struct cella_material *material);

/* --- Resident keys: the private part, or all of oct, is in an HSM and stays there --- */

struct cella_hsm;
/* As cella_material_new and, of imported material, another that is in the HSM: under an id and a
 * label there. _save of such gives where it is, and no key. Errors: hsm/hsm.h. */
CELLA_RESULT cella_material_new_in(struct cella_hsm *hsm, const uint8_t id[16], const char *label,
                                   enum cella_material_kind kind, enum cella_material_curve curve,
                                   unsigned size, uint32_t exponent, struct cella_material **out);
CELLA_RESULT cella_material_move_in(struct cella_hsm *hsm, const uint8_t id[16], const char *label,
                                    const struct cella_material *material,
                                    struct cella_material **out);
bool cella_material_resident(const struct cella_material *material);

/* --- Operations (azure-keyvault 4) --- */

enum cella_operation {
    CELLA_OP_ENCRYPT,
    CELLA_OP_DECRYPT,
    CELLA_OP_WRAP,
    CELLA_OP_UNWRAP,
    CELLA_OP_SIGN,
    CELLA_OP_VERIFY
};
struct cella_operands {
    const char *algorithm;        /* "RS256", "RSA-OAEP-256", "A256GCM", ... exact */
    struct cella_bytes value;     /* plain or cipher text, key, digest; of verify: the digest */
    struct cella_bytes signature; /* of verify */
    struct cella_bytes iv, aad, tag;
    struct cella_hsm *hsm; /* where a resident key lives; NULL else */
};
struct cella_product {
    uint8_t *value; /* owned; may be plaintext or a key: wiped when freed */
    size_t size, capacity;
    bool valid; /* of verify */
    uint8_t iv[16], tag[16];
    size_t iv_size, tag_size;
};
void cella_product_free(struct cella_product *product);
#define CELLA_PRODUCT __attribute__((cleanup(cella_product_free))) struct cella_product
/* Resident keys are used in their HSM, but for what takes the public part alone; its errors:
 * hsm/hsm.h. CELLA_ERR_USAGE: the algorithm is unknown or does not fit the key or the operation, or
 * an operand has a wrong size. CELLA_ERR_INTEGRITY: does not decrypt or unwrap; one error, one
 * text, one time for every cause (K06, K08). Digests are taken as they are, never hashed again. */
CELLA_RESULT cella_material_use(const struct cella_material *material,
                                enum cella_operation operation,
                                const struct cella_operands *operands, struct cella_product *out);

#endif
