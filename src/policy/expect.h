/* Expectations: what a relying party wants of an enclave, and the verdict over verified claims.
 *
 * The verdict is refuse unless every check holds (threats.md A35, A38); what a zeroed cella_expect
 * says is: no software evidence, no debug, secret memory only. Pure; texts are owned by the
 * appraisal itself. */
#ifndef CELLA_POLICY_EXPECT_H
#define CELLA_POLICY_EXPECT_H

#include <cella/evidence.h>

struct cella_expect {
    bool has_mrenclave, has_mrsigner, has_product_id, has_min_svn, has_report_data, has_config_id;
    uint8_t mrenclave[32];
    uint8_t mrsigner[32];
    uint16_t product_id;
    uint16_t min_svn;
    uint8_t report_data[64]; /* all 64 bytes; a nonce is one padded with zeros */
    uint8_t config_id[64];
    bool allow_software;    /* a policy that does not name software never matches it (A23) */
    uint32_t min_assurance; /* enum cella_assurance, where software is allowed */
    bool allow_debug;       /* (T10, A03) */
    bool allow_private_memory;
};

enum cella_verdict { CELLA_VERDICT_REFUSE = 0, CELLA_VERDICT_ACCEPT = 1 };

enum { CELLA_CHECK_MAX = 12, CELLA_CHECK_TEXT = 136 };

struct cella_check {
    const char *claim; /* name of the claim, static */
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

void cella_appraise(const struct cella_expect *expect, const struct cella_claims *claims,
                    struct cella_appraisal *out);
/* Success only for an accepted appraisal; else CELLA_ERR_REFUSED with the first check that did not
 * hold. */
CELLA_RESULT cella_appraisal_result(const struct cella_appraisal *appraisal);

#endif
