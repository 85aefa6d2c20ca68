/* A maker of the test's own, with Intel's names and forms: root, authorities, PCK, TCB signer,
 * quoting enclave, quotes and collateral, each part of which a test can bend before all is signed
 * again. What is bent is then refused for its own reason, not for a broken signature. */
#ifndef CELLA_TESTS_EVIDENCE_INTEL_FORGE_H
#define CELLA_TESTS_EVIDENCE_INTEL_FORGE_H

#include "vector.h"

#include <time.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/writer.h"
#include "crypto/digest.h"
#include "crypto/x509.h"

enum { FORGE_NOW = 1750000000, FORGE_DAY = 86400, FORGE_TEXT = 16384 };
enum forge_who {
    FORGE_ROOT,
    FORGE_PLATFORM_CA,
    FORGE_PROCESSOR_CA,
    FORGE_TCB,
    FORGE_PCK,
    FORGE_ATTESTATION,
    FORGE_STRANGER,
    FORGE_WHO
};

struct forge_cert {
    const char *name;
    enum forge_who key, issuer, signer; /* issuer: whose name it bears; signer: whose key signs */
    long serial;
    bool ca, sgx_extension;
    int64_t from, until;             /* seconds from FORGE_NOW */
    const char *constraints, *usage; /* NULL: those of its kind */
    bool unknown_critical;
};
struct forge_dates {
    int64_t from, until;
};
struct forge {
    bool tdx;
    uint16_t version, body_type; /* 5: the body type that is written */
    EVP_PKEY *key[FORGE_WHO];
    struct forge_cert cert[FORGE_PCK + 1];
    enum forge_who ca; /* which authority the PCK has */
    /* PCK */
    uint8_t component[16], pceid[2], fmspc[6];
    uint16_t pcesvn;
    /* quote */
    uint8_t flags, td_attributes[8], seam_attributes[8], mrsignerseam[48], tdx_svn[16],
        tdx_svn2[16];
    uint8_t qe_attributes[16], qe_mrsigner[32], binding_tail;
    uint32_t qe_misc;
    uint16_t qe_prodid, qe_svn, certification_type;
    const uint8_t *report_data; /* 64 bytes of a TD; NULL: 0x44 each */
    bool other_auth, other_key; /* authentication data or key other than those bound */
    /* collateral */
    struct forge_dates info_dates, identity_dates, pck_crl_dates, root_crl_dates;
    uint32_t evaluation;
    uint8_t info_fmspc[6], info_pceid[2];
    const char *levels, *modules,
        *qe_levels; /* JSON; NULL: one UpToDate level that asks for all 5, pcesvn 11 */
    const char *identity_id;
    enum forge_who info_signer, identity_signer, pck_crl_signer, root_crl_signer, pck_crl_issuer;
    bool info_of_other_type, no_pceid;
    bool no_info, no_identity, no_pck_crl, no_root_crl, no_tcb_chain, no_pck_chain;
    long revoked_pck, revoked_root; /* serials on the lists; 0: none */
    bool trusted;                   /* the root is given as such */
    uint64_t now;
    const char *accept;
};

static inline EVP_PKEY *forge_key(void) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(key);
    return key;
}

static inline void forge_new(struct forge *f) {
    static const struct forge_cert certs[] = {
        {"Intel SGX Root CA", FORGE_ROOT, FORGE_ROOT, FORGE_ROOT, 1, true, false, -1000 * FORGE_DAY,
         3000 * FORGE_DAY, NULL, NULL, false},
        {"Intel SGX PCK Platform CA", FORGE_PLATFORM_CA, FORGE_ROOT, FORGE_ROOT, 2, true, false,
         -900 * FORGE_DAY, 2000 * FORGE_DAY, NULL, NULL, false},
        {"Intel SGX PCK Processor CA", FORGE_PROCESSOR_CA, FORGE_ROOT, FORGE_ROOT, 3, true, false,
         -900 * FORGE_DAY, 2000 * FORGE_DAY, NULL, NULL, false},
        {"Intel SGX TCB Signing", FORGE_TCB, FORGE_ROOT, FORGE_ROOT, 4, false, false,
         -900 * FORGE_DAY, 2000 * FORGE_DAY, NULL, NULL, false},
        {"Intel SGX PCK Certificate", FORGE_PCK, FORGE_PLATFORM_CA, FORGE_PLATFORM_CA, 5, false,
         true, -100 * FORGE_DAY, 1000 * FORGE_DAY, NULL, NULL, false}};
    memset(f, 0, sizeof(*f));
    for (size_t i = 0; i < FORGE_WHO; i++) f->key[i] = forge_key();
    memcpy(f->cert, certs, sizeof(certs));
    f->version = 3;
    f->body_type = 1;
    f->ca = FORGE_PLATFORM_CA;
    memset(f->component, 5, 16);
    f->pcesvn = 11;
    memcpy(f->fmspc, "\x00\x60\x6a\x00\x00\x01", 6);
    memcpy(f->info_fmspc, f->fmspc, 6);
    f->flags = 5;
    memset(f->tdx_svn, 5, 16);
    memset(f->tdx_svn2, 5, 16);
    f->tdx_svn[1] = f->tdx_svn2[1] = 1;
    f->qe_attributes[0] = 0x15;
    memset(f->qe_mrsigner, 0xab, 32);
    f->qe_prodid = 1;
    f->qe_svn = 8;
    f->certification_type = 5;
    f->info_dates = f->identity_dates = f->pck_crl_dates = f->root_crl_dates =
        (struct forge_dates){-FORGE_DAY, 29 * FORGE_DAY};
    f->evaluation = 17;
    f->info_signer = f->identity_signer = FORGE_TCB;
    f->pck_crl_signer = f->pck_crl_issuer = FORGE_PLATFORM_CA;
    f->root_crl_signer = FORGE_ROOT;
    f->trusted = true;
    f->now = FORGE_NOW;
}

static inline void forge_tdx(struct forge *f, uint16_t version, uint16_t body_type) {
    forge_new(f);
    f->tdx = true;
    f->version = version;
    f->body_type = body_type;
}

static inline void forge_free(struct forge *f) {
    for (size_t i = 0; i < FORGE_WHO; i++) EVP_PKEY_free(f->key[i]);
}

/* --- DER of the SGX extension --- */

static inline void forge_tlv(struct cella_writer *w, uint8_t tag, const uint8_t *content,
                             size_t size) {
    cella_writer_u8(w, tag);
    if (size >= 256) {
        cella_writer_u8(w, 0x82);
        cella_writer_u8(w, (uint8_t)(size >> 8));
    } else if (size >= 128) {
        cella_writer_u8(w, 0x81);
    }
    cella_writer_u8(w, (uint8_t)size);
    cella_writer_put(w, cella_bytes(content, size));
}

/* SEQUENCE {OID 1.2.840.113741.1.13.1.sub..., value} */
static inline void forge_member(struct cella_writer *w, const uint8_t *sub, size_t sub_size,
                                uint8_t tag, const uint8_t *value, size_t size) {
    static const uint8_t oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
    uint8_t inner[1024], name[16];
    struct cella_writer i = cella_writer(inner, sizeof(inner));
    memcpy(name, oid, sizeof(oid));
    memcpy(name + sizeof(oid), sub, sub_size);
    forge_tlv(&i, 0x06, name, sizeof(oid) + sub_size);
    forge_tlv(&i, tag, value, size);
    forge_tlv(w, 0x30, inner, i.size);
}

static inline size_t forge_extension(const struct forge *f, uint8_t *out, size_t room) {
    uint8_t tcb[1024], all[1500], ppid[16];
    struct cella_writer t = cella_writer(tcb, sizeof(tcb)), a = cella_writer(all, sizeof(all)),
                        o = cella_writer(out, room);
    memset(ppid, 0x77, sizeof(ppid));
    for (uint8_t i = 1; i <= 16; i++)
        forge_member(&t, (uint8_t[]){2, i}, 2, 0x02, &f->component[i - 1], 1);
    forge_member(&t, (uint8_t[]){2, 17}, 2, 0x02, (uint8_t[]){(uint8_t)f->pcesvn}, 1);
    forge_member(&t, (uint8_t[]){2, 18}, 2, 0x04, f->component, 16);
    forge_member(&a, (uint8_t[]){1}, 1, 0x04, ppid, 16);
    forge_member(&a, (uint8_t[]){2}, 1, 0x30, tcb, t.size);
    forge_member(&a, (uint8_t[]){3}, 1, 0x04, f->pceid, 2);
    forge_member(&a, (uint8_t[]){4}, 1, 0x04, f->fmspc, 6);
    forge_member(&a, (uint8_t[]){5}, 1, 0x0a, (uint8_t[]){1}, 1);
    forge_tlv(&o, 0x30, all, a.size);
    return o.size;
}

/* --- Certificates and lists --- */

static inline X509_NAME *forge_name(const char *common) {
    X509_NAME *name = X509_NAME_new();
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common, -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"Intel Corporation",
                               -1, -1, 0);
    return name;
}

static inline void forge_add_extension(X509 *x, int nid, const char *value) {
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(e);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

static inline void forge_add_sgx(const struct forge *f, X509 *x) {
    uint8_t der[2048];
    size_t size = forge_extension(f, der, sizeof(der));
    ASN1_OBJECT *oid = OBJ_txt2obj("1.2.840.113741.1.13.1", 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(value, der, (int)size);
    X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, value);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
}

static inline X509 *forge_x509(const struct forge *f, enum forge_who who) {
    const struct forge_cert *c = &f->cert[who];
    X509 *x = X509_new();
    X509_NAME *subject = forge_name(c->name), *issuer = forge_name(f->cert[c->issuer].name);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), c->serial);
    X509_set_subject_name(x, subject);
    X509_set_issuer_name(x, issuer);
    ASN1_TIME_set(X509_getm_notBefore(x), FORGE_NOW + c->from);
    ASN1_TIME_set(X509_getm_notAfter(x), FORGE_NOW + c->until);
    X509_set_pubkey(x, f->key[c->key]);
    forge_add_extension(x, NID_basic_constraints,
                        c->constraints ? c->constraints
                        : c->ca        ? "critical,CA:TRUE"
                                       : "critical,CA:FALSE");
    forge_add_extension(x, NID_key_usage,
                        c->usage ? c->usage
                        : c->ca  ? "critical,keyCertSign,cRLSign"
                                 : "critical,digitalSignature,nonRepudiation");
    if (c->unknown_critical)
        forge_add_extension(x, NID_name_constraints, "critical,permitted;email:example.org");
    if (c->sgx_extension) forge_add_sgx(f, x);
    assert_true(X509_sign(x, f->key[c->signer], EVP_sha256()) > 0);
    X509_NAME_free(subject);
    X509_NAME_free(issuer);
    return x;
}

static inline void forge_pem(const struct forge *f, enum forge_who who, struct cella_buffer *out) {
    X509 *x = forge_x509(f, who);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    PEM_write_bio_X509(bio, x);
    long size = BIO_get_mem_data(bio, &text);
    VECTOR_OK(cella_buffer_append(out, cella_bytes(text, (size_t)size)));
    BIO_free(bio);
    X509_free(x);
}

static inline void forge_crl(const struct forge *f, enum forge_who issuer, enum forge_who signer,
                             struct forge_dates dates, long revoked, struct cella_buffer *out) {
    X509_CRL *crl = X509_CRL_new();
    X509_NAME *name = forge_name(f->cert[issuer].name);
    ASN1_TIME *time = ASN1_TIME_new();
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, name);
    X509_CRL_set1_lastUpdate(crl, ASN1_TIME_set(time, FORGE_NOW + dates.from));
    X509_CRL_set1_nextUpdate(crl, ASN1_TIME_set(time, FORGE_NOW + dates.until));
    for (long serial = 99; revoked && serial;
         serial = serial == 99 ? revoked : 0) { /* another's stands first */
        X509_REVOKED *r = X509_REVOKED_new();
        ASN1_INTEGER_set(number, serial);
        X509_REVOKED_set_serialNumber(r, number);
        X509_REVOKED_set_revocationDate(r, ASN1_TIME_set(time, FORGE_NOW + dates.from));
        X509_CRL_add0_revoked(crl, r);
    }
    ASN1_INTEGER_set(number, 7);
    X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0);
    assert_true(X509_CRL_sign(crl, f->key[signer], EVP_sha256()) > 0);
    unsigned char *der = NULL;
    int size = i2d_X509_CRL(crl, &der);
    VECTOR_OK(cella_buffer_append(out, cella_bytes(der, (size_t)size)));
    OPENSSL_free(der);
    ASN1_TIME_free(time);
    ASN1_INTEGER_free(number);
    X509_NAME_free(name);
    X509_CRL_free(crl);
}

/* --- Signatures and the quote --- */

static inline void forge_sign(EVP_PKEY *key, struct cella_bytes message, uint8_t rs[64]) {
    uint8_t der[128];
    size_t size = sizeof(der);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_true(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) > 0);
    assert_true(EVP_DigestSign(ctx, der, &size, message.data, message.size) > 0);
    EVP_MD_CTX_free(ctx);
    VECTOR_OK(cella_ecdsa_from_der(cella_bytes(der, size), rs, 32));
}

static inline void forge_point(EVP_PKEY *key, uint8_t xy[64]) {
    uint8_t point[65];
    size_t size = 0;
    assert_true(
        EVP_PKEY_get_octet_string_param(key, "encoded-pub-key", point, sizeof(point), &size) > 0);
    assert_int_equal(size, 65);
    memcpy(xy, point + 1, 64);
}

static inline void forge_put16(uint8_t *at, unsigned value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void forge_qe_report(const struct forge *f, uint8_t qe[384], const uint8_t key[64],
                                   const uint8_t auth[32]) {
    uint8_t bound[96];
    memset(qe, 0, 384);
    for (size_t i = 0; i < 4; i++) qe[16 + i] = (uint8_t)(f->qe_misc >> (8 * i));
    memcpy(qe + 48, f->qe_attributes, 16);
    memset(qe + 64, 0x31, 32);
    memcpy(qe + 128, f->qe_mrsigner, 32);
    forge_put16(qe + 256, f->qe_prodid);
    forge_put16(qe + 258, f->qe_svn);
    memcpy(bound, key, 64);
    memcpy(bound + 64, auth, 32);
    VECTOR_OK(cella_sha256(CELLA_BYTES_OF(bound), qe + 320));
    qe[383] = f->binding_tail;
}

static inline void forge_body(const struct forge *f, struct cella_writer *w) {
    uint8_t body[648] = {0};
    size_t size = !f->tdx ? 384 : f->version == 5 && f->body_type == 3 ? 648 : 584;
    if (f->tdx) {
        memcpy(body, f->tdx_svn, 16);
        memcpy(body + 64, f->mrsignerseam, 48);
        memcpy(body + 112, f->seam_attributes, 8);
        memcpy(body + 120, f->td_attributes, 8);
        memset(body + 136, 0x22, 48);
        memset(body + 520, 0x44, 64);
        if (f->report_data) memcpy(body + 520, f->report_data, 64);
        memcpy(body + 584, f->tdx_svn2, 16);
    } else {
        body[48] = f->flags;
        memset(body + 64, 0x11, 32);
        memset(body + 128, 0x12, 32);
        memset(body + 320, 0x44, 64);
    }
    if (f->version == 5) {
        cella_writer_u16le(w, f->body_type);
        cella_writer_u32le(w, (uint32_t)size);
    }
    cella_writer_put(w, cella_bytes(body, size));
}

static inline void forge_quote(const struct forge *f, struct cella_buffer *out) {
    static const uint8_t vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                       0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};
    uint8_t bytes[16384], qe[384], key[64], auth[32], rs[64], qe_rs[64];
    struct cella_writer w = cella_writer(bytes, sizeof(bytes));
    CELLA_BUFFER chain = {0};
    cella_writer_u16le(&w, f->version);
    cella_writer_u16le(&w, 2);
    cella_writer_u32le(&w, f->tdx ? 0x81 : 0);
    cella_writer_u32le(&w, 0);
    cella_writer_put(&w, CELLA_BYTES_OF(vendor));
    cella_writer_zero(&w, 20);
    forge_body(f, &w);
    forge_sign(f->key[FORGE_ATTESTATION], cella_bytes(bytes, w.size), rs);
    memset(auth, 0x5a, sizeof(auth));
    forge_point(f->key[FORGE_ATTESTATION], key);
    forge_qe_report(f, qe, key, auth);
    forge_sign(f->key[FORGE_PCK], CELLA_BYTES_OF(qe), qe_rs);
    if (f->other_auth) auth[31] ^= 1;
    if (f->other_key) {
        forge_point(f->key[FORGE_STRANGER], key);
        forge_sign(f->key[FORGE_STRANGER], cella_bytes(bytes, w.size), rs);
    }
    forge_pem(f, FORGE_PCK, &chain);
    if (f->certification_type == 5) {
        forge_pem(f, f->ca, &chain);
        forge_pem(f, FORGE_ROOT, &chain);
    }
    size_t inner = 384 + 64 + 2 + 32 + 2 + 4 + chain.size;
    cella_writer_u32le(&w, (uint32_t)(128 + inner + (f->version > 3 ? 6 : 0)));
    cella_writer_put(&w, CELLA_BYTES_OF(rs));
    cella_writer_put(&w, CELLA_BYTES_OF(key));
    if (f->version > 3) {
        cella_writer_u16le(&w, 6);
        cella_writer_u32le(&w, (uint32_t)inner);
    }
    cella_writer_put(&w, CELLA_BYTES_OF(qe));
    cella_writer_put(&w, CELLA_BYTES_OF(qe_rs));
    cella_writer_u16le(&w, 32);
    cella_writer_put(&w, CELLA_BYTES_OF(auth));
    cella_writer_u16le(&w, f->certification_type);
    cella_writer_u32le(&w, (uint32_t)chain.size);
    cella_writer_put(&w, cella_buffer_bytes(&chain));
    assert_false(w.failed);
    VECTOR_OK(cella_buffer_append(out, cella_bytes(bytes, w.size)));
}

/* --- JSON --- */

static inline const char *forge_date(int64_t at) {
    static char text[4][24];
    static unsigned next;
    char *t = text[next++ % 4];
    time_t unix_s = FORGE_NOW + at;
    struct tm tm;
    gmtime_r(&unix_s, &tm);
    strftime(t, 24, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return t;
}

/* One level; svn of all 16 SGX and TDX components but one, at: -1 for none, 0 .. 15 SGX, 16 .. 31
 * TDX, 32 pcesvn. */
static inline size_t forge_level(char *to, size_t room, bool tdx, int svn, int pcesvn, int at,
                                 int other, const char *status) {
    size_t n = (size_t)snprintf(to, room, "{\"tcb\":{\"sgxtcbcomponents\":[");
    for (int i = 0; i < 16; i++)
        n += (size_t)snprintf(to + n, room - n, "%s{\"svn\":%d,\"category\":\"BIOS\"}",
                              i ? "," : "", i == at ? other : svn);
    n += (size_t)snprintf(to + n, room - n, "],\"pcesvn\":%d", at == 32 ? other : pcesvn);
    for (int i = 0; tdx && i < 16; i++)
        n += (size_t)snprintf(to + n, room - n, "%s{\"svn\":%d}",
                              i ? "," : ",\"tdxtcbcomponents\":[", i + 16 == at ? other : svn);
    return n + (size_t)snprintf(to + n, room - n,
                                "%s},\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"%s\","
                                "\"advisoryIDs\":[\"INTEL-SA-00001\"]}",
                                tdx ? "]" : "", status);
}

static inline void forge_sealed(const struct forge *f, const char *name, const char *body,
                                enum forge_who signer, char *out) {
    uint8_t rs[64];
    char hex[129];
    forge_sign(f->key[signer], cella_bytes_text(body), rs);
    cella_hex_encode(CELLA_BYTES_OF(rs), hex);
    snprintf(out, FORGE_TEXT + 512, "{\"%s\":%s,\"signature\":\"%s\"}", name, body, hex);
}

static inline void forge_tcbinfo(const struct forge *f, char *out) {
    static const char modules[] = "[{\"id\":\"TDX_01\",\"mrsigner\":\"%s\",\"attributes\":"
                                  "\"0000000000000000\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\","
                                  "\"tcbLevels\":[{\"tcb\":{\"isvsvn\":4},\"tcbDate\":\"2024-03-"
                                  "13T00:00:00Z\",\"tcbStatus\":\"UpToDate\"},"
                                  "{\"tcb\":{\"isvsvn\":2},\"tcbDate\":\"2023-03-13T00:00:00Z\","
                                  "\"tcbStatus\":\"OutOfDate\"}]}]";
    char body[FORGE_TEXT], level[4096], module[1024], zero[97], fmspc[13], pceid[5];
    memset(zero, '0', 96);
    zero[96] = 0;
    cella_hex_encode(CELLA_BYTES_OF(f->info_fmspc), fmspc);
    cella_hex_encode(CELLA_BYTES_OF(f->info_pceid), pceid);
    bool tdx = f->tdx != f->info_of_other_type;
    forge_level(level, sizeof(level), tdx, 5, 11, -1, 0, "UpToDate");
    snprintf(module, sizeof(module), modules, zero);
    size_t n = (size_t)snprintf(body, sizeof(body),
                                "{\"id\":\"%s\",\"version\":3,\"issueDate\":\"%s\",\"nextUpdate\":"
                                "\"%s\",\"fmspc\":\"%s\",\"%s\":\"%s\","
                                "\"tcbType\":0,\"tcbEvaluationDataNumber\":%u,",
                                tdx ? "TDX" : "SGX", forge_date(f->info_dates.from),
                                forge_date(f->info_dates.until), fmspc,
                                f->no_pceid ? "pce" : "pceId", pceid, f->evaluation);
    if (tdx)
        n += (size_t)snprintf(body + n, sizeof(body) - n,
                              "\"tdxModule\":{\"mrsigner\":\"%s\",\"attributes\":"
                              "\"0000000000000000\",\"attributesMask\":"
                              "\"FFFFFFFFFFFFFFFF\"},\"tdxModuleIdentities\":%s,",
                              zero, f->modules ? f->modules : module);
    snprintf(body + n, sizeof(body) - n, "\"tcbLevels\":[%s]}", f->levels ? f->levels : level);
    forge_sealed(f, "tcbInfo", body, f->info_signer, out);
}

static inline void forge_identity(const struct forge *f, char *out) {
    char body[4096], signer[65];
    memset(signer, 'A', 64);
    for (size_t i = 1; i < 64; i += 2) signer[i] = 'B';
    signer[64] = 0;
    snprintf(body, sizeof(body),
             "{\"id\":\"%s\",\"version\":2,\"issueDate\":\"%s\",\"nextUpdate\":\"%s\","
             "\"tcbEvaluationDataNumber\":%u,"
             "\"miscselect\":\"00000000\",\"miscselectMask\":\"FFFFFFFF\",\"attributes\":"
             "\"11000000000000000000000000000000\","
             "\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\",\"mrsigner\":\"%s\","
             "\"isvprodid\":1,\"tcbLevels\":[%s]}",
             f->identity_id ? f->identity_id
             : f->tdx       ? "TD_QE"
                            : "QE",
             forge_date(f->identity_dates.from), forge_date(f->identity_dates.until), f->evaluation,
             signer,
             f->qe_levels ? f->qe_levels
                          : "{\"tcb\":{\"isvsvn\":8},\"tcbDate\":\"2024-03-13T00:00:00Z\","
                            "\"tcbStatus\":\"UpToDate\"},"
                            "{\"tcb\":{\"isvsvn\":5},\"tcbDate\":\"2022-03-13T00:00:00Z\","
                            "\"tcbStatus\":\"OutOfDate\"}");
    forge_sealed(f, "enclaveIdentity", body, f->identity_signer, out);
}

/* --- All together --- */

static inline void forge_add(struct cella_collateral *set, const char *name,
                             struct cella_bytes content) {
    bool taken = false;
    VECTOR_OK(cella_collateral_add(set, name, content, &taken));
    assert_true(taken);
}

/* Adds one set of collateral; a second may follow with other dates. */
static inline void forge_collateral(const struct forge *f, struct cella_collateral *set) {
    char text[FORGE_TEXT + 512];
    CELLA_BUFFER pck_chain = {0}, tcb_chain = {0}, pck_crl = {0}, root_crl = {0};
    forge_pem(f, f->ca, &pck_chain);
    forge_pem(f, FORGE_ROOT, &pck_chain);
    forge_pem(f, FORGE_TCB, &tcb_chain);
    forge_pem(f, FORGE_ROOT, &tcb_chain);
    forge_crl(f, f->pck_crl_issuer, f->pck_crl_signer, f->pck_crl_dates, f->revoked_pck, &pck_crl);
    forge_crl(f, FORGE_ROOT, f->root_crl_signer, f->root_crl_dates, f->revoked_root, &root_crl);
    if (!f->no_pck_chain)
        forge_add(set, "pck_crl_issuer_chain.pem", cella_buffer_bytes(&pck_chain));
    if (!f->no_tcb_chain) forge_add(set, "tcb_signing_chain.pem", cella_buffer_bytes(&tcb_chain));
    if (!f->no_pck_crl) forge_add(set, "pck_crl.der", cella_buffer_bytes(&pck_crl));
    if (!f->no_root_crl) forge_add(set, "root_ca_crl.der", cella_buffer_bytes(&root_crl));
    forge_tcbinfo(f, text);
    if (!f->no_info) forge_add(set, "tcb_info.json", cella_bytes_text(text));
    forge_identity(f, text);
    if (!f->no_identity) forge_add(set, "qe_identity.json", cella_bytes_text(text));
}

static inline struct cella_collateral *forge_set(const struct forge *f) {
    struct cella_collateral *set = NULL;
    CELLA_BUFFER root = {0};
    VECTOR_OK(cella_collateral_new(&set));
    forge_pem(f, FORGE_ROOT, &root);
    struct cella_bytes roots[1] = {cella_buffer_bytes(&root)};
    if (f->trusted) VECTOR_OK(cella_collateral_set_roots(set, roots, 1));
    return set;
}

static inline void forge_verify_with(const struct forge *f, struct cella_collateral *set,
                                     struct cella_verification *v) {
    CELLA_BUFFER quote = {0};
    struct cella_evidence_options options = {.type =
                                                 f->tdx ? CELLA_EVIDENCE_TDX : CELLA_EVIDENCE_SGX,
                                             .time_unix = f->now,
                                             .accept_tcb = &f->accept,
                                             .accept_tcb_count = f->accept ? 1 : 0};
    forge_quote(f, &quote);
    VECTOR_OK(cella_verify(cella_buffer_bytes(&quote), set, &options, v));
}

static inline void forge_verify(const struct forge *f, struct cella_verification *v) {
    struct cella_collateral *set = forge_set(f);
    forge_collateral(f, set);
    VECTOR_OK(cella_collateral_finish(set));
    forge_verify_with(f, set, v);
    cella_collateral_free(&set);
}

static inline void forge_accepts(const struct forge *f) {
    CELLA_VERIFICATION v;
    forge_verify(f, &v);
    if (v.verdict != CELLA_VERIFY_ACCEPTED)
        print_error("%s: %s: expected %s, found %s\n", v.reason.step, v.reason.field,
                    v.reason.expected, v.reason.found);
    assert_true(v.verdict == CELLA_VERIFY_ACCEPTED && v.authentic);
}

/* Refused at "step: field", authentic or not. */
static inline void forge_refuses(const struct forge *f, const char *where, bool authentic) {
    char found[160];
    CELLA_VERIFICATION v;
    forge_verify(f, &v);
    snprintf(found, sizeof(found), "%s: %s", v.reason.step, v.reason.field);
    if (strcmp(found, where) != 0 || v.authentic != authentic)
        print_error("expected '%s', found '%s' (authentic %d): expected %s, found %s\n", where,
                    found, v.authentic, v.reason.expected, v.reason.found);
    assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
    assert_string_equal(found, where);
    assert_int_equal(v.authentic, authentic);
    assert_true(v.reason.remedy[0] && v.reason.expected[0] && v.reason.found[0]);
}

#endif
