#include "cli/policy_sign.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/policy_file.h"
#include "crypto/jose.h"
#include "crypto/x509.h"

enum { FILE_MAX_SIZE = 1 << 20 };

struct signer {
    struct cella_jose_key *key;
    unsigned algorithm;
    json_t *x5c;
    struct cella_buffer leaf; /* DER */
};
static void signer_free(struct signer *signer) {
    cella_jose_key_free(&signer->key);
    json_decref(signer->x5c);
    cella_buffer_free(&signer->leaf);
}
#define SIGNER __attribute__((cleanup(signer_free))) struct signer

/* --- Key and certificates --- */

static unsigned algorithm_of(const struct cella_jose_key *key) {
    switch (cella_jose_key_kind(key)) {
    case CELLA_JOSE_P256: return CELLA_JOSE_ES256;
    case CELLA_JOSE_P384: return CELLA_JOSE_ES384;
    case CELLA_JOSE_P521: return CELLA_JOSE_ES512;
    case CELLA_JOSE_RSA: break;
    }
    return CELLA_JOSE_RS256;
}

static struct cella_result read_key(const char *path, struct signer *signer) {
    CELLA_SECRET text = {0};
    CELLA_BUFFER der = {0};
    size_t at = 0;
    bool found = false;
    TRY(cella_file_read_secret(path, FILE_MAX_SIZE, &text));
    TRY_IN(cella_pem_next(cella_secret_bytes(&text), "PRIVATE KEY", &at, &der, &found), "%s", path);
    ENSURE(found, CELLA_ERR_FORMAT, "convert it: openssl pkcs8 -topk8 -nodes -in KEY",
           "%s: expected a private key in PKCS#8 PEM (BEGIN PRIVATE KEY)", path);
    struct cella_result r = cella_jose_key_private(cella_buffer_bytes(&der), &signer->key);
    cella_wipe(der.data, der.size);
    TRY_IN(r, "%s", path);
    signer->algorithm = algorithm_of(signer->key);
    return CELLA_SUCCESS;
}

static struct cella_result add_base64(json_t *array, struct cella_bytes der) {
    CELLA_BUFFER text = {0};
    TRY(cella_base64_encode(der, false, &text));
    ENSURE(json_array_append_new(array, json_stringn((const char *)text.data, text.size)) == 0,
           CELLA_ERR_MEMORY, NULL, "no memory for a certificate");
    return CELLA_SUCCESS;
}

/* The certificates of a PEM file as x5c has them; first: that of the first, DER. */
static struct cella_result read_certificates(const char *path, json_t *x5c,
                                             struct cella_buffer *first) {
    CELLA_BUFFER text = {0};
    size_t at = 0;
    TRY(cella_file_read(path, FILE_MAX_SIZE, &text));
    for (;;) {
        CELLA_BUFFER der = {0};
        struct cella_certificate x509;
        bool found = false;
        TRY_IN(cella_pem_next(cella_buffer_bytes(&text), "CERTIFICATE", &at, &der, &found), "%s",
               path);
        if (!found) break;
        TRY_IN(cella_certificate_parse(cella_buffer_bytes(&der), &x509), "%s", path);
        TRY(add_base64(x5c, cella_buffer_bytes(&der)));
        if (!first->size) TRY(cella_buffer_append(first, cella_buffer_bytes(&der)));
    }
    ENSURE(json_array_size(x5c) > 0 && json_array_size(x5c) <= CELLA_JOSE_X5C_MAX, CELLA_ERR_FORMAT,
           NULL, "%s: expected 1 to %d certificates in PEM, found %zu", path, CELLA_JOSE_X5C_MAX,
           json_array_size(x5c));
    return CELLA_SUCCESS;
}

/* --- Payloads --- */

static struct cella_result print_compact(json_t *json, struct cella_buffer *out) {
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a payload");
    struct cella_result r = cella_buffer_append(out, cella_bytes_text(text));
    free(text);
    return r;
}

static struct cella_result policy_payload(const char *path, struct cella_buffer *out) {
    CELLA_BUFFER text = {0}, encoded = {0};
    struct cella_policy *policy = NULL;
    TRY(cella_file_read(path, CELLA_POLICY_TEXT_MAX, &text));
    TRY_IN(cella_policy_compile(cella_buffer_bytes(&text), &policy, NULL), "%s", path);
    cella_policy_free(&policy);
    TRY(cella_base64_encode(cella_buffer_bytes(&text), true, &encoded));
    CELLA_JSON json =
        json_pack("{s:s%}", "AttestationPolicy", (const char *)encoded.data, encoded.size);
    return print_compact(json, out);
}

static struct cella_result manager_payload(const char *path, struct cella_buffer *out) {
    CELLA_JSON x5c = json_array();
    CELLA_BUFFER der = {0};
    struct cella_jose_key *key = NULL;
    TRY(read_certificates(path, x5c, &der));
    ENSURE(json_array_size(x5c) == 1, CELLA_ERR_FORMAT, NULL,
           "%s: expected one certificate, found %zu", path, json_array_size(x5c));
    TRY_IN(cella_jose_key_certificate(cella_buffer_bytes(&der), &key), "%s", path);
    bool rsa = cella_jose_key_kind(key) == CELLA_JOSE_RSA;
    cella_jose_key_free(&key);
    CELLA_JSON json =
        json_pack("{s:{s:s, s:O}}", "policyCertificate", "kty", rsa ? "RSA" : "EC", "x5c", x5c);
    return print_compact(json, out);
}

/* --- Signing --- */

/* Checked as the service will: under the first certificate. */
static struct cella_result check(const struct signer *signer, struct cella_bytes text,
                                 const char *path) {
    CELLA_JWS jws = {0};
    struct cella_jose_key *key = NULL;
    TRY(cella_jws_open(text, false, &jws));
    TRY_IN(cella_jose_key_certificate(cella_buffer_bytes(&signer->leaf), &key), "%s", path);
    struct cella_result r = cella_jws_check(&jws, key, signer->algorithm);
    cella_jose_key_free(&key);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    ENSURE(good, CELLA_ERR_INTEGRITY, "give the certificate of that very key, first in its file",
           "%s: its first certificate is not of the key given", path);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cli_policy_sign(const struct cella_cli_policy_sign *arguments) {
    SIGNER signer = {.x5c = json_array()};
    CELLA_BUFFER payload = {0}, jws = {0};
    if (arguments->policy) TRY(policy_payload(arguments->policy, &payload));
    if (arguments->manager) TRY(manager_payload(arguments->manager, &payload));
    TRY(read_key(arguments->key, &signer));
    TRY(read_certificates(arguments->certificate, signer.x5c, &signer.leaf));
    CELLA_JSON header = json_pack("{s:O}", "x5c", signer.x5c);
    ENSURE(header, CELLA_ERR_MEMORY, NULL, "no memory for a header");
    TRY(cella_jws_sign(signer.key, signer.algorithm, header, cella_buffer_bytes(&payload), &jws));
    TRY(check(&signer, cella_buffer_bytes(&jws), arguments->certificate));
    return cella_file_write(arguments->out ? arguments->out : "-", cella_buffer_bytes(&jws), 0644,
                            0);
}
