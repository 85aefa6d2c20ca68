/* What an instance says of itself and of the TCB baselines it knows. */
#include <unistd.h>

#include "attest/discovery.h"
#include "base/file.h"
#include "evidence/baselines.h"
#include "stand.h"

#define FOLDER_21 "tdx-quote/v4-00806f050000-dstack-teekit-a6883976/collateral-20260627-ev21"
#define FOLDER_19 "tdx-quote/v4-00806f050000-dstack-teekit-7462cb52/collateral-20260715-ev19"
#define FOLDER_17 "tdx-quote/v4-00806f050000-dstack-teekit-7462cb52/collateral-20251021-ev17"

static const char *vector(const char *name) {
    static char path[4][512];
    static unsigned next;
    const char *given = getenv("CELLA_VECTORS");
    char *out = path[next++ % 4];
    snprintf(out, sizeof(path[0]), "%s/%s", given ? given : CELLA_SOURCE_ROOT "/../shared/vectors",
             name);
    return out;
}

static void metadata(void **state) {
    (void)state;
    for (int ec = 0; ec < 2; ec++) {
        struct cella_attest_instance instance = {
            .settings = {.name = "dev",
                         .url = "https://localhost:8445",
                         .algorithm = ec ? (unsigned)CELLA_JOSE_ES256 : 0}};
        struct cella_http_response response = {0};
        CELLA_JSON body = NULL;
        cella_discovery_answer(&instance, &response);
        assert_int_equal(response.status, 200);
        assert_null(memmem(response.body.data, response.body.size, "\\/", 2));
        GOOD(cella_json_object(response.body, "metadata", &body));
        assert_string_equal(json_string_value(json_object_get(body, "issuer")),
                            "https://localhost:8445"); /* no slash at the end: compared exactly */
        assert_string_equal(json_string_value(json_object_get(body, "jwks_uri")),
                            "https://localhost:8445/certs");
        const json_t *algorithms = json_object_get(body, "id_token_signing_alg_values_supported");
        assert_int_equal(json_array_size(algorithms), 1);
        assert_string_equal(json_string_value(json_array_get(algorithms, 0)),
                            ec ? "ES256" : "RS256");
        assert_true(json_is_array(json_object_get(body, "claims_supported")));
        assert_true(json_is_array(json_object_get(body, "response_types_supported")));
        cella_buffer_free(&response.text);
    }
}

/* --- Baselines --- */

static void answer_of(struct stand *stand, enum cella_attest_type type, struct answer *answer) {
    struct cella_http_request request = request_of("");
    struct cella_http_response response = {0};
    cella_baselines_get(&stand->instance, type, &request, &response);
    answer_read(&stand->instance, &response, answer);
    assert_int_equal(answer->status, 200);
}

static const json_t *entry_of(const struct answer *answer, const char *identifier) {
    const json_t *list = json_object_get(answer->body, "tcbBaselines");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(entry, "tcbIdentifier"));
        if (name && strcmp(name, identifier) == 0) return entry;
    }
    return NULL;
}

static size_t selected(const struct answer *answer, const char **which) {
    const json_t *list = json_object_get(answer->body, "tcbBaselines");
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        if (!json_is_true(json_object_get(entry, "isSelectedTcb"))) continue;
        *which = json_string_value(json_object_get(entry, "tcbIdentifier"));
        count++;
    }
    return count;
}

static void start(struct stand *stand, const char *const *path, size_t count) {
    struct cella_trust_settings settings = {.path = path, .path_count = count, .source = "none"};
    stand_make(stand, CELLA_ATTEST_AAD);
    stand->instance.settings.algorithm = CELLA_JOSE_ES256;
    GOOD(cella_trust_new(&settings, &stand->instance.trust));
    stand_start(stand);
}
static void stop(struct stand *stand) {
    struct cella_trust *trust = stand->instance.trust;
    stand_remove(stand);
    cella_trust_free(&trust);
}

static void baselines_of_the_collateral(void **state) {
    (void)state;
    struct stand stand;
    const char *const paths[] = {vector(FOLDER_17), vector(FOLDER_21), vector(FOLDER_19)};
    for (size_t i = 0; i < 3; i++)
        if (access(paths[i], R_OK) != 0) {
            print_message("skipped: no %s\n", paths[i]);
            skip();
        }
    start(&stand, paths, 3);
    ANSWER tdx = {0}, snp = {0}, sgx = {0};
    answer_of(&stand, CELLA_ATTEST_TDX, &tdx);
    assert_int_equal(json_array_size(json_object_get(tdx.body, "tcbBaselines")), 4);
    const char *names[] = {"17", "19", "21"};
    for (size_t i = 0; i < 3; i++) {
        const json_t *entry = entry_of(&tdx, names[i]);
        assert_int_equal(json_integer_value(json_object_get(entry, "tcbEvaluationDataNumber")),
                         atoi(names[i]));
        const char *date = json_string_value(json_object_get(entry, "tcbReleaseDate"));
        assert_true(date && strlen(date) == 20 && date[19] == 'Z');
        /* what is not known is not there */
        assert_null(json_object_get(entry, "minimumPswLinuxVersion"));
    }
    /* newer ones are not of older TCBs */
    assert_true(
        strcmp(json_string_value(json_object_get(entry_of(&tdx, "17"), "tcbReleaseDate")),
               json_string_value(json_object_get(entry_of(&tdx, "21"), "tcbReleaseDate"))) <= 0);
    const char *which = NULL;
    assert_int_equal(selected(&tdx, &which), 1);
    assert_string_equal(which, "azuredefault");
    assert_int_equal(
        json_integer_value(json_object_get(entry_of(&tdx, which), "tcbEvaluationDataNumber")), 21);
    answer_of(&stand, CELLA_ATTEST_SNP, &snp);
    assert_int_equal(json_array_size(json_object_get(snp.body, "tcbBaselines")), 0);
    answer_of(&stand, CELLA_ATTEST_SGX, &sgx); /* the collateral is of TDX */
    assert_int_equal(json_array_size(json_object_get(sgx.body, "tcbBaselines")), 0);

    /* the one that the policy asks for */
    char *jws = policy_jws(NULL, "version=1.1; configurationrules{=> issueproperty(type="
                                 "\"x-ms-sgx-tcbidentifier\", value=\"19\");};"
                                 "authorizationrules{=> permit();}; issuancerules{};");
    ANSWER set = {0}, again = {0};
    put(&stand, CELLA_ATTEST_TDX, jws, &set);
    assert_int_equal(set.status, 200);
    answer_of(&stand, CELLA_ATTEST_TDX, &again);
    assert_int_equal(selected(&again, &which), 1);
    assert_string_equal(which, "19");
    free(jws);
    stop(&stand);
}

static void no_collateral_no_baselines(void **state) {
    (void)state;
    struct stand stand;
    start(&stand, NULL, 0);
    for (int type = 0; type < CELLA_ATTEST_TYPE_COUNT; type++) {
        ANSWER answer = {0};
        answer_of(&stand, (enum cella_attest_type)type, &answer);
        const json_t *list = json_object_get(answer.body, "tcbBaselines");
        assert_true(json_is_array(list));
        assert_int_equal(json_array_size(list), 0);
    }
    stop(&stand);
}

/* TCB infos that nobody of Intel's signed say nothing. */
static void unsigned_collateral_says_nothing(void **state) {
    (void)state;
    struct cella_tcb_baseline baseline[4];
    struct cella_collateral *collateral = NULL;
    CELLA_BUFFER content = {0};
    char path[600];
    bool taken = false;
    snprintf(path, sizeof(path), "%s/tcb_info.json", vector(FOLDER_21));
    if (access(path, R_OK) != 0) skip();
    GOOD(cella_collateral_new(&collateral));
    struct cella_result r = cella_file_read(path, 1 << 20, &content);
    GOOD(r);
    GOOD(cella_collateral_add(collateral, "tcb_info.json", cella_buffer_bytes(&content), &taken));
    assert_true(taken);
    GOOD(cella_collateral_finish(collateral)); /* without the certificate that signed it */
    assert_int_equal(cella_collateral_baselines(collateral, true, baseline, 4), 0);
    cella_collateral_free(&collateral);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metadata),
        cmocka_unit_test(baselines_of_the_collateral),
        cmocka_unit_test(no_collateral_no_baselines),
        cmocka_unit_test(unsigned_collateral_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
