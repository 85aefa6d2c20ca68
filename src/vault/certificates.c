#include "vault/certificates.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/jose.h"
#include "vault/backup.h"
#include "vault/cert_policy.h"
#include "vault/cert_x509.h"
#include "vault/keys.h"
#include "vault/vault_inner.h"

enum { CONTACTS_MAX = 20, CONTACT_MAX = 256 };
static const char policy_note[] = "policy", contacts_note[] = "contacts", issuer_note[] = "issuer";
/* Names of things hold no underscore, so that these are nobody's. */
static const char contacts_name[] = "_contacts", issuers_name[] = "_issuers";

/* --- Showing --- */

static json_t *item(const struct cella_vault_call *call, const struct cella_record *record,
                    bool versioned) {
    static const char *const members[] = {"x5t", "subject"};
    char id[512];
    cella_vault_id(call, record, versioned, id);
    json_t *object =
        json_pack("{s:s, s:o}", "id", id, "attributes", cella_vault_attributes_json(call, record));
    for (size_t i = 0; object && i < sizeof(members) / sizeof(members[0]); i++) {
        json_t *member = json_object_get(record->public, members[i]);
        if (member) json_object_set(object, members[i], member);
    }
    if (object && record->tags) json_object_set(object, "tags", record->tags);
    cella_vault_show_deleted(call, record, object);
    return object;
}
static json_t *thing_item(const struct cella_vault_call *call, const struct cella_record *record) {
    return item(call, record, false);
}
static json_t *version_item(const struct cella_vault_call *call,
                            const struct cella_record *record) {
    return item(call, record, true);
}

json_t *cella_cert_show(const struct cella_vault_call *call, const struct cella_record *record) {
    static const char *const shown[] = {"cer", "contentType", "policy"};
    char id[512];
    json_t *object = item(call, record, true);
    struct cella_record other = *record;
    other.kind = CELLA_RECORD_KEY;
    cella_vault_id(call, &other, true, id);
    if (object) json_object_set_new(object, "kid", json_string(id));
    other.kind = CELLA_RECORD_SECRET;
    cella_vault_id(call, &other, true, id);
    if (object) json_object_set_new(object, "sid", json_string(id));
    for (size_t i = 0; object && i < sizeof(shown) / sizeof(shown[0]); i++) {
        json_t *member = json_object_get(record->public, shown[i]);
        if (member) json_object_set(object, shown[i], member);
    }
    json_t *policy = json_object_get(object, "policy");
    cella_vault_id(call, record, false, id);
    strncat(id, "/policy", sizeof(id) - strlen(id) - 1);
    if (policy) {
        policy = json_deep_copy(policy);
        json_object_set_new(policy, "id", json_string(id));
        json_object_set_new(object, "policy", policy);
    }
    return object;
}

CELLA_RESULT cella_cert_not_deleted(const struct cella_vault_call *call,
                                    struct cella_session *session, enum cella_code code) {
    CELLA_RECORD gone = {0};
    struct cella_result result =
        cella_records_get(session, call->settings->name, CELLA_RECORD_CERTIFICATE, call->name, NULL,
                          true, false, &gone);
    if (cella_code_of(result) == CELLA_ERR_NOT_FOUND) {
        cella_result_drop(result);
        return CELLA_SUCCESS;
    }
    TRY(result);
    FAIL(code, NULL, "%s is deleted", call->name);
}

/* --- Policies --- */

CELLA_RESULT cella_cert_policy_load(const struct cella_vault_call *call,
                                    struct cella_session *session, const char *name, json_t **out) {
    CELLA_BUFFER text = {0};
    *out = NULL;
    TRY(cella_records_note_get(session, call->settings->name, CELLA_RECORD_CERTIFICATE, name,
                               policy_note, &text));
    return text.size ? cella_json_object(cella_buffer_bytes(&text), "certificate policy", out)
                     : CELLA_SUCCESS;
}

static CELLA_RESULT keep_policy(struct cella_vault_call *call, struct cella_session *session,
                                const char *name, const json_t *policy) {
    char *text = json_dumps(policy, JSON_COMPACT);
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a policy");
    struct cella_result result =
        cella_records_note(session, call->settings->name, CELLA_RECORD_CERTIFICATE, name,
                           policy_note, cella_bytes_text(text));
    free(text);
    return result;
}

static void answer_policy(struct cella_vault_call *call, json_t *policy) {
    char id[512];
    snprintf(id, sizeof(id), "%s/certificates/%s/policy", call->base, call->name);
    if (policy) json_object_set_new(policy, "id", json_string(id));
    if (policy)
        cella_vault_json(call, 200, policy);
    else
        cella_vault_error(call, 404, "CertificateNotFound", NULL,
                          "A certificate with (name/id) %s was not found in this key vault.",
                          call->name);
}

static void policy_get(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_JSON policy = NULL;
    if (!cella_vault_begin(call, false, &session)) return;
    struct cella_result result = cella_cert_not_deleted(call, session, CELLA_ERR_NOT_FOUND);
    if (!cella_failed(result)) result = cella_cert_policy_load(call, session, call->name, &policy);
    if (cella_failed(result))
        cella_vault_failure(call, CELLA_RECORD_CERTIFICATE, result);
    else
        answer_policy(call, policy);
}

CELLA_RESULT cella_cert_policy_wanted(const struct cella_vault_call *call, const json_t *wanted,
                                      const json_t *base, json_t **out) {
    const char *kty =
        json_string_value(json_object_get(json_object_get(wanted, "key_props"), "kty"));
    ENSURE(!kty || !call->vault->hsm || !strstr(kty, "-HSM"), CELLA_ERR_USAGE, NULL,
           "key_props.kty: keys of certificates do not live in the vault's HSM; use RSA or EC");
    return cella_cert_policy(wanted, base, out);
}

static void policy_update(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_JSON old = NULL;
    CELLA_JSON policy = NULL;
    CELLA_JSON body = cella_vault_body(call);
    if (!body || !cella_vault_begin(call, true, &session)) return;
    struct cella_result result = cella_cert_not_deleted(call, session, CELLA_ERR_NOT_FOUND);
    if (!cella_failed(result)) result = cella_cert_policy_load(call, session, call->name, &old);
    if (!cella_failed(result) && !old) {
        answer_policy(call, NULL);
        return;
    }
    if (!cella_failed(result)) result = cella_cert_policy_wanted(call, body, old, &policy);
    if (!cella_failed(result)) result = keep_policy(call, session, call->name, policy);
    if (cella_failed(result))
        cella_vault_failure(call, CELLA_RECORD_CERTIFICATE, result);
    else if (cella_vault_commit(call, &session, CELLA_RECORD_CERTIFICATE, "set policy", call->name))
        answer_policy(call, policy);
}

/* --- Storing --- */

void cella_cert_record(const struct cella_vault_call *call, const char *name,
                       struct cella_record *record) {
    int64_t now = (int64_t)call->now_unix;
    *record = (struct cella_record){.kind = CELLA_RECORD_CERTIFICATE,
                                    .enabled = true,
                                    .not_before = -1,
                                    .expires = -1,
                                    .created = now,
                                    .updated = now,
                                    .deleted = -1,
                                    .purge_at = -1};
    cella_copy(record->name, name, strlen(name) + 1);
}

/* A key or secret that somebody made under this name is not taken over. */
static CELLA_RESULT check_free(struct cella_vault_call *call, struct cella_session *session,
                               enum cella_record_kind kind, const char *name) {
    CELLA_RECORD there = {0};
    struct cella_result result =
        cella_records_get(session, call->settings->name, kind, name, NULL, false, false, &there);
    bool missing = cella_code_of(result) == CELLA_ERR_NOT_FOUND;
    if (missing) {
        cella_result_drop(result);
        return CELLA_SUCCESS;
    }
    TRY(result);
    ENSURE(there.managed, CELLA_ERR_USAGE, NULL,
           "a %s named %s is in this vault already and belongs to no certificate",
           kind == CELLA_RECORD_KEY ? "key" : "secret", name);
    return CELLA_SUCCESS;
}

static struct cella_record beside(const struct cella_record *record, enum cella_record_kind kind) {
    struct cella_record other = *record;
    other.kind = kind;
    other.managed = true;
    other.public = NULL;
    other.tags = record->tags ? json_incref(record->tags) : NULL;
    other.sealed = (struct cella_buffer){0};
    return other;
}

static CELLA_RESULT store_key(struct cella_vault_call *call, struct cella_session *session,
                              const json_t *policy, const struct cella_material *material,
                              const struct cella_record *record) {
    CELLA_RECORD key = beside(record, CELLA_RECORD_KEY);
    CELLA_KEY_WISH wish = {.kind = cella_material_kind(material)};
    const char *kty =
        json_string_value(json_object_get(json_object_get(policy, "key_props"), "kty"));
    snprintf(wish.kty, sizeof(wish.kty), "%s", kty);
    TRY(check_free(call, session, CELLA_RECORD_KEY, record->name));
    TRY(cella_key_record(call, &wish, material, &key));
    return cella_records_add(session, call->settings->name, &key);
}

static CELLA_RESULT store_secret(struct cella_vault_call *call, struct cella_session *session,
                                 const json_t *policy, const struct cella_material *material,
                                 struct cella_bytes leaf, struct cella_bytes chain,
                                 const struct cella_record *record) {
    CELLA_RECORD secret = beside(record, CELLA_RECORD_SECRET);
    CELLA_SECRET bundle = {0}, value = {0};
    struct cella_record key = *record;
    struct cella_cert_key shape;
    char id[512], context[384];
    bool pem = cella_cert_policy_pem(policy);
    cella_cert_policy_key(policy, &shape);
    TRY(check_free(call, session, CELLA_RECORD_SECRET, record->name));
    TRY(cella_cert_bundle(pem, shape.exportable, material, leaf, chain, &bundle));
    TRY(cella_secret_new(bundle.size + 1, &value)); /* as secrets.c has it: one byte first */
    cella_copy(value.data + 1, bundle.data, bundle.size);
    key.kind = CELLA_RECORD_KEY;
    cella_vault_id(call, &key, true, id);
    secret.public = json_pack("{s:s, s:s}", "contentType",
                              pem ? "application/x-pem-file" : "application/x-pkcs12", "kid", id);
    ENSURE(secret.public, CELLA_ERR_MEMORY, NULL, "no memory for a secret");
    TRY(cella_record_context(call->settings->name, &secret, context));
    TRY(cella_sealer_seal(call->parts->sealer, context, cella_secret_bytes(&value),
                          &secret.sealed));
    return cella_records_add(session, call->settings->name, &secret);
}

static CELLA_RESULT describe(const json_t *policy, struct cella_bytes leaf,
                             struct cella_record *record) {
    struct cella_cert_facts facts;
    uint8_t sha1[20];
    CELLA_BUFFER cer = {0}, x5t = {0};
    TRY(cella_cert_read(leaf, &facts));
    TRY(cella_hash(CELLA_HASH_SHA1, &leaf, 1, sha1));
    TRY(cella_base64_encode(leaf, false, &cer));
    TRY(cella_base64_encode(CELLA_BYTES_OF(sha1), true, &x5t));
    record->not_before = facts.not_before;
    record->expires = facts.not_after;
    record->public =
        json_pack("{s:s%, s:s%, s:s, s:O}", "cer", (const char *)cer.data, cer.size, "x5t",
                  (const char *)x5t.data, x5t.size, "subject", facts.subject, "policy", policy);
    ENSURE(record->public, CELLA_ERR_MEMORY, NULL, "no memory for a certificate");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cert_store(struct cella_vault_call *call, struct cella_session *session,
                              const json_t *policy, const struct cella_material *material,
                              struct cella_bytes leaf, struct cella_bytes chain,
                              struct cella_record *record) {
    TRY(cella_record_version(record->version));
    TRY(describe(policy, leaf, record));
    TRY(cella_records_add(session, call->settings->name, record));
    TRY(store_key(call, session, policy, material, record));
    TRY(store_secret(call, session, policy, material, leaf, chain, record));
    return keep_policy(call, session, record->name, policy);
}

/* --- Update, deletion: of all three --- */

static void update(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    CELLA_JSON policy = NULL;
    char id[512];
    CELLA_JSON body = cella_vault_body(call);
    if (!body || !cella_vault_begin(call, true, &session) ||
        !cella_vault_find(call, session, CELLA_RECORD_CERTIFICATE, false, false, &record))
        return;
    int64_t from = record.not_before,
            to = record.expires; /* the certificate's own, not to be set */
    if (!cella_vault_attributes(call, body, &record)) return;
    record.not_before = from;
    record.expires = to;
    record.updated = (int64_t)call->now_unix;
    struct cella_result result = CELLA_SUCCESS;
    const json_t *wanted = json_object_get(body, "policy");
    if (wanted && !json_is_null(wanted)) {
        result = cella_cert_policy_wanted(call, wanted, json_object_get(record.public, "policy"),
                                          &policy);
        if (!cella_failed(result)) result = keep_policy(call, session, record.name, policy);
        if (!cella_failed(result)) json_object_set(record.public, "policy", policy);
    }
    if (!cella_failed(result))
        result = cella_records_update(session, call->settings->name, &record);
    cella_vault_id(call, &record, true, id);
    if (cella_failed(result)) {
        cella_vault_failure(call, CELLA_RECORD_CERTIFICATE, result);
        return;
    }
    if (!cella_vault_commit(call, &session, CELLA_RECORD_CERTIFICATE, "update", id)) return;
    CELLA_JSON shown = cella_cert_show(call, &record);
    cella_vault_json(call, 200, shown);
}

static void get(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {0};
    if (!cella_vault_begin(call, false, &session) ||
        !cella_vault_find(call, session, CELLA_RECORD_CERTIFICATE, false, false, &record))
        return;
    CELLA_JSON shown = cella_cert_show(call, &record);
    cella_vault_json(call, 200, shown);
}

/* --- Issuers and contacts: kept for clients that set them; no authority is asked --- */

static void note_answer(struct cella_vault_call *call, const char *name, const char *note,
                        const char *missing) {
    CELLA_SESSION session = NULL;
    CELLA_BUFFER text = {0};
    CELLA_JSON value = NULL;
    if (!cella_vault_begin(call, false, &session)) return;
    struct cella_result result = cella_records_note_get(
        session, call->settings->name, CELLA_RECORD_CERTIFICATE, name, note, &text);
    if (!cella_failed(result) && text.size)
        result = cella_json_object(cella_buffer_bytes(&text), "note", &value);
    if (cella_failed(result))
        cella_vault_failure(call, CELLA_RECORD_CERTIFICATE, result);
    else if (value)
        cella_vault_json(call, 200, value);
    else
        cella_vault_error(call, 404, missing, NULL, "None are set in this key vault");
}

/* value NULL takes it away. False and an answered error when it was not done. */
static bool note_change(struct cella_vault_call *call, const char *name, const char *note,
                        const json_t *value) {
    CELLA_SESSION session = NULL;
    if (!cella_vault_begin(call, true, &session)) return false;
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    struct cella_result result =
        cella_records_note(session, call->settings->name, CELLA_RECORD_CERTIFICATE, name, note,
                           text ? cella_bytes_text(text) : cella_bytes(NULL, 0));
    free(text);
    if (!cella_failed(result))
        return cella_vault_commit(call, &session, CELLA_RECORD_CERTIFICATE, "set", note);
    cella_vault_failure(call, CELLA_RECORD_CERTIFICATE, result);
    return false;
}

/* What is known of a contact, and nothing else that came with it (K14); NULL of what is none. */
static json_t *known_contacts(const json_t *list) {
    json_t *out =
        json_is_array(list) && json_array_size(list) <= CONTACTS_MAX ? json_array() : NULL;
    for (size_t i = 0; out && i < json_array_size(list); i++) {
        static const char *const names[] = {"email", "name", "phone"};
        const json_t *one = json_array_get(list, i);
        json_t *contact = json_is_object(one) ? json_object() : NULL;
        bool good = contact && json_array_append_new(out, contact) == 0;
        for (size_t j = 0; good && j < sizeof(names) / sizeof(names[0]); j++) {
            json_t *value = json_object_get(one, names[j]);
            if (value && !json_is_null(value))
                good = json_is_string(value) && json_string_length(value) <= CONTACT_MAX &&
                       json_object_set(contact, names[j], value) == 0;
        }
        if (good) continue;
        json_decref(out);
        out = NULL;
    }
    return out;
}

static void contacts(struct cella_vault_call *call, const char *method) {
    char id[300];
    snprintf(id, sizeof(id), "%s/certificates/contacts", call->base);
    if (strcmp(method, "GET") == 0) {
        note_answer(call, contacts_name, contacts_note, "ContactsNotFound");
        return;
    }
    bool put = strcmp(method, "PUT") == 0;
    CELLA_JSON body = put ? cella_vault_body(call) : json_pack("{s:[]}", "contacts");
    if (!body) return;
    CELLA_JSON list = known_contacts(json_object_get(body, "contacts"));
    if (!list) {
        cella_vault_error(call, 400, "BadParameter", NULL,
                          "contacts: expected a list of at most %d objects with email, name and "
                          "phone, texts of at most %d bytes",
                          CONTACTS_MAX, CONTACT_MAX);
        return;
    }
    CELLA_JSON value = json_pack("{s:s, s:O}", "id", id, "contacts", list);
    if (note_change(call, contacts_name, contacts_note, put ? value : NULL))
        cella_vault_json(call, 200, value);
}

static void issuers(struct cella_vault_call *call, const char *method) {
    const char *slash = strchr(call->operation, '/');
    char note[64];
    if (!slash) { /* Self and Unknown are what there is, and need no entry */
        CELLA_JSON body = json_pack("{s:[], s:n}", "value", "nextLink");
        cella_vault_json(call, 200, body);
        return;
    }
    snprintf(note, sizeof(note), "%s:%.40s", issuer_note, slash + 1);
    if (strcmp(method, "GET") == 0) {
        note_answer(call, issuers_name, note, "IssuerNotFound");
        return;
    }
    cella_vault_error(call, 400, "BadParameter", NULL,
                      "Certificate authorities are not asked by this vault: use issuer Self, or "
                      "Unknown and merge what your authority signs.");
}

/* --- Routing --- */

void cella_vault_certificates(struct cella_vault_call *call, const char *method, bool deleted) {
    static const struct {
        const char *operation, *method; /* method NULL: any */
        void (*run)(struct cella_vault_call *call);
    } table[] = {
        {"create", NULL, cella_cert_create},       {"import", NULL, cella_cert_take},
        {"pending/merge", NULL, cella_cert_merge}, {"policy", "GET", policy_get},
        {"policy", "PATCH", policy_update},
    };
    const char *op = call->operation;
    enum cella_record_kind kind = CELLA_RECORD_CERTIFICATE;
    for (size_t i = 0; !deleted && i < sizeof(table) / sizeof(table[0]); i++)
        if (strcmp(op, table[i].operation) == 0 &&
            (!table[i].method || strcmp(method, table[i].method) == 0)) {
            table[i].run(call);
            return;
        }
    if (strcmp(op, "pending") == 0)
        cella_cert_pending(call, method);
    else if (strcmp(op, "contacts") == 0)
        contacts(call, method);
    else if (strncmp(op, "issuers", 7) == 0)
        issuers(call, method);
    else if (strcmp(op, "versions") == 0)
        cella_vault_list(call, kind, true, false, version_item);
    else if (strcmp(op, "backup") == 0)
        cella_vault_backup(call, kind);
    else if (strcmp(op, "restore") == 0)
        cella_vault_restore(call, kind, cella_cert_show);
    else if (strcmp(op, "recover") == 0)
        cella_vault_recover(call, kind, cella_cert_show);
    else if (!*call->name)
        cella_vault_list(call, kind, false, deleted, thing_item);
    else if (deleted && strcmp(method, "DELETE") == 0)
        cella_vault_purge(call, kind);
    else if (deleted)
        cella_vault_get_deleted(call, kind, cella_cert_show);
    else if (strcmp(method, "DELETE") == 0)
        cella_vault_delete(call, kind, cella_cert_show);
    else if (strcmp(method, "PATCH") == 0)
        update(call);
    else
        get(call);
}
