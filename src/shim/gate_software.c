/* The software backend's gate, C half: kernel signal frames as gate_context, and which of them to
 * believe (R12). */
#include "shim/core.h"

/* Linux's rt_sigframe on x86-64 (arch/x86/include/asm/sigframe.h). */
struct frame {
    uint64_t return_address;
    uint64_t flags, link;
    struct {
        uint64_t base;
        uint32_t flags, pad;
        uint64_t size;
    } stack;
    struct gate_context context;
    uint64_t mask;
    siginfo_t info;
};
_Static_assert(sizeof(struct gate_context) == 256, "struct sigcontext is 256 bytes");
_Static_assert(__builtin_offsetof(struct frame, info) == 312, "layout of rt_sigframe");
_Static_assert(sizeof(siginfo_t) == 128, "siginfo is 128 bytes");
_Static_assert(__builtin_offsetof(struct shim_thread, attention) == 4,
               "gate_software.S reads it there");
_Static_assert(CELLA_SLOT_STRIDE == 0x10000 && CELLA_SLOT_THREAD == 0x4000,
               "gate_software.S masks with them");

enum {
    FRAME_FLAGS = 2 | 4, /* UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS */
    USER_CS = 0x33,
    USER_SS = 0x2b,
    SW_BYTES = 464, /* struct _fpx_sw_bytes in the legacy area */
    SW_MAGIC = 0x46505853,
    XSAVE_HEADER = 512,
    XSAVE_HEADER_SIZE = 64,
    FIRST_FRAME = 1024, /* as in gate_software.S */
    /* Sent between threads of the enclave. Below 32: those are merged, never refused, while a
     * real-time one is lost (EAGAIN) where the host's queue is full. No manifest can name it. */
    WAKE_SIGNAL = SIGSTKFLT,
    TRAP_INSTRUCTION_SIZE = 2,
};

extern const char __text_start[], __text_end[];
extern const char gate_wait_check[], gate_wait_end[], gate_wait_interrupted[];
extern const char gate_exit_check[], gate_exit_end[];
void gate_handler(int signal, siginfo_t *info, void *context);
__attribute__((noreturn)) void gate_exit(struct frame *frame);
long gate_clone(unsigned long flags, uint64_t stack, void *child_tid);
/* Called from gate_software.S. */
void gate_signal(int signal, siginfo_t *info, void *context, struct frame *frame);
__attribute__((noreturn)) void gate_exit_attend(void);
__attribute__((noreturn)) void gate_child(void);

static bool within(uint64_t p, const char *from, const char *to) {
    return p >= (uint64_t)from && p < (uint64_t)to;
}

/* ---- FS base: BearSSL reads its stack canary at %fs:0x28, and the program owns FS ---- */
static bool has_fsgsbase(void) { return (shim.hwcap2 & 2) != 0; }

static uint64_t fs_read(void) {
    uint64_t v = 0;
    if (has_fsgsbase())
        __asm__ volatile("rdfsbase %0" : "=r"(v));
    else
        shim_syscall(__NR_arch_prctl, ARCH_GET_FS, (long)&v, 0, 0, 0, 0);
    return v;
}

static void fs_write(uint64_t v) {
    if (has_fsgsbase())
        __asm__ volatile("wrfsbase %0" : : "r"(v) : "memory");
    else
        shim_syscall(__NR_arch_prctl, ARCH_SET_FS, (long)v, 0, 0, 0, 0);
}

void gate_fs_shim(struct shim_thread *thread) {
    thread->fs_base = fs_read();
    fs_write((uint64_t)thread->fs_block);
}

void gate_fs_program(struct shim_thread *thread) { fs_write(thread->fs_base); }

/* ---- which events are real (R12) ---- */
static bool is_trap(const struct gate_context *c, const siginfo_t *info) {
    if (info->si_code != 1 /* SYS_SECCOMP */ || (int)info->si_arch != SHIM_AUDIT_ARCH) return false;
    if ((uint64_t)info->si_call_addr != c->rip ||
        (uint64_t)(uint32_t)info->si_syscall != (uint32_t)c->rax)
        return false;
    if (!shim_vm_executable(c->rip - TRAP_INSTRUCTION_SIZE, TRAP_INSTRUCTION_SIZE)) return false;
    const uint8_t *code = (const uint8_t *)(c->rip - TRAP_INSTRUCTION_SIZE);
    return code[0] == 0x0f && code[1] == 0x05;
}

/* The processor's trap number must be one that the kernel turns into this signal. */
static bool is_fault(int signal, const struct gate_context *c, const siginfo_t *info) {
    if (info->si_code <= 0) return false;
    switch (signal) {
    case SIGSEGV: return c->trap == 14 || c->trap == 13 || c->trap == 4 || c->trap == 5;
    case SIGBUS: return c->trap == 14 || c->trap == 17 || c->trap == 12 || c->trap == 11;
    case SIGFPE: return c->trap == 0 || c->trap == 16 || c->trap == 19;
    case SIGILL: return c->trap == 6;
    case SIGTRAP: return c->trap == 1 || c->trap == 3;
    default: return false;
    }
}

static bool is_fault_signal(int signal) {
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL ||
           signal == SIGTRAP;
}

/* Fills *event; kind 0 means: nothing to believe, go on as if it had not come. */
static void classify(int signal, const siginfo_t *info, const struct gate_context *c,
                     struct gate_event *event) {
    *event = (struct gate_event){.signal = (uint32_t)signal, .code = info->si_code};
    if (signal == WAKE_SIGNAL) {
        event->kind =
            GATE_EVENT_WAKE; /* whoever sent it: looking costs nothing and believes nothing */
    } else if (signal == SIGSYS) {
        if (is_trap(c, info)) event->kind = GATE_EVENT_SYSCALL;
    } else if (is_fault_signal(signal)) {
        if (!is_fault(signal, c, info)) return;
        event->kind = GATE_EVENT_FAULT;
        event->address = c->trap == 14 ? c->cr2 : c->trap == 13 ? 0 : c->rip;
    } else if (info->si_code == SI_KERNEL &&
               (signal == SIGALRM || signal == SIGVTALRM || signal == SIGPROF)) {
        event->kind = GATE_EVENT_TIMER;
    } else {
        event->kind = GATE_EVENT_HOST_SIGNAL;
    }
}

/* An event that hit the shim: faults are bugs, the rest is noted, and the two windows of
 * gate_software.S are moved. */
static void hit_shim(struct shim_thread *thread, struct gate_context *c,
                     const struct gate_event *event) {
    if (event->kind == GATE_EVENT_FAULT)
        shim_abort("fault %u inside the shim at offset 0x%x, address 0x%x", c->trap,
                   c->rip - (uint64_t)__text_start, event->address);
    if (event->kind != 0) shim_interrupted(thread, event);
    if (within(c->rip, gate_exit_check, gate_exit_end)) c->rip = (uint64_t)gate_exit_check;
    if (within(c->rip, gate_wait_check, gate_wait_end) && thread->attention)
        c->rip = (uint64_t)gate_wait_interrupted;
}

void gate_signal(int signal, siginfo_t *info, void *context, struct frame *frame) {
    struct shim_thread *thread = shim_thread_current();
    struct gate_event event;
    (void)context;
    struct gate_context *c = &frame->context;
    classify(signal, info, c, &event);
    if (within(c->rip, __text_start, __text_end)) {
        hit_shim(thread, c, &event);
        return;
    }
    /* R08: out of the shim's text the program must have been running. */
    if (thread->state != SHIM_STATE_PROGRAM)
        shim_abort("signal %u outside the shim in shim state", (uint64_t)event.signal);
    if (event.kind == 0) {
        /* Only the kernel can send a positive code: a call or fault in a form that this shim does
         * not know. */
        if (info->si_code > 0)
            shim_abort("signal %u, code %u, at 0x%x: a system call or fault of unknown form",
                       (uint64_t)event.signal, (uint64_t)event.code, c->rip);
        return;
    }
    thread->state = SHIM_STATE_SHIM;
    thread->context = c;
    thread->frame = (uint64_t)frame;
    gate_fs_shim(thread);
    shim_enter(thread, &event);
    gate_resume(thread);
}

void gate_resume(struct shim_thread *thread) {
    while (thread->attention) shim_attend(thread);
    gate_fs_program(thread);
    thread->state = SHIM_STATE_PROGRAM;
    gate_exit((struct frame *)thread->frame);
}

void gate_exit_attend(void) {
    struct shim_thread *thread = shim_thread_current();
    thread->state = SHIM_STATE_SHIM;
    gate_fs_shim(thread);
    gate_resume(thread);
}

/* ---- threads ---- */
static uint64_t stack_base(const struct shim_thread *thread) {
    return ((uint64_t)thread & ~(uint64_t)(CELLA_SLOT_STRIDE - 1)) + CELLA_SLOT_STACK;
}

static void fill_frame(struct shim_thread *thread, struct frame *frame) {
    frame->flags = FRAME_FLAGS;
    frame->link = 0;
    frame->stack.base = stack_base(thread);
    frame->stack.flags = 0;
    frame->stack.size = CELLA_SLOT_STACK_END - CELLA_SLOT_STACK;
    frame->mask = 0;
    frame->context.cs = USER_CS;
    frame->context.ss = USER_SS;
    thread->frame = (uint64_t)frame;
    thread->context = &frame->context;
}

void gate_thread_init(struct shim_thread *thread) {
    struct {
        uint64_t base;
        int32_t flags, pad;
        uint64_t size;
    } stack = {stack_base(thread), 0, 0, CELLA_SLOT_STACK_END - CELLA_SLOT_STACK};
    thread->fs_block[0] = (uint64_t)thread->fs_block;
    fs_write((uint64_t)thread->fs_block);
    if (shim_syscall(__NR_sigaltstack, (long)&stack, 0, 0, 0, 0, 0) != 0)
        shim_broken_contract("sigaltstack");
}

void gate_context_init(struct shim_thread *thread, uint64_t rip, uint64_t rsp) {
    struct frame *frame = (struct frame *)thread->frame;
    if (!frame) { /* the first time: the room that gate_start left at the end of the stack */
        uint64_t end = stack_base(thread) - CELLA_SLOT_STACK + CELLA_SLOT_STACK_END;
        frame = (struct frame *)(end - FIRST_FRAME + 8);
        cella_zero(frame, sizeof *frame);
        fill_frame(thread, frame);
    }
    frame->context = (struct gate_context){
        .rip = rip, .rsp = rsp, .eflags = 0x202, .cs = USER_CS, .ss = USER_SS};
    thread->fs_base = 0;
}

long gate_thread_create(struct shim_thread *child, const struct gate_context *context) {
    uint64_t size = gate_extended_size(context);
    uint64_t end = stack_base(child) - CELLA_SLOT_STACK + CELLA_SLOT_STACK_END;
    uint64_t extended = (end - size) & ~(uint64_t)63;
    struct frame *frame = (struct frame *)(((extended - sizeof *frame) & ~(uint64_t)15) - 8);
    cella_zero(frame, sizeof *frame);
    frame->context = *context;
    fill_frame(child, frame);
    frame->flags |= 1; /* UC_FP_XSTATE */
    frame->context.extended = size ? (void *)extended : NULL;
    gate_extended_save(context, (void *)extended);
    enum {
        FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                CLONE_CHILD_CLEARTID
    };
    return gate_clone(FLAGS, ((uint64_t)frame - 64) & ~(uint64_t)15, (void *)&child->host_tid);
}

void gate_child(void) {
    struct shim_thread *thread = shim_thread_current();
    uint64_t program_fs = thread->fs_base;
    gate_thread_init(thread);
    thread->fs_base = program_fs;
    shim_thread_started(thread);
    gate_resume(thread);
}

void gate_thread_exit(int status) {
    for (;;) shim_syscall(__NR_exit, status, 0, 0, 0, 0, 0);
}

void gate_thread_wake(struct shim_thread *thread) {
    uint32_t tid = thread->host_tid;
    if (tid) shim_syscall(__NR_tgkill, shim_pid(), tid, WAKE_SIGNAL, 0, 0, 0);
}

/* ---- vector state ---- */
static uint32_t load_u32(const uint8_t *p) {
    uint32_t v;
    cella_copy(&v, p, 4);
    return v;
}

uint64_t gate_extended_size(const struct gate_context *context) {
    const uint8_t *area = context->extended;
    if (!area) return 0;
    if (load_u32(area + SW_BYTES) != SW_MAGIC) return XSAVE_HEADER;
    uint32_t size = load_u32(area + SW_BYTES + 4);
    if (size < XSAVE_HEADER + XSAVE_HEADER_SIZE || size > 16384)
        shim_broken_contract("size of the signal frame");
    return size;
}

void gate_extended_save(const struct gate_context *context, void *to) {
    uint64_t size = gate_extended_size(context);
    if (size) cella_copy(to, context->extended, size);
}

/* The program may write what it likes into its frame; the kernel's restore must not fault on it. */
bool gate_extended_load(struct gate_context *context, const void *from, uint64_t size) {
    uint8_t *area = context->extended;
    if (!area || gate_extended_size(context) != size) return false;
    uint32_t mask = load_u32(area + 28), mxcsr;
    uint64_t features = *(const uint64_t *)(area + SW_BYTES + 8), present;
    cella_copy(area, from, SW_BYTES); /* the kernel's own words after it stay */
    mxcsr = load_u32(area + 24) & (mask ? mask : 0xffbf);
    cella_copy(area + 24, &mxcsr, 4);
    cella_copy(area + 28, &mask, 4);
    if (size <= XSAVE_HEADER) return true;
    cella_copy(&present, (const uint8_t *)from + XSAVE_HEADER, 8);
    present &= features;
    cella_zero(area + XSAVE_HEADER, XSAVE_HEADER_SIZE);
    cella_copy(area + XSAVE_HEADER, &present, 8);
    uint64_t body = XSAVE_HEADER + XSAVE_HEADER_SIZE;
    cella_copy(area + body, (const uint8_t *)from + body,
               size - body - 4); /* 4: the kernel's end mark */
    return true;
}

/* ---- handlers ---- */
static void set_handler(uint32_t signal, void *handler, uint64_t mask) {
    struct {
        void *handler;
        uint64_t flags;
        void *restorer;
        uint64_t mask;
    } action = {handler, SA_SIGINFO | SA_ONSTACK | SA_RESTART | 0x04000000 /* SA_RESTORER */, NULL,
                mask};
    if (shim_syscall(__NR_rt_sigaction, signal, (long)&action, 0, 8, 0, 0) != 0)
        shim_broken_contract("rt_sigaction");
}

/* Signals not listed are ignored in the kernel already. Handlers of asynchronous signals block all
 * others: the shim's stack then never holds more than a trap, what it interrupted, and one of them.
 */
void gate_init(void) {
    const uint64_t bit = 1;
    uint64_t timers = bit << (SIGALRM - 1) | bit << (SIGVTALRM - 1) | bit << (SIGPROF - 1);
    uint64_t faults = bit << (SIGSEGV - 1) | bit << (SIGBUS - 1) | bit << (SIGFPE - 1) |
                      bit << (SIGILL - 1) | bit << (SIGTRAP - 1);
    uint64_t async = timers | shim.config.host_signals | bit << (WAKE_SIGNAL - 1);
    uint64_t none = 0;
    for (uint32_t s = 1; s <= SHIM_SIGNAL_COUNT; s++) {
        if (s == SIGKILL || s == SIGSTOP) continue;
        uint64_t me = bit << (s - 1);
        if (s == SIGSYS || (me & faults))
            set_handler(s, (void *)gate_handler, 0);
        else
            set_handler(s, (me & async) ? (void *)gate_handler : (void *)1 /* SIG_IGN */, ~faults);
    }
    shim_syscall(__NR_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, 8, 0, 0);
}
