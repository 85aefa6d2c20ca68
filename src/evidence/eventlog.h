/* The measured-boot event log: the TCG PC Client crypto-agile form ("TCG2") and the older one with
 * SHA-1 alone (TCG PC Client Platform Firmware Profile, sections 10.2 and 10.4.5). The one reader
 * of such logs, for the PCRs of a TPM and for the measurement registers of TDX (CCEL), whose
 * indexes its caller knows how to read.
 *
 * A log proves nothing by itself: it explains registers that something signed (A21). Replaying
 * gives what the registers must be if the log is whole and true. Nothing is allocated; views into
 * the caller's bytes. */
#ifndef CELLA_EVIDENCE_EVENTLOG_H
#define CELLA_EVIDENCE_EVENTLOG_H

#include <cella/bytes.h>
#include <cella/result.h>

#include "base/reader.h"
#include "crypto/digest.h"

enum {
    CELLA_EVENTLOG_MAX = 1 << 20, /* bytes */
    CELLA_EVENTLOG_BANK_MAX = 8,
    CELLA_EVENTLOG_REGISTER_MAX = 32,

    CELLA_EVENT_NO_ACTION = 3, /* told, not measured */
};

struct cella_eventlog {
    struct cella_reader reader;
    bool crypto_agile;
    uint32_t bank_count; /* of the log's header; 1 for the older form */
    struct {
        uint16_t hash; /* TPM_ALG_ID */
        uint16_t size;
    } bank[CELLA_EVENTLOG_BANK_MAX];
};

struct cella_event {
    uint32_t index; /* PCR, or CCEL's measurement register index */
    uint32_t type;
    uint32_t digest_count;
    struct {
        uint16_t hash;
        struct cella_bytes value;
    } digest[CELLA_EVENTLOG_BANK_MAX];
    struct cella_bytes data;
};

/* Whether bytes begin as a crypto-agile log does. */
bool cella_eventlog_is(struct cella_bytes bytes);
/* Reads the header event; the older form has none, and its first event is then the next. */
CELLA_RESULT cella_eventlog_begin(struct cella_bytes bytes, struct cella_eventlog *out);
/* The next event; *found is false at the end, which may be followed by padding of 00 or FF bytes
 * alone (logs are handed out as the whole area that was set aside for them). */
CELLA_RESULT cella_eventlog_next(struct cella_eventlog *log, struct cella_event *out, bool *found);

struct cella_registers {
    enum cella_hash hash;
    uint32_t extended; /* bit i: register i was extended or given its start by the log */
    uint32_t event_count;
    uint8_t value[CELLA_EVENTLOG_REGISTER_MAX][CELLA_HASH_SIZE_MAX];
};

/* Extends registers, all zero at the start (PCR 0 by the log's StartupLocality event), with every
 * event that is measured. CELLA_ERR_NOT_FOUND when the log lacks that bank. */
CELLA_RESULT cella_eventlog_replay(struct cella_bytes bytes, enum cella_hash hash,
                                   struct cella_registers *out);
/* hash of a TPM_ALG_ID, and back; false for one that is not among enum cella_hash. */
bool cella_tpm_hash_of(uint16_t algorithm, enum cella_hash *out);
uint16_t cella_tpm_hash_id(enum cella_hash hash);

#endif
