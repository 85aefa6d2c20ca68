#include "platform/backend_software.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/rseq.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi/sgx.h"
#include "base/memory.h"

enum { BASE_TRIES = 64, RSEQ_SIZE_MIN = 32 };
#define USER_SPACE_END (1ULL << 47)
#define BASE_LOWEST    (1ULL << 32)
#define BASE_ZERO_GAP  0x10000ULL

/* Whether nothing of the loader lies in [address, address+size). The process has one thread, so
 * what was free stays free. */
static bool range_is_free(uint64_t address, uint64_t size) {
    void *want = (void *)address;
    void *p = mmap(want, size, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (p == MAP_FAILED) return false;
    munmap(p, size);
    return p == want; /* kernels before 4.17 take the flag as a hint */
}

static struct cella_result choose_base(const struct cella_load *load, uint64_t *base) {
    uint64_t size = load->enclave_size;
    *base = 0;
    if (load->base_mode == CELLA_IMAGE_BASE_ZERO) {
        ENSURE(range_is_free(BASE_ZERO_GAP, size - BASE_ZERO_GAP), CELLA_ERR_UNAVAILABLE,
               "link the program as static-pie, or set a smaller enclave size in its manifest",
               "addresses 0x10000 to 0x%llx, which the image is linked for, are in use",
               (unsigned long long)size);
        return CELLA_SUCCESS;
    }
    uint64_t first = (BASE_LOWEST + size - 1) / size, last = USER_SPACE_END / size - 1;
    for (int i = 0; i < BASE_TRIES && first < last; i++) {
        uint64_t random;
        ENSURE(getrandom(&random, sizeof(random), 0) == sizeof(random), CELLA_ERR_IO, NULL,
               "no randomness");
        uint64_t address = (first + random % (last - first)) * size;
        if (!range_is_free(address, size)) continue;
        *base = address;
        return CELLA_SUCCESS;
    }
    FAIL(CELLA_ERR_UNAVAILABLE, "sign the program with a smaller heap",
         "no free address range of 0x%llx bytes", (unsigned long long)size);
}

static struct cella_result map_content(const struct cella_load_region *r, uint64_t base,
                                       int image_fd) {
    void *want = (void *)(base + r->offset);
    void *p = mmap(want, r->pages * CELLA_PAGE_SIZE, (int)r->prot, MAP_SHARED | MAP_FIXED_NOREPLACE,
                   image_fd, (off_t)r->file_offset);
    ENSURE(p == want, CELLA_ERR_UNAVAILABLE,
           errno == EPERM || errno == EACCES
               ? "sysctl vm.memfd_noexec must be 0 or 1 for enclaves to run"
               : NULL,
           "cannot map the image's content at +0x%llx: %s", (unsigned long long)r->offset,
           strerror(errno));
    return CELLA_SUCCESS;
}

/* Writable regions: moved out of the inherited pool, or ordinary private memory. */
static struct cella_result map_writable(const struct cella_load_region *r, uint64_t base,
                                        uint8_t *slice) {
    void *want = (void *)(base + r->offset);
    size_t size = r->pages * CELLA_PAGE_SIZE;
    void *p = slice ? mremap(slice, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, want)
                    : mmap(want, size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    ENSURE(p == want, CELLA_ERR_UNAVAILABLE, NULL, "cannot map %zu writable bytes at +0x%llx: %s",
           size, (unsigned long long)r->offset, strerror(errno));
    return CELLA_SUCCESS;
}

static struct cella_result map_regions(const struct cella_load *load,
                                       const struct cella_software_child *child, uint64_t base) {
    uint8_t *slice = load->secret ? child->slice : NULL;
    for (uint32_t i = 0; i < load->region_count; i++) {
        const struct cella_load_region *r = &load->region[i];
        if (!(r->prot & PROT_WRITE)) {
            TRY(map_content(r, base, child->image_fd));
            continue;
        }
        TRY(map_writable(r, base, slice));
        if (slice) slice += r->pages * CELLA_PAGE_SIZE;
    }
    /* The other enclaves' slices go here, before the door opens (software-tee 5, T4). */
    if (child->pool) munmap(child->pool, child->pool_size);
    return CELLA_SUCCESS;
}

/* A registered rseq area that is unmapped makes the kernel kill the process at the next preemption.
 * What cannot be unregistered here is left to the shim by its address. */
static void leave_rseq(uint64_t *address, uint32_t *size) {
    *address = 0;
    *size = 0;
    if (__rseq_size == 0) return;
    void *area = (uint8_t *)__builtin_thread_pointer() + __rseq_offset;
    uint32_t registered = __rseq_size < RSEQ_SIZE_MIN ? RSEQ_SIZE_MIN : __rseq_size;
    if (syscall(SYS_rseq, area, registered, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0) return;
    *address = (uint64_t)(uintptr_t)area;
    *size = registered;
}

static struct cella_result fill_start_block(const struct cella_load *load, uint64_t base) {
    uint8_t *block = (uint8_t *)(base + load->start_offset);
    uint64_t rseq;
    uint32_t rseq_size;
    leave_rseq(&rseq, &rseq_size);
    struct cella_writer w = cella_writer(block, CELLA_START_SIZE);
    cella_writer_u32le(&w, CELLA_START_MAGIC);
    cella_writer_u32le(&w, CELLA_START_VERSION);
    cella_writer_u64le(&w, base);
    cella_writer_u64le(&w, (load->secret ? CELLA_START_SECRET_MEMORY : 0U) |
                               (load->debug ? CELLA_START_DEBUG : 0U));
    cella_writer_u64le(&w, getauxval(AT_HWCAP));
    cella_writer_u64le(&w, getauxval(AT_HWCAP2));
    ENSURE(getrandom(block + w.size, 64, 0) == 64, CELLA_ERR_IO, NULL, "no randomness");
    w.size += 64;
    cella_writer_u64le(&w, getauxval(AT_MINSIGSTKSZ));
    cella_writer_u64le(&w, rseq);
    cella_writer_u32le(&w, rseq_size);
    cella_writer_u32le(&w, RSEQ_SIG);
    ENSURE(!w.failed && w.size == CELLA_START_AT_RSEQ_SIG + 4, CELLA_ERR_INTERNAL, NULL,
           "start block layout");
    return CELLA_SUCCESS;
}

/* Moves the descriptors to 0..4 through numbers above all of them, so that none overwrites another.
 */
static struct cella_result place_descriptors(const int fd[CELLA_FD_FIRST_FREE]) {
    int high[CELLA_FD_FIRST_FREE];
    for (int i = 0; i < CELLA_FD_FIRST_FREE; i++) {
        high[i] = fcntl(fd[i], F_DUPFD_CLOEXEC, 64);
        ENSURE(high[i] >= 0, CELLA_ERR_IO, NULL, "cannot move descriptor %d: %s", i,
               strerror(errno));
    }
    for (int i = 0; i < CELLA_FD_FIRST_FREE; i++)
        ENSURE(dup2(high[i], i) == i, CELLA_ERR_IO, NULL, "cannot place descriptor %d: %s", i,
               strerror(errno));
    ENSURE(syscall(SYS_close_range, CELLA_FD_FIRST_FREE, ~0U, 0) == 0, CELLA_ERR_UNSUPPORTED,
           "cella needs Linux 5.9 or newer", "cannot close the loader's descriptors: %s",
           strerror(errno));
    return CELLA_SUCCESS;
}

/* A debug enclave may be read by a debugger; its pool is unmapped by now and its own memory is
 * private. */
static struct cella_result open_to_debugger(void) {
    ENSURE(prctl(PR_SET_DUMPABLE, 1) == 0, CELLA_ERR_INTERNAL, NULL,
           "cannot make a debug enclave dumpable");
    (void)prctl(PR_SET_PTRACER,
                PR_SET_PTRACER_ANY); /* Yama scope 1: let any process of this user attach */
    return CELLA_SUCCESS;
}

static struct cella_result tell_loaded(uint64_t base) {
    uint8_t message[12];
    struct cella_writer w = cella_writer(message, sizeof(message));
    cella_writer_u32le(&w, CELLA_OK);
    cella_writer_u64le(&w, base);
    ENSURE(send(CELLA_FD_PLATFORM, message, sizeof(message), MSG_NOSIGNAL) == sizeof(message),
           CELLA_ERR_IO, NULL, "the platform is gone: %s", strerror(errno));
    return CELLA_SUCCESS;
}

/* All registers but those of start.h are zero (R04 from the other side: nothing of the loader is
 * left in them). */
__attribute__((noreturn)) static void jump(const struct cella_load *load, uint64_t base) {
    register uint64_t target __asm__("rax") = base + load->entry;
    register uint64_t stack __asm__("r8") = base + load->stack_top;
    register uint64_t a0 __asm__("rdi") = base;
    register uint64_t a1 __asm__("rsi") = load->config_offset;
    register uint64_t a2 __asm__("rdx") = load->config_size;
    register uint64_t a3 __asm__("rcx") = load->start_offset;
    __asm__ volatile(
        "mov %%r8, %%rsp\n\t"
        "xor %%ebx, %%ebx\n\txor %%ebp, %%ebp\n\txor %%r8d, %%r8d\n\txor %%r9d, %%r9d\n\t"
        "xor %%r10d, %%r10d\n\txor %%r11d, %%r11d\n\txor %%r12d, %%r12d\n\txor %%r13d, %%r13d\n\t"
        "xor %%r14d, %%r14d\n\txor %%r15d, %%r15d\n\tcld\n\t"
        "jmp *%%rax"
        :
        : "r"(target), "r"(stack), "r"(a0), "r"(a1), "r"(a2), "r"(a3)
        : "memory");
    __builtin_unreachable();
}

CELLA_RESULT cella_software_enter(const struct cella_load *load,
                                  const struct cella_software_child *child) {
    ENSURE(!(load->secret && load->debug), CELLA_ERR_INTERNAL, NULL,
           "a debug enclave gets no secret memory");
    ENSURE(!load->secret || child->slice, CELLA_ERR_INTERNAL, NULL,
           "no slice of secret memory was given");
    uint64_t base;
    TRY(choose_base(load, &base));
    TRY(map_regions(load, child, base));
    TRY(place_descriptors(child->fd));
    if (load->debug) TRY(open_to_debugger());
    TRY(fill_start_block(load, base));
    TRY(tell_loaded(base));
    (void)syscall(SYS_set_robust_list, NULL, 24);
    (void)syscall(SYS_set_tid_address, NULL);
    jump(load, base);
}
