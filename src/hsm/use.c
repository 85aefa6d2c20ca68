/* Keys used in the token. */
#include <string.h>

#include "base/memory.h"
#include "hsm/session.h"

struct using {
    const struct cella_hsm_use *how;
    struct cella_bytes in;
    uint8_t *out;
    CK_ULONG room, size;
    bool begun; /* the token took mechanism and key */
};

/* --- Mechanisms --- */

static const struct {
    CK_MECHANISM_TYPE type;
    const char *name;
} types[] = {
    [CELLA_HSM_PKCS1] = {CKM_RSA_PKCS, "CKM_RSA_PKCS"},
    [CELLA_HSM_PSS] = {CKM_RSA_PKCS_PSS, "CKM_RSA_PKCS_PSS"},
    [CELLA_HSM_ECDSA] = {CKM_ECDSA, "CKM_ECDSA"},
    [CELLA_HSM_RSA_RAW] = {CKM_RSA_X_509, "CKM_RSA_X_509"},
    [CELLA_HSM_OAEP] = {CKM_RSA_PKCS_OAEP, "CKM_RSA_PKCS_OAEP"},
    [CELLA_HSM_GCM] = {CKM_AES_GCM, "CKM_AES_GCM"},
    [CELLA_HSM_CBC] = {CKM_AES_CBC, "CKM_AES_CBC"},
    [CELLA_HSM_KW] = {CKM_AES_KEY_WRAP, "CKM_AES_KEY_WRAP"},
    [CELLA_HSM_KWP] = {CKM_AES_KEY_WRAP_PAD, "CKM_AES_KEY_WRAP_PAD"},
};
enum { SCHEMES = sizeof(types) / sizeof(types[0]), MECHANISMS = 1024 };

static void hashes(unsigned size, CK_MECHANISM_TYPE *hash, CK_RSA_PKCS_MGF_TYPE *mgf) {
    *hash = size == 20 ? CKM_SHA_1 : size == 32 ? CKM_SHA256 : size == 48 ? CKM_SHA384 : CKM_SHA512;
    *mgf = size == 20   ? CKG_MGF1_SHA1
           : size == 32 ? CKG_MGF1_SHA256
           : size == 48 ? CKG_MGF1_SHA384
                        : CKG_MGF1_SHA512;
}

union parameter {
    CK_RSA_PKCS_PSS_PARAMS pss;
    CK_RSA_PKCS_OAEP_PARAMS oaep;
    CK_GCM_PARAMS gcm;
};

static CK_MECHANISM mechanism_of(const struct cella_hsm_use *how, union parameter *p) {
    CK_MECHANISM m = {types[how->scheme].type, NULL, 0};
    switch (how->scheme) {
    case CELLA_HSM_PSS:
        p->pss = (CK_RSA_PKCS_PSS_PARAMS){.s_len = how->digest_size};
        hashes(how->digest_size, &p->pss.hash_alg, &p->pss.mgf);
        return (CK_MECHANISM){m.mechanism, &p->pss, sizeof(p->pss)};
    case CELLA_HSM_OAEP:
        p->oaep = (CK_RSA_PKCS_OAEP_PARAMS){.source = CKZ_DATA_SPECIFIED};
        hashes(how->digest_size, &p->oaep.hash_alg, &p->oaep.mgf);
        return (CK_MECHANISM){m.mechanism, &p->oaep, sizeof(p->oaep)};
    case CELLA_HSM_GCM:
        p->gcm = (CK_GCM_PARAMS){.iv_ptr = (unsigned char *)how->iv.data,
                                 .iv_len = how->iv.size,
                                 .iv_bits = how->iv.size * 8,
                                 .aad_ptr = (unsigned char *)how->aad.data,
                                 .aad_len = how->aad.size,
                                 .tag_bits = 128};
        return (CK_MECHANISM){m.mechanism, &p->gcm, sizeof(p->gcm)};
    case CELLA_HSM_CBC: return (CK_MECHANISM){m.mechanism, (void *)how->iv.data, how->iv.size};
    default: return m;
    }
}

/* --- Jobs --- */

static CK_RV sign(const struct hsm_session *s, CK_OBJECT_HANDLE key, void *context) {
    struct using *u = context;
    union parameter parameter;
    CK_MECHANISM mechanism = mechanism_of(u->how, &parameter);
    u->size = u->room;
    CK_RV rv = s->module->C_SignInit(s->handle, &mechanism, key);
    u->begun = rv == CKR_OK;
    return u->begun
               ? s->module->C_Sign(s->handle, (uint8_t *)u->in.data, u->in.size, u->out, &u->size)
               : rv;
}

static CK_RV encrypt(const struct hsm_session *s, CK_OBJECT_HANDLE key, void *context) {
    struct using *u = context;
    union parameter parameter;
    CK_MECHANISM mechanism = mechanism_of(u->how, &parameter);
    u->size = u->room;
    CK_RV rv = s->module->C_EncryptInit(s->handle, &mechanism, key);
    u->begun = rv == CKR_OK;
    return u->begun ? s->module->C_Encrypt(s->handle, (uint8_t *)u->in.data, u->in.size, u->out,
                                           &u->size)
                    : rv;
}

static CK_RV decrypt(const struct hsm_session *s, CK_OBJECT_HANDLE key, void *context) {
    struct using *u = context;
    union parameter parameter;
    CK_MECHANISM mechanism = mechanism_of(u->how, &parameter);
    u->size = u->room;
    CK_RV rv = s->module->C_DecryptInit(s->handle, &mechanism, key);
    u->begun = rv == CKR_OK;
    return u->begun ? s->module->C_Decrypt(s->handle, (uint8_t *)u->in.data, u->in.size, u->out,
                                           &u->size)
                    : rv;
}

/* Tokens wrap objects, not bytes: these become an object of the session, and go again. */
static const CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY;
static const CK_KEY_TYPE generic_type = CKK_GENERIC_SECRET;
static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
#define PASSING                                                                                    \
    {CKA_CLASS, (void *)&secret_class, sizeof(secret_class)},                                      \
        {CKA_KEY_TYPE, (void *)&generic_type, sizeof(generic_type)},                               \
        {CKA_TOKEN, (void *)&no, sizeof(no)}, {CKA_SENSITIVE, (void *)&no, sizeof(no)}, {          \
        CKA_EXTRACTABLE, (void *)&yes, sizeof(yes)                                                 \
    }

static CK_RV wrap(const struct hsm_session *s, CK_OBJECT_HANDLE key, void *context) {
    struct using *u = context;
    union parameter parameter;
    CK_MECHANISM mechanism = mechanism_of(u->how, &parameter);
    CK_ATTRIBUTE passing[] = {PASSING, {CKA_VALUE, (void *)u->in.data, u->in.size}};
    CK_OBJECT_HANDLE object;
    CK_RV rv = s->module->C_CreateObject(s->handle, passing, 6, &object);
    if (rv != CKR_OK) return rv;
    u->size = u->room;
    rv = s->module->C_WrapKey(s->handle, &mechanism, key, object, u->out, &u->size);
    (void)s->module->C_DestroyObject(s->handle, object);
    return rv;
}

static CK_RV unwrap(const struct hsm_session *s, CK_OBJECT_HANDLE key, void *context) {
    struct using *u = context;
    union parameter parameter;
    CK_MECHANISM mechanism = mechanism_of(u->how, &parameter);
    CK_ATTRIBUTE passing[] = {PASSING};
    CK_ATTRIBUTE value = {CKA_VALUE, u->out, u->room};
    CK_OBJECT_HANDLE object;
    CK_RV rv = s->module->C_UnwrapKey(s->handle, &mechanism, key, (uint8_t *)u->in.data, u->in.size,
                                      passing, 5, &object);
    if (rv != CKR_OK) return rv;
    rv = s->module->C_GetAttributeValue(s->handle, object, &value, 1);
    u->size = value.ulValueLen;
    (void)s->module->C_DestroyObject(s->handle, object);
    return rv;
}

/* --- What came of it --- */

static bool says_unable(CK_RV rv) {
    switch (rv) {
    case CKR_MECHANISM_INVALID:
    case CKR_MECHANISM_PARAM_INVALID:
    case CKR_FUNCTION_NOT_SUPPORTED:
    case CKR_KEY_TYPE_INCONSISTENT:
    case CKR_KEY_FUNCTION_NOT_PERMITTED:
    case CKR_KEY_SIZE_RANGE: return true;
    default: return false;
    }
}

static hsm_job *job_of(const struct cella_hsm_use *how) {
    if (how->scheme <= CELLA_HSM_ECDSA) return sign;
    if (how->scheme >= CELLA_HSM_KW) return how->back ? unwrap : wrap;
    return how->back ? decrypt : encrypt;
}

CELLA_RESULT cella_hsm_use(struct cella_hsm *hsm, const uint8_t id[CELLA_HSM_ID_SIZE],
                           const struct cella_hsm_use *how, struct cella_bytes in, uint8_t *out,
                           size_t room, size_t *size) {
    struct using u = {.how = how, .in = in, .out = out, .room = room};
    CK_RV rv = CKR_OK;
    ENSURE(cella_hsm_does(hsm, how->scheme), CELLA_ERR_UNSUPPORTED, NULL,
           "the vault's HSM lacks %s", types[how->scheme].name);
    TRY(hsm_run(hsm, id, false, true, job_of(how), &u, &rv));
    /* What is wrong with the mechanism shows before any data is looked at. */
    bool unable = says_unable(rv) || (rv != CKR_OK && how->scheme < CELLA_HSM_KW && !u.begun);
    ENSURE(!unable, CELLA_ERR_UNSUPPORTED, NULL, "the vault's HSM does not do %s with the key: %s",
           types[how->scheme].name, p11_kit_strerror(rv));
    ENSURE(rv == CKR_OK || !how->back, CELLA_ERR_INTEGRITY, NULL,
           "the value does not decrypt under this key");
    ENSURE(rv == CKR_OK, CELLA_ERR_INTERNAL, NULL, "the HSM failed: %s", p11_kit_strerror(rv));
    *size = u.size;
    return CELLA_SUCCESS;
}

uint32_t hsm_schemes(const struct hsm_place *place) {
    CK_MECHANISM_TYPE list[MECHANISMS];
    CK_ULONG count = MECHANISMS;
    uint32_t found = 0;
    if (place->module->C_GetMechanismList(place->slot, list, &count) != CKR_OK) return UINT32_MAX;
    for (unsigned i = 0; i < SCHEMES; i++)
        for (CK_ULONG k = 0; k < count; k++) found |= (uint32_t)(list[k] == types[i].type) << i;
    return found;
}
