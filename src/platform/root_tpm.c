/* Root tpm: an attestation key that the TPM derives anew from its endorsement seed, so it is the
 * same at every start and nothing of it is stored, quotes PCRs 0 to 7 with the platform key's
 * binding as extra data. */
#include <stdlib.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tctildr.h>

#include "base/memory.h"
#include "base/writer.h"
#include "evidence/tpm.h"
#include "platform/root.h"

enum { PCR_COUNT = 8, RSA_BITS = 2048, P256_COORDINATE = 32 };

struct tpm {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    ESYS_TR ak;
    TPM2B_PUBLIC *ak_public;
    TPM2B_ATTEST *attest;
    TPMT_SIGNATURE *signature;
};

static void tpm_close(struct tpm *t) {
    if (t->ak != ESYS_TR_NONE) Esys_FlushContext(t->esys, t->ak);
    Esys_Free(t->ak_public);
    Esys_Free(t->attest);
    Esys_Free(t->signature);
    if (t->esys) Esys_Finalize(&t->esys);
    if (t->tcti) Tss2_TctiLdr_Finalize(&t->tcti);
}

#define TPM(call, what)                                                                            \
    do {                                                                                           \
        TSS2_RC rc_ = (call);                                                                      \
        if (rc_ != TSS2_RC_SUCCESS)                                                                \
            FAIL(CELLA_ERR_UNAVAILABLE, "check the TPM with `cella doctor`, or use --root file",   \
                 "the TPM failed to %s: code 0x%x", (what), rc_);                                  \
    } while (0)

static struct cella_result tpm_open(const char *name, struct tpm *t) {
    setenv("TSS2_LOG", "all+NONE", 0); /* its own lines would come beside ours */
    TSS2_RC rc = Tss2_TctiLdr_Initialize(name, &t->tcti);
    ENSURE(rc == TSS2_RC_SUCCESS, CELLA_ERR_UNAVAILABLE,
           "name it: --root tpm:TCTI, for example tpm:device:/dev/tpmrm0",
           "no TPM answers at %s: code 0x%x", name, rc);
    TPM(Esys_Initialize(&t->esys, t->tcti, NULL), "start a session");
    (void)Esys_Startup(t->esys, TPM2_SU_CLEAR); /* firmware has done it, but for a bare simulator */
    return CELLA_SUCCESS;
}

static TPM2B_PUBLIC key_template(TPMI_ALG_PUBLIC type) {
    TPM2B_PUBLIC public = {
        .publicArea = {
            .type = type,
            .nameAlg = TPM2_ALG_SHA256,
            .objectAttributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT |
                                TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH,
        }};
    if (type == TPM2_ALG_ECC) {
        TPMS_ECC_PARMS *p = &public.publicArea.parameters.eccDetail;
        p->symmetric.algorithm = TPM2_ALG_NULL;
        p->scheme.scheme = TPM2_ALG_ECDSA;
        p->scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
        p->curveID = TPM2_ECC_NIST_P256;
        p->kdf.scheme = TPM2_ALG_NULL;
    } else {
        TPMS_RSA_PARMS *p = &public.publicArea.parameters.rsaDetail;
        p->symmetric.algorithm = TPM2_ALG_NULL;
        p->scheme.scheme = TPM2_ALG_RSASSA;
        p->scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256;
        p->keyBits = RSA_BITS;
    }
    return public;
}

static TSS2_RC create_primary(struct tpm *t, TPMI_ALG_PUBLIC type) {
    const TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION none = {0};
    TPM2B_PUBLIC template = key_template(type);
    return Esys_CreatePrimary(t->esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                              ESYS_TR_NONE, &sensitive, &template, &outside, &none, &t->ak,
                              &t->ak_public, NULL, NULL, NULL);
}

static struct cella_result make_key(struct tpm *t) {
    if (create_primary(t, TPM2_ALG_ECC) == TSS2_RC_SUCCESS) return CELLA_SUCCESS;
    t->ak = ESYS_TR_NONE;
    TPM(create_primary(t, TPM2_ALG_RSA),
        "make an attestation key (P-256 or RSA-2048, empty endorsement password)");
    return CELLA_SUCCESS;
}

static TPML_PCR_SELECTION boot_pcrs(void) {
    return (TPML_PCR_SELECTION){
        .count = 1,
        .pcrSelections = {{.hash = TPM2_ALG_SHA256, .sizeofSelect = 3, .pcrSelect = {0xff, 0, 0}}}};
}

static struct cella_result quote(struct tpm *t, const uint8_t extra[32]) {
    TPM2B_DATA data = {.size = 32};
    cella_copy(data.buffer, extra, 32);
    const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_NULL};
    const TPML_PCR_SELECTION pcrs = boot_pcrs();
    TPM(Esys_Quote(t->esys, t->ak, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data, &scheme,
                   &pcrs, &t->attest, &t->signature),
        "quote");
    return CELLA_SUCCESS;
}

static struct cella_result read_pcrs(struct tpm *t, struct cella_tpm_quote *out) {
    const TPML_PCR_SELECTION pcrs = boot_pcrs();
    TPML_PCR_SELECTION *selected = NULL;
    TPML_DIGEST *values = NULL;
    UINT32 counter;
    TPM(Esys_PCR_Read(t->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &pcrs, &counter, &selected,
                      &values),
        "read its PCRs");
    bool whole = values->count == PCR_COUNT;
    for (unsigned i = 0; whole && i < PCR_COUNT; i++) {
        whole = values->digests[i].size == sizeof(out->pcr[i].value);
        out->pcr[i].index = (uint8_t)i;
        if (whole)
            cella_copy(out->pcr[i].value, values->digests[i].buffer, sizeof(out->pcr[i].value));
    }
    Esys_Free(selected);
    Esys_Free(values);
    ENSURE(whole, CELLA_ERR_UNSUPPORTED, "turn on the TPM's SHA-256 bank",
           "the TPM has no SHA-256 bank of PCRs 0 to 7");
    out->pcr_count = PCR_COUNT;
    return CELLA_SUCCESS;
}

/* SubjectPublicKeyInfo of P-256 (RFC 5480): all but the point is constant. */
static void put_ecc_spki(const TPMS_ECC_POINT *point, struct cella_writer *w) {
    static const uint8_t head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
    const TPM2B_ECC_PARAMETER *parts[] = {&point->x, &point->y};
    cella_writer_put(w, CELLA_BYTES_OF(head));
    for (int i = 0; i < 2; i++) { /* a TPM may leave out leading zeros */
        if (parts[i]->size > P256_COORDINATE) w->failed = true;
        if (w->failed) return;
        cella_writer_zero(w, P256_COORDINATE - (size_t)parts[i]->size);
        cella_writer_put(w, cella_bytes(parts[i]->buffer, parts[i]->size));
    }
}

/* SubjectPublicKeyInfo of RSA-2048 with e = 65537 (RFC 8017): all but the modulus is constant. */
static void put_rsa_spki(const TPM2B_PUBLIC_KEY_RSA *modulus, UINT32 exponent,
                         struct cella_writer *w) {
    static const uint8_t head[] = {0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a,
                                   0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05,
                                   0x00, 0x03, 0x82, 0x01, 0x0f, 0x00, 0x30, 0x82, 0x01,
                                   0x0a, 0x02, 0x82, 0x01, 0x01, 0x00};
    static const uint8_t tail[] = {0x02, 0x03, 0x01, 0x00, 0x01};
    bool usual = modulus->size == RSA_BITS / 8 && (exponent == 0 || exponent == 65537) &&
                 (modulus->buffer[0] & 0x80);
    if (!usual) w->failed = true;
    cella_writer_put(w, CELLA_BYTES_OF(head));
    cella_writer_put(w, cella_bytes(modulus->buffer, RSA_BITS / 8));
    cella_writer_put(w, CELLA_BYTES_OF(tail));
}

static struct cella_result take_public_key(const struct tpm *t, struct cella_buffer *spki) {
    uint8_t der[512];
    struct cella_writer w = cella_writer(der, sizeof(der));
    const TPMT_PUBLIC *p = &t->ak_public->publicArea;
    if (p->type == TPM2_ALG_ECC)
        put_ecc_spki(&p->unique.ecc, &w);
    else
        put_rsa_spki(&p->unique.rsa, p->parameters.rsaDetail.exponent, &w);
    ENSURE(!w.failed, CELLA_ERR_UNSUPPORTED, NULL, "the TPM made a key of an unexpected form");
    return cella_buffer_append(spki, cella_writer_bytes(&w));
}

static struct cella_result make_evidence(struct tpm *t, struct cella_bytes platform_spki,
                                         struct cella_root_evidence *out) {
    struct cella_tpm_quote q = {0}, checked;
    uint8_t extra[32], signature[1024];
    size_t size = 0;
    TRY(cella_tpm_binding(platform_spki, extra));
    TRY(make_key(t));
    TRY(take_public_key(t, &out->ak_spki));
    TRY(quote(t, extra));
    TRY(read_pcrs(t, &q));
    TPM(Tss2_MU_TPMT_SIGNATURE_Marshal(t->signature, signature, sizeof(signature), &size),
        "give its signature");
    q.attest = cella_bytes(t->attest->attestationData, t->attest->size);
    q.signature = cella_bytes(signature, size);
    q.ak_spki = cella_buffer_bytes(&out->ak_spki);
    TRY(cella_tpm_quote_encode(&q, &out->evidence));
    /* As a verifier will see it: a PCR extended in between, or a TPM that misbehaves, is found
     * here. */
    return cella_tpm_quote_verify(cella_buffer_bytes(&out->evidence), platform_spki, &checked);
}

CELLA_RESULT cella_root_tpm_quote(const char *tcti, struct cella_bytes platform_spki,
                                  struct cella_root_evidence *out) {
    struct tpm t = {.ak = ESYS_TR_NONE};
    struct cella_result r = tpm_open(tcti, &t);
    if (!cella_failed(r)) r = make_evidence(&t, platform_spki, out);
    tpm_close(&t);
    return r;
}
