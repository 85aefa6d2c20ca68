#include "platform/root.h"

#include <stdlib.h>
#include <string.h>

#include "evidence/software.h"

#define TPM_DEFAULT_TCTI "device:/dev/tpmrm0"

CELLA_RESULT cella_root_guest(const struct cella_tsm *tsm, enum cella_root wanted,
                              struct cella_root_evidence *out) {
    CELLA_BUFFER spki = {0};
    uint8_t bound[64];
    TRY(cella_key_new_p256(&out->key));
    TRY(cella_key_spki(out->key, &spki));
    TRY(cella_root_binding(cella_buffer_bytes(&spki), bound));
    return cella_tsm_report(tsm, wanted, bound, &out->root, &out->evidence);
}

static struct cella_result open_auto(struct cella_root_evidence *out) {
    struct cella_result r = cella_root_guest(&cella_tsm_kernel, CELLA_ROOT_FILE, out);
    if (cella_code_of(r) != CELLA_ERR_NOT_FOUND) return r;
    cella_result_drop(r); /* no confidential VM */
    cella_root_close(out);
    out->root = CELLA_ROOT_FILE;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_root_open(const char *spec, const struct cella_key *platform_key,
                             struct cella_root_evidence *out) {
    *out = (struct cella_root_evidence){.root = CELLA_ROOT_FILE};
    if (strcmp(spec, "file") == 0) return CELLA_SUCCESS;
    if (strcmp(spec, "snp") == 0) return cella_root_guest(&cella_tsm_kernel, CELLA_ROOT_SNP, out);
    if (strcmp(spec, "tdx") == 0) return cella_root_guest(&cella_tsm_kernel, CELLA_ROOT_TDX, out);
    if (strcmp(spec, "auto") == 0) return open_auto(out);
    ENSURE(strcmp(spec, "tpm") == 0 || strncmp(spec, "tpm:", 4) == 0, CELLA_ERR_USAGE,
           "use --root file, tpm, tpm:TCTI, snp, tdx or auto", "no root is called '%s'", spec);
    const char *tcti = spec[3] == ':' ? spec + 4 : getenv("TSS2_TCTI");
    CELLA_BUFFER spki = {0};
    TRY(cella_key_spki(platform_key, &spki));
    out->root = CELLA_ROOT_TPM;
    return cella_root_tpm_quote(tcti ? tcti : TPM_DEFAULT_TCTI, cella_buffer_bytes(&spki), out);
}

void cella_root_close(struct cella_root_evidence *root) {
    cella_buffer_free(&root->evidence);
    cella_buffer_free(&root->ak_spki);
    cella_key_free(&root->key);
}
