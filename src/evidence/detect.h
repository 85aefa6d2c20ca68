/* The types of evidence in this build. For files of the evidence part only. */
#ifndef CELLA_EVIDENCE_DETECT_H
#define CELLA_EVIDENCE_DETECT_H

#include "evidence/family.h"

struct cella_evidence_kind {
    enum cella_evidence_type type;
    cella_family_detect *detect;
    cella_family_verify *verify;
};

/* What bytes look like, or NULL. */
const struct cella_evidence_kind *cella_evidence_detect(struct cella_bytes evidence);
/* The kind of a type, or NULL when this build has none. */
const struct cella_evidence_kind *cella_evidence_kind(enum cella_evidence_type type);

#endif
