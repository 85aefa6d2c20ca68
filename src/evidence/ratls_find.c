#include <string.h>

#include "base/memory.h"
#include "crypto/der.h"
#include "evidence/cborwalk.h"
#include "evidence/ratls.h"

enum form { CCC, RAW, OPEN_ENCLAVE };
enum { TAG_QUOTE = 60000 /* IANA: Intel TEE quote */, OE_VERSION = 1, OE_REMOTE = 2 };

static const struct extension {
    const char *oid;
    uint8_t der[12];
    uint8_t size;
    enum form form;
    bool intel, amd;
} extensions[] = {
    {"2.23.133.5.4.9", {0x67, 0x81, 0x05, 0x05, 0x04, 0x09}, 6, CCC, true, false},
    {"1.2.840.113741.1337.6",
     {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x8a, 0x39, 0x06},
     9,
     RAW,
     true,
     false},
    /* Gramine's constant has tag and length of the OID within the OID, and so it went on the wire
     */
    {"0.6.9.42.840.113741.1337.6",
     {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x8a, 0x39, 0x06},
     11,
     RAW,
     true,
     false},
    {"1.2.840.113741.1337.7",
     {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x8a, 0x39, 0x07},
     9,
     RAW,
     false,
     true},
    {"1.2.840.113741.1337.8",
     {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x8a, 0x39, 0x08},
     9,
     RAW,
     true,
     false},
    {"1.3.6.1.4.1.311.105.1",
     {0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x69, 0x01},
     9,
     OPEN_ENCLAVE,
     true,
     false},
    {"1.2.840.113556.10.1.1",
     {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x14, 0x0a, 0x01, 0x01},
     9,
     OPEN_ENCLAVE,
     true,
     false},
};
enum { EXTENSION_COUNT = sizeof(extensions) / sizeof(extensions[0]) };

/* Tag 60000 around [quote, claims buffer]. */
static struct cella_result unwrap_ccc(struct cella_bytes value, struct cella_ratls_found *out) {
    struct cella_walk w = cella_walk(value);
    if (!cella_walk_tag(&w, TAG_QUOTE)) cella_walk_fail(&w, "no tag 60000, a quote of Intel's");
    struct cella_walk_list array = cella_walk_array(&w);
    if (!w.failed && (array.open || array.left != 2)) cella_walk_fail(&w, "not an array of two");
    out->evidence = cella_walk_bytes(&w);
    out->claims = cella_walk_bytes(&w);
    out->has_claims = true;
    ENSURE(cella_walk_done(&w), CELLA_ERR_FORMAT, NULL, "extension %s: %s", out->oid,
           w.failed ? w.failed : "bytes after its end");
    return CELLA_SUCCESS;
}

/* Makers of Open Enclave's certificates put the report as it is, or in an OCTET STRING of its own.
 */
static struct cella_bytes without_octets(struct cella_bytes value) {
    struct cella_reader r = cella_reader(value);
    struct cella_bytes inner = cella_der_bytes(&r, CELLA_DER_OCTET_STRING);
    return cella_reader_done(&r) ? inner : value;
}

/* u32 version, u32 type, u64 size, then the quote; or the bare quote, as Azure Attestation had it.
 */
static struct cella_result unwrap_oe(struct cella_bytes value, struct cella_ratls_found *out) {
    out->evidence = without_octets(value);
    if (cella_detect_sgx(out->evidence)) return CELLA_SUCCESS;
    struct cella_reader r = cella_reader(out->evidence);
    uint32_t version = cella_reader_u32le(&r), type = cella_reader_u32le(&r);
    uint64_t size = cella_reader_u64le(&r);
    ENSURE(!r.failed && version == OE_VERSION && type == OE_REMOTE && size == cella_reader_left(&r),
           CELLA_ERR_FORMAT, NULL,
           "extension %s: expected an Open Enclave report (version 1, type 2, of its own size), "
           "found version %u, type %u, size %llu",
           out->oid, version, type, (unsigned long long)size);
    out->evidence = cella_reader_rest(&r);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_ratls_find(const struct cella_certificate *certificate,
                              struct cella_ratls_found *out) {
    cella_zero(out, sizeof(*out));
    for (size_t i = 0; i < EXTENSION_COUNT; i++) {
        const struct extension *e = &extensions[i];
        struct cella_bytes value;
        if (!cella_certificate_extension(certificate, cella_bytes(e->der, e->size), &value))
            continue;
        *out = (struct cella_ratls_found){.oid = e->oid, .intel = e->intel, .amd = e->amd};
        if (e->form == CCC) return unwrap_ccc(value, out);
        if (e->form == OPEN_ENCLAVE) return unwrap_oe(value, out);
        out->evidence = value;
        return CELLA_SUCCESS;
    }
    FAIL(CELLA_ERR_NOT_FOUND, NULL, "certificate: no extension that carries evidence");
}

bool cella_ratls_looks(struct cella_bytes der) {
    if (der.size < 4 || der.data[0] != 0x30 || der.data[1] != 0x82) return false;
    for (size_t i = 0; i < EXTENSION_COUNT; i++) {
        uint8_t oid[2 + sizeof(extensions[i].der)] = {0x06, extensions[i].size};
        cella_copy(oid + 2, extensions[i].der, extensions[i].size);
        if (memmem(der.data, der.size, oid, 2U + extensions[i].size)) return true;
    }
    return false;
}

static bool is(struct cella_bytes text, const char *word) {
    return text.size == __builtin_strlen(word) && cella_equal(text.data, word, text.size);
}

/* bstr of CBOR [algorithm, hash]. */
static void parse_hash(struct cella_walk *w, struct cella_ratls_claims *out) {
    if (out->hash.size > 0) cella_walk_fail(w, "pubkey-hash twice");
    struct cella_walk inner = cella_walk(cella_walk_bytes(w));
    struct cella_walk_list array = cella_walk_array(&inner);
    if (!inner.failed && (array.open || array.left != 2))
        cella_walk_fail(&inner, "not an array of two");
    out->hash_algorithm = cella_walk_uint(&inner, UINT32_MAX);
    out->hash = cella_walk_bytes(&inner);
    if (!cella_walk_done(&inner) || out->hash.size == 0)
        cella_walk_fail(w, "pubkey-hash is not [algorithm, hash]");
}

static void parse_custom(struct cella_walk *w, struct cella_bytes name,
                         struct cella_ratls_claims *out) {
    struct cella_bytes value = cella_walk_bytes(w);
    for (size_t i = 0; i < out->count; i++)
        if (out->custom[i].name.size == name.size &&
            cella_equal(out->custom[i].name.data, name.data, name.size))
            cella_walk_fail(w, "a claim twice");
    if (out->count == CELLA_RATLS_CUSTOM_MAX) cella_walk_fail(w, "more than 32 claims");
    if (!w->failed) out->custom[out->count++] = (struct cella_ratls_custom){name, value};
}

CELLA_RESULT cella_ratls_claims_parse(struct cella_bytes buffer, struct cella_ratls_claims *out) {
    struct cella_walk w = cella_walk(buffer);
    out->hash = cella_bytes(NULL, 0);
    out->hash_algorithm = out->count = 0;
    struct cella_walk_list map = cella_walk_map(&w);
    while (cella_walk_more(&w, &map)) {
        struct cella_bytes name = cella_walk_text(&w);
        if (is(name, "pubkey-hash"))
            parse_hash(&w, out);
        else
            parse_custom(&w, name, out);
    }
    ENSURE(cella_walk_done(&w), CELLA_ERR_FORMAT, NULL, "claims buffer: %s",
           w.failed ? w.failed : "bytes after its end");
    ENSURE(out->hash.size > 0, CELLA_ERR_FORMAT, NULL, "claims buffer: no pubkey-hash");
    return CELLA_SUCCESS;
}
