#include "evidence/tpm_keylime.h"

#include "base/memory.h"
#include "base/text.h"

/* The dump (tpm2-tools, lib/files.c): TPML_PCR_SELECTION and TPML_DIGEST as the C structures lie in
 * memory of a little-endian machine. */
enum {
    SELECTIONS = 16,
    SELECTION_SIZE = 8,
    DIGESTS = 8,
    DIGEST_ROOM = 64,
    LIST_MAX = 24,
    TEXT_MAX = 1 << 16
};

static bool is_base64(uint8_t c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '=';
}

static struct cella_bytes without_end(struct cella_bytes text) {
    while (text.size && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
        text.size--;
    return text;
}

bool cella_tpm_keylime_is(struct cella_bytes text) {
    size_t colons = 0;
    text = without_end(text);
    if (text.size < 16 || text.size > TEXT_MAX || text.data[0] != 'r') return false;
    for (size_t i = 1; i < text.size; i++) {
        if (!is_base64(text.data[i]) && text.data[i] != ':') return false;
        colons += text.data[i] == ':';
    }
    return colons == 2;
}

struct selection {
    enum cella_hash hash;
    uint32_t pcrs;
};

static struct cella_result read_selections(struct cella_reader *r, struct selection *out,
                                           uint32_t *count) {
    *count = cella_reader_u32le(r);
    ENSURE(!r->failed && *count >= 1 && *count <= SELECTIONS, CELLA_ERR_FORMAT, NULL,
           "PCR dump: %u banks", *count);
    for (uint32_t i = 0; i < SELECTIONS; i++) {
        uint16_t hash = cella_reader_u16le(r);
        uint8_t size = cella_reader_u8(r);
        uint32_t pcrs = 0;
        for (unsigned j = 0; j < 4; j++) {
            uint32_t octet = cella_reader_u8(r);
            if (j < size) pcrs |= octet << 8 * j;
        }
        cella_reader_skip(r, SELECTION_SIZE - 7);
        if (i >= *count) continue;
        out[i].pcrs = pcrs;
        ENSURE(cella_tpm_hash_of(hash, &out[i].hash) && size <= 4 && pcrs >> CELLA_TPM_PCR_MAX == 0,
               CELLA_ERR_UNSUPPORTED, NULL, "PCR dump: bank %04x with PCRs %08x", hash, pcrs);
    }
    return CELLA_SUCCESS;
}

/* The next digest of all lists. */
struct digests {
    struct cella_reader r;
    uint32_t lists_left, in_list, at;
};

static bool next_digest(struct digests *d, struct cella_bytes *out) {
    while (d->at == d->in_list) {
        if (d->in_list) cella_reader_skip(&d->r, (DIGESTS - d->in_list) * (2 + DIGEST_ROOM));
        if (d->lists_left == 0) return false;
        d->lists_left--;
        d->at = 0;
        d->in_list = cella_reader_u32le(&d->r);
        if (d->r.failed || d->in_list == 0 || d->in_list > DIGESTS) return false;
    }
    size_t size = cella_reader_u16le(&d->r);
    struct cella_bytes room = cella_reader_bytes(&d->r, DIGEST_ROOM);
    d->at++;
    *out = cella_bytes(room.data, size);
    return !d->r.failed && size <= DIGEST_ROOM;
}

static struct cella_result read_dump(struct cella_bytes dump, struct cella_tpm_pcrs *pcrs) {
    struct selection bank[SELECTIONS];
    uint32_t count = 0;
    struct digests d = {.r = cella_reader(dump)};
    TRY(read_selections(&d.r, bank, &count));
    d.lists_left = cella_reader_u32le(&d.r);
    ENSURE(!d.r.failed && d.lists_left <= LIST_MAX, CELLA_ERR_FORMAT, NULL,
           "PCR dump: %u lists of values", d.lists_left);
    for (uint32_t i = 0; i < count; i++)
        for (unsigned p = 0; p < CELLA_TPM_PCR_MAX; p++) {
            struct cella_bytes value;
            if (!(bank[i].pcrs >> p & 1)) continue;
            ENSURE(next_digest(&d, &value) && value.size == cella_hash_size(bank[i].hash) &&
                       !(pcrs[bank[i].hash].given >> p & 1),
                   CELLA_ERR_FORMAT, NULL, "PCR dump: no value of PCR %u that fits its bank", p);
            cella_copy(pcrs[bank[i].hash].value[p], value.data, value.size);
            pcrs[bank[i].hash].given |= 1U << p;
        }
    struct cella_bytes more;
    ENSURE(!next_digest(&d, &more) && cella_reader_done(&d.r), CELLA_ERR_FORMAT, NULL,
           "PCR dump: more values than PCRs, or bytes behind them");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tpm_keylime_open(struct cella_bytes text, struct cella_tpm_companions *out) {
    struct cella_bytes part[3] = {{0}};
    size_t count = 0, begin = 1;
    text = without_end(text);
    for (size_t i = 1; i <= text.size && count < 3; i++) {
        if (i < text.size && text.data[i] != ':') continue;
        CELLA_BUFFER decoded = {0};
        TRY(cella_base64_decode(cella_bytes(text.data + begin, i - begin), false, &decoded));
        struct cella_buffer *kept = &out->decoded[out->decoded_count++];
        *kept = MOVE(decoded);
        part[count++] = cella_buffer_bytes(kept);
        begin = i + 1;
    }
    out->message[0].content = part[0];
    out->message_count = 1;
    out->signature[0].content = part[1];
    out->signature_count = 1;
    return read_dump(part[2], out->pcrs);
}
