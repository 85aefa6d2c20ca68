#include "vault/material.h"

#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "vault/material_inner.h"

static const struct {
    const char *name, *group;
    unsigned bits;
} curves[] = {
    [CELLA_CURVE_NONE] = {"", "", 0},
    [CELLA_CURVE_P256] = {"P-256", "prime256v1", 256},
    [CELLA_CURVE_P256K] = {"P-256K", "secp256k1", 256},
    [CELLA_CURVE_P384] = {"P-384", "secp384r1", 384},
    [CELLA_CURVE_P521] = {"P-521", "secp521r1", 521},
};

const char *cella_curve_name(enum cella_material_curve curve) { return curves[curve].name; }
const char *cella_curve_group(enum cella_material_curve curve) { return curves[curve].group; }

bool cella_curve_find(const char *name, enum cella_material_curve *curve) {
    if (strcmp(name, "SECP256K1") == 0) name = "P-256K"; /* its older name */
    for (int i = CELLA_CURVE_P256; i <= CELLA_CURVE_P521; i++)
        if (strcmp(name, curves[i].name) == 0) {
            *curve = (enum cella_material_curve)i;
            return true;
        }
    return false;
}

static void free_context(EVP_PKEY_CTX **context) { EVP_PKEY_CTX_free(*context); }
static void free_number(BIGNUM **number) { BN_clear_free(*number); }
#define OF(type, how) __attribute__((cleanup(how))) type *

CELLA_RESULT cella_material_allocate(enum cella_material_kind kind, struct cella_material **out) {
    *out = calloc(1, sizeof(**out));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for a key");
    (*out)->kind = kind;
    return CELLA_SUCCESS;
}

void cella_material_free(struct cella_material **material) {
    struct cella_material *m = *material;
    if (!m) return;
    cella_signing_free(atomic_load(&m->signing));
    EVP_PKEY_free(m->pkey);
    cella_secret_free(&m->oct);
    cella_wipe(m, sizeof(*m));
    free(m);
    *material = NULL;
}

/* The secret that implicit rejection derives from: SHA-256 of d, as the draft of the RSA guidance
 * and OpenSSL 3.2 have it. */
static CELLA_RESULT prepare_rejection(struct cella_material *material) {
    OF(BIGNUM, free_number) d = NULL;
    CELLA_SECRET bytes = {0};
    int size = EVP_PKEY_get_size(material->pkey);
    ENSURE(EVP_PKEY_get_bn_param(material->pkey, OSSL_PKEY_PARAM_RSA_D, &d) == 1,
           CELLA_ERR_INTERNAL, NULL, "no private exponent");
    TRY(cella_secret_new((size_t)size, &bytes));
    ENSURE(BN_bn2binpad(d, bytes.data, size) == size, CELLA_ERR_INTERNAL, NULL,
           "no private exponent");
    return cella_sha256(cella_secret_bytes(&bytes), material->rejection);
}

static CELLA_RESULT finish(struct cella_material *material) {
    material->bits = material->kind == CELLA_MATERIAL_OCT
                         ? (unsigned)material->oct.size * 8
                         : (unsigned)EVP_PKEY_get_bits(material->pkey);
    return material->kind == CELLA_MATERIAL_RSA ? prepare_rejection(material) : CELLA_SUCCESS;
}

/* --- Making --- */

CELLA_RESULT cella_material_check_new(enum cella_material_kind kind,
                                      enum cella_material_curve curve, unsigned size,
                                      uint32_t *exponent) {
    *exponent = *exponent ? *exponent : RSA_F4;
    if (kind == CELLA_MATERIAL_RSA) {
        ENSURE(size == 2048 || size == 3072 || size == 4096, CELLA_ERR_USAGE, NULL,
               "key size: expected 2048, 3072 or 4096, found %u", size);
        ENSURE(*exponent >= 3 && *exponent % 2 == 1, CELLA_ERR_USAGE, NULL, /* K10 */
               "public exponent: expected an odd number of 3 or more, found %u", *exponent);
    } else if (kind == CELLA_MATERIAL_EC) {
        ENSURE(curve != CELLA_CURVE_NONE, CELLA_ERR_USAGE, NULL,
               "expected a curve: P-256, P-256K, P-384 or P-521");
    } else {
        ENSURE(size == 128 || size == 192 || size == 256, CELLA_ERR_USAGE, NULL,
               "key size: expected 128, 192 or 256, found %u", size);
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT make_rsa(unsigned bits, uint32_t exponent, EVP_PKEY **out) {
    OF(EVP_PKEY_CTX, free_context) context = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
    OF(BIGNUM, free_number) e = BN_new();
    ENSURE(context && e && BN_set_word(e, exponent) == 1 && EVP_PKEY_keygen_init(context) == 1 &&
               EVP_PKEY_CTX_set_rsa_keygen_bits(context, (int)bits) == 1 &&
               EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, e) == 1 &&
               EVP_PKEY_keygen(context, out) == 1,
           CELLA_ERR_INTERNAL, NULL, "cannot make an RSA key");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_material_new(enum cella_material_kind kind, enum cella_material_curve curve,
                                unsigned size, uint32_t exponent, struct cella_material **out) {
    CELLA_MATERIAL made = NULL;
    *out = NULL;
    TRY(cella_material_check_new(kind, curve, size, &exponent));
    TRY(cella_material_allocate(kind, &made));
    made->curve = kind == CELLA_MATERIAL_EC ? curve : CELLA_CURVE_NONE;
    if (kind == CELLA_MATERIAL_RSA) {
        TRY(make_rsa(size, exponent, &made->pkey));
    } else if (kind == CELLA_MATERIAL_EC) {
        made->pkey = EVP_EC_gen(curves[curve].group);
        ENSURE(made->pkey, CELLA_ERR_INTERNAL, NULL, "cannot make an EC key");
    } else {
        TRY(cella_secret_new(size / 8, &made->oct));
        TRY(cella_random(made->oct.data, made->oct.size));
    }
    TRY(finish(made));
    *out = made;
    made = NULL;
    return CELLA_SUCCESS;
}

/* --- Keeping --- */

/* OpenSSL's reader of PKCS#8: making one looks through all it could read, which takes longer than a
 * signature of RSA; reading takes 10 to 25 us. So there is one for each kind, used by one thread at
 * a time and never freed. */
static struct {
    pthread_mutex_t lock;
    OSSL_DECODER_CTX *context;
    EVP_PKEY *read; /* where the context puts what it read */
} readers[] = {[CELLA_MATERIAL_RSA] = {.lock = PTHREAD_MUTEX_INITIALIZER},
               [CELLA_MATERIAL_EC] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

/* A key of that kind, the whole of the bytes; or NULL. */
static EVP_PKEY *read_pkcs8(enum cella_material_kind kind, struct cella_bytes bytes) {
    const unsigned char *at = bytes.data;
    size_t left = bytes.size;
    pthread_mutex_lock(&readers[kind].lock);
    if (!readers[kind].context)
        readers[kind].context =
            OSSL_DECODER_CTX_new_for_pkey(&readers[kind].read, "DER", "PrivateKeyInfo",
                                          kind == CELLA_MATERIAL_RSA ? "RSA" : "EC",
                                          EVP_PKEY_KEYPAIR, NULL, NULL);
    readers[kind].read = NULL;
    bool good = readers[kind].context &&
                OSSL_DECODER_from_data(readers[kind].context, &at, &left) == 1 && left == 0;
    EVP_PKEY *read = readers[kind].read;
    readers[kind].read = NULL;
    pthread_mutex_unlock(&readers[kind].lock);
    ERR_clear_error();
    if (good) return read;
    EVP_PKEY_free(read);
    return NULL;
}

CELLA_RESULT cella_material_find_curve(struct cella_material *material) {
    char group[32] = "";
    size_t size = 0;
    ENSURE(EVP_PKEY_get_group_name(material->pkey, group, sizeof(group), &size) == 1,
           CELLA_ERR_UNSUPPORTED, NULL, "a key of no named curve");
    for (int i = CELLA_CURVE_P256; i <= CELLA_CURVE_P521; i++)
        if (strcmp(group, curves[i].group) == 0) {
            material->curve = (enum cella_material_curve)i;
            return CELLA_SUCCESS;
        }
    FAIL(CELLA_ERR_UNSUPPORTED, NULL, "expected a curve of P-256, P-256K, P-384 or P-521, found %s",
         group);
}

CELLA_RESULT cella_material_load(enum cella_material_kind kind, struct cella_bytes bytes,
                                 struct cella_material **out) {
    CELLA_MATERIAL made = NULL;
    *out = NULL;
    TRY(cella_material_allocate(kind, &made));
    if (kind == CELLA_MATERIAL_OCT) {
        ENSURE(bytes.size == 16 || bytes.size == 24 || bytes.size == 32, CELLA_ERR_FORMAT, NULL,
               "expected a key of 16, 24 or 32 bytes, found %zu", bytes.size);
        TRY(cella_secret_from(bytes, &made->oct));
    } else {
        made->pkey = read_pkcs8(kind, bytes);
        ENSURE(made->pkey && EVP_PKEY_get_base_id(made->pkey) ==
                                 (kind == CELLA_MATERIAL_RSA ? EVP_PKEY_RSA : EVP_PKEY_EC),
               CELLA_ERR_FORMAT, NULL, "expected a private key of this kind as PKCS#8");
        if (kind == CELLA_MATERIAL_EC) TRY(cella_material_find_curve(made));
    }
    TRY(finish(made));
    *out = made;
    made = NULL;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_material_save(const struct cella_material *material, struct cella_secret *out) {
    unsigned char *der = NULL;
    if (material->resident) return cella_material_save_resident(material, out);
    if (material->kind == CELLA_MATERIAL_OCT)
        return cella_secret_from(cella_secret_bytes(&material->oct), out);
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(material->pkey);
    int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
    PKCS8_PRIV_KEY_INFO_free(info);
    ENSURE(size > 0, CELLA_ERR_MEMORY, NULL, "cannot write a private key");
    struct cella_result result = cella_secret_from(cella_bytes(der, (size_t)size), out);
    OPENSSL_clear_free(der, (size_t)size);
    return result;
}

/* --- Showing --- */

enum cella_material_kind cella_material_kind(const struct cella_material *material) {
    return material->kind;
}
enum cella_material_curve cella_material_curve(const struct cella_material *material) {
    return material->curve;
}
unsigned cella_material_bits(const struct cella_material *material) { return material->bits; }
EVP_PKEY *cella_material_pkey(const struct cella_material *material) { return material->pkey; }

/* A number as base64url, of size bytes, or as short as it goes. */
static bool add_number(json_t *object, const char *name, const EVP_PKEY *pkey, const char *param,
                       int size) {
    OF(BIGNUM, free_number) number = NULL;
    CELLA_BUFFER text = {0};
    uint8_t bytes[1024];
    if (EVP_PKEY_get_bn_param(pkey, param, &number) != 1) return false;
    if (!size) size = BN_num_bytes(number);
    if (size > (int)sizeof(bytes) || BN_bn2binpad(number, bytes, size) != size) return false;
    struct cella_result result = cella_base64_encode(cella_bytes(bytes, (size_t)size), true, &text);
    bool good =
        !cella_failed(result) &&
        json_object_set_new(object, name, json_stringn((const char *)text.data, text.size)) == 0;
    cella_result_drop(result);
    return good;
}

json_t *cella_material_members(const struct cella_material *material) {
    json_t *object = json_object();
    const EVP_PKEY *pkey = material->pkey;
    int size = ((int)material->bits + 7) / 8;
    bool good = object != NULL;
    if (material->kind == CELLA_MATERIAL_RSA)
        good = good && add_number(object, "n", pkey, OSSL_PKEY_PARAM_RSA_N, 0) &&
               add_number(object, "e", pkey, OSSL_PKEY_PARAM_RSA_E, 0);
    if (material->kind == CELLA_MATERIAL_EC)
        good = good &&
               json_object_set_new(object, "crv", json_string(curves[material->curve].name)) == 0 &&
               add_number(object, "x", pkey, OSSL_PKEY_PARAM_EC_PUB_X, size) &&
               add_number(object, "y", pkey, OSSL_PKEY_PARAM_EC_PUB_Y, size);
    if (good) return object;
    json_decref(object);
    return NULL;
}

CELLA_RESULT cella_material_spki(const struct cella_material *material, struct cella_buffer *der) {
    unsigned char *bytes = NULL;
    int size = material->pkey ? i2d_PUBKEY(material->pkey, &bytes) : -1;
    ENSURE(size > 0, CELLA_ERR_USAGE, NULL, "a symmetric key has no public part");
    struct cella_result result = cella_buffer_append(der, cella_bytes(bytes, (size_t)size));
    OPENSSL_free(bytes);
    return result;
}
