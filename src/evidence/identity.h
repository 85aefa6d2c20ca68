/* Enclave identities of Intel's quoting and verification enclaves, version 2 (Intel PCS API v3 and
 * v4), and the QE identity version 1 of API v2, which is only read: no verification uses it (A28).
 */
#ifndef CELLA_EVIDENCE_IDENTITY_H
#define CELLA_EVIDENCE_IDENTITY_H

#include "evidence/tcb.h"

enum cella_enclave_id { CELLA_ENCLAVE_QE, CELLA_ENCLAVE_TD_QE, CELLA_ENCLAVE_QVE };
const char *cella_enclave_id_name(enum cella_enclave_id id);

struct cella_enclave_identity {
    enum cella_enclave_id id;
    uint32_t version, evaluation;
    uint64_t issue_unix, next_unix;
    uint8_t miscselect[4], miscselect_mask[4], attributes[16], attributes_mask[16], mrsigner[32];
    uint16_t isvprodid;
    uint32_t level_count;
    struct cella_svn_level level[CELLA_SVN_LEVELS];

    struct cella_bytes signed_part;
    uint8_t signature[64];
};

/* Views into text. */
CELLA_RESULT cella_enclave_identity_parse(struct cella_bytes text,
                                          struct cella_enclave_identity *out);

#endif
