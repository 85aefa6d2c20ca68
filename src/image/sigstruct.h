/* SIGSTRUCT: the signer's statement of what an enclave is (Intel SDM volume 3D, 38.13; 1808 bytes).
 * Parsing checks form only; cella_sigstruct_verify checks signature, Q1 and Q2. Pure, thread-safe.
 */
#ifndef CELLA_IMAGE_SIGSTRUCT_H
#define CELLA_IMAGE_SIGSTRUCT_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdint.h>

#include "abi/sgx.h"
#include "crypto/rsa3072.h"

enum { CELLA_SIGSTRUCT_SIGNED_SIZE = 256 /* bytes 0..127 and 900..1027, one after the other */ };

struct cella_sigstruct {
    uint32_t vendor; /* 0x8086 Intel, 0 others */
    uint32_t date;   /* BCD yyyymmdd: 0x20260131 */
    uint32_t swdefined;
    uint8_t modulus[CELLA_RSA3072_SIZE];
    uint8_t signature[CELLA_RSA3072_SIZE];
    uint32_t miscselect, miscmask;
    uint8_t cet_attributes, cet_attributes_mask;
    uint8_t family_id[16], ext_product_id[16];
    uint64_t flags, xfrm;                   /* ATTRIBUTES */
    uint64_t flags_mask, xfrm_mask;         /* ATTRIBUTEMASK */
    uint8_t mrenclave[CELLA_SGX_HASH_SIZE]; /* ENCLAVEHASH */
    uint16_t product_id, svn;
    uint8_t q1[CELLA_RSA3072_SIZE], q2[CELLA_RSA3072_SIZE];
};

/* Fixed headers, zero reserved fields, exponent 3. bytes must have 1808 bytes. */
CELLA_RESULT cella_sigstruct_parse(struct cella_bytes bytes, struct cella_sigstruct *out);
/* The 1808 bytes. */
void cella_sigstruct_write(const struct cella_sigstruct *sigstruct,
                           uint8_t out[CELLA_SGX_SIGSTRUCT_SIZE]);
/* The bytes that a signature covers. */
void cella_sigstruct_signed(const struct cella_sigstruct *sigstruct,
                            uint8_t out[CELLA_SIGSTRUCT_SIGNED_SIZE]);
/* Signature under its own modulus, Q1, Q2. Whose modulus it is, the caller judges by MRSIGNER. */
CELLA_RESULT cella_sigstruct_verify(const struct cella_sigstruct *sigstruct);
/* SHA-256 of the modulus. */
CELLA_RESULT cella_sigstruct_mrsigner(const struct cella_sigstruct *sigstruct,
                                      uint8_t mrsigner[CELLA_SGX_HASH_SIZE]);
/* Puts in modulus and signature, computes Q1 and Q2, and verifies the whole. */
CELLA_RESULT cella_sigstruct_attach(struct cella_sigstruct *sigstruct,
                                    const uint8_t modulus[CELLA_RSA3072_SIZE],
                                    const uint8_t signature[CELLA_RSA3072_SIZE]);

#endif
