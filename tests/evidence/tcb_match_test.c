/* TCB levels and convergence: all statuses crossed (A02), each component alone (A10), modules by
 * version, relaunch. */
#include "vector.h"

#include "evidence/tcb_match.h"

static struct cella_tcbinfo info;
static struct cella_enclave_identity qe;
static uint8_t sgx[16], tdx[16];
static const struct cella_tcb_platform platform = {sgx, 11, tdx, 8};

static void fresh(void) {
    memset(&info, 0, sizeof(info));
    memset(&qe, 0, sizeof(qe));
    memset(sgx, 5, 16);
    memset(tdx, 5, 16);
    tdx[1] = 1;
    info.tdx = true;
    info.level_count = 1;
    memset(info.level[0].sgx, 5, 16);
    memset(info.level[0].tdx, 5, 16);
    info.level[0].pcesvn = 11;
    info.level[0].verdict = (struct cella_tcb_verdict){CELLA_TCB_UP_TO_DATE, 300, {0}};
    info.identity_count = 1;
    info.identity[0].id = cella_bytes_text("TDX_01");
    info.identity[0].level_count = 1;
    info.identity[0].level[0] = (struct cella_svn_level){{CELLA_TCB_UP_TO_DATE, 200, {0}}, 5};
    qe.level_count = 1;
    qe.level[0] = (struct cella_svn_level){{CELLA_TCB_UP_TO_DATE, 100, {0}}, 8};
}

/* What the rules of Intel's library give, written out apart from the code under test. */
static enum cella_tcb_status expected(enum cella_tcb_status p, enum cella_tcb_status q,
                                      enum cella_tcb_status m) {
    if (q == CELLA_TCB_REVOKED || m == CELLA_TCB_REVOKED) return CELLA_TCB_REVOKED;
    if (q != CELLA_TCB_OUT_OF_DATE && m != CELLA_TCB_OUT_OF_DATE) return p;
    switch (p) {
    case CELLA_TCB_UP_TO_DATE:
    case CELLA_TCB_SW_HARDENING_NEEDED: return CELLA_TCB_OUT_OF_DATE;
    case CELLA_TCB_CONFIGURATION_NEEDED:
    case CELLA_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED:
        return CELLA_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
    default: return p;
    }
}

static void crossed(void **state) {
    (void)state;
    static const enum cella_tcb_status of_platform[] = {
        CELLA_TCB_UP_TO_DATE,
        CELLA_TCB_SW_HARDENING_NEEDED,
        CELLA_TCB_CONFIGURATION_NEEDED,
        CELLA_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
        CELLA_TCB_OUT_OF_DATE,
        CELLA_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
        CELLA_TCB_REVOKED};
    static const enum cella_tcb_status of_part[] = {CELLA_TCB_UP_TO_DATE, CELLA_TCB_OUT_OF_DATE,
                                                    CELLA_TCB_REVOKED};
    struct cella_tcb_match match;
    fresh();
    for (size_t p = 0; p < 7; p++)
        for (size_t q = 0; q < 3; q++)
            for (size_t m = 0; m < 3; m++) {
                info.level[0].verdict.status = of_platform[p];
                qe.level[0].verdict.status = of_part[q];
                info.identity[0].level[0].verdict.status = of_part[m];
                cella_tcb_evaluate(&info, &qe, &platform, &match);
                assert_int_equal(match.status, expected(of_platform[p], of_part[q], of_part[m]));
                assert_int_equal(match.date_unix, 100); /* the earliest of the three */
            }
}

static void each_alone(void **state) {
    (void)state;
    struct cella_tcb_match match;
    fresh();
    for (int at = 0; at < 33; at++) {
        uint8_t *byte = at < 16 ? &sgx[at] : at < 32 ? &tdx[at - 16] : NULL;
        struct cella_tcb_platform p = platform;
        if (byte)
            (*byte)--;
        else
            p.pcesvn--;
        if (at == 17) tdx[1] = 1; /* the version stays */
        cella_tcb_evaluate(&info, &qe, &p, &match);
        if (byte && at != 17) (*byte)++;
        bool module = at == 16; /* its own level is missed instead */
        assert_int_equal(match.status, at == 17 ? CELLA_TCB_UP_TO_DATE : CELLA_TCB_NONE);
        if (at != 17)
            assert_string_equal(match.unsupported, module ? "TDX module" : "platform TCB");
        /* more of one does not make up for less of another */
    }
    memset(sgx, 255, 16);
    sgx[7] = 4;
    cella_tcb_evaluate(&info, &qe, &platform, &match);
    assert_int_equal(match.status, CELLA_TCB_NONE);
}

static void first_match(void **state) {
    (void)state;
    struct cella_tcb_match match;
    fresh();
    info.level_count = 3;
    info.level[1] = info.level[2] = info.level[0];
    info.level[0].pcesvn = 12;
    info.level[1].verdict.status = CELLA_TCB_OUT_OF_DATE;
    cella_tcb_evaluate(&info, &qe, &platform, &match);
    assert_ptr_equal(match.platform, &info.level[1]);
    assert_int_equal(match.status, CELLA_TCB_OUT_OF_DATE);
}

static void modules(void **state) {
    (void)state;
    static const struct {
        const char *id;
        uint8_t version;
        bool fits;
    } names[] = {{"TDX_01", 1, true},  {"tdx_01", 1, true},   {"TDX_0a", 10, true},
                 {"TDX_0A", 10, true}, {"TDX_10", 16, true},  {"TDX_10", 10, false},
                 {"TDX_1", 1, false},  {"TDX_001", 1, false}, {"TDX-01", 1, false},
                 {"XDX_01", 1, false}, {"TDX_0g", 16, false}, {"", 1, false}};
    fresh();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        info.identity[0].id = cella_bytes_text(names[i].id);
        tdx[1] = names[i].version;
        assert_int_equal(cella_tcb_module(&info, tdx) != NULL, names[i].fits);
    }
    tdx[1] = 0;
    assert_null(cella_tcb_module(&info, tdx));
    info.has_module = true;
    assert_ptr_equal(cella_tcb_module(&info, tdx), &info.module);
}

static void relaunched(void **state) {
    (void)state;
    for (int launch = 0; launch < CELLA_TCB_STATUS_COUNT; launch++)
        for (int current = 0; current < CELLA_TCB_STATUS_COUNT; current++) {
            enum cella_tcb_status l = (enum cella_tcb_status)launch,
                                  c = (enum cella_tcb_status)current;
            enum cella_tcb_status found = cella_tcb_relaunch(l, c);
            bool old =
                l == CELLA_TCB_OUT_OF_DATE || l == CELLA_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
            bool newer =
                c >= CELLA_TCB_UP_TO_DATE && c <= CELLA_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED;
            bool configuration = l == CELLA_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED ||
                                 c == CELLA_TCB_CONFIGURATION_NEEDED ||
                                 c == CELLA_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED;
            enum cella_tcb_status wanted = !(old && newer) ? l
                                           : configuration
                                               ? CELLA_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
                                               : CELLA_TCB_TD_RELAUNCH_ADVISED;
            assert_int_equal(found, wanted);
        }
}

static void take(void *to, const char *text) {
    char *all = to;
    strcat(all, text);
    strcat(all, "\n");
}

/* Which, has, needs, since when: the oldest level that already asked for more. */
static void shortfall(void **state) {
    (void)state;
    struct cella_tcb_match match;
    char all[1024] = "";
    fresh();
    info.level_count = 3;
    info.level[1] = info.level[2] = info.level[0];
    info.level[0].sgx[2] = 7;
    info.level[0].verdict.date_unix = 1710288000; /* 2024-03-13 */
    info.level[1].sgx[2] = 6;
    info.level[1].verdict.date_unix = 1691539200; /* 2023-08-09 */
    info.sgx_category[2] = cella_bytes_text("OS/VMM");
    info.level[0].tdx[0] = 9; /* the module's own component: told by the module */
    info.identity[0].level[0].isvsvn = 6;
    info.identity[0].level[0].verdict.date_unix = 1691539200;
    cella_tcb_evaluate(&info, &qe, &platform, &match);
    cella_tcb_shortfall(&info, &qe, &platform, &match, take, all);
    assert_string_equal(all, "sgx component 3 (OS/VMM): has 5, needs 7 since 2023-08-09\n"
                             "tdx module isvsvn: has 5, needs 6 since 2023-08-09\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(crossed),     cmocka_unit_test(each_alone),
                                       cmocka_unit_test(first_match), cmocka_unit_test(modules),
                                       cmocka_unit_test(relaunched),  cmocka_unit_test(shortfall)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
