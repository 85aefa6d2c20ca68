#include "crypto/cbor.h"

#include <cbor.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum kind {
    KIND_UINT,
    KIND_NEGATIVE,
    KIND_BYTES,
    KIND_TEXT,
    KIND_ARRAY,
    KIND_MAP,
    KIND_TAG,
    KIND_OTHER
};
static const char *const kind_names[] = {"an unsigned integer",
                                         "a negative integer",
                                         "a byte string",
                                         "a text",
                                         "an array",
                                         "a map",
                                         "a tag",
                                         "another type or an indefinite length"};

struct item {
    enum kind kind;
    uint64_t value; /* integer, -1 - integer, size, count or tag */
    struct cella_bytes bytes;
};

/* libcbor tells of each item by a callback; all of them only fill in the item. */
static void on_uint8(void *to, uint8_t v) {
    *(struct item *)to = (struct item){KIND_UINT, v, {NULL, 0}};
}
static void on_uint16(void *to, uint16_t v) {
    *(struct item *)to = (struct item){KIND_UINT, v, {NULL, 0}};
}
static void on_uint32(void *to, uint32_t v) {
    *(struct item *)to = (struct item){KIND_UINT, v, {NULL, 0}};
}
static void on_uint64(void *to, uint64_t v) {
    *(struct item *)to = (struct item){KIND_UINT, v, {NULL, 0}};
}
static void on_negint8(void *to, uint8_t v) {
    *(struct item *)to = (struct item){KIND_NEGATIVE, v, {NULL, 0}};
}
static void on_negint16(void *to, uint16_t v) {
    *(struct item *)to = (struct item){KIND_NEGATIVE, v, {NULL, 0}};
}
static void on_negint32(void *to, uint32_t v) {
    *(struct item *)to = (struct item){KIND_NEGATIVE, v, {NULL, 0}};
}
static void on_negint64(void *to, uint64_t v) {
    *(struct item *)to = (struct item){KIND_NEGATIVE, v, {NULL, 0}};
}
static void on_bytes(void *to, cbor_data p, size_t n) {
    *(struct item *)to = (struct item){KIND_BYTES, n, cella_bytes(p, n)};
}
static void on_text(void *to, cbor_data p, size_t n) {
    *(struct item *)to = (struct item){KIND_TEXT, n, cella_bytes(p, n)};
}
static void on_array(void *to, size_t n) {
    *(struct item *)to = (struct item){KIND_ARRAY, n, {NULL, 0}};
}
static void on_map(void *to, size_t n) {
    *(struct item *)to = (struct item){KIND_MAP, n, {NULL, 0}};
}
static void on_tag(void *to, uint64_t v) {
    *(struct item *)to = (struct item){KIND_TAG, v, {NULL, 0}};
}
static void on_other(void *to) { *(struct item *)to = (struct item){KIND_OTHER, 0, {NULL, 0}}; }
static void on_float(void *to, float v) { (void)v, on_other(to); }
static void on_double(void *to, double v) { (void)v, on_other(to); }
static void on_bool(void *to, bool v) { (void)v, on_other(to); }

static const struct cbor_callbacks callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
    .negint8 = on_negint8,
    .negint16 = on_negint16,
    .negint32 = on_negint32,
    .negint64 = on_negint64,
    .byte_string = on_bytes,
    .byte_string_start = on_other,
    .string = on_text,
    .string_start = on_other,
    .array_start = on_array,
    .indef_array_start = on_other,
    .map_start = on_map,
    .indef_map_start = on_other,
    .tag = on_tag,
    .float2 = on_float,
    .float4 = on_float,
    .float8 = on_double,
    .undefined = on_other,
    .null = on_other,
    .boolean = on_bool,
    .indef_break = on_other,
};

struct cella_cbor cella_cbor(struct cella_bytes in, const char *what) {
    return (struct cella_cbor){.in = in, .what = what};
}

void cella_cbor_refuse(struct cella_cbor *c, const char *field, const char *expected,
                       const char *found) {
    if (c->failed) return;
    c->failed = true;
    c->field = field;
    snprintf(c->expected, sizeof(c->expected), "%s", expected);
    snprintf(c->found, sizeof(c->found), "%s", found);
}

static size_t head_size(uint64_t value) {
    return value < 24            ? 1
           : value <= UINT8_MAX  ? 2
           : value <= UINT16_MAX ? 3
           : value <= UINT32_MAX ? 5
                                 : 9;
}

static struct item next(struct cella_cbor *c, const char *field) {
    struct item item = {KIND_OTHER, 0, {NULL, 0}};
    if (c->failed) return item;
    struct cbor_decoder_result r = {0, CBOR_DECODER_NEDATA, 0};
    if (c->at < c->in.size)
        r = cbor_stream_decode(c->in.data + c->at, c->in.size - c->at, &callbacks, &item);
    if (r.status != CBOR_DECODER_FINISHED) {
        cella_cbor_refuse(c, field, "a CBOR item",
                          r.status == CBOR_DECODER_NEDATA ? "the end of the bytes"
                                                          : "bytes that are none");
        return item;
    }
    if (item.kind != KIND_OTHER && r.read != head_size(item.value) + item.bytes.size)
        cella_cbor_refuse(c, field, "the shortest form (RFC 8949 section 4.2.1)", "a longer form");
    c->at += r.read;
    return item;
}

static void refuse_range(struct cella_cbor *c, const char *field, const char *what, uint64_t min,
                         uint64_t max, uint64_t found) {
    char expected[64], text[64];
    if (min == max)
        snprintf(expected, sizeof(expected), "%s %llu", what, (unsigned long long)min);
    else
        snprintf(expected, sizeof(expected), "%s %llu to %llu", what, (unsigned long long)min,
                 (unsigned long long)max);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)found);
    cella_cbor_refuse(c, field, expected, text);
}

/* The next item, of this kind and with min <= value <= max. */
static struct item take(struct cella_cbor *c, const char *field, enum kind kind, uint64_t min,
                        uint64_t max) {
    struct item item = next(c, field);
    if (!c->failed && item.kind != kind)
        cella_cbor_refuse(c, field, kind_names[kind], kind_names[item.kind]);
    if (!c->failed && (item.value < min || item.value > max))
        refuse_range(c, field, kind == KIND_UINT ? "a value of" : "a size of", min, max,
                     item.value);
    return c->failed ? (struct item){KIND_OTHER, 0, {NULL, 0}} : item;
}

uint64_t cella_cbor_uint(struct cella_cbor *c, const char *field, uint64_t max) {
    return take(c, field, KIND_UINT, 0, max).value;
}

void cella_cbor_expect_int(struct cella_cbor *c, const char *field, int64_t value) {
    struct item item = next(c, field);
    if (c->failed) return;
    bool same = value >= 0 ? item.kind == KIND_UINT && item.value == (uint64_t)value
                           : item.kind == KIND_NEGATIVE && item.value == (uint64_t)(-1 - value);
    char expected[64];
    snprintf(expected, sizeof(expected), "the integer %lld", (long long)value);
    if (!same) cella_cbor_refuse(c, field, expected, "another item");
}

struct cella_bytes cella_cbor_bytes(struct cella_cbor *c, const char *field, size_t min,
                                    size_t max) {
    return take(c, field, KIND_BYTES, min, max).bytes;
}

void cella_cbor_copy(struct cella_cbor *c, const char *field, void *out, size_t size) {
    struct cella_bytes bytes = cella_cbor_bytes(c, field, size, size);
    cella_zero(out, size);
    if (!c->failed) cella_copy(out, bytes.data, size);
}

struct cella_bytes cella_cbor_text(struct cella_cbor *c, const char *field, size_t min,
                                   size_t max) {
    struct cella_bytes text = take(c, field, KIND_TEXT, min, max).bytes;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < 0x20 || text.data[i] > 0x7e)
            cella_cbor_refuse(c, field, "printable ASCII", "other characters");
    return c->failed ? cella_bytes(NULL, 0) : text;
}

void cella_cbor_text_copy(struct cella_cbor *c, const char *field, char *out, size_t size) {
    struct cella_bytes text = cella_cbor_text(c, field, 0, size - 1);
    cella_zero(out, size);
    if (text.size) cella_copy(out, text.data, text.size);
}

void cella_cbor_expect_text(struct cella_cbor *c, const char *field, const char *text) {
    struct cella_bytes found = take(c, field, KIND_TEXT, 0, SIZE_MAX).bytes;
    if (c->failed || (found.size == strlen(text) && cella_equal(found.data, text, found.size)))
        return;
    char expected[64], shown[64];
    size_t n = found.size < 40 ? found.size : 40;
    snprintf(expected, sizeof(expected), "\"%s\"", text);
    snprintf(shown, sizeof(shown), "\"%.*s\"", (int)n, (const char *)found.data);
    for (char *p = shown; *p; p++)
        if (*p < 0x20 || *p > 0x7e) *p = '?'; /* no terminal control from a stranger's bytes */
    cella_cbor_refuse(c, field, expected, shown);
}

size_t cella_cbor_array(struct cella_cbor *c, const char *field, size_t min, size_t max) {
    return (size_t)take(c, field, KIND_ARRAY, min, max).value;
}

size_t cella_cbor_map(struct cella_cbor *c, const char *field, size_t min, size_t max) {
    return (size_t)take(c, field, KIND_MAP, min, max).value;
}

/* One byte, compared as it is: libcbor 0.8 knows no tag between 6 and 20. */
void cella_cbor_tag(struct cella_cbor *c, const char *field, unsigned tag) {
    uint8_t expected = (uint8_t)(0xc0 | (tag < 24 ? tag : 24)),
            found = c->at < c->in.size ? c->in.data[c->at] : 0;
    if (c->failed || (tag < 24 && found == expected)) {
        c->at += c->failed ? 0 : 1;
        return;
    }
    char want[64], have[64];
    snprintf(want, sizeof(want), "tag %u (byte %02x)", tag, expected);
    if (c->at < c->in.size)
        snprintf(have, sizeof(have), "byte %02x", found);
    else
        snprintf(have, sizeof(have), "the end of the bytes");
    cella_cbor_refuse(c, field, want, have);
}

CELLA_RESULT cella_cbor_end(struct cella_cbor *c) {
    if (!c->failed && c->at != c->in.size) {
        char found[64];
        snprintf(found, sizeof(found), "%zu more bytes", c->in.size - c->at);
        cella_cbor_refuse(c, "end", "the end of the bytes", found);
    }
    ENSURE(!c->failed, CELLA_ERR_FORMAT,
           "it was cut short, damaged, or made in another version or format",
           "%s: %s: expected %s, found %s", c->what, c->field, c->expected, c->found);
    return CELLA_SUCCESS;
}

static void put_head(struct cella_writer *w, size_t (*encode)(uint64_t, unsigned char *, size_t),
                     uint64_t value) {
    uint8_t head[9];
    cella_writer_put(w, cella_bytes(head, encode(value, head, sizeof(head))));
}
static size_t head_of_bytes(uint64_t n, unsigned char *to, size_t size) {
    return cbor_encode_bytestring_start(n, to, size);
}
static size_t head_of_text(uint64_t n, unsigned char *to, size_t size) {
    return cbor_encode_string_start(n, to, size);
}
static size_t head_of_array(uint64_t n, unsigned char *to, size_t size) {
    return cbor_encode_array_start(n, to, size);
}
static size_t head_of_map(uint64_t n, unsigned char *to, size_t size) {
    return cbor_encode_map_start(n, to, size);
}

void cella_cbor_put_uint(struct cella_writer *w, uint64_t value) {
    put_head(w, cbor_encode_uint, value);
}
void cella_cbor_put_int(struct cella_writer *w, int64_t value) {
    if (value >= 0)
        put_head(w, cbor_encode_uint, (uint64_t)value);
    else
        put_head(w, cbor_encode_negint, (uint64_t)(-1 - value));
}
void cella_cbor_put_bytes_head(struct cella_writer *w, size_t size) {
    put_head(w, head_of_bytes, size);
}
void cella_cbor_put_bytes(struct cella_writer *w, struct cella_bytes bytes) {
    cella_cbor_put_bytes_head(w, bytes.size);
    cella_writer_put(w, bytes);
}
void cella_cbor_put_text(struct cella_writer *w, const char *text) {
    put_head(w, head_of_text, strlen(text));
    cella_writer_put(w, cella_bytes_text(text));
}
void cella_cbor_put_array(struct cella_writer *w, size_t count) {
    put_head(w, head_of_array, count);
}
void cella_cbor_put_map(struct cella_writer *w, size_t count) { put_head(w, head_of_map, count); }
void cella_cbor_put_tag(struct cella_writer *w, uint64_t tag) { put_head(w, cbor_encode_tag, tag); }
