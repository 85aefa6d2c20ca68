/* Shared by the files of the audit log only: the form of a line and of the checkpoint
 * (docs/formats/audit.md). */
#ifndef CELLA_AUDIT_AUDIT_INNER_H
#define CELLA_AUDIT_AUDIT_INNER_H

#include <pthread.h>
#include <sys/types.h>

#include "audit/audit.h"

enum {
    AUDIT_HASH_TEXT = 64,     /* hex digits */
    AUDIT_LINE_MAX = 1 << 16, /* bytes, with the line feed */
    AUDIT_KEY_SIZE = 32,
    AUDIT_TIME_TEXT = 24 /* 2026-02-14T00:17:59.123Z */
};

/* Where a chain stands: after count lines. */
struct audit_head {
    uint64_t count;
    uint64_t size;                  /* bytes of the file up to there */
    char hash[AUDIT_HASH_TEXT + 1]; /* of the last line; zeros before the first */
};

/* The head of a log without lines. */
struct audit_head audit_head_new(void);

/* --- Lines --- */

/* What a line says of its place, as views into it. */
struct audit_line {
    uint64_t seq;
    struct cella_bytes prev, hash;
};
/* Writes a whole line for the members given (the inside of an object's braces), after head. */
CELLA_RESULT audit_line_make(const struct audit_head *head, struct cella_bytes members,
                             struct cella_buffer *line, char hash[AUDIT_HASH_TEXT + 1]);
/* line: without its line feed. NULL, or what is wrong with its form. */
const char *audit_line_read(struct cella_bytes line, struct audit_line *out);
/* SHA-256 over the line without its member hash. */
CELLA_RESULT audit_line_hash(struct cella_bytes line, char hash[AUDIT_HASH_TEXT + 1]);

/* --- The checkpoint --- */

/* *there false: there is none. CELLA_ERR_INTEGRITY: not made under this key. */
CELLA_RESULT audit_checkpoint_read(const char *log, struct cella_bytes key, struct audit_head *out,
                                   bool *there);
CELLA_RESULT audit_checkpoint_write(const char *log, struct cella_bytes key,
                                    const struct audit_head *head);

/* --- The end of a log --- */

/* Reads where the chain of an open log stands from its last line alone. *torn: bytes after it that
 * are no line. */
CELLA_RESULT audit_tail_read(int fd, const char *path, struct audit_head *out, uint64_t *torn);
/* The hash of the line that ends at offset size. CELLA_ERR_INTEGRITY when none does. */
CELLA_RESULT audit_tail_hash(int fd, const char *path, uint64_t size, struct audit_line *line,
                             char hash[AUDIT_HASH_TEXT + 1]);

#endif
