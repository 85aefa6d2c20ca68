/* Chains: one that is good, and for each check one that fails by it alone (A07, A08). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/chain.h"
#include "maker.h"

enum { CERTIFICATES = 4, RIVAL = 4, KEYS };

static EVP_PKEY *keys[KEYS];
static struct maker makers[CERTIFICATES]; /* leaf, lower CA, upper CA, root */
static struct cella_bytes ders[CERTIFICATES];
static struct cella_certificate chain[CERTIFICATES];
static struct cella_bytes root_spki;
static struct cella_chain_options options;

static int start(void **state) {
    (void)state;
    static const char *const names[CERTIFICATES] = {"leaf", "lower", "upper", "root"};
    for (int i = 0; i < CERTIFICATES; i++) {
        int up = i < 3 ? i + 1 : 3;
        makers[i] = (struct maker){.subject = names[i],
                                   .issuer = names[up],
                                   .key = keys[i],
                                   .issuer_key = keys[up],
                                   .constraints = i ? "critical,CA:TRUE" : "critical,CA:FALSE",
                                   .usage = i ? "critical,keyCertSign,cRLSign"
                                              : "critical,digitalSignature",
                                   .from_days = -10,
                                   .to_days = 10,
                                   .version = 2};
    }
    unsigned char *spki = NULL;
    int size = i2d_PUBKEY(keys[3], &spki);
    root_spki = cella_bytes(spki, (size_t)size);
    options = (struct cella_chain_options){.time_unix = MAKER_TIME, .root_spki = root_spki};
    return 0;
}

static int stop(void **state) {
    (void)state;
    for (int i = 0; i < CERTIFICATES; i++) OPENSSL_free((void *)ders[i].data);
    OPENSSL_free((void *)root_spki.data);
    memset(ders, 0, sizeof(ders));
    return 0;
}

static void build(void) {
    for (int i = 0; i < CERTIFICATES; i++) {
        OPENSSL_free((void *)ders[i].data);
        ders[i] = maker_make(&makers[i]);
        assert_false(cella_failed(cella_certificate_parse(ders[i], &chain[i])));
    }
}

static void expect_of(const struct cella_certificate *c, size_t count, enum cella_chain_check check,
                      size_t index) {
    static const enum cella_code codes[] = {[CELLA_CHAIN_COUNT] = CELLA_ERR_LIMIT,
                                            [CELLA_CHAIN_NOT_YET] = CELLA_ERR_EXPIRED,
                                            [CELLA_CHAIN_EXPIRED] = CELLA_ERR_EXPIRED,
                                            [CELLA_CHAIN_SIGNATURE] = CELLA_ERR_INTEGRITY};
    struct cella_chain_fault fault = {CELLA_CHAIN_KEY, 99};
    struct cella_result r = cella_chain_check(c, count, &options, &fault);
    enum cella_code code = cella_code_of(r);
    cella_result_print(r);
    cella_result_drop(r);
    assert_int_equal(fault.check, check);
    if (check != CELLA_CHAIN_GOOD) assert_int_equal(fault.index, index);
    if (check == CELLA_CHAIN_GOOD)
        assert_int_equal(code, CELLA_OK);
    else if ((size_t)check < sizeof(codes) / sizeof(codes[0]) && codes[check])
        assert_int_equal(code, codes[check]);
    else
        assert_int_equal(code,
                         check == CELLA_CHAIN_SIGNATURE ? CELLA_ERR_INTEGRITY : CELLA_ERR_REFUSED);
}
#define EXPECT(check, index) expect_of(chain, CERTIFICATES, check, index)

static void takes_good_chains(void **state) {
    (void)state;
    makers[1].constraints = "critical,CA:TRUE,pathlen:0";
    makers[2].constraints = "critical,CA:TRUE,pathlen:1";
    makers[3].constraints = "critical,CA:TRUE,pathlen:2";
    build();
    EXPECT(CELLA_CHAIN_GOOD, 0);
    expect_of(chain, 3, CELLA_CHAIN_GOOD, 0); /* the root left out */
    expect_of(chain + 3, 1, CELLA_CHAIN_GOOD, 0);
    CELLA_VERIFYKEY key = NULL;
    assert_false(cella_failed(cella_verifykey_new(root_spki, &key)));
    options.root_key = key;
    EXPECT(CELLA_CHAIN_GOOD, 0);
    expect_of(chain, 3, CELLA_CHAIN_GOOD, 0);
    options.root_der = chain[3].der;
    EXPECT(CELLA_CHAIN_GOOD, 0);
    options.time_unix = MAKER_TIME - 10 * MAKER_DAY; /* both ends belong to it */
    EXPECT(CELLA_CHAIN_GOOD, 0);
    options.time_unix = MAKER_TIME + 10 * MAKER_DAY;
    EXPECT(CELLA_CHAIN_GOOD, 0);
}

static void counts(void **state) {
    (void)state;
    build();
    expect_of(chain, 0, CELLA_CHAIN_COUNT, 0);
    expect_of(chain, CELLA_CHAIN_CERTIFICATES + 1, CELLA_CHAIN_COUNT, 0);
}

static void checks_times(void **state) {
    (void)state;
    for (size_t i = 0; i < CERTIFICATES; i++) {
        makers[i].to_days = -1;
        build();
        EXPECT(CELLA_CHAIN_EXPIRED, i);
        makers[i].to_days = 10, makers[i].from_days = 1;
        build();
        EXPECT(CELLA_CHAIN_NOT_YET, i);
        makers[i].from_days = -10;
    }
    options.time_unix = MAKER_TIME - 10 * MAKER_DAY - 1;
    build();
    EXPECT(CELLA_CHAIN_NOT_YET, 0);
    options.time_unix = MAKER_TIME + 10 * MAKER_DAY + 1;
    EXPECT(CELLA_CHAIN_EXPIRED, 0);
}

static void checks_critical(void **state) {
    (void)state;
    for (size_t i = 0; i < CERTIFICATES; i++) {
        makers[i].extra = "x", makers[i].extra_critical = true;
        build();
        EXPECT(CELLA_CHAIN_CRITICAL, i);
        options.allow_unknown_critical = true;
        EXPECT(CELLA_CHAIN_GOOD, 0);
        options.allow_unknown_critical = false;
        makers[i].extra_critical = false;
        build();
        EXPECT(CELLA_CHAIN_GOOD, 0);
        makers[i].extra = NULL;
    }
}

static void checks_roles(void **state) {
    (void)state;
    for (size_t i = 1; i < CERTIFICATES; i++) {
        struct maker good = makers[i];
        makers[i].constraints = "critical,CA:FALSE";
        build();
        EXPECT(CELLA_CHAIN_CA, i);
        makers[i].constraints = NULL;
        build();
        EXPECT(CELLA_CHAIN_CA, i);
        makers[i] = good;
        makers[i].usage = "critical,digitalSignature,cRLSign";
        build();
        EXPECT(CELLA_CHAIN_KEY_USAGE, i);
        options.without_key_usage = true;
        EXPECT(CELLA_CHAIN_KEY_USAGE, i);
        makers[i].usage = NULL;
        build();
        EXPECT(CELLA_CHAIN_GOOD, 0);
        options.without_key_usage = false;
        EXPECT(CELLA_CHAIN_KEY_USAGE, i);
        makers[i] = good;
    }
    makers[2].constraints = "critical,CA:TRUE,pathlen:0";
    build();
    EXPECT(CELLA_CHAIN_PATH_LENGTH, 2);
    makers[2].constraints = "critical,CA:TRUE",
    makers[3].constraints = "critical,CA:TRUE,pathlen:1";
    build();
    EXPECT(CELLA_CHAIN_PATH_LENGTH, 3);
}

static void checks_order(void **state) {
    (void)state;
    build();
    for (size_t a = 0; a < CERTIFICATES; a++)
        for (size_t b = a + 1; b < CERTIFICATES; b++) {
            struct cella_certificate swapped[CERTIFICATES];
            memcpy(swapped, chain, sizeof(chain));
            swapped[a] = chain[b], swapped[b] = chain[a];
            struct cella_chain_fault fault;
            struct cella_result r = cella_chain_check(swapped, CERTIFICATES, &options, &fault);
            assert_true(cella_failed(r) && fault.check != CELLA_CHAIN_GOOD);
            cella_result_drop(r);
        }
    for (size_t i = 0; i < CERTIFICATES; i++) {
        makers[i].issuer = "another";
        build();
        /* The root's own issuer is the one name that nothing follows. */
        EXPECT(i < 3 ? CELLA_CHAIN_NAME : CELLA_CHAIN_GOOD, i);
        static const char *const names[] = {"lower", "upper", "root", "root"};
        makers[i].issuer = names[i];
    }
}

static void checks_signatures(void **state) {
    (void)state;
    for (size_t i = 0; i < CERTIFICATES; i++) {
        EVP_PKEY *good = makers[i].issuer_key;
        makers[i].issuer_key = keys[RIVAL];
        build();
        EXPECT(i < 3 ? CELLA_CHAIN_SIGNATURE : CELLA_CHAIN_ROOT, i);
        makers[i].issuer_key = good;
    }
}

/* A root of the same name and all, by another's key. */
static void pins_the_root_key(void **state) {
    (void)state;
    makers[3].key = makers[3].issuer_key = makers[2].issuer_key = keys[RIVAL];
    build();
    EXPECT(CELLA_CHAIN_ROOT, 3);
    expect_of(chain, 3, CELLA_CHAIN_ROOT, 2);
    options.root_der = chain[2].der; /* pinned, but not where it stands in the chain */
    EXPECT(CELLA_CHAIN_ROOT, 3);
}

/* Carrying the root's public key is not the same as being signed by it. */
static void refuses_a_leaf_with_the_roots_key(void **state) {
    (void)state;
    makers[0].key = keys[3], makers[0].issuer_key = keys[RIVAL];
    build();
    expect_of(chain, 1, CELLA_CHAIN_ROOT, 0);
}

static void refuses_keys_of_other_kinds(void **state) {
    (void)state;
    EVP_PKEY *odd = EVP_EC_gen("P-521");
    makers[1].key = makers[0].issuer_key = odd;
    build();
    EXPECT(CELLA_CHAIN_KEY, 1);
    EVP_PKEY_free(odd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    for (int i = 0; i < KEYS; i++) keys[i] = EVP_EC_gen("P-256");
    const struct CMUnitTest tests[] = {
        TEST(takes_good_chains),
        TEST(counts),
        TEST(checks_times),
        TEST(checks_critical),
        TEST(checks_roles),
        TEST(checks_order),
        TEST(checks_signatures),
        TEST(pins_the_root_key),
        TEST(refuses_a_leaf_with_the_roots_key),
        TEST(refuses_keys_of_other_kinds),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (int i = 0; i < KEYS; i++) EVP_PKEY_free(keys[i]);
    return failed;
}
