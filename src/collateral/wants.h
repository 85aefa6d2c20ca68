/* What to fetch: told by the evidence that is to be verified, or by platform and product. */
#ifndef CELLA_COLLATERAL_WANTS_H
#define CELLA_COLLATERAL_WANTS_H

#include "collateral/item.h"
#include "collateral/sources.h"

enum { CELLA_WANT_MAX = 24, CELLA_WANT_PATH = 512 };

struct cella_want {
    enum cella_maker maker;
    char what[64];              /* for people: "tcb info of 00606a000000" */
    char item[CELLA_ITEM_NAME]; /* its name in a bundle; of certificates, how the name begins */
    bool certificate;
    char path[CELLA_WANT_PATH]; /* and query, below a source's base */
    const char *url; /* static: where Intel's own service has it instead of at path, or NULL */
    const char *chain_header; /* static, or NULL */
    bool chip;                /* a VCEK: it must be of this chip and TCB */
    uint8_t hwid[64], tcb[8];
    size_t hwid_size;
    char why[256]; /* after fetching: the last reason why a source did not serve; "" if none failed
                    */
    char hint[160];
};
struct cella_wants {
    size_t count;
    struct cella_want want[CELLA_WANT_MAX];
    char
        update[16]; /* "standard", "early" or "": how Intel is asked for TCB infos and identities */
};
/* TCB info and QE identity of an FMSPC, and the lists of authorities: both PCK authorities when
 * neither is told. */
CELLA_RESULT cella_wants_intel(struct cella_wants *wants, const uint8_t fmspc[6], bool tdx,
                               bool processor, bool platform);
/* AMD's authorities and revocation list of a product line: Milan, Genoa, Turin; of VLEKs with vlek.
 */
CELLA_RESULT cella_wants_amd(struct cella_wants *wants, const char *product, bool vlek);
/* What this evidence needs. product: for SNP reports that do not tell it, or NULL.
 * CELLA_ERR_UNSUPPORTED for a type that needs nothing that can be fetched. */
CELLA_RESULT cella_wants_evidence(struct cella_wants *wants, struct cella_bytes evidence,
                                  const char *product);
/* Whether the item is what was wanted. */
bool cella_want_is(const struct cella_want *want, const struct cella_item *item);

#endif
