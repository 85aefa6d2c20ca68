/* Attacks of a machine's operator on one process, each by an interface of the kernel
 * (docs/threat-model.md).
 *
 * Each looks for a canary, bytes that only the enclave's memory holds, and says what it got. They
 * change nothing that outlives them but for the writes they try, which go to the enclave's text.
 */
#ifndef CELLA_ATTACK_H
#define CELLA_ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum outcome {
    BLOCKED,     /* the kernel refused */
    NOTHING,     /* allowed, but no secret came out and nothing changed */
    INFORMATION, /* layout, names, registers without the canary */
    READS,       /* the canary came out, or registers did */
    WRITES,      /* memory was changed */
    NOT_OFFERED, /* this machine does not have the interface */
};

enum { CANARY_MAX = 64, RANGE_MAX = 512 };

struct range {
    uint64_t start, end;
    bool writable, executable;
};

struct target {
    pid_t pid;
    uint8_t canary[CANARY_MAX];
    size_t canary_size;
    uint64_t canary_address; /* 0: unknown */
    struct range range[RANGE_MAX];
    size_t range_count; /* from /proc/PID/maps, or the page of canary_address alone */
    bool maps_readable;
};

struct finding {
    enum outcome outcome;
    char detail[160];
};

typedef struct finding attack(const struct target *target);

/* memory.c: interfaces that read or write memory from outside */
attack attack_proc_mem_read, attack_proc_mem_write, attack_process_vm_read, attack_process_vm_write,
    attack_map_files, attack_pidfd_getfd, attack_kcore, attack_dev_mem;
/* trace.c: interfaces that run in the target's own context */
attack attack_ptrace, attack_ptrace_poke, attack_perf, attack_bpf, attack_tracefs;

/* A finding with a formatted detail. */
struct finding found(enum outcome outcome, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Whether the canary is among these bytes. */
bool has_canary(const struct target *target, const void *bytes, size_t size);

#endif
