#include "vault/route.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

enum { PARTS = 6 };

struct parts {
    size_t count;
    struct cella_bytes part[PARTS];
};

static bool is(struct cella_bytes bytes, const char *text) {
    return bytes.size == strlen(text) &&
           strncasecmp((const char *)bytes.data, text, bytes.size) == 0;
}

static bool split(struct cella_bytes path, struct parts *out) {
    size_t start = 0;
    out->count = 0;
    if (path.size == 0 || path.data[0] != '/') return false;
    for (size_t i = 0; i <= path.size; i++) {
        if (i < path.size && path.data[i] != '/') continue;
        if (i > start) {
            if (out->count == PARTS) return false;
            out->part[out->count++] = cella_bytes(path.data + start, i - start);
        }
        start = i + 1;
    }
    return out->count > 0;
}

static const struct {
    const char *name;
    enum cella_route_family family;
    bool deleted;
} families[] = {
    {"keys", CELLA_ROUTE_KEYS, false},
    {"secrets", CELLA_ROUTE_SECRETS, false},
    {"certificates", CELLA_ROUTE_CERTIFICATES, false},
    {"deletedkeys", CELLA_ROUTE_KEYS, true},
    {"deletedsecrets", CELLA_ROUTE_SECRETS, true},
    {"deletedcertificates", CELLA_ROUTE_CERTIFICATES, true},
    {"rng", CELLA_ROUTE_RANDOM, false},
};

static void lower(char *text) {
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z') *text = (char)(*text - 'A' + 'a');
}

/* The parts from `from` on are the operation: literal, in any case. */
static bool take_operation(const struct parts *parts, size_t from, struct cella_route *out) {
    size_t size = 0;
    for (size_t i = from; i < parts->count; i++) {
        struct cella_bytes part = parts->part[i];
        if (size + part.size + 2 > sizeof(out->operation)) return false;
        if (size) out->operation[size++] = '/';
        cella_copy(out->operation + size, part.data, part.size);
        size += part.size;
    }
    out->operation[size] = 0;
    lower(out->operation);
    return true;
}

/* Literals that stand where a name does: POST /keys/restore, /certificates/issuers. */
static bool literal_second(struct cella_bytes method, const struct parts *parts,
                           const struct cella_route *route) {
    struct cella_bytes second = parts->part[1];
    if (route->deleted) return false;
    if (route->family == CELLA_ROUTE_CERTIFICATES &&
        (is(second, "issuers") || is(second, "contacts")))
        return parts->count <= 3;
    return parts->count == 2 && is(second, "restore") && is(method, "POST");
}

static void bad_name(struct cella_bytes name, struct cella_route *out) {
    size_t shown = 0;
    out->fault = CELLA_ROUTE_BAD_NAME;
    for (size_t i = 0; i < name.size && shown + 1 < sizeof(out->found); i++)
        out->found[shown++] = name.data[i] > ' ' && name.data[i] < 0x7f ? (char)name.data[i] : '?';
    out->found[shown] = 0;
}

static bool take_thing(struct cella_bytes name, struct cella_route *out) {
    if (cella_record_name_good(name))
        cella_copy(out->name, name.data, name.size);
    else
        bad_name(name, out); /* K12 */
    return out->fault == CELLA_ROUTE_GOOD;
}

static void take_name(struct cella_bytes method, const struct parts *parts,
                      struct cella_route *out) {
    size_t next = 2;
    if (literal_second(method, parts, out)) {
        if (!take_operation(parts, 1, out)) out->fault = CELLA_ROUTE_UNKNOWN;
        return;
    }
    if (!take_thing(parts->part[1], out)) return;
    if (parts->count > 2 && cella_record_version_good(parts->part[2])) {
        cella_copy(out->version, parts->part[2].data, parts->part[2].size);
        next = 3;
    }
    if (!take_operation(parts, next, out)) out->fault = CELLA_ROUTE_UNKNOWN;
}

/* --- The paths of a Managed HSM beside its keys --- */

/* A GUID, a setting's name, a job's: what it is, is seen after the role (K27). */
static void take_item(struct cella_bytes item, struct cella_route *out) {
    bool good = item.size > 0 && item.size <= CELLA_ROUTE_ITEM_MAX;
    for (size_t i = 0; good && i < item.size; i++) {
        uint8_t c = item.data[i];
        good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '_' || c == '.';
    }
    if (good)
        cella_copy(out->item, item.data, item.size);
    else
        bad_name(item, out);
}

/* Local roles have their scope before them: nothing, /keys or /keys/NAME. */
static bool take_roles(const struct parts *parts, struct cella_route *out) {
    const struct cella_bytes *part = parts->part;
    size_t at = 0;
    while (at < parts->count && at < 3 && !is(part[at], "providers")) at++;
    if (at + 3 > parts->count || at + 4 < parts->count || at > 2 || !is(part[at], "providers") ||
        !is(part[at + 1], "Microsoft.Authorization") || (at > 0 && !is(part[0], "keys")))
        return false;
    if (is(part[at + 2], "roleDefinitions"))
        out->admin = CELLA_ADMIN_DEFINITIONS;
    else if (is(part[at + 2], "roleAssignments"))
        out->admin = CELLA_ADMIN_ASSIGNMENTS;
    else
        return false;
    out->keys = at > 0;
    out->fault = CELLA_ROUTE_GOOD;
    if (at == 2 && !take_thing(part[1], out)) return true;
    if (parts->count == at + 4) take_item(part[at + 3], out);
    return true;
}

static const struct {
    const char *first, *second;
    enum cella_route_admin admin;
    bool item, pending; /* behind them may stand: ITEM; ITEM/pending, or pending alone */
} admins[] = {
    {"settings", NULL, CELLA_ADMIN_SETTINGS, true, false},
    {"backup", NULL, CELLA_ADMIN_BACKUP, true, true},
    {"restore", NULL, CELLA_ADMIN_RESTORE, true, true},
    {"prebackup", NULL, CELLA_ADMIN_PREBACKUP, false, false},
    {"prerestore", NULL, CELLA_ADMIN_PRERESTORE, false, false},
    {"securitydomain", "download", CELLA_ADMIN_DOWNLOAD, false, true},
    {"securitydomain", "upload", CELLA_ADMIN_UPLOAD, false, true},
};

static bool take_whole(const struct parts *parts, struct cella_route *out) {
    for (size_t i = 0; i < sizeof(admins) / sizeof(admins[0]); i++) {
        size_t at = admins[i].second ? 2 : 1, left = parts->count - at;
        if (parts->count < at || !is(parts->part[0], admins[i].first) ||
            (admins[i].second && !is(parts->part[1], admins[i].second)))
            continue;
        out->pending = admins[i].pending && left == (admins[i].item ? 2U : 1U) &&
                       is(parts->part[parts->count - 1], "pending");
        bool item = admins[i].item && left > 0 && (out->pending || !admins[i].pending);
        if (left != (size_t)item + out->pending) return false;
        out->admin = admins[i].admin;
        out->fault = CELLA_ROUTE_GOOD;
        if (item) take_item(parts->part[at], out);
        return true;
    }
    return false;
}

static bool take_admin(struct cella_bytes method, const struct parts *parts,
                       struct cella_route *out) {
    bool one_key = parts->count == 3 && is(parts->part[0], "keys") &&
                   is(parts->part[2], "restore") && is(method, "PUT");
    if (one_key) out->admin = CELLA_ADMIN_KEY_RESTORE;
    if (one_key && !take_thing(parts->part[1], out)) return true;
    if (!one_key && !take_roles(parts, out) && !take_whole(parts, out)) return false;
    out->family = CELLA_ROUTE_ADMIN;
    return true;
}

void cella_route_read(struct cella_bytes method, struct cella_bytes path, struct cella_route *out) {
    struct parts parts;
    *out = (struct cella_route){.fault = CELLA_ROUTE_UNKNOWN, .family = CELLA_ROUTE_NONE};
    if (!split(path, &parts)) return;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (!is(parts.part[0], families[i].name)) continue;
        out->fault = CELLA_ROUTE_GOOD;
        out->family = families[i].family;
        out->deleted = families[i].deleted;
    }
    if (out->fault == CELLA_ROUTE_UNKNOWN || out->family == CELLA_ROUTE_KEYS)
        if (take_admin(method, &parts, out)) return;
    if (out->family == CELLA_ROUTE_RANDOM && parts.count > 1) out->fault = CELLA_ROUTE_UNKNOWN;
    if (out->family == CELLA_ROUTE_RANDOM) return;
    if (out->fault == CELLA_ROUTE_GOOD && parts.count > 1) take_name(method, &parts, out);
}

/* --- Actions --- */

struct row {
    enum cella_route_family family;
    bool deleted;
    const char *method, *operation;
    int named;               /* 1: needs a name, 0: has none */
    const char *vault, *hsm; /* behind Microsoft.KeyVault/vaults/ and .../managedHsm/ */
};
#define KEY(method, op, named, vault, hsm)                                                         \
    { CELLA_ROUTE_KEYS, false, method, op, named, "keys/" vault, "keys/" hsm }
#define SECRET(method, op, named, vault)                                                           \
    { CELLA_ROUTE_SECRETS, false, method, op, named, "secrets/" vault, NULL }
#define CERT(method, op, named, vault)                                                             \
    { CELLA_ROUTE_CERTIFICATES, false, method, op, named, vault, NULL }
#define GONE(family, method, op, named, vault, hsm)                                                \
    { CELLA_ROUTE_##family, true, method, op, named, vault, hsm }

static const struct row rows[] = {
    KEY("GET", "", 0, "read", "read/action"),
    KEY("GET", "", 1, "read", "read/action"),
    KEY("GET", "versions", 1, "read", "read/action"),
    KEY("GET", "attestation", 1, "read", "read/action"),
    {CELLA_ROUTE_KEYS, false, "GET", "rotationpolicy", 1, "keyrotationpolicies/read",
     "keys/read/action"},
    {CELLA_ROUTE_KEYS, false, "PUT", "rotationpolicy", 1, "keyrotationpolicies/write",
     "keys/write/action"},
    KEY("POST", "create", 1, "create/action", "create"),
    KEY("PUT", "", 1, "import/action", "import/action"),
    KEY("PATCH", "", 1, "update/action", "write/action"),
    KEY("DELETE", "", 1, "delete", "delete"),
    KEY("POST", "rotate", 1, "rotate/action", "rotate/action"),
    KEY("POST", "backup", 1, "backup/action", "backup/action"),
    KEY("POST", "restore", 0, "restore/action", "restore/action"),
    KEY("POST", "encrypt", 1, "encrypt/action", "encrypt/action"),
    KEY("POST", "decrypt", 1, "decrypt/action", "decrypt/action"),
    KEY("POST", "wrapkey", 1, "wrap/action", "wrap/action"),
    KEY("POST", "unwrapkey", 1, "unwrap/action", "unwrap/action"),
    KEY("POST", "sign", 1, "sign/action", "sign/action"),
    KEY("POST", "verify", 1, "verify/action", "verify/action"),
    KEY("POST", "release", 1, "release/action", "release/action"),
    GONE(KEYS, "GET", "", 0, "keys/read", "keys/deletedKeys/read/action"),
    GONE(KEYS, "GET", "", 1, "keys/read", "keys/deletedKeys/read/action"),
    GONE(KEYS, "DELETE", "", 1, "keys/purge/action", "keys/deletedKeys/delete"),
    GONE(KEYS, "POST", "recover", 1, "keys/recover/action", "keys/deletedKeys/recover/action"),
    {CELLA_ROUTE_RANDOM, false, "POST", "", 0, "keys/read", "rng/action"},
    SECRET("GET", "", 0, "readMetadata/action"),
    SECRET("GET", "versions", 1, "readMetadata/action"),
    SECRET("GET", "", 1, "getSecret/action"),
    SECRET("PUT", "", 1, "setSecret/action"),
    SECRET("PATCH", "", 1, "update/action"),
    SECRET("DELETE", "", 1, "delete"),
    SECRET("POST", "backup", 1, "backup/action"),
    SECRET("POST", "restore", 0, "restore/action"),
    GONE(SECRETS, "GET", "", 0, "secrets/readMetadata/action", NULL),
    GONE(SECRETS, "GET", "", 1, "secrets/readMetadata/action", NULL),
    GONE(SECRETS, "DELETE", "", 1, "secrets/purge/action", NULL),
    GONE(SECRETS, "POST", "recover", 1, "secrets/recover/action", NULL),
    CERT("GET", "", 0, "certificates/read"),
    CERT("GET", "", 1, "certificates/read"),
    CERT("GET", "versions", 1, "certificates/read"),
    CERT("GET", "policy", 1, "certificates/read"),
    CERT("GET", "pending", 1, "certificates/read"),
    CERT("POST", "create", 1, "certificates/create/action"),
    CERT("POST", "import", 1, "certificates/import/action"),
    CERT("PATCH", "", 1, "certificates/update/action"),
    CERT("PATCH", "policy", 1, "certificates/update/action"),
    CERT("PATCH", "pending", 1, "certificates/update/action"),
    CERT("DELETE", "pending", 1, "certificates/update/action"),
    CERT("POST", "pending/merge", 1, "certificates/create/action"),
    CERT("DELETE", "", 1, "certificates/delete"),
    CERT("POST", "backup", 1, "certificates/backup/action"),
    CERT("POST", "restore", 0, "certificates/restore/action"),
    CERT("GET", "issuers", 0, "certificatecas/read"),
    CERT("GET", "contacts", 0, "certificatecontacts/read"),
    CERT("PUT", "contacts", 0, "certificatecontacts/write"),
    CERT("DELETE", "contacts", 0, "certificatecontacts/write"),
    GONE(CERTIFICATES, "GET", "", 0, "certificates/read", NULL),
    GONE(CERTIFICATES, "GET", "", 1, "certificates/read", NULL),
    GONE(CERTIFICATES, "DELETE", "", 1, "certificates/purge/action", NULL),
    GONE(CERTIFICATES, "POST", "recover", 1, "certificates/recover/action", NULL),
};

/* /certificates/issuers/NAME: the name is the issuer's own. */
static const char *issuer_action(const struct cella_route *route, struct cella_bytes method) {
    if (route->family != CELLA_ROUTE_CERTIFICATES || route->deleted || route->name[0] ||
        strncmp(route->operation, "issuers/", 8) != 0)
        return NULL;
    return is(method, "GET") ? "certificatecas/read" : "certificatecas/write";
}

/* One of a Managed HSM; with ".../pending" or ITEM behind it where `more` says so. */
static const struct {
    enum cella_route_admin admin;
    const char *method;
    enum { ALONE, ITEM, EITHER, PENDING } more;
    const char *action;
} admin_rows[] = {
    {CELLA_ADMIN_DEFINITIONS, "GET", EITHER, "roleDefinitions/read/action"},
    {CELLA_ADMIN_DEFINITIONS, "PUT", ITEM, "roleDefinitions/write/action"},
    {CELLA_ADMIN_DEFINITIONS, "DELETE", ITEM, "roleDefinitions/delete/action"},
    {CELLA_ADMIN_ASSIGNMENTS, "GET", EITHER, "roleAssignments/read/action"},
    {CELLA_ADMIN_ASSIGNMENTS, "PUT", ITEM, "roleAssignments/write/action"},
    {CELLA_ADMIN_ASSIGNMENTS, "DELETE", ITEM, "roleAssignments/delete/action"},
    {CELLA_ADMIN_SETTINGS, "GET", EITHER, "settings/read/action"},
    {CELLA_ADMIN_SETTINGS, "PATCH", ITEM, "settings/write/action"},
    {CELLA_ADMIN_BACKUP, "POST", ALONE, "backup/start/action"},
    {CELLA_ADMIN_BACKUP, "GET", PENDING, "backup/status/action"},
    {CELLA_ADMIN_PREBACKUP, "POST", ALONE, "backup/start/action"},
    {CELLA_ADMIN_RESTORE, "PUT", ALONE, "restore/start/action"},
    {CELLA_ADMIN_RESTORE, "GET", PENDING, "restore/status/action"},
    {CELLA_ADMIN_PRERESTORE, "PUT", ALONE, "restore/start/action"},
    {CELLA_ADMIN_KEY_RESTORE, "PUT", ALONE, "restore/start/action"},
    {CELLA_ADMIN_DOWNLOAD, "POST", ALONE, "securitydomain/download/action"},
    {CELLA_ADMIN_DOWNLOAD, "GET", PENDING, "securitydomain/download/read"},
    {CELLA_ADMIN_UPLOAD, "GET", ALONE, "securitydomain/transferkey/read"},
    {CELLA_ADMIN_UPLOAD, "POST", ALONE, "securitydomain/upload/action"},
    {CELLA_ADMIN_UPLOAD, "GET", PENDING, "securitydomain/upload/read"},
};

static const char *admin_action(const struct cella_route *route, struct cella_bytes method) {
    for (size_t i = 0; i < sizeof(admin_rows) / sizeof(admin_rows[0]); i++) {
        bool item = route->item[0] && !route->pending, wanted = false;
        switch (admin_rows[i].more) {
        case ALONE: wanted = !item && !route->pending; break;
        case ITEM: wanted = item; break;
        case EITHER: wanted = !route->pending; break;
        case PENDING: wanted = route->pending; break;
        }
        if (admin_rows[i].admin == route->admin && wanted &&
            method.size == strlen(admin_rows[i].method) &&
            cella_equal(method.data, admin_rows[i].method, method.size))
            return admin_rows[i].action;
    }
    return NULL;
}

bool cella_route_action(const struct cella_route *route, struct cella_bytes method, bool hsm,
                        char action[CELLA_ROUTE_ACTION_MAX]) {
    const char *tail = issuer_action(route, method);
    if (hsm && route->family == CELLA_ROUTE_ADMIN) tail = admin_action(route, method);
    for (size_t i = 0; !tail && i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        if (row->family == route->family && row->deleted == route->deleted &&
            row->named == (route->name[0] != 0) && strcmp(row->operation, route->operation) == 0 &&
            method.size == strlen(row->method) &&
            cella_equal(method.data, row->method, method.size))
            tail = hsm ? row->hsm : row->vault;
        if (tail) break;
    }
    if (!tail) return false;
    snprintf(action, CELLA_ROUTE_ACTION_MAX, "Microsoft.KeyVault/%s/%s",
             hsm ? "managedHsm" : "vaults", tail);
    return true;
}

void cella_route_scope(const struct cella_route *route, const char *vault, char scope[256]) {
    static const char *const names[] = {"keys", "secrets", "certificates", "rng"};
    bool admin = route->family >= CELLA_ROUTE_ADMIN;
    const char *family = admin ? (route->keys ? "keys" : "") : names[route->family];
    bool named = route->name[0] && *family;
    snprintf(scope, 256, "/vault/%s%s%s%s%s", vault, *family ? "/" : "", family, named ? "/" : "",
             named ? route->name : "");
    lower(scope);
}
