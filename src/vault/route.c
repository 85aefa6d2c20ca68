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
    {"providers", CELLA_ROUTE_ADMIN, false},
    {"settings", CELLA_ROUTE_ADMIN, false},
    {"backup", CELLA_ROUTE_ADMIN, false},
    {"restore", CELLA_ROUTE_ADMIN, false},
    {"prebackup", CELLA_ROUTE_ADMIN, false},
    {"prerestore", CELLA_ROUTE_ADMIN, false},
    {"securitydomain", CELLA_ROUTE_ADMIN, false},
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

static void take_name(struct cella_bytes method, const struct parts *parts,
                      struct cella_route *out) {
    size_t next = 2;
    struct cella_bytes name = parts->part[1];
    if (literal_second(method, parts, out)) {
        if (!take_operation(parts, 1, out)) out->fault = CELLA_ROUTE_UNKNOWN;
        return;
    }
    if (!cella_record_name_good(name)) { /* K12 */
        out->fault = CELLA_ROUTE_BAD_NAME;
        size_t shown = 0;
        for (size_t i = 0; i < name.size && shown + 1 < sizeof(out->found); i++)
            out->found[shown++] =
                name.data[i] > ' ' && name.data[i] < 0x7f ? (char)name.data[i] : '?';
        out->found[shown] = 0;
        return;
    }
    cella_copy(out->name, name.data, name.size);
    if (parts->count > 2 && cella_record_version_good(parts->part[2])) {
        cella_copy(out->version, parts->part[2].data, parts->part[2].size);
        next = 3;
    }
    if (!take_operation(parts, next, out)) out->fault = CELLA_ROUTE_UNKNOWN;
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
    /* Local roles of a Managed HSM may have a scope before them: /keys/NAME/providers/... */
    for (size_t i = 1; i < parts.count && i < 3; i++)
        if (is(parts.part[i], "providers")) out->family = CELLA_ROUTE_ADMIN;
    if (out->family == CELLA_ROUTE_ADMIN || out->family == CELLA_ROUTE_RANDOM) return;
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
    KEY("POST", "rotate", 1, "rotate/action", "write/action"),
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

bool cella_route_action(const struct cella_route *route, struct cella_bytes method, bool hsm,
                        char action[CELLA_ROUTE_ACTION_MAX]) {
    const char *tail = issuer_action(route, method);
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
    const char *family = route->family < CELLA_ROUTE_ADMIN ? names[route->family] : "";
    snprintf(scope, 256, "/vault/%s%s%s%s%s", vault, *family ? "/" : "", family,
             route->name[0] ? "/" : "", route->name);
    lower(scope);
}
