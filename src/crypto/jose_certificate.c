/* Self-signed certificates for signing keys (RFC 5280). */
#include <openssl/asn1.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "crypto/jose_inner.h"
#include "crypto/openssl.h"

enum { NAME_MAX_SIZE = 255, SERIAL_SIZE = 16 };
#define YEAR_10000_UNIX 253402300800ULL

static void certificate_free(X509 **x509) { X509_free(*x509); }
#define CERTIFICATE __attribute__((cleanup(certificate_free))) X509 *
static void extension_free(X509_EXTENSION **extension) { X509_EXTENSION_free(*extension); }
#define EXTENSION __attribute__((cleanup(extension_free))) X509_EXTENSION *
static void number_free(BIGNUM **number) { BN_free(*number); }
#define NUMBER __attribute__((cleanup(number_free))) BIGNUM *
static void object_free(ASN1_OBJECT **object) { ASN1_OBJECT_free(*object); }
#define OBJECT __attribute__((cleanup(object_free))) ASN1_OBJECT *
static void octets_free(ASN1_OCTET_STRING **octets) { ASN1_OCTET_STRING_free(*octets); }
#define OCTETS __attribute__((cleanup(octets_free))) ASN1_OCTET_STRING *

/* 127 random bits: positive, and never of fewer bytes. */
static struct cella_result set_serial(X509 *x509) {
    NUMBER serial = BN_new();
    OPENSSL(serial && BN_rand(serial, SERIAL_SIZE * 8 - 1, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
                BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x509)),
            "number a certificate");
    return CELLA_SUCCESS;
}

/* Names of services are longer than the 64 characters of X.520, and every reader takes them. */
static struct cella_result set_names(X509 *x509, const char *common_name) {
    size_t size = strlen(common_name);
    ENSURE(size > 0 && size <= NAME_MAX_SIZE, CELLA_ERR_USAGE, NULL,
           "a common name of %zu bytes, expected 1 to %d", size, NAME_MAX_SIZE);
    X509_NAME *name = X509_get_subject_name(x509);
    OPENSSL(X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING,
                                       (const uint8_t *)common_name, (int)size, -1, 0) &&
                X509_set_issuer_name(x509, name),
            "name a certificate");
    return CELLA_SUCCESS;
}

static struct cella_result set_validity(X509 *x509, const struct cella_jose_certificate *as) {
    ENSURE(as->not_before_unix < as->not_after_unix && as->not_after_unix < YEAR_10000_UNIX,
           CELLA_ERR_USAGE, NULL, "a certificate that is valid from %llu to %llu",
           (unsigned long long)as->not_before_unix, (unsigned long long)as->not_after_unix);
    OPENSSL(ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)as->not_before_unix) &&
                ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)as->not_after_unix),
            "date a certificate");
    return CELLA_SUCCESS;
}

static struct cella_result add_known(X509 *x509, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, x509, x509, NULL, NULL, 0);
    EXTENSION extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    OPENSSL(extension && X509_add_ext(x509, extension, -1), "extend a certificate");
    return CELLA_SUCCESS;
}

static struct cella_result add_own(X509 *x509, const char *oid, struct cella_bytes value) {
    OBJECT object = OBJ_txt2obj(oid, 1);
    OCTETS octets = ASN1_OCTET_STRING_new();
    ENSURE(object, CELLA_ERR_USAGE, NULL, "%s is no object identifier: %s", oid,
           cella_openssl_reason());
    OPENSSL(octets && ASN1_OCTET_STRING_set(octets, value.data, (int)value.size),
            "extend a certificate");
    EXTENSION extension = X509_EXTENSION_create_by_OBJ(NULL, object, 0, octets);
    OPENSSL(extension && X509_add_ext(x509, extension, -1), "extend a certificate");
    return CELLA_SUCCESS;
}

static struct cella_result add_extensions(X509 *x509, const struct cella_jose_certificate *as) {
    TRY(add_known(x509, NID_basic_constraints,
                  as->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE"));
    TRY(add_known(x509, NID_key_usage,
                  as->is_ca ? "critical,digitalSignature,keyCertSign"
                            : "critical,digitalSignature"));
    TRY(add_known(x509, NID_subject_key_identifier, "hash"));
    if (as->extension_oid) TRY(add_own(x509, as->extension_oid, as->extension));
    return CELLA_SUCCESS;
}

static const EVP_MD *hash_for(enum cella_jose_kind kind) {
    if (kind == CELLA_JOSE_P384) return EVP_sha384();
    return kind == CELLA_JOSE_P521 ? EVP_sha512() : EVP_sha256();
}

CELLA_RESULT cella_jose_certify(const struct cella_jose_key *key,
                                const struct cella_jose_certificate *as, struct cella_buffer *der) {
    ENSURE(key->private, CELLA_ERR_USAGE, NULL, "signing a certificate needs a private key");
    CERTIFICATE x509 = X509_new();
    OPENSSL(x509 && X509_set_version(x509, X509_VERSION_3) && X509_set_pubkey(x509, key->pkey),
            "begin a certificate");
    TRY(set_serial(x509));
    TRY(set_names(x509, as->common_name));
    TRY(set_validity(x509, as));
    TRY(add_extensions(x509, as));
    OPENSSL(X509_sign(x509, key->pkey, hash_for(key->kind)), "sign a certificate");
    uint8_t *text = NULL;
    int size = i2d_X509(x509, &text);
    OPENSSL(size, "encode a certificate");
    struct cella_result r = cella_buffer_append(der, cella_bytes(text, (size_t)size));
    OPENSSL_free(text);
    return r;
}
