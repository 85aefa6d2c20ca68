#include "crypto/x509.h"

#include "base/memory.h"
#include "crypto/der.h"
#include "crypto/x509_inner.h"

enum { SERIAL_SIZE_MAX = 21 /* 20 bytes, RFC 5280 4.1.2.2, and the zero before a high bit */ };

static const char use_der[] = "give the certificate as its issuer made it, in DER";
#define DER_OR_FAIL(cond, part)                                                                    \
    ENSURE(cond, CELLA_ERR_FORMAT, use_der,                                                        \
           "certificate: %s is not as X.509 has it in strict DER", part)

static const uint8_t oid_basic_constraints[3] = {0x55, 0x1d, 0x13};
static const uint8_t oid_key_usage[3] = {0x55, 0x1d, 0x0f};
static const uint8_t oid_extended_key_usage[3] = {0x55, 0x1d, 0x25};

static bool read_basic_constraints(struct cella_bytes value, struct cella_certificate *out) {
    struct cella_reader r = cella_reader(value);
    struct cella_reader s = cella_der_read(&r, CELLA_DER_SEQUENCE);
    out->has_basic_constraints = true;
    if (cella_der_peek(&s) == CELLA_DER_BOOLEAN) {
        out->is_ca = cella_der_boolean(&s);
        if (!out->is_ca) return false; /* X.690 11.5: the default is not written */
    }
    if (cella_reader_left(&s)) {
        uint64_t length = cella_der_number(&s, CELLA_DER_INTEGER);
        if (!out->is_ca || length > INT32_MAX) return false; /* RFC 5280 4.2.1.9 */
        out->path_length = (int32_t)length;
    }
    return cella_reader_done(&s) && cella_reader_done(&r);
}

/* BIT STRING with named bits: first bit of the first byte is bit 0. */
static bool read_key_usage(struct cella_bytes value, struct cella_certificate *out) {
    struct cella_reader r = cella_reader(value);
    struct cella_reader bits = cella_der_read(&r, CELLA_DER_BIT_STRING);
    uint8_t unused = cella_reader_u8(&bits);
    struct cella_bytes bytes = cella_reader_rest(&bits);
    if (bits.failed || !cella_reader_done(&r) || unused > 7 || bytes.size < 1 || bytes.size > 2)
        return false;
    if (bytes.data[bytes.size - 1] & ((1U << unused) - 1)) return false;
    out->has_key_usage = true;
    for (size_t i = 0; i < bytes.size * 8; i++)
        if (bytes.data[i / 8] & (0x80U >> i % 8))
            out->key_usage = (uint16_t)(out->key_usage | 1U << i);
    return true;
}

static CELLA_RESULT read_extensions(struct cella_certificate *out) {
    DER_OR_FAIL(x509_extensions_are_distinct(out->extensions),
                "the list of extensions (each once, at most 32)");
    struct cella_reader r = cella_reader(out->extensions);
    struct x509_extension e;
    while (x509_next_extension(&r, &e)) {
        if (x509_oid_is(e.oid, oid_basic_constraints, sizeof(oid_basic_constraints)))
            DER_OR_FAIL(read_basic_constraints(e.value, out), "basicConstraints");
        else if (x509_oid_is(e.oid, oid_key_usage, sizeof(oid_key_usage)))
            DER_OR_FAIL(read_key_usage(e.value, out), "keyUsage");
        else if (e.critical &&
                 !x509_oid_is(e.oid, oid_extended_key_usage, sizeof(oid_extended_key_usage)))
            out->unknown_critical = true;
    }
    return CELLA_SUCCESS;
}

static bool read_version(struct cella_reader *tbs) {
    if (cella_der_peek(tbs) != CELLA_DER_CONTEXT_0) return false;
    struct cella_reader version = cella_der_read(tbs, CELLA_DER_CONTEXT_0);
    return cella_der_number(&version, CELLA_DER_INTEGER) == 2 && cella_reader_done(&version);
}

static CELLA_RESULT read_validity(struct cella_reader *tbs, struct cella_certificate *out) {
    struct cella_reader validity = cella_der_read(tbs, CELLA_DER_SEQUENCE);
    out->not_before_unix = cella_der_time_unix(&validity);
    out->not_after_unix = cella_der_time_unix(&validity);
    DER_OR_FAIL(cella_reader_done(&validity), "validity");
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_tbs(struct cella_bytes algorithm, struct cella_certificate *out) {
    struct cella_reader whole = cella_reader(out->tbs);
    struct cella_reader tbs = cella_der_read(&whole, CELLA_DER_SEQUENCE);
    uint8_t tag = 0;
    ENSURE(read_version(&tbs), CELLA_ERR_FORMAT, NULL,
           "certificate: the version is not 3, the only one read here");
    out->serial = cella_der_unsigned(&tbs, CELLA_DER_INTEGER);
    DER_OR_FAIL(!tbs.failed && out->serial.size <= SERIAL_SIZE_MAX,
                "the serial number (0 to 2^160)");
    struct cella_bytes inner = cella_der_whole(&tbs, &tag);
    ENSURE(inner.size == algorithm.size && cella_equal(inner.data, algorithm.data, inner.size),
           CELLA_ERR_FORMAT, use_der,
           "certificate: the signature algorithm inside and outside of the signed part differ");
    out->issuer = x509_read_name(&tbs);
    DER_OR_FAIL(!tbs.failed, "the issuer's name");
    TRY(read_validity(&tbs, out));
    out->subject = x509_read_name(&tbs);
    DER_OR_FAIL(!tbs.failed, "the subject's name");
    out->spki = cella_der_whole(&tbs, &tag);
    DER_OR_FAIL(tag == CELLA_DER_SEQUENCE, "the public key");
    if (cella_reader_left(&tbs)) {
        struct cella_reader explicit = cella_der_read(&tbs, CELLA_DER_CONTEXT_0 + 3);
        out->extensions = cella_der_bytes(&explicit, CELLA_DER_SEQUENCE);
        DER_OR_FAIL(cella_reader_done(&explicit), "what follows the public key");
        TRY(read_extensions(out));
    }
    DER_OR_FAIL(cella_reader_done(&tbs), "the end of the signed part");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_certificate_parse_first(struct cella_bytes der, struct cella_certificate *out) {
    *out = (struct cella_certificate){0};
    struct cella_certificate found = {.path_length = -1};
    struct cella_reader r = cella_reader(der);
    struct x509_signed parts;
    DER_OR_FAIL(x509_read_signed(&r, &parts), "the outer structure");
    found.der = cella_bytes(der.data, r.at);
    found.tbs = parts.tbs;
    found.signature = parts.signature;
    found.signature_algorithm = x509_algorithm(parts.algorithm);
    TRY(read_tbs(parts.algorithm, &found));
    *out = found;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_certificate_parse(struct cella_bytes der, struct cella_certificate *out) {
    TRY(cella_certificate_parse_first(der, out));
    size_t used = out->der.size;
    if (used != der.size) *out = (struct cella_certificate){0};
    ENSURE(used == der.size, CELLA_ERR_FORMAT, use_der, "certificate: %zu bytes follow its end",
           der.size - used);
    return CELLA_SUCCESS;
}

bool cella_certificate_extension(const struct cella_certificate *certificate,
                                 struct cella_bytes oid, struct cella_bytes *value) {
    struct cella_reader r = cella_reader(certificate->extensions);
    struct x509_extension e;
    *value = cella_bytes(NULL, 0);
    while (x509_next_extension(&r, &e)) {
        if (!x509_oid_is(e.oid, oid.data, oid.size)) continue;
        *value = e.value;
        return true;
    }
    return false;
}

CELLA_RESULT cella_certificate_check(const struct cella_certificate *certificate,
                                     const struct cella_verifykey *issuer) {
    return x509_check("the certificate's signature", certificate->tbs,
                      certificate->signature_algorithm, certificate->signature, issuer);
}

/* Only what shows as itself: no control characters, nothing that could draw over a terminal or fake
 * a line. */
static void copy_shown(struct cella_bytes value, char *text, size_t size) {
    size_t n = value.size < size - 1 ? value.size : size - 1;
    for (size_t i = 0; i < n; i++)
        text[i] = value.data[i] >= 0x20 && value.data[i] < 0x7f ? (char)value.data[i] : '?';
    text[n] = 0;
}

void cella_name_common(struct cella_bytes name, char *text, size_t size) {
    if (size == 0) return;
    text[0] = 0;
    struct cella_reader r = cella_reader(name);
    struct cella_reader parts = cella_der_read(&r, CELLA_DER_SEQUENCE);
    while (cella_reader_left(&parts)) {
        struct cella_reader set = cella_der_read(&parts, CELLA_DER_SET);
        while (cella_reader_left(&set)) {
            struct cella_reader pair = cella_der_read(&set, CELLA_DER_SEQUENCE);
            struct cella_bytes type = cella_der_bytes(&pair, CELLA_DER_OID);
            uint8_t tag = cella_der_peek(&pair);
            struct cella_bytes value = cella_der_bytes(&pair, tag);
            bool shown = tag == CELLA_DER_UTF8 || tag == CELLA_DER_PRINTABLE;
            if (!pair.failed && shown && x509_oid_is(type, "\x55\x04\x03", 3))
                copy_shown(value, text, size);
        }
    }
}
