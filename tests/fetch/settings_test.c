/* URLs and settings of keys that come from a vault: what is taken, what is refused, one spelling.
 */
#include "../results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/jose.h"
#include "fetch/settings.h"

#define CA "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

/* --- URLs --- */

static const struct {
    const char *url, *host, *peer, *authority, *path;
} urls[] = {
    {"https://a", "a", "a:443", "a", ""},
    {"https://a/", "a", "a:443", "a", ""},
    {"https://a:1", "a", "a:1", "a:1", ""},
    {"https://Vault.Example:65535/x/", "Vault.Example", "Vault.Example:65535",
     "Vault.Example:65535", "/x"},
    {"https://127.0.0.1:8443/a/b-c._~", "127.0.0.1", "127.0.0.1:8443", "127.0.0.1:8443",
     "/a/b-c._~"},
    {"https://a-b.c--d/x.y/z", "a-b.c--d", "a-b.c--d:443", "a-b.c--d", "/x.y/z"},
};

static const char *const not_urls[] = {
    "",
    "https",
    "https:/",
    "https://",
    "https:///",
    "https:///keys/a",
    "http://a/keys/a",
    "HTTPS://a",
    " https://a",
    "https://a ",
    "https://a b",
    "https://.a",
    "https://-a",
    "https://:443",
    "https://a:",
    "https://a:0",
    "https://a:65536",
    "https://a:99999999999999999999999",
    "https://a:+1",
    "https://a:-1",
    "https://a:1x",
    "https://a:1:2",
    "https://a:x/",
    "https://[::1]:443/",
    "https://::1/",
    "https://user@a/",
    "https://user:word@a/",
    "https://a@b:443/",
    "https://a?x=1",
    "https://a/?x=1",
    "https://a/x?y",
    "https://a#x",
    "https://a/x#y",
    "https://a/%2e%2e/b",
    "https://a/a%2fb",
    "https://a/x\\y",
    "https://a\\b/",
    "https://a//b",
    "https://a//",
    "https://a/..",
    "https://a/../b",
    "https://a/b/..",
    "https://a/./b",
    "https://a/.hidden",
    "https://a/b;c",
    "https://a/b,c",
    "https://a/b\nHost: c",
    "https://a\r\n/b",
    "https://a_b/",
    "https://h\xc3\xa9/",
    "https://a/\xc3\xa9",
    "https://a*/",
    "https://%61/",
};

static void url_parts(void **state) {
    (void)state;
    struct cella_fetch_url out;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        assert_true(cella_fetch_url(urls[i].url, &out));
        assert_string_equal(out.host, urls[i].host);
        assert_string_equal(out.peer, urls[i].peer);
        assert_string_equal(out.authority, urls[i].authority);
        assert_string_equal(out.path, urls[i].path);
    }
}

static void url_refusals(void **state) {
    (void)state;
    struct cella_fetch_url out;
    assert_false(cella_fetch_url(NULL, &out));
    assert_false(cella_fetch_key_url(NULL, &out));
    for (size_t i = 0; i < sizeof(not_urls) / sizeof(not_urls[0]); i++)
        if (cella_fetch_url(not_urls[i], &out)) fail_msg("taken: %s", not_urls[i]);
}

/* Every other byte in every place: refused, or it stands in the parts as it was written. */
static void url_bytes(void **state) {
    (void)state;
    static const char good[] = "https://a.b:77/keys/k";
    struct cella_fetch_url out;
    char url[sizeof(good)], again[2 * CELLA_FETCH_URL_MAX + 16];
    for (size_t i = 0; i + 1 < sizeof(good); i++)
        for (int byte = 1; byte < 256; byte++) {
            memcpy(url, good, sizeof(good));
            url[i] = (char)byte;
            if (!cella_fetch_url(url, &out)) continue;
            bool slash = url[sizeof(good) - 2] == '/';
            snprintf(again, sizeof(again), "https://%s%s%s", out.authority, out.path,
                     slash ? "/" : "");
            assert_string_equal(again, url);
            assert_null(strpbrk(url, "@?#%\\ \t\r\n[]"));
        }
}

static void url_lengths(void **state) {
    (void)state;
    struct cella_fetch_url out;
    char url[CELLA_FETCH_URL_MAX + 2];
    for (size_t size = CELLA_FETCH_URL_MAX - 40; size <= CELLA_FETCH_URL_MAX; size++) {
        memset(url, 'a', size);
        url[size] = 0;
        memcpy(url, "https://", 8);
        /* the peer's ":443" must fit as well */
        bool fits = size - 8 + 4 < CELLA_FETCH_URL_MAX && size < CELLA_FETCH_URL_MAX;
        assert_int_equal(cella_fetch_url(url, &out), fits);
        url[12] = '/';
        assert_int_equal(cella_fetch_url(url, &out), size < CELLA_FETCH_URL_MAX);
    }
}

/* --- Keys --- */

static const char *const key_urls[] = {
    "https://a/keys/k",
    "https://a:8443/keys/Hospital-1",
    "https://a/keys/0/0123456789abcdef0123456789abcdef",
    "https://a/keys/k/v",
    "https://a/keys/-",
};
static const char *const not_key_urls[] = {
    "https://a", "https://a/", "https://a/keys", "https://a/keys/", "https://a/Keys/k",
    "https://a/keys//k", "https://a/keysk", "https://a/secrets/k", "https://a/x/keys/k",
    "https://a/keys/k/v/release", "https://a/keys/k/v/", "https://a/keys/k/", "https://a/keys/k//",
    "https://a/keys/k_1", "https://a/keys/k.1", "https://a/keys/k~", "https://a/keys/k/v.1",
    "https://a/keys/k/v_1", "https://a/keys/k?api-version=7.4", "https://a/keys/k#v",
    "https://a/deletedkeys/k", "http://a/keys/k", "a/keys/k", "/keys/k", "vault:https://a/keys/k",
    /* names of 128 bytes */
    "https://a/keys/"
    "0123456701234567012345670123456701234567012345670123456701234567"
    "0123456701234567012345670123456701234567012345670123456701234567",
    "https://a/keys/k/"
    "0123456701234567012345670123456701234567012345670123456701234567"
    "0123456701234567012345670123456701234567012345670123456701234567"};

static void keys(void **state) {
    (void)state;
    struct cella_fetch_url out;
    for (size_t i = 0; i < sizeof(key_urls) / sizeof(key_urls[0]); i++)
        if (!cella_fetch_key_url(key_urls[i], &out)) fail_msg("refused: %s", key_urls[i]);
    for (size_t i = 0; i < sizeof(not_key_urls) / sizeof(not_key_urls[0]); i++)
        if (cella_fetch_key_url(not_key_urls[i], &out)) fail_msg("taken: %s", not_key_urls[i]);
}

/* --- Settings --- */

static struct cella_fetch_settings two(void) {
    return (struct cella_fetch_settings){.attest = "https://attest:8445",
                                         .ca = CA,
                                         .count = 2,
                                         .key = {{"b", "https://v2/keys/b/1"},
                                                 {"a", "https://v1:77/keys/x"}}};
}

static struct cella_result read_text(const char *text, struct cella_fetch_settings *out) {
    return cella_fetch_settings_read(cella_bytes_text(text), out);
}

static void there_and_back(void **state) {
    (void)state;
    struct cella_fetch_settings s = two(), swapped = two();
    CELLA_FETCH_SETTINGS out = {0};
    CELLA_BUFFER text = {0}, other = {0}, again = {0};
    GOOD(cella_fetch_settings_write(&s, &text));
    GOOD(cella_fetch_settings_read(cella_buffer_bytes(&text), &out));
    assert_string_equal(out.attest, s.attest);
    assert_string_equal(out.ca, CA);
    assert_int_equal(out.count, 2);
    for (size_t i = 0; i < 2; i++) { /* whatever the order */
        const struct cella_fetch_key *key = &s.key[strcmp(out.key[i].name, "b") == 0 ? 0 : 1];
        assert_string_equal(out.key[i].name, key->name);
        assert_string_equal(out.key[i].url, key->url);
    }
    /* One spelling, in whatever order the manifest says them: the image's bytes follow. */
    swapped.key[0] = s.key[1];
    swapped.key[1] = s.key[0];
    GOOD(cella_fetch_settings_write(&swapped, &other));
    GOOD(cella_fetch_settings_write(&out, &again));
    assert_true(other.size == text.size && memcmp(other.data, text.data, text.size) == 0);
    assert_true(again.size == text.size && memcmp(again.data, text.data, text.size) == 0);
    assert_null(memchr(text.data, 0, text.size));
}

#define HEAD "{\"attest\":\"https://t\",\"ca\":\"c\",\"keys\":"
#define KEY  "{\"k\":\"https://v/keys/k\"}"

static const char *const not_settings[] = {
    "",
    "{}",
    "[]",
    "null",
    "\"https://t\"",
    HEAD "{}}",
    HEAD "[]}",
    HEAD "[\"https://v/keys/k\"]}",
    HEAD "null}",
    HEAD "\"https://v/keys/k\"}",
    HEAD "{\"k\":1}}",
    HEAD "{\"k\":null}}",
    HEAD "{\"k\":[\"https://v/keys/k\"]}}",
    HEAD "{\"k\":\"http://v/keys/k\"}}",
    HEAD "{\"k\":\"https://v/secrets/k\"}}",
    HEAD "{\"k\":\"https://v/keys/k\\u0000\"}}",
    HEAD "{\"k\":\"https://v/keys/k\",\"l\":\"\"}}",
    HEAD "{\"k\":\"https://v/keys/k\",\"k\":\"https://w/keys/k\"}}",
    HEAD KEY ",\"more\":1}",
    HEAD KEY ",\"ca\":\"d\"}",
    HEAD KEY,
    HEAD KEY "}}",
    HEAD KEY "} ,",
    "{\"attest\":\"https://t\",\"ca\":\"c\"}",
    "{\"attest\":\"https://t\",\"ca\":\"c\",\"key\":" KEY "}",
    "{\"attest\":\"https://t\",\"keys\":" KEY "}",
    "{\"attest\":\"https://t\",\"keys\":" KEY ",\"x\":1}",
    "{\"ca\":\"c\",\"keys\":" KEY "}",
    "{\"ca\":\"c\",\"keys\":" KEY ",\"x\":1}",
    "{\"attest\":1,\"ca\":\"c\",\"keys\":" KEY "}",
    "{\"attest\":\"http://t\",\"ca\":\"c\",\"keys\":" KEY "}",
    "{\"attest\":\"https://t?x\",\"ca\":\"c\",\"keys\":" KEY "}",
    "{\"attest\":\"https://t\",\"ca\":1,\"keys\":" KEY "}",
    "{\"attest\":\"https://t\",\"ca\":null,\"keys\":" KEY "}",
    "{\"attest\":\"https://t\",\"ca\":\"\xff\",\"keys\":" KEY "}",
};

static void refusals(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(not_settings) / sizeof(not_settings[0]); i++) {
        struct cella_fetch_settings out;
        struct cella_result r = read_text(not_settings[i], &out);
        if (cella_code_of(r) != CELLA_ERR_FORMAT) fail_msg("taken: %s", not_settings[i]);
        assert_true(out.count == 0 && !out.json && !out.attest && !out.ca);
        cella_result_drop(r);
    }
    CELLA_FETCH_SETTINGS good = {0};
    GOOD(read_text(HEAD KEY "}", &good));
}

/* As many keys and bytes as allowed, and one more. */
static void limits(void **state) {
    (void)state;
    char name[CELLA_FETCH_KEY_MAX + 1][8];
    struct cella_fetch_settings s = two(), out;
    for (size_t i = 0; i <= CELLA_FETCH_KEY_MAX; i++) snprintf(name[i], 8, "k%zu", i);
    for (size_t i = 0; i < CELLA_FETCH_KEY_MAX; i++)
        s.key[i] = (struct cella_fetch_key){name[i], "https://v/keys/k"};
    s.count = CELLA_FETCH_KEY_MAX;
    CELLA_BUFFER text = {0}, more = {0};
    GOOD(cella_fetch_settings_write(&s, &text));
    GOOD(cella_fetch_settings_read(cella_buffer_bytes(&text), &out));
    assert_int_equal(out.count, CELLA_FETCH_KEY_MAX);
    cella_fetch_settings_free(&out);
    GOOD(cella_buffer_append(&more, cella_bytes(text.data, text.size - 2)));
    GOOD(cella_buffer_append(&more, cella_bytes_text(",\"k16\":\"https://v/keys/k\"}}")));
    REFUSED(cella_fetch_settings_read(cella_buffer_bytes(&more), &out), CELLA_ERR_FORMAT);
    char *ca = malloc(CELLA_FETCH_CA_MAX + 2);
    assert_non_null(ca);
    for (size_t size = CELLA_FETCH_CA_MAX; size <= CELLA_FETCH_CA_MAX + 1; size++) {
        CELLA_BUFFER large = {0};
        memset(ca, 'x', size);
        ca[size] = 0;
        s = two();
        s.ca = ca;
        GOOD(cella_fetch_settings_write(&s, &large));
        struct cella_result r = cella_fetch_settings_read(cella_buffer_bytes(&large), &out);
        assert_int_equal(cella_failed(r), size > CELLA_FETCH_CA_MAX);
        cella_result_drop(r);
        cella_fetch_settings_free(&out);
    }
    free(ca);
}

/* Cut: refused. A bit changed: refused, or settings that are good ones as well. */
static void truncate_and_flip(void **state) {
    (void)state;
    struct cella_fetch_settings s = two(), out;
    struct cella_fetch_url url;
    CELLA_BUFFER text = {0};
    GOOD(cella_fetch_settings_write(&s, &text));
    for (size_t i = 0; i < text.size; i++) {
        REFUSED(cella_fetch_settings_read(cella_bytes(text.data, i), &out), CELLA_ERR_FORMAT);
        for (unsigned bit = 0; bit < 8; bit++) {
            text.data[i] ^= (uint8_t)(1U << bit);
            struct cella_result r = cella_fetch_settings_read(cella_buffer_bytes(&text), &out);
            assert_int_equal(out.count, cella_failed(r) ? 0 : 2);
            assert_true(cella_failed(r) || cella_fetch_url(out.attest, &url));
            for (size_t k = 0; k < out.count; k++)
                assert_true(cella_fetch_key_url(out.key[k].url, &url));
            cella_result_drop(r);
            cella_fetch_settings_free(&out);
            text.data[i] ^= (uint8_t)(1U << bit);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(url_parts),
        cmocka_unit_test(url_refusals),
        cmocka_unit_test(url_bytes),
        cmocka_unit_test(url_lengths),
        cmocka_unit_test(keys),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(refusals),
        cmocka_unit_test(limits),
        cmocka_unit_test(truncate_and_flip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
