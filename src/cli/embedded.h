/* The programs that `cella sign` puts into images: the ELFs built beside this binary, embedded by
 * embed.sh. */
#ifndef CELLA_CLI_EMBEDDED_H
#define CELLA_CLI_EMBEDDED_H

#include <stdint.h>

extern const uint8_t cella_shim_elf_start[], cella_shim_elf_end[];
extern const uint8_t cella_fetch_elf_start[], cella_fetch_elf_end[];

#endif
