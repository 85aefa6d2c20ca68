/* Verification of SEV-SNP reports: report, VCEK or VLEK, ASK or ASVK, ARK (threats.md A05 to A08,
 * A15 to A20). AMD publishes no TCB statuses: minimums are the relying party's (docs/formats/
 * claims-snp.md). */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "evidence/amd_collateral.h"
#include "evidence/snp_claims.h"

enum { TABLE_MAX = 256 * 1024 /* bytes */, SIGNATURES_MAX = 64 };

static const char renew[] = "ask the machine for a new report and pass its bytes on unchanged";
static const char refetch[] = "fetch it anew from AMD's Key Distribution Service";

struct check {
    struct cella_verification *out;
    const struct cella_evidence_options *options;
    const struct cella_amd_state *state;
    struct cella_snp_report report;
    const struct cella_amd_item *leaf;
    bool signature_held; /* found while the leaf was chosen */
    bool stale;
    bool crl_checked;
};

bool cella_detect_snp(struct cella_bytes evidence) {
    enum { HEAD = 0x38 };
    if (evidence.size < HEAD) return false;
    uint32_t version = 0, algorithm = 0;
    for (unsigned i = 0; i < 4; i++) {
        version |= (uint32_t)evidence.data[i] << 8 * i;
        algorithm |= (uint32_t)evidence.data[0x34 + i] << 8 * i;
    }
    bool known = version >= 1 && version <= UINT8_MAX, usual = algorithm == 1;
    if (evidence.size == CELLA_SNP_REPORT_SIZE) return known || usual;
    return known && usual && (evidence.data[10] & 2); /* bit 17 of the policy is always one */
}

/* ---- which certificate ---- */

static enum cella_snp_line report_line(const struct cella_snp_report *r) {
    return cella_snp_line_of_cpuid(r->cpuid_family, r->cpuid_model);
}

static bool same_tcb(const struct cella_snp_report *r, const struct cella_snp_cert *cert) {
    return cella_equal(r->reported_tcb, cert->tcb, CELLA_SNP_TCB_SIZE);
}

/* A16. The bytes after the id are zero, or they would be part of no comparison. */
static bool same_chip(const struct cella_snp_report *r, const struct cella_snp_cert *cert) {
    if (cert->role == CELLA_SNP_VLEK || cella_snp_chip_masked(r)) return true;
    if (!cella_equal(r->chip_id, cert->hwid.data, cert->hwid.size)) return false;
    for (size_t i = cert->hwid.size; i < CELLA_SNP_CHIP_SIZE; i++)
        if (r->chip_id[i]) return false;
    return true;
}

/* How well a certificate fits: the best is judged, so that the reason speaks of the nearest one. */
enum { FITS = 7 };
static int fit(const struct cella_snp_report *r, const struct cella_amd_item *item) {
    if (item->failure.field && item->cert.line == CELLA_SNP_LINE_NONE) return 0;
    int line = !r->has_cpuid || report_line(r) == item->cert.line;
    return line * 1 + (same_chip(r, &item->cert) ? 4 : 0) + (same_tcb(r, &item->cert) ? 2 : 0);
}

static struct cella_result check_signature(const struct check *c,
                                           const struct cella_amd_item *item) {
    return cella_verifykey_check(item->key, CELLA_SIG_ECDSA_P384_SHA384, c->report.signed_part,
                                 CELLA_BYTES_OF(c->report.signature));
}

/* With a masked chip several certificates may fit; the signature tells which. */
static void choose(struct check *c, enum cella_snp_role role) {
    int best = -1, tried = 0;
    for (const struct cella_amd_state *s = c->state; s; s = s->base)
        for (size_t i = 0; i < s->item_count; i++) {
            const struct cella_amd_item *item = &s->item[i];
            if (item->cert.role != role) continue;
            int fitness = fit(&c->report, item);
            if (fitness < best || (fitness == best && fitness < FITS)) continue;
            if (fitness > best) c->leaf = item;
            best = fitness;
            if (fitness < FITS || item->failure.field || !item->key || tried++ >= SIGNATURES_MAX)
                continue;
            struct cella_result r = check_signature(c, item);
            c->signature_held = !cella_failed(r);
            cella_result_drop(r);
            if (!c->signature_held) continue;
            c->leaf = item;
            return;
        }
}

static const char *where_to_fetch(struct check *c) {
    const struct cella_snp_report *r = &c->report;
    enum cella_snp_line line = report_line(r);
    const char *product = r->has_cpuid ? cella_snp_line_name(line) : "PRODUCT";
    if (cella_snp_chip_masked(r))
        return "give the machine's VCEK, e.g. of its certificate table, as collateral";
    const uint8_t *t = r->reported_tcb;
    bool turin = line == CELLA_SNP_TURIN;
    char hwid[2 * CELLA_SNP_CHIP_SIZE + 1];
    for (size_t i = 0; i < (turin ? CELLA_SNP_CHIP_TURIN : CELLA_SNP_CHIP_SIZE); i++)
        snprintf(hwid + 2 * i, 3, "%02x", r->chip_id[i]);
    if (turin)
        return cella_text(c->out,
                          "give the VCEK: AMD KDS /vcek/v1/Turin/%s?fmcSPL=%02u&blSPL=%02u&teeSPL="
                          "%02u&snpSPL=%02u&ucodeSPL=%02u",
                          hwid, t[0], t[1], t[2], t[3], t[7]);
    return cella_text(c->out,
                      "give the VCEK: AMD KDS /vcek/v1/%s/%s?blSPL=%02u&teeSPL=%02u&snpSPL=%02u&"
                      "ucodeSPL=%02u",
                      product, hwid, t[0], t[1], t[6], t[7]);
}

static struct cella_result find_leaf(struct check *c) {
    const struct cella_snp_report *r = &c->report;
    if (r->signing_key != CELLA_SNP_SIGNED_BY_VCEK && r->signing_key != CELLA_SNP_SIGNED_BY_VLEK)
        REFUSE(c->out, CELLA_ERR_REFUSED, "report", "report.signing_key",
               "have the host load a VLEK, or not mask the chip's key", "0 (VCEK) or 1 (VLEK)",
               r->signing_key == CELLA_SNP_NOT_SIGNED ? "7: the report is not signed"
                                                      : cella_text(c->out, "%u", r->signing_key));
    bool vcek = r->signing_key == CELLA_SNP_SIGNED_BY_VCEK;
    if (vcek && r->mask_chip_key)
        REFUSE(c->out, CELLA_ERR_REFUSED, "report", "report.mask_chip_key",
               "have the host load a VLEK, or not mask the chip's key", "a report that is signed",
               "the chip's key is masked and no VLEK is loaded");
    if (r->has_cpuid && report_line(r) == CELLA_SNP_LINE_NONE)
        REFUSE(c->out, CELLA_ERR_UNSUPPORTED, "report", "report.cpuid",
               "use a version of cella that knows this processor", "Milan, Genoa or Turin",
               cella_text(c->out, "family 0x%02x model 0x%02x", r->cpuid_family, r->cpuid_model));
    choose(c, vcek ? CELLA_SNP_VCEK : CELLA_SNP_VLEK); /* A18: of the kind that signed */
    if (!c->leaf)
        REFUSE(c->out, CELLA_ERR_NOT_FOUND, "amd certificate chain", vcek ? "vcek" : "vlek",
               vcek ? where_to_fetch(c) : "give the provider's VLEK, of the certificate table",
               vcek ? "the VCEK of this chip and TCB, as collateral or behind the report"
                    : "the VLEK of this provider and TCB, as collateral or behind the report",
               "none");
    return CELLA_SUCCESS;
}

/* ---- the chain ---- */

static struct cella_result check_window(const struct check *c, const char *field, uint64_t from,
                                        uint64_t to) {
    uint64_t now = c->options->time_unix;
    if (from == 0 && to == 0) return CELLA_SUCCESS;
    if (now < from || now > to) /* A05 */
        REFUSE(c->out, CELLA_ERR_EXPIRED, "amd certificate chain", field, refetch,
               cella_text(c->out, "valid at %llu (seconds since 1970)", (unsigned long long)now),
               cella_text(c->out, "valid from %llu to %llu", (unsigned long long)from,
                          (unsigned long long)to));
    return CELLA_SUCCESS;
}

static bool serial_is(const struct cella_crl *crl, struct cella_bytes serial) {
    bool revoked = true;
    struct cella_result r = cella_crl_revokes(crl, serial, &revoked);
    cella_result_drop(r); /* revoked stays true on failure */
    return revoked;
}

/* A06. AMD's lists are the root's: they name ASK and ASVK. VCEK all have the serial 0 and are
 * replaced by raising the TCB, not revoked. A list that is there must be good and in date. */
static struct cella_result check_crl(struct check *c, const struct cella_amd_crl *item,
                                     bool *current) {
    static const char step[] = "amd revocation list";
    const struct cella_amd_item *leaf = c->leaf;
    const struct cella_crl *crl = &item->crl;
    uint64_t now = c->options->time_unix;
    if (item->failure.field)
        REFUSE(c->out, CELLA_ERR_INTEGRITY, step, item->failure.field, refetch,
               item->failure.expected, item->failure.found);
    if (serial_is(crl, leaf->authority.serial))
        REFUSE(c->out, CELLA_ERR_REFUSED, step, "revoked",
               "update the machine, so that AMD's new authority signs its key", "not on the list",
               cella_text(c->out, "%s is revoked", leaf->authority.name));
    if (leaf->root.serial.size && serial_is(crl, leaf->root.serial))
        REFUSE(c->out, CELLA_ERR_REFUSED, step, "revoked", refetch, "not on the list",
               cella_text(c->out, "%s is revoked", leaf->root.name));
    if (crl->this_update_unix > now || crl->next_update_unix == 0) return CELLA_SUCCESS;
    if (now <= crl->next_update_unix) {
        *current = true;
    } else if (now - crl->next_update_unix <= c->options->grace_s) {
        *current = true;
        c->stale = true;
    }
    return CELLA_SUCCESS;
}

static struct cella_result check_crls(struct check *c) {
    bool any = false, current = false;
    for (const struct cella_amd_state *s = c->state; s; s = s->base)
        for (size_t i = 0; i < s->crl_count; i++) {
            const struct cella_amd_crl *item = &s->crl[i];
            if (item->line != c->leaf->cert.line && item->line != CELLA_SNP_LINE_NONE) continue;
            any = true;
            TRY(check_crl(c, item, &current));
        }
    if (any && !current)
        REFUSE(c->out, CELLA_ERR_EXPIRED, "amd revocation list", "crl.nextUpdate", refetch,
               "a list that is in date", "only lists that are not, at the time given");
    c->crl_checked = any;
    return CELLA_SUCCESS;
}

static void add_links(const struct check *c, bool signature) {
    const struct cella_amd_item *leaf = c->leaf;
    const char *from =
        leaf->authority.built_in ? "its key is built in" : "given; signed by the root";
    int32_t at =
        cella_link_add(c->out, -1, "certificate", leaf->root.name, "root, pinned by its key", true);
    at = cella_link_add(c->out, at, "certificate", leaf->authority.name, from, true);
    at = cella_link_add(c->out, at, "certificate", leaf->cert.name,
                        "RSASSA-PSS by its authority; TCB and chip as in the report", true);
    cella_link_add(c->out, at, "report", "SEV-SNP attestation report",
                   "ECDSA P-384 by the key of the certificate", signature);
}

static struct cella_result check_chain(struct check *c) {
    const struct cella_amd_item *leaf = c->leaf;
    const char *kind = leaf->cert.role == CELLA_SNP_VCEK ? "vcek.validity" : "vlek.validity";
    if (leaf->failure.field)
        REFUSE(c->out, CELLA_ERR_INTEGRITY, "amd certificate chain", leaf->failure.field, refetch,
               leaf->failure.expected, leaf->failure.found);
    TRY(check_window(c, "ark.validity", leaf->root.not_before_unix, leaf->root.not_after_unix));
    TRY(check_window(c, "authority.validity", leaf->authority.not_before_unix,
                     leaf->authority.not_after_unix));
    TRY(check_window(c, kind, leaf->cert.x509.not_before_unix, leaf->cert.x509.not_after_unix));
    return check_crls(c);
}

/* ---- report against certificate ---- */

static struct cella_result check_tcb(const struct check *c) {
    const struct cella_snp_cert *cert = &c->leaf->cert;
    if (same_tcb(&c->report, cert)) return CELLA_SUCCESS;
    const char *field = "report.reported_tcb";
    for (int i = 0; i < CELLA_SNP_COMPONENT_COUNT; i++) {
        enum cella_snp_component component = (enum cella_snp_component)i;
        int at = cella_snp_component_at(cert->line, component);
        if (at < 0 || c->report.reported_tcb[at] == cert->tcb[at]) continue;
        field = cella_text(c->out, "report.reported_tcb.%s", cella_snp_component_name(component));
    }
    REFUSE(c->out, CELLA_ERR_REFUSED, "report against certificate", field, /* A15 */
           "give the certificate of the TCB that the report names",
           cella_text(c->out, "%s, the certificate's",
                      cella_text_hex(c->out, CELLA_BYTES_OF(cert->tcb))),
           cella_text_hex(c->out, CELLA_BYTES_OF(c->report.reported_tcb)));
}

static struct cella_result check_match(const struct check *c) {
    static const char step[] = "report against certificate";
    const struct cella_snp_report *r = &c->report;
    const struct cella_snp_cert *cert = &c->leaf->cert;
    static const uint8_t zeros[sizeof(r->report_data)];
    /* A13: a report that the host asks for has none; what the host says is not the guest's word. */
    if (r->vmpl == (uint32_t)CELLA_SNP_HOST_VMPL &&
        !cella_equal(r->report_data, zeros, sizeof(zeros)))
        REFUSE(c->out, CELLA_ERR_REFUSED, "report", "report.report_data",
               "use a report that the guest asked for", "zeros in a report that the host asked for",
               cella_text_hex(c->out, CELLA_BYTES_OF(r->report_data)));
    if (r->has_cpuid && report_line(r) != cert->line)
        REFUSE(c->out, CELLA_ERR_REFUSED, step, "report.cpuid", /* A07, A15 */
               "give the certificate of this machine",
               cella_text(c->out, "a processor of line %s, the certificate's",
                          cella_snp_line_name(cert->line)),
               cella_snp_line_name(report_line(r)));
    if (!same_chip(r, cert))
        REFUSE(c->out, CELLA_ERR_REFUSED, step, "report.chip_id",
               "give the certificate of this machine", cella_text_hex(c->out, cert->hwid),
               cella_text_hex(c->out, CELLA_BYTES_OF(r->chip_id)));
    return check_tcb(c);
}

static struct cella_result verify_report(struct check *c) {
    TRY(find_leaf(c));
    TRY(check_chain(c));
    TRY(check_match(c));
    add_links(c, c->signature_held);
    if (!c->signature_held) {
        struct cella_result r = check_signature(c, c->leaf);
        REFUSE_TRY(c->out, r, "report", "report.signature", renew,
                   "valid under the key of the certificate");
        c->out->link[c->out->link_count - 1].held = true;
    }
    if (!c->out->claims) TRY(cella_claimset_new(&c->out->claims));
    TRY(cella_snp_claims(&c->report, &c->leaf->cert, c->crl_checked, c->out->claims));
    if (c->stale) cella_claim_boolean(c->out->claims, "collateral-stale", true);
    c->out->authentic = true;
    return cella_claimset_result(c->out->claims);
}

/* ---- what comes with the report ---- */

static struct cella_result add_company(struct check *c, struct cella_amd_state *state,
                                       struct cella_bytes table) {
    static const char *const parts[] = {"vcek", "vlek", "ask", "asvk", "ark", "auxblob"};
    bool taken = false;
    if (table.size) {
        struct cella_snp_table read;
        struct cella_result r = cella_snp_table_parse(table, &read);
        REFUSE_TRY(c->out, r, "certificate table", "table",
                   "pass the table on as the host gave it, or leave it out",
                   "a list of certificates");
        TRY(cella_amd_add(state, "table", table, &taken));
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct cella_bytes content;
        if (cella_evidence_part(c->out, parts[i], &content))
            TRY(cella_amd_add(state, parts[i], content, &taken));
    }
    return cella_amd_finish(state);
}

struct cella_result cella_verify_snp(struct cella_bytes evidence,
                                     const struct cella_collateral *collateral,
                                     const struct cella_evidence_options *options,
                                     struct cella_verification *out) {
    struct check c = {.out = out, .options = options};
    size_t size = evidence.size < CELLA_SNP_REPORT_SIZE ? evidence.size : CELLA_SNP_REPORT_SIZE;
    struct cella_bytes table = cella_bytes(evidence.data + size, evidence.size - size), part;
    struct cella_result r = cella_snp_report_parse(cella_bytes(evidence.data, size), &c.report);
    REFUSE_TRY(out, r, "report", c.report.field, renew, "a report of version 2 to 5 in its form");
    if (table.size > TABLE_MAX)
        REFUSE(out, CELLA_ERR_LIMIT, "certificate table", "table", "leave the table out",
               cella_text(out, "at most %d bytes", TABLE_MAX), cella_text(out, "%zu", table.size));
    c.state = cella_collateral_of(collateral, &cella_family_amd);
    bool company = table.size || cella_evidence_part(out, "vcek", &part) ||
                   cella_evidence_part(out, "vlek", &part) ||
                   cella_evidence_part(out, "auxblob", &part);
    if (!company) return verify_report(&c);
    CELLA_AMD_STATE own = NULL;
    TRY(cella_amd_state_over(c.state, &own));
    TRY(add_company(&c, own, table));
    c.state = own;
    return verify_report(&c);
}
