/* A vault without a network: real store, seal and audit log in a folder of its own; tokens of an
 * issuer that the tests are. */
#ifndef CELLA_TESTS_VAULT_FIXTURE_H
#define CELLA_TESTS_VAULT_FIXTURE_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../results.h"
#include "base/text.h"
#include "crypto/jose.h"
#include "http/message.h"
#include "http/server.h"
#include "identity/access.h"
#include "vault/vault.h"

#define HOST      "v1.vault.test:8444"
#define ISSUER    "https://login.test/tid/"
#define AUTHORITY "https://att.test:8445"

struct rig {
    char folder[64];
    struct cella_database *database;
    struct cella_sealer *sealer;
    struct cella_audit *audit;
    struct cella_issuers *issuers;
    struct cella_authorities *authorities;
    struct cella_vaults *vaults;
    struct cella_jose_key *login, *attest, *release;
    char token[2048]; /* "Bearer ..." */
    struct cella_vault_settings settings;
};

static inline json_t *key_set(const struct cella_jose_key *key, const char *kid) {
    json_t *members = cella_jose_key_members(key);
    json_object_set_new(members, "kid", json_string(kid));
    return json_pack("{s:[o]}", "keys", members);
}

static inline void sign_token(const struct cella_jose_key *key, const char *kid, json_t *claims,
                              char *text, size_t size) {
    CELLA_BUFFER out = {0};
    CELLA_JSON header = json_pack("{s:s, s:s}", "kid", kid, "typ", "JWT");
    char *payload = json_dumps(claims, JSON_COMPACT);
    GOOD(cella_jws_sign(key, CELLA_JOSE_RS256, header, cella_bytes_text(payload), &out));
    free(payload);
    json_decref(claims);
    assert_true(out.size < size);
    snprintf(text, size, "%.*s", (int)out.size, (const char *)out.data);
}

static inline void login_token(struct rig *rig, const char *oid, char *text, size_t size) {
    json_int_t now = (json_int_t)time(NULL);
    snprintf(text, size, "Bearer ");
    sign_token(rig->login, "login",
               json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s}", "iss", ISSUER, "aud",
                         "https://vault.azure.net", "oid", oid, "tid", "tid", "appid", "app", "iat",
                         now, "nbf", now, "exp", now + 3600, "ver", "1.0"),
               text + 7, size - 7);
}

static inline void set_keys(struct rig *rig) {
    json_t *set = key_set(rig->login, "login");
    char *text = json_dumps(set, 0);
    GOOD(cella_issuers_set(rig->issuers, ISSUER, cella_bytes_text(text)));
    free(text);
    json_decref(set);
    set = key_set(rig->attest, "attest");
    text = json_dumps(set, 0);
    GOOD(cella_authorities_set(rig->authorities, AUTHORITY, cella_bytes_text(text)));
    free(text);
    json_decref(set);
}

static inline void pem(const char *label, struct cella_bytes der, struct cella_buffer *out) {
    CELLA_BUFFER base64 = {0};
    char line[80];
    GOOD(cella_base64_encode(der, false, &base64));
    snprintf(line, sizeof(line), "-----BEGIN %s-----\n", label);
    GOOD(cella_buffer_append(out, cella_bytes_text(line)));
    for (size_t at = 0; at < base64.size; at += 64) {
        snprintf(line, sizeof(line), "%.*s\n", (int)(base64.size - at < 64 ? base64.size - at : 64),
                 (const char *)base64.data + at);
        GOOD(cella_buffer_append(out, cella_bytes_text(line)));
    }
    snprintf(line, sizeof(line), "-----END %s-----\n", label);
    GOOD(cella_buffer_append(out, cella_bytes_text(line)));
}

/* Releases signed with this key, under a certificate of its own. */
static inline struct cella_result certify(struct rig *rig, const struct cella_jose_key *certified,
                                          const struct cella_jose_key *key) {
    CELLA_BUFFER der = {0}, chain = {0}, private = {0};
    CELLA_SECRET pkcs8 = {0};
    struct cella_jose_certificate as = {.common_name = "v1.vault.test",
                                        .not_before_unix = (uint64_t)time(NULL) - 60,
                                        .not_after_unix = (uint64_t)time(NULL) + 86400};
    GOOD(cella_jose_certify(certified, &as, &der));
    GOOD(cella_jose_key_export(key, &pkcs8));
    pem("CERTIFICATE", cella_buffer_bytes(&der), &chain);
    pem("PRIVATE KEY", cella_secret_bytes(&pkcs8), &private);
    return cella_vaults_certify(rig->vaults, cella_buffer_bytes(&chain),
                                cella_buffer_bytes(&private));
}

static inline void rig_serve(struct rig *rig) {
    struct cella_vault_parts parts = {.database = rig->database,
                                      .sealer = rig->sealer,
                                      .issuers = rig->issuers,
                                      .authorities = rig->authorities,
                                      .audit = rig->audit};
    GOOD(cella_vaults_new(&parts, &rig->vaults));
    GOOD(certify(rig, rig->release, rig->release));
    GOOD(cella_vaults_add(rig->vaults, &rig->settings));
}

/* Made once: RSA keys take longer than most tests. */
static inline void take_keys(struct rig *rig) {
    static struct cella_jose_key *login, *attest, *release;
    if (!login) {
        GOOD(cella_jose_key_new(CELLA_JOSE_RSA, 2048, &login));
        GOOD(cella_jose_key_new(CELLA_JOSE_RSA, 2048, &attest));
        GOOD(cella_jose_key_new(CELLA_JOSE_RSA, 2048, &release));
    }
    rig->login = login;
    rig->attest = attest;
    rig->release = release;
}

/* What lies in the folder, opened; a server would do so at its start. */
static inline void rig_open(struct rig *rig) {
    static const uint8_t audit_key[32] = {1};
    char path[128];
    snprintf(path, sizeof(path), "%s/cella.db", rig->folder);
    GOOD(cella_database_open(path, &rig->database));
    GOOD(cella_identity_migrate(rig->database));
    GOOD(cella_sealer_open("file:root.key", rig->folder, &rig->sealer));
    snprintf(path, sizeof(path), "%s/audit.log", rig->folder);
    GOOD(cella_audit_open(path, 100, CELLA_BYTES_OF(audit_key), &rig->audit));
    rig_serve(rig);
}

/* The folder and the keys of who signs tokens stay. */
static inline void rig_close(struct rig *rig) {
    cella_vaults_free(&rig->vaults);
    cella_audit_close(&rig->audit);
    cella_sealer_close(&rig->sealer);
    cella_database_close(&rig->database);
}

/* hsm_keys: the URI of a token that keys live in, or NULL; must outlive the rig. */
static inline struct rig *rig_new_on(bool hsm, const char *hsm_keys) {
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    snprintf(rig->folder, sizeof(rig->folder), "/tmp/cella-vault-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    GOOD(cella_issuers_new(&rig->issuers));
    GOOD(cella_authorities_new(&rig->authorities));
    take_keys(rig);
    set_keys(rig);
    rig->settings = (struct cella_vault_settings){.name = "v1",
                                                  .url = "https://" HOST,
                                                  .login = "https://login.test/tid",
                                                  .hsm = hsm,
                                                  .rate = 1000000000, /* tests call fast */
                                                  .hsm_keys = hsm_keys,
                                                  .resource = "https://vault.azure.net"};
    rig_open(rig);
    GOOD(cella_access_assign(rig->database, "owner",
                             hsm ? "Managed HSM Crypto User" : "Key Vault Administrator",
                             "/vault/v1"));
    login_token(rig, "owner", rig->token, sizeof(rig->token));
    return rig;
}

static inline struct rig *rig_new(bool hsm) { return rig_new_on(hsm, NULL); }

static inline void rig_free(struct rig *rig) {
    char command[128];
    cella_vaults_free(&rig->vaults);
    cella_authorities_free(&rig->authorities);
    cella_issuers_free(&rig->issuers);
    cella_audit_close(&rig->audit);
    cella_sealer_close(&rig->sealer);
    cella_database_close(&rig->database);
    snprintf(command, sizeof(command), "rm -rf '%s'", rig->folder);
    assert_int_equal(system(command), 0);
    free(rig);
}

/* One call to the vault of a host; authorization NULL: none. The answer is freed with
 * answer_free. */
static inline void ask(struct rig *rig, const char *host, const char *authorization,
                       const char *method, const char *target, const char *body,
                       struct cella_http_response *answer) {
    struct cella_http_message message = {.count = authorization ? 1 : 0};
    if (authorization)
        message.field[0] = (struct cella_http_field){cella_bytes_text("Authorization"),
                                                     cella_bytes_text(authorization)};
    struct cella_http_request request = {.method = cella_bytes_text(method),
                                         .target = cella_bytes_text(target),
                                         .authority = cella_bytes_text(host),
                                         .body = cella_bytes_text(body ? body : ""),
                                         .id = "00000000-0000-4000-8000-000000000000",
                                         .peer = "127.0.0.1",
                                         .inside = &message};
    *answer = (struct cella_http_response){0};
    cella_vaults_answer(rig->vaults, &request, answer);
}

static inline void answer_free(struct cella_http_response *answer) {
    cella_buffer_free(&answer->text);
    cella_buffer_free(&answer->header_text);
}

/* The answer's object is new, or NULL of an empty body. */
static inline json_t *call_at(struct rig *rig, const char *host, const char *authorization,
                              const char *method, const char *target, const char *body,
                              int *status) {
    struct cella_http_response response;
    json_t *reply = NULL;
    ask(rig, host, authorization, method, target, body, &response);
    *status = response.status;
    if (response.body.size) {
        reply = json_loadb((const char *)response.body.data, response.body.size, 0, NULL);
        assert_non_null(reply);
    }
    answer_free(&response);
    return reply;
}

static inline json_t *call_as(struct rig *rig, const char *authorization, const char *method,
                              const char *target, const char *body, int *status) {
    return call_at(rig, HOST, authorization, method, target, body, status);
}

/* As the owner; the status must be that. */
static inline json_t *call(struct rig *rig, const char *method, const char *target,
                           const char *body, int status) {
    int found = 0;
    json_t *reply = call_as(rig, rig->token, method, target, body, &found);
    if (found != status) {
        char *text = reply ? json_dumps(reply, 0) : NULL;
        print_error("%s %s: status %d, expected %d: %s\n", method, target, found, status,
                    text ? text : "");
        free(text);
    }
    assert_int_equal(found, status);
    return reply;
}

/* The text at a path of members, "key.kid". */
static inline const char *at(const json_t *object, const char *path) {
    char part[64];
    const json_t *found = object;
    while (*path) {
        size_t size = strcspn(path, ".");
        snprintf(part, sizeof(part), "%.*s", (int)size, path);
        found = json_object_get(found, part);
        path += size + (path[size] == '.');
    }
    return json_string_value(found);
}

#endif
