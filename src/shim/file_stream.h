/* Standard input, output and error, and connections: descriptors of the host, passed through. What
 * comes in is the host's word, and what goes out is public. */
#ifndef CELLA_SHIM_FILE_STREAM_H
#define CELLA_SHIM_FILE_STREAM_H

#include "shim/fd.h"

/* Makes file the stream over the host's descriptor 0, 1 or 2. It is never closed there. */
void shim_file_stream(struct shim_file *file, int host_fd);
/* Makes file a connection: a socket or pipe of the host, closed with the file. */
void shim_file_connection(struct shim_file *file, int host_fd);
/* ioctl on it: what terminals are asked, and nothing that changes the host's. */
long shim_file_stream_ioctl(struct shim_file *file, unsigned request, void *argument);

#endif
