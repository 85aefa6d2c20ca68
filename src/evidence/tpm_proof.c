#include "evidence/tpm_proof.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "evidence/tpm_check.h"
#include "evidence/tpm_roots.h"

static bool same(struct cella_bytes a, struct cella_bytes b) {
    return a.size == b.size && cella_equal(a.data, b.data, a.size);
}

/* TPM2B_ATTEST: the size goes first. */
static struct cella_bytes without_size(struct cella_bytes bytes) {
    struct cella_reader r = cella_reader(bytes);
    size_t size = cella_reader_u16be(&r);
    return !r.failed && size == bytes.size - 2 ? cella_bytes(bytes.data + 2, size) : bytes;
}

static struct cella_result check_signature(struct cella_bytes ak_spki, uint16_t hash,
                                           struct cella_bytes message,
                                           struct cella_bytes signature) {
    CELLA_VERIFYKEY key = NULL;
    struct cella_tpm_signature parsed;
    TRY_IN(cella_verifykey_new(ak_spki, &key), "attestation key");
    TRY(cella_tpm_signature_parse(signature, &parsed));
    return cella_tpm_signature_check(key, &parsed, hash, message);
}

/* --- Quote --- */

static uint16_t hash_of_size(size_t size) {
    for (enum cella_hash hash = CELLA_HASH_SHA1; hash <= CELLA_HASH_SHA512; hash++)
        if (cella_hash_size(hash) == size) return cella_tpm_hash_id(hash);
    return 0;
}

static struct cella_result check_digest(const struct cella_tpm_proof *proof, uint16_t digest_hash) {
    struct cella_bytes parts[CELLA_TPM_PCR_MAX];
    uint8_t digest[CELLA_HASH_SIZE_MAX];
    enum cella_hash hash = CELLA_HASH_SHA256;
    size_t count = 0;
    cella_tpm_hash_of(digest_hash, &hash);
    for (unsigned p = 0; p < CELLA_TPM_PCR_MAX; p++)
        if (proof->quoted >> p & 1)
            parts[count++] = cella_bytes(proof->values.value[p], cella_hash_size(proof->bank));
    TRY(cella_hash(hash, parts, count, digest));
    ENSURE(cella_equal(digest, proof->attest.pcr_digest.data, proof->attest.pcr_digest.size),
           CELLA_ERR_INTEGRITY, "send the PCR values of the moment of the quote",
           "PCR digest: the values that were sent do not hash to the digest that was quoted");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tpm_proof_quote(struct cella_bytes ak_spki, struct cella_bytes message,
                                   struct cella_bytes signature,
                                   const struct cella_tpm_pcrs values[CELLA_TPM_HASH_COUNT],
                                   struct cella_tpm_proof *out) {
    cella_zero(out, sizeof(*out));
    struct cella_bytes attest = without_size(message);
    TRY(cella_tpm_attest_parse(attest, &out->attest));
    uint16_t hash = hash_of_size(out->attest.pcr_digest.size);
    ENSURE(hash != 0, CELLA_ERR_FORMAT, NULL,
           "PCR digest: expected 20, 32, 48 or 64 bytes, found %zu", out->attest.pcr_digest.size);
    TRY_IN(check_signature(ak_spki, hash, attest, signature), "PCR quote signature");
    ENSURE(out->attest.bank_count == 1 && cella_tpm_hash_of(out->attest.bank[0].hash, &out->bank),
           CELLA_ERR_UNSUPPORTED, "quote PCRs of one bank, best SHA-256",
           "PCR selection: expected one known bank, found %u", out->attest.bank_count);
    out->quoted = out->attest.bank[0].pcrs;
    /* A22: a quote of nothing would match any list of values. */
    ENSURE(out->quoted != 0 && !(out->quoted >> CELLA_TPM_PCR_MAX), CELLA_ERR_REFUSED,
           "quote the PCRs that matter", "PCR selection: expected PCRs of 0 to 23, found mask %08x",
           out->quoted);
    out->values = values[out->bank];
    uint32_t lacking = out->quoted & ~out->values.given;
    ENSURE(lacking == 0, CELLA_ERR_NOT_FOUND, "send the values of all PCRs that are quoted",
           "PCR values: of the PCRs %06x that were quoted, %06x were not sent", out->quoted,
           lacking);
    return check_digest(out, hash);
}

/* --- Log --- */

CELLA_RESULT cella_tpm_proof_log(struct cella_tpm_proof *proof, struct cella_bytes log) {
    struct cella_registers registers;
    size_t size = cella_hash_size(proof->bank);
    proof->explained = 0;
    if (log.size == 0) return CELLA_SUCCESS;
    TRY_IN(cella_eventlog_replay(log, proof->bank, &registers), "event log");
    uint32_t common = registers.extended & proof->quoted;
    for (unsigned p = 0; p < CELLA_TPM_PCR_MAX; p++)
        ENSURE(!(common >> p & 1) || cella_equal(registers.value[p], proof->values.value[p], size),
               CELLA_ERR_INTEGRITY, "send the log of the same boot, whole and in its order",
               "event log: PCR %u: the log does not replay to the value that was quoted", p);
    proof->explained = common;
    return CELLA_SUCCESS;
}

bool cella_tpm_proof_event(const struct cella_tpm_proof *proof, const struct cella_event *event,
                           bool *data_measured) {
    uint8_t digest[CELLA_HASH_SIZE_MAX];
    *data_measured = false;
    if (event->index >= CELLA_TPM_PCR_MAX || !(proof->explained >> event->index & 1)) return false;
    for (uint32_t i = 0; i < event->digest_count; i++) {
        if (event->digest[i].hash != cella_tpm_hash_id(proof->bank)) continue;
        struct cella_result r = cella_hash(proof->bank, &event->data, 1, digest);
        *data_measured = !cella_failed(r) && cella_equal(digest, event->digest[i].value.data,
                                                         cella_hash_size(proof->bank));
        cella_result_drop(r);
    }
    return event->type != CELLA_EVENT_NO_ACTION;
}

/* --- Certified key --- */

CELLA_RESULT cella_tpm_name(const struct cella_tpm_public *public, uint8_t *name, size_t *size) {
    enum cella_hash hash = CELLA_HASH_SHA256;
    ENSURE(cella_tpm_hash_of(public->name_hash, &hash) && hash != CELLA_HASH_SHA1,
           CELLA_ERR_UNSUPPORTED, "make the key with a name of SHA-256",
           "TPM public area: name algorithm %04x", public->name_hash);
    name[0] = (uint8_t)(public->name_hash >> 8);
    name[1] = (uint8_t)(public->name_hash & 0xff);
    TRY(cella_hash(hash, &public->area, 1, name + 2));
    *size = 2 + cella_hash_size(hash);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tpm_proof_certified(struct cella_bytes ak_spki, struct cella_bytes info,
                                       struct cella_bytes signature, struct cella_bytes public,
                                       uint32_t attributes, struct cella_tpm_public *out) {
    uint8_t name[2 + CELLA_HASH_SIZE_MAX];
    size_t size = 0;
    struct cella_tpm_certify certify;
    struct cella_bytes attest = without_size(info);
    TRY_IN(cella_tpm_public_parse(public, out), "certified key");
    TRY(cella_tpm_certify_parse(attest, &certify));
    TRY_IN(check_signature(ak_spki, CELLA_TPM_SHA256, attest, signature),
           "certification signature");
    TRY(cella_tpm_name(out, name, &size));
    ENSURE(same(certify.name, cella_bytes(name, size)), CELLA_ERR_INTEGRITY,
           "send the public area of the key that was certified",
           "certified key: the name that was certified is not that of the public area");
    ENSURE((out->attributes & attributes) == attributes, CELLA_ERR_REFUSED,
           "make the key inside the TPM, fixed to it",
           "certified key: attributes: expected at least %08x, found %08x", attributes,
           out->attributes);
    return CELLA_SUCCESS;
}

/* --- Who vouches --- */

static bool is_trusted(const struct cella_tpm_state *state, struct cella_bytes ak_spki) {
    for (uint32_t i = 0; i < state->trusted_count; i++)
        if (same(state->trusted[i], ak_spki)) return true;
    return false;
}

/* The leaf, and above it what the collateral holds of its issuers: names lead, signatures decide.
 */
static void build_chain(const struct cella_tpm_state *state, const struct cella_certificate *leaf,
                        struct cella_tpm_companions *chain) {
    chain->certificate[chain->certificate_count++] = *leaf;
    bool found = true;
    while (found && chain->certificate_count < CELLA_CHAIN_CERTIFICATES) {
        const struct cella_certificate *last = &chain->certificate[chain->certificate_count - 1];
        found = false;
        if (same(last->issuer, last->subject)) return;
        for (uint32_t i = 0; i < state->companions.certificate_count && !found; i++) {
            const struct cella_certificate *c = &state->companions.certificate[i];
            if (!c->is_ca || !same(c->subject, last->issuer)) continue;
            chain->certificate[chain->certificate_count++] = *c;
            found = true;
        }
    }
}

/* A machine of another cloud is none of Azure's, however good its key is. */
static void keep_azure(struct cella_tpm_state *state) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < state->root_count; i++)
        if (strcmp(state->root[i].name, cella_tpm_roots[CELLA_TPM_ROOT_GOOGLE].name) != 0)
            state->root[kept++] = state->root[i];
    state->root_count = kept;
}

static struct cella_result check_chain(const struct cella_tpm_state *state,
                                       const struct cella_certificate *leaf, uint64_t time_unix,
                                       struct cella_verification *out) {
    const struct cella_evidence_options options = {.time_unix = time_unix};
    struct cella_tpm_check *check = calloc(1, sizeof(*check));
    int32_t link = -1;
    ENSURE(check, CELLA_ERR_MEMORY, NULL, "no memory for a chain of certificates");
    check->out = out;
    check->options = &options;
    check->state = state;
    build_chain(state, leaf, &check->own);
    struct cella_result r = cella_tpm_check_certificates(check, &check->own, &link);
    free(check);
    return r;
}

CELLA_RESULT cella_tpm_proof_vouched(const struct cella_collateral *collateral,
                                     struct cella_bytes ak_spki, struct cella_bytes certificate,
                                     uint64_t time_unix, bool azure, const char **by) {
    const struct cella_tpm_state *state = cella_collateral_of(collateral, &cella_family_tpm);
    ENSURE(state, CELLA_ERR_MEMORY, NULL, "no memory for the roots of TPMs");
    *by = "trusted";
    if (is_trusted(state, ak_spki)) return CELLA_SUCCESS;
    *by = "certificate";
    ENSURE(
        certificate.size, CELLA_ERR_REFUSED,
        "send the key's certificate, or let the operator trust the key",
        "attestation key: nobody vouches for it: no certificate, and not among the trusted keys");
    struct cella_certificate leaf;
    TRY_IN(cella_certificate_parse_first(certificate, &leaf), "certificate of the attestation key");
    ENSURE(same(leaf.spki, ak_spki), CELLA_ERR_INTEGRITY, "send the certificate of this very key",
           "certificate of the attestation key: it is of another key");
    CELLA_VERIFICATION out = {0};
    struct cella_tpm_state *use = malloc(sizeof(*use)); /* borrows all that the state owns */
    ENSURE(use, CELLA_ERR_MEMORY, NULL, "no memory for a chain of certificates");
    *use = *state;
    if (azure) keep_azure(use);
    struct cella_result r = check_chain(use, &leaf, time_unix, &out);
    free(use);
    if (!cella_failed(r) || !out.reason.step[0]) return r;
    enum cella_code code = cella_code_of(r);
    cella_result_drop(r);
    FAIL(code, out.reason.remedy, "certificate of the attestation key: %s: expected %s, found %s",
         out.reason.field, out.reason.expected, out.reason.found);
}
