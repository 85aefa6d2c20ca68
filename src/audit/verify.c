/* The whole chain, line by line, in the memory of one line. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit_inner.h"
#include "base/file.h"
#include "base/memory.h"

enum { CHUNK = 4 * AUDIT_LINE_MAX };

struct walk {
    int fd;
    const char *path;
    uint64_t size; /* of the log when the walk began: a server may be writing */
    uint64_t read; /* bytes read of it */
    uint8_t *data; /* CHUNK bytes */
    size_t at, end;
    struct audit_head head, checkpoint;
    bool counted; /* there is a checkpoint */
    struct cella_audit_verdict *verdict;
};

static bool broken(struct walk *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool broken(struct walk *w, const char *format, ...) {
    va_list args;
    va_start(args, format);
    w->verdict->broken_line = w->head.count + 1;
    int n =
        snprintf(w->verdict->why, sizeof(w->verdict->why), "line %" PRIu64 ": ", w->head.count + 1);
    vsnprintf(w->verdict->why + n, sizeof(w->verdict->why) - (size_t)n, format, args);
    va_end(args);
    return false;
}

/* --- Lines --- */

/* Brings what is left to the front and fills up behind it. */
static CELLA_RESULT fill(struct walk *w) {
    memmove(w->data, w->data + w->at, w->end - w->at);
    w->end -= w->at;
    w->at = 0;
    while (w->end < CHUNK && w->read < w->size) {
        uint64_t left = w->size - w->read;
        size_t room = CHUNK - w->end;
        ssize_t n =
            pread(w->fd, w->data + w->end, left < room ? (size_t)left : room, (off_t)w->read);
        if (n < 0 && errno == EINTR) continue;
        ENSURE(n >= 0, CELLA_ERR_IO, NULL, "cannot read %s: %s", w->path, strerror(errno));
        if (n == 0) w->size = w->read; /* cut while we read: what is there is judged */
        w->end += (size_t)n;
        w->read += (uint64_t)n;
    }
    return CELLA_SUCCESS;
}

/* The next line without its line feed; *there false at the end, also of the broken kind. */
static CELLA_RESULT next_line(struct walk *w, struct cella_bytes *line, bool *there) {
    const uint8_t *feed = memchr(w->data + w->at, '\n', w->end - w->at);
    *there = false;
    if (!feed) {
        TRY(fill(w));
        feed = memchr(w->data, '\n', w->end);
    }
    if (!feed && w->end == 0) return CELLA_SUCCESS;
    size_t size = feed ? (size_t)(feed - (w->data + w->at)) : w->end;
    if (size >= AUDIT_LINE_MAX)
        broken(w, "it is longer than the %d bytes that a line has", AUDIT_LINE_MAX);
    else if (!feed)
        broken(w, "it has no end");
    else
        *there = true;
    *line = cella_bytes(w->data + w->at, size);
    if (*there) w->at += size + 1;
    return CELLA_SUCCESS;
}

/* Where the checkpoint counts, its hash and its size must be the chain's (K22). */
static bool matches_checkpoint(struct walk *w) {
    if (!w->counted || w->head.count != w->checkpoint.count) return true;
    if (strcmp(w->head.hash, w->checkpoint.hash) == 0 && w->head.size == w->checkpoint.size)
        return true;
    if (w->head.count) w->head.count--;
    return broken(w, "it is another than the checkpoint says: the chain was written anew");
}

static CELLA_RESULT check_line(struct walk *w, struct cella_bytes line, bool *good) {
    struct audit_line place;
    char hash[AUDIT_HASH_TEXT + 1];
    const char *wrong = audit_line_read(line, &place);
    *good = false;
    if (wrong) {
        broken(w, "%s", wrong);
        return CELLA_SUCCESS;
    }
    TRY(audit_line_hash(line, hash));
    if (!cella_equal(place.hash.data, hash, AUDIT_HASH_TEXT)) {
        broken(w, "it was altered: its bytes hash to %s, it says %.64s", hash, place.hash.data);
    } else if (place.seq != w->head.count + 1) {
        broken(w, "it is numbered %" PRIu64 ": lines were removed, added or moved", place.seq);
    } else if (!cella_equal(place.prev.data, w->head.hash, AUDIT_HASH_TEXT)) {
        broken(w, "it follows a line with hash %.64s, the line before it has %s", place.prev.data,
               w->head.hash);
    } else {
        w->head.count++;
        w->head.size += line.size + 1;
        memcpy(w->head.hash, hash, sizeof(hash));
        *good = matches_checkpoint(w);
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT walk_lines(struct walk *w) {
    struct cella_bytes line;
    bool there = false, good = true;
    TRY(fill(w));
    if (!matches_checkpoint(w)) return CELLA_SUCCESS;
    while (good) {
        TRY(next_line(w, &line, &there));
        if (!there) break;
        struct audit_head before = w->head;
        TRY(check_line(w, line, &good));
        if (!good) w->head = before; /* lines that hold are counted, no more */
    }
    return CELLA_SUCCESS;
}

/* --- The checkpoint --- */

/* Read before the log's size: the checkpoint then never counts a line that was not there yet. */
static CELLA_RESULT read_checkpoint(struct walk *w, struct cella_bytes key, char missing[256]) {
    missing[0] = 0;
    if (key.size == 0) return CELLA_SUCCESS;
    struct cella_result r = audit_checkpoint_read(w->path, key, &w->checkpoint, &w->counted);
    if (cella_code_of(r) == CELLA_ERR_INTEGRITY) {
        snprintf(missing, 256, "%s", r.error->what);
        w->counted = false;
        cella_result_drop(r);
        return CELLA_SUCCESS;
    }
    TRY(r);
    if (!w->counted) snprintf(missing, 256, "the checkpoint %s.head is missing", w->path);
    return CELLA_SUCCESS;
}

static void judge_end(struct walk *w, struct cella_bytes key, const char *missing) {
    struct cella_audit_verdict *v = w->verdict;
    if (v->broken_line) return;
    if (key.size == 0)
        snprintf(v->why, sizeof(v->why),
                 "not held against the checkpoint: lines cut off at the end are not noticed");
    else if (missing[0] && (w->head.count || strstr(missing, "changed")))
        broken(w, "%.200s", missing);
    else if (w->counted && w->checkpoint.count > w->head.count)
        broken(w,
               "it is missing: the checkpoint counts %" PRIu64
               " lines, the log ends after %" PRIu64,
               w->checkpoint.count, w->head.count);
}

/* Between two lines of a server that is writing. */
static CELLA_RESULT open_walk(struct walk *w) {
    struct stat st;
    w->fd = open(w->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (w->fd < 0 && errno == ENOENT && w->counted) return CELLA_SUCCESS;
    ENSURE(w->fd >= 0, errno == ENOENT ? CELLA_ERR_NOT_FOUND : CELLA_ERR_IO, NULL,
           "cannot open %s: %s", w->path, strerror(errno));
    ENSURE(flock(w->fd, LOCK_SH) == 0 && fstat(w->fd, &st) == 0, CELLA_ERR_IO, NULL,
           "cannot read %s: %s", w->path, strerror(errno));
    (void)flock(w->fd, LOCK_UN);
    ENSURE(S_ISREG(st.st_mode), CELLA_ERR_FORMAT, NULL, "%s is no ordinary file", w->path);
    w->size = (uint64_t)st.st_size;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_audit_verify(const char *path, struct cella_bytes key,
                                struct cella_audit_verdict *out) {
    char missing[256];
    CELLA_BUFFER chunk = {0};
    struct walk w = {.fd = -1, .path = path, .head = audit_head_new(), .verdict = out};
    *out = (struct cella_audit_verdict){0};
    TRY(cella_buffer_extend(&chunk, CHUNK, &w.data));
    TRY(read_checkpoint(&w, key, missing));
    struct cella_result r = open_walk(&w);
    if (!cella_failed(r)) r = walk_lines(&w);
    cella_fd_close(&w.fd);
    TRY(r);
    judge_end(&w, key, missing);
    out->count = w.head.count;
    memcpy(out->head, w.head.hash, sizeof(out->head));
    return CELLA_SUCCESS;
}
