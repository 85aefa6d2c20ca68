/* Local roles and settings of a Managed HSM: who may see and change them, what they then allow, and
 * everything that is refused. */
#include "fixture.h"

#define V       "?api-version=7.4"
#define GUID(n) "00000000-0000-4000-8000-00000000000" n
#define OFFICER "515eb02d-2335-4d2d-92f2-b1cbdf9c3778"
#define USER    "21dbd100-6940-42c2-9190-5d6cb909625b"
#define AUDITOR "2c18b078-7c48-4d3a-af88-5a3a1b3f82b3"
#define ADMIN   "a290e904-7015-4bba-90c8-60543313cdb4"
#define ROLES   "/providers/Microsoft.Authorization/roleDefinitions"
#define GRANTS  "/providers/Microsoft.Authorization/roleAssignments"
#define ROLE_ID "Microsoft.KeyVault" ROLES "/"
#define ACTION  "Microsoft.KeyVault/managedHsm/"
#define SETTING "/settings/AllowKeyManagementOperationsThroughARM"

struct stand {
    struct rig *rig;
    char admin[2048], stranger[2048];
};

static int set_up(void **state) {
    struct stand *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    s->rig = rig_new(true);
    GOOD(cella_access_assign(s->rig->database, "admin", "Managed HSM Administrator", "/vault/v1"));
    login_token(s->rig, "admin", s->admin, sizeof(s->admin));
    login_token(s->rig, "stranger", s->stranger, sizeof(s->stranger));
    *state = s;
    return 0;
}
static int tear_down(void **state) {
    struct stand *s = *state;
    rig_free(s->rig);
    free(s);
    return 0;
}

/* As someone; the status must be that. */
static json_t *as(struct stand *s, const char *token, const char *method, const char *target,
                  const char *body, int status) {
    int found = 0;
    json_t *reply = call_as(s->rig, token, method, target, body, &found);
    if (found != status) {
        char *text = reply ? json_dumps(reply, 0) : NULL;
        print_error("%s %s: status %d, expected %d: %s\n", method, target, found, status,
                    text ? text : "");
        free(text);
    }
    assert_int_equal(found, status);
    return reply;
}
static void is(struct stand *s, const char *token, const char *method, const char *target,
               const char *body, int status, const char *code) {
    json_t *reply = as(s, token, method, target, body, status);
    if (code) assert_string_equal(at(reply, "error.code"), code);
    json_decref(reply);
}
static size_t size_of(json_t *list) {
    size_t size = json_array_size(json_object_get(list, "value"));
    json_decref(list);
    return size;
}
static const char *grant(const char *role, const char *principal) {
    static char body[512];
    snprintf(body, sizeof(body),
             "{\"properties\":{\"roleDefinitionId\":\"%s%s\",\"principalId\":\"%s\"}}", ROLE_ID,
             role, principal);
    return body;
}
static const char *role(const char *name, const char *actions, const char *rest) {
    static char body[2048];
    snprintf(body, sizeof(body),
             "{\"properties\":{\"roleName\":\"%s\",\"type\":\"CustomRole\",\"permissions\":[{"
             "\"actions\":[],\"notActions\":[],\"dataActions\":[%s],\"notDataActions\":[]}]%s}}",
             name, actions, rest);
    return body;
}

/* --- Who may --- */

static const struct {
    const char *method, *target, *body;
} every[] = {
    {"GET", ROLES V, NULL},
    {"GET", "/keys" ROLES V, NULL},
    {"GET", ROLES "/" OFFICER V, NULL},
    {"PUT", ROLES "/" GUID("1") V, "{}"},
    {"DELETE", ROLES "/" GUID("1") V, NULL},
    {"GET", GRANTS V, NULL},
    {"GET", "/keys/k1" GRANTS V, NULL},
    {"GET", GRANTS "/" GUID("1") V, NULL},
    {"PUT", GRANTS "/" GUID("1") V, "{}"},
    {"PUT", "/keys/k1" GRANTS "/" GUID("1") V, "{}"},
    {"DELETE", GRANTS "/" GUID("1") V, NULL},
    {"GET", "/settings" V, NULL},
    {"GET", SETTING V, NULL},
    {"PATCH", SETTING V, "{\"value\":\"true\"}"},
    {"POST", "/backup" V, "{}"},
    {"GET", "/backup/x/pending" V, NULL},
    {"PUT", "/restore" V, "{}"},
    {"GET", "/restore/x/pending" V, NULL},
    {"POST", "/prebackup" V, "{}"},
    {"PUT", "/prerestore" V, "{}"},
    {"PUT", "/keys/k1/restore" V, "{}"},
    {"POST", "/securitydomain/download" V, "{}"},
    {"GET", "/securitydomain/download/pending" V, NULL},
    {"GET", "/securitydomain/upload" V, NULL},
    {"POST", "/securitydomain/upload" V, "{}"},
    {"GET", "/securitydomain/upload/pending" V, NULL},
};
enum { EVERY = sizeof(every) / sizeof(every[0]) };

static void nobody_without_a_role(void **state) {
    struct stand *s = *state;
    for (size_t i = 0; i < EVERY; i++) {
        is(s, NULL, every[i].method, every[i].target, every[i].body, 401, "Unauthorized");
        is(s, s->stranger, every[i].method, every[i].target, every[i].body, 403, "Forbidden");
    }
    /* who may use keys may see roles, and change none; nor settings, nor backups */
    is(s, s->rig->token, "GET", ROLES V, NULL, 200, NULL);
    is(s, s->rig->token, "PUT", ROLES "/" GUID("1") V, role("r", "", ""), 403, "Forbidden");
    is(s, s->rig->token, "PUT", GRANTS "/" GUID("1") V, grant(USER, "x"), 403, "Forbidden");
    is(s, s->rig->token, "DELETE", GRANTS "/" GUID("1") V, NULL, 403, "Forbidden");
    is(s, s->rig->token, "GET", "/settings" V, NULL, 403, "Forbidden");
    is(s, s->rig->token, "POST", "/backup" V, "{}", 403, "Forbidden");
    /* who may manage roles does not use keys by that */
    is(s, s->admin, "POST", "/keys/k1/create" V, "{\"kty\":\"RSA-HSM\"}", 403, "Forbidden");
}

static void only_within_the_scope(void **state) {
    struct stand *s = *state;
    struct cella_database *d = s->rig->database;
    GOOD(cella_access_assign(d, "stranger", "Managed HSM Policy Administrator",
                             "/vault/v1/keys/k1"));
    is(s, s->stranger, "GET", GRANTS V, NULL, 403, "Forbidden");
    is(s, s->stranger, "GET", "/keys" GRANTS V, NULL, 403, "Forbidden");
    is(s, s->stranger, "PUT", "/keys/k2" GRANTS "/" GUID("1") V, grant(USER, "x"), 403,
       "Forbidden");
    is(s, s->stranger, "PUT", "/keys/k1" GRANTS "/" GUID("1") V, grant(USER, "x"), 201, NULL);
    /* one of a wider scope is not to be had through a narrower */
    is(s, s->admin, "PUT", GRANTS "/" GUID("2") V, grant(USER, "y"), 201, NULL);
    is(s, s->stranger, "DELETE", "/keys/k1" GRANTS "/" GUID("2") V, NULL, 404,
       "RoleAssignmentNotFound");
    is(s, s->stranger, "DELETE", GRANTS "/" GUID("1") V, NULL, 403, "Forbidden");
    is(s, s->stranger, "PUT", "/keys/k1" ROLES "/" GUID("3") V, role("r", "", ""), 400,
       "BadParameter");
    /* roles of another vault, or of none, give nothing here (K21) */
    GOOD(cella_access_assign(d, "other", "Managed HSM Administrator", "/vault/v2"));
    GOOD(cella_access_assign(d, "other", "Key Vault Administrator", "/vault/v1"));
    char other[2048];
    login_token(s->rig, "other", other, sizeof(other));
    for (size_t i = 0; i < EVERY; i++)
        is(s, other, every[i].method, every[i].target, every[i].body, 403, "Forbidden");
}

static void a_vault_has_none_of_it(void **state) {
    (void)state;
    struct rig *rig = rig_new(false);
    for (size_t i = 0; i < EVERY; i++) {
        int status = 0;
        json_decref(
            call_as(rig, rig->token, every[i].method, every[i].target, every[i].body, &status));
        assert_int_equal(status, 404);
    }
    rig_free(rig);
}

/* --- Assignments --- */

static void assigned_and_taken_back(void **state) {
    struct stand *s = *state;
    static const char name[] = "/keys/K1" GRANTS "/" GUID("A") V, guid[] = GUID("a");
    is(s, s->stranger, "POST", "/keys/k1/create" V, "{\"kty\":\"EC-HSM\"}", 403, "Forbidden");
    json_t *made = as(s, s->admin, "PUT", name, grant(USER, "stranger"), 201);
    assert_string_equal(at(made, "name"), guid);
    assert_string_equal(at(made, "id"), "/keys/k1" GRANTS "/" GUID("a"));
    assert_string_equal(at(made, "type"), "Microsoft.Authorization/roleAssignments");
    assert_string_equal(at(made, "properties.scope"), "/keys/k1");
    assert_string_equal(at(made, "properties.principalId"), "stranger");
    assert_string_equal(at(made, "properties.roleDefinitionId"), ROLE_ID USER);
    json_decref(made);
    is(s, s->stranger, "POST", "/keys/k1/create" V, "{\"kty\":\"EC-HSM\"}", 200, NULL);
    is(s, s->stranger, "POST", "/keys/k2/create" V, "{\"kty\":\"EC-HSM\"}", 403, "Forbidden");
    is(s, s->admin, "GET", name, NULL, 200, NULL);
    /* one of that name, or the same under another */
    is(s, s->admin, "PUT", name, grant(USER, "stranger"), 409, "RoleAssignmentExists");
    is(s, s->admin, "PUT", GRANTS "/" GUID("A") V, grant(AUDITOR, "x"), 409,
       "RoleAssignmentExists");
    is(s, s->admin, "PUT", "/keys/k1" GRANTS "/" GUID("b") V, grant(USER, "stranger"), 409,
       "RoleAssignmentExists");
    is(s, s->admin, "DELETE", name, NULL, 200, NULL);
    is(s, s->admin, "DELETE", name, NULL, 404, "RoleAssignmentNotFound");
    is(s, s->admin, "GET", name, NULL, 404, "RoleAssignmentNotFound");
    is(s, s->stranger, "GET", "/keys/k1" V, NULL, 403, "Forbidden");
}

/* `cella identity` and the protocol: one store, one decision. */
static void the_same_as_by_command(void **state) {
    struct stand *s = *state;
    struct cella_database *d = s->rig->database;
    GOOD(cella_access_assign(d, "stranger", "Managed HSM Crypto Auditor", "/vault/v1/keys"));
    json_t *list =
        as(s, s->admin, "GET", GRANTS V "&%24filter=principalId+eq+%27stranger%27", NULL, 200);
    const json_t *one = json_array_get(json_object_get(list, "value"), 0);
    assert_string_equal(at(one, "properties.scope"), "/keys");
    char target[256];
    snprintf(target, sizeof(target), "/keys" GRANTS "/%s" V, at(one, "name"));
    json_decref(list);
    is(s, s->stranger, "GET", "/keys" V, NULL, 200, NULL);
    is(s, s->admin, "DELETE", target, NULL, 200, NULL);
    is(s, s->stranger, "GET", "/keys" V, NULL, 403, "Forbidden");
    REFUSED(cella_access_revoke(d, "stranger", "Managed HSM Crypto Auditor", "/vault/v1/keys"),
            CELLA_ERR_NOT_FOUND);
    is(s, s->admin, "PUT", GRANTS "/" GUID("1") V, grant(AUDITOR, "stranger"), 201, NULL);
    GOOD(cella_access_revoke(d, "stranger", AUDITOR, "/vault/v1"));
    is(s, s->admin, "GET", GRANTS "/" GUID("1") V, NULL, 404, "RoleAssignmentNotFound");
    /* what holds for every vault is no vault's to take away */
    GOOD(cella_access_assign(d, "boss", "Managed HSM Crypto Auditor", "/vault"));
    assert_int_equal(
        size_of(as(s, s->admin, "GET", GRANTS V "&%24filter=principalId+eq+'boss'", NULL, 200)), 0);
}

static void bad_assignments(void **state) {
    struct stand *s = *state;
    static const char *const bodies[] = {
        "",
        "[]",
        "{}",
        "{\"properties\":1}",
        "{\"properties\":{}}",
        "{\"properties\":{",
        "{\"properties\":{\"principalId\":\"p\"}}",
        "{\"properties\":{\"roleDefinitionId\":\"" ROLE_ID USER "\"}}",
        "{\"properties\":{\"roleDefinitionId\":\"" ROLE_ID USER "\",\"principalId\":\"\"}}",
        "{\"properties\":{\"roleDefinitionId\":\"" ROLE_ID USER "\",\"principalId\":7}}",
        "{\"properties\":{\"roleDefinitionId\":\"" ROLE_ID USER "\",\"principalId\":\"p\\nq\"}}",
        "{\"properties\":{\"roleDefinitionId\":\"" ROLE_ID "\",\"principalId\":\"p\"}}",
        "{\"properties\":{\"roleDefinitionId\":\"Managed HSM Crypto User\",\"principalId\":\"p\"}}",
        "{\"properties\":{\"roleDefinitionId\":\"/x/" USER "\",\"principalId\":\"p\"}}",
        /* a role that there is not, and one of another service */
        "{\"properties\":{\"roleDefinitionId\":\"" ROLE_ID GUID("9") "\",\"principalId\":\"p\"}}",
        "{\"properties\":{\"roleDefinitionId\":\"" ROLE_ID
        "00482a5a-887f-4fb3-b363-3b7fe8e74483\",\"principalId\":\"p\"}}",
        /* K14: nothing is quietly left out */
        "{\"properties\":{\"roleDefinitionId\":\"" ROLE_ID USER
        "\",\"principalId\":\"p\",\"condition\":\"never\"}}",
        "{\"properties\":{\"roleDefinitionId\":\"" ROLE_ID USER
        "\",\"principalId\":\"p\",\"scope\":\"/keys/k1\"}}",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        is(s, s->admin, "PUT", GRANTS "/" GUID("1") V, bodies[i], 400, "BadParameter");
    static const char *const names[] = {
        "x", "1", GUID("1") "0", "0000000g-0000-4000-8000-000000000001", "does_not_exist", "..."};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) { /* K12 */
        char target[256];
        snprintf(target, sizeof(target), GRANTS "/%s" V, names[i]);
        is(s, s->admin, "PUT", target, grant(USER, "p"), 400, "BadParameter");
        is(s, s->admin, "GET", target, NULL, 404, "RoleAssignmentNotFound");
        is(s, s->admin, "DELETE", target, NULL, 404, "RoleAssignmentNotFound");
    }
    assert_int_equal(
        size_of(as(s, s->admin, "GET", GRANTS V "&$filter=principalId+eq+'p'", NULL, 200)), 0);
}

static void hostile_paths(void **state) {
    struct stand *s = *state;
    static const struct {
        const char *target;
        int status;
    } rows[] = {
        {"/keys/a_b" GRANTS V, 400},
        {"/keys/%2e%2e" GRANTS V, 400},
        {"/keys/.." GRANTS V, 400},
        {GRANTS "/.." V, 400},
        {GRANTS "/%00" V, 400},
        {GRANTS "/a%2fb" V, 400},
        {GRANTS "/a'b" V, 400},
        {GRANTS "/\xc3\xa9" V, 400},
        {"/secrets" GRANTS V, 404},
        {"/keys/k1/x" GRANTS V, 404},
        {"/deletedkeys" GRANTS V, 404},
        {GRANTS "/" GUID("1") "/x" V, 404},
        {"/providers/Microsoft.Authorization" V, 404},
        {"/providers/Microsoft.Authorization/locks" V, 404},
        {"/providers/Microsoft.Other/roleAssignments" V, 404},
        {"/settings/a/b" V, 404},
        {"/backup" V, 404},
        {"/backup/x" V, 404},
        {"/backup/x/y" V, 404},
        {"/backup/x/pending/y" V, 404},
        {"/restore/pending" V, 404},
        {"/prebackup/x" V, 404},
        {"/securitydomain" V, 404},
        {"/securitydomain/download" V, 404},
        {"/securitydomain/other" V, 404},
        {GRANTS, 400}, /* without its version */
        {GRANTS "?api-version=1.0", 400},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        is(s, s->admin, "GET", rows[i].target, NULL, rows[i].status, NULL);
    /* one reading: empty parts, literals in any case (K19) */
    is(s, s->admin, "GET", "//" GRANTS V, NULL, 200, NULL);
    is(s, s->admin, "GET", "/KEYS//PROVIDERS/microsoft.authorization/ROLEASSIGNMENTS/" V, NULL, 200,
       NULL);
    /* a key may be called as the paths are */
    is(s, s->rig->token, "POST", "/keys/providers/create" V, "{\"kty\":\"EC-HSM\"}", 200, NULL);
    is(s, s->rig->token, "GET", "/keys/providers" V, NULL, 200, NULL);
}

static void lists_and_filters(void **state) {
    struct stand *s = *state;
    static const char *const scopes[] = {"", "/keys", "/keys/k1", "/keys/k2", "/keys/k10"};
    char target[256];
    for (int i = 0; i < 5; i++) {
        snprintf(target, sizeof(target), "%s" GRANTS "/00000000-0000-4000-8000-00000000000%d" V,
                 scopes[i], i);
        is(s, s->admin, "PUT", target, grant(AUDITOR, "p"), 201, NULL);
    }
    static const struct {
        const char *target;
        size_t count;
    } rows[] = {
        {GRANTS V "&$filter=principalId+eq+'p'", 5},
        {GRANTS V "&$filter=PrincipalId+EQ+p", 5},
        {"/keys" GRANTS V "&$filter=principalId+eq+'p'", 5},
        {"/keys/k1" GRANTS V "&$filter=principalId+eq+'p'", 3},
        {"/keys/k3" GRANTS V "&$filter=principalId+eq+'p'", 2},
        {"/keys/k3" GRANTS V "&$filter=principalId+eq+'q'", 0},
        {GRANTS V "&$filter=atScope()", 3}, /* and those of the stand: owner, admin */
        {"/keys" GRANTS V "&%24filter=atScope%28%29", 4},
        {"/keys/k1" GRANTS V, 5},
        {GRANTS V, 7},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t count = size_of(as(s, s->admin, "GET", rows[i].target, NULL, 200));
        if (count != rows[i].count) fail_msg("%s: %zu", rows[i].target, count);
    }
    static const char *const bad[] = {"x",
                                      "atScope",
                                      "principalId+eq+",
                                      "principalId+eq+''",
                                      "principalId+eq+'a'+or+'b'",
                                      "principalId+ne+'a'"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(target, sizeof(target), GRANTS V "&$filter=%s", bad[i]);
        is(s, s->admin, "GET", target, NULL, 400, "BadParameter");
    }
}

/* Page by page each once; a token is its caller's and its list's, with the filter that it began
 * with (K13). */
static void pages(void **state) {
    struct stand *s = *state;
    char target[4096], principal[16];
    for (int i = 0; i < 7; i++) {
        snprintf(target, sizeof(target), GRANTS "/00000000-0000-4000-8000-0000000000%02d" V, i);
        snprintf(principal, sizeof(principal), "p%d", i % 2);
        is(s, s->admin, "PUT", target, grant(i < 4 ? AUDITOR : USER, principal),
           i < 2   ? 201
           : i < 4 ? 409
           : i < 6 ? 201
                   : 409,
           NULL);
    }
    snprintf(target, sizeof(target), "%s", GRANTS V "&maxresults=1&$filter=principalId+eq+'p1'");
    size_t seen = 0;
    char kept[4096] = "";
    for (int i = 0; i < 3 && *target; i++) {
        json_t *page = as(s, s->admin, "GET", target, NULL, 200);
        seen += json_array_size(json_object_get(page, "value"));
        const char *next = at(page, "nextLink");
        snprintf(target, sizeof(target), "%s", next ? next + strlen("https://" HOST) : "");
        if (next) snprintf(kept, sizeof(kept), "%s", target);
        json_decref(page);
    }
    assert_int_equal(seen, 2);
    assert_true(*kept && !*target);
    is(s, s->rig->token, "GET", kept, NULL, 400, "BadParameter"); /* another caller */
    char *token = strstr(kept, "skiptoken=");
    assert_non_null(token);
    snprintf(target, sizeof(target), "/keys" GRANTS V "&$%s", token);
    is(s, s->admin, "GET", target, NULL, 400, "BadParameter"); /* another list */
    token[20] = token[20] == 'A' ? 'B' : 'A';
    is(s, s->admin, "GET", kept, NULL, 400, "BadParameter");
}

/* --- Definitions --- */

static void built_in_roles(void **state) {
    struct stand *s = *state;
    json_t *list = as(s, s->admin, "GET", ROLES V, NULL, 200);
    const json_t *value = json_object_get(list, "value");
    assert_int_equal(json_array_size(value), 9); /* and none of a vault's */
    for (size_t i = 0; i < 9; i++) {
        const json_t *one = json_array_get(value, i);
        assert_string_equal(at(one, "properties.type"), "AKVBuiltInRole");
        assert_memory_equal(at(one, "properties.roleName"), "Managed HSM ", 12);
        assert_memory_equal(at(one, "id"), ROLE_ID, strlen(ROLE_ID));
    }
    json_decref(list);
    json_t *one = as(s, s->admin, "GET", "/keys" ROLES "/" USER V, NULL, 200);
    assert_string_equal(at(one, "properties.roleName"), "Managed HSM Crypto User");
    json_decref(one);
    is(s, s->admin, "PUT", ROLES "/" ADMIN V, role("mine", "", ""), 400, "BadParameter");
    is(s, s->admin, "PUT", ROLES "/" GUID("1") V, role("Managed HSM backup", "", ""), 400,
       "BadParameter");
    is(s, s->admin, "DELETE", ROLES "/" OFFICER V, NULL, 400, "BadParameter");
    is(s, s->admin, "GET", ROLES "/does_not_exist" V, NULL, 404, "RoleDefinitionNotFound");
    is(s, s->admin, "GET", ROLES "/" GUID("1") V, NULL, 404, "RoleDefinitionNotFound");
    is(s, s->admin, "DELETE", ROLES "/" GUID("1") V, NULL, 404, "RoleDefinitionNotFound");
    is(s, s->admin, "GET", ROLES "/12338af0-0e69-4776-bea7-57ae8d297424" V, NULL, 404,
       "RoleDefinitionNotFound"); /* a vault's */
    is(s, s->admin, "GET", ROLES V "&$filter=roleName+eq+'x'", NULL, 400, "BadParameter");
    assert_int_equal(
        size_of(as(s, s->admin, "GET", ROLES V "&$filter=type+eq+'CustomRole'", NULL, 200)), 0);
}

/* What a custom role says is decided at once, when it is made, changed and deleted. */
static void custom_roles(void **state) {
    struct stand *s = *state;
    static const char name[] = ROLES "/" GUID("C") V;
    json_t *made = as(s, s->admin, "PUT", name,
                      role("maker", "\"" ACTION "keys/create\",\"" ACTION "keys/read/action\"",
                           ",\"description\":\"makes keys\",\"assignableScopes\":[\"/\"]"),
                      201);
    assert_string_equal(at(made, "id"), ROLE_ID GUID("c"));
    assert_string_equal(at(made, "properties.type"), "CustomRole");
    assert_string_equal(at(made, "properties.roleName"), "maker");
    assert_string_equal(at(made, "properties.description"), "makes keys");
    json_decref(made);
    is(s, s->admin, "PUT", GRANTS "/" GUID("1") V, grant(GUID("C"), "stranger"), 201, NULL);
    is(s, s->stranger, "POST", "/keys/k1/create" V, "{\"kty\":\"EC-HSM\"}", 200, NULL);
    is(s, s->stranger, "DELETE", "/keys/k1" V, NULL, 403, "Forbidden");
    is(s, s->admin, "PUT", name, role("maker", "\"" ACTION "keys/delete\",\"" ACTION "rng/*\"", ""),
       201, NULL);
    is(s, s->stranger, "POST", "/keys/k2/create" V, "{\"kty\":\"EC-HSM\"}", 403, "Forbidden");
    is(s, s->stranger, "POST", "/rng" V, "{\"count\":1}", 200, NULL);
    is(s, s->stranger, "DELETE", "/keys/k1" V, NULL, 200, NULL);
    is(s, s->admin, "DELETE", name, NULL, 400, "RoleDefinitionHasAssignments");
    is(s, s->admin, "DELETE", GRANTS "/" GUID("1") V, NULL, 200, NULL);
    is(s, s->admin, "DELETE", name, NULL, 200, NULL);
    is(s, s->admin, "GET", name, NULL, 404, "RoleDefinitionNotFound");
    is(s, s->admin, "PUT", GRANTS "/" GUID("1") V, grant(GUID("C"), "stranger"), 400,
       "BadParameter");
}

/* An exception takes away from its own permission, and denies nothing. */
static void exceptions(void **state) {
    struct stand *s = *state;
    static const char name[] = ROLES "/" GUID("1") V;
    static const char all_but[] =
        "{\"properties\":{\"roleName\":\"most\",\"permissions\":[{\"dataActions\":[\"" ACTION
        "keys/*\"],\"notDataActions\":[\"" ACTION "keys/delete\"]}%s]}}";
    char body[1024];
    snprintf(body, sizeof(body), all_but, "");
    is(s, s->admin, "PUT", name, body, 201, NULL);
    is(s, s->admin, "PUT", GRANTS "/" GUID("2") V, grant(GUID("1"), "stranger"), 201, NULL);
    is(s, s->stranger, "POST", "/keys/k1/create" V, "{\"kty\":\"EC-HSM\"}", 200, NULL);
    is(s, s->stranger, "DELETE", "/keys/k1" V, NULL, 403, "Forbidden");
    snprintf(body, sizeof(body), all_but, ",{\"dataActions\":[\"" ACTION "keys/delete\"]}");
    is(s, s->admin, "PUT", name, body, 201, NULL);
    is(s, s->stranger, "DELETE", "/keys/k1" V, NULL, 200, NULL);
    snprintf(body, sizeof(body), all_but, ",{\"notDataActions\":[\"" ACTION "keys/read/action\"]}");
    is(s, s->admin, "PUT", name, body, 201, NULL);
    is(s, s->stranger, "GET", "/keys" V, NULL, 200, NULL);
}

static void assignable_scopes(void **state) {
    struct stand *s = *state;
    static const char name[] = ROLES "/" GUID("1") V;
    static const char action[] = "\"" ACTION "keys/read/action\"";
    is(s, s->admin, "PUT", name, role("r", action, ",\"assignableScopes\":[\"/keys/K1\"]"), 201,
       NULL);
    is(s, s->admin, "PUT", GRANTS "/" GUID("2") V, grant(GUID("1"), "p"), 400, "BadParameter");
    is(s, s->admin, "PUT", "/keys" GRANTS "/" GUID("2") V, grant(GUID("1"), "p"), 400, NULL);
    is(s, s->admin, "PUT", "/keys/k10" GRANTS "/" GUID("2") V, grant(GUID("1"), "p"), 400, NULL);
    is(s, s->admin, "PUT", "/keys/k1" GRANTS "/" GUID("2") V, grant(GUID("1"), "p"), 201, NULL);
    is(s, s->admin, "GET", name, NULL, 404, NULL);
    is(s, s->admin, "GET", "/keys/k1" ROLES "/" GUID("1") V, NULL, 200, NULL);
    REFUSED(cella_access_assign(s->rig->database, "p", GUID("1"), "/vault/v1"), CELLA_ERR_USAGE);
    REFUSED(cella_access_assign(s->rig->database, "p", "r", "/vault/v2/keys/k1"),
            CELLA_ERR_NOT_FOUND); /* another vault's (K21) */
    GOOD(cella_access_assign(s->rig->database, "q", "R", "/vault/v1/keys/k1"));
    /* where it is assigned it stays assignable */
    is(s, s->admin, "PUT", name, role("r", action, ",\"assignableScopes\":[\"/keys/k2\"]"), 400,
       "BadParameter");
    is(s, s->admin, "PUT", name, role("r", action, ",\"assignableScopes\":[\"/keys\"]"), 201, NULL);
}

static void bad_definitions(void **state) {
    struct stand *s = *state;
    static const char *const rest[] = {
        ",\"assignableScopes\":[]",
        ",\"assignableScopes\":\"/\"",
        ",\"assignableScopes\":[\"\"]",
        ",\"assignableScopes\":[\"/secrets\"]",
        ",\"assignableScopes\":[\"/keys/a/b\"]",
        ",\"assignableScopes\":[\"/keys/..\"]",
        ",\"assignableScopes\":[\"/keys/\"]",
        ",\"assignableScopes\":[\"/keys/a_b\"]",
        ",\"description\":7",
        ",\"id\":\"x\"", /* K14 */
        ",\"isAdmin\":true",
    };
    static const char *const actions[] = {
        "7",
        "\"\"",
        "\"*\"",
        "\"" ACTION "\"",
        "\"" ACTION "keys/unknown/action\"",
        "\"" ACTION "keys/*/*\"",
        "\"" ACTION "nothing/*\"",
        "\"Microsoft.KeyVault/vaults/keys/read\"",
        "\"Microsoft.KeyVault/*\"",
    };
    static const char *const bodies[] = {
        "{\"properties\":{}}",
        "{\"properties\":{\"roleName\":\"\"}}",
        "{\"properties\":{\"roleName\":\"a\\tb\"}}",
        "{\"properties\":{\"roleName\":\"r\",\"type\":\"AKVBuiltInRole\"}}",
        "{\"properties\":{\"roleName\":\"r\",\"permissions\":{}}}",
        "{\"properties\":{\"roleName\":\"r\",\"permissions\":[7]}}",
        "{\"properties\":{\"roleName\":\"r\",\"permissions\":[{\"actions\":[\"*\"]}]}}",
        "{\"properties\":{\"roleName\":\"r\",\"permissions\":[{\"dataAction\":[]}]}}",
        "{\"properties\":{\"roleName\":\"r\",\"permissions\":[{\"dataActions\":\"x\"}]}}",
    };
    static const char name[] = ROLES "/" GUID("1") V;
    for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
        is(s, s->admin, "PUT", name, role("r", "", rest[i]), 400, "BadParameter");
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        is(s, s->admin, "PUT", name, role("r", actions[i], ""), 400, "BadParameter");
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        is(s, s->admin, "PUT", name, bodies[i], 400, "BadParameter");
    is(s, s->admin, "PUT", ROLES "/x" V, role("r", "", ""), 400, "BadParameter");
    is(s, s->admin, "PUT", name, role("r", "", ""), 201, NULL);
    is(s, s->admin, "PUT", ROLES "/" GUID("2") V, role("R", "", ""), 409,
       "RoleDefinitionWithSameNameExists");
    assert_int_equal(
        size_of(as(s, s->admin, "GET", ROLES V "&$filter=type+eq+'CustomRole'", NULL, 200)), 1);
}

/* --- Settings, and what is not here --- */

static void settings(void **state) {
    struct stand *s = *state;
    json_t *list = as(s, s->admin, "GET", "/settings" V, NULL, 200);
    const json_t *one = json_array_get(json_object_get(list, "settings"), 0);
    assert_string_equal(at(one, "name"), "AllowKeyManagementOperationsThroughARM");
    assert_string_equal(at(one, "type"), "boolean");
    assert_string_equal(at(one, "value"), "false");
    json_decref(list);
    is(s, s->admin, "PATCH", SETTING V, "{\"value\":\"true\"}", 200, NULL);
    json_t *got = as(s, s->admin, "GET", SETTING V, NULL, 200);
    assert_string_equal(at(got, "value"), "true");
    json_decref(got);
    static const char *const bad[] = {"",
                                      "{}",
                                      "{\"value\":\"yes\"}",
                                      "{\"value\":true}",
                                      "{\"value\":\"True\"}",
                                      "{\"value\":null}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        is(s, s->admin, "PATCH", SETTING V, bad[i], 400, "BadParameter");
    is(s, s->admin, "PATCH", SETTING V, "{\"value\":\"false\"}", 200, NULL);
    is(s, s->admin, "GET", "/settings/Other" V, NULL, 404, "SettingNotFound");
    is(s, s->admin, "PATCH", "/settings" V, "{\"value\":\"true\"}", 404, "NotFound");
}

static void what_is_not_here_says_so(void **state) {
    struct stand *s = *state;
    is(s, s->admin, "POST", "/securitydomain/download" V, "{}", 501, "NotImplemented");
    is(s, s->admin, "POST", "/backup" V, "{}", 501, "NotImplemented");
}

/* --- The audit log --- */

static void changes_are_in_the_log(void **state) {
    struct stand *s = *state;
    char path[128], line[8192];
    is(s, s->admin, "PUT", ROLES "/" GUID("1") V, role("maker", "\"" ACTION "keys/create\"", ""),
       201, NULL);
    is(s, s->admin, "PUT", GRANTS "/" GUID("2") V, grant(GUID("1"), "stranger"), 201, NULL);
    is(s, s->admin, "DELETE", GRANTS "/" GUID("2") V, NULL, 200, NULL);
    is(s, s->stranger, "PUT", GRANTS "/" GUID("2") V, grant(ADMIN, "stranger"), 403, NULL);
    snprintf(path, sizeof(path), "%s/audit.log", s->rig->folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    int defined = 0, assigned = 0, taken = 0, refused = 0;
    while (fgets(line, sizeof(line), file)) {
        json_t *record = json_loads(line, 0, NULL);
        const char *action = at(record, "action");
        if (strcmp(action, "roleDefinitions/write") == 0)
            defined += strcmp(at(record, "role"), "maker") == 0;
        if (strcmp(action, "roleAssignments/write") == 0)
            assigned += strcmp(at(record, "principal"), "stranger") == 0 &&
                        strcmp(at(record, "role"), "maker") == 0 &&
                        strcmp(at(record, "who"), "admin") == 0;
        taken += strcmp(action, "roleAssignments/delete") == 0;
        refused += strcmp(at(record, "verdict"), "refused") == 0;
        json_decref(record);
    }
    fclose(file);
    assert_true(defined == 1 && assigned == 1 && taken == 1 && refused == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nobody_without_a_role),
        TEST(only_within_the_scope),
        cmocka_unit_test(a_vault_has_none_of_it),
        TEST(assigned_and_taken_back),
        TEST(the_same_as_by_command),
        TEST(bad_assignments),
        TEST(hostile_paths),
        TEST(lists_and_filters),
        TEST(pages),
        TEST(built_in_roles),
        TEST(custom_roles),
        TEST(exceptions),
        TEST(assignable_scopes),
        TEST(bad_definitions),
        TEST(settings),
        TEST(what_is_not_here_says_so),
        TEST(changes_are_in_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
