/* The platform's answers to enclaves: reports, seal keys, evidence; and what malformed requests do.
 */
#include "cmocka_all.h"

#include <unistd.h>

#include "abi/platcall.h"
#include "base/reader.h"
#include "base/writer.h"
#include "platform/authority.h"
#include "platform/sealkey.h"

static char folder[64];
static struct cella_authority authority;
static struct cella_caller alice, bob;
static struct cella_buffer reply;

static int open_authority(void **state) {
    (void)state;
    strcpy(folder, "/tmp/cella-authority-XXXXXX");
    assert_non_null(mkdtemp(folder));
    authority = (struct cella_authority){0};
    assert_ok(cella_state_lock(folder, &authority.state));
    assert_ok(cella_state_open(folder, &authority.state));
    assert_ok(cella_authority_open(&authority, "file", ""));
    alice = bob = (struct cella_caller){.memory_secret = true};
    memset(alice.identity.mrenclave, 0xa1, 32);
    memset(alice.identity.mrsigner, 0x51, 32);
    alice.identity.product_id = 3;
    alice.identity.svn = 5;
    alice.identity.attributes = 5;
    alice.identity.xfrm = 3;
    bob = alice;
    memset(bob.identity.mrenclave, 0xb0, 32);
    return 0;
}

static int close_authority(void **state) {
    (void)state;
    char command[128];
    cella_authority_close(&authority);
    cella_buffer_free(&reply);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

/* Sends op with body; returns the reply's code, its body in *out. */
static uint32_t ask(const struct cella_caller *who, uint32_t op, struct cella_bytes body,
                    struct cella_bytes *out) {
    uint8_t message[2048];
    struct cella_writer w = cella_writer(message, sizeof(message));
    cella_writer_u32le(&w, op);
    cella_writer_u32le(&w, (uint32_t)body.size);
    cella_writer_put(&w, body);
    reply.size = 0;
    assert_ok(cella_authority_answer(&authority, who, cella_writer_bytes(&w), &reply));
    struct cella_reader r = cella_reader(cella_buffer_bytes(&reply));
    uint32_t code = cella_reader_u32le(&r), size = cella_reader_u32le(&r);
    *out = cella_reader_rest(&r);
    assert_int_equal(size, out->size);
    return code;
}

static void report_for(const struct cella_caller *from, const struct cella_caller *to,
                       uint8_t report[CELLA_SGX_REPORT_SIZE]) {
    uint8_t body[CELLA_SGX_TARGETINFO_SIZE + CELLA_SGX_REPORTDATA_SIZE];
    struct cella_bytes out;
    assert_int_equal(ask(to, CELLA_PLATCALL_TARGETINFO, cella_bytes(NULL, 0), &out), CELLA_OK);
    assert_int_equal(out.size, CELLA_SGX_TARGETINFO_SIZE);
    memcpy(body, out.data, out.size);
    memset(body + out.size, 0x77, CELLA_SGX_REPORTDATA_SIZE);
    assert_int_equal(ask(from, CELLA_PLATCALL_REPORT, CELLA_BYTES_OF(body), &out), CELLA_OK);
    assert_int_equal(out.size, CELLA_SGX_REPORT_SIZE);
    memcpy(report, out.data, out.size);
}

static void test_report_is_for_its_target_alone(void **state) {
    (void)state;
    uint8_t report[CELLA_SGX_REPORT_SIZE];
    struct cella_bytes out;
    report_for(&alice, &bob, report);
    assert_memory_equal(report + CELLA_SGX_REPORT_MRENCLAVE, alice.identity.mrenclave, 32);
    assert_int_equal(report[CELLA_SGX_REPORT_ISVSVN], 5);
    assert_int_equal(ask(&bob, CELLA_PLATCALL_VERIFY_REPORT, CELLA_BYTES_OF(report), &out),
                     CELLA_OK);
    assert_int_equal(out.size, 0);
    assert_int_equal(ask(&alice, CELLA_PLATCALL_VERIFY_REPORT, CELLA_BYTES_OF(report), &out),
                     CELLA_ERR_INTEGRITY);
    struct cella_caller changed[4] = {bob, bob, bob,
                                      bob}; /* the same code with another life is another target */
    changed[0].identity.attributes |= 2;
    changed[1].identity.config_id[63] = 1;
    changed[2].identity.xfrm = 7;
    changed[3].identity.miscselect = 1;
    for (int i = 0; i < 4; i++)
        assert_int_equal(ask(&changed[i], CELLA_PLATCALL_VERIFY_REPORT, CELLA_BYTES_OF(report),
                             &out),
                         CELLA_ERR_INTEGRITY);
}

/* A36: every single flipped bit. */
static void test_report_every_bit(void **state) {
    (void)state;
    uint8_t report[CELLA_SGX_REPORT_SIZE];
    struct cella_bytes out;
    report_for(&alice, &bob, report);
    for (size_t bit = 0; bit < 8 * sizeof(report); bit++) {
        report[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(ask(&bob, CELLA_PLATCALL_VERIFY_REPORT, CELLA_BYTES_OF(report), &out),
                         CELLA_ERR_INTEGRITY);
        report[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void test_report_of_an_earlier_start(void **state) {
    (void)state;
    uint8_t report[CELLA_SGX_REPORT_SIZE];
    struct cella_bytes out;
    report_for(&alice, &bob, report);
    cella_report_secret_free(&authority.report);
    assert_ok(cella_report_secret_new(&authority.report));
    assert_int_equal(ask(&bob, CELLA_PLATCALL_VERIFY_REPORT, CELLA_BYTES_OF(report), &out),
                     CELLA_ERR_INTEGRITY);
}

static void test_targetinfo_reserved(void **state) {
    (void)state;
    uint8_t body[CELLA_SGX_TARGETINFO_SIZE + 64] = {0};
    struct cella_bytes out;
    body[CELLA_SGX_TARGETINFO_SIZE - 1] = 1;
    assert_int_equal(ask(&alice, CELLA_PLATCALL_REPORT, CELLA_BYTES_OF(body), &out),
                     CELLA_ERR_FORMAT);
    assert_int_equal(out.size, 0); /* nothing of the answer that was begun */
}

static uint32_t seal_key(const struct cella_caller *who, uint16_t policy, uint16_t svn, uint8_t id,
                         uint8_t key[32]) {
    uint8_t body[40] = {0};
    struct cella_bytes out;
    struct cella_writer w = cella_writer(body, sizeof(body));
    cella_writer_u16le(&w, policy);
    cella_writer_u16le(&w, svn);
    body[8] = id;
    uint32_t code = ask(who, CELLA_PLATCALL_SEAL_KEY, CELLA_BYTES_OF(body), &out);
    assert_int_equal(out.size, code == CELLA_OK ? 32 : 0);
    if (code == CELLA_OK) memcpy(key, out.data, 32);
    return code;
}

static void assert_same(bool same, const struct cella_caller *a, const struct cella_caller *b,
                        uint16_t policy, uint16_t svn) {
    uint8_t one[32], two[32];
    assert_int_equal(seal_key(a, policy, svn, 0, one), CELLA_OK);
    assert_int_equal(seal_key(b, policy, svn, 0, two), CELLA_OK);
    assert_int_equal(memcmp(one, two, 32) == 0, same);
}

/* R71: who gets whose key. */
static void test_seal_keys_matrix(void **state) {
    (void)state;
    uint8_t key[32], other[32];
    assert_same(true, &alice, &alice, CELLA_SEAL_POLICY_ENCLAVE, 5);
    assert_same(false, &alice, &bob, CELLA_SEAL_POLICY_ENCLAVE, 5);
    assert_same(true, &alice, &bob, CELLA_SEAL_POLICY_SIGNER, 5);
    struct cella_caller newer = alice;
    newer.identity.svn = 9;
    memset(newer.identity.mrenclave, 0xc0, 32);
    assert_same(true, &alice, &newer, CELLA_SEAL_POLICY_SIGNER,
                5); /* newer opens what the older sealed */
    assert_int_equal(seal_key(&alice, CELLA_SEAL_POLICY_SIGNER, 9, 0, key),
                     CELLA_ERR_REFUSED); /* never the reverse */
    assert_int_equal(seal_key(&alice, CELLA_SEAL_POLICY_SIGNER, 6, 0, key), CELLA_ERR_REFUSED);
    assert_int_equal(seal_key(&alice, CELLA_SEAL_POLICY_SIGNER, 65535, 0, key), CELLA_ERR_REFUSED);
    struct cella_caller changed[4] = {alice, alice, alice, alice};
    changed[0].identity.mrsigner[0] ^= 1;
    changed[1].identity.product_id = 4;
    changed[2].identity.debug = true;
    changed[3].identity.config_id[0] = 1;
    for (int i = 0; i < 4; i++)
        assert_same(false, &alice, &changed[i], CELLA_SEAL_POLICY_SIGNER, 5);
    assert_same(false, &alice, &changed[2], CELLA_SEAL_POLICY_ENCLAVE, 5);
    assert_same(false, &alice, &changed[3], CELLA_SEAL_POLICY_ENCLAVE, 5);
    assert_int_equal(seal_key(&alice, CELLA_SEAL_POLICY_SIGNER, 5, 0, key), CELLA_OK);
    assert_int_equal(seal_key(&alice, CELLA_SEAL_POLICY_SIGNER, 5, 1, other), CELLA_OK);
    assert_memory_not_equal(key, other, 32);
    assert_int_equal(seal_key(&alice, CELLA_SEAL_POLICY_SIGNER, 4, 0, other), CELLA_OK);
    assert_memory_not_equal(key, other, 32);
}

/* Another machine's seal root, or the same after a restart. */
static void test_seal_root_decides(void **state) {
    (void)state;
    uint8_t key[32], other[32];
    assert_int_equal(seal_key(&alice, CELLA_SEAL_POLICY_ENCLAVE, 5, 0, key), CELLA_OK);
    cella_authority_close(&authority);
    authority = (struct cella_authority){0};
    assert_ok(cella_state_lock(folder, &authority.state));
    assert_ok(cella_state_open(folder, &authority.state));
    assert_ok(cella_authority_open(&authority, "file", ""));
    assert_int_equal(seal_key(&alice, CELLA_SEAL_POLICY_ENCLAVE, 5, 0, other), CELLA_OK);
    assert_memory_equal(key, other, 32);
    authority.state.seal_root.data[31] ^= 1;
    assert_int_equal(seal_key(&alice, CELLA_SEAL_POLICY_ENCLAVE, 5, 0, other), CELLA_OK);
    assert_memory_not_equal(key, other, 32);
}

static void test_evidence_verifies(void **state) {
    (void)state;
    uint8_t data[64];
    memset(data, 0x3c, sizeof(data));
    struct cella_bytes out;
    alice.identity.debug = true;
    alice.identity.attributes |= 2;
    assert_int_equal(ask(&alice, CELLA_PLATCALL_EVIDENCE, CELLA_BYTES_OF(data), &out), CELLA_OK);
    CELLA_BUFFER spki = {0};
    assert_ok(cella_key_spki(authority.state.key, &spki));
    struct cella_bytes anchor = cella_buffer_bytes(&spki);
    struct cella_verify_options options = {&anchor, 1, 4000000000, 0};
    static struct cella_claims claims;
    assert_ok(cella_evidence_verify(out, &options, &claims));
    assert_memory_equal(claims.software.report_data, data, 64);
    assert_true(claims.software.identity.debug);
    assert_int_equal(claims.software.assurance, CELLA_ASSURANCE_S0); /* debug is never above it */
    assert_int_equal(claims.software.setting_count, CELLA_SETTING_COUNT);
    assert_int_equal(claims.root, CELLA_ROOT_FILE);
}

/* A malformed request fails whole: its enclave ends, the platform goes on. */
static void test_malformed_requests(void **state) {
    (void)state;
    static const struct {
        uint32_t op;
        size_t size;
    } good[] = {{CELLA_PLATCALL_REPORT, 576},   {CELLA_PLATCALL_VERIFY_REPORT, 432},
                {CELLA_PLATCALL_SEAL_KEY, 40},  {CELLA_PLATCALL_EVIDENCE, 64},
                {CELLA_PLATCALL_TARGETINFO, 0}, {CELLA_PLATCALL_INFO, 0}};
    uint8_t message[1024];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        for (size_t size = 0; size < 700; size++) {
            if (size == good[i].size) continue;
            memset(message, 0, sizeof(message));
            struct cella_writer w = cella_writer(message, sizeof(message));
            cella_writer_u32le(&w, good[i].op);
            cella_writer_u32le(&w, (uint32_t)size);
            reply.size = 0;
            assert_code(CELLA_ERR_PROTOCOL,
                        cella_authority_answer(&authority, &alice, cella_bytes(message, size + 8),
                                               &reply));
            assert_code(CELLA_ERR_PROTOCOL,
                        cella_authority_answer(&authority, &alice, cella_bytes(message, size + 7),
                                               &reply));
        }
    for (uint32_t op = 0; op < 300; op += 7) {
        struct cella_writer w = cella_writer(message, sizeof(message));
        cella_writer_u32le(&w, op ? op : 0);
        cella_writer_u32le(&w, 0);
        if (op >= 1 && op <= 6) continue;
        assert_code(CELLA_ERR_PROTOCOL,
                    cella_authority_answer(&authority, &alice, cella_bytes(message, 8), &reply));
    }
    uint8_t seal[48] = {CELLA_PLATCALL_SEAL_KEY, 0, 0, 0, 40, 0, 0, 0, 3};
    assert_code(CELLA_ERR_PROTOCOL,
                cella_authority_answer(&authority, &alice, CELLA_BYTES_OF(seal), &reply));
    seal[8] = 1;
    seal[12] = 1; /* reserved */
    assert_code(CELLA_ERR_PROTOCOL,
                cella_authority_answer(&authority, &alice, CELLA_BYTES_OF(seal), &reply));
    seal[12] = 0;
    assert_ok(cella_authority_answer(&authority, &alice, CELLA_BYTES_OF(seal), &reply));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_authority, close_authority)
int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_report_is_for_its_target_alone),
        CASE(test_report_every_bit),
        CASE(test_report_of_an_earlier_start),
        CASE(test_targetinfo_reserved),
        CASE(test_seal_keys_matrix),
        CASE(test_seal_root_decides),
        CASE(test_evidence_verifies),
        CASE(test_malformed_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
