#include "platform/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "crypto/digest.h"
#include "platform/sealkey.h"

static struct cella_result join(const char *folder, const char *name, char out[PATH_MAX]) {
    int n = snprintf(out, PATH_MAX, "%s/%s", folder, name);
    ENSURE(n > 0 && n < PATH_MAX, CELLA_ERR_LIMIT, NULL, "path too long: %s", folder);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_state_lock(const char *folder, struct cella_state *out) {
    *out = (struct cella_state){.lock = -1};
    TRY(cella_file_make_folder(folder, 0700));
    struct stat st;
    ENSURE(lstat(folder, &st) == 0 && S_ISDIR(st.st_mode), CELLA_ERR_IO, NULL, "%s is not a folder",
           folder);
    ENSURE(st.st_uid == geteuid() && (st.st_mode & 077) == 0, CELLA_ERR_PERMISSION,
           "chown it to the platform's user and chmod 700 it, or name another with --state",
           "the state folder %s has mode %04o and owner %u: others could read or replace the "
           "platform's keys",
           folder, st.st_mode & 07777, st.st_uid);
    char path[PATH_MAX];
    TRY(join(folder, "platform.lock", path));
    CELLA_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    ENSURE(fd >= 0, CELLA_ERR_IO, "free some space, or name another folder with --state",
           "cannot open %s: %s", path, strerror(errno));
    ENSURE(flock(fd, LOCK_EX | LOCK_NB) == 0, CELLA_ERR_EXISTS,
           "use that one, or `cella platform stop` it first",
           "another platform runs on the state folder %s", folder);
    out->lock = MOVE_FD(fd);
    return CELLA_SUCCESS;
}

/* What a start that was killed left behind. The lock is held, so nobody is writing one. */
static void remove_leftovers(const char *folder) {
    DIR *dir = opendir(folder);
    if (!dir) return;
    for (struct dirent *e; (e = readdir(dir));) {
        size_t size = strlen(e->d_name);
        if (size > 4 && strcmp(e->d_name + size - 4, ".tmp") == 0)
            (void)unlinkat(dirfd(dir), e->d_name, 0);
    }
    closedir(dir);
}

static struct cella_result make_seal_root(const char *path, struct cella_secret *out) {
    TRY(cella_secret_new(CELLA_SEAL_ROOT_SIZE, out));
    TRY(cella_random(out->data, out->size));
    return cella_file_write(path, cella_secret_bytes(out), 0600, CELLA_FILE_EXCLUSIVE);
}

CELLA_RESULT cella_state_open(const char *folder, struct cella_state *state) {
    char root[PATH_MAX], key[PATH_MAX];
    TRY(join(folder, "seal-root", root));
    TRY(join(folder, "platform-key.pem", key));
    remove_leftovers(folder);
    if (access(root, F_OK) != 0) {
        ENSURE(access(key, F_OK) != 0, CELLA_ERR_NOT_FOUND,
               "restore it from a backup; or, to give up all that was sealed here, move "
               "platform-key.pem away too",
               "%s is missing though this platform has run before", root);
        TRY(make_seal_root(root, &state->seal_root));
    } else
        TRY(cella_file_read_secret(root, CELLA_SEAL_ROOT_SIZE + 1, &state->seal_root));
    ENSURE(state->seal_root.size == CELLA_SEAL_ROOT_SIZE, CELLA_ERR_FORMAT,
           "restore it from a backup", "%s should have %d bytes and has %zu", root,
           CELLA_SEAL_ROOT_SIZE, state->seal_root.size);
    if (access(key, F_OK) == 0) return cella_key_load_p256(key, &state->key);
    TRY(cella_key_new_p256(&state->key));
    return cella_key_save(state->key, key);
}

void cella_state_close(struct cella_state *state) {
    cella_secret_free(&state->seal_root);
    cella_key_free(&state->key);
    cella_fd_close(&state->lock);
}
