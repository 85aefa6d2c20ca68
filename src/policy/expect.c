#include "policy/expect.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/text.h"

/* The next check, not held until someone says so. */
static struct cella_check *add(struct cella_appraisal *a, const char *claim, const char *hint) {
    struct cella_check *check = &a->check[a->count++];
    *check = (struct cella_check){.claim = claim, .hint = hint};
    return check;
}

static void add_bytes(struct cella_appraisal *a, const char *claim, const char *hint,
                      const uint8_t *expected, const uint8_t *found, size_t size) {
    struct cella_check *check = add(a, claim, hint);
    cella_hex_encode(cella_bytes(expected, size), check->expected);
    cella_hex_encode(cella_bytes(found, size), check->found);
    check->held = cella_equal(expected, found, size);
}

static void check_software(const struct cella_expect *expect, const struct cella_claims *claims,
                           struct cella_appraisal *out) {
    struct cella_check *tee =
        add(out, "tee", "--allow software:LEVEL, knowing what that level does not stop");
    snprintf(tee->expected, sizeof(tee->expected),
             expect->allow_software ? "software" : "hardware");
    snprintf(tee->found, sizeof(tee->found), "software");
    tee->held = expect->allow_software;
    struct cella_check *level =
        add(out, "assurance", "`cella doctor` on that machine says how to reach a higher level");
    snprintf(level->expected, sizeof(level->expected),
             expect->allow_software ? "S%u or higher" : "hardware", expect->min_assurance);
    snprintf(level->found, sizeof(level->found), "S%u", claims->software.assurance);
    level->held = expect->allow_software && claims->software.assurance >= expect->min_assurance;
}

static void check_number(struct cella_appraisal *out, const char *claim, const char *hint,
                         const char *suffix, uint32_t expected, uint32_t found, bool held) {
    struct cella_check *check = add(out, claim, hint);
    snprintf(check->expected, sizeof(check->expected), "%u%s", expected, suffix);
    snprintf(check->found, sizeof(check->found), "%u", found);
    check->held = held;
}

static void check_modes(const struct cella_expect *expect, const struct cella_claims *claims,
                        struct cella_appraisal *out) {
    const struct cella_software_claims *s = &claims->software;
    struct cella_check *debug =
        add(out, "debug", "sign the image without debug, or --allow-debug for a test");
    snprintf(debug->expected, sizeof(debug->expected), expect->allow_debug ? "any" : "no");
    snprintf(debug->found, sizeof(debug->found), s->identity.debug ? "yes" : "no");
    debug->held = expect->allow_debug || !s->identity.debug;
    struct cella_check *memory =
        add(out, "memory", "run it where memfd_secret works, or --allow-private-memory");
    snprintf(memory->expected, sizeof(memory->expected),
             expect->allow_private_memory ? "any" : "secret");
    snprintf(memory->found, sizeof(memory->found), s->memory_secret ? "secret" : "private");
    memory->held = expect->allow_private_memory || s->memory_secret;
}

void cella_appraise(const struct cella_expect *expect, const struct cella_claims *claims,
                    struct cella_appraisal *out) {
    cella_zero(out, sizeof(*out));
    const struct cella_identity *id = &claims->software.identity;
    check_software(expect, claims, out);
    check_modes(expect, claims, out);
    if (expect->has_mrenclave)
        add_bytes(out, "mrenclave", "another program, or another build of it, runs there",
                  expect->mrenclave, id->mrenclave, 32);
    if (expect->has_mrsigner)
        add_bytes(out, "mrsigner", "the image was signed with another key", expect->mrsigner,
                  id->mrsigner, 32);
    if (expect->has_product_id)
        check_number(out, "product-id", "another product of the same signer", "",
                     expect->product_id, id->product_id, id->product_id == expect->product_id);
    if (expect->has_min_svn)
        check_number(out, "svn", "run a newer version of the image", " or higher", expect->min_svn,
                     id->svn, id->svn >= expect->min_svn);
    if (expect->has_config_id)
        add_bytes(out, "config-id", "the manifest says another config id", expect->config_id,
                  id->config_id, 64);
    if (expect->has_report_data)
        add_bytes(out, "report-data",
                  "the evidence was made for another question: ask for new evidence",
                  expect->report_data, claims->software.report_data, 64);
    for (uint32_t i = 0; i < out->count; i++)
        if (!out->check[i].held) return;
    if (out->count > 0) out->verdict = CELLA_VERDICT_ACCEPT;
}

CELLA_RESULT cella_appraisal_result(const struct cella_appraisal *appraisal) {
    for (uint32_t i = 0; i < appraisal->count; i++) {
        const struct cella_check *check = &appraisal->check[i];
        ENSURE(check->held, CELLA_ERR_REFUSED, check->hint, "policy: %s: expected %s, found %s",
               check->claim, check->expected, check->found);
    }
    ENSURE(appraisal->verdict == CELLA_VERDICT_ACCEPT, CELLA_ERR_REFUSED, NULL,
           "policy: nothing was appraised");
    return CELLA_SUCCESS;
}
