/* For the files of policies only. */
#ifndef CELLA_ATTEST_POLICIES_INNER_H
#define CELLA_ATTEST_POLICIES_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "attest/policies.h"
#include "attest/statement.h"

/* A policy that requests work with; immutable but for holders. */
struct policy_item {
    struct cella_policy_entry entry; /* first: what is lent is this */
    _Atomic unsigned holders;
    uint64_t version;            /* of the store; 0: nothing was ever stored */
    bool none;                   /* neither stored nor default */
    struct cella_policy *policy; /* owned, as the next ones; NULL: none, or broken */
    struct cella_buffer text, jws;
    json_t *signer;
    char failure[256]; /* why the stored policy cannot be used, or "" */
};
void policy_item_free(struct policy_item *item);

struct policy_slot {
    pthread_mutex_t lock; /* of item */
    struct policy_item *item;
    _Atomic uint64_t look_ms; /* when the store is looked at again */
};
struct cella_policies {
    const struct cella_attest_instance *instance;
    struct policy_slot slot[CELLA_ATTEST_TYPE_COUNT];
};

/* Why a text is no policy: told apart from all else that may be wrong with a statement. */
struct policy_parsing {
    bool failed;                     /* to compile it */
    struct cella_policy_fault fault; /* line 0: it is the whole text, say its size */
};
/* policies_item.c: of a statement that was read; the text must compile. parsing may be NULL. */
CELLA_RESULT policy_item_of(struct cella_bytes jws, const struct cella_statement *statement,
                            struct policy_item **out, struct policy_parsing *parsing);
/* What stands when nothing is stored. */
CELLA_RESULT policy_item_default(enum cella_attest_type type, struct policy_item **out);
/* Of what the store has; one that cannot be used becomes an item with its failure. must_be_signed:
 * an isolated instance does not go by a policy from when it was not. */
CELLA_RESULT policy_item_stored(struct cella_bytes jws, bool must_be_signed,
                                struct policy_item **out);

/* policies_store.c */
CELLA_RESULT policies_migrate(const struct cella_attest_instance *instance);
/* version 0: there is no row. jws empty: it was reset. */
CELLA_RESULT policies_row(const struct cella_attest_instance *instance,
                          struct cella_session *session, enum cella_attest_type type,
                          uint64_t *version, struct cella_buffer *jws);
CELLA_RESULT policies_version(const struct cella_attest_instance *instance,
                              struct cella_session *session, enum cella_attest_type type,
                              uint64_t *version);
/* jws empty: reset. *version is the new one. */
CELLA_RESULT policies_store(const struct cella_attest_instance *instance,
                            struct cella_session *session, enum cella_attest_type type,
                            struct cella_bytes jws, uint64_t *version);

/* Takes the item over: it stands from now on, unless a newer one does. */
void policies_install(struct cella_policies *policies, enum cella_attest_type type,
                      struct policy_item *item);
/* Takes over what another process stored. */
CELLA_RESULT policies_refresh(struct cella_policies *policies, enum cella_attest_type type);
/* Lent until _drop; never NULL. */
const struct policy_item *policies_hold(struct cella_policies *policies,
                                        enum cella_attest_type type);

#endif
