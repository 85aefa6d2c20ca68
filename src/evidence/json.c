#include "evidence/json.h"

#include "base/memory.h"
#include "base/text.h"

void cella_json_begin(struct cella_json *json, struct cella_bytes text) {
    json->data = text.data;
    json->size = text.size;
    json->at = 0;
    json->failed = NULL;
    json->depth = json->key_count = 0;
}

void cella_json_fail(struct cella_json *json, const char *why) {
    if (!json->failed) json->failed = why;
}

bool cella_json_is(struct cella_bytes key, const char *name) {
    return key.size == __builtin_strlen(name) && cella_equal(key.data, name, key.size);
}

static bool is_space(uint8_t c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

uint8_t cella_json_peek(struct cella_json *json) {
    if (json->failed) return 0;
    while (json->at < json->size && is_space(json->data[json->at])) json->at++;
    return json->at < json->size ? json->data[json->at] : 0;
}

CELLA_RESULT cella_json_end(struct cella_json *json, const char *what) {
    if (cella_json_peek(json) != 0 || json->at < json->size)
        cella_json_fail(json, "bytes after the end of the value");
    ENSURE(!json->failed, CELLA_ERR_FORMAT, "fetch it anew, it must be as its maker signed it",
           "%s: at byte %zu: %s", what, json->at, json->failed);
    return CELLA_SUCCESS;
}

static bool take(struct cella_json *json, uint8_t c, const char *why) {
    if (cella_json_peek(json) != c || json->failed) {
        cella_json_fail(json, why);
        return false;
    }
    json->at++;
    return true;
}

static void enter(struct cella_json *json, uint8_t begin, uint8_t end, const char *why) {
    if (!take(json, begin, why)) return;
    if (json->depth == CELLA_JSON_DEPTH) {
        cella_json_fail(json, "nested deeper than 32 levels"); /* A29 */
        return;
    }
    json->level[json->depth].key_base = json->key_count;
    json->level[json->depth].end = end;
    json->level[json->depth].started = false;
    json->depth++;
}

void cella_json_enter_object(struct cella_json *json) {
    enter(json, '{', '}', "expected an object");
}
void cella_json_array(struct cella_json *json) { enter(json, '[', ']', "expected an array"); }

/* Whether another member follows; leaves at the end. */
static bool more(struct cella_json *json) {
    if (json->failed || json->depth == 0) return false;
    uint8_t c = cella_json_peek(json);
    if (c == json->level[json->depth - 1].end) {
        json->at++;
        json->key_count = json->level[--json->depth].key_base;
        return false;
    }
    if (json->level[json->depth - 1].started && !take(json, ',', "expected a comma or the end"))
        return false;
    json->level[json->depth - 1].started = true;
    return !json->failed;
}

bool cella_json_item(struct cella_json *json) { return more(json); }

static uint32_t hex4(struct cella_json *json) {
    uint8_t two[2];
    if (json->size - json->at < 4) {
        cella_json_fail(json, "a string without its end");
        return 0;
    }
    struct cella_result r = cella_hex_decode(cella_bytes(json->data + json->at, 4), two, 2);
    if (cella_failed(r)) {
        cella_result_drop(r);
        cella_json_fail(json, "\\u without four hex digits");
        return 0;
    }
    json->at += 4;
    return (uint32_t)two[0] << 8 | two[1];
}

/* After the backslash. Surrogates only in pairs (A29). */
static void escape(struct cella_json *json) {
    uint8_t c = json->at < json->size ? json->data[json->at++] : 0;
    switch (c) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return;
    case 'u': break;
    default: cella_json_fail(json, "an unknown escape in a string"); return;
    }
    uint32_t unit = hex4(json);
    if (unit == 0) cella_json_fail(json, "NUL in a string");
    if (unit < 0xd800 || unit > 0xdfff) return;
    bool pair = unit < 0xdc00 && json->size - json->at > 6 && json->data[json->at] == '\\' &&
                json->data[json->at + 1] == 'u';
    if (pair) {
        json->at += 2;
        uint32_t low = hex4(json);
        pair = low >= 0xdc00 && low <= 0xdfff;
    }
    if (!pair) cella_json_fail(json, "a lone surrogate in a string");
}

/* Length of the UTF-8 sequence at p (RFC 3629: shortest form, no surrogates, up to U+10FFFF); 0
 * when it is none. */
static size_t utf8_size(const uint8_t *p, size_t left) {
    size_t n = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
               : p[0] >= 0xe0 && p[0] <= 0xef ? 3
               : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                              : 0;
    if (n == 0 || n > left) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) return 0;
    if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) return 0;
    return n;
}

/* The characters between the quotes, as they stand. */
static struct cella_bytes string_text(struct cella_json *json, bool *escaped) {
    if (!take(json, '"', "expected a string")) return cella_bytes(NULL, 0);
    size_t start = json->at;
    *escaped = false;
    while (!json->failed && json->at < json->size) {
        uint8_t c = json->data[json->at];
        if (c == '"') {
            json->at++;
            return cella_bytes(json->data + start, json->at - 1 - start);
        }
        if (c == '\\') {
            json->at++;
            *escaped = true;
            escape(json);
        } else if (c >= 0x80) {
            size_t n = utf8_size(json->data + json->at, json->size - json->at);
            if (n == 0) cella_json_fail(json, "a string that is not UTF-8");
            json->at += n;
        } else if (c < 0x20) {
            cella_json_fail(json, "a control character in a string");
        } else {
            json->at++;
        }
    }
    cella_json_fail(json, "a string without its end");
    return cella_bytes(NULL, 0);
}

struct cella_bytes cella_json_string(struct cella_json *json) {
    bool escaped = false;
    struct cella_bytes text = string_text(json, &escaped);
    if (escaped) cella_json_fail(json, "an escape in a string that needs none");
    return json->failed ? cella_bytes(NULL, 0) : text;
}

bool cella_json_key(struct cella_json *json, struct cella_bytes *key) {
    if (!more(json)) return false;
    *key = cella_json_string(json);
    if (!take(json, ':', "expected a colon after the key")) return false;
    if (json->key_count == CELLA_JSON_KEYS) {
        cella_json_fail(json, "more than 256 keys in the open objects");
        return false;
    }
    for (uint32_t i = json->level[json->depth - 1].key_base; i < json->key_count; i++)
        if (json->key[i].size == key->size && cella_equal(json->key[i].data, key->data, key->size))
            cella_json_fail(json, "a key twice in one object"); /* A29 */
    json->key[json->key_count++] = *key;
    return !json->failed;
}

uint64_t cella_json_number(struct cella_json *json, uint64_t maximum) {
    uint64_t value = 0;
    uint8_t first = cella_json_peek(json);
    size_t start = json->at;
    while (!json->failed && json->at < json->size && is_digit(json->data[json->at])) {
        uint64_t digit = (uint64_t)(json->data[json->at] - '0');
        if (value > (maximum - digit) / 10 || digit > maximum)
            cella_json_fail(json, "a number above its maximum");
        value = value * 10 + digit;
        json->at++;
    }
    size_t count = json->at - start;
    bool odd = json->at < json->size &&
               (json->data[json->at] == '.' || (json->data[json->at] | 0x20) == 'e');
    if (count == 0 || odd || (count > 1 && first == '0'))
        cella_json_fail(json, "not an exact non-negative integer");
    return json->failed ? 0 : value;
}

void cella_json_hex(struct cella_json *json, uint8_t *out, size_t size) {
    struct cella_bytes text = cella_json_string(json);
    cella_zero(out, size);
    if (json->failed) return;
    struct cella_result r =
        text.size == 2 * size ? cella_hex_decode(text, out, size) : CELLA_SUCCESS;
    if (text.size != 2 * size || cella_failed(r))
        cella_json_fail(json, "not the count of hex digits that the field has");
    cella_result_drop(r);
}

static uint32_t digits(const uint8_t *text, size_t count, bool *good) {
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++) {
        *good = *good && is_digit(text[i]);
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    return value;
}

/* Days since 1970-01-01 of a Gregorian date (the usual era arithmetic, years from March). */
static uint64_t days_since_1970(uint32_t year, uint32_t month, uint32_t day) {
    uint32_t y = month <= 2 ? year - 1 : year, era = y / 400, of_era = y - era * 400;
    uint32_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return (uint64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static uint32_t days_in(uint32_t year, uint32_t month) {
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

uint64_t cella_json_time_unix(struct cella_json *json) {
    struct cella_bytes t = cella_json_string(json);
    bool good = t.size == 20 && t.data[4] == '-' && t.data[7] == '-' && t.data[10] == 'T' &&
                t.data[13] == ':' && t.data[16] == ':' && t.data[19] == 'Z';
    if (json->failed || !good) {
        cella_json_fail(json, "not a time YYYY-MM-DDThh:mm:ssZ");
        return 0;
    }
    uint32_t year = digits(t.data, 4, &good), month = digits(t.data + 5, 2, &good),
             day = digits(t.data + 8, 2, &good);
    uint32_t hour = digits(t.data + 11, 2, &good), minute = digits(t.data + 14, 2, &good);
    uint32_t second = digits(t.data + 17, 2, &good);
    good = good && year >= 1970 && month >= 1 && month <= 12 && day >= 1 &&
           day <= days_in(year, month) && hour < 24 && minute < 60 && second < 60;
    if (!good) cella_json_fail(json, "not a time YYYY-MM-DDThh:mm:ssZ");
    return good ? days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
                : 0;
}

static void skip_digits(struct cella_json *json) {
    size_t start = json->at;
    while (json->at < json->size && is_digit(json->data[json->at])) json->at++;
    if (json->at == start) cella_json_fail(json, "not a number");
}

static void skip_number(struct cella_json *json) {
    if (json->data[json->at] == '-') json->at++;
    bool zero = json->at < json->size && json->data[json->at] == '0';
    size_t start = json->at;
    skip_digits(json);
    if (zero && json->at - start > 1) cella_json_fail(json, "a number with a leading zero");
    if (json->at < json->size && json->data[json->at] == '.') {
        json->at++;
        skip_digits(json);
    }
    if (json->at < json->size && (json->data[json->at] | 0x20) == 'e') {
        json->at++;
        if (json->at < json->size && (json->data[json->at] == '+' || json->data[json->at] == '-'))
            json->at++;
        skip_digits(json);
    }
}

static void skip_word(struct cella_json *json, const char *word) {
    size_t n = __builtin_strlen(word);
    if (json->size - json->at < n || !cella_equal(json->data + json->at, word, n))
        cella_json_fail(json, "not a JSON value");
    else
        json->at += n;
}

/* Recursion is bounded by CELLA_JSON_DEPTH. */
void cella_json_skip(struct cella_json *json) {
    struct cella_bytes key;
    bool escaped;
    switch (cella_json_peek(json)) {
    case '{':
        for (cella_json_enter_object(json); cella_json_key(json, &key);) cella_json_skip(json);
        return;
    case '[':
        for (cella_json_array(json); cella_json_item(json);) cella_json_skip(json);
        return;
    case '"': string_text(json, &escaped); return;
    case 't': skip_word(json, "true"); return;
    case 'f': skip_word(json, "false"); return;
    case 'n': skip_word(json, "null"); return;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': skip_number(json); return;
    default: cella_json_fail(json, "not a JSON value"); return;
    }
}

struct cella_bytes cella_json_raw(struct cella_json *json) {
    cella_json_peek(json);
    size_t start = json->at;
    cella_json_skip(json);
    return json->failed ? cella_bytes(NULL, 0) : cella_bytes(json->data + start, json->at - start);
}
