#include "evidence/detect.h"

#include <string.h>

static const char *const names[CELLA_EVIDENCE_TYPE_COUNT] = {
    [CELLA_EVIDENCE_AUTO] = "unknown", [CELLA_EVIDENCE_SGX] = "sgx",
    [CELLA_EVIDENCE_TDX] = "tdx",      [CELLA_EVIDENCE_SNP] = "snp",
    [CELLA_EVIDENCE_TPM] = "tpm",      [CELLA_EVIDENCE_AZURE] = "azure",
    [CELLA_EVIDENCE_NITRO] = "nitro",  [CELLA_EVIDENCE_MAA] = "maa",
    [CELLA_EVIDENCE_RATLS] = "ra-tls", [CELLA_EVIDENCE_SOFTWARE] = "software",
};

static const struct cella_evidence_kind kinds[] = {
#define FAMILY(name)
#define TYPE(type, function)                                                                       \
    {CELLA_EVIDENCE_##type, cella_detect_##function, cella_verify_##function},
#include "evidence/families.h"
#undef FAMILY
#undef TYPE
};
enum { KIND_COUNT = sizeof(kinds) / sizeof(kinds[0]) };

const char *cella_evidence_type_name(enum cella_evidence_type type) {
    return (unsigned)type < CELLA_EVIDENCE_TYPE_COUNT ? names[type] : names[CELLA_EVIDENCE_AUTO];
}

CELLA_RESULT cella_evidence_type_of(const char *name, enum cella_evidence_type *out) {
    *out = CELLA_EVIDENCE_AUTO;
    for (int i = CELLA_EVIDENCE_AUTO + 1; i < CELLA_EVIDENCE_TYPE_COUNT; i++) {
        if (strcmp(names[i], name) != 0) continue;
        *out = (enum cella_evidence_type)i;
        return CELLA_SUCCESS;
    }
    FAIL(CELLA_ERR_USAGE, "one of sgx, tdx, snp, tpm, azure, nitro, maa, ra-tls, software",
         "no evidence is of type '%s'", name);
}

const struct cella_evidence_kind *cella_evidence_detect(struct cella_bytes evidence) {
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (kinds[i].detect(evidence)) return &kinds[i];
    return NULL;
}

const struct cella_evidence_kind *cella_evidence_kind(enum cella_evidence_type type) {
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (kinds[i].type == type) return &kinds[i];
    return NULL;
}
