/* Quotes and collateral of a maker of the test's own, bent one thing at a time and signed again
 * (threats.md, section c). */
#include "intel_forge.h"

static void genuine(void **state) {
    (void)state;
    struct forge f;
    forge_new(&f);
    forge_accepts(&f);
    f.certification_type = 4; /* the authority comes from the collateral */
    forge_accepts(&f);
    forge_free(&f);
    for (uint16_t type = 2; type <= 3; type++) {
        forge_tdx(&f, type == 2 ? 4 : 5, type);
        forge_accepts(&f);
        f.version = 5;
        forge_accepts(&f);
        forge_free(&f);
    }
}

/* A01: every status is refused until it is named, and naming another does not help. */
static void statuses(void **state) {
    (void)state;
    static const char *const names[] = {
        "SWHardeningNeeded", "ConfigurationNeeded",          "ConfigurationAndSWHardeningNeeded",
        "OutOfDate",         "OutOfDateConfigurationNeeded", "Revoked"};
    struct forge f;
    char level[4096];
    forge_new(&f);
    f.levels = level;
    for (size_t i = 0; i < 6; i++) {
        CELLA_VERIFICATION v;
        forge_level(level, sizeof(level), false, 5, 11, -1, 0, names[i]);
        f.accept = names[(i + 1) % 6];
        forge_refuses(&f, "tcb level: tcb status", true);
        f.accept = names[i];
        forge_verify(&f, &v);
        assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
        assert_string_equal(v.tcb_status, names[i]);
        vector_same_text(&v, "advisories", "INTEL-SA-00001");
    }
    f.accept = NULL;
    forge_free(&f);
}

/* A03: a debug enclave and a debug TD are genuine, and say so. */
static void debug(void **state) {
    (void)state;
    struct forge f;
    CELLA_VERIFICATION sgx, td, tud;
    forge_new(&f);
    f.flags |= 2;
    forge_verify(&f, &sgx);
    vector_same_number(&sgx, "debug", 1);
    forge_free(&f);
    forge_tdx(&f, 4, 2);
    f.td_attributes[0] = 1;
    forge_verify(&f, &td);
    vector_same_number(&td, "debug", 1);
    f.td_attributes[0] = 0x40; /* any of the untrusted group */
    forge_verify(&f, &tud);
    vector_same_number(&tud, "debug", 1);
    forge_free(&f);
}

/* A05: both ends of every window, to the second. */
static void windows(void **state) {
    (void)state;
    struct forge f;
    forge_new(&f);
    struct {
        struct forge_dates *dates;
        const char *early, *late;
    } item[] = {{&f.info_dates, "tcb info: issue date", "tcb info: next update"},
                {&f.identity_dates, "qe identity: issue date", "qe identity: next update"},
                {&f.pck_crl_dates, "pck crl: issue date", "pck crl: next update"},
                {&f.root_crl_dates, "root ca crl: issue date", "root ca crl: next update"}};
    for (size_t i = 0; i < 4; i++) {
        struct forge_dates kept = *item[i].dates;
        *item[i].dates = (struct forge_dates){0, 100};
        forge_accepts(&f);
        *item[i].dates = (struct forge_dates){1, 100};
        forge_refuses(&f, item[i].early, true);
        *item[i].dates = (struct forge_dates){-100, 0};
        forge_accepts(&f);
        *item[i].dates = (struct forge_dates){-100, -1};
        forge_refuses(&f, item[i].late, true);
        *item[i].dates = kept;
    }
    struct {
        enum forge_who who;
        const char *where;
        bool authentic;
    } cert[] = {{FORGE_PCK, "pck chain: pck certificate.validity", false},
                {FORGE_PLATFORM_CA, "pck chain: pck ca certificate.validity", false},
                {FORGE_ROOT, "pck chain: root certificate.validity", false},
                {FORGE_TCB, "tcb info: tcb signing certificate.validity", true}};
    for (size_t i = 0; i < 4; i++) {
        struct forge_cert kept = f.cert[cert[i].who];
        f.cert[cert[i].who].until = 0;
        forge_accepts(&f);
        f.cert[cert[i].who].until = -1;
        forge_refuses(&f, cert[i].where, cert[i].authentic);
        f.cert[cert[i].who] = kept;
        f.cert[cert[i].who].from = 1;
        forge_refuses(&f, cert[i].where, cert[i].authentic);
        f.cert[cert[i].who] = kept;
    }
    forge_free(&f);
}

/* A05: the highest number in force wins, in any order of adding; one from the future does not count
 * yet. */
static void newest_wins(void **state) {
    (void)state;
    struct forge f;
    char level[4096];
    forge_new(&f);
    for (int order = 0; order < 2; order++) {
        CELLA_VERIFICATION v, before;
        struct cella_collateral *set = forge_set(&f);
        for (int i = 0; i < 2; i++) {
            bool newer = i == order;
            forge_level(level, sizeof(level), false, 5, 11, -1, 0,
                        newer ? "OutOfDate" : "UpToDate");
            f.levels = level;
            f.evaluation = newer ? 18 : 17;
            f.info_dates.from = newer ? -100 : -1000; /* the newer number from later on */
            forge_collateral(&f, set);
        }
        VECTOR_OK(cella_collateral_finish(set));
        forge_verify_with(&f, set, &v);
        assert_string_equal(v.tcb_status, "OutOfDate");
        f.now = FORGE_NOW - 101;
        forge_verify_with(&f, set, &before);
        assert_string_equal(before.tcb_status, "UpToDate");
        f.now = FORGE_NOW;
        cella_collateral_free(&set);
    }
    forge_free(&f);
}

/* Grace is only what was asked for, and shows. */
static void grace(void **state) {
    (void)state;
    struct forge f;
    CELLA_BUFFER quote = {0};
    forge_new(&f);
    f.info_dates = (struct forge_dates){-100, -10};
    struct cella_collateral *set = forge_set(&f);
    forge_collateral(&f, set);
    VECTOR_OK(cella_collateral_finish(set));
    forge_quote(&f, &quote);
    for (uint64_t seconds = 9; seconds <= 10; seconds++) {
        CELLA_VERIFICATION v;
        struct cella_evidence_options options = {
            .type = CELLA_EVIDENCE_SGX, .time_unix = FORGE_NOW, .grace_s = seconds};
        VECTOR_OK(cella_verify(cella_buffer_bytes(&quote), set, &options, &v));
        assert_int_equal(v.verdict, seconds == 10 ? CELLA_VERIFY_ACCEPTED : CELLA_VERIFY_REFUSED);
        if (seconds == 10) vector_same_number(&v, "collateral-stale", 1);
    }
    cella_collateral_free(&set);
    forge_free(&f);
}

/* A06: each list missing, of another, badly signed; each certificate revoked. */
static void revocation(void **state) {
    (void)state;
    struct forge f;
    forge_new(&f);
    f.revoked_pck = 6;
    f.revoked_root = 6;
    forge_accepts(&f);
    f.revoked_pck = 5;
    forge_refuses(&f, "revocation: pck certificate", false);
    f.revoked_pck = 0;
    f.revoked_root = 2;
    forge_refuses(&f, "revocation: pck ca certificate", false);
    f.revoked_root = 4;
    forge_refuses(&f, "revocation: tcb signing certificate", true);
    f.revoked_root = 0;
    f.no_pck_crl = true;
    forge_refuses(&f, "collateral: pck crl", true);
    f.no_pck_crl = false;
    f.no_root_crl = true;
    forge_refuses(&f, "collateral: root ca crl", true);
    f.no_root_crl = false;
    f.pck_crl_issuer = f.pck_crl_signer = FORGE_PROCESSOR_CA;
    forge_refuses(&f, "collateral: pck crl", true);
    f.pck_crl_issuer = FORGE_PLATFORM_CA;
    forge_refuses(&f, "pck crl: signature", true);
    f.pck_crl_signer = FORGE_ROOT; /* trusted for other things */
    forge_refuses(&f, "pck crl: signature", true);
    f.pck_crl_signer = FORGE_PLATFORM_CA;
    f.root_crl_signer = FORGE_PLATFORM_CA;
    forge_refuses(&f, "root ca crl: signature", true);
    f.root_crl_signer = FORGE_TCB;
    forge_refuses(&f, "root ca crl: signature", true);
    forge_free(&f);
}

/* A list whose authority comes only in the quote is judged under the quote's, once that holds. */
static void list_without_chain(void **state) {
    (void)state;
    struct forge f;
    forge_new(&f);
    f.no_pck_chain = true;
    forge_accepts(&f);
    f.revoked_pck = 5;
    forge_refuses(&f, "revocation: pck certificate", false);
    f.pck_crl_signer = FORGE_STRANGER;
    forge_refuses(&f, "pck crl: signature", true);
    forge_free(&f);
}

/* A07: certificates of the same chain in each other's roles. */
static void roles(void **state) {
    (void)state;
    struct forge f;
    forge_new(&f);
    const struct forge_cert pck = f.cert[FORGE_PCK], ca = f.cert[FORGE_PLATFORM_CA],
                            tcb = f.cert[FORGE_TCB];
    f.cert[FORGE_PCK].sgx_extension = false;
    forge_refuses(&f, "pck chain: pck certificate.role", false);
    f.cert[FORGE_PCK] = pck;
    f.cert[FORGE_PCK].ca = true;
    forge_refuses(&f, "pck chain: pck certificate.role", false);
    f.cert[FORGE_PCK] = pck;
    f.cert[FORGE_PCK].constraints = "critical,CA:TRUE";
    forge_refuses(&f, "pck chain: pck certificate.role", false);
    f.cert[FORGE_PCK] = pck;
    f.cert[FORGE_PCK].usage = "critical,keyAgreement";
    forge_refuses(&f, "pck chain: pck certificate.role", false);
    f.cert[FORGE_PCK] = pck;
    f.cert[FORGE_PCK].unknown_critical = true;
    forge_refuses(&f, "pck chain: pck certificate.role", false);
    f.cert[FORGE_PCK] = pck;
    f.cert[FORGE_PCK].name = tcb.name;
    forge_refuses(&f, "pck chain: pck certificate.role", false);
    f.cert[FORGE_PCK] = pck;
    f.cert[FORGE_PCK].signer = FORGE_ROOT; /* by the root itself, under the authority's name */
    forge_refuses(&f, "pck chain: pck certificate.signature", false);
    f.cert[FORGE_PCK].issuer = FORGE_ROOT;
    forge_refuses(&f, "pck chain: certificate.issuer", false);
    f.cert[FORGE_PCK] = pck;
    f.cert[FORGE_PLATFORM_CA].ca = false;
    forge_refuses(&f, "pck chain: pck ca certificate.role", false);
    f.cert[FORGE_PLATFORM_CA] = ca;
    f.cert[FORGE_PLATFORM_CA].usage = "critical,keyCertSign"; /* but no lists */
    forge_refuses(&f, "pck chain: pck ca certificate.role", false);
    f.cert[FORGE_PLATFORM_CA] = ca;
    f.cert[FORGE_PLATFORM_CA].signer = FORGE_PROCESSOR_CA;
    forge_refuses(&f, "pck chain: pck ca certificate.signature", false);
    f.cert[FORGE_PLATFORM_CA] = ca;
    f.info_signer = FORGE_PLATFORM_CA;
    forge_refuses(&f, "tcb info: signature", true);
    f.info_signer = FORGE_ROOT;
    forge_refuses(&f, "tcb info: signature", true);
    f.info_signer = FORGE_TCB;
    f.identity_signer = FORGE_PCK;
    forge_refuses(&f, "qe identity: signature", true);
    f.identity_signer = FORGE_TCB;
    f.cert[FORGE_TCB].ca = true;
    forge_refuses(&f, "tcb info: signature", true);
    f.cert[FORGE_TCB] = tcb;
    f.cert[FORGE_TCB].signer = FORGE_PLATFORM_CA;
    forge_refuses(&f, "tcb info: signature", true);
    f.cert[FORGE_TCB] = tcb;
    f.no_tcb_chain = true;
    forge_refuses(&f, "tcb info: signature", true);
    forge_free(&f);
}

/* A08: the whole set, well signed, under a root that only bears the name. */
static void same_name_root(void **state) {
    (void)state;
    struct forge f;
    forge_new(&f);
    f.trusted = false;
    forge_refuses(&f, "pck chain: root certificate.key", false);
    forge_free(&f);
}

/* A09 */
static void other_platform(void **state) {
    (void)state;
    struct forge f;
    forge_new(&f);
    for (size_t i = 0; i < 6; i++) {
        f.info_fmspc[i] ^= 1;
        forge_refuses(&f, "collateral: tcb info", true);
        f.info_fmspc[i] ^= 1;
    }
    f.info_pceid[1] = 1;
    forge_refuses(&f, "tcb info: tcb info.pceId", true);
    f.info_pceid[1] = 0;
    f.no_pceid = true;
    forge_refuses(&f, "tcb info: tcb info.pceId", true);
    f.no_pceid = false;
    f.info_of_other_type = true;
    forge_refuses(&f, "collateral: tcb info", true);
    f.info_of_other_type = false;
    f.identity_id = "TD_QE";
    forge_refuses(&f, "collateral: qe identity", true);
    f.identity_id = "QVE";
    forge_refuses(&f, "collateral: qe identity", true);
    forge_free(&f);
}

/* A10: one component lower than the level asks, at each place, of SGX, of TDX, and the PCE. */
static void each_component(void **state) {
    (void)state;
    char text[16384];
    for (int tdx = 0; tdx < 2; tdx++) {
        struct forge f;
        if (tdx)
            forge_tdx(&f, 4, 2);
        else
            forge_new(&f);
        f.levels = text;
        for (int at = 0; at <= 32; at++) {
            if (!tdx && at >= 16 && at < 32) continue;
            bool skipped = at == 16 || at == 17; /* the module's own */
            size_t n =
                forge_level(text, sizeof(text), tdx, 5, 11, at, at == 32 ? 12 : 6, "UpToDate");
            CELLA_VERIFICATION none, old;
            forge_verify(&f, &none);
            assert_string_equal(none.tcb_status, skipped ? "UpToDate" : "TCB_NOT_SUPPORTED");
            assert_int_equal(none.verdict, skipped ? CELLA_VERIFY_ACCEPTED : CELLA_VERIFY_REFUSED);
            text[n++] = ',';
            forge_level(text + n, sizeof(text) - n, tdx, 5, 11, -1, 0, "OutOfDate");
            forge_verify(&f, &old);
            assert_string_equal(old.tcb_status, skipped ? "UpToDate" : "OutOfDate");
            if (skipped) continue;
            const struct cella_claim *line = vector_claim(&old, "tcb-shortfall");
            assert_non_null(
                strstr(old.reason.found, at == 32 ? "pce svn: has 11, needs 12 since 2024-03-13"
                                                  : "has 5, needs 6 since 2024-03-13"));
            assert_true(line->bytes.size > 20);
        }
        forge_free(&f);
    }
}

/* A11, A20 */
static void binding(void **state) {
    (void)state;
    struct forge f;
    forge_new(&f);
    f.binding_tail = 1;
    forge_refuses(&f, "qe report: qe report.report data", false);
    f.binding_tail = 0;
    f.other_auth = true;
    forge_refuses(&f, "qe report: qe report.report data", false);
    f.other_auth = false;
    f.other_key = true;
    forge_refuses(&f, "qe report: qe report.report data", false);
    forge_free(&f);
}

/* A04, A12: one thing of the quoting enclave at a time; bits outside the masks do not count. */
static void qe_identity(void **state) {
    (void)state;
    struct forge f;
    forge_new(&f);
    f.qe_attributes[0] ^= 4;
    f.qe_attributes[8] = 0xe7;
    forge_accepts(&f);
    f.qe_attributes[0] ^= 2; /* debug */
    forge_refuses(&f, "qe identity: qe report.attributes", false);
    f.qe_attributes[0] ^= 2;
    f.qe_attributes[7] = 0x80;
    forge_refuses(&f, "qe identity: qe report.attributes", false);
    f.qe_attributes[7] = 0;
    f.qe_misc = 0x01000000;
    forge_refuses(&f, "qe identity: qe report.miscselect", false);
    f.qe_misc = 0;
    f.qe_mrsigner[31] ^= 1;
    forge_refuses(&f, "qe identity: qe report.mrsigner", false);
    f.qe_mrsigner[31] ^= 1;
    f.qe_prodid = 2;
    forge_refuses(&f, "qe identity: qe report.isvprodid", false);
    f.qe_prodid = 1;
    f.qe_svn = 7;
    f.accept = "OutOfDate";
    forge_accepts(&f);
    f.accept = NULL;
    forge_refuses(&f, "tcb level: tcb status", true);
    f.qe_svn = 4; /* below every level */
    f.accept = "TCB_NOT_SUPPORTED";
    forge_refuses(&f, "tcb level: tcb status", true);
    forge_free(&f);
}

/* A21: the TDX module's signer, attributes, version and level. */
static void tdx_module(void **state) {
    (void)state;
    struct forge f;
    forge_tdx(&f, 4, 2);
    f.mrsignerseam[47] = 1;
    forge_refuses(&f, "tdx module: td report.mrsignerseam", true);
    f.mrsignerseam[47] = 0;
    f.seam_attributes[0] = 1;
    forge_refuses(&f, "tdx module: td report.seamattributes", true);
    f.seam_attributes[0] = 0;
    f.tdx_svn[1] = 3; /* no identity TDX_03 */
    forge_refuses(&f, "tcb level: tcb status", true);
    f.tdx_svn[1] = 1;
    f.tdx_svn[0] = 3; /* OutOfDate module */
    f.accept = "OutOfDate";
    forge_accepts(&f);
    f.accept = NULL;
    forge_refuses(&f, "tcb level: tcb status", true);
    f.tdx_svn[0] = 1; /* below every level */
    forge_refuses(&f, "tcb level: tcb status", true);
    forge_free(&f);
    forge_tdx(&f, 4, 2);
    f.tdx_svn[1] = 0; /* version 0: components 0 and 1 count like the others */
    char level[4096];
    f.levels = level;
    forge_level(level, sizeof(level), true, 5, 11, 17, 0, "UpToDate");
    forge_accepts(&f);
    f.tdx_svn[0] = 4;
    forge_refuses(&f, "tcb level: tcb status", true);
    forge_free(&f);
}

/* TD 1.5: launched on an old TCB, which has been updated since. */
static void relaunch(void **state) {
    (void)state;
    struct forge f;
    CELLA_VERIFICATION advised, same;
    char text[16384];
    forge_tdx(&f, 5, 3);
    size_t n = forge_level(text, sizeof(text), true, 5, 11, -1, 0, "UpToDate");
    text[n++] = ',';
    forge_level(text + n, sizeof(text) - n, true, 4, 11, -1, 0, "OutOfDate");
    f.levels = text;
    f.tdx_svn[5] = 4;
    forge_verify(&f, &advised);
    assert_string_equal(advised.tcb_status, "TdRelaunchAdvised");
    assert_int_equal(advised.verdict, CELLA_VERIFY_REFUSED);
    f.tdx_svn2[5] = 4;
    forge_verify(&f, &same);
    assert_string_equal(same.tcb_status, "OutOfDate");
    forge_free(&f);
}

/* A19, A28, A31: versions, types, and every length field of the quote at its edges. */
static void layout(void **state) {
    (void)state;
    struct forge f;
    CELLA_BUFFER quote = {0};
    forge_new(&f);
    struct cella_collateral *set = forge_set(&f);
    forge_collateral(&f, set);
    VECTOR_OK(cella_collateral_finish(set));
    forge_quote(&f, &quote);
    struct cella_bytes bytes = cella_buffer_bytes(&quote);
    static const uint16_t versions[] = {0, 1, 2, 4, 5, 6, 255, 0x0103};
    for (size_t i = 0; i < 8; i++) {
        forge_put16(quote.data, versions[i]);
        vector_refused(bytes, set, CELLA_EVIDENCE_SGX, FORGE_NOW, "quote: quote");
    }
    forge_put16(quote.data, 3);
    static const struct {
        size_t at, size;
    } lengths[] = {{432, 4},
                   {1012, 2},
                   {1048, 4}}; /* signature data, authentication data, certification data */
    for (size_t i = 0; i < 3; i++) {
        uint32_t kept = 0;
        memcpy(&kept, quote.data + lengths[i].at, lengths[i].size);
        const uint32_t values[] = {0,          1,          kept - 1,   kept + 1,
                                   0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};
        for (size_t j = 0; j < 8; j++) {
            memcpy(quote.data + lengths[i].at, &values[j], lengths[i].size);
            vector_refused(bytes, set, CELLA_EVIDENCE_SGX, FORGE_NOW, NULL);
        }
        memcpy(quote.data + lengths[i].at, &kept, lengths[i].size);
    }
    CELLA_VERIFICATION v;
    vector_verify(bytes, set, CELLA_EVIDENCE_SGX, FORGE_NOW, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
    cella_collateral_free(&set);
    forge_free(&f);
}

/* The same of the newer layouts: a body size that is not its type's, a byte more than the nested
 * parts use. */
static void newer_layout(void **state) {
    (void)state;
    struct forge f;
    CELLA_BUFFER v5 = {0}, v4 = {0};
    forge_tdx(&f, 5, 3);
    struct cella_collateral *set = forge_set(&f);
    forge_collateral(&f, set);
    VECTOR_OK(cella_collateral_finish(set));
    forge_quote(&f, &v5);
    static const uint32_t sizes[] = {0, 384, 584, 647, 649, 0xffffffff};
    for (size_t i = 0; i < 6; i++) {
        memcpy(v5.data + 50, &sizes[i], 4);
        vector_refused(cella_buffer_bytes(&v5), set, CELLA_EVIDENCE_TDX, FORGE_NOW, "quote: quote");
    }
    v5.data[48] = 4;
    vector_refused(cella_buffer_bytes(&v5), set, CELLA_EVIDENCE_TDX, FORGE_NOW, "quote: quote");
    f.version = 4;
    f.body_type = 2;
    forge_quote(&f, &v4);
    uint32_t size;
    VECTOR_OK(cella_buffer_append(&v4, cella_bytes("", 1))); /* padding, which is allowed */
    CELLA_VERIFICATION padded;
    vector_verify(cella_buffer_bytes(&v4), set, CELLA_EVIDENCE_TDX, FORGE_NOW, &padded);
    assert_int_equal(padded.verdict, CELLA_VERIFY_ACCEPTED);
    memcpy(&size, v4.data + 632, 4);
    size++;
    memcpy(v4.data + 632, &size, 4);
    vector_refused(cella_buffer_bytes(&v4), set, CELLA_EVIDENCE_TDX, FORGE_NOW, "quote: quote");
    memcpy(&size, v4.data + 766, 4); /* of certification data 6 */
    size++;
    memcpy(v4.data + 766, &size, 4);
    vector_refused(cella_buffer_bytes(&v4), set, CELLA_EVIDENCE_TDX, FORGE_NOW, "quote: quote");
    cella_collateral_free(&set);
    forge_free(&f);
}

/* A29: the signed bytes are the bytes that are read; hostile text is a refusal that says so. */
static void hostile_json(void **state) {
    (void)state;
    struct forge f;
    char level[4096];
    forge_new(&f);
    f.levels = level;
    size_t n = forge_level(level, sizeof(level), false, 5, 11, -1, 0, "UpToDate");
    static const char *const inserts[] = {",\"tcbStatus\":\"UpToDate\"}", ",\"x\":01}",
                                          ",\"x\":\"\\ud800\"}", ",\"x\":nul}", "}}"};
    for (size_t i = 0; i < 5; i++) {
        snprintf(level + n - 1, sizeof(level) - n, "%s", inserts[i]);
        forge_refuses(&f, "collateral: tcb info", true);
    }
    forge_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genuine),        cmocka_unit_test(statuses),
        cmocka_unit_test(debug),          cmocka_unit_test(windows),
        cmocka_unit_test(newest_wins),    cmocka_unit_test(grace),
        cmocka_unit_test(revocation),     cmocka_unit_test(list_without_chain),
        cmocka_unit_test(roles),          cmocka_unit_test(same_name_root),
        cmocka_unit_test(other_platform), cmocka_unit_test(each_component),
        cmocka_unit_test(binding),        cmocka_unit_test(qe_identity),
        cmocka_unit_test(tdx_module),     cmocka_unit_test(relaunch),
        cmocka_unit_test(layout),         cmocka_unit_test(newer_layout),
        cmocka_unit_test(hostile_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
