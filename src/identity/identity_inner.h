/* For the files of the identity part: small things that several need. */
#ifndef CELLA_IDENTITY_INNER_H
#define CELLA_IDENTITY_INNER_H

#include <jansson.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "crypto/jose.h"
#include "identity/apps.h"
#include "identity/definitions.h"
#include "identity/issuers.h"
#include "store/database.h"

enum { IDENTITY_SKEW_S = 60 /* A27 */, GUID_SIZE = 37 };

static inline bool bytes_are(struct cella_bytes bytes, const char *text) {
    return bytes.size == strlen(text) && cella_equal(bytes.data, text, bytes.size);
}
static inline struct cella_value text_value(const char *text) { return cella_value_text(text); }
static inline struct cella_value time_value(uint64_t unix_s) {
    return cella_value_integer((int64_t)unix_s);
}
static inline uint64_t unix_now(void) { return (uint64_t)time(NULL); }

/* guid.c */
CELLA_RESULT guid_make(char out[GUID_SIZE]);
/* 8-4-4-4-12 hex digits of either case, as lower case; false for all else. */
bool guid_read(struct cella_bytes text, char out[GUID_SIZE]);
/* Printable ASCII of 1 to max characters: what ids and names may be. */
bool plain_text(struct cella_bytes text, size_t max);

/* scope.c */
enum {
    SCOPE_MAX = 511,
    SCOPE_PARTS = 8, /* so many scopes can hold a resource, "/" among them */
    OBJECT_MAX = 127,
};
bool scope_good(const char *scope);
void scope_normal(const char *scope, char out[SCOPE_MAX + 1]);
/* The scope in which roles may be defined that this one is in, or "". Of normal scopes. */
void scope_root(const char *scope, char out[SCOPE_MAX + 1]);
bool scope_holds(const char *outer, const char *inner); /* of normal scopes */
bool object_normal(const char *object, char out[OBJECT_MAX + 1]);

/* roles.c */
/* One "*" at most, which stands for something; in any case. */
bool action_matches(const char *pattern, const char *action);

/* definitions.c */
/* Whether a role of this content allows the action. */
CELLA_RESULT definition_allows(struct cella_bytes properties, const char *action, bool *allowed);
/* The role that is called so, or has this id, at root: one of everywhere or one defined there. */
struct role_found {
    char id[GUID_SIZE], name[CELLA_ROLE_NAME_MAX + 1];
    json_t *properties; /* owned; NULL of a role of everywhere */
};
CELLA_RESULT role_resolve(struct cella_session *session, const char *root, const char *word,
                          struct role_found *out);
void role_found_free(struct role_found *found);
#define ROLE_FOUND __attribute__((cleanup(role_found_free))) struct role_found
/* Whether it may be assigned at the scope, which root holds. */
bool role_assignable(const struct role_found *role, const char *root, const char *scope);

/* assignments.c */
/* Names and roots for assignments of before they had some. */
CELLA_RESULT assignments_complete(struct cella_database *database);

/* schema.c */
/* Notes a change in the session that makes it. who NULL: the user of this process. */
CELLA_RESULT identity_note_of(struct cella_session *session, const char *who, const char *what,
                              const char *subject, const char *detail);
static inline CELLA_RESULT identity_note(struct cella_session *session, const char *what,
                                         const char *subject, const char *detail) {
    return identity_note_of(session, NULL, what, subject, detail);
}
/* Every row of a query as an object: name[i] says what column i is called, "+" before it that it is
 * an integer. */
CELLA_RESULT identity_rows_json(struct cella_rows *rows, const char *const *name, size_t count,
                                json_t **out);

/* A token of a known issuer, judged but for its audience. */
struct issuers_token {
    json_t *claims; /* owned */
    char issuer[256], tenant[64];
    bool own; /* of the embedded issuer */
};
void issuers_token_free(struct issuers_token *token);
#define ISSUERS_TOKEN __attribute__((cleanup(issuers_token_free))) struct issuers_token
enum issuers_typ { ISSUERS_ANY_TYP, ISSUERS_ACCESS_TOKEN };
CELLA_RESULT issuers_verify(const struct cella_issuers *issuers, struct cella_bytes token,
                            enum issuers_typ typ, uint64_t now_unix, struct issuers_token *out);
/* Claims of any token: exp, nbf and iat (A27), and whether aud is or has one of these. */
CELLA_RESULT token_times(const json_t *claims, uint64_t now_unix);
bool token_audience(const json_t *claims, const char *const *audience, size_t count);
/* The embedded issuer's names and keys; replaced whole. */
CELLA_RESULT issuers_own(struct cella_issuers *issuers, const char *iss, const char *tenant,
                         struct cella_bytes jwks);

#endif
