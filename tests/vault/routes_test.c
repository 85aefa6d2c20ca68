/* K19: what is authorised is what is handled, on a hundred thousand random requests. A stranger is
 * refused by name of an action and a resource; the owner's same request must be about that
 * resource, and must be refused alike where no role decides. */
#include "fixture.h"

#include <ctype.h>

#define V "?api-version=7.4"
enum { REQUESTS = 100000, TARGET = 512 };

static int set_up(void **state) {
    struct rig *rig = rig_new(false);
    json_decref(call(rig, "POST", "/keys/k1/create" V, "{\"kty\":\"EC\"}", 200));
    json_decref(call(rig, "POST", "/keys/k2/create" V, "{\"kty\":\"EC\"}", 200));
    json_decref(call(rig, "PUT", "/secrets/s1" V, "{\"value\":\"x\"}", 200));
    json_decref(call(rig, "PUT", "/secrets/restore" V, "{\"value\":\"x\"}", 200));
    *state = rig;
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

static unsigned pick(unsigned below) { return (unsigned)random() % below; }
#define PICK(list) list[pick(sizeof(list) / sizeof((list)[0]))]

static const char *random_method(void) {
    static const char *const methods[] = {"GET",    "GET",  "POST",    "POST", "PUT",   "PATCH",
                                          "DELETE", "HEAD", "OPTIONS", "get",  "TRACE", "CONNECT"};
    return PICK(methods);
}

static void random_target(char out[TARGET]) {
    static const char *const families[] = {
        "keys",         "KEYS",        "secrets",        "Secrets",
        "certificates", "deletedkeys", "deletedSecrets", "deletedcertificates",
        "rng",          "providers",   "backup",         "settings",
        "nothing"};
    static const char *const names[] = {"k1",       "K2",       "s1",   "restore",
                                        "issuers",  "contacts", "keys", "create",
                                        "versions", "a",        "k1.",  "k%31",
                                        "..",       ".",        "k1;x", "providers"};
    static const char *const rest[] = {"",
                                       "",
                                       "create",
                                       "versions",
                                       "rotate",
                                       "backup",
                                       "sign",
                                       "SIGN",
                                       "release",
                                       "policy",
                                       "pending",
                                       "pending/merge",
                                       "rotationpolicy",
                                       "recover",
                                       "restore",
                                       "attestation",
                                       "00000000000000000000000000000000",
                                       "00000000000000000000000000000000/sign",
                                       "k2",
                                       "../k2"};
    static const char *const slashes[] = {"/",   "/",   "/",  "/",   "//",
                                          "///", "%2f", "\\", "/./", "/../"};
    static const char *const queries[] = {V,
                                          V,
                                          V,
                                          V,
                                          "",
                                          V "&api-version=7.4",
                                          "?api-version=9",
                                          V "&x=1",
                                          "?API-VERSION=7.4",
                                          V "#x",
                                          "??api-version=7.4",
                                          "?api%2dversion=7.4"};
    bool plain = pick(2) == 0; /* half of them as a client would write them */
#define SLASH (plain ? "/" : PICK(slashes))
    snprintf(out, TARGET, "%s%s", SLASH, plain ? families[pick(8)] : PICK(families));
    for (unsigned i = 0, parts = pick(4); i < parts; i++) {
        strcat(out, SLASH);
        strcat(out, i == 0 ? (plain ? names[pick(10)] : PICK(names)) : PICK(rest));
    }
    if (pick(5) == 0) strcat(out, SLASH);
    strcat(out, plain ? V : PICK(queries));
}

/* Whether a name, as a whole part, is in a text, in any case. */
static bool speaks_of(const char *text, const char *name) {
    size_t size = strlen(name);
    for (const char *found = text; (found = strcasestr(found, name)); found++) {
        bool starts = found == text || !(isalnum(found[-1]) || found[-1] == '-');
        bool ends = !(isalnum(found[size]) || found[size] == '-');
        if (starts && ends) return true;
    }
    return false;
}

/* The last part of "Resource: '/vault/v1/keys/NAME'"; "" of a whole family. */
static void name_of(const char *refusal, char name[256]) {
    const char *from = strstr(refusal, "Resource: '/vault/v1/"), *end;
    assert_non_null(from);
    from += strlen("Resource: '/vault/v1/");
    end = strchr(from, '\'');
    const char *slash = memchr(from, '/', (size_t)(end - from));
    snprintf(name, 256, "%.*s", slash ? (int)(end - slash - 1) : 0, slash ? slash + 1 : "");
}

static void body_of(const struct cella_http_response *answer, char *out, size_t size) {
    snprintf(out, size, "%.*s", (int)answer->body.size, (const char *)answer->body.data);
}

/* An answer that names things of the vault names the one that was asked for. */
static void same_resource(const char *method, const char *target, const char *refused,
                          const struct cella_http_response *owner) {
    static const char *const all[] = {"k1", "k2", "s1"};
    char name[256], text[16384];
    name_of(refused, name);
    body_of(owner, text, sizeof(text));
    if (strstr(text, "ForbiddenByRbac")) fail_msg("%s %s: the owner is refused", method, target);
    /* of a family: a list, or something to restore; and a backup is opaque */
    if (!*name || strncmp(text, "{\"value\":\"", 10) == 0) return;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(name, all[i]) != 0 && speaks_of(text, all[i]))
            fail_msg("%s %s: asked for %s, authorised for %s: %s", method, target, all[i], name,
                     text);
    bool about = owner->status / 100 == 2 || strstr(text, "was not found");
    if (about && *text && !speaks_of(text, name))
        fail_msg("%s %s: authorised for %s: %s", method, target, name, text);
}

static void authorised_is_handled(void **state) {
    struct rig *rig = *state;
    char token[2048], target[TARGET], first[16384], second[16384];
    unsigned roles = 0, same = 0;
    login_token(rig, "stranger", token, sizeof(token));
    srandom(20261125);
    for (int i = 0; i < REQUESTS; i++) {
        struct cella_http_response stranger, owner;
        const char *method = random_method();
        random_target(target);
        ask(rig, HOST, token, method, target, "{}", &stranger);
        body_of(&stranger, first, sizeof(first));
        if (stranger.status / 100 == 2 || stranger.status / 100 == 5)
            fail_msg("%s %s: %d %s", method, target, stranger.status, first);
        bool by_role = stranger.status == 403;
        if (i % (by_role ? 3 : 4) == 0) {
            ask(rig, HOST, rig->token, method, target, "{}", &owner);
            body_of(&owner, second, sizeof(second));
            if (by_role)
                same_resource(method, target, first, &owner);
            else if (owner.status != stranger.status || strcmp(first, second) != 0)
                fail_msg("%s %s: without a role %d %s, with it %d %s", method, target,
                         stranger.status, first, owner.status, second);
            roles += by_role;
            same += !by_role;
            answer_free(&owner);
        }
        answer_free(&stranger);
    }
    print_message("%u decided by roles, %u before\n", roles, same);
    assert_true(roles > 2000 && same > 2000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(authorised_is_handled, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
