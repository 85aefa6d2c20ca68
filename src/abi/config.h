/* The measured configuration inside an image: what the manifest said, decided and laid out at
 * signing.
 *
 * Encoded (config.c) into the CONFIG region, so it is part of MRENCLAVE; decoded by the shim at
 * start and by `cella inspect`. Offsets are from the enclave base. Texts are views into the encoded
 * bytes, without NUL, and never contain one. Freestanding, fixed maxima, no allocation.
 */
#ifndef CELLA_ABI_CONFIG_H
#define CELLA_ABI_CONFIG_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdint.h>

#include "base/reader.h"
#include "base/writer.h"

enum {
    CELLA_CONFIG_PROGRAM_MAX = 8,
    CELLA_CONFIG_SEGMENT_MAX = 4,
    CELLA_CONFIG_ARG_MAX = 64,
    CELLA_CONFIG_ENV_MAX = 64,
    CELLA_CONFIG_MOUNT_MAX = 16,
    CELLA_CONFIG_KEY_MAX = 16,
    CELLA_CONFIG_TRUSTED_MAX = 256,
    CELLA_CONFIG_NAME_MAX = 64,     /* bytes of a key's name: [0-9A-Za-z_-]+ */
    CELLA_CONFIG_PATH_MAX = 1024,   /* bytes of a path */
    CELLA_CONFIG_TEXT_MAX = 4096,   /* bytes of an argument or of a variable's value */
    CELLA_CONFIG_VAULT_MAX = 32768, /* bytes of the vault settings */
    CELLA_TRUSTED_CHUNK = 65536,    /* bytes per pinned hash of a trusted file */
};

enum { /* flags */
       CELLA_CONFIG_DEBUG =
           1, /* the debug attribute: no secrecy, said in measurement and evidence */
       CELLA_CONFIG_HOST_ARGS = 2, /* the host may append arguments */
       CELLA_CONFIG_MEMORY_PRIVATE =
           4, /* may run in ordinary private memory where secret memory is not to be had */
       CELLA_CONFIG_FETCH = 8, /* the last program gets keys from a vault, before program[0] */
};

struct cella_config_range {
    uint64_t offset; /* page aligned */
    uint64_t pages;
};

struct cella_config_segment {       /* a writable segment of a program */
    struct cella_config_range data; /* where it lies, RW */
    uint64_t
        init_offset;    /* page aligned read-only copy of its first bytes; 0 when init_size is 0 */
    uint64_t init_size; /* bytes to copy to data.offset; the rest is zero */
};

struct cella_config_program {
    struct cella_bytes path; /* its name inside, absolute; argv[0] default and what exec names */
    struct cella_config_range whole; /* from its first to its last page */
    uint64_t
        bias; /* offset of ELF address 0 from the enclave base (0 for fixed-address programs) */
    uint64_t entry; /* offset of the entry point */
    uint64_t phdr;  /* offset of the program headers in a mapped segment */
    uint32_t phdr_count;
    uint32_t segment_count;
    struct cella_config_segment segment[CELLA_CONFIG_SEGMENT_MAX];
};

struct cella_config_env {
    struct cella_bytes name;
    struct cella_bytes value; /* the fixed value, or the default where the host gives none */
    bool from_host;           /* the host may set it */
};

enum cella_mount_type {
    CELLA_MOUNT_PROTECTED = 1,
    CELLA_MOUNT_TRUSTED = 2,
    CELLA_MOUNT_SHARED = 3
};
enum cella_mount_key {
    CELLA_KEY_NONE = 0,
    CELLA_KEY_NAMED = 1,
    CELLA_KEY_SEAL_ENCLAVE = 2,
    CELLA_KEY_SEAL_SIGNER = 3
};

struct cella_config_mount {
    struct cella_bytes path; /* folder inside, absolute, no trailing slash */
    struct cella_bytes
        host;      /* folder on the host by default; `cella run --mount PATH=FOLDER` overrides */
    uint32_t type; /* enum cella_mount_type */
    uint32_t key;  /* enum cella_mount_key, for protected mounts */
    uint32_t key_index; /* into key[] when CELLA_KEY_NAMED */
    bool writable;
};

struct cella_config_trusted { /* one pinned file below a trusted mount */
    uint32_t mount;
    struct cella_bytes path; /* relative to the mount */
    uint64_t size;           /* bytes */
    struct cella_bytes
        hashes; /* SHA-256 of each CELLA_TRUSTED_CHUNK bytes, the last one shorter; 32 bytes each */
};

struct cella_config {
    uint32_t flags;
    uint16_t product_id;
    uint16_t svn;
    uint8_t config_id[64];
    uint64_t enclave_size;
    uint32_t base_mode; /* enum cella_image_base */
    uint32_t thread_count;
    uint64_t slots_offset;
    uint64_t start_offset;
    struct cella_config_range heap;
    struct cella_config_range stack;
    uint64_t host_signals; /* bit n-1: signal n sent by the host reaches the program */
    uint64_t calls_size;   /* bytes of a slot of the call ring (abi/calls.h); 0: no ring */

    uint32_t program_count, arg_count, env_count, mount_count, key_count, trusted_count;
    struct cella_config_program program[CELLA_CONFIG_PROGRAM_MAX]; /* [0] is started */
    struct cella_bytes arg[CELLA_CONFIG_ARG_MAX];                  /* argv, [0] included */
    struct cella_config_env env[CELLA_CONFIG_ENV_MAX];
    struct cella_config_mount mount[CELLA_CONFIG_MOUNT_MAX];
    struct cella_bytes
        key[CELLA_CONFIG_KEY_MAX]; /* names of the keys the enclave asks owners or vaults for */
    struct cella_bytes key_id[CELLA_CONFIG_KEY_MAX]; /* pinned key: its id (abi/keygrant.h), 32
                                                        bytes; else empty */
    bool key_vault[CELLA_CONFIG_KEY_MAX]; /* a vault's: no owner is asked, no grant is taken */
    struct cella_bytes vault; /* settings of the fetching program (fetch/settings.h); else empty */
    struct cella_config_trusted trusted[CELLA_CONFIG_TRUSTED_MAX];
};

/* Appends the encoded form. Fails with CELLA_ERR_LIMIT when w is too small. */
CELLA_RESULT cella_config_encode(const struct cella_config *config, struct cella_writer *w);
/* Decodes and validates: counts within maxima, offsets page aligned and inside enclave_size, texts
 * without NUL, indexes in range. On failure *out is zeroed. The views in *out point into bytes. */
CELLA_RESULT cella_config_decode(struct cella_bytes bytes, struct cella_config *out);

#endif
