/* Boot logs and quotes of real machines: what is told of them, and that nothing is told that was
 * not measured (threats.md A21, A22). Skipped without vectors. */
#include "../evidence/tpm_vector.h"

#include <jansson.h>

#include "attest/tpm_events.h"
#include "base/text.h"
#include "crypto/jose.h"
#include "evidence/hcl.h"

static bool failed(struct cella_result r) {
    bool bad = cella_failed(r);
    cella_result_drop(r);
    return bad;
}

/* A proof in which every PCR is what the log replays to. */
static void replay(const struct cella_buffer *log, enum cella_hash bank,
                   struct cella_tpm_proof *proof) {
    struct cella_registers registers;
    VECTOR_OK(cella_eventlog_replay(cella_buffer_bytes(log), bank, &registers));
    *proof = (struct cella_tpm_proof){.bank = bank, .quoted = 0xffffff};
    for (unsigned p = 0; p < CELLA_TPM_PCR_MAX; p++)
        memcpy(proof->values.value[p], registers.value[p], CELLA_HASH_SIZE_MAX);
    VECTOR_OK(cella_tpm_proof_log(proof, cella_buffer_bytes(log)));
}

static size_t count_of(const json_t *events, const char *type, bool told) {
    const json_t *item;
    size_t at, count = 0;
    json_array_foreach(json_object_get(events, "Events"), at, item) {
        const char *name = json_string_value(json_object_get(item, "EventTypeString"));
        count += strcmp(name, type) == 0 && (json_object_get(item, "ProcessedData") || !told);
    }
    return count;
}

static size_t told_of(const struct cella_tpm_proof *proof, const struct cella_buffer *log) {
    struct cella_boot_facts facts;
    CELLA_JSON events = NULL;
    const json_t *item;
    size_t at, count = 0;
    VECTOR_OK(cella_tpm_events(proof, cella_buffer_bytes(log), &events, &facts));
    json_array_foreach(json_object_get(events, "Events"), at, item) count +=
        json_object_get(item, "ProcessedData") != NULL;
    return count;
}

/* A shielded machine with Windows, of a time when its log had SHA-1 alone. */
static void test_windows(void **state) {
    (void)state;
    CELLA_BUFFER log = {0}, values = {0};
    struct cella_tpm_pcrs pcrs[CELLA_TPM_HASH_COUNT] = {{0}};
    struct cella_tpm_proof proof;
    struct cella_boot_facts facts;
    CELLA_JSON events = NULL;
    vector_read("tpm2-quote/go-attestation-windows/eventlog.bin", &log);
    vector_read("tpm2-quote/go-attestation-windows/pcrs.json", &values);
    VECTOR_OK(cella_tpm_pcrs_parse(cella_buffer_bytes(&values), pcrs));
    replay(&log, CELLA_HASH_SHA1, &proof);
    proof.values = pcrs[CELLA_HASH_SHA1]; /* as the TPM gave them: the log explains them */
    VECTOR_OK(cella_tpm_proof_log(&proof, cella_buffer_bytes(&log)));
    VECTOR_OK(cella_tpm_events(&proof, cella_buffer_bytes(&log), &events, &facts));
    assert_true(facts.windows_events > 0);
    assert_true(count_of(events, "EV_EVENT_TAG", true) > 0);
    assert_true(cella_boot_is(&facts, CELLA_BOOT_SECURE_BOOT));
    assert_true(cella_boot_isnt(&facts, CELLA_BOOT_BOOT_DEBUGGING));
    assert_true(cella_boot_isnt(&facts, CELLA_BOOT_TEST_SIGNING));
    assert_true(cella_boot_is(&facts, CELLA_BOOT_CODE_INTEGRITY));
    assert_true(cella_boot_isnt(&facts, CELLA_BOOT_SAFE_MODE));
    /* One register that is not explained: nothing is told of it. */
    proof.explained &= ~(1U << 7);
    json_decref(events);
    events = NULL;
    VECTOR_OK(cella_tpm_events(&proof, cella_buffer_bytes(&log), &events, &facts));
    assert_false(cella_boot_said(&facts, CELLA_BOOT_SECURE_BOOT));
    const json_t *item;
    size_t index;
    json_array_foreach(json_object_get(events, "Events"), index, item)
        assert_int_not_equal(json_integer_value(json_object_get(item, "PcrIndex")), 7);
    /* A byte changed: the PCR does not come out, or an event's data are no longer told. */
    VECTOR_OK(cella_tpm_proof_log(&proof, cella_buffer_bytes(&log)));
    size_t told = told_of(&proof, &log), refused = 0;
    for (size_t at = 0; at < log.size; at += 211) {
        log.data[at] ^= 1;
        if (failed(cella_tpm_proof_log(&proof, cella_buffer_bytes(&log))))
            refused++;
        else
            assert_true(told_of(&proof, &log) <= told);
        log.data[at] ^= 1;
    }
    assert_true(refused > 0);
}

/* A machine of Google's with a Linux of theirs. */
static void test_linux(void **state) {
    (void)state;
    CELLA_BUFFER log = {0};
    vector_read("tpm2-quote/go-tpm-tools-gce-cos-85-no-nonce/eventlog.bin", &log);
    for (enum cella_hash bank = CELLA_HASH_SHA1; bank <= CELLA_HASH_SHA256; bank++) {
        struct cella_tpm_proof proof;
        struct cella_boot_facts facts;
        CELLA_JSON events = NULL;
        replay(&log, bank, &proof);
        VECTOR_OK(cella_tpm_events(&proof, cella_buffer_bytes(&log), &events, &facts));
        assert_int_equal(facts.windows_events, 0);
        assert_true(cella_boot_said(&facts, CELLA_BOOT_SECURE_BOOT));
        assert_false(cella_boot_said(&facts, CELLA_BOOT_BOOT_DEBUGGING));
        assert_true(count_of(events, "EV_EFI_VARIABLE_DRIVER_CONFIG", true) >= 5);
        /* An image's digest is not that of its path: the path is not told. */
        assert_int_equal(count_of(events, "EV_EFI_BOOT_SERVICES_APPLICATION", true), 0);
        assert_true(count_of(events, "EV_EFI_BOOT_SERVICES_APPLICATION", false) > 0);
    }
}

/* Azure's machines: quote and values under the key that their runtime data name. */
static void test_azure_quotes(void **state) {
    (void)state;
    static const char *const folders[] = {"flashbots-1764662251380464271",
                                          "snp-cdai-evidence-v1",
                                          "snp-cdai-milan-v3",
                                          "snp-trustee-genoa",
                                          "snp-trustee-v1",
                                          "tdx-cdai-live"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        CELLA_BUFFER hcl = {0}, message = {0}, signature = {0}, values = {0};
        struct cella_tpm_pcrs pcrs[CELLA_TPM_HASH_COUNT] = {{0}};
        struct cella_hcl report;
        struct cella_hcl_runtime runtime;
        struct cella_tpm_proof proof;
        char path[256];
        struct cella_buffer *const to[] = {&hcl, &message, &signature, &values};
        static const char *const names[] = {"hcl_report.bin", "tpm_quote.msg", "tpm_quote.sig",
                                            "pcrs_sha256.txt"};
        for (size_t k = 0; k < 4; k++) {
            snprintf(path, sizeof(path), "azure-vtpm/%s/%s", folders[i], names[k]);
            vector_read(path, to[k]);
        }
        VECTOR_OK(cella_hcl_parse(cella_buffer_bytes(&hcl), &report));
        VECTOR_OK(cella_hcl_runtime_parse(report.runtime, &runtime));
        VECTOR_OK(cella_tpm_pcrs_parse(cella_buffer_bytes(&values), pcrs));
        struct cella_bytes ak = cella_spki_bytes(&runtime.ak);
        VECTOR_OK(cella_tpm_proof_quote(ak, cella_buffer_bytes(&message),
                                        cella_buffer_bytes(&signature), pcrs, &proof));
        for (size_t at = 0; at < message.size; at += 3) {
            message.data[at] ^= 1;
            assert_true(failed(cella_tpm_proof_quote(
                ak, cella_buffer_bytes(&message), cella_buffer_bytes(&signature), pcrs, &proof)));
            message.data[at] ^= 1;
        }
        for (size_t cut = 0; cut < message.size; cut++)
            assert_true(failed(cella_tpm_proof_quote(
                ak, cella_bytes(message.data, cut), cella_buffer_bytes(&signature), pcrs, &proof)));
        pcrs[CELLA_HASH_SHA256].value[0][0] ^= 1;
        assert_true(failed(cella_tpm_proof_quote(ak, cella_buffer_bytes(&message),
                                                 cella_buffer_bytes(&signature), pcrs, &proof)));
    }
}

/* A key that Google certified: a TPM for Tpm, but no machine of Azure's. */
static void test_clouds(void **state) {
    (void)state;
    CELLA_BUFFER chain = {0}, leaf = {0};
    struct cella_collateral *set = NULL;
    struct cella_certificate certificate;
    const char *by = NULL;
    bool found = false, taken = false;
    size_t at = 0;
    const uint64_t now = 1775000000;
    vector_read("tpm2-quote/vaportpm-gcp-amd/ak_cert_chain.pem", &chain);
    VECTOR_OK(cella_pem_next(cella_buffer_bytes(&chain), "CERTIFICATE", &at, &leaf, &found));
    VECTOR_OK(cella_certificate_parse(cella_buffer_bytes(&leaf), &certificate));
    VECTOR_OK(cella_collateral_new(&set));
    VECTOR_OK(cella_collateral_add(set, "ak_cert_chain.pem", cella_buffer_bytes(&chain), &taken));
    VECTOR_OK(cella_collateral_finish(set));
    struct cella_bytes der = cella_buffer_bytes(&leaf);
    VECTOR_OK(cella_tpm_proof_vouched(set, certificate.spki, der, now, false, &by));
    assert_string_equal(by, "certificate");
    assert_true(failed(cella_tpm_proof_vouched(set, certificate.spki, der, now, true, &by)));
    assert_true(failed(cella_tpm_proof_vouched(NULL, certificate.spki, der, now, false, &by)));
    assert_true(failed(cella_tpm_proof_vouched(set, certificate.spki, der, 1, false, &by)));
    cella_collateral_free(&set);
}

/* Tagged events of any form: never more than memory. */
static void test_tagged(void **state) {
    (void)state;
    CELLA_BUFFER nested = {0};
    struct cella_boot_facts facts = {0};
    for (unsigned depth = 0; depth < 40; depth++) { /* each holds the one before */
        uint8_t head[8] = {1, 0, 1, 0x40};
        CELLA_BUFFER outer = {0};
        uint32_t size = (uint32_t)nested.size;
        for (unsigned i = 0; i < 4; i++) head[4 + i] = (uint8_t)(size >> (8 * i));
        VECTOR_OK(cella_buffer_append(&outer, CELLA_BYTES_OF(head)));
        VECTOR_OK(cella_buffer_append(&outer, cella_buffer_bytes(&nested)));
        cella_buffer_free(&nested);
        nested = MOVE(outer);
        json_decref(cella_tpm_tagged(cella_buffer_bytes(&nested), &facts));
    }
    static const uint8_t debug[] = {1, 0, 1, 0x40, 9, 0, 0, 0, 1, 0, 4, 0, 1, 0, 0, 0, 1};
    for (size_t cut = 0; cut < sizeof(debug); cut++) {
        struct cella_boot_facts cut_facts = {0};
        json_decref(cella_tpm_tagged(cella_bytes(debug, cut), &cut_facts));
        assert_false(cella_boot_said(&cut_facts, CELLA_BOOT_BOOT_DEBUGGING));
    }
    struct cella_boot_facts found = {0};
    CELLA_JSON tree = cella_tpm_tagged(CELLA_BYTES_OF(debug), &found);
    assert_true(cella_boot_is(&found, CELLA_BOOT_BOOT_DEBUGGING));
    assert_true(json_is_true(
        json_object_get(json_object_get(tree, "EVENT_TRUSTBOUNDARY"), "EVENT_BOOTDEBUGGING")));
}

int main(void) {
    const struct CMUnitTest with_vectors[] = {cmocka_unit_test(test_windows),
                                              cmocka_unit_test(test_linux),
                                              cmocka_unit_test(test_azure_quotes),
                                              cmocka_unit_test(test_tagged),
                                              cmocka_unit_test(test_clouds)};
    const struct CMUnitTest without[] = {cmocka_unit_test(test_tagged)};
    if (vector_has("MANIFEST.tsv")) return cmocka_run_group_tests(with_vectors, NULL, NULL);
    return cmocka_run_group_tests(without, NULL, NULL);
}
