/* Root tpm: the root is sealed under the TPM's storage hierarchy, bound to PCRs when the root says
 * so. The parent is derived anew from the TPM's own seed at each use, so that nothing stays in the
 * TPM; what it gave lies in store.key and opens in this TPM alone. Sessions are salted, so that the
 * bus shows nothing to who only listens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tctildr.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/sealer_inner.h"

enum { TCTI_MAX = 512, PCR_COUNT = 24, BLOB_MAX = 1024 };

struct tpm {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    ESYS_TR parent, session, object;
    TPML_PCR_SELECTION pcrs; /* count 0: none */
};

static void flush(struct tpm *t, ESYS_TR *handle) {
    if (*handle != ESYS_TR_NONE) (void)Esys_FlushContext(t->esys, *handle);
    *handle = ESYS_TR_NONE;
}

static void tpm_close(struct tpm *t) {
    if (t->esys) {
        flush(t, &t->object);
        flush(t, &t->session);
        flush(t, &t->parent);
        Esys_Finalize(&t->esys);
    }
    if (t->tcti) Tss2_TctiLdr_Finalize(&t->tcti);
}
#define TPM_STATE __attribute__((cleanup(tpm_close))) struct tpm

#define TPM(call, what)                                                                            \
    do {                                                                                           \
        TSS2_RC rc_ = (call);                                                                      \
        if (rc_ != TSS2_RC_SUCCESS)                                                                \
            FAIL(CELLA_ERR_UNAVAILABLE, "see that the TPM is there, and its owner password empty", \
                 "the TPM failed to %s: code 0x%x", (what), rc_);                                  \
    } while (0)

/* --- tpm:TCTI[?pcrs=0,7] --- */

static CELLA_RESULT take_pcr(struct tpm *t, const char *text, size_t size) {
    char number[4] = "";
    uint64_t index = 0;
    if (size < sizeof(number)) memcpy(number, text, size);
    ENSURE(cella_number_read(number, &index) && index < PCR_COUNT, CELLA_ERR_USAGE,
           "tpm:TCTI?pcrs=0,2,7", "a root's PCRs: expected numbers of 0 to %d, found %.*s",
           PCR_COUNT - 1, (int)size, text);
    t->pcrs.count = 1;
    t->pcrs.pcrSelections[0].hash = TPM2_ALG_SHA256;
    t->pcrs.pcrSelections[0].sizeofSelect = 3;
    t->pcrs.pcrSelections[0].pcrSelect[index / 8] |= (BYTE)(1u << (index % 8));
    return CELLA_SUCCESS;
}

static CELLA_RESULT parse(const char *root, struct tpm *t, char tcti[TCTI_MAX]) {
    const char *rest = root + strlen("tpm:");
    const char *query = strchr(rest, '?');
    size_t size = query ? (size_t)(query - rest) : strlen(rest);
    ENSURE(size > 0 && size < TCTI_MAX, CELLA_ERR_USAGE, "for example tpm:device:/dev/tpmrm0",
           "the root names no TPM");
    snprintf(tcti, TCTI_MAX, "%.*s", (int)size, rest);
    if (!query) return CELLA_SUCCESS;
    ENSURE(strncmp(query, "?pcrs=", 6) == 0, CELLA_ERR_USAGE, "tpm:TCTI?pcrs=0,2,7",
           "a root tpm with %s", query);
    for (const char *at = query + 6;; at++) {
        size_t part = strcspn(at, ",");
        TRY(take_pcr(t, at, part));
        at += part;
        if (!*at) return CELLA_SUCCESS;
    }
}

/* --- Parent and sessions --- */

/* The usual storage key (TCG TPM v2.0 Provisioning Guidance: P-256 SRK template). */
static CELLA_RESULT make_parent(struct tpm *t) {
    const TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION none = {0};
    TPM2B_PUBLIC public = {
        .publicArea = {.type = TPM2_ALG_ECC,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT |
                                           TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                           TPMA_OBJECT_SENSITIVEDATAORIGIN |
                                           TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA}};
    TPMS_ECC_PARMS *p = &public.publicArea.parameters.eccDetail;
    p->symmetric.algorithm = TPM2_ALG_AES;
    p->symmetric.keyBits.aes = 128;
    p->symmetric.mode.aes = TPM2_ALG_CFB;
    p->scheme.scheme = TPM2_ALG_NULL;
    p->curveID = TPM2_ECC_NIST_P256;
    p->kdf.scheme = TPM2_ALG_NULL;
    TPM(Esys_CreatePrimary(t->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                           &sensitive, &public, &outside, &none, &t->parent, NULL, NULL, NULL,
                           NULL),
        "make its storage key (P-256, empty owner password)");
    return CELLA_SUCCESS;
}

static CELLA_RESULT start_session(struct tpm *t, TPM2_SE type) {
    const TPMT_SYM_DEF symmetric = {
        .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
    const TPMA_SESSION as =
        TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT | TPMA_SESSION_CONTINUESESSION;
    flush(t, &t->session);
    TPM(Esys_StartAuthSession(t->esys, t->parent, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              ESYS_TR_NONE, NULL, type, &symmetric, TPM2_ALG_SHA256, &t->session),
        "start a session");
    if (type != TPM2_SE_TRIAL)
        TPM(Esys_TRSess_SetAttributes(t->esys, t->session, as, 0xff), "encrypt its session");
    return CELLA_SUCCESS;
}

static CELLA_RESULT tpm_open(const char *root, struct tpm *t) {
    char tcti[TCTI_MAX];
    TRY(parse(root, t, tcti));
    setenv("TSS2_LOG", "all+NONE", 0); /* its own lines would come beside ours */
    TSS2_RC rc = Tss2_TctiLdr_Initialize(tcti, &t->tcti);
    ENSURE(rc == TSS2_RC_SUCCESS, CELLA_ERR_UNAVAILABLE,
           "name it: tpm:TCTI, for example tpm:device:/dev/tpmrm0",
           "no TPM answers at %s: code 0x%x", tcti, rc);
    TPM(Esys_Initialize(&t->esys, t->tcti, NULL), "start a session");
    (void)Esys_Startup(t->esys, TPM2_SU_CLEAR); /* firmware has done it, but for a bare simulator */
    return make_parent(t);
}

/* --- Sealing --- */

static CELLA_RESULT policy_of_pcrs(struct tpm *t, TPM2B_DIGEST *policy) {
    const TPM2B_DIGEST none = {0};
    TPM2B_DIGEST *digest = NULL;
    TRY(start_session(t, TPM2_SE_TRIAL));
    TPM(Esys_PolicyPCR(t->esys, t->session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &none,
                       &t->pcrs),
        "read its PCRs (has it a SHA-256 bank?)");
    TPM(Esys_PolicyGetDigest(t->esys, t->session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                             &digest),
        "tell a policy");
    *policy = *digest;
    Esys_Free(digest);
    return CELLA_SUCCESS;
}

static CELLA_RESULT put_blobs(const TPM2B_PUBLIC *public, const TPM2B_PRIVATE *private,
                              json_t *kept) {
    uint8_t blob[BLOB_MAX];
    size_t size = 0;
    TPM(Tss2_MU_TPM2B_PUBLIC_Marshal(public, blob, sizeof(blob), &size), "give what it sealed");
    TRY(sealer_kept_put(kept, "public", cella_bytes(blob, size)));
    size = 0;
    TPM(Tss2_MU_TPM2B_PRIVATE_Marshal(private, blob, sizeof(blob), &size), "give what it sealed");
    return sealer_kept_put(kept, "private", cella_bytes(blob, size));
}

static CELLA_RESULT create(struct tpm *t, struct cella_bytes key, json_t *kept) {
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION none = {0};
    TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.data.size = (UINT16)key.size};
    TPM2B_PUBLIC *made = NULL,
                 template = {
                     .publicArea = {.type = TPM2_ALG_KEYEDHASH,
                                    .nameAlg = TPM2_ALG_SHA256,
                                    .objectAttributes = TPMA_OBJECT_FIXEDTPM |
                                                        TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA,
                                    .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL}};
    TPM2B_PRIVATE *private = NULL;
    if (t->pcrs.count)
        TRY(policy_of_pcrs(t, &template.publicArea.authPolicy));
    else
        template.publicArea.objectAttributes |= TPMA_OBJECT_USERWITHAUTH;
    TRY(start_session(t, TPM2_SE_HMAC));
    cella_copy(sensitive.sensitive.data.buffer, key.data, key.size);
    TSS2_RC rc = Esys_Create(t->esys, t->parent, t->session, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                             &template, &outside, &none, &private, &made, NULL, NULL, NULL);
    cella_wipe(&sensitive, sizeof(sensitive));
    TPM(rc, "seal the root");
    struct cella_result r = put_blobs(made, private, kept);
    Esys_Free(made);
    Esys_Free(private);
    return r;
}

CELLA_RESULT sealer_tpm_wrap(const struct sealer_place *at, struct cella_bytes key, json_t *kept) {
    TPM_STATE t = {.parent = ESYS_TR_NONE, .session = ESYS_TR_NONE, .object = ESYS_TR_NONE};
    TRY(tpm_open(at->root, &t));
    return create(&t, key, kept);
}

/* --- Unsealing --- */

static CELLA_RESULT load(struct tpm *t, const json_t *kept) {
    CELLA_BUFFER one = {0}, two = {0};
    TPM2B_PUBLIC public = {0};
    TPM2B_PRIVATE private = {0};
    size_t at = 0, then = 0;
    TRY(sealer_kept_get(kept, "public", &one));
    TRY(sealer_kept_get(kept, "private", &two));
    bool whole = Tss2_MU_TPM2B_PUBLIC_Unmarshal(one.data, one.size, &at, &public) == 0 &&
                 Tss2_MU_TPM2B_PRIVATE_Unmarshal(two.data, two.size, &then, &private) == 0;
    ENSURE(whole && at == one.size && then == two.size, CELLA_ERR_FORMAT,
           "restore it from a backup", "store.key: what the TPM sealed is not whole");
    TRY(start_session(t, TPM2_SE_HMAC));
    TSS2_RC rc = Esys_Load(t->esys, t->parent, t->session, ESYS_TR_NONE, ESYS_TR_NONE, &private,
                           &public, &t->object);
    ENSURE(rc == TSS2_RC_SUCCESS, CELLA_ERR_INTEGRITY,
           "start with the TPM that the store was made with, or restore a backup under a root that "
           "there still is; clearing a TPM makes it another one",
           "the root was sealed by another TPM, or store.key was changed: code 0x%x", rc);
    return CELLA_SUCCESS;
}

static CELLA_RESULT authorize(struct tpm *t) {
    const TPM2B_DIGEST none = {0};
    if (!t->pcrs.count) return CELLA_SUCCESS; /* the session that loaded it will do */
    TRY(start_session(t, TPM2_SE_POLICY));
    TPM(Esys_PolicyPCR(t->esys, t->session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &none,
                       &t->pcrs),
        "read its PCRs (has it a SHA-256 bank?)");
    return CELLA_SUCCESS;
}

CELLA_RESULT sealer_tpm_unwrap(const struct sealer_place *at, const json_t *kept,
                               struct cella_secret *key) {
    TPM_STATE t = {.parent = ESYS_TR_NONE, .session = ESYS_TR_NONE, .object = ESYS_TR_NONE};
    TPM2B_SENSITIVE_DATA *data = NULL;
    TRY(tpm_open(at->root, &t));
    TRY(load(&t, kept));
    TRY(authorize(&t));
    TSS2_RC rc = Esys_Unseal(t.esys, t.object, t.session, ESYS_TR_NONE, ESYS_TR_NONE, &data);
    ENSURE(rc == TSS2_RC_SUCCESS, CELLA_ERR_REFUSED,
           "start the software that the root was bound to, or re-wrap to another root before you "
           "change it",
           "the TPM does not give the root%s: code 0x%x",
           t.pcrs.count ? ": its PCRs are not what they were" : "", rc);
    struct cella_result r = cella_secret_from(cella_bytes(data->buffer, data->size), key);
    cella_wipe(data, sizeof(*data));
    Esys_Free(data);
    if (!cella_failed(r) && key->size != SEALER_KEY_SIZE) {
        cella_secret_free(key);
        r = CELLA_FAILURE(CELLA_ERR_FORMAT, "restore store.key from a backup",
                          "the TPM gave no root of %d bytes", SEALER_KEY_SIZE);
    }
    return r;
}

/* --- A counter that only grows (K24) --- */

static CELLA_RESULT define_counter(struct tpm *t, uint32_t index, ESYS_TR *out) {
    const TPM2B_AUTH none = {0};
    const TPM2B_NV_PUBLIC public = {
        .nvPublic = {.nvIndex = index,
                     .nameAlg = TPM2_ALG_SHA256,
                     .attributes = (TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT) | TPMA_NV_OWNERWRITE |
                                   TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD | TPMA_NV_NO_DA,
                     .dataSize = sizeof(uint64_t)}};
    TPM(Esys_NV_DefineSpace(t->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                            &none, &public, out),
        "make a counter");
    TPM(Esys_NV_Increment(t->esys, ESYS_TR_RH_OWNER, *out, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                          ESYS_TR_NONE),
        "begin a counter");
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_counter(struct tpm *t, ESYS_TR nv, uint64_t *value) {
    TPM2B_MAX_NV_BUFFER *data = NULL;
    TPM(Esys_NV_Read(t->esys, ESYS_TR_RH_OWNER, nv, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                     sizeof(uint64_t), 0, &data),
        "read its counter");
    bool whole = data->size == sizeof(uint64_t);
    *value = 0;
    for (size_t i = 0; whole && i < sizeof(uint64_t); i++) *value = *value << 8 | data->buffer[i];
    Esys_Free(data);
    ENSURE(whole, CELLA_ERR_FORMAT, NULL, "the TPM's counter is none");
    return CELLA_SUCCESS;
}

CELLA_RESULT sealer_tpm_counter(const char *root, uint32_t index, bool raise, uint64_t *value) {
    TPM_STATE t = {.parent = ESYS_TR_NONE, .session = ESYS_TR_NONE, .object = ESYS_TR_NONE};
    ESYS_TR nv = ESYS_TR_NONE;
    TRY(tpm_open(root, &t));
    if (Esys_TR_FromTPMPublic(t.esys, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &nv) !=
        TSS2_RC_SUCCESS)
        TRY(define_counter(&t, index, &nv));
    if (raise)
        TPM(Esys_NV_Increment(t.esys, ESYS_TR_RH_OWNER, nv, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                              ESYS_TR_NONE),
            "raise its counter");
    return read_counter(&t, nv, value);
}
