#include "service/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "service/config.h"

#define FIRST ".first"
#define LOCK  ".lock"

static CELLA_RESULT join(const char *folder, const char *name, char path[CELLA_SERVICE_PATH]) {
    int n = snprintf(path, CELLA_SERVICE_PATH, "%s/%s", folder, name);
    ENSURE(n > 0 && n < CELLA_SERVICE_PATH, CELLA_ERR_LIMIT, NULL, "%s: a path this long", folder);
    return CELLA_SUCCESS;
}

static bool is_there(const char *path) { return access(path, F_OK) == 0; }

static CELLA_RESULT sync_folder(const char *path) {
    CELLA_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ENSURE(fd >= 0 && (fsync(fd) == 0 || errno == EINVAL), CELLA_ERR_IO, NULL,
           "cannot bring the folder %s to the disk: %m", path);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_service_folder_open(const char *data, char path[CELLA_SERVICE_PATH], int *lock) {
    char name[CELLA_SERVICE_PATH], real[PATH_MAX];
    TRY(cella_file_make_folder(data, 0700));
    ENSURE(realpath(data, real), CELLA_ERR_IO, NULL, "cannot find the data folder %s: %m", data);
    snprintf(path, CELLA_SERVICE_PATH, "%s", real);
    TRY(join(path, LOCK, name));
    CELLA_FD fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    ENSURE(fd >= 0, CELLA_ERR_IO, "can the server's user write there, and is there room?",
           "cannot make %s: %m", name);
    ENSURE(flock(fd, LOCK_EX | LOCK_NB) == 0, CELLA_ERR_EXISTS,
           "stop it first, or give another --data", "another server has the data folder %s", path);
    *lock = MOVE_FD(fd);
    return CELLA_SUCCESS;
}

/* --- A first start --- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static CELLA_RESULT make_anew(const char *first, const char *final, cella_service_maker *maker,
                              void *context) {
    enum { OPEN_MAX_ = 16 };
    ENSURE(!is_there(first) || nftw(first, remove_one, OPEN_MAX_, FTW_DEPTH | FTW_PHYS) == 0,
           CELLA_ERR_IO, "remove it by hand",
           "cannot remove %s, left by a start that ended early: "
           "%m",
           first);
    ENSURE(mkdir(first, 0700) == 0, CELLA_ERR_IO, "is there room, and may we write?",
           "cannot make %s: %m", first);
    return maker(first, final, context);
}

static bool is_ours(const char *name) {
    static const char *const ours[] = {".", "..", FIRST, LOCK, "lost+found"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (strcmp(name, ours[i]) == 0) return true;
    return false;
}

static void close_folder(DIR **folder) {
    if (*folder) closedir(*folder);
}
#define FOLDER __attribute__((cleanup(close_folder))) DIR *

static CELLA_RESULT ensure_empty(const char *path) {
    FOLDER folder = opendir(path);
    ENSURE(folder, CELLA_ERR_IO, NULL, "cannot list %s: %m", path);
    for (struct dirent *entry; (entry = readdir(folder));)
        ENSURE(is_ours(entry->d_name), CELLA_ERR_USAGE,
               "give an empty or new folder with --data, or write the " CELLA_SERVICE_CONFIG_NAME,
               "%s has no " CELLA_SERVICE_CONFIG_NAME ", and is not empty: there is %s", path,
               entry->d_name);
    return CELLA_SUCCESS;
}

static CELLA_RESULT move_one(const char *first, const char *path, const char *name) {
    char from[CELLA_SERVICE_PATH], to[CELLA_SERVICE_PATH];
    TRY(join(first, name, from));
    TRY(join(path, name, to));
    ENSURE(rename(from, to) == 0, CELLA_ERR_IO, NULL, "cannot move %s to %s: %m", from, to);
    return CELLA_SUCCESS;
}

/* Whatever is moved already is not there any more, so this can be done again from any point. */
static CELLA_RESULT move_all(const char *first, const char *path) {
    FOLDER folder = opendir(first);
    ENSURE(folder, CELLA_ERR_IO, NULL, "cannot list %s: %m", first);
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, CELLA_SERVICE_CONFIG_NAME) != 0)
            TRY(move_one(first, path, entry->d_name));
    TRY(sync_folder(path));
    TRY(move_one(first, path, CELLA_SERVICE_CONFIG_NAME));
    TRY(sync_folder(path));
    (void)rmdir(first); /* empty, and harmless if it stays */
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_service_folder_make(const char *path, cella_service_maker *maker, void *context,
                                       bool *made) {
    char conf[CELLA_SERVICE_PATH], first[CELLA_SERVICE_PATH], whole[CELLA_SERVICE_PATH];
    *made = false;
    TRY(join(path, CELLA_SERVICE_CONFIG_NAME, conf));
    TRY(join(path, FIRST, first));
    TRY(join(first, CELLA_SERVICE_CONFIG_NAME, whole));
    if (is_there(conf)) return CELLA_SUCCESS;
    if (!is_there(whole)) {
        TRY(ensure_empty(path));
        TRY(make_anew(first, path, maker, context));
        TRY(sync_folder(first));
    }
    *made = true;
    return move_all(first, path);
}
