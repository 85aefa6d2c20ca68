/* Measures enclaves of other makers, so that our measurement is proven on files that others signed:
 * the SGXS stream (Fortanix and others) and the signed enclave of Intel's SDK (ELF with
 * .note.sgxmeta). Untrusted bytes; pure. */
#ifndef CELLA_IMAGE_FOREIGN_H
#define CELLA_IMAGE_FOREIGN_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi/sgx.h"

/* Does it look like one: only the first bytes, or the metadata's magic anywhere, are looked at. */
bool cella_sgxs_is(struct cella_bytes file);
bool cella_sdk_is(struct cella_bytes file);

/* SHA-256 over its records, "UNMEASRD" ones left out. Refuses streams that are not whole records in
 * order: one ECREATE, then EADD of a page, then EEXTEND inside that page. */
CELLA_RESULT cella_sgxs_measure(struct cella_bytes file, uint8_t mrenclave[CELLA_SGX_HASH_SIZE]);

struct cella_sdk_enclave {
    uint8_t mrenclave[CELLA_SGX_HASH_SIZE]; /* measured */
    struct cella_bytes sigstruct;           /* 1808 bytes in the file */
    uint64_t version;                       /* of the metadata: major << 32 | minor */
};
/* Loads as Intel's loader does, patches applied, and measures; by the first metadata found. */
CELLA_RESULT cella_sdk_measure(struct cella_bytes file, struct cella_sdk_enclave *out);

#endif
