/* Event logs given along with a TDX quote must explain its RTMRs (A21). */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "evidence/ccel.h"
#include "evidence/intel.h"

enum { EVENT_TEXT = 512, PAYLOAD_SHOWN = 128, NAME_SHOWN = 64 };

/* "name: payload in hex", a claim of its own: name and payload are under the digest that the RTMR
 * holds. */
static void take_event(void *to, const char *name, struct cella_bytes payload) {
    struct cella_intel_job *job = to;
    char text[EVENT_TEXT], hex[2 * PAYLOAD_SHOWN + 1];
    bool cut = payload.size > PAYLOAD_SHOWN;
    cella_hex_encode(cella_bytes(payload.data, cut ? PAYLOAD_SHOWN : payload.size), hex);
    snprintf(text, sizeof(text), "%.*s: %s%s", NAME_SHOWN, name, hex, cut ? "..." : "");
    cella_claim_list_text(job->out->claims, "tdx.event", text);
}

/* The first RTMR that the replay does not explain; 4: all are. */
static size_t differs(const struct cella_intel_job *job, const struct cella_rtmr_replay *replay) {
    size_t i = 0;
    while (i < CELLA_RTMR_COUNT &&
           cella_equal(replay->rtmr[i], job->quote.td.rtmr[i].data, CELLA_RTMR_SIZE))
        i++;
    return i;
}

static struct cella_result try_log(struct cella_intel_job *job, struct cella_bytes log,
                                   bool *explains) {
    struct cella_rtmr_replay replay;
    REFUSE_TRY(job->out, cella_rtmr_replay(log, &replay, NULL, NULL), "event log", "event log",
               "give the log of this machine, whole", "a CCEL or dstack log");
    size_t i = differs(job, &replay);
    *explains = i == CELLA_RTMR_COUNT;
    if (!*explains)
        REFUSE(job->out, CELLA_ERR_INTEGRITY, "event log", cella_text(job->out, "rtmr%zu", i),
               "give the log of this machine, whole",
               cella_text_hex(job->out, job->quote.td.rtmr[i]),
               cella_text_hex(job->out, CELLA_BYTES_OF(replay.rtmr[i])));
    cella_claim_number(job->out->claims, "tdx.event-count", replay.event_count);
    TRY(cella_rtmr_replay(log, &replay, take_event,
                          job)); /* again, now that its events can be believed */
    return CELLA_SUCCESS;
}

struct cella_result cella_intel_logs(struct cella_intel_job *job) {
    struct cella_result last = CELLA_SUCCESS;
    struct cella_bytes part;
    bool explains = false;
    if (cella_evidence_part(job->out, "event_log", &part)) return try_log(job, part, &explains);
    for (uint32_t i = 0; i < job->state->log_count && !explains; i++) {
        cella_result_drop(last);
        last = try_log(job, job->state->log[i], &explains);
        if (cella_code_of(last) == CELLA_ERR_MEMORY) return last;
    }
    return last;
}
