/* Certificates of attestation keys, up to the pinned authorities of clouds and whoever else the
 * caller names (A06 to A08). */
#include "base/memory.h"
#include "evidence/tpm_check.h"

static const char renew[] =
    "fetch the key's certificates anew, leaf first, or trust the key itself (--trust)";

const struct cella_tpm_companions *cella_tpm_certificates(const struct cella_tpm_check *check) {
    if (check->own.certificate_count) return &check->own;
    return check->state->companions.certificate_count ? &check->state->companions : NULL;
}

static bool same(struct cella_bytes a, struct cella_bytes b) {
    return a.size == b.size && cella_equal(a.data, b.data, a.size);
}

static bool signed_by(const struct cella_certificate *certificate, struct cella_bytes spki) {
    CELLA_VERIFYKEY key = NULL;
    struct cella_result r = cella_verifykey_new(spki, &key);
    if (!cella_failed(r)) r = cella_certificate_check(certificate, key);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

/* The pinned root that the last certificate is, or that signed it. */
static const struct cella_tpm_anchor *find_root(const struct cella_tpm_state *state,
                                                const struct cella_certificate *last) {
    for (uint32_t i = 0; i < state->root_count; i++)
        if (same(cella_spki_bytes(&state->root[i].spki), last->spki)) return &state->root[i];
    for (uint32_t i = 0; i < state->root_count; i++)
        if (signed_by(last, cella_spki_bytes(&state->root[i].spki))) return &state->root[i];
    return NULL;
}

/* A list that is given counts: it must be its issuer's, of this time, and not name the certificate
 * (A06). */
static struct cella_result check_list(const struct cella_tpm_check *check,
                                      const struct cella_certificate *certificate,
                                      struct cella_bytes issuer_spki, const struct cella_crl *crl) {
    struct cella_verification *out = check->out;
    uint64_t now = check->options->time_unix;
    CELLA_VERIFYKEY key = NULL;
    bool revoked = true;
    REFUSE_TRY(out, cella_verifykey_new(issuer_spki, &key), "revocation", "issuer key", NULL,
               "a usable key");
    REFUSE_TRY(out, cella_crl_check(crl, key), "revocation", "crl.signature", "fetch the list anew",
               "signed by its issuer");
    if (now < crl->this_update_unix ||
        (crl->next_update_unix && now > crl->next_update_unix + check->options->grace_s))
        REFUSE(out, CELLA_ERR_EXPIRED, "revocation", "crl.validity", "fetch the list anew",
               cella_text(out, "valid at %llu", (unsigned long long)now),
               cella_text(out, "%llu to %llu", (unsigned long long)crl->this_update_unix,
                          (unsigned long long)crl->next_update_unix));
    REFUSE_TRY(out, cella_crl_revokes(crl, certificate->serial, &revoked), "revocation",
               "crl.entries", "fetch the list anew", "a well-formed list");
    if (revoked)
        REFUSE(out, CELLA_ERR_REFUSED, "revocation", "certificate.serial",
               "make a new attestation key", "not revoked",
               cella_text(out, "%s is on the list", cella_text_hex(out, certificate->serial)));
    return CELLA_SUCCESS;
}

static struct cella_result check_revocation(const struct cella_tpm_check *check,
                                            const struct cella_tpm_companions *chain,
                                            const struct cella_tpm_anchor *root) {
    const struct cella_tpm_companions *given = &check->state->companions;
    for (uint32_t i = 0; i < chain->certificate_count; i++) {
        const struct cella_certificate *c = &chain->certificate[i];
        bool last = i + 1 == chain->certificate_count;
        struct cella_bytes issuer =
            last ? cella_spki_bytes(&root->spki) : chain->certificate[i + 1].spki;
        if (same(c->issuer, c->subject))
            continue; /* the root is pinned: to revoke it is to unpin it */
        for (uint32_t j = 0; j < given->crl_count; j++)
            if (same(given->crl[j].issuer, c->issuer))
                TRY(check_list(check, c, issuer, &given->crl[j]));
    }
    return CELLA_SUCCESS;
}

static int32_t add_links(const struct cella_tpm_check *check,
                         const struct cella_tpm_companions *chain,
                         const struct cella_tpm_anchor *root) {
    char name[128];
    int32_t link =
        cella_link_add(check->out, -1, "certificate", root->name, "pinned by its public key", true);
    for (uint32_t i = chain->certificate_count; i > 0; i--) {
        const struct cella_certificate *c = &chain->certificate[i - 1];
        if (same(c->spki, cella_spki_bytes(&root->spki))) continue;
        cella_name_common(c->subject, name, sizeof(name));
        link = cella_link_add(check->out, link, "certificate", name[0] ? name : "(no common name)",
                              "signed by the one above", true);
    }
    return link;
}

struct cella_result cella_tpm_check_certificates(const struct cella_tpm_check *check,
                                                 const struct cella_tpm_companions *from,
                                                 int32_t *link) {
    enum { DIGITAL_SIGNATURE = 1 };
    const struct cella_certificate *leaf = &from->certificate[0],
                                   *last = &from->certificate[from->certificate_count - 1];
    const struct cella_tpm_anchor *root = find_root(check->state, last);
    struct cella_verification *out = check->out;
    char name[128];
    *link = -1;
    if (!root) {
        cella_name_common(last->issuer, name, sizeof(name));
        REFUSE(out, CELLA_ERR_REFUSED, "ak certificate", "root",
               "give its authority's root (--roots), or trust the key (--trust)", "a pinned root",
               cella_text(out, "issued by %s", name));
    }
    struct cella_chain_options options = {.time_unix = check->options->time_unix,
                                          .root_spki = cella_spki_bytes(&root->spki)};
    struct cella_chain_fault fault;
    struct cella_result r =
        cella_chain_check(from->certificate, from->certificate_count, &options, &fault);
    REFUSE_TRY(out, r, "ak certificate",
               cella_text(out, "chain[%zu].%s", fault.index, cella_chain_check_name(fault.check)),
               renew, "each certificate signed by the next, valid now, up to a pinned root");
    if (leaf->is_ca || (leaf->has_key_usage && !(leaf->key_usage & DIGITAL_SIGNATURE))) /* A07 */
        REFUSE(out, CELLA_ERR_REFUSED, "ak certificate", "leaf.role", renew,
               "a key that signs and is no authority",
               leaf->is_ca ? "an authority" : "no digitalSignature");
    TRY(check_revocation(check, from, root));
    *link = add_links(check, from, root);
    return CELLA_SUCCESS;
}
