/* Nitro documents of our own root, rightly signed and wrong in one thing: so that the refusal is
 * that thing's own (A07, A08, A14, A24, A36). */
#include "vector.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/writer.h"
#include "crypto/verifykey.h"
#include "evidence/nitro.h"

enum { MADE = 1700000000, HOUR = 3600 };

enum fault {
    NONE,
    OTHER_SIGNER,
    LEAF_IS_CA,
    MIDDLE_NO_CA,
    MIDDLE_NO_CERT_SIGN,
    LEAF_NO_SIGNATURE,
    PATH_TOO_LONG,
    OTHER_NAME,
    LEAF_P256,
    CRITICAL,
    FIELD_TWICE,
    PCR_TWICE,
    UNKNOWN_FIELD,
    OPEN_LISTS,
    BOTH_PCRS,
    NO_PCR0,
    TRAILING,
    FAULT_COUNT,
};

struct chain {
    EVP_PKEY *root, *middle, *leaf, *stranger;
    struct cella_buffer der[3];
};

static void extend(X509 *x, int nid, const char *value) {
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

static void certify(EVP_PKEY *key, const char *name, const char *issuer, EVP_PKEY *signer,
                    const char *basic, const char *usage, bool critical, struct cella_buffer *out) {
    X509 *x = X509_new();
    unsigned char *der = NULL;
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_NAME *from = X509_NAME_new();
    X509_NAME_add_entry_by_txt(from, "CN", MBSTRING_ASC, (const unsigned char *)issuer, -1, -1, 0);
    X509_set_issuer_name(x, from);
    X509_NAME_free(from);
    ASN1_TIME_set(X509_getm_notBefore(x), MADE - HOUR);
    ASN1_TIME_set(X509_getm_notAfter(x), MADE + HOUR);
    X509_set_pubkey(x, key);
    extend(x, NID_basic_constraints, basic);
    extend(x, NID_key_usage, usage);
    if (critical) extend(x, NID_name_constraints, "critical,permitted;DNS:example.org");
    assert_true(X509_sign(x, signer, EVP_sha384()) > 0);
    int size = i2d_X509(x, &der);
    VECTOR_OK(cella_buffer_append(out, cella_bytes(der, (size_t)size)));
    OPENSSL_free(der);
    X509_free(x);
}

static void chain_new(struct chain *c, enum fault fault) {
    *c = (struct chain){EVP_EC_gen("P-384"),
                        EVP_EC_gen("P-384"),
                        EVP_EC_gen(fault == LEAF_P256 ? "P-256" : "P-384"),
                        EVP_EC_gen("P-384"),
                        {{0}}};
    certify(c->root, "root", "root", c->root,
            fault == PATH_TOO_LONG ? "critical,CA:TRUE,pathlen:0" : "critical,CA:TRUE",
            "critical,keyCertSign", false, &c->der[0]);
    certify(c->middle, "middle", fault == OTHER_NAME ? "toor" : "root",
            fault == OTHER_SIGNER ? c->stranger : c->root,
            fault == MIDDLE_NO_CA ? "critical,CA:FALSE" : "critical,CA:TRUE,pathlen:0",
            fault == MIDDLE_NO_CERT_SIGN ? "critical,digitalSignature" : "critical,keyCertSign",
            fault == CRITICAL, &c->der[1]);
    certify(c->leaf, "leaf", "middle", c->middle,
            fault == LEAF_IS_CA ? "critical,CA:TRUE" : "critical,CA:FALSE",
            fault == LEAF_NO_SIGNATURE ? "critical,keyEncipherment" : "critical,digitalSignature",
            false, &c->der[2]);
}

static void chain_free(struct chain *c) {
    EVP_PKEY_free(c->root), EVP_PKEY_free(c->middle), EVP_PKEY_free(c->leaf),
        EVP_PKEY_free(c->stranger);
    for (int i = 0; i < 3; i++) cella_buffer_free(&c->der[i]);
}

static void head(struct cella_writer *w, unsigned major, uint64_t value) {
    unsigned info = value < 24 ? (unsigned)value : value < 0x100 ? 24 : value < 0x10000 ? 25 : 27;
    cella_writer_u8(w, (uint8_t)(major << 5 | info));
    if (info == 24) cella_writer_u8(w, (uint8_t)value);
    if (info == 25) cella_writer_u16be(w, (uint16_t)value);
    if (info == 27) cella_writer_u64be(w, value);
}
static void text(struct cella_writer *w, const char *value) {
    head(w, 3, strlen(value));
    cella_writer_put(w, cella_bytes_text(value));
}
static void bytes(struct cella_writer *w, struct cella_bytes value) {
    head(w, 2, value.size);
    cella_writer_put(w, value);
}

static void put_pcrs(struct cella_writer *w, const char *name, enum fault fault) {
    uint8_t pcr[48] = {7};
    text(w, name);
    head(w, 5, fault == PCR_TWICE ? 2 : 1);
    head(w, 0, fault == NO_PCR0 ? 3 : 0);
    bytes(w, CELLA_BYTES_OF(pcr));
    if (fault == PCR_TWICE) head(w, 0, 0), bytes(w, CELLA_BYTES_OF(pcr));
}

static void put_payload(struct cella_writer *w, const struct chain *c, struct cella_bytes front,
                        enum fault fault) {
    unsigned extra = fault == FIELD_TWICE || fault == UNKNOWN_FIELD || fault == BOTH_PCRS;
    if (fault == OPEN_LISTS)
        cella_writer_u8(w, 0xbf);
    else
        head(w, 5, 6 + extra);
    text(w, "digest"), text(w, "SHA384");
    text(w, "timestamp"), head(w, 0, MADE * 1000ULL);
    text(w, "module_id"), text(w, "i-own");
    put_pcrs(w, "pcrs", fault);
    if (fault == BOTH_PCRS) put_pcrs(w, "nitrotpm_pcrs", NONE);
    if (fault == FIELD_TWICE) text(w, "module_id"), text(w, "i-other");
    if (fault == UNKNOWN_FIELD) text(w, "new"), head(w, 4, 1), head(w, 0, 1);
    text(w, "certificate"), bytes(w, cella_buffer_bytes(&c->der[2]));
    text(w, "cabundle");
    if (fault == OPEN_LISTS)
        cella_writer_u8(w, 0x9f);
    else
        head(w, 4, front.size ? 3 : 2);
    if (front.size) bytes(w, front);
    bytes(w, cella_buffer_bytes(&c->der[0]));
    bytes(w, cella_buffer_bytes(&c->der[1]));
    if (fault == OPEN_LISTS) cella_writer_u8(w, 0xff), cella_writer_u8(w, 0xff);
    if (fault == TRAILING) cella_writer_u8(w, 0);
}

static void sign(EVP_PKEY *key, struct cella_bytes payload, uint8_t rs[96]) {
    static const uint8_t context[] = {0x84, 0x6a, 'S', 'i',  'g',  'n',  'a',  't',  'u',
                                      'r',  'e',  '1', 0x44, 0xa1, 0x01, 0x38, 0x22, 0x40};
    uint8_t space[8192], der[128];
    size_t size = sizeof(der);
    struct cella_writer w = cella_writer(space, sizeof(space));
    cella_writer_put(&w, CELLA_BYTES_OF(context));
    bytes(&w, payload);
    assert_false(w.failed);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, der, &size, space, w.size), 1);
    EVP_MD_CTX_free(ctx);
    memset(rs, 0, 96); /* a P-256 key's is shorter, and not looked at */
    VECTOR_OK(
        cella_ecdsa_from_der(cella_bytes(der, size), rs, EVP_PKEY_get_bits(key) > 256 ? 48 : 32));
}

static void document(const struct chain *c, struct cella_bytes front, enum fault fault,
                     struct cella_buffer *out) {
    static const uint8_t begin[] = {0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0};
    uint8_t space[8192], rs[96], *to = NULL;
    struct cella_writer payload = cella_writer(space, sizeof(space));
    put_payload(&payload, c, front, fault);
    assert_false(payload.failed);
    sign(c->leaf, cella_writer_bytes(&payload), rs);
    VECTOR_OK(cella_buffer_extend(out, 9000, &to));
    struct cella_writer w = cella_writer(to, 9000);
    cella_writer_put(&w, CELLA_BYTES_OF(begin));
    bytes(&w, cella_writer_bytes(&payload));
    bytes(&w, CELLA_BYTES_OF(rs));
    assert_false(w.failed);
    out->size = w.size;
}

static struct cella_collateral *root_of(struct cella_bytes der) {
    struct cella_collateral *collateral = NULL;
    VECTOR_OK(cella_collateral_new(&collateral));
    VECTOR_OK(cella_collateral_set_roots(collateral, &der, 1));
    VECTOR_OK(cella_collateral_finish(collateral));
    return collateral;
}

static void faults(void **state) {
    (void)state;
    static const char *const where[FAULT_COUNT] = {
        [OTHER_SIGNER] = "cabundle[1].signature",
        [LEAF_IS_CA] = "certificate.basicConstraints",
        [MIDDLE_NO_CA] = "cabundle[1].basicConstraints",
        [MIDDLE_NO_CERT_SIGN] = "cabundle[1].keyUsage",
        [LEAF_NO_SIGNATURE] = "certificate.keyUsage",
        [PATH_TOO_LONG] = "cabundle[0].pathLenConstraint",
        [OTHER_NAME] = "cabundle[1].issuer",
        [LEAF_P256] = "chain: certificate",
        [CRITICAL] = "chain: cabundle[1]",
        [FIELD_TWICE] = "format: document",
        [PCR_TWICE] = "format: document",
        [BOTH_PCRS] = "format: document",
        [NO_PCR0] = "format: document",
        [TRAILING] = "format: document",
    };
    for (int fault = NONE; fault < FAULT_COUNT; fault++) {
        struct chain c;
        CELLA_BUFFER bytes_of = {0};
        CELLA_VERIFICATION v;
        chain_new(&c, (enum fault)fault);
        document(&c, cella_bytes(NULL, 0), (enum fault)fault, &bytes_of);
        struct cella_collateral *own = root_of(cella_buffer_bytes(&c.der[0]));
        if (where[fault]) {
            vector_refused(cella_buffer_bytes(&bytes_of), own, CELLA_EVIDENCE_NITRO, MADE,
                           where[fault]);
        } else {
            vector_verify(cella_buffer_bytes(&bytes_of), own, CELLA_EVIDENCE_AUTO, MADE, &v);
            if (!v.verdict) print_error("%d: %s %s\n", fault, v.reason.field, v.reason.found);
            assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
            vector_refused(cella_buffer_bytes(&bytes_of), NULL, CELLA_EVIDENCE_NITRO, MADE,
                           "chain: cabundle[0]");
        }
        cella_collateral_free(&own);
        chain_free(&c);
    }
}

/* A08: AWS's own root in front of a chain that it never signed; and a root of that key by another
 * certificate. */
static void borrowed_root(void **state) {
    (void)state;
    if (!vector_has("nitro/bearclave")) skip();
    CELLA_BUFFER real = {0}, forged = {0}, again = {0}, renewed = {0};
    struct cella_nitro_document parsed;
    struct chain c;
    vector_read("nitro/bearclave/document.cbor", &real);
    VECTOR_OK(cella_nitro_parse(cella_buffer_bytes(&real), &parsed));
    chain_new(&c, NONE);
    document(&c, parsed.bundle[0], NONE, &forged);
    vector_refused(cella_buffer_bytes(&forged), NULL, CELLA_EVIDENCE_NITRO, MADE, "cabundle[1]");
    /* the pinned key in a certificate that is another and signed by a stranger */
    struct cella_collateral *own = root_of(cella_buffer_bytes(&c.der[0]));
    certify(c.root, "root", "root", c.stranger, "critical,CA:TRUE", "critical,keyCertSign", false,
            &again);
    struct cella_buffer first = c.der[0];
    c.der[0] = again;
    document(&c, cella_bytes(NULL, 0), NONE, &renewed);
    vector_refused(cella_buffer_bytes(&renewed), own, CELLA_EVIDENCE_NITRO, MADE,
                   "cabundle[0].signature");
    c.der[0] = first;
    cella_collateral_free(&own);
    chain_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(faults), cmocka_unit_test(borrowed_root)};
    return cmocka_run_group_tests_name("nitro forged", tests, NULL, NULL);
}
