/* Evidence of a platform inside a confidential VM, and what every such guest is tested for. */
#ifndef CELLA_TESTS_EVIDENCE_STACKED_H
#define CELLA_TESTS_EVIDENCE_STACKED_H

#include "fixture.h"

#include <cella/verify.h>
#include <stdlib.h>

#include "policy/expect.h"

static inline void stacked_evidence(struct fixture *f, enum cella_root root,
                                    struct cella_bytes root_evidence, struct cella_buffer *out) {
    struct cella_software_signer *signer = NULL;
    out->size = 0;
    OK(cella_software_signer_new(f->key, root, root_evidence, &signer));
    OK(cella_software_evidence(signer, &f->claims, out));
    cella_software_signer_free(&signer);
}

static inline const struct cella_claim *stacked_claim(const struct cella_verification *v,
                                                      const char *name) {
    const struct cella_claim *claim = cella_claimset_find(v->claims, name);
    if (!claim) print_error("no claim %s\n", name);
    assert_non_null(claim);
    return claim;
}

static inline void stacked_bytes(const struct cella_verification *v, const char *name,
                                 const void *bytes, size_t size) {
    const struct cella_claim *claim = stacked_claim(v, name);
    assert_int_equal(claim->bytes.size, size);
    assert_memory_equal(claim->bytes.data, bytes, size);
}

static inline void stacked_text(const struct cella_verification *v, const char *name,
                                const char *text) {
    char shown[128];
    cella_claim_show(stacked_claim(v, name), shown, sizeof(shown));
    assert_string_equal(shown, text);
}

static inline void stacked_is(const struct cella_verification *v, const char *where,
                              bool authentic) {
    char found[160];
    snprintf(found, sizeof(found), "%s: %s", v->reason.step, v->reason.field);
    if (strcmp(found, where) != 0)
        print_error("expected '%s', found '%s': expected %s, found %s\n", where, found,
                    v->reason.expected, v->reason.found);
    assert_string_equal(found, where);
    assert_int_equal(v->verdict, CELLA_VERIFY_REFUSED);
    assert_int_equal(v->authentic, authentic);
    if (!authentic) assert_int_equal(cella_claimset_count(v->claims), 0);
}

/* Claims that are the enclave's, of an enclave that fixture_claims describes; the guest's stand
 * beside. */
static inline void stacked_accepted(const struct cella_verification *v, const struct fixture *f,
                                    const char *root, const uint8_t bound[64],
                                    const uint8_t measurement[48]) {
    if (v->verdict != CELLA_VERIFY_ACCEPTED)
        print_error("%s: %s: expected %s, found %s\n", v->reason.step, v->reason.field,
                    v->reason.expected, v->reason.found);
    assert_int_equal(v->verdict, CELLA_VERIFY_ACCEPTED);
    assert_true(v->authentic);
    stacked_text(v, "tee", "software");
    stacked_text(v, "root", root);
    stacked_text(v, "software.root", root);
    stacked_text(v, "root-debug", "no");
    stacked_text(v, "debug", "no");
    stacked_bytes(v, "measurement", f->claims.identity.mrenclave, 32);
    stacked_bytes(v, "report-data", f->claims.report_data, 64);
    stacked_bytes(v, "root-report-data", bound, 64);
    stacked_bytes(v, "root-measurement", measurement, 48);
    for (size_t i = 0; i < cella_claimset_count(v->claims); i++) /* none clobbered (A38) */
        for (size_t j = 0; j < i; j++) {
            const struct cella_claim *a = cella_claimset_at(v->claims, i),
                                     *b = cella_claimset_at(v->claims, j);
            if (!a->list && strcmp(a->name, b->name) == 0) fail_msg("%s is there twice", a->name);
        }
    uint32_t roots = 0;
    for (uint32_t i = 0; i < v->link_count; i++) {
        assert_true(v->link[i].held);
        roots += v->link[i].parent < 0;
    }
    assert_int_equal(roots, 1); /* one tree: hardware root to enclave */
    const struct cella_link *last = &v->link[v->link_count - 1];
    assert_string_equal(last->what, "evidence");
    assert_string_equal(v->link[last->parent].what, "platform key");
}

static inline const char *stacked_appraise(const struct cella_verification *v,
                                           const struct cella_expect *expect) {
    static struct cella_appraisal a;
    cella_appraise(expect, v->claims, &a);
    const struct cella_check *failed = cella_appraisal_failed(&a);
    if (failed) assert_true(failed->hint && failed->hint[0] && failed->found[0]);
    return failed ? failed->claim : NULL;
}

#endif
