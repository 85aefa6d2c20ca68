/* One verification of a quote of SGX or TDX: what its steps share. For the intel_*.c files only.
 *
 * Order of the steps: the quote's form; chain of the PCK certificate to a pinned root; signatures
 * of QE report and quote; revocation and the QE's identity as far as collateral is there - then the
 * evidence is authentic; then all collateral that the verdict needs, in force; TCB levels; the
 * caller's policy on the status.
 */
#ifndef CELLA_EVIDENCE_INTEL_H
#define CELLA_EVIDENCE_INTEL_H

#include "evidence/intel_collateral.h"
#include "evidence/pck.h"
#include "evidence/sgx_quote.h"
#include "evidence/tcb_match.h"

enum { CELLA_INTEL_CHAIN_SIZE = 12288 /* bytes of DER */, CELLA_INTEL_CHAIN_COUNT = 3 };

struct cella_intel_chain {
    struct cella_certificate leaf, ca, root;
    bool has_root;
    enum cella_intel_role ca_role;
    struct cella_bytes root_spki;         /* the pinned key that the CA is signed with */
    const struct cella_verifykey *ca_key; /* of the collateral, or ca_owned */
    struct cella_verifykey *ca_owned, *leaf_key;
    struct cella_pck pck;
    uint8_t storage[CELLA_INTEL_CHAIN_SIZE];
};
struct cella_intel_job {
    const struct cella_intel *state;
    const struct cella_evidence_options *options;
    struct cella_verification *out;
    bool tdx;
    struct cella_quote quote;
    struct cella_intel_chain chain;
    const struct cella_intel_tcbinfo *tcbinfo; /* what serves at the time; NULL: none does */
    const struct cella_intel_identity *identity;
    const struct cella_intel_crl *pck_crl, *root_crl;
    bool stale; /* something is past its nextUpdate, within the grace that the caller gave */
    int32_t pck_link, quote_link;
    struct cella_tcb_platform platform;
    struct cella_tcb_match launch, current;
};

/* intel_chain.c: finds and checks the PCK certificate, its authority and the root; the QE report's
 * signature decides among several PCK certificates that the evidence only names. */
struct cella_result cella_intel_chain_hold(struct cella_intel_job *job);
void cella_intel_chain_free(struct cella_intel_chain *chain);

/* intel_judge.c: picks what serves at the time and checks revocation where a list does. */
struct cella_result cella_intel_pick(struct cella_intel_job *job);
struct cella_result cella_intel_revocation(struct cella_intel_job *job);
/* Refuses unless all that the verdict needs is there and in force, saying what is missing or why
 * not. */
struct cella_result cella_intel_collateral_needed(struct cella_intel_job *job);

/* intel_tcb.c: identities of QE and TDX module, levels, status. */
struct cella_result cella_intel_qe_identity(struct cella_intel_job *job);
struct cella_result cella_intel_tcb(struct cella_intel_job *job);

/* intel_log.c: one of the logs that were given, if any was, must replay to the TD's RTMRs. */
struct cella_result cella_intel_logs(struct cella_intel_job *job);

/* intel_claims.c */
void cella_intel_claims(struct cella_intel_job *job);
void cella_intel_tcb_claims(struct cella_intel_job *job);
/* intel_hashes.c: which collateral the verdict rests on. */
void cella_intel_hash_claims(struct cella_intel_job *job);

static inline bool cella_intel_same(struct cella_bytes a, struct cella_bytes b) {
    return a.size == b.size && a.size > 0 && __builtin_memcmp(a.data, b.data, a.size) == 0;
}

#endif
