/* Reports of a confidential VM's hardware through the kernel's configfs-tsm
 * (Documentation/ABI/testing/configfs-tsm-report): a folder made below report/ is one request. */
#ifndef CELLA_PLATFORM_ROOT_TSM_H
#define CELLA_PLATFORM_ROOT_TSM_H

#include <cella/evidence.h>
#include <sys/types.h>

#include "base/buffer.h"

#define CELLA_TSM_FOLDER "/sys/kernel/config/tsm/report"

/* Where requests are made; the tests give a double. */
struct cella_tsm {
    const char *folder;
    int (*make)(const char *path, mode_t mode); /* mkdir(2) */
    int (*remove)(const char *path);            /* rmdir(2) */
};
extern const struct cella_tsm cella_tsm_kernel;

/* Asks for a report over this data. *root says whose: SNP (the report and, where it fits, the
 * host's certificate table) or TDX (the quote). wanted FILE takes either; else another provider is
 * refused. The report's form and data are checked, not its signature: that is for verifiers.
 * CELLA_ERR_NOT_FOUND: there is no such interface. */
CELLA_RESULT cella_tsm_report(const struct cella_tsm *tsm, enum cella_root wanted,
                              const uint8_t report_data[64], enum cella_root *root,
                              struct cella_buffer *out);

#endif
