/* TCB statuses, levels and what they share in TCB info and enclave identities (Intel PCS API v4).
 */
#ifndef CELLA_EVIDENCE_TCB_H
#define CELLA_EVIDENCE_TCB_H

#include "evidence/json.h"

/* NONE stands for "no level fits" and is no word of Intel's. */
enum cella_tcb_status {
    CELLA_TCB_NONE = 0,
    CELLA_TCB_UP_TO_DATE,
    CELLA_TCB_SW_HARDENING_NEEDED,
    CELLA_TCB_CONFIGURATION_NEEDED,
    CELLA_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
    CELLA_TCB_TD_RELAUNCH_ADVISED,
    CELLA_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
    CELLA_TCB_OUT_OF_DATE,
    CELLA_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
    CELLA_TCB_REVOKED,
    CELLA_TCB_STATUS_COUNT
};
/* Intel's word; "TCB_NOT_SUPPORTED" (of its library) for NONE. */
const char *cella_tcb_status_name(enum cella_tcb_status status);

struct cella_tcb_verdict {
    enum cella_tcb_status status;
    uint64_t date_unix;            /* tcbDate; 0: none given */
    struct cella_bytes advisories; /* JSON array of strings as it stands, or empty */
};
/* A level that asks for one security version number: of an enclave or of a TDX module. */
struct cella_svn_level {
    struct cella_tcb_verdict verdict;
    uint16_t isvsvn;
};
enum { CELLA_SVN_LEVELS = 32 };

/* Handles the keys that every level has (tcbDate, tcbStatus, advisoryIDs); false for any other key.
 */
bool cella_tcb_level_key(struct cella_json *json, struct cella_bytes key,
                         struct cella_tcb_verdict *out);
/* An array of {tcb: {isvsvn}, tcbDate, tcbStatus, advisoryIDs?}, each member required but the last.
 */
void cella_tcb_svn_levels(struct cella_json *json, struct cella_svn_level level[CELLA_SVN_LEVELS],
                          uint32_t *count);
/* The first level that svn reaches, in the list's order, which is newest first; NULL: none. */
const struct cella_svn_level *cella_tcb_svn_match(const struct cella_svn_level *level,
                                                  uint32_t count, uint16_t svn);
/* {"NAME": {...}, "signature": "128 hex digits"}: reads the two members; body is called for the
 * first. signed_part is the exact text of the object. */
struct cella_signed_json {
    const char *name; /* of the member that is signed */
    void (*body)(struct cella_json *json, void *out);
    void *out;
    struct cella_bytes signed_part;
    uint8_t signature[64];
};
CELLA_RESULT cella_signed_json_parse(struct cella_bytes text, struct cella_signed_json *parts);

#endif
