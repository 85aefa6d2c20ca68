/* T4: steals descriptors of processes while they are being made: spins over the children of PARENT
 * (the zygote) for SECONDS, takes every descriptor with pidfd_getfd, and says whether one was
 * secret memory. usage: thief PARENT SECONDS; prints "tries N, taken N, secret N"; exit status 3
 * when one was secret */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long tries, taken, secret;

static void rob(int pid) {
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) return;
    for (int n = 0; n < 80; n++) {
        int fd = (int)syscall(SYS_pidfd_getfd, pidfd, n, 0);
        tries++;
        if (fd < 0) continue;
        char link[64], name[128] = "";
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        if (readlink(link, name, sizeof(name) - 1) < 0) name[0] = 0;
        taken++;
        secret += strstr(name, "secretmem") != NULL;
        close(fd);
    }
    close(pidfd);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: thief PARENT SECONDS\n");
        return 2;
    }
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", atoi(argv[1]), atoi(argv[1]));
    time_t end = time(NULL) + atoi(argv[2]);
    while (time(NULL) < end) {
        rob(atoi(argv[1]));
        FILE *children = fopen(path, "r");
        int pid;
        while (children && fscanf(children, "%d", &pid) == 1) rob(pid);
        if (children) fclose(children);
    }
    printf("tries %ld, taken %ld, secret %ld\n", tries, taken, secret);
    return secret ? 3 : 0;
}
