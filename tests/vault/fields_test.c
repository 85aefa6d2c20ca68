/* K14: whatever the service's own a client sends with a write, alone or within what is the client's
 * to say, it is not taken, not shown and not kept. */
#include "base/file.h"
#include "fixture.h"
#include "keys.h"

#define V "?api-version=7.4"
/* What is the service's, and what is nobody's. */
#define ATTRIBUTES                                                                                 \
    "\"created\":1,\"updated\":1,\"recoveryLevel\":\"Purgeable\",\"recoverableDays\":7,"           \
    "\"hsmPlatform\":\"2\",\"managed\":true,\"attestation\":{\"x\":\"canary-field\"},"             \
    "\"owner\":\"canary-field\""
#define MEMBERS                                                                                    \
    "\"id\":\"https://canary-field/\",\"kid\":\"https://canary-field/\",\"sid\":\"canary-field\"," \
    "\"name\":\"canary-field\",\"version\":\"00000000000000000000000000000000\",\"managed\":true," \
    "\"recoveryId\":\"https://canary-field/\",\"deletedDate\":1,\"scheduledPurgeDate\":1,"         \
    "\"vault\":\"canary-field\",\"owner\":\"canary-field\",\"sealed\":\"canary-field\","           \
    "\"x5t\":\"canary-field\",\"cer\":\"canary-field\",\"csr\":\"canary-field\",\"bits\":512,"     \
    "\"deleted\":1,\"purge_at\":1,\"latest\":\"canary-field\",\"attributes\":{" ATTRIBUTES "}"
#define JUNK "\"canary-field\":{\"canary-field\":\"canary-field\"}"

static int set_up(void **state) {
    *state = rig_new(false);
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

static void times_are_the_services(const json_t *attributes, const char *target) {
    static const char *const names[] = {"created", "updated"};
    json_int_t now = (json_int_t)time(NULL);
    for (size_t i = 0; i < 2; i++) {
        const json_t *value = json_object_get(attributes, names[i]);
        if (value && (json_integer_value(value) > now || json_integer_value(value) < now - 60))
            fail_msg("%s: %s is the client's", target, names[i]);
    }
    const char *level = at(attributes, "recoveryLevel");
    if (level && strcmp(level, "Recoverable+Purgeable") != 0)
        fail_msg("%s: recoveryLevel is the client's", target);
}

static void clean(const json_t *reply, const char *target) {
    static const char *const never[] = {
        "managed", "recoveryId", "deletedDate", "scheduledPurgeDate", "owner", "vault",
        "sealed",  "bits",       "version"};
    char *text = json_dumps(reply, 0);
    if (strstr(text, "canary-field") || strstr(text, "\"hsmPlatform\": \"2\""))
        fail_msg("%s: %s", target, text);
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (json_object_get(reply, never[i])) fail_msg("%s: %s in %s", target, never[i], text);
    times_are_the_services(json_object_get(reply, "attributes"), target);
    times_are_the_services(json_object_get(json_object_get(reply, "policy"), "attributes"), target);
    free(text);
}

static void import_body(char *body, size_t size) {
    CELLA_MATERIAL key = NULL;
    GOOD(cella_material_new(CELLA_MATERIAL_EC, CELLA_CURVE_P256, 0, 0, &key));
    CELLA_JSON jwk = jwk_of(key);
    json_object_set_new(jwk, "kid", json_string("https://canary-field/"));
    json_object_set_new(jwk, "canary-field", json_string("canary-field"));
    char *text = json_dumps(jwk, 0);
    snprintf(body, size, "{" MEMBERS "," JUNK ",\"key\":%s}", text);
    free(text);
}

static const struct {
    const char *method, *target, *body;
    int status;
} writes[] = {
    {"POST", "/keys/k/create" V,
     "{\"kty\":\"EC\",\"key\":{\"kid\":\"canary-field\"}," MEMBERS "," JUNK "}", 200},
    {"PATCH", "/keys/k" V, "{" MEMBERS "," JUNK "}", 200},
    {"PUT", "/keys/i" V, NULL, 200}, /* import_body */
    {"PUT", "/keys/k/rotationpolicy" V,
     "{\"id\":\"https://canary-field/\"," JUNK
     ",\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"P90D\"," JUNK
     "},\"action\":{\"type\":\"rotate\"," JUNK "}," JUNK
     "}],\"attributes\":{\"expiryTime\":\"P2Y\"," ATTRIBUTES "}}",
     200},
    {"POST", "/keys/k/rotate" V, "{" MEMBERS "," JUNK "}", 200},
    {"PUT", "/secrets/s" V, "{\"value\":\"x\"," MEMBERS "," JUNK "}", 200},
    {"PATCH", "/secrets/s" V, "{" MEMBERS "," JUNK "}", 200},
    {"POST", "/certificates/c/create" V,
     "{" MEMBERS "," JUNK ",\"policy\":{\"id\":\"https://canary-field/\"," JUNK
     ",\"key_props\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"canary-field\"," JUNK
     "},\"secret_props\":{\"contentType\":\"application/x-pkcs12\"," JUNK
     "},\"x509_props\":{\"subject\":\"CN=a\"," JUNK
     "},\"issuer\":{\"name\":\"Self\",\"provider\":\"canary-field\"," JUNK
     "},\"lifetime_actions\":[{\"trigger\":{\"lifetime_percentage\":80," JUNK
     "},\"action\":{\"action_type\":\"AutoRenew\"," JUNK "}," JUNK "}],\"attributes\":{" ATTRIBUTES
     "}}}",
     202},
    {"PATCH", "/certificates/c" V, "{" MEMBERS "," JUNK "}", 200},
    {"PATCH", "/certificates/c/policy" V,
     "{\"id\":\"https://canary-field/\"," JUNK ",\"attributes\":{" ATTRIBUTES
     "},\"key_props\":{" JUNK "}}",
     200},
    {"POST", "/certificates/u/create" V,
     "{" MEMBERS "," JUNK
     ",\"tags\":{\"a\":\"b\"},\"policy\":{\"x509_props\":{\"subject\":\"CN=a\"},"
     "\"issuer\":{\"name\":\"Unknown\"}}}",
     202},
    {"PUT", "/certificates/contacts" V,
     "{\"id\":\"https://canary-field/\"," JUNK
     ",\"contacts\":[{\"email\":\"a@b.example\",\"name\":\"A\"," JUNK ",\"id\":\"canary-field\"}]}",
     200},
};

static void not_in_file(const struct rig *rig, const char *name) {
    char path[128];
    CELLA_BUFFER file = {0};
    snprintf(path, sizeof(path), "%s/%s", rig->folder, name);
    if (access(path, F_OK) != 0) return;
    GOOD(cella_file_read(path, 1 << 26, &file));
    if (file.size && memmem(file.data, file.size, "canary-field", 12)) fail_msg("in %s", name);
}

static void fields_of_the_service(void **state) {
    struct rig *rig = *state;
    static const char *const reads[] = {"/keys/k" V,
                                        "/keys/i" V,
                                        "/keys/k/rotationpolicy" V,
                                        "/keys" V,
                                        "/secrets/s" V,
                                        "/secrets" V,
                                        "/certificates/c" V,
                                        "/certificates" V,
                                        "/keys/k/versions" V,
                                        "/secrets/s/versions" V,
                                        "/certificates/c/policy" V,
                                        "/certificates/contacts" V,
                                        "/certificates/c/versions" V};
    char body[4096];
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        import_body(body, sizeof(body));
        json_t *reply = call(rig, writes[i].method, writes[i].target,
                             writes[i].body ? writes[i].body : body, writes[i].status);
        clean(reply, writes[i].target);
        json_decref(reply);
    }
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        json_t *reply = call(rig, "GET", reads[i], NULL, 200), *item;
        size_t at_item;
        clean(reply, reads[i]);
        json_array_foreach(json_object_get(reply, "value"), at_item, item) {
            if (!strstr(at(item, "id") ? at(item, "id") : at(item, "kid"), "/c"))
                clean(item, reads[i]); /* what belongs to the certificate is managed */
        }
        json_decref(reply);
    }
    not_in_file(rig, "cella.db");
    not_in_file(rig, "cella.db-wal");
    not_in_file(rig, "audit.log");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_of_the_service, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
