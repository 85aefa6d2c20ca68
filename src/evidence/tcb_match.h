/* TCB level matching and convergence exactly as Intel's quote verification library has them (Intel
 * PCS API v4, "TCB Info"; threats.md A02, A10): pure arithmetic over parsed TCB info and
 * identities. */
#ifndef CELLA_EVIDENCE_TCB_MATCH_H
#define CELLA_EVIDENCE_TCB_MATCH_H

#include "evidence/identity.h"
#include "evidence/tcbinfo.h"

/* What a platform has. */
struct cella_tcb_platform {
    const uint8_t *sgx; /* 16 component SVNs of the PCK certificate */
    uint16_t pcesvn;
    const uint8_t *tdx; /* 16 TEE_TCB_SVN of the TD; NULL: SGX */
    uint16_t qe_isvsvn;
};
struct cella_tcb_match {
    enum cella_tcb_status status; /* converged; NONE: some part has no level */
    const char *unsupported;      /* which part, when NONE */
    uint64_t date_unix;           /* earliest of the matched levels; 0: none */
    const struct cella_tcb_level *platform;
    const struct cella_svn_level *qe;
    const struct cella_tdx_module
        *module; /* the identity that the version of the TD's module asks for; may be NULL */
    const struct cella_svn_level *module_level; /* NULL: version 0, which has none */
};

/* The module that a TEE_TCB_SVN names: tdxModule for version 0, else the identity TDX_xx; NULL:
 * there is none. */
const struct cella_tdx_module *cella_tcb_module(const struct cella_tcbinfo *info,
                                                const uint8_t tdx[16]);
/* Levels and convergence for one set of SVNs. */
void cella_tcb_evaluate(const struct cella_tcbinfo *info, const struct cella_enclave_identity *qe,
                        const struct cella_tcb_platform *platform, struct cella_tcb_match *out);
/* A TD 1.5 has two: at its launch and now. The status of both together. */
enum cella_tcb_status cella_tcb_relaunch(enum cella_tcb_status launch,
                                         enum cella_tcb_status current);
/* Each thing that the platform lacks for the newest level, as a line for people: "sgx component 3
 * (BIOS): has 4, needs 6 since 2023-08-09". */
void cella_tcb_shortfall(const struct cella_tcbinfo *info, const struct cella_enclave_identity *qe,
                         const struct cella_tcb_platform *platform,
                         const struct cella_tcb_match *match,
                         void (*line)(void *to, const char *text), void *to);

#endif
