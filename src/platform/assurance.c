#include "platform/assurance.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/software.h"
#include "platform/capscan.h"

static bool is(const struct cella_settings *s, enum cella_setting_id id, const char *value) {
    return strcmp(cella_settings_value(s, id), value) == 0;
}
static bool is_absent(const struct cella_settings *s, enum cella_setting_id id) {
    return is(s, id, "absent");
}

/* A number at least min; absent and unreadable are not. */
static bool at_least(const struct cella_settings *s, enum cella_setting_id id, long min) {
    const char *value = cella_settings_value(s, id);
    char *end;
    long n = strtol(value, &end, 10);
    return end != value && *end == 0 && n >= min;
}

__attribute__((format(printf, 3, 4))) static void block(struct cella_assurance_state *out,
                                                        const char *command, const char *format,
                                                        ...) {
    if (out->blocker_count == CELLA_BLOCKER_MAX) return;
    va_list args;
    va_start(args, format);
    vsnprintf(out->blocker[out->blocker_count].why, sizeof(out->blocker[0].why), format, args);
    va_end(args);
    out->blocker[out->blocker_count++].command = command;
}

/* S1: root cannot ptrace, read memory, take descriptors. Scope 3 binds root and stays until reboot.
 */
static void check_s1(const struct cella_settings *s, bool memory_secret,
                     struct cella_assurance_state *out) {
    if (!memory_secret)
        block(out, NULL, "the memory is ordinary private memory (memory = private)");
    if (is(s, CELLA_SETTING_YAMA, "3")) return;
    if (is_absent(s, CELLA_SETTING_YAMA))
        block(out, NULL,
              "this kernel has no Yama: root may ptrace, read /proc/PID/mem and take descriptors");
    else
        block(out, "sysctl -w kernel.yama.ptrace_scope=3",
              "yama.ptrace_scope is %s, not 3: root may ptrace",
              cella_settings_value(s, CELLA_SETTING_YAMA));
}

static bool modules_closed(const struct cella_settings *s) {
    return is(s, CELLA_SETTING_MODULES_DISABLED, "1") ||
           is_absent(s, CELLA_SETTING_MODULES_DISABLED) ||
           is(s, CELLA_SETTING_MODULES_SIGNED, "Y") || is(s, CELLA_SETTING_MODULES_SIGNED, "1");
}

/* S2: no tracing, BPF, module or kexec route. Lockdown alone does not stop perf user sampling or
 * bpf_probe_read_user, so the capabilities must be gone from every process, and from the kernel's
 * own helpers: whoever may write core_pattern would else get them back. */
static void check_s2(const struct cella_settings *s, struct cella_assurance_state *out) {
    if (!is(s, CELLA_SETTING_LOCKDOWN, "integrity") &&
        !is(s, CELLA_SETTING_LOCKDOWN, "confidentiality"))
        block(out, "echo integrity > /sys/kernel/security/lockdown", "lockdown is %s",
              cella_settings_value(s, CELLA_SETTING_LOCKDOWN));
    if (!modules_closed(s))
        block(out, "sysctl -w kernel.modules_disabled=1",
              "root may load kernel modules (modules.disabled is %s)",
              cella_settings_value(s, CELLA_SETTING_MODULES_DISABLED));
    if (!is(s, CELLA_SETTING_KEXEC_DISABLED, "1") && !is_absent(s, CELLA_SETTING_KEXEC_DISABLED))
        block(out, "sysctl -w kernel.kexec_load_disabled=1",
              "root may start another kernel (kexec.load_disabled is %s)",
              cella_settings_value(s, CELLA_SETTING_KEXEC_DISABLED));
    if (!is(s, CELLA_SETTING_CRASH_KERNEL, "0") && !is_absent(s, CELLA_SETTING_CRASH_KERNEL))
        block(out, "kexec -p -u", "a crash kernel is loaded (kexec.crash_loaded is %s)",
              cella_settings_value(s, CELLA_SETTING_CRASH_KERNEL));
    if (!cella_capscan_mask_is_clean(cella_settings_value(s, CELLA_SETTING_HELPER_CAPABILITIES)))
        block(out, "sysctl -w kernel.usermodehelper.bset='0 0'",
              "helpers that the kernel starts get all capabilities (usermodehelper.bset is %.40s)",
              cella_settings_value(s, CELLA_SETTING_HELPER_CAPABILITIES));
    const char *scan = cella_settings_value(s, CELLA_SETTING_CAPABILITIES);
    if (strcmp(scan, "none outside") != 0)
        block(out, "drop them at boot for all services (CapabilityBoundingSet=)",
              "processes outside the platform hold tracing capabilities: %.79s", scan);
}

/* What lets an ordinary other user through: no level is lower than S0, so it is said beside it. */
static void find_weakness(const struct cella_settings *s, struct cella_assurance_state *out) {
    const char *perf = "", *bpf = "";
    if (!is_absent(s, CELLA_SETTING_PERF) && !at_least(s, CELLA_SETTING_PERF, 1))
        perf = "perf.paranoid below 1 lets any user sample all; ";
    if (!is_absent(s, CELLA_SETTING_BPF) && !at_least(s, CELLA_SETTING_BPF, 1))
        bpf = "bpf.unprivileged_disabled below 1 lets any user load programs; ";
    snprintf(out->weakness, sizeof(out->weakness), "%s%s", perf, bpf);
}

void cella_assurance_derive(struct cella_settings_source *source, bool memory_secret, bool full,
                            struct cella_assurance_state *out) {
    cella_settings_read(source, &out->settings);
    struct cella_settings *s = &out->settings;
    out->level = CELLA_ASSURANCE_S0;
    out->blocker_count = 0;
    find_weakness(s, out);
    check_s1(s, memory_secret, out);
    /* Walking every process costs; below S1 its outcome cannot matter. */
    struct cella_setting *scan = &s->list[CELLA_SETTING_CAPABILITIES];
    if (out->blocker_count == 0 || full)
        cella_capscan(source->root, scan->value, sizeof(scan->value));
    else
        snprintf(scan->value, sizeof(scan->value), "not scanned below S1");
    if (out->blocker_count > 0) return;
    out->level = CELLA_ASSURANCE_S1;
    check_s2(s, out);
    if (out->blocker_count > 0) return;
    out->level = CELLA_ASSURANCE_S2;
    block(out, NULL,
          "S3 needs a confidential VM (--root snp or tdx) whose measurement covers kernel, command "
          "line and platform");
}

void cella_assurance_in_guest(enum cella_root root, struct cella_assurance_state *state) {
    if (state->level != CELLA_ASSURANCE_S2 || !cella_root_is_hardware(root)) return;
    state->level = CELLA_ASSURANCE_S3;
    state->blocker_count = 0;
}
