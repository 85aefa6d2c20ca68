/* /dev/cella: local reports, seal keys, named keys and what the platform says of itself
 * (docs/formats/cella-dev.md). Each open file is one conversation: write the question, read the
 * answer. */
#ifndef CELLA_SHIM_FILE_CELLA_H
#define CELLA_SHIM_FILE_CELLA_H

#include "shim/file_virtual.h"

bool shim_cella_source(uint32_t number, struct shim_virtual *out);
extern const struct shim_file_kind shim_cella_kind;
long shim_cella_open(struct shim_file *file);
/* Whether it is /dev/cella/calls. */
bool shim_cella_is_calls(const struct shim_file *file);

#endif
