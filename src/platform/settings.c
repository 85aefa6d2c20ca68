#include "platform/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

enum { CONFIG_MAX = 1 << 20, COMMAND_LINE_MAX = 4096 };

static const struct {
    const char *name, *path;
} table[CELLA_SETTING_COUNT] = {
    [CELLA_SETTING_YAMA] = {"yama.ptrace_scope", "/proc/sys/kernel/yama/ptrace_scope"},
    [CELLA_SETTING_LOCKDOWN] = {"lockdown", "/sys/kernel/security/lockdown"},
    [CELLA_SETTING_MODULES_DISABLED] = {"modules.disabled", "/proc/sys/kernel/modules_disabled"},
    [CELLA_SETTING_MODULES_SIGNED] = {"modules.sig_enforce",
                                      "/sys/module/module/parameters/sig_enforce"},
    [CELLA_SETTING_KEXEC_DISABLED] = {"kexec.load_disabled",
                                      "/proc/sys/kernel/kexec_load_disabled"},
    [CELLA_SETTING_CRASH_KERNEL] = {"kexec.crash_loaded", "/sys/kernel/kexec_crash_loaded"},
    [CELLA_SETTING_BPF] = {"bpf.unprivileged_disabled",
                           "/proc/sys/kernel/unprivileged_bpf_disabled"},
    [CELLA_SETTING_PERF] = {"perf.paranoid", "/proc/sys/kernel/perf_event_paranoid"},
    [CELLA_SETTING_HELPER_CAPABILITIES] = {"usermodehelper.bset",
                                           "/proc/sys/kernel/usermodehelper/bset"},
    [CELLA_SETTING_KPTR] = {"kptr_restrict", "/proc/sys/kernel/kptr_restrict"},
    [CELLA_SETTING_USERFAULTFD] = {"userfaultfd.unprivileged",
                                   "/proc/sys/vm/unprivileged_userfaultfd"},
    [CELLA_SETTING_IO_URING] = {"io_uring.disabled", "/proc/sys/kernel/io_uring_disabled"},
    [CELLA_SETTING_CORE_PATTERN] = {"core_pattern", "/proc/sys/kernel/core_pattern"},
    [CELLA_SETTING_SWAP] = {"swap.areas", "/proc/swaps"},
    [CELLA_SETTING_HIBERNATION] = {"hibernation", "/sys/power/disk"},
    [CELLA_SETTING_SMT] = {"smt.active", "/sys/devices/system/cpu/smt/active"},
    [CELLA_SETTING_MEMFD_NOEXEC] = {"memfd_noexec", "/proc/sys/vm/memfd_noexec"},
    [CELLA_SETTING_TRACEFS] = {"tracefs", "/sys/kernel/tracing"},
    [CELLA_SETTING_FORCE_OVERRIDE] = {"proc_mem.force_override", NULL},
    [CELLA_SETTING_VSYSCALL] = {"vsyscall", NULL},
    [CELLA_SETTING_COMMAND_LINE] = {"kernel.command_line_sha256", "/proc/cmdline"},
    [CELLA_SETTING_KERNEL] = {"kernel.release", NULL},
    [CELLA_SETTING_KERNEL_CONFIG] = {"kernel.config_sha256", "/proc/config.gz"},
    [CELLA_SETTING_SECRET_MEMORY] = {"secretmem", NULL},
    [CELLA_SETTING_MSEAL] = {"mseal", NULL},
    [CELLA_SETTING_CAPABILITIES] = {"capabilities", NULL},
};
_Static_assert((int)CELLA_SETTING_COUNT <= (int)CELLA_SETTING_MAX, "evidence holds all settings");

/* Cut where it is too long: what is compared with is short. */
static void set(struct cella_setting *s, const char *value) {
    size_t size = strlen(value);
    if (size > sizeof(s->value) - 1) size = sizeof(s->value) - 1;
    memcpy(s->value, value, size);
    s->value[size] = 0;
}

static void full_path(const struct cella_settings_source *source, const char *path, char out[512]) {
    snprintf(out, 512, "%s%s", source->root, path);
}

/* Most settings that a kernel lacks stay absent, and looking for one costs more than reading one:
 * the walk to where it would be is made once. Only for the machine itself; a test's tree may change
 * its folders. */
static void find_near(struct cella_settings_source *source, int id) {
    char path[128];
    snprintf(path, sizeof(path), "%s", table[id].path);
    for (char *slash; source->near[id] < 0 && (slash = strrchr(path, '/')) && slash != path;) {
        *slash = 0;
        source->near[id] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        source->rest[id] = table[id].path + (slash - path) + 1;
    }
}

static int open_setting(struct cella_settings_source *source, int id) {
    const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    char full[512];
    if (source->near[id] >= 0) return openat(source->near[id], source->rest[id], flags);
    full_path(source, table[id].path, full);
    return open(full, flags);
}

static bool finish_text(ssize_t n, bool absent, char *out, size_t capacity) {
    if (n < 0) {
        snprintf(out, capacity, "%s", absent ? "absent" : "unreadable");
        return false;
    }
    while (n > 0 && out[n - 1] == '\n') n--;
    out[n] = 0;
    return true;
}

/* Text of a small file into out, without its last newline; false with "absent" or "unreadable" in
 * out. */
static bool read_text(const struct cella_settings_source *source, const char *path, char *out,
                      size_t capacity) {
    char full[512];
    full_path(source, path, full);
    CELLA_FD fd = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    bool absent = fd < 0 && (errno == ENOENT || errno == ENOTDIR);
    return finish_text(fd < 0 ? -1 : pread(fd, out, capacity - 1, 0), absent, out, capacity);
}

static bool read_setting(struct cella_settings_source *source, int id, char *out, size_t capacity) {
    int fd = source->fd[id] >= 0 ? source->fd[id] : open_setting(source, id);
    bool absent = fd < 0 && (errno == ENOENT || errno == ENOTDIR);
    ssize_t n = fd < 0 ? -1 : pread(fd, out, capacity - 1, 0);
    bool keep = source->root[0] == 0 && n >= 0;
    if (fd >= 0 && !keep) close(fd);
    source->fd[id] = keep ? fd : -1;
    return finish_text(n, absent, out, capacity);
}

/* "none [integrity] confidentiality" -> "integrity" */
static void take_bracketed(char *text) {
    char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;
    if (!close) return;
    *close = 0;
    memmove(text, open + 1, strlen(open + 1) + 1);
}

static void count_lines_after_first(char *text, size_t capacity) {
    unsigned lines = 0;
    for (const char *p = text; (p = strchr(p, '\n')); p++) lines++;
    snprintf(text, capacity, "%u", lines);
}

static void read_file_setting(struct cella_settings_source *source, int id,
                              struct cella_setting *out) {
    char text[1024];
    bool there = read_setting(source, id, text, sizeof(text));
    if (there && (id == CELLA_SETTING_LOCKDOWN || id == CELLA_SETTING_HIBERNATION))
        take_bracketed(text);
    if (there && id == CELLA_SETTING_SWAP) count_lines_after_first(text, sizeof(text));
    for (char *p = text; *p; p++)
        if (*p == '\t' || *p == '\n') *p = ' ';
    set(out, text);
}

/* value of "name=" in the kernel's command line, the last one as the kernel takes it */
static void from_command_line(const char *line, const char *name, struct cella_setting *out) {
    size_t size = strlen(name);
    set(out, "default");
    for (const char *p = line; (p = strstr(p, name)); p += size) {
        if (p[size] != '=' || (p != line && p[-1] != ' ')) continue;
        const char *end = strchrnul(p + size + 1, ' ');
        snprintf(out->value, sizeof(out->value), "%.*s", (int)(end - p - (long)size - 1),
                 p + size + 1);
    }
}

static void hash_file(struct cella_settings_source *source, const char *path,
                      struct cella_setting *out) {
    char full[512], hex[65];
    uint8_t digest[CELLA_SHA256_SIZE];
    CELLA_BUFFER content = {0};
    full_path(source, path, full);
    set(out, "absent");
    struct cella_result r = cella_file_read(full, CONFIG_MAX, &content);
    if (!cella_failed(r)) r = cella_sha256(cella_buffer_bytes(&content), digest);
    if (!cella_failed(r)) {
        cella_hex_encode(CELLA_BYTES_OF(digest), hex);
        set(out, hex);
    } else if (cella_code_of(r) != CELLA_ERR_NOT_FOUND)
        set(out, "unreadable");
    cella_result_drop(r);
}

static void read_boot_id(struct cella_settings_source *source) {
    char text[64], digits[33];
    size_t n = 0;
    if (!read_text(source, "/proc/sys/kernel/random/boot_id", text, sizeof(text))) return;
    for (const char *p = text; *p && n < 32; p++)
        if (*p != '-') digits[n++] = *p;
    cella_result_drop(
        cella_hex_decode(cella_bytes(digits, n), source->boot_id, sizeof(source->boot_id)));
}

static void probe_kernel(struct cella_settings *fixed) {
    struct utsname name;
    if (uname(&name) == 0)
        snprintf(fixed->list[CELLA_SETTING_KERNEL].value, CELLA_SETTING_VALUE_MAX, "%.79s",
                 name.release);
    int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
    set(&fixed->list[CELLA_SETTING_SECRET_MEMORY], fd >= 0 ? "yes" : "no");
    if (fd >= 0) close(fd);
    /* mseal of nothing succeeds where the call exists */
    set(&fixed->list[CELLA_SETTING_MSEAL], syscall(SYS_mseal, 0UL, 0UL, 0UL) == 0 ? "yes" : "no");
}

CELLA_RESULT cella_settings_source_open(const char *root, struct cella_settings_source *out) {
    *out = (struct cella_settings_source){0};
    ENSURE(strlen(root) < sizeof(out->root), CELLA_ERR_LIMIT, NULL, "path too long: %s", root);
    snprintf(out->root, sizeof(out->root), "%s", root);
    for (int i = 0; i < CELLA_SETTING_FILES; i++) out->fd[i] = out->near[i] = -1;
    for (int i = 0; i < CELLA_SETTING_COUNT; i++) {
        snprintf(out->fixed.list[i].name, CELLA_SETTING_NAME_MAX, "%s", table[i].name);
        set(&out->fixed.list[i], "absent");
    }
    char line[COMMAND_LINE_MAX];
    if (!read_text(out, "/proc/cmdline", line, sizeof(line))) line[0] = 0;
    from_command_line(line, "proc_mem.force_override",
                      &out->fixed.list[CELLA_SETTING_FORCE_OVERRIDE]);
    from_command_line(line, "vsyscall", &out->fixed.list[CELLA_SETTING_VSYSCALL]);
    hash_file(out, table[CELLA_SETTING_COMMAND_LINE].path,
              &out->fixed.list[CELLA_SETTING_COMMAND_LINE]);
    hash_file(out, table[CELLA_SETTING_KERNEL_CONFIG].path,
              &out->fixed.list[CELLA_SETTING_KERNEL_CONFIG]);
    for (int i = 0; i < CELLA_SETTING_FILES && !root[0]; i++)
        if (access(table[i].path, F_OK) != 0) find_near(out, i);
    read_boot_id(out);
    probe_kernel(&out->fixed);
    return CELLA_SUCCESS;
}

void cella_settings_source_close(struct cella_settings_source *source) {
    for (int i = 0; i < CELLA_SETTING_FILES; i++) {
        cella_fd_close(&source->fd[i]);
        cella_fd_close(&source->near[i]);
    }
}

void cella_settings_read(struct cella_settings_source *source, struct cella_settings *out) {
    *out = source->fixed;
    for (int i = 0; i < CELLA_SETTING_FILES; i++) read_file_setting(source, i, &out->list[i]);
    char full[512];
    full_path(source, table[CELLA_SETTING_TRACEFS].path, full);
    set(&out->list[CELLA_SETTING_TRACEFS], access(full, F_OK) == 0 ? "present"
                                           : errno == ENOENT       ? "absent"
                                                                   : "unreadable");
}
