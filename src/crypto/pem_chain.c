/* Certificate chains in PEM as they stand within evidence: read on every verification, so without
 * allocation and in one pass, and strictly, so that no byte of the text can change without notice
 * (A32, A36). */
#include "base/memory.h"
#include "crypto/x509.h"

enum { BAD = 0xff, LINE_END = 0xfe, PADDING = 0xfd };

static const char begin_line[] = "-----BEGIN CERTIFICATE-----",
                  end_line[] = "-----END CERTIFICATE-----";

#define XX BAD
#define LE LINE_END
#define PD PADDING
/* Of ASCII; nothing above it is base64. */
static const uint8_t values[128] = {
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, LE, XX, XX, LE, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, 62,
    XX, XX, XX, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, XX, XX, XX, PD, XX, XX, XX, 0,
    1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
    23, 24, 25, XX, XX, XX, XX, XX, XX, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38,
    39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, XX, XX, XX, XX, XX,
};

static uint8_t value_of(uint8_t c) { return c < 128 ? values[c] : BAD; }

struct base64 {
    uint32_t bits;
    unsigned have, padding; /* characters of the group; '=' among them */
    uint8_t *out;
    size_t size, room;
};

/* False for what is not canonical: padding within, bits that do not count but are set. */
static bool group_end(struct base64 *b) {
    unsigned count = 3 - b->padding;
    if (b->padding > 2 || b->size + count > b->room) return false;
    if ((b->padding == 1 && (b->bits & 0xff)) || (b->padding == 2 && (b->bits & 0xffff)))
        return false;
    for (unsigned i = 0; i < count; i++) b->out[b->size++] = (uint8_t)(b->bits >> (16 - 8 * i));
    b->bits = 0;
    b->have = 0;
    return true;
}

static bool take(struct base64 *b, uint8_t c) {
    uint8_t value = value_of(c);
    if (value == LINE_END) return true;
    if (value == BAD || (b->padding && value != PADDING)) return false;
    if (b->padding && b->have == 0) return false; /* a group after the padded one */
    b->padding += value == PADDING;
    b->bits = b->bits << 6 | (value == PADDING ? 0 : value);
    return ++b->have < 4 || group_end(b);
}

/* Whole groups of four plain characters, which is nearly all there is. */
static void take_groups(struct cella_bytes text, size_t *at, struct base64 *b) {
    while (text.size - *at >= 4 && b->room - b->size >= 3) {
        const uint8_t *c = text.data + *at;
        uint32_t v0 = value_of(c[0]), v1 = value_of(c[1]), v2 = value_of(c[2]), v3 = value_of(c[3]);
        if ((v0 | v1 | v2 | v3) > 63) return;
        uint32_t bits = v0 << 18 | v1 << 12 | v2 << 6 | v3;
        b->out[b->size++] = (uint8_t)(bits >> 16);
        b->out[b->size++] = (uint8_t)(bits >> 8);
        b->out[b->size++] = (uint8_t)bits;
        *at += 4;
    }
}

/* Up to the dash of the end line. */
static bool body(struct cella_bytes text, size_t *at, struct base64 *b) {
    while (*at < text.size && text.data[*at] != '-') {
        if (!take(b, text.data[*at])) return false;
        ++*at;
        if (b->have == 0 && b->padding == 0) take_groups(text, at, b);
    }
    return b->have == 0 && b->size > 0;
}

static bool line_is(struct cella_bytes text, size_t at, const char *line, size_t size) {
    return text.size - at >= size && cella_equal(text.data + at, line, size);
}

static void skip_space(struct cella_bytes text, size_t *at) {
    while (*at < text.size &&
           (text.data[*at] == '\n' || text.data[*at] == '\r' || text.data[*at] == 0))
        ++*at;
}

CELLA_RESULT cella_pem_certificates(struct cella_bytes text, uint8_t *storage, size_t size,
                                    struct cella_bytes *der, size_t max, size_t *count) {
    size_t at = 0, used = 0;
    *count = 0;
    for (skip_space(text, &at); at < text.size; skip_space(text, &at)) {
        struct base64 b = {.out = storage + used, .room = size - used};
        ENSURE(*count < max, CELLA_ERR_LIMIT, NULL, "certificate chain: more than %zu certificates",
               max);
        ENSURE(line_is(text, at, begin_line, sizeof(begin_line) - 1), CELLA_ERR_FORMAT, NULL,
               "certificate chain: at byte %zu: expected the line %s", at, begin_line);
        at += sizeof(begin_line) - 1;
        ENSURE(body(text, &at, &b) && line_is(text, at, end_line, sizeof(end_line) - 1),
               CELLA_ERR_FORMAT, NULL,
               "certificate chain: at byte %zu: not canonical base64, too long, or without its END "
               "line",
               at);
        at += sizeof(end_line) - 1;
        der[(*count)++] = cella_bytes(b.out, b.size);
        used += b.size;
    }
    return CELLA_SUCCESS;
}
