/* For the issuer's files: its state, its ring of signing keys, and a request for a token. */
#ifndef CELLA_IDENTITY_ISSUER_INNER_H
#define CELLA_IDENTITY_ISSUER_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "http/target.h"
#include "identity/form.h"
#include "identity/identity_inner.h"
#include "identity/issuer.h"

/* A key an hour at most, each kept for a day and more. */
enum { RING_KEYS = 32, ROTATE_S_MIN = 3600, KID_SIZE = 48, URL_MAX = 200, TEXT_MAX = 320 };

/* --- Keys --- */

struct ring_key {
    char kid[KID_SIZE];
    uint64_t signs_unix; /* from when it signs; published before */
    struct cella_jose_key *key;
};
struct ring {
    atomic_uint holders;
    size_t count;
    struct ring_key key[RING_KEYS]; /* by signs_unix */
    char *jwks;                     /* owned */
};

struct cella_issuer {
    char url[URL_MAX + 1], tenant[GUID_SIZE];
    uint32_t token_s, rotate_s;
    bool assertion_once;
    size_t resource_count;
    char resource[CELLA_ISSUER_RESOURCES][URL_MAX + 1];
    struct cella_database *database;
    const struct cella_sealer *sealer;
    struct cella_issuers *issuers; /* NULL until joined */
    pthread_mutex_t lock;          /* of ring */
    struct ring *ring;
    char iss_v1[TEXT_MAX], iss_v2[TEXT_MAX]; /* "https://H/TENANT/", "https://H/TENANT/v2.0" */
    char endpoint_v1[TEXT_MAX], endpoint_v2[TEXT_MAX];
};

/* keys.c. The first key, when there is none; then what the store has. */
CELLA_RESULT ring_open(struct cella_issuer *issuer, uint64_t now_unix);
/* Rotates and forgets; *changed: the ring is another than before. */
CELLA_RESULT ring_tend(struct cella_issuer *issuer, uint64_t now_unix, bool *changed);
struct ring *ring_hold(struct cella_issuer *issuer);
void ring_release(struct ring **ring);
#define RING __attribute__((cleanup(ring_release))) struct ring *
/* The key that signs at a time. */
const struct ring_key *ring_signer(const struct ring *ring, uint64_t now_unix);

/* --- A request for a token --- */

struct token_call {
    struct cella_issuer *issuer;
    const struct cella_http_request *request;
    struct cella_http_response *response;
    uint64_t now_unix;
    bool v1, basic; /* the old endpoint; the client came with HTTP Basic */
    char correlation[GUID_SIZE];
    struct cella_form form;
    char client[GUID_SIZE];
    struct cella_app app; /* authenticated */
    char resource[URL_MAX + 1];
    const char *proof; /* appidacr: "1" a secret, "2" an assertion */
    struct {
        int status;
        const char *error;
        unsigned code;
        char text[640];
    } fault;
};
/* Notes what Entra would say, and fails with CELLA_ERR_REFUSED. */
CELLA_RESULT token_refuse(struct token_call *call, int status, const char *error, unsigned code,
                          const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Printable ASCII of a client's text, for messages. */
void token_shown(struct cella_bytes text, char *out, size_t size);

/* token.c: POST /TENANT/oauth2/token and /TENANT/oauth2/v2.0/token. */
void token_answer(struct cella_issuer *issuer, const struct cella_http_request *request,
                  const struct cella_http_target *target, bool v1,
                  struct cella_http_response *response);
/* A refusal as Entra words it, for any path. */
void token_answer_fault(struct token_call *call);
/* client.c: who it is, from form and headers; fills client, app and proof. */
CELLA_RESULT client_authenticate(struct token_call *call);
/* assertion.c */
CELLA_RESULT assertion_check(struct token_call *call, struct cella_session *session,
                             struct cella_bytes assertion);
CELLA_RESULT assertion_forget(struct cella_issuer *issuer, uint64_t now_unix);

#endif
