/* The types of evidence, by the names in paths (azure-attestation 1.2). */
#include <string.h>
#include <strings.h>

#include "attest/instance.h"

static const char *const names[CELLA_ATTEST_TYPE_COUNT] = {
    [CELLA_ATTEST_SGX] = "SgxEnclave",
    [CELLA_ATTEST_OPEN_ENCLAVE] = "OpenEnclave",
    [CELLA_ATTEST_SNP] = "SevSnpVm",
    [CELLA_ATTEST_TDX] = "TdxVm",
    [CELLA_ATTEST_AZURE_GUEST] = "AzureGuest",
    [CELLA_ATTEST_TPM] = "Tpm",
    [CELLA_ATTEST_SOFTWARE] = "SoftwareEnclave",
};

const char *cella_attest_type_name(enum cella_attest_type type) {
    return (unsigned)type < CELLA_ATTEST_TYPE_COUNT ? names[type] : "none";
}

bool cella_attest_type_find(struct cella_bytes name, enum cella_attest_type *type) {
    for (unsigned i = 0; i < CELLA_ATTEST_TYPE_COUNT; i++) {
        if (strlen(names[i]) != name.size ||
            strncasecmp(names[i], (const char *)name.data, name.size) != 0)
            continue;
        *type = (enum cella_attest_type)i;
        return true;
    }
    return false;
}
