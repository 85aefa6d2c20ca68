#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"
#include "base/text.h"

/* RFC 4648 section 10. */
static const struct {
    const char *plain, *base64, *url;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xff\xef", "/+8=", "_-8"},
};

static void base64_of_the_rfc(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        for (int url = 0; url < 2; url++) {
            CELLA_BUFFER text = {0};
            CELLA_BUFFER back = {0};
            const char *want = url ? vectors[i].url : vectors[i].base64;
            assert_false(
                cella_failed(cella_base64_encode(cella_bytes_text(vectors[i].plain), url, &text)));
            assert_int_equal(text.size, strlen(want));
            assert_true(cella_equal(text.data, want, text.size));
            assert_false(cella_failed(cella_base64_decode(cella_bytes_text(want), url, &back)));
            assert_int_equal(back.size, strlen(vectors[i].plain));
            assert_true(cella_equal(back.data, vectors[i].plain, back.size));
        }
}

static void refuse_base64(const char *text, bool url) {
    CELLA_BUFFER out = {0};
    struct cella_result r = cella_base64_decode(cella_bytes_text(text), url, &out);
    if (cella_code_of(r) != CELLA_ERR_FORMAT) fail_msg("accepted '%s'", text);
    cella_result_drop(r);
}

/* threats.md A32: all 64 last characters: only those without spare bits are one spelling of the
 * value. */
static void base64_has_one_spelling(void **state) {
    (void)state;
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    int accepted = 0;
    for (int i = 0; i < 64; i++) {
        char text[3] = {'Z', letters[i], 0};
        CELLA_BUFFER out = {0};
        struct cella_result r = cella_base64_decode(cella_bytes_text(text), true, &out);
        accepted += !cella_failed(r);
        cella_result_drop(r);
    }
    assert_int_equal(accepted, 4);
    refuse_base64("Zg", false);
    refuse_base64("Zg=", false);
    refuse_base64("Zg===", false);
    refuse_base64("Z===", false);
    refuse_base64("Zg==", true);
    refuse_base64("Zm9v\n", true);
    refuse_base64("Zm 9v", true);
    refuse_base64("_-8=", false);
    refuse_base64("Zh==", false);
    refuse_base64("====", false);
}

static void hex_is_exact(void **state) {
    (void)state;
    uint8_t out[3];
    assert_false(cella_failed(cella_hex_decode(cella_bytes_text("00aBff"), out, 3)));
    assert_int_equal(out[1], 0xab);
    static const char *const bad[] = {"00aBf", "00aBff0", "00aBfg", "0x00aB", " 0aBff", ""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cella_result r = cella_hex_decode(cella_bytes_text(bad[i]), out, 3);
        assert_int_equal(cella_code_of(r), CELLA_ERR_FORMAT);
        cella_result_drop(r);
    }
    char text[7];
    cella_hex_encode(cella_bytes(out, 3), text);
    assert_int_equal(strlen(text), 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_of_the_rfc),
        cmocka_unit_test(base64_has_one_spelling),
        cmocka_unit_test(hex_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
