/* TCB info, versions 2 and 3 (Intel PCS API v3 and v4): which security version numbers of a
 * platform are of what status. */
#ifndef CELLA_EVIDENCE_TCBINFO_H
#define CELLA_EVIDENCE_TCBINFO_H

#include "evidence/tcb.h"

enum { CELLA_TCB_LEVELS = 64, CELLA_TDX_MODULES = 8 };

struct cella_tcb_level {
    struct cella_tcb_verdict verdict;
    uint8_t sgx[16], tdx[16];
    uint16_t pcesvn;
};
/* What a TDX module must be; levels only for the identities of versions above 0. */
struct cella_tdx_module {
    struct cella_bytes id; /* "TDX_01"; empty for the module of version 0 */
    uint8_t mrsigner[48], attributes[8], attributes_mask[8];
    uint32_t level_count;
    struct cella_svn_level level[CELLA_SVN_LEVELS];
};
struct cella_tcbinfo {
    uint32_t version;
    bool tdx;
    uint64_t issue_unix, next_unix;
    uint8_t fmspc[6], pceid[2];
    bool has_pceid; /* absent in some old ones */
    uint32_t tcb_type, evaluation;
    bool has_module;
    struct cella_tdx_module module;
    uint32_t identity_count;
    struct cella_tdx_module identity[CELLA_TDX_MODULES];
    struct cella_bytes sgx_category[16], tdx_category[16]; /* of the first level; may be empty */
    uint32_t level_count;
    struct cella_tcb_level level[CELLA_TCB_LEVELS];

    struct cella_bytes signed_part;
    uint8_t signature[64];
};

/* Views into text. */
CELLA_RESULT cella_tcbinfo_parse(struct cella_bytes text, struct cella_tcbinfo *out);

#endif
