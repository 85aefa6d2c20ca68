#include "http/percent.h"

#include <string.h>

static int digit(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool cella_percent_decode(struct cella_bytes text, uint8_t *out, size_t *size) {
    *size = 0;
    for (size_t i = 0; i < text.size; i++) {
        int c = text.data[i];
        if (c == '%') {
            bool there = text.size - i > 2;
            int high = there ? digit(text.data[i + 1]) : -1,
                low = there ? digit(text.data[i + 2]) : -1;
            if (high < 0 || low < 0) return false;
            c = high * 16 + low;
            i += 2;
        }
        out[(*size)++] = (uint8_t)c;
    }
    return true;
}

static bool unreserved(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

CELLA_RESULT cella_percent_encode(struct cella_bytes bytes, struct cella_buffer *out) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t c = bytes.data[i],
                text[3] = {'%', (uint8_t)digits[c >> 4], (uint8_t)digits[c & 15]};
        TRY(cella_buffer_append(out, unreserved(c) ? cella_bytes(&c, 1) : CELLA_BYTES_OF(text)));
    }
    return CELLA_SUCCESS;
}
