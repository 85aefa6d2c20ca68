/* The checkpoint beside a log, and the log's own end. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit_inner.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"

enum { CHECKPOINT_MAX = 512, MAC_TEXT = 64 };

/* --- The checkpoint --- */

static CELLA_RESULT name_of(const char *log, char path[PATH_MAX]) {
    int n = snprintf(path, PATH_MAX, "%s.head", log);
    ENSURE(n > 0 && n < PATH_MAX - 16, CELLA_ERR_LIMIT, NULL, "path too long: %s", log);
    return CELLA_SUCCESS;
}

/* The text before its MAC, and the whole. */
static CELLA_RESULT show(struct cella_bytes key, const struct audit_head *head,
                         char text[CHECKPOINT_MAX]) {
    uint8_t mac[CELLA_SHA256_SIZE];
    int n = snprintf(text, CHECKPOINT_MAX,
                     "cella audit head 1 count=%" PRIu64 " size=%" PRIu64 " hash=%s", head->count,
                     head->size, head->hash);
    TRY(cella_hmac_sha256(key, cella_bytes(text, (size_t)n), mac));
    n += snprintf(text + n, CHECKPOINT_MAX - (size_t)n, " mac=");
    cella_hex_encode(CELLA_BYTES_OF(mac), text + n);
    n += MAC_TEXT;
    memcpy(text + n, "\n", 2);
    return CELLA_SUCCESS;
}

CELLA_RESULT audit_checkpoint_write(const char *log, struct cella_bytes key,
                                    const struct audit_head *head) {
    char path[PATH_MAX], text[CHECKPOINT_MAX];
    TRY(name_of(log, path));
    TRY(show(key, head, text));
    return cella_file_write(path, cella_bytes_text(text), 0600, 0);
}

/* What it says is shown again and compared whole: one spelling, and no field outside the MAC. */
CELLA_RESULT audit_checkpoint_read(const char *log, struct cella_bytes key, struct audit_head *out,
                                   bool *there) {
    char path[PATH_MAX], text[CHECKPOINT_MAX], again[CHECKPOINT_MAX];
    CELLA_BUFFER file = {0};
    *there = false;
    *out = audit_head_new();
    TRY(name_of(log, path));
    struct cella_result r = cella_file_read(path, CHECKPOINT_MAX - 1, &file);
    if (cella_code_of(r) == CELLA_ERR_NOT_FOUND) {
        cella_result_drop(r);
        return CELLA_SUCCESS;
    }
    if (cella_code_of(r) != CELLA_ERR_LIMIT) TRY(r);
    cella_result_drop(r);
    *there = true;
    cella_copy(text, file.data, file.size);
    text[file.size] = 0;
    int fields =
        sscanf(text, "cella audit head 1 count=%" SCNu64 " size=%" SCNu64 " hash=%64[0-9a-f]",
               &out->count, &out->size, out->hash);
    if (fields == 3) TRY(show(key, out, again));
    ENSURE(fields == 3 && strlen(again) == file.size && cella_equal_secret(again, text, file.size),
           CELLA_ERR_INTEGRITY, "see that the key is of the server that wrote the log",
           "the checkpoint %s was not made by this server, or was changed", path);
    return CELLA_SUCCESS;
}

/* --- The end of a log --- */

static CELLA_RESULT read_at(int fd, const char *path, uint64_t offset, uint8_t *to, size_t size) {
    for (size_t at = 0; at < size;) {
        ssize_t n = pread(fd, to + at, size - at, (off_t)(offset + at));
        if (n < 0 && errno == EINTR) continue;
        ENSURE(n > 0, CELLA_ERR_IO, NULL, "cannot read %s: %s", path,
               n < 0 ? strerror(errno) : "it is shorter than it was");
        at += (size_t)n;
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT no_line(const char *path, uint64_t size, const char *why) {
    FAIL(CELLA_ERR_INTEGRITY, "`cella audit verify` says more; move the log away to begin anew",
         "audit log %s: the line that ends at byte %" PRIu64 " does not hold: %s", path, size, why);
}

CELLA_RESULT audit_tail_hash(int fd, const char *path, uint64_t size, struct audit_line *line,
                             char hash[AUDIT_HASH_TEXT + 1]) {
    CELLA_BUFFER buffer = {0};
    uint8_t *data = NULL;
    size_t room = size < AUDIT_LINE_MAX ? (size_t)size : AUDIT_LINE_MAX;
    if (room == 0) return no_line(path, size, "there is none");
    TRY(cella_buffer_extend(&buffer, room, &data));
    TRY(read_at(fd, path, size - room, data, room));
    if (data[room - 1] != '\n') return no_line(path, size, "it has no end");
    const uint8_t *before = memrchr(data, '\n', room - 1);
    if (!before && room < size) return no_line(path, size, "it is too long");
    const uint8_t *first = before ? before + 1 : data;
    struct cella_bytes text = cella_bytes(first, (size_t)(data + room - 1 - first));
    const char *wrong = audit_line_read(text, line);
    if (wrong) return no_line(path, size, wrong);
    TRY(audit_line_hash(text, hash));
    if (!cella_equal(line->hash.data, hash, AUDIT_HASH_TEXT))
        return no_line(path, size, "its hash is another");
    line->hash = line->prev = cella_bytes(NULL, 0); /* views into what is freed now */
    return CELLA_SUCCESS;
}

/* Bytes after the last line feed, of which a crash leaves at most one line. */
static CELLA_RESULT find_torn(int fd, const char *path, uint64_t size, uint64_t *torn) {
    CELLA_BUFFER buffer = {0};
    uint8_t *data = NULL;
    size_t room = size < AUDIT_LINE_MAX ? (size_t)size : AUDIT_LINE_MAX;
    *torn = 0;
    if (room == 0) return CELLA_SUCCESS;
    TRY(cella_buffer_extend(&buffer, room, &data));
    TRY(read_at(fd, path, size - room, data, room));
    const uint8_t *last = memrchr(data, '\n', room);
    if (!last && room < size)
        return no_line(path, size, "more bytes than a line has, and no line feed");
    *torn = last ? (uint64_t)(data + room - 1 - last) : room;
    return CELLA_SUCCESS;
}

CELLA_RESULT audit_tail_read(int fd, const char *path, struct audit_head *out, uint64_t *torn) {
    struct stat st;
    struct audit_line line;
    struct audit_head head = audit_head_new();
    ENSURE(fstat(fd, &st) == 0, CELLA_ERR_IO, NULL, "cannot stat %s: %s", path, strerror(errno));
    TRY(find_torn(fd, path, (uint64_t)st.st_size, torn));
    head.size = (uint64_t)st.st_size - *torn;
    if (head.size) {
        TRY(audit_tail_hash(fd, path, head.size, &line, head.hash));
        head.count = line.seq;
    }
    *out = head;
    return CELLA_SUCCESS;
}
