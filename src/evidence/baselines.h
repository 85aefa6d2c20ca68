/* The TCB baselines that a set of collateral knows: Intel numbers each issue of its TCB data
 * (tcbEvaluationDataNumber, PCS API v4). For services that list them. */
#ifndef CELLA_EVIDENCE_BASELINES_H
#define CELLA_EVIDENCE_BASELINES_H

#include <cella/collateral.h>

struct cella_tcb_baseline {
    uint32_t evaluation; /* tcbEvaluationDataNumber */
    uint64_t date_unix;  /* the newest tcbDate among its levels; 0: none given */
};
/* Of the TCB infos whose signature holds, for TDX or for SGX: each number once, highest first.
 * Returns how many there are and fills in at most max. Whether they are still in force is not
 * judged. */
size_t cella_collateral_baselines(const struct cella_collateral *collateral, bool tdx,
                                  struct cella_tcb_baseline *out, size_t max);

#endif
