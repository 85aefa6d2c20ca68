/* Revocation lists: what is accepted lies inside the input, and every serial that OpenSSL finds is
 * found (A30).
 */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "crypto/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct cella_bytes part, struct cella_bytes whole) {
    if (part.size && (part.data < whole.data || part.data + part.size > whole.data + whole.size))
        abort();
}

static bool is_revoked(const struct cella_crl *c, struct cella_bytes serial) {
    bool revoked = false;
    struct cella_result r = cella_crl_revokes(c, serial, &revoked);
    if (cella_failed(r)) abort(); /* parsed to the end before */
    return revoked;
}

static void same_as_openssl(const struct cella_crl *c) {
    const unsigned char *at = c->der.data;
    X509_CRL *x = d2i_X509_CRL(NULL, &at, (long)c->der.size);
    STACK_OF(X509_REVOKED) *entries = x ? X509_CRL_get_REVOKED(x) : NULL;
    for (int i = 0; i < sk_X509_REVOKED_num(entries) && i < 64; i++) {
        unsigned char *der = NULL;
        int size = i2d_ASN1_INTEGER(
            X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(entries, i)), &der);
        /* Short lengths only: the content starts at byte 2. */
        if (size > 2 && der[1] < 0x80 && !is_revoked(c, cella_bytes(der + 2, (size_t)size - 2)))
            abort();
        OPENSSL_free(der);
    }
    X509_CRL_free(x);
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_crl c;
    struct cella_result r = cella_crl_parse(cella_bytes(data, size), &c);
    if (!cella_failed(r)) {
        inside(c.tbs, c.der), inside(c.issuer, c.tbs), inside(c.revoked, c.tbs),
            inside(c.number, c.tbs);
        inside(c.signature, c.der);
        (void)is_revoked(&c, cella_bytes("\x01", 1));
        same_as_openssl(&c);
    }
    cella_result_drop(r);
    return 0;
}
