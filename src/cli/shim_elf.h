/* The shim that `cella sign` puts into images: the ELF built beside this binary, embedded by
 * shim_embed.S. */
#ifndef CELLA_CLI_SHIM_ELF_H
#define CELLA_CLI_SHIM_ELF_H

#include <stdint.h>

extern const uint8_t cella_shim_elf_start[], cella_shim_elf_end[];

#endif
