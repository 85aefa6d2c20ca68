#include "platform/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FAIL_IF(cond, what)                                                                        \
    ENSURE(!(cond), CELLA_ERR_PERMISSION, NULL, "cannot %s: %s", what, strerror(errno))

pid_t cella_confine_fork(bool namespaces, bool *entered) {
    const unsigned long flags =
        CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS;
    *entered = namespaces;
    pid_t pid = -1;
    if (namespaces) pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0UL);
    if (pid >= 0) return pid;
    *entered = false;
    return fork();
}

CELLA_RESULT cella_confine_self(void) {
    FAIL_IF(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0, "set no_new_privs");
    FAIL_IF(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0, "become non-dumpable");
    FAIL_IF(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0, "ask to die with the parent");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_confine_descriptors(int keep) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    FAIL_IF(null < 0, "open /dev/null");
    int high = fcntl(keep, F_DUPFD_CLOEXEC, 16);
    FAIL_IF(high < 0, "move a descriptor");
    /* standard error stays: it is the daemon's own, and says why an enclave could not be made */
    for (int i = 0; i < 2; i++) FAIL_IF(dup2(null, i) < 0, "place /dev/null");
    FAIL_IF(dup3(high, 3, O_CLOEXEC) < 0, "place a descriptor");
    FAIL_IF(syscall(SYS_close_range, 4, ~0U, 0) != 0, "close descriptors (Linux 5.9 or newer)");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_confine_root_folder(void) {
    FAIL_IF(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0, "make mounts private");
    FAIL_IF(mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
                  "size=4k,mode=0555") != 0,
            "mount an empty folder");
    FAIL_IF(chdir("/tmp") != 0, "enter an empty folder");
    /* pivot onto itself, then drop the old root: nothing of the machine's tree is left to reach */
    FAIL_IF(syscall(SYS_pivot_root, ".", ".") != 0, "change the root folder");
    FAIL_IF(umount2(".", MNT_DETACH) != 0, "drop the old root folder");
    FAIL_IF(chdir("/") != 0, "enter the new root folder");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_confine_drop(uid_t uid, gid_t gid) {
    for (int cap = 0; cap < 64; cap++)
        (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* EINVAL past the last */
    FAIL_IF(setgroups(0, NULL) != 0, "clear groups");
    FAIL_IF(setresgid(gid, gid, gid) != 0, "change group");
    FAIL_IF(setresuid(uid, uid, uid) != 0, "change user");
    ENSURE(setuid(0) != 0, CELLA_ERR_INTERNAL, NULL,
           "root could be taken back after it was given up");
    return CELLA_SUCCESS;
}
