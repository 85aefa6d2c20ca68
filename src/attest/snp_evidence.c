#include "attest/snp_evidence.h"

#include <strings.h>

#include "attest/body.h"
#include "crypto/jose.h"
#include "crypto/x509.h"
#include "evidence/snp_cert.h"
#include "evidence/snp_report.h"

enum { CHAIN_MAX = 8, CHAIN_SIZE = 1 << 16 };

/* --- The chain --- */

static struct cella_bytes *slot_of(struct cella_snp_table *table, enum cella_snp_role role) {
    switch (role) {
    case CELLA_SNP_VCEK: return &table->vcek;
    case CELLA_SNP_VLEK: return &table->vlek;
    case CELLA_SNP_ASK:
    case CELLA_SNP_ASVK: return &table->ask;
    case CELLA_SNP_ARK: return &table->ark;
    default: return NULL;
    }
}

static CELLA_RESULT sort_in(struct cella_bytes der, struct cella_snp_table *table) {
    struct cella_certificate x509;
    enum cella_snp_role role;
    enum cella_snp_line line;
    TRY_IN(cella_certificate_parse(der, &x509), "VcekCertChain");
    struct cella_bytes *slot = cella_snp_cert_is(&x509, &role, &line) ? slot_of(table, role) : NULL;
    if (slot && slot->size == 0) *slot = der;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_snp_evidence_of(struct cella_bytes report, struct cella_bytes pem,
                                   struct cella_buffer *out) {
    struct cella_snp_table table = {0};
    struct cella_bytes der[CHAIN_MAX];
    CELLA_BUFFER storage = {0};
    uint8_t *room = NULL;
    size_t count = 0;
    ENSURE(report.size == CELLA_SNP_REPORT_SIZE, CELLA_ERR_FORMAT, NULL,
           "SnpReport: expected %d bytes, found %zu", CELLA_SNP_REPORT_SIZE, report.size);
    ENSURE(pem.size <= CHAIN_SIZE, CELLA_ERR_LIMIT, NULL,
           "VcekCertChain: expected at most %d bytes, found %zu", CHAIN_SIZE, pem.size);
    if (pem.size) {
        TRY(cella_buffer_extend(&storage, pem.size, &room));
        TRY_IN(cella_pem_certificates(pem, room, pem.size, der, CHAIN_MAX, &count),
               "VcekCertChain");
    }
    for (size_t i = 0; i < count; i++) TRY(sort_in(der[i], &table));
    TRY(cella_buffer_append(out, report));
    bool any = table.vcek.size || table.vlek.size || table.ask.size || table.ark.size;
    return any ? cella_snp_table_append(&table, out) : CELLA_SUCCESS;
}

/* --- The envelope --- */

/* Microsoft's clients write the names as in the specification; nobody is to fail over the case. */
static const json_t *member(const json_t *object, const char *name) {
    const char *key;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key,
                        value) if (strcasecmp(key, name) == 0) return value;
    return NULL;
}

static CELLA_RESULT decode(const json_t *object, const char *name, bool required,
                           struct cella_buffer *out) {
    const json_t *text = member(object, name);
    uint8_t *to = NULL;
    size_t size = 0;
    if (!required && (!text || json_is_null(text) || json_string_length(text) == 0))
        return CELLA_SUCCESS;
    ENSURE(json_is_string(text) && json_string_length(text) > 0, CELLA_ERR_FORMAT, NULL,
           "report: %s: expected a string in base64url", name);
    struct cella_bytes from = cella_bytes(json_string_value(text), json_string_length(text));
    TRY(cella_buffer_extend(out, from.size, &to));
    ENSURE(cella_attest_base64(from, to, &size), CELLA_ERR_FORMAT, NULL,
           "report: %s: expected base64url, found %zu characters that are not", name, from.size);
    out->size = size;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_snp_evidence(struct cella_bytes report, struct cella_buffer *out) {
    CELLA_JSON object = NULL;
    CELLA_BUFFER raw = {0}, pem = {0};
    if (report.data[0] != '{')
        return cella_buffer_append(out, report); /* a report's is a version */
    TRY(cella_json_object(report, "report", &object));
    TRY(decode(object, "SnpReport", true, &raw));
    TRY(decode(object, "VcekCertChain", false, &pem));
    return cella_snp_evidence_of(cella_buffer_bytes(&raw), cella_buffer_bytes(&pem), out);
}
