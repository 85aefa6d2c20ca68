#include "vault/admin.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "crypto/jose.h"

const char *cella_admin_scope(const struct cella_admin_call *a, const char *scope) {
    const char *below = scope + strlen(a->root);
    return *below ? below : "/";
}

bool cella_admin_begins(struct cella_bytes filter, const char *words) {
    size_t size = strlen(words);
    if (filter.size < size) return false;
    for (size_t i = 0; i < size; i++) {
        char c = (char)filter.data[i];
        if (c == '+' && words[i] == ' ') c = ' ';
        if (strncasecmp(&c, &words[i], 1) != 0) return false;
    }
    return true;
}

json_t *cella_admin_properties(struct cella_admin_call *a) {
    CELLA_JSON body = cella_vault_body(a->call);
    json_t *properties = json_object_get(body, "properties");
    if (!body) return NULL;
    if (json_is_object(properties)) return json_incref(properties);
    cella_vault_error(a->call, 400, "BadParameter", NULL, "properties: expected an object");
    return NULL;
}

void cella_admin_failure(struct cella_admin_call *a, const struct cella_admin_words *words,
                         struct cella_result result) {
    enum cella_code code = cella_code_of(result);
    if (code == CELLA_ERR_NOT_FOUND)
        cella_vault_error(a->call, 404, words->missing, NULL, "%s", words->missing_text);
    else if (code == CELLA_ERR_EXISTS)
        cella_vault_error(a->call, 409, words->exists, NULL, "%s", result.error->what);
    else if (code == CELLA_ERR_REFUSED)
        cella_vault_error(a->call, 400, words->refused, NULL, "%s", result.error->what);
    if (code == CELLA_ERR_NOT_FOUND || code == CELLA_ERR_EXISTS || code == CELLA_ERR_REFUSED)
        cella_result_drop(result);
    else
        cella_vault_failure(a->call, CELLA_RECORD_KEY, result);
}

bool cella_admin_commit(struct cella_admin_call *a, struct cella_session **session,
                        const char *action, const char *id, json_t *more) {
    char object[640];
    snprintf(object, sizeof(object), "%s%s%s", a->call->base, *id == '/' ? "" : "/", id);
    if (!cella_vault_audit_more(a->call, action, object, "ok", NULL, more)) return false;
    struct cella_result result = cella_session_commit(session);
    if (!cella_failed(result)) return true;
    cella_vault_audit(a->call, action, object, "failed", "the store did not take it");
    cella_vault_failure(a->call, CELLA_RECORD_KEY, result);
    return false;
}

/* --- What is not here --- */

static void no_security_domain(struct cella_vault_call *call) {
    cella_vault_error(call, 501, "NotImplemented", NULL,
                      "There is no security domain: the keys of this vault are sealed under the "
                      "root of its store. Whoever runs the server moves them with `cella vault "
                      "backup` and `cella vault restore`, and changes the root with `cella vault "
                      "rewrap`.");
}

static void no_storage(struct cella_vault_call *call) {
    cella_vault_error(call, 501, "NotImplemented", NULL,
                      "This server writes to no storage account. Whoever runs it backs a whole "
                      "vault up with `cella vault backup`, and brings it back with `cella vault "
                      "restore`; single keys are backed up by POST /keys/NAME/backup.");
}

void cella_vault_admin(struct cella_vault_call *call, const char *method,
                       const struct cella_route *route, const struct cella_http_target *target) {
    struct cella_admin_call a = {.call = call, .method = method, .route = route, .target = target};
    snprintf(a.root, sizeof(a.root), "/vault/%s", call->settings->name);
    cella_route_scope(route, call->settings->name, a.scope);
    snprintf(a.who, sizeof(a.who), "%s of %s", call->caller.object, call->caller.issuer);
    switch (route->admin) {
    case CELLA_ADMIN_DEFINITIONS: cella_admin_definitions(&a); return;
    case CELLA_ADMIN_ASSIGNMENTS: cella_admin_assignments(&a); return;
    case CELLA_ADMIN_SETTINGS: cella_admin_settings(&a); return;
    case CELLA_ADMIN_DOWNLOAD:
    case CELLA_ADMIN_UPLOAD: no_security_domain(call); return;
    default: no_storage(call); return;
    }
}
