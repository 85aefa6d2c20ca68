/* Shared by the files of the sealer only, and with its tests. */
#ifndef CELLA_STORE_SEALER_INNER_H
#define CELLA_STORE_SEALER_INNER_H

#include "store/sealer.h"

enum { SEALER_ROOT_SIZE = 32 };

/* The 32 bytes of a root (docs/formats/sealed-record.md). device: where an enclave's keys are,
 * "/dev/cella". */
CELLA_RESULT sealer_root_read(const char *root, const char *folder, const char *device,
                              struct cella_secret *out);
/* As cella_sealer_open, with another device. */
CELLA_RESULT sealer_open_device(const char *root, const char *folder, const char *device,
                                struct cella_sealer **out);
/* The id by which records say which root they are under; not secret. */
enum { SEALER_ID_SIZE = 16 };
CELLA_RESULT sealer_root_id(struct cella_bytes root, uint8_t id[SEALER_ID_SIZE]);

#endif
