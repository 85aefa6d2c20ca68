/* PCR values from the attestation message of Google's go-tpm-tools (proto/attest.proto:
 * Attestation.quotes = 2; proto/ tpm.proto: Quote.pcrs = 3, PCRs.pcrs = 2, a map of index to
 * value). Protocol Buffers wire format, as much of it as that needs: varints and lengths. */
#include "base/memory.h"
#include "evidence/tpm_companion.h"

enum {
    QUOTES = 2,
    PCRS = 3,
    MAP = 2,
    KEY = 1,
    VALUE = 2,
    VARINT = 0,
    FIXED64 = 1,
    BYTES = 2,
    FIXED32 = 5
};

static uint64_t read_varint(struct cella_reader *r) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t octet = cella_reader_u8(r);
        value |= (uint64_t)(octet & 0x7f) << shift;
        if (!(octet & 0x80)) return value;
    }
    r->failed = true;
    return 0;
}

struct field {
    uint64_t number, varint;
    struct cella_bytes bytes;
};

/* False at the end and for what is malformed. */
static bool next_field(struct cella_reader *r, struct field *out) {
    if (cella_reader_left(r) == 0) return false;
    uint64_t head = read_varint(r);
    *out = (struct field){.number = head >> 3};
    switch (head & 7) {
    case VARINT: out->varint = read_varint(r); break;
    case FIXED64: cella_reader_skip(r, 8); break;
    case FIXED32: cella_reader_skip(r, 4); break;
    case BYTES: {
        uint64_t size = read_varint(r);
        if (size > cella_reader_left(r)) r->failed = true;
        out->bytes = cella_reader_bytes(r, r->failed ? 0 : (size_t)size);
        break;
    }
    default: r->failed = true;
    }
    return !r->failed;
}

static struct cella_result read_entry(struct cella_bytes entry, struct cella_tpm_pcrs *pcrs) {
    struct cella_reader r = cella_reader(entry);
    struct field f;
    uint64_t index = 0; /* a default is not written */
    struct cella_bytes value = {0};
    while (next_field(&r, &f)) {
        if (f.number == KEY) index = f.varint;
        if (f.number == VALUE) value = f.bytes;
    }
    ENSURE(!r.failed && index < CELLA_TPM_PCR_MAX, CELLA_ERR_FORMAT, NULL,
           "attestation message: a PCR that is none");
    for (enum cella_hash hash = CELLA_HASH_SHA1; hash <= CELLA_HASH_SHA512; hash++) {
        if (value.size != cella_hash_size(hash)) continue;
        ENSURE(!(pcrs[hash].given >> index & 1), CELLA_ERR_FORMAT, NULL,
               "attestation message: PCR %u is there twice", (unsigned)index);
        cella_copy(pcrs[hash].value[index], value.data, value.size);
        pcrs[hash].given |= 1U << index;
        return CELLA_SUCCESS;
    }
    FAIL(CELLA_ERR_FORMAT, NULL, "attestation message: a PCR of %zu bytes", value.size);
}

/* Each level names one field to go down by. */
static struct cella_result descend(struct cella_bytes message, int level,
                                   struct cella_tpm_pcrs *pcrs) {
    static const uint8_t way[] = {QUOTES, PCRS, MAP};
    if (level == (int)sizeof(way)) return read_entry(message, pcrs);
    struct cella_reader r = cella_reader(message);
    struct field f;
    while (next_field(&r, &f))
        if (f.number == way[level]) TRY(descend(f.bytes, level + 1, pcrs));
    ENSURE(!r.failed, CELLA_ERR_FORMAT, NULL, "attestation message: not whole");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tpm_proto_pcrs(struct cella_bytes message,
                                  struct cella_tpm_pcrs pcrs[CELLA_TPM_HASH_COUNT]) {
    return descend(message, 0, pcrs);
}
