/* What the tests of the identity part stand on: a store and a sealing root in a folder of their
 * own, an issuer, tokens of anybody's making, and requests without a network. */
#ifndef CELLA_TESTS_IDENTITY_STAND_H
#define CELLA_TESTS_IDENTITY_STAND_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../results.h"
#include "base/text.h"
#include "identity/access.h"
#include "identity/credentials.h"
#include "identity/issuer_inner.h"

#define TENANT "11111111-2222-4333-8444-555555555555"
#define URL    "https://localhost:8443"
enum { SECRET_TEXT = SECRET_SIZE + 1 };
#define VAULT "https://vault.azure.net"

struct stand {
    char folder[64];
    struct cella_database *database;
    struct cella_sealer *sealer;
    struct cella_issuers *issuers;
    struct cella_issuer *issuer;
    struct cella_app app;
    char secret[SECRET_TEXT];
};

static inline void stand_parts(struct stand *s, bool once) {
    char path[96];
    const char *resource[] = {"https://localhost:8445"};
    struct cella_issuer_settings settings = {.url = URL,
                                             .tenant = TENANT,
                                             .resource = resource,
                                             .resource_count = 1,
                                             .assertion_once = once};
    snprintf(path, sizeof(path), "%s/cella.db", s->folder);
    GOOD(cella_database_open(path, &s->database));
    GOOD(cella_sealer_open("file:root.key", s->folder, &s->sealer));
    GOOD(cella_issuers_new(&s->issuers));
    GOOD(cella_issuer_new(&settings, s->database, s->sealer, &s->issuer));
    GOOD(cella_issuer_join(s->issuer, s->issuers));
}

static inline void stand_new(struct stand *s, bool once) {
    CELLA_SECRET secret = {0};
    char id[CELLA_ID_TEXT];
    setenv("CELLA_LOG", "error", 0);
    *s = (struct stand){.folder = "/tmp/cella-identity-XXXXXX"};
    assert_non_null(mkdtemp(s->folder));
    stand_parts(s, once);
    GOOD(cella_app_create(s->database, "tester", NULL, &s->app));
    GOOD(cella_app_secret_create(s->database, &s->app, 2, id, &secret));
    memcpy(s->secret, secret.data, secret.size);
}

static inline int stand_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static inline void stand_close(struct stand *s) {
    cella_issuer_free(&s->issuer);
    cella_issuers_free(&s->issuers);
    cella_sealer_close(&s->sealer);
    cella_database_close(&s->database);
}

static inline void stand_free(struct stand *s) {
    stand_close(s);
    nftw(s->folder, stand_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* A key of somebody, and its set with one kid. */
struct signer {
    struct cella_jose_key *key;
    char kid[32];
    char *jwks; /* owned */
};

static inline void signer_new(struct signer *s, enum cella_jose_kind kind, const char *kid) {
    GOOD(cella_jose_key_new(kind, 2048, &s->key));
    snprintf(s->kid, sizeof(s->kid), "%s", kid);
    json_t *jwk = cella_jose_key_members(s->key);
    json_object_set_new(jwk, "kid", json_string(kid));
    json_t *set = json_pack("{s:[o]}", "keys", jwk);
    s->jwks = json_dumps(set, JSON_COMPACT);
    json_decref(set);
}

static inline void signer_free(struct signer *s) {
    cella_jose_key_free(&s->key);
    free(s->jwks);
}

/* Steals both. */
static inline void sign(const struct signer *s, unsigned algorithm, json_t *header, json_t *claims,
                        struct cella_buffer *out) {
    char *payload = json_dumps(claims, JSON_COMPACT);
    assert_non_null(payload);
    out->size = 0;
    GOOD(cella_jws_sign(s->key, algorithm, header, cella_bytes_text(payload), out));
    free(payload);
    json_decref(header);
    json_decref(claims);
}

static inline json_t *header_of(const struct signer *s) {
    return json_pack("{s:s, s:s}", "typ", "JWT", "kid", s->kid);
}

#endif
