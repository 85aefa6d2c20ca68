/* Certificates and revocation lists against OpenSSL, on everything under the vectors; and what must
 * be refused. */
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buffer.h"
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

static struct cella_verifykey *public_of(EVP_PKEY *key) {
    unsigned char *spki = NULL;
    int size = i2d_PUBKEY(key, &spki);
    struct cella_verifykey *public = NULL;
    OK(cella_verifykey_new(cella_bytes(spki, size), &public));
    OPENSSL_free(spki);
    return public;
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
        cmocka_unit_test(reads_lists),
        cmocka_unit_test(refuses_lists_that_are_part_of_one),
        cmocka_unit_test(reads_pem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
