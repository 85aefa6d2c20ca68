#include "base/text.h"

static const char hex_digits[] = "0123456789abcdef";

void cella_hex_encode(struct cella_bytes bytes, char *out) {
    for (size_t i = 0; i < bytes.size; i++) {
        out[2 * i] = hex_digits[bytes.data[i] >> 4];
        out[2 * i + 1] = hex_digits[bytes.data[i] & 15];
    }
    out[2 * bytes.size] = 0;
}

static int hex_value(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

CELLA_RESULT cella_hex_decode(struct cella_bytes text, uint8_t *out, size_t size) {
    ENSURE(text.size % 2 == 0 && text.size / 2 == size, CELLA_ERR_FORMAT, NULL,
           "expected %zu hex digits, found %zu characters", size * 2, text.size);
    for (size_t i = 0; i < size; i++) {
        int high = hex_value(text.data[2 * i]), low = hex_value(text.data[2 * i + 1]);
        ENSURE(high >= 0 && low >= 0, CELLA_ERR_FORMAT, NULL, "not a hex digit at position %zu",
               2 * i + (high >= 0));
        out[i] = (uint8_t)(high << 4 | low);
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_hex_decode_all(struct cella_bytes text, struct cella_buffer *out) {
    uint8_t *to = NULL;
    ENSURE(text.size % 2 == 0, CELLA_ERR_FORMAT, NULL, "an odd count of hex digits: %zu",
           text.size);
    TRY(cella_buffer_extend(out, text.size / 2, &to));
    return cella_hex_decode(text, to, text.size / 2);
}

static const char *alphabet(bool url) {
    return url ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
               : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

CELLA_RESULT cella_base64_encode(struct cella_bytes bytes, bool url, struct cella_buffer *out) {
    const char *letters = alphabet(url);
    size_t spare = bytes.size % 3, whole = bytes.size / 3;
    uint8_t *to = NULL;
    TRY(cella_buffer_extend(out, whole * 4 + (spare == 0 ? 0 : url ? spare + 1 : 4), &to));
    const uint8_t *from = bytes.data;
    for (; whole > 0; whole--, from += 3) {
        uint32_t v = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
        for (unsigned shift = 24; shift > 0; shift -= 6)
            *to++ = (uint8_t)letters[v >> (shift - 6) & 63];
    }
    if (spare == 0) return CELLA_SUCCESS;
    uint32_t v = (uint32_t)from[0] << 16 | (spare > 1 ? (uint32_t)from[1] << 8 : 0);
    *to++ = (uint8_t)letters[v >> 18];
    *to++ = (uint8_t)letters[v >> 12 & 63];
    if (spare > 1) *to++ = (uint8_t)letters[v >> 6 & 63];
    if (!url) *to++ = '=';
    if (!url && spare == 1) *to++ = '=';
    return CELLA_SUCCESS;
}

static int base64_value(uint8_t c, bool url) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == (url ? '-' : '+')) return 62;
    if (c == (url ? '_' : '/')) return 63;
    return -1;
}

CELLA_RESULT cella_base64_decode(struct cella_bytes text, bool url, struct cella_buffer *out) {
    size_t size = text.size;
    if (!url) {
        ENSURE(size % 4 == 0, CELLA_ERR_FORMAT, NULL, "base64 length %zu is not a multiple of 4",
               size);
        for (int pad = 0; pad < 2 && size > 0 && text.data[size - 1] == '='; pad++) size--;
    }
    ENSURE(size % 4 != 1, CELLA_ERR_FORMAT, NULL, "base64 cut short: %zu characters", size);
    uint8_t *to = NULL;
    TRY(cella_buffer_extend(out, size * 3 / 4, &to));
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < size; i++) {
        int v = base64_value(text.data[i], url);
        ENSURE(v >= 0, CELLA_ERR_FORMAT, NULL, "not a base64%s character at position %zu",
               url ? "url" : "", i);
        bits = bits << 6 | (uint32_t)v;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        *to++ = (uint8_t)(bits >> held);
    }
    ENSURE((bits & ((1U << held) - 1)) == 0, CELLA_ERR_FORMAT, NULL,
           "base64 has spare bits set at its end");
    return CELLA_SUCCESS;
}

bool cella_number_read(const char *text, uint64_t *number) {
    uint64_t value = 0;
    size_t i = 0;
    *number = 0;
    for (; text[i] >= '0' && text[i] <= '9'; i++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
            return false;
    if (i == 0 || text[i]) return false;
    *number = value;
    return true;
}
