/* Interfaces that stop the target or run in its own context. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attack.h"

/* Seizes and stops the target; 0 or the error of the kernel. */
static int stop(pid_t pid) {
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0) return errno;
    if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) != 0) return errno;
    int status;
    return waitpid(pid, &status, __WALL) == pid ? 0 : errno;
}

static void release(pid_t pid) { ptrace(PTRACE_DETACH, pid, 0, 0); }

struct finding attack_ptrace(const struct target *t) {
    int error = stop(t->pid);
    if (error) return found(BLOCKED, "attach: %s", strerror(error));
    struct user_regs_struct registers;
    uint8_t state[16384];
    struct iovec regs = {&registers, sizeof(registers)}, xstate = {state, sizeof(state)};
    bool got = ptrace(PTRACE_GETREGSET, t->pid, (void *)NT_PRSTATUS, &regs) == 0;
    bool vectors = ptrace(PTRACE_GETREGSET, t->pid, (void *)NT_X86_XSTATE, &xstate) == 0;
    release(t->pid);
    if (!got) return found(BLOCKED, "attached, registers refused");
    if (has_canary(t, &registers, sizeof(registers)) ||
        (vectors && has_canary(t, state, xstate.iov_len)))
        return found(READS, "registers hold the canary");
    return found(READS, "registers came out, and with them control of the program (rip %#llx)",
                 registers.rip);
}

struct finding attack_ptrace_poke(const struct target *t) {
    int error = stop(t->pid);
    if (error) return found(BLOCKED, "attach: %s", strerror(error));
    int peeked = 0, poked = 0;
    bool leaked = false;
    for (size_t i = 0; i < t->range_count; i++) {
        uint64_t at = t->range[i].writable && t->canary_address >= t->range[i].start &&
                              t->canary_address < t->range[i].end
                          ? t->canary_address & ~7ULL
                          : t->range[i].start;
        errno = 0;
        long word = ptrace(PTRACE_PEEKDATA, t->pid, (void *)at, 0);
        if (errno == 0) {
            peeked += t->range[i].writable;
            leaked |= t->range[i].writable &&
                      memmem(t->canary, t->canary_size, &word, sizeof(word)) != NULL;
        }
        if (errno == 0 && ptrace(PTRACE_POKEDATA, t->pid, (void *)at, (void *)word) == 0) poked++;
    }
    release(t->pid);
    if (poked) return found(WRITES, "%d ranges take POKE", poked);
    if (leaked || peeked) return found(READS, "%d writable ranges give PEEK", peeked);
    return found(BLOCKED, "attached, but PEEK of data and POKE of text: %s", strerror(EIO));
}

/* Samples the user stack and registers at each context switch and searches the ring for the canary.
 */
struct finding attack_perf(const struct target *t) {
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
                                   .size = sizeof(attr),
                                   .config = PERF_COUNT_SW_CONTEXT_SWITCHES,
                                   .sample_period = 1,
                                   .sample_type = PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
                                   .sample_regs_user = 0xff0fff,
                                   .sample_stack_user = 32768,
                                   .wakeup_events = 1};
    int fd = (int)syscall(SYS_perf_event_open, &attr, t->pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) return found(errno == ENOSYS ? NOT_OFFERED : BLOCKED, "%s", strerror(errno));
    enum { PAGES = 256 };
    size_t size = (1 + PAGES) * 4096UL;
    uint8_t *ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ring == MAP_FAILED) {
        close(fd);
        return found(BLOCKED, "ring: %s", strerror(errno));
    }
    bool leaked = false;
    for (int i = 0; i < 30 && !leaked; i++) {
        usleep(20000);
        leaked = has_canary(t, ring + 4096, PAGES * 4096UL);
    }
    uint64_t written = ((struct perf_event_mmap_page *)(void *)ring)->data_head;
    munmap(ring, size);
    close(fd);
    if (leaked) return found(READS, "a stack sample holds the canary");
    return found(written ? INFORMATION : NOTHING, "%lu bytes of samples, no canary among them",
                 written);
}

/* A BPF program on every system call entry that copies 64 bytes of user memory when the target
 * runs. */
struct finding attack_bpf(const struct target *t) {
    if (!t->canary_address) return found(NOT_OFFERED, "needs the canary's address");
    union bpf_attr map = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 64, .max_entries = 1};
    int map_fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof(map));
    if (map_fd < 0)
        return found(errno == ENOSYS ? NOT_OFFERED : BLOCKED, "map: %s", strerror(errno));
#define INSN(c, d, s, o, i)                                                                        \
    ((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
    const struct bpf_insn program[] = {
        INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_current_pid_tgid),
        INSN(BPF_ALU64 | BPF_RSH | BPF_K, 0, 0, 0, 32),
        INSN(BPF_JMP | BPF_JNE | BPF_K, 0, 0, 12, (int)t->pid),
        INSN(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
        INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
        INSN(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, map_fd),
        INSN(0, 0, 0, 0, 0),
        INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
        INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 5, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_X, 1, 0, 0, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 64),
        INSN(BPF_LD | BPF_DW | BPF_IMM, 3, 0, 0, (int)(uint32_t)t->canary_address),
        INSN(0, 0, 0, 0, (int)(uint32_t)(t->canary_address >> 32)),
        INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_probe_read_user),
        INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
        INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    char log[4096] = "";
    union bpf_attr load = {.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT,
                           .insn_cnt = sizeof(program) / sizeof(program[0]),
                           .insns = (uint64_t)(uintptr_t)program,
                           .license = (uint64_t)(uintptr_t) "GPL",
                           .log_buf = (uint64_t)(uintptr_t)log,
                           .log_size = sizeof(log),
                           .log_level = 1};
    int program_fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
    int error = errno;
    if (program_fd < 0 && getenv("ATTACK_DEBUG")) fprintf(stderr, "%s\n", log);
    union bpf_attr attach = {.raw_tracepoint = {.name = (uint64_t)(uintptr_t) "sys_enter",
                                                .prog_fd = (uint32_t)program_fd}};
    int link = program_fd < 0
                   ? -1
                   : (int)syscall(SYS_bpf, BPF_RAW_TRACEPOINT_OPEN, &attach, sizeof(attach));
    if (program_fd >= 0 && link < 0) error = errno;
    uint8_t value[64] = {0};
    uint32_t key = 0;
    bool leaked = false;
    for (int i = 0; i < 30 && link >= 0 && !leaked; i++) {
        usleep(20000);
        union bpf_attr look = {.map_fd = (uint32_t)map_fd,
                               .key = (uint64_t)(uintptr_t)&key,
                               .value = (uint64_t)(uintptr_t)value};
        syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &look, sizeof(look));
        leaked = memcmp(value, t->canary, t->canary_size < 64 ? t->canary_size : 64) == 0;
    }
    if (link >= 0) close(link);
    if (program_fd >= 0) close(program_fd);
    close(map_fd);
    if (leaked) return found(READS, "bpf_probe_read_user copied the canary");
    if (link >= 0) return found(NOTHING, "the program ran but read nothing");
    return found(BLOCKED, "%s: %s", program_fd < 0 ? "load" : "attach", strerror(error));
}

struct finding attack_tracefs(const struct target *t) {
    (void)t;
    static const char *const places[] = {"/sys/kernel/tracing/kprobe_events",
                                         "/sys/kernel/debug/tracing/kprobe_events"};
    for (size_t i = 0; i < 2; i++) {
        int fd = open(places[i], O_WRONLY | O_CLOEXEC);
        if (fd >= 0) {
            close(fd);
            return found(READS, "%s is open: a probe may fetch user memory", places[i]);
        }
        if (errno != ENOENT) return found(BLOCKED, "%s: %s", places[i], strerror(errno));
    }
    return found(NOT_OFFERED, "no kprobe events in this kernel, or tracefs not mounted");
}
