#include "evidence/pck.h"

#include "base/memory.h"
#include "crypto/der.h"

/* 1.2.840.113741.1.13.1 */
static const uint8_t oid_sgx[9] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
static const char genuine[] = "the certificate must be one that Intel issued for a processor's PCK";

enum {
    SEEN_PPID = 1 << 1,
    SEEN_TCB = 1 << 2,
    SEEN_PCEID = 1 << 3,
    SEEN_FMSPC = 1 << 4,
    SEEN_TYPE = 1 << 5,
    SEEN_REQUIRED = SEEN_PPID | SEEN_TCB | SEEN_PCEID | SEEN_FMSPC | SEEN_TYPE,
    TCB_SEEN_ALL = 0x7fffe
};

bool cella_pck_has(const struct cella_certificate *certificate) {
    struct cella_bytes value;
    return cella_certificate_extension(certificate, CELLA_BYTES_OF(oid_sgx), &value);
}

/* The number at the end of OID prefix.n; 0 when it is another's. A second one of the same number
 * fails (A30). */
static uint8_t member(struct cella_reader *pair, const uint8_t *prefix, size_t size,
                      uint32_t *seen) {
    struct cella_bytes oid = cella_der_bytes(pair, CELLA_DER_OID);
    if (oid.size != size + 1 || !cella_equal(oid.data, prefix, size) || oid.data[size] > 31)
        return 0;
    uint32_t bit = (uint32_t)1 << oid.data[size];
    if (*seen & bit) pair->failed = true;
    *seen |= bit;
    return oid.data[size];
}

static void octets(struct cella_reader *pair, uint8_t *out, size_t size) {
    struct cella_bytes value = cella_der_bytes(pair, CELLA_DER_OCTET_STRING);
    if (value.size != size)
        pair->failed = true;
    else
        cella_copy(out, value.data, size);
}

static uint16_t number(struct cella_reader *pair, uint8_t tag, uint64_t maximum) {
    uint64_t value = cella_der_number(pair, tag);
    if (value > maximum) pair->failed = true;
    return (uint16_t)value;
}

static bool read_tcb(struct cella_reader *from, struct cella_pck *out) {
    static const uint8_t prefix[10] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01, 0x02};
    struct cella_reader list = cella_der_read(from, CELLA_DER_SEQUENCE);
    uint32_t seen = 0;
    while (cella_reader_left(&list)) {
        struct cella_reader pair = cella_der_read(&list, CELLA_DER_SEQUENCE);
        uint8_t n = member(&pair, prefix, sizeof(prefix), &seen);
        if (n >= 1 && n <= 16)
            out->component[n - 1] = (uint8_t)number(&pair, CELLA_DER_INTEGER, 255);
        else if (n == 17)
            out->pcesvn = number(&pair, CELLA_DER_INTEGER, 65535);
        else if (n == 18)
            octets(&pair, out->cpusvn, 16);
        else
            pair.failed = true;
        if (!cella_reader_done(&pair)) return false;
    }
    return !list.failed && seen == TCB_SEEN_ALL;
}

static bool read_configuration(struct cella_reader *from, struct cella_pck *out) {
    static const uint8_t prefix[10] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01, 0x07};
    struct cella_reader list = cella_der_read(from, CELLA_DER_SEQUENCE);
    uint32_t seen = 0;
    while (cella_reader_left(&list)) {
        struct cella_reader pair = cella_der_read(&list, CELLA_DER_SEQUENCE);
        uint8_t n = member(&pair, prefix, sizeof(prefix), &seen);
        bool value = cella_der_boolean(&pair);
        if (n == 1)
            out->dynamic_platform = value;
        else if (n == 2)
            out->cached_keys = value;
        else if (n == 3)
            out->smt = value;
        if (!cella_reader_done(&pair)) return false;
    }
    return !list.failed;
}

static bool read_member(struct cella_reader *pair, uint8_t n, struct cella_pck *out) {
    switch (n) {
    case 1: octets(pair, out->ppid, 16); break;
    case 2: return read_tcb(pair, out) && cella_reader_done(pair);
    case 3: octets(pair, out->pceid, 2); break;
    case 4: octets(pair, out->fmspc, 6); break;
    case 5: out->sgx_type = (uint8_t)number(pair, CELLA_DER_ENUMERATED, 255); break;
    case 6:
        octets(pair, out->instance, 16);
        out->has_instance = true;
        break;
    case 7:
        out->has_configuration = true;
        return read_configuration(pair, out) && cella_reader_done(pair);
    default:
        return !pair->failed; /* Intel may add members; they are signed and mean nothing to these
                                 rules */
    }
    return cella_reader_done(pair);
}

CELLA_RESULT cella_pck_parse(const struct cella_certificate *certificate, struct cella_pck *out) {
    *out = (struct cella_pck){0};
    struct cella_bytes value;
    ENSURE(cella_certificate_extension(certificate, CELLA_BYTES_OF(oid_sgx), &value),
           CELLA_ERR_FORMAT, genuine, "pck certificate: it has no SGX extension");
    struct cella_reader r = cella_reader(value);
    struct cella_reader list = cella_der_read(&r, CELLA_DER_SEQUENCE);
    uint32_t seen = 0;
    while (cella_reader_left(&list)) {
        struct cella_reader pair = cella_der_read(&list, CELLA_DER_SEQUENCE);
        uint8_t n = member(&pair, oid_sgx, sizeof(oid_sgx), &seen);
        ENSURE(read_member(&pair, n, out), CELLA_ERR_FORMAT, genuine,
               "pck certificate: member %u of its SGX extension is malformed or there twice", n);
    }
    ENSURE(cella_reader_done(&r) && !list.failed && (seen & SEEN_REQUIRED) == SEEN_REQUIRED,
           CELLA_ERR_FORMAT, genuine,
           "pck certificate: its SGX extension lacks members or has bytes after its end");
    return CELLA_SUCCESS;
}
