/* configfs-tsm as Linux documents it (Documentation/ABI/testing/configfs-tsm-report): a folder per
 * report below /sys/kernel/config/tsm/report, made by mkdir, with inblob, outblob, auxblob,
 * provider and generation. What is ours to choose stands in docs/formats/cella-dev.md. */
#ifndef CELLA_SHIM_FILE_TSM_H
#define CELLA_SHIM_FILE_TSM_H

#include "shim/file_virtual.h"

bool shim_tsm_source(uint32_t number, struct shim_virtual *out);
extern const struct shim_file_kind shim_tsm_kind;
long shim_tsm_open(struct shim_file *file);
long shim_tsm_mkdir(const char *path);
long shim_tsm_rmdir(const char *path);

#endif
