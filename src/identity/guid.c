/* GUIDs and other texts that name things. */
#include <stdio.h>

#include "base/text.h"
#include "crypto/digest.h"
#include "identity/assignments.h"
#include "identity/identity_inner.h"

CELLA_RESULT guid_make(char out[GUID_SIZE]) {
    uint8_t b[16];
    char hex[33];
    TRY(cella_random(b, sizeof(b)));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* RFC 9562: version 4, variant 10 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    cella_hex_encode(CELLA_BYTES_OF(b), hex);
    snprintf(out, GUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
    return CELLA_SUCCESS;
}

bool guid_read(struct cella_bytes text, char out[GUID_SIZE]) {
    if (text.size != GUID_SIZE - 1) return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (c >= 'A' && c <= 'F') c = (uint8_t)(c + ('a' - 'A'));
        if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
        out[i] = (char)c;
    }
    out[GUID_SIZE - 1] = 0;
    return true;
}

bool cella_guid_read(const char *text, char out[CELLA_ID_TEXT]) {
    return guid_read(cella_bytes_text(text), out);
}

bool plain_text(struct cella_bytes text, size_t max) {
    if (text.size == 0 || text.size > max) return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < ' ' || text.data[i] > '~') return false;
    return true;
}
