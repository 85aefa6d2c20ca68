#include "evidence/jwt.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "evidence/json.h"

enum { HEADER_MAX = 16 * 1024 /* bytes, with an x5c chain */ };

void cella_jwt_free(struct cella_jwt *jwt) { cella_buffer_free(&jwt->store); }

static uint32_t unit_at(const uint8_t *hex) {
    uint8_t two[2] = {0};
    cella_result_drop(cella_hex_decode(cella_bytes(hex, 4), two,
                                       2)); /* the JSON reader has seen that it is hex */
    return (uint32_t)two[0] << 8 | two[1];
}

static size_t put_utf8(uint32_t c, uint8_t *out) {
    if (c < 0x80) return out[0] = (uint8_t)c, 1;
    if (c < 0x800)
        return out[0] = (uint8_t)(0xc0 | c >> 6), out[1] = (uint8_t)(0x80 | (c & 0x3f)), 2;
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

/* \uXXXX, with its second half when it is a surrogate; in stands behind the u. */
static size_t put_unit(const uint8_t *in, size_t *used, uint8_t *out) {
    uint32_t c = unit_at(in);
    *used = 4;
    if (c >= 0xd800 && c <= 0xdbff) {
        c = 0x10000 + ((c - 0xd800) << 10) + (unit_at(in + 6) - 0xdc00);
        *used = 10;
    }
    return put_utf8(c, out);
}

size_t cella_jwt_text(struct cella_bytes raw, uint8_t *out) {
    static const char letters[] = "bfnrt", values[] = "\b\f\n\r\t";
    size_t size = 0;
    for (size_t at = 1; at + 1 < raw.size;) {
        uint8_t c = raw.data[at++];
        if (c != '\\') {
            out[size++] = c; /* never ahead of at: every escape is longer than its value */
            continue;
        }
        c = raw.data[at++];
        const char *letter = strchr(letters, c);
        size_t used = 0;
        if (c == 'u')
            size += put_unit(raw.data + at, &used, out + size);
        else
            out[size++] = letter ? (uint8_t)values[letter - letters] : c;
        at += used;
    }
    return size;
}

/* The three parts between two dots; nothing else has a dot. */
static bool split(struct cella_bytes text, struct cella_bytes part[3]) {
    size_t start = 0, count = 0;
    for (size_t i = 0; i <= text.size; i++) {
        if (i < text.size && text.data[i] != '.') continue;
        if (count == 3) return false;
        part[count++] = cella_bytes(text.data + start, i - start);
        start = i + 1;
    }
    return count == 3;
}

static struct cella_bytes trim_end(struct cella_bytes text) {
    while (text.size > 0 && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
        text.size--;
    return text;
}

static void read_kid(struct cella_json *json, struct cella_jwt *out) {
    if (cella_json_peek(json) != '"') cella_json_fail(json, "kid is no string");
    struct cella_bytes raw = cella_json_raw(json);
    if (raw.size > CELLA_JWT_KID_MAX)
        cella_json_fail(json, "a kid of more than 254 bytes"); /* A25 */
    if (json->failed) return;
    out->kid_size = cella_jwt_text(raw, out->kid);
    out->has_kid = true;
}

static void read_alg(struct cella_json *json, struct cella_jwt *out) {
    struct cella_bytes alg = cella_json_string(json);
    if (json->failed || alg.size >= sizeof(out->alg)) return;
    cella_copy(out->alg, alg.data, alg.size);
    out->alg[alg.size] = 0;
}

/* RFC 7515 section 4: what must be understood is named by crit, and nothing that needs to be is
 * understood here (A27). */
static struct cella_result read_header(struct cella_bytes header, struct cella_jwt *out) {
    struct cella_json json;
    struct cella_bytes key;
    cella_json_begin(&json, header);
    cella_json_enter_object(&json);
    while (cella_json_key(&json, &key)) {
        if (cella_json_is(key, "alg"))
            read_alg(&json, out);
        else if (cella_json_is(key, "kid"))
            read_kid(&json, out);
        else if (cella_json_is(key, "typ") && !cella_json_is(cella_json_string(&json), "JWT"))
            cella_json_fail(&json, "typ is not JWT");
        else if (cella_json_is(key, "crit") || cella_json_is(key, "b64"))
            cella_json_fail(&json, "crit: extensions that must be understood");
        else if (!cella_json_is(key, "typ"))
            cella_json_skip(&json);
    }
    return cella_json_end(&json, "token header");
}

CELLA_RESULT cella_jwt_open(struct cella_bytes text, struct cella_jwt *out) {
    struct cella_bytes part[3];
    size_t end[3];
    cella_zero(out, sizeof(*out));
    text = trim_end(text);
    ENSURE(text.size <= CELLA_JWT_SIZE_MAX, CELLA_ERR_FORMAT, NULL, "token: %zu bytes, at most %d",
           text.size, CELLA_JWT_SIZE_MAX);
    ENSURE(split(text, part) && part[0].size > 0 && part[1].size > 0, CELLA_ERR_FORMAT, NULL,
           "token: expected three parts between two dots");
    ENSURE(part[0].size <= HEADER_MAX, CELLA_ERR_FORMAT, NULL, "token: a header of %zu bytes",
           part[0].size);
    for (int i = 0; i < 3; i++) {
        TRY(cella_base64_decode(part[i], true, &out->store)); /* A32 */
        end[i] = out->store.size;
    }
    out->signed_part = cella_bytes(text.data, part[0].size + 1 + part[1].size);
    out->payload_store = out->store.data + end[0];
    out->payload = cella_bytes(out->payload_store, end[1] - end[0]);
    out->signature = cella_bytes(out->store.data + end[1], end[2] - end[1]);
    return read_header(cella_bytes(out->store.data, end[0]), out);
}

static bool is_url_text(uint8_t c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

bool cella_jwt_detect(struct cella_bytes text) {
    struct cella_bytes part[3];
    text = trim_end(text);
    /* "eyJ" is {" in base64url */
    if (text.size < 8 || !cella_equal(text.data, "eyJ", 3) || !split(text, part)) return false;
    for (size_t i = 0; i < text.size; i++)
        if (!is_url_text(text.data[i]) && text.data[i] != '.') return false;
    return true;
}
