/* AzureGuest: what a guest of a cloud says of itself and its machine, answered with a token that
 * only its TPM can read (azure-attestation 6.2). */
#include <stdlib.h>

#include "attest/answer.h"
#include "attest/body.h"
#include "attest/decide.h"
#include "attest/guest_check.h"
#include "attest/guest_claims.h"
#include "attest/lenient.h"
#include "attest/meters.h"
#include "attest/references.h"
#include "base/text.h"
#include "crypto/transport.h"

/* --- Request --- */

static struct cella_result read_body(struct cella_decision *decision, struct cella_buffer *json,
                                     struct cella_guest_info *info) {
    static const char *const spellings[] = {"AttestationInfo", "attestationInfo"};
    CELLA_JSON root = NULL;
    TRY(cella_json_object(decision->request->body, "request body", &root));
    const char *name = json_object_get(root, spellings[0]) ? spellings[0] : spellings[1];
    TRY(cella_lenient_member(root, name, true, json));
    TRY(cella_sha256(cella_buffer_bytes(json), decision->evidence_digest));
    return cella_guest_info_parse(cella_buffer_bytes(json), info);
}

/* What is missing is fetched behind the request's back: it waits for no network. */
static void want(const struct cella_decision *decision, const struct cella_guest_info *info) {
    CELLA_BUFFER evidence = {0};
    struct cella_result made = cella_guest_hardware(info, &evidence);
    if (!cella_failed(made))
        cella_trust_want(decision->instance->trust, cella_buffer_bytes(&evidence));
    cella_result_drop(made);
}

static struct cella_result check(struct cella_decision *decision,
                                 const struct cella_guest_info *info,
                                 struct cella_guest_checked *checked) {
    const struct cella_attest_settings *settings = &decision->instance->settings;
    struct cella_trust *trust = decision->instance->trust;
    const struct cella_evidence_options options = {
        .time_unix = settings->insecure_time ? settings->insecure_time : decision->now_unix,
        .accept_tcb = settings->accept_tcb,
        .accept_tcb_count = settings->accept_tcb_count,
        .grace_s = settings->grace_s};
    void *hold = NULL;
    const struct cella_collateral *set = trust ? cella_trust_take(trust, &hold) : NULL;
    struct cella_result r = cella_guest_check(info, set, &options, checked);
    if (trust) cella_trust_drop(trust, hold);
    decision->reason = checked->hardware.reason;
    if (trust && decision->reason.step[0]) want(decision, info);
    const struct cella_claim *stale =
        cella_failed(r) || !checked->hardware.claims
            ? NULL
            : cella_claimset_find(checked->hardware.claims, "collateral-stale");
    decision->stale = stale && stale->number;
    return r;
}

/* --- Answer --- */

static json_t *base64_json(struct cella_bytes bytes) {
    CELLA_BUFFER text = {0};
    struct cella_result r = cella_base64_encode(bytes, false, &text);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good ? json_stringn((const char *)text.data, text.size) : NULL;
}

/* The names are those that the client knows; GCM pads nothing, whatever BlockPadding says. */
static struct cella_result seal(const struct cella_guest_checked *checked, struct cella_bytes token,
                                struct cella_buffer *out) {
    CELLA_TRANSPORT sealed = {0};
    TRY(cella_transport_seal(cella_spki_bytes(&checked->key.spki),
                             cella_bytes_text("Transport Key"), token, &sealed));
    CELLA_JSON envelope =
        json_pack("{s:{s:s, s:s, s:s, s:i, s:o}, s:o, s:o, s:o}", "EncryptionParams", "BlockMode",
                  "ChainingModeGCM", "BlockPadding", "PKCS7", "Cipher", "AES", "KeySizeInBits", 256,
                  "Iv", base64_json(CELLA_BYTES_OF(sealed.iv)), "AuthenticationData",
                  base64_json(CELLA_BYTES_OF(sealed.tag)), "EncryptedInnerKey",
                  base64_json(cella_buffer_bytes(&sealed.wrapped_key)), "Jwt",
                  base64_json(cella_buffer_bytes(&sealed.ciphertext)));
    char *text = envelope ? json_dumps(envelope, JSON_COMPACT) : NULL;
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for an answer");
    struct cella_result r = cella_base64_encode(cella_bytes_text(text), true, out);
    free(text);
    return r;
}

static struct cella_result answer(struct cella_decision *decision,
                                  const struct cella_guest_checked *checked,
                                  struct cella_http_response *response) {
    CELLA_BUFFER token = {0};
    CELLA_BUFFER envelope = {0};
    TRY(cella_decide(decision, 0, 0, response, &token));
    if (token.size == 0) return CELLA_SUCCESS; /* denied, and said so */
    TRY(seal(checked, cella_buffer_bytes(&token), &envelope));
    cella_answer_token(response, cella_buffer_bytes(&envelope));
    return CELLA_SUCCESS;
}

/* azure-attestation 5.2: of launch measurements that the operator knows. */
static const char *compliance(const struct cella_decision *decision,
                              const struct cella_guest_checked *checked) {
    const struct cella_claim *measurement =
        checked->hardware.claims ? cella_claimset_find(checked->hardware.claims, "measurement")
                                 : NULL;
    bool known =
        measurement && cella_references_have(decision->instance->references, measurement->bytes);
    return known ? "azure-compliant-cvm" : NULL;
}

static struct cella_result decide(struct cella_decision *decision,
                                  const struct cella_guest_info *info,
                                  struct cella_http_response *response) {
    CELLA_GUEST_CHECKED checked = {0};
    TRY(check(decision, info, &checked));
    TRY(cella_policy_claims_new(&decision->claims));
    TRY(cella_guest_claims(info, &checked, compliance(decision, &checked), decision->claims,
                           &decision->service));
    if (decision->stale)
        cella_policy_claims_boolean(decision->claims, "x-ms-cella-collateral-stale", true,
                                    CELLA_POLICY_SERVICE);
    return answer(decision, &checked, response);
}

void cella_attest_guest(struct cella_decision *decision, struct cella_http_response *response) {
    CELLA_BUFFER json = {0};
    CELLA_GUEST_INFO info = {0};
    struct cella_result r = read_body(decision, &json, &info);
    if (cella_failed(r)) { /* nothing to decide about: not in the audit log */
        if (decision->instance->meters)
            cella_metric_count(decision->instance->meters->malformed, 1);
        cella_answer_failure(response, "InvalidParameter", r);
        return;
    }
    r = decide(decision, &info, response);
    if (cella_failed(r)) cella_decide_fail(decision, response, "InvalidParameter", r);
}
