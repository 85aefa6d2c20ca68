/* Azure's confidential machines: every vector with each of its fields, then each link of hardware
 * report, runtime data, attestation key, quote and PCRs broken (threats.md A03, A08, A19, A22, A31,
 * A36). */
#include "tpm_vector.h"

#include "crypto/digest.h"

enum { NOW = 1772755200 /* 2026-03-06 */, INTEL_TIME = 1772718607 /* 2026-03-05T13:50:07 */ };

#define AZURE     "azure-vtpm/"
#define INTEL     "tdx-quote/v4-90c06f000000-attested-tls-fefa5722/collateral-20260305-ev18"
#define MILAN     AZURE "snp-cdai-milan-v3"
#define GENOA     AZURE "snp-trustee-genoa"
#define TDX       AZURE "tdx-cdai-live"
#define CERTIFIED AZURE "flashbots-1764662251380464271"

/* What each folder holds, and what must come of it. */
enum outcome { TAKEN, TAKEN_WITHOUT_QUOTE, HARDWARE_COLLATERAL_LACKS, NOT_AUTHENTIC };
static const struct {
    const char *folder, *more;
    enum outcome outcome;
    const char *where;
} vectors[] = {
    {AZURE "cosmian-hcl-sev", NULL, NOT_AUTHENTIC, "vcek"},
    {CERTIFIED, INTEL, TAKEN, ""},
    {CERTIFIED, NULL, HARDWARE_COLLATERAL_LACKS, "collateral"},
    {AZURE "ita-aztdx", NULL, HARDWARE_COLLATERAL_LACKS, "collateral"},
    {AZURE "kinvolk-hcl-tdx", NULL, NOT_AUTHENTIC,
     "td quote"}, /* a TDREPORT alone cannot be checked elsewhere */
    {AZURE "snp-cdai-evidence-v1", NULL, TAKEN, ""},
    {MILAN, NULL, TAKEN, ""},
    {GENOA, NULL, TAKEN, ""},
    {AZURE "snp-trustee-hcl2023", NULL, NOT_AUTHENTIC,
     "tpm quote: signature"}, /* quote of an older key */
    {AZURE "snp-trustee-quote-v1", NULL, NOT_AUTHENTIC, "vcek"},
    {AZURE "snp-trustee-quote-v1", AZURE "snp-cdai-evidence-v1/vcek.der", TAKEN,
     ""}, /* the same machine's */
    {AZURE "snp-trustee-v1", NULL, TAKEN, ""},
    {TDX, INTEL, TAKEN, ""},
    {TDX, NULL, HARDWARE_COLLATERAL_LACKS, "collateral"},
};
enum { VECTOR_COUNT = sizeof(vectors) / sizeof(vectors[0]) };

static uint64_t time_for(const char *more) {
    return more && strstr(more, "collateral-") ? INTEL_TIME : NOW;
}

static void check_fields(const char *folder, const struct cella_verification *v) {
    char path[600], text[32];
    snprintf(path, sizeof(path), "%s/expected.json", folder);
    json_t *expected = vector_json(path);
    const json_t *hcl = json_object_get(expected, "hcl"),
                 *quote = json_object_get(expected, "quote");
    vector_same_hex(v, "report-data", json_string_value(json_object_get(hcl, "report_data")));
    vector_same_number(v, "azure.hcl-version",
                       (uint64_t)json_integer_value(json_object_get(hcl, "version")));
    char hex[129] = "";
    const char *user = json_string_value(json_object_get(hcl, "user_data"));
    for (size_t i = 0; i < 128; i++)
        hex[i] = (char)(user[i] >= 'A' && user[i] <= 'F' ? user[i] + 32 : user[i]);
    vector_same_hex(v, "azure.user-data", hex);
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(hcl, "vm_configuration"), key, value) {
        char name[80];
        snprintf(name, sizeof(name), "azure.vm.%.60s", key);
        if (json_is_boolean(value))
            vector_same_number(v, name, json_is_true(value));
        else
            vector_same_text(v, name, json_string_value(value));
    }
    vector_same_number(v, "azure.vtpm-quote", quote != NULL);
    if (quote) company_quote_fields(v, quote);
    snprintf(text, sizeof(text), "%s",
             json_integer_value(json_object_get(hcl, "report_type")) == 4 ? "tdx" : "snp");
    vector_same_text(v, "tee", text);
    json_decref(expected);
}

static void judges_every_vector(void **state) {
    (void)state;
    for (size_t i = 0; vector_has("azure-vtpm") && i < VECTOR_COUNT; i++) {
        COMPANY c = {0};
        company_read(vectors[i].folder, &c);
        struct cella_bytes report = cella_buffer_bytes(company_file(&c, "hcl_report.bin"));
        uint64_t time = time_for(vectors[i].more);
        company_expect(&c, vectors[i].more, report, CELLA_EVIDENCE_AUTO, time, vectors[i].where);
        struct cella_collateral *set = company_collateral(&c, vectors[i].more);
        CELLA_VERIFICATION v;
        vector_verify(report, set, CELLA_EVIDENCE_AUTO, time, &v);
        assert_int_equal(v.type, CELLA_EVIDENCE_AZURE);
        assert_int_equal(v.authentic, vectors[i].outcome != NOT_AUTHENTIC);
        if (v.authentic) check_fields(vectors[i].folder, &v);
        cella_collateral_free(&set);
    }
}

static void takes_json_alone(void **state) {
    (void)state;
    static const char *const folders[] = {AZURE "snp-cdai-evidence-v1", MILAN,
                                          AZURE "snp-trustee-v1", TDX};
    for (size_t i = 0; vector_has("azure-vtpm") && i < 4; i++) {
        CELLA_BUFFER text = {0};
        COMPANY c = {0};
        char path[600];
        snprintf(path, sizeof(path), "%s/evidence.json", folders[i]);
        vector_read(path, &text);
        bool tdx = i == 3;
        company_expect(&c, tdx ? INTEL : NULL, cella_buffer_bytes(&text), CELLA_EVIDENCE_AUTO,
                       tdx ? INTEL_TIME : NOW, "");
        struct cella_collateral *set = company_collateral(&c, tdx ? INTEL : NULL);
        CELLA_VERIFICATION v;
        vector_verify(cella_buffer_bytes(&text), set, CELLA_EVIDENCE_AUTO, tdx ? INTEL_TIME : NOW,
                      &v);
        check_fields(folders[i], &v);
        cella_collateral_free(&set);
    }
}

/* A36: no byte of the report is without meaning. Version 1 and 2 differ in more than the bit that
 * is turned here. */
static void refuses_every_change_of_the_report(void **state) {
    (void)state;
    static const struct {
        const char *folder, *more;
        size_t stride;
    } cases[] = {{MILAN, NULL, 1}, {GENOA, NULL, 7}, {TDX, INTEL, 1}};
    for (size_t i = 0; vector_has(MILAN) && i < 3; i++) {
        COMPANY c = {0};
        CELLA_BUFFER report = {0};
        company_read(cases[i].folder, &c);
        VECTOR_OK(
            cella_buffer_append(&report, cella_buffer_bytes(company_file(&c, "hcl_report.bin"))));
        struct cella_collateral *set = company_collateral(&c, cases[i].more);
        uint64_t time = time_for(cases[i].more);
        for (size_t at = 0; at < report.size; at += cases[i].stride) {
            uint8_t bit = at == 4 ? 0x80 : (uint8_t)(1U << at % 8);
            /* A TDREPORT's CPUSVN and MAC speak to its own machine only, and are not used; its
             * version may be 0 or 1. */
            bool unused = i == 2 && ((at >= 32 + 16 && at < 32 + 32) ||
                                     (at >= 32 + 224 && at < 32 + 256) || at == 32 + 2);
            if (unused) continue;
            report.data[at] ^= bit;
            vector_refused(cella_buffer_bytes(&report), set, CELLA_EVIDENCE_AZURE, time, NULL);
            report.data[at] ^= bit;
        }
        size_t used = (size_t)report.data[8] |
                      (size_t)report.data[9] << 8; /* what it says: it may be trimmed to that */
        for (size_t size = 0; size < report.size; size += cases[i].stride)
            if (size != used)
                vector_refused(cella_bytes(report.data, size), set, CELLA_EVIDENCE_AZURE, time,
                               NULL);
        cella_collateral_free(&set);
    }
}

static void refuses_every_change_of_the_quote(void **state) {
    (void)state;
    static const char *const files[] = {"tpm_quote.msg", "tpm_quote.sig"};
    static const char *const folders[] = {MILAN, GENOA, AZURE "snp-trustee-v1"};
    for (size_t i = 0; vector_has(MILAN) && i < 3; i++) {
        COMPANY c = {0};
        company_read(folders[i], &c);
        struct cella_bytes report = cella_buffer_bytes(company_file(&c, "hcl_report.bin"));
        for (size_t f = 0; f < 2; f++)
            company_break(&c, NULL, files[f], report, CELLA_EVIDENCE_AZURE, NOW, i ? 7 : 1);
        struct cella_buffer *pcrs = company_file(&c, "pcrs_sha256.txt");
        for (size_t at = 0; at < pcrs->size; at += 5) { /* another digit: another value */
            uint8_t was = pcrs->data[at];
            if (was == ' ' || was == '\n') continue;
            pcrs->data[at] = was == '0' ? '1' : '0';
            company_expect(&c, NULL, report, CELLA_EVIDENCE_AZURE, NOW, NULL);
            pcrs->data[at] = was;
        }
    }
}

static void take_from(struct company *c, const char *folder, const char *name) {
    COMPANY other = {0};
    company_read(folder, &other);
    company_put(c, name, cella_buffer_bytes(company_file(&other, name)));
}

/* A22: pieces of another machine, each good in itself. */
static void refuses_pieces_of_another_machine(void **state) {
    (void)state;
    if (!vector_has(MILAN)) return;
    static const struct {
        const char *folder, *more, *other, *file, *where;
    } cases[] = {
        {MILAN, NULL, GENOA, "tpm_quote.msg", "tpm quote: signature"},
        {MILAN, NULL, GENOA, "tpm_quote.sig", "tpm quote: signature"},
        {MILAN, NULL, GENOA, "pcrs_sha256.txt", "pcr digest"},
        {MILAN, NULL, GENOA, "vcek.der", NULL},
        {MILAN, NULL, AZURE "snp-trustee-v1", "vcek.der", NULL},
        {TDX, INTEL, CERTIFIED, "td_quote.bin", "td quote: td quote.report data"},
        {TDX, INTEL, CERTIFIED, "ak_cert_chain.pem", "ak certificate: public key"},
        {TDX, INTEL, CERTIFIED, "tpm_quote.msg", "tpm quote: signature"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        COMPANY c = {0};
        company_read(cases[i].folder, &c);
        take_from(&c, cases[i].other, cases[i].file);
        struct cella_bytes report = cella_buffer_bytes(company_file(&c, "hcl_report.bin"));
        company_expect(&c, cases[i].more, report, CELLA_EVIDENCE_AZURE, time_for(cases[i].more),
                       cases[i].where);
    }
    COMPANY c = {0};
    company_read(MILAN, &c);
    struct cella_bytes report = cella_buffer_bytes(company_file(&c, "hcl_report.bin"));
    CELLA_BUFFER mixed = {
        0}; /* the runtime data, and so the key, of another machine behind this one's report */
    COMPANY other = {0};
    company_read(AZURE "snp-trustee-v1", &other);
    const struct cella_buffer *theirs = company_file(&other, "hcl_report.bin");
    VECTOR_OK(cella_buffer_append(&mixed, cella_bytes(report.data, 1216)));
    VECTOR_OK(cella_buffer_append(&mixed, cella_bytes(theirs->data + 1216, theirs->size - 1216)));
    company_expect(&other, NULL, cella_buffer_bytes(&mixed), CELLA_EVIDENCE_AZURE, NOW,
                   "hcl report: report data");
    company_drop(&c, "tpm_quote.sig");
    company_expect(&c, NULL, report, CELLA_EVIDENCE_AZURE, NOW, "tpm quote: signature");
}

/* A TDREPORT made up around the right REPORTDATA, with hashes that fit: its MAC tells nobody but
 * its own machine, so the TD quote must say the same of the TD and of its module. */
static void refuses_made_up_tdreports(void **state) {
    (void)state;
    if (!vector_has(TDX)) return;
    static const struct {
        size_t part, size, hash, changed;
        const char *where;
    } cases[] = {{512, 512, 80, 512 + 16, "td quote.td info"},     /* MRTD */
                 {512, 512, 80, 512 + 399, "td quote.td info"},    /* the end of RTMR3 */
                 {256, 239, 32, 256 + 8, "td quote.tee tcb info"}, /* TEE_TCB_SVN */
                 {256, 239, 32, 256 + 24, "td quote.tee tcb info"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        COMPANY c = {0};
        company_read(TDX, &c);
        struct cella_buffer *report = company_file(&c, "hcl_report.bin");
        uint8_t *tdreport = report->data + 32;
        struct cella_bytes part = cella_bytes(tdreport + cases[i].part, cases[i].size);
        tdreport[cases[i].changed] ^= 1;
        VECTOR_OK(cella_hash(CELLA_HASH_SHA384, &part, 1, tdreport + cases[i].hash));
        company_expect(&c, INTEL, cella_buffer_bytes(report), CELLA_EVIDENCE_AZURE, INTEL_TIME,
                       cases[i].where);
    }
}

/* A08: roots of one's own take the place of all makers'. */
static void refuses_other_roots(void **state) {
    (void)state;
    if (!vector_has(MILAN)) return;
    CELLA_BUFFER aws = {0};
    vector_read("nitro/aws-nitro-root.pem", &aws);
    struct cella_bytes root = cella_buffer_bytes(&aws);
    static const struct { const char *folder, *more; } cases[] = {{MILAN, NULL}, {TDX, INTEL}};
    for (size_t i = 0; i < 2; i++) {
        COMPANY c = {0};
        company_read(cases[i].folder, &c);
        struct cella_collateral *set = company_collateral_roots(&c, cases[i].more, &root);
        CELLA_VERIFICATION v;
        vector_verify(cella_buffer_bytes(company_file(&c, "hcl_report.bin")), set,
                      CELLA_EVIDENCE_AUTO, time_for(cases[i].more), &v);
        assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
        assert_false(v.authentic);
        cella_collateral_free(&set);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_every_vector),
        cmocka_unit_test(takes_json_alone),
        cmocka_unit_test(refuses_every_change_of_the_report),
        cmocka_unit_test(refuses_every_change_of_the_quote),
        cmocka_unit_test(refuses_pieces_of_another_machine),
        cmocka_unit_test(refuses_made_up_tdreports),
        cmocka_unit_test(refuses_other_roots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
