#include "vault/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/jose.h"
#include "vault/records_kept.h"
#include "vault/residents.h"

static const char *const steps[] = {
    "CREATE TABLE vault_thing (vault TEXT NOT NULL, kind INTEGER NOT NULL, fold TEXT NOT NULL,"
    " name TEXT NOT NULL, latest TEXT NOT NULL, number INTEGER NOT NULL, gone INTEGER NOT NULL,"
    " deleted BIGINT NOT NULL, purge_at BIGINT NOT NULL, PRIMARY KEY (vault, kind, fold));"
    "CREATE INDEX vault_thing_list ON vault_thing (vault, kind, gone, fold);"
    "CREATE INDEX vault_thing_due ON vault_thing (gone, purge_at);"
    "CREATE TABLE vault_version (vault TEXT NOT NULL, kind INTEGER NOT NULL, fold TEXT NOT NULL,"
    " version TEXT NOT NULL, number BIGINT NOT NULL, enabled INTEGER NOT NULL,"
    " managed INTEGER NOT NULL, nbf BIGINT NOT NULL, expires BIGINT NOT NULL,"
    " created BIGINT NOT NULL, updated BIGINT NOT NULL, shown TEXT NOT NULL, tags TEXT,"
    " sealed BLOB, PRIMARY KEY (vault, kind, fold, version));"
    "CREATE UNIQUE INDEX vault_version_order ON vault_version (vault, kind, fold, number);"
    "CREATE TABLE vault_note (vault TEXT NOT NULL, kind INTEGER NOT NULL, fold TEXT NOT NULL,"
    " note TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (vault, kind, fold, note));",
    /* Of keys that live in HSMs (residents.h). */
    "CREATE TABLE vault_resident (version TEXT NOT NULL PRIMARY KEY, vault TEXT NOT NULL,"
    " fold TEXT NOT NULL, state INTEGER NOT NULL, since BIGINT NOT NULL);"
    "CREATE INDEX vault_resident_fold ON vault_resident (vault, fold);",
};

CELLA_RESULT cella_records_migrate(struct cella_database *database) {
    return cella_database_migrate(database, "vault", steps, sizeof(steps) / sizeof(steps[0]));
}

/* --- Names --- */

bool cella_record_name_good(struct cella_bytes name) {
    if (name.size == 0 || name.size > CELLA_RECORD_NAME_MAX) return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool good =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
        if (!good) return false;
    }
    return true;
}

bool cella_record_version_good(struct cella_bytes version) {
    if (version.size != CELLA_RECORD_VERSION_SIZE) return false;
    for (size_t i = 0; i < version.size; i++) {
        uint8_t c = version.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    }
    return true;
}

/* The one spelling that a name is found by. */
struct fold {
    char text[CELLA_RECORD_NAME_MAX + 1];
};
static struct fold fold_name(const char *name) {
    struct fold fold = {""};
    for (size_t i = 0; i < CELLA_RECORD_NAME_MAX && name[i]; i++)
        fold.text[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
    return fold;
}

void cella_record_fold(const char *name, char fold[CELLA_RECORD_NAME_MAX + 1]) {
    struct fold folded = fold_name(name);
    cella_copy(fold, folded.text, sizeof(folded.text));
}

static CELLA_RESULT add_policy(const json_t *policy, char *out, size_t size) {
    uint8_t hash[CELLA_SHA256_SIZE];
    char hex[2 * CELLA_SHA256_SIZE + 1];
    char *text = json_dumps(policy, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a record");
    struct cella_result result = cella_sha256(cella_bytes_text(text), hash);
    free(text);
    TRY(result);
    cella_hex_encode(CELLA_BYTES_OF(hash), hex);
    snprintf(out, size, "|release|%s", hex);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_record_context(const char *vault, const struct cella_record *record,
                                  char context[384]) {
    static const char *const kinds[] = {"key", "secret", "certificate"};
    const json_t *policy = json_object_get(record->public, "release_policy");
    struct fold fold = fold_name(record->name);
    int size = snprintf(context, 384, "vault|%s|%s|%s|%s", vault, kinds[record->kind], fold.text,
                        record->version);
    return policy ? add_policy(policy, context + size, 384 - (size_t)size) : CELLA_SUCCESS;
}

void cella_record_free(struct cella_record *record) {
    json_decref(record->public);
    json_decref(record->tags);
    cella_buffer_free(&record->sealed);
    record->public = record->tags = NULL;
}

void cella_record_page_free(struct cella_record_page *page) {
    for (size_t i = 0; i < page->count; i++) cella_record_free(&page->record[i]);
    free(page->record);
    *page = (struct cella_record_page){0};
}

/* --- Rows --- */

#define I(number) cella_value_integer(number)
#define T(text)   cella_value_text(text)
#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))

/* In this order of every query that gives records. */
#define COLUMNS                                                                                    \
    "t.name, v.version, v.enabled, v.managed, v.nbf, v.expires, v.created, v.updated, v.shown,"    \
    " v.tags, t.deleted, t.purge_at"
enum { SEALED_COLUMN = 12 };
#define JOINED                                                                                     \
    " FROM vault_thing t, vault_version v WHERE v.vault = t.vault AND v.kind = t.kind"             \
    " AND v.fold = t.fold"

static CELLA_RESULT read_row(struct cella_rows *rows, enum cella_record_kind kind, bool sealed,
                             struct cella_record *out) {
    *out = (struct cella_record){.kind = kind};
    cella_rows_text(rows, 0, out->name, sizeof(out->name));
    cella_rows_text(rows, 1, out->version, sizeof(out->version));
    out->enabled = cella_rows_integer(rows, 2) != 0;
    out->managed = cella_rows_integer(rows, 3) != 0;
    out->not_before = cella_rows_integer(rows, 4);
    out->expires = cella_rows_integer(rows, 5);
    out->created = cella_rows_integer(rows, 6);
    out->updated = cella_rows_integer(rows, 7);
    out->deleted = cella_rows_integer(rows, 10);
    out->purge_at = cella_rows_integer(rows, 11);
    struct cella_result result =
        cella_json_object(cella_rows_bytes(rows, 8), "stored record", &out->public);
    if (!cella_failed(result) && !cella_rows_null(rows, 9))
        result = cella_json_object(cella_rows_bytes(rows, 9), "stored tags", &out->tags);
    if (!cella_failed(result) && sealed && !cella_rows_null(rows, SEALED_COLUMN))
        result = cella_buffer_append(&out->sealed, cella_rows_bytes(rows, SEALED_COLUMN));
    if (cella_failed(result)) cella_record_free(out);
    return result;
}

/* What is known of a thing; latest empty when there is none. */
struct thing {
    char name[CELLA_RECORD_NAME_MAX + 1], latest[CELLA_RECORD_VERSION_SIZE + 1];
    int64_t number;
    bool gone;
};

static CELLA_RESULT find_thing(struct cella_session *session, const char *vault,
                               enum cella_record_kind kind, const struct fold *fold,
                               struct thing *out) {
    static const char sql[] = "SELECT name, latest, number, gone FROM vault_thing WHERE vault = ?"
                              " AND kind = ? AND fold = ?";
    struct cella_value values[] = {T(vault), I(kind), T(fold->text)};
    CELLA_ROWS rows = NULL;
    bool there = false;
    *out = (struct thing){.number = 0};
    TRY(cella_query(session, sql, values, COUNT(values), &rows));
    TRY(cella_rows_next(rows, &there));
    if (!there) return CELLA_SUCCESS;
    cella_rows_text(rows, 0, out->name, sizeof(out->name));
    cella_rows_text(rows, 1, out->latest, sizeof(out->latest));
    out->number = cella_rows_integer(rows, 2);
    out->gone = cella_rows_integer(rows, 3) != 0;
    return CELLA_SUCCESS;
}

/* --- Writing --- */

static CELLA_RESULT text_of(const json_t *json, char **out) {
    *out = json ? json_dumps(json, JSON_COMPACT) : NULL;
    ENSURE(!json || *out, CELLA_ERR_MEMORY, NULL, "no memory for a record");
    return CELLA_SUCCESS;
}

static CELLA_RESULT insert_version(struct cella_session *session, const char *vault,
                                   const struct fold *fold, int64_t number,
                                   const struct cella_record *r) {
    static const char sql[] =
        "INSERT INTO vault_version (vault, kind, fold, version, number, enabled, managed, nbf,"
        " expires, created, updated, shown, tags, sealed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    char *shown = NULL, *tags = NULL;
    TRY(text_of(r->public, &shown));
    struct cella_result result = text_of(r->tags, &tags);
    struct cella_value sealed = cella_value_bytes(cella_buffer_bytes(&r->sealed));
    struct cella_value values[] = {T(vault),      I(r->kind),
                                   T(fold->text), T(r->version),
                                   I(number),     I(r->enabled),
                                   I(r->managed), I(r->not_before),
                                   I(r->expires), I(r->created),
                                   I(r->updated), T(shown ? shown : "{}"),
                                   T(tags),       r->sealed.size ? sealed : T(NULL)};
    if (!cella_failed(result)) result = cella_execute(session, sql, values, COUNT(values), NULL);
    free(shown);
    free(tags);
    return result;
}

CELLA_RESULT cella_record_version(char version[CELLA_RECORD_VERSION_SIZE + 1]) {
    uint8_t bytes[CELLA_RECORD_VERSION_SIZE / 2];
    TRY(cella_random(bytes, sizeof(bytes)));
    cella_hex_encode(CELLA_BYTES_OF(bytes), version);
    return CELLA_SUCCESS;
}

static CELLA_RESULT write_thing(struct cella_session *session, const char *vault,
                                const struct fold *fold, const struct thing *thing,
                                const struct cella_record *record) {
    static const char insert[] =
        "INSERT INTO vault_thing (name, latest, number, vault, kind, fold, gone, deleted, purge_at)"
        " VALUES (?, ?, ?, ?, ?, ?, 0, -1, -1)";
    static const char update[] = "UPDATE vault_thing SET name = ?, latest = ?, number = ?"
                                 " WHERE vault = ? AND kind = ? AND fold = ?";
    struct cella_value values[] = {T(record->name), T(record->version), I(thing->number + 1),
                                   T(vault),        I(record->kind),    T(fold->text)};
    return cella_execute(session, thing->latest[0] ? update : insert, values, COUNT(values), NULL);
}

CELLA_RESULT cella_records_add(struct cella_session *session, const char *vault,
                               struct cella_record *record) {
    struct fold fold = fold_name(record->name);
    struct thing thing;
    TRY(find_thing(session, vault, record->kind, &fold, &thing));
    ENSURE(!thing.gone, CELLA_ERR_EXISTS, "recover it, or purge it",
           "%s is deleted but can be recovered; its name can't be used meanwhile", record->name);
    if (thing.latest[0]) cella_copy(record->name, thing.name, sizeof(thing.name));
    if (!record->version[0]) TRY(cella_record_version(record->version));
    TRY(write_thing(session, vault, &fold, &thing, record));
    return insert_version(session, vault, &fold, thing.number + 1, record);
}

CELLA_RESULT cella_records_get(struct cella_session *session, const char *vault,
                               enum cella_record_kind kind, const char *name, const char *version,
                               bool deleted, bool sealed, struct cella_record *out) {
    static const char latest[] = "SELECT " COLUMNS ", v.sealed" JOINED
                                 " AND v.version = t.latest AND t.vault = ? AND t.kind = ?"
                                 " AND t.fold = ? AND t.gone = ?";
    static const char exact[] = "SELECT " COLUMNS ", v.sealed" JOINED
                                " AND t.vault = ? AND t.kind = ? AND t.fold = ? AND t.gone = ?"
                                " AND v.version = ?";
    struct fold fold = fold_name(name);
    bool one = version && *version, there = false;
    struct cella_value values[] = {T(vault), I(kind), T(fold.text), I(deleted), T(version)};
    const struct record_asked asked = {vault, fold.text, one ? version : "", kind, deleted, sealed};
    CELLA_ROWS rows = NULL;
    if (record_recall(session, &asked, out)) return CELLA_SUCCESS;
    *out = (struct cella_record){.kind = kind};
    TRY(cella_query(session, one ? exact : latest, values, one ? 5 : 4, &rows));
    TRY(cella_rows_next(rows, &there));
    ENSURE(there, CELLA_ERR_NOT_FOUND, NULL, "%s%s%s was not found", name, one ? "/" : "",
           one ? version : "");
    TRY(read_row(rows, kind, sealed, out));
    record_keep(session, &asked, out);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_records_update(struct cella_session *session, const char *vault,
                                  struct cella_record *record) {
    static const char sql[] = "UPDATE vault_version SET enabled = ?, nbf = ?, expires = ?,"
                              " updated = ?, shown = ?, tags = ?, sealed = COALESCE(?, sealed)"
                              " WHERE vault = ? AND kind = ? AND fold = ? AND version = ?";
    struct fold fold = fold_name(record->name);
    char *shown = NULL, *tags = NULL;
    uint64_t changed = 0;
    TRY(text_of(record->public, &shown));
    struct cella_result result = text_of(record->tags, &tags);
    struct cella_value sealed = cella_value_bytes(cella_buffer_bytes(&record->sealed));
    struct cella_value values[] = {I(record->enabled),
                                   I(record->not_before),
                                   I(record->expires),
                                   I(record->updated),
                                   T(shown ? shown : "{}"),
                                   T(tags),
                                   record->sealed.size ? sealed : T(NULL),
                                   T(vault),
                                   I(record->kind),
                                   T(fold.text),
                                   T(record->version)};
    if (!cella_failed(result))
        result = cella_execute(session, sql, values, COUNT(values), &changed);
    free(shown);
    free(tags);
    TRY(result);
    ENSURE(changed == 1, CELLA_ERR_NOT_FOUND, NULL, "%s/%s was not found", record->name,
           record->version);
    return CELLA_SUCCESS;
}

/* --- Deletion: alive -> deleted -> alive or purged, and nothing else (K15) --- */

static CELLA_RESULT move_thing(struct cella_session *session, const char *vault,
                               enum cella_record_kind kind, const char *name, bool to_gone,
                               int64_t deleted, int64_t purge_at) {
    static const char sql[] = "UPDATE vault_thing SET gone = ?, deleted = ?, purge_at = ?"
                              " WHERE vault = ? AND kind = ? AND fold = ? AND gone = ?";
    struct fold fold = fold_name(name);
    uint64_t changed = 0;
    struct cella_value values[] = {I(to_gone), I(deleted),   I(purge_at), T(vault),
                                   I(kind),    T(fold.text), I(!to_gone)};
    TRY(cella_execute(session, sql, values, COUNT(values), &changed));
    ENSURE(changed == 1, CELLA_ERR_NOT_FOUND, NULL, "%s was not found", name);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_records_delete(struct cella_session *session, const char *vault,
                                  enum cella_record_kind kind, const char *name, int64_t now,
                                  int64_t purge_at) {
    return move_thing(session, vault, kind, name, true, now, purge_at);
}

CELLA_RESULT cella_records_recover(struct cella_session *session, const char *vault,
                                   enum cella_record_kind kind, const char *name) {
    return move_thing(session, vault, kind, name, false, -1, -1);
}

CELLA_RESULT cella_records_purge(struct cella_session *session, const char *vault,
                                 enum cella_record_kind kind, const char *name) {
    static const char *const rest[] = {
        "DELETE FROM vault_version WHERE vault = ? AND kind = ? AND fold = ?",
        "DELETE FROM vault_note WHERE vault = ? AND kind = ? AND fold = ?"};
    static const char thing[] = "DELETE FROM vault_thing WHERE vault = ? AND kind = ? AND fold = ?"
                                " AND gone = 1";
    struct fold fold = fold_name(name);
    struct cella_value values[] = {T(vault), I(kind), T(fold.text)};
    uint64_t changed = 0;
    TRY(cella_execute(session, thing, values, COUNT(values), &changed));
    ENSURE(changed == 1, CELLA_ERR_NOT_FOUND, NULL, "%s was not found", name);
    for (size_t i = 0; i < COUNT(rest); i++)
        TRY(cella_execute(session, rest[i], values, COUNT(values), NULL));
    return kind == CELLA_RECORD_KEY ? cella_residents_go(session, vault, fold.text) : CELLA_SUCCESS;
}

/* --- Lists --- */

static CELLA_RESULT read_page(struct cella_rows *rows, enum cella_record_kind kind, size_t max,
                              struct cella_record_page *out) {
    bool there = false;
    out->record = calloc(max, sizeof(*out->record));
    ENSURE(out->record, CELLA_ERR_MEMORY, NULL, "no memory for a list");
    for (;;) {
        TRY(cella_rows_next(rows, &there));
        if (!there) return CELLA_SUCCESS;
        if (out->count == max) break;
        TRY(read_row(rows, kind, false, &out->record[out->count]));
        out->count++;
    }
    out->more = true;
    return CELLA_SUCCESS;
}

static CELLA_RESULT list_versions(struct cella_session *session, const char *vault,
                                  enum cella_record_kind kind, const char *name, bool deleted,
                                  const char *after, size_t max, struct cella_rows **rows) {
    static const char first[] = "SELECT " COLUMNS JOINED " AND t.vault = ? AND t.kind = ?"
                                " AND t.fold = ? AND t.gone = ? ORDER BY v.number DESC LIMIT ?";
    static const char next[] =
        "SELECT " COLUMNS JOINED " AND t.vault = ? AND t.kind = ? AND t.fold = ? AND t.gone = ?"
        " AND v.number < (SELECT w.number FROM vault_version w WHERE w.vault = t.vault"
        " AND w.kind = t.kind AND w.fold = t.fold AND w.version = ?) ORDER BY v.number DESC LIMIT "
        "?";
    struct fold fold = fold_name(name);
    struct cella_value values[] = {T(vault),   I(kind),  T(fold.text),
                                   I(deleted), T(after), I(max + 1)};
    if (after) return cella_query(session, next, values, COUNT(values), rows);
    values[4] = values[5];
    return cella_query(session, first, values, 5, rows);
}

CELLA_RESULT cella_records_list(struct cella_session *session, const char *vault,
                                enum cella_record_kind kind, const char *name, bool deleted,
                                const char *after, size_t max, struct cella_record_page *out) {
    static const char things[] = "SELECT " COLUMNS JOINED " AND v.version = t.latest"
                                 " AND t.vault = ? AND t.kind = ? AND t.gone = ? AND t.fold > ?"
                                 " ORDER BY t.fold LIMIT ?";
    struct fold fold = fold_name(after ? after : "");
    struct cella_value values[] = {T(vault), I(kind), I(deleted), T(fold.text), I(max + 1)};
    CELLA_ROWS rows = NULL;
    *out = (struct cella_record_page){0};
    if (name)
        TRY(list_versions(session, vault, kind, name, deleted, after, max, &rows));
    else
        TRY(cella_query(session, things, values, COUNT(values), &rows));
    struct cella_result result = read_page(rows, kind, max, out);
    if (cella_failed(result)) cella_record_page_free(out);
    return result;
}

/* --- Notes --- */

CELLA_RESULT cella_records_note(struct cella_session *session, const char *vault,
                                enum cella_record_kind kind, const char *name, const char *note,
                                struct cella_bytes text) {
    static const char remove[] =
        "DELETE FROM vault_note WHERE vault = ? AND kind = ? AND fold = ? AND note = ?";
    static const char insert[] =
        "INSERT INTO vault_note (vault, kind, fold, note, content) VALUES (?, ?, ?, ?, ?)";
    struct fold fold = fold_name(name);
    struct cella_value values[] = {T(vault), I(kind), T(fold.text), T(note),
                                   cella_value_bytes(text)};
    TRY(cella_execute(session, remove, values, 4, NULL));
    return text.size ? cella_execute(session, insert, values, COUNT(values), NULL) : CELLA_SUCCESS;
}

CELLA_RESULT cella_records_note_get(struct cella_session *session, const char *vault,
                                    enum cella_record_kind kind, const char *name, const char *note,
                                    struct cella_buffer *out) {
    static const char sql[] =
        "SELECT content FROM vault_note WHERE vault = ? AND kind = ? AND fold = ? AND note = ?";
    struct fold fold = fold_name(name);
    struct cella_value values[] = {T(vault), I(kind), T(fold.text), T(note)};
    CELLA_ROWS rows = NULL;
    bool there = false;
    TRY(cella_query(session, sql, values, COUNT(values), &rows));
    TRY(cella_rows_next(rows, &there));
    return there ? cella_buffer_append(out, cella_rows_bytes(rows, 0)) : CELLA_SUCCESS;
}

/* --- Housekeeping --- */

static CELLA_RESULT read_name(struct cella_rows *rows, struct cella_record_name *out, bool *there) {
    TRY(cella_rows_next(rows, there));
    if (!*there) return CELLA_SUCCESS;
    cella_rows_text(rows, 0, out->vault, sizeof(out->vault));
    out->kind = (enum cella_record_kind)cella_rows_integer(rows, 1);
    cella_rows_text(rows, 2, out->name, sizeof(out->name));
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_records_noted(struct cella_session *session, const char *note,
                                 struct cella_record_name *at, bool *there) {
    static const char sql[] =
        "SELECT vault, kind, fold FROM vault_note WHERE note = ? AND (vault > ? OR (vault = ? AND"
        " (kind > ? OR (kind = ? AND fold > ?)))) ORDER BY vault, kind, fold LIMIT 1";
    struct cella_value values[] = {T(note),     T(at->vault), T(at->vault),
                                   I(at->kind), I(at->kind),  T(at->name)};
    CELLA_ROWS rows = NULL;
    TRY(cella_query(session, sql, values, COUNT(values), &rows));
    return read_name(rows, at, there);
}

CELLA_RESULT cella_records_due(struct cella_session *session, int64_t now,
                               struct cella_record_name *first, bool *there) {
    static const char sql[] = "SELECT vault, kind, fold FROM vault_thing WHERE gone = 1"
                              " AND purge_at <= ? ORDER BY purge_at LIMIT 1";
    struct cella_value values[] = {I(now)};
    CELLA_ROWS rows = NULL;
    TRY(cella_query(session, sql, values, COUNT(values), &rows));
    return read_name(rows, first, there);
}
