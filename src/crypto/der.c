#include "crypto/der.h"

#include "base/memory.h"

enum { HIGH_TAG = 0x1f, LONG_LENGTH = 0x80, LENGTH_BYTES_MAX = 4 };

/* X.690 10.1: definite, and in the fewest bytes. Lengths over four bytes are never needed here
 * (A30, A31). */
static size_t read_length(struct cella_reader *r) {
    uint8_t first = cella_reader_u8(r);
    if (first < LONG_LENGTH) return first;
    unsigned count = first & 0x7fU;
    size_t size = 0;
    if (count == 0 || count > LENGTH_BYTES_MAX) r->failed = true;
    for (unsigned i = 0; i < count && !r->failed; i++) {
        size = size << 8 | cella_reader_u8(r);
        if (size == 0) r->failed = true; /* a leading zero */
    }
    if (size < LONG_LENGTH) r->failed = true; /* the short form would have done */
    return size;
}

uint8_t cella_der_peek(const struct cella_reader *r) {
    return cella_reader_left(r) > 0 ? r->data[r->at] : 0;
}

static uint8_t read_header(struct cella_reader *r, size_t *size) {
    uint8_t tag = cella_reader_u8(r);
    /* Tag 0 ends indefinite lengths in BER; tags over 30 stand in no structure read here. */
    if (tag == 0 || (tag & HIGH_TAG) == HIGH_TAG) r->failed = true;
    *size = read_length(r);
    return tag;
}

struct cella_bytes cella_der_bytes(struct cella_reader *r, uint8_t tag) {
    size_t size = 0;
    if (read_header(r, &size) != tag) r->failed = true;
    return cella_reader_bytes(r, r->failed ? 0 : size);
}

struct cella_reader cella_der_read(struct cella_reader *r, uint8_t tag) {
    struct cella_bytes content = cella_der_bytes(r, tag);
    struct cella_reader inner = cella_reader(content);
    inner.failed = r->failed;
    return inner;
}

struct cella_bytes cella_der_whole(struct cella_reader *r, uint8_t *tag) {
    size_t start = r->at, size = 0;
    uint8_t found = read_header(r, &size);
    (void)cella_reader_bytes(r, r->failed ? 0 : size);
    *tag = r->failed ? 0 : found;
    return r->failed ? cella_bytes(NULL, 0) : cella_bytes(r->data + start, r->at - start);
}

struct cella_bytes cella_der_unsigned(struct cella_reader *r, uint8_t tag) {
    struct cella_bytes content = cella_der_bytes(r, tag);
    bool good = content.size > 0 && content.data[0] < 0x80 &&
                (content.size == 1 || content.data[0] != 0 || content.data[1] >= 0x80);
    if (!good) r->failed = true;
    return good ? content : cella_bytes(NULL, 0);
}

uint64_t cella_der_number(struct cella_reader *r, uint8_t tag) {
    struct cella_bytes content = cella_der_unsigned(r, tag);
    if (content.size > 9 || (content.size == 9 && content.data[0] != 0)) r->failed = true;
    if (r->failed) return 0;
    uint64_t value = 0;
    for (size_t i = 0; i < content.size; i++) value = value << 8 | content.data[i];
    return value;
}

bool cella_der_boolean(struct cella_reader *r) {
    struct cella_bytes content = cella_der_bytes(r, CELLA_DER_BOOLEAN);
    bool good =
        content.size == 1 && (content.data[0] == 0x00 || content.data[0] == 0xff); /* X.690 11.1 */
    if (!good) r->failed = true;
    return good && content.data[0] == 0xff;
}

static unsigned two_digits(struct cella_reader *r, unsigned max) {
    unsigned high = cella_reader_u8(r) - (unsigned)'0', low = cella_reader_u8(r) - (unsigned)'0';
    if (high > 9 || low > 9 || high * 10 + low > max) r->failed = true;
    return r->failed ? 0 : high * 10 + low;
}

static bool is_leap(unsigned year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

/* Days since 1970-01-01 of a date from then on; month from 1. */
static uint64_t days_until(unsigned year, unsigned month, unsigned day) {
    static const uint16_t before[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    unsigned last = year - 1;
    uint64_t leap_days =
        (last / 4 - last / 100 + last / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
    return (uint64_t)(year - 1970) * 365 + leap_days + before[month - 1] +
           (month > 2 && is_leap(year)) + day - 1;
}

static unsigned days_in(unsigned year, unsigned month) {
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (unsigned)(month == 2 && is_leap(year));
}

/* RFC 5280 4.1.2.5: both kinds with seconds and Z; a two-digit year is of 1950 to 2049. Times
 * before 1970 are refused. */
uint64_t cella_der_time_unix(struct cella_reader *r) {
    bool general = cella_der_peek(r) == CELLA_DER_GENERALIZED_TIME;
    struct cella_reader t =
        cella_der_read(r, general ? CELLA_DER_GENERALIZED_TIME : CELLA_DER_UTC_TIME);
    unsigned century = general ? two_digits(&t, 99) : 0, year = two_digits(&t, 99);
    if (!general) century = year >= 50 ? 19 : 20;
    year += century * 100;
    unsigned month = two_digits(&t, 12), day = two_digits(&t, 31);
    unsigned hour = two_digits(&t, 23), minute = two_digits(&t, 59), second = two_digits(&t, 59);
    if (cella_reader_u8(&t) != 'Z' || !cella_reader_done(&t) || year < 1970 || month == 0 ||
        day == 0 || day > days_in(year, month))
        r->failed = true;
    if (r->failed) return 0;
    return days_until(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}
