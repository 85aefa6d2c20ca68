/* Certificates made, imported, asked for elsewhere and merged, and renewed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/jose.h"
#include "vault/cert_policy.h"
#include "vault/cert_x509.h"
#include "vault/certificates.h"
#include "vault/vault_inner.h"

static const char note[] = "pending";
enum { BUNDLE_MAX = 1 << 18 };

static CELLA_RESULT make_key(struct cella_vault_call *call, struct cella_session *session,
                             const json_t *policy, const char *name, struct cella_material **out) {
    struct cella_cert_key shape;
    struct cella_keyring *ring = call->vault->service->keyring;
    CELLA_RECORD key = {0};
    cella_cert_policy_key(policy, &shape);
    if (!shape.reuse) return cella_material_new(shape.kind, shape.curve, shape.bits, 0, out);
    struct cella_result result = cella_records_get(session, call->settings->name, CELLA_RECORD_KEY,
                                                   name, NULL, false, true, &key);
    if (cella_code_of(result) == CELLA_ERR_NOT_FOUND) {
        cella_result_drop(result);
        return cella_material_new(shape.kind, shape.curve, shape.bits, 0, out);
    }
    TRY(result);
    struct cella_material *lent = NULL;
    CELLA_SECRET bytes = {0};
    TRY(cella_keyring_take(ring, call->settings->name, &key, &lent));
    enum cella_material_kind kind = cella_material_kind(lent);
    result = cella_material_resident(lent)
                 ? CELLA_FAILURE(CELLA_ERR_USAGE, NULL,
                                 "reuse_key: the key of this name lives in the vault's HSM, and "
                                 "keys of certificates do not")
                 : cella_material_save(lent, &bytes);
    cella_keyring_drop(ring, &lent);
    TRY(result);
    return cella_material_load(kind, cella_secret_bytes(&bytes), out);
}

CELLA_RESULT cella_cert_issue(struct cella_vault_call *call, struct cella_session *session,
                              const json_t *policy, struct cella_record *record) {
    CELLA_MATERIAL material = NULL;
    CELLA_BUFFER leaf = {0};
    TRY(make_key(call, session, policy, record->name, &material));
    TRY(cella_cert_self(policy, material, (int64_t)call->now_unix, &leaf));
    return cella_cert_store(call, session, policy, material, cella_buffer_bytes(&leaf),
                            cella_bytes(NULL, 0), record);
}

/* --- Pending operations --- */

static json_t *operation(const struct cella_vault_call *call, const json_t *kept) {
    char id[512], target[512];
    const char *status = json_string_value(json_object_get(kept, "status"));
    snprintf(id, sizeof(id), "%s/certificates/%s/pending", call->base, call->name);
    snprintf(target, sizeof(target), "%s/certificates/%s", call->base, call->name);
    json_t *shown = json_pack("{s:s, s:{s:O}, s:O?, s:b, s:s, s:O}", "id", id, "issuer", "name",
                              json_object_get(kept, "issuer"), "csr", json_object_get(kept, "csr"),
                              "cancellation_requested", strcmp(status, "cancelled") == 0, "status",
                              status, "request_id", json_object_get(kept, "request_id"));
    if (shown && strcmp(status, "completed") == 0)
        json_object_set_new(shown, "target", json_string(target));
    return shown;
}

static CELLA_RESULT keep_pending(struct cella_vault_call *call, struct cella_session *session,
                                 const json_t *kept) {
    char *text = kept ? json_dumps(kept, JSON_COMPACT) : NULL;
    struct cella_result result =
        cella_records_note(session, call->settings->name, CELLA_RECORD_CERTIFICATE, call->name,
                           note, text ? cella_bytes_text(text) : cella_bytes(NULL, 0));
    free(text);
    return result;
}

static CELLA_RESULT load_pending(struct cella_vault_call *call, struct cella_session *session,
                                 json_t **out) {
    CELLA_BUFFER text = {0};
    *out = NULL;
    TRY(cella_cert_not_deleted(call, session, CELLA_ERR_NOT_FOUND));
    TRY(cella_records_note_get(session, call->settings->name, CELLA_RECORD_CERTIFICATE, call->name,
                               note, &text));
    ENSURE(text.size, CELLA_ERR_NOT_FOUND, NULL, "no pending operation");
    return cella_json_object(cella_buffer_bytes(&text), "pending certificate", out);
}

void cella_cert_pending_context(const char *vault, const char *name, const char *id,
                                char context[384]) {
    char fold[CELLA_RECORD_NAME_MAX + 1] = "";
    for (size_t i = 0; i < CELLA_RECORD_NAME_MAX && name[i]; i++)
        fold[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
    snprintf(context, 384, "vault|%s|pending|%s|%s", vault, fold, id);
}

/* A request for an authority elsewhere: its key waits, sealed, until the certificate comes. */
static CELLA_RESULT begin_request(struct cella_vault_call *call, struct cella_session *session,
                                  const json_t *policy, json_t **kept) {
    CELLA_MATERIAL material = NULL;
    CELLA_BUFFER request = {0}, csr = {0}, sealed = {0}, key = {0};
    CELLA_SECRET bytes = {0};
    char context[384];
    TRY(cella_cert_not_deleted(call, session, CELLA_ERR_EXISTS));
    TRY(make_key(call, session, policy, call->name, &material));
    TRY(cella_cert_request(policy, material, &request));
    TRY(cella_base64_encode(cella_buffer_bytes(&request), false, &csr));
    TRY(cella_material_save(material, &bytes));
    cella_cert_pending_context(call->settings->name, call->name, call->request->id, context);
    TRY(cella_sealer_seal(call->parts->sealer, context, cella_secret_bytes(&bytes), &sealed));
    TRY(cella_base64_encode(cella_buffer_bytes(&sealed), false, &key));
    *kept = json_pack("{s:s, s:s, s:s%, s:s, s:s%, s:O}", "status", "inProgress", "issuer",
                      "Unknown", "csr", (const char *)csr.data, csr.size, "request_id",
                      call->request->id, "key", (const char *)key.data, key.size, "policy", policy);
    ENSURE(*kept, CELLA_ERR_MEMORY, NULL, "no memory for a request");
    return CELLA_SUCCESS;
}

static CELLA_RESULT begin_self(struct cella_vault_call *call, struct cella_session *session,
                               const json_t *policy, struct cella_record *record, json_t **kept) {
    TRY(cella_cert_issue(call, session, policy, record));
    *kept = json_pack("{s:s, s:s, s:n, s:s}", "status", "completed", "issuer", "Self", "csr",
                      "request_id", call->request->id);
    ENSURE(*kept, CELLA_ERR_MEMORY, NULL, "no memory for an operation");
    return CELLA_SUCCESS;
}

void cella_cert_create(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    CELLA_JSON old = NULL;
    CELLA_JSON policy = NULL;
    CELLA_JSON kept = NULL;
    CELLA_JSON body = cella_vault_body(call);
    cella_cert_record(call, call->name, &record);
    if (!body || !cella_vault_attributes(call, body, &record) ||
        !cella_vault_begin(call, true, &session))
        return;
    struct cella_result result = cella_cert_policy_load(call, session, call->name, &old);
    if (!cella_failed(result)) {
        const json_t *wanted = json_object_get(body, "policy");
        result = cella_cert_policy_wanted(call, wanted, wanted ? NULL : old, &policy);
    }
    if (!cella_failed(result))
        result = cella_cert_policy_self(policy) ? begin_self(call, session, policy, &record, &kept)
                                                : begin_request(call, session, policy, &kept);
    if (!cella_failed(result)) result = keep_pending(call, session, kept);
    if (cella_failed(result)) {
        cella_vault_failure(call, CELLA_RECORD_CERTIFICATE, result);
        return;
    }
    if (!cella_vault_commit(call, &session, CELLA_RECORD_CERTIFICATE, "create", call->name)) return;
    CELLA_JSON shown = operation(call, kept);
    cella_vault_json(call, 202, shown);
}

void cella_cert_pending(struct cella_vault_call *call, const char *method) {
    CELLA_SESSION session = NULL;
    CELLA_JSON kept = NULL;
    bool change = strcmp(method, "GET") != 0, remove = strcmp(method, "DELETE") == 0;
    if (!cella_vault_begin(call, change, &session)) return;
    struct cella_result result = load_pending(call, session, &kept);
    if (!cella_failed(result) && change && !remove) {
        const char *status = json_string_value(json_object_get(kept, "status"));
        if (strcmp(status, "inProgress") == 0) {
            json_object_set_new(kept, "status", json_string("cancelled"));
            json_object_del(kept, "key");
        }
    }
    if (!cella_failed(result) && change) result = keep_pending(call, session, remove ? NULL : kept);
    if (cella_failed(result)) {
        cella_vault_failure(call, CELLA_RECORD_CERTIFICATE, result);
        return;
    }
    if (change && !cella_vault_commit(call, &session, CELLA_RECORD_CERTIFICATE,
                                      remove ? "delete operation" : "cancel operation", call->name))
        return;
    CELLA_JSON shown = operation(call, kept);
    cella_vault_json(call, 200, shown);
}

/* --- Merging --- */

static CELLA_RESULT read_chain(const json_t *body, struct cella_buffer *leaf,
                               struct cella_buffer *chain) {
    const json_t *list = json_object_get(body, "x5c");
    ENSURE(json_is_array(list) && json_array_size(list) >= 1 && json_array_size(list) <= 8,
           CELLA_ERR_FORMAT, NULL, "x5c: expected a list of certificates, base64, the leaf first");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        ENSURE(json_is_string(item), CELLA_ERR_FORMAT, NULL, "x5c: expected base64");
        TRY(cella_base64_decode(cella_bytes(json_string_value(item), json_string_length(item)),
                                false, i ? chain : leaf));
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT open_key(struct cella_vault_call *call, const json_t *kept,
                             struct cella_material **out) {
    char context[384];
    CELLA_BUFFER sealed = {0};
    CELLA_SECRET bytes = {0};
    struct cella_cert_key shape;
    const char *key = json_string_value(json_object_get(kept, "key"));
    const char *status = json_string_value(json_object_get(kept, "status"));
    ENSURE(key && strcmp(status, "inProgress") == 0, CELLA_ERR_USAGE, NULL,
           "the pending operation is %s: there is nothing to merge with", status);
    cella_cert_pending_context(call->settings->name, call->name,
                               json_string_value(json_object_get(kept, "request_id")), context);
    TRY(cella_base64_decode(cella_bytes_text(key), false, &sealed));
    TRY(cella_sealer_unseal(call->parts->sealer, context, cella_buffer_bytes(&sealed), &bytes));
    cella_cert_policy_key(json_object_get(kept, "policy"), &shape);
    return cella_material_load(shape.kind, cella_secret_bytes(&bytes), out);
}

static CELLA_RESULT merge(struct cella_vault_call *call, struct cella_session *session,
                          const json_t *body, struct cella_record *record) {
    CELLA_JSON kept = NULL;
    CELLA_BUFFER leaf = {0}, chain = {0};
    CELLA_MATERIAL material = NULL;
    TRY(read_chain(body, &leaf, &chain));
    TRY(load_pending(call, session, &kept));
    TRY(open_key(call, kept, &material));
    ENSURE(cella_cert_fits(cella_buffer_bytes(&leaf), material), CELLA_ERR_USAGE, NULL,
           "x5c: the certificate is not of the key that the request was made with");
    TRY(cella_cert_store(call, session, json_object_get(kept, "policy"), material,
                         cella_buffer_bytes(&leaf), cella_buffer_bytes(&chain), record));
    json_object_set_new(kept, "status", json_string("completed"));
    json_object_del(kept, "key");
    return keep_pending(call, session, kept);
}

static void finish(struct cella_vault_call *call, struct cella_session **session,
                   struct cella_result result, const char *action, int status,
                   const struct cella_record *record) {
    char id[512];
    cella_vault_id(call, record, true, id);
    if (cella_failed(result)) {
        cella_vault_failure(call, CELLA_RECORD_CERTIFICATE, result);
        return;
    }
    if (!cella_vault_commit(call, session, CELLA_RECORD_CERTIFICATE, action, id)) return;
    CELLA_JSON shown = cella_cert_show(call, record);
    cella_vault_json(call, status, shown);
}

void cella_cert_merge(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    CELLA_JSON body = cella_vault_body(call);
    cella_cert_record(call, call->name, &record);
    if (!body || !cella_vault_attributes(call, body, &record) ||
        !cella_vault_begin(call, true, &session))
        return;
    finish(call, &session, merge(call, session, body, &record), "merge", 201, &record);
}

/* --- Importing --- */

static CELLA_RESULT read_bundle(const json_t *body, struct cella_material **material,
                                struct cella_buffer *leaf, struct cella_buffer *chain) {
    const json_t *value = json_object_get(body, "value");
    const char *text = json_string_value(value);
    CELLA_BUFFER bytes = {0};
    ENSURE(text && json_string_length(value) <= BUNDLE_MAX, CELLA_ERR_FORMAT, NULL,
           "value: expected PKCS #12 in base64, or PEM");
    if (strncmp(text, "-----BEGIN ", 11) == 0)
        return cella_cert_import(cella_bytes_text(text), NULL, material, leaf, chain);
    TRY(cella_base64_decode(cella_bytes_text(text), false, &bytes));
    struct cella_result result =
        cella_cert_import(cella_buffer_bytes(&bytes),
                          json_string_value(json_object_get(body, "pwd")), material, leaf, chain);
    cella_wipe(bytes.data, bytes.size);
    return result;
}

/* The policy of what is imported says what its key is. */
static CELLA_RESULT policy_of(const json_t *body, const struct cella_material *material,
                              struct cella_bytes leaf, json_t **out) {
    struct cella_cert_facts facts;
    CELLA_JSON given = NULL;
    bool rsa = cella_material_kind(material) == CELLA_MATERIAL_RSA;
    const json_t *wanted = json_object_get(body, "policy");
    TRY(cella_cert_read(leaf, &facts));
    TRY(cella_cert_policy(wanted, NULL, &given));
    json_t *key = json_object_get(given, "key_props");
    json_object_set_new(key, "kty", json_string(rsa ? "RSA" : "EC"));
    json_object_set_new(key, "key_size", json_integer((json_int_t)cella_material_bits(material)));
    if (!rsa)
        json_object_set_new(key, "crv",
                            json_string(cella_curve_name(cella_material_curve(material))));
    json_object_set_new(json_object_get(given, "x509_props"), "subject",
                        json_string(facts.subject));
    if (!json_object_get(wanted, "issuer"))
        json_object_set_new(json_object_get(given, "issuer"), "name", json_string("Unknown"));
    const char *value = json_string_value(json_object_get(body, "value"));
    if (!json_object_get(wanted, "secret_props") && strncmp(value, "-----BEGIN ", 11) == 0)
        json_object_set_new(json_object_get(given, "secret_props"), "contentType",
                            json_string("application/x-pem-file"));
    *out = json_incref(given);
    return CELLA_SUCCESS;
}

void cella_cert_take(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    CELLA_MATERIAL material = NULL;
    CELLA_BUFFER leaf = {0}, chain = {0};
    CELLA_JSON policy = NULL;
    CELLA_JSON body = cella_vault_body(call);
    cella_cert_record(call, call->name, &record);
    if (!body || !cella_vault_attributes(call, body, &record)) return;
    struct cella_result result = read_bundle(body, &material, &leaf, &chain);
    if (!cella_failed(result))
        result = policy_of(body, material, cella_buffer_bytes(&leaf), &policy);
    if (!cella_failed(result) && !cella_vault_begin(call, true, &session)) return;
    if (!cella_failed(result))
        result = cella_cert_store(call, session, policy, material, cella_buffer_bytes(&leaf),
                                  cella_buffer_bytes(&chain), &record);
    finish(call, &session, result, "import", 200, &record);
}

/* --- Renewal --- */

CELLA_RESULT cella_cert_renew_due(struct cella_vault *vault, const char *name, int64_t now) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD newest = {0}, fresh = {0};
    CELLA_JSON policy = NULL;
    struct cella_vault_call call = {.vault = vault,
                                    .settings = &vault->settings,
                                    .parts = &vault->service->parts,
                                    .base = vault->settings.url ? vault->settings.url : "",
                                    .name = name,
                                    .now_unix = (uint64_t)now};
    TRY(cella_session_begin(call.parts->database, true, &session));
    struct cella_result result = cella_records_get(
        session, vault->settings.name, CELLA_RECORD_CERTIFICATE, name, NULL, false, false, &newest);
    if (cella_code_of(result) == CELLA_ERR_NOT_FOUND) {
        cella_result_drop(result);
        return CELLA_SUCCESS;
    }
    TRY(result);
    TRY(cella_cert_policy_load(&call, session, name, &policy));
    int64_t due =
        policy ? cella_cert_policy_renewal(policy, newest.not_before, newest.expires) : -1;
    if (!policy || !cella_cert_policy_self(policy) || !newest.enabled || due < 0 || now < due)
        return CELLA_SUCCESS;
    cella_cert_record(&call, newest.name, &fresh);
    fresh.tags = newest.tags ? json_incref(newest.tags) : NULL;
    TRY(cella_cert_issue(&call, session, policy, &fresh));
    CELLA_JSON record = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "service", "vault", "instance",
                                  vault->settings.name, "who", "certificate policy", "action",
                                  "renew", "object", fresh.name, "verdict", "ok");
    ENSURE(record, CELLA_ERR_MEMORY, NULL, "no memory for an audit record");
    TRY(cella_audit_append(call.parts->audit, record));
    return cella_session_commit(&session);
}
