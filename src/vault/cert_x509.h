/* Certificates, requests and bundles as OpenSSL makes and reads them. */
#ifndef CELLA_VAULT_CERT_X509_H
#define CELLA_VAULT_CERT_X509_H

#include <jansson.h>

#include "vault/material.h"

/* A self-signed certificate under a policy (cert_policy.h); DER, appended. */
CELLA_RESULT cella_cert_self(const json_t *policy, const struct cella_material *material,
                             int64_t now_unix, struct cella_buffer *der);
/* A PKCS #10 request; DER, appended. */
CELLA_RESULT cella_cert_request(const json_t *policy, const struct cella_material *material,
                                struct cella_buffer *der);
/* What is read of a certificate. */
struct cella_cert_facts {
    int64_t not_before, not_after;
    char subject[512];
};
CELLA_RESULT cella_cert_read(struct cella_bytes der, struct cella_cert_facts *out);
/* Whether the certificate is of that key. */
bool cella_cert_fits(struct cella_bytes der, const struct cella_material *material);

/* A PKCS #12 bundle or PEM text with one private key and its certificate first; both are read from
 * what a client sent. chain: DER certificates behind the leaf, one after the other. */
CELLA_RESULT cella_cert_import(struct cella_bytes bundle, const char *password,
                               struct cella_material **material, struct cella_buffer *leaf,
                               struct cella_buffer *chain);
/* The value of the certificate's secret: base64 of PKCS #12 without a password, or PEM; without the
 * key when it is not exportable. */
CELLA_RESULT cella_cert_bundle(bool pem, bool with_key, const struct cella_material *material,
                               struct cella_bytes leaf, struct cella_bytes chain,
                               struct cella_secret *out);

#endif
