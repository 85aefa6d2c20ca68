#include "attest/body.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "crypto/jose.h"

void cella_attest_body_free(struct cella_attest_body *body) {
    json_decref(body->root);
    json_decref(body->runtime.object);
    json_decref(body->init.object);
    cella_buffer_free(&body->store);
    *body = (struct cella_attest_body){0};
}

/* --- base64 --- */

/* Both alphabets at once. */
static const uint8_t *alphabet(void) {
    static const uint8_t table[256] = {
#define B(c, v) [c] = (v) + 1
        B('A', 0),  B('B', 1),  B('C', 2),  B('D', 3),  B('E', 4),  B('F', 5),  B('G', 6),
        B('H', 7),  B('I', 8),  B('J', 9),  B('K', 10), B('L', 11), B('M', 12), B('N', 13),
        B('O', 14), B('P', 15), B('Q', 16), B('R', 17), B('S', 18), B('T', 19), B('U', 20),
        B('V', 21), B('W', 22), B('X', 23), B('Y', 24), B('Z', 25), B('a', 26), B('b', 27),
        B('c', 28), B('d', 29), B('e', 30), B('f', 31), B('g', 32), B('h', 33), B('i', 34),
        B('j', 35), B('k', 36), B('l', 37), B('m', 38), B('n', 39), B('o', 40), B('p', 41),
        B('q', 42), B('r', 43), B('s', 44), B('t', 45), B('u', 46), B('v', 47), B('w', 48),
        B('x', 49), B('y', 50), B('z', 51), B('0', 52), B('1', 53), B('2', 54), B('3', 55),
        B('4', 56), B('5', 57), B('6', 58), B('7', 59), B('8', 60), B('9', 61), B('+', 62),
        B('-', 62), B('/', 63), B('_', 63),
#undef B
    };
    return table;
}

bool cella_attest_base64(struct cella_bytes text, uint8_t *out, size_t *size) {
    const uint8_t *value = alphabet();
    size_t count = text.size, at = 0;
    uint32_t bits = 0;
    unsigned held = 0;
    while (count > 0 && text.size - count < 2 && text.data[count - 1] == '=') count--;
    bool padded = count < text.size;
    if (count % 4 == 1 || (padded && text.size % 4 != 0)) return false;
    for (size_t i = 0; i < count; i++) {
        unsigned v = value[text.data[i]];
        if (v == 0) return false;
        bits = bits << 6 | (v - 1);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out[at++] = (uint8_t)(bits >> held);
    }
    *size = at;
    return (bits & ((1U << held) - 1)) == 0; /* A32: one spelling of the last byte */
}

/* Room for all that a body holds is made once, so that views stay. */
static CELLA_RESULT decode_text(struct cella_attest_body *body, const char *what,
                                struct cella_bytes from, struct cella_bytes *out) {
    uint8_t *to = body->store.data + body->store.size;
    size_t size = 0;
    ENSURE(body->store.capacity - body->store.size >= from.size, CELLA_ERR_INTERNAL, NULL,
           "no room for a body's data");
    ENSURE(cella_attest_base64(from, to, &size), CELLA_ERR_FORMAT, NULL,
           "%s: expected base64url, found %zu characters that are not", what, from.size);
    body->store.size += size;
    *out = cella_bytes(to, size);
    return CELLA_SUCCESS;
}

static CELLA_RESULT decode(struct cella_attest_body *body, const char *what, const json_t *text,
                           struct cella_bytes *out) {
    ENSURE(json_is_string(text), CELLA_ERR_FORMAT, NULL,
           "%s: expected a string in base64url, found %s", what, text ? "another type" : "none");
    return decode_text(body, what, cella_bytes(json_string_value(text), json_string_length(text)),
                       out);
}

/* --- Members --- */

static bool is_word(const json_t *text, const char *word) {
    return json_string_length(text) == strlen(word) &&
           strcasecmp(json_string_value(text), word) == 0;
}

/* Programs in C hash their text with the NUL at its end; the service takes that (recorded). */
static struct cella_bytes without_end(struct cella_bytes text) {
    while (text.size > 0 && text.data[text.size - 1] == 0) text.size--;
    return text;
}

/* {"data", "dataType"}; with empty data it is as if it were not there: clients send that when they
 * have none (azure-attestation 3). */
static CELLA_RESULT read_data(struct cella_attest_body *body, const char *name,
                              struct cella_attest_data *out) {
    const json_t *from = json_object_get(body->root, name);
    if (!from || json_is_null(from)) return CELLA_SUCCESS;
    ENSURE(json_is_object(from), CELLA_ERR_FORMAT, NULL,
           "%s: expected an object of data and dataType", name);
    const json_t *data = json_object_get(from, "data"), *type = json_object_get(from, "dataType");
    if (!data || json_is_null(data) || (json_is_string(data) && json_string_length(data) == 0))
        return CELLA_SUCCESS;
    bool typed = type && !json_is_null(type);
    ENSURE(!typed || json_is_string(type), CELLA_ERR_FORMAT, NULL,
           "%s.dataType: expected \"Binary\" or \"JSON\"", name);
    bool json = typed && is_word(type, "JSON");
    ENSURE(json || !typed || json_string_length(type) == 0 || is_word(type, "Binary"),
           CELLA_ERR_FORMAT, NULL, "%s.dataType: expected \"Binary\" or \"JSON\"", name);
    TRY_IN(decode(body, "data", data, &out->bytes), "%s", name);
    if (json)
        TRY_IN(cella_json_object(without_end(out->bytes), "data of type JSON", &out->object), "%s",
               name);
    out->there = true;
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_rest(struct cella_attest_body *body) {
    const json_t *draft = json_object_get(body->root, "draftPolicyForAttestation");
    const json_t *nonce = json_object_get(body->root, "nonce");
    ENSURE(!draft || json_is_null(draft) || json_is_string(draft), CELLA_ERR_FORMAT, NULL,
           "draftPolicyForAttestation: expected the text of a policy");
    if (json_is_string(draft))
        body->draft = cella_bytes(json_string_value(draft), json_string_length(draft));
    if (!nonce || json_is_null(nonce)) return CELLA_SUCCESS;
    ENSURE(json_is_string(nonce) || json_is_integer(nonce), CELLA_ERR_FORMAT, NULL,
           "nonce: expected a string or an integer");
    body->nonce = nonce;
    return CELLA_SUCCESS;
}

/* --- What the reader of JSON need not see --- */

/* Parts of the text, found before it is read as JSON: the evidence, whose thousands of characters
 * cost more to copy through the reader than all the rest, and a nonce that no integer here holds.
 * What is left in their places is JSON exactly where the text was: a string begins at the first
 * quote outside of one, whatever else is wrong. */
struct found {
    struct cella_bytes evidence; /* between its quotes; data NULL: not found so */
    struct cella_bytes nonce;    /* its digits */
};

struct walk {
    struct cella_bytes text;
    size_t at;
};

static void skip_space(struct walk *w) {
    while (w->at < w->text.size && strchr(" \t\r\n", w->text.data[w->at]) && w->text.data[w->at])
        w->at++;
}

/* The content of the string whose quote is at w->at, which moves behind it; false when it has no
 * end. *plain: nothing in it is escaped. */
static bool take_string(struct walk *w, struct cella_bytes *content, bool *plain) {
    const uint8_t *begin = w->text.data + w->at + 1, *end = w->text.data + w->text.size;
    const uint8_t *quote = memchr(begin, '"', (size_t)(end - begin));
    *plain = quote && !memchr(begin, '\\', (size_t)(quote - begin));
    for (quote = *plain ? quote : begin; quote < end && *quote != '"'; quote++)
        if (*quote == '\\') quote++;
    if (quote >= end) return false;
    *content = cella_bytes(begin, (size_t)(quote - begin));
    w->at += content->size + 2;
    return true;
}

static bool same(struct cella_bytes a, const char *b) {
    return a.size == strlen(b) && cella_equal(a.data, b, a.size);
}

/* The value behind a member's name; w is left where the value begins. */
static void look_at_value(struct walk *w, struct cella_bytes name, const char *member,
                          struct found *out) {
    struct walk value = {w->text, ++w->at};
    struct cella_bytes content;
    bool plain = false;
    skip_space(&value);
    w->at = value.at;
    if (value.at == value.text.size) return;
    if (same(name, member) && !out->evidence.data && value.text.data[value.at] == '"' &&
        take_string(&value, &content, &plain) && plain)
        out->evidence = content;
    if (!same(name, "nonce") || out->nonce.data) return;
    while (value.at < value.text.size && value.text.data[value.at] >= '0' &&
           value.text.data[value.at] <= '9')
        value.at++;
    out->nonce = cella_bytes(w->text.data + w->at, value.at - w->at);
}

/* Through the members of the outermost object; nothing deeper counts. */
static void look(struct cella_bytes text, const char *member, struct found *out) {
    struct walk w = {text, 0};
    struct cella_bytes content;
    bool plain = false;
    int depth = 0;
    while (w.at < text.size) {
        char c = (char)text.data[w.at];
        if (c != '"') {
            depth += (c == '{' || c == '[') - (c == '}' || c == ']');
            w.at++;
            continue;
        }
        if (!take_string(&w, &content, &plain)) return;
        skip_space(&w);
        if (depth == 1 && plain && w.at < text.size && text.data[w.at] == ':')
            look_at_value(&w, content, member, out);
        if (out->evidence.data == text.data + w.at + 1) w.at += out->evidence.size + 2;
    }
}

/* Numbers from 2^63 to 2^64 - 1, which Microsoft's sidecar sends, are read as text. */
static bool is_wide(struct cella_bytes digits) {
    static const char least[] = "9223372036854775808", most[] = "18446744073709551615";
    if (digits.size == sizeof(least) - 1) return memcmp(digits.data, least, digits.size) >= 0;
    return digits.size == sizeof(most) - 1 && digits.data[0] != '0' &&
           memcmp(digits.data, most, digits.size) <= 0;
}

static CELLA_RESULT put(struct cella_buffer *out, struct cella_bytes text, size_t from,
                        size_t until) {
    return cella_buffer_append(out, cella_bytes(text.data + from, until - from));
}

/* The text without the evidence, and with quotes around a wide nonce. */
static CELLA_RESULT reduce(struct cella_bytes text, const struct found *found,
                           struct cella_buffer *out) {
    struct cella_bytes first = found->evidence, second = found->nonce;
    static const char quote[] = "\"";
    bool wide = is_wide(found->nonce), turned = wide && second.data < first.data;
    if (turned) first = found->nonce, second = found->evidence;
    size_t at = 0;
    for (int i = 0; i < 2; i++) {
        struct cella_bytes part = i == 0 ? first : second;
        bool nonce = part.data == found->nonce.data;
        if (!part.data || (nonce && !wide)) continue;
        size_t from = (size_t)(part.data - text.data);
        TRY(put(out, text, at, from));
        at = from + part.size;
        if (!nonce) continue;
        TRY(cella_buffer_append(out, cella_bytes_text(quote)));
        TRY(cella_buffer_append(out, part));
        TRY(cella_buffer_append(out, cella_bytes_text(quote)));
    }
    return put(out, text, at, text.size);
}

static CELLA_RESULT read_evidence(struct cella_attest_body *body, const char *member,
                                  const struct found *found) {
    if (found->evidence.data)
        TRY(decode_text(body, member, found->evidence, &body->evidence));
    else
        TRY(decode(body, member, json_object_get(body->root, member), &body->evidence));
    ENSURE(body->evidence.size > 0, CELLA_ERR_FORMAT, NULL, "%s: expected evidence, found none",
           member);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_attest_body_read(struct cella_bytes text, const char *member,
                                    struct cella_attest_body *out) {
    CELLA_BUFFER reduced = {0};
    struct found found = {0};
    uint8_t *room = NULL;
    *out = (struct cella_attest_body){0};
    look(text, member, &found);
    TRY(reduce(text, &found, &reduced));
    TRY(cella_json_object(cella_buffer_bytes(&reduced), "request body", &out->root));
    TRY(cella_buffer_extend(&out->store, text.size, &room));
    out->store.size = 0;
    TRY(read_evidence(out, member, &found));
    TRY(read_data(out, "runtimeData", &out->runtime));
    TRY(read_data(out, "initTimeData", &out->init));
    return read_rest(out);
}
