#include "crypto/ca.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "crypto/openssl.h"

enum { TEXT_SIZE = 8192, HOST_SIZE = 256, SERIAL_SIZE = 16 };
#define YEAR_10000_UNIX 253402300800ULL

static void free_bio(BIO **bio) { BIO_free(*bio); }
#define BIO_ __attribute__((cleanup(free_bio))) BIO *
static void free_key(EVP_PKEY **key) { EVP_PKEY_free(*key); }
#define KEY __attribute__((cleanup(free_key))) EVP_PKEY *
static void free_certificate(X509 **x509) { X509_free(*x509); }
#define CERTIFICATE __attribute__((cleanup(free_certificate))) X509 *
static void free_extension(X509_EXTENSION **extension) { X509_EXTENSION_free(*extension); }
#define EXTENSION __attribute__((cleanup(free_extension))) X509_EXTENSION *
static void free_number(BIGNUM **number) { BN_free(*number); }
#define NUMBER __attribute__((cleanup(free_number))) BIGNUM *

/* --- PEM --- */

static int no_password(char *buffer, int size, int writing, void *context) {
    (void)buffer, (void)size, (void)writing, (void)context;
    return 0;
}

static CELLA_RESULT read_certificate(struct cella_bytes pem, X509 **out) {
    ENSURE(pem.size > 0 && pem.size <= INT32_MAX, CELLA_ERR_FORMAT, NULL,
           "expected a certificate in PEM, found %zu bytes", pem.size);
    BIO_ bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    OPENSSL(bio != NULL, "read a certificate");
    *out = PEM_read_bio_X509(bio, NULL, no_password, NULL);
    ENSURE(*out, CELLA_ERR_FORMAT, "give the server's certificate in PEM, then its issuers'",
           "no certificate in PEM: %s", cella_openssl_reason());
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_key(struct cella_bytes pem, EVP_PKEY **out) {
    ENSURE(pem.size <= INT32_MAX, CELLA_ERR_LIMIT, NULL, "a key of %zu bytes", pem.size);
    BIO_ bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    OPENSSL(bio != NULL, "read a key");
    *out = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    ENSURE(*out, CELLA_ERR_FORMAT, "give the private key in PEM, not encrypted",
           "no private key in PEM: %s", cella_openssl_reason());
    return CELLA_SUCCESS;
}

static CELLA_RESULT write_certificate(X509 *x509, struct cella_buffer *out) {
    BIO_ bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    OPENSSL(bio && PEM_write_bio_X509(bio, x509), "write a certificate");
    long size = BIO_get_mem_data(bio, &data);
    OPENSSL(size, "write a certificate");
    return cella_buffer_append(out, cella_bytes(data, (size_t)size));
}

static CELLA_RESULT write_key(EVP_PKEY *key, struct cella_secret *out) {
    BIO_ bio = BIO_new(BIO_s_secmem());
    char *data = NULL;
    OPENSSL(bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL),
            "write a key");
    long size = BIO_get_mem_data(bio, &data);
    OPENSSL(size, "write a key");
    return cella_secret_from(cella_bytes(data, (size_t)size), out);
}

/* --- Hosts --- */

/* Hosts become text of OpenSSL's own little language, so nothing else may be in them. */
static CELLA_RESULT check_host(const char *host) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    const char *rest = strncmp(host, "*.", 2) == 0 ? host + 2 : host;
    size_t size = strlen(rest);
    bool good = size > 0 && size < HOST_SIZE - 2;
    for (size_t i = 0; good && i < size; i++)
        good = strchr(letters, rest[i]) || strchr("-._:", rest[i]);
    ENSURE(good, CELLA_ERR_USAGE, NULL, "expected a host's name or address, found '%s'", host);
    return CELLA_SUCCESS;
}

static bool is_address(const char *host, bool *six) {
    uint8_t address[16];
    *six = inet_pton(AF_INET6, host, address) == 1;
    return *six || inet_pton(AF_INET, host, address) == 1;
}

/* "permitted;DNS:localhost,permitted;IP:127.0.0.1/255.255.255.255", or "DNS:localhost,..." */
static CELLA_RESULT hosts_text(const struct cella_ca_request *request, bool constraints,
                               char text[TEXT_SIZE]) {
    size_t at = 0;
    ENSURE(request->host_count > 0 && request->host_count <= CELLA_CA_HOSTS, CELLA_ERR_LIMIT, NULL,
           "a certificate for %zu hosts, expected 1 to %d", request->host_count, CELLA_CA_HOSTS);
    for (size_t i = 0; i < request->host_count; i++) {
        const char *host = request->host[i], *mask = "";
        bool six, address = is_address(host, &six);
        TRY(check_host(host));
        if (constraints && strncmp(host, "*.", 2) == 0) continue; /* below a name is permitted */
        if (constraints && address)
            mask = six ? "/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" : "/255.255.255.255";
        int n = snprintf(text + at, TEXT_SIZE - at, "%s%s%s:%s%s", at ? "," : "",
                         constraints ? "permitted;" : "", address ? "IP" : "DNS", host, mask);
        ENSURE(n > 0 && (size_t)n < TEXT_SIZE - at, CELLA_ERR_LIMIT, NULL,
               "the names of a certificate's hosts are too long");
        at += (size_t)n;
    }
    return CELLA_SUCCESS;
}

/* --- Certificates --- */

static CELLA_RESULT extend(X509 *x509, X509 *issuer, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    EXTENSION extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    OPENSSL(extension && X509_add_ext(x509, extension, -1), "extend a certificate");
    return CELLA_SUCCESS;
}

static CELLA_RESULT begin(const struct cella_ca_request *request, EVP_PKEY *key, X509 **out) {
    CERTIFICATE x509 = X509_new();
    NUMBER serial = BN_new();
    ENSURE(request->not_before_unix < request->not_after_unix &&
               request->not_after_unix < YEAR_10000_UNIX,
           CELLA_ERR_USAGE, NULL, "a certificate that is valid from %llu to %llu",
           (unsigned long long)request->not_before_unix,
           (unsigned long long)request->not_after_unix);
    OPENSSL(x509 && serial &&
                BN_rand(serial, SERIAL_SIZE * 8 - 1, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
                BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x509)) &&
                X509_set_version(x509, X509_VERSION_3) && X509_set_pubkey(x509, key) &&
                ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)request->not_before_unix) &&
                ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)request->not_after_unix) &&
                X509_NAME_add_entry_by_NID(X509_get_subject_name(x509), NID_commonName,
                                           V_ASN1_UTF8STRING, (const uint8_t *)request->common_name,
                                           -1, -1, 0),
            "begin a certificate");
    *out = x509;
    x509 = NULL;
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_constraints(X509 *x509, const X509 *ca) {
    OPENSSL(X509_check_purpose(x509, -1, 0), "read back a certificate"); /* fills in its names */
    NAME_CONSTRAINTS *constraints = X509_get_ext_d2i(ca, NID_name_constraints, NULL, NULL);
    int verdict = constraints ? NAME_CONSTRAINTS_check(x509, constraints) : X509_V_OK;
    NAME_CONSTRAINTS_free(constraints);
    ENSURE(verdict == X509_V_OK, CELLA_ERR_REFUSED,
           "use certificates of your own, or another authority",
           "the authority may not vouch for all of these hosts: %s",
           X509_verify_cert_error_string(verdict));
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_ca_new(const struct cella_ca_request *request, struct cella_buffer *certificate,
                          struct cella_secret *key) {
    char hosts[TEXT_SIZE] = "";
    KEY pair = EVP_EC_gen("P-256");
    CERTIFICATE x509 = NULL;
    OPENSSL(pair != NULL, "make a key");
    TRY(hosts_text(request, true, hosts));
    TRY(begin(request, pair, &x509));
    OPENSSL(X509_set_issuer_name(x509, X509_get_subject_name(x509)), "name a certificate");
    TRY(extend(x509, x509, NID_basic_constraints, "critical,CA:TRUE,pathlen:0"));
    TRY(extend(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign"));
    TRY(extend(x509, x509, NID_subject_key_identifier, "hash"));
    char constraints[TEXT_SIZE + 16];
    snprintf(constraints, sizeof(constraints), "critical,%s", hosts);
    TRY(extend(x509, x509, NID_name_constraints, constraints));
    OPENSSL(X509_sign(x509, pair, EVP_sha256()), "sign a certificate");
    TRY(write_certificate(x509, certificate));
    return write_key(pair, key);
}

CELLA_RESULT cella_ca_issue(struct cella_bytes ca_certificate, struct cella_bytes ca_key,
                            const struct cella_ca_request *request,
                            struct cella_buffer *certificate, struct cella_secret *key) {
    char hosts[TEXT_SIZE] = "";
    KEY pair = EVP_EC_gen("P-256");
    KEY ca_pair = NULL;
    CERTIFICATE x509 = NULL;
    CERTIFICATE ca = NULL;
    OPENSSL(pair != NULL, "make a key");
    TRY_IN(read_certificate(ca_certificate, &ca), "authority");
    TRY_IN(read_key(ca_key, &ca_pair), "authority");
    ENSURE(X509_check_private_key(ca, ca_pair) == 1, CELLA_ERR_INTEGRITY, NULL,
           "the authority's key does not fit its certificate: %s", cella_openssl_reason());
    TRY(hosts_text(request, false, hosts));
    TRY(begin(request, pair, &x509));
    OPENSSL(X509_set_issuer_name(x509, X509_get_subject_name(ca)), "name a certificate");
    TRY(extend(x509, ca, NID_basic_constraints, "critical,CA:FALSE"));
    TRY(extend(x509, ca, NID_key_usage, "critical,digitalSignature"));
    TRY(extend(x509, ca, NID_ext_key_usage, "serverAuth"));
    TRY(extend(x509, ca, NID_subject_key_identifier, "hash"));
    TRY(extend(x509, ca, NID_authority_key_identifier, "keyid:always"));
    TRY(extend(x509, ca, NID_subject_alt_name, hosts));
    OPENSSL(X509_sign(x509, ca_pair, EVP_sha256()), "sign a certificate");
    TRY(check_constraints(x509, ca));
    TRY(write_certificate(x509, certificate));
    return write_key(pair, key);
}

/* --- Looking at them --- */

static CELLA_RESULT time_unix(const ASN1_TIME *at, uint64_t *out) {
    struct tm tm = {0};
    time_t t = ASN1_TIME_to_tm(at, &tm) == 1 ? timegm(&tm) : -1;
    ENSURE(t >= 0, CELLA_ERR_FORMAT, NULL, "a certificate's time cannot be read");
    *out = (uint64_t)t;
    return CELLA_SUCCESS;
}

/* Every name below a name is asked for by one of them. */
static bool is_for(X509 *x509, const char *host) {
    char below[HOST_SIZE + 16];
    bool six;
    if (is_address(host, &six)) return X509_check_ip_asc(x509, host, 0) == 1;
    if (strncmp(host, "*.", 2) != 0) return X509_check_host(x509, host, 0, 0, NULL) == 1;
    snprintf(below, sizeof(below), "any%.*s", HOST_SIZE, host + 1);
    return X509_check_host(x509, below, 0, 0, NULL) == 1;
}

CELLA_RESULT cella_ca_inspect(struct cella_bytes certificate, const char *const *host, size_t count,
                              struct cella_ca_validity *validity, const char **missing) {
    CERTIFICATE x509 = NULL;
    *missing = NULL;
    TRY(read_certificate(certificate, &x509));
    TRY(time_unix(X509_get0_notBefore(x509), &validity->not_before_unix));
    TRY(time_unix(X509_get0_notAfter(x509), &validity->not_after_unix));
    for (size_t i = 0; i < count && !*missing; i++)
        if (!is_for(x509, host[i])) *missing = host[i];
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_ca_signed_by(struct cella_bytes certificate, struct cella_bytes ca_certificate,
                                bool *is) {
    CERTIFICATE x509 = NULL;
    CERTIFICATE ca = NULL;
    *is = false;
    TRY(read_certificate(certificate, &x509));
    TRY(read_certificate(ca_certificate, &ca));
    EVP_PKEY *key = X509_get0_pubkey(ca);
    *is = key && X509_verify(x509, key) == 1;
    ERR_clear_error();
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_ca_key_fits(struct cella_bytes certificate, struct cella_bytes key, bool *fits) {
    CERTIFICATE x509 = NULL;
    KEY pair = NULL;
    *fits = false;
    TRY(read_certificate(certificate, &x509));
    TRY(read_key(key, &pair));
    *fits = X509_check_private_key(x509, pair) == 1;
    ERR_clear_error();
    return CELLA_SUCCESS;
}
