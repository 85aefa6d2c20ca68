/* K26: one less, exactly, and one more of every limit. */
#include "fixture.h"

#define V "?api-version=7.4"
enum { BODY = 1 << 19 };

static char body[BODY], filler[BODY];

static int set_up(void **state) {
    *state = rig_new(false);
    memset(filler, 'a', sizeof(filler));
    return 0;
}
static int set_up_hsm(void **state) {
    *state = rig_new(true);
    memset(filler, 'A', sizeof(filler));
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

static void sent(struct rig *rig, const char *method, const char *path, int status) {
    json_decref(call(rig, method, path, body, status));
}

static void secrets(void **state) {
    struct rig *rig = *state;
    static const struct {
        int size, status;
    } values[] = {{0, 200}, {1, 200}, {25599, 200}, {25600, 200}, {25601, 400}, {400000, 400}};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        snprintf(body, BODY, "{\"value\":\"%.*s\"}", values[i].size, filler);
        sent(rig, "PUT", "/secrets/s" V, values[i].status);
        if (values[i].status != 200) continue;
        json_t *got = call(rig, "GET", "/secrets/s" V, NULL, 200);
        assert_int_equal(strlen(at(got, "value")), values[i].size);
        json_decref(got);
    }
    /* bytes, not letters */
    snprintf(body, BODY, "{\"value\":\"%.*s\xc3\xa9\"}", 25598, filler);
    sent(rig, "PUT", "/secrets/s" V, 200);
    snprintf(body, BODY, "{\"value\":\"%.*s\xc3\xa9\"}", 25599, filler);
    sent(rig, "PUT", "/secrets/s" V, 400);
    for (int size = 254; size <= 256; size++) {
        snprintf(body, BODY, "{\"value\":\"x\",\"contentType\":\"%.*s\"}", size, filler);
        sent(rig, "PUT", "/secrets/s" V, size <= 255 ? 200 : 400);
    }
}

static void tags(void **state) {
    struct rig *rig = *state;
    for (int count = 14; count <= 16; count++) {
        CELLA_JSON object = json_pack("{s:s, s:{}}", "value", "x", "tags");
        for (int i = 0; i < count; i++) {
            char name[16];
            snprintf(name, sizeof(name), "t%d", i);
            json_object_set_new(json_object_get(object, "tags"), name, json_string(""));
        }
        char *text = json_dumps(object, 0);
        json_decref(call(rig, "PUT", "/secrets/t" V, text, count <= 15 ? 200 : 400));
        free(text);
    }
    for (int size = 255; size <= 257; size++)
        for (int value = 0; value < 2; value++) {
            snprintf(body, BODY, "{\"value\":\"x\",\"tags\":{\"%.*s\":\"%.*s\"}}", value ? 1 : size,
                     filler, value ? size : 0, filler);
            sent(rig, "PUT", "/secrets/t" V, size <= 256 ? 200 : 400);
        }
    static const char *const bad[] = {"[]", "{\"a\":1}", "{\"a\":null}", "\"x\"", "{\"a\":{}}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(body, BODY, "{\"value\":\"x\",\"tags\":%s}", bad[i]);
        sent(rig, "PUT", "/secrets/t" V, 400);
    }
}

static void attributes(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *value;
        int status;
    } rows[] = {{"0", 200},
                {"1", 200},
                {"-1", 400},
                {"4102444800", 200},
                {"68719476720", 200},
                {"68719476721", 400},
                {"9223372036854775807", 400},
                {"9223372036854775808", 400},
                {"1.5", 400},
                {"1e3", 400},
                {"\"1\"", 400},
                {"true", 400}};
    static const char *const names[] = {"nbf", "exp"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t j = 0; j < 2; j++) {
            snprintf(body, BODY, "{\"value\":\"x\",\"attributes\":{\"%s\":%s}}", names[j],
                     rows[i].value);
            sent(rig, "PUT", "/secrets/a" V, rows[i].status);
        }
    static const char *const bad[] = {"1", "\"true\"", "[]", "0"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(body, BODY, "{\"value\":\"x\",\"attributes\":{\"enabled\":%s}}", bad[i]);
        sent(rig, "PUT", "/secrets/a" V, 400);
    }
}

static void pages(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *count;
        int status;
    } rows[] = {
        {"0", 400},  {"1", 200},   {"25", 200}, {"26", 400},         {"-1", 400},
        {"", 400},   {"1.0", 400}, {"+1", 400}, {"4294967297", 400}, {"18446744073709551617", 400},
        {"01", 200}, {"%201", 400}};
    char path[128];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(path, sizeof(path), "/secrets" V "&maxresults=%s", rows[i].count);
        json_decref(call(rig, "GET", path, NULL, rows[i].status));
    }
}

static void keys(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *body;
        int status;
    } rows[] = {
        {"{\"kty\":\"RSA\",\"key_size\":2047}", 400},
        {"{\"kty\":\"RSA\",\"key_size\":2048}", 200},
        {"{\"kty\":\"RSA\",\"key_size\":2049}", 400},
        {"{\"kty\":\"RSA\",\"key_size\":1024}", 400},
        {"{\"kty\":\"RSA\",\"key_size\":4097}", 400},
        {"{\"kty\":\"RSA\",\"key_size\":8192}", 400},
        {"{\"kty\":\"RSA\",\"key_size\":0}", 400},
        {"{\"kty\":\"RSA\",\"key_size\":-2048}", 400},
        {"{\"kty\":\"RSA\",\"key_size\":4294969344}", 400},
        {"{\"kty\":\"RSA\",\"key_size\":\"2048\"}", 400},
        {"{\"kty\":\"RSA\",\"public_exponent\":1}", 400},
        {"{\"kty\":\"RSA\",\"public_exponent\":2}", 400},
        {"{\"kty\":\"RSA\",\"public_exponent\":3}", 200},
        {"{\"kty\":\"RSA\",\"public_exponent\":65536}", 400},
        {"{\"kty\":\"RSA\",\"public_exponent\":4294967296}", 400},
        {"{\"kty\":\"RSA\",\"public_exponent\":4294967297}", 400},
        {"{\"kty\":\"EC\",\"crv\":\"P-224\"}", 400},
        {"{\"kty\":\"EC\",\"crv\":\"p-256\"}", 400},
        {"{\"kty\":\"EC\",\"key_ops\":[\"encrypt\",\"decrypt\",\"sign\",\"verify\",\"wrapKey\","
         "\"unwrapKey\",\"import\",\"export\"]}",
         200},
        {"{\"kty\":\"EC\",\"key_ops\":[\"encrypt\",\"decrypt\",\"sign\",\"verify\",\"wrapKey\","
         "\"unwrapKey\",\"import\",\"export\",\"sign\"]}",
         400},
        {"{\"kty\":\"EC\",\"key_ops\":[]}", 200},
        {"{\"kty\":\"EC\",\"key_ops\":[1]}", 400},
        {"{\"kty\":\"oct\",\"key_size\":256}", 400}, /* of a Managed HSM alone */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        json_decref(call(rig, "POST", "/keys/k/create" V, rows[i].body, rows[i].status));
}

static void durations(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *trigger, *expiry;
        int status;
    } rows[] = {{"P7D", "P28D", 200},
                {"P6D", "P28D", 400},
                {"P7D", "P27D", 400},
                {"P0D", "P28D", 400},
                {"P-7D", "P28D", 400},
                {"P7D", "P4W", 200},
                {"PT168H", "P28D", 400},
                {"P1M", "P2Y", 200},
                {"", "P28D", 400},
                {"P99999999999999999999D", "P28D", 400},
                {"P7D", "P99999999999D", 400}};
    json_decref(call(rig, "POST", "/keys/d/create" V, "{\"kty\":\"EC\"}", 200));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(body, BODY,
                 "{\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"%s\"},\"action\":{"
                 "\"type\":\"Rotate\"}}],\"attributes\":{\"expiryTime\":\"%s\"}}",
                 rows[i].trigger, rows[i].expiry);
        int status = 0;
        json_decref(call_as(rig, rig->token, "PUT", "/keys/d/rotationpolicy" V, body, &status));
        if (status != rows[i].status)
            fail_msg("%s, %s: %d", rows[i].trigger, rows[i].expiry, status);
    }
}

/* Plain and wrapped values; sizes in letters of base64url: 4 for 3 bytes. */
static void operands(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *key, *operation, *algorithm;
        int size, status; /* bytes */
    } rows[] = {
        {"o", "wrapkey", "A256KW", 8, 400},
        {"o", "wrapkey", "A256KW", 16, 200},
        {"o", "wrapkey", "A256KW", 17, 400},
        {"o", "wrapkey", "A256KW", 23, 400},
        {"o", "wrapkey", "A256KW", 24, 200},
        {"o", "unwrapkey", "A256KW", 16, 400},
        {"o", "unwrapkey", "A256KW", 23, 400},
        {"o", "wrapkey", "CKM_AES_KEY_WRAP_PAD", 0, 400},
        {"o", "wrapkey", "CKM_AES_KEY_WRAP_PAD", 1, 200},
        {"r", "encrypt", "RSA-OAEP", 214, 200},
        {"r", "encrypt", "RSA-OAEP", 215, 400},
        {"r", "encrypt", "RSA-OAEP-256", 190, 200},
        {"r", "encrypt", "RSA-OAEP-256", 191, 400},
        {"r", "encrypt", "RSA1_5", 245, 200},
        {"r", "encrypt", "RSA1_5", 246, 400},
        {"r", "decrypt", "RSA-OAEP", 255, 400},
        {"r", "decrypt", "RSA-OAEP", 257, 400},
        {"r", "sign", "RS256", 31, 400},
        {"r", "sign", "RS256", 32, 200},
        {"r", "sign", "RS256", 33, 400},
        {"r", "sign", "PS512", 64, 200},
        {"r", "sign", "PS512", 63, 400},
        {"r", "sign", "RSNULL", 0, 400},
        {"r", "sign", "RSNULL", 245, 200},
        {"r", "sign", "RSNULL", 246, 400},
        {"o", "encrypt", "A256GCM", 0, 200},
        {"o", "encrypt", "A256GCM", 196608, 200},
        {"o", "encrypt", "A256GCM", 196611, 400},
    };
    char path[64];
    json_decref(
        call(rig, "POST", "/keys/o/create" V, "{\"kty\":\"oct-HSM\",\"key_size\":256}", 200));
    json_decref(call(rig, "POST", "/keys/r/create" V, "{\"kty\":\"RSA-HSM\"}", 200));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = 0;
        snprintf(path, sizeof(path), "/keys/%s/%s" V, rows[i].key, rows[i].operation);
        snprintf(body, BODY, "{\"alg\":\"%s\",\"value\":\"%.*s\"}", rows[i].algorithm,
                 (rows[i].size * 4 + 2) / 3, filler);
        json_decref(call_as(rig, rig->token, "POST", path, body, &status));
        if (status != rows[i].status)
            fail_msg("%s %d bytes: %d", rows[i].algorithm, rows[i].size, status);
    }
    static const struct {
        const char *count;
        int status;
    } random[] = {{"0", 400},  {"1", 200},   {"128", 200},        {"129", 400},
                  {"-1", 400}, {"1.0", 400}, {"4294967297", 400}, {"null", 400}};
    for (size_t i = 0; i < sizeof(random) / sizeof(random[0]); i++) {
        snprintf(body, BODY, "{\"count\":%s}", random[i].count);
        sent(rig, "POST", "/rng" V, random[i].status);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets), cmocka_unit_test(tags), cmocka_unit_test(attributes),
        cmocka_unit_test(pages),   cmocka_unit_test(keys), cmocka_unit_test(durations),
    };
    const struct CMUnitTest of_hsm[] = {cmocka_unit_test(operands)};
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    return failed + cmocka_run_group_tests(of_hsm, set_up_hsm, tear_down);
}
