/* DCAP quotes of SGX and TDX, versions 3, 4 and 5 (Intel, "Quote Library API" appendix A.3 and A.4,
 * and the TDX DCAP documents): decoded into views of the caller's bytes, nothing allocated, nothing
 * verified.
 *
 * All lengths are checked against what is there and must add up exactly within the signature data
 * (A31). Bytes after the signature data are allowed, since producers pad; `size` says where the
 * quote ends. Unknown versions, key types and body types are refused, not guessed (A19, A28).
 */
#ifndef CELLA_EVIDENCE_SGX_QUOTE_H
#define CELLA_EVIDENCE_SGX_QUOTE_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    CELLA_QUOTE_HEADER_SIZE = 48,
    CELLA_SGX_BODY_SIZE = 384,
    CELLA_TD10_BODY_SIZE = 584,
    CELLA_TD15_BODY_SIZE = 648
};
enum cella_quote_body {
    CELLA_QUOTE_BODY_SGX = 1,
    CELLA_QUOTE_BODY_TD10 = 2,
    CELLA_QUOTE_BODY_TD15 = 3
};
enum { CELLA_SGX_FLAG_INIT = 1, CELLA_SGX_FLAG_DEBUG = 2 };

struct cella_sgx_body {
    struct cella_bytes whole;  /* 384 bytes */
    struct cella_bytes cpusvn; /* 16 */
    uint32_t miscselect;
    struct cella_bytes isvextprodid; /* 16 */
    struct cella_bytes attributes;   /* 16: flags, xfrm */
    uint64_t flags, xfrm;
    struct cella_bytes mrenclave, mrsigner; /* 32 */
    struct cella_bytes configid;            /* 64 */
    uint16_t isvprodid, isvsvn, configsvn;
    struct cella_bytes isvfamilyid; /* 16 */
    struct cella_bytes report_data; /* 64 */
};

struct cella_td_body {
    struct cella_bytes tee_tcb_svn;                              /* 16 */
    struct cella_bytes mrseam, mrsignerseam;                     /* 48 */
    struct cella_bytes seam_attributes;                          /* 8 */
    struct cella_bytes attributes;                               /* 8 */
    struct cella_bytes xfam;                                     /* 8 */
    struct cella_bytes mrtd, mrconfigid, mrowner, mrownerconfig; /* 48 */
    struct cella_bytes rtmr[4];                                  /* 48 */
    struct cella_bytes report_data;                              /* 64 */
    struct cella_bytes tee_tcb_svn2, mrservicetd;                /* 16, 48; empty but in TD 1.5 */
};

struct cella_quote {
    uint16_t version, key_type;
    uint32_t tee_type; /* 0 SGX, 0x81 TDX */
    uint16_t qe_svn, pce_svn;
    struct cella_bytes user_data; /* 20 */
    enum cella_quote_body body_type;
    struct cella_sgx_body sgx;      /* of body type SGX */
    struct cella_td_body td;        /* of the others */
    struct cella_bytes signed_part; /* header to body, what the quote signature covers */
    size_t signature_size;          /* of the signature data */
    size_t size;                    /* of the quote without padding */

    struct cella_bytes signature, attestation_key; /* 64 each */
    struct cella_sgx_body qe;
    struct cella_bytes qe_signature; /* 64 */
    struct cella_bytes qe_auth;
    uint16_t certification_type; /* 1 to 5, 7 */
    struct cella_bytes certification;
};

CELLA_RESULT cella_quote_parse(struct cella_bytes bytes, struct cella_quote *out);
/* Certification data 1 to 3: identifiers of the PCK. ppid: 16 bytes in plain for type 1, else
 * encrypted. pceid is empty where type 1 comes without it, as Intel's library makes it in its
 * samples. */
struct cella_pck_id {
    bool plain;
    struct cella_bytes ppid, cpusvn, pceid;
    uint16_t pcesvn;
};
CELLA_RESULT cella_quote_pck_id(const struct cella_quote *quote, struct cella_pck_id *out);

#endif
