/* Certificates: what is accepted lies inside the input, and OpenSSL reads it as well, with the same
 * fields (A30).
 */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "crypto/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct cella_bytes part, struct cella_bytes whole) {
    if (part.size && (part.data < whole.data || part.data + part.size > whole.data + whole.size))
        abort();
}

static void same_as_openssl(const struct cella_certificate *c) {
    const unsigned char *at = c->der.data;
    X509 *x = d2i_X509(NULL, &at, (long)c->der.size);
    /* OpenSSL refuses some values that are not read here, such as odd strings in names; what both
     * take is the same. */
    if (x) {
        const unsigned char *name = NULL;
        size_t size = 0;
        if (!X509_NAME_get0_der(X509_get_issuer_name(x), &name, &size)) abort();
        if (size != c->issuer.size || memcmp(name, c->issuer.data, size) != 0) abort();
        const ASN1_BIT_STRING *signature = NULL;
        X509_get0_signature(&signature, NULL, x);
        if ((size_t)signature->length != c->signature.size) abort();
        if (X509_get_version(x) != 2) abort();
    }
    X509_free(x);
    ERR_clear_error();
}

static void use(const struct cella_certificate *c) {
    char name[64];
    struct cella_bytes value;
    inside(c->tbs, c->der), inside(c->serial, c->tbs), inside(c->issuer, c->tbs),
        inside(c->subject, c->tbs);
    inside(c->spki, c->tbs), inside(c->extensions, c->tbs), inside(c->signature, c->der);
    cella_name_common(c->subject, name, sizeof(name));
    for (const char *p = name; *p; p++)
        if (*p < 0x20 || *p > 0x7e) abort();
    (void)cella_certificate_extension(c, cella_bytes("\x55\x1d\x13", 3), &value);
    CELLA_VERIFYKEY key = NULL;
    struct cella_result r = cella_verifykey_new(c->spki, &key);
    if (!cella_failed(r)) r = cella_certificate_check(c, key);
    cella_result_drop(r);
}

static void pem(struct cella_bytes text) {
    size_t at = 0;
    bool found = true;
    while (found) {
        CELLA_BUFFER out = {0};
        size_t before = at;
        struct cella_result r = cella_pem_next(text, "CERTIFICATE", &at, &out, &found);
        if (found && (at <= before || at > text.size)) abort();
        cella_result_drop(r);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_bytes bytes = cella_bytes(data, size);
    struct cella_certificate c;
    struct cella_result r = cella_certificate_parse_first(bytes, &c);
    if (!cella_failed(r)) {
        inside(c.der, bytes);
        use(&c);
        same_as_openssl(&c);
    }
    cella_result_drop(r);
    pem(bytes);
    return 0;
}
