/* What the tests of the whole service stand on: the service itself over a store, an audit log and a
 * trust of its own, with an issuer whose tokens it takes; requests go straight to its handler. */
#ifndef CELLA_TESTS_ATTEST_RIG_H
#define CELLA_TESTS_ATTEST_RIG_H

#include "attest/attest.h"
#include "base/file.h"
#include "http/message.h"
#include "stand.h"

#define RIG_ISSUER "https://issuer.example/tenant"
enum { RIG_TIME_SGX = 1659149040 /* of the collateral of RIG_SGX */, RIG_HOSTS = 3 };
#define RIG_SGX "sgx-quote/v3-00606a000000-libsignal-3f0db0ac"

struct rig {
    struct stand stand; /* its instance is not used */
    struct cella_issuers *issuers;
    struct cella_jose_key *key; /* of the issuer */
    struct cella_trust *trust;
    struct cella_metrics *metrics;
    struct cella_attest *attest;
    struct cella_attest_settings settings;
    char collateral[512];
    const char *path[1];
};

static inline const char *vectors(void) {
    const char *given = getenv("CELLA_VECTORS");
    return given ? given : CELLA_SOURCE_ROOT "/../shared/vectors";
}
static inline bool read_vector(const char *path, struct cella_buffer *out) {
    char full[1024];
    snprintf(full, sizeof(full), "%s/%s", vectors(), path);
    struct cella_result r = cella_file_read(full, 4 << 20, out);
    bool there = !cella_failed(r);
    if (!there) print_message("skipped: no %s\n", full);
    cella_result_drop(r);
    return there;
}

/* --- Life --- */

static inline void rig_issuer(struct rig *rig) {
    GOOD(cella_issuers_new(&rig->issuers));
    GOOD(cella_jose_key_new(CELLA_JOSE_P256, 0, &rig->key));
    CELLA_JSON jwk = cella_jose_key_members(rig->key);
    json_object_set_new(jwk, "kid", json_string("k1"));
    CELLA_JSON set = json_pack("{s:[O]}", "keys", jwk);
    char *text = json_dumps(set, JSON_COMPACT);
    GOOD(cella_issuers_set(rig->issuers, RIG_ISSUER, cella_bytes_text(text)));
    free(text);
    GOOD(cella_identity_migrate(rig->stand.database));
    GOOD(cella_access_assign(rig->stand.database, "reader", "Attestation Reader", "/attest/dev"));
    GOOD(cella_access_assign(rig->stand.database, "writer", "Attestation Contributor", "/"));
}

static inline void rig_trust(struct rig *rig, const char *collateral) {
    struct cella_trust_settings trust = {.source = "none"};
    if (collateral) {
        snprintf(rig->collateral, sizeof(rig->collateral), "%s/%s", vectors(), collateral);
        rig->path[0] = rig->collateral;
        trust.path = rig->path;
        trust.path_count = 1;
    }
    GOOD(cella_trust_new(&trust, &rig->trust));
}

/* Settings as in rig->settings: name, url and mode are filled in for three instances. */
static inline void rig_start(struct rig *rig) {
    static const struct {
        const char *name, *url;
        enum cella_attest_mode mode;
    } hosts[] = {{"dev", "https://localhost:8445", CELLA_ATTEST_AAD},
                 {"shared", "https://shared.example", CELLA_ATTEST_SHARED},
                 {"other", "https://[::1]:8445", CELLA_ATTEST_AAD}};
    struct cella_attest_parts parts = {.database = rig->stand.database,
                                       .sealer = rig->stand.sealer,
                                       .issuers = rig->issuers,
                                       .audit = rig->stand.audit,
                                       .metrics = rig->metrics};
    GOOD(cella_attest_new(&parts, &rig->attest));
    for (size_t i = 0; i < RIG_HOSTS; i++) {
        rig->settings.name = hosts[i].name;
        rig->settings.url = hosts[i].url;
        rig->settings.mode = hosts[i].mode;
        GOOD(cella_attest_add(rig->attest, &rig->settings, rig->trust));
    }
}
static inline void rig_make(struct rig *rig, const char *collateral, uint64_t time_unix) {
    *rig = (struct rig){0};
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0); /* no disk to wait for */
    rig->settings.algorithm = CELLA_JOSE_ES256;                         /* keys are made fast */
    stand_make(&rig->stand, CELLA_ATTEST_AAD);
    rig_issuer(rig);
    rig_trust(rig, collateral);
    GOOD(cella_metrics_new(&rig->metrics));
    rig->settings.insecure_time = time_unix;
    rig_start(rig);
}
static inline void rig_remove(struct rig *rig) {
    cella_attest_free(&rig->attest);
    cella_trust_free(&rig->trust);
    cella_metrics_free(&rig->metrics);
    cella_issuers_free(&rig->issuers);
    cella_jose_key_free(&rig->key);
    stand_remove(&rig->stand);
}
#define RIG __attribute__((cleanup(rig_remove))) struct rig

/* --- Requests --- */

struct reply {
    int status;
    json_t *body;   /* NULL: no JSON object */
    json_t *claims; /* of its token, whose signature is checked unless it has none */
    bool unsecured;
    char id[40], code[64], message[2048], allow[32], retry[16];
};
static inline void reply_free(struct reply *reply) {
    json_decref(reply->body);
    json_decref(reply->claims);
    *reply = (struct reply){0};
}
#define REPLY __attribute__((cleanup(reply_free))) struct reply

/* An access token of the issuer; for the next call. */
static inline const char *rig_bearer(const struct rig *rig, const char *object,
                                     const char *audience, int64_t age_s) {
    static __thread char header[4096];
    CELLA_BUFFER token = {0};
    int64_t now = (int64_t)time(NULL) - age_s;
    CELLA_JSON head = json_pack("{s:s, s:s}", "kid", "k1", "typ", "JWT");
    CELLA_JSON claims = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "iss", RIG_ISSUER, "aud",
                                  audience, "oid", object, "tid", "t", "nbf", (json_int_t)now,
                                  "iat", (json_int_t)now, "exp", (json_int_t)now + 3600);
    char *text = json_dumps(claims, JSON_COMPACT);
    GOOD(cella_jws_sign(rig->key, CELLA_JOSE_ES256, head, cella_bytes_text(text), &token));
    free(text);
    snprintf(header, sizeof(header), "Bearer %.*s", (int)token.size, (const char *)token.data);
    return header;
}

static inline void read_token(struct rig *rig, const char *host, struct cella_bytes token,
                              struct reply *out);

static inline void reply_read(struct rig *rig, const char *host,
                              const struct cella_http_response *response, struct reply *out) {
    out->status = response->status;
    for (size_t i = 0; i < response->header_count; i++)
        if (strcmp(response->header[i].name, "Allow") == 0)
            snprintf(out->allow, sizeof(out->allow), "%s", response->header[i].value);
    for (size_t i = 0; i < response->header_count; i++)
        if (strcmp(response->header[i].name, "Retry-After") == 0)
            snprintf(out->retry, sizeof(out->retry), "%s", response->header[i].value);
    struct cella_result r = cella_json_object(response->body, "answer", &out->body);
    cella_result_drop(r);
    const json_t *error = json_object_get(out->body, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    const char *token = json_string_value(json_object_get(out->body, "token"));
    snprintf(out->code, sizeof(out->code), "%s", code ? code : "");
    snprintf(out->message, sizeof(out->message), "%s", message ? message : "");
    if (token) read_token(rig, host, cella_bytes_text(token), out);
}

/* host: of the Host header; authorization NULL: none. */
static inline struct reply rig_call(struct rig *rig, const char *method, const char *host,
                                    const char *target, const char *authorization,
                                    struct cella_bytes body) {
    static _Atomic unsigned number;
    struct reply out = {0};
    struct cella_http_response response = {0};
    struct cella_http_message message = {0};
    if (authorization) {
        message.field[0].name = cella_bytes_text("authorization");
        message.field[0].value = cella_bytes_text(authorization);
        message.count = 1;
    }
    snprintf(out.id, sizeof(out.id), "00000000-0000-4000-8000-%012u", ++number);
    struct cella_http_request request = {.method = cella_bytes_text(method),
                                         .target = cella_bytes_text(target),
                                         .authority = cella_bytes_text(host),
                                         .body = body,
                                         .id = out.id,
                                         .peer = "192.0.2.7",
                                         .inside = &message};
    cella_attest_answer(rig->attest, &request, &response);
    reply_read(rig, host, &response, &out);
    cella_buffer_free(&response.text);
    cella_buffer_free(&response.header_text);
    return out;
}
static inline struct reply rig_get(struct rig *rig, const char *host, const char *target,
                                   const char *authorization) {
    return rig_call(rig, "GET", host, target, authorization, cella_bytes(NULL, 0));
}

static inline void read_token(struct rig *rig, const char *host, struct cella_bytes token,
                              struct reply *out) {
    CELLA_JWS jws = {0};
    GOOD(cella_jws_open(token, true, &jws));
    out->unsecured = jws.algorithm == CELLA_JOSE_NONE;
    GOOD(cella_jws_object(&jws, &out->claims));
    if (out->unsecured) return;
    REPLY keys = rig_get(rig, host, "/certs", NULL);
    char *text = json_dumps(keys.body, JSON_COMPACT);
    struct cella_jose_keyset *set = NULL;
    const struct cella_jose_key *key = NULL;
    GOOD(cella_jose_keyset_new(cella_bytes_text(text), &set));
    GOOD(cella_jose_keyset_find(set, jws.kid, &key));
    GOOD(cella_jws_check(&jws, key, CELLA_JOSE_RS256 | CELLA_JOSE_ES256));
    cella_jose_keyset_free(&set);
    free(text);
}

/* --- Bodies --- */

static inline json_t *base64url(struct cella_bytes bytes) {
    CELLA_BUFFER text = {0};
    GOOD(cella_base64_encode(bytes, true, &text));
    return json_stringn(text.size ? (const char *)text.data : "", text.size);
}
static inline json_t *data_of(const char *bytes, const char *type) {
    return json_pack("{s:o, s:s}", "data", base64url(cella_bytes_text(bytes)), "dataType", type);
}
/* Takes the body over. */
static inline struct reply rig_attest(struct rig *rig, const char *host, const char *type,
                                      json_t *body) {
    char target[128];
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    snprintf(target, sizeof(target), "/attest/%s?api-version=2020-10-01", type);
    struct reply out = rig_call(rig, "POST", host, target, NULL, cella_bytes_text(text));
    free(text);
    return out;
}
static inline json_t *body_of(const char *member, struct cella_bytes evidence) {
    return json_pack("{s:o}", member, base64url(evidence));
}

static inline const char *reply_text(const struct reply *reply, const char *name) {
    return json_string_value(json_object_get(reply->claims, name));
}

#define DEV    "localhost:8445"
#define SHARED "shared.example"
#define ANSWERED(reply, expected)                                                                  \
    do {                                                                                           \
        if ((reply).status != (expected))                                                          \
            print_error("%d %s: %s\n", (reply).status, (reply).code, (reply).message);             \
        assert_int_equal((reply).status, (expected));                                              \
    } while (0)

#endif
