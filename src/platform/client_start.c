#include "platform/client_start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

enum { READY_FD = 3 };

/* In the grandchild: nobody's child, in no terminal's group, holding nothing of the caller. */
__attribute__((noreturn)) static void become_platform(const struct cella_paths *paths,
                                                      const char *program, int ready) {
    setsid();
    int null = open("/dev/null", O_RDWR);
    char log[PATH_MAX];
    snprintf(log, sizeof(log), "%.4000s/platform.log", paths->state);
    int to = open(log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
    int high = fcntl(ready, F_DUPFD, 16);
    if (null < 0 || high < 0) _exit(127);
    dup2(null, 0);
    dup2(null, 1);
    dup2(to < 0 ? null : to, 2);
    dup2(high, READY_FD);
    (void)close_range(READY_FD + 1, ~0U, 0);
    (void)!chdir("/");
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execl(program, "cella", "platform", "--on-demand", "--ready-fd", "3", "--socket", paths->socket,
          "--state", paths->state, (char *)NULL);
    _exit(127);
}

static struct cella_result spawn(const struct cella_paths *paths, const char *program, int *ready) {
    int ends[2];
    ENSURE(pipe2(ends, O_CLOEXEC) == 0, CELLA_ERR_IO, NULL, "cannot make a pipe: %s",
           strerror(errno));
    pid_t child = fork();
    if (child == 0) {
        if (fork() == 0) become_platform(paths, program, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    *ready = ends[0];
    ENSURE(child > 0, CELLA_ERR_IO, NULL, "cannot fork: %s", strerror(errno));
    waitpid(child, NULL, 0);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_client_start_platform(const struct cella_paths *paths, const char *program) {
    CELLA_FD ready = -1;
    TRY(cella_file_make_folder(paths->state,
                               0700)); /* for the log; the platform checks owner and mode */
    TRY(spawn(paths, program ? program : "/proc/self/exe", &ready));
    CELLA_BUFFER answer = {0};
    TRY(cella_file_read_fd(ready, "the platform's first word", 4096, &answer));
    if (answer.size == 1 && answer.data[0] == 'R') return CELLA_SUCCESS;
    ENSURE(answer.size > 2 && answer.data[0] == 'E' && answer.data[1] < CELLA_CODE_COUNT,
           CELLA_ERR_UNAVAILABLE, "run `cella platform` to see why",
           "the platform did not start; its last words are in %s/platform.log", paths->state);
    if (answer.data[1] == CELLA_ERR_EXISTS) return CELLA_SUCCESS;
    TRY(cella_buffer_append(&answer, cella_bytes("\0", 2)));
    const char *what = (const char *)answer.data + 2, *hint = what + strlen(what) + 1;
    FAIL((enum cella_code)answer.data[1], hint[0] ? hint : NULL, "the platform did not start: %s",
         what);
}
