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
static CELLA_RESULT decode(struct cella_attest_body *body, const char *what, const json_t *text,
                           struct cella_bytes *out) {
    size_t size = 0;
    ENSURE(json_is_string(text), CELLA_ERR_FORMAT, NULL,
           "%s: expected a string in base64url, found %s", what, text ? "another type" : "none");
    struct cella_bytes from = cella_bytes(json_string_value(text), json_string_length(text));
    uint8_t *to = body->store.data + body->store.size;
    ENSURE(body->store.capacity - body->store.size >= from.size, CELLA_ERR_INTERNAL, NULL,
           "no room for a body's data");
    ENSURE(cella_attest_base64(from, to, &size), CELLA_ERR_FORMAT, NULL,
           "%s: expected base64url, found %zu characters that are not", what, from.size);
    body->store.size += size;
    *out = cella_bytes(to, size);
    return CELLA_SUCCESS;
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

/* --- A nonce of 64 bits without a sign --- */

/* Where the digits of a number under "nonce" begin, with how many there are; NULL: no such. Only
 * what the strict reader then reads counts: quotes put around digits elsewhere would be no JSON, or
 * a string's own. */
static const uint8_t *find_nonce(struct cella_bytes text, size_t *digits) {
    static const char name[] = "\"nonce\"";
    const uint8_t *end = text.data + text.size;
    const uint8_t *at = memmem(text.data, text.size, name, sizeof(name) - 1);
    if (!at) return NULL;
    at += sizeof(name) - 1;
    while (at < end && (*at == ' ' || *at == ':' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    for (*digits = 0; at + *digits < end && at[*digits] >= '0' && at[*digits] <= '9';) ++*digits;
    return at;
}

/* Numbers of 2^63 and above, which no integer here holds, are read as the text of their digits. */
static CELLA_RESULT quote_nonce(struct cella_bytes text, struct cella_buffer *out,
                                struct cella_bytes *use) {
    enum { WIDE = 19, WIDEST = 20 };
    size_t digits = 0;
    const uint8_t *at = find_nonce(text, &digits);
    *use = text;
    if (!at || digits < WIDE || digits > WIDEST) return CELLA_SUCCESS;
    if (digits == WIDE && memcmp(at, "9223372036854775807", WIDE) <= 0) return CELLA_SUCCESS;
    if (digits == WIDEST && memcmp(at, "18446744073709551615", WIDEST) > 0) return CELLA_SUCCESS;
    size_t before = (size_t)(at - text.data);
    TRY(cella_buffer_append(out, cella_bytes(text.data, before)));
    TRY(cella_buffer_append(out, cella_bytes_text("\"")));
    TRY(cella_buffer_append(out, cella_bytes(at, digits)));
    TRY(cella_buffer_append(out, cella_bytes_text("\"")));
    TRY(cella_buffer_append(out, cella_bytes(at + digits, text.size - before - digits)));
    *use = cella_buffer_bytes(out);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_attest_body_read(struct cella_bytes text, const char *member,
                                    struct cella_attest_body *out) {
    CELLA_BUFFER quoted = {0};
    uint8_t *room = NULL;
    *out = (struct cella_attest_body){0};
    TRY(quote_nonce(text, &quoted, &text));
    TRY(cella_json_object(text, "request body", &out->root));
    TRY(cella_buffer_extend(&out->store, text.size, &room));
    out->store.size = 0;
    TRY(decode(out, member, json_object_get(out->root, member), &out->evidence));
    ENSURE(out->evidence.size > 0, CELLA_ERR_FORMAT, NULL, "%s: expected evidence, found none",
           member);
    TRY(read_data(out, "runtimeData", &out->runtime));
    TRY(read_data(out, "initTimeData", &out->init));
    return read_rest(out);
}
