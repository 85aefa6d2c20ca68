/* A caller's rate: so many requests a second, twice as many at once, whoever else calls and whether
 * a role allows them. */
#include "fixture.h"
#include "vault/rate.h"

#define V    "?api-version=7.4"
#define SLOW "v2.vault.test:8444"

static const uint64_t second = 1000000000;

static unsigned taken(struct cella_rate *rate, const char *caller, uint32_t per_s, uint64_t now,
                      unsigned asked) {
    unsigned count = 0;
    while (asked-- > 0) count += cella_rate_take(rate, caller, per_s, now);
    return count;
}

static void tokens_of_a_bucket(void **state) {
    (void)state;
    struct cella_rate *rate = NULL;
    uint64_t now = 5 * second;
    GOOD(cella_rate_new(&rate));
    assert_int_equal(taken(rate, "a", 10, now, 100), 20); /* what was saved */
    assert_int_equal(taken(rate, "b", 10, now, 100), 20); /* another's is another's */
    assert_int_equal(taken(rate, "a", 10, now + second / 10 - 1, 5), 0);
    assert_int_equal(taken(rate, "a", 10, now + second / 10, 5), 1);
    assert_int_equal(taken(rate, "a", 10, now + second + second / 10, 100), 10);
    assert_int_equal(taken(rate, "a", 10, now + 3600 * second, 100), 20); /* and no more */
    assert_int_equal(taken(rate, "a", 10, now, 100), 0);                  /* the past gives none */
    assert_int_equal(taken(rate, "c", 1, now, 100), 2);
    assert_int_equal(taken(rate, "d", 0, now, 100), 2); /* as 1 */
    assert_int_equal(taken(rate, "e", UINT32_MAX, now, 1000), 1000);
    cella_rate_free(&rate);
}

static size_t lines_of(const struct rig *rig) {
    char path[128];
    size_t lines = 0;
    snprintf(path, sizeof(path), "%s/audit.log", rig->folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (int c; (c = fgetc(file)) != EOF;) lines += c == '\n';
    fclose(file);
    return lines;
}

/* One a second, so that a slow machine makes few more. */
static void callers_of_a_vault(void **state) {
    struct rig *rig = rig_new(false);
    char stranger[2048];
    int status = 0, first = 0, throttled = 0;
    (void)state;
    GOOD(cella_vaults_add(rig->vaults,
                          &(struct cella_vault_settings){
                              .name = "v2", .url = "https://" SLOW, .login = "x", .rate = 1}));
    GOOD(cella_access_assign(rig->database, "owner", "Key Vault Administrator", "/vault/v2"));
    login_token(rig, "stranger", stranger, sizeof(stranger));
    for (int i = 0; i < 50; i++) {
        json_decref(call_at(rig, SLOW, rig->token, "GET", "/keys" V, NULL, &status));
        assert_true(status == 200 || status == 429);
        throttled += status == 429;
        if (i == 0) first = status;
    }
    assert_int_equal(first, 200);
    assert_in_range(throttled, 40, 48);
    size_t before = lines_of(rig);
    for (int i = 0; i < 50; i++) {
        struct cella_http_response answer;
        ask(rig, SLOW, stranger, "GET", "/secrets/s" V, NULL, &answer);
        assert_true(answer.status == 403 || answer.status == 429);
        if (answer.status == 429)
            assert_string_equal(answer.header[answer.header_count - 1].name, "Retry-After");
        answer_free(&answer);
    }
    assert_in_range(lines_of(rig) - before, 1, 10); /* the log is not filled by refusals */
    rig_free(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(tokens_of_a_bucket),
                                       cmocka_unit_test(callers_of_a_vault)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
