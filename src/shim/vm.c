/* The program's memory: one byte per page of the enclave says what the page is to the program. The
 * heap serves brk from its bottom and mmap from its top; free pages are always zero and writable
 * (R51: scrubbed when given back, so never on a path that waits for memory). mprotect reaches the
 * kernel, but nothing becomes executable (R49). */
#include "shim/core.h"

#include <elf.h>

enum { /* a page's byte */
       PAGE_READ = 1,
       PAGE_WRITE = 2,
       PAGE_EXEC = 4,
       PAGE_USED = 8,  /* the program's */
       PAGE_HEAP = 16, /* may be given and taken by mmap */
       PAGE_DATA = 32, /* stack and data: may change protection only */
};
enum { ACCESS = PAGE_READ | PAGE_WRITE };

static struct {
    struct shim_lock lock; /* guards all below */
    uint8_t *pages;        /* one per page of the enclave */
    uint64_t heap, heap_end;
    uint64_t brk, brk_page; /* current break; first heap page not part of it */
} vm;

static uint64_t index_of(uint64_t address) { return (address - shim.base) / SHIM_PAGE; }
static uint8_t *page_of(uint64_t address) { return &vm.pages[index_of(address)]; }

static void mark(uint64_t from, uint64_t to, unsigned state) {
    __builtin_memset(page_of(from), (int)state, (to - from) / SHIM_PAGE);
}

static int prot_of(unsigned state) {
    return (state & PAGE_READ ? PROT_READ : 0) | (state & PAGE_WRITE ? PROT_WRITE : 0);
}
static unsigned state_of(int prot) {
    unsigned read =
        prot & (PROT_READ | PROT_WRITE) ? PAGE_READ : 0; /* x86: what is writable is readable */
    return read | (prot & PROT_WRITE ? PAGE_WRITE : 0);
}

/* False only when the kernel has no memory for one more area. */
static bool protect(uint64_t from, uint64_t to, int prot) {
    long result = shim_syscall(__NR_mprotect, (long)from, (long)(to - from), prot, 0, 0, 0);
    if (result != 0 && result != -ENOMEM) shim_broken_contract("mprotect");
    return result == 0;
}

static void zero(uint64_t from, uint64_t to) {
    /* Ordinary private memory is given back; secret memory cannot be and is scrubbed. */
    if (!(shim.flags & CELLA_START_SECRET_MEMORY) && to - from >= 16 * SHIM_PAGE &&
        shim_syscall(__NR_madvise, (long)from, (long)(to - from), MADV_DONTNEED, 0, 0, 0) == 0)
        return;
    cella_wipe((void *)from, to - from);
}

/* ---- start ---- */
void shim_vm_init(void) {
    const struct cella_config *c = &shim.config;
    vm.heap = shim.base + c->heap.offset;
    vm.heap_end = vm.heap + c->heap.pages * SHIM_PAGE;
    uint64_t size = SHIM_PAGE_UP(shim.size / SHIM_PAGE);
    if (size + SHIM_PAGE > vm.heap_end - vm.heap)
        shim_abort("the heap is too small: sign the image with a larger [memory] heap");
    vm.heap_end -= size;
    vm.pages = (uint8_t *)vm.heap_end;
    mark(vm.heap, vm.heap_end, PAGE_HEAP);
    vm.brk = vm.brk_page = vm.heap;
}

void *shim_arena(uint64_t size) {
    uint64_t need = SHIM_PAGE_UP(size);
    if (need < size || need >= vm.heap_end - vm.heap) return NULL;
    vm.heap_end -= need;
    mark(vm.heap_end, vm.heap_end + need, 0);
    return (void *)vm.heap_end;
}

static void mark_program(const struct cella_config_program *program) {
    const Elf64_Phdr *header = (const Elf64_Phdr *)(shim.base + program->phdr);
    for (uint32_t i = 0; i < program->phdr_count; i++) {
        if (header[i].p_type != PT_LOAD || header[i].p_memsz == 0 || (header[i].p_flags & PF_W))
            continue;
        uint64_t at = shim.base + program->bias + header[i].p_vaddr;
        unsigned state = PAGE_USED | (header[i].p_flags & PF_R ? PAGE_READ : 0) |
                         (header[i].p_flags & PF_X ? PAGE_EXEC : 0);
        mark(SHIM_PAGE_DOWN(at), SHIM_PAGE_UP(at + header[i].p_memsz), state);
    }
}

static void reset_data(uint64_t from, uint64_t to) {
    if (!protect(from, to, PROT_READ | PROT_WRITE))
        shim_abort("no kernel memory to reset the program's data");
    cella_wipe((void *)from, to - from);
    mark(from, to, PAGE_USED | PAGE_DATA | ACCESS);
}

void shim_vm_wipe(uint32_t index) {
    const struct cella_config_program *program = &shim.config.program[index];
    for (uint32_t i = 0; i < program->segment_count; i++) {
        uint64_t from = shim.base + program->segment[i].data.offset;
        reset_data(from, from + program->segment[i].data.pages * SHIM_PAGE);
    }
}

void shim_vm_reset(uint32_t index) {
    for (uint64_t at = vm.heap; at < vm.heap_end;) {
        uint64_t end = at + SHIM_PAGE;
        bool used = *page_of(at) & PAGE_USED;
        while (end < vm.heap_end && !(*page_of(end) & PAGE_USED) == !used) end += SHIM_PAGE;
        if (used) {
            if (!protect(at, end, PROT_READ | PROT_WRITE))
                shim_abort("no kernel memory to reset the heap");
            zero(at, end);
            mark(at, end, PAGE_HEAP);
        }
        at = end;
    }
    vm.brk = vm.brk_page = vm.heap;
    for (uint32_t i = 0; i < shim.config.program_count; i++) {
        const struct cella_config_range *whole = &shim.config.program[i].whole;
        mark(shim.base + whole->offset, shim.base + whole->offset + whole->pages * SHIM_PAGE, 0);
    }
    const struct cella_config_program *program = &shim.config.program[index];
    mark_program(program);
    for (uint32_t i = 0; i < program->segment_count; i++) {
        const struct cella_config_segment *s = &program->segment[i];
        uint64_t from = shim.base + s->data.offset;
        reset_data(from, from + s->data.pages * SHIM_PAGE);
        cella_copy((void *)from, (const void *)(shim.base + s->init_offset), s->init_size);
    }
    uint64_t stack = shim.base + shim.config.stack.offset;
    reset_data(stack, stack + shim.config.stack.pages * SHIM_PAGE);
}

/* ---- predicates (R20, R21, R22, R23): the whole range, or nothing ---- */
static bool all_pages(uint64_t p, uint64_t n, unsigned state) {
    if (n == 0) return true;
    if (!cella_range_inside(p, n, shim.base, shim.size)) return false;
    uint64_t last = index_of(p + n - 1);
    for (uint64_t i = index_of(p); i <= last; i++)
        if ((vm.pages[i] & state) != state) return false;
    return true;
}

bool shim_readable(const void *p, uint64_t n) {
    return all_pages((uint64_t)p, n, PAGE_USED | PAGE_READ);
}
bool shim_writable(void *p, uint64_t n) {
    return all_pages((uint64_t)p, n, PAGE_USED | PAGE_WRITE);
}
bool shim_vm_executable(uint64_t p, uint64_t n) { return all_pages(p, n, PAGE_USED | PAGE_EXEC); }

long shim_copy_text(char *to, const char *from, uint64_t size) {
    for (uint64_t n = 0; n < size; n++) {
        if ((n == 0 || (uint64_t)(from + n) % SHIM_PAGE == 0) && !shim_readable(from + n, 1))
            return -EFAULT;
        to[n] = ((const volatile char *)from)[n];
        if (to[n] == 0) return (long)n;
    }
    return -ENAMETOOLONG;
}

uint64_t shim_vm_free_pages(void) {
    uint64_t n = 0;
    for (uint64_t at = vm.heap; at < vm.heap_end; at += SHIM_PAGE) n += !(*page_of(at) & PAGE_USED);
    return n;
}

/* ---- give and take ---- */
static bool is_heap(uint64_t at, uint64_t size) {
    return size != 0 && at % SHIM_PAGE == 0 &&
           cella_range_inside(at, size, vm.heap, vm.heap_end - vm.heap);
}

static bool is_free(uint64_t at, uint64_t size) {
    for (uint64_t p = at; p < at + size; p += SHIM_PAGE)
        if (*page_of(p) & PAGE_USED) return false;
    return true;
}

/* The highest free range of that size, or 0. */
static uint64_t find(uint64_t size) {
    const uint8_t *pages = vm.pages;
    uint64_t want = size / SHIM_PAGE, run = 0, low = index_of(vm.brk_page);
    for (uint64_t i = index_of(vm.heap_end); i > low; i--) {
        run = pages[i - 1] & PAGE_USED ? 0 : run + 1;
        if (run == want) return shim.base + (i - 1) * SHIM_PAGE;
    }
    return 0;
}

static void give_back(uint64_t from, uint64_t to) {
    for (uint64_t at = from; at < to;) {
        unsigned state = *page_of(at);
        uint64_t end = at + SHIM_PAGE;
        while (end < to && *page_of(end) == state) end += SHIM_PAGE;
        if (state & PAGE_USED) {
            /* Splitting failed: the pages stay the program's, scrubbing them is then impossible. */
            if ((state & ACCESS) != ACCESS && !protect(at, end, PROT_READ | PROT_WRITE))
                shim_abort("no kernel memory to take pages back");
            zero(at, end);
            mark(at, end, PAGE_HEAP);
        }
        at = end;
    }
}

static long take(uint64_t at, uint64_t size, int prot) {
    unsigned state = PAGE_HEAP | PAGE_USED | state_of(prot);
    if ((state & ACCESS) != ACCESS && !protect(at, at + size, prot_of(state))) {
        protect(at, at + size, PROT_READ | PROT_WRITE);
        return -ENOMEM;
    }
    mark(at, at + size, state);
    return (long)at;
}

static long map_locked(uint64_t hint, uint64_t size, int prot, int flags) {
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        if (hint % SHIM_PAGE) return -EINVAL;
        if (!is_heap(hint, size)) return -ENOMEM;
        if (!is_free(hint, size)) {
            if (flags & MAP_FIXED_NOREPLACE) return -EEXIST;
            give_back(hint, hint + size);
        }
        return take(hint, size, prot);
    }
    if (is_heap(hint, size) && hint >= vm.brk_page && is_free(hint, size))
        return take(hint, size, prot);
    uint64_t at = find(size);
    return at ? take(at, size, prot) : -ENOMEM;
}

long shim_vm_map(uint64_t hint, uint64_t size, int prot, int flags) {
    shim_lock(&vm.lock);
    long result = map_locked(hint, size, prot, flags);
    shim_unlock(&vm.lock);
    return result;
}

/* ---- system calls ---- */
static long map_file(const long a[6], uint64_t size) {
    int prot = (int)a[2], flags = (int)a[3];
    long at = shim_vm_map((uint64_t)a[0], size, PROT_READ | PROT_WRITE, flags);
    if (at < 0) return at;
    uint64_t want = (uint64_t)a[1];
    for (uint64_t done = 0; done < want;) {
        long n = shim_file_read_at((int)a[4], (void *)((uint64_t)at + done), want - done,
                                   (uint64_t)a[5] + done);
        if (n < 0) {
            shim_lock(&vm.lock);
            give_back((uint64_t)at, (uint64_t)at + size);
            shim_unlock(&vm.lock);
            return n;
        }
        if (n == 0) break;
        done += (uint64_t)n;
    }
    if ((prot & (PROT_READ | PROT_WRITE)) == (PROT_READ | PROT_WRITE)) return at;
    long change[6] = {at, (long)size, prot, 0, 0, 0};
    long result = shim_sys_mprotect(change);
    return result < 0 ? result : at;
}

long shim_sys_mmap(const long a[6]) {
    uint64_t size = SHIM_PAGE_UP(a[1]);
    int prot = (int)a[2], flags = (int)a[3], type = flags & MAP_TYPE;
    if (a[1] == 0 || size < (uint64_t)a[1]) return a[1] == 0 ? -EINVAL : -ENOMEM;
    if (prot & PROT_EXEC) return -EACCES; /* R49 */
    if (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE) return -EINVAL;
    if (flags & MAP_HUGETLB) return -ENOMEM;
    if (flags & MAP_ANONYMOUS)
        return shim_vm_map((uint64_t)a[0], size, prot, flags); /* one process: shared = private */
    if (a[5] % (long)SHIM_PAGE || a[5] < 0) return -EINVAL;
    if (type == MAP_PRIVATE) return map_file(a, size);
    if (prot & PROT_WRITE) {
        long at = shim_file_map_shared((int)a[4], size, prot, (uint64_t)a[5]);
        if (at != -ENODEV) return at;
    }
    static _Atomic bool said;
    if ((prot & PROT_WRITE) && !__atomic_exchange_n((bool *)&said, true, __ATOMIC_RELAXED))
        shim_say(
            "mmap: a shared writable mapping of a file is not possible in an enclave (ENODEV)");
    return prot & PROT_WRITE ? -ENODEV : map_file(a, size);
}

long shim_sys_munmap(const long a[6]) {
    uint64_t at = (uint64_t)a[0], size = SHIM_PAGE_UP(a[1]);
    if (a[1] == 0 || size < (uint64_t)a[1] || !is_heap(at, size)) return -EINVAL;
    shim_lock(&vm.lock);
    give_back(at, at + size);
    shim_unlock(&vm.lock);
    return 0;
}

static long protect_locked(uint64_t at, uint64_t size, int prot) {
    if (!all_pages(at, size, PAGE_USED)) return -ENOMEM;
    for (uint64_t p = at; p < at + size; p += SHIM_PAGE)
        if (!(*page_of(p) & (PAGE_HEAP | PAGE_DATA))) return -EACCES; /* text stays as measured */
    unsigned state = state_of(prot);
    if (!protect(at, at + size, prot_of(state))) return -ENOMEM;
    for (uint64_t p = at; p < at + size; p += SHIM_PAGE)
        *page_of(p) = (uint8_t)((*page_of(p) & ~ACCESS) | state);
    return 0;
}

long shim_sys_mprotect(const long a[6]) {
    uint64_t at = (uint64_t)a[0], size = SHIM_PAGE_UP(a[1]);
    int prot = (int)a[2];
    if (at % SHIM_PAGE || size < (uint64_t)a[1]) return -EINVAL;
    if (size == 0) return 0;
    if (prot & PROT_EXEC) return -EACCES; /* R49 */
    if (prot & ~(PROT_READ | PROT_WRITE)) return -EINVAL;
    shim_lock(&vm.lock);
    long result = protect_locked(at, size, prot);
    shim_unlock(&vm.lock);
    return result;
}

static long move_locked(uint64_t at, uint64_t old, uint64_t size, uint64_t fixed) {
    unsigned state = *page_of(at);
    if (!(state & PAGE_READ)) return -EFAULT;
    uint64_t to = fixed ? fixed : find(size);
    if (!to) return -ENOMEM;
    if (fixed) {
        if (!is_heap(fixed, size)) return -EINVAL;
        give_back(fixed, fixed + size);
    }
    cella_copy((void *)to, (const void *)at, old < size ? old : size);
    long result = take(to, size, prot_of(state));
    if (result >= 0)
        give_back(at, at + old);
    else
        cella_wipe((void *)to, size); /* free pages are zero */
    return result;
}

/* Without room beside the old range: into the free pages around it, over itself. Only for a range
 * that is written and read throughout, so that nothing can fail halfway. The new address or 0. */
static uint64_t slide_locked(uint64_t at, uint64_t old, uint64_t size) {
    if (!all_pages(at, old, ACCESS)) return 0;
    uint64_t low = at, high = at + old;
    while (high < vm.heap_end && high - low < size && !(*page_of(high) & PAGE_USED))
        high += SHIM_PAGE;
    while (low > vm.brk_page && high - low < size && !(*page_of(low - SHIM_PAGE) & PAGE_USED))
        low -= SHIM_PAGE;
    if (high - low < size || low == at) return 0;
    __builtin_memmove((void *)low, (const void *)at, old);
    uint64_t end = low + old, dirty = end > at ? end : at; /* what the old range left behind */
    cella_wipe((void *)dirty, at + old - dirty);
    mark(low, high, PAGE_HEAP | PAGE_USED | ACCESS);
    return low;
}

static long remap_locked(uint64_t at, uint64_t old, uint64_t size, int flags, uint64_t fixed) {
    if (!is_heap(at, old) || !all_pages(at, old, PAGE_USED)) return -EFAULT;
    if (flags & MREMAP_FIXED) {
        if (fixed % SHIM_PAGE || (fixed < at + old && at < fixed + size)) return -EINVAL;
        return move_locked(at, old, size, fixed);
    }
    if (size <= old) {
        give_back(at + size, at + old);
        return (long)at;
    }
    if (is_heap(at, size) && is_free(at + old, size - old)) {
        long result = take(at + old, size - old, prot_of(*page_of(at)));
        return result < 0 ? result : (long)at;
    }
    if (!(flags & MREMAP_MAYMOVE)) return -ENOMEM;
    if (find(size)) return move_locked(at, old, size, 0);
    uint64_t to = slide_locked(at, old, size);
    return to ? (long)to : -ENOMEM;
}

long shim_sys_mremap(const long a[6]) {
    uint64_t at = (uint64_t)a[0], old = SHIM_PAGE_UP(a[1]), size = SHIM_PAGE_UP(a[2]);
    int flags = (int)a[3];
    if (at % SHIM_PAGE || a[1] == 0 || a[2] == 0 || old < (uint64_t)a[1] || size < (uint64_t)a[2])
        return -EINVAL;
    if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)) return -EINVAL;
    if ((flags & MREMAP_FIXED) && !(flags & MREMAP_MAYMOVE)) return -EINVAL;
    shim_lock(&vm.lock);
    long result = remap_locked(at, old, size, flags, (uint64_t)a[4]);
    shim_unlock(&vm.lock);
    return result;
}

/* DONTNEED must read as zeros afterwards; the rest is advice. */
long shim_sys_madvise(const long a[6]) {
    uint64_t at = (uint64_t)a[0], size = SHIM_PAGE_UP(a[1]);
    if (at % SHIM_PAGE || size < (uint64_t)a[1]) return -EINVAL;
    if (!all_pages(at, size, PAGE_USED)) return -ENOMEM;
    if (a[2] != MADV_DONTNEED && a[2] != MADV_FREE) return a[2] == MADV_REMOVE ? -EINVAL : 0;
    shim_lock(&vm.lock);
    for (uint64_t p = at; p < at + size; p += SHIM_PAGE)
        if ((*page_of(p) & (PAGE_HEAP | PAGE_WRITE)) == (PAGE_HEAP | PAGE_WRITE))
            cella_wipe((void *)p, SHIM_PAGE);
    shim_unlock(&vm.lock);
    return 0;
}

static long brk_locked(uint64_t want) {
    if (want < vm.heap || want > vm.heap_end) return (long)vm.brk;
    uint64_t page = SHIM_PAGE_UP(want);
    if (page > vm.brk_page) {
        if (!is_free(vm.brk_page, page - vm.brk_page)) return (long)vm.brk;
        take(vm.brk_page, page - vm.brk_page, PROT_READ | PROT_WRITE);
    } else {
        give_back(page, vm.brk_page);
        if (page > want && want < vm.brk) cella_wipe((void *)want, page - want);
    }
    vm.brk_page = page;
    vm.brk = want;
    return (long)want;
}

long shim_sys_brk(const long a[6]) {
    shim_lock(&vm.lock);
    long result = brk_locked((uint64_t)a[0]);
    shim_unlock(&vm.lock);
    return result;
}

/* Mapped files are private copies here: nothing is ever to be written back. */
long shim_sys_msync(const long a[6]) {
    return all_pages((uint64_t)a[0], (uint64_t)a[1], PAGE_USED) ? 0 : -ENOMEM;
}
/* All of an enclave's memory is locked as it is. */
long shim_sys_mlock(const long a[6]) {
    (void)a;
    return 0;
}

long shim_sys_mincore(const long a[6]) {
    uint64_t pages = SHIM_PAGE_UP(a[1]) / SHIM_PAGE;
    if (a[0] % (long)SHIM_PAGE) return -EINVAL;
    if (!all_pages((uint64_t)a[0], (uint64_t)a[1], PAGE_USED)) return -ENOMEM;
    if (!shim_writable((void *)a[2], pages)) return -EFAULT;
    __builtin_memset((void *)a[2], 1, pages);
    return 0;
}
