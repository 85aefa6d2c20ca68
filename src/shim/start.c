/* From the loader's jump to the program's first instruction. */
#include "shim/core.h"
#include "shim/fetch.h"

#include <elf.h>

struct shim_state shim;

extern uint8_t __text_start[], __text_end[], __rodata_start[], __rodata_end[], __data_start[],
    __data_end[], __shim_end[];
extern const Elf64_Rela __rela_start[], __rela_end[];

__attribute__((noreturn)) void shim_start(uint64_t base, uint64_t config_offset,
                                          uint64_t config_size, uint64_t start_offset);

enum { RSEQ_UNREGISTER = 1, ROBUST_HEAD_SIZE = 24 };
#define USER_END       0x7ffffffff000UL   /* four-level page tables */
#define USER_END_LARGE 0xfffffffffff000UL /* five-level */

/* Fills the data segment from its copy behind it and relocates it. Nothing that needs data runs
 * before. */
static void relocate(void) {
    uint64_t bias = (uint64_t)__text_start;
    cella_copy(__data_start, __shim_end, (size_t)(__data_end - __data_start));
    for (const Elf64_Rela *r = __rela_start; r < __rela_end; r++)
        *(uint64_t *)(bias + r->r_offset) = bias + (uint64_t)r->r_addend;
}

static uint64_t start_u64(const uint8_t *block, size_t at) {
    struct cella_reader r = cella_reader(cella_bytes(block + at, 8));
    return cella_reader_u64le(&r);
}

static uint32_t start_u32(const uint8_t *block, size_t at) {
    return (uint32_t)start_u64(block, at);
}

static void read_start_block(uint64_t base, const uint8_t *block) {
    if (start_u32(block, CELLA_START_AT_MAGIC) != CELLA_START_MAGIC ||
        start_u32(block, CELLA_START_AT_VERSION) != CELLA_START_VERSION)
        shim_abort(
            "start block of another version: the platform and this image do not fit together");
    if (start_u64(block, CELLA_START_AT_BASE) != base) shim_abort("start block names another base");
    shim.base = base;
    shim.flags = start_u64(block, CELLA_START_AT_FLAGS);
    shim.hwcap = start_u64(block, CELLA_START_AT_HWCAP);
    shim.hwcap2 = start_u64(block, CELLA_START_AT_HWCAP2);
    shim.minsigstksz = start_u64(block, CELLA_START_AT_MINSIGSTKSZ);
}

/* The loader's own registrations would be written to after its memory is gone: the kernel kills for
 * that. */
static void unregister(const uint8_t *block) {
    uint64_t rseq = start_u64(block, CELLA_START_AT_RSEQ);
    if (rseq != 0 &&
        shim_syscall(__NR_rseq, (long)rseq, start_u32(block, CELLA_START_AT_RSEQ_SIZE),
                     RSEQ_UNREGISTER, start_u32(block, CELLA_START_AT_RSEQ_SIG), 0, 0) != 0)
        shim_abort("cannot unregister the loader's rseq area");
    shim_syscall(__NR_set_robust_list, 0, ROBUST_HEAD_SIZE, 0, 0, 0, 0);
}

static void unmap(uint64_t from, uint64_t to) {
    if (from < to && shim_syscall(__NR_munmap, (long)from, (long)(to - from), 0, 0, 0, 0) != 0)
        shim_abort("cannot unmap what the loader left from 0x%x to 0x%x", from, to);
}

/* All that is not the enclave: loader, its libraries, vdso, vvar, the other slices of the pool. */
static void unmap_rest(void) {
    uint64_t end = shim.base + shim.size;
    unmap(0, shim.base);
    unmap(end, USER_END);
    /* Fails as a whole on four-level machines, where nothing can be there. */
    shim_syscall(__NR_munmap, (long)USER_END, (long)(USER_END_LARGE - USER_END), 0, 0, 0, 0);
}

static void seal(uint64_t from, uint64_t to) {
    long result = shim_syscall(SHIM_SYS_MSEAL, (long)from, (long)(to - from), 0, 0, 0, 0);
    if (result != 0 && result != -ENOSYS) shim_abort("cannot seal text at 0x%x", from);
}

static void seal_program(const struct cella_config_program *program) {
    const Elf64_Phdr *header = (const Elf64_Phdr *)(shim.base + program->phdr);
    for (uint32_t i = 0; i < program->phdr_count; i++) {
        if (header[i].p_type != PT_LOAD || (header[i].p_flags & PF_W) || header[i].p_memsz == 0)
            continue;
        uint64_t at = shim.base + program->bias + header[i].p_vaddr;
        seal(SHIM_PAGE_DOWN(at), SHIM_PAGE_UP(at + header[i].p_memsz));
    }
}

/* R49: what is executable or constant stays as measured, where the kernel has mseal (6.10) and MDWE
 * (6.3). */
static void seal_all(uint64_t config_offset, uint64_t config_size) {
    seal((uint64_t)__text_start, (uint64_t)__text_end);
    seal((uint64_t)__rodata_start, (uint64_t)__rodata_end);
    seal(shim.base + config_offset, SHIM_PAGE_UP(shim.base + config_offset + config_size));
    if (shim.calls) seal(shim.calls, shim.calls + shim.calls_size);
    for (uint32_t i = 0; i < shim.config.program_count; i++) seal_program(&shim.config.program[i]);
    shim_syscall(__NR_prctl, SHIM_PR_SET_MDWE, SHIM_PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0, 0);
}

static void must(struct cella_result result, const char *step) {
    if (cella_failed(result)) shim_abort("%s: %s", step, result.error->what);
}

void shim_start(uint64_t base, uint64_t config_offset, uint64_t config_size,
                uint64_t start_offset) {
    relocate();
    const uint8_t *config = (const uint8_t *)(base + config_offset);
    read_start_block(base, (const uint8_t *)(base + start_offset));
    must(cella_config_decode(cella_bytes(config, config_size), &shim.config), "configuration");
    shim.size = shim.config.enclave_size;
    if (shim.config.start_offset != start_offset)
        shim_abort("the loader's start block is not where it was measured");
    uint8_t *block = (uint8_t *)(base + start_offset);
    unregister(block);
    unmap_rest();

    shim_vm_init();
    shim_thread_init();
    struct shim_thread *self = shim_thread_current();
    gate_thread_init(self);
    must(shim_random_init(block + CELLA_START_AT_SEED), "randomness");
    cella_wipe(block + CELLA_START_AT_SEED, 64);
    shim_process_init();
    if (!shim_load_init())
        shim_abort("the heap is too small: sign the image with a larger [memory] heap");
    must(shim_files_start(), "start");
    seal_all(config_offset, config_size);
    gate_init();
    shim_seccomp_close();
    uint32_t first = shim_fetch_begin();
    long result = shim_load(self, first, shim.config.program[first].path);
    if (result != 0) shim_abort("arguments and environment do not fit the program's stack");
    gate_resume(self);
}
