/* What does not decrypt tells nothing (K06, K08): one answer, byte for byte, to every forged
 * ciphertext. The time it takes: bench/padding_bench.c. */
#include "../hsm/token.h"
#include "crypto/digest.h"
#include "fixture.h"
#include "keys.h"

#define V "?api-version=7.4"
enum { K = 256 };

/* --- Forged blocks --- */

struct target { /* a public key, and what is asked of it */
    struct rig *rig;
    BIGNUM *n, *e;
};

static BIGNUM *number_of(const json_t *key, const char *name) {
    CELLA_BUFFER bytes = {0};
    GOOD(cella_base64_decode(cella_bytes_text(at(key, name)), true, &bytes));
    return BN_bin2bn(bytes.data, (int)bytes.size, NULL);
}

static void target_new(struct rig *rig, struct target *out) {
    json_t *made = call(rig, "POST", "/keys/r/create" V, "{\"kty\":\"RSA\"}", 200);
    *out = (struct target){rig, number_of(made, "key.n"), number_of(made, "key.e")};
    json_decref(made);
}

static void target_free(struct target *target) {
    BN_free(target->n);
    BN_free(target->e);
}

/* The number under the key: block^e mod n; a block of n or more is asked as it is. */
static void raw_encrypt(const struct target *target, const uint8_t block[K], uint8_t out[K]) {
    BN_CTX *context = BN_CTX_new();
    BIGNUM *number = BN_bin2bn(block, K, NULL);
    if (BN_cmp(number, target->n) < 0)
        assert_int_equal(BN_mod_exp(number, number, target->e, target->n, context), 1);
    assert_int_equal(BN_bn2binpad(number, out, K), K);
    BN_free(number);
    BN_CTX_free(context);
}

static void ask_block(const struct target *target, const char *path, const char *algorithm,
                      const uint8_t block[K], struct cella_http_response *answer) {
    uint8_t cipher[K];
    char text[2 * K], body[3 * K];
    raw_encrypt(target, block, cipher);
    base64url(CELLA_BYTES_OF(cipher), text, sizeof(text));
    snprintf(body, sizeof(body), "{\"alg\":\"%s\",\"value\":\"%s\"}", algorithm, text);
    ask(target->rig, HOST, target->rig->token, "POST", path, body, answer);
}

/* Status, headers and body. */
static void same_answer(const struct cella_http_response *a, const struct cella_http_response *b,
                        const char *what) {
    bool same = a->status == b->status && a->header_count == b->header_count &&
                a->body.size == b->body.size &&
                memcmp(a->body.data, b->body.data, a->body.size) == 0;
    for (size_t i = 0; same && i < a->header_count; i++)
        same = strcmp(a->header[i].name, b->header[i].name) == 0 &&
               strcmp(a->header[i].value, b->header[i].value) == 0;
    if (!same)
        fail_msg("%s: %d %.*s against %d %.*s", what, a->status, (int)a->body.size,
                 (const char *)a->body.data, b->status, (int)b->body.size,
                 (const char *)b->body.data);
}

static void mask(const EVP_MD *md, const uint8_t *seed, size_t seed_size, uint8_t *out,
                 size_t size) {
    uint8_t input[K + 4], digest[EVP_MAX_MD_SIZE];
    size_t unit = (size_t)EVP_MD_get_size(md);
    for (size_t done = 0; done < size; done += unit) {
        memcpy(input, seed, seed_size);
        memset(input + seed_size, 0, 4);
        input[seed_size + 3] = (uint8_t)(done / unit);
        assert_int_equal(EVP_Digest(input, seed_size + 4, digest, NULL, md, NULL), 1);
        for (size_t i = 0; i < unit && done + i < size; i++) out[done + i] ^= digest[i];
    }
}

/* RFC 8017, 7.1.1, with something wrong; SOUND: with nothing wrong. */
enum wrong { SOUND, FIRST_BYTE, LABEL, NO_END, NOT_ZERO, RANDOM, TOO_LARGE, ZERO, WRONGS };
static void oaep_block(const EVP_MD *md, enum wrong wrong, uint8_t block[K]) {
    size_t h = (size_t)EVP_MD_get_size(md);
    uint8_t *seed = block + 1, *db = seed + h;
    size_t size = K - 1 - h;
    memset(block, 0, K);
    GOOD(cella_random(seed, h));
    assert_int_equal(EVP_Digest("", 0, db, NULL, md, NULL), 1);
    if (wrong == LABEL) db[0] ^= 1;
    if (wrong == NOT_ZERO) db[h + 3] = 7;
    if (wrong != NO_END) db[size - 5] = 1;
    mask(md, seed, h, db, size);
    mask(md, db, size, seed, h);
    if (wrong == FIRST_BYTE) block[0] = 1;
    if (wrong == RANDOM) GOOD(cella_random(block + 1, K - 1));
    if (wrong == TOO_LARGE) memset(block, 0xff, K);
    if (wrong == ZERO) memset(block, 0, K);
}

/* Manger's question, whether the first byte is zero, and every other: one answer. */
static void oaep_says_one_thing(void **state) {
    static const struct {
        const char *algorithm;
        const EVP_MD *(*md)(void);
    } schemes[] = {{"RSA-OAEP", EVP_sha1}, {"RSA-OAEP-256", EVP_sha256}};
    static const char *const paths[] = {"/keys/r/decrypt" V, "/keys/r/unwrapkey" V};
    struct target target;
    target_new(*state, &target);
    for (size_t i = 0; i < 4; i++) {
        struct cella_http_response first, other;
        const char *algorithm = schemes[i / 2].algorithm;
        uint8_t block[K];
        oaep_block(schemes[i / 2].md(), SOUND, block);
        ask_block(&target, paths[i % 2], algorithm, block, &other);
        assert_int_equal(other.status, 200);
        answer_free(&other);
        oaep_block(schemes[i / 2].md(), FIRST_BYTE, block);
        ask_block(&target, paths[i % 2], algorithm, block, &first);
        assert_int_equal(first.status, 400);
        for (enum wrong wrong = LABEL; wrong < WRONGS; wrong++) {
            oaep_block(schemes[i / 2].md(), wrong, block);
            ask_block(&target, paths[i % 2], algorithm, block, &other);
            same_answer(&first, &other, algorithm);
            answer_free(&other);
        }
        answer_free(&first);
    }
    target_free(&target);
}

/* RFC 8017, 7.2.1: what is wrong is the first byte, the type, the eight bytes, or the end. */
static void v15_block(enum wrong wrong, uint8_t block[K]) {
    GOOD(cella_random(block, K));
    for (size_t i = 0; i < K; i++)
        if (!block[i]) block[i] = 3;
    block[0] = wrong == FIRST_BYTE;
    block[1] = wrong == LABEL ? 1 : 2;
    if (wrong != NO_END) block[wrong == NOT_ZERO ? 6 : K - 20] = 0;
}

/* What came back is nothing that the forged block ends with. */
static void is_not_of(const uint8_t block[K], const struct cella_http_response *answer) {
    CELLA_BUFFER value = {0};
    CELLA_JSON reply = json_loadb((const char *)answer->body.data, answer->body.size, 0, NULL);
    GOOD(cella_base64_decode(cella_bytes_text(at(reply, "value")), true, &value));
    assert_true(value.size <= K - 11);
    if (value.size > 3) assert_memory_not_equal(value.data, block + K - value.size, value.size);
}

/* Status and headers are those of what holds; the body has a value of some size, and the same for
 * the same ciphertext. */
static void v15_never_says_no(void **state) {
    struct target target;
    struct cella_http_response sound, forged, again;
    uint8_t block[K];
    target_new(*state, &target);
    v15_block(SOUND, block);
    ask_block(&target, "/keys/r/decrypt" V, "RSA1_5", block, &sound);
    assert_int_equal(sound.status, 200);
    for (enum wrong wrong = FIRST_BYTE; wrong <= NOT_ZERO; wrong++) {
        v15_block(wrong, block);
        ask_block(&target, "/keys/r/decrypt" V, "RSA1_5", block, &forged);
        ask_block(&target, "/keys/r/decrypt" V, "RSA1_5", block, &again);
        same_answer(&forged, &again, "RSA1_5");
        is_not_of(block, &forged);
        forged.body = sound.body;
        same_answer(&forged, &sound, "RSA1_5");
        answer_free(&forged);
        answer_free(&again);
    }
    answer_free(&sound);
    target_free(&target);
}

/* --- Symmetric keys --- */

static void ask_value(struct rig *rig, const char *path, const char *algorithm, const char *more,
                      struct cella_bytes value, struct cella_http_response *answer) {
    char text[512], body[1024];
    base64url(value, text, sizeof(text));
    snprintf(body, sizeof(body), "{\"alg\":\"%s\",\"value\":\"%s\"%s}", algorithm, text, more);
    ask(rig, HOST, rig->token, "POST", path, body, answer);
}

static struct cella_bytes value_of(json_t *reply, struct cella_buffer *out) {
    GOOD(cella_base64_decode(cella_bytes_text(at(reply, "value")), true, out));
    json_decref(reply);
    return cella_buffer_bytes(out);
}

/* K08: of all last blocks that a Vaudenay oracle would try, each that is no padding has the same
 * answer, whatever byte of it is wrong; and so has a wrapped key with a bit flipped. */
static void symmetric_says_one_thing(void **state) {
    struct rig *rig = *state;
    static const char iv[] = ",\"iv\":\"AAAAAAAAAAAAAAAAAAAAAA\"";
    struct cella_http_response first = {0}, other;
    CELLA_BUFFER cipher = {0}, wrapped = {0};
    size_t wrong = 0;
    json_decref(call(rig, "POST", "/keys/o/create" V, "{\"kty\":\"oct-HSM\"}", 200));
    value_of(call(rig, "POST", "/keys/o/encrypt" V,
                  "{\"alg\":\"A256CBCPAD\",\"value\":\"AAECAwQFBgcICQoLDA0ODxAREhM\","
                  "\"iv\":\"AAAAAAAAAAAAAAAAAAAAAA\"}",
                  200),
             &cipher);
    assert_int_equal(cipher.size, 32);
    for (size_t i = 0; i < 16 * 256; i += 5) {
        uint8_t byte = cipher.data[i / 256];
        cipher.data[i / 256] = (uint8_t)i;
        ask_value(rig, "/keys/o/decrypt" V, "A256CBCPAD", iv, cella_buffer_bytes(&cipher), &other);
        cipher.data[i / 256] = byte;
        if (other.status == 200) {
            answer_free(&other);
        } else if (wrong++ == 0) {
            first = other;
        } else {
            same_answer(&first, &other, "A256CBCPAD");
            answer_free(&other);
        }
    }
    assert_true(wrong > 100);
    value_of(call(rig, "POST", "/keys/o/wrapkey" V,
                  "{\"alg\":\"A256KW\",\"value\":\"AAECAwQFBgcICQoLDA0ODw\"}", 200),
             &wrapped);
    for (size_t bit = 0; bit < 8 * wrapped.size; bit++) {
        wrapped.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ask_value(rig, "/keys/o/unwrapkey" V, "A256KW", "", cella_buffer_bytes(&wrapped), &other);
        wrapped.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        same_answer(&first, &other, "A256KW");
        answer_free(&other);
    }
    answer_free(&first);
}

/* K08: the nonce is the service's, another each time; one of the caller's is refused. */
static void nonces_never_repeat(void **state) {
    struct rig *rig = *state;
    CELLA_JSON seen = json_object();
    json_decref(call(rig, "POST", "/keys/o/create" V, "{\"kty\":\"oct-HSM\"}", 200));
    for (int i = 0; i < 200; i++) {
        json_t *made =
            call(rig, "POST", "/keys/o/encrypt" V, "{\"alg\":\"A256GCM\",\"value\":\"AAAA\"}", 200);
        assert_int_equal(strlen(at(made, "iv")), 16);
        assert_null(json_object_get(seen, at(made, "iv")));
        assert_null(json_object_get(seen, at(made, "value")));
        json_object_set_new(seen, at(made, "iv"), json_true());
        json_decref(made);
    }
    json_decref(call(rig, "POST", "/keys/o/encrypt" V,
                     "{\"alg\":\"A256GCM\",\"value\":\"AAAA\",\"iv\":\"AAAAAAAAAAAAAAAA\"}", 400));
}

/* With an argument: keys that live in an HSM, whose own answers and errors are not to show. */
static struct token token;

static int set_up(void **state) {
    *state = *token.uri ? rig_new_on(true, token.uri) : rig_new(false);
    return 0;
}
static int set_up_hsm(void **state) {
    *state = *token.uri ? rig_new_on(true, token.uri) : rig_new(true);
    return 0;
}
static int tear_down(void **state) {
    rig_free(*state);
    return 0;
}

static int set_up_token(void **state) {
    (void)state;
    token_new(&token);
    return 0;
}
static int tear_down_token(void **state) {
    (void)state;
    token_free(&token);
    return 0;
}

int main(int count, char **argument) {
    (void)argument;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(oaep_says_one_thing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(v15_never_says_no, set_up, tear_down),
        cmocka_unit_test_setup_teardown(symmetric_says_one_thing, set_up_hsm, tear_down),
        cmocka_unit_test_setup_teardown(nonces_never_repeat, set_up_hsm, tear_down),
    };
    if (count < 2) return cmocka_run_group_tests(tests, NULL, NULL);
    token_need();
    return cmocka_run_group_tests(tests, set_up_token, tear_down_token);
}
