/* The machine's settings that evidence reports (docs/threat-model.md): read anew at every call,
 * from a tree that tests may replace. A platform's own readings: no better than the kernel and the
 * boot before them. */
#ifndef CELLA_PLATFORM_SETTINGS_H
#define CELLA_PLATFORM_SETTINGS_H

#include <cella/evidence.h>

/* Where each setting stands in the list. */
enum cella_setting_id {
    CELLA_SETTING_YAMA,
    CELLA_SETTING_LOCKDOWN,
    CELLA_SETTING_MODULES_DISABLED,
    CELLA_SETTING_MODULES_SIGNED,
    CELLA_SETTING_KEXEC_DISABLED,
    CELLA_SETTING_CRASH_KERNEL,
    CELLA_SETTING_BPF,
    CELLA_SETTING_PERF,
    CELLA_SETTING_HELPER_CAPABILITIES,
    CELLA_SETTING_KPTR,
    CELLA_SETTING_USERFAULTFD,
    CELLA_SETTING_IO_URING,
    CELLA_SETTING_CORE_PATTERN,
    CELLA_SETTING_SWAP,
    CELLA_SETTING_HIBERNATION,
    CELLA_SETTING_SMT,
    CELLA_SETTING_MEMFD_NOEXEC,
    CELLA_SETTING_FILES, /* settings before this are one file each */
    CELLA_SETTING_TRACEFS = CELLA_SETTING_FILES,
    CELLA_SETTING_FORCE_OVERRIDE,
    CELLA_SETTING_VSYSCALL,
    CELLA_SETTING_COMMAND_LINE,
    CELLA_SETTING_KERNEL,
    CELLA_SETTING_KERNEL_CONFIG,
    CELLA_SETTING_SECRET_MEMORY,
    CELLA_SETTING_MSEAL,
    CELLA_SETTING_CAPABILITIES, /* filled by assurance.c, which alone knows when a scan can matter
                                 */
    CELLA_SETTING_COUNT
};

struct cella_settings {
    struct cella_setting list[CELLA_SETTING_COUNT];
};

/* Prepared access to one tree. root "": the machine itself; its files stay open, so that a reading
 * is one system call. Values that cannot change before the next boot (kernel, its configuration,
 * command line) are read once. */
struct cella_settings_source {
    char root[256];
    int fd[CELLA_SETTING_FILES];   /* kept open; -1: not there at the last look */
    int near[CELLA_SETTING_FILES]; /* of one not there: the nearest folder that is, to look again
                                      from */
    const char *rest[CELLA_SETTING_FILES]; /* its path from there */
    struct cella_settings fixed;
    uint8_t boot_id[16];
};

CELLA_RESULT cella_settings_source_open(const char *root, struct cella_settings_source *out);
void cella_settings_source_close(struct cella_settings_source *source);
/* Values: as read, "absent" where the kernel has no such setting, "unreadable" where it may not be
 * read. */
void cella_settings_read(struct cella_settings_source *source, struct cella_settings *out);
static inline const char *cella_settings_value(const struct cella_settings *s,
                                               enum cella_setting_id id) {
    return s->list[id].value;
}

#endif
