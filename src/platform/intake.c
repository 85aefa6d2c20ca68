#include "platform/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/config.h"
#include "base/file.h"
#include "base/memory.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
enum { WORKER_CPU_SECONDS = 120, SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL };

struct cella_intake_outcome { /* written by the worker, read after its end */
    bool verified;
    struct cella_identity identity;
    enum cella_code code;
    char what[512], hint[256];
};

CELLA_RESULT cella_intake_identify(int fd, struct cella_intake_key *out) {
    struct statx st;
    int flags = fcntl(fd, F_GETFL);
    ENSURE(flags >= 0 && !(flags & O_PATH) && (flags & O_ACCMODE) != O_WRONLY, CELLA_ERR_PERMISSION,
           "open the image for reading", "the image's descriptor is not open for reading");
    ENSURE(statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) == 0,
           CELLA_ERR_IO, NULL, "cannot stat the image: %s", strerror(errno));
    ENSURE(S_ISREG(st.stx_mode), CELLA_ERR_FORMAT, NULL, "the image is not a regular file");
    ENSURE(st.stx_size > 0 && st.stx_size <= CELLA_INTAKE_IMAGE_MAX, CELLA_ERR_LIMIT, NULL,
           "the image has %llu bytes; 1 byte to 1 GiB are possible",
           (unsigned long long)st.stx_size);
    *out = (struct cella_intake_key){
        .device = makedev(st.stx_dev_major, st.stx_dev_minor),
        .inode = st.stx_ino,
        .size = st.stx_size,
        .mtime_s = (uint64_t)st.stx_mtime.tv_sec,
        .mtime_ns = st.stx_mtime.tv_nsec,
        .ctime_s = (uint64_t)st.stx_ctime.tv_sec,
        .ctime_ns = st.stx_ctime.tv_nsec,
    };
    return CELLA_SUCCESS;
}

const struct cella_intake_image *cella_intake_find(struct cella_intake *intake,
                                                   const struct cella_intake_key *key) {
    for (size_t i = 0; i < CELLA_INTAKE_KEPT_MAX; i++) {
        struct cella_intake_image *image = intake->kept[i];
        if (!image || !cella_equal(&image->key, key, sizeof(*key))) continue;
        image->used = ++intake->clock;
        return image;
    }
    return NULL;
}

static struct cella_result copy_and_seal(int from, int to, uint64_t size) {
    off_t at = 0;
    while ((uint64_t)at < size) {
        ssize_t n = sendfile(to, from, &at, size - (uint64_t)at);
        if (n < 0 && errno == EINTR) continue;
        ENSURE(n > 0, CELLA_ERR_IO, "start it again when nothing writes to it",
               "cannot read the whole image: %s", n == 0 ? "it became shorter" : strerror(errno));
    }
    ENSURE(fcntl(to, F_ADD_SEALS, SEALS) == 0, CELLA_ERR_UNSUPPORTED, NULL,
           "cannot seal a copy of the image: %s", strerror(errno));
    return CELLA_SUCCESS;
}

/* A read-only view of a sealed copy; unmapped by the caller. */
static struct cella_result map_copy(int fd, uint64_t size, struct cella_bytes *out) {
    void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    ENSURE(p != MAP_FAILED, CELLA_ERR_MEMORY, NULL, "cannot map the image: %s", strerror(errno));
    *out = cella_bytes(p, size);
    return CELLA_SUCCESS;
}

static struct cella_result verify_copy(int from, int to, uint64_t size,
                                       struct cella_identity *identity) {
    struct cella_bytes file;
    struct cella_image image;
    TRY(copy_and_seal(from, to, size));
    TRY(map_copy(to, size, &file));
    TRY(cella_image_open(file, &image));
    return cella_image_verify(&image, identity);
}

__attribute__((noreturn)) static void work(int from, const struct cella_intake_job *job) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)setrlimit(RLIMIT_CPU, &(struct rlimit){WORKER_CPU_SECONDS, WORKER_CPU_SECONDS});
    struct cella_intake_outcome *out = job->outcome;
    struct cella_result r = verify_copy(from, job->fd, job->key.size, &out->identity);
    if (cella_failed(r)) {
        out->code = r.error->code;
        snprintf(out->what, sizeof(out->what), "%s", r.error->what);
        snprintf(out->hint, sizeof(out->hint), "%s", r.error->hint ? r.error->hint : "");
    } else
        out->verified = true;
    _exit(0);
}

/* Where memfds are executable only when asked (vm.memfd_noexec=1), MFD_EXEC asks; older kernels do
 * not know it. */
static struct cella_result make_copy(int *out) {
    *out = memfd_create("cella-image", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (*out < 0 && errno == EINVAL)
        *out = memfd_create("cella-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ENSURE(*out >= 0, CELLA_ERR_UNAVAILABLE,
           errno == EACCES ? "sysctl -w vm.memfd_noexec=1 (or 0)" : NULL,
           "cannot make a copy of the image that may be executed: %s%s", strerror(errno),
           errno == EACCES ? " (vm.memfd_noexec is 2)" : "");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_intake_begin(int fd, const struct cella_intake_key *key,
                                struct cella_intake_job *out) {
    *out = (struct cella_intake_job){.key = *key, .fd = -1, .done_fd = -1};
    void *p = mmap(NULL, sizeof(*out->outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                   -1, 0);
    ENSURE(p != MAP_FAILED, CELLA_ERR_MEMORY, NULL, "no memory for the intake of an image");
    out->outcome = p;
    struct cella_result r = make_copy(&out->fd);
    if (!cella_failed(r)) out->pid = fork();
    if (!cella_failed(r) && out->pid == 0) work(fd, out);
    if (out->pid > 0) out->done_fd = (int)syscall(SYS_pidfd_open, out->pid, 0);
    if (!cella_failed(r) && out->done_fd < 0)
        r = CELLA_FAILURE(CELLA_ERR_UNAVAILABLE, NULL, "cannot start the intake of an image: %s",
                          strerror(errno));
    if (cella_failed(r)) cella_intake_cancel(out);
    return r;
}

void cella_intake_cancel(struct cella_intake_job *job) {
    if (job->pid > 0) {
        kill(job->pid, SIGKILL);
        waitpid(job->pid, NULL, 0);
    }
    if (job->fd >= 0 && job->outcome) close(job->fd);
    if (job->done_fd >= 0 && job->outcome) close(job->done_fd);
    if (job->outcome) munmap(job->outcome, sizeof(*job->outcome));
    *job = (struct cella_intake_job){.fd = -1, .done_fd = -1};
}

/* What the daemon itself needs of the image, from the sealed copy that the worker verified. */
static struct cella_result describe(struct cella_intake_image *out) {
    static struct cella_config config;
    struct cella_bytes file;
    struct cella_image image = {0};
    TRY(map_copy(out->fd, out->key.size, &file));
    struct cella_result r = cella_image_open(file, &image);
    if (!cella_failed(r)) r = cella_load_from_image(&image, &out->load);
    if (!cella_failed(r)) r = cella_config_decode(image.config, &config);
    if (!cella_failed(r)) {
        out->config_flags = config.flags;
        out->host_signals = config.host_signals;
    }
    cella_image_free(&image);
    munmap((void *)(uintptr_t)file.data, file.size);
    return r;
}

/* Read-only from here on: enclaves map it MAP_SHARED, and no descriptor with the right to write
 * remains. */
static struct cella_result reopen_read_only(int fd, int *out) {
    char path[64];
    ENSURE(fcntl(fd, F_GET_SEALS) == SEALS, CELLA_ERR_INTERNAL, NULL,
           "the copy of the image is not sealed");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    *out = open(path, O_RDONLY | O_CLOEXEC);
    ENSURE(*out >= 0, CELLA_ERR_IO, "mount /proc", "cannot open the copy of the image again: %s",
           strerror(errno));
    return CELLA_SUCCESS;
}

static void free_image(struct cella_intake_image **image) {
    if (!*image) return;
    if ((*image)->fd >= 0) close((*image)->fd);
    free(*image);
    *image = NULL;
}

static struct cella_result take_outcome(const struct cella_intake_job *job,
                                        struct cella_intake_image **out) {
    const struct cella_intake_outcome *o = job->outcome;
    if (!o->verified && o->code != CELLA_OK)
        FAIL(o->code, o->hint[0] ? o->hint : NULL, "%s", o->what);
    ENSURE(o->verified, CELLA_ERR_LIMIT, NULL,
           "checking the image took too long or too much memory");
    struct cella_intake_image *image = calloc(1, sizeof(*image));
    ENSURE(image, CELLA_ERR_MEMORY, NULL, "no memory for an image");
    image->fd = -1;
    image->key = job->key;
    image->identity = o->identity;
    struct cella_result r = reopen_read_only(job->fd, &image->fd);
    if (!cella_failed(r)) r = describe(image);
    if (cella_failed(r)) free_image(&image);
    *out = image;
    return r;
}

CELLA_RESULT cella_intake_finish(struct cella_intake *intake, struct cella_intake_job *job,
                                 const struct cella_intake_image **out) {
    *out = NULL;
    waitpid(job->pid, NULL, 0);
    job->pid = 0;
    struct cella_intake_image *image = NULL;
    struct cella_result r = take_outcome(job, &image);
    cella_intake_cancel(job);
    TRY(r);
    struct cella_intake_image **slot = &intake->kept[0];
    for (size_t i = 0; i < CELLA_INTAKE_KEPT_MAX && *slot; i++)
        if (!intake->kept[i] || intake->kept[i]->used < (*slot)->used) slot = &intake->kept[i];
    free_image(slot);
    image->used = ++intake->clock;
    *out = *slot = image;
    return CELLA_SUCCESS;
}

void cella_intake_free(struct cella_intake *intake) {
    for (size_t i = 0; i < CELLA_INTAKE_KEPT_MAX; i++) free_image(&intake->kept[i]);
}
