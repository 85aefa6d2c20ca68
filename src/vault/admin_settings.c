/* Settings of a Managed HSM. The one that Azure has says whether its resource manager may manage
 * keys: there is none here, so that it is kept and does nothing. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "crypto/jose.h"
#include "vault/admin.h"

static const char setting[] = "AllowKeyManagementOperationsThroughARM";
/* Names of things hold no underscore, so that this is nobody's. */
static const char kept_under[] = "_settings";

static json_t *show(bool value) {
    return json_pack("{s:s, s:s, s:s}", "name", setting, "type", "boolean", "value",
                     value ? "true" : "false");
}

static bool read_value(struct cella_admin_call *a, bool *value) {
    CELLA_SESSION session = NULL;
    CELLA_BUFFER text = {0};
    if (!cella_vault_begin(a->call, false, &session)) return false;
    struct cella_result result = cella_records_note_get(
        session, a->call->settings->name, CELLA_RECORD_KEY, kept_under, setting, &text);
    *value = text.size > 0;
    if (!cella_failed(result)) return true;
    cella_vault_failure(a->call, CELLA_RECORD_KEY, result);
    return false;
}

static void get(struct cella_admin_call *a) {
    bool value = false;
    if (!read_value(a, &value)) return;
    CELLA_JSON one = show(value);
    CELLA_JSON body = json_pack("{s:[O]}", "settings", one);
    cella_vault_json(a->call, 200, a->route->item[0] ? one : body);
}

static void update(struct cella_admin_call *a) {
    char id[64];
    CELLA_SESSION session = NULL;
    CELLA_JSON body = cella_vault_body(a->call);
    const char *text = json_string_value(json_object_get(body, "value"));
    if (!body) return;
    bool value = text && strcmp(text, "true") == 0;
    if (!value && (!text || strcmp(text, "false") != 0)) {
        cella_vault_error(a->call, 400, "BadParameter", NULL,
                          "value: expected \"true\" or \"false\"");
        return;
    }
    if (!cella_vault_begin(a->call, true, &session)) return;
    struct cella_result result =
        cella_records_note(session, a->call->settings->name, CELLA_RECORD_KEY, kept_under, setting,
                           cella_bytes_text(value ? "{\"value\":true}" : ""));
    if (cella_failed(result)) {
        cella_vault_failure(a->call, CELLA_RECORD_KEY, result);
        return;
    }
    snprintf(id, sizeof(id), "/settings/%s", setting);
    if (!cella_admin_commit(a, &session, "settings/write", id, json_pack("{s:b}", "value", value)))
        return;
    CELLA_JSON shown = show(value);
    cella_vault_json(a->call, 200, shown);
}

void cella_admin_settings(struct cella_admin_call *a) {
    if (a->route->item[0] && strcasecmp(a->route->item, setting) != 0)
        cella_vault_error(a->call, 404, "SettingNotFound", NULL, "There is no such setting");
    else if (strcmp(a->method, "PATCH") == 0)
        update(a);
    else
        get(a);
}
