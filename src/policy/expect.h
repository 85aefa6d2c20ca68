/* Expectations: what a relying party wants of an enclave, and the verdict over verified claims of
 * any TEE.
 *
 * The verdict is refuse unless every check holds (threats.md A35, A38). What a zeroed cella_expect
 * says is: no software evidence, no debug, and for software secret memory only. A claim that is
 * absent, of another type, or there twice, never holds. Pure; texts are owned by the appraisal
 * itself. */
#ifndef CELLA_POLICY_EXPECT_H
#define CELLA_POLICY_EXPECT_H

#include <cella/claims.h>

enum { CELLA_EXPECT_MAX = 32, CELLA_EXPECT_BYTES_MAX = 64 };
enum { CELLA_EXPECT_ROOT_MAX = 16, CELLA_EXPECT_ROOT_SIZE = 48 /* bytes */ };

enum cella_expect_kind {
    CELLA_EXPECT_BYTES,    /* exactly these, as many */
    CELLA_EXPECT_NONCE,    /* bytes that begin with these and go on in zeros */
    CELLA_EXPECT_NUMBER,   /* exactly this */
    CELLA_EXPECT_AT_LEAST, /* a number not below this */
    CELLA_EXPECT_SPELLED, /* the value in the spelling of the claim's own type; of a list any one */
};

struct cella_expectation {
    enum cella_expect_kind kind;
    const char *claim; /* its name; borrowed, as label and text are */
    const char *label; /* the name that the caller used for it */
    uint8_t bytes[CELLA_EXPECT_BYTES_MAX];
    size_t size;
    uint64_t number;
    const char *text;
};

struct cella_expect {
    uint32_t count;
    struct cella_expectation item[CELLA_EXPECT_MAX];
    bool allow_software;    /* a policy that does not name software never matches it (A23) */
    uint32_t min_assurance; /* enum cella_assurance, where software is allowed */
    bool allow_debug;       /* (T10, A03) */
    bool allow_private_memory;
    /* The confidential VM that a software platform runs in: one of these, 48 bytes each as SNP and
     * TDX measure. S3 asks for them, and for TDX also for tdx.rtmr1 and tdx.rtmr2, which cover
     * kernel and command line. */
    uint32_t root_count;
    uint8_t root_measurement[CELLA_EXPECT_ROOT_MAX][CELLA_EXPECT_ROOT_SIZE];
};

CELLA_RESULT cella_expect_bytes(struct cella_expect *expect, enum cella_expect_kind kind,
                                const char *label, const char *claim, struct cella_bytes bytes);
/* One more guest that the platform may run in. */
CELLA_RESULT cella_expect_root(struct cella_expect *expect, struct cella_bytes measurement);
CELLA_RESULT cella_expect_number(struct cella_expect *expect, enum cella_expect_kind kind,
                                 const char *label, const char *claim, uint64_t number);
CELLA_RESULT cella_expect_spelled(struct cella_expect *expect, const char *claim, const char *text);
/* Whether something is expected of that claim. */
bool cella_expects(const struct cella_expect *expect, const char *claim);

enum cella_verdict { CELLA_VERDICT_REFUSE = 0, CELLA_VERDICT_ACCEPT = 1 };

enum { CELLA_CHECK_MAX = CELLA_EXPECT_MAX + 5, CELLA_CHECK_TEXT = 136 };

struct cella_check {
    const char *claim; /* name of the claim; static or the expectation's */
    bool held;
    char expected[CELLA_CHECK_TEXT];
    char found[CELLA_CHECK_TEXT];
    const char *hint; /* what would satisfy it, static */
};

struct cella_appraisal {
    enum cella_verdict verdict;
    uint32_t count;
    struct cella_check check[CELLA_CHECK_MAX];
};

void cella_appraise(const struct cella_expect *expect, const struct cella_claimset *claims,
                    struct cella_appraisal *out);
/* The first check that did not hold, or NULL. */
const struct cella_check *cella_appraisal_failed(const struct cella_appraisal *appraisal);
/* Success only for an accepted appraisal; else CELLA_ERR_REFUSED with the first check that did not
 * hold. */
CELLA_RESULT cella_appraisal_result(const struct cella_appraisal *appraisal);

#endif
