/* The names and limits of software evidence, shared by its maker and its verifier. The text is
 * docs/formats/evidence.md. For files of the evidence part only. */
#ifndef CELLA_EVIDENCE_FORMAT_H
#define CELLA_EVIDENCE_FORMAT_H

#include <cella/evidence.h>

#define CELLA_EVIDENCE_CONTENT_TYPE  "application/eat+cwt" /* RFC 9782 */
#define CELLA_EVIDENCE_PROFILE       "urn:cella:evidence:software:1"
#define CELLA_EVIDENCE_SOFTWARE_NAME "cella platform"

enum {
    CELLA_EVIDENCE_MAX = 65536, /* bytes */
    CELLA_ROOT_EVIDENCE_MAX = 8192,

    /* Claim keys: RFC 8392 and RFC 9711. */
    CELLA_CLAIM_IAT = 6,
    CELLA_CLAIM_NONCE = 10,
    CELLA_CLAIM_UEID = 256,
    CELLA_CLAIM_DBGSTAT = 263,
    CELLA_CLAIM_PROFILE = 265,
    CELLA_CLAIM_SWNAME = 270,
    CELLA_CLAIM_SWVERSION = 271,
    CELLA_CLAIM_PRIVATE = -65537, /* the first key of private use (RFC 8392 section 9.1) */

    CELLA_UEID_RAND = 1, /* UEID type RAND: 1, then 32 bytes, here the platform key's fingerprint */
    CELLA_UEID_SIZE = 33,
    CELLA_DBGSTAT_ENABLED = 0,
    CELLA_DBGSTAT_DISABLED_SINCE_BOOT =
        2, /* the enclave's boot: debug is decided at its start for good */

    CELLA_ATTRIBUTE_DEBUG = 2, /* bit of SECS.ATTRIBUTES.FLAGS */
};

#endif
