#include "vault/keys_hsm.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/jose.h"
#include "vault/change.h"
#include "vault/residents.h"
#include "vault/vault_inner.h"

enum { LABEL = 256 };

bool cella_key_is_for_hsm(const struct cella_vault *vault, const char *kty) {
    return vault->hsm && (vault->settings.hsm || strstr(kty, "-HSM"));
}

bool cella_key_is_in_hsm(const struct cella_record *record) {
    return json_is_string(json_object_get(record->public, "hsm"));
}

/* --- Making --- */

static bool id_of(const char *version, uint8_t id[CELLA_HSM_ID_SIZE]) {
    struct cella_result result = cella_hex_decode(cella_bytes_text(version), id, CELLA_HSM_ID_SIZE);
    bool good = !cella_failed(result);
    cella_result_drop(result);
    return good;
}

static void label_of(const struct cella_vault *vault, const char *name, char label[LABEL]) {
    snprintf(label, LABEL, "cella/%s/%s", vault->settings.name, name);
}

static CELLA_RESULT begin(const struct cella_vault *vault, const char *name, const char *version,
                          int64_t now, uint8_t id[CELLA_HSM_ID_SIZE], char label[LABEL]) {
    ENSURE(vault->hsm, CELLA_ERR_UNAVAILABLE, "set hsm_keys of the vault again",
           "the key lives in an HSM, and the vault's configuration names none");
    ENSURE(id_of(version, id), CELLA_ERR_INTERNAL, NULL, "a version that is none");
    label_of(vault, name, label);
    return cella_residents_begin(vault->service->parts.database, vault->settings.name, name,
                                 version, now);
}

static void undo(const struct cella_vault *vault, const char *version) {
    uint8_t id[CELLA_HSM_ID_SIZE];
    struct cella_result result = CELLA_SUCCESS;
    if (id_of(version, id)) result = cella_hsm_destroy(vault->hsm, id);
    if (!cella_failed(result))
        result = cella_residents_forget(vault->service->parts.database, version);
    cella_result_drop(result); /* then it is found by its age */
}

CELLA_RESULT cella_key_make(const struct cella_vault *vault, const struct cella_key_wish *wish,
                            const char *name, const char *version, int64_t now,
                            struct cella_material **out) {
    uint8_t id[CELLA_HSM_ID_SIZE];
    char label[LABEL];
    if (!wish->resident)
        return cella_material_new(wish->kind, wish->curve, wish->bits, wish->exponent, out);
    TRY(begin(vault, name, version, now, id, label));
    struct cella_result result = cella_material_new_in(
        vault->hsm, id, label, wish->kind, wish->curve, wish->bits, wish->exponent, out);
    if (cella_failed(result)) undo(vault, version);
    return result;
}

CELLA_RESULT cella_key_move(const struct cella_vault *vault, const char *name, const char *version,
                            int64_t now, struct cella_material **material) {
    CELLA_MATERIAL moved = NULL;
    uint8_t id[CELLA_HSM_ID_SIZE];
    char label[LABEL];
    TRY(begin(vault, name, version, now, id, label));
    struct cella_result result = cella_material_move_in(vault->hsm, id, label, *material, &moved);
    if (cella_failed(result)) {
        undo(vault, version);
        return result;
    }
    cella_material_free(material);
    *material = MOVE(moved);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_key_keep(struct cella_session *session, const struct cella_material *material,
                            const char *version) {
    return cella_material_resident(material) ? cella_residents_keep(session, version)
                                             : CELLA_SUCCESS;
}

void cella_key_unmake(const struct cella_vault *vault, const struct cella_material *material,
                      const char *version) {
    if (material && cella_material_resident(material)) undo(vault, version);
}

/* --- What cannot be done with them --- */

static bool has_any(struct cella_vault_call *call, struct cella_session *session, bool *out) {
    struct cella_resident first = {.name = ""};
    struct cella_result result =
        cella_residents_kept(session, call->settings->name, call->name, &first, out);
    if (!cella_failed(result)) return true;
    cella_vault_failure(call, CELLA_RECORD_KEY, result);
    return false;
}

/* A purge destroys the key: while the HSM is away it does not begin. */
bool cella_key_hsm_may_purge(struct cella_vault_call *call) {
    CELLA_SESSION session = NULL;
    bool any = false;
    if (!cella_vault_begin(call, false, &session) || !has_any(call, session, &any)) return false;
    cella_session_end(&session);
    struct cella_result result = CELLA_SUCCESS;
    if (any)
        result = call->vault->hsm
                     ? cella_hsm_look(call->vault->hsm)
                     : CELLA_FAILURE(CELLA_ERR_UNAVAILABLE, "set hsm_keys of the vault again",
                                     "the key lives in an HSM, and the configuration names none");
    if (!cella_failed(result)) return true;
    cella_vault_failure(call, CELLA_RECORD_KEY, result);
    return false;
}

bool cella_key_hsm_may_back_up(struct cella_vault_call *call, struct cella_session *session) {
    bool any = false;
    if (!has_any(call, session, &any)) return false;
    if (!any) return true;
    cella_vault_error(call, 403, "Forbidden", "KeyOperationForbidden",
                      "The key lives in the vault's HSM and does not leave it, so there is no "
                      "backup of it to give. Its operator backs up the HSM by the means of its "
                      "maker, and the vault by `cella vault backup`.");
    return false;
}

/* --- Housekeeping --- */

static CELLA_RESULT audit_destroyed(const struct cella_vault *vault,
                                    const struct cella_resident *gone) {
    char object[300];
    snprintf(object, sizeof(object), "keys/%s/%s", gone->name, gone->version);
    CELLA_JSON record = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "service", "vault", "instance",
                                  vault->settings.name, "who", "vault", "action", "destroy in HSM",
                                  "object", object, "verdict", "ok");
    ENSURE(record, CELLA_ERR_MEMORY, NULL, "no memory for an audit record");
    return cella_audit_append(vault->service->parts.audit, record);
}

CELLA_RESULT cella_vault_hsm_sweep(const struct cella_vault *vault, int64_t now) {
    struct cella_database *database = vault->service->parts.database;
    struct cella_resident at = {.name = ""};
    if (!vault->hsm) return CELLA_SUCCESS;
    for (bool there = true;;) {
        uint8_t id[CELLA_HSM_ID_SIZE];
        TRY(cella_residents_going(database, vault->settings.name, now, &at, &there));
        if (!there) return CELLA_SUCCESS;
        ENSURE(id_of(at.version, id), CELLA_ERR_FORMAT, NULL, "a version that is none");
        TRY(cella_hsm_destroy(vault->hsm, id));
        TRY(audit_destroyed(vault, &at));
        TRY(cella_residents_forget(database, at.version));
    }
}

static struct cella_result note_object(void *context, const uint8_t id[CELLA_HSM_ID_SIZE],
                                       const char *label) {
    char hex[2 * CELLA_HSM_ID_SIZE + 1];
    cella_hex_encode(cella_bytes(id, CELLA_HSM_ID_SIZE), hex);
    ENSURE(json_object_set_new(context, hex, json_string(label)) == 0, CELLA_ERR_MEMORY, NULL,
           "no memory for the objects of an HSM");
    return CELLA_SUCCESS;
}

static CELLA_RESULT name_missing(struct cella_vault *vault, struct cella_session *session,
                                 const json_t *objects) {
    struct cella_resident at = {.name = ""}, first = at;
    size_t missing = 0;
    for (bool there = true;;) {
        TRY(cella_residents_kept(session, vault->settings.name, NULL, &at, &there));
        if (!there) break;
        if (json_object_get(objects, at.version)) continue;
        if (missing++ == 0) first = at;
    }
    cella_metric_set(vault->hsm_missing, (int64_t)missing);
    if (missing)
        cella_log(CELLA_LOG_WARN,
                  "vault %s: %zu of its keys are not in its HSM any more, %s/%s first: restore the "
                  "HSM from its backup",
                  vault->settings.name, missing, first.name, first.version);
    return CELLA_SUCCESS;
}

/* They are left alone: another store may call them its own. */
static CELLA_RESULT name_unknown(const struct cella_vault *vault, struct cella_session *session,
                                 json_t *objects) {
    const char *version, *first = NULL;
    json_t *label;
    size_t unknown = 0;
    json_object_foreach(objects, version, label) {
        bool known = false;
        TRY(cella_residents_known(session, vault->settings.name, version, &known));
        if (!known && unknown++ == 0) first = version;
    }
    if (unknown)
        cella_log(CELLA_LOG_WARN,
                  "vault %s: its HSM has %zu keys under its name that it does not know, id %s (%s) "
                  "first: of another store, or of one that was put back",
                  vault->settings.name, unknown, first,
                  json_string_value(json_object_get(objects, first)));
    return CELLA_SUCCESS;
}

static CELLA_RESULT compare(struct cella_vault *vault) {
    CELLA_SESSION session = NULL;
    char label[LABEL];
    CELLA_JSON objects = json_object();
    ENSURE(objects, CELLA_ERR_MEMORY, NULL, "no memory for the objects of an HSM");
    label_of(vault, "", label);
    TRY(cella_hsm_each(vault->hsm, label, note_object, objects));
    TRY(cella_session_begin(vault->service->parts.database, false, &session));
    TRY(name_missing(vault, session, objects));
    TRY(name_unknown(vault, session, objects));
    vault->hsm_compared = true;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_vault_hsm_tend(struct cella_vault *vault, int64_t now) {
    if (!vault->hsm) return CELLA_SUCCESS;
    struct cella_result result = cella_hsm_look(vault->hsm);
    cella_metric_set(vault->hsm_up, !cella_failed(result));
    if (cella_failed(result)) { /* it said so itself */
        cella_result_drop(result);
        return CELLA_SUCCESS;
    }
    TRY(cella_vault_hsm_sweep(vault, now));
    return vault->hsm_compared ? CELLA_SUCCESS : compare(vault);
}
