/* The manifest: what the signer of an enclave wants, in INI (docs/formats/manifest.md has every
 * setting).
 *
 * Strict: an unknown section or setting, one given twice, a value over its limit, or two that
 * contradict each other are errors that name file:line, what was expected and what was found.
 * Parsing reads no file but the bytes given; pinned files and further programs are read by build.h.
 */
#ifndef CELLA_IMAGE_MANIFEST_H
#define CELLA_IMAGE_MANIFEST_H

#include <cella/bytes.h>
#include <cella/result.h>

#include "abi/config.h"

enum {
    CELLA_MANIFEST_MAX = 65536, /* bytes of a manifest file */
    CELLA_MANIFEST_TEXT_MAX = 1024,
};
#define CELLA_MANIFEST_HEAP_MAX  (1ULL << 39) /* bytes */
#define CELLA_MANIFEST_STACK_MAX (1ULL << 30) /* bytes */

struct cella_manifest {
    struct cella_config
        config; /* all but the layout; programs[0] is the one given to `cella sign` */
    uint64_t heap_size, stack_size; /* bytes */
    uint32_t date;                  /* BCD; 0: not given */
    const char
        *program_file[CELLA_CONFIG_PROGRAM_MAX]; /* [1..]: files of further programs, as written */
    const char *mount_host[CELLA_CONFIG_MOUNT_MAX]; /* host folder, as written */
    const char
        *mount_files[CELLA_CONFIG_MOUNT_MAX];  /* patterns of a trusted mount, space separated */
    const char *key_url[CELLA_CONFIG_KEY_MAX]; /* in a vault; NULL: from the key's owner */
    const char *vault_attest, *vault_ca; /* URL of the attestation service, file of authorities */
    char *text[CELLA_MANIFEST_TEXT_MAX]; /* owned: every text the above point to */
    uint32_t text_count;
};

/* name is the file's name, for messages. program_path: the program's name inside where the manifest
 * gives none. */
CELLA_RESULT cella_manifest_parse(struct cella_bytes bytes, const char *name,
                                  const char *program_path, struct cella_manifest *out);
void cella_manifest_free(struct cella_manifest *manifest);
/* A copy of size bytes and a NUL, owned by the manifest. */
CELLA_RESULT cella_manifest_keep(struct cella_manifest *manifest, struct cella_bytes text,
                                 const char **out);
/* Takes a block from malloc, also when it fails. */
CELLA_RESULT cella_manifest_own(struct cella_manifest *manifest, void *block);
#define CELLA_MANIFEST __attribute__((cleanup(cella_manifest_free))) struct cella_manifest

#endif
