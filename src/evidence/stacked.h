/* Software evidence of a platform inside a confidential VM: the guest's hardware report binds the
 * platform key, the platform signs for its enclaves, and one evidence carries both
 * (docs/architecture.md, decision 5). For files of the evidence part only. */
#ifndef CELLA_EVIDENCE_STACKED_H
#define CELLA_EVIDENCE_STACKED_H

#include "evidence/family.h"

/* Whether it parses as software evidence with root snp or tdx. */
bool cella_stacked_is(struct cella_bytes evidence);
/* Hardware root, its report, the binding of the platform key, the platform's signature: each must
 * hold for out->authentic. The enclave has the common claims; the guest's come as root, root-NAME
 * and snp.NAME or tdx.NAME. A guest in debug mode is refused, whatever the caller allows: its host
 * could have taken the platform key. */
cella_family_verify cella_stacked_verify;

#endif
