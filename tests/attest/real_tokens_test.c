/* The tokens that Azure's service made: of the same evidence ours say the same, and of other
 * evidence they have the same names and types. */
#include "rig.h"

/* Collateral of the machine, in force until five days before the tokens were made. */
#define COLLATERAL "sgx-quote/v3-00906ed50000-attestation-e9519cd1/collateral-20220518-ev12"
#define RECORDED   1653600000
#define REPORT     "maa-jwt/evidence-928c12bc/oe_report.bin"

/* Of the moment, of the instance, and of the collateral of that day, whose documents are not in the
 * vectors. */
static bool is_compared(const char *name) {
    static const char *const others[] = {"exp", "iat", "nbf", "jti", "iss"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(others[i], name) == 0) return false;
    return true;
}

static json_t *claims_of(const char *path, bool *unsecured) {
    CELLA_BUFFER token = {0};
    CELLA_JWS jws = {0};
    json_t *claims = NULL;
    if (!read_vector(path, &token)) return NULL;
    while (token.size && token.data[token.size - 1] <= ' ') token.size--;
    GOOD(cella_jws_open(cella_buffer_bytes(&token), true, &jws));
    *unsecured = jws.algorithm == CELLA_JOSE_NONE;
    GOOD(cella_jws_object(&jws, &claims));
    return claims;
}

/* Hashes of the documents of that very hour we do not have; the evidence's and the chain's we do.
 */
static bool same_collateral(const json_t *ours, const json_t *theirs) {
    static const char *const same[] = {"quotehash", "qeidcertshash", "tcbinfocertshash"};
    if (json_object_size(ours) != 7 || json_object_size(theirs) != 7) return false;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)theirs, name,
                        value) if (json_string_length(json_object_get(ours, name)) !=
                                   64) return false;
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        if (!json_equal(json_object_get(ours, same[i]), json_object_get(theirs, same[i])))
            return false;
    return true;
}

static unsigned compare(const json_t *ours, const json_t *theirs) {
    unsigned compared = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)theirs, name, value) {
        const json_t *mine = json_object_get(ours, name);
        if (!mine) fail_msg("no %s", name);
        if (!is_compared(name)) continue;
        bool same =
            strstr(name, "collateral") ? same_collateral(mine, value) : json_equal(mine, value);
        if (!same) {
            char *a = json_dumps(mine, JSON_ENCODE_ANY), *b = json_dumps(value, JSON_ENCODE_ANY);
            fail_msg("%s: ours %s, theirs %s", name, a, b);
        }
        compared++;
    }
    json_object_foreach((json_t *)(uintptr_t)ours, name, value) if (!json_object_get(theirs, name))
        fail_msg("%s is in no such token", name);
    return compared;
}

/* The request that the recorded token answers, as far as the token shows it. */
static json_t *request_for(const json_t *theirs, bool open_enclave, struct cella_bytes report,
                           const char *draft) {
    struct cella_bytes evidence =
        open_enclave ? report : cella_bytes(report.data + 16, report.size - 16);
    json_t *body = body_of(open_enclave ? "report" : "quote", evidence);
    const json_t *held = json_object_get(theirs, "x-ms-sgx-ehd");
    if (held)
        json_object_set_new(body, "runtimeData",
                            json_pack("{s:O, s:s}", "data", held, "dataType", "Binary"));
    if (draft) json_object_set_new(body, "draftPolicyForAttestation", json_string(draft));
    return body;
}

/* Of the JSON runtime data the tokens have what it parses to, not its bytes: those are in another
 * token, which held them as binary. */
static void add_json(json_t *body, const json_t *theirs, const json_t *held) {
    if (json_object_get(theirs, "x-ms-runtime"))
        json_object_set_new(body, "runtimeData",
                            json_pack("{s:O, s:s}", "data", held, "dataType", "json"));
}

static void test_sgx_tokens(void **state) {
    (void)state;
    static const char draft[] =
        "version= 1.0; authorizationrules { [type==\"x-ms-sgx-is-debuggable\", value==true] && "
        "[type==\"x-ms-sgx-product-id\", value==1] && [type==\"x-ms-sgx-svn\", value>=0] && "
        "[type==\"x-ms-sgx-mrsigner\"] => permit(); }; issuancerules { "
        "c:[type==\"x-ms-sgx-mrsigner\"] => issue(type=\"custom-name\", value=c.value); };";
    static const struct {
        const char *folder;
        bool open_enclave, draft;
    } tokens[] = {
        {"AttestWithDraftPolicy-OpenEnclave_Aad-9d76e52d", true, true},
        {"AttestWithDraftPolicy-OpenEnclave_Shared-4db8ba1b", true, true},
        {"AttestWithDraftPolicy-SgxEnclave_Aad-b9741f9e", false, true},
        {"AttestWithDraftPolicy-SgxEnclave_Shared-65484812", false, true},
        {"AttestWithRuntimeData-OpenEnclave_Isolated-fdba1903", true, false},
        {"AttestWithRuntimeData-OpenEnclave_Shared-4658566b", true, false},
        {"AttestWithRuntimeData-SgxEnclave_Isolated-ef7d31b1", false, false},
        {"AttestWithRuntimeDataJson-OpenEnclave_Aad-b21f7646", true, false},
        {"AttestWithRuntimeDataJson-OpenEnclave_Isolated-031beb4a", true, false},
        {"AttestWithRuntimeDataJson-SgxEnclave_Aad-e4d235b9", false, false},
        {"AttestWithRuntimeDataJson-SgxEnclave_Shared-12d631d6", false, false},
        {"SimpleAttest-OpenEnclave_Aad-4c503ffa", true, false},
        {"SimpleAttest-OpenEnclave_Shared-a141ef7c", true, false},
        {"SimpleAttest-SgxEnclave_Isolated-e512af89", false, false},
        {"SimpleAttest-SgxEnclave_Shared-c93c0f4e", false, false},
    };
    RIG rig;
    CELLA_BUFFER report = {0};
    bool unsecured = false;
    CELLA_JSON holder = claims_of(
        "maa-jwt/AttestWithRuntimeData-SgxEnclave_Isolated-ef7d31b1/token.jwt", &unsecured);
    if (!holder || !read_vector(REPORT, &report)) skip();
    rig_make(&rig, COLLATERAL, RECORDED);
    cella_attest_free(&rig.attest);
    rig.settings.algorithm = CELLA_JOSE_RS256;
    rig.settings.accept_tcb[0] = "SWHardeningNeeded";
    rig.settings.accept_tcb[1] = "OutOfDate";
    rig.settings.accept_tcb_count = 2;
    rig_start(&rig);
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        char path[160];
        snprintf(path, sizeof(path), "maa-jwt/%s/token.jwt", tokens[i].folder);
        CELLA_JSON theirs = claims_of(path, &unsecured);
        if (!theirs) continue;
        json_t *body = request_for(theirs, tokens[i].open_enclave, cella_buffer_bytes(&report),
                                   tokens[i].draft ? draft : NULL);
        add_json(body, theirs, json_object_get(holder, "x-ms-sgx-ehd"));
        REPLY reply =
            rig_attest(&rig, DEV, tokens[i].open_enclave ? "OpenEnclave" : "SgxEnclave", body);
        ANSWERED(reply, 200);
        assert_int_equal(reply.unsecured, unsecured);
        /* the draft's own text is not in the token, only what it issued */
        if (tokens[i].draft) {
            json_object_del(theirs, "x-ms-policy-hash");
            json_object_del(reply.claims, "x-ms-policy-hash");
        }
        unsigned compared = compare(reply.claims, theirs);
        print_message("%s: %u claims equal\n", tokens[i].folder, compared);
        assert_true(compared >= 10);
    }
}

/* The evidence of this token is not in the vectors: names and types, by another report. */
static void test_snp_token(void **state) {
    (void)state;
    RIG rig;
    bool unsecured = false;
    CELLA_BUFFER report = {0};
    CELLA_JSON theirs = claims_of("maa-jwt/sev-snp-sample/token.jwt", &unsecured);
#define SNP "snp-report/v3-milan-vcek-confidential-sidecar-49d19193"
    if (!theirs || !read_vector(SNP "/report.bin", &report)) skip();
    rig_make(&rig, SNP, 0);
    REPLY reply = rig_attest(&rig, DEV, "SevSnpVm", body_of("report", cella_buffer_bytes(&report)));
    ANSWERED(reply, 200);
    const char *name;
    json_t *value;
    json_object_foreach(theirs, name, value) {
        const json_t *ours = json_object_get(reply.claims, name);
        if (!ours) fail_msg("no %s", name);
        bool same_type = json_typeof(ours) == json_typeof(value) ||
                         (json_is_boolean(ours) && json_is_boolean(value));
        if (!same_type || (json_is_string(value) && strcmp(name, "iss") != 0 &&
                           json_string_length(ours) != json_string_length(value)))
            fail_msg("%s is of another type or length", name);
    }
    json_object_foreach(reply.claims, name, value) if (!json_object_get(theirs, name))
        fail_msg("%s is in no such token", name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgx_tokens),
        cmocka_unit_test(test_snp_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
