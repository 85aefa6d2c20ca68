/* A program's first state: its data from the measured copy, and the stack that the System V ABI
 * promises: argc, argv, envp, auxv, and the texts above. */
#include "shim/core.h"
#include "shim/fetch.h"

#include <linux/auxvec.h>

enum {
    TEXTS_MAX = 128 * 1024, /* bytes of all arguments and environment of an exec, with their NULs */
    AUXV_MAX = 24,
    POINTER = 8,
    PHDR_SIZE = 56,
    CLOCK_TICKS = 100,
};

/* exec's arguments outlive the old program here. Only the thread inside exec touches it. */
static struct {
    uint8_t *text;
    uint64_t size;
} texts;

struct builder {
    uint64_t low, at; /* the stack's start; next free byte goes below at */
    bool full;
};

static uint64_t room(struct builder *b, uint64_t size) {
    if (size > b->at - b->low) {
        b->full = true;
        return b->at;
    }
    return b->at -= size;
}

static uint64_t push_text(struct builder *b, struct cella_bytes text) {
    uint64_t at = room(b, text.size + 1);
    if (b->full) return 0;
    cella_copy((void *)at, text.data, text.size);
    ((uint8_t *)at)[text.size] = 0;
    return at;
}

struct words {
    uint64_t *word;
    size_t count;
};
static void push_word(struct words *w, uint64_t v) { w->word[w->count++] = v; }
static void push_aux(struct words *w, uint64_t type, uint64_t v) {
    push_word(w, type);
    push_word(w, v);
}

static void push_auxv(struct words *w, const struct cella_config_program *program, uint64_t random,
                      uint64_t name, uint64_t platform) {
    push_aux(w, AT_PHDR, shim.base + program->phdr);
    push_aux(w, AT_PHENT, PHDR_SIZE);
    push_aux(w, AT_PHNUM, program->phdr_count);
    push_aux(w, AT_PAGESZ, SHIM_PAGE);
    push_aux(w, AT_BASE, 0);
    push_aux(w, AT_FLAGS, 0);
    push_aux(w, AT_ENTRY, shim.base + program->entry);
    push_aux(w, AT_UID, SHIM_UID);
    push_aux(w, AT_EUID, SHIM_UID);
    push_aux(w, AT_GID, SHIM_UID);
    push_aux(w, AT_EGID, SHIM_UID);
    push_aux(w, AT_SECURE, 0);
    push_aux(w, AT_CLKTCK, CLOCK_TICKS);
    push_aux(w, AT_HWCAP, shim.hwcap);
    push_aux(w, AT_HWCAP2, shim.hwcap2);
    push_aux(w, AT_MINSIGSTKSZ, shim.minsigstksz);
    push_aux(w, AT_RANDOM, random);
    push_aux(w, AT_PLATFORM, platform);
    push_aux(w, AT_EXECFN, name);
    push_aux(w, AT_NULL, 0);
}

/* Bytes that argv, envv and the rest need, to refuse an exec before the old program is gone. */
static uint64_t stack_need(struct cella_bytes name) {
    uint64_t need =
        256 + name.size + (uint64_t)(shim.argc + shim.envc + 4 + 2 * AUXV_MAX) * POINTER;
    for (uint32_t i = 0; i < shim.argc; i++) need += shim.argv[i].size + 1;
    for (uint32_t i = 0; i < shim.envc; i++) need += shim.envv[i].size + 1;
    return need;
}

/* Lays out the stack; the address of argc. */
static uint64_t build_stack(const struct cella_config_program *program,
                            struct cella_bytes exec_name) {
    uint64_t low = shim.base + shim.config.stack.offset;
    struct builder b = {low, low + shim.config.stack.pages * SHIM_PAGE, false};
    room(&b, POINTER); /* the kernel leaves a zero word at the end, too */
    uint64_t name = push_text(&b, exec_name);
    uint64_t platform = push_text(&b, cella_bytes_text("x86_64"));
    uint64_t arguments = b.at, environment;
    for (uint32_t i = shim.envc; i-- > 0;) push_text(&b, shim.envv[i]);
    environment = b.at;
    for (uint32_t i = shim.argc; i-- > 0;) push_text(&b, shim.argv[i]);
    arguments = b.at;
    uint64_t random = room(&b, 16) & ~(uint64_t)15;
    b.at = random;
    if (!shim_random((void *)random, 16)) shim_abort("no randomness for the program");
    uint64_t count = 1 + shim.argc + 1 + shim.envc + 1 + 2 * AUXV_MAX;
    struct words w = {(uint64_t *)((b.at - count * POINTER) & ~(uint64_t)15), 0};
    push_word(&w, shim.argc);
    for (uint32_t i = 0; i < shim.argc; i++) {
        push_word(&w, arguments);
        arguments += shim.argv[i].size + 1;
    }
    push_word(&w, 0);
    for (uint32_t i = 0; i < shim.envc; i++) {
        push_word(&w, environment);
        environment += shim.envv[i].size + 1;
    }
    push_word(&w, 0);
    push_auxv(&w, program, random, name, platform);
    return (uint64_t)w.word;
}

long shim_load(struct shim_thread *thread, uint32_t index, struct cella_bytes exec_name) {
    const struct cella_config_program *program = &shim.config.program[index];
    if (stack_need(exec_name) > shim.config.stack.pages * SHIM_PAGE / 2) return -E2BIG;
    shim_vm_reset(index);
    uint64_t stack = build_stack(program, exec_name);
    gate_context_init(thread, shim.base + program->entry, stack);
    return 0;
}

long shim_load_fetched(struct shim_thread *thread, int status) {
    if (status != 0) shim_exit(status); /* it has said why */
    if (thread->slot != 0) shim_abort("the program that fetches keys ended in another thread");
    shim_thread_end_others(thread);
    shim_fetch_over();
    shim_signal_exec(thread);
    shim_vm_wipe(shim_program_count()); /* keys passed through its data (R51) */
    if (shim_load(thread, 0, shim.config.program[0].path) < 0)
        shim_abort("arguments and environment do not fit the program's stack");
    return 0;
}

/* ---- exec ---- */
static long copy_list(uint64_t list, struct cella_bytes *out, uint32_t max, uint32_t *count) {
    *count = 0;
    for (uint64_t at = list; at; at += POINTER) {
        if (!shim_readable((const void *)at, POINTER)) return -EFAULT;
        uint64_t text = *(const volatile uint64_t *)at;
        if (!text) break;
        if (*count == max) return -E2BIG;
        long n = shim_copy_text((char *)texts.text + texts.size, (const char *)text,
                                TEXTS_MAX - texts.size);
        if (n < 0) return n == -ENAMETOOLONG ? -E2BIG : n;
        out[(*count)++] = cella_bytes(texts.text + texts.size, (size_t)n);
        texts.size += (uint64_t)n + 1;
    }
    return 0;
}

bool shim_load_init(void) {
    /* Only images with more than one program can exec; the others keep the memory. */
    if (shim_program_count() < 2) return true;
    texts.text = shim_arena(TEXTS_MAX);
    return texts.text != NULL;
}

static long find_program(struct cella_bytes path, uint32_t *index) {
    for (uint32_t i = 0; i < shim_program_count(); i++) {
        struct cella_bytes p = shim.config.program[i].path;
        if (p.size != path.size || !cella_equal(p.data, path.data, p.size)) continue;
        *index = i;
        return 0;
    }
    return -ENOENT;
}

/* What the exec that runs has found; shim.argv and shim.envv are replaced only once all is known to
 * be right. */
static struct {
    uint32_t running; /* no lock: a second exec that waited could not be ended by the first */
    uint32_t index, argc, envc;
    struct cella_bytes argv[CELLA_CONFIG_ARG_MAX + 64], envv[CELLA_CONFIG_ENV_MAX];
    struct shim_thread *caller;
} next;

static void replace(struct shim_thread *thread) {
    shim_thread_end_others(thread);
    shim.argc = next.argc;
    shim.envc = next.envc;
    cella_copy(shim.argv, next.argv, sizeof next.argv);
    cella_copy(shim.envv, next.envv, sizeof next.envv);
    shim_files_exec();
    shim_signal_exec(thread);
    if (shim_load(thread, next.index, shim.config.program[next.index].path) < 0)
        shim_abort("exec: the arguments do not fit the stack");
}

/* Linux gives a thread that calls exec the process's id. Here ids stay the kernel's, which futexes
 * with inherited priority name: so the thread that has it goes on instead. */
static __attribute__((noreturn)) void hand_over(struct shim_thread *thread) {
    struct shim_thread *first = shim_thread_slot(0);
    next.caller = thread;
    first->die = SHIM_ORDER_EXEC;
    while (first->die == SHIM_ORDER_EXEC) {
        first->attention = 1;
        gate_thread_wake(first);
        shim_syscall(__NR_sched_yield, 0, 0, 0, 0, 0, 0);
    }
    thread->busy = SHIM_BUSY_LEAVING;
    gate_thread_exit(0);
}

void shim_exec_take(struct shim_thread *first) {
    first->mask = next.caller->mask;
    first->pending = next.caller->pending;
    cella_copy(first->name, next.caller->name, sizeof first->name);
    first->restart_number = -1;
    first->wait_end = 0;
    first->busy = SHIM_BUSY_USED;
    first->die = SHIM_ORDER_NONE;
    replace(first);
    __atomic_store_n(&next.running, 0, __ATOMIC_SEQ_CST);
}

static long exec(struct shim_thread *thread, const long a[6]) {
    static char path[CELLA_CONFIG_PATH_MAX];
    long n = shim_copy_text(path, (const char *)a[0], sizeof path);
    if (n < 0) return n;
    long result = find_program(cella_bytes(path, (size_t)n), &next.index);
    if (result == -ENOENT) shim_say("execve %s: not a program of this image (ENOENT)", path);
    if (result < 0) return result;
    if (!texts.text) return -ENOSYS;
    texts.size = 0;
    result = copy_list((uint64_t)a[1], next.argv, CELLA_CONFIG_ARG_MAX + 64, &next.argc);
    if (result == 0)
        result = copy_list((uint64_t)a[2], next.envv, CELLA_CONFIG_ENV_MAX, &next.envc);
    if (result < 0) return result;
    uint64_t need = texts.size + 4096;
    if (need > shim.config.stack.pages * SHIM_PAGE / 2) return -E2BIG;

    if (thread->slot != 0) hand_over(thread);
    replace(thread);
    return 0;
}

long shim_sys_execve(const long a[6]) {
    struct shim_thread *thread = shim_thread_current();
    if (thread->die || __atomic_exchange_n(&next.running, 1, __ATOMIC_SEQ_CST)) return -EAGAIN;
    long result = exec(thread, a);
    __atomic_store_n(&next.running, 0, __ATOMIC_SEQ_CST);
    return result;
}
