/* The payload of software evidence, parsed but not yet believed. For files of the evidence part
 * only. */
#ifndef CELLA_EVIDENCE_SOFTWARE_PARSE_H
#define CELLA_EVIDENCE_SOFTWARE_PARSE_H

#include <cella/evidence.h>

#include "crypto/key.h"

struct cella_software_payload {
    struct cella_software_claims claims;
    enum cella_root root;
    uint8_t ueid_key[32]; /* the fingerprint in the UEID */
    uint8_t spki[CELLA_P256_SPKI_SIZE];
    struct cella_bytes root_evidence; /* view; empty with root file */
};

/* Strict: every claim of the profile, once, in the deterministic order, of its exact type and size,
 * and no other. */
CELLA_RESULT cella_software_parse(struct cella_bytes payload, struct cella_software_payload *out);
/* Frame, claims and signature by the platform key that the claims themselves name: proves nothing
 * until something vouches for that key. Fills out with the claims and the key's fingerprint. */
CELLA_RESULT cella_software_self_signed(struct cella_bytes evidence,
                                        struct cella_software_payload *payload,
                                        struct cella_claims *out);
/* CELLA_ERR_EXPIRED when it is older than max_age_s (0: any age), or made in the future. */
CELLA_RESULT cella_software_age(uint64_t issued_unix, uint64_t now_unix, uint64_t max_age_s);

#endif
