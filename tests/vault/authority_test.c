/* Whose tokens release a key: of the authority that the policy names, by its exact URL, under its
 * own keys (K01); and nothing that a policy, a token or its header names is ever connected to
 * (K20). */
#include "base/file.h"
#include "fixture.h"
#include "keys.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define V      "?api-version=7.4"
#define SECOND "https://second.test"

static int set_up(void **state) {
    struct rig *rig = rig_new(false);
    json_t *set = key_set(rig->login, "login"); /* the second authority's key is another */
    char *text = json_dumps(set, 0);
    GOOD(cella_authorities_set(rig->authorities, SECOND, cella_bytes_text(text)));
    free(text);
    json_decref(set);
    *state = rig;
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

static char said[4096]; /* the last answer */

/* A key that may be released to tokens of an authority. */
static int key_that(struct rig *rig, const char *authority, const char *condition) {
    char policy[1024], data[1500], body[2048];
    int status = 0;
    snprintf(policy, sizeof(policy),
             "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"%s\",\"allOf\":[%s]}]}", authority,
             condition);
    base64url(cella_bytes_text(policy), data, sizeof(data));
    snprintf(
        body, sizeof(body),
        "{\"kty\":\"EC-HSM\",\"attributes\":{\"exportable\":true},\"release_policy\":{\"data\":"
        "\"%s\"}}",
        data);
    json_decref(call_as(rig, rig->token, "POST", "/keys/k/create" V, body, &status));
    return status;
}

static int key_for(struct rig *rig, const char *authority) {
    return key_that(rig, authority, "{\"claim\":\"svn\",\"greaterOrEquals\":1}");
}

/* A release with a token of an issuer, signed by that key, with a header that names the places
 * where one is; the status. */
static int released(struct rig *rig, const struct cella_jose_key *signer, const char *kid,
                    const char *issuer, const char *place) {
    static char body[16384];
    struct cella_http_response answer;
    json_int_t now = (json_int_t)time(NULL);
    json_t *jwk = cella_jose_key_members(rig->login);
    CELLA_BUFFER token = {0};
    int status = 0;
    json_object_update_new(jwk, json_pack("{s:s, s:[s]}", "kid", "mine", "key_ops", "encrypt"));
    CELLA_JSON claims = json_pack("{s:s, s:I, s:I, s:i, s:{s:[o]}}", "iss", issuer, "iat", now,
                                  "exp", now + 600, "svn", 1, "x-ms-runtime", "keys", jwk);
    CELLA_JSON header = json_pack("{s:s, s:s, s:s*, s:s*, s:s*}", "kid", kid, "typ", "JWT", "jku",
                                  place, "x5u", place, "jwks_uri", place);
    char *text = json_dumps(claims, JSON_COMPACT);
    GOOD(cella_jws_sign(signer, CELLA_JOSE_RS256, header, cella_bytes_text(text), &token));
    free(text);
    snprintf(body, sizeof(body), "{\"target\":\"%.*s\"}", (int)token.size,
             (const char *)token.data);
    ask(rig, HOST, rig->token, "POST", "/keys/k/release" V, body, &answer);
    status = answer.status;
    snprintf(said, sizeof(said), "%.*s", (int)answer.body.size, (const char *)answer.body.data);
    answer_free(&answer);
    return status;
}

/* The owner is told which condition failed, in the log; the caller the same whichever it was. */
static void denials(void **state) {
    struct rig *rig = *state;
    static const char *const conditions[] = {
        "{\"claim\":\"svn\",\"greaterOrEquals\":3}", "{\"claim\":\"svn\",\"equals\":\"one\"}",
        "{\"claim\":\"nowhere\",\"equals\":\"secret-of-the-owner\"}",
        "{\"claim\":\"x-ms-runtime\",\"notEquals\":1}", "{\"claim\":\"iss\",\"exists\":false}"};
    char first[4096] = "", path[128];
    CELLA_BUFFER log = {0};
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        assert_int_equal(key_that(rig, AUTHORITY, conditions[i]), 200);
        assert_int_equal(released(rig, rig->attest, "attest", AUTHORITY, NULL), 403);
        if (!*first) memcpy(first, said, sizeof(first));
        assert_string_equal(first, said);
    }
    assert_null(strstr(first, "svn"));
    snprintf(path, sizeof(path), "%s/audit.log", rig->folder);
    GOOD(cella_file_read(path, 1 << 20, &log));
    static const char *const told[] = {"greaterOrEquals\\\":3", "secret-of-the-owner",
                                       "exists\\\":false"};
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        if (!memmem(log.data, log.size, told[i], strlen(told[i]))) fail_msg("%s", told[i]);
}

/* However long and strange an issuer is: refused as any other, and written down. */
static void strange_issuers(void **state) {
    struct rig *rig = *state;
    char issuer[700], path[128];
    CELLA_BUFFER before = {0}, after = {0};
    snprintf(path, sizeof(path), "%s/audit.log", rig->folder);
    assert_int_equal(key_for(rig, AUTHORITY), 200);
    GOOD(cella_file_read(path, 1 << 20, &before));
    for (int odd = 0; odd < 2; odd++)
        for (int letters = 100; letters <= 300; letters += 100) {
            snprintf(issuer, sizeof(issuer), "https://%s", odd ? "a" : "");
            for (int i = 0; i < letters; i++) strcat(issuer, "\xc3\xa9");
            assert_int_equal(released(rig, rig->attest, "attest", issuer, NULL), 403);
        }
    GOOD(cella_file_read(path, 1 << 20, &after));
    size_t lines = 0;
    for (size_t i = before.size; i < after.size; i++) lines += after.data[i] == '\n';
    assert_int_equal(lines, 6);
}

static void the_very_authority(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *issuer;
        int status;
    } rows[] = {
        {AUTHORITY, 200},
        {AUTHORITY "/", 200},
        {"https://ATT.test:8445", 200},
        {AUTHORITY "//", 403},
        {AUTHORITY "/x", 403},
        {AUTHORITY "?x", 403},
        {AUTHORITY "#x", 403},
        {"https://att.test", 403},
        {"https://att.test:443", 403},
        {"https://att.test:08445", 403},
        {"https://att.test:84450", 403},
        {"http://att.test:8445", 403},
        {"HTTPS://att.test:8445", 403},
        {"https://user@att.test:8445", 403},
        {"https://att.test:8445@evil.test", 403},
        {"https://evil.test/att.test:8445", 403},
        {"https://att.test:8445.evil.test", 403},
        {"https://sub.att.test:8445", 403},
        {"https://att.test.:8445", 403},
        {"https://xn--tt-7ja.test:8445", 403},
        {"https://\xd0\xb0tt.test:8445", 403},
        {" " AUTHORITY, 403},
        {AUTHORITY " ", 403},
        {"", 403},
        {SECOND, 403},
    };
    assert_int_equal(key_for(rig, AUTHORITY), 200);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = released(rig, rig->attest, "attest", rows[i].issuer, NULL);
        if (status != rows[i].status) fail_msg("%s: %d", rows[i].issuer, status);
    }
    /* a valid token of the other authority; its key under the right name; the right key of no name
     */
    assert_int_equal(released(rig, rig->login, "login", SECOND, NULL), 403);
    assert_int_equal(released(rig, rig->login, "login", AUTHORITY, NULL), 403);
    assert_int_equal(released(rig, rig->login, "attest", AUTHORITY, NULL), 403);
    assert_int_equal(released(rig, rig->attest, "login", AUTHORITY, NULL), 403);
    assert_int_equal(released(rig, rig->attest, "", AUTHORITY, NULL), 403);
    assert_int_equal(released(rig, rig->release, "attest", AUTHORITY, NULL), 403);
    /* and the other way round */
    assert_int_equal(key_for(rig, SECOND), 200);
    assert_int_equal(released(rig, rig->login, "login", SECOND, NULL), 200);
    assert_int_equal(released(rig, rig->attest, "attest", AUTHORITY, NULL), 403);
    assert_int_equal(released(rig, rig->attest, "attest", SECOND, NULL), 403);
}

/* From here on a socket ends this process. */
static void no_sockets(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(4);
}

/* Addresses that must not be asked: of clouds' metadata, of this machine, of private networks. */
static bool probe_all(struct rig *rig) {
    static const char *const places[] = {
        "https://169.254.169.254",  "https://169.254.169.254/metadata/identity",
        "https://[fd00:ec2::254]",  "https://metadata.google.internal",
        "https://localhost:8443",   "https://127.0.0.1",
        "https://[::1]:8443",       "https://0x7f000001",
        "https://2130706433",       "https://10.0.0.1",
        "https://192.168.0.1/jwks", "https://unknown.example"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int set = key_for(rig, places[i]);
        if (set != 200 && set != 400) return false;
        if (set == 200 && released(rig, rig->attest, "attest", places[i], places[i]) != 400)
            return false; /* AKV.SKR.1012: its keys are not known */
        if (key_for(rig, AUTHORITY) != 200 ||
            released(rig, rig->attest, "attest", places[i], places[i]) != 403)
            return false;
        released(rig, rig->attest, "attest", AUTHORITY, places[i]);
        released(rig, rig->attest, places[i], AUTHORITY, places[i]);
    }
    static const char *const none[] = {"http://169.254.169.254",
                                       "file:///etc/passwd",
                                       "",
                                       "ftp://a.test",
                                       "https://",
                                       "https://a@b.test",
                                       "//a.test",
                                       "https://a.test/..//x"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        if (key_for(rig, none[i]) != 400) return false;
    return true;
}

static void nothing_is_fetched(void **state) {
    struct rig *rig = *state;
    int status = 0;
    rig_close(rig);
    pid_t child = fork();
    if (child == 0) {
        rig_open(rig);
        no_sockets();
        _exit(probe_all(rig) ? 0 : 3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) fail_msg("a connection was begun");
    assert_int_equal(WEXITSTATUS(status), 0);
    rig_open(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_very_authority, set_up, tear_down),
        cmocka_unit_test_setup_teardown(denials, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strange_issuers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_fetched, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
