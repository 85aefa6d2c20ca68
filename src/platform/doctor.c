#include "platform/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/monitor.h"
#include "platform/pool.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

__attribute__((format(printf, 6, 7))) static void add(struct cella_doctor *d, const char *area,
                                                      const char *name,
                                                      enum cella_doctor_verdict verdict,
                                                      const char *command, const char *format,
                                                      ...) {
    if (d->row_count == CELLA_DOCTOR_ROW_MAX) return;
    struct cella_doctor_row *row = &d->row[d->row_count++];
    *row = (struct cella_doctor_row){.area = area, .verdict = verdict, .command = command};
    snprintf(row->name, sizeof(row->name), "%s", name);
    va_list args;
    va_start(args, format);
    vsnprintf(row->detail, sizeof(row->detail), format, args);
    va_end(args);
}

/* In a child, so that what is tried there does not stay: the exit status is the answer. */
static bool try_in_child(bool (*attempt)(void)) {
    pid_t pid = fork();
    if (pid == 0) _exit(attempt() ? 0 : 1);
    int status = 1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static bool try_mdwe(void) { return prctl(PR_SET_MDWE, 1UL, 0, 0, 0) == 0; }
static bool try_seccomp(void) {
    __u32 action = SECCOMP_RET_TRAP;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}
static bool try_text(void) {
    int fd = memfd_create("cella-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("cella-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, 4096) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL) != 0)
        return false;
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int read_only = open(path, O_RDONLY);
    return read_only >= 0 &&
           mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, read_only, 0) != MAP_FAILED;
}

/* Returns the bytes of secret memory a platform of this user would have. */
static uint64_t examine_memory(struct cella_doctor *d) {
    struct cella_pool pool;
    uint64_t size = CELLA_POOL_DEFAULT;
    struct cella_result r = cella_pool_new(size, &pool);
    if (cella_failed(r)) {
        cella_result_drop(r);
        size = cella_pool_affordable(size);
        r = cella_pool_new(size, &pool);
    }
    if (cella_failed(r)) {
        add(d, "memory", "secret memory", CELLA_DOCTOR_NO,
            "ulimit -l unlimited (or secretmem.enable=1 at boot)", "%s", r.error->what);
        cella_result_drop(r);
        return 0;
    }
    cella_pool_free(&pool);
    bool whole = size == CELLA_POOL_DEFAULT;
    add(d, "memory", "secret memory", whole ? CELLA_DOCTOR_YES : CELLA_DOCTOR_PART,
        whole ? NULL : "ulimit -l unlimited", "%llu KiB for all enclaves together%s",
        (unsigned long long)size / 1024,
        whole ? " (the default pool; --pool asks for more)"
              : ": the memory-lock limit (ulimit -l) allows no more");
    return size;
}

static void examine_software(struct cella_doctor *d, uint64_t pool) {
    const char *noexec = cella_settings_value(&d->assurance.settings, CELLA_SETTING_MEMFD_NOEXEC);
    bool text = try_in_child(try_text), seccomp = try_in_child(try_seccomp);
    add(d, "kernel", "sealed text", text ? CELLA_DOCTOR_YES : CELLA_DOCTOR_NO,
        text ? NULL : "sysctl -w vm.memfd_noexec=1", "executable sealed memfd (memfd_noexec=%s)",
        noexec);
    add(d, "kernel", "seccomp", seccomp ? CELLA_DOCTOR_YES : CELLA_DOCTOR_NO, NULL,
        "filter with RET_TRAP");
    bool mdwe = try_in_child(try_mdwe);
    add(d, "kernel", "MDWE", mdwe ? CELLA_DOCTOR_YES : CELLA_DOCTOR_PART, NULL, "%s",
        mdwe ? "no memory becomes executable later"
             : "needs Linux 6.3; seccomp alone refuses new executable memory");
    bool mseal =
        strcmp(cella_settings_value(&d->assurance.settings, CELLA_SETTING_MSEAL), "yes") == 0;
    add(d, "kernel", "mseal", mseal ? CELLA_DOCTOR_YES : CELLA_DOCTOR_PART, NULL, "%s",
        mseal ? "the layout is sealed after load"
              : "needs Linux 6.10; the layout is held by seccomp alone");
    bool usable = text && seccomp;
    add(d, "backend", "software",
        !usable ? CELLA_DOCTOR_NO
        : pool  ? CELLA_DOCTOR_YES
                : CELLA_DOCTOR_PART,
        NULL, "%s",
        !usable ? "not without the rows marked no below"
        : pool  ? "enclaves in secret memory"
                : "only images whose manifest says memory = private");
}

static void examine_devices(struct cella_doctor *d) {
    bool sgx = access("/dev/sgx_enclave", F_OK) == 0, tpm = access("/dev/tpmrm0", F_OK) == 0;
    add(d, "backend", "sgx", CELLA_DOCTOR_NO, NULL, "%s",
        sgx ? "/dev/sgx_enclave is there; this version has no backend for it yet"
            : "no /dev/sgx_enclave");
    add(d, "root", "file", CELLA_DOCTOR_YES, NULL, "a platform key on disk, 0600");
    bool may = tpm && access("/dev/tpmrm0", R_OK | W_OK) == 0;
    add(d, "root", "tpm", may ? CELLA_DOCTOR_YES : CELLA_DOCTOR_NO,
        tpm && !may ? "usermod -aG tss USER" : NULL, "%s",
        may   ? "/dev/tpmrm0: cella platform --root tpm"
        : tpm ? "/dev/tpmrm0 may not be opened by this user"
              : "no /dev/tpmrm0 (another TPM: --root tpm:TCTI)");
    const char *const guests[][2] = {{"/dev/sev-guest", "snp"}, {"/dev/tdx_guest", "tdx"}};
    for (int i = 0; i < 2; i++)
        add(d, "root", guests[i][1], CELLA_DOCTOR_NO, NULL, "%s%s", guests[i][0],
            access(guests[i][0], F_OK) == 0 ? " is there; this version has no such root yet"
                                            : " is not there");
}

static void add_setting(struct cella_doctor *d, enum cella_setting_id id, bool good,
                        const char *command) {
    const struct cella_setting *s = &d->assurance.settings.list[id];
    add(d, "setting", s->name, good ? CELLA_DOCTOR_YES : CELLA_DOCTOR_NO,
        good || strcmp(s->value, "absent") == 0 ? NULL : command, "%s", s->value);
}

static void examine_settings(struct cella_doctor *d) {
    const struct cella_settings *s = &d->assurance.settings;
    add_setting(d, CELLA_SETTING_YAMA,
                strcmp(cella_settings_value(s, CELLA_SETTING_YAMA), "3") == 0,
                "sysctl -w kernel.yama.ptrace_scope=3");
    const char *lockdown = cella_settings_value(s, CELLA_SETTING_LOCKDOWN);
    add_setting(d, CELLA_SETTING_LOCKDOWN,
                strcmp(lockdown, "integrity") == 0 || strcmp(lockdown, "confidentiality") == 0,
                "echo integrity > /sys/kernel/security/lockdown");
    add_setting(d, CELLA_SETTING_CAPABILITIES,
                strcmp(cella_settings_value(s, CELLA_SETTING_CAPABILITIES), "none outside") == 0,
                NULL);
}

CELLA_RESULT cella_doctor_examine(struct cella_doctor *out) {
    *out = (struct cella_doctor){0};
    struct cella_settings_source source;
    TRY(cella_settings_source_open("", &source));
    cella_assurance_derive(&source, true, true, &out->assurance);
    cella_settings_source_close(&source);
    add(out, "kernel", "release", CELLA_DOCTOR_YES, NULL, "%s",
        cella_settings_value(&out->assurance.settings, CELLA_SETTING_KERNEL));
    uint64_t pool = examine_memory(out);
    examine_software(out, pool);
    examine_devices(out);
    examine_settings(out);
    return CELLA_SUCCESS;
}
