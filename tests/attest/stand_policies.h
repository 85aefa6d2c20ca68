/* Policies that the tests set, and whether they stand. */
#ifndef CELLA_TESTS_ATTEST_STAND_POLICIES_H
#define CELLA_TESTS_ATTEST_STAND_POLICIES_H

#include "stand.h"

#define PERMIT "version=1.0; authorizationrules{=> permit();}; issuancerules{};"
#define DENY   "version=1.0; authorizationrules{=> deny();}; issuancerules{};"
#define UNSECURED_PERMIT                                                                           \
    "eyJhbGciOiJub25lIn0."                                                                         \
    "eyJBdHRlc3RhdGlvblBvbGljeSI6ImRtVnljMmx2YmoweExqQTdJR0YxZEdodmNtbDZZWFJwYjI1eWRXeGxjM3M5UGlC" \
    "d1pYSnRhWFFvS1R0OU95QnBjM04xWVc1alpYSjFiR1Z6ZTMwNyJ9."
#define RESET "eyJhbGciOiJub25lIn0.."

/* What stands for a type, as requests see it. */
static inline bool stands(struct stand *stand, enum cella_attest_type type, const char *text) {
    const struct cella_policy_entry *entry = NULL;
    GOOD(cella_policies_take(stand->instance.policies, type, &entry));
    bool same = entry ? text && entry->text.size == strlen(text) &&
                            memcmp(entry->text.data, text, strlen(text)) == 0
                      : !text;
    if (entry) cella_policies_drop(stand->instance.policies, entry);
    return same;
}

#define SET(stand, type, jws)                                                                      \
    do {                                                                                           \
        ANSWER set_ = {0};                                                                         \
        put((stand), (type), (jws), &set_);                                                        \
        if (set_.status != 200) fail_msg("%d %s: %s", set_.status, set_.code, set_.message);       \
    } while (0)
#define NOT_SET(stand, type, jws, status_, code_)                                                  \
    do {                                                                                           \
        ANSWER not_ = {0};                                                                         \
        put((stand), (type), (jws), &not_);                                                        \
        if (not_.status != (status_) || strcmp(not_.code, (code_)) != 0)                           \
            fail_msg("%d %s: %s", not_.status, not_.code, not_.message);                           \
    } while (0)

#endif
