#include "attest/guest_info.h"

#include <string.h>

#include "attest/lenient.h"
#include "base/memory.h"
#include "crypto/jose.h"

enum { OS_TEXT_MAX = 256, PAYLOAD_MAX = 64, PAYLOAD_TEXT_MAX = 16 << 10 };

void cella_guest_info_free(struct cella_guest_info *info) {
    struct cella_buffer *all[] = {&info->os_type,
                                  &info->os_distro,
                                  &info->os_build,
                                  &info->protocol,
                                  &info->log,
                                  &info->ak_public,
                                  &info->quote,
                                  &info->ak_certificate,
                                  &info->quote_signature,
                                  &info->key_public,
                                  &info->key_certify,
                                  &info->key_certify_signature,
                                  &info->hardware,
                                  &info->chain,
                                  &info->runtime};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) cella_buffer_free(all[i]);
    json_decref(info->client_payload);
    info->client_payload = NULL;
}

/* --- The guest's own word --- */

static struct cella_result read_text(const json_t *root, const char *name,
                                     struct cella_buffer *out) {
    TRY(cella_lenient_member(root, name, false, out));
    ENSURE(out->size <= OS_TEXT_MAX, CELLA_ERR_LIMIT, NULL, "%s: %zu bytes, at most %d", name,
           out->size, OS_TEXT_MAX);
    /* It becomes a claim: text, as JSON can hold it. */
    CELLA_JSON probe = json_stringn(out->size ? (const char *)out->data : "", out->size);
    ENSURE(probe && !memchr(json_string_value(probe), 0, json_string_length(probe)),
           CELLA_ERR_FORMAT, NULL, "%s: expected UTF-8 text in base64", name);
    return CELLA_SUCCESS;
}

static struct cella_result read_number(const json_t *root, const char *name, int64_t *out) {
    const json_t *value = json_object_get(root, name);
    *out = value ? json_integer_value(value) : -1;
    ENSURE(!value || (json_is_integer(value) && *out >= 0), CELLA_ERR_FORMAT, NULL,
           "%s: expected a whole number", name);
    return CELLA_SUCCESS;
}

/* Kept as it was sent, in base64: so the service shows it. */
static struct cella_result read_payload(const json_t *root, struct cella_guest_info *out) {
    json_t *payload = json_object_get(root, "ClientPayload");
    const char *name;
    json_t *value;
    if (!payload || json_is_null(payload)) return CELLA_SUCCESS;
    ENSURE(json_is_object(payload) && json_object_size(payload) <= PAYLOAD_MAX, CELLA_ERR_FORMAT,
           NULL, "ClientPayload: expected an object of at most %d strings", PAYLOAD_MAX);
    json_object_foreach(payload, name, value) {
        CELLA_BUFFER decoded = {0};
        ENSURE(json_is_string(value) && json_string_length(value) <= PAYLOAD_TEXT_MAX,
               CELLA_ERR_FORMAT, NULL, "ClientPayload: expected strings of at most %d bytes",
               PAYLOAD_TEXT_MAX);
        TRY(cella_lenient_base64(cella_bytes(json_string_value(value), json_string_length(value)),
                                 "ClientPayload", &decoded));
    }
    if (json_object_size(payload)) out->client_payload = json_incref(payload);
    return CELLA_SUCCESS;
}

static struct cella_result read_system(const json_t *root, struct cella_guest_info *out) {
    struct cella_bytes protocol = cella_lenient_text(root, "AttestationProtocolVersion");
    ENSURE(protocol.size == 3 && cella_equal(protocol.data, "2.0", 3), CELLA_ERR_UNSUPPORTED,
           "use a client that speaks protocol 2.0",
           "AttestationProtocolVersion: expected \"2.0\", found \"%.*s\"",
           (int)(protocol.size < 16 ? protocol.size : 16), (const char *)protocol.data);
    TRY(cella_buffer_append(&out->protocol, protocol));
    TRY(read_text(root, "OSType", &out->os_type));
    TRY(read_text(root, "OSDistro", &out->os_distro));
    TRY(read_text(root, "OSBuild", &out->os_build));
    TRY(read_number(root, "OSVersionMajor", &out->os_major));
    TRY(read_number(root, "OSVersionMinor", &out->os_minor));
    TRY(cella_lenient_member(root, "TcgLogs", false, &out->log));
    return read_payload(root, out);
}

/* --- The TPM's --- */

static bool read_index(const json_t *value, unsigned *out) {
    json_int_t index = json_is_integer(value) ? json_integer_value(value) : -1;
    bool good = index >= 0 && index < CELLA_TPM_PCR_MAX;
    *out = good ? (unsigned)index : 0;
    return good;
}

static struct cella_result read_pcr(const json_t *item, struct cella_tpm_pcrs *out) {
    CELLA_BUFFER digest = {0};
    unsigned index = 0;
    ENSURE(read_index(json_object_get(item, "Index"), &index), CELLA_ERR_FORMAT, NULL,
           "PCRs: Index: expected 0 to %d", CELLA_TPM_PCR_MAX - 1);
    ENSURE(!(out->given >> index & 1), CELLA_ERR_FORMAT, NULL, "PCRs: PCR %u is there twice",
           index);
    TRY(cella_lenient_member(item, "Digest", true, &digest));
    ENSURE(digest.size == CELLA_SHA256_SIZE, CELLA_ERR_UNSUPPORTED,
           "send the PCRs of the SHA-256 bank",
           "PCRs: PCR %u: expected a digest of 32 bytes (SHA-256), found %zu", index, digest.size);
    cella_copy(out->value[index], digest.data, digest.size);
    out->given |= 1U << index;
    return CELLA_SUCCESS;
}

static struct cella_result read_pcrs(const json_t *tpm, struct cella_guest_info *out) {
    const json_t *list = json_object_get(tpm, "PCRs"), *set = json_object_get(tpm, "PcrSet"), *item;
    size_t at;
    unsigned index = 0;
    ENSURE(json_is_array(list), CELLA_ERR_FORMAT, NULL, "PCRs: expected a list");
    json_array_foreach(list, at, item) TRY(read_pcr(item, &out->pcrs[CELLA_HASH_SHA256]));
    ENSURE(json_is_array(set), CELLA_ERR_FORMAT, NULL, "PcrSet: expected a list of numbers");
    json_array_foreach(set, at, item) {
        ENSURE(read_index(item, &index), CELLA_ERR_FORMAT, NULL, "PcrSet: expected PCRs 0 to %d",
               CELLA_TPM_PCR_MAX - 1);
        out->pcr_set |= 1U << index;
    }
    return CELLA_SUCCESS;
}

static struct cella_result read_tpm(const json_t *root, struct cella_guest_info *out) {
    const json_t *tpm = json_object_get(root, "TpmInfo");
    ENSURE(json_is_object(tpm), CELLA_ERR_FORMAT, NULL, "TpmInfo: expected an object");
    const struct {
        const char *name;
        bool required;
        struct cella_buffer *to;
    } members[] = {
        {"AikCert", false, &out->ak_certificate},
        {"AikPub", true, &out->ak_public},
        {"PcrQuote", true, &out->quote},
        {"PcrSignature", true, &out->quote_signature},
        {"EncKeyPub", true, &out->key_public},
        {"EncKeyCertifyInfo", true, &out->key_certify},
        {"EncKeyCertifyInfoSignature", true, &out->key_certify_signature},
    };
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        TRY_IN(cella_lenient_member(tpm, members[i].name, members[i].required, members[i].to),
               "TpmInfo");
    TRY_IN(read_pcrs(tpm, out), "TpmInfo");
    return CELLA_SUCCESS;
}

/* --- The hardware's --- */

static struct cella_result read_snp(struct cella_bytes proof, struct cella_guest_info *out) {
    CELLA_JSON json = NULL;
    TRY(cella_json_object(proof, "Proof", &json));
    TRY(cella_lenient_member(json, "SnpReport", true, &out->hardware));
    TRY(cella_lenient_member(json, "VcekCertChain", false, &out->chain));
    return CELLA_SUCCESS;
}

static struct cella_result read_evidence(const json_t *isolation, struct cella_guest_info *out) {
    const json_t *evidence = json_object_get(isolation, "Evidence");
    CELLA_BUFFER proof = {0};
    ENSURE(json_is_object(evidence), CELLA_ERR_FORMAT, NULL, "Evidence: expected an object");
    TRY(cella_lenient_member(evidence, "Proof", true, &proof));
    TRY(cella_lenient_member(evidence, "RunTimeData", true, &out->runtime));
    if (out->isolation == CELLA_GUEST_SNP) return read_snp(cella_buffer_bytes(&proof), out);
    out->hardware = MOVE(proof);
    return CELLA_SUCCESS;
}

static struct cella_result read_isolation(const json_t *root, struct cella_guest_info *out) {
    static const char *const names[] = {"TrustedLaunch", "SevSnp", "Tdx"};
    const json_t *isolation = json_object_get(root, "IsolationInfo");
    struct cella_bytes type = cella_lenient_text(isolation, "Type");
    for (size_t i = 0; i < 3; i++) {
        if (type.size != strlen(names[i]) || !cella_equal(type.data, names[i], type.size)) continue;
        out->isolation = (enum cella_guest_isolation)i;
        if (out->isolation == CELLA_GUEST_TRUSTED_LAUNCH) return CELLA_SUCCESS;
        TRY_IN(read_evidence(isolation, out), "IsolationInfo");
        return CELLA_SUCCESS;
    }
    FAIL(CELLA_ERR_UNSUPPORTED, NULL,
         "IsolationInfo: Type: expected TrustedLaunch, SevSnp or Tdx, found \"%.*s\"",
         (int)(type.size < 32 ? type.size : 32), (const char *)type.data);
}

CELLA_RESULT cella_guest_info_parse(struct cella_bytes json, struct cella_guest_info *out) {
    CELLA_JSON root = NULL;
    cella_zero(out, sizeof(*out));
    ENSURE(json.size <= CELLA_GUEST_INFO_MAX, CELLA_ERR_LIMIT, NULL,
           "AttestationInfo: %zu bytes, at most %d", json.size, CELLA_GUEST_INFO_MAX);
    TRY(cella_json_object(json, "AttestationInfo", &root));
    TRY(read_system(root, out));
    TRY(read_tpm(root, out));
    return read_isolation(root, out);
}
