
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "abi/keygrant.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/hpke.h"
#include "shim/crypto.h"
#include "shim/hpke.h"

#define OK(r) assert_int_equal(cella_code_of(r), CELLA_OK)

static const struct cella_bytes none = {NULL, 0};

static void unhex(const char *hex, uint8_t *out, size_t size) {
    OK(cella_hex_decode(cella_bytes_text(hex), out, size));
}
static void expect(const uint8_t *bytes, const char *hex) {
    uint8_t wanted[128];
    unhex(hex, wanted, strlen(hex) / 2);
    assert_memory_equal(bytes, wanted, strlen(hex) / 2);
}

/* RFC 7748 section 5.2, first vector */
static void x25519(void **state) {
    (void)state;
    uint8_t k[32], u[32], out[32];
    unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", k, 32);
    unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", u, 32);
    assert_true(shim_x25519(k, u, out));
    expect(out, "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
    memset(u, 0,
           sizeof(u)); /* a point of small order: the shared secret would be zero for everybody */
    assert_false(shim_x25519(k, u, out));
    u[0] = 1;
    assert_false(shim_x25519(k, u, out));
}

/* RFC 5869 test cases 1 and 3 */
static void hkdf(void **state) {
    (void)state;
    uint8_t secret[22], salt[13], info[10], out[42], too_long[8161];
    memset(secret, 0x0b, sizeof(secret));
    unhex("000102030405060708090a0b0c", salt, sizeof(salt));
    unhex("f0f1f2f3f4f5f6f7f8f9", info, sizeof(info));
    assert_true(
        shim_hkdf(CELLA_BYTES_OF(secret), CELLA_BYTES_OF(salt), CELLA_BYTES_OF(info), out, 42));
    expect(out,
           "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    assert_true(shim_hkdf(CELLA_BYTES_OF(secret), none, none, out, 42));
    expect(out,
           "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    assert_true(shim_hkdf(CELLA_BYTES_OF(secret), none, none, too_long, 8160));
    assert_false(shim_hkdf(CELLA_BYTES_OF(secret), none, none, too_long, 8161));
}

static void digests(void **state) {
    (void)state;
    uint8_t mine[64], theirs[64], text[300];
    for (size_t i = 0; i < sizeof(text); i++) text[i] = (uint8_t)i;
    for (size_t size = 0; size < sizeof(text); size++) {
        size_t half = size / 2;
        shim_sha256(cella_bytes(text, half), none, cella_bytes(text + half, size - half), mine);
        OK(cella_sha256(cella_bytes(text, size), theirs));
        assert_memory_equal(mine, theirs, 32);
        shim_sha512(cella_bytes(text, half), cella_bytes(text + half, size - half), mine);
        OK(cella_sha512(cella_bytes(text, size), theirs));
        assert_memory_equal(mine, theirs, 64);
    }
}

/* RFC 9180 appendix A.1.1 (the same KEM and KDF; its AEAD has keys of 16 bytes) */
static void rfc_9180_a_1_1(void **state) {
    (void)state;
    uint8_t private[32], public[32], enc[32], info[20], secret[32], key[32], nonce[12];
    unhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8", private, 32);
    unhex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d", public, 32);
    unhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431", enc, 32);
    unhex("4f6465206f6e2061204772656369616e2055726e", info, 20);
    shim_x25519_public(private, key);
    assert_memory_equal(key, public, 32);
    assert_true(shim_hpke_decap(private, public, enc, secret));
    expect(secret, "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc");
    assert_true(shim_hpke_schedule(secret, 1, 16, CELLA_BYTES_OF(info), key, nonce));
    expect(key, "4531685d41d65f03dc48f6b8302c05b0");
    expect(nonce, "56d890e5accaaf011cff4b7d");
}

/* Against the outside implementation, which the published vector of this very suite proves
 * (tests/crypto/hpke_test.c): what it seals opens here, and nothing else does. */
static void opens_what_owners_seal(void **state) {
    (void)state;
    static const uint8_t plain[32] = "a key of thirty-two bytes at all";
    uint8_t private[32], public[32], enc[32], out[32];
    CELLA_BUFFER sealed = {0};
    const struct cella_bytes info = cella_bytes_text("info"), aad = cella_bytes_text("aad");
    for (size_t i = 0; i < sizeof(private); i++) private[i] = (uint8_t)(i * 7 + 1);
    shim_x25519_public(private, public);
    OK(cella_hpke_seal(public, info, aad, CELLA_BYTES_OF(plain), enc, &sealed));
    struct cella_bytes box = cella_buffer_bytes(&sealed);
    assert_int_equal(box.size, 48);
    assert_true(shim_hpke_open(private, public, enc, info, aad, box, out));
    assert_memory_equal(out, plain, 32);

    assert_false(shim_hpke_open(private, public, enc, cella_bytes_text("inf0"), aad, box, out));
    assert_false(shim_hpke_open(private, public, enc, info, cella_bytes_text("aaD"), box, out));
    assert_false(shim_hpke_open(private, public, enc, info, none, box, out));
    for (size_t size = 0; size < box.size; size++) /* truncate */
        assert_false(
            shim_hpke_open(private, public, enc, info, aad, cella_bytes(box.data, size), out));
    for (size_t bit = 0; bit < box.size * 8; bit++) { /* flip */
        sealed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(shim_hpke_open(private, public, enc, info, aad, box, out));
        sealed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 255;
         bit++) { /* bit 255 of a point is ignored by RFC 7748, but the context has it */
        enc[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(shim_hpke_open(private, public, enc, info, aad, box, out));
        enc[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    enc[31] ^= 0x80;
    assert_false(shim_hpke_open(private, public, enc, info, aad, box, out));
    memset(enc, 0, sizeof(enc));
    assert_false(shim_hpke_open(private, public, enc, info, aad, box, out));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x25519),
        cmocka_unit_test(hkdf),
        cmocka_unit_test(digests),
        cmocka_unit_test(rfc_9180_a_1_1),
        cmocka_unit_test(opens_what_owners_seal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
