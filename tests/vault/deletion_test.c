/* K15: things live, are deleted, and are purged; what each call says in each of these, whatever the
 * clock does meanwhile. */
#include "clock.h"
#include "fixture.h"

#define V         "?api-version=7.4"
#define PROTECTED "v2.vault.test:8444"
enum { DAY_S = 86400, DAYS = 7 };

enum state_of_thing { LIVE, DELETED, PURGED };

struct step { /* %s: the name; what must be said in each state */
    const char *method, *before, *after, *body;
    int status[3];
};
#define ECDSA "{\"alg\":\"ES256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"

/* None of these changes anything of the thing's state. */
static const struct step keys[] = {
    {"GET", "/keys/", "", NULL, {200, 404, 404}},
    {"GET", "/keys/", "/versions", NULL, {200, 404, 404}},
    {"GET", "/keys/", "/rotationpolicy", NULL, {200, 404, 404}},
    {"PUT", "/keys/", "/rotationpolicy", "{}", {200, 404, 404}},
    {"PATCH", "/keys/", "", "{}", {200, 404, 404}},
    {"POST", "/keys/", "/rotate", NULL, {200, 404, 404}},
    {"POST", "/keys/", "/backup", NULL, {200, 404, 404}},
    {"POST", "/keys/", "/sign", ECDSA, {200, 404, 404}},
    {"POST", "/keys/", "/release", "{\"target\":\"x\"}", {403, 404, 404}},
    {"GET", "/deletedkeys/", "", NULL, {404, 200, 404}},
};
static const struct step secrets[] = {
    {"GET", "/secrets/", "", NULL, {200, 404, 404}},
    {"GET", "/secrets/", "/versions", NULL, {200, 404, 404}},
    {"PATCH", "/secrets/", "", "{}", {200, 404, 404}},
    {"POST", "/secrets/", "/backup", NULL, {200, 404, 404}},
    {"GET", "/deletedsecrets/", "", NULL, {404, 200, 404}},
};
static const struct step certificates[] = {
    {"GET", "/certificates/", "", NULL, {200, 404, 404}},
    {"GET", "/certificates/", "/versions", NULL, {200, 404, 404}},
    {"GET", "/certificates/", "/policy", NULL, {200, 404, 404}},
    {"PATCH", "/certificates/", "", "{}", {200, 404, 404}},
    {"PATCH", "/certificates/", "/policy", "{}", {200, 404, 404}},
    {"POST", "/certificates/", "/backup", NULL, {200, 404, 404}},
    {"GET", "/certificates/", "/pending", NULL, {200, 404, 404}},
    {"PATCH", "/certificates/", "/pending", "{}", {200, 404, 404}},
    {"GET", "/deletedcertificates/", "", NULL, {404, 200, 404}},
    {"GET", "/keys/", "", NULL, {200, 404, 404}},
    {"POST", "/keys/", "/sign", ECDSA, {200, 404, 404}},
    {"GET", "/secrets/", "", NULL, {200, 404, 404}},
    /* what belongs to a certificate goes with it alone */
    {"DELETE", "/keys/", "", NULL, {403, 404, 404}},
    {"DELETE", "/secrets/", "", NULL, {403, 404, 404}},
    {"POST", "/deletedkeys/", "/recover", NULL, {404, 403, 404}},
    {"POST", "/deletedsecrets/", "/recover", NULL, {404, 403, 404}},
    {"DELETE", "/deletedkeys/", "", NULL, {404, 403, 404}},
    {"DELETE", "/deletedsecrets/", "", NULL, {404, 403, 404}},
};

static const struct {
    const char *plural, *method, *make, *body;
    int made;
    const struct step *step;
    size_t count;
} kinds[] = {
    {"keys", "POST", "/create", "{\"kty\":\"EC\"}", 200, keys, sizeof(keys) / sizeof(keys[0])},
    {"secrets", "PUT", "", "{\"value\":\"x\"}", 200, secrets, sizeof(secrets) / sizeof(secrets[0])},
    {"certificates", "POST", "/create",
     "{\"policy\":{\"key_props\":{\"kty\":\"EC\",\"crv\":\"P-256\"},\"x509_props\":{\"subject\":"
     "\"CN=a\"},\"issuer\":{\"name\":\"Self\"}}}",
     202, certificates, sizeof(certificates) / sizeof(certificates[0])},
};
enum { KINDS = 3 };

static int set_up(void **state) {
    struct rig *rig = rig_new(false);
    clock_ahead = 0;
    GOOD(cella_vaults_add(rig->vaults, &(struct cella_vault_settings){.name = "v2",
                                                                      .url = "https://" PROTECTED,
                                                                      .login = "x",
                                                                      .recover_days = DAYS,
                                                                      .purge_protection = true}));
    GOOD(cella_access_assign(rig->database, "owner", "Key Vault Administrator", "/vault/v2"));
    *state = rig;
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

static json_t *said(struct rig *rig, const char *host, const char *method, const char *target,
                    const char *body, int status) {
    int found = 0;
    json_t *reply = call_at(rig, host, rig->token, method, target, body, &found);
    if (found != status) {
        char *text = json_dumps(reply, JSON_ENCODE_ANY);
        fail_msg("%s %s: expected %d, found %d %s", method, target, status, found, text);
    }
    return reply;
}

static void say(struct rig *rig, const char *host, const char *method, const char *before,
                const char *plural, const char *after, const char *body, int status) {
    char target[256];
    snprintf(target, sizeof(target), "/%s%s/n%s" V, before, plural, after);
    json_decref(said(rig, host, method, target, body, status));
}

static size_t listed(struct rig *rig, const char *before, const char *plural) {
    char target[256];
    snprintf(target, sizeof(target), "/%s%s" V, before, plural);
    json_t *list = said(rig, HOST, "GET", target, NULL, 200);
    size_t count = json_array_size(json_object_get(list, "value"));
    json_decref(list);
    return count;
}

static void all_say(struct rig *rig, size_t kind, enum state_of_thing state) {
    for (size_t i = 0; i < kinds[kind].count; i++) {
        const struct step *step = &kinds[kind].step[i];
        char target[256];
        snprintf(target, sizeof(target), "%sn%s" V, step->before, step->after);
        json_decref(said(rig, HOST, step->method, target, step->body, step->status[state]));
    }
    assert_int_equal(listed(rig, "", kinds[kind].plural), state == LIVE);
    assert_int_equal(listed(rig, "deleted", kinds[kind].plural), state == DELETED);
}

static void make(struct rig *rig, size_t kind, int status) {
    say(rig, HOST, kinds[kind].method, "", kinds[kind].plural, kinds[kind].make, kinds[kind].body,
        status);
}

static void life_of_each_kind(void **state) {
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct rig *rig = *state;
        const char *plural = kinds[kind].plural;
        char body[65536], target[64];
        make(rig, kind, kinds[kind].made);
        all_say(rig, kind, LIVE);
        snprintf(target, sizeof(target), "/%s/n/backup" V, plural);
        json_t *backup = said(rig, HOST, "POST", target, NULL, 200);
        snprintf(body, sizeof(body), "{\"value\":\"%s\"}", at(backup, "value"));
        json_decref(backup);
        for (int again = 0; again < 2; again++) {
            say(rig, HOST, "POST", "deleted", plural, "/recover", NULL, 404);
            say(rig, HOST, "DELETE", "deleted", plural, "", NULL, 404);
            say(rig, HOST, "DELETE", "", plural, "", NULL, 200);
            say(rig, HOST, "DELETE", "", plural, "", NULL, 404);
            make(rig, kind, 409); /* the name is not free */
            say(rig, HOST, "POST", "", "certificates", "/create",
                "{\"policy\":{\"x509_props\":{\"subject\":\"CN=a\"},\"issuer\":{\"name\":"
                "\"Unknown\"}}}",
                kind == 2 ? 409 : 202);
            snprintf(target, sizeof(target), "/%s/restore" V, plural);
            json_decref(said(rig, HOST, "POST", target, body, 409));
            all_say(rig, kind, DELETED);
            if (!again) say(rig, HOST, "POST", "deleted", plural, "/recover", NULL, 200);
            if (!again) all_say(rig, kind, LIVE);
        }
        say(rig, HOST, "DELETE", "deleted", plural, "", NULL, 204);
        say(rig, HOST, "DELETE", "deleted", plural, "", NULL, 404);
        all_say(rig, kind, PURGED);
        rig_free(rig);
        set_up(state);
    }
}

/* Nothing of a purged key comes back with its name: no version, no policy, no material. */
static void a_name_used_again_is_a_new_thing(void **state) {
    struct rig *rig = *state;
    char target[256];
    json_t *old = call(rig, "POST", "/keys/n/create" V, "{\"kty\":\"EC\"}", 200);
    json_decref(call(rig, "PUT", "/keys/n/rotationpolicy" V,
                     "{\"lifetimeActions\":[],\"attributes\":{\"expiryTime\":\"P90D\"}}", 200));
    json_decref(call(rig, "POST", "/keys/n/sign" V, ECDSA, 200));
    json_decref(call(rig, "DELETE", "/keys/n" V, NULL, 200));
    json_decref(call(rig, "DELETE", "/deletedkeys/n" V, NULL, 204));
    json_t *new = call(rig, "POST", "/keys/n/create" V, "{\"kty\":\"EC\"}", 200);
    assert_string_not_equal(at(old, "key.x"), at(new, "key.x"));
    snprintf(target, sizeof(target), "%s" V, at(old, "key.kid") + strlen("https://" HOST));
    json_decref(call(rig, "GET", target, NULL, 404));
    snprintf(target, sizeof(target), "%s/sign" V, at(old, "key.kid") + strlen("https://" HOST));
    json_decref(call(rig, "POST", target, ECDSA, 404));
    json_t *policy = call(rig, "GET", "/keys/n/rotationpolicy" V, NULL, 200);
    assert_null(at(policy, "attributes.expiryTime"));
    json_decref(policy);
    json_decref(old);
    json_decref(new);
}

/* A protected vault purges when the time has come, and not before, whoever asks and whatever the
 * clock did in between. */
static void purge_protection(void **state) {
    struct rig *rig = *state;
    static const long clocks[] = {0, 3600, -400L * DAY_S, 6L * DAY_S, 0, -1};
    for (size_t kind = 0; kind < KINDS; kind++)
        say(rig, PROTECTED, kinds[kind].method, "", kinds[kind].plural, kinds[kind].make,
            kinds[kind].body, kind == 2 ? 400 : kinds[kind].made); /* its key has the name */
    json_t *gone = said(rig, PROTECTED, "DELETE", "/keys/n" V, NULL, 200);
    json_int_t due = json_integer_value(json_object_get(gone, "scheduledPurgeDate"));
    assert_int_equal(due - json_integer_value(json_object_get(gone, "deletedDate")), DAYS * DAY_S);
    assert_string_equal(at(gone, "attributes.recoveryLevel"), "CustomizedRecoverable");
    json_decref(gone);
    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        clock_ahead = clocks[i];
        login_token(rig, "owner", rig->token, sizeof(rig->token));
        GOOD(cella_vaults_tend(rig->vaults, (uint64_t)time(NULL)));
        say(rig, PROTECTED, "DELETE", "deleted", "keys", "", NULL, 403);
        gone = said(rig, PROTECTED, "GET", "/deletedkeys/n" V, NULL, 200);
        assert_int_equal(json_integer_value(json_object_get(gone, "scheduledPurgeDate")), due);
        json_decref(gone);
    }
    GOOD(cella_vaults_tend(rig->vaults, (uint64_t)due - 1));
    say(rig, PROTECTED, "GET", "deleted", "keys", "", NULL, 200);
    say(rig, PROTECTED, "POST", "deleted", "keys", "/recover", NULL, 200);
    GOOD(cella_vaults_tend(rig->vaults, (uint64_t)due + 1)); /* what lives again is not due */
    say(rig, PROTECTED, "GET", "", "keys", "", NULL, 200);
    say(rig, PROTECTED, "DELETE", "", "keys", "", NULL, 200);
    GOOD(cella_vaults_tend(rig->vaults, (uint64_t)due + 3600));
    say(rig, PROTECTED, "GET", "deleted", "keys", "", NULL, 404);
    say(rig, PROTECTED, "GET", "", "secrets", "", NULL, 200); /* nothing else went */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(life_of_each_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_used_again_is_a_new_thing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(purge_protection, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
