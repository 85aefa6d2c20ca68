/* What the tests of an instance stand on: a store, a sealing root and an audit log in a folder of
 * their own, signers with certificates, requests, and answers taken apart. */
#ifndef CELLA_TESTS_ATTEST_STAND_H
#define CELLA_TESTS_ATTEST_STAND_H

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../results.h"
#include "attest/policies.h"
#include "attest/statement.h"
#include "attest/tokens.h"
#include "base/text.h"

struct stand {
    char folder[128];
    bool in_memory; /* the database */
    struct cella_attest_instance instance;
    struct cella_database *database;
    struct cella_sealer *sealer;
    struct cella_audit *audit;
};

static inline const char *stand_path(const struct stand *stand, const char *name) {
    static __thread char path[4][256];
    static __thread unsigned next;
    char *out = path[next++ % 4];
    snprintf(out, sizeof(path[0]), "%s/%s", stand->folder, name);
    return out;
}

/* Opens the parts; a second stand on the same folder is another process' view. */
static inline void stand_open(struct stand *stand) {
    static const uint8_t key[32] = {7};
    struct cella_attest_instance *instance = &stand->instance;
    setenv("CELLA_LOG", "error", 0); /* that the root is a file is known */
    GOOD(cella_database_open(stand->in_memory ? ":memory:" : stand_path(stand, "cella.db"),
                             &stand->database));
    GOOD(cella_sealer_open("file:root.key", stand->folder, &stand->sealer));
    GOOD(
        cella_audit_open(stand_path(stand, "audit.log"), 1000, CELLA_BYTES_OF(key), &stand->audit));
    instance->database = stand->database;
    instance->sealer = stand->sealer;
    instance->audit = stand->audit;
    snprintf(instance->scope, sizeof(instance->scope), "/attest/%s", instance->settings.name);
}

static inline void stand_make(struct stand *stand, enum cella_attest_mode mode) {
    *stand = (struct stand){0};
    const char *base = getenv("TMPDIR");
    snprintf(stand->folder, sizeof(stand->folder), "%s/attest-test-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(stand->folder));
    stand->instance.settings = (struct cella_attest_settings){
        .name = "dev", .url = "https://localhost:8445", .mode = mode};
    stand_open(stand);
}

/* Keys of ES256, which are made fast, unless the test says otherwise. */
static inline void stand_start(struct stand *stand) {
    if (!stand->instance.settings.algorithm) stand->instance.settings.algorithm = CELLA_JOSE_ES256;
    GOOD(cella_tokens_new(&stand->instance, (uint64_t)time(NULL), &stand->instance.tokens));
    GOOD(cella_policies_new(&stand->instance, &stand->instance.policies));
}

static inline void stand_close(struct stand *stand) {
    cella_policies_free(&stand->instance.policies);
    cella_tokens_free(&stand->instance.tokens);
    cella_audit_close(&stand->audit);
    cella_sealer_close(&stand->sealer);
    cella_database_close(&stand->database);
}

static inline int stand_unlink(const char *path, const struct stat *state, int type,
                               struct FTW *at) {
    (void)state, (void)type, (void)at;
    return remove(path);
}
static inline void stand_remove(struct stand *stand) {
    stand_close(stand);
    nftw(stand->folder, stand_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

/* --- Signers --- */

struct signer {
    struct cella_jose_key *key;
    unsigned algorithm;
    struct cella_buffer certificate; /* DER */
};
static inline void signer_free(struct signer *signer) {
    cella_jose_key_free(&signer->key);
    cella_buffer_free(&signer->certificate);
}
#define SIGNER __attribute__((cleanup(signer_free))) struct signer

static inline void signer_make_dated(struct signer *signer, enum cella_jose_kind kind,
                                     uint64_t from, uint64_t until, bool is_ca) {
    struct cella_jose_certificate as = {.common_name = "policy signer",
                                        .not_before_unix = from,
                                        .not_after_unix = until,
                                        .is_ca = is_ca};
    *signer = (struct signer){0};
    GOOD(cella_jose_key_new(kind, 2048, &signer->key));
    signer->algorithm = kind == CELLA_JOSE_RSA ? CELLA_JOSE_RS256 : CELLA_JOSE_ES256;
    GOOD(cella_jose_certify(signer->key, &as, &signer->certificate));
}
static inline void signer_make(struct signer *signer, enum cella_jose_kind kind) {
    uint64_t now = (uint64_t)time(NULL);
    signer_make_dated(signer, kind, now - 3600, now + 365 * 86400, false);
}

static inline json_t *base64_json(struct cella_bytes bytes) {
    CELLA_BUFFER text = {0};
    GOOD(cella_base64_encode(bytes, false, &text));
    return json_stringn((const char *)text.data, text.size);
}

/* A JWS of the payload; signer NULL: unsecured. x5c: certificates in DER. Returned as a string. */
static inline char *jws_with(const struct signer *signer, const struct cella_bytes *x5c,
                             size_t count, const char *payload) {
    CELLA_BUFFER jws = {0};
    CELLA_JSON header = json_object(), *chain = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(chain, base64_json(x5c[i]));
    if (count) json_object_set(header, "x5c", chain);
    GOOD(cella_jws_sign(signer ? signer->key : NULL,
                        signer ? signer->algorithm : (unsigned)CELLA_JOSE_NONE, header,
                        cella_bytes_text(payload), &jws));
    return strndup((const char *)jws.data, jws.size);
}
static inline char *jws_of(const struct signer *signer, const char *payload) {
    struct cella_bytes der =
        signer ? cella_buffer_bytes(&signer->certificate) : cella_bytes(NULL, 0);
    return jws_with(signer, &der, signer ? 1 : 0, payload);
}

static inline char *policy_payload(const char *text) {
    CELLA_BUFFER encoded = {0};
    char *payload = NULL;
    GOOD(cella_base64_encode(cella_bytes_text(text), true, &encoded));
    if (asprintf(&payload, "{\"AttestationPolicy\":\"%.*s\"}", (int)encoded.size,
                 encoded.size ? (const char *)encoded.data : "") < 0)
        abort();
    return payload;
}
static inline char *policy_jws(const struct signer *signer, const char *text) {
    char *payload = policy_payload(text), *jws = jws_of(signer, payload);
    free(payload);
    return jws;
}

/* The certificate in PEM; of the buffer. */
static inline struct cella_bytes pem_of(struct cella_bytes der, struct cella_buffer *pem) {
    GOOD(cella_buffer_append(pem, cella_bytes_text("-----BEGIN CERTIFICATE-----\n")));
    CELLA_BUFFER text = {0};
    GOOD(cella_base64_encode(der, false, &text));
    for (size_t at = 0; at < text.size; at += 64) {
        size_t size = text.size - at < 64 ? text.size - at : 64;
        GOOD(cella_buffer_append(pem, cella_bytes(text.data + at, size)));
        GOOD(cella_buffer_append(pem, cella_bytes_text("\n")));
    }
    GOOD(cella_buffer_append(pem, cella_bytes_text("-----END CERTIFICATE-----\n")));
    return cella_buffer_bytes(pem);
}

/* --- Requests and answers --- */

struct answer {
    int status;
    json_t *body, *claims; /* of the token, its signature checked; NULL without */
    char code[64], message[512];
};
static inline void answer_free(struct answer *answer) {
    json_decref(answer->body);
    json_decref(answer->claims);
    *answer = (struct answer){0};
}
#define ANSWER __attribute__((cleanup(answer_free))) struct answer

static inline const struct cella_caller *a_caller(void) {
    static const struct cella_caller caller = {
        .known = true, .issuer = "https://issuer", .tenant = "t", .object = "alice", .app = "app"};
    return &caller;
}
static inline struct cella_http_request request_of(const char *body) {
    return (struct cella_http_request){
        .method = cella_bytes_text("PUT"),
        .target = cella_bytes_text("/"),
        .authority = cella_bytes_text("localhost:8445"),
        .body = cella_bytes_text(body),
        .id = "c0ffee00-0000-4000-8000-000000000000",
        .peer = "127.0.0.1",
    };
}

/* The claims of a token that the instance's own key set holds for. */
static inline json_t *token_claims(const struct cella_attest_instance *instance,
                                   struct cella_bytes token) {
    CELLA_BUFFER keyset = {0};
    CELLA_JWS jws = {0};
    struct cella_jose_keyset *keys = NULL;
    const struct cella_jose_key *key = NULL;
    json_t *claims = NULL;
    GOOD(cella_tokens_keyset(instance->tokens, &keyset));
    GOOD(cella_jose_keyset_new(cella_buffer_bytes(&keyset), &keys));
    GOOD(cella_jws_open(token, false, &jws));
    GOOD(cella_jose_keyset_find(keys, jws.kid, &key));
    GOOD(cella_jws_check(&jws, key, CELLA_JOSE_RS256 | CELLA_JOSE_ES256));
    GOOD(cella_jws_object(&jws, &claims));
    cella_jose_keyset_free(&keys);
    return claims;
}

static inline void answer_read(const struct cella_attest_instance *instance,
                               struct cella_http_response *response, struct answer *answer) {
    struct cella_bytes body =
        response->body.size ? response->body : cella_buffer_bytes(&response->text);
    *answer = (struct answer){.status = response->status};
    GOOD(cella_json_object(body, "answer", &answer->body));
    const char *token = json_string_value(json_object_get(answer->body, "token"));
    if (token) answer->claims = token_claims(instance, cella_bytes_text(token));
    const json_t *error = json_object_get(answer->body, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    snprintf(answer->code, sizeof(answer->code), "%s", code ? code : "");
    snprintf(answer->message, sizeof(answer->message), "%s", message ? message : "");
    cella_buffer_free(&response->text);
    cella_buffer_free(&response->header_text);
}

static inline const char *claim_text(const struct answer *answer, const char *name) {
    return json_string_value(json_object_get(answer->claims, name));
}

static inline void put_body(struct stand *stand, enum cella_attest_type type,
                            struct cella_bytes body, struct answer *answer) {
    struct cella_http_request request = request_of("");
    struct cella_http_response response = {0};
    request.body = body;
    cella_policies_put(&stand->instance, type, a_caller(), &request, &response);
    answer_read(&stand->instance, &response, answer);
}
static inline void put(struct stand *stand, enum cella_attest_type type, const char *body,
                       struct answer *answer) {
    put_body(stand, type, cella_bytes_text(body), answer);
}
static inline void reset(struct stand *stand, enum cella_attest_type type, const char *body,
                         struct answer *answer) {
    struct cella_http_request request = request_of(body);
    struct cella_http_response response = {0};
    cella_policies_reset(&stand->instance, type, a_caller(), &request, &response);
    answer_read(&stand->instance, &response, answer);
}
static inline void get(struct stand *stand, enum cella_attest_type type, struct answer *answer) {
    struct cella_http_request request = request_of("");
    struct cella_http_response response = {0};
    cella_policies_get(&stand->instance, type, &request, &response);
    answer_read(&stand->instance, &response, answer);
}

/* Lines of the audit log that have the text. */
static inline size_t audited(const struct stand *stand, const char *text) {
    FILE *file = fopen(stand_path(stand, "audit.log"), "r");
    char line[8192];
    size_t count = 0;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) count += strstr(line, text) != NULL;
    fclose(file);
    return count;
}

#endif
