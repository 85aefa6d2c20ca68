/* Keys made, taken in, destroyed, and looked for. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <string.h>

#include "base/memory.h"
#include "hsm/session.h"

enum { ATTRIBUTES = 24, OID_MAX = 32, NUMBER_MAX = 512, FOUND = 32, LABEL_MAX = 256, NUMBERS = 8 };

static void free_number(BIGNUM **number) { BN_clear_free(*number); }
static void free_builder(OSSL_PARAM_BLD **builder) { OSSL_PARAM_BLD_free(*builder); }
static void free_params(OSSL_PARAM **params) { OSSL_PARAM_free(*params); }
static void free_context(EVP_PKEY_CTX **context) { EVP_PKEY_CTX_free(*context); }
#define OF(type, how) __attribute__((cleanup(how))) type *

/* --- Templates --- */

struct template {
    CK_ATTRIBUTE a[ATTRIBUTES];
    CK_ULONG count;
};

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static void add(struct template *t, CK_ATTRIBUTE_TYPE type, const void *value, size_t size) {
    t->a[t->count++] = (CK_ATTRIBUTE){type, (void *)value, size};
}
static void add_bool(struct template *t, CK_ATTRIBUTE_TYPE type, bool value) {
    add(t, type, value ? &yes : &no, sizeof(CK_BBOOL));
}

struct making {
    const uint8_t *id;
    const char *label;
    const struct cella_hsm_shape *shape;
    unsigned char oid[OID_MAX]; /* of the curve, DER */
    size_t oid_size;
    /* what comes out: n and e, or the point */
    uint8_t number[2][NUMBER_MAX];
    CK_ULONG number_size[2];
    bool lets_out; /* not as it was asked for */
};

/* K11: what it is must not be what somebody can get out. */
static void add_kept(struct template *t, const struct making *m) {
    add_bool(t, CKA_TOKEN, true);
    add_bool(t, CKA_PRIVATE, true);
    add_bool(t, CKA_SENSITIVE, true);
    add_bool(t, CKA_EXTRACTABLE, false);
    add(t, CKA_ID, m->id, CELLA_HSM_ID_SIZE);
    add(t, CKA_LABEL, m->label, strlen(m->label));
}

static void add_private(struct template *t, const struct making *m) {
    add_kept(t, m);
    add_bool(t, CKA_SIGN, true);
    add_bool(t, CKA_DECRYPT, m->shape->kind == CELLA_HSM_RSA);
}

/* CKA_WRAP for key wrap: what is wrapped comes from callers; keys of the token are not extractable,
 * so wrap and decrypt together get none of them out. */
static void add_secret(struct template *t, const struct making *m) {
    add_kept(t, m);
    add_bool(t, CKA_ENCRYPT, true);
    add_bool(t, CKA_DECRYPT, true);
    add_bool(t, CKA_WRAP, true);
    add_bool(t, CKA_UNWRAP, true);
}

static CELLA_RESULT begin(struct making *m) {
    if (m->shape->kind != CELLA_HSM_EC) return CELLA_SUCCESS;
    const ASN1_OBJECT *object = OBJ_nid2obj(OBJ_txt2nid(m->shape->group));
    unsigned char *at = m->oid;
    int size = object ? i2d_ASN1_OBJECT(object, NULL) : -1;
    ENSURE(size > 0 && size <= OID_MAX, CELLA_ERR_USAGE, NULL, "no such curve: %s",
           m->shape->group);
    m->oid_size = (size_t)i2d_ASN1_OBJECT(object, &at);
    return CELLA_SUCCESS;
}

/* --- What the token says of a key --- */

/* What was made must be as it was asked for: some tokens take a wish for a hint. */
static CK_RV check_kept(const struct hsm_session *s, CK_OBJECT_HANDLE key, struct making *m) {
    CK_BBOOL sensitive = CK_FALSE, extractable = CK_TRUE;
    CK_ATTRIBUTE a[] = {{CKA_SENSITIVE, &sensitive, sizeof(sensitive)},
                        {CKA_EXTRACTABLE, &extractable, sizeof(extractable)}};
    CK_RV rv = s->module->C_GetAttributeValue(s->handle, key, a, 2);
    m->lets_out = rv == CKR_OK && (!sensitive || extractable);
    if (rv != CKR_OK || m->lets_out) (void)s->module->C_DestroyObject(s->handle, key);
    return rv;
}

static CK_RV read_public(const struct hsm_session *s, CK_OBJECT_HANDLE key, struct making *m) {
    bool rsa = m->shape->kind == CELLA_HSM_RSA;
    CK_ATTRIBUTE a[] = {{rsa ? CKA_MODULUS : CKA_EC_POINT, m->number[0], NUMBER_MAX},
                        {CKA_PUBLIC_EXPONENT, m->number[1], NUMBER_MAX}};
    CK_RV rv = s->module->C_GetAttributeValue(s->handle, key, a, rsa ? 2 : 1);
    for (size_t i = 0; i < 2; i++) m->number_size[i] = a[i].ulValueLen;
    return rv;
}

/* --- Making --- */

static CK_RV make_secret(const struct hsm_session *s, CK_OBJECT_HANDLE none, void *context) {
    struct making *m = context;
    struct template t = {.count = 0};
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG size = m->shape->bits / 8;
    CK_OBJECT_HANDLE key = none;
    add_secret(&t, m);
    add(&t, CKA_VALUE_LEN, &size, sizeof(size));
    CK_RV rv = s->module->C_GenerateKey(s->handle, &mechanism, t.a, t.count, &key);
    return rv == CKR_OK ? check_kept(s, key, m) : rv;
}

/* The public object is for reading from it only: what there is of it is kept in the store. */
static CK_RV make_pair(const struct hsm_session *s, CK_OBJECT_HANDLE none, void *context) {
    struct making *m = context;
    struct template private = {.count = 0}, public = {.count = 0};
    bool rsa = m->shape->kind == CELLA_HSM_RSA;
    CK_MECHANISM mechanism = {rsa ? CKM_RSA_PKCS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE key[2] = {none, none};
    CK_ULONG bits = m->shape->bits;
    uint32_t e = m->shape->exponent;
    uint8_t exponent[4] = {(uint8_t)(e >> 24), (uint8_t)(e >> 16), (uint8_t)(e >> 8), (uint8_t)e};
    size_t skip = 0;
    while (skip < 3 && !exponent[skip]) skip++;
    add_private(&private, m);
    add_bool(&public, CKA_TOKEN, false);
    add_bool(&public, CKA_VERIFY, true);
    if (rsa) {
        add(&public, CKA_MODULUS_BITS, &bits, sizeof(bits));
        add(&public, CKA_PUBLIC_EXPONENT, exponent + skip, sizeof(exponent) - skip);
    } else {
        add(&public, CKA_EC_PARAMS, m->oid, m->oid_size);
    }
    CK_RV rv = s->module->C_GenerateKeyPair(s->handle, &mechanism, public.a, public.count,
                                            private.a, private.count, &key[0], &key[1]);
    if (rv != CKR_OK) return rv;
    rv = check_kept(s, key[1], m);
    return rv == CKR_OK && !m->lets_out ? read_public(s, key[0], m) : rv;
}

static CELLA_RESULT public_of(const char *type, OSSL_PARAM_BLD *builder, EVP_PKEY **out) {
    OF(OSSL_PARAM, free_params) params = OSSL_PARAM_BLD_to_param(builder);
    OF(EVP_PKEY_CTX, free_context) context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    bool good = params && context && EVP_PKEY_fromdata_init(context) == 1 &&
                EVP_PKEY_fromdata(context, out, EVP_PKEY_PUBLIC_KEY, params) == 1;
    OF(EVP_PKEY_CTX, free_context) check = good ? EVP_PKEY_CTX_new(*out, NULL) : NULL;
    good = check && EVP_PKEY_public_check(check) == 1;
    ERR_clear_error();
    if (good) return CELLA_SUCCESS;
    EVP_PKEY_free(*out);
    *out = NULL;
    FAIL(CELLA_ERR_INTERNAL, NULL, "the token made a key whose public part is none");
}

static CELLA_RESULT public_rsa(const struct making *m, EVP_PKEY **out) {
    OF(OSSL_PARAM_BLD, free_builder) builder = OSSL_PARAM_BLD_new();
    OF(BIGNUM, free_number) n = BN_bin2bn(m->number[0], (int)m->number_size[0], NULL);
    OF(BIGNUM, free_number) e = BN_bin2bn(m->number[1], (int)m->number_size[1], NULL);
    ENSURE(builder && n && e && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) &&
               OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e),
           CELLA_ERR_MEMORY, NULL, "no memory for a key");
    ENSURE(BN_num_bits(n) == (int)m->shape->bits && BN_is_word(e, m->shape->exponent),
           CELLA_ERR_UNSUPPORTED, NULL, "the token made an RSA key of another size or exponent");
    return public_of("RSA", builder, out);
}

/* CKA_EC_POINT is an OCTET STRING with the point in it; of some tokens the point alone. */
static CELLA_RESULT public_ec(const struct making *m, EVP_PKEY **out) {
    OF(OSSL_PARAM_BLD, free_builder) builder = OSSL_PARAM_BLD_new();
    const uint8_t *point = m->number[0];
    size_t size = m->number_size[0];
    if (size > 3 && point[0] == 4 && point[1] == 0x81 && point[2] == size - 3 && point[3] == 4) {
        point += 3;
        size -= 3;
    } else if (size > 2 && point[0] == 4 && point[1] == size - 2 && point[2] == 4) {
        point += 2;
        size -= 2;
    }
    ENSURE(builder &&
               OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, m->shape->group,
                                               0) &&
               OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, size),
           CELLA_ERR_MEMORY, NULL, "no memory for a key");
    return public_of("EC", builder, out);
}

static CELLA_RESULT refused(CK_RV rv, const char *what) {
    bool full = rv == CKR_DEVICE_MEMORY;
    ENSURE(!full, CELLA_ERR_UNAVAILABLE, NULL, "the HSM has no room for another key");
    FAIL(CELLA_ERR_UNSUPPORTED, NULL, "the vault's HSM does not %s: %s", what,
         p11_kit_strerror(rv));
}

CELLA_RESULT cella_hsm_make(struct cella_hsm *hsm, const uint8_t id[CELLA_HSM_ID_SIZE],
                            const char *label, const struct cella_hsm_shape *shape,
                            EVP_PKEY **public) {
    struct making m = {.id = id, .label = label, .shape = shape};
    CK_RV rv = CKR_OK;
    *public = NULL;
    TRY(begin(&m));
    TRY(hsm_run(hsm, NULL, true, false, shape->kind == CELLA_HSM_AES ? make_secret : make_pair, &m,
                &rv));
    if (rv != CKR_OK) return refused(rv, "make a key like this");
    ENSURE(!m.lets_out, CELLA_ERR_UNSUPPORTED, NULL,
           "the vault's HSM makes keys only that can leave it; it was destroyed again");
    if (shape->kind == CELLA_HSM_AES) return CELLA_SUCCESS;
    return shape->kind == CELLA_HSM_RSA ? public_rsa(&m, public) : public_ec(&m, public);
}

/* --- Taking in --- */

struct taking {
    struct making m;
    struct template t;
    struct cella_secret number[NUMBERS];
};
static void free_taking(struct taking *taking) {
    for (size_t i = 0; i < NUMBERS; i++) cella_secret_free(&taking->number[i]);
}

static CK_RV create(const struct hsm_session *s, CK_OBJECT_HANDLE none, void *context) {
    struct taking *taking = context;
    CK_OBJECT_HANDLE key = none;
    CK_RV rv = s->module->C_CreateObject(s->handle, taking->t.a, taking->t.count, &key);
    return rv == CKR_OK ? check_kept(s, key, &taking->m) : rv;
}

static CELLA_RESULT add_number(struct taking *taking, size_t at, const EVP_PKEY *key,
                               const char *param, CK_ATTRIBUTE_TYPE type, int size) {
    OF(BIGNUM, free_number) number = NULL;
    ENSURE(EVP_PKEY_get_bn_param(key, param, &number) == 1, CELLA_ERR_FORMAT, NULL,
           "key: a part of it is not there");
    if (!size) size = BN_num_bytes(number);
    TRY(cella_secret_new((size_t)size, &taking->number[at]));
    ENSURE(BN_bn2binpad(number, taking->number[at].data, size) == size, CELLA_ERR_FORMAT, NULL,
           "key: a part of it is too long");
    add(&taking->t, type, taking->number[at].data, (size_t)size);
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_rsa(struct taking *taking, const EVP_PKEY *key) {
    static const struct {
        const char *param;
        CK_ATTRIBUTE_TYPE type;
    } parts[NUMBERS] = {{OSSL_PKEY_PARAM_RSA_N, CKA_MODULUS},
                        {OSSL_PKEY_PARAM_RSA_E, CKA_PUBLIC_EXPONENT},
                        {OSSL_PKEY_PARAM_RSA_D, CKA_PRIVATE_EXPONENT},
                        {OSSL_PKEY_PARAM_RSA_FACTOR1, CKA_PRIME_1},
                        {OSSL_PKEY_PARAM_RSA_FACTOR2, CKA_PRIME_2},
                        {OSSL_PKEY_PARAM_RSA_EXPONENT1, CKA_EXPONENT_1},
                        {OSSL_PKEY_PARAM_RSA_EXPONENT2, CKA_EXPONENT_2},
                        {OSSL_PKEY_PARAM_RSA_COEFFICIENT1, CKA_COEFFICIENT}};
    for (size_t i = 0; i < NUMBERS; i++)
        TRY(add_number(taking, i, key, parts[i].param, parts[i].type, 0));
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_ec(struct taking *taking, const EVP_PKEY *key, int size) {
    add(&taking->t, CKA_EC_PARAMS, taking->m.oid, taking->m.oid_size);
    return add_number(taking, 0, key, OSSL_PKEY_PARAM_PRIV_KEY, CKA_VALUE, size);
}

CELLA_RESULT cella_hsm_take(struct cella_hsm *hsm, const uint8_t id[CELLA_HSM_ID_SIZE],
                            const char *label, EVP_PKEY *key, struct cella_bytes bytes) {
    char group[32] = "";
    bool rsa = key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    const struct cella_hsm_shape shape = {.kind = rsa   ? CELLA_HSM_RSA
                                                  : key ? CELLA_HSM_EC
                                                        : CELLA_HSM_AES,
                                          .group = group};
    __attribute__((cleanup(free_taking))) struct taking taking = {
        .m = {.id = id, .label = label, .shape = &shape}};
    CK_OBJECT_CLASS class = key ? CKO_PRIVATE_KEY : CKO_SECRET_KEY;
    CK_KEY_TYPE type = rsa ? CKK_RSA : key ? CKK_EC : CKK_AES;
    CK_RV rv = CKR_OK;
    if (key && !rsa) (void)EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
    TRY(begin(&taking.m));
    add(&taking.t, CKA_CLASS, &class, sizeof(class));
    add(&taking.t, CKA_KEY_TYPE, &type, sizeof(type));
    key ? add_private(&taking.t, &taking.m) : add_secret(&taking.t, &taking.m);
    if (!key) add(&taking.t, CKA_VALUE, bytes.data, bytes.size);
    if (rsa) TRY(add_rsa(&taking, key));
    if (key && !rsa) TRY(add_ec(&taking, key, (EVP_PKEY_get_bits(key) + 7) / 8));
    TRY(hsm_run(hsm, NULL, true, false, create, &taking, &rv));
    if (rv != CKR_OK) return refused(rv, "take a key like this from outside");
    ENSURE(!taking.m.lets_out, CELLA_ERR_UNSUPPORTED, NULL,
           "the vault's HSM takes keys only that can leave it; it was destroyed again");
    return CELLA_SUCCESS;
}

/* --- Destroying --- */

static CK_RV destroy(const struct hsm_session *s, CK_OBJECT_HANDLE none, void *context) {
    CK_OBJECT_HANDLE key = none;
    for (int i = 0; i < FOUND; i++) { /* never more than one, unless somebody else put it there */
        CK_RV rv = hsm_find(s, context, &key);
        if (rv != CKR_OK || key == CK_INVALID_HANDLE) return rv;
        rv = s->module->C_DestroyObject(s->handle, key);
        if (rv != CKR_OK && rv != CKR_OBJECT_HANDLE_INVALID) return rv;
    }
    return CKR_GENERAL_ERROR;
}

CELLA_RESULT cella_hsm_destroy(struct cella_hsm *hsm, const uint8_t id[CELLA_HSM_ID_SIZE]) {
    CK_RV rv = CKR_OK;
    TRY(cella_hsm_look(hsm)); /* a token that is gone has no objects either */
    TRY(hsm_run(hsm, NULL, true, true, destroy, (void *)id, &rv));
    ENSURE(rv == CKR_OK, CELLA_ERR_UNAVAILABLE, NULL, "the HSM does not destroy a key: %s",
           p11_kit_strerror(rv));
    return CELLA_SUCCESS;
}

/* --- Looking through --- */

struct looking {
    const char *label;
    struct cella_result (*see)(void *context, const uint8_t id[CELLA_HSM_ID_SIZE],
                               const char *label);
    void *context;
    struct cella_result result;
};

static void see_one(const struct hsm_session *s, CK_OBJECT_HANDLE key, struct looking *l) {
    uint8_t id[CELLA_HSM_ID_SIZE];
    char label[LABEL_MAX] = "";
    CK_ATTRIBUTE a[] = {{CKA_LABEL, label, sizeof(label) - 1}, {CKA_ID, id, sizeof(id)}};
    if (s->module->C_GetAttributeValue(s->handle, key, a, 2) == CKR_OK &&
        a[1].ulValueLen == sizeof(id) && strncmp(label, l->label, strlen(l->label)) == 0)
        l->result = l->see(l->context, id, label);
}

static CK_RV see_all(const struct hsm_session *s, CK_OBJECT_HANDLE none, void *context) {
    struct looking *l = context;
    const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_SECRET_KEY};
    (void)none;
    for (size_t i = 0; i < 2; i++) {
        CK_OBJECT_CLASS class = classes[i];
        CK_ATTRIBUTE wanted[] = {{CKA_TOKEN, &yes, sizeof(yes)},
                                 {CKA_CLASS, &class, sizeof(class)}};
        CK_OBJECT_HANDLE key[FOUND];
        CK_ULONG count = 0;
        CK_RV rv = s->module->C_FindObjectsInit(s->handle, wanted, 2);
        if (rv != CKR_OK) return rv;
        do {
            rv = s->module->C_FindObjects(s->handle, key, FOUND, &count);
            for (CK_ULONG k = 0; rv == CKR_OK && k < count && !cella_failed(l->result); k++)
                see_one(s, key[k], l);
        } while (rv == CKR_OK && count && !cella_failed(l->result));
        (void)s->module->C_FindObjectsFinal(s->handle);
        if (rv != CKR_OK || cella_failed(l->result)) return rv;
    }
    return CKR_OK;
}

CELLA_RESULT cella_hsm_each(struct cella_hsm *hsm, const char *label,
                            struct cella_result (*see)(void *context,
                                                       const uint8_t id[CELLA_HSM_ID_SIZE],
                                                       const char *label),
                            void *context) {
    struct looking l = {label, see, context, CELLA_SUCCESS};
    CK_RV rv = CKR_OK;
    TRY(hsm_run(hsm, NULL, false, false, see_all, &l, &rv));
    TRY(l.result);
    ENSURE(rv == CKR_OK, CELLA_ERR_UNAVAILABLE, NULL, "cannot look through the HSM: %s",
           p11_kit_strerror(rv));
    return CELLA_SUCCESS;
}
