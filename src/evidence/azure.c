/* Azure's confidential machines: the hardware's report binds the runtime data, which holds the
 * virtual TPM's attestation key, which signs the quote (A22). Everything that costs little is
 * checked first, the hardware last: only when it holds is anything of this authentic. */
#include <stdio.h>

#include "base/memory.h"
#include "base/text.h"
#include "evidence/hcl.h"
#include "evidence/tpm_check.h"

enum {
    TDINFO = 512,
    TDINFO_BOUND = 400 /* attributes to RTMR3 */,
    TDREPORT_DATA = 128,
    TEE_TCB = 264 /* SVN to SEAM attributes */,
    BODY_V4 = 48,
    BODY_V5 = 54,
    BODY_TDINFO = 120,
    BODY_REPORT_DATA = 520,
    BODY_SIZE = 584,
};

static const char anew[] =
    "read the report from the machine's virtual TPM again and pass its bytes on unchanged";

struct job {
    struct cella_tpm_check check;
    struct cella_hcl hcl;
    struct cella_hcl_runtime runtime;
    bool quoted;
    struct cella_bytes td_quote;
    bool certified;
    int32_t certificate_link;
};

/* Hardware report -> runtime data: the hash of exactly these bytes, then zeros. */
static struct cella_result check_runtime(struct job *job) {
    struct cella_verification *out = job->check.out;
    struct cella_bytes part[] = {job->hcl.runtime};
    uint8_t expected[CELLA_HASH_SIZE_MAX] = {0};
    TRY(cella_hash(job->hcl.hash, part, 1, expected));
    if (!cella_equal(expected, job->hcl.report_data.data, job->hcl.report_data.size))
        REFUSE(out, CELLA_ERR_INTEGRITY, "hcl report", "report data", anew,
               cella_text(out, "hash of the runtime data: %s",
                          cella_text_hex(out, CELLA_BYTES_OF(expected))),
               cella_text_hex(out, job->hcl.report_data));
    REFUSE_TRY(out, cella_hcl_runtime_parse(job->hcl.runtime, &job->runtime), "hcl report",
               "runtime data", anew, "JSON with the key HCLAkPub");
    return CELLA_SUCCESS;
}

/* Runtime data -> attestation key -> quote. The evidence's own message goes before those given as
 * collateral. */
static struct cella_result check_quote(struct job *job) {
    struct cella_tpm_check *check = &job->check;
    const struct cella_tpm_companions *from =
        check->own.message_count ? &check->own : &check->state->companions;
    struct cella_bytes ak = cella_spki_bytes(&job->runtime.ak);
    struct cella_result r = CELLA_SUCCESS;
    for (uint32_t i = 0; i < from->message_count && !job->quoted; i++) {
        cella_result_drop(r);
        r = cella_tpm_check_message(check, from->message[i].content);
        if (!cella_failed(r)) r = cella_tpm_check_signature(check, ak);
        job->quoted = !cella_failed(r);
    }
    if (cella_failed(r)) {
        if (check->out->reason.step[0]) return r; /* the message's own reason */
        return cella_refuse_because(check->out, r, "tpm quote", "signature",
                                    "give quote and signature of the machine whose report this is",
                                    "signed with HCLAkPub of the runtime data");
    }
    if (!job->quoted && (check->own.signature_count || check->own.pcrs[CELLA_HASH_SHA256].given))
        REFUSE(check->out, CELLA_ERR_NOT_FOUND, "tpm quote", "message",
               "give the quote that the signature is of (tpm_quote.msg)", "a TPM quote",
               "its signature or PCR values alone");
    return job->quoted ? cella_tpm_check_pcrs(check) : CELLA_SUCCESS;
}

/* A certificate of the attestation key is more than is needed. One of another key is another
 * machine's; one that leads to no pinned root is said nothing of. */
static struct cella_result check_certificate(struct job *job) {
    struct cella_verification *out = job->check.out;
    const struct cella_tpm_companions *from = cella_tpm_certificates(&job->check);
    if (!from) return CELLA_SUCCESS;
    struct cella_bytes spki = from->certificate[0].spki;
    if (spki.size != job->runtime.ak.size ||
        !cella_equal(spki.data, job->runtime.ak.data, spki.size))
        REFUSE(out, CELLA_ERR_INTEGRITY, "ak certificate", "public key",
               "give the certificate of this machine's key", "HCLAkPub of the runtime data",
               "another key");
    uint32_t links = out->link_count;
    struct cella_result r = cella_tpm_check_certificates(&job->check, from, &job->certificate_link);
    job->certified = !cella_failed(r);
    out->link_count = links; /* drawn when all holds */
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    cella_result_drop(r);
    cella_zero(&out->reason, sizeof(out->reason));
    return CELLA_SUCCESS;
}

/* --- Hardware --- */

static bool bound(struct cella_bytes quote, struct cella_bytes report, const char **field) {
    bool v5 = quote.size > 2 && quote.data[0] == 5;
    size_t at = v5 ? BODY_V5 : BODY_V4;
    *field = "td quote";
    if (quote.size < at + BODY_SIZE) return false;
    *field = "td quote.report data";
    if (!cella_equal(quote.data + at + BODY_REPORT_DATA, report.data + TDREPORT_DATA, 64))
        return false;
    *field = "td quote.tee tcb info";
    if (!cella_equal(quote.data + at, report.data + TEE_TCB, BODY_TDINFO)) return false;
    *field = "td quote.td info";
    return cella_equal(quote.data + at + BODY_TDINFO, report.data + TDINFO, TDINFO_BOUND);
}

/* A TDREPORT is only good within its machine: the TD quote over the same report speaks for it
 * outside. */
static struct cella_result find_td_quote(struct job *job) {
    const struct cella_tpm_companions *from[] = {&job->check.own, &job->check.state->companions};
    struct cella_verification *out = job->check.out;
    const char *field = "td quote";
    bool any = false;
    for (size_t f = 0; f < 2; f++)
        for (uint32_t i = 0; i < from[f]->td_quote_count; i++) {
            job->td_quote = from[f]->td_quote[i].content;
            any = true;
            if (bound(job->td_quote, job->hcl.hardware, &field)) return CELLA_SUCCESS;
        }
    if (any)
        REFUSE(out, CELLA_ERR_INTEGRITY, "td quote", field,
               "give the TD quote that was made of this TDREPORT", "that of the TDREPORT",
               "another");
    REFUSE(out, CELLA_ERR_NOT_FOUND, "td quote", "td quote",
           "ask the machine for the TD quote of this TDREPORT (td_quote.bin)",
           "a TD quote: a TDREPORT cannot be checked on another machine", "none");
}

static struct cella_result check_hardware(struct job *job,
                                          const struct cella_collateral *collateral) {
    const struct cella_evidence_options *options = job->check.options;
    if (!job->hcl.tdx)
        return cella_verify_snp(job->hcl.hardware, collateral, options, job->check.out);
    return cella_verify_tdx(job->td_quote, collateral, options, job->check.out);
}

/* --- Claims --- */

static bool is_word(struct cella_bytes value, const char *word) {
    return cella_json_is(value, word);
}

static void claim_vm(const struct job *job, struct cella_claimset *claims) {
    for (uint32_t i = 0; i < job->runtime.vm_count; i++) {
        struct cella_bytes name = job->runtime.vm[i].name, value = job->runtime.vm[i].value;
        char full[CELLA_CLAIM_NAME_MAX], text[512];
        snprintf(full, sizeof(full), "azure.vm.%.*s", (int)(name.size < 48 ? name.size : 48),
                 (const char *)name.data);
        bool yes = is_word(value, "true"), no = is_word(value, "false");
        snprintf(text, sizeof(text), "%.*s",
                 (int)(value.size < sizeof(text) ? value.size : sizeof(text) - 1),
                 (const char *)value.data);
        if (!job->runtime.vm[i].text && (yes || no))
            cella_claim_boolean(claims, full, yes);
        else
            cella_claim_text(claims, full, text);
    }
}

static void claim_user_data(const struct job *job, struct cella_claimset *claims) {
    CELLA_BUFFER data = {0};
    struct cella_bytes text = job->runtime.user_data;
    if (text.size == 0) return;
    struct cella_result r = cella_hex_decode_all(text, &data);
    cella_claim_bytes(claims, "azure.user-data",
                      cella_failed(r) ? text : cella_buffer_bytes(&data));
    cella_result_drop(r);
}

static void add_claims(const struct job *job, uint32_t hardware_links) {
    struct cella_verification *out = job->check.out;
    struct cella_claimset *claims = out->claims;
    struct cella_bytes part[] = {cella_spki_bytes(&job->runtime.ak)};
    uint8_t fingerprint[CELLA_HASH_SIZE_MAX] = {0};
    cella_result_drop(cella_hash(CELLA_HASH_SHA256, part, 1, fingerprint));
    struct cella_bytes id = cella_bytes(fingerprint, CELLA_SHA256_SIZE);
    cella_claim_number(claims, "azure.hcl-version", job->hcl.version);
    cella_claim_boolean(claims, "azure.vtpm-quote", job->quoted);
    cella_claim_boolean(claims, "azure.ak-certified", job->certified);
    cella_claim_bytes(claims, "tpm.ak", id);
    claim_vm(job, claims);
    claim_user_data(job, claims);
    if (job->quoted) cella_tpm_check_claims(&job->check);
    int32_t parent = job->hcl.tdx ? -1 : (int32_t)hardware_links - 1;
    for (uint32_t i = 0; job->hcl.tdx && i < hardware_links; i++)
        if (__builtin_strcmp(out->link[i].what, "quote") == 0) parent = (int32_t)i;
    int32_t link = cella_link_add(out, parent, "runtime data", "Azure HCL runtime data",
                                  "its hash is the report data", true);
    link = cella_link_add(out, link, "attestation key", cella_text_hex(out, id),
                          "HCLAkPub of the runtime data", true);
    if (job->quoted)
        cella_link_add(out, link, "quote", "TPM 2.0 quote", "signed with the attestation key",
                       true);
}

static struct cella_result verify(struct job *job, struct cella_bytes evidence,
                                  const struct cella_collateral *collateral) {
    struct cella_verification *out = job->check.out;
    REFUSE_TRY(out, cella_hcl_parse(evidence, &job->hcl), "hcl report", "form", anew,
               "an HCL report, whole");
    TRY(check_runtime(job));
    TRY(check_quote(job));
    TRY(check_certificate(job));
    if (job->hcl.tdx) TRY(find_td_quote(job));
    struct cella_result r = check_hardware(job, collateral);
    if (out->authentic) add_claims(job, out->link_count);
    return r;
}

struct cella_result cella_verify_azure(struct cella_bytes evidence,
                                       const struct cella_collateral *collateral,
                                       const struct cella_evidence_options *options,
                                       struct cella_verification *out) {
    struct job job; /* large, and filled in before it is read */
    job.runtime = (struct cella_hcl_runtime){0};
    job.quoted = job.certified = false;
    job.certificate_link = -1;
    struct cella_result r = cella_tpm_check_begin(
        &job.check, cella_collateral_of(collateral, &cella_family_tpm), options, out);
    if (!cella_failed(r)) r = verify(&job, evidence, collateral);
    cella_tpm_check_free(&job.check);
    return r;
}

bool cella_detect_azure(struct cella_bytes evidence) {
    return evidence.size > CELLA_HCL_HARDWARE_SIZE && cella_equal(evidence.data, "HCLA", 4);
}
