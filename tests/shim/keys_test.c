/* Named keys: what the enclave asks, and which grants it takes. The owner's side is played with
 * src/crypto. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "abi/hostcall.h"
#include "abi/platcall.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/digest.h"
#include "crypto/hpke.h"
#include "fake.h"
#include "shim/keys.h"

#define OK(r)      assert_int_equal(cella_code_of(r), CELLA_OK)
#define SAID(text) assert_non_null(strstr(fake.said, text))

static const uint8_t key_a[32] = "hospital a's key, 32 bytes long",
                     key_b[32] = "hospital b's key, 32 bytes long";

static int start(void **state) {
    (void)state;
    fake_start();
    shim.config.key_count = 2;
    shim.config.key[0] = cella_bytes_text("a");
    shim.config.key[1] = cella_bytes_text("hospital_b");
    return 0;
}
static int stop(void **state) {
    (void)state;
    shim_keys_wipe();
    fake_end();
    return 0;
}

/* The owner's work on the request the fake host was given: one grant, queued. */
static void grant(const char *name, const uint8_t key[32], const uint8_t *foreign_hash) {
    uint8_t hash[32], enc[32], info[15 + 32];
    CELLA_BUFFER sealed = {0};
    struct cella_writer w = cella_writer(fake.grants[fake.grant_count], sizeof(fake.grants[0]));
    OK(cella_sha256(cella_bytes(fake.request, fake.request_size), hash));
    if (foreign_hash) memcpy(hash, foreign_hash, 32);
    memcpy(info, CELLA_KEY_GRANT_LABEL, 15);
    memcpy(info + 15, hash, 32);
    cella_writer_put(&w, cella_bytes_text(CELLA_KEY_GRANT_MAGIC));
    cella_writer_u32le(&w, 1);
    cella_writer_u16le(&w, (uint16_t)strlen(name));
    cella_writer_put(&w, cella_bytes_text(name));
    cella_writer_put(&w, CELLA_BYTES_OF(hash));
    OK(cella_hpke_seal(fake.request + 16, CELLA_BYTES_OF(info), cella_writer_bytes(&w),
                       cella_bytes(key, 32), enc, &sealed));
    cella_writer_put(&w, CELLA_BYTES_OF(enc));
    cella_writer_put(&w, cella_buffer_bytes(&sealed));
    fake.grant_size[fake.grant_count++] = w.size;
}

static void (*on_request)(void);
static void owner(uint32_t op, struct fake_reply *reply) {
    (void)reply;
    if (op == CELLA_HOSTCALL_KEY_REQUEST) on_request();
}
static enum cella_code run(void (*owners)(void)) {
    fake.lie_host = owner;
    on_request = owners;
    struct cella_result r = shim_keys_start();
    enum cella_code code = cella_code_of(r);
    cella_result_drop(r);
    return code;
}

static void both(void) {
    grant("hospital_b", key_b, NULL);
    grant("a", key_a, NULL);
}

static void takes_what_is_granted(void **state) {
    (void)state;
    assert_int_equal(run(both), CELLA_OK);
    assert_memory_equal(shim_keys_named(0), key_a, 32);
    assert_memory_equal(shim_keys_named(1), key_b, 32);
    assert_string_equal(fake.said, "");
}

/* Evidence is over SHA-512 of label and request head (A13), recomputed here. */
static void asks_as_the_format_says(void **state) {
    (void)state;
    assert_int_equal(run(both), CELLA_OK);
    struct cella_reader r = cella_reader(cella_bytes(fake.request, fake.request_size));
    cella_reader_expect(&r, cella_bytes_text("CELLAREQ"));
    assert_int_equal(cella_reader_u32le(&r), 1);
    assert_int_equal(cella_reader_u32le(&r), 2);
    cella_reader_skip(&r, 64);
    cella_reader_expect(&r, cella_bytes("\1\0a\12\0hospital_b", 15));
    size_t head = r.at;
    struct cella_bytes evidence = cella_reader_bytes(&r, cella_reader_u32le(&r));
    assert_true(cella_reader_done(&r));
    uint8_t input[21 + 512], expected[64];
    memcpy(input, "cella key request v1", 21);
    memcpy(input + 21, fake.request, head);
    OK(cella_sha512(cella_bytes(input, 21 + head), expected));
    assert_int_equal(evidence.size, 14 + 64);
    assert_memory_equal(evidence.data + 14, expected, 64);
}

static void asks_anew_each_time(void **state) {
    (void)state;
    uint8_t first[80];
    assert_int_equal(run(both), CELLA_OK);
    memcpy(first, fake.request, 80);
    shim_keys_wipe();
    fake.grant_count = fake.grant_next = 0;
    assert_int_equal(run(both), CELLA_OK);
    assert_memory_not_equal(first + 16, fake.request + 16, 32);
    assert_memory_not_equal(first + 48, fake.request + 48, 32);
}

static void strangers(void) {
    uint8_t hash[32];
    memset(hash, 9, sizeof(hash));
    grant("other", key_a, NULL);
    grant("a", key_b, hash); /* of another request: replay */
    grant("a", key_a, NULL);
    grant("a", key_b, NULL); /* twice */
    grant("hospital_b", key_b, NULL);
    fake.grants[4][fake.grant_size[4] - 1] ^= 1; /* changed on its way */
    grant("hospital_b", key_b, NULL);
    memcpy(fake.grants[5] + 14 + 10, hash, 32); /* a true grant with another hash in clear */
    fake.grants[6][0] = 0;
    fake.grant_size[6] = 1;
    fake.grant_count++;
    grant("hospital_b", key_b, NULL);
}

static void refuses_what_is_not_for_it(void **state) {
    (void)state;
    assert_int_equal(run(strangers), CELLA_OK); /* the good ones still count */
    assert_memory_equal(shim_keys_named(0), key_a, 32);
    assert_memory_equal(shim_keys_named(1), key_b, 32);
    SAID("names a key that the manifest does not ask for");
    SAID("the grant of key a is refused: it answers another request");
    SAID("the key a has been given already");
    SAID("the grant of key hospital_b is refused: it was changed on its way");
    SAID("the grant of key hospital_b is refused: it answers another request");
    SAID("not of the form");
}

static void one(void) { grant("a", key_a, NULL); }

static void ends_when_no_grant_will_come(void **state) {
    (void)state;
    assert_int_equal(run(one), CELLA_ERR_UNAVAILABLE);
    assert_true(FAKE_ABORTS((void)shim_keys_named(1)));
    assert_true(FAKE_ABORTS((void)shim_keys_named(2)));
}

static uint8_t whole[1024];
static size_t whole_size, cut_to, flip_bit;
static void damaged(void) {
    grant("a", key_a, NULL);
    whole_size = fake.grant_size[0];
    memcpy(whole, fake.grants[0], whole_size);
    if (cut_to < whole_size)
        fake.grant_size[0] = cut_to;
    else
        fake.grants[0][flip_bit / 8] ^= (uint8_t)(1 << flip_bit % 8);
}

/* Cut at every length and flipped in every bit: never taken. */
static void truncate_and_flip(void **state) {
    (void)state;
    shim.config.key_count = 1;
    whole_size = cut_to = 1;
    for (cut_to = 0; cut_to == 0 || cut_to < whole_size; cut_to++) {
        fake.grant_count = fake.grant_next = 0;
        assert_int_equal(run(damaged), CELLA_ERR_UNAVAILABLE);
    }
    assert_int_equal(whole_size, 8 + 4 + 2 + 1 + 32 + 32 + 48);
    cut_to = SIZE_MAX;
    for (flip_bit = 0; flip_bit < whole_size * 8; flip_bit++) {
        fake.grant_count = fake.grant_next = 0;
        fake_clear();
        assert_int_equal(run(damaged), CELLA_ERR_UNAVAILABLE);
    }
}

static void too_long(void) {
    memset(fake.grants[0], 'x', sizeof(fake.grants[0]));
    fake.grant_size[0] = sizeof(fake.grants[0]);
    fake.grant_count = 1;
    both();
}
static void refuses_what_is_too_long(void **state) {
    (void)state;
    assert_int_equal(run(too_long), CELLA_OK);
    SAID("a grant is refused: it is over 512 bytes");
}

/* A manifest that pins a key takes no other, whoever granted it: SHA-256(label, NUL, key). */
static void pinned(void) {
    grant("a", key_b, NULL);
    grant("a", key_a, NULL);
    grant("hospital_b", key_b, NULL);
}
static void takes_only_the_pinned_key(void **state) {
    (void)state;
    uint8_t input[16 + 32] = "cella key id v1", id[32];
    memcpy(input + 16, key_a, 32);
    OK(cella_sha256(CELLA_BYTES_OF(input), id));
    shim.config.key_id[0] = CELLA_BYTES_OF(id);
    assert_int_equal(run(pinned), CELLA_OK);
    SAID("the grant of key a is refused: the manifest pins another key");
    assert_memory_equal(shim_keys_named(0), key_a, 32);
}

/* A key of a vault is asked of no owner, and taken from none: else the host, which can make grants
 * as anyone can, would give one of its own in the vault's place. */
static void for_the_vault(void) {
    grant("a", key_b, NULL);
    grant("hospital_b", key_b, NULL);
}
static void takes_no_grant_for_a_vaults_key(void **state) {
    (void)state;
    shim.config.key_vault[0] = true;
    assert_int_equal(run(for_the_vault), CELLA_OK);
    SAID("the grant of key a is refused: the manifest has it from a vault");
    assert_memory_equal(shim_keys_named(1), key_b, 32);
    assert_false(shim_keys_have(0));
    assert_true(FAKE_ABORTS((void)shim_keys_named(0)));
    struct cella_reader r = cella_reader(cella_bytes(fake.request, fake.request_size));
    cella_reader_skip(&r, 12);
    assert_int_equal(cella_reader_u32le(&r), 1); /* one name is asked for */
    cella_reader_skip(&r, 64);
    cella_reader_expect(&r, cella_bytes("\12\0hospital_b", 12));
    assert_false(r.failed);
    assert_null(memmem(fake.request, fake.request_size, "\1\0a", 3));
}
static void asks_no_owner_of_a_vaults_key(void **state) {
    (void)state;
    shim.config.key_vault[0] = shim.config.key_vault[1] = true;
    assert_int_equal(run(both), CELLA_OK);
    assert_int_equal(fake.request_size, 0);
    assert_int_equal(fake.evidence_count, 0);
    assert_int_equal(fake.grant_next, 0);
    assert_true(FAKE_ABORTS(shim_keys_complete()));
    SAID("the key a was not fetched");
}

static void no_evidence(uint32_t op, struct fake_reply *reply) {
    if (op == CELLA_PLATCALL_EVIDENCE)
        memcpy(reply->bytes, (uint8_t[8]){CELLA_ERR_UNAVAILABLE}, reply->size = 8);
}
static void ends_without_evidence(void **state) {
    (void)state;
    fake.lie_platform = no_evidence;
    assert_true(FAKE_ABORTS((void)run(both)));
    SAID("no evidence for the key request");
}

static void asks_nothing_when_it_needs_nothing(void **state) {
    (void)state;
    shim.config.key_count = 0;
    assert_int_equal(run(both), CELLA_OK);
    assert_int_equal(fake.request_size, 0);
    assert_int_equal(fake.evidence_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(takes_what_is_granted),
        TEST(asks_as_the_format_says),
        TEST(asks_anew_each_time),
        TEST(refuses_what_is_not_for_it),
        TEST(takes_only_the_pinned_key),
        TEST(ends_when_no_grant_will_come),
        TEST(truncate_and_flip),
        TEST(refuses_what_is_too_long),
        TEST(takes_no_grant_for_a_vaults_key),
        TEST(asks_no_owner_of_a_vaults_key),
        TEST(ends_without_evidence),
        TEST(asks_nothing_when_it_needs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
