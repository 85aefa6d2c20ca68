/* Roots by name, and how hardware binds a platform key. */
#include "crypto/digest.h"
#include "evidence/software.h"

static const char label[] = "cella platform key v1"; /* with its NUL */

const char *cella_root_name(enum cella_root root) {
    switch (root) {
    case CELLA_ROOT_FILE: return "file";
    case CELLA_ROOT_TPM: return "tpm";
    case CELLA_ROOT_SNP: return "snp";
    case CELLA_ROOT_TDX: return "tdx";
    }
    return "unknown";
}

bool cella_root_is_hardware(enum cella_root root) {
    return root == CELLA_ROOT_SNP || root == CELLA_ROOT_TDX;
}

CELLA_RESULT cella_root_binding(struct cella_bytes platform_spki, uint8_t report_data[64]) {
    CELLA_BUFFER bound = {0};
    TRY(cella_buffer_append(&bound, CELLA_BYTES_OF(label)));
    TRY(cella_buffer_append(&bound, platform_spki));
    return cella_sha512(cella_buffer_bytes(&bound), report_data);
}
