#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "http/server.h"

static void free_bio(BIO **bio) { BIO_free(*bio); }
static void free_key(EVP_PKEY **key) { EVP_PKEY_free(*key); }
static void free_certificate(X509 **certificate) { X509_free(*certificate); }
static void free_context(SSL_CTX **context) { SSL_CTX_free(*context); }
#define OF(type, how) __attribute__((cleanup(how))) type *

static const char *reason(void) {
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return text ? text : "no reason given";
}
#define OPENSSL(cond, code, hint, what) ENSURE(cond, code, hint, what ": %s", reason())

/* No prompt: a key that is encrypted is an error. */
static int no_password(char *buffer, int size, int writing, void *context) {
    (void)buffer, (void)size, (void)writing, (void)context;
    return 0;
}

static CELLA_RESULT use_certificates(SSL_CTX *context, struct cella_bytes pem) {
    OF(BIO, free_bio) bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    ENSURE(bio, CELLA_ERR_MEMORY, NULL, "no memory for certificates");
    OF(X509, free_certificate) leaf = PEM_read_bio_X509(bio, NULL, no_password, NULL);
    OPENSSL(leaf, CELLA_ERR_FORMAT, "give the server's certificate in PEM, then its issuers'",
            "certificate");
    OPENSSL(SSL_CTX_use_certificate(context, leaf) == 1, CELLA_ERR_FORMAT, NULL, "certificate");
    for (;;) {
        X509 *next = PEM_read_bio_X509(bio, NULL, no_password, NULL);
        if (!next) break;
        if (SSL_CTX_add0_chain_cert(context, next) == 1) continue;
        X509_free(next);
        FAIL(CELLA_ERR_FORMAT, NULL, "certificate chain: %s", reason());
    }
    ERR_clear_error(); /* of the end of the text */
    return CELLA_SUCCESS;
}

static CELLA_RESULT use_key(SSL_CTX *context, struct cella_bytes pem) {
    OF(BIO, free_bio) bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    ENSURE(bio, CELLA_ERR_MEMORY, NULL, "no memory for a key");
    OF(EVP_PKEY, free_key) key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    OPENSSL(key, CELLA_ERR_FORMAT, "give the private key in PEM, not encrypted", "key");
    OPENSSL(SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1,
            CELLA_ERR_INTEGRITY, "give the key that belongs to the certificate",
            "the key does not fit the certificate");
    return CELLA_SUCCESS;
}

/* HTTP/1.1 or nothing: a client that means to speak another protocol is told so (RFC 7301 §3.2).
 */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *in, unsigned in_size, void *context) {
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl, (void)context;
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_size, ours, sizeof(ours) - 1,
                              in, in_size) == OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* K18: nothing is resumed, renegotiated, compressed or sent early, so that no state outlives its
 * connection. */
static CELLA_RESULT restrict_protocol(SSL_CTX *context, bool tls12) {
    OPENSSL(SSL_CTX_set_min_proto_version(context, tls12 ? TLS1_2_VERSION : TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
                SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1,
            CELLA_ERR_INTERNAL, NULL, "TLS");
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_max_early_data(context, 0);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_http_tls_new(struct cella_bytes certificate, struct cella_bytes key, bool tls12,
                                SSL_CTX **out) {
    OF(SSL_CTX, free_context) context = SSL_CTX_new(TLS_server_method());
    *out = NULL;
    ENSURE(certificate.size <= INT32_MAX && key.size <= INT32_MAX, CELLA_ERR_LIMIT, NULL,
           "certificate or key too large");
    OPENSSL(context, CELLA_ERR_MEMORY, NULL, "TLS");
    TRY(restrict_protocol(context, tls12));
    /* 11 KiB, not 40, for each idle client; and an answer goes on from another buffer than it
     * began in. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1); /* one read a record, not two */
    TRY(use_certificates(context, certificate));
    TRY(use_key(context, key));
    *out = context;
    context = NULL;
    return CELLA_SUCCESS;
}

static bool add_extension(X509 *certificate, int nid, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool good = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

static bool fill(X509 *certificate, EVP_PKEY *key) {
    static const unsigned char name[] = "insecure development certificate of cella";
    enum { YEAR_S = 365 * 24 * 3600 };
    X509_NAME *subject = X509_get_subject_name(certificate);
    BIGNUM *serial = BN_new();
    bool good =
        serial && BN_rand(serial, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
        BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) &&
        X509_set_version(certificate, X509_VERSION_3) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), -300) &&
        X509_gmtime_adj(X509_getm_notAfter(certificate), YEAR_S) &&
        X509_set_pubkey(certificate, key) == 1 &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0) == 1 &&
        X509_set_issuer_name(certificate, subject) == 1 &&
        add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add_extension(certificate, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
        X509_sign(certificate, key, EVP_sha256()) > 0;
    BN_free(serial);
    return good;
}

static CELLA_RESULT take(BIO *bio, struct cella_buffer *out) {
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);
    ENSURE(size > 0, CELLA_ERR_MEMORY, NULL, "no memory for a certificate");
    return cella_buffer_append(out, cella_bytes(data, (size_t)size));
}

CELLA_RESULT cella_http_insecure_certificate(struct cella_buffer *certificate,
                                             struct cella_buffer *key) {
    OF(EVP_PKEY, free_key) pair = EVP_EC_gen("P-256");
    OF(X509, free_certificate) made = X509_new();
    OF(BIO, free_bio) certificate_text = BIO_new(BIO_s_mem());
    OF(BIO, free_bio) key_text = BIO_new(BIO_s_mem());
    OPENSSL(pair && made && certificate_text && key_text && fill(made, pair), CELLA_ERR_INTERNAL,
            NULL, "cannot make a certificate");
    OPENSSL(PEM_write_bio_X509(certificate_text, made) == 1 &&
                PEM_write_bio_PrivateKey(key_text, pair, NULL, NULL, 0, NULL, NULL) == 1,
            CELLA_ERR_INTERNAL, NULL, "cannot write a certificate");
    TRY(take(certificate_text, certificate));
    return take(key_text, key);
}
