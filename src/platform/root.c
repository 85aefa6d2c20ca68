#include "platform/root.h"

#include <stdlib.h>
#include <string.h>

#define TPM_DEFAULT_TCTI "device:/dev/tpmrm0"

CELLA_RESULT cella_root_open(const char *spec, const struct cella_key *platform_key,
                             struct cella_root_evidence *out) {
    *out = (struct cella_root_evidence){.root = CELLA_ROOT_FILE};
    if (strcmp(spec, "file") == 0) return CELLA_SUCCESS;
    ENSURE(strcmp(spec, "tpm") == 0 || strncmp(spec, "tpm:", 4) == 0, CELLA_ERR_USAGE,
           "use --root file, --root tpm or --root tpm:TCTI", "no root is called '%s'", spec);
    const char *tcti = spec[3] == ':' ? spec + 4 : getenv("TSS2_TCTI");
    CELLA_BUFFER spki = {0};
    TRY(cella_key_spki(platform_key, &spki));
    out->root = CELLA_ROOT_TPM;
    return cella_root_tpm_quote(tcti ? tcti : TPM_DEFAULT_TCTI, cella_buffer_bytes(&spki), out);
}

void cella_root_close(struct cella_root_evidence *root) {
    cella_buffer_free(&root->evidence);
    cella_buffer_free(&root->ak_spki);
}
