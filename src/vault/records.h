/* The vault's records: keys, secrets and certificates as named things with versions, attributes,
 * tags, soft deletion and paged lists (azure-keyvault 1.5 to 1.7). What they contain is sealed
 * bytes and public JSON to this file.
 *
 * Every call is one transaction, or part of the session given. Names are found in any case and kept
 * as first written. One state machine for deletion (K15); sealed bytes are bound to vault, kind,
 * name and version (K21). */
#ifndef CELLA_VAULT_RECORDS_H
#define CELLA_VAULT_RECORDS_H

#include <jansson.h>

#include "store/database.h"
#include "store/sealer.h"

enum cella_record_kind { CELLA_RECORD_KEY, CELLA_RECORD_SECRET, CELLA_RECORD_CERTIFICATE };
enum { CELLA_RECORD_NAME_MAX = 127, CELLA_RECORD_VERSION_SIZE = 32, CELLA_RECORD_TAGS_MAX = 15 };

struct cella_record { /* one version of one thing */
    enum cella_record_kind kind;
    char name[CELLA_RECORD_NAME_MAX + 1]; /* as first written */
    char version[CELLA_RECORD_VERSION_SIZE + 1];
    bool enabled, managed;
    int64_t not_before, expires; /* -1: none */
    int64_t created, updated;
    json_t *public; /* owned: what may be shown, by kind ("kty", "n", ..., "release_policy") */
    json_t *tags;   /* owned: object, or NULL */
    struct cella_buffer sealed; /* owned; read only when asked for */
    /* of the thing, when it is deleted */
    int64_t deleted, purge_at; /* -1: it lives */
};
void cella_record_free(struct cella_record *record);
#define CELLA_RECORD __attribute__((cleanup(cella_record_free))) struct cella_record

/* [0-9A-Za-z-]{1,127}, before anything is looked up (K12). */
bool cella_record_name_good(struct cella_bytes name);
bool cella_record_version_good(struct cella_bytes version); /* 32 lower-case hex digits */

/* The one spelling that a name is found by. */
void cella_record_fold(const char *name, char fold[CELLA_RECORD_NAME_MAX + 1]);

/* A fresh version: 128 random bits, as hex. */
CELLA_RESULT cella_record_version(char version[CELLA_RECORD_VERSION_SIZE + 1]);

CELLA_RESULT cella_records_migrate(struct cella_database *database);

/* A new version of a thing, made when there is none. version: out, fresh, unless given (managed
 * things share one). CELLA_ERR_EXISTS: the name is deleted but recoverable. */
CELLA_RESULT cella_records_add(struct cella_session *session, const char *vault,
                               struct cella_record *record);
/* version NULL or "": the newest. CELLA_ERR_NOT_FOUND also of deleted things, unless deleted. In a
 * session for reading, public and tags are shared with others: not to be changed. */
CELLA_RESULT cella_records_get(struct cella_session *session, const char *vault,
                               enum cella_record_kind kind, const char *name, const char *version,
                               bool deleted, bool sealed, struct cella_record *out);
/* Attributes, tags and public members of one version as they are in record, and what is sealed when
 * that is there. */
CELLA_RESULT cella_records_update(struct cella_session *session, const char *vault,
                                  struct cella_record *record);
CELLA_RESULT cella_records_delete(struct cella_session *session, const char *vault,
                                  enum cella_record_kind kind, const char *name, int64_t now,
                                  int64_t purge_at);
CELLA_RESULT cella_records_recover(struct cella_session *session, const char *vault,
                                   enum cella_record_kind kind, const char *name);
/* All versions go, and keys of them that live in an HSM are to (residents.h). The caller has
 * checked purge protection and time. */
CELLA_RESULT cella_records_purge(struct cella_session *session, const char *vault,
                                 enum cella_record_kind kind, const char *name);

/* A page: at most max records from behind `after` (the last one of the page before; NULL: from the
 * start), in the order of names, or of versions newest first when name is given. */
struct cella_record_page {
    size_t count;
    struct cella_record *record; /* owned; without sealed bytes */
    bool more;
};
void cella_record_page_free(struct cella_record_page *page);
#define CELLA_RECORD_PAGE __attribute__((cleanup(cella_record_page_free))) struct cella_record_page
CELLA_RESULT cella_records_list(struct cella_session *session, const char *vault,
                                enum cella_record_kind kind, const char *name, bool deleted,
                                const char *after, size_t max, struct cella_record_page *out);
/* A small text beside a thing, by its kind of note: rotation policy, certificate policy, pending
 * operation; empty: take it away. */
CELLA_RESULT cella_records_note(struct cella_session *session, const char *vault,
                                enum cella_record_kind kind, const char *name, const char *note,
                                struct cella_bytes text);
CELLA_RESULT cella_records_note_get(struct cella_session *session, const char *vault,
                                    enum cella_record_kind kind, const char *name, const char *note,
                                    struct cella_buffer *out); /* empty: none */
/* Things that have a note, or whose time to be purged has come: a few at a time, behind the one
 * given last (zeroed: from the start), for housekeeping over all vaults. */
struct cella_record_name {
    char vault[64 + 1];
    enum cella_record_kind kind;
    char name[CELLA_RECORD_NAME_MAX + 1]; /* in lower case */
};
CELLA_RESULT cella_records_noted(struct cella_session *session, const char *note,
                                 struct cella_record_name *at, bool *there);
CELLA_RESULT cella_records_due(struct cella_session *session, int64_t now,
                               struct cella_record_name *first, bool *there);
/* "vault|NAME|key|NAME|VERSION": the sealing context (K21). Of a key with a release policy also the
 * hash of that: who can write the store and has no root gives a key no other policy (K04). */
CELLA_RESULT cella_record_context(const char *vault, const struct cella_record *record,
                                  char context[384]);

#endif
