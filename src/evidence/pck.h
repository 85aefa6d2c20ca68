/* The SGX extension of PCK certificates, OID 1.2.840.113741.1.13.1 (Intel, "SGX PCK Certificate and
 * CRL Profile"). */
#ifndef CELLA_EVIDENCE_PCK_H
#define CELLA_EVIDENCE_PCK_H

#include "crypto/x509.h"

struct cella_pck {
    uint8_t ppid[16], cpusvn[16];
    uint8_t
        component[16]; /* SGX TCB component SVNs: what TCB matching compares, not the raw CPUSVN */
    uint16_t pcesvn;
    uint8_t pceid[2], fmspc[6];
    uint8_t sgx_type;                     /* 0 standard, 1 scalable, 2 scalable with integrity */
    bool has_instance, has_configuration; /* under the platform CA */
    uint8_t instance[16];
    bool dynamic_platform, cached_keys, smt;
};

/* Whether the certificate carries the extension at all. */
bool cella_pck_has(const struct cella_certificate *certificate);
/* Strict: every required member exactly once, each of its size. */
CELLA_RESULT cella_pck_parse(const struct cella_certificate *certificate, struct cella_pck *out);

#endif
