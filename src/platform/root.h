/* Roots: what vouches for the platform key. `file`: the key on disk itself. `tpm`: a TPM 2.0 that
 * quotes the boot PCRs over the key's fingerprint (evidence/tpm.h), afresh at each start of the
 * platform. `snp`, `tdx`: the hardware of the confidential VM that the platform runs in reports
 * over the key, which is then made anew at each start and never leaves memory: on the disk, which
 * is the host's, another guest could take it and show an earlier guest's report. */
#ifndef CELLA_PLATFORM_ROOT_H
#define CELLA_PLATFORM_ROOT_H

#include <cella/evidence.h>

#include "base/buffer.h"
#include "crypto/key.h"
#include "platform/root_tsm.h"

struct cella_root_evidence {
    enum cella_root root;
    struct cella_buffer evidence; /* root evidence, empty for file */
    struct cella_buffer ak_spki;  /* attestation key, SubjectPublicKeyInfo DER; of tpm only */
    struct cella_key *key;        /* the platform key to use instead; of snp and tdx only */
};

/* spec: "file", "tpm" (TSS2_TCTI of the environment, else device:/dev/tpmrm0) "tpm:TCTI", "snp",
 * "tdx" or "auto": snp or tdx where the kernel offers either, else file. */
CELLA_RESULT cella_root_open(const char *spec, const struct cella_key *platform_key,
                             struct cella_root_evidence *out);
/* The roots of confidential VMs alone; wanted FILE takes either. */
CELLA_RESULT cella_root_guest(const struct cella_tsm *tsm, enum cella_root wanted,
                              struct cella_root_evidence *out);
void cella_root_close(struct cella_root_evidence *root);
/* The tpm root alone (root_tpm.c): quotes PCRs 0-7 of the SHA-256 bank. */
CELLA_RESULT cella_root_tpm_quote(const char *tcti, struct cella_bytes platform_spki,
                                  struct cella_root_evidence *out);

#endif
