/* Roots: what vouches for the platform key. `file`: the key on disk itself. `tpm`: a TPM 2.0 that
 * quotes the boot PCRs over the key's fingerprint (evidence/tpm.h), afresh at each start of the
 * platform. */
#ifndef CELLA_PLATFORM_ROOT_H
#define CELLA_PLATFORM_ROOT_H

#include <cella/evidence.h>

#include "base/buffer.h"
#include "crypto/key.h"

struct cella_root_evidence {
    enum cella_root root;
    struct cella_buffer evidence; /* root evidence, empty for file */
    struct cella_buffer ak_spki;  /* attestation key, SubjectPublicKeyInfo DER; empty for file */
};

/* spec: "file", "tpm" (TSS2_TCTI of the environment, else device:/dev/tpmrm0) or "tpm:TCTI". */
CELLA_RESULT cella_root_open(const char *spec, const struct cella_key *platform_key,
                             struct cella_root_evidence *out);
void cella_root_close(struct cella_root_evidence *root);
/* The tpm root alone (root_tpm.c): quotes PCRs 0-7 of the SHA-256 bank. */
CELLA_RESULT cella_root_tpm_quote(const char *tcti, struct cella_bytes platform_spki,
                                  struct cella_root_evidence *out);

#endif
