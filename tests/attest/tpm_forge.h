/* A TPM of paper: keys of OpenSSL, and the structures that a TPM would make of them, so that each
 * field can be wrong under a signature that is right; and a boot log with the PCRs it leads to. */
#ifndef CELLA_TESTS_ATTEST_TPM_FORGE_H
#define CELLA_TESTS_ATTEST_TPM_FORGE_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/writer.h"
#include "crypto/digest.h"
#include "evidence/tpm_attest.h"
#include "stand.h"

enum {
    AK_ATTRIBUTES = CELLA_TPM_FIXED_TPM | CELLA_TPM_SENSITIVE_DATA_ORIGIN | CELLA_TPM_RESTRICTED |
                    CELLA_TPM_SIGN,
    ENC_ATTRIBUTES = CELLA_TPM_FIXED_TPM | CELLA_TPM_SENSITIVE_DATA_ORIGIN | CELLA_TPM_DECRYPT,
    FORGE_PCRS = 24
};

struct forge_tpm {
    EVP_PKEY *ak, *enc;
    uint8_t pcr[FORGE_PCRS][32];
    struct cella_buffer log; /* crypto-agile, SHA-256 */
};

static inline void forge_tpm_free(struct forge_tpm *tpm) {
    EVP_PKEY_free(tpm->ak);
    EVP_PKEY_free(tpm->enc);
    cella_buffer_free(&tpm->log);
}

static inline void forge_append(struct cella_buffer *to, const void *data, size_t size) {
    GOOD(cella_buffer_append(to, cella_bytes(data, size)));
}
static inline void forge_u16(struct cella_buffer *to, unsigned v) {
    uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    forge_append(to, b, 2);
}
static inline void forge_u32(struct cella_buffer *to, uint32_t v) {
    forge_u16(to, v >> 16);
    forge_u16(to, v & 0xffff);
}
static inline void forge_2b(struct cella_buffer *to, struct cella_bytes bytes) {
    forge_u16(to, (unsigned)bytes.size);
    forge_append(to, bytes.data, bytes.size);
}
static inline void forge_u32le(struct cella_buffer *to, uint32_t v) {
    uint8_t b[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    forge_append(to, b, 4);
}

/* What fuzzing begins with: written where CELLA_SEEDS says, for fuzz/corpus. */
static inline void forge_seed(const char *name, int first, struct cella_bytes bytes) {
    const char *folder = getenv("CELLA_SEEDS");
    char path[512];
    if (!folder) return;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    if (first >= 0) fputc(first, file);
    fwrite(bytes.data, 1, bytes.size, file);
    fclose(file);
}

/* --- Keys --- */

static inline size_t forge_modulus(EVP_PKEY *key, uint8_t out[512]) {
    BIGNUM *n = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
    size_t size = (size_t)BN_bn2bin(n, out);
    BN_free(n);
    return size;
}

/* TPM2B_PUBLIC of an RSA key; scheme CELLA_TPM_RSASSA with SHA-256, or CELLA_TPM_NULL. */
static inline void forge_public(EVP_PKEY *key, uint32_t attributes, unsigned scheme,
                                struct cella_buffer *out) {
    CELLA_BUFFER area = {0};
    uint8_t n[512];
    size_t size = forge_modulus(key, n);
    forge_u16(&area, CELLA_TPM_RSA);
    forge_u16(&area, CELLA_TPM_SHA256);
    forge_u32(&area, attributes);
    forge_u16(&area, 0); /* policy */
    forge_u16(&area, CELLA_TPM_NULL);
    forge_u16(&area, scheme);
    if (scheme == CELLA_TPM_RSASSA) forge_u16(&area, CELLA_TPM_SHA256);
    forge_u16(&area, (unsigned)size * 8);
    forge_u32(&area, 0);
    forge_2b(&area, cella_bytes(n, size));
    cella_buffer_free(out);
    forge_2b(out, cella_buffer_bytes(&area));
}

static inline void forge_spki(EVP_PKEY *key, struct cella_buffer *out) {
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(key, &der);
    assert_true(size > 0);
    cella_buffer_free(out);
    forge_append(out, der, (size_t)size);
    OPENSSL_free(der);
}

static inline void forge_rsa_sign(EVP_PKEY *key, struct cella_bytes message,
                                  struct cella_buffer *out) {
    uint8_t signature[512];
    size_t size = sizeof(signature);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, signature, &size, message.data, message.size), 1);
    EVP_MD_CTX_free(ctx);
    cella_buffer_free(out);
    forge_append(out, signature, size);
}

/* --- Log --- */

static inline void forge_log_begin(struct forge_tpm *tpm) {
    CELLA_BUFFER spec = {0};
    uint8_t zeros[20] = {0};
    forge_append(&spec, "Spec ID Event03", 16);
    forge_u32le(&spec, 0);
    forge_append(&spec, "\x00\x02\x00\x02", 4);
    forge_u32le(&spec, 1);
    forge_append(&spec, "\x0b\x00\x20\x00\x00", 5);
    cella_buffer_free(&tpm->log);
    memset(tpm->pcr, 0, sizeof(tpm->pcr));
    forge_u32le(&tpm->log, 0);
    forge_u32le(&tpm->log, 3);
    forge_append(&tpm->log, zeros, 20);
    forge_u32le(&tpm->log, (uint32_t)spec.size);
    forge_append(&tpm->log, spec.data, spec.size);
}

/* measured: what the digest is of. */
static inline void forge_event_of(struct forge_tpm *tpm, unsigned pcr, uint32_t type,
                                  struct cella_bytes data, struct cella_bytes measured) {
    uint8_t digest[32];
    GOOD(cella_sha256(measured, digest));
    const struct cella_bytes parts[] = {CELLA_BYTES_OF(tpm->pcr[pcr]), CELLA_BYTES_OF(digest)};
    uint8_t next[32];
    GOOD(cella_hash(CELLA_HASH_SHA256, parts, 2, next));
    memcpy(tpm->pcr[pcr], next, 32);
    forge_u32le(&tpm->log, pcr);
    forge_u32le(&tpm->log, type);
    forge_u32le(&tpm->log, 1);
    forge_append(&tpm->log, "\x0b\x00", 2);
    forge_append(&tpm->log, digest, 32);
    forge_u32le(&tpm->log, (uint32_t)data.size);
    forge_append(&tpm->log, data.data, data.size);
}
static inline void forge_event(struct forge_tpm *tpm, unsigned pcr, uint32_t type,
                               struct cella_bytes data) {
    forge_event_of(tpm, pcr, type, data, data);
}

static inline void forge_variable(struct cella_buffer *out, const char *name,
                                  struct cella_bytes value) {
    static const uint8_t global[16] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                       0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
    cella_buffer_free(out);
    forge_append(out, global, 16);
    forge_u32le(out, (uint32_t)strlen(name));
    forge_u32le(out, 0);
    forge_u32le(out, (uint32_t)value.size);
    forge_u32le(out, 0);
    for (const char *c = name; *c; c++) {
        uint8_t wide[2] = {(uint8_t)*c, 0};
        forge_append(out, wide, 2);
    }
    forge_append(out, value.data, value.size);
}

/* A boot as firmware and shim tell it. */
static inline void forge_boot(struct forge_tpm *tpm, bool secure_boot) {
    CELLA_BUFFER variable = {0};
    uint8_t on = secure_boot;
    forge_log_begin(tpm);
    forge_event(tpm, 0, 8, cella_bytes("firmware 1", 10));
    forge_event_of(tpm, 0, 0x80000008, cella_bytes("where it lies", 13),
                   cella_bytes("the firmware itself", 19));
    forge_variable(&variable, "SecureBoot", cella_bytes(&on, 1));
    forge_event(tpm, 7, 0x80000001, cella_buffer_bytes(&variable));
    forge_variable(&variable, "PK", cella_bytes("platform key", 12));
    forge_event(tpm, 7, 0x80000001, cella_buffer_bytes(&variable));
    for (unsigned p = 0; p < 8; p++) forge_event(tpm, p, 4, cella_bytes("\0\0\0\0", 4));
    forge_event_of(tpm, 4, 0x80000003, cella_bytes("path of shim", 12), cella_bytes("shim", 4));
}

static inline void forge_tpm_make(struct forge_tpm *tpm) {
    *tpm = (struct forge_tpm){.ak = EVP_RSA_gen(2048), .enc = EVP_RSA_gen(2048)};
    assert_true(tpm->ak && tpm->enc);
    forge_boot(tpm, true);
}

/* --- Statements --- */

static inline void forge_head(struct cella_buffer *out, uint32_t magic, unsigned type,
                              struct cella_bytes extra) {
    static const uint8_t signer[34] = {0, 11, 1}, clock[8 + 4 + 4 + 1 + 8] = {[16] = 1};
    cella_buffer_free(out);
    forge_u32(out, magic);
    forge_u16(out, type);
    forge_2b(out, CELLA_BYTES_OF(signer));
    forge_2b(out, extra);
    forge_append(out, clock, sizeof(clock));
}

static inline void forge_quote_of(const struct forge_tpm *tpm, uint32_t magic, unsigned type,
                                  uint32_t mask, struct cella_bytes extra,
                                  struct cella_buffer *out) {
    struct cella_bytes parts[FORGE_PCRS];
    size_t count = 0;
    uint8_t digest[32], select[3] = {(uint8_t)mask, (uint8_t)(mask >> 8), (uint8_t)(mask >> 16)};
    for (unsigned p = 0; p < FORGE_PCRS; p++)
        if (mask >> p & 1) parts[count++] = CELLA_BYTES_OF(tpm->pcr[p]);
    GOOD(cella_hash(CELLA_HASH_SHA256, parts, count, digest));
    forge_head(out, magic, type, extra);
    forge_u32(out, 1);
    forge_u16(out, CELLA_TPM_SHA256);
    forge_append(out, "\x03", 1);
    forge_append(out, select, 3);
    forge_2b(out, CELLA_BYTES_OF(digest));
}
static inline void forge_tpm_quote(const struct forge_tpm *tpm, uint32_t mask,
                                   struct cella_bytes extra, struct cella_buffer *out) {
    forge_quote_of(tpm, CELLA_TPM_MAGIC, CELLA_TPM_ATTEST_QUOTE, mask, extra, out);
}

/* public: TPM2B_PUBLIC of the key that is certified. */
static inline void forge_certify(struct cella_bytes public, unsigned type,
                                 struct cella_buffer *out) {
    uint8_t name[34] = {0, CELLA_TPM_SHA256};
    GOOD(cella_sha256(cella_bytes(public.data + 2, public.size - 2), name + 2));
    forge_head(out, CELLA_TPM_MAGIC, type, cella_bytes(NULL, 0));
    forge_2b(out, CELLA_BYTES_OF(name));
    forge_2b(out, CELLA_BYTES_OF(name));
}

/* --- Certificate of an attestation key --- */

static inline void forge_ak_certificate(EVP_PKEY *subject, EVP_PKEY *issuer, const char *issuer_cn,
                                        const char *subject_cn, bool ca, int64_t from, int64_t to,
                                        struct cella_buffer *out) {
    X509 *x = X509_new();
    X509_NAME *issuer_name = X509_NAME_new(), *subject_name = X509_NAME_new();
    X509_NAME_add_entry_by_txt(issuer_name, "CN", MBSTRING_UTF8, (const unsigned char *)issuer_cn,
                               -1, -1, 0);
    X509_NAME_add_entry_by_txt(subject_name, "CN", MBSTRING_UTF8, (const unsigned char *)subject_cn,
                               -1, -1, 0);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    X509_set_issuer_name(x, issuer_name);
    X509_set_subject_name(x, subject_name);
    ASN1_TIME_set(X509_getm_notBefore(x), from);
    ASN1_TIME_set(X509_getm_notAfter(x), to);
    X509_set_pubkey(x, subject);
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints,
                                            ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    X509_EXTENSION *u = X509V3_EXT_conf_nid(
        NULL, &ctx, NID_key_usage, ca ? "critical,keyCertSign" : "critical,digitalSignature");
    X509_add_ext(x, e, -1);
    X509_add_ext(x, u, -1);
    assert_true(X509_sign(x, issuer, EVP_sha256()) > 0);
    unsigned char *der = NULL;
    int size = i2d_X509(x, &der);
    cella_buffer_free(out);
    forge_append(out, der, (size_t)size);
    OPENSSL_free(der);
    X509_EXTENSION_free(e);
    X509_EXTENSION_free(u);
    X509_NAME_free(issuer_name);
    X509_NAME_free(subject_name);
    X509_free(x);
}

#endif
