#include "platform/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi/sgx.h"
#include "base/memory.h"

enum page_state { PAGE_DIRTY = 0, PAGE_FREE, PAGE_IN_USE };

static bool has_capability(unsigned capability) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &header, data) != 0) return false;
    return (data[capability / 32].effective >> capability % 32 & 1) != 0;
}

/* CAP_IPC_LOCK lifts the limit, unless it is held in a user namespace only, where it looks the
 * same: so the kernel is asked. The mapping takes no memory before it is touched. */
static bool lock_limit_lifted(uint64_t size) {
    if (!has_capability(CAP_IPC_LOCK)) return false;
    int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
    if (fd < 0) return false;
    void *p = MAP_FAILED;
    if (ftruncate(fd, (off_t)size) == 0)
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p == MAP_FAILED) return false;
    munmap(p, size);
    return true;
}

uint64_t cella_pool_affordable(uint64_t wanted) {
    struct rlimit limit;
    wanted -= wanted % CELLA_PAGE_SIZE;
    if (wanted == 0 || lock_limit_lifted(wanted)) return wanted;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return wanted;
    if (limit.rlim_cur != limit.rlim_max && limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0) (void)getrlimit(RLIMIT_MEMLOCK, &limit);
    }
    /* CAP_SYS_RESOURCE raises it. */
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted) {
        struct rlimit more = {wanted, wanted};
        if (setrlimit(RLIMIT_MEMLOCK, &more) == 0) return wanted;
    }
    if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= wanted) return wanted;
    return limit.rlim_cur - limit.rlim_cur % CELLA_PAGE_SIZE;
}

static struct cella_result map_secret(uint64_t size, uint8_t **out) {
    int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
    ENSURE(fd >= 0, CELLA_ERR_UNAVAILABLE,
           "use Linux 5.14 or newer with secret memory on (kernel command line secretmem.enable=1 "
           "before 6.5), or "
           "sign with memory = private",
           "this kernel gives no secret memory: memfd_secret: %s", strerror(errno));
    void *p = MAP_FAILED;
    if (ftruncate(fd, (off_t)size) == 0)
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int error = errno;
    close(
        fd); /* from here on nothing but this mapping reaches the memory (software-tee section 5) */
    ENSURE(p != MAP_FAILED, CELLA_ERR_UNAVAILABLE,
           "raise it: `ulimit -l`, or LimitMEMLOCK= of the service",
           "the memory-lock limit does not allow a pool of %llu KiB: %s",
           (unsigned long long)size / 1024, strerror(error));
    *out = p;
    return CELLA_SUCCESS;
}

static struct cella_result prepare(uint8_t *memory, uint64_t size, bool secret,
                                   struct cella_pool *out) {
    uint64_t pages = size / CELLA_PAGE_SIZE;
    uint8_t *state = calloc(pages, 1); /* all dirty */
    if (!state) munmap(memory, size);
    ENSURE(state, CELLA_ERR_MEMORY, NULL, "no memory for the pool's page list");
    *out = (struct cella_pool){memory, pages, state, 0, pages, 0, secret};
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_pool_new(uint64_t size, struct cella_pool *out) {
    *out = (struct cella_pool){0};
    ENSURE(size >= CELLA_PAGE_SIZE && size % CELLA_PAGE_SIZE == 0, CELLA_ERR_UNAVAILABLE,
           "raise it: `ulimit -l`, or LimitMEMLOCK= of the service",
           "the memory-lock limit leaves no room for a pool");
    uint8_t *memory = NULL;
    TRY(map_secret(size, &memory));
    return prepare(memory, size, true, out);
}

CELLA_RESULT cella_pool_new_insecure_for_test(uint64_t size, struct cella_pool *out) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ENSURE(p != MAP_FAILED, CELLA_ERR_MEMORY, NULL, "no memory for a test pool");
    return prepare(p, size, false, out);
}

void cella_pool_free(struct cella_pool *pool) {
    if (pool->memory) munmap(pool->memory, pool->pages * CELLA_PAGE_SIZE);
    free(pool->state);
    *pool = (struct cella_pool){0};
}

/* The first run of pages pages that are all free (or, with dirty_too, not in use). */
static bool find_run(const struct cella_pool *pool, uint64_t pages, bool dirty_too,
                     uint64_t *first) {
    uint64_t run = 0;
    for (uint64_t i = 0; i < pool->pages; i++) {
        bool fits = pool->state[i] == PAGE_FREE || (dirty_too && pool->state[i] == PAGE_DIRTY);
        run = fits ? run + 1 : 0;
        if (run < pages) continue;
        *first = i + 1 - pages;
        return true;
    }
    return false;
}

static void scrub_page(struct cella_pool *pool, uint64_t page) {
    cella_zero(pool->memory + page * CELLA_PAGE_SIZE, CELLA_PAGE_SIZE);
    __asm__ volatile(""
                     :
                     : "r"(pool->memory)
                     : "memory"); /* the mapping is shared: the zeros must be written */
    pool->state[page] = PAGE_FREE;
    pool->dirty_pages--;
    pool->free_pages++;
}

CELLA_RESULT cella_pool_take(struct cella_pool *pool, uint64_t pages, uint64_t *first) {
    ENSURE(pages > 0 && pages <= pool->pages, CELLA_ERR_UNAVAILABLE,
           "start the platform with a larger --pool (and a memory-lock limit that allows it), or "
           "sign the program "
           "with a smaller heap",
           "the enclave needs %llu KiB of secret memory; the platform's whole pool has %llu KiB",
           (unsigned long long)pages * 4, (unsigned long long)pool->pages * 4);
    bool found = find_run(pool, pages, false, first) || find_run(pool, pages, true, first);
    ENSURE(found, CELLA_ERR_UNAVAILABLE,
           "wait for another enclave to end, or start the platform with a larger --pool",
           "the enclave needs %llu KiB of secret memory in one piece; %llu of the pool's %llu KiB "
           "are not in use, the "
           "largest piece has %llu KiB",
           (unsigned long long)pages * 4,
           (unsigned long long)(pool->free_pages + pool->dirty_pages) * 4,
           (unsigned long long)pool->pages * 4,
           (unsigned long long)cella_pool_largest_free(pool) * 4);
    for (uint64_t i = *first; i < *first + pages; i++) {
        if (pool->state[i] == PAGE_DIRTY) scrub_page(pool, i);
        pool->state[i] = PAGE_IN_USE;
    }
    pool->free_pages -= pages;
    return CELLA_SUCCESS;
}

void cella_pool_give_back(struct cella_pool *pool, uint64_t first, uint64_t pages) {
    for (uint64_t i = first; i < first + pages && i < pool->pages; i++) {
        if (pool->state[i] != PAGE_IN_USE) continue;
        pool->state[i] = PAGE_DIRTY;
        pool->dirty_pages++;
    }
    if (first < pool->next_dirty) pool->next_dirty = first;
}

bool cella_pool_scrub(struct cella_pool *pool, uint64_t pages) {
    while (pages > 0 && pool->dirty_pages > 0) {
        if (pool->next_dirty >= pool->pages) pool->next_dirty = 0;
        if (pool->state[pool->next_dirty] == PAGE_DIRTY) {
            scrub_page(pool, pool->next_dirty);
            pages--;
        }
        pool->next_dirty++;
    }
    return pool->dirty_pages > 0;
}

uint64_t cella_pool_largest_free(const struct cella_pool *pool) {
    uint64_t run = 0, largest = 0;
    for (uint64_t i = 0; i < pool->pages; i++) {
        run = pool->state[i] != PAGE_IN_USE ? run + 1 : 0;
        if (run > largest) largest = run;
    }
    return largest;
}
