/* One item of collateral as a bundle keeps it: its name told by its content, so that the same items
 * give the same bundle wherever they came from, and what decides which of two is newer. For files
 * of the collateral part and the command line. */
#ifndef CELLA_COLLATERAL_ITEM_H
#define CELLA_COLLATERAL_ITEM_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

enum cella_item_kind {
    CELLA_ITEM_OTHER = 0,   /* known to a verifier, not to this part: kept as it is */
    CELLA_ITEM_TCB_INFO,    /* Intel */
    CELLA_ITEM_IDENTITY,    /* Intel: of QE, TD QE or QVE */
    CELLA_ITEM_CERTIFICATE, /* Intel or AMD */
    CELLA_ITEM_CRL,         /* Intel or AMD */
    CELLA_ITEM_KIND_COUNT
};
enum cella_item_state {
    CELLA_ITEM_UNCHECKED = 0, /* judged when evidence needs it */
    CELLA_ITEM_HELD,          /* signed, up to a trusted root */
    CELLA_ITEM_FAILED,
};
enum { CELLA_ITEM_NAME = 100, CELLA_ITEM_TEXT = 256, CELLA_ITEM_NUMBER = 21 };

struct cella_item {
    enum cella_item_kind kind;
    char name[CELLA_ITEM_NAME]; /* in a bundle; the same for older and newer of the same thing */
    char issuer[64]; /* common name; of TCB infos and identities, once they are checked */
    uint64_t from_unix, until_unix; /* 0: not told */
    bool evaluated;                 /* has a tcbEvaluationDataNumber */
    uint32_t evaluation, version;
    uint8_t number[CELLA_ITEM_NUMBER]; /* CRL number, big-endian */
    struct cella_buffer
        content;             /* as written: JSON as it came, certificates in PEM, lists in DER */
    struct cella_buffer der; /* of certificates and lists */
    struct cella_buffer
        signer;    /* SubjectPublicKeyInfo of who signed it, once checked; may be empty */
    size_t origin; /* of what was fetched: which answer, from 1; else 0 */
    enum cella_item_state state;
    char why[CELLA_ITEM_TEXT]; /* of FAILED */
};
void cella_item_free(struct cella_item *item);
#define CELLA_ITEM __attribute__((cleanup(cella_item_free))) struct cella_item

/* TCB infos, identities, one certificate or one list in DER; kind OTHER for all else. Errors are
 * for memory. */
CELLA_RESULT cella_item_read(const char *name, struct cella_bytes content, struct cella_item *out);
/* Whether a stands for something newer than b, of the same name (A05, A37): by evaluation number,
 * version and date, by CRL number and date. */
bool cella_item_newer(const struct cella_item *a, const struct cella_item *b);
/* DER as PEM of a label ("CERTIFICATE", "X509 CRL"), appended. */
CELLA_RESULT cella_item_pem(const char *label, struct cella_bytes der, struct cella_buffer *out);
const char *cella_item_kind_name(enum cella_item_kind kind);

#endif
