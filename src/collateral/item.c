#include "collateral/item.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/x509.h"
#include "evidence/identity.h"
#include "evidence/intel_collateral.h"
#include "evidence/snp_cert.h"
#include "evidence/tcbinfo.h"

void cella_item_free(struct cella_item *item) {
    cella_buffer_free(&item->content);
    cella_buffer_free(&item->der);
    cella_buffer_free(&item->signer);
}

const char *cella_item_kind_name(enum cella_item_kind kind) {
    static const char *const names[CELLA_ITEM_KIND_COUNT] = {"other", "tcb info", "identity",
                                                             "certificate", "crl"};
    return kind < CELLA_ITEM_KIND_COUNT ? names[kind] : "";
}

bool cella_item_newer(const struct cella_item *a, const struct cella_item *b) {
    int number = memcmp(a->number, b->number, sizeof(a->number));
    if (a->evaluation != b->evaluation) return a->evaluation > b->evaluation;
    if (a->version != b->version) return a->version > b->version;
    if (number != 0) return number > 0;
    return a->from_unix > b->from_unix;
}

static CELLA_RESULT pem_line(const char *what, const char *label, struct cella_buffer *out) {
    char line[64];
    int size = snprintf(line, sizeof(line), "-----%s %s-----\n", what, label);
    return cella_buffer_append(out, cella_bytes(line, (size_t)size));
}

CELLA_RESULT cella_item_pem(const char *label, struct cella_bytes der, struct cella_buffer *out) {
    enum { LINE = 64 };
    CELLA_BUFFER text = {0};
    TRY(cella_base64_encode(der, false, &text));
    TRY(pem_line("BEGIN", label, out));
    for (size_t at = 0; at < text.size; at += LINE) {
        size_t size = text.size - at < LINE ? text.size - at : LINE;
        TRY(cella_buffer_append(out, cella_bytes(text.data + at, size)));
        TRY(cella_buffer_append(out, cella_bytes_text("\n")));
    }
    return pem_line("END", label, out);
}

static void lower(char *text) {
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z') *text = (char)(*text - 'A' + 'a');
}

/* --- Intel's JSON --- */

static CELLA_RESULT read_tcb_info(struct cella_bytes content, struct cella_item *out, bool *read) {
    struct cella_tcbinfo info;
    char fmspc[2 * sizeof(info.fmspc) + 1];
    struct cella_result r = cella_tcbinfo_parse(content, &info);
    *read = !cella_failed(r);
    cella_result_drop(r);
    if (!*read) return CELLA_SUCCESS;
    cella_hex_encode(CELLA_BYTES_OF(info.fmspc), fmspc);
    snprintf(out->name, sizeof(out->name), "tcb_info-%s-%s.json", info.tdx ? "tdx" : "sgx", fmspc);
    out->kind = CELLA_ITEM_TCB_INFO;
    out->evaluated = true;
    out->evaluation = info.evaluation;
    out->version = info.version;
    out->from_unix = info.issue_unix;
    out->until_unix = info.next_unix;
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_identity(struct cella_bytes content, struct cella_item *out, bool *read) {
    struct cella_enclave_identity identity;
    struct cella_result r = cella_enclave_identity_parse(content, &identity);
    *read = !cella_failed(r) && identity.version >= 2; /* A28: version 1 serves no verification */
    cella_result_drop(r);
    if (!*read) return CELLA_SUCCESS;
    snprintf(out->name, sizeof(out->name), "qe_identity-%s.json",
             cella_enclave_id_name(identity.id));
    lower(out->name);
    out->kind = CELLA_ITEM_IDENTITY;
    out->evaluated = true;
    out->evaluation = identity.evaluation;
    out->version = identity.version;
    out->from_unix = identity.issue_unix;
    out->until_unix = identity.next_unix;
    return CELLA_SUCCESS;
}

/* --- Certificates and lists --- */

static CELLA_RESULT digest_name(struct cella_bytes der, char out[9]) {
    uint8_t digest[CELLA_SHA256_SIZE];
    TRY(cella_sha256(der, digest));
    cella_hex_encode(cella_bytes(digest, 4), out);
    return CELLA_SUCCESS;
}

static CELLA_RESULT name_certificate(const struct cella_certificate *x509, char *name,
                                     size_t size) {
    static const char *const intel[] = {[CELLA_INTEL_ROOT] = "root_ca",
                                        [CELLA_INTEL_PROCESSOR_CA] = "pck_processor_ca",
                                        [CELLA_INTEL_PLATFORM_CA] = "pck_platform_ca",
                                        [CELLA_INTEL_TCB_SIGNING] = "tcb_signing",
                                        [CELLA_INTEL_PCK] = "pck"};
    static const char *const amd[] = {[CELLA_SNP_ARK] = "ark",
                                      [CELLA_SNP_ASK] = "ask",
                                      [CELLA_SNP_ASVK] = "asvk",
                                      [CELLA_SNP_VCEK] = "vcek",
                                      [CELLA_SNP_VLEK] = "vlek"};
    enum cella_intel_role role = cella_intel_role(x509);
    enum cella_snp_role amd_role;
    enum cella_snp_line line;
    char digest[9];
    TRY(digest_name(x509->der, digest));
    name[0] = 0;
    if (role != CELLA_INTEL_OTHER)
        snprintf(name, size, "%s-%s.pem", intel[role], digest);
    else if (cella_snp_cert_is(x509, &amd_role, &line))
        snprintf(name, size, "%s-%s-%s.pem", amd[amd_role], cella_snp_line_name(line), digest);
    lower(name);
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_certificate(struct cella_bytes der, struct cella_item *out, bool *read) {
    struct cella_certificate x509;
    struct cella_result r = cella_certificate_parse(der, &x509);
    *read = !cella_failed(r);
    cella_result_drop(r);
    if (*read) TRY(name_certificate(&x509, out->name, sizeof(out->name)));
    *read = *read && out->name[0];
    if (!*read) return CELLA_SUCCESS;
    out->kind = CELLA_ITEM_CERTIFICATE;
    out->from_unix = x509.not_before_unix;
    out->until_unix = x509.not_after_unix;
    cella_name_common(x509.issuer, out->issuer, sizeof(out->issuer));
    TRY(cella_buffer_append(&out->der, der));
    return cella_item_pem("CERTIFICATE", der, &out->content);
}

/* A list's name by its issuer; "" when it is none of those known. */
static void name_crl(const char *issuer, char *name, size_t size) {
    name[0] = 0;
    if (strcmp(issuer, cella_intel_role_name(CELLA_INTEL_ROOT)) == 0)
        snprintf(name, size, "root_ca_crl.der");
    if (strcmp(issuer, cella_intel_role_name(CELLA_INTEL_PROCESSOR_CA)) == 0)
        snprintf(name, size, "pck_crl-processor.der");
    if (strcmp(issuer, cella_intel_role_name(CELLA_INTEL_PLATFORM_CA)) == 0)
        snprintf(name, size, "pck_crl-platform.der");
    for (int line = 1; line < CELLA_SNP_LINE_COUNT; line++)
        if (strncmp(issuer, "ARK-", 4) == 0 &&
            strcmp(issuer + 4, cella_snp_line_name((enum cella_snp_line)line)) == 0)
            snprintf(name, size, "crl-%s.der", issuer + 4);
    lower(name);
}

static CELLA_RESULT read_crl(struct cella_bytes der, struct cella_item *out, bool *read) {
    struct cella_crl crl;
    struct cella_result r = cella_crl_parse(der, &crl);
    *read = !cella_failed(r) && crl.number.size <= sizeof(out->number);
    cella_result_drop(r);
    if (!*read) return CELLA_SUCCESS;
    cella_name_common(crl.issuer, out->issuer, sizeof(out->issuer));
    name_crl(out->issuer, out->name, sizeof(out->name));
    *read = out->name[0] != 0;
    if (!*read) return CELLA_SUCCESS;
    out->kind = CELLA_ITEM_CRL;
    out->from_unix = crl.this_update_unix;
    out->until_unix = crl.next_update_unix;
    cella_copy(out->number + sizeof(out->number) - crl.number.size, crl.number.data,
               crl.number.size);
    TRY(cella_buffer_append(&out->der, der));
    return cella_buffer_append(&out->content, der);
}

CELLA_RESULT cella_item_read(const char *name, struct cella_bytes content, struct cella_item *out) {
    bool read = false;
    *out = (struct cella_item){0};
    if (content.size > 0 && content.data[0] == 0x30) {
        TRY(read_certificate(content, out, &read));
        if (!read) TRY(read_crl(content, out, &read));
        if (read) return CELLA_SUCCESS;
    } else {
        TRY(read_tcb_info(content, out, &read));
        if (!read) TRY(read_identity(content, out, &read));
    }
    if (!read) snprintf(out->name, sizeof(out->name), "%.99s", name);
    return cella_buffer_append(&out->content, content);
}
