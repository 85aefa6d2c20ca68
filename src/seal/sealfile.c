#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "seal/stream.h"

static bool is_dash(const char *path) { return strcmp(path, "-") == 0; }

/* ---- a file that is not seen before it is whole ---- */

/* Without a name where the file system can do that, so that nothing is left when the process is
 * killed. */
struct draft {
    int fd;
    char name[PATH_MAX]; /* of the temporary file; empty: it has none yet */
};

static void draft_close(struct draft *d) {
    if (d->name[0]) unlink(d->name);
    cella_fd_close(&d->fd);
}
#define DRAFT __attribute__((cleanup(draft_close))) struct draft

static void folder_of(const char *path, char folder[PATH_MAX]) {
    snprintf(folder, PATH_MAX, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        snprintf(folder, PATH_MAX, ".");
    else
        slash[slash == folder] = 0;
}

static struct cella_result temporary_name(const char *path, char name[PATH_MAX]) {
    int n = snprintf(name, PATH_MAX, "%s.%d.tmp", path, (int)getpid());
    ENSURE(n > 0 && n < PATH_MAX, CELLA_ERR_LIMIT, NULL, "path too long: %s", path);
    return CELLA_SUCCESS;
}

static struct cella_result draft_open(const char *path, unsigned mode, struct draft *out) {
    char folder[PATH_MAX];
    folder_of(path, folder);
    out->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
    if (out->fd >= 0) return CELLA_SUCCESS;
    if (errno == EOPNOTSUPP || errno == EISDIR) { /* network and older file systems */
        TRY(temporary_name(path, out->name));
        out->fd = open(out->name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, mode);
    }
    int error = errno;
    if (out->fd < 0) out->name[0] = 0;
    ENSURE(out->fd >= 0,
           error == ENOENT   ? CELLA_ERR_NOT_FOUND
           : error == EACCES ? CELLA_ERR_PERMISSION
                             : CELLA_ERR_IO,
           NULL, "cannot create a file in %s: %s", folder, strerror(error));
    return CELLA_SUCCESS;
}

static struct cella_result exists(const char *path) {
    FAIL(CELLA_ERR_EXISTS, "choose another name, or say --force to replace it", "%s exists already",
         path);
}

static struct cella_result give_name(struct draft *d, const char *name) {
    char self[32];
    snprintf(self, sizeof(self), "/proc/self/fd/%d", d->fd);
    int bad = d->name[0] ? link(d->name, name)
                         : linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
    if (bad && errno == EEXIST) return exists(name);
    ENSURE(!bad, CELLA_ERR_IO, NULL, "cannot create %s: %s", name, strerror(errno));
    return CELLA_SUCCESS;
}

/* Puts the whole file at its name in one step. */
static struct cella_result draft_finish(struct draft *d, const char *path, bool replace) {
    ENSURE(fsync(d->fd) == 0, CELLA_ERR_IO, NULL, "cannot write %s: %s", path, strerror(errno));
    if (!replace) {
        TRY(give_name(d, path));
    } else {
        if (!d->name[0]) {
            char name[PATH_MAX];
            TRY(temporary_name(path, name));
            TRY(give_name(d, name));
            memcpy(d->name, name, sizeof(name));
        }
        ENSURE(rename(d->name, path) == 0, CELLA_ERR_IO, NULL, "cannot replace %s: %s", path,
               strerror(errno));
        d->name[0] = 0;
    }
    char folder[PATH_MAX];
    folder_of(path, folder);
    CELLA_FD fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) (void)fsync(fd); /* some file systems refuse; the step is atomic all the same */
    return CELLA_SUCCESS;
}

/* Before hours of work are spent on it. */
static struct cella_result check_target(const char *path, bool replace) {
    struct stat st;
    if (lstat(path, &st) != 0) return CELLA_SUCCESS;
    if (!replace) return exists(path);
    ENSURE(S_ISREG(st.st_mode), CELLA_ERR_USAGE, "name a file, or use - for standard output",
           "%s is not a regular file and will not be replaced", path);
    return CELLA_SUCCESS;
}

/* ---- standard input and output, which have no random access: sealed bytes wait in a file without
 * a name ---- */

static struct cella_result spool_open(int *fd) {
    const char *folder = getenv("TMPDIR");
    char name[PATH_MAX];
    if (!folder || folder[0] != '/') folder = "/tmp";
    *fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (*fd >= 0) return CELLA_SUCCESS;
    int n = snprintf(name, sizeof(name), "%s/cella.XXXXXX", folder);
    if (n > 0 && n < (int)sizeof(name)) *fd = mkostemp(name, O_CLOEXEC);
    ENSURE(*fd >= 0, CELLA_ERR_IO, "set TMPDIR to a folder with room for the file",
           "cannot create a file in %s: %s", folder, strerror(errno));
    unlink(name);
    return CELLA_SUCCESS;
}

static struct cella_result copy_all(int from, int to) {
    uint8_t buffer[65536];
    for (;;) {
        ssize_t n = read(from, buffer, sizeof(buffer));
        if (n < 0 && errno == EINTR) continue;
        ENSURE(n >= 0, CELLA_ERR_IO, NULL, "cannot read the sealed bytes: %s", strerror(errno));
        if (n == 0) return CELLA_SUCCESS;
        TRY(cella_file_write_fd(to, "the sealed bytes", cella_bytes(buffer, (size_t)n)));
    }
}

static struct cella_result open_input(const char *path, int *fd) {
    *fd = is_dash(path) ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ENSURE(*fd >= 0,
           errno == ENOENT   ? CELLA_ERR_NOT_FOUND
           : errno == EACCES ? CELLA_ERR_PERMISSION
                             : CELLA_ERR_IO,
           NULL, "cannot open %s: %s", path, strerror(errno));
    struct stat st;
    ENSURE(fstat(*fd, &st) == 0 && !S_ISDIR(st.st_mode), CELLA_ERR_USAGE,
           "give a file; `tar` makes one of a folder", "%s is a folder", path);
    return CELLA_SUCCESS;
}

/* The input when it has random access, else a copy that has. */
static struct cella_result seekable(int *fd) {
    struct stat st;
    if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode)) return CELLA_SUCCESS;
    CELLA_FD copy = -1;
    TRY(spool_open(&copy));
    TRY(copy_all(*fd, copy));
    cella_fd_close(fd);
    *fd = MOVE_FD(copy);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_seal_file(const char *in, const char *out, bool replace,
                             const struct cella_seal_options *options) {
    CELLA_FD from = -1;
    TRY(open_input(in, &from));
    if (is_dash(out)) {
        CELLA_FD spool = -1;
        TRY(spool_open(&spool));
        TRY_IN(cella_seal_fd(from, spool, options), "sealing %s", in);
        ENSURE(lseek(spool, 0, SEEK_SET) == 0, CELLA_ERR_IO, NULL,
               "cannot read the sealed bytes back");
        return copy_all(spool, STDOUT_FILENO);
    }
    TRY(check_target(out, replace));
    DRAFT draft = {-1, ""};
    TRY(draft_open(out, 0666, &draft)); /* ciphertext: as the umask says */
    TRY_IN(cella_seal_fd(from, draft.fd, options), "sealing %s to %s", in, out);
    return draft_finish(&draft, out, replace);
}

CELLA_RESULT cella_unseal_file(const char *in, const char *out, bool replace,
                               const struct cella_seal_options *options) {
    CELLA_FD from = -1;
    TRY(open_input(in, &from));
    TRY(seekable(&from));
    if (is_dash(out)) {
        TRY_IN(cella_unseal_fd(from, STDOUT_FILENO, options), "unsealing %s", in);
        return CELLA_SUCCESS;
    }
    TRY(check_target(out, replace));
    DRAFT draft = {-1, ""};
    TRY(draft_open(out, 0600, &draft));
    TRY_IN(cella_unseal_fd(from, draft.fd, options), "unsealing %s", in);
    return draft_finish(&draft, out, replace);
}

CELLA_RESULT cella_seal_read_info(const char *path, struct cella_seal_info *out) {
    CELLA_FD fd = -1;
    TRY(open_input(path, &fd));
    TRY(seekable(&fd));
    struct cella_protected_io io = cella_seal_io(&fd);
    struct cella_protected_key key;
    TRY_IN(cella_protected_peek(&io, &key), "%s", path);
    *out = (struct cella_seal_info){
        .key_kind = key.kind, .svn = key.svn, .size = (uint64_t)io.size(io.context)};
    memcpy(out->key_id, key.key_id, sizeof(out->key_id));
    return CELLA_SUCCESS;
}
