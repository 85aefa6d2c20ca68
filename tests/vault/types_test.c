/* Every member of every body, in turn, as each thing that JSON has: answered with a success or a
 * refusal, as JSON, and never by a failure inside. */
#include "fixture.h"
#include "keys.h"

#define V "?api-version=7.4"

static const char ecdsa[] =
    "{\"alg\":\"ES256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"digest\":"
    "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}";
static const char aes[] = "{\"alg\":\"A256GCM\",\"value\":\"AAAA\",\"iv\":\"AAAAAAAAAAAAAAAA\","
                          "\"aad\":\"AAAA\",\"tag\":\"AAAAAAAAAAAAAAAAAAAAAA\"}";
#define ATTRIBUTES                                                                                 \
    "\"attributes\":{\"enabled\":true,\"nbf\":1,\"exp\":4102444800,\"exportable\":false},"         \
    "\"tags\":{\"a\":\"b\"}"
#define POLICY                                                                                     \
    "{\"key_props\":{\"exportable\":true,\"kty\":\"EC\",\"key_size\":256,\"reuse_key\":false,"     \
    "\"crv\":\"P-256\"},\"secret_props\":{\"contentType\":\"application/x-pem-file\"},"            \
    "\"x509_props\":{\"subject\":\"CN=a\",\"sans\":{\"dns_names\":[\"a.example\"],\"emails\":["    \
    "\"a@b.example\"],\"upns\":[\"a@b\"],\"uris\":[\"https://"                                     \
    "a\"],\"ipAddresses\":[\"10.0.0.1\"]},"                                                        \
    "\"ekus\":[\"1.3.6.1.5.5.7.3.1\"],\"key_usage\":[\"digitalSignature\"],\"validity_months\":1}" \
    ","                                                                                            \
    "\"lifetime_actions\":[{\"trigger\":{\"lifetime_percentage\":80},\"action\":{\"action_type\":" \
    "\"AutoRenew\"}}],\"issuer\":{\"name\":\"Self\",\"cty\":\"x\",\"cert_transparency\":true},"    \
    "\"attributes\":{\"enabled\":true}}"

static const struct {
    const char *method, *target, *body; /* body NULL: made by make_body */
} calls[] = {
    {"POST", "/keys/k/create" V,
     "{\"kty\":\"EC\",\"crv\":\"P-256\",\"key_size\":256,\"public_exponent\":3,\"key_ops\":["
     "\"sign\",\"verify\"]," ATTRIBUTES ",\"release_policy\":null}"},
    {"PATCH", "/keys/k" V, "{\"key_ops\":[\"sign\",\"verify\"]," ATTRIBUTES "}"},
    {"PUT", "/keys/i" V, NULL},
    {"POST", "/keys/e/create" V, NULL},
    {"PATCH", "/keys/e" V, NULL},
    {"PUT", "/keys/k/rotationpolicy" V,
     "{\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"P90D\"},\"action\":{\"type\":"
     "\"Rotate\"}}],\"attributes\":{\"expiryTime\":\"P2Y\"}}"},
    {"POST", "/keys/k/rotate" V, "{}"},
    {"POST", "/keys/k/sign" V, ecdsa},
    {"POST", "/keys/k/verify" V, ecdsa},
    {"POST", "/keys/o/encrypt" V, aes},
    {"POST", "/keys/o/decrypt" V, aes},
    {"POST", "/keys/o/wrapkey" V, "{\"alg\":\"A256KW\",\"value\":\"AAECAwQFBgcICQoLDA0ODw\"}"},
    {"POST", "/keys/e/release" V,
     "{\"target\":\"a.b.c\",\"nonce\":\"n\",\"enc\":\"CKM_RSA_AES_KEY_WRAP\"}"},
    {"POST", "/keys/restore" V, "{\"value\":\"AAAA\"}"},
    {"PUT", "/secrets/s" V, "{\"value\":\"x\",\"contentType\":\"text/plain\"," ATTRIBUTES "}"},
    {"PATCH", "/secrets/s" V, "{\"contentType\":\"text/plain\"," ATTRIBUTES "}"},
    {"POST", "/secrets/restore" V, "{\"value\":\"AAAA\"}"},
    {"POST", "/certificates/c/create" V, "{\"policy\":" POLICY "," ATTRIBUTES "}"},
    {"POST", "/certificates/u/create" V,
     "{\"policy\":{\"issuer\":{\"name\":\"Unknown\"},\"key_props\":{\"kty\":\"EC\",\"crv\":"
     "\"P-256\"},\"x509_props\":{\"subject\":\"CN=a\"}}}"},
    {"POST", "/certificates/u/pending/merge" V, "{\"x5c\":[\"AAAA\"]," ATTRIBUTES "}"},
    {"PATCH", "/certificates/u/pending" V, "{\"cancellation_requested\":true}"},
    {"PATCH", "/certificates/c" V, "{\"policy\":" POLICY "," ATTRIBUTES "}"},
    {"PATCH", "/certificates/c/policy" V, POLICY},
    {"POST", "/certificates/m/import" V,
     "{\"value\":\"AAAA\",\"pwd\":\"x\",\"policy\":" POLICY "," ATTRIBUTES "}"},
    {"POST", "/certificates/restore" V, "{\"value\":\"AAAA\"}"},
    {"PUT", "/certificates/contacts" V,
     "{\"contacts\":[{\"email\":\"a@b.example\",\"name\":\"A\",\"phone\":\"1\"}]}"},
    {"POST", "/rng" V, "{\"count\":8}"},
};

/* An import of a real key; a key with a policy, and an update of it. */
static json_t *make_body(const char *target) {
    static const char policy[] = "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" AUTHORITY
                                 "\",\"allOf\":[{\"claim\":\"a\",\"equals\":1}]}]}";
    char data[512];
    base64url(cella_bytes_text(policy), data, sizeof(data));
    if (strncmp(target, "/keys/e", 7) == 0)
        return json_pack("{s:s, s:{s:b}, s:{s:s, s:s, s:b}}", "kty", "EC-HSM", "attributes",
                         "exportable", 1, "release_policy", "contentType",
                         "application/json; charset=utf-8", "data", data, "immutable", 0);
    CELLA_MATERIAL key = NULL;
    GOOD(cella_material_new(CELLA_MATERIAL_EC, CELLA_CURVE_P256, 0, 0, &key));
    json_t *jwk = jwk_of(key);
    json_object_set_new(jwk, "key_ops", json_pack("[s]", "sign"));
    return json_pack("{s:o, s:b, s:{s:b}, s:{s:s}}", "key", jwk, "hsm", 0, "attributes", "enabled",
                     1, "tags", "a", "b");
}

static const char *const things[] = {
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "1e300",
    "\"\"",
    "\"x\"",
    "\"0\"",
    "\"AAAA\"",
    "\"\\u00e9\\ud83d\\ude00\"",
    "\"P1D\"",
    "[]",
    "{}",
    "[null]",
    "[[[[]]]]",
    "[\"x\",1]",
    "{\"a\":{\"a\":{}}}",
    "{\"\":\"\"}",
    "[{}]",
};

/* Letters of two bytes, so that wherever a text is cut for a message, one of these is cut within a
 * letter. */
static const char *long_text(bool odd) {
    static char text[2][604];
    char *at = text[odd];
    if (*at) return at;
    strcpy(at, odd ? "\"a" : "\"");
    for (int i = 0; i < 290; i++) strcat(at, "\xc3\xa9");
    strcat(at, "\"");
    return at;
}
static const char *thing_at(size_t i) {
    enum { THINGS = sizeof(things) / sizeof(things[0]) };
    return i < THINGS ? things[i] : i < THINGS + 2 ? long_text(i == THINGS) : NULL;
}

static unsigned tried, taken;

static void try(struct rig *rig, size_t at_call, const json_t *body) {
    struct cella_http_response answer;
    char *text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
    ask(rig, HOST, rig->token, calls[at_call].method, calls[at_call].target, text, &answer);
    bool good = answer.status / 100 == 2 || answer.status / 100 == 4;
    CELLA_JSON reply = json_loadb((const char *)answer.body.data, answer.body.size, 0, NULL);
    if (!good || (answer.body.size && !reply) ||
        (answer.status / 100 == 4 && !at(reply, "error.code")))
        fail_msg("%s %s %s: %d %.*s", calls[at_call].method, calls[at_call].target, text,
                 answer.status, (int)answer.body.size, (const char *)answer.body.data);
    tried++;
    taken += answer.status / 100 == 2;
    answer_free(&answer);
    free(text);
}

/* Each thing in the place of a member, or the member left out; then within it. */
static void members(struct rig *rig, size_t at_call, json_t *whole, json_t *within) {
    bool list = json_is_array(within);
    size_t count = list ? json_array_size(within) : json_object_size(within);
    void *iterator = json_object_iter(within);
    for (size_t i = 0; i < count; i++) {
        const char *name = list ? NULL : json_object_iter_key(iterator);
        json_t *old =
            json_incref(list ? json_array_get(within, i) : json_object_iter_value(iterator));
        for (size_t t = 0; thing_at(t); t++) {
            json_t *thing = json_loads(thing_at(t), JSON_DECODE_ANY, NULL);
            assert_non_null(thing);
            if (list)
                json_array_set_new(within, i, thing);
            else
                json_object_set_new(within, name, thing);
            try(rig, at_call, whole);
        }
        if (list)
            json_array_set(within, i, old);
        else
            json_object_set(within, name, old);
        members(rig, at_call, whole, old);
        json_decref(old);
        if (!list) iterator = json_object_iter_next(within, json_object_iter_at(within, name));
    }
}

/* Of a Managed HSM what it has alone: symmetric keys and random bytes. */
static void each_member_as_each_thing(void **state) {
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        bool symmetric = strncmp(calls[i].target, "/keys/o", 7) == 0;
        bool of_hsm = symmetric || strncmp(calls[i].target, "/rng", 4) == 0 || i == 0;
        if (rig->settings.hsm ? !of_hsm : symmetric) continue;
        CELLA_JSON body =
            calls[i].body ? json_loads(calls[i].body, 0, NULL) : make_body(calls[i].target);
        assert_non_null(body);
        try(rig, i, body);
        for (size_t t = 0; thing_at(t); t++) {
            CELLA_JSON thing = json_loads(thing_at(t), JSON_DECODE_ANY, NULL);
            try(rig, i, thing);
        }
        members(rig, i, body, body);
    }
    print_message("%u bodies, %u taken\n", tried, taken);
    assert_true(tried > 5000 && taken > 500); /* of both, with the first one's */
}

/* Bytes that are no text, where a message repeats what was asked. */
static void queries(void **state) {
    struct rig *rig = *state;
    static const char *const targets[] = {
        "/keys?api-version=%ff",
        "/keys?api-version=%c3",
        "/keys?api-version=7.4%00",
        "/keys" V "&maxresults=%ff",
        "/keys" V "&$skiptoken=%ff%fe",
        "/keys" V "&%ff=%ff",
        "/keys?api-version=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%c3%a9",
        "/keys/k/\xff" V,
        "/\xc3" V,
        "/keys/k/%c3%a9" V,
    };
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct cella_http_response answer;
        ask(rig, HOST, rig->token, "GET", targets[i], NULL, &answer);
        CELLA_JSON reply = json_loadb((const char *)answer.body.data, answer.body.size, 0, NULL);
        if ((answer.status != 200 && answer.status / 100 != 4) || !reply)
            fail_msg("%s: %d", targets[i], answer.status);
        answer_free(&answer);
    }
}

static int set_up(void **state) {
    struct rig *rig = rig_new(false);
    json_decref(call(rig, "POST", "/keys/k/create" V, "{\"kty\":\"EC\"}", 200));
    json_decref(call(rig, "PUT", "/secrets/s" V, "{\"value\":\"x\"}", 200));
    *state = rig;
    return 0;
}
static int set_up_hsm(void **state) {
    struct rig *rig = rig_new(true);
    json_decref(call(rig, "POST", "/keys/k/create" V, "{\"kty\":\"EC-HSM\"}", 200));
    json_decref(call(rig, "POST", "/keys/o/create" V, "{\"kty\":\"oct-HSM\"}", 200));
    *state = rig;
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_member_as_each_thing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_member_as_each_thing, set_up_hsm, tear_down),
        cmocka_unit_test_setup_teardown(queries, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
