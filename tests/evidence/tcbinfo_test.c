/* TCB info as Intel and others wrote it, well and badly (A29, A31). */
#include "vector.h"

#include "evidence/tcbinfo.h"

static bool reads(struct cella_bytes text, struct cella_tcbinfo *info) {
    struct cella_result r = cella_tcbinfo_parse(text, info);
    bool good = !cella_failed(r);
    if (!good) assert_true(strlen(r.error->what) > 10);
    cella_result_drop(r);
    return good;
}

/* Each vector by the verdict that the manifest gives it. */
static void every_vector(void **state) {
    (void)state;
    CELLA_BUFFER manifest = {0};
    size_t count[2] = {0, 0};
    if (!vector_has("MANIFEST.tsv")) return;
    vector_read("MANIFEST.tsv", &manifest);
    VECTOR_OK(cella_buffer_append(&manifest, cella_bytes("", 1)));
    char *save = NULL;
    for (char *line = strtok_r((char *)manifest.data, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "collateral-parse/report_data_", 29) != 0) continue;
        bool accept = strstr(line, "\tparser must accept\t") != NULL;
        CELLA_BUFFER text = {0};
        struct cella_tcbinfo info;
        *strchr(line, '\t') = 0;
        vector_read(line, &text);
        bool good = reads(cella_buffer_bytes(&text), &info);
        if (good != accept) print_error("%s: expected %s\n", line, accept ? "accepted" : "refused");
        assert_int_equal(good, accept);
        count[accept]++;
    }
    assert_true(count[0] >= 9 && count[1] >= 3);
}

/* A genuine one of TDX: what is in it, and every cut of it, and every byte of it changed without a
 * crash. */
static void cut_and_flipped(void **state) {
    (void)state;
    CELLA_BUFFER text = {0};
    struct cella_tcbinfo info;
    if (!vector_has("tdx-quote")) return;
    vector_read(
        "tdx-quote/v4-b0c06f000000-dcap-qvl-f1c85033/collateral-20250704-ev17/tcb_info.json",
        &text);
    while (text.size && text.data[text.size - 1] != '}') text.size--;
    assert_true(reads(cella_buffer_bytes(&text), &info));
    assert_true(info.tdx && info.version == 3 && info.has_module && info.has_pceid);
    assert_int_equal(info.evaluation, 17);
    assert_memory_equal(info.fmspc, "\xb0\xc0\x6f\x00\x00\x00", 6);
    assert_true(info.level_count >= 2 && info.identity_count >= 1 &&
                info.identity[0].level_count >= 1);
    assert_true(info.level[0].verdict.status == CELLA_TCB_UP_TO_DATE &&
                info.sgx_category[0].size > 0);
    assert_true(info.signed_part.data[0] == '{' &&
                info.signed_part.data[info.signed_part.size - 1] == '}');
    for (size_t size = 0; size < text.size; size++) {
        uint8_t *cut = malloc(size ? size : 1);
        cella_copy(cut, text.data, size);
        assert_false(reads(cella_bytes(cut, size), &info));
        free(cut);
    }
    for (size_t i = 0; i < text.size; i++) {
        text.data[i] ^= (uint8_t)(1U << (i % 8));
        (void)reads(cella_buffer_bytes(&text), &info);
        text.data[i] ^= (uint8_t)(1U << (i % 8));
    }
}

static void odd_ones(void **state) {
    (void)state;
    struct cella_tcbinfo info;
    static const char *const refused[] = {"",
                                          "{}",
                                          "[]",
                                          "null",
                                          "{\"tcbInfo\":{},\"signature\":\"00\"}",
                                          "{\"tcbInfo\":[],\"signature\":\"00\"}",
                                          "{\"tcbInfo\":{\"version\":4}}",
                                          "{\"tcbInfo\":{\"version\":-3}}",
                                          "{\"tcbInfo\":{\"version\":3.0}}",
                                          "{\"tcbInfo\":{\"fmspc\":\"00606A00000\"}}",
                                          "{\"tcbInfo\":{\"fmspc\":\"00606A0000000\"}}",
                                          "{\"tcbInfo\":{\"tcbLevels\":[]}}",
                                          "{\"tcbInfo\":{\"issueDate\":\"2024-02-30T00:00:00Z\"}}",
                                          "{\"tcbInfo\":{\"issueDate\":\"2024-02-20T00:00:00\"}}"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_false(reads(cella_bytes_text(refused[i]), &info));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_vector),
                                       cmocka_unit_test(cut_and_flipped),
                                       cmocka_unit_test(odd_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
