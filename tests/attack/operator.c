/* The operator: tries on a running process whatever the kernel offers to whoever runs this, and
 * prints a line a try: "interface<TAB>outcome<TAB>detail". usage: operator PID CANARY-HEX
 * [ADDRESS-HEX [ATTACK...]] Exit status: 0 nothing got secrets or changed memory, 3 something did,
 * 2 usage. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attack.h"

static const struct {
    const char *name;
    attack *run;
} attacks[] = {
    {"proc-mem-read", attack_proc_mem_read},
    {"proc-mem-write-text", attack_proc_mem_write},
    {"process-vm-read", attack_process_vm_read},
    {"process-vm-write", attack_process_vm_write},
    {"map-files", attack_map_files},
    {"pidfd-getfd", attack_pidfd_getfd},
    {"kcore", attack_kcore},
    {"dev-mem", attack_dev_mem},
    {"perf-user-stack", attack_perf},
    {"bpf-probe-read-user", attack_bpf},
    {"tracefs-probe", attack_tracefs},
    {"ptrace-poke", attack_ptrace_poke},
    {"ptrace-registers", attack_ptrace},
};

static const char *const outcome_names[] = {"blocked", "nothing", "information",
                                            "READS",   "WRITES",  "not-offered"};

struct finding found(enum outcome outcome, const char *format, ...) {
    struct finding f = {.outcome = outcome};
    va_list args;
    va_start(args, format);
    vsnprintf(f.detail, sizeof(f.detail), format, args);
    va_end(args);
    return f;
}

bool has_canary(const struct target *target, const void *bytes, size_t size) {
    return memmem(bytes, size, target->canary, target->canary_size) != NULL;
}

static void read_maps(struct target *t) {
    char path[64], line[512];
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)t->pid);
    FILE *maps = fopen(path, "r");
    while (maps && t->range_count < RANGE_MAX && fgets(line, sizeof(line), maps)) {
        uint64_t start, end;
        char mode[8];
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &start, &end, mode) != 3 || start >> 63)
            continue;
        t->maps_readable = true;
        t->range[t->range_count++] = (struct range){start, end, mode[1] == 'w', mode[2] == 'x'};
    }
    if (maps) fclose(maps);
    if (t->range_count == 0 && t->canary_address) {
        uint64_t page = t->canary_address & ~0xfffULL;
        t->range[t->range_count++] = (struct range){page, page + 0x1000, true, false};
    }
}

static bool wanted(const char *name, int count, char **names) {
    for (int i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return count == 0;
}

int main(int argc, char **argv) {
    struct target target = {0};
    size_t digits = argc > 2 ? strlen(argv[2]) : 0;
    if (argc < 3 || (target.pid = atoi(argv[1])) <= 0 || digits < 16 || digits % 2 ||
        digits > 2 * CANARY_MAX) {
        fprintf(stderr, "usage: operator PID CANARY-HEX [ADDRESS-HEX [ATTACK...]]\n");
        return 2;
    }
    for (; target.canary_size < digits / 2; target.canary_size++)
        if (sscanf(argv[2] + 2 * target.canary_size, "%2hhx", &target.canary[target.canary_size]) !=
            1)
            return 2;
    if (argc > 3) target.canary_address = strtoull(argv[3], NULL, 16);
    read_maps(&target);
    int status = 0;
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        if (!wanted(attacks[i].name, argc > 4 ? argc - 4 : 0, argv + 4)) continue;
        struct finding f = attacks[i].run(&target);
        printf("%s\t%s\t%s\n", attacks[i].name, outcome_names[f.outcome], f.detail);
        fflush(stdout);
        if (f.outcome == READS || f.outcome == WRITES) status = 3;
    }
    return status;
}
