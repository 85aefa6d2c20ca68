/* Software evidence as one family among the others: its roots are the platform keys and attestation
 * keys that the caller trusts; there are none built in (A08, A23). */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/cose.h"
#include "evidence/claims.h"
#include "evidence/family.h"
#include "evidence/format.h"
#include "evidence/software_parse.h"
#include "evidence/stacked.h"

enum { ANCHOR_MAX = 256 };

struct state {
    size_t count;
    struct cella_bytes anchor[ANCHOR_MAX];
    struct cella_verifier *verifier; /* NULL without anchors */
};

static struct cella_result new_state(void **out) {
    *out = calloc(1, sizeof(struct state));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for trusted keys");
    return CELLA_SUCCESS;
}

static void free_state(void *opaque) {
    struct state *state = opaque;
    cella_verifier_free(&state->verifier);
    free(state);
}

static struct cella_result trust(void *opaque, struct cella_bytes spki) {
    struct state *state = opaque;
    ENSURE(state->count < ANCHOR_MAX, CELLA_ERR_LIMIT, NULL, "more than %d trusted keys",
           ANCHOR_MAX);
    CELLA_KEY key = NULL;
    TRY(cella_key_public(spki, &key));
    state->anchor[state->count++] = spki;
    return CELLA_SUCCESS;
}

static struct cella_result set_root(void *opaque, struct cella_bytes der) {
    struct state *state = opaque;
    if (der.size > 0) return trust(opaque, der);
    state->count = 0;
    return CELLA_SUCCESS;
}

static struct cella_result add(void *opaque, const char *name, struct cella_bytes content,
                               bool *taken) {
    (void)opaque;
    (void)name;
    (void)content;
    *taken = false; /* nothing that comes with evidence may become a trusted key */
    return CELLA_SUCCESS;
}

static struct cella_result finish(void *opaque) {
    struct state *state = opaque;
    return state->count > 0 ? cella_verifier_new(state->anchor, state->count, &state->verifier)
                            : CELLA_SUCCESS;
}

const struct cella_family cella_family_software = {
    .name = "software",
    .new_state = new_state,
    .free_state = free_state,
    .set_root = set_root,
    .add = add,
    .finish = finish,
    .trust = trust,
};

/* The tag of COSE_Sign1 and, in the protected header at its start, the content type. */
bool cella_detect_software(struct cella_bytes evidence) {
    size_t head = evidence.size < 64 ? evidence.size : 64;
    return head > 2 && evidence.data[0] == 0xd2 && evidence.data[1] == 0x84 &&
           memmem(evidence.data, head, CELLA_EVIDENCE_CONTENT_TYPE,
                  strlen(CELLA_EVIDENCE_CONTENT_TYPE)) != NULL;
}

static void add_links(struct cella_verification *out, const struct cella_claims *c) {
    bool tpm = c->root == CELLA_ROOT_TPM;
    const char *anchor = cella_text_hex(out, CELLA_BYTES_OF(c->trusted_by));
    const char *platform = cella_text_hex(out, CELLA_BYTES_OF(c->platform_key));
    int32_t link = cella_link_add(out, -1, tpm ? "attestation key" : "platform key", anchor,
                                  "trusted by you", true);
    if (tpm)
        link = cella_link_add(
            out, link, "platform key", platform,
            cella_text(out, "certified by a TPM quote over %u PCRs", c->tpm_pcr_count), true);
    cella_link_add(out, link, "evidence", "COSE_Sign1, ES256, EAT of a cella software platform",
                   "signature good, by the platform key", true);
}

static struct cella_result no_trust(struct cella_verification *out) {
    REFUSE(out, CELLA_ERR_REFUSED, "software evidence", "trust",
           "name the platform or attestation keys you trust (--trust FILE)",
           "a trusted key that signed it", "no key is trusted");
}

struct cella_result cella_verify_software(struct cella_bytes evidence,
                                          const struct cella_collateral *collateral,
                                          const struct cella_evidence_options *options,
                                          struct cella_verification *out) {
    const struct state *state = cella_collateral_of(collateral, &cella_family_software);
    struct cella_claims claims;
    if (cella_stacked_is(evidence)) return cella_stacked_verify(evidence, collateral, options, out);
    if (!state || !state->verifier) return no_trust(out);
    REFUSE_TRY(out, cella_verifier_check(state->verifier, evidence, options->time_unix, 0, &claims),
               "software evidence", "chain", NULL,
               "well-formed and signed by a platform that a trusted key stands for");
    out->authentic = true;
    add_links(out, &claims);
    cella_claims_add(&claims, out->claims);
    REFUSE_TRY(out,
               cella_software_age(claims.software.issued_unix, options->time_unix,
                                  options->max_age_s),
               "software evidence", "issued", NULL, "fresh evidence");
    return CELLA_SUCCESS;
}
