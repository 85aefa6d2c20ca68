#include "http/message.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"

enum { METHOD_MAX = 32, LENGTH_DIGITS = 18, CHUNK_DIGITS = 8 };

enum cella_http_scanned cella_http_scan(struct cella_http_scan *scan, struct cella_bytes bytes) {
    while (scan->at < bytes.size) {
        const uint8_t *from = bytes.data + scan->at,
                      *feed = memchr(from, '\n', bytes.size - scan->at);
        if (!feed) {
            scan->at = bytes.size;
            break;
        }
        size_t at = (size_t)(feed - bytes.data);
        if (at == 0 || feed[-1] != '\r') return CELLA_HTTP_BAD; /* a lone LF ends no line (K16) */
        bool empty = at == scan->line + 1;
        scan->at = scan->line = at + 1;
        if (empty) return CELLA_HTTP_WHOLE;
    }
    return CELLA_HTTP_MORE;
}

/* --- Characters --- */

/* RFC 9110 §5.6.2. */
static bool token_character(uint8_t c) {
    static const bool table[256] = {
        ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
        ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
        ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
    };
    return table[c];
}
static bool token(struct cella_bytes b) {
    for (size_t i = 0; i < b.size; i++)
        if (!token_character(b.data[i])) return false;
    return b.size > 0;
}
static bool digits(struct cella_bytes b) {
    for (size_t i = 0; i < b.size; i++)
        if (b.data[i] < '0' || b.data[i] > '9') return false;
    return b.size > 0;
}
static bool is(struct cella_bytes b, const char *lower) {
    return b.size == strlen(lower) && strncasecmp((const char *)b.data, lower, b.size) == 0;
}
static bool text(struct cella_bytes b) {
    for (size_t i = 0; i < b.size; i++)
        if ((b.data[i] < ' ' && b.data[i] != '\t') || b.data[i] == 0x7f) return false;
    return true;
}
static struct cella_bytes trim(struct cella_bytes b) {
    while (b.size && (b.data[0] == ' ' || b.data[0] == '\t'))
        b = cella_bytes(b.data + 1, b.size - 1);
    while (b.size && (b.data[b.size - 1] == ' ' || b.data[b.size - 1] == '\t')) b.size--;
    return b;
}

/* --- Head --- */

#define REFUSE(code, text)                                                                         \
    return (struct cella_http_refusal) { code, text }
#define FINE ((struct cella_http_refusal){0, NULL})

/* Cuts the next line off, without its CRLF. The scan saw to it that each LF follows a CR. */
static struct cella_bytes cut_line(struct cella_bytes *left) {
    const uint8_t *feed = memchr(left->data, '\n', left->size);
    size_t size = feed ? (size_t)(feed - left->data) : left->size;
    struct cella_bytes line = cella_bytes(left->data, size ? size - 1 : 0);
    *left = feed ? cella_bytes(feed + 1, left->size - size - 1) : cella_bytes(NULL, 0);
    return line;
}

static struct cella_bytes cut_at(struct cella_bytes *left, uint8_t c) {
    const uint8_t *at = left->size ? memchr(left->data, c, left->size) : NULL;
    struct cella_bytes word = cella_bytes(left->data, at ? (size_t)(at - left->data) : left->size);
    *left = at ? cella_bytes(at + 1, left->size - word.size - 1) : cella_bytes(NULL, 0);
    return word;
}

static struct cella_http_refusal request_line(struct cella_bytes line,
                                              struct cella_http_message *out) {
    out->method = cut_at(&line, ' ');
    out->target = cut_at(&line, ' ');
    if (!token(out->method) || out->method.size > METHOD_MAX) REFUSE(400, "the method");
    if (out->target.size == 0 || out->target.data[0] != '/')
        REFUSE(400,
               "the target: only a path is taken"); /* K16: absolute-form names a second host */
    for (size_t i = 0; i < out->target.size; i++)
        if (out->target.data[i] <= ' ' || out->target.data[i] >= 0x7f || out->target.data[i] == '#')
            REFUSE(400, "a character of the target");
    if (line.size != 8 || !cella_equal(line.data, "HTTP/", 5) || line.data[6] != '.' ||
        !digits(cella_bytes(line.data + 5, 1)) || !digits(cella_bytes(line.data + 7, 1)))
        REFUSE(400, "the version of HTTP");
    if (line.data[5] != '1' || line.data[7] > '1') REFUSE(505, "only HTTP/1.1 is spoken");
    out->minor = (unsigned)(line.data[7] - '0');
    return FINE;
}

static bool host(struct cella_bytes value) {
    struct cella_bytes name = value, port = {0};
    bool six = value.size && value.data[0] == '[', has_port = false;
    const uint8_t *end = six ? memchr(value.data, ']', value.size) : NULL;
    if (six && !end) return false;
    size_t from = six ? (size_t)(end - value.data) : 0;
    for (size_t i = from; i < value.size && !has_port; i++) {
        if (value.data[i] != ':') continue;
        has_port = true;
        name.size = i;
        port = cella_bytes(value.data + i + 1, value.size - i - 1);
    }
    if (has_port && (!digits(port) || port.size > 5)) return false;
    if (six) {
        if (name.data + name.size != end + 1) return false;
        for (size_t i = 1; i + 1 < name.size; i++)
            if (!strchr("0123456789abcdefABCDEF:.", name.data[i]) || !name.data[i]) return false;
        return name.size > 3;
    }
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (!token_character(c) || (c < '0' && c != '-' && c != '.') || strchr("^`|~", c))
            return false;
    }
    return name.size > 0;
}

static void connection(struct cella_bytes value, struct cella_http_message *out) {
    while (value.size > 0)
        if (is(trim(cut_at(&value, ',')), "close")) out->last = true;
}

/* What came already of the fields that may come once. */
struct seen {
    bool host, length, encoding, expect;
};

static struct cella_http_refusal framing(const struct cella_http_field *field, struct seen *seen,
                                         struct cella_http_message *out) {
    struct cella_bytes name = field->name, value = field->value;
    if (is(name, "host")) {
        if (seen->host || !host(value)) REFUSE(400, "Host");
        seen->host = true;
        out->authority = value;
    } else if (is(name, "content-length")) {
        if (seen->length || !digits(value) || value.size > LENGTH_DIGITS)
            REFUSE(400, "Content-Length");
        seen->length = true;
        for (size_t i = 0; i < value.size; i++)
            out->length = out->length * 10 + (uint64_t)(value.data[i] - '0');
    } else if (is(name, "transfer-encoding")) {
        if (seen->encoding || !is(value, "chunked")) REFUSE(400, "Transfer-Encoding");
        seen->encoding = out->chunked = true;
    } else if (is(name, "expect")) {
        if (seen->expect || !is(value, "100-continue")) REFUSE(417, "Expect");
        seen->expect = out->expects = true;
    } else if (is(name, "connection")) {
        connection(value, out);
    }
    return FINE;
}

/* Fields that decide nothing are told by their length at once. */
static bool frames(struct cella_bytes name) {
    return name.size == 4 || name.size == 6 || name.size == 10 || name.size == 14 ||
           name.size == 17;
}

static struct cella_http_refusal add_field(struct cella_bytes line, struct seen *seen,
                                           struct cella_http_message *out) {
    if (out->count == CELLA_HTTP_FIELDS) REFUSE(431, "too many header fields");
    struct cella_http_field *field = &out->field[out->count++];
    const uint8_t *colon = memchr(line.data, ':', line.size);
    if (!colon) REFUSE(400, "a header field without a colon");
    field->name = cella_bytes(line.data, (size_t)(colon - line.data));
    field->value = trim(cella_bytes(colon + 1, line.size - field->name.size - 1));
    if (!token(field->name)) REFUSE(400, "a header field's name"); /* and obs-fold, and "name :" */
    if (!text(field->value)) REFUSE(400, "a header field's value");
    return frames(field->name) ? framing(field, seen, out) : FINE;
}

struct cella_http_refusal cella_http_message_parse(struct cella_bytes head,
                                                   struct cella_http_message *out) {
    struct seen seen = {0};
    *out = (struct cella_http_message){.count = 0};
    struct cella_http_refusal r = request_line(cut_line(&head), out);
    while (!r.status && head.size > 2) r = add_field(cut_line(&head), &seen, out);
    if (r.status) return r;
    if (!seen.host) REFUSE(400, "Host is missing");
    if (seen.encoding && (seen.length || out->minor == 0)) /* two lengths of one body (K16) */
        REFUSE(400, "Transfer-Encoding beside Content-Length or in HTTP/1.0");
    if (out->minor == 0) out->last = true;
    if (out->minor == 0 || (!out->chunked && out->length == 0)) out->expects = false;
    return FINE;
}

bool cella_http_message_field(const struct cella_http_message *message, const char *name,
                              struct cella_bytes *value) {
    const struct cella_http_field *found = NULL;
    *value = cella_bytes(NULL, 0);
    for (size_t i = 0; i < message->count; i++) {
        if (!is(message->field[i].name, name)) continue;
        if (found) return false;
        found = &message->field[i];
    }
    if (found) *value = found->value;
    return found != NULL;
}

/* --- Chunks --- */

enum { SIZE, SIZE_LF, DATA, DATA_CR, DATA_LF, END_CR, END_LF };

static int hex(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One byte between the data; false when it may not come here. */
static bool chunk_byte(struct cella_http_chunks *s, uint8_t c) {
    static const uint8_t wanted[] = {
        [SIZE_LF] = '\n', [DATA_CR] = '\r', [DATA_LF] = '\n', [END_CR] = '\r', [END_LF] = '\n'};
    if (s->state == SIZE && hex(c) >= 0 && s->digits < CHUNK_DIGITS) {
        s->left = s->left * 16 + (uint64_t)hex(c);
        s->digits++;
        return true;
    }
    if (s->state == SIZE) {
        if (c != '\r' || s->digits == 0) return false; /* extensions too (K16) */
        s->state = SIZE_LF;
        return true;
    }
    if (c != wanted[s->state]) return false; /* at END_CR: no trailers */
    s->digits = 0;
    s->state = s->state == SIZE_LF   ? (s->left ? DATA : END_CR)
               : s->state == DATA_LF ? SIZE
                                     : s->state + 1;
    return true;
}

static void take_data(struct cella_http_chunks *s, uint8_t *data, size_t size) {
    size_t there = size - s->raw, part = s->left < there ? (size_t)s->left : there;
    memmove(data + s->size, data + s->raw, part);
    s->size += part;
    s->raw += part;
    s->left -= part;
    if (s->left == 0) s->state = DATA_CR;
}

enum cella_http_scanned cella_http_chunks(struct cella_http_chunks *s, uint8_t *data, size_t *size,
                                          size_t max) {
    while (s->raw < *size && s->state <= END_LF) {
        if (s->state == DATA) {
            take_data(s, data, *size);
        } else if (!chunk_byte(s, data[s->raw++])) {
            return CELLA_HTTP_BAD;
        } else if (s->left > max - s->size) {
            s->size = max + 1;
            return CELLA_HTTP_BAD;
        }
    }
    if (s->state > END_LF) return CELLA_HTTP_WHOLE;
    *size = s->raw = s->size; /* all was read: what comes next follows the body */
    return CELLA_HTTP_MORE;
}
