/* What a boot log says, as the claims `events` and `pcrs` of policies have it (azure-attestation
 * 9.6) and as plain facts.
 *
 * Only PCRs that the log replays to are told of, and the data of an event only where its digest is
 * that of the data: the rest of a log is anybody's words (A21). What firmware and Windows' loader
 * say is told only before the boundary that they measure themselves, and only where nothing is
 * hidden before it. */
#ifndef CELLA_ATTEST_TPM_EVENTS_H
#define CELLA_ATTEST_TPM_EVENTS_H

#include <jansson.h>

#include "evidence/tpm_proof.h"

/* Facts that firmware or Windows' boot loader measure. */
enum cella_boot_fact {
    CELLA_BOOT_SECURE_BOOT, /* the variable, in PCR 7, before its separator */
    CELLA_BOOT_BOOT_DEBUGGING,
    CELLA_BOOT_KERNEL_DEBUGGING,
    CELLA_BOOT_CODE_INTEGRITY,
    CELLA_BOOT_TEST_SIGNING,
    CELLA_BOOT_FLIGHT_SIGNING,
    CELLA_BOOT_SAFE_MODE,
    CELLA_BOOT_WINPE,
    CELLA_BOOT_HYPERVISOR_DEBUGGING,
    CELLA_BOOT_VBS_REQUIRED,
    CELLA_BOOT_VBS_IOMMU,
    CELLA_BOOT_ELAM, /* a driver of early-launch anti-malware was measured */
    CELLA_BOOT_FACT_COUNT
};
struct cella_boot_facts {
    struct {
        bool yes, no; /* some event said so; both: contradictory; neither: nothing was measured */
    } said[CELLA_BOOT_FACT_COUNT];
    bool has_hvci;
    uint64_t hvci_policy;
    uint32_t windows_events; /* tagged events of Windows' loader */
};
/* True only when it was said, and never the contrary. */
static inline bool cella_boot_is(const struct cella_boot_facts *facts, enum cella_boot_fact fact) {
    return facts->said[fact].yes && !facts->said[fact].no;
}
static inline bool cella_boot_isnt(const struct cella_boot_facts *facts,
                                   enum cella_boot_fact fact) {
    return facts->said[fact].no && !facts->said[fact].yes;
}
static inline bool cella_boot_said(const struct cella_boot_facts *facts,
                                   enum cella_boot_fact fact) {
    return facts->said[fact].yes || facts->said[fact].no;
}

/* {"Events":[{"EventTypeString","PcrIndex","EventSeq","Digests","ProcessedData"}]}, new; and the
 * facts. events may be NULL. The proof's log was replayed before. */
CELLA_RESULT cella_tpm_events(const struct cella_tpm_proof *proof, struct cella_bytes log,
                              json_t **events, struct cella_boot_facts *facts);
/* {"PCRs":[{"Index","Digests":{"SHA256":hex}}]} of those that were quoted; new. */
CELLA_RESULT cella_tpm_pcrs_json(const struct cella_tpm_proof *proof, json_t **out);

/* Tagged events of Windows' loader as {"EVENT_TRUSTBOUNDARY":{...}}; NULL when the data is none.
 * (tpm_sipa.c) */
json_t *cella_tpm_tagged(struct cella_bytes data, struct cella_boot_facts *facts);
/* Bytes as a string of base64url; NULL without memory. */
json_t *cella_json_base64(struct cella_bytes bytes);
const char *cella_event_type_name(uint32_t type);

#endif
