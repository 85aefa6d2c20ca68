#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "audit/audit_inner.h"
#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"
#include "crypto/digest.h"

/* {"seq":1,"time":"2026-02-14T00:17:59.123Z","prev":"64 hex", members ,"hash":"64 hex"} */
static const char hash_member[] = ",\"hash\":\"";
enum { TRAILER_SIZE = sizeof(hash_member) - 1 + AUDIT_HASH_TEXT + 2 };

struct audit_head audit_head_new(void) {
    struct audit_head head = {0};
    memset(head.hash, '0', AUDIT_HASH_TEXT);
    return head;
}

/* --- Making --- */

static void show_now(char text[AUDIT_TIME_TEXT + 1]) {
    struct timespec now;
    struct tm tm;
    char second[AUDIT_TIME_TEXT];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(second, sizeof(second), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, AUDIT_TIME_TEXT + 1, "%.19s.%03uZ", second,
             (unsigned)(now.tv_nsec / 1000000) % 1000);
}

CELLA_RESULT audit_line_make(const struct audit_head *head, struct cella_bytes members,
                             struct cella_buffer *line, char hash[AUDIT_HASH_TEXT + 1]) {
    char time[AUDIT_TIME_TEXT + 1], place[192];
    show_now(time);
    int n = snprintf(place, sizeof(place), "{\"seq\":%" PRIu64 ",\"time\":\"%s\",\"prev\":\"%s\"%s",
                     head->count + 1, time, head->hash, members.size ? "," : "");
    line->size = 0;
    TRY(cella_buffer_append(line, cella_bytes(place, (size_t)n)));
    TRY(cella_buffer_append(line, members));
    /* The object is closed for the hash and opened again for the hash. */
    TRY(cella_buffer_append(line, cella_bytes_text("}")));
    uint8_t digest[CELLA_SHA256_SIZE];
    TRY(cella_sha256(cella_buffer_bytes(line), digest));
    cella_hex_encode(CELLA_BYTES_OF(digest), hash);
    line->size--;
    TRY(cella_buffer_append(line, cella_bytes_text(hash_member)));
    TRY(cella_buffer_append(line, cella_bytes(hash, AUDIT_HASH_TEXT)));
    TRY(cella_buffer_append(line, cella_bytes_text("\"}\n")));
    ENSURE(line->size <= AUDIT_LINE_MAX, CELLA_ERR_LIMIT, NULL,
           "an audit record of %zu bytes is longer than the %d allowed", line->size,
           AUDIT_LINE_MAX);
    return CELLA_SUCCESS;
}

/* --- Reading --- */

static bool is_hash(struct cella_bytes text) {
    if (text.size != AUDIT_HASH_TEXT) return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    }
    return true;
}

/* One spelling: no leading zero. */
static bool read_number(struct cella_reader *r, uint64_t *out) {
    char digits[21] = "";
    size_t n = 0;
    while (r->at < r->size && r->data[r->at] >= '0' && r->data[r->at] <= '9' &&
           n + 1 < sizeof(digits))
        digits[n++] = (char)r->data[r->at++];
    digits[n] = 0;
    return digits[0] != '0' && cella_number_read(digits, out);
}

/* Lines are ASCII without control characters: what prints one must not move its reader's cursor. */
static bool is_plain(struct cella_bytes line) {
    for (size_t i = 0; i < line.size; i++)
        if (line.data[i] < 0x20 || line.data[i] > 0x7f) return false;
    return true;
}

const char *audit_line_read(struct cella_bytes line, struct audit_line *out) {
    struct cella_reader r = cella_reader(line);
    if (!is_plain(line)) return "it holds bytes that no line has";
    cella_reader_expect(&r, cella_bytes_text("{\"seq\":"));
    if (r.failed || !read_number(&r, &out->seq)) return "it does not begin with its number";
    cella_reader_expect(&r, cella_bytes_text(",\"time\":\""));
    cella_reader_skip(&r, AUDIT_TIME_TEXT);
    cella_reader_expect(&r, cella_bytes_text("\",\"prev\":\""));
    out->prev = cella_reader_bytes(&r, AUDIT_HASH_TEXT);
    cella_reader_expect(&r, cella_bytes_text("\""));
    if (r.failed || !is_hash(out->prev)) return "its time or the hash before it is missing";
    if (cella_reader_left(&r) < TRAILER_SIZE) return "its own hash is missing";
    cella_reader_skip(&r, cella_reader_left(&r) - TRAILER_SIZE);
    cella_reader_expect(&r, cella_bytes_text(hash_member));
    out->hash = cella_reader_bytes(&r, AUDIT_HASH_TEXT);
    cella_reader_expect(&r, cella_bytes_text("\"}"));
    return !cella_reader_done(&r) || !is_hash(out->hash) ? "its own hash is missing" : NULL;
}

CELLA_RESULT audit_line_hash(struct cella_bytes line, char hash[AUDIT_HASH_TEXT + 1]) {
    uint8_t digest[CELLA_SHA256_SIZE];
    const struct cella_bytes parts[] = {cella_bytes(line.data, line.size - TRAILER_SIZE),
                                        cella_bytes_text("}")};
    TRY(cella_hash(CELLA_HASH_SHA256, parts, 2, digest));
    cella_hex_encode(CELLA_BYTES_OF(digest), hash);
    return CELLA_SUCCESS;
}
