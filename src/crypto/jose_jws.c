/* JSON Web Signatures in the compact form (RFC 7515, 8725). */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/jose_inner.h"

enum { HEADER_MAX = 64 * 1024 /* bytes, with an x5c chain */ };

/* --- Signing --- */

static struct cella_result put_header(unsigned algorithm, const json_t *header,
                                      struct cella_buffer *out) {
    CELLA_JSON whole = json_object();
    ENSURE(!json_object_get(header, "alg"), CELLA_ERR_INTERNAL, NULL,
           "a token's header comes with an alg of its own");
    int failed = json_object_set_new(whole, "alg", json_string(cella_jose_name(algorithm)));
    if (header) failed |= json_object_update(whole, (json_t *)header);
    char *text = failed ? NULL : json_dumps(whole, JSON_COMPACT);
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a token's header, or it is no object");
    struct cella_result r = cella_base64_encode(cella_bytes_text(text), true, out);
    free(text);
    return r;
}

CELLA_RESULT cella_jws_sign(const struct cella_jose_key *key, unsigned algorithm,
                            const json_t *header, struct cella_bytes payload,
                            struct cella_buffer *out) {
    uint8_t signature[JOSE_SIGNATURE_MAX];
    size_t size = 0;
    CELLA_BUFFER token = {0};
    bool none = algorithm == CELLA_JOSE_NONE;
    ENSURE(none ? !key : key && jose_algorithm_of(algorithm), CELLA_ERR_USAGE, NULL,
           "a token needs a key and one algorithm, or neither");
    TRY(put_header(algorithm, header, &token));
    TRY(cella_buffer_append(&token, cella_bytes_text(".")));
    TRY(cella_base64_encode(payload, true, &token));
    if (!none) TRY(jose_sign(key, algorithm, cella_buffer_bytes(&token), signature, &size));
    TRY(cella_buffer_append(&token, cella_bytes_text(".")));
    TRY(cella_base64_encode(cella_bytes(signature, size), true, &token));
    return cella_buffer_append(out, cella_buffer_bytes(&token));
}

/* --- Opening --- */

void cella_jws_free(struct cella_jws *jws) {
    json_decref(jws->header);
    cella_buffer_free(&jws->store);
    *jws = (struct cella_jws){0};
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

static struct cella_result text_member(const json_t *header, const char *name, const char **out) {
    const json_t *value = json_object_get(header, name);
    *out = json_string_value(value);
    ENSURE(!value || *out, CELLA_ERR_FORMAT, NULL, "token: %s is no text", name);
    return CELLA_SUCCESS;
}

static struct cella_result read_alg(struct cella_jws *jws, bool allow_none) {
    const char *alg = NULL;
    TRY(text_member(jws->header, "alg", &alg));
    ENSURE(alg, CELLA_ERR_FORMAT, NULL, "token: no alg");
    if (allow_none && strcmp(alg, "none") == 0) return CELLA_SUCCESS;
    ENSURE(jose_algorithm_named(alg, &jws->algorithm), CELLA_ERR_FORMAT,
           "sign it with RS256 or ES256", "token: alg is %s%.16s",
           strcmp(alg, "none") == 0 ? "" : "not known: ", alg); /* A24 */
    return CELLA_SUCCESS;
}

static struct cella_result read_header(struct cella_jws *jws, bool allow_none) {
    TRY(read_alg(jws, allow_none));
    TRY(text_member(jws->header, "typ", &jws->typ));
    TRY(text_member(jws->header, "kid", &jws->kid));
    ENSURE(!jws->kid || (jws->kid[0] && strlen(jws->kid) <= JOSE_KID_MAX), CELLA_ERR_FORMAT, NULL,
           "token: kid is empty or longer than %d bytes", JOSE_KID_MAX); /* A25 */
    /* RFC 7515 section 4.1.11: what must be understood is named by crit, and no extension is
     * understood here; RFC 7797: b64 changes what is signed (A27) */
    ENSURE(!json_object_get(jws->header, "crit") && !json_object_get(jws->header, "b64"),
           CELLA_ERR_FORMAT, "sign it without extensions of RFC 7515",
           "token: crit or b64 asks for an extension that is not known");
    return CELLA_SUCCESS;
}

/* Decoded into the store, which may move: at tells where they end, one after the other. */
static struct cella_result decode_x5c(struct cella_jws *jws, size_t at[CELLA_JOSE_X5C_MAX]) {
    const json_t *x5c = json_object_get(jws->header, "x5c");
    if (!x5c) return CELLA_SUCCESS;
    size_t count = json_array_size(x5c);
    ENSURE(count > 0 && count <= CELLA_JOSE_X5C_MAX, CELLA_ERR_FORMAT, NULL,
           "token: x5c is not a list of 1 to %d certificates", CELLA_JOSE_X5C_MAX);
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(x5c, i);
        ENSURE(json_is_string(entry) && json_string_length(entry) > 0, CELLA_ERR_FORMAT, NULL,
               "token: certificate %zu of x5c is no text", i);
        TRY_IN(cella_base64_decode(cella_bytes(json_string_value(entry), json_string_length(entry)),
                                   false, &jws->store),
               "token: certificate %zu of x5c", i);
        at[i] = jws->store.size;
    }
    jws->x5c_count = count;
    return CELLA_SUCCESS;
}

static struct cella_result open_parts(const struct cella_bytes part[3], bool allow_none,
                                      struct cella_jws *jws) {
    CELLA_BUFFER header = {0};
    size_t x5c_end[CELLA_JOSE_X5C_MAX];
    ENSURE(part[0].size <= HEADER_MAX, CELLA_ERR_LIMIT, NULL,
           "token: a header of %zu bytes, expected up to %d", part[0].size, HEADER_MAX);
    TRY_IN(cella_base64_decode(part[0], true, &header), "token header");
    TRY(cella_json_object(cella_buffer_bytes(&header), "token header", &jws->header));
    TRY(read_header(jws, allow_none));
    TRY_IN(cella_base64_decode(part[1], true, &jws->store), "token payload");
    size_t payload_end = jws->store.size;
    TRY_IN(cella_base64_decode(part[2], true, &jws->store), "token signature");
    size_t signature_end = jws->store.size, start = signature_end;
    TRY(decode_x5c(jws, x5c_end));
    jws->payload = cella_bytes(jws->store.data, payload_end);
    jws->signature = cella_bytes(jws->store.data + payload_end, signature_end - payload_end);
    for (size_t i = 0; i < jws->x5c_count; start = x5c_end[i++])
        jws->x5c[i] = cella_bytes(jws->store.data + start, x5c_end[i] - start);
    ENSURE((jws->algorithm == CELLA_JOSE_NONE) == (jws->signature.size == 0), CELLA_ERR_FORMAT,
           NULL, "token: alg is %s, but the signature has %zu bytes",
           cella_jose_name(jws->algorithm), jws->signature.size);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_jws_open(struct cella_bytes text, bool allow_none, struct cella_jws *out) {
    struct cella_bytes part[3];
    CELLA_JWS jws = {0};
    *out = (struct cella_jws){0};
    ENSURE(text.size <= CELLA_JWS_SIZE_MAX, CELLA_ERR_LIMIT, NULL,
           "token: %zu bytes, expected up to %d", text.size, CELLA_JWS_SIZE_MAX);
    ENSURE(split(text, part), CELLA_ERR_FORMAT, NULL,
           "token: not three parts with dots between (a JWS in its compact form)");
    TRY(open_parts(part, allow_none, &jws));
    jws.signed_part = cella_bytes(text.data, part[0].size + 1 + part[1].size);
    *out = MOVE(jws);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_jws_check(const struct cella_jws *jws, const struct cella_jose_key *key,
                             unsigned allowed) {
    ENSURE(jws->algorithm != CELLA_JOSE_NONE, CELLA_ERR_FORMAT, NULL, "token: it is not signed");
    ENSURE(jws->algorithm & allowed, CELLA_ERR_FORMAT, NULL,
           "token: the algorithm %s is not allowed here", cella_jose_name(jws->algorithm));
    return jose_verify(key, jws->algorithm, jws->signed_part, jws->signature);
}

CELLA_RESULT cella_jws_object(const struct cella_jws *jws, json_t **out) {
    return cella_json_object(jws->payload, "token payload", out);
}
