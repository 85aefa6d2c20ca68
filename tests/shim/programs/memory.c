/* Memory: large blocks, zero on allocation (R51), protection, moving, advice, brk. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

enum { PAGE = 4096 };

static int all(const unsigned char *p, size_t size, unsigned char v) {
    for (size_t i = 0; i < size; i++)
        if (p[i] != v) return 0;
    return 1;
}

static unsigned char *map(size_t size) {
    unsigned char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

static void test_large(void) {
    size_t size = 50UL << 20;
    unsigned char *p = malloc(size);
    CHECK(p != NULL);
    memset(p, 0x5a, size);
    p = realloc(p, size + (4UL << 20));
    CHECK(p != NULL && all(p, size, 0x5a));
    free(p);
}

static void test_zero(void) {
    for (int i = 0; i < 8; i++) {
        unsigned char *p = map(64 * PAGE);
        CHECK(all(p, 64 * PAGE, 0));
        memset(p, 0xa5, 64 * PAGE);
        if (i % 2) CHECK(mprotect(p + PAGE, PAGE, PROT_NONE) == 0);
        CHECK(munmap(p, 64 * PAGE) == 0);
    }
    unsigned char *p = map(4 * PAGE);
    memset(p, 1, 4 * PAGE);
    CHECK(madvise(p + PAGE, PAGE, MADV_DONTNEED) == 0);
    CHECK(all(p, PAGE, 1) && all(p + PAGE, PAGE, 0) && all(p + 2 * PAGE, 2 * PAGE, 1));
    CHECK(mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
          p);
    CHECK(all(p, PAGE, 0));
    CHECK(munmap(p, 4 * PAGE) == 0);
}

static void test_move(void) {
    unsigned char *p = map(4 * PAGE);
    memset(p, 7, 4 * PAGE);
    unsigned char *q = mremap(p, 4 * PAGE, 4096 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && all(q, 4 * PAGE, 7) && all(q + 4 * PAGE, 4092 * PAGE, 0));
    q = mremap(q, 4096 * PAGE, 2 * PAGE, 0);
    CHECK(q != MAP_FAILED && all(q, 2 * PAGE, 7));
    CHECK(munmap(q, 2 * PAGE) == 0);
    CHECK(mremap(q, 0, PAGE, 0) == MAP_FAILED);
}

static unsigned char *set_brk(unsigned char *p) { return (unsigned char *)syscall(SYS_brk, p); }

static void test_brk(void) {
    unsigned char *p = set_brk(NULL);
    CHECK(set_brk(p + 5 * PAGE) == p + 5 * PAGE && all(p, 5 * PAGE, 0));
    memset(p, 3, 5 * PAGE);
    CHECK(set_brk(p) == p);
    CHECK(set_brk(p + 5 * PAGE) == p + 5 * PAGE && all(p, 5 * PAGE, 0));
    CHECK(set_brk(p) == p && set_brk((unsigned char *)1) == p);
}

/* Bad pointers are EFAULT, never a crash, whatever lies at their other end (R20, R22, R23). */
static void test_pointers(void) {
    unsigned char *p = map(2 * PAGE);
    CHECK(mprotect(p + PAGE, PAGE, PROT_NONE) == 0);
    void *t;
    uintptr_t bad[] = {1,
                       (uintptr_t)p + PAGE - 8,
                       (uintptr_t)p + PAGE,
                       (uintptr_t)1 << 46,
                       (uintptr_t)-1,
                       (uintptr_t)1 << 63,
                       (uintptr_t)-4096};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        t = (void *)bad[i];
        if (i != 1)
            CHECK(write(1, t, 4096) == -1 &&
                  errno == EFAULT); /* Linux writes what it can of that one */
        if (i != 1) CHECK(syscall(SYS_nanosleep, t, NULL) == -1 && errno == EFAULT);
        CHECK(syscall(SYS_uname, t) == -1 && errno == EFAULT);
        if (i != 1) CHECK(syscall(SYS_getcwd, t, 4096) == -1 && errno == EFAULT);
    }
    CHECK(write(1, NULL, 0) == 0);
    CHECK(open((char *)p + PAGE, O_RDONLY) == -1 && errno == EFAULT);
    memset(p, 'x', PAGE);
    CHECK(open((char *)p + PAGE - 4, O_RDONLY) == -1 && errno == EFAULT);
    CHECK(munmap(p, 2 * PAGE) == 0);
}

static void test_full(void) {
    void *p = mmap(NULL, 1UL << 46, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p == MAP_FAILED && errno == ENOMEM);
    CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
          errno == EINVAL);
    CHECK(mmap(NULL, (size_t)-1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    CHECK(munmap((void *)(uintptr_t)123, PAGE) == -1);
}

int main(void) {
    test_large();
    test_zero();
    test_move();
    test_brk();
    test_pointers();
    test_full();
    printf("memory ok\n");
    return 0;
}
