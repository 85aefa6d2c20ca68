/* Tokens that must be refused, each for one reason (threats.md A24 to A27, A29, A32; RFC 8725). */
#include "jose_tools.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

static struct cella_jose_key *rsa, *p256, *p384;

static int make_keys(void **state) {
    (void)state;
    OK(cella_jose_key_new(CELLA_JOSE_RSA, 2048, &rsa));
    OK(cella_jose_key_new(CELLA_JOSE_P256, 0, &p256));
    OK(cella_jose_key_new(CELLA_JOSE_P384, 0, &p384));
    return 0;
}

static int free_keys(void **state) {
    (void)state;
    cella_jose_key_free(&rsa);
    cella_jose_key_free(&p256);
    cella_jose_key_free(&p384);
    return 0;
}

/* Every one of them bears a signature that holds over its bytes: only the header is at fault. */
static const struct {
    const char *why, *header;
} headers[] = {
    {"A24: none", "{\"alg\":\"none\"}"},
    {"A24: None", "{\"alg\":\"None\"}"},
    {"A24: nOnE", "{\"alg\":\"nOnE\"}"},
    {"A24: NONE", "{\"alg\":\"NONE\"}"},
    {"A24: empty alg", "{\"alg\":\"\"}"},
    {"A24: no alg", "{\"typ\":\"JWT\"}"},
    {"A24: nothing", "{}"},
    {"A24: case", "{\"alg\":\"es256\"}"},
    {"A24: case", "{\"alg\":\"Es256\"}"},
    {"A24: space before", "{\"alg\":\" ES256\"}"},
    {"A24: space after", "{\"alg\":\"ES256 \"}"},
    {"A24: NUL in alg", "{\"alg\":\"ES256\\u0000\"}"},
    {"A24: symmetric", "{\"alg\":\"HS256\"}"},
    {"A24: symmetric", "{\"alg\":\"HS512\"}"},
    {"A24: encryption", "{\"alg\":\"RSA-OAEP\"}"},
    {"A24: encryption", "{\"alg\":\"dir\",\"enc\":\"A256GCM\"}"},
    {"A24: other curve", "{\"alg\":\"ES256K\"}"},
    {"A24: alg is null", "{\"alg\":null}"},
    {"A24: alg is a number", "{\"alg\":256}"},
    {"A24: alg is a list", "{\"alg\":[\"ES256\"]}"},
    {"A24: Alg", "{\"Alg\":\"ES256\"}"},
    {"A25: empty kid", "{\"alg\":\"ES256\",\"kid\":\"\"}"},
    {"A25: kid is a number", "{\"alg\":\"ES256\",\"kid\":1}"},
    {"A25: kid is null", "{\"alg\":\"ES256\",\"kid\":null}"},
    {"A25: NUL in kid", "{\"alg\":\"ES256\",\"kid\":\"a\\u0000b\"}"},
    {"A27: typ is an object", "{\"alg\":\"ES256\",\"typ\":{}}"},
    {"A27: crit unknown", "{\"alg\":\"ES256\",\"crit\":[\"exp\"],\"exp\":1}"},
    {"A27: crit empty", "{\"alg\":\"ES256\",\"crit\":[]}"},
    {"A27: crit null", "{\"alg\":\"ES256\",\"crit\":null}"},
    {"RFC 7797: b64", "{\"alg\":\"ES256\",\"b64\":false,\"crit\":[\"b64\"]}"},
    {"RFC 7797: b64 alone", "{\"alg\":\"ES256\",\"b64\":false}"},
    {"RFC 7797: b64 true", "{\"alg\":\"ES256\",\"b64\":true}"},
    {"A29: alg twice", "{\"alg\":\"ES256\",\"alg\":\"ES256\"}"},
    {"A29: alg twice, escaped", "{\"alg\":\"ES256\",\"\\u0061lg\":\"none\"}"},
    {"A29: twice within", "{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\",\"kty\":\"EC\"}}"},
    {"A29: trailing bytes", "{\"alg\":\"ES256\"}x"},
    {"A29: two values", "{\"alg\":\"ES256\"}{}"},
    {"A29: BOM", "\xef\xbb\xbf{\"alg\":\"ES256\"}"},
    {"A29: comment", "{\"alg\":\"ES256\"/**/}"},
    {"A29: trailing comma", "{\"alg\":\"ES256\",}"},
    {"A29: single quotes", "{'alg':'ES256'}"},
    {"A29: lone surrogate", "{\"alg\":\"ES256\",\"kid\":\"\\ud800\"}"},
    {"A29: not UTF-8", "{\"alg\":\"ES256\",\"kid\":\"\xff\"}"},
    {"A29: number out of range", "{\"alg\":\"ES256\",\"x\":1e309}"},
    {"a list", "[{\"alg\":\"ES256\"}]"},
    {"a text", "\"ES256\""},
    {"nothing", ""},
    {"A32: x5c is a text", "{\"alg\":\"ES256\",\"x5c\":\"AAAA\"}"},
    {"A32: x5c is empty", "{\"alg\":\"ES256\",\"x5c\":[]}"},
    {"A32: x5c of a number", "{\"alg\":\"ES256\",\"x5c\":[1]}"},
    {"A32: x5c of nothing", "{\"alg\":\"ES256\",\"x5c\":[\"\"]}"},
    {"A32: x5c in base64url", "{\"alg\":\"ES256\",\"x5c\":[\"-_-_\"]}"},
    {"A32: x5c without padding", "{\"alg\":\"ES256\",\"x5c\":[\"AAA\"]}"},
    {"A32: x5c with spare bits", "{\"alg\":\"ES256\",\"x5c\":[\"AAB=\"]}"},
    {"A32: x5c with a line end", "{\"alg\":\"ES256\",\"x5c\":[\"AAAA\\nAAAA\"]}"},
    {"A32: x5c second bad", "{\"alg\":\"ES256\",\"x5c\":[\"AAAA\",\"!\"]}"},
    {"A32: nine certificates", "{\"alg\":\"ES256\",\"x5c\":[\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\","
                               "\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\"]}"},
};

static void refuses_hostile_headers(void **state) {
    (void)state;
    CELLA_BUFFER token = {0};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        forge(text(headers[i].header), text("{}"), p256, CELLA_JOSE_ES256, &token);
        if (open_code(cella_buffer_bytes(&token), false) != CELLA_ERR_FORMAT)
            fail_msg("opened: %s", headers[i].why);
        if (open_code(cella_buffer_bytes(&token), true) != CELLA_ERR_FORMAT)
            fail_msg("opened, with none allowed: %s", headers[i].why);
    }
}

/* A26: none of them is a reason to believe, and none of them is followed. */
static void takes_no_word_of_the_header_for_trust(void **state) {
    (void)state;
    CELLA_BUFFER token = {0};
    const char *header = "{\"alg\":\"ES256\",\"kid\":\"../../dev/null\",\"jku\":\"http://[::1]/\","
                         "\"x5u\":\"http://[::1]/\",\"x5c\":[\"AAAA\",\"AA\\u002B/\"],\"jwk\":{}}";
    CELLA_JWS jws = {0};
    forge(text(header), text("{}"), p256, CELLA_JOSE_ES256, &token);
    OK(cella_jws_open(cella_buffer_bytes(&token), false, &jws));
    assert_int_equal(jws.x5c_count, 2);
    assert_int_equal(jws.x5c[0].size, 3);
    assert_memory_equal(jws.x5c[0].data, "\0\0\0", 3);
    assert_memory_equal(jws.x5c[1].data, "\0\x0f\xbf", 3);
    assert_memory_equal(jws.payload.data, "{}", 2);
    assert_string_equal(jws.kid, "../../dev/null");
    OK(cella_jws_check(&jws, p256, CELLA_JOSE_ES256));
    assert_int_equal(code_of(cella_jws_check(&jws, p384, CELLA_JOSE_ANY)), CELLA_ERR_FORMAT);
}

/* The token's own key in its header, in every form that there is: another's signature. */
static void refuses_a_key_that_the_token_brings(void **state) {
    (void)state;
    CELLA_JOSE_KEY own = NULL;
    CELLA_BUFFER token = {0};
    OK(cella_jose_key_new(CELLA_JOSE_P256, 0, &own));
    CELLA_JSON header = json_pack("{s:o}", "jwk", cella_jose_key_members(own));
    OK(cella_jws_sign(own, CELLA_JOSE_ES256, header, text("{}"), &token));
    assert_int_equal(check_code(cella_buffer_bytes(&token), own, CELLA_JOSE_ES256), CELLA_OK);
    assert_int_equal(check_code(cella_buffer_bytes(&token), p256, CELLA_JOSE_ANY),
                     CELLA_ERR_INTEGRITY);
}

/* A24: the public key of RS256 as the secret of HS256. */
static void refuses_hs256_with_the_public_key(void **state) {
    (void)state;
    CELLA_BUFFER token = {0};
    CELLA_BUFFER spki = {0};
    uint8_t mac[32];
    unsigned size = sizeof(mac);
    OK(cella_jose_key_spki_der(rsa, &spki));
    forge(text("{\"alg\":\"HS256\"}"), text("{\"admin\":true}"), NULL, 0, &token);
    token.size--; /* the dot */
    assert_non_null(
        HMAC(EVP_sha256(), spki.data, (int)spki.size, token.data, token.size, mac, &size));
    OK(cella_buffer_append(&token, text(".")));
    OK(cella_base64_encode(CELLA_BYTES_OF(mac), true, &token));
    assert_int_equal(check_code(cella_buffer_bytes(&token), rsa, CELLA_JOSE_ANY), CELLA_ERR_FORMAT);
}

/* A24: the header's word against the key's: signed as one algorithm, said to be another. */
static void refuses_an_algorithm_that_is_not_the_keys(void **state) {
    (void)state;
    static const char *const names[] = {"RS256", "RS384", "RS512", "PS256", "PS384",
                                        "PS512", "ES256", "ES384", "ES512"};
    struct cella_jose_key *const keys[] = {rsa, rsa, rsa, rsa, rsa, rsa, p256, p384};
    for (unsigned made = 0; made < 8; made++)
        for (unsigned said = 0; said < 9; said++) {
            if (made == said) continue;
            char header[64];
            CELLA_BUFFER token = {0};
            snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[said]);
            forge(text(header), text("{}"), keys[made], 1U << made, &token);
            bool fits = cella_jose_key_algorithms(keys[made]) & (1U << said);
            assert_int_equal(check_code(cella_buffer_bytes(&token), keys[made], CELLA_JOSE_ANY),
                             fits ? CELLA_ERR_INTEGRITY : CELLA_ERR_FORMAT);
            assert_int_equal(check_code(cella_buffer_bytes(&token), keys[made], 1U << made),
                             CELLA_ERR_FORMAT);
        }
    uint8_t signature[JOSE_SIGNATURE_MAX];
    size_t size = 0;
    assert_int_equal(code_of(jose_sign(p384, CELLA_JOSE_ES256, text("x"), signature, &size)),
                     CELLA_ERR_FORMAT);
    assert_int_equal(
        code_of(jose_sign(p384, CELLA_JOSE_ES256 | CELLA_JOSE_ES384, text("x"), signature, &size)),
        CELLA_ERR_FORMAT);
}

/* A24: only where the caller allows it, and never as one that holds. */
static void treats_none_as_unsigned(void **state) {
    (void)state;
    CELLA_BUFFER token = {0};
    CELLA_BUFFER made = {0};
    CELLA_JWS jws = {0};
    OK(cella_jws_sign(NULL, CELLA_JOSE_NONE, NULL, text("{}"), &made));
    assert_int_equal(made.size, strlen("eyJhbGciOiJub25lIn0.e30."));
    assert_memory_equal(made.data, "eyJhbGciOiJub25lIn0.e30.", made.size);
    assert_int_equal(open_code(cella_buffer_bytes(&made), false), CELLA_ERR_FORMAT);
    OK(cella_jws_open(cella_buffer_bytes(&made), true, &jws));
    assert_int_equal(code_of(cella_jws_check(&jws, p256, CELLA_JOSE_ANY)), CELLA_ERR_FORMAT);
    assert_int_equal(code_of(cella_jws_check(&jws, p256, ~0U)), CELLA_ERR_FORMAT);
    /* with a signature it is neither the one nor the other */
    forge(text("{\"alg\":\"none\"}"), text("{}"), p256, CELLA_JOSE_ES256, &token);
    assert_int_equal(open_code(cella_buffer_bytes(&token), true), CELLA_ERR_FORMAT);
    /* a signed one with its signature cut off */
    forge(text("{\"alg\":\"ES256\"}"), text("{}"), NULL, 0, &token);
    assert_int_equal(open_code(cella_buffer_bytes(&token), true), CELLA_ERR_FORMAT);
    assert_int_equal(open_code(cella_buffer_bytes(&token), false), CELLA_ERR_FORMAT);
    assert_int_equal(code_of(cella_jws_sign(p256, CELLA_JOSE_NONE, NULL, text("{}"), &made)),
                     CELLA_ERR_USAGE);
    assert_int_equal(code_of(cella_jws_sign(NULL, CELLA_JOSE_ES256, NULL, text("{}"), &made)),
                     CELLA_ERR_USAGE);
}

/* A25: a kid of up to 256 bytes is a text like any other; longer is refused. */
static void bounds_the_kid(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 255, 256, 257, 40000, 65536};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        CELLA_BUFFER header = {0};
        CELLA_BUFFER token = {0};
        uint8_t *kid = NULL;
        OK(cella_buffer_append(&header, text("{\"alg\":\"ES256\",\"kid\":\"")));
        OK(cella_buffer_extend(&header, sizes[i], &kid));
        memset(kid, 'k', sizes[i]);
        OK(cella_buffer_append(&header, text("\"}")));
        forge(cella_buffer_bytes(&header), text("{}"), p256, CELLA_JOSE_ES256, &token);
        assert_int_equal(open_code(cella_buffer_bytes(&token), false), sizes[i] <= 256 ? CELLA_OK
                                                                       : sizes[i] <= 40000
                                                                           ? CELLA_ERR_FORMAT
                                                                           : CELLA_ERR_LIMIT);
    }
}

/* --- The text itself (A32) --- */

static struct cella_bytes good_token(struct cella_buffer *token) {
    forge(text("{\"alg\":\"ES256\"}"), text("{\"a\":1}"), p256, CELLA_JOSE_ES256, token);
    return cella_buffer_bytes(token);
}

static void refuses_other_shapes(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      "...",
                                      "a",
                                      "a.b",
                                      "a.b.c",
                                      "eyJ9.e30.",
                                      ".e30.",
                                      "e30.e30",
                                      "e30..",
                                      "e30.e30.e30.e30",
                                      "e30.e30.e30.e30.e30",
                                      "{}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(open_code(text(bad[i]), true), CELLA_ERR_FORMAT);
    CELLA_BUFFER token = {0};
    good_token(&token);
    size_t size = token.size;
    static const char *const tails[] = {".", ".e30", "=", " ", "\n", "\r\n", "\t", "+", "/", "%"};
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        OK(cella_buffer_append(&token, text(tails[i])));
        assert_int_equal(open_code(cella_buffer_bytes(&token), false), CELLA_ERR_FORMAT);
        token.size = size;
    }
    uint8_t nul = 0;
    OK(cella_buffer_append(&token, cella_bytes(&nul, 1)));
    assert_int_equal(open_code(cella_buffer_bytes(&token), false), CELLA_ERR_FORMAT);
}

/* White space, padding, NUL and the letters of the other alphabet, at every place. */
static void refuses_a_foreign_letter_anywhere(void **state) {
    (void)state;
    static const uint8_t letters[] = {' ', '\n', '=', 0, '+', '/', 0x80, '.', '"'};
    CELLA_BUFFER token = {0};
    CELLA_BUFFER longer = {0};
    good_token(&token);
    for (size_t at = 0; at <= token.size; at++)
        for (size_t i = 0; i < sizeof(letters); i++) {
            longer.size = 0;
            OK(cella_buffer_append(&longer, cella_bytes(token.data, at)));
            OK(cella_buffer_append(&longer, cella_bytes(&letters[i], 1)));
            OK(cella_buffer_append(&longer, cella_bytes(token.data + at, token.size - at)));
            assert_int_equal(open_code(cella_buffer_bytes(&longer), true), CELLA_ERR_FORMAT);
            uint8_t was = at < token.size ? token.data[at] : 0;
            if (at == token.size || was == '.') continue;
            token.data[at] = letters[i];
            assert_int_equal(open_code(cella_buffer_bytes(&token), true), CELLA_ERR_FORMAT);
            token.data[at] = was;
        }
}

/* All 64 values of the last letter of each part: only one spelling opens, and where the letter has
 * no spare bits only one holds. */
static void takes_one_spelling_of_the_last_letter(void **state) {
    (void)state;
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    CELLA_BUFFER token = {0};
    good_token(&token);
    uint8_t *dot = memrchr(token.data, '.', token.size);
    uint8_t *first = memchr(token.data, '.', token.size);
    uint8_t *last[] = {first - 1, dot - 1, token.data + token.size - 1};
    for (size_t part = 0; part < 3; part++) {
        unsigned held = 0;
        uint8_t was = *last[part];
        for (size_t i = 0; i < 64; i++) {
            *last[part] = (uint8_t)letters[i];
            held += check_code(cella_buffer_bytes(&token), p256, CELLA_JOSE_ANY) == CELLA_OK;
        }
        assert_int_equal(held, 1);
        *last[part] = was;
    }
}

/* A36: no bit of a token may differ, and no shorter one holds. */
static void refuses_every_flip_and_every_cut(void **state) {
    (void)state;
    struct cella_jose_key *const keys[] = {rsa, rsa, p256, p384};
    static const unsigned algorithms[] = {CELLA_JOSE_RS256, CELLA_JOSE_PS256, CELLA_JOSE_ES256,
                                          CELLA_JOSE_ES384};
    for (size_t k = 0; k < 4; k++) {
        CELLA_BUFFER token = {0};
        OK(cella_jws_sign(keys[k], algorithms[k], NULL, text("{\"a\":1}"), &token));
        assert_int_equal(check_code(cella_buffer_bytes(&token), keys[k], algorithms[k]), CELLA_OK);
        for (size_t bit = 0; bit < token.size * 8; bit++) {
            token.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_int_not_equal(check_code(cella_buffer_bytes(&token), keys[k], CELLA_JOSE_ANY),
                                 CELLA_OK);
            token.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        for (size_t size = 0; size < token.size; size++)
            assert_int_not_equal(check_code(cella_bytes(token.data, size), keys[k], CELLA_JOSE_ANY),
                                 CELLA_OK);
    }
}

/* --- Signatures that are none (A20) --- */

static enum cella_code raw_check(const struct cella_jose_key *key, unsigned algorithm,
                                 const uint8_t *signature, size_t size) {
    return code_of(jose_verify(key, algorithm, text("m"), cella_bytes(signature, size)));
}

static void refuses_numbers_out_of_range(void **state) {
    (void)state;
    static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                                      0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    uint8_t signature[JOSE_SIGNATURE_MAX] = {0}, good[64];
    size_t size = 0;
    OK(jose_sign(p256, CELLA_JOSE_ES256, text("m"), good, &size));
    assert_int_equal(raw_check(p256, CELLA_JOSE_ES256, good, 64), CELLA_OK);
    /* 0 || 0, as in CVE-2022-21449; r or s alone 0; r or s = n */
    assert_int_equal(raw_check(p256, CELLA_JOSE_ES256, signature, 64), CELLA_ERR_INTEGRITY);
    for (size_t half = 0; half < 64; half += 32)
        for (int n = 0; n < 2; n++) {
            memcpy(signature, good, 64);
            if (n)
                memcpy(signature + half, order, 32);
            else
                memset(signature + half, 0, 32);
            assert_int_equal(raw_check(p256, CELLA_JOSE_ES256, signature, 64), CELLA_ERR_INTEGRITY);
        }
    /* shorter, longer, empty; DER instead of r || s */
    memset(signature, 0, sizeof(signature));
    memcpy(signature, good, 64);
    static const size_t sizes[] = {0, 1, 63, 65, 70, 71, 72, 96, 128};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        assert_int_equal(raw_check(p256, CELLA_JOSE_ES256, signature, sizes[i]),
                         CELLA_ERR_INTEGRITY);
}

static void refuses_rsa_numbers_out_of_range(void **state) {
    (void)state;
    uint8_t signature[JOSE_SIGNATURE_MAX] = {0};
    memset(signature, 0xff, sizeof(signature)); /* not below the modulus */
    static const unsigned algorithms[] = {CELLA_JOSE_RS256, CELLA_JOSE_PS256};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(raw_check(rsa, algorithms[i], signature, 256), CELLA_ERR_INTEGRITY);
        size_t size = 0;
        uint8_t good[JOSE_SIGNATURE_MAX] = {0};
        OK(jose_sign(rsa, algorithms[i], text("m"), good, &size));
        assert_int_equal(raw_check(rsa, algorithms[i], good, 256), CELLA_OK);
        assert_int_equal(raw_check(rsa, algorithms[i], good, 255), CELLA_ERR_INTEGRITY);
        assert_int_equal(raw_check(rsa, algorithms[i], good, 257), CELLA_ERR_INTEGRITY);
        assert_int_equal(raw_check(rsa, algorithms[1 - i], good, 256), CELLA_ERR_INTEGRITY);
    }
}

/* RFC 7518 section 3.5: the salt has the size of the hash, and no other does. */
static void refuses_other_salts(void **state) {
    (void)state;
    static const int salts[] = {0, 20, 31, 32, 33, 48, 64};
    for (size_t i = 0; i < sizeof(salts) / sizeof(salts[0]); i++) {
        uint8_t signature[JOSE_SIGNATURE_MAX];
        size_t size = sizeof(signature);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        EVP_PKEY_CTX *options = NULL;
        assert_int_equal(EVP_DigestSignInit(ctx, &options, EVP_sha256(), NULL, rsa->pkey), 1);
        assert_true(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) > 0);
        assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, salts[i]) > 0);
        assert_int_equal(EVP_DigestSign(ctx, signature, &size, (const uint8_t *)"m", 1), 1);
        EVP_MD_CTX_free(ctx);
        assert_int_equal(raw_check(rsa, CELLA_JOSE_PS256, signature, size),
                         salts[i] == 32 ? CELLA_OK : CELLA_ERR_INTEGRITY);
    }
}

/* --- Payloads --- */

static void reads_payloads_strictly(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "[]",
                                      "1",
                                      "\"a\"",
                                      "{\"a\":1,\"a\":1}",
                                      "{\"a\":1}{}",
                                      "{\"a\"",
                                      "{\"a\":NaN}",
                                      "nul",
                                      "{\"a\":{\"b\":1,\"b\":2}}",
                                      "{\"a\":\"\\u0000\"}"};
    CELLA_BUFFER token = {0};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CELLA_JWS jws = {0};
        CELLA_JSON payload = NULL;
        forge(text("{\"alg\":\"ES256\"}"), text(bad[i]), p256, CELLA_JOSE_ES256, &token);
        OK(cella_jws_open(cella_buffer_bytes(&token), false, &jws)); /* the signature first */
        OK(cella_jws_check(&jws, p256, CELLA_JOSE_ES256));
        assert_int_equal(code_of(cella_jws_object(&jws, &payload)), CELLA_ERR_FORMAT);
        assert_null(payload);
    }
}

static void refuses_a_token_that_is_too_large(void **state) {
    (void)state;
    CELLA_BUFFER token = {0};
    uint8_t *space = NULL;
    OK(cella_buffer_extend(&token, CELLA_JWS_SIZE_MAX + 1, &space));
    memset(space, 'A', token.size);
    assert_int_equal(open_code(cella_buffer_bytes(&token), true), CELLA_ERR_LIMIT);
    token.size--;
    assert_int_equal(open_code(cella_buffer_bytes(&token), true), CELLA_ERR_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_hostile_headers),
        cmocka_unit_test(takes_no_word_of_the_header_for_trust),
        cmocka_unit_test(refuses_a_key_that_the_token_brings),
        cmocka_unit_test(refuses_hs256_with_the_public_key),
        cmocka_unit_test(refuses_an_algorithm_that_is_not_the_keys),
        cmocka_unit_test(treats_none_as_unsigned),
        cmocka_unit_test(bounds_the_kid),
        cmocka_unit_test(refuses_other_shapes),
        cmocka_unit_test(refuses_a_foreign_letter_anywhere),
        cmocka_unit_test(takes_one_spelling_of_the_last_letter),
        cmocka_unit_test(refuses_every_flip_and_every_cut),
        cmocka_unit_test(refuses_numbers_out_of_range),
        cmocka_unit_test(refuses_rsa_numbers_out_of_range),
        cmocka_unit_test(refuses_other_salts),
        cmocka_unit_test(reads_payloads_strictly),
        cmocka_unit_test(refuses_a_token_that_is_too_large),
    };
    return cmocka_run_group_tests_name("jose hostile", tests, make_keys, free_keys);
}
