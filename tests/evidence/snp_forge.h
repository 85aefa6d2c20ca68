/* An AMD of paper: a root, its two authorities, keys of chips and providers, revocation lists and
 * reports, made here so that each field can be wrong under a signature that is right. */
#ifndef CELLA_TESTS_EVIDENCE_SNP_FORGE_H
#define CELLA_TESTS_EVIDENCE_SNP_FORGE_H

#include "fixture.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/buffer.h"
#include "evidence/snp_cert.h"

enum { FORGE_NOW = 1760000000, FORGE_DAY = 86400 };

struct forge_certificate {
    const char *issuer, *subject;
    long serial;
    int64_t from, to; /* seconds since 1970 */
    bool ca, turin, vcek, vlek;
    long path_length; /* of a CA; -1: none */
    const char *product;
    uint8_t tcb[8]; /* as TCB_VERSION of the line */
    int missing;    /* OID arc of the component to leave out, 0: none */
    uint8_t chip[64];
    size_t chip_size;
    bool critical;       /* with a critical extension that nobody knows */
    uint8_t version;     /* of the extensions' structure */
    bool other_provider; /* a VLEK without one, a VCEK with one */
    const EVP_MD *md;    /* NULL: SHA-384 */
};

static inline X509_NAME *forge_name(const char *cn) {
    X509_NAME *name = X509_NAME_new();
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                               (const unsigned char *)"Advanced Micro Devices", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
    return name;
}

static inline void forge_raw(X509 *x, const char *oid, const void *value, size_t size,
                             int critical) {
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(octets, value, (int)size);
    X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, object, critical, octets);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(octets);
    ASN1_OBJECT_free(object);
}

static inline void forge_number(X509 *x, const char *oid, uint8_t value) {
    uint8_t der[4] = {2, 1, value, 0};
    size_t size = 3;
    if (value >= 0x80) {
        der[1] = 2;
        der[2] = 0;
        der[3] = value;
        size = 4;
    }
    forge_raw(x, oid, der, size, 0);
}

static inline void forge_text(X509 *x, const char *oid, const char *text) {
    uint8_t der[128] = {0x16, (uint8_t)strlen(text)};
    memcpy(der + 2, text, strlen(text));
    forge_raw(x, oid, der, 2 + strlen(text), 0);
}

static inline void forge_extensions(X509 *x, const struct forge_certificate *c) {
    static const int zen3[8] = {1, 2, 4, 5, 6, 7, 3, 8}, turin[8] = {9, 1, 2, 3, 5, 6, 7, 8};
    forge_number(x, "1.3.6.1.4.1.3704.1.1", c->version);
    forge_text(x, "1.3.6.1.4.1.3704.1.2", c->product);
    for (size_t i = 0; i < 8; i++) {
        char oid[64];
        int arc = c->turin ? turin[i] : zen3[i];
        snprintf(oid, sizeof(oid), "1.3.6.1.4.1.3704.1.3.%d", arc);
        if (arc != c->missing) forge_number(x, oid, c->tcb[i]);
    }
    if (c->chip_size) forge_raw(x, "1.3.6.1.4.1.3704.1.4", c->chip, c->chip_size, 0);
    if (c->vlek != c->other_provider) forge_text(x, "1.3.6.1.4.1.3704.1.5", "CN=test.example");
}

static inline void forge_ca(X509 *x, const struct forge_certificate *c) {
    uint8_t with[] = {0x30, 6, 1, 1, 0xff, 2, 1, (uint8_t)c->path_length};
    static const uint8_t without[] = {0x30, 3, 1, 1, 0xff}, usage[] = {3, 2, 1, 6};
    if (c->path_length >= 0)
        forge_raw(x, "2.5.29.19", with, sizeof(with), 1);
    else
        forge_raw(x, "2.5.29.19", without, sizeof(without), 1);
    forge_raw(x, "2.5.29.15", usage, sizeof(usage), 1);
}

static inline EVP_MD_CTX *forge_pss(EVP_PKEY *key, const EVP_MD *md) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx;
    assert_int_equal(EVP_DigestSignInit(ctx, &pctx, md, NULL, key), 1);
    EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, md);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST);
    return ctx;
}

static inline void forge_certificate(const struct forge_certificate *c, EVP_PKEY *subject,
                                     EVP_PKEY *issuer, struct cella_buffer *out) {
    X509 *x = X509_new();
    X509_NAME *issuer_name = forge_name(c->issuer), *subject_name = forge_name(c->subject);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), c->serial);
    X509_set_issuer_name(x, issuer_name);
    X509_set_subject_name(x, subject_name);
    ASN1_TIME_set(X509_getm_notBefore(x), c->from);
    ASN1_TIME_set(X509_getm_notAfter(x), c->to);
    X509_set_pubkey(x, subject);
    if (c->vcek || c->vlek) forge_extensions(x, c);
    if (c->ca) forge_ca(x, c);
    if (c->critical) forge_raw(x, "1.3.6.1.4.1.3704.9.9", "\x05\x00", 2, 1);
    EVP_MD_CTX *ctx = forge_pss(issuer, c->md ? c->md : EVP_sha384());
    assert_true(X509_sign_ctx(x, ctx) > 0);
    unsigned char *der = NULL;
    int size = i2d_X509(x, &der);
    cella_buffer_free(out);
    OK(cella_buffer_append(out, cella_bytes(der, (size_t)size)));
    OPENSSL_free(der);
    EVP_MD_CTX_free(ctx);
    X509_NAME_free(issuer_name);
    X509_NAME_free(subject_name);
    X509_free(x);
}

struct forge_crl {
    const char *issuer;
    int64_t from, to;
    long revoked; /* serial, 0: none */
};

static inline void forge_crl(const struct forge_crl *c, EVP_PKEY *issuer,
                             struct cella_buffer *out) {
    X509_CRL *crl = X509_CRL_new();
    X509_NAME *name = forge_name(c->issuer);
    ASN1_TIME *from = ASN1_TIME_set(NULL, c->from), *to = ASN1_TIME_set(NULL, c->to);
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, name);
    X509_CRL_set1_lastUpdate(crl, from);
    X509_CRL_set1_nextUpdate(crl, to);
    if (c->revoked) {
        X509_REVOKED *entry = X509_REVOKED_new();
        ASN1_INTEGER *serial = ASN1_INTEGER_new();
        ASN1_INTEGER_set(serial, c->revoked);
        X509_REVOKED_set_serialNumber(entry, serial);
        X509_REVOKED_set_revocationDate(entry, from);
        X509_CRL_add0_revoked(crl, entry);
        ASN1_INTEGER_free(serial);
    }
    EVP_MD_CTX *ctx = forge_pss(issuer, EVP_sha384());
    assert_true(X509_CRL_sign_ctx(crl, ctx) > 0);
    unsigned char *der = NULL;
    int size = i2d_X509_CRL(crl, &der);
    cella_buffer_free(out);
    OK(cella_buffer_append(out, cella_bytes(der, (size_t)size)));
    OPENSSL_free(der);
    EVP_MD_CTX_free(ctx);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    X509_NAME_free(name);
    X509_CRL_free(crl);
}

static inline void forge_scalar(const BIGNUM *n, uint8_t field[72]) {
    memset(field, 0, 72);
    assert_int_equal(BN_bn2lebinpad(n, field, 48), 48);
}

/* Signs bytes 0 to 0x29f of a report. */
static inline void forge_sign(uint8_t report[1184], EVP_PKEY *key) {
    uint8_t der[160];
    size_t size = sizeof(der);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, der, &size, report, 0x2a0), 1);
    const uint8_t *at = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)size);
    assert_non_null(sig);
    memset(report + 0x2a0, 0, 512);
    forge_scalar(ECDSA_SIG_get0_r(sig), report + 0x2a0);
    forge_scalar(ECDSA_SIG_get0_s(sig), report + 0x2a0 + 72);
    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(ctx);
}

#endif
