#include "evidence/stacked.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/cose.h"
#include "evidence/claims.h"
#include "evidence/format.h"
#include "evidence/software.h"
#include "evidence/software_parse.h"

static const char renew[] = "start the platform again, so that it asks its machine anew";

bool cella_stacked_is(struct cella_bytes evidence) {
    struct cella_cose_sign1 sign1;
    struct cella_software_payload payload;
    static const char key[] = "root-evidence";
    /* Cheaply, as most evidence has no such key. */
    if (evidence.size > CELLA_EVIDENCE_MAX ||
        !memmem(evidence.data, evidence.size, key, sizeof(key) - 1))
        return false;
    struct cella_result r = cella_cose_sign1_parse(evidence, CELLA_EVIDENCE_CONTENT_TYPE, &sign1);
    if (!cella_failed(r)) r = cella_software_parse(sign1.payload, &payload);
    bool stacked = !cella_failed(r) && cella_root_is_hardware(payload.root);
    cella_result_drop(r); /* its own verifier says what is wrong with it */
    return stacked;
}

/* --- The guest --- */

/* The nested evidence, by the verifier of its kind; its claims come apart from the enclave's, which
 * have the same names. */
static struct cella_result verify_guest(const struct cella_software_payload *payload,
                                        const struct cella_collateral *collateral,
                                        const struct cella_evidence_options *options,
                                        struct cella_verification *out,
                                        struct cella_claimset **guest) {
    struct cella_claimset *enclave = out->claims;
    TRY(cella_claimset_new(guest));
    out->claims = *guest;
    cella_family_verify *verify =
        payload->root == CELLA_ROOT_SNP ? cella_verify_snp : cella_verify_tdx;
    struct cella_result r = verify(payload->root_evidence, collateral, options, out);
    *guest = out->claims;
    out->claims = enclave;
    return r;
}

static struct cella_result check_binding(const struct cella_software_payload *payload,
                                         const struct cella_claimset *guest,
                                         struct cella_verification *out) {
    uint8_t bound[64];
    TRY(cella_root_binding(CELLA_BYTES_OF(payload->spki), bound));
    const struct cella_claim *data = cella_claimset_find(guest, "report-data");
    bool sized = data && data->type == CELLA_CLAIM_BYTES && data->bytes.size == sizeof(bound);
    if (!sized || !cella_equal(data->bytes.data, bound, sizeof(bound))) /* A13 */
        REFUSE(out, CELLA_ERR_INTEGRITY, "root evidence", "report data", renew,
               cella_text(out, "%s, the hash of this platform key",
                          cella_text_hex(out, CELLA_BYTES_OF(bound))),
               sized ? cella_text_hex(out, data->bytes) : "none");
    return CELLA_SUCCESS;
}

/* A03: the host may read a debug guest, so its platform key may be anybody's. */
static struct cella_result check_debug(const struct cella_claimset *guest,
                                       struct cella_verification *out) {
    const struct cella_claim *debug = cella_claimset_find(guest, "debug");
    if (!debug || debug->type != CELLA_CLAIM_BOOLEAN || debug->number)
        REFUSE(out, CELLA_ERR_REFUSED, "root evidence", "debug",
               "start the confidential VM without debug, or use --root file for tests",
               "a guest that its host cannot read", debug ? "debug mode" : "no word of it");
    return CELLA_SUCCESS;
}

/* --- Claims and links --- */

/* The guest's claims of the hardware's state keep their names, there is one hardware; those that an
 * enclave has too get "root-" before them. */
static bool keeps_name(const char *name) {
    static const char *const kept[] = {"tcb-status", "tcb-date", "advisories", "collateral-stale"};
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (strcmp(kept[i], name) == 0) return true;
    return strchr(name, '.') != NULL;
}

static void put_claim(struct cella_claimset *to, const char *name, const struct cella_claim *c) {
    char text[CELLA_REASON_TEXT];
    switch (c->type) {
    case CELLA_CLAIM_BYTES: cella_claim_bytes(to, name, c->bytes); return;
    case CELLA_CLAIM_NUMBER: cella_claim_number(to, name, c->number); return;
    case CELLA_CLAIM_BOOLEAN: cella_claim_boolean(to, name, c->number != 0); return;
    case CELLA_CLAIM_TIME: cella_claim_time(to, name, c->number); return;
    case CELLA_CLAIM_TEXT: break;
    }
    snprintf(text, sizeof(text), "%.*s", (int)c->bytes.size, (const char *)c->bytes.data);
    (c->list ? cella_claim_list_text : cella_claim_text)(to, name, text);
}

static void add_guest(const struct cella_claimset *guest, struct cella_claimset *to) {
    char name[CELLA_CLAIM_NAME_MAX];
    for (size_t i = 0; i < cella_claimset_count(guest); i++) {
        const struct cella_claim *c = cella_claimset_at(guest, i);
        if (strcmp(c->name, "assurance") == 0) continue; /* hardware, which root says */
        if (strcmp(c->name, "tee") == 0)
            snprintf(name, sizeof(name), "root");
        else
            snprintf(name, sizeof(name), "%s%s", keeps_name(c->name) ? "" : "root-", c->name);
        put_claim(to, name, c);
    }
}

static void add_links(const struct cella_claims *claims, const char *guest, int32_t report,
                      struct cella_verification *out) {
    int32_t key =
        cella_link_add(out, report, "platform key",
                       cella_text_hex(out, CELLA_BYTES_OF(claims->platform_key)),
                       cella_text(out, "bound by the report data of its %s guest", guest), true);
    cella_link_add(out, key, "evidence", "COSE_Sign1, ES256, EAT of a cella software platform",
                   "signature good, by the platform key", true);
}

/* The last report or quote of the hardware's chain: the guest's own. */
static int32_t report_link(const struct cella_verification *out) {
    int32_t at = (int32_t)out->link_count - 1;
    while (at >= 0 && strcmp(out->link[at].name, "SEV-SNP attestation report") != 0 &&
           strcmp(out->link[at].what, "quote") != 0)
        at--;
    return at;
}

/* --- Together --- */

/* What binds is judged also when the hardware's state is refused: what is not of this platform is
 * not authentic. */
static struct cella_result judge(const struct cella_software_payload *payload,
                                 const struct cella_claims *claims,
                                 const struct cella_claimset *guest,
                                 struct cella_verification *out) {
    out->authentic = false;
    TRY(check_binding(payload, guest, out));
    add_links(claims, cella_root_name(payload->root), report_link(out), out);
    cella_claims_add(claims, out->claims);
    add_guest(guest, out->claims);
    out->authentic = true;
    return cella_claimset_result(out->claims);
}

static struct cella_result verify_all(const struct cella_software_payload *payload,
                                      const struct cella_claims *claims,
                                      const struct cella_collateral *collateral,
                                      const struct cella_evidence_options *options,
                                      struct cella_verification *out) {
    __attribute__((cleanup(cella_claimset_free))) struct cella_claimset *guest = NULL;
    struct cella_result hardware = verify_guest(payload, collateral, options, out, &guest);
    if (!out->authentic) return hardware;
    struct cella_reason reason = out->reason;
    struct cella_result together = judge(payload, claims, guest, out);
    if (cella_failed(together)) {
        out->authentic = false;
        cella_result_drop(hardware);
        return together;
    }
    out->reason = reason;
    if (cella_failed(hardware)) return hardware;
    return check_debug(guest, out);
}

struct cella_result cella_stacked_verify(struct cella_bytes evidence,
                                         const struct cella_collateral *collateral,
                                         const struct cella_evidence_options *options,
                                         struct cella_verification *out) {
    struct cella_software_payload payload;
    struct cella_claims claims;
    REFUSE_TRY(out, cella_software_self_signed(evidence, &payload, &claims), "software evidence",
               "signature", NULL, "well-formed and signed by the platform key in it");
    TRY(verify_all(&payload, &claims, collateral, options, out));
    REFUSE_TRY(out,
               cella_software_age(claims.software.issued_unix, options->time_unix,
                                  options->max_age_s),
               "software evidence", "issued", NULL, "fresh evidence");
    return CELLA_SUCCESS;
}
