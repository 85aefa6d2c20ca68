/* The door: which host system calls may leave, and only from the gate's own instructions.
 * Everything else that the program (or an attacker in it) tries comes back as a trap; foreign call
 * tables kill. */
#include "shim/core.h"

#include <asm/ioctls.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

/* No PROT_EXEC ever (R49); no new descriptors but those that arrive on the two channels. */
enum rule { ALLOW, NO_EXEC, CHANNEL, ENCLAVE_CLONE, OWN_PROCESS, TERMINAL, FUTEX };

static const struct {
    uint16_t number;
    uint8_t rule;
} allowed[] = {
    /* by frequency */
    {__NR_rt_sigreturn, ALLOW},   {__NR_futex, FUTEX},           {__NR_read, ALLOW},
    {__NR_write, ALLOW},          {__NR_clock_gettime, ALLOW},   {__NR_pread64, ALLOW},
    {__NR_pwrite64, ALLOW},       {__NR_mprotect, NO_EXEC},      {__NR_recvmsg, CHANNEL},
    {__NR_sendto, CHANNEL},       {__NR_ppoll, ALLOW},           {__NR_close, ALLOW},
    {__NR_fstat, ALLOW},          {__NR_lseek, ALLOW},           {__NR_ftruncate, ALLOW},
    {__NR_fsync, ALLOW},          {__NR_fdatasync, ALLOW},       {__NR_ioctl, TERMINAL},
    {__NR_sched_yield, ALLOW},    {__NR_clock_nanosleep, ALLOW}, {__NR_tgkill, OWN_PROCESS},
    {__NR_getrandom, ALLOW},      {__NR_clone, ENCLAVE_CLONE},   {__NR_exit, ALLOW},
    {__NR_exit_group, ALLOW},     {__NR_sigaltstack, ALLOW},     {__NR_madvise, ALLOW},
    {__NR_arch_prctl, ALLOW},     {__NR_setitimer, ALLOW},       {__NR_rt_sigaction, ALLOW},
    {__NR_rt_sigprocmask, ALLOW}, {__NR_restart_syscall, ALLOW},
};

enum { PROGRAM_MAX = 256 };
struct program {
    struct sock_filter code[PROGRAM_MAX];
    uint16_t size;
};

extern const char __gate_start[], __gate_end[];

static void emit(struct program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no) {
    if (p->size == PROGRAM_MAX) shim_abort("seccomp filter too long");
    p->code[p->size++] = (struct sock_filter){code, yes, no, k};
}

#define AT(field) ((uint32_t) __builtin_offsetof(struct seccomp_data, field))
static void load(struct program *p, uint32_t at) { emit(p, BPF_LD | BPF_W | BPF_ABS, at, 0, 0); }
static void answer(struct program *p, uint32_t action) { emit(p, BPF_RET | BPF_K, action, 0, 0); }

/* The argument's low half; no value tested here uses the high one, which the kernel ignores in
 * these arguments. */
static void load_argument(struct program *p, unsigned i) { load(p, AT(args) + 8 * i); }

static void guard(struct program *p) {
    load(p, AT(arch));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)SHIM_AUDIT_ARCH, 1, 0);
    answer(p, SECCOMP_RET_KILL_PROCESS);
    /* The instruction pointer stands after the instruction: in (start, end]. The gate lies within
     * one 4 GiB. */
    uint64_t from = (uint64_t)__gate_start, to = (uint64_t)__gate_end;
    if (from >> 32 != to >> 32) shim_abort("the gate straddles 4 GiB");
    load(p, AT(instruction_pointer) + 4);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(from >> 32), 0, 3);
    load(p, AT(instruction_pointer));
    emit(p, BPF_JMP | BPF_JGT | BPF_K, (uint32_t)from, 0, 1);
    emit(p, BPF_JMP | BPF_JGT | BPF_K, (uint32_t)to, 0, 1);
    answer(p, SECCOMP_RET_TRAP);
}

/* Private ones anywhere; shared ones only to wait and wake on words of the call ring, which lies
 * within one 4 GiB (calls.c). Without a ring there are none. */
static void futex_rule(struct program *p, uint32_t number) {
    bool ring = shim.calls != 0;
    uint64_t last = shim.calls + shim.calls_size - 4;
    if (ring && shim.calls >> 32 != last >> 32) shim_abort("the call ring straddles 4 GiB");
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, number, 0, ring ? 12 : 4);
    load_argument(p, 1);
    emit(p, BPF_JMP | BPF_JSET | BPF_K, FUTEX_PRIVATE_FLAG, ring ? 9 : 1, 0);
    if (ring) {
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAIT, 2, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAIT_BITSET, 1, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAKE, 0, 5);
        load(p, AT(args) + 4);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(last >> 32), 0, 3);
        load_argument(p, 0);
        emit(p, BPF_JMP | BPF_JGE | BPF_K, (uint32_t)shim.calls, 0, 1);
        emit(p, BPF_JMP | BPF_JGT | BPF_K, (uint32_t)last, 0, 1);
    }
    answer(p, SECCOMP_RET_KILL_PROCESS);
}

static void rule(struct program *p, uint32_t number, enum rule r) {
    switch (r) {
    case ALLOW: emit(p, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1); break;
    case FUTEX: futex_rule(p, number); break;
    case NO_EXEC:
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4);
        load_argument(p, 2);
        emit(p, BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1);
        answer(p, SECCOMP_RET_KILL_PROCESS);
        break;
    case CHANNEL:
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 5);
        load_argument(p, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, CELLA_FD_HOST, 2, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, CELLA_FD_PLATFORM, 1, 0);
        answer(p, SECCOMP_RET_KILL_PROCESS);
        break;
    case TERMINAL: /* what isatty asks; never TIOCSTI or the like */
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 5);
        load_argument(p, 1);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, TCGETS, 2, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, TIOCGWINSZ, 1, 0);
        answer(p, SECCOMP_RET_KILL_PROCESS);
        break;
    case OWN_PROCESS: /* signals to itself only */
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4);
        load_argument(p, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, shim_pid(), 1, 0);
        answer(p, SECCOMP_RET_KILL_PROCESS);
        break;
    case ENCLAVE_CLONE: /* a thread, never a process with a copy of the secrets */
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 5);
        load_argument(p, 0);
        emit(p, BPF_ALU | BPF_AND | BPF_K, CLONE_VM | CLONE_THREAD, 0, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, CLONE_VM | CLONE_THREAD, 1, 0);
        answer(p, SECCOMP_RET_KILL_PROCESS);
        break;
    }
    answer(p, SECCOMP_RET_ALLOW);
}

void shim_seccomp_close(void) {
    struct program p = {.size = 0};
    guard(&p);
    load(&p, AT(nr)); /* x32 numbers have bit 30 and match nothing */
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        rule(&p, allowed[i].number, (enum rule)allowed[i].rule);
    answer(&p,
           SECCOMP_RET_KILL_PROCESS); /* from the gate, yet not on the list: the shim was turned */
    struct sock_fprog filter = {p.size, p.code};
    if (shim_syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&filter, 0, 0, 0) != 0)
        shim_abort("cannot install the seccomp filter: the loader must have set no_new_privs");
}
