/* K09: every operation with every kind of key in every state, whatever its key_ops and whether it
 * may be released: a table of what must be, against what the vault answers. */
#include "fixture.h"
#include "keys.h"

#define V "?api-version=7.4"
#define POLICY                                                                                     \
    "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" AUTHORITY                                \
    "\",\"allOf\":[{\"claim\":\"x-ms-attestation-type\",\"equals\":\"sgx\"}]}]}"

enum state_of_key { ENABLED, DISABLED, EXPIRED, NOT_YET, DELETED, STATES };
enum operation { ENCRYPT, DECRYPT, WRAP, UNWRAP, SIGN, VERIFY, RELEASE, OPERATIONS };

static const struct {
    const char *path, *op;
    bool always; /* outside the key's time too */
} operations[] = {
    {"encrypt", "encrypt", false},    {"decrypt", "decrypt", true}, {"wrapkey", "wrapKey", false},
    {"unwrapkey", "unwrapKey", true}, {"sign", "sign", false},      {"verify", "verify", true},
    {"release", NULL, false},
};

static const struct {
    const char *kty, *encryption, *wrap, *signature; /* NULL: the kind can't */
} kinds[] = {
    {"RSA-HSM", "RSA-OAEP-256", "RSA1_5", "PS256"},
    {"EC-HSM", NULL, NULL, "ES256"},
    {"oct-HSM", "A256GCM", "A256KW", "HS256"},
};
enum { KINDS = 3 };

static const char *algorithm_of(int kind, enum operation operation) {
    if (operation <= DECRYPT) return kinds[kind].encryption;
    return operation <= UNWRAP ? kinds[kind].wrap : kinds[kind].signature;
}

/* What must be answered: the status, and the inner code of a 403. */
static int expected(int kind, enum operation operation, enum state_of_key state, bool listed,
                    bool exportable, const char **inner) {
    bool in_time = operations[operation].always || (state != EXPIRED && state != NOT_YET);
    *inner = NULL;
    if (state == DELETED) return 404;
    if (state == DISABLED) *inner = "KeyDisabled";
    if (!in_time) *inner = state == EXPIRED ? "KeyExpired" : "KeyNotYetValid";
    if (!*inner && !(operation == RELEASE ? exportable : listed)) *inner = "KeyOperationForbidden";
    if (*inner) return 403;
    return operation == RELEASE || algorithm_of(kind, operation) ? 200 : 400;
}

/* --- What is asked --- */

static const char thing[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"; /* 32 bytes */

static void token(struct rig *rig, char *text, size_t size) {
    json_int_t now = (json_int_t)time(NULL);
    json_t *jwk = cella_jose_key_members(rig->login);
    json_object_update_new(jwk, json_pack("{s:s, s:[s]}", "kid", "mine", "key_ops", "encrypt"));
    sign_token(rig->attest, "attest",
               json_pack("{s:s, s:I, s:I, s:s, s:{s:[o]}}", "iss", AUTHORITY, "iat", now, "exp",
                         now + 600, "x-ms-attestation-type", "sgx", "x-ms-runtime", "keys", jwk),
               text, size);
}

/* The body of each operation with a key in good state, so that all that a refusal can be for is the
 * state. An operation that the kind can't has one of another kind. */
static void make_bodies(struct rig *rig, int kind, char body[OPERATIONS][8192]) {
    char path[128], text[8000];
    for (int i = ENCRYPT; i < RELEASE; i += 2) {
        const char *algorithm = algorithm_of(kind, (enum operation)i);
        const char *a = algorithm ? algorithm : "RSA-OAEP";
        snprintf(body[i], sizeof(body[i]), "{\"alg\":\"%s\",\"value\":\"%s\"}", a, thing);
        memcpy(body[i + 1], body[i], sizeof(body[i]));
        if (!algorithm) continue;
        snprintf(path, sizeof(path), "/keys/k/%s" V, operations[i].path);
        json_t *made = call(rig, "POST", path, body[i], 200);
        snprintf(body[i + 1], sizeof(body[i]), "{\"alg\":\"%s\",\"value\":\"%s\"%s%s%s%s%s%s%s}", a,
                 at(made, "value"), i == SIGN ? ",\"digest\":\"" : "", i == SIGN ? thing : "",
                 i == SIGN ? "\"" : "", at(made, "iv") ? ",\"iv\":\"" : "",
                 at(made, "iv") ? at(made, "iv") : "", at(made, "iv") ? "\",\"tag\":\"" : "",
                 at(made, "iv") ? at(made, "tag") : "");
        if (at(made, "iv")) strcpy(body[i + 1] + strlen(body[i + 1]) - 1, "\"}");
        json_decref(made);
    }
    token(rig, text, sizeof(text));
    snprintf(body[RELEASE], sizeof(body[RELEASE]), "{\"target\":\"%s\"}", text);
}

static void create(struct rig *rig, int kind, bool exportable) {
    char policy[512], body[1024];
    base64url(cella_bytes_text(POLICY), policy, sizeof(policy));
    snprintf(body, sizeof(body),
             "{\"kty\":\"%s\",\"key_ops\":[\"encrypt\",\"decrypt\",\"wrapKey\",\"unwrapKey\","
             "\"sign\",\"verify\"]%s%s%s}",
             kinds[kind].kty,
             exportable ? ",\"attributes\":{\"exportable\":true},\"release_policy\":{\"data\":\""
                        : "",
             exportable ? policy : "", exportable ? "\"}" : "");
    json_decref(call(rig, "POST", "/keys/k/create" V, body, 200));
}

/* Into a state, with key_ops of one operation alone, or of all but that one. */
static void enter(struct rig *rig, enum state_of_key state, enum operation operation, bool listed) {
    json_int_t now = (json_int_t)time(NULL);
    json_t *ops = json_array();
    for (int i = 0; i < RELEASE; i++)
        if ((i == (int)operation) == listed)
            json_array_append_new(ops, json_string(operations[i].op));
    CELLA_JSON body =
        json_pack("{s:o, s:{s:b, s:I, s:I}}", "key_ops", ops, "attributes", "enabled",
                  state != DISABLED, "nbf", state == NOT_YET ? now + 1000 : now - 1000, "exp",
                  state == EXPIRED ? now - 10 : now + 2000);
    char *text = json_dumps(body, 0);
    json_decref(call(rig, "PATCH", "/keys/k" V, text, 200));
    free(text);
    if (state == DELETED) json_decref(call(rig, "DELETE", "/keys/k" V, NULL, 200));
}

static void check(struct rig *rig, int kind, enum operation operation, enum state_of_key state,
                  bool listed, bool exportable, const char *body) {
    char path[128];
    const char *inner = NULL;
    int status = 0, wanted = expected(kind, operation, state, listed, exportable, &inner);
    snprintf(path, sizeof(path), "/keys/k/%s" V, operations[operation].path);
    CELLA_JSON reply = call_as(rig, rig->token, "POST", path, body, &status);
    const char *found = at(reply, "error.innererror.code");
    if (status != wanted || (inner && (!found || strcmp(found, inner) != 0)))
        fail_msg("%s of %s, state %d, listed %d, exportable %d: expected %d %s, found %d %s",
                 operations[operation].path, kinds[kind].kty, state, listed, exportable, wanted,
                 inner ? inner : "", status, found ? found : "");
}

static void operations_kinds_states_lists(void **state) {
    struct rig *rig = *state;
    static char body[OPERATIONS][8192];
    for (int run = 0; run < 2 * KINDS; run++) {
        int kind = run / 2;
        bool exportable = run % 2;
        create(rig, kind, exportable);
        make_bodies(rig, kind, body);
        for (int s = ENABLED; s < STATES; s++)
            for (int o = ENCRYPT; o < 2 * OPERATIONS; o++) {
                enum operation operation = (enum operation)(o / 2);
                enter(rig, (enum state_of_key)s, operation, o % 2);
                check(rig, kind, operation, (enum state_of_key)s, o % 2, exportable,
                      body[operation]);
                if (s == DELETED)
                    json_decref(call(rig, "POST", "/deletedkeys/k/recover" V, NULL, 200));
            }
        /* the flag is for ever */
        json_decref(call(rig, "PATCH", "/keys/k" V,
                         exportable ? "{\"attributes\":{\"exportable\":false}}"
                                    : "{\"attributes\":{\"exportable\":true}}",
                         400));
        json_decref(call(rig, "DELETE", "/keys/k" V, NULL, 200));
        json_decref(call(rig, "DELETE", "/deletedkeys/k" V, NULL, 204));
    }
}

/* A version keeps its own state: a disabled or expired one can't be used because a newer one can,
 * nor the reverse. */
static void versions_have_their_own_state(void **state) {
    struct rig *rig = *state;
    char path[256];
    const char body[] =
        "{\"alg\":\"ES256\",\"value\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}";
    json_t *first = call(rig, "POST", "/keys/v/create" V, "{\"kty\":\"EC-HSM\"}", 200);
    json_decref(call(rig, "PATCH", "/keys/v" V, "{\"attributes\":{\"enabled\":false}}", 200));
    json_decref(call(rig, "POST", "/keys/v/create" V, "{\"kty\":\"EC-HSM\"}", 200));
    json_decref(call(rig, "POST", "/keys/v/sign" V, body, 200));
    snprintf(path, sizeof(path), "%s/sign" V, at(first, "key.kid") + strlen("https://" HOST));
    json_decref(call(rig, "POST", path, body, 403));
    json_decref(call(rig, "PATCH", "/keys/v" V, "{\"attributes\":{\"enabled\":false}}", 200));
    snprintf(path, sizeof(path), "%s" V, at(first, "key.kid") + strlen("https://" HOST));
    json_decref(call(rig, "PATCH", path, "{\"attributes\":{\"enabled\":true}}", 200));
    json_decref(call(rig, "POST", "/keys/v/sign" V, body, 403));
    snprintf(path, sizeof(path), "%s/sign" V, at(first, "key.kid") + strlen("https://" HOST));
    json_decref(call(rig, "POST", path, body, 200));
    json_decref(first);
}

static int set_up(void **state) {
    struct rig *rig = rig_new(true);
    GOOD(cella_access_assign(rig->database, "owner", "Managed HSM Crypto Officer", "/vault/v1"));
    *state = rig;
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(operations_kinds_states_lists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(versions_have_their_own_state, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
