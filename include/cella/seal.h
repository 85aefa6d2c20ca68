/* Sealing: files and streams into protected files and back (docs/formats/protected-file.md), by a
 * key that the owner holds. A protected file mounted in an enclave has the same form.
 *
 * Threads: calls share nothing; use different descriptors. Memory is fixed, about 2 MiB a call,
 * whatever the size.
 */
#ifndef CELLA_SEAL_H
#define CELLA_SEAL_H

#include <cella/bytes.h>
#include <cella/result.h>

enum { CELLA_SEAL_KEY_SIZE = 32, CELLA_SEAL_NAME_MAX = 1024 };

struct cella_seal_options {
    struct cella_bytes key;  /* CELLA_SEAL_KEY_SIZE secret bytes; stays the caller's */
    struct cella_bytes name; /* 1 to CELLA_SEAL_NAME_MAX bytes that the file is bound to: opening by
                                another fails */
    /* Called after every 16 MiB or so and at the end; total is 0 where it is not known. NULL: not
     * called. */
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
};

/* Reads `in` (anything that can be read) to its end and makes `out` (an empty regular file, open
 * for reading and writing) its protected form, synced to disk. */
CELLA_RESULT cella_seal_fd(int in, int out, const struct cella_seal_options *options);
/* Writes the content of the protected file `in` (a regular file) to `out` (anything that can be
 * written), not synced. After an error `out` holds a part, each block of which was genuine: do not
 * use it. CELLA_ERR_FORMAT: not a protected file; CELLA_ERR_INTEGRITY: wrong key, wrong name, or
 * tampered with. */
CELLA_RESULT cella_unseal_fd(int in, int out, const struct cella_seal_options *options);

/* The same by path; "-" is standard input or output. The file is whole at its name or not there,
 * whenever the process or machine stops. An existing one is refused with CELLA_ERR_EXISTS unless
 * replace is set. Unsealed files get mode 0600. */
CELLA_RESULT cella_seal_file(const char *in, const char *out, bool replace,
                             const struct cella_seal_options *options);
CELLA_RESULT cella_unseal_file(const char *in, const char *out, bool replace,
                               const struct cella_seal_options *options);

/* What a protected file says without its key, not yet authenticated. */
struct cella_seal_info {
    uint32_t key_kind;  /* 1: a given key, 2: an enclave's seal key, 3: a signer's seal key */
    uint16_t svn;       /* seal keys: the security version it was sealed under */
    uint8_t key_id[32]; /* seal keys: names the key; given keys: zeros */
    uint64_t size;      /* bytes of the protected file */
};
CELLA_RESULT cella_seal_read_info(const char *path, struct cella_seal_info *out);

#endif
