/* Secure key release (azure-keyvault 8.4 to 8.8). */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "vault/change.h"
#include "vault/keys.h"
#include "vault/release.h"
#include "vault/vault_inner.h"

enum { NONCE_MAX = 1024 };

struct asked {
    const char *target, *nonce; /* of the body; nonce may be NULL */
    enum cella_release_wrap wrap;
};

static bool read_asked(struct cella_vault_call *call, const json_t *body, struct asked *out) {
    const char *enc = json_string_value(json_object_get(body, "enc"));
    const json_t *nonce = json_object_get(body, "nonce");
    *out = (struct asked){.target = json_string_value(json_object_get(body, "target")),
                          .nonce = json_string_value(nonce),
                          .wrap = CELLA_WRAP_SHA1};
    const char *wrong = NULL;
    if (!out->target) wrong = "target: expected an attestation token";
    if (nonce && !json_is_null(nonce) && (!out->nonce || strlen(out->nonce) > NONCE_MAX))
        wrong = "nonce: expected a text of at most 1024 bytes";
    if (enc && !cella_release_wrap_find(enc, &out->wrap))
        wrong = "enc: expected CKM_RSA_AES_KEY_WRAP, RSA_AES_KEY_WRAP_256 or RSA_AES_KEY_WRAP_384";
    if (wrong) cella_vault_error(call, 400, "BadParameter", NULL, "%s", wrong);
    return !wrong;
}

/* The caller learns that it is not, and no more; why is for the owner, in the audit log. */
static void refuse(struct cella_vault_call *call, const struct cella_release *release,
                   const char *id) {
    if (!cella_vault_audit(call, "release", id, "refused", release->why)) return;
    switch (release->verdict) {
    case CELLA_RELEASE_UNKNOWN_AUTHORITY:
        cella_vault_error(
            call, 400, "BadParameter", NULL,
            "AKV.SKR.1012: the attestation service %s cannot be reached: its keys are "
            "not known to this vault",
            release->issuer);
        return;
    case CELLA_RELEASE_UNMET:
        cella_vault_error(call, 403, "Forbidden", "AccessDenied",
                          "Target environment attestation does not meet key release policy "
                          "requirements");
        return;
    case CELLA_RELEASE_NO_KEY:
        cella_vault_error(call, 403, "Forbidden", "AccessDenied",
                          "Target environment attestation statement has no key to encrypt to.");
        return;
    default:
        cella_vault_error(call, 403, "Forbidden", "AccessDenied",
                          "Target environment attestation statement cannot be verified.");
    }
}

/* --- The answer --- */

static json_t *payload(const struct cella_vault_call *call, const struct cella_record *record,
                       const struct asked *asked, struct cella_bytes key_hsm) {
    char id[512];
    json_t *bundle = cella_key_bundle(call, record), *key = json_object_get(bundle, "key");
    cella_vault_id(call, record, *call->version != 0, id);
    if (key)
        json_object_set_new(key, "key_hsm", json_stringn((const char *)key_hsm.data, key_hsm.size));
    return json_pack("{s:{s:s, s:s, s:s, s:s*}, s:{s:o}}", "request", "api-version",
                     call->api_version, "enc", cella_release_wrap_name(asked->wrap), "kid", id,
                     "nonce", asked->nonce, "response", "key", bundle);
}

static CELLA_RESULT seal_answer(struct cella_vault_call *call, const struct cella_record *record,
                                const struct asked *asked, const struct cella_release *release,
                                struct cella_buffer *jws) {
    struct cella_keyring *ring = call->vault->service->keyring;
    struct cella_material *material = NULL;
    CELLA_BUFFER key_hsm = {0};
    TRY(cella_keyring_take(ring, call->settings->name, record, &material));
    struct cella_result result = cella_release_wrap(release, asked->wrap, material, &key_hsm);
    cella_keyring_drop(ring, &material);
    TRY(result);
    CELLA_JSON body = payload(call, record, asked, cella_buffer_bytes(&key_hsm));
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a release");
    result = cella_signer_sign(call->vault->service->signer, cella_bytes_text(text), jws);
    free(text);
    return result;
}

static void give(struct cella_vault_call *call, const struct cella_record *record,
                 const struct asked *asked, const struct cella_release *release, const char *id) {
    CELLA_BUFFER jws = {0};
    char why[512];
    struct cella_result result = seal_answer(call, record, asked, release, &jws);
    if (cella_failed(result)) {
        cella_vault_failure(call, CELLA_RECORD_KEY, result);
        return;
    }
    snprintf(why, sizeof(why), "to %.200s, token %.100s", release->issuer, release->token_id);
    if (!cella_vault_audit(call, "release", id, "ok", why)) return;
    CELLA_JSON body = json_pack("{s:s%}", "value", (const char *)jws.data, jws.size);
    cella_vault_json(call, 200, body);
}

static CELLA_RESULT judge(struct cella_vault_call *call, const json_t *stored, const char *target,
                          struct cella_release *release) {
    CELLA_BUFFER text = {0};
    struct cella_release_policy *policy = NULL;
    const char *data = json_string_value(json_object_get(stored, "data"));
    ENSURE(data, CELLA_ERR_INTERNAL, NULL, "a key that may be released, without its policy");
    TRY(cella_base64_decode(cella_bytes_text(data), true, &text));
    TRY(cella_release_policy_new(cella_buffer_bytes(&text), &policy)); /* K03: at use as when set */
    struct cella_result result = cella_release_judge(
        call->parts->authorities, policy, cella_bytes_text(target), call->now_unix, release);
    cella_release_policy_free(&policy);
    return result;
}

void cella_key_release(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    CELLA_RELEASE release = {0};
    struct asked asked;
    char id[512];
    CELLA_JSON body = cella_vault_body(call);
    if (!body || !read_asked(call, body, &asked) || !cella_vault_begin(call, false, &session) ||
        !cella_vault_find(call, session, CELLA_RECORD_KEY, false, true, &record) ||
        !cella_key_usable(call, &record, "release"))
        return;
    cella_session_end(&session);
    cella_vault_id(call, &record, true, id);
    if (!json_is_true(json_object_get(record.public, "exportable"))) {
        if (!cella_vault_audit(call, "release", id, "refused", "not exportable")) return;
        cella_vault_error(call, 403, "Forbidden", "KeyOperationForbidden",
                          "Operation release is not permitted on this key: it is not exportable.");
        return;
    }
    struct cella_result result =
        judge(call, json_object_get(record.public, "release_policy"), asked.target, &release);
    if (cella_failed(result))
        cella_vault_failure(call, CELLA_RECORD_KEY, result);
    else if (release.verdict != CELLA_RELEASE_GRANTED)
        refuse(call, &release, id);
    else
        give(call, &record, &asked, &release, id);
}
