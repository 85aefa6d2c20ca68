#include "fetch/authorities.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static void free_bio(BIO **bio) { BIO_free_all(*bio); }
static void free_certificate(X509 **certificate) { X509_free(*certificate); }
static void free_der(unsigned char **der) { OPENSSL_free(*der); }
#define OF(type, how) __attribute__((cleanup(how))) type *

static CELLA_RESULT describe(X509 *certificate,
                             struct cella_result (*each)(void *context,
                                                         const struct cella_fetch_authority *one),
                             void *context) {
    struct cella_fetch_authority one = {.name = ""};
    unsigned int digest = sizeof(one.sha256);
    OF(unsigned char, free_der) der = NULL;
    OF(BIO, free_bio) name = BIO_new(BIO_s_mem());
    char *text = NULL;
    int size = i2d_X509(certificate, &der);
    ENSURE(name && size > 0 && X509_digest(certificate, EVP_sha256(), one.sha256, &digest) == 1 &&
               X509_NAME_print_ex(name, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >=
                   0 &&
               BIO_write(name, "", 1) == 1 && BIO_get_mem_data(name, &text) > 0,
           CELLA_ERR_INTERNAL, NULL, "cannot read an authority's certificate");
    one.der = cella_bytes(der, (size_t)size);
    one.name = text;
    return each(context, &one);
}

CELLA_RESULT cella_fetch_authorities(
    const char *ca,
    struct cella_result (*each)(void *context, const struct cella_fetch_authority *one),
    void *context) {
    OF(BIO, free_bio) text = BIO_new_mem_buf(ca, -1);
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for certificates");
    for (size_t count = 0;; count++) {
        ERR_clear_error();
        OF(X509, free_certificate) certificate = PEM_read_bio_X509(text, NULL, NULL, NULL);
        unsigned long error = ERR_peek_last_error();
        ERR_clear_error();
        if (!certificate && count > 0 && ERR_GET_LIB(error) == ERR_LIB_PEM &&
            ERR_GET_REASON(error) == PEM_R_NO_START_LINE)
            return CELLA_SUCCESS; /* the end of the text */
        ENSURE(certificate, CELLA_ERR_FORMAT,
               "give the PEM file of the authorities of the services' certificates",
               "expected certificates in PEM: number %zu is none or damaged", count + 1);
        TRY(describe(certificate, each, context));
    }
}
