/* R49, T10: what an enclave refuses. Natively these succeed, so this one runs inside only. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

int main(void) {
    CHECK(fork() == -1 && errno == ENOSYS);
    CHECK(vfork() == -1 && errno == ENOSYS);
    CHECK(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS);
    int rx = PROT_READ | PROT_EXEC;
    CHECK(mmap(NULL, 4096, rx, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED && mprotect(p, 4096, rx) == -1);
    void *text = (void *)((unsigned long)&main & ~4095UL);
    CHECK(mprotect(text, 4096, PROT_READ | PROT_WRITE) == -1);
    CHECK(munmap(text, 4096) == -1);
    CHECK(socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == ENOSYS);
    CHECK(socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == ENOSYS);
    CHECK(syscall(SYS_ptrace, 0, 0, 0, 0) == -1 && errno == ENOSYS);
    CHECK(syscall(SYS_memfd_create, "x", 0) == -1 && errno == ENOSYS);
    CHECK(syscall(1000) == -1 && errno == ENOSYS);
    CHECK(syscall(-1) == -1 && errno == ENOSYS);
    CHECK(prctl(PR_SET_DUMPABLE, 1) == -1);
    CHECK(getuid() == 1000 && getppid() == 0);
    printf("refused ok\n");
    return 0;
}
