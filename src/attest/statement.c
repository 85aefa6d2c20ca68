#include "attest/statement.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "crypto/digest.h"

CELLA_RESULT cella_thumbprint(struct cella_bytes certificate, char text[CELLA_THUMBPRINT_TEXT]) {
    uint8_t digest[CELLA_HASH_SIZE_MAX];
    TRY(cella_hash(CELLA_HASH_SHA1, &certificate, 1, digest));
    cella_hex_encode(cella_bytes(digest, cella_hash_size(CELLA_HASH_SHA1)), text);
    for (char *c = text; *c; c++)
        if (*c >= 'a' && *c <= 'f') *c = (char)(*c - 'a' + 'A');
    return CELLA_SUCCESS;
}

void cella_statement_free(struct cella_statement *statement) {
    cella_jws_free(&statement->jws);
    json_decref(statement->signer);
    statement->signer = NULL;
}

static bool is_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static struct cella_bytes trimmed(struct cella_bytes text) {
    while (text.size && is_space(text.data[0])) text.data++, text.size--;
    while (text.size && is_space(text.data[text.size - 1])) text.size--;
    return text;
}

static struct cella_bytes string_of(const json_t *string) {
    return cella_bytes(json_string_value(string), json_string_length(string));
}

/* --- Bodies --- */

CELLA_RESULT cella_statement_body(struct cella_bytes body, const char *member,
                                  struct cella_buffer *jws) {
    CELLA_JSON json = NULL;
    struct cella_bytes text = trimmed(body);
    ENSURE(text.size, CELLA_ERR_FORMAT, "send a JWS in its compact form", "the body is empty");
    if (text.data[0] != '"' && text.data[0] != '{') return cella_buffer_append(jws, text);
    TRY(cella_json_value(text, "body", &json));
    const json_t *string = json_is_object(json) && member ? json_object_get(json, member) : json;
    ENSURE(json_is_string(string), CELLA_ERR_FORMAT, "send the JWS itself, or as a JSON string",
           "the body is JSON, but neither a string%s%s", member ? " nor an object with " : "",
           member ? member : "");
    return cella_buffer_append(jws, trimmed(string_of(string)));
}

/* --- Signature --- */

/* K-items "alg none", "HS256", "jwk": what signed is the key of the certificate in x5c, with an
 * algorithm that fits it (A24). */
static struct cella_result check_signature(struct cella_statement *statement) {
    const struct cella_jws *jws = &statement->jws;
    struct cella_jose_key *key = NULL;
    ENSURE(jws->x5c_count, CELLA_ERR_FORMAT, "put the signer's certificate into the header x5c",
           "the JWS is signed, but its header has no x5c");
    TRY_IN(cella_jose_key_certificate(jws->x5c[0], &key), "the first certificate of x5c");
    struct cella_result r = cella_jws_check(jws, key, CELLA_JOSE_ANY);
    bool rsa = cella_jose_key_kind(key) == CELLA_JOSE_RSA;
    cella_jose_key_free(&key);
    if (cella_failed(r))
        return cella_result_context(r, CELLA_WHERE, "JWS under the first certificate of its x5c");
    statement->signer = json_pack("{s:s, s:s, s:O}", "alg", cella_jose_name(jws->algorithm), "kty",
                                  rsa ? "RSA" : "EC", "x5c", json_object_get(jws->header, "x5c"));
    ENSURE(statement->signer, CELLA_ERR_MEMORY, NULL, "no memory for a policy's signer");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_statement_read(struct cella_bytes jws, struct cella_statement *out) {
    CELLA_STATEMENT statement = {0};
    *out = (struct cella_statement){0};
    TRY(cella_jws_open(jws, true, &statement.jws));
    if (statement.jws.algorithm != CELLA_JOSE_NONE) TRY(check_signature(&statement));
    *out = MOVE(statement);
    return CELLA_SUCCESS;
}

/* --- Content --- */

/* Base64 as people send it: either alphabet, with padding or without. */
static struct cella_result decode(struct cella_bytes text, const char *what,
                                  struct cella_buffer *out) {
    CELLA_BUFFER url = {0};
    uint8_t *to = NULL;
    size_t size = text.size;
    while (size && size > text.size - (text.size < 2 ? text.size : 2) && text.data[size - 1] == '=')
        size--;
    TRY(cella_buffer_extend(&url, size, &to));
    for (size_t i = 0; i < size; i++) {
        uint8_t c = text.data[i];
        to[i] = c == '+' ? '-' : c == '/' ? '_' : c;
    }
    TRY_IN(cella_base64_decode(cella_buffer_bytes(&url), true, out), "%s", what);
    return CELLA_SUCCESS;
}

/* A published signed sample has the text itself there; base64 of a policy begins otherwise. */
static bool is_text(struct cella_bytes value) {
    static const char first[] = "version";
    struct cella_bytes text = trimmed(value);
    return text.size >= strlen(first) &&
           strncasecmp((const char *)text.data, first, strlen(first)) == 0;
}

CELLA_RESULT cella_statement_policy(const struct cella_statement *statement,
                                    struct cella_buffer *text) {
    CELLA_JSON payload = NULL;
    ENSURE(statement->jws.payload.size, CELLA_ERR_FORMAT,
           "give the policy as {\"AttestationPolicy\":\"<base64url>\"}",
           "the JWS has an empty payload, expected a policy");
    TRY(cella_jws_object(&statement->jws, &payload));
    const json_t *value = json_object_get(payload, "AttestationPolicy");
    ENSURE(json_is_string(value), CELLA_ERR_FORMAT,
           "give the policy as {\"AttestationPolicy\":\"<base64url>\"}",
           "the payload of the JWS has no text AttestationPolicy");
    if (is_text(string_of(value))) return cella_buffer_append(text, string_of(value));
    return decode(string_of(value), "AttestationPolicy", text);
}

CELLA_RESULT cella_statement_certificate(const struct cella_statement *statement,
                                         struct cella_buffer *der) {
    static const char *const names[] = {"policyCertificate", "x-ms-policyCertificate",
                                        "maa-policyCertificate"};
    CELLA_JSON payload = NULL;
    const json_t *jwk = NULL;
    ENSURE(statement->jws.payload.size, CELLA_ERR_FORMAT, NULL, "the JWS has an empty payload");
    TRY(cella_jws_object(&statement->jws, &payload));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !jwk; i++)
        jwk = json_object_get(payload, names[i]);
    ENSURE(json_is_object(jwk), CELLA_ERR_FORMAT,
           "give {\"policyCertificate\":{\"kty\":\"RSA\",\"x5c\":[\"<base64 DER>\"]}}",
           "the payload of the JWS has no policyCertificate");
    const json_t *x5c = json_object_get(jwk, "x5c");
    ENSURE(json_array_size(x5c) == 1 && json_is_string(json_array_get(x5c, 0)), CELLA_ERR_FORMAT,
           "give one certificate; for a chain, the authority's (CA:TRUE)",
           "x5c of policyCertificate has %zu entries, expected one certificate",
           json_array_size(x5c));
    return decode(string_of(json_array_get(x5c, 0)), "policyCertificate", der);
}

CELLA_RESULT cella_statement_unsecured(struct cella_bytes text, struct cella_buffer *jws) {
    CELLA_BUFFER encoded = {0};
    TRY(cella_base64_encode(text, true, &encoded));
    CELLA_JSON payload = json_pack("{s:s%}", "AttestationPolicy",
                                   encoded.size ? (const char *)encoded.data : "", encoded.size);
    char *content = payload ? json_dumps(payload, JSON_COMPACT) : NULL;
    ENSURE(content, CELLA_ERR_MEMORY, NULL, "no memory for a policy");
    struct cella_result r =
        cella_jws_sign(NULL, CELLA_JOSE_NONE, NULL, cella_bytes_text(content), jws);
    free(content);
    return r;
}
