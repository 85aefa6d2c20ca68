/* Which operation of the keys API a call is. What no role can allow never comes here (route.c). */
#include "vault/keys.h"

#include <string.h>

#include "vault/backup.h"
#include "vault/change.h"

static bool is(const char *a, const char *b) { return strcmp(a, b) == 0; }

/* Operations by their word, whatever their method: the routes have checked it. */
static const struct {
    const char *word;
    void (*run)(struct cella_vault_call *call);
} operations[] = {
    {"create", cella_key_create},   {"versions", cella_key_versions},
    {"rotate", cella_key_rotate},   {"attestation", cella_key_attestation},
    {"encrypt", cella_key_use},     {"decrypt", cella_key_use},
    {"wrapkey", cella_key_use},     {"unwrapkey", cella_key_use},
    {"sign", cella_key_use},        {"verify", cella_key_use},
    {"release", cella_key_release},
};

static void on_deleted(struct cella_vault_call *call, const char *method) {
    if (!*call->name)
        cella_key_list(call, true);
    else if (is(call->operation, "recover"))
        cella_key_recover(call);
    else if (is(method, "DELETE"))
        cella_key_purge(call);
    else
        cella_key_get_deleted(call);
}

static void on_key(struct cella_vault_call *call, const char *method) {
    if (is(method, "PUT"))
        cella_key_import(call);
    else if (is(method, "PATCH"))
        cella_key_update(call);
    else if (is(method, "DELETE"))
        cella_key_delete(call);
    else
        cella_key_get(call);
}

void cella_vault_keys(struct cella_vault_call *call, const char *method, bool deleted) {
    const char *op = call->operation;
    if (deleted) {
        on_deleted(call, method);
        return;
    }
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        if (is(op, operations[i].word)) {
            operations[i].run(call);
            return;
        }
    if (is(op, "rotationpolicy"))
        is(method, "PUT") ? cella_key_rotation_set(call) : cella_key_rotation_get(call);
    else if (is(op, "backup"))
        cella_vault_backup(call, CELLA_RECORD_KEY);
    else if (is(op, "restore"))
        cella_vault_restore(call, CELLA_RECORD_KEY, cella_key_bundle);
    else if (*call->name)
        on_key(call, method);
    else
        cella_key_list(call, false);
}
