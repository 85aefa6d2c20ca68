/* Keys that live in an HSM: made there or moved in, and how they are kept. What is kept is sealed
 * as other keys are, so that a row of the store cannot be made to name another object (K21), but
 * holds no key. */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/digest.h"
#include "vault/material_inner.h"

/* magic | id | bits, u32be | rejection | public key, DER, empty of oct. No PKCS #8 begins so, and
 * no symmetric key is as long. */
static const char magic[] = "cella hsm key 01";
enum { MAGIC = sizeof(magic) - 1, REJECTION = 32, KEPT_MAX = 1024 };

bool cella_material_resident(const struct cella_material *material) { return material->resident; }

CELLA_RESULT cella_material_save_resident(const struct cella_material *material,
                                          struct cella_secret *out) {
    uint8_t bytes[KEPT_MAX];
    unsigned char *der = NULL;
    struct cella_writer w = cella_writer(bytes, sizeof(bytes));
    int size = material->pkey ? i2d_PUBKEY(material->pkey, &der) : 0;
    cella_writer_put(&w, cella_bytes(magic, MAGIC));
    cella_writer_put(&w, CELLA_BYTES_OF(material->id));
    cella_writer_u32be(&w, material->bits);
    cella_writer_put(&w, CELLA_BYTES_OF(material->rejection));
    cella_writer_put(&w, cella_bytes(der, size > 0 ? (size_t)size : 0));
    OPENSSL_free(der);
    ENSURE(size >= 0 && !w.failed, CELLA_ERR_INTERNAL, NULL, "cannot write where a key is");
    struct cella_result result = cella_secret_from(cella_writer_bytes(&w), out);
    cella_wipe(bytes, sizeof(bytes));
    return result;
}

static CELLA_RESULT take_public(struct cella_material *made, struct cella_bytes der) {
    const unsigned char *at = der.data;
    made->pkey = d2i_PUBKEY(NULL, &at, (long)der.size);
    ERR_clear_error();
    ENSURE(made->pkey && at == der.data + der.size &&
               EVP_PKEY_get_base_id(made->pkey) ==
                   (made->kind == CELLA_MATERIAL_RSA ? EVP_PKEY_RSA : EVP_PKEY_EC),
           CELLA_ERR_FORMAT, NULL, "expected a public key of the kind");
    return made->kind == CELLA_MATERIAL_EC ? cella_material_find_curve(made) : CELLA_SUCCESS;
}

static CELLA_RESULT load_resident(enum cella_material_kind kind, struct cella_bytes bytes,
                                  struct cella_material **out) {
    CELLA_MATERIAL made = NULL;
    struct cella_reader r = cella_reader(bytes);
    TRY(cella_material_allocate(kind, &made));
    made->resident = true;
    cella_reader_skip(&r, MAGIC);
    cella_reader_copy(&r, made->id, sizeof(made->id));
    made->bits = cella_reader_u32be(&r);
    cella_reader_copy(&r, made->rejection, REJECTION);
    struct cella_bytes der = cella_reader_rest(&r);
    ENSURE(!r.failed && (kind == CELLA_MATERIAL_OCT) == (der.size == 0), CELLA_ERR_FORMAT, NULL,
           "expected where a key is, of this kind");
    if (der.size) TRY(take_public(made, der));
    *out = made;
    made = NULL;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_material_open(enum cella_material_kind kind, struct cella_bytes saved,
                                 struct cella_material **out) {
    bool resident = saved.size > MAGIC && cella_equal(saved.data, magic, MAGIC);
    return resident ? load_resident(kind, saved, out) : cella_material_load(kind, saved, out);
}

/* --- Making --- */

static CELLA_RESULT begin(const uint8_t id[CELLA_HSM_ID_SIZE], enum cella_material_kind kind,
                          struct cella_material **out) {
    TRY(cella_material_allocate(kind, out));
    (*out)->resident = true;
    cella_copy((*out)->id, id, CELLA_HSM_ID_SIZE);
    return cella_random((*out)->rejection, REJECTION);
}

CELLA_RESULT cella_material_new_in(struct cella_hsm *hsm, const uint8_t id[CELLA_HSM_ID_SIZE],
                                   const char *label, enum cella_material_kind kind,
                                   enum cella_material_curve curve, unsigned size,
                                   uint32_t exponent, struct cella_material **out) {
    CELLA_MATERIAL made = NULL;
    struct cella_hsm_shape shape = {.kind = kind == CELLA_MATERIAL_RSA  ? CELLA_HSM_RSA
                                            : kind == CELLA_MATERIAL_EC ? CELLA_HSM_EC
                                                                        : CELLA_HSM_AES,
                                    .bits = size,
                                    .exponent = exponent,
                                    .group = cella_curve_group(curve)};
    *out = NULL;
    TRY(cella_material_check_new(kind, curve, size, &shape.exponent));
    TRY(begin(id, kind, &made));
    TRY(cella_hsm_make(hsm, id, label, &shape, &made->pkey));
    made->curve = kind == CELLA_MATERIAL_EC ? curve : CELLA_CURVE_NONE;
    made->bits = made->pkey ? (unsigned)EVP_PKEY_get_bits(made->pkey) : size;
    *out = made;
    made = NULL;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_material_move_in(struct cella_hsm *hsm, const uint8_t id[CELLA_HSM_ID_SIZE],
                                    const char *label, const struct cella_material *material,
                                    struct cella_material **out) {
    CELLA_MATERIAL made = NULL;
    unsigned char *der = NULL;
    *out = NULL;
    TRY(begin(id, material->kind, &made));
    made->bits = material->bits;
    made->curve = material->curve;
    if (material->pkey) {
        int size = i2d_PUBKEY(material->pkey, &der);
        struct cella_result result =
            size > 0 ? take_public(made, cella_bytes(der, (size_t)size))
                     : CELLA_FAILURE(CELLA_ERR_MEMORY, NULL, "no memory for a key");
        OPENSSL_free(der);
        TRY(result);
    }
    TRY(cella_hsm_take(hsm, id, label, material->pkey, cella_secret_bytes(&material->oct)));
    *out = made;
    made = NULL;
    return CELLA_SUCCESS;
}
