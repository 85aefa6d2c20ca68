/* The gate: all that differs between backends inside the shim. One assembly file and one C file per
 * backend (gate_software.*; spec of the second: the sgx backend).
 *
 * What the gate promises to the rest:
 *   - The program's registers at a trap, fault or signal stand in one normal record, struct
 * gate_context, whatever made it: the kernel's signal frame here, SGX's save area there.
 *   - shim_enter() runs on the thread's own shim stack, with DF, AC, MXCSR and the x87 words clean
 * (R01, R02, R03), the shim's own FS base, and the thread's state word SHIM (R08); only ever for an
 * event of the program's own instructions. An event that hits the shim itself comes to
 * shim_interrupted(), which may touch atomics only.
 *   - gate_resume() checks the thread's attention word and enters the program as one restartable
 * step: an event between check and entry makes it check again, so none is slept over (R47).
 */
#ifndef CELLA_SHIM_GATE_H
#define CELLA_SHIM_GATE_H

#include <stdbool.h>
#include <stdint.h>

/* Registers of the program, in the order of Linux's struct sigcontext, which the software backend
 * gives in place. */
struct gate_context {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
    uint16_t cs, gs, fs, ss;
    uint64_t error, trap, old_mask, cr2;
    void *extended; /* XSAVE area in its signal-frame form; NULL: initial state */
    uint64_t reserved[8];
};

/* What happened, from sources the backend believes (R12): never only what the host claims. */
enum gate_event_kind {
    GATE_EVENT_SYSCALL = 1, /* context.rip is after the instruction; rax holds the number */
    GATE_EVENT_FAULT,       /* a synchronous fault of the program's instruction */
    GATE_EVENT_HOST_SIGNAL, /* the host asks for a signal; the manifest decides */
    GATE_EVENT_TIMER,       /* a timer that the program armed */
    GATE_EVENT_WAKE,        /* another thread of the enclave set this one's attention word */
};
struct gate_event {
    uint32_t kind;
    uint32_t signal;  /* Linux number */
    int32_t code;     /* siginfo code, for faults */
    uint64_t address; /* for faults */
};

struct shim_thread;

/* Prepares the calling thread for events: alternate stack, FS base. Once per thread. */
void gate_thread_init(struct shim_thread *thread);
/* Once per enclave, before the program: handlers, then the door (seccomp.c). */
void gate_init(void);
/* Enters the program with the thread's context. */
__attribute__((noreturn)) void gate_resume(struct shim_thread *thread);
/* Makes a thread that starts in the program with *context on its slot. Its host thread id or
 * -errno. */
long gate_thread_create(struct shim_thread *child, const struct gate_context *context);
/* Ends the calling host thread; the host kernel clears thread->host_tid once it is gone. */
__attribute__((noreturn)) void gate_thread_exit(int status);
/* Makes another thread of the enclave look at its attention word, out of a waiting host call too.
 */
void gate_thread_wake(struct shim_thread *thread);
/* Takes the program's FS base and puts the shim's own, and back. */
void gate_fs_shim(struct shim_thread *thread);
void gate_fs_program(struct shim_thread *thread);
/* Bytes of context.extended in its signal-frame form, and copying it out of and into the context of
 * the thread (checked, so that no restore can fault). */
uint64_t gate_extended_size(const struct gate_context *context);
void gate_extended_save(const struct gate_context *context, void *to);
bool gate_extended_load(struct gate_context *context, const void *from, uint64_t size);
/* An empty context for a fresh program: everything zero, initial vector state. */
void gate_context_init(struct shim_thread *thread, uint64_t rip, uint64_t rsp);

/* A host call that may wait: -EINTR instead of waiting on when the attention word is set
 * (restartable, R47). */
long shim_syscall_wait(long number, long a, long b, long c, long d, long e, long f);

/* ---- what the gate calls ---- */
void shim_enter(struct shim_thread *thread, const struct gate_event *event);
/* The attention word was set: deliver signals or end. State SHIM. */
void shim_attend(struct shim_thread *thread);
/* An event while in the shim. */
void shim_interrupted(struct shim_thread *thread, const struct gate_event *event);

#endif
