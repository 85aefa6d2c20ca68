/* Roles of Intel's certificates: who may sign what (A07). */
#include <string.h>

#include "evidence/intel_collateral.h"
#include "evidence/pck.h"

enum { KEY_USAGE_SIGN = 1 << 0, KEY_USAGE_CERT_SIGN = 1 << 5, KEY_USAGE_CRL_SIGN = 1 << 6 };

static const char *const role_names[] = {
    [CELLA_INTEL_OTHER] = "another certificate",
    [CELLA_INTEL_ROOT] = "Intel SGX Root CA",
    [CELLA_INTEL_PROCESSOR_CA] = "Intel SGX PCK Processor CA",
    [CELLA_INTEL_PLATFORM_CA] = "Intel SGX PCK Platform CA",
    [CELLA_INTEL_TCB_SIGNING] = "Intel SGX TCB Signing",
    [CELLA_INTEL_PCK] = "Intel SGX PCK Certificate",
};

const char *cella_intel_role_name(enum cella_intel_role role) { return role_names[role]; }

enum cella_intel_role cella_intel_role(const struct cella_certificate *certificate) {
    char name[64];
    cella_name_common(certificate->subject, name, sizeof(name));
    for (enum cella_intel_role role = CELLA_INTEL_ROOT; role <= CELLA_INTEL_PCK; role++)
        if (strcmp(name, role_names[role]) == 0) return role;
    return CELLA_INTEL_OTHER;
}

bool cella_intel_role_holds(const struct cella_certificate *c, enum cella_intel_role role) {
    bool authority = role == CELLA_INTEL_ROOT || role == CELLA_INTEL_PROCESSOR_CA ||
                     role == CELLA_INTEL_PLATFORM_CA;
    uint16_t usage = authority ? KEY_USAGE_CERT_SIGN | KEY_USAGE_CRL_SIGN : KEY_USAGE_SIGN;
    if (c->unknown_critical || !c->has_basic_constraints || c->is_ca != authority) return false;
    if (!c->has_key_usage || (c->key_usage & usage) != usage) return false;
    if (role == CELLA_INTEL_ROOT && c->path_length == 0)
        return false; /* an authority stands between it and the PCK */
    return cella_pck_has(c) == (role == CELLA_INTEL_PCK);
}
