/* A key goes to the enclave that asked, for the request it made, under the name it was given; and
 * nowhere else. The enclave's side here is a double of the shim's: same layout, OpenSSL's HPKE. */
#include "fixture.h"

#include <stdlib.h>

#include "base/reader.h"
#include "crypto/hpke.h"
#include "evidence/keygrant.h"

static const char key_text[] = "0123456789abcdef0123456789ABCDEF";
#define KEY cella_bytes(key_text, 32)

struct inside { /* what an enclave holds after it asked */
    struct cella_secret private;
    struct cella_buffer request;
    size_t head_size; /* bytes before the size of the evidence */
};

static void put_le(struct cella_buffer *to, uint64_t value, size_t size) {
    for (size_t i = 0; i < size; i++)
        OK(cella_buffer_append(to, cella_bytes(&(uint8_t){(uint8_t)(value >> 8 * i)}, 1)));
}

static void put_head(struct inside *in, const char *const *names, uint32_t count) {
    uint8_t public[32];
    memset(in, 0, sizeof(*in));
    OK(cella_x25519_new(&in->private, public));
    OK(cella_buffer_append(&in->request, cella_bytes_text("CELLAREQ")));
    put_le(&in->request, 1, 4);
    put_le(&in->request, count, 4);
    OK(cella_buffer_append(&in->request, CELLA_BYTES_OF(public)));
    uint8_t nonce[32];
    OK(cella_random(nonce, sizeof(nonce)));
    OK(cella_buffer_append(&in->request, CELLA_BYTES_OF(nonce)));
    for (uint32_t i = 0; i < count; i++) {
        put_le(&in->request, strlen(names[i]), 2);
        OK(cella_buffer_append(&in->request, cella_bytes_text(names[i])));
    }
    in->head_size = in->request.size;
}

static void ask(struct fixture *f, struct inside *in, const char *const *names, uint32_t count) {
    put_head(in, names, count);
    CELLA_BUFFER labeled = {0};
    OK(cella_buffer_append(&labeled, cella_bytes("cella key request v1", 21)));
    OK(cella_buffer_append(&labeled, cella_buffer_bytes(&in->request)));
    OK(cella_sha512(cella_buffer_bytes(&labeled), f->claims.report_data));
    f->evidence.size = 0;
    OK(cella_software_evidence(f->signer, &f->claims, &f->evidence));
    put_le(&in->request, f->evidence.size, 4);
    OK(cella_buffer_append(&in->request, cella_buffer_bytes(&f->evidence)));
}

static void inside_free(struct inside *in) {
    cella_secret_free(&in->private);
    cella_buffer_free(&in->request);
}

/* As the shim opens a grant. */
static struct cella_result open_grant(const struct inside *in, const char *name,
                                      struct cella_bytes grant, struct cella_secret *key) {
    *key = (struct cella_secret){NULL, 0};
    uint8_t digest[32], info[15 + 32], enc[32];
    TRY(cella_sha256(cella_buffer_bytes(&in->request), digest));
    struct cella_reader r = cella_reader(grant);
    cella_reader_expect(&r, cella_bytes_text("CELLAGRT"));
    if (cella_reader_u32le(&r) != 1) r.failed = true;
    if (cella_reader_u16le(&r) != strlen(name)) r.failed = true;
    cella_reader_expect(&r, cella_bytes_text(name));
    cella_reader_expect(&r, CELLA_BYTES_OF(digest));
    struct cella_bytes aad = cella_bytes(grant.data, r.at);
    cella_reader_copy(&r, enc, 32);
    struct cella_bytes sealed = cella_reader_bytes(&r, 48);
    ENSURE(cella_reader_done(&r), CELLA_ERR_FORMAT, NULL, "not a grant for this request and name");
    memcpy(info, "cella grant v1", 15);
    memcpy(info + 15, digest, 32);
    return cella_hpke_open(cella_secret_bytes(&in->private), enc, CELLA_BYTES_OF(info), aad, sealed,
                           key);
}

static enum cella_code opens(const struct inside *in, const char *name, struct cella_bytes grant) {
    CELLA_SECRET key = {0};
    enum cella_code code = code_of(open_grant(in, name, grant, &key));
    if (code == CELLA_OK) assert_memory_equal(key.data, key_text, 32);
    return code;
}

static const char *const names[] = {"hospital-a", "hospital-b", "result"};

static void gives_a_key_to_the_one_who_asked(void **state) {
    (void)state;
    struct fixture f;
    struct inside in, other;
    struct cella_key_request request;
    struct cella_claims claims;
    CELLA_BUFFER grant = {0};
    fixture_new(&f);
    ask(&f, &in, names, 3);
    ask(&f, &other, names, 3);
    OK(cella_key_request_parse(cella_buffer_bytes(&in.request), &request));
    assert_int_equal(request.key_count, 3);
    assert_memory_equal(request.key[1].data, "hospital-b", 10);
    OK(fixture_verify(&f, request.evidence, &claims));
    OK(cella_key_request_bound(&request, claims.software.report_data));
    for (size_t bit = 0; bit < 512; bit++) { /* all 64 bytes count (A13) */
        claims.software.report_data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(code_of(cella_key_request_bound(&request, claims.software.report_data)),
                         CELLA_ERR_INTEGRITY);
        claims.software.report_data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    OK(cella_key_grant(&request, cella_bytes_text("hospital-b"), KEY, &grant));
    assert_true(grant.size <= CELLA_KEY_GRANT_MAX);
    assert_int_equal(opens(&in, "hospital-b", cella_buffer_bytes(&grant)), CELLA_OK);
    assert_int_not_equal(opens(&in, "hospital-a", cella_buffer_bytes(&grant)),
                         CELLA_OK); /* another name */
    assert_int_not_equal(opens(&other, "hospital-b", cella_buffer_bytes(&grant)),
                         CELLA_OK); /* another run (T13) */
    for (size_t bit = 0; bit < grant.size * 8; bit++) {
        grant.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_not_equal(opens(&in, "hospital-b", cella_buffer_bytes(&grant)), CELLA_OK);
        grant.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    inside_free(&in);
    inside_free(&other);
    fixture_free(&f);
}

/* A host that writes another enclave's name or digest over a grant's gets nothing: both are bound
 * in the sealing. */
static void a_relabelled_grant_does_not_open(void **state) {
    (void)state;
    struct fixture f;
    struct inside in, other;
    struct cella_key_request request;
    CELLA_BUFFER grant = {0};
    uint8_t digest[32];
    fixture_new(&f);
    ask(&f, &in, names, 2);
    OK(cella_key_request_parse(cella_buffer_bytes(&in.request), &request));
    OK(cella_key_grant(&request, cella_bytes_text("hospital-a"), KEY, &grant));
    memcpy(grant.data + 8 + 4 + 2, "hospital-b", 10);
    assert_int_equal(opens(&in, "hospital-b", cella_buffer_bytes(&grant)), CELLA_ERR_INTEGRITY);
    memcpy(grant.data + 8 + 4 + 2, "hospital-a", 10);
    assert_int_equal(opens(&in, "hospital-a", cella_buffer_bytes(&grant)), CELLA_OK);
    ask(&f, &other, names, 2);
    OK(cella_sha256(cella_buffer_bytes(&other.request), digest));
    memcpy(grant.data + 8 + 4 + 2 + 10, digest, 32);
    assert_int_equal(opens(&other, "hospital-a", cella_buffer_bytes(&grant)), CELLA_ERR_INTEGRITY);
    inside_free(&in);
    inside_free(&other);
    fixture_free(&f);
}

static void grants_only_what_was_asked(void **state) {
    (void)state;
    struct fixture f;
    struct inside in;
    struct cella_key_request request;
    CELLA_BUFFER grant = {0};
    fixture_new(&f);
    ask(&f, &in, names, 2);
    OK(cella_key_request_parse(cella_buffer_bytes(&in.request), &request));
    assert_int_equal(code_of(cella_key_grant(&request, cella_bytes_text("result"), KEY, &grant)),
                     CELLA_ERR_NOT_FOUND);
    assert_int_equal(code_of(cella_key_grant(&request, cella_bytes_text("hospital"), KEY, &grant)),
                     CELLA_ERR_NOT_FOUND);
    assert_int_equal(code_of(cella_key_grant(&request, cella_bytes_text(""), KEY, &grant)),
                     CELLA_ERR_NOT_FOUND);
    assert_int_equal(code_of(cella_key_grant(&request, cella_bytes_text("hospital-a"),
                                             cella_bytes(key_text, 31), &grant)),
                     CELLA_ERR_USAGE);
    assert_int_equal(grant.size, 0);
    inside_free(&in);
    fixture_free(&f);
}

/* All of the request, parse to verdict. */
static struct cella_result judge(const struct fixture *f, struct cella_bytes bytes) {
    struct cella_key_request request;
    struct cella_claims claims;
    TRY(cella_key_request_parse(bytes, &request));
    TRY(fixture_verify(f, request.evidence, &claims));
    return cella_key_request_bound(&request, claims.software.report_data);
}

/* threats.md A13, A36: key, nonce, names, evidence: no bit of a request can change. */
static void refuses_every_flip_and_cut(void **state) {
    (void)state;
    struct fixture f;
    struct inside in;
    fixture_new(&f);
    ask(&f, &in, names, 3);
    OK(judge(&f, cella_buffer_bytes(&in.request)));
    for (size_t bit = 0; bit < in.request.size * 8; bit++) {
        in.request.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (code_of(judge(&f, cella_buffer_bytes(&in.request))) == CELLA_OK)
            fail_msg("bit %zu flipped and accepted", bit);
        in.request.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t size = 0; size < in.request.size; size++) {
        uint8_t *copy = malloc(size ? size : 1);
        memcpy(copy, in.request.data, size);
        assert_int_not_equal(code_of(judge(&f, cella_bytes(copy, size))), CELLA_OK);
        free(copy);
    }
    OK(cella_buffer_append(&in.request, cella_bytes("", 1)));
    assert_int_equal(code_of(judge(&f, cella_buffer_bytes(&in.request))), CELLA_ERR_FORMAT);
    inside_free(&in);
    fixture_free(&f);
}

/* Evidence of one request put into another of the same enclave (relay, T13). */
static void refuses_borrowed_evidence(void **state) {
    (void)state;
    struct fixture f;
    struct inside in, thief;
    fixture_new(&f);
    ask(&f, &in, names, 1);
    put_head(&thief, names, 1);
    put_le(&thief.request, f.evidence.size, 4);
    OK(cella_buffer_append(&thief.request, cella_buffer_bytes(&f.evidence)));
    assert_int_equal(code_of(judge(&f, cella_buffer_bytes(&thief.request))), CELLA_ERR_INTEGRITY);
    inside_free(&in);
    inside_free(&thief);
    fixture_free(&f);
}

static void refuses_bad_names(void **state) {
    (void)state;
    static const char long_name[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"; /* 65 */
    static const char *const bad[][2] = {{"", "b"},  {"a/b", "b"},     {"..", "b"}, {"a b", "b"},
                                         {"a", "a"}, {long_name, "b"}, {"a\n", "b"}};
    struct fixture f;
    fixture_new(&f);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct inside in;
        ask(&f, &in, bad[i], 2);
        assert_int_equal(code_of(judge(&f, cella_buffer_bytes(&in.request))), CELLA_ERR_FORMAT);
        inside_free(&in);
    }
    struct inside none;
    ask(&f, &none, names, 0);
    assert_int_equal(code_of(judge(&f, cella_buffer_bytes(&none.request))), CELLA_ERR_FORMAT);
    inside_free(&none);
    fixture_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_a_key_to_the_one_who_asked),
        cmocka_unit_test(a_relabelled_grant_does_not_open),
        cmocka_unit_test(grants_only_what_was_asked),
        cmocka_unit_test(refuses_every_flip_and_cut),
        cmocka_unit_test(refuses_borrowed_evidence),
        cmocka_unit_test(refuses_bad_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
