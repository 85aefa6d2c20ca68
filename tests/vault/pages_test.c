/* K13: a $skiptoken is good for one caller, one vault, one list and an hour, and for nothing else.
 */
#include "clock.h"
#include "fixture.h"

#define V     "?api-version=7.4"
#define OTHER "v2.vault.test:8444"
enum { SECRETS = 31, PAGE = 4 };

static int set_up(void **state) {
    struct rig *rig = rig_new(false);
    char path[64];
    clock_ahead = 0;
    GOOD(cella_vaults_add(rig->vaults, &(struct cella_vault_settings){
                                           .name = "v2", .url = "https://" OTHER, .login = "x"}));
    GOOD(cella_access_assign(rig->database, "owner", "Key Vault Administrator", "/vault/v2"));
    GOOD(cella_access_assign(rig->database, "second", "Key Vault Administrator", "/vault/v1"));
    for (int i = 0; i < SECRETS; i++) {
        snprintf(path, sizeof(path), "/secrets/s%02d" V, i);
        json_decref(call(rig, "PUT", path, "{\"value\":\"x\"}", 200));
    }
    *state = rig;
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

/* The token of a page's link; "" of the last. */
static void token_of(const json_t *page, char token[1024]) {
    const char *link = at(page, "nextLink");
    const char *from = link ? strstr(link, "$skiptoken=") : NULL;
    snprintf(token, 1024, "%s", from ? from + strlen("$skiptoken=") : "");
}

static json_t *page_at(struct rig *rig, const char *host, const char *authorization,
                       const char *list, const char *token, int *status) {
    char target[2048];
    snprintf(target, sizeof(target), "%s" V "&maxresults=%d%s%s", list, PAGE,
             *token ? "&$skiptoken=" : "", token);
    return call_at(rig, host, authorization, "GET", target, NULL, status);
}

static void refused(struct rig *rig, const char *host, const char *authorization, const char *list,
                    const char *token) {
    int status = 0;
    json_t *reply = page_at(rig, host, authorization, list, token, &status);
    if (status != 400) fail_msg("%s%s %.80s: %d", host, list, token, status);
    assert_string_equal(at(reply, "error.code"), "BadParameter");
    json_decref(reply);
}

static void first_token(struct rig *rig, char token[1024]) {
    int status = 0;
    json_t *page = page_at(rig, HOST, rig->token, "/secrets", "", &status);
    token_of(page, token);
    assert_true(*token != 0);
    json_decref(page);
}

/* Each once, in order, also when the one that a page ended with is deleted meanwhile. */
static void every_item_once(void **state) {
    struct rig *rig = *state;
    char token[1024] = "", wanted[128];
    int status = 0, seen = 0;
    do {
        json_t *page = page_at(rig, HOST, rig->token, "/secrets", token, &status), *item;
        size_t i;
        assert_int_equal(status, 200);
        json_array_foreach(json_object_get(page, "value"), i, item) {
            snprintf(wanted, sizeof(wanted), "https://" HOST "/secrets/s%02d", seen++);
            assert_string_equal(at(item, "id"), wanted);
        }
        token_of(page, token);
        json_decref(page);
        snprintf(wanted, sizeof(wanted), "/secrets/s%02d" V, seen - 1);
        json_decref(call(rig, "DELETE", wanted, NULL, 200));
    } while (*token);
    assert_int_equal(seen, SECRETS);
}

static void forged_tokens(void **state) {
    struct rig *rig = *state;
    char token[1024], forged[1024];
    first_token(rig, token);
    size_t size = strlen(token);
    for (size_t bit = 0; bit < 7 * size; bit++) {
        strcpy(forged, token);
        forged[bit / 7] = (char)(forged[bit / 7] ^ (1 << bit % 7));
        if (strchr("&#%+=/? ", forged[bit / 7]) || forged[bit / 7] < ' ' || forged[bit / 7] == 127)
            forged[bit / 7] = '-' == token[bit / 7] ? '_' : '-'; /* it would end the parameter */
        refused(rig, HOST, rig->token, "/secrets", forged);
    }
    for (size_t cut = 1; cut < size; cut++) {
        snprintf(forged, sizeof(forged), "%.*s", (int)cut, token);
        refused(rig, HOST, rig->token, "/secrets", forged);
    }
    snprintf(forged, sizeof(forged), "%sAAAA", token);
    refused(rig, HOST, rig->token, "/secrets", forged);
    static const char *const made_up[] = {"s10", "MQ", "AAAA", "-1", "99999999999999999999",
                                          "null"};
    for (size_t i = 0; i < sizeof(made_up) / sizeof(made_up[0]); i++)
        refused(rig, HOST, rig->token, "/secrets", made_up[i]);
}

static void another_place(void **state) {
    struct rig *rig = *state;
    char token[1024], second[2048];
    int status = 0;
    first_token(rig, token);
    login_token(rig, "second", second, sizeof(second));
    refused(rig, HOST, second, "/secrets", token);
    refused(rig, OTHER, rig->token, "/secrets", token);
    static const char *const lists[] = {"/keys", "/certificates", "/deletedsecrets", "/deletedkeys",
                                        "/secrets/s00/versions"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        refused(rig, HOST, rig->token, lists[i], token);
    json_decref(page_at(rig, HOST, rig->token, "/secrets", token, &status));
    assert_int_equal(status, 200); /* and it is still good where it belongs */
}

static void only_for_an_hour(void **state) {
    struct rig *rig = *state;
    char token[1024];
    int status = 0;
    clock_ahead = -3590; /* the bearer holds from a minute before on */
    login_token(rig, "owner", rig->token, sizeof(rig->token));
    first_token(rig, token);
    clock_ahead = -5;
    json_decref(page_at(rig, HOST, rig->token, "/secrets", token, &status));
    assert_int_equal(status, 200);
    clock_ahead = 15;
    refused(rig, HOST, rig->token, "/secrets", token);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_item_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forged_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_for_an_hour, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
