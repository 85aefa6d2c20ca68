/* Released keys, opened inside: answers as the vault makes them, and answers made by hand that are
 * wrong in one thing each. */
#include "../results.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "fetch/wrap.h"
#include "vault/release.h"

#define URL "https://v1.example:8444/keys/hospital"
#define KID URL "/0123456789abcdef0123456789abcdef"

enum { RSA_SIZE = 256, TEXT_MAX = 1 << 18 };
static EVP_PKEY *own, *other;
static const uint8_t secret[64] = "the key of a hospital, 32 bytes.and of another, 64 bytes long..";

static int make_keys(void **state) {
    (void)state;
    GOOD(cella_wrap_key_new(&own));
    GOOD(cella_wrap_key_new(&other));
    return 0;
}
static int free_keys(void **state) {
    (void)state;
    EVP_PKEY_free(own);
    EVP_PKEY_free(other);
    return 0;
}

/* --- Making answers --- */

static void encode(struct cella_bytes bytes, char *out, size_t size) {
    CELLA_BUFFER text = {0};
    GOOD(cella_base64_encode(bytes, true, &text));
    assert_true(text.size < size);
    memcpy(out, text.data, text.size);
    out[text.size] = 0;
}

/* What a vault answers, but for head and signature, which nobody reads: TLS says who answers. */
static const char *answer_of(const char *payload) {
    static char jws[TEXT_MAX];
    memcpy(jws, "e30.", 5);
    encode(cella_bytes_text(payload), jws + 4, sizeof(jws) - 8);
    return strcat(jws, ".c2ln");
}

static const char *answer(const char *kid, const char *key_hsm) {
    static char payload[TEXT_MAX];
    snprintf(payload, sizeof(payload),
             "{\"request\":{\"kid\":\"%s\"},\"response\":{\"key\":{\"key\":{\"kid\":\"%s\",\"kty\":"
             "\"oct-HSM\",\"key_hsm\":\"%s\"}}}}",
             kid, kid, key_hsm);
    return answer_of(payload);
}

static const char *envelope(struct cella_bytes cipher) {
    static char json[TEXT_MAX], text[TEXT_MAX];
    static const char head[] = "{\"schema_version\":\"1.0\",\"ciphertext\":\"";
    memcpy(json, head, sizeof(head));
    encode(cipher, json + sizeof(head) - 1, sizeof(json) - sizeof(head) - 4);
    strcat(json, "\"}");
    encode(cella_bytes_text(json), text, sizeof(text));
    return text;
}

/* RFC 8017 and RFC 5649 in OpenSSL's words. The KEK is counted up from 1. */
struct sealing {
    EVP_PKEY *to;
    const EVP_MD *hash, *mgf;
    size_t kek_size;
};
static size_t seal(struct sealing how, struct cella_bytes key, uint8_t *out, size_t room) {
    uint8_t kek[128];
    size_t size = room;
    int more = 0, last = 0;
    for (size_t i = 0; i < sizeof(kek); i++) kek[i] = (uint8_t)(i + 1);
    EVP_PKEY_CTX *rsa = EVP_PKEY_CTX_new(how.to, NULL);
    assert_int_equal(EVP_PKEY_encrypt_init(rsa), 1);
    EVP_PKEY_CTX_set_rsa_padding(rsa, RSA_PKCS1_OAEP_PADDING);
    EVP_PKEY_CTX_set_rsa_oaep_md(rsa, how.hash);
    EVP_PKEY_CTX_set_rsa_mgf1_md(rsa, how.mgf);
    assert_int_equal(EVP_PKEY_encrypt(rsa, out, &size, kek, how.kek_size), 1);
    EVP_PKEY_CTX_free(rsa);
    EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
    EVP_CIPHER_CTX_set_flags(aes, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    assert_int_equal(EVP_EncryptInit_ex(aes, EVP_aes_256_wrap_pad(), NULL, kek, NULL), 1);
    assert_int_equal(EVP_EncryptUpdate(aes, out + size, &more, key.data, (int)key.size), 1);
    assert_int_equal(EVP_EncryptFinal_ex(aes, out + size + more, &last), 1);
    EVP_CIPHER_CTX_free(aes);
    return size + (size_t)(more + last);
}
static struct sealing good_sealing(void) {
    return (struct sealing){own, EVP_sha256(), EVP_sha256(), 32};
}

/* --- Opening them --- */

/* Nothing of the key, of the KEK or of what they are encrypted in stands in a refusal. */
static void says_nothing(const struct cella_error *error) {
    static const char *const parts[] = {"the key of", "hospital, 32",
                                        "dGhlIGtleSBv" /* the same in base64url */,
                                        "746865206b6579" /* and in hex */, "\x01\x02\x03\x04"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        assert_null(strstr(error->what, parts[i]));
        assert_true(!error->hint || !strstr(error->hint, parts[i]));
    }
}

static void refused_of(EVP_PKEY *key, const char *jws, const char *url, enum cella_code code,
                       const char *words) {
    CELLA_SECRET out = {0};
    struct cella_result r = cella_wrap_open(key, jws, url, &out);
    if (!cella_failed(r)) fail_msg("opened: %s", words);
    assert_true(!out.data && out.size == 0);
    if (cella_code_of(r) != code || !strstr(r.error->what, words))
        fail_msg("expected %s and '%s', found %s: %s", cella_code_name(code), words,
                 cella_code_name(cella_code_of(r)), r.error->what);
    says_nothing(r.error);
    cella_result_drop(r);
}
static void refused(const char *jws, enum cella_code code, const char *words) {
    refused_of(own, jws, URL, code, words);
}
static void opens(const char *jws, const char *url, struct cella_bytes key) {
    CELLA_SECRET out = {0};
    GOOD(cella_wrap_open(own, jws, url, &out));
    assert_int_equal(out.size, key.size);
    assert_memory_equal(out.data, key.data, key.size);
}

/* --- The vault's own answers --- */

static json_t *first_key(json_t *set) { return json_array_get(json_object_get(set, "keys"), 0); }

static void vaults(void **state) {
    (void)state;
    CELLA_JSON set = NULL;
    GOOD(cella_wrap_key_set(own, &set));
    static const unsigned bits[] = {128, 192, 256};
    for (size_t i = 0; i < 3; i++)
        for (unsigned wrap = CELLA_WRAP_SHA1; wrap <= CELLA_WRAP_SHA384; wrap++) {
            CELLA_RELEASE release = {.verdict = CELLA_RELEASE_GRANTED,
                                     .wrap_key = json_incref(first_key(set))};
            CELLA_MATERIAL material = NULL;
            CELLA_SECRET key = {0};
            CELLA_BUFFER key_hsm = {0};
            GOOD(cella_material_new(CELLA_MATERIAL_OCT, CELLA_CURVE_NONE, bits[i], 0, &material));
            GOOD(cella_material_save(material, &key));
            GOOD(cella_release_wrap(&release, wrap, material, &key_hsm));
            GOOD(cella_buffer_append(&key_hsm, cella_bytes("", 1)));
            const char *jws = answer(KID, (const char *)key_hsm.data);
            if (wrap == CELLA_WRAP_SHA256)
                opens(jws, URL, cella_secret_bytes(&key));
            else
                refused(jws, CELLA_ERR_INTEGRITY, "not encrypted to this enclave's key");
            refused_of(other, jws, URL, CELLA_ERR_INTEGRITY, "not encrypted to this enclave's key");
        }
}

/* The key that is proven: public members alone, and one that the vault will wrap to. */
static void key_set(void **state) {
    (void)state;
    static const char *const members[] = {"kid", "kty", "use", "key_ops", "n", "e"};
    CELLA_JSON set = NULL;
    CELLA_JSON again = NULL;
    CELLA_JSON strange = NULL;
    CELLA_JOSE_KEY key = NULL;
    GOOD(cella_wrap_key_set(own, &set));
    GOOD(cella_wrap_key_set(own, &again));
    GOOD(cella_wrap_key_set(other, &strange));
    assert_true(json_equal(set, again));
    assert_false(json_equal(set, strange));
    assert_int_equal(json_object_size(set), 1);
    assert_int_equal(json_array_size(json_object_get(set, "keys")), 1);
    assert_int_equal(json_object_size(first_key(set)), 6);
    for (size_t i = 0; i < 6; i++) assert_non_null(json_object_get(first_key(set), members[i]));
    GOOD(cella_jose_key_jwk(first_key(set), &key));
    assert_int_equal(cella_jose_key_kind(key), CELLA_JOSE_RSA);
    assert_int_equal(cella_jose_key_algorithms(key), 0); /* it signs nothing */
    assert_int_equal(EVP_PKEY_get_bits(own), 2048);
}

/* --- Which key the answer is about --- */

static void about(void **state) {
    (void)state;
    static const struct {
        const char *url, *kid;
        bool good;
    } cases[] = {
        {URL, KID, true},
        {URL, URL, true},
        {KID, KID, true},
        {URL, "https://v1.example:8444/keys/Hospital/1", true}, /* names have no case */
        {URL "-b", KID, false},
        {URL, "https://v1.example:8444/keys/hospital-b/1", false},
        {URL, "https://v1.example:8444/keys/hospitals/1", false},
        {"https://v1.example:8444/keys/hosp", KID, false},
        {URL, "https://v1.example:8444/keys/hosp/1", false},
        {URL, "https://v1.example:8444/keys/hosp", false},
        {URL, "https://v1.example:8444/keys/ospital/1", false},
        {URL, "https://v2.example:8444/keys/hospital/1", false},
        {URL, "https://v1.example:8443/keys/hospital/1", false},
        {URL, "https://v1.example/keys/hospital/1", false},
        {URL, "https://v1.example:8444/secrets/hospital/1", false},
        {URL, "http://v1.example:8444/keys/hospital/1", false},
        {URL, "x" KID, false},
        {URL, " " KID, false},
        {URL, "keys/hospital/1", false},
        {URL, "hospital", false},
        {URL, "", false},
        {KID, URL, false}, /* asked for a version, answered about some version */
        {KID, URL "/0123456789abcdef0123456789abcdee", false},
        {KID, KID "0", false},
        {URL, URL "?x", false},
        {URL, URL "#/x", false},
        {URL, URL "%2fx", false},
    };
    uint8_t cipher[512];
    size_t size = seal(good_sealing(), cella_bytes(secret, 32), cipher, sizeof(cipher));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *jws = answer(cases[i].kid, envelope(cella_bytes(cipher, size)));
        if (cases[i].good)
            opens(jws, cases[i].url, cella_bytes(secret, 32));
        else
            refused_of(own, jws, cases[i].url, CELLA_ERR_INTEGRITY, "the answer is about");
    }
}

/* --- How it is encrypted --- */

static void sealings(void **state) {
    (void)state;
    uint8_t cipher[1024];
    static const size_t sizes[] = {1, 16, 31, 32, 33, 64};
    for (size_t i = 0; i < 6; i++) { /* as it was released: what a key must be, the caller says */
        struct cella_bytes key = cella_bytes(secret, sizes[i]);
        size_t size = seal(good_sealing(), key, cipher, sizeof(cipher));
        opens(answer(KID, envelope(cella_bytes(cipher, size))), URL, key);
    }
    const struct sealing bad[] = {
        {other, EVP_sha256(), EVP_sha256(), 32}, {own, EVP_sha1(), EVP_sha1(), 32},
        {own, EVP_sha256(), EVP_sha1(), 32},     {own, EVP_sha1(), EVP_sha256(), 32},
        {own, EVP_sha384(), EVP_sha384(), 32},   {own, EVP_sha256(), EVP_sha256(), 1},
        {own, EVP_sha256(), EVP_sha256(), 16},   {own, EVP_sha256(), EVP_sha256(), 24},
        {own, EVP_sha256(), EVP_sha256(), 31},   {own, EVP_sha256(), EVP_sha256(), 33},
        {own, EVP_sha256(), EVP_sha256(), 64},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t size = seal(bad[i], cella_bytes(secret, 32), cipher, sizeof(cipher));
        refused(answer(KID, envelope(cella_bytes(cipher, size))), CELLA_ERR_INTEGRITY,
                "not encrypted to this enclave's key");
    }
}

static void sizes(void **state) {
    (void)state;
    static uint8_t cipher[65536 + 8];
    size_t size = seal(good_sealing(), cella_bytes(secret, 32), cipher, sizeof(cipher));
    assert_int_equal(size, RSA_SIZE + 40);
    for (size_t cut = 0; cut < size; cut++)
        refused(answer(KID, envelope(cella_bytes(cipher, cut))),
                cut <= RSA_SIZE ? CELLA_ERR_FORMAT : CELLA_ERR_INTEGRITY,
                cut <= RSA_SIZE ? "a ciphertext of" : "the wrapped key was changed");
    static const size_t longer[] = {RSA_SIZE + 41, RSA_SIZE + 48, RSA_SIZE + 80, 4096, 65536};
    for (size_t i = 0; i < 5; i++)
        refused(answer(KID, envelope(cella_bytes(cipher, longer[i]))), CELLA_ERR_INTEGRITY,
                "the wrapped key was changed");
    refused(answer(KID, envelope(cella_bytes(cipher, 65537))), CELLA_ERR_FORMAT,
            "a ciphertext of 65537 bytes");
}

static void flips(void **state) {
    (void)state;
    uint8_t cipher[512];
    size_t size = seal(good_sealing(), cella_bytes(secret, 32), cipher, sizeof(cipher));
    for (size_t i = 0; i < size; i++)
        for (unsigned bit = i < RSA_SIZE ? i % 8 : 0; bit < 8; bit += i < RSA_SIZE ? 8 : 1) {
            cipher[i] ^= (uint8_t)(1U << bit);
            refused(answer(KID, envelope(cella_bytes(cipher, size))), CELLA_ERR_INTEGRITY,
                    i < RSA_SIZE ? "not encrypted" : "was changed");
            cipher[i] ^= (uint8_t)(1U << bit);
        }
}

/* The token's text cut everywhere, and a bit of every byte changed: the key itself or nothing. */
static void text_flips(void **state) {
    (void)state;
    uint8_t cipher[512];
    char jws[4096];
    size_t size = seal(good_sealing(), cella_bytes(secret, 32), cipher, sizeof(cipher));
    snprintf(jws, sizeof(jws), "%s", answer(KID, envelope(cella_bytes(cipher, size))));
    size_t length = strlen(jws), signature = length - 4;
    for (size_t i = 0; i < length; i++) {
        CELLA_SECRET out = {0}, cut = {0};
        char kept = jws[i];
        jws[i] ^= (char)(1 << i % 7);
        struct cella_result r = cella_wrap_open(own, jws, URL, &out);
        assert_true(cella_failed(r) ? !out.data : memcmp(out.data, secret, 32) == 0);
        if (i > 3 && i < signature && !cella_failed(r)) /* of the other kid, which nobody reads */
            assert_int_equal(out.size, 32);
        cella_result_drop(r);
        jws[i] = 0;
        r = cella_wrap_open(own, jws, URL, &cut);
        assert_int_equal(!cella_failed(r), i >= signature);
        if (cella_failed(r)) says_nothing(r.error);
        cella_result_drop(r);
        jws[i] = kept;
    }
}

/* --- What is no answer --- */

#define WITH(key) "{\"response\":{\"key\":{\"key\":" key "}}}"

static void payloads(void **state) {
    (void)state;
    static const struct {
        const char *payload, *words;
        enum cella_code code;
    } cases[] = {
        {"", "not strict JSON", CELLA_ERR_FORMAT},
        {"[]", "expected an object", CELLA_ERR_FORMAT},
        {"{\"response\":1,\"response\":1}", "not strict JSON", CELLA_ERR_FORMAT},
        {"{} ", "about no key", CELLA_ERR_INTEGRITY},
        {"{}x", "not strict JSON", CELLA_ERR_FORMAT},
        {"{\"response\":[]}", "about no key", CELLA_ERR_INTEGRITY},
        {"{\"response\":{\"key\":\"x\"}}", "about no key", CELLA_ERR_INTEGRITY},
        {"{\"response\":{\"key\":{\"kid\":\"" KID "\",\"key_hsm\":\"e30\"}}}", "about no key",
         CELLA_ERR_INTEGRITY},
        {"{\"key\":{\"key\":{\"kid\":\"" KID "\",\"key_hsm\":\"e30\"}}}", "about no key",
         CELLA_ERR_INTEGRITY},
        {WITH("[]"), "about no key", CELLA_ERR_INTEGRITY},
        {WITH("{\"kid\":1,\"key_hsm\":\"e30\"}"), "about no key", CELLA_ERR_INTEGRITY},
        {WITH("{\"kid\":[\"" KID "\"],\"key_hsm\":\"e30\"}"), "about no key", CELLA_ERR_INTEGRITY},
        {WITH("{\"key_hsm\":\"e30\"}"), "about no key", CELLA_ERR_INTEGRITY},
        {WITH("{\"kid\":\"" KID "\"}"), "release", CELLA_ERR_INTEGRITY},
        {WITH("{\"kid\":\"" KID "\",\"key_hsm\":{}}"), "release", CELLA_ERR_INTEGRITY},
        {WITH("{\"kid\":\"" KID "\",\"key_hsm\":\"\"}"), "key_hsm: not strict", CELLA_ERR_FORMAT},
        {WITH("{\"kid\":\"" KID "\",\"key_hsm\":\"e30\"}"), "no ciphertext", CELLA_ERR_FORMAT},
        {WITH("{\"kid\":\"" KID "\",\"key_hsm\":\"e30=\"}"), "key_hsm", CELLA_ERR_FORMAT},
        {WITH("{\"kid\":\"" KID "\",\"key_hsm\":\"W10\"}"), "expected an object", CELLA_ERR_FORMAT},
        /* {"ciphertext":1}, {"ciphertext":""}, {"ciphertext":"*"} */
        {WITH("{\"kid\":\"" KID "\",\"key_hsm\":\"eyJjaXBoZXJ0ZXh0IjoxfQ\"}"), "no ciphertext",
         CELLA_ERR_FORMAT},
        {WITH("{\"kid\":\"" KID "\",\"key_hsm\":\"eyJjaXBoZXJ0ZXh0IjoiIn0\"}"),
         "a ciphertext of 0 bytes", CELLA_ERR_FORMAT},
        {WITH("{\"kid\":\"" KID "\",\"key_hsm\":\"eyJjaXBoZXJ0ZXh0IjoiKiJ9\"}"), "base64",
         CELLA_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refused(answer_of(cases[i].payload), cases[i].code, cases[i].words);
    static const char *const no_token[] = {"", ".", "e30", "e30.e30", "{}"};
    for (size_t i = 0; i < sizeof(no_token) / sizeof(no_token[0]); i++)
        refused(no_token[i], CELLA_ERR_FORMAT, "release: the answer is no token");
    static const char *const no_text[] = {"..",         "e30..x",   ".=.",
                                          "e30.e30=.x", "e30.e3.x", "e30. e30.x"};
    for (size_t i = 0; i < sizeof(no_text) / sizeof(no_text[0]); i++)
        refused(no_text[i], CELLA_ERR_FORMAT, "release");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vaults),     cmocka_unit_test(key_set),  cmocka_unit_test(about),
        cmocka_unit_test(sealings),   cmocka_unit_test(sizes),    cmocka_unit_test(flips),
        cmocka_unit_test(text_flips), cmocka_unit_test(payloads),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
