/* Which processes outside the platform hold a capability that opens an enclave to them: SYS_PTRACE,
 * PERFMON, BPF, SYS_ADMIN, SYS_MODULE, SYS_RAWIO, SYS_BOOT, CHECKPOINT_RESTORE, in the permitted or
 * the bounding set. */
#ifndef CELLA_PLATFORM_CAPSCAN_H
#define CELLA_PLATFORM_CAPSCAN_H

#include <stdbool.h>
#include <stddef.h>

/* Writes "none outside", "N processes, first PID NAME", or "unreadable: WHY" (which proves
 * nothing). The scan is worth something only from the machine's first pid namespace and where every
 * process shows itself. */
void cella_capscan(const char *root, char *out, size_t capacity);
/* Whether "LOW HIGH", decimal words as sysctl kernel.usermodehelper.bset has them, names none of
 * these. */
bool cella_capscan_mask_is_clean(const char *words);

#endif
