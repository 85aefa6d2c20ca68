/* Bundles that clients bring: PKCS #12 and PEM with one private key and its certificates. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <string.h>

#include "base/memory.h"
#include "vault/cert_x509.h"
#include "vault/material_inner.h"

/* K17: who makes a bundle says how long a password is stretched. */
enum { ITERATIONS_MAX = 1000000, ITERATIONS_ALL = 2500000, BAGS_MAX = 64 };

static void free_bio(BIO **x) { BIO_free(*x); }
static void free_stack(STACK_OF(X509) * *x) { sk_X509_pop_free(*x, X509_free); }
static void free_p12(PKCS12 **x) { PKCS12_free(*x); }
static void free_safes(STACK_OF(PKCS7) * *x) { sk_PKCS7_pop_free(*x, PKCS7_free); }
static void free_bags(STACK_OF(PKCS12_SAFEBAG) * *x) {
    sk_PKCS12_SAFEBAG_pop_free(*x, PKCS12_SAFEBAG_free);
}
#define OF(type, how) __attribute__((cleanup(how))) type *

/* What is found, and what is left of the limits. */
struct bundle {
    const char *password;
    int password_size;
    int64_t iterations; /* so far */
    int bags;
    EVP_PKEY *pkey;                /* owned */
    STACK_OF(X509) * certificates; /* owned */
};
static void free_bundle(struct bundle *bundle) {
    EVP_PKEY_free(bundle->pkey);
    free_stack(&bundle->certificates);
}

/* --- The cost of a password --- */

static int64_t count_of(const ASN1_INTEGER *number) {
    int64_t count = 0;
    return number && ASN1_INTEGER_get_int64(&count, number) == 1 ? count : -1;
}

static int64_t pbkdf2_iterations(const X509_ALGOR *kdf) {
    if (!kdf || OBJ_obj2nid(kdf->algorithm) != NID_id_pbkdf2) return -1; /* no scrypt */
    PBKDF2PARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), kdf->parameter);
    int64_t count = p ? count_of(p->iter) : -1;
    PBKDF2PARAM_free(p);
    return count;
}

static int64_t iterations_of(const X509_ALGOR *algorithm) {
    int64_t count = -1;
    if (OBJ_obj2nid(algorithm->algorithm) == NID_pbes2) {
        PBE2PARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter);
        if (p) count = pbkdf2_iterations(p->keyfunc);
        PBE2PARAM_free(p);
        return count;
    }
    PBEPARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), algorithm->parameter);
    if (p) count = count_of(p->iter);
    PBEPARAM_free(p);
    return count;
}

static CELLA_RESULT afford(struct bundle *bundle, int64_t count) {
    ENSURE(count >= 1 && count <= ITERATIONS_MAX && (bundle->iterations += count) <= ITERATIONS_ALL,
           CELLA_ERR_FORMAT, "export it again, for example with openssl pkcs12 -export",
           "a bundle whose password is stretched in an unknown way, or more than %d times",
           ITERATIONS_MAX);
    return CELLA_SUCCESS;
}

/* --- PKCS #12, as PKCS12_parse does, but for the cost --- */

static CELLA_RESULT bad_bundle(void) {
    FAIL(CELLA_ERR_FORMAT, NULL,
         "expected PKCS #12 (base64) with a key, a certificate and the right password, or PEM");
}

/* The first key that there is. */
static CELLA_RESULT take_key(struct bundle *bundle, const PKCS8_PRIV_KEY_INFO *info) {
    if (!bundle->pkey && info) bundle->pkey = EVP_PKCS82PKEY(info);
    return bundle->pkey ? CELLA_SUCCESS : bad_bundle();
}

static CELLA_RESULT take_shrouded(struct bundle *bundle, const PKCS12_SAFEBAG *bag) {
    const X509_ALGOR *algorithm = NULL;
    X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &algorithm, NULL);
    TRY(afford(bundle, iterations_of(algorithm)));
    PKCS8_PRIV_KEY_INFO *info = PKCS12_decrypt_skey(bag, bundle->password, bundle->password_size);
    struct cella_result result = take_key(bundle, info);
    PKCS8_PRIV_KEY_INFO_free(info);
    return result;
}

static CELLA_RESULT take_certificate(struct bundle *bundle, const PKCS12_SAFEBAG *bag) {
    if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate) return CELLA_SUCCESS;
    X509 *x = PKCS12_SAFEBAG_get1_cert(bag);
    if (x && sk_X509_push(bundle->certificates, x) > 0) return CELLA_SUCCESS;
    X509_free(x);
    return bad_bundle();
}

static CELLA_RESULT take_bags(struct bundle *bundle, const STACK_OF(PKCS12_SAFEBAG) * bags) {
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); i++) {
        const PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);
        ENSURE(++bundle->bags <= BAGS_MAX, CELLA_ERR_FORMAT, NULL, "a bundle of more than %d parts",
               BAGS_MAX);
        switch (PKCS12_SAFEBAG_get_nid(bag)) {
        case NID_keyBag: TRY(take_key(bundle, PKCS12_SAFEBAG_get0_p8inf(bag))); break;
        case NID_pkcs8ShroudedKeyBag: TRY(take_shrouded(bundle, bag)); break;
        case NID_certBag: TRY(take_certificate(bundle, bag)); break;
        default: break;
        }
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT take_safe(struct bundle *bundle, PKCS7 *safe) {
    OF(STACK_OF(PKCS12_SAFEBAG), free_bags) bags = NULL;
    if (PKCS7_type_is_encrypted(safe)) {
        TRY(afford(bundle, iterations_of(safe->d.encrypted->enc_data->algorithm)));
        bags = PKCS12_unpack_p7encdata(safe, bundle->password, bundle->password_size);
    } else if (PKCS7_type_is_data(safe)) {
        bags = PKCS12_unpack_p7data(safe);
    }
    return bags ? take_bags(bundle, bags) : bad_bundle();
}

/* No password is an empty one to some and none to others. */
static CELLA_RESULT check_mac(struct bundle *bundle, PKCS12 *p12) {
    const ASN1_INTEGER *iterations = NULL;
    if (!PKCS12_mac_present(p12)) return CELLA_SUCCESS;
    PKCS12_get0_mac(NULL, NULL, NULL, &iterations, p12);
    TRY(afford(bundle, iterations ? count_of(iterations) : 1));
    if (PKCS12_verify_mac(p12, bundle->password, bundle->password_size) == 1) return CELLA_SUCCESS;
    if (bundle->password_size == 0 && PKCS12_verify_mac(p12, NULL, 0) == 1) {
        bundle->password = NULL;
        return CELLA_SUCCESS;
    }
    return bad_bundle();
}

static CELLA_RESULT open_p12(struct bundle *bundle, struct cella_bytes bytes) {
    const unsigned char *at = bytes.data;
    OF(PKCS12, free_p12) p12 = d2i_PKCS12(NULL, &at, (long)bytes.size);
    if (!p12) return bad_bundle();
    TRY(check_mac(bundle, p12));
    OF(STACK_OF(PKCS7), free_safes) safes = PKCS12_unpack_authsafes(p12);
    if (!safes) return bad_bundle();
    for (int i = 0; i < sk_PKCS7_num(safes); i++) TRY(take_safe(bundle, sk_PKCS7_value(safes, i)));
    return CELLA_SUCCESS;
}

/* --- PEM --- */

static int no_password(char *buffer, int size, int writing, void *context) {
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}

static CELLA_RESULT open_pem(struct bundle *bundle, struct cella_bytes text) {
    OF(BIO, free_bio) bio = BIO_new_mem_buf(text.data, (int)text.size);
    ENSURE(bio, CELLA_ERR_MEMORY, NULL, "no memory for a bundle");
    bundle->pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    ENSURE(bundle->pkey, CELLA_ERR_FORMAT, NULL, "expected a private key in PEM, not encrypted");
    (void)BIO_reset(bio);
    for (X509 *x; (x = PEM_read_bio_X509(bio, NULL, no_password, NULL));) {
        bool good = ++bundle->bags <= BAGS_MAX && sk_X509_push(bundle->certificates, x) > 0;
        if (!good) X509_free(x);
        ENSURE(good, CELLA_ERR_FORMAT, NULL, "a bundle of more than %d certificates", BAGS_MAX);
    }
    return CELLA_SUCCESS;
}

/* --- What is in it --- */

static CELLA_RESULT material_of(EVP_PKEY *pkey, struct cella_material **out) {
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
    unsigned char *bytes = NULL;
    int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &bytes) : -1;
    PKCS8_PRIV_KEY_INFO_free(info);
    ENSURE(size > 0, CELLA_ERR_FORMAT, NULL, "a private key that can't be kept");
    struct cella_result result = cella_material_load(
        EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC ? CELLA_MATERIAL_EC : CELLA_MATERIAL_RSA,
        cella_bytes(bytes, (size_t)size), out);
    OPENSSL_clear_free(bytes, (size_t)size);
    return result;
}

static CELLA_RESULT append_der(X509 *x, struct cella_buffer *out) {
    unsigned char *bytes = NULL;
    int size = i2d_X509(x, &bytes);
    ENSURE(size > 0, CELLA_ERR_MEMORY, NULL, "no memory for a certificate");
    struct cella_result result = cella_buffer_append(out, cella_bytes(bytes, (size_t)size));
    OPENSSL_free(bytes);
    return result;
}

/* The certificate of the key is the leaf; the others follow in the order they came. */
static CELLA_RESULT sort_out(const struct bundle *bundle, struct cella_material **material,
                             struct cella_buffer *leaf, struct cella_buffer *chain) {
    for (int i = 0; i < sk_X509_num(bundle->certificates); i++) {
        X509 *x = sk_X509_value(bundle->certificates, i);
        bool own = leaf->size == 0 && EVP_PKEY_eq(X509_get0_pubkey(x), bundle->pkey) == 1;
        TRY(append_der(x, own ? leaf : chain));
    }
    ENSURE(leaf->size > 0, CELLA_ERR_FORMAT, NULL, "expected a certificate of the private key");
    CELLA_MATERIAL made = NULL;
    TRY(material_of(bundle->pkey, &made)); /* of a kind and curve that are known */
    TRY(cella_material_sound(cella_material_pkey(made)));
    *material = MOVE(made);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cert_import(struct cella_bytes bytes, const char *password,
                               struct cella_material **material, struct cella_buffer *leaf,
                               struct cella_buffer *chain) {
    __attribute__((cleanup(free_bundle))) struct bundle bundle = {
        .password = password ? password : "",
        .password_size = password ? (int)strlen(password) : 0,
        .certificates = sk_X509_new_null()};
    *material = NULL;
    ENSURE(bundle.certificates, CELLA_ERR_MEMORY, NULL, "no memory for a bundle");
    bool pem = bytes.size > 11 && cella_equal(bytes.data, "-----BEGIN ", 11);
    struct cella_result result = pem ? open_pem(&bundle, bytes) : open_p12(&bundle, bytes);
    if (!cella_failed(result) && !bundle.pkey) result = bad_bundle();
    ERR_clear_error();
    TRY(result);
    return sort_out(&bundle, material, leaf, chain);
}
