/* Two locks order what appends: the mutex among this process's threads, flock among processes (a
 * command may write beside the server). Whoever holds both knows where the log ends. */
#include "audit/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/audit_inner.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "crypto/digest.h"

enum { CHECKPOINT_MS = 1000 };

struct cella_audit {
    char path[PATH_MAX];
    int fd;
    uint32_t sync_ms;
    uint8_t key[AUDIT_KEY_SIZE];
    pthread_mutex_t lock; /* head, line, dirty, stopping, failed */
    pthread_cond_t wake;  /* dirty, or stopping */
    struct audit_head head;
    struct cella_buffer line; /* the one being written */
    bool dirty, stopping;
    char failed[128];          /* a sync failed: what the kernel holds may be lost */
    pthread_mutex_t sync_lock; /* synced */
    uint64_t synced;           /* lines that are on the disk */
    uint64_t told;             /* lines that the checkpoint counts; the thread's own */
    pthread_t thread;
    bool running;
};

/* --- Where the log ends --- */

/* A line without its end was never acknowledged: its writer died, or its disk was full. */
static CELLA_RESULT mend(struct cella_audit *audit, const struct audit_head *head, uint64_t torn) {
    char path[PATH_MAX + 8];
    CELLA_BUFFER rest = {0};
    uint8_t *to = NULL;
    snprintf(path, sizeof(path), "%s.torn", audit->path);
    CELLA_FD fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    ENSURE(fd >= 0, CELLA_ERR_IO, NULL, "cannot open %s: %s", path, strerror(errno));
    TRY(cella_buffer_extend(&rest, (size_t)torn + 1, &to));
    ENSURE(pread(audit->fd, to, (size_t)torn, (off_t)head->size) == (ssize_t)torn, CELLA_ERR_IO,
           NULL, "cannot read %s", audit->path);
    to[torn] = '\n';
    TRY(cella_file_write_fd(fd, path, cella_buffer_bytes(&rest)));
    ENSURE(fsync(fd) == 0 && ftruncate(audit->fd, (off_t)head->size) == 0, CELLA_ERR_IO, NULL,
           "cannot mend %s: %s", audit->path, strerror(errno));
    cella_log(CELLA_LOG_WARN,
              "audit log %s: its last line had no end; its %llu bytes are in %s now", audit->path,
              (unsigned long long)torn, path);
    return CELLA_SUCCESS;
}

/* Under both locks: another process may have written, or left half a line. A log that was moved
 * or removed would take lines that nobody finds again (K22). */
static CELLA_RESULT follow(struct cella_audit *audit) {
    struct stat st, named;
    struct audit_head head;
    uint64_t torn = 0;
    ENSURE(fstat(audit->fd, &st) == 0, CELLA_ERR_IO, NULL, "cannot stat %s: %s", audit->path,
           strerror(errno));
    ENSURE(stat(audit->path, &named) == 0 && named.st_ino == st.st_ino && named.st_dev == st.st_dev,
           CELLA_ERR_IO, "put it back, or restart to begin a new one",
           "audit log %s was moved away or removed", audit->path);
    if ((uint64_t)st.st_size == audit->head.size) return CELLA_SUCCESS;
    TRY(audit_tail_read(audit->fd, audit->path, &head, &torn));
    if (torn) TRY(mend(audit, &head, torn));
    ENSURE(head.count >= audit->head.count, CELLA_ERR_INTEGRITY,
           "`cella audit verify` says more; see who else writes to the file",
           "audit log %s: expected %llu lines or more, found %llu", audit->path,
           (unsigned long long)audit->head.count, (unsigned long long)head.count);
    audit->head = head;
    return CELLA_SUCCESS;
}

static CELLA_RESULT lock_file(const struct cella_audit *audit, int how) {
    int bad;
    do bad = flock(audit->fd, how);
    while (bad && errno == EINTR);
    ENSURE(!bad, CELLA_ERR_IO, NULL, "cannot lock %s: %s", audit->path, strerror(errno));
    return CELLA_SUCCESS;
}

/* --- Appending --- */

static bool is_ours(const char *name) {
    static const char *const names[] = {"seq", "time", "prev", "hash"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

/* The record's members as text: sorted, compact, ASCII. Without the braces, since ours come
 * before. */
static CELLA_RESULT show_members(const json_t *record, char **text, struct cella_bytes *members) {
    const char *name;
    json_t *value;
    ENSURE(json_is_object(record), CELLA_ERR_INTERNAL, NULL, "an audit record is an object");
    json_object_foreach((json_t *)record, name, value)
        ENSURE(!is_ours(name), CELLA_ERR_INTERNAL, NULL,
               "an audit record does not say its own \"%s\"", name);
    *text = json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
    ENSURE(*text, CELLA_ERR_INTERNAL, NULL, "an audit record cannot be written as JSON");
    *members = cella_bytes(*text + 1, strlen(*text) - 2);
    return CELLA_SUCCESS;
}

/* K22: whole or not at all. */
static CELLA_RESULT write_line(struct cella_audit *audit) {
    struct cella_result r =
        cella_file_write_fd(audit->fd, audit->path, cella_buffer_bytes(&audit->line));
    if (!cella_failed(r)) return r;
    /* What cannot be taken back is found as torn by the next append. */
    (void)!ftruncate(audit->fd, (off_t)audit->head.size);
    return r;
}

/* Under the mutex. */
static CELLA_RESULT append(struct cella_audit *audit, struct cella_bytes members) {
    char hash[AUDIT_HASH_TEXT + 1];
    ENSURE(!audit->failed[0], CELLA_ERR_IO, "see what is wrong with the disk, then restart",
           "audit log %s: lines may have been lost: %s", audit->path, audit->failed);
    TRY(follow(audit));
    TRY(audit_line_make(&audit->head, members, &audit->line, hash));
    TRY(write_line(audit));
    audit->head.count++;
    audit->head.size += audit->line.size;
    memcpy(audit->head.hash, hash, sizeof(hash));
    if (!audit->dirty) pthread_cond_signal(&audit->wake);
    audit->dirty = true;
    return CELLA_SUCCESS;
}

static struct audit_head head_of(struct cella_audit *audit) {
    pthread_mutex_lock(&audit->lock);
    struct audit_head head = audit->head;
    pthread_mutex_unlock(&audit->lock);
    return head;
}

void cella_audit_end(struct cella_audit *audit, uint64_t *count, uint64_t *size) {
    struct audit_head head = head_of(audit);
    *count = head.count;
    *size = head.size;
}

/* Brings at least the lines counted to the disk; one call serves all who wait. */
static CELLA_RESULT sync_lines(struct cella_audit *audit, uint64_t count) {
    struct cella_result r = CELLA_SUCCESS;
    pthread_mutex_lock(&audit->sync_lock);
    if (audit->synced < count) {
        struct audit_head head = head_of(audit);
        if (fdatasync(audit->fd) == 0) {
            audit->synced = head.count;
        } else {
            r = CELLA_FAILURE(CELLA_ERR_IO, NULL, "cannot bring %s to the disk: %s", audit->path,
                              strerror(errno));
            pthread_mutex_lock(&audit->lock);
            snprintf(audit->failed, sizeof(audit->failed), "%s", strerror(errno));
            pthread_mutex_unlock(&audit->lock);
        }
    }
    pthread_mutex_unlock(&audit->sync_lock);
    return r;
}

CELLA_RESULT cella_audit_append(struct cella_audit *audit, const json_t *record) {
    char *text = NULL;
    struct cella_bytes members;
    TRY(show_members(record, &text, &members));
    pthread_mutex_lock(&audit->lock);
    struct cella_result r = lock_file(audit, LOCK_EX);
    if (!cella_failed(r)) {
        r = append(audit, members);
        cella_result_drop(lock_file(audit, LOCK_UN));
    }
    uint64_t count = audit->head.count;
    pthread_mutex_unlock(&audit->lock);
    free(text);
    TRY(r);
    return audit->sync_ms ? CELLA_SUCCESS : sync_lines(audit, count);
}

/* --- The thread --- */

/* First the lines, then what counts them: after a power cut the checkpoint never counts more than
 * there is. Another process's checkpoint may be further already; the lock is another than the
 * lines', so that nobody waits for the disk. */
static CELLA_RESULT tell(struct cella_audit *audit) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct audit_head there, head = head_of(audit);
    bool found = false;
    TRY(sync_lines(audit, head.count));
    ENSURE(fcntl(audit->fd, F_OFD_SETLKW, &whole) == 0, CELLA_ERR_IO, NULL, "cannot lock %s: %s",
           audit->path, strerror(errno));
    struct cella_bytes key = CELLA_BYTES_OF(audit->key);
    struct cella_result r = audit_checkpoint_read(audit->path, key, &there, &found);
    if (!cella_failed(r) && (!found || there.count < head.count))
        r = audit_checkpoint_write(audit->path, key, &head);
    whole.l_type = F_UNLCK;
    (void)fcntl(audit->fd, F_OFD_SETLK, &whole);
    if (!cella_failed(r)) audit->told = head.count;
    return r;
}

static void complain(struct cella_result r) {
    if (cella_failed(r)) cella_log(CELLA_LOG_ERROR, "%s", r.error->what);
    cella_result_drop(r);
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Until something is to be done, or for ms: under the mutex. False: it is time to stop. */
static bool pause_for(struct cella_audit *audit, uint64_t ms) {
    uint64_t end = now_ms() + ms;
    struct timespec until = {.tv_sec = (time_t)(end / 1000),
                             .tv_nsec = (long)(end % 1000) * 1000000};
    while (!audit->stopping &&
           pthread_cond_timedwait(&audit->wake, &audit->lock, &until) != ETIMEDOUT) {}
    return !audit->stopping;
}

static void *run(void *context) {
    struct cella_audit *audit = context;
    uint64_t told_ms = 0;
    pthread_mutex_lock(&audit->lock);
    while (!audit->stopping) {
        uint64_t count = audit->head.count, late = now_ms() - told_ms;
        bool tell_now = count != audit->told;
        if (!audit->dirty && !tell_now) {
            pthread_cond_wait(&audit->wake, &audit->lock);
            continue;
        }
        uint64_t wait = late < CHECKPOINT_MS ? CHECKPOINT_MS - late : 0;
        if (audit->dirty && audit->sync_ms && audit->sync_ms < wait) wait = audit->sync_ms;
        if (!pause_for(audit, wait)) break;
        count = audit->head.count;
        audit->dirty = false;
        pthread_mutex_unlock(&audit->lock);
        complain(sync_lines(audit, count));
        if (now_ms() - told_ms >= CHECKPOINT_MS) {
            complain(tell(audit));
            told_ms = now_ms();
        }
        pthread_mutex_lock(&audit->lock);
    }
    pthread_mutex_unlock(&audit->lock);
    return NULL;
}

/* --- Opening and closing --- */

/* Lines that the checkpoint counts must be there, and the last of them be that one (K22). */
static CELLA_RESULT check_head(struct cella_audit *audit) {
    struct audit_head head;
    struct audit_line line = {0};
    char hash[AUDIT_HASH_TEXT + 1];
    bool there = false;
    const char *hint = "`cella audit verify` says more; move log and checkpoint away to begin anew";
    TRY(audit_checkpoint_read(audit->path, CELLA_BYTES_OF(audit->key), &head, &there));
    if (!there) {
        ENSURE(audit->head.count == 0, CELLA_ERR_INTEGRITY, hint,
               "audit log %s has lines but its checkpoint is gone", audit->path);
        return audit_checkpoint_write(audit->path, CELLA_BYTES_OF(audit->key), &audit->head);
    }
    ENSURE(head.count <= audit->head.count && head.size <= audit->head.size, CELLA_ERR_INTEGRITY,
           hint, "audit log %s has %llu lines, its checkpoint counts %llu: lines are missing",
           audit->path, (unsigned long long)audit->head.count, (unsigned long long)head.count);
    if (head.count) {
        TRY(audit_tail_hash(audit->fd, audit->path, head.size, &line, hash));
        ENSURE(line.seq == head.count && strcmp(hash, head.hash) == 0, CELLA_ERR_INTEGRITY, hint,
               "audit log %s: line %llu is another than its checkpoint says", audit->path,
               (unsigned long long)head.count);
    }
    audit->told = head.count;
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_end(struct cella_audit *audit) {
    uint64_t torn = 0;
    TRY(audit_tail_read(audit->fd, audit->path, &audit->head, &torn));
    if (torn) TRY(mend(audit, &audit->head, torn));
    return check_head(audit);
}

static CELLA_RESULT open_log(struct cella_audit *audit) {
    int fd =
        open(audit->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
    ENSURE(fd >= 0, errno == EACCES || errno == EROFS ? CELLA_ERR_PERMISSION : CELLA_ERR_IO, NULL,
           "cannot open audit log %s: %s", audit->path, strerror(errno));
    audit->fd = fd;
    struct stat st;
    ENSURE(fstat(fd, &st) == 0 && S_ISREG(st.st_mode), CELLA_ERR_FORMAT, NULL,
           "audit log %s is no ordinary file", audit->path);
    ENSURE((st.st_mode & 022) == 0, CELLA_ERR_PERMISSION, "chmod 600 it",
           "others may change audit log %s: its mode is %04o", audit->path,
           (unsigned)st.st_mode & 07777u);
    TRY(lock_file(audit, LOCK_EX));
    struct cella_result r = read_end(audit);
    cella_result_drop(lock_file(audit, LOCK_UN));
    return r;
}

static void set_up_locks(struct cella_audit *audit) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&audit->lock, NULL);
    pthread_mutex_init(&audit->sync_lock, NULL);
    pthread_cond_init(&audit->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

#define AUDIT __attribute__((cleanup(cella_audit_close))) struct cella_audit *

CELLA_RESULT cella_audit_open(const char *path, uint32_t sync_ms, struct cella_bytes key,
                              struct cella_audit **out) {
    ENSURE(key.size == AUDIT_KEY_SIZE, CELLA_ERR_INTERNAL, NULL,
           "the audit log's key has %d bytes, not %zu", AUDIT_KEY_SIZE, key.size);
    ENSURE(strlen(path) < PATH_MAX, CELLA_ERR_LIMIT, NULL, "path too long: %s", path);
    AUDIT audit = calloc(1, sizeof(*audit));
    ENSURE(audit, CELLA_ERR_MEMORY, NULL, "no memory for an audit log");
    set_up_locks(audit);
    audit->fd = -1;
    audit->sync_ms = sync_ms;
    snprintf(audit->path, sizeof(audit->path), "%s", path);
    memcpy(audit->key, key.data, AUDIT_KEY_SIZE);
    TRY(open_log(audit));
    audit->running = pthread_create(&audit->thread, NULL, run, audit) == 0;
    ENSURE(audit->running, CELLA_ERR_MEMORY, NULL, "cannot start a thread for %s", path);
    *out = MOVE(audit);
    return CELLA_SUCCESS;
}

static void stop(struct cella_audit *audit) {
    pthread_mutex_lock(&audit->lock);
    audit->stopping = true;
    pthread_cond_signal(&audit->wake);
    pthread_mutex_unlock(&audit->lock);
    pthread_join(audit->thread, NULL);
    if (audit->told != audit->head.count) complain(tell(audit));
}

void cella_audit_close(struct cella_audit **audit) {
    struct cella_audit *a = *audit;
    if (!a) return;
    if (a->running) stop(a);
    cella_fd_close(&a->fd);
    cella_buffer_free(&a->line);
    cella_wipe(a->key, sizeof(a->key));
    pthread_mutex_destroy(&a->lock);
    pthread_mutex_destroy(&a->sync_lock);
    pthread_cond_destroy(&a->wake);
    free(a);
    *audit = NULL;
}
