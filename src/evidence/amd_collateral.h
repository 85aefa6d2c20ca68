/* Collateral of AMD's family: certificates of chips (VCEK) and providers (VLEK), of AMD's
 * authorities, and revocation lists, each read and checked under its issuer once.
 *
 * The authorities' keys are built in (amd_keys.h), so that a report and its VCEK are enough; an
 * authority's certificate that is given takes the place of the built-in one and must be good. With
 * roots of one's own only what a built-in root among them has certified is built in. For files of
 * the evidence part. */
#ifndef CELLA_EVIDENCE_AMD_COLLATERAL_H
#define CELLA_EVIDENCE_AMD_COLLATERAL_H

#include "base/buffer.h"
#include "evidence/family.h"
#include "evidence/snp_cert.h"

enum { CELLA_AMD_ROOT_MAX = 16, CELLA_AMD_ITEM_MAX = 1024 };

/* Why an item cannot be used; field is NULL when it can. */
struct cella_amd_failure {
    const char *field, *expected; /* static */
    char found[CELLA_REASON_TEXT];
};

/* What vouches for a certificate. */
struct cella_amd_signer {
    const char *name; /* of the state or static */
    struct cella_bytes serial;
    uint64_t not_before_unix, not_after_unix; /* both 0: a bare key, valid at any time */
    bool built_in;
};

struct cella_amd_item {
    struct cella_snp_cert cert; /* role by the file's name and line NONE when it cannot be read */
    struct cella_verifykey *key;
    struct cella_amd_failure failure;
    struct cella_amd_signer authority, root; /* after finish; authority of VCEK and VLEK only */
};

struct cella_amd_crl {
    struct cella_crl crl;
    enum cella_snp_line line;
    struct cella_amd_failure failure;
};

struct cella_amd_root {
    struct cella_bytes spki;  /* owned */
    enum cella_snp_line line; /* NONE: any */
    struct cella_amd_signer signer;
    char name[64];
    uint8_t serial[24];
    struct cella_verifykey *key;
};

struct cella_amd_state {
    const struct cella_amd_state *base; /* whose roots and authorities serve, or NULL */
    bool own_roots;
    uint32_t root_count;
    struct cella_amd_root root[CELLA_AMD_ROOT_MAX];
    struct cella_verifykey *built_in[CELLA_AMD_KEY_COUNT]; /* made when first needed */
    size_t item_count, crl_count, text_count;
    struct cella_amd_item *item;
    struct cella_amd_crl *crl;
    struct cella_buffer *text; /* what was decoded from PEM */
};

/* A set for one verification, over a finished base (NULL: the built-in keys alone). */
CELLA_RESULT cella_amd_state_over(const struct cella_amd_state *base, struct cella_amd_state **out);
CELLA_RESULT cella_amd_add(struct cella_amd_state *state, const char *name,
                           struct cella_bytes content, bool *taken);
CELLA_RESULT cella_amd_finish(struct cella_amd_state *state);
void cella_amd_state_free(struct cella_amd_state **state);
#define CELLA_AMD_STATE __attribute__((cleanup(cella_amd_state_free))) struct cella_amd_state *

/* Records why; takes the result, which must be an error. */
void cella_amd_fail(struct cella_amd_failure *failure, const char *field, const char *expected,
                    struct cella_result because);

enum { CELLA_AMD_SPKI_SIZE = 550 };
/* SubjectPublicKeyInfo of a built-in key. */
CELLA_RESULT cella_amd_key_spki(const struct cella_amd_key *key, uint8_t out[CELLA_AMD_SPKI_SIZE]);

#endif
