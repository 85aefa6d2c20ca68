/* Claims: what verified evidence says, as one set of names whatever the hardware
 * (docs/formats/claims.md).
 *
 * A claim is a name and a typed value. Common names are the same for every TEE: tee, measurement,
 * signer, product-id, svn, debug, report-data, config-id, tcb-status, tcb-date, advisories,
 * platform-id, assurance, issued. The maker's own stand under its name with a dot: "sgx.mrenclave",
 * "snp.policy.smt", "tdx.rtmr0". A name may occur several times: a list. A set owns its values; a
 * const set may be read by many threads.
 */
#ifndef CELLA_CLAIMS_H
#define CELLA_CLAIMS_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdint.h>

enum cella_claim_type {
    CELLA_CLAIM_TEXT,    /* UTF-8 */
    CELLA_CLAIM_BYTES,   /* shown as lower-case hex */
    CELLA_CLAIM_NUMBER,  /* 0 .. 2^64-1 */
    CELLA_CLAIM_BOOLEAN, /* number 0 or 1 */
    CELLA_CLAIM_TIME,    /* number: seconds since 1970, UTC; shown as RFC 3339 */
};

struct cella_claim {
    const char *name; /* of the set */
    enum cella_claim_type type;
    bool list;                /* one of a list, also when it is alone in it */
    struct cella_bytes bytes; /* text and bytes; of the set */
    uint64_t number;
};

struct cella_claimset;

enum { CELLA_CLAIM_MAX = 512, CELLA_CLAIM_NAME_MAX = 64, CELLA_CLAIM_VALUE_MAX = 65536 };

CELLA_RESULT cella_claimset_new(struct cella_claimset **out);
void cella_claimset_free(struct cella_claimset **set);
size_t cella_claimset_count(const struct cella_claimset *set);
const struct cella_claim *cella_claimset_at(const struct cella_claimset *set, size_t index);
/* The first claim of that name, or NULL. */
const struct cella_claim *cella_claimset_find(const struct cella_claimset *set, const char *name);

/* Adding copies name and value. Errors stick: add freely and check once with cella_claimset_result.
 */
void cella_claim_text(struct cella_claimset *set, const char *name, const char *text);
void cella_claim_bytes(struct cella_claimset *set, const char *name, struct cella_bytes bytes);
void cella_claim_number(struct cella_claimset *set, const char *name, uint64_t number);
void cella_claim_boolean(struct cella_claimset *set, const char *name, bool value);
void cella_claim_time(struct cella_claimset *set, const char *name, uint64_t unix_s);
void cella_claim_list_text(struct cella_claimset *set, const char *name,
                           const char *text); /* one more of a list */
CELLA_RESULT cella_claimset_result(const struct cella_claimset *set);
/* The value in the spelling that is shown: hex, decimal, yes or no, RFC 3339, text without control
 * characters; cut to size, which is at least 8. */
void cella_claim_show(const struct cella_claim *claim, char *text, size_t size);

#endif
