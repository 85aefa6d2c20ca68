#include "collateral/wants.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "evidence/detect.h"
#include "evidence/envelope.h"
#include "evidence/hcl.h"
#include "evidence/intel_collateral.h"
#include "evidence/pck.h"
#include "evidence/sgx_quote.h"
#include "evidence/snp_cert.h"

#define INTEL_ROOT_CRL "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"

/* The wanted thing, or a place for it; the same is wanted once. */
static CELLA_RESULT next(struct cella_wants *wants, const char *item, struct cella_want **out) {
    for (size_t i = 0; i < wants->count; i++) {
        *out = &wants->want[i];
        if (strcmp((*out)->item, item) == 0) return CELLA_SUCCESS;
    }
    ENSURE(wants->count < CELLA_WANT_MAX, CELLA_ERR_LIMIT, "fetch for fewer at a time",
           "more than %d things to fetch", CELLA_WANT_MAX);
    *out = &wants->want[wants->count++];
    **out = (struct cella_want){0};
    snprintf((*out)->item, sizeof((*out)->item), "%s", item);
    return CELLA_SUCCESS;
}

bool cella_want_is(const struct cella_want *want, const struct cella_item *item) {
    struct cella_certificate x509;
    struct cella_snp_cert cert;
    if (item->kind == CELLA_ITEM_OTHER) return false;
    if (!want->certificate) return strcmp(want->item, item->name) == 0;
    if (strncmp(want->item, item->name, strlen(want->item)) != 0 ||
        item->kind != CELLA_ITEM_CERTIFICATE)
        return false;
    if (!want->chip) return true;
    struct cella_result r = cella_certificate_parse(cella_buffer_bytes(&item->der), &x509);
    if (!cella_failed(r)) r = cella_snp_cert_read(&x509, &cert);
    bool is = !cella_failed(r) && cert.hwid.size == want->hwid_size &&
              cella_equal(cert.hwid.data, want->hwid, want->hwid_size) &&
              cella_equal(cert.tcb, want->tcb, sizeof(want->tcb));
    cella_result_drop(r);
    return is;
}

/* --- Intel --- */

static CELLA_RESULT want_json(struct cella_wants *wants, const char *item, const char *what,
                              const char *path, const char *header) {
    struct cella_want *w;
    TRY(next(wants, item, &w));
    w->maker = CELLA_MAKER_INTEL;
    w->chain_header = header;
    snprintf(w->what, sizeof(w->what), "%s", what);
    const char *mark = strchr(path, '?') ? "&" : "?";
    snprintf(w->path, sizeof(w->path), "%s%s%s%s", path, wants->update[0] ? mark : "",
             wants->update[0] ? "update=" : "", wants->update);
    return CELLA_SUCCESS;
}

static CELLA_RESULT want_lists(struct cella_wants *wants, bool processor, bool platform) {
    static const char *const authority[] = {"processor", "platform"};
    const bool wanted[] = {processor || !platform, platform || !processor};
    struct cella_want *w;
    for (int i = 0; i < 2; i++) {
        char item[32];
        if (!wanted[i]) continue;
        snprintf(item, sizeof(item), "pck_crl-%s.der", authority[i]);
        TRY(next(wants, item, &w));
        w->maker = CELLA_MAKER_INTEL;
        w->chain_header = "SGX-PCK-CRL-Issuer-Chain";
        snprintf(w->what, sizeof(w->what), "revocation list of the PCK %s CA", authority[i]);
        snprintf(w->path, sizeof(w->path), "/sgx/certification/v4/pckcrl?ca=%s&encoding=der",
                 authority[i]);
    }
    TRY(next(wants, "root_ca_crl.der", &w));
    w->maker = CELLA_MAKER_INTEL;
    w->url = INTEL_ROOT_CRL;
    snprintf(w->what, sizeof(w->what), "revocation list of Intel's root");
    snprintf(w->path, sizeof(w->path), "/sgx/certification/v4/rootcacrl");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_wants_intel(struct cella_wants *wants, const uint8_t fmspc[6], bool tdx,
                               bool processor, bool platform) {
    const char *tee = tdx ? "tdx" : "sgx";
    char hex[13], item[CELLA_ITEM_NAME], what[64], path[128];
    cella_hex_encode(cella_bytes(fmspc, 6), hex);
    snprintf(item, sizeof(item), "tcb_info-%s-%s.json", tee, hex);
    snprintf(what, sizeof(what), "TCB info (%s) of FMSPC %s", tee, hex);
    snprintf(path, sizeof(path), "/%s/certification/v4/tcb?fmspc=%s", tee, hex);
    TRY(want_json(wants, item, what, path, "TCB-Info-Issuer-Chain"));
    snprintf(item, sizeof(item), "qe_identity-%s.json", tdx ? "td_qe" : "qe");
    snprintf(what, sizeof(what), "identity of the quoting enclave (%s)", tee);
    snprintf(path, sizeof(path), "/%s/certification/v4/qe/identity", tee);
    TRY(want_json(wants, item, what, path, "SGX-Enclave-Identity-Issuer-Chain"));
    return want_lists(wants, processor, platform);
}

static CELLA_RESULT of_quote(struct cella_wants *wants, struct cella_bytes evidence) {
    enum { STORAGE = 12288, CERTIFICATES = 4 };
    struct cella_quote quote;
    struct cella_bytes der[CERTIFICATES];
    struct cella_certificate leaf;
    struct cella_pck pck;
    uint8_t storage[STORAGE];
    char issuer[64];
    size_t count = 0;
    TRY(cella_quote_parse(evidence, &quote));
    ENSURE(quote.certification_type == 4 || quote.certification_type == 5, CELLA_ERR_UNSUPPORTED,
           "ask by --fmspc, and import the PCK certificate",
           "the quote only names its PCK certificate (certification data type %u), so its platform "
           "is not told",
           quote.certification_type);
    TRY(cella_pem_certificates(quote.certification, storage, sizeof(storage), der, CERTIFICATES,
                               &count));
    ENSURE(count > 0, CELLA_ERR_FORMAT, NULL, "no PCK certificate in the quote");
    TRY(cella_certificate_parse(der[0], &leaf));
    TRY(cella_pck_parse(&leaf, &pck));
    cella_name_common(leaf.issuer, issuer, sizeof(issuer));
    bool processor = strcmp(issuer, cella_intel_role_name(CELLA_INTEL_PROCESSOR_CA)) == 0;
    bool platform = strcmp(issuer, cella_intel_role_name(CELLA_INTEL_PLATFORM_CA)) == 0;
    return cella_wants_intel(wants, pck.fmspc, quote.tee_type != 0, processor, platform);
}

/* --- AMD (AMD 57230, "KDS interface") --- */

static enum cella_snp_line line_of(const char *product) {
    for (int line = 1; line < CELLA_SNP_LINE_COUNT; line++)
        if (strcasecmp(product, cella_snp_line_name((enum cella_snp_line)line)) == 0)
            return (enum cella_snp_line)line;
    return CELLA_SNP_LINE_NONE;
}

static void lower(char *text) {
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z') *text = (char)(*text - 'A' + 'a');
}

CELLA_RESULT cella_wants_amd(struct cella_wants *wants, const char *product, bool vlek) {
    enum cella_snp_line line = line_of(product);
    struct cella_want *w;
    char item[CELLA_ITEM_NAME];
    ENSURE(line != CELLA_SNP_LINE_NONE, CELLA_ERR_USAGE,
           "Milan, Genoa (also for Bergamo and Siena) or Turin", "no product line is called '%s'",
           product);
    const char *name = cella_snp_line_name(line), *kind = vlek ? "vlek" : "vcek";
    snprintf(item, sizeof(item), "%s-%s-", vlek ? "asvk" : "ask", name);
    lower(item);
    TRY(next(wants, item, &w));
    w->maker = CELLA_MAKER_AMD;
    w->certificate = true;
    snprintf(w->what, sizeof(w->what), "AMD's authorities of %s", name);
    snprintf(w->path, sizeof(w->path), "/%s/v1/%s/cert_chain", kind, name);
    snprintf(item, sizeof(item), "crl-%s.der", name);
    lower(item);
    TRY(next(wants, item, &w));
    w->maker = CELLA_MAKER_AMD;
    snprintf(w->what, sizeof(w->what), "revocation list of AMD's root of %s", name);
    snprintf(w->path, sizeof(w->path), "/%s/v1/%s/crl", kind, name);
    return CELLA_SUCCESS;
}

static CELLA_RESULT want_vcek(struct cella_wants *wants, const struct cella_snp_report *report,
                              enum cella_snp_line line) {
    static const enum cella_snp_component order[] = {
        CELLA_SNP_FMC, CELLA_SNP_BOOT_LOADER, CELLA_SNP_TEE, CELLA_SNP_SNP, CELLA_SNP_MICROCODE};
    static const char *const names[] = {"fmcSPL", "blSPL", "teeSPL", "snpSPL", "ucodeSPL"};
    struct cella_want *w;
    char item[CELLA_ITEM_NAME], hex[2 * CELLA_SNP_CHIP_SIZE + 1];
    const char *name = cella_snp_line_name(line);
    snprintf(item, sizeof(item), "vcek-%s-", name);
    lower(item);
    TRY(next(wants, item, &w));
    w->maker = CELLA_MAKER_AMD;
    w->certificate = w->chip = true;
    w->hwid_size = line == CELLA_SNP_TURIN ? CELLA_SNP_CHIP_TURIN : CELLA_SNP_CHIP_SIZE;
    cella_copy(w->hwid, report->chip_id, w->hwid_size);
    cella_copy(w->tcb, report->reported_tcb, sizeof(w->tcb));
    cella_hex_encode(cella_bytes(w->hwid, w->hwid_size), hex);
    snprintf(w->what, sizeof(w->what), "VCEK of chip %.16s...", hex);
    int at = snprintf(w->path, sizeof(w->path), "/vcek/v1/%s/%s", name, hex);
    char mark = '?';
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        int where = cella_snp_component_at(line, order[i]);
        if (where < 0) continue;
        at += snprintf(w->path + at, sizeof(w->path) - (size_t)at, "%c%s=%02u", mark, names[i],
                       report->reported_tcb[where]);
        mark = '&';
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT of_report(struct cella_wants *wants, struct cella_bytes bytes,
                              const char *product) {
    struct cella_snp_report report;
    struct cella_bytes body = cella_bytes(
        bytes.data, bytes.size < CELLA_SNP_REPORT_SIZE ? bytes.size : CELLA_SNP_REPORT_SIZE);
    TRY(cella_snp_report_parse(body, &report));
    enum cella_snp_line line =
        report.has_cpuid ? cella_snp_line_of_cpuid(report.cpuid_family, report.cpuid_model)
                         : CELLA_SNP_LINE_NONE;
    if (line == CELLA_SNP_LINE_NONE && product) line = line_of(product);
    ENSURE(line != CELLA_SNP_LINE_NONE, CELLA_ERR_USAGE,
           "say it with --product Milan, Genoa or Turin",
           "the report does not tell its product line");
    bool vlek = report.signing_key == CELLA_SNP_SIGNED_BY_VLEK, masked = true;
    for (size_t i = 0; i < sizeof(report.chip_id); i++) masked = masked && report.chip_id[i] == 0;
    TRY(cella_wants_amd(wants, cella_snp_line_name(line), vlek));
    if (vlek) return CELLA_SUCCESS; /* a VLEK comes from the provider, with the report */
    ENSURE(!masked, CELLA_ERR_UNSUPPORTED,
           "the host must give the VCEK along with the report (extended report)",
           "the report hides its chip id, so its VCEK cannot be asked for");
    return want_vcek(wants, &report, line);
}

CELLA_RESULT cella_wants_evidence(struct cella_wants *wants, struct cella_bytes input,
                                  const char *product) {
    CELLA_ENVELOPE envelope = {.evidence = input};
    const struct cella_evidence_kind *kind = cella_evidence_detect(input);
    if (!kind) TRY(cella_envelope_open(input, &envelope));
    if (!kind) kind = cella_evidence_detect(envelope.evidence);
    enum cella_evidence_type type = kind ? kind->type : CELLA_EVIDENCE_AUTO;
    if (type == CELLA_EVIDENCE_SGX || type == CELLA_EVIDENCE_TDX)
        return of_quote(wants, envelope.evidence);
    if (type == CELLA_EVIDENCE_SNP) return of_report(wants, envelope.evidence, product);
    if (type == CELLA_EVIDENCE_AZURE) {
        struct cella_hcl hcl;
        TRY(cella_hcl_parse(envelope.evidence, &hcl));
        ENSURE(!hcl.tdx, CELLA_ERR_UNSUPPORTED, "give the TD quote instead",
               "a TDREPORT does not name its platform");
        return of_report(wants, hcl.hardware, product);
    }
    FAIL(CELLA_ERR_UNSUPPORTED, "give a quote of SGX or TDX, or a report of SEV-SNP",
         "evidence of type %s: there is nothing to fetch for it",
         kind ? cella_evidence_type_name(type) : "unknown");
}
