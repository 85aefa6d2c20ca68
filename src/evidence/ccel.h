/* Event logs of TDX: CCEL (a TCG2 log whose register index 1 to 4 is RTMR0 to RTMR3; UEFI 2.10
 * section 38) and the JSON form that dstack gives, a list of {imr, event_type, digest, event,
 * event_payload}.
 *
 * A log is untrusted: it explains the RTMRs of a quote when its replay equals them, and nothing
 * else (A21). */
#ifndef CELLA_EVIDENCE_CCEL_H
#define CELLA_EVIDENCE_CCEL_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>

enum { CELLA_RTMR_COUNT = 4, CELLA_RTMR_SIZE = 48 };

struct cella_rtmr_replay {
    uint8_t rtmr[CELLA_RTMR_COUNT][CELLA_RTMR_SIZE];
    uint32_t event_count; /* that were extended */
};
/* A named event of a running program, whose digest was found to be that of name and payload. */
typedef void cella_rtmr_event(void *to, const char *name, struct cella_bytes payload);

bool cella_rtmr_log_is(struct cella_bytes log);
/* event may be NULL. */
CELLA_RESULT cella_rtmr_replay(struct cella_bytes log, struct cella_rtmr_replay *out,
                               cella_rtmr_event *event, void *to);

#endif
