/* For the files of tokens only: keys as they lie in the store and in memory. */
#ifndef CELLA_ATTEST_TOKENS_INNER_H
#define CELLA_ATTEST_TOKENS_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "attest/tokens.h"
#include "attest/tokens_plan.h"

#define TOKENS_EVIDENCE_OID "1.3.6.1.4.1.311.105.1"
enum { TOKENS_KID = 48 /* 44 characters of base64 */, TOKENS_URL = 512 };

struct token_key {
    char kid[TOKENS_KID];
    struct token_times times;
    _Atomic uint64_t lifetime_s;              /* of times, as it grows */
    struct cella_jose_key *key;               /* owned, as the next ones */
    struct cella_buffer certificate;          /* DER */
    json_t *header, *header_x5c, *header_x5t; /* protected headers without alg */
};

/* The keys of one moment, in the order of signs_unix; immutable but for lifetime_s. */
struct token_ring {
    unsigned holders; /* under the lock of tokens */
    size_t count;
    struct token_key key[TOKENS_KEYS];
    struct cella_buffer keyset; /* the body of /certs */
};
void token_ring_free(struct token_ring **ring);

struct cella_tokens {
    const struct cella_attest_instance *instance;
    struct token_rules rules;
    uint32_t lifetime_s; /* of a token, unless its maker says otherwise */
    char jku[TOKENS_URL];
    pthread_mutex_t lock; /* of ring and its holders */
    struct token_ring *ring;
};

/* A key as the store has it. */
struct token_row {
    char kid[TOKENS_KID];
    struct token_times times;
};
struct token_rows {
    size_t count;
    struct token_row row[TOKENS_KEYS];
};

/* A key that is not stored yet. */
struct token_fresh {
    struct cella_jose_key *key;
    char kid[TOKENS_KID];
};
void token_fresh_free(struct token_fresh *fresh);

/* tokens_store.c */
CELLA_RESULT tokens_migrate(const struct cella_tokens *tokens);
CELLA_RESULT tokens_rows(const struct cella_tokens *tokens, struct cella_session *session,
                         struct token_rows *out);
/* Carries out what the plan of now asks for, in one transaction; keys are generated outside it. */
CELLA_RESULT tokens_carry_out(const struct cella_tokens *tokens, uint64_t now_unix);
CELLA_RESULT tokens_extend(const struct cella_tokens *tokens, const char *kid, uint64_t lifetime_s);
CELLA_RESULT tokens_certificate_store(const struct cella_tokens *tokens, const char *kid,
                                      struct cella_bytes der);
/* tokens_ring.c: all keys of the store, opened. */
CELLA_RESULT tokens_read(const struct cella_tokens *tokens, struct token_ring **out);
/* tokens_store.c: DER, appended. */
CELLA_RESULT token_certify(const struct cella_tokens *tokens, const struct cella_jose_key *key,
                           uint64_t made_unix, uint64_t ends_unix, struct cella_buffer *der);
CELLA_RESULT token_kid(const struct cella_jose_key *key, char kid[TOKENS_KID]);
/* "attest|NAME|signing key|KID" */
CELLA_RESULT token_context(const struct cella_tokens *tokens, const char *kid,
                           struct cella_buffer *out);

#endif
