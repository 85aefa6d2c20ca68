/* Certificates and revocation lists against OpenSSL, on everything under the vectors; and what must
 * be refused. */
#include <ftw.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "crypto/x509.h"
#include "maker.h"

static bool fails(struct cella_result r) {
    bool failed = cella_failed(r);
    cella_result_print(r);
    cella_result_drop(r);
    return failed;
}
#define OK(r) assert_false(fails(r))

static enum cella_code code_of(struct cella_result r) {
    enum cella_code code = cella_code_of(r);
    cella_result_drop(r);
    return code;
}

static const char *vectors(void) {
    const char *path = getenv("CELLA_VECTORS");
    return path ? path : CELLA_SOURCE_ROOT "/../shared/vectors";
}

static struct { size_t files, certificates, lists, refused, checked; } seen;
static char current[512];

static uint64_t unix_of(const ASN1_TIME *time) {
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    assert_int_equal(ASN1_TIME_diff(&days, &seconds, epoch, time), 1);
    ASN1_TIME_free(epoch);
    return (uint64_t)days * 86400 + (uint64_t)seconds;
}

static void same_name(const X509_NAME *name, struct cella_bytes found) {
    const unsigned char *der = NULL;
    size_t size = 0;
    assert_int_equal(X509_NAME_get0_der(name, &der, &size), 1);
    /* OpenSSL keeps the bytes that it read. */
    assert_int_equal(size, found.size);
    assert_memory_equal(der, found.data, size);
}

static void same_number(const ASN1_INTEGER *number, struct cella_bytes found) {
    BIGNUM *ours = BN_bin2bn(found.data, (int)found.size, NULL),
           *theirs = ASN1_INTEGER_to_BN(number, NULL);
    assert_int_equal(BN_cmp(ours, theirs), 0);
    BN_free(ours);
    BN_free(theirs);
}

static void same_constraints(X509 *x, const struct cella_certificate *c) {
    BASIC_CONSTRAINTS *basic = X509_get_ext_d2i(x, NID_basic_constraints, NULL, NULL);
    assert_int_equal(c->has_basic_constraints, basic != NULL);
    if (basic) {
        assert_int_equal(c->is_ca, basic->ca != 0);
        assert_int_equal(c->path_length, basic->pathlen ? ASN1_INTEGER_get(basic->pathlen) : -1);
    }
    BASIC_CONSTRAINTS_free(basic);
    ASN1_BIT_STRING *usage = X509_get_ext_d2i(x, NID_key_usage, NULL, NULL);
    assert_int_equal(c->has_key_usage, usage != NULL);
    for (int i = 0; usage && i < 9; i++)
        assert_int_equal(c->key_usage >> i & 1, ASN1_BIT_STRING_get_bit(usage, i));
    ASN1_BIT_STRING_free(usage);
}

static void same_extensions(X509 *x, const struct cella_certificate *c) {
    for (int i = 0; i < X509_get_ext_count(x); i++) {
        X509_EXTENSION *e = X509_get_ext(x, i);
        const ASN1_OBJECT *oid = X509_EXTENSION_get_object(e);
        const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(e);
        struct cella_bytes found;
        assert_true(cella_certificate_extension(c, cella_bytes(OBJ_get0_data(oid), OBJ_length(oid)),
                                                &found));
        assert_int_equal(found.size, ASN1_STRING_length(value));
        assert_memory_equal(found.data, ASN1_STRING_get0_data(value), found.size);
    }
}

static void same_certificate(X509 *x, const struct cella_certificate *c) {
    same_number(X509_get0_serialNumber(x), c->serial);
    same_name(X509_get_issuer_name(x), c->issuer);
    same_name(X509_get_subject_name(x), c->subject);
    assert_int_equal(c->not_before_unix, unix_of(X509_get0_notBefore(x)));
    assert_int_equal(c->not_after_unix, unix_of(X509_get0_notAfter(x)));
    unsigned char *spki = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
    assert_int_equal(size, c->spki.size);
    assert_memory_equal(spki, c->spki.data, size);
    OPENSSL_free(spki);
    const ASN1_BIT_STRING *signature = NULL;
    X509_get0_signature(&signature, NULL, x);
    assert_int_equal(signature->length, c->signature.size);
    assert_memory_equal(signature->data, c->signature.data, c->signature.size);
    unsigned char *tbs = NULL;
    size = i2d_re_X509_tbs(x, &tbs); /* re-encoded: a second opinion on tbs too */
    assert_int_equal(size, c->tbs.size);
    assert_memory_equal(tbs, c->tbs.data, size);
    OPENSSL_free(tbs);
    same_constraints(x, c);
    same_extensions(x, c);
}

/* A self-signed one can be checked on the spot, by both. */
static void same_check(X509 *x, const struct cella_certificate *c) {
    if (c->issuer.size != c->subject.size ||
        !cella_equal(c->issuer.data, c->subject.data, c->issuer.size))
        return;
    bool theirs = X509_verify(x, X509_get0_pubkey(x)) == 1;
    CELLA_VERIFYKEY key = NULL;
    struct cella_result r = cella_verifykey_new(c->spki, &key);
    if (!cella_failed(r)) r = cella_certificate_check(c, key);
    if (cella_failed(r) == theirs)
        printf("self-signature in %s: OpenSSL says %d; cella: %s\n", current, theirs,
               r.error ? r.error->what : "good");
    bool ours = !cella_failed(r);
    enum cella_code code = cella_code_of(r);
    cella_result_drop(r);
    assert_true(ours == theirs ||
                (theirs && (code == CELLA_ERR_UNSUPPORTED || code == CELLA_ERR_LIMIT)));
    seen.checked++;
}

static void compare_certificate(const uint8_t *data, size_t size) {
    const unsigned char *at = data;
    X509 *x = d2i_X509(NULL, &at, (long)size);
    if (!x) return;
    struct cella_certificate c;
    struct cella_result r = cella_certificate_parse_first(cella_bytes(data, size), &c);
    if (cella_failed(r)) {
        printf("refused, unlike OpenSSL: %s: %s\n", current, r.error->what);
        cella_result_drop(r);
        seen.refused++;
    } else {
        seen.certificates++;
        assert_int_equal(c.der.size, at - data);
        same_certificate(x, &c);
        same_check(x, &c);
    }
    X509_free(x);
}

static void same_list(X509_CRL *x, const struct cella_crl *c) {
    same_name(X509_CRL_get_issuer(x), c->issuer);
    assert_int_equal(c->this_update_unix, unix_of(X509_CRL_get0_lastUpdate(x)));
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(x);
    assert_int_equal(c->next_update_unix, next ? unix_of(next) : 0);
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(x, NID_crl_number, NULL, NULL);
    assert_int_equal(number != NULL, c->number.size != 0);
    if (number) same_number(number, c->number);
    ASN1_INTEGER_free(number);
    STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(x);
    for (int i = 0; i < sk_X509_REVOKED_num(entries); i++) {
        const ASN1_INTEGER *serial =
            X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(entries, i));
        unsigned char der[64], *to = der;
        int size = i2d_ASN1_INTEGER(serial, &to);
        bool revoked = false;
        OK(cella_crl_revokes(c, cella_bytes(der + 2, size - 2), &revoked));
        assert_true(revoked);
        der[size - 1] ^= 1;
        ASN1_INTEGER *other = NULL;
        const unsigned char *from = der;
        other = d2i_ASN1_INTEGER(NULL, &from, size);
        X509_REVOKED *hit = NULL;
        OK(cella_crl_revokes(c, cella_bytes(der + 2, size - 2), &revoked));
        assert_int_equal(revoked, X509_CRL_get0_by_serial(x, &hit, other) == 1);
        ASN1_INTEGER_free(other);
    }
}

static void compare_list(const uint8_t *data, size_t size) {
    const unsigned char *at = data;
    X509_CRL *x = d2i_X509_CRL(NULL, &at, (long)size);
    if (!x) return;
    struct cella_crl c;
    struct cella_result r = cella_crl_parse(cella_bytes(data, at - data), &c);
    if (cella_failed(r)) {
        printf("refused, unlike OpenSSL: %s: %s\n", current, r.error->what);
        cella_result_drop(r);
        seen.refused++;
    } else {
        seen.lists++;
        same_list(x, &c);
    }
    X509_CRL_free(x);
}

/* Blocks of PEM: in text, and inside quotes. */
static void each_pem(struct cella_bytes text, const char *label,
                     void (*compare)(const uint8_t *, size_t)) {
    size_t at = 0;
    for (;;) {
        CELLA_BUFFER der = {0};
        bool found = false;
        struct cella_result r = cella_pem_next(text, label, &at, &der, &found);
        if (cella_failed(r)) printf("%s: %s\n", current, r.error->what);
        cella_result_drop(r);
        if (!found) return;
        compare(der.data, der.size);
    }
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)ftw;
    if (type != FTW_F || strstr(path, "sealed.bin")) return 0;
    CELLA_BUFFER file = {0};
    if (fails(cella_file_read(path, 8 << 20, &file))) return 0;
    snprintf(current, sizeof(current), "%s", path + strlen(vectors()));
    seen.files++;
    /* JSON has line ends as \\n. */
    for (size_t i = 0; strstr(path, ".json") && i + 1 < file.size; i++)
        if (file.data[i] == '\\' && file.data[i + 1] == 'n') file.data[i] = file.data[i + 1] = '\n';
    each_pem(cella_buffer_bytes(&file), "CERTIFICATE", compare_certificate);
    each_pem(cella_buffer_bytes(&file), "X509 CRL", compare_list);
    /* DER wherever it stands: 30 82 .. .. 30. */
    for (size_t i = 0; i + 5 < file.size; i++) {
        if (file.data[i] != 0x30 || file.data[i + 4] != 0x30) continue;
        if (file.data[i + 1] == 0x82) compare_certificate(file.data + i, file.size - i);
        if (file.data[i + 1] == 0x82) compare_list(file.data + i, file.size - i);
    }
    ERR_clear_error();
    return 0;
}

static void agrees_with_openssl(void **state) {
    (void)state;
    if (nftw(vectors(), visit, 16, FTW_PHYS) != 0 || seen.files == 0) {
        printf("skipped: no vectors at %s\n", vectors());
        skip();
    }
    printf("%zu files: %zu certificates and %zu lists alike, %zu self-signatures checked, %zu "
           "refused\n",
           seen.files, seen.certificates, seen.lists, seen.checked, seen.refused);
    assert_true(seen.certificates > 100 && seen.lists > 100);
}

static bool accepted(struct cella_bytes der, const struct cella_verifykey *issuer) {
    struct cella_certificate c;
    struct cella_result r = cella_certificate_parse(der, &c);
    if (cella_failed(r)) assert_null(c.der.data); /* nothing half read is left behind */
    if (!cella_failed(r)) r = cella_certificate_check(&c, issuer);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

static void mutate(struct cella_bytes der, const struct cella_verifykey *issuer) {
    uint8_t *copy = malloc(der.size + 1);
    memcpy(copy, der.data, der.size);
    assert_true(accepted(cella_bytes(copy, der.size), issuer));
    for (size_t i = 0; i < der.size; i++) {
        uint8_t masks[2] = {(uint8_t)(1U << i % 8), 0xff};
        for (int m = 0; m < 2; m++) {
            copy[i] ^= masks[m];
            assert_false(accepted(cella_bytes(copy, der.size), issuer));
            copy[i] ^= masks[m];
        }
        assert_false(accepted(cella_bytes(copy, i), issuer));
    }
    copy[der.size] = 0;
    assert_false(accepted(cella_bytes(copy, der.size + 1), issuer));
    free(copy);
}

static struct maker plain(EVP_PKEY *key) {
    return (struct maker){.subject = "root",
                          .issuer = "root",
                          .key = key,
                          .issuer_key = key,
                          .from_days = -1,
                          .to_days = 1,
                          .constraints = "critical,CA:TRUE,pathlen:3",
                          .usage = "keyCertSign,decipherOnly",
                          .version = 2};
}

static struct cella_verifykey *public_of(EVP_PKEY *key) {
    unsigned char *spki = NULL;
    int size = i2d_PUBKEY(key, &spki);
    struct cella_verifykey *public = NULL;
    OK(cella_verifykey_new(cella_bytes(spki, size), &public));
    OPENSSL_free(spki);
    return public;
}

static void refuses_each_flip_and_cut(void **state) {
    (void)state;
    static const char *const curves[] = {"P-256", "P-384"};
    for (int i = 0; i < 2; i++) {
        EVP_PKEY *key = EVP_EC_gen(curves[i]);
        CELLA_VERIFYKEY public = public_of(key);
        struct maker m = plain(key);
        struct cella_bytes der = maker_make(&m);
        mutate(der, public);
        OPENSSL_free((void *)der.data);
        EVP_PKEY_free(key);
    }
}

static void reads_what_was_made(void **state) {
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct maker m = plain(key);
    m.subject = "a\tb\x1b[2J\xc3\xa9z", m.extra = "value", m.extra_critical = true;
    struct cella_bytes der = maker_make(&m);
    struct cella_certificate c;
    char name[32], small[3], none[1] = {'x'};
    OK(cella_certificate_parse(der, &c));
    assert_true(c.is_ca && c.path_length == 3 && c.key_usage == (1 << 5 | 1 << 8) &&
                c.unknown_critical);
    cella_name_common(c.subject, name, sizeof(name));
    assert_string_equal(name, "a?b?[2J??z");
    cella_name_common(c.subject, small, sizeof(small));
    assert_string_equal(small, "a?");
    cella_name_common(c.subject, none, sizeof(none));
    assert_string_equal(none, "");
    cella_name_common(cella_bytes("\x30\x03\x31\x01", 4), name, sizeof(name));
    assert_string_equal(name, "");
    struct cella_bytes value;
    assert_true(cella_certificate_extension(&c, cella_bytes("\x2a\x03\x04", 3), &value));
    assert_int_equal(value.size, 5);
    assert_false(cella_certificate_extension(&c, cella_bytes("\x2a\x03", 2), &value));
    assert_null(value.data);
    OPENSSL_free((void *)der.data);
    EVP_PKEY_free(key);
}

static void refuses_what_only_openssl_takes(void **state) {
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct maker makers[4] = {plain(key), plain(key), plain(key), plain(key)};
    makers[0].version = 0;                                  /* v1 */
    makers[1].extra = "one", makers[1].extra_again = "two"; /* one OID twice */
    makers[2].version = 1;
    makers[3].constraints = "CA:FALSE,pathlen:1"; /* RFC 5280 4.2.1.9 */
    for (int i = 0; i < 4; i++) {
        struct cella_bytes der = maker_make(&makers[i]);
        const unsigned char *at = der.data;
        X509 *x = d2i_X509(NULL, &at, (long)der.size);
        assert_non_null(x);
        X509_free(x);
        struct cella_certificate c;
        assert_int_equal(code_of(cella_certificate_parse(der, &c)), CELLA_ERR_FORMAT);
        OPENSSL_free((void *)der.data);
    }
    EVP_PKEY_free(key);
}

/* One that follows another is taken by _first and refused by _parse. */
static void takes_the_first_of_two(void **state) {
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct maker m = plain(key);
    struct cella_bytes der = maker_make(&m);
    uint8_t *two = malloc(2 * der.size);
    memcpy(two, der.data, der.size);
    memcpy(two + der.size, der.data, der.size);
    struct cella_certificate c;
    OK(cella_certificate_parse_first(cella_bytes(two, 2 * der.size), &c));
    assert_int_equal(c.der.size, der.size);
    assert_int_equal(code_of(cella_certificate_parse(cella_bytes(two, 2 * der.size), &c)),
                     CELLA_ERR_FORMAT);
    assert_null(c.der.data);
    free(two);
    OPENSSL_free((void *)der.data);
    EVP_PKEY_free(key);
}

/* Where `old` stands for the nth time, `new` of the same size is put; then only parsing is asked,
 * not the signature. */
static enum cella_code parsed_with(struct cella_bytes der, const char *old, const char *new,
                                   int nth) {
    uint8_t *copy = malloc(der.size), *at = copy;
    size_t size = strlen(old);
    memcpy(copy, der.data, der.size);
    for (int i = 0; i < nth; i++) {
        at = memmem(at + 1, (size_t)(copy + der.size - at - 1), old, size);
        assert_non_null(at);
    }
    memcpy(at, new, size);
    struct cella_certificate c;
    enum cella_code code = code_of(cella_certificate_parse(cella_bytes(copy, der.size), &c));
    free(copy);
    return code;
}

static void refuses_by_form_not_by_signature(void **state) {
    (void)state;
    static const char sha256[] = "\x2a\x86\x48\xce\x3d\x04\x03\x02",
                      sha384[] = "\x2a\x86\x48\xce\x3d\x04\x03\x03";
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct maker m = plain(key);
    m.extra = "value", m.extra_critical = true;
    struct cella_bytes der = maker_make(&m);
    assert_int_equal(parsed_with(der, sha256, sha256, 1), CELLA_OK);
    assert_int_equal(parsed_with(der, sha256, sha384, 1), CELLA_ERR_FORMAT); /* inside */
    assert_int_equal(parsed_with(der, sha256, sha384, 2), CELLA_ERR_FORMAT); /* outside */
    /* The default of `critical` and of cA written out, and a BOOLEAN that BER takes for true. */
    assert_int_equal(parsed_with(der, "\x2a\x03\x04\x01\x01\xff", "\x2a\x03\x04\x01\x01\xff", 1),
                     CELLA_OK);
    assert_int_equal(parsed_with(der, "\x2a\x03\x04\x01\x01\xff", "\x2a\x03\x04\x01\x01\x01", 1),
                     CELLA_ERR_FORMAT);
    uint8_t *copy = malloc(der.size);
    memcpy(copy, der.data, der.size);
    uint8_t *critical = memmem(copy, der.size, "\x2a\x03\x04\x01\x01\xff", 6);
    critical[5] = 0;
    struct cella_certificate c;
    assert_int_equal(code_of(cella_certificate_parse(cella_bytes(copy, der.size), &c)),
                     CELLA_ERR_FORMAT);
    free(copy);
    OPENSSL_free((void *)der.data);
    EVP_PKEY_free(key);
}

/* RSA-PSS in a certificate: known when the salt is as long as the digest, and no algorithm at all
 * otherwise. */
static void reads_pss_parameters(void **state) {
    (void)state;
    EVP_PKEY *key = EVP_RSA_gen(2048);
    CELLA_VERIFYKEY public = public_of(key);
    for (int salt = 31; salt <= 33; salt++) {
        struct maker m = plain(key);
        struct cella_bytes plain_der = maker_make(&m);
        const unsigned char *at = plain_der.data;
        X509 *x = d2i_X509(NULL, &at, (long)plain_der.size);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        EVP_PKEY_CTX *options = NULL;
        assert_true(EVP_DigestSignInit(ctx, &options, EVP_sha256(), NULL, key) > 0 &&
                    EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) > 0 &&
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(options, salt) > 0 &&
                    X509_sign_ctx(x, ctx) > 0);
        EVP_MD_CTX_free(ctx);
        unsigned char *der = NULL;
        int size = i2d_X509(x, &der);
        struct cella_certificate c;
        OK(cella_certificate_parse(cella_bytes(der, size), &c));
        assert_int_equal(c.signature_algorithm,
                         salt == 32 ? CELLA_SIG_RSA_PSS_SHA256 : CELLA_SIG_NONE);
        assert_int_equal(code_of(cella_certificate_check(&c, public)),
                         salt == 32 ? CELLA_OK : CELLA_ERR_UNSUPPORTED);
        X509_free(x);
        OPENSSL_free(der);
        OPENSSL_free((void *)plain_der.data);
    }
    EVP_PKEY_free(key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_openssl),
        cmocka_unit_test(reads_what_was_made),
        cmocka_unit_test(refuses_each_flip_and_cut),
        cmocka_unit_test(refuses_what_only_openssl_takes),
        cmocka_unit_test(takes_the_first_of_two),
        cmocka_unit_test(refuses_by_form_not_by_signature),
        cmocka_unit_test(reads_pss_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
