/* The audit log: an append-only file of JSON lines, each with the hash of the one before
 * (docs/formats/audit.md).
 *
 * A line is written before the reply that it is about (K22): what cannot be written is refused. The
 * kernel has it when _append returns, so killing the process loses nothing; a thread of the log
 * brings it to the disk within sync_ms, or each line at once with sync_ms 0. What a chain of hashes
 * cannot show, lines cut off at the end, the checkpoint beside it shows (FILE.head: count and hash,
 * sealed under the service's own key).
 */
#ifndef CELLA_AUDIT_AUDIT_H
#define CELLA_AUDIT_AUDIT_H

#include <jansson.h>

#include "base/buffer.h"

struct cella_audit;
/* Opens or makes the log; checks the last line and mends a torn one (a line without its end, after
 * a crash, is moved to FILE.torn and said so). sync_ms: see above. key: 32 bytes for the
 * checkpoint's MAC; copied. */
CELLA_RESULT cella_audit_open(const char *path, uint32_t sync_ms, struct cella_bytes key,
                              struct cella_audit **out);
void cella_audit_close(struct cella_audit **audit);
/* Appends one record: members are the caller's (who, action, object, digest, policy, verdict,
 * reason, request ...); seq, time, prev and hash are added. Thread-safe. */
CELLA_RESULT cella_audit_append(struct cella_audit *audit, const json_t *record);

/* Where the log ended when this process last wrote or opened it: lines, and bytes. */
void cella_audit_end(struct cella_audit *audit, uint64_t *count, uint64_t *size);

struct cella_audit_verdict {
    uint64_t count;       /* lines that hold */
    uint64_t broken_line; /* 0: none; else the first line that does not hold */
    char why[256];        /* of it */
    char head[65];        /* hash of the last line that holds, hex */
};
/* Reads the whole chain. key empty: without the checkpoint, which is then said in why. */
CELLA_RESULT cella_audit_verify(const char *path, struct cella_bytes key,
                                struct cella_audit_verdict *out);

#endif
