/* Who an enclave is: what its image's signature says and its measurement proves. */
#ifndef CELLA_IDENTITY_H
#define CELLA_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

struct cella_identity {
    uint8_t mrenclave[32]; /* SHA-256 of the measured pages, as SGX defines it */
    uint8_t mrsigner[32];  /* SHA-256 of the signer's RSA-3072 modulus, little-endian */
    uint16_t product_id;   /* ISVPRODID */
    uint16_t svn;          /* ISVSVN, the security version */
    bool debug;            /* the debug attribute: memory is open to a debugger */
    uint64_t attributes;   /* SECS.ATTRIBUTES.FLAGS, CELLA_SGX_ATTRIBUTE_* */
    uint64_t xfrm;         /* SECS.ATTRIBUTES.XFRM */
    uint32_t miscselect;
    uint8_t config_id[64]; /* CONFIGID: what the manifest's config_id says, zeros where it says
                              nothing */
};

#endif
