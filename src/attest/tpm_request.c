#include "attest/tpm_request.h"

#include <string.h>

#include "attest/lenient.h"
#include "base/memory.h"
#include "crypto/spki.h"

enum {
    STATEMENT_HEAD = 24,
    STATEMENT_PCRS = 24,
    CUSTOM_NAME_MAX = 64,
    CUSTOM_TEXT_MAX = 4096,
};
static const char log_names[CELLA_TPM_LOGS][16] = {"srtm_boot_log", "srtm_resume_log",
                                                   "drtm_boot_log", "drtm_resume_log"};

void cella_tpm_request_free(struct cella_tpm_request *request) {
    json_decref(request->root);
    cella_jose_key_free(&request->attest_key);
    struct cella_buffer *all[] = {&request->challenge,       &request->context,
                                  &request->ak_certificate,  &request->current_bytes,
                                  &request->boot_bytes,      &request->quote_message,
                                  &request->quote_signature, &request->log[0],
                                  &request->log[1],          &request->log[2],
                                  &request->log[3]};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) cella_buffer_free(all[i]);
    *request = (struct cella_tpm_request){0};
}

/* --- Statements --- */

/* ncrypt.h of the Windows SDK: u32 Magic, Version, pcrAlg, cbSignature, cbQuote, cbPcrs, all
 * little-endian; then TPMT_SIGNATURE, TPMS_ATTEST, and the 24 PCRs one after the other. */
CELLA_RESULT cella_tpm_statement_parse(struct cella_bytes bytes, struct cella_tpm_statement *out) {
    struct cella_reader r = cella_reader(bytes);
    enum cella_hash bank = CELLA_HASH_SHA256;
    cella_zero(out, sizeof(*out));
    cella_reader_expect(&r, cella_bytes("ALPT", 4));
    uint32_t version = cella_reader_u32le(&r), algorithm = cella_reader_u32le(&r);
    uint32_t signature = cella_reader_u32le(&r), quote = cella_reader_u32le(&r),
             pcrs = cella_reader_u32le(&r);
    ENSURE(!r.failed && version == 0, CELLA_ERR_FORMAT, NULL,
           "platform claim: expected magic ALPT and version 0");
    ENSURE(algorithm <= UINT16_MAX && cella_tpm_hash_of((uint16_t)algorithm, &bank),
           CELLA_ERR_UNSUPPORTED, NULL, "platform claim: PCRs of algorithm %04x", algorithm);
    out->signature = cella_reader_bytes(&r, signature);
    out->message = cella_reader_bytes(&r, quote);
    ENSURE(!r.failed && pcrs == STATEMENT_PCRS * cella_hash_size(bank), CELLA_ERR_FORMAT, NULL,
           "platform claim: expected the values of %d PCRs", STATEMENT_PCRS);
    for (unsigned p = 0; p < STATEMENT_PCRS; p++)
        cella_reader_copy(&r, out->pcrs[bank].value[p], cella_hash_size(bank));
    out->pcrs[bank].given = (1U << STATEMENT_PCRS) - 1;
    ENSURE(cella_reader_done(&r), CELLA_ERR_FORMAT, NULL,
           "platform claim: its sizes do not fit its %zu bytes", bytes.size);
    out->there = true;
    return CELLA_SUCCESS;
}

/* Values of exactly the PCRs that are quoted, in their order: tpm2_quote -F values. */
static struct cella_result read_values(struct cella_bytes values, struct cella_tpm_statement *out) {
    struct cella_tpm_attest attest;
    struct cella_reader r = cella_reader(values);
    enum cella_hash bank = CELLA_HASH_SHA256;
    TRY(cella_tpm_attest_parse(out->message, &attest));
    ENSURE(attest.bank_count == 1 && cella_tpm_hash_of(attest.bank[0].hash, &bank),
           CELLA_ERR_UNSUPPORTED, "quote PCRs of one bank, best SHA-256",
           "tpm_quote: expected PCRs of one known bank");
    for (unsigned p = 0; p < CELLA_TPM_PCR_MAX; p++) {
        if (!(attest.bank[0].pcrs >> p & 1)) continue;
        cella_reader_copy(&r, out->pcrs[bank].value[p], cella_hash_size(bank));
        out->pcrs[bank].given |= 1U << p;
    }
    ENSURE(cella_reader_done(&r), CELLA_ERR_FORMAT,
           "send the values of the PCRs that are quoted, in their order, and nothing else",
           "tpm_quote: pcrs: %zu bytes do not fit the PCRs that are quoted", values.size);
    return CELLA_SUCCESS;
}

static struct cella_result read_area(const json_t *quote, struct cella_tpm_request *out) {
    CELLA_BUFFER area = {0};
    struct cella_tpm_public public;
    TRY(cella_lenient_member(quote, "aik_area", false, &area));
    if (area.size == 0) return CELLA_SUCCESS;
    TRY_IN(cella_tpm_public_parse(cella_buffer_bytes(&area), &public), "tpm_quote: aik_area");
    ENSURE(public.spki.size == out->ak.size &&
               cella_equal(public.spki.data, out->ak.data, out->ak.size),
           CELLA_ERR_INTEGRITY, NULL, "tpm_quote: aik_area is of another key than aik_pub");
    out->ak_described = true;
    out->ak_attributes = public.attributes;
    return CELLA_SUCCESS;
}

/* cella's own form, for machines without Windows: {"attest", "signature", "pcrs", "aik_area"}. */
static struct cella_result read_quote(const json_t *quote, struct cella_tpm_request *out) {
    CELLA_BUFFER values = {0};
    ENSURE(json_is_object(quote), CELLA_ERR_FORMAT, NULL, "tpm_quote: expected an object");
    TRY_IN(cella_lenient_member(quote, "attest", true, &out->quote_message), "tpm_quote");
    TRY_IN(cella_lenient_member(quote, "signature", true, &out->quote_signature), "tpm_quote");
    TRY_IN(cella_lenient_member(quote, "pcrs", true, &values), "tpm_quote");
    out->own_form = true;
    out->current.there = true;
    out->current.message = cella_buffer_bytes(&out->quote_message);
    out->current.signature = cella_buffer_bytes(&out->quote_signature);
    TRY(read_values(cella_buffer_bytes(&values), &out->current));
    return read_area(quote, out);
}

/* --- tpm_att_data --- */

static struct cella_result read_ak(const json_t *tpm, struct cella_tpm_request *out) {
    CELLA_JOSE_KEY key = NULL;
    CELLA_BUFFER der = {0};
    const json_t *jwk = json_object_get(tpm, "aik_pub");
    ENSURE(json_is_object(jwk), CELLA_ERR_FORMAT, NULL, "aik_pub: expected a JWK");
    TRY_IN(cella_jose_key_jwk(jwk, &key), "aik_pub");
    TRY(cella_jose_key_spki_der(key, &der));
    ENSURE(der.size <= CELLA_SPKI_MAX, CELLA_ERR_UNSUPPORTED, NULL, "aik_pub: a key of %zu bytes",
           der.size);
    out->ak.size = der.size;
    cella_copy(out->ak.data, der.data, der.size);
    return CELLA_SUCCESS;
}

static struct cella_result read_claims(const json_t *tpm, struct cella_tpm_request *out) {
    const json_t *quote = json_object_get(tpm, "tpm_quote");
    TRY(cella_lenient_member(tpm, "current_claim", false, &out->current_bytes));
    TRY(cella_lenient_member(tpm, "boot_claim", false, &out->boot_bytes));
    ENSURE(
        (quote != NULL) + (out->current_bytes.size > 0) == 1, CELLA_ERR_FORMAT, NULL,
        "tpm_att_data: expected current_claim (of Windows) or tpm_quote (of cella), one of them");
    if (out->boot_bytes.size)
        TRY_IN(cella_tpm_statement_parse(cella_buffer_bytes(&out->boot_bytes), &out->boot),
               "boot_claim");
    if (quote) return read_quote(quote, out);
    TRY_IN(cella_tpm_statement_parse(cella_buffer_bytes(&out->current_bytes), &out->current),
           "current_claim");
    return CELLA_SUCCESS;
}

static struct cella_result read_tpm(const json_t *data, struct cella_tpm_request *out) {
    const json_t *tpm = json_object_get(data, "tpm_att_data");
    ENSURE(json_is_object(tpm), CELLA_ERR_FORMAT, NULL, "tpm_att_data: expected an object");
    TRY(read_ak(tpm, out));
    TRY(cella_lenient_member(tpm, "aik_cert", false, &out->ak_certificate));
    for (size_t i = 0; i < CELLA_TPM_LOGS; i++)
        TRY(cella_lenient_member(tpm, log_names[i], false, &out->log[i]));
    return read_claims(tpm, out);
}

/* --- custom_claims --- */

static struct cella_result read_custom(const json_t *data, struct cella_tpm_request *out) {
    const json_t *list = json_object_get(data, "custom_claims"), *item;
    size_t at;
    if (!list || json_is_null(list)) return CELLA_SUCCESS;
    ENSURE(json_is_array(list) && json_array_size(list) <= CELLA_TPM_CUSTOM_MAX, CELLA_ERR_FORMAT,
           NULL, "custom_claims: expected a list of at most %d", CELLA_TPM_CUSTOM_MAX);
    json_array_foreach(list, at, item) {
        struct cella_bytes name = cella_lenient_text(item, "name");
        const json_t *value = json_object_get(item, "value");
        ENSURE(name.size >= 1 && name.size <= CUSTOM_NAME_MAX, CELLA_ERR_FORMAT, NULL,
               "custom_claims: name: expected 1 to %d characters", CUSTOM_NAME_MAX);
        ENSURE(json_is_string(value) && json_string_length(value) <= CUSTOM_TEXT_MAX,
               CELLA_ERR_FORMAT, NULL, "custom_claims: value: expected a string of at most %d",
               CUSTOM_TEXT_MAX);
        out->custom[out->custom_count++] = item;
    }
    return CELLA_SUCCESS;
}

/* --- The whole --- */

static struct cella_result find_data(const json_t *root, const json_t **data) {
    const json_t *inner = json_object_get(root, "payload");
    if (json_is_object(inner)) root = inner;
    struct cella_bytes type = cella_lenient_text(root, "att_type");
    ENSURE(type.size != 3 || !cella_equal(type.data, "vbs", 3), CELLA_ERR_UNSUPPORTED,
           "attest with att_type basic",
           "att_type: vbs (reports of VBS enclaves) is not implemented by this service");
    ENSURE(type.size == 5 && cella_equal(type.data, "basic", 5), CELLA_ERR_UNSUPPORTED,
           "attest with att_type basic", "att_type: expected \"basic\"");
    *data = json_object_get(root, "att_data");
    ENSURE(json_is_object(*data), CELLA_ERR_FORMAT, NULL, "att_data: expected an object");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tpm_request_parse(struct cella_bytes payload, struct cella_tpm_request *out) {
    const json_t *data = NULL;
    cella_zero(out, sizeof(*out));
    TRY(cella_json_object(payload, "request", &out->root));
    TRY(find_data(out->root, &data));
    out->rp_data = json_object_get(data, "rp_data");
    ENSURE(!out->rp_data || json_is_string(out->rp_data), CELLA_ERR_FORMAT, NULL,
           "rp_data: expected a string");
    TRY(cella_lenient_member(data, "challenge", true, &out->challenge));
    TRY(cella_lenient_member(data, "service_context", true, &out->context));
    out->attest_key_jwk = json_object_get(data, "attest_key");
    ENSURE(json_is_object(out->attest_key_jwk), CELLA_ERR_FORMAT, NULL,
           "attest_key: expected a JWK");
    TRY_IN(cella_jose_key_jwk(out->attest_key_jwk, &out->attest_key), "attest_key");
    TRY(read_custom(data, out));
    return read_tpm(data, out);
}
