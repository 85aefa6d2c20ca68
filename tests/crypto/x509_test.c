/* Certificates and revocation lists against OpenSSL, on everything under the vectors; and what must
 * be refused. */
#include <ftw.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
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

static struct cella_bytes make_list(EVP_PKEY *key, bool v1, const char *critical_extension,
                                    bool critical_entry) {
    X509_CRL *list = X509_CRL_new();
    X509_CRL_set_version(list, v1 ? 0 : 1);
    X509_NAME *name = X509_NAME_new();
    maker_name(name, "root");
    X509_CRL_set_issuer_name(list, name);
    X509_NAME_free(name);
    ASN1_TIME *time = ASN1_TIME_set(NULL, MAKER_TIME);
    X509_CRL_set1_lastUpdate(list, time);
    ASN1_TIME_set(time, MAKER_TIME + MAKER_DAY);
    X509_CRL_set1_nextUpdate(list, time);
    for (long serial = 100; serial < 200; serial += 10) {
        X509_REVOKED *entry = X509_REVOKED_new();
        ASN1_INTEGER *number = ASN1_INTEGER_new();
        ASN1_INTEGER_set(number, serial);
        X509_REVOKED_set_serialNumber(entry, number);
        X509_REVOKED_set_revocationDate(entry, time);
        ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
        ASN1_ENUMERATED_set(reason, 1);
        if (!v1) X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason, critical_entry, 0);
        ASN1_ENUMERATED_free(reason);
        ASN1_INTEGER_free(number);
        X509_CRL_add0_revoked(list, entry);
    }
    ASN1_TIME_free(time);
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    ASN1_INTEGER_set(number, 300);
    if (!v1) X509_CRL_add1_ext_i2d(list, NID_crl_number, number, 0, 0);
    if (critical_extension)
        X509_CRL_add1_ext_i2d(list, OBJ_txt2nid(critical_extension), number, 1, 0);
    ASN1_INTEGER_free(number);
    X509_CRL_sign(list, key, EVP_sha256());
    unsigned char *der = NULL;
    int size = i2d_X509_CRL(list, &der);
    X509_CRL_free(list);
    return cella_bytes(der, size);
}

static bool list_accepted(struct cella_bytes der, const struct cella_verifykey *issuer) {
    struct cella_crl c;
    struct cella_result r = cella_crl_parse(der, &c);
    if (cella_failed(r)) assert_null(c.der.data);
    if (!cella_failed(r)) r = cella_crl_check(&c, issuer);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

static void reads_lists(void **state) {
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    CELLA_VERIFYKEY public = public_of(key);
    struct cella_bytes der = make_list(key, false, NULL, false);
    struct cella_crl c;
    OK(cella_crl_parse(der, &c));
    OK(cella_crl_check(&c, public));
    assert_true(c.this_update_unix == MAKER_TIME && c.next_update_unix == MAKER_TIME + MAKER_DAY &&
                c.number.size == 2);
    for (int serial = 0; serial < 256; serial++) {
        const uint8_t number[2] = {0, (uint8_t)serial};
        bool revoked = false;
        OK(cella_crl_revokes(&c, serial < 128 ? cella_bytes(number + 1, 1) : cella_bytes(number, 2),
                             &revoked));
        assert_int_equal(revoked, serial >= 100 && serial < 200 && serial % 10 == 0);
    }
    uint8_t *copy = malloc(der.size + 1);
    memcpy(copy, der.data, der.size);
    for (size_t i = 0; i < der.size; i++) {
        for (int m = 0; m < 2; m++) {
            uint8_t mask = m ? 0xff : (uint8_t)(1U << i % 8);
            copy[i] ^= mask;
            assert_false(list_accepted(cella_bytes(copy, der.size), public));
            copy[i] ^= mask;
        }
        assert_false(list_accepted(cella_bytes(copy, i), public));
    }
    copy[der.size] = 0;
    assert_false(list_accepted(cella_bytes(copy, der.size + 1), public));
    free(copy);
    c.revoked.size--; /* breaks off in the last entry: the hit before it does not count */
    bool revoked = false;
    assert_int_equal(code_of(cella_crl_revokes(&c, cella_bytes("\x64", 1), &revoked)),
                     CELLA_ERR_FORMAT);
    assert_true(revoked);
    OPENSSL_free((void *)der.data);
    EVP_PKEY_free(key);
}

static void refuses_lists_that_are_part_of_one(void **state) {
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct cella_bytes ders[] = {make_list(key, false, "deltaCRL", false),
                                 make_list(key, false, NULL, true),
                                 make_list(key, true, NULL, false)};
    static const enum cella_code codes[] = {CELLA_ERR_UNSUPPORTED, CELLA_ERR_FORMAT,
                                            CELLA_ERR_FORMAT};
    for (int i = 0; i < 3; i++) {
        struct cella_crl c;
        assert_int_equal(code_of(cella_crl_parse(ders[i], &c)), codes[i]);
        OPENSSL_free((void *)ders[i].data);
    }
    EVP_PKEY_free(key);
}

static void reads_pem(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int blocks; /* -1: an error */
    } cases[] = {
        {"", 0},
        {"no block", 0},
        {"-----BEGIN X-----\nAAEC\n-----END X-----\n", 1},
        {"-----BEGIN X-----\r\nAAEC\r\n-----END X-----", 1},
        {"-----BEGIN X-----\nAA\nEC\n-----END X-----\ntext\n-----BEGIN Y-----\nAAEC\n-----END "
         "Y-----\n"
         "-----BEGIN X-----\nAAEC\n-----END X-----\n",
         2},
        {"-----BEGIN X-----\nAAEC\n-----END X----------BEGIN X-----\nAAEC\n-----END X-----\n", 2},
        {"-----BEGIN X-----\n-----END X-----\n", -1},
        {"-----BEGIN X-----\nAAEC\n", -1},
        {"-----BEGIN X-----\nAAE\n-----END X-----\n", -1},
        {"-----BEGIN X-----\nAA C\n-----END X-----\n", -1},
        {"-----BEGIN X-----\nA\\nEC\n-----END X-----\n", -1},
        {"-----BEGIN X-----\nAAEC\n-----END Y-----\n", -1},
        {"-----BEGIN X-----\nAB==\n-----END X-----\n", -1}, /* spare bits set */
        {"-----BEGIN X-----\nProc-Type: 4\n\nAAEC\n-----END X-----\n", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        /* As inside quotes: a NUL at the end. */
        struct cella_bytes text = cella_bytes(cases[i].text, strlen(cases[i].text) + 1);
        size_t at = 0;
        int blocks = 0;
        bool found = true;
        while (found && blocks >= 0) {
            CELLA_BUFFER out = {0};
            struct cella_result r = cella_pem_next(text, "X", &at, &out, &found);
            if (cella_failed(r))
                blocks = -1;
            else if (found)
                blocks++;
            if (found) assert_memory_equal(out.data, "\0\1\2", 3);
            cella_result_drop(r);
        }
        assert_int_equal(blocks, cases[i].blocks);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_openssl),
        cmocka_unit_test(reads_what_was_made),
        cmocka_unit_test(refuses_each_flip_and_cut),
        cmocka_unit_test(refuses_what_only_openssl_takes),
        cmocka_unit_test(takes_the_first_of_two),
        cmocka_unit_test(reads_lists),
        cmocka_unit_test(refuses_lists_that_are_part_of_one),
        cmocka_unit_test(reads_pem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
