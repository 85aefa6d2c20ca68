/* The implementations behind gcm.h, for its tests and benchmark. */
#ifndef CELLA_SEAL_GCM_INTERNAL_H
#define CELLA_SEAL_GCM_INTERNAL_H

#include "seal/gcm.h"

enum cella_gcm_kind {
    CELLA_GCM_AUTO, /* the best this processor has */
    CELLA_GCM_BEARSSL,
    CELLA_GCM_SSE,
    CELLA_GCM_AVX,
    CELLA_GCM_AVX2,
    CELLA_GCM_VAES_AVX512,
};

bool cella_gcm_available(enum cella_gcm_kind kind);
/* All contexts made after this use kind, which must be available. Not thread-safe; for tests only.
 */
void cella_gcm_force(enum cella_gcm_kind kind);

#endif
