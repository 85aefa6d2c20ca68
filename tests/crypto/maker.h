/* Certificates made with OpenSSL, as tests want them: also ones that no CA should make. */
#ifndef CELLA_TESTS_CRYPTO_MAKER_H
#define CELLA_TESTS_CRYPTO_MAKER_H

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/x509.h"

enum { MAKER_TIME = 1700000000, MAKER_DAY = 86400 };

struct maker {
    const char *subject, *issuer; /* common names */
    EVP_PKEY *key, *issuer_key;
    const char *constraints, *usage; /* as openssl.cnf has them; NULL: no such extension */
    int from_days, to_days;          /* relative to MAKER_TIME */
    long version;                    /* 0 is v1; X.509's own number */
    const char *extra,
        *extra_again; /* further extension's values of OID 1.2.3.4, hex; NULL: none */
    bool extra_critical;
};

static inline void maker_name(X509_NAME *name, const char *common) {
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"cella test", -1,
                               -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1, -1, 0);
}

static inline void maker_extension(X509 *x, const char *name, const char *value) {
    X509_EXTENSION *e = value ? X509V3_EXT_conf(NULL, NULL, name, value) : NULL;
    if (e) X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

static inline void maker_extra(X509 *x, const char *value, bool critical) {
    if (!value) return;
    ASN1_OBJECT *oid = OBJ_txt2obj("1.2.3.4", 1);
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(octets, (const unsigned char *)value, (int)strlen(value));
    X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, oid, critical, octets);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(octets);
    ASN1_OBJECT_free(oid);
}

/* DER, to be freed with OPENSSL_free. */
static inline struct cella_bytes maker_make(const struct maker *m) {
    X509 *x = X509_new();
    X509_set_version(x, m->version);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 4711);
    maker_name(X509_get_subject_name(x), m->subject);
    maker_name(X509_get_issuer_name(x), m->issuer);
    ASN1_TIME_set(X509_getm_notBefore(x), MAKER_TIME + (time_t)m->from_days * MAKER_DAY);
    ASN1_TIME_set(X509_getm_notAfter(x), MAKER_TIME + (time_t)m->to_days * MAKER_DAY);
    X509_set_pubkey(x, m->key);
    maker_extension(x, "basicConstraints", m->constraints);
    maker_extension(x, "keyUsage", m->usage);
    maker_extra(x, m->extra, m->extra_critical);
    maker_extra(x, m->extra_again, m->extra_critical);
    X509_sign(x, m->issuer_key, EVP_sha256());
    unsigned char *der = NULL;
    int size = i2d_X509(x, &der);
    X509_free(x);
    return cella_bytes(der, (size_t)size);
}

#endif
