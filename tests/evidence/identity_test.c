/* Enclave identities as Intel and others wrote them, well and badly (A29, A31). */
#include "vector.h"

#include "crypto/x509.h"
#include "evidence/identity.h"

static bool reads(struct cella_bytes text, struct cella_enclave_identity *identity) {
    struct cella_result r = cella_enclave_identity_parse(text, identity);
    bool good = !cella_failed(r);
    if (!good) assert_true(strlen(r.error->what) > 10);
    cella_result_drop(r);
    return good;
}

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
        if (strncmp(line, "collateral-parse/qeidentity_", 28) != 0) continue;
        bool accept = strstr(line, "\tparser must accept\t") != NULL;
        CELLA_BUFFER text = {0};
        struct cella_enclave_identity identity;
        *strchr(line, '\t') = 0;
        vector_read(line, &text);
        bool good = reads(cella_buffer_bytes(&text), &identity);
        if (good != accept) print_error("%s: expected %s\n", line, accept ? "accepted" : "refused");
        assert_int_equal(good, accept);
        count[accept]++;
    }
    assert_true(count[0] >= 16 && count[1] >= 3);
}

static bool signed_by_intel(const char *path) {
    static const char chain[] = "sgx-quote/v3-00606a000000-libsignal-3f0db0ac/"
                                "collateral-20220730-ev12/tcb_signing_chain.pem";
    CELLA_BUFFER text = {0}, pem = {0}, der = {0};
    CELLA_VERIFYKEY key = NULL;
    struct cella_certificate signer;
    struct cella_enclave_identity identity;
    size_t at = 0;
    bool found = false;
    vector_read(path, &text);
    vector_read(chain, &pem);
    VECTOR_OK(cella_pem_next(cella_buffer_bytes(&pem), "CERTIFICATE", &at, &der, &found));
    VECTOR_OK(cella_certificate_parse(cella_buffer_bytes(&der), &signer));
    VECTOR_OK(cella_verifykey_new(signer.spki, &key));
    assert_true(reads(cella_buffer_bytes(&text), &identity));
    struct cella_result r = cella_verifykey_check(
        key, CELLA_SIG_ECDSA_P256_SHA256, identity.signed_part, CELLA_BYTES_OF(identity.signature));
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

/* One vector is well-formed, and its damage shows in the signature alone. */
static void well_formed_but_changed(void **state) {
    (void)state;
    if (!vector_has("collateral-parse/fortanix_corrupt_qe3_identity.json")) return;
    assert_false(signed_by_intel("collateral-parse/fortanix_corrupt_qe3_identity.json"));
    assert_true(signed_by_intel(
        "sgx-quote/v3-00606a000000-libsignal-3f0db0ac/collateral-20220730-ev12/qe_identity.json"));
}

static void cut_and_flipped(void **state) {
    (void)state;
    CELLA_BUFFER text = {0};
    struct cella_enclave_identity identity;
    if (!vector_has("tdx-quote")) return;
    vector_read(
        "tdx-quote/v4-b0c06f000000-dcap-qvl-f1c85033/collateral-20250704-ev17/qe_identity.json",
        &text);
    while (text.size && text.data[text.size - 1] != '}') text.size--;
    assert_true(reads(cella_buffer_bytes(&text), &identity));
    assert_true(identity.id == CELLA_ENCLAVE_TD_QE && identity.version == 2 &&
                identity.level_count >= 1);
    assert_int_equal(identity.isvprodid, 2);
    for (size_t size = 0; size < text.size; size++) {
        uint8_t *cut = malloc(size ? size : 1);
        cella_copy(cut, text.data, size);
        assert_false(reads(cella_bytes(cut, size), &identity));
        free(cut);
    }
    for (size_t i = 0; i < text.size; i++) {
        text.data[i] ^= (uint8_t)(1U << (i % 8));
        (void)reads(cella_buffer_bytes(&text), &identity);
        text.data[i] ^= (uint8_t)(1U << (i % 8));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_vector),
                                       cmocka_unit_test(well_formed_but_changed),
                                       cmocka_unit_test(cut_and_flipped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
