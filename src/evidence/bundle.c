#include "evidence/bundle.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/reader.h"
#include "base/writer.h"

enum { RECORD = 512, CHECKSUM_AT = 148, MAGIC_AT = 257, SIZE_DIGITS = 12 };

struct header { /* POSIX.1-2017, pax, "ustar Interchange Format" */
    struct cella_bytes name, size, checksum, magic;
    uint8_t kind;
};

static struct header read_header(struct cella_bytes record) {
    struct cella_reader r = cella_reader(record);
    struct header h;
    h.name = cella_reader_bytes(&r, 100);
    cella_reader_skip(&r, 8 + 8 + 8);
    h.size = cella_reader_bytes(&r, SIZE_DIGITS);
    cella_reader_skip(&r, 12);
    h.checksum = cella_reader_bytes(&r, 8);
    h.kind = cella_reader_u8(&r);
    cella_reader_skip(&r, 100);
    h.magic = cella_reader_bytes(&r, 6);
    return h;
}

/* Octal digits, then spaces or NULs only; false also for an empty field and above 2^32. */
static bool octal(struct cella_bytes field, uint64_t *out) {
    size_t i = 0;
    uint64_t value = 0;
    for (; i < field.size && field.data[i] >= '0' && field.data[i] <= '7'; i++) {
        value = value * 8 + (uint64_t)(field.data[i] - '0');
        if (value > UINT32_MAX) return false;
    }
    *out = value;
    if (i == 0) return false;
    for (; i < field.size; i++)
        if (field.data[i] != ' ' && field.data[i] != 0) return false;
    return true;
}

static uint32_t checksum_of(struct cella_bytes record) {
    uint32_t sum = 8 * ' ';
    for (size_t i = 0; i < RECORD; i++)
        if (i < CHECKSUM_AT || i >= CHECKSUM_AT + 8) sum += record.data[i];
    return sum;
}

static bool header_good(struct cella_bytes record, const struct header *h) {
    uint64_t sum = 0;
    bool magic =
        cella_equal(h->magic.data, "ustar\0", 6) || cella_equal(h->magic.data, "ustar ", 6);
    return magic && octal(h->checksum, &sum) && sum == checksum_of(record);
}

bool cella_bundle_is(struct cella_bytes bytes) {
    if (bytes.size < RECORD) return false;
    struct cella_bytes record = cella_bytes(bytes.data, RECORD);
    struct header h = read_header(record);
    return header_good(record, &h);
}

static bool all_zero(struct cella_bytes bytes) {
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i]) return false;
    return true;
}

/* One member: false in *file for what is no regular file. */
static struct cella_result next_member(struct cella_reader *r, struct cella_bundle_file *out,
                                       bool *file, bool *end) {
    struct cella_bytes record = cella_reader_bytes(r, RECORD);
    ENSURE(!r->failed, CELLA_ERR_FORMAT, NULL, "bundle: cut short within a header");
    *end = all_zero(record);
    if (*end) return CELLA_SUCCESS;
    struct header h = read_header(record);
    uint64_t size = 0;
    ENSURE(header_good(record, &h), CELLA_ERR_FORMAT, NULL,
           "bundle: a header's magic or checksum is wrong");
    ENSURE(octal(h.size, &size), CELLA_ERR_FORMAT, NULL,
           "bundle: a header's size is no octal number");
    size_t name = strnlen((const char *)h.name.data, h.name.size);
    cella_copy(out->name, h.name.data, name);
    out->name[name] = 0;
    out->content = cella_reader_bytes(r, (size_t)size);
    cella_reader_skip(r, (RECORD - (size_t)size % RECORD) % RECORD);
    ENSURE(!r->failed, CELLA_ERR_FORMAT, NULL, "bundle: %s is cut short", out->name);
    *file = h.kind == '0' || h.kind == 0;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_bundle_next(struct cella_bytes bundle, size_t *at, struct cella_bundle_file *out,
                               bool *found) {
    struct cella_reader r = cella_reader(bundle);
    bool end = false;
    *found = false;
    cella_reader_skip(&r, *at);
    while (!*found && !end && cella_reader_left(&r) > 0) TRY(next_member(&r, out, found, &end));
    *at = r.at;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_bundle_put(struct cella_buffer *bundle, const char *name,
                              struct cella_bytes content) {
    uint8_t *to = NULL;
    char digits[16];
    size_t padded = 0, rest = (RECORD - content.size % RECORD) % RECORD;
    ENSURE(strlen(name) > 0 && strlen(name) < 100, CELLA_ERR_LIMIT, NULL,
           "bundle: a name of 1 to 99 bytes, found '%s'", name);
    ENSURE(content.size <= UINT32_MAX && cella_add(content.size, RECORD + rest, &padded),
           CELLA_ERR_LIMIT, NULL, "bundle: %s is too large", name);
    TRY(cella_buffer_extend(bundle, padded, &to));
    struct cella_writer w = cella_writer(to, padded);
    cella_writer_put(&w, cella_bytes_text(name));
    cella_writer_zero(&w, 100 - strlen(name));
    cella_writer_put(&w, CELLA_BYTES_OF("0000644"));
    cella_writer_put(&w, CELLA_BYTES_OF("0000000"));
    cella_writer_put(&w, CELLA_BYTES_OF("0000000"));
    snprintf(digits, sizeof(digits), "%011llo", (unsigned long long)content.size);
    cella_writer_put(&w, cella_bytes(digits, 12));
    cella_writer_put(&w,
                     CELLA_BYTES_OF("00000000000")); /* no time: the same input, the same bundle */
    cella_writer_zero(&w, 8);
    cella_writer_put(&w, cella_bytes_text("0"));
    cella_writer_zero(&w, 100);
    cella_writer_put(&w, CELLA_BYTES_OF("ustar"));
    cella_writer_put(&w, cella_bytes_text("00"));
    cella_writer_zero(&w, RECORD - MAGIC_AT - 8);
    cella_writer_put(&w, content);
    cella_writer_zero(&w, rest);
    snprintf(digits, sizeof(digits), "%06o", (unsigned)checksum_of(cella_bytes(to, RECORD)));
    cella_copy(to + CHECKSUM_AT, digits, 7);
    to[CHECKSUM_AT + 7] = ' ';
    ENSURE(!w.failed && w.size == padded, CELLA_ERR_INTERNAL, NULL,
           "bundle: %zu bytes planned, %zu written", padded, w.size);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_bundle_end(struct cella_buffer *bundle) {
    uint8_t *to = NULL;
    return cella_buffer_extend(bundle, 2 * RECORD, &to);
}
