#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/text.h"
#include "crypto/hpke.h"

#define OK(r) assert_false(report(r))

static bool report(struct cella_result r) {
    bool failed = cella_failed(r);
    cella_result_print(r);
    cella_result_drop(r);
    return failed;
}

static enum cella_code code_of(struct cella_result r) {
    enum cella_code code = cella_code_of(r);
    cella_result_drop(r);
    return code;
}

static void unhex(const char *hex, struct cella_buffer *out) {
    OK(cella_hex_decode_all(cella_bytes_text(hex), out));
}

/* DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, mode base, sequence number 0: the published
 * vector of this suite in BoringSSL's and Tink's HPKE tests, made from RFC 9180's generator. */
static void seals_as_the_published_vector(void **state) {
    (void)state;
    CELLA_BUFFER public = {0}, ephemeral = {0}, info = {0}, plain = {0}, aad = {0}, expected = {0},
                 sealed = {0};
    unhex("ac66bae9ffa270cf4a89ed9f274e30c0456babae2572aaaf002ff0d8884ab018", &public);
    unhex("28e212563a8b6f068af7ff17400ff1baf23612b7a738bbaf5dfb321b2b5b431a", &ephemeral);
    unhex("4f6465206f6e2061204772656369616e2055726e", &info);
    unhex("4265617574792069732074727574682c20747275746820626561757479", &plain);
    unhex("436f756e742d30", &aad);
    unhex("23ded2d5d90ea89d975dac4792b297240f194952d7421aacbff0474100052b6bb8aa58d18ef6c42b6960e2e2"
          "8f",
          &expected);
    uint8_t enc[CELLA_X25519_SIZE];
    OK(cella_hpke_seal_with(cella_buffer_bytes(&ephemeral), public.data, cella_buffer_bytes(&info),
                            cella_buffer_bytes(&aad), cella_buffer_bytes(&plain), enc, &sealed));
    assert_int_equal(sealed.size, expected.size);
    assert_memory_equal(sealed.data, expected.data, expected.size);
}

struct sealed {
    struct cella_secret private;
    uint8_t public[32], enc[32];
    struct cella_buffer box;
};

static const struct cella_bytes info = {(const uint8_t *)"info", 4},
                                aad = {(const uint8_t *)"aad", 3};

static void make(struct sealed *s) {
    memset(s, 0, sizeof(*s));
    OK(cella_x25519_new(&s->private, s->public));
    OK(cella_hpke_seal(s->public, info, aad, cella_bytes_text("a key of thirty-two bytes at all"),
                       s->enc, &s->box));
}

static void drop(struct sealed *s) {
    cella_secret_free(&s->private);
    cella_buffer_free(&s->box);
}

static enum cella_code try_open(const struct sealed *s, struct cella_bytes i,
                                struct cella_bytes a) {
    CELLA_SECRET plain = {0};
    enum cella_code code = code_of(cella_hpke_open(cella_secret_bytes(&s->private), s->enc, i, a,
                                                   cella_buffer_bytes(&s->box), &plain));
    if (code == CELLA_OK) {
        assert_int_equal(plain.size, 32);
        assert_memory_equal(plain.data, "a key of thirty-two bytes at all", 32);
    } else {
        assert_null(plain.data);
    }
    return code;
}

static void opens_what_it_sealed_and_nothing_else(void **state) {
    (void)state;
    struct sealed s, other;
    make(&s);
    make(&other);
    assert_int_equal(try_open(&s, info, aad), CELLA_OK);
    assert_int_equal(try_open(&s, cella_bytes_text("infp"), aad), CELLA_ERR_INTEGRITY);
    assert_int_equal(try_open(&s, info, cella_bytes_text("aae")), CELLA_ERR_INTEGRITY);
    assert_int_equal(try_open(&s, info, cella_bytes(NULL, 0)), CELLA_ERR_INTEGRITY);
    assert_memory_not_equal(s.enc, other.enc, 32); /* the ephemeral key is fresh each time */
    struct cella_secret own = s.private;
    s.private = other.private;
    assert_int_equal(try_open(&s, info, aad), CELLA_ERR_INTEGRITY);
    s.private = own;
    drop(&s);
    drop(&other);
}

static void refuses_every_flip_and_cut(void **state) {
    (void)state;
    struct sealed s;
    make(&s);
    for (size_t bit = 0; bit < s.box.size * 8; bit++) {
        s.box.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(try_open(&s, info, aad), CELLA_ERR_INTEGRITY);
        s.box.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    /* Every bit of enc: the top one too, which X25519 ignores but the KEM context does not. */
    for (size_t bit = 0; bit < 256; bit++) {
        s.enc[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_not_equal(try_open(&s, info, aad), CELLA_OK);
        s.enc[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    size_t whole = s.box.size;
    for (s.box.size = 0; s.box.size < whole; s.box.size++)
        assert_int_not_equal(try_open(&s, info, aad), CELLA_OK);
    drop(&s);
}

/* Points of small order give a secret that everyone knows. */
static void refuses_points_of_small_order(void **state) {
    (void)state;
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    struct sealed s;
    make(&s);
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        uint8_t enc[32], point[32];
        CELLA_BUFFER out = {0};
        OK(cella_hex_decode(cella_bytes_text(points[i]), point, 32));
        assert_int_equal(
            code_of(cella_hpke_seal(point, info, aad, cella_bytes_text("x"), enc, &out)),
            CELLA_ERR_FORMAT);
        assert_int_equal(out.size, 0);
        memcpy(s.enc, point, 32);
        assert_int_equal(try_open(&s, info, aad), CELLA_ERR_FORMAT);
    }
    drop(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seals_as_the_published_vector),
        cmocka_unit_test(opens_what_it_sealed_and_nothing_else),
        cmocka_unit_test(refuses_every_flip_and_cut),
        cmocka_unit_test(refuses_points_of_small_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
