#include "platform/root.h"
CELLA_RESULT cella_root_tpm_quote(const char *tcti, struct cella_bytes platform_spki, struct cella_root_evidence *out) {
    (void)platform_spki; (void)out;
    FAIL(CELLA_ERR_UNSUPPORTED, NULL, "root tpm is not built in: %s", tcti);
}
