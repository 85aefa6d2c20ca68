#include "crypto/spki.h"

#include "base/memory.h"
#include "base/writer.h"
#include "crypto/der.h"

enum { RSA_MIN = 256, RSA_MAX = 512 /* bytes */ };

/* A tag and its length in the shortest form (DER). */
static void put_head(struct cella_writer *w, uint8_t tag, size_t size) {
    cella_writer_u8(w, tag);
    if (size >= 0x100) {
        cella_writer_u8(w, 0x82);
        cella_writer_u16be(w, (uint16_t)size);
    } else if (size >= 0x80) {
        cella_writer_u8(w, 0x81);
        cella_writer_u8(w, (uint8_t)size);
    } else {
        cella_writer_u8(w, (uint8_t)size);
    }
}

static size_t whole_size(size_t content) {
    return content + (content >= 0x100 ? 4 : content >= 0x80 ? 3 : 2);
}

/* A number without leading zeros as INTEGER: a zero goes before a high first bit, so that it is not
 * negative. */
static void put_number(struct cella_writer *w, struct cella_bytes number) {
    bool high = number.data[0] >= 0x80;
    put_head(w, CELLA_DER_INTEGER, number.size + high);
    cella_writer_zero(w, high);
    cella_writer_put(w, number);
}

CELLA_RESULT cella_spki_rsa(struct cella_bytes modulus, uint64_t exponent, struct cella_spki *out) {
    static const uint8_t algorithm[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                        0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    out->size = 0;
    ENSURE(modulus.size >= RSA_MIN && modulus.size <= RSA_MAX && modulus.data[0] != 0,
           CELLA_ERR_LIMIT, NULL,
           "RSA key: a modulus of %zu bytes, expected 2048 to 4096 bits without leading zeros",
           modulus.size);
    ENSURE(exponent >= 3 && (exponent & 1), CELLA_ERR_FORMAT, NULL,
           "RSA key: an exponent that is even or below 3");
    uint8_t e[8];
    size_t e_size = 0;
    for (unsigned shift = 64; shift > 0; shift -= 8) {
        uint8_t octet = (uint8_t)(exponent >> (shift - 8));
        if (octet || e_size) e[e_size++] = octet;
    }
    size_t pair =
        whole_size(modulus.size + (modulus.data[0] >= 0x80)) + whole_size(e_size + (e[0] >= 0x80));
    size_t bits = 1 + whole_size(pair);
    struct cella_writer w = cella_writer(out->data, sizeof(out->data));
    put_head(&w, CELLA_DER_SEQUENCE, sizeof(algorithm) + whole_size(bits));
    cella_writer_put(&w, CELLA_BYTES_OF(algorithm));
    put_head(&w, CELLA_DER_BIT_STRING, bits);
    cella_writer_u8(&w, 0);
    put_head(&w, CELLA_DER_SEQUENCE, pair);
    put_number(&w, modulus);
    put_number(&w, cella_bytes(e, e_size));
    ENSURE(!w.failed, CELLA_ERR_INTERNAL, NULL, "RSA key: its DER does not fit");
    out->size = w.size;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_spki_point(struct cella_bytes xy, struct cella_spki *out) {
    static const uint8_t p256[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
    static const uint8_t p384[] = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                   0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                                   0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04};
    out->size = 0;
    ENSURE(xy.size == 64 || xy.size == 96, CELLA_ERR_FORMAT, NULL,
           "public key: a point of %zu bytes, expected 64 (P-256) or 96 (P-384)", xy.size);
    struct cella_writer w = cella_writer(out->data, sizeof(out->data));
    cella_writer_put(&w, xy.size == 64 ? CELLA_BYTES_OF(p256) : CELLA_BYTES_OF(p384));
    cella_writer_put(&w, xy);
    out->size = w.size;
    return CELLA_SUCCESS;
}
