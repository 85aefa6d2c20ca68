/* A tool for work on the shim: enters an image with no platform and no verification, in private memory (--secret:
 * in secret memory), and prints what the shim says on its two channels.
 *   enter_image [--secret] [--debug] app.cella */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/hostcall.h"
#include "abi/sgx.h"
#include "base/file.h"
#include "platform/backend_software.h"

static struct cella_load load;

static struct cella_result enter(const char *path, bool secret, bool debug, int host, int platform) {
    CELLA_BUFFER file = {0};
    TRY(cella_file_read(path, 1U << 30, &file));
    struct cella_image image;
    TRY(cella_image_open(cella_buffer_bytes(&file), &image));
    TRY(cella_load_from_image(&image, &load));
    load.secret = secret;
    load.debug = debug;
    struct cella_software_child child = {.fd = {0, 1, 2, host, platform}};
    int memfd = memfd_create("image", MFD_ALLOW_SEALING | 0x10U);
    if (memfd < 0) memfd = memfd_create("image", MFD_ALLOW_SEALING);
    TRY(cella_file_write_fd(memfd, "memfd", cella_buffer_bytes(&file)));
    fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", memfd);
    child.image_fd = open(name, O_RDONLY);
    if (secret) {
        child.pool_size = cella_load_writable_pages(&load) * CELLA_PAGE_SIZE;
        int fd = (int)syscall(SYS_memfd_secret, 0);
        ENSURE(fd >= 0 && ftruncate(fd, (off_t)child.pool_size) == 0, CELLA_ERR_UNAVAILABLE, NULL, "no secret memory");
        child.pool = child.slice = mmap(NULL, child.pool_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        ENSURE(child.pool != MAP_FAILED, CELLA_ERR_UNAVAILABLE, NULL, "cannot map secret memory");
    }
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    return cella_software_enter(&load, &child);
}

static void answer_host(int fd, const uint8_t *m) {
    uint8_t reply[CELLA_HOSTCALL_REPLY_HEADER + 8] = {0};
    bool boot = m[0] == CELLA_HOSTCALL_BOOT;
    if (boot) reply[8] = 8; /* no arguments, no environment */
    else memset(reply, 0xff, 8), reply[0] = (uint8_t)-38;
    (void)!send(fd, reply, boot ? sizeof(reply) : CELLA_HOSTCALL_REPLY_HEADER, 0);
}

int main(int argc, char **argv) {
    bool secret = false, debug = false;
    for (; argc > 1 && argv[1][0] == '-'; argc--, argv++)
        if (strcmp(argv[1], "--secret") == 0) secret = true;
        else debug = true;
    int host[2], platform[2];
    if (argc != 2 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, host) || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, platform))
        return 2;
    pid_t pid = fork();
    if (pid == 0) {
        close(host[0]);
        close(platform[0]);
        struct cella_result r = enter(argv[1], secret, debug, host[1], platform[1]);
        cella_result_print(r);
        _exit(99);
    }
    close(host[1]);
    close(platform[1]);
    static uint8_t m[CELLA_HOSTCALL_MAX];
    if (recv(platform[0], m, sizeof(m), 0) == 12) fprintf(stderr, "loaded, pid %d\n", pid);
    if (fork() == 0) {
        ssize_t n = recv(platform[0], m, sizeof(m), 0);
        if (n > 0) fprintf(stderr, "platform call %u, %zd bytes: not answered\n", m[0], n);
        _exit(0);
    }
    close(platform[0]);
    for (ssize_t n; (n = recv(host[0], m, sizeof(m), 0)) > 0;) {
        fprintf(stderr, "host call %u, %zd bytes\n", m[0], n);
        answer_host(host[0], m);
    }
    int status;
    waitpid(pid, &status, 0);
    fprintf(stderr, "%s %d\n", WIFEXITED(status) ? "exit" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return 0;
}
