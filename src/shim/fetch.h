/* Before the program: the measured program that gets keys from a vault (src/fetch), where the
 * configuration has one. While it runs, and only then, there are connections of the host's under
 * /dev/cella/connect, its settings at /dev/cella/vault, and keys may be written. */
#ifndef CELLA_SHIM_FETCH_H
#define CELLA_SHIM_FETCH_H

#include "shim/fd.h"
bool shim_fetching(void);
/* The program that starts first, with its arguments in shim.argv; the image's own are kept. */
uint32_t shim_fetch_begin(void);
/* It has ended well: ends the enclave if a key is missing, closes all that is open but the standard
 * descriptors, and gives the image's own arguments back. */
void shim_fetch_over(void);
/* Opens what lies below /dev/cella/connect: HOST:PORT, a connection, or credential/HOST:PORT.
 * -ENOENT when the path is elsewhere. */
long shim_fetch_connect(const char *path, struct shim_file *file);
/* Programs of the image that exec may start. */
uint32_t shim_program_count(void);

#endif
