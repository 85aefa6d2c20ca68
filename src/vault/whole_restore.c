#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/jose.h"
#include "vault/residents.h"
#include "vault/whole_inner.h"

struct reader {
    const struct cella_vault_whole *whole;
    const char *path, *from, *to; /* vaults */
    FILE *file;
    json_t *header;
    struct cella_session *session;
    struct cella_sealer *sealer; /* of the file */
    uint64_t index;
    bool last;
    struct cella_vault_whole_count count, told;
};
static void reader_close(struct reader *r) {
    cella_session_end(&r->session);
    cella_sealer_close(&r->sealer);
    json_decref(r->header);
    if (r->file) fclose(r->file);
}
#define READER __attribute__((cleanup(reader_close))) struct reader

#define I(number) cella_value_integer(number)
#define T(text)   cella_value_text(text)
#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))

/* --- Both ways: notes --- */

CELLA_RESULT whole_note(const struct whole_side *from, const struct whole_side *to,
                        const char *fold, struct cella_bytes note, struct cella_buffer *out) {
    char one[384], two[384];
    CELLA_JSON kept = NULL;
    CELLA_BUFFER sealed = {0}, again = {0}, text = {0};
    TRY(cella_json_object(note, "note", &kept));
    const char *key = json_string_value(json_object_get(kept, "key"));
    const char *id = json_string_value(json_object_get(kept, "request_id"));
    if (!key || !id) return cella_buffer_append(out, note);
    cella_cert_pending_context(from->vault, fold, id, one);
    cella_cert_pending_context(to->vault, fold, id, two);
    TRY(cella_base64_decode(cella_bytes_text(key), false, &sealed));
    TRY(whole_reseal(from->sealer, one, cella_buffer_bytes(&sealed), to->sealer, two, &again));
    TRY(cella_base64_encode(cella_buffer_bytes(&again), false, &text));
    json_object_set_new(kept, "key", json_stringn((const char *)text.data, text.size));
    char *whole = json_dumps(kept, JSON_COMPACT);
    ENSURE(whole, CELLA_ERR_MEMORY, NULL, "no memory for a note");
    struct cella_result r = cella_buffer_append(out, cella_bytes_text(whole));
    free(whole);
    return r;
}

/* --- Rows: authenticated, and checked all the same --- */

static CELLA_RESULT bad_row(const char *what) {
    FAIL(CELLA_ERR_FORMAT, "a newer cella may read it", "a backup with a %s that is none", what);
}

static bool name_good(const char *name) { return cella_record_name_good(cella_bytes_text(name)); }
/* What is kept of a vault and not of one thing, its contacts for one, has a name that is no
 * thing's: an underscore before it. */
static bool note_name_good(const char *name) { return name_good(name + (*name == '_')); }
static bool kind_good(int kind) { return kind >= 0 && kind <= CELLA_RECORD_CERTIFICATE; }

static CELLA_RESULT sealed_of(const json_t *row, struct cella_buffer *out) {
    const json_t *text = json_object_get(row, "sealed");
    if (!text) return CELLA_SUCCESS;
    if (!json_is_string(text)) return bad_row("sealed part");
    return cella_base64_decode(cella_bytes(json_string_value(text), json_string_length(text)), true,
                               out);
}

static void fold_name(const char *name, char fold[CELLA_RECORD_NAME_MAX + 1]) {
    size_t i = 0;
    for (; i < CELLA_RECORD_NAME_MAX && name[i]; i++)
        fold[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
    fold[i] = 0;
}

static CELLA_RESULT take_thing(struct reader *r, json_t *row) {
    static const char sql[] =
        "INSERT INTO vault_thing (vault, kind, fold, name, latest, number, gone, deleted, purge_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    const char *name, *latest;
    char fold[CELLA_RECORD_NAME_MAX + 1];
    int kind, gone;
    json_int_t number, deleted, purge_at;
    if (json_unpack(row, "{s:[i,s,s,I,i,I,I!]!}", "thing", &kind, &name, &latest, &number, &gone,
                    &deleted, &purge_at) != 0 ||
        !kind_good(kind) || !name_good(name) || gone < 0 || gone > 1 ||
        !cella_record_version_good(cella_bytes_text(latest)))
        return bad_row("thing");
    fold_name(name, fold);
    const struct cella_value values[] = {T(r->to),  I(kind), T(fold),    T(name),    T(latest),
                                         I(number), I(gone), I(deleted), I(purge_at)};
    r->count.things++;
    return cella_execute(r->session, sql, values, COUNT(values), NULL);
}

static CELLA_RESULT reseal_version(struct reader *r, const json_t *row, int kind, const char *fold,
                                   const char *version, const char *shown,
                                   struct cella_buffer *out) {
    char one[384], two[384];
    CELLA_BUFFER sealed = {0};
    TRY(sealed_of(row, &sealed));
    if (!sealed.size) return CELLA_SUCCESS;
    TRY(whole_secret(r->from, kind, fold, version, cella_bytes_text(shown), one));
    TRY(whole_secret(r->to, kind, fold, version, cella_bytes_text(shown), two));
    return whole_reseal(r->sealer, one, cella_buffer_bytes(&sealed), r->whole->sealer, two, out);
}

/* A key that lives in an HSM: it must be there still; here is where. */
static CELLA_RESULT take_resident(struct reader *r, const char *fold, const char *version,
                                  const char *shown) {
    CELLA_JSON public = NULL;
    TRY(cella_json_object(cella_bytes_text(shown), "a version of the backup", &public));
    return json_object_get(public, "hsm")
               ? cella_residents_restore(r->session, r->to, fold, version)
               : CELLA_SUCCESS;
}

static CELLA_RESULT take_version(struct reader *r, json_t *row) {
    static const char sql[] =
        "INSERT INTO vault_version (vault, kind, fold, version, number, enabled, managed, nbf,"
        " expires, created, updated, shown, tags, sealed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    const char *fold, *version, *shown;
    json_t *tags;
    int kind, enabled, managed;
    json_int_t number, nbf, expires, created, updated;
    CELLA_BUFFER sealed = {0};
    if (json_unpack(row, "{s:[i,s,s,I,i,i,I,I,I,I,s,o!]}", "version", &kind, &fold, &version,
                    &number, &enabled, &managed, &nbf, &expires, &created, &updated, &shown,
                    &tags) != 0 ||
        !kind_good(kind) || !name_good(fold) ||
        !cella_record_version_good(cella_bytes_text(version)))
        return bad_row("version");
    TRY(reseal_version(r, row, kind, fold, version, shown, &sealed));
    const struct cella_value values[] = {
        T(r->to),
        I(kind),
        T(fold),
        T(version),
        I(number),
        I(enabled),
        I(managed),
        I(nbf),
        I(expires),
        I(created),
        I(updated),
        T(shown),
        T(json_string_value(tags)),
        sealed.size ? cella_value_bytes(cella_buffer_bytes(&sealed)) : T(NULL)};
    r->count.versions++;
    if (kind == CELLA_RECORD_KEY) TRY(take_resident(r, fold, version, shown));
    return cella_execute(r->session, sql, values, COUNT(values), NULL);
}

static CELLA_RESULT take_note(struct reader *r, json_t *row) {
    static const char sql[] =
        "INSERT INTO vault_note (vault, kind, fold, note, content) VALUES (?, ?, ?, ?, ?)";
    const struct whole_side from = {r->from, r->sealer}, to = {r->to, r->whole->sealer};
    const char *fold, *note;
    int kind;
    CELLA_BUFFER content = {0}, ours = {0};
    if (json_unpack(row, "{s:[i,s,s!]}", "note", &kind, &fold, &note) != 0 || !kind_good(kind) ||
        !note_name_good(fold))
        return bad_row("note");
    TRY(sealed_of(row, &content));
    TRY_IN(whole_note(&from, &to, fold, cella_buffer_bytes(&content), &ours), "a note of %s", fold);
    const struct cella_value values[] = {T(r->to), I(kind), T(fold), T(note),
                                         cella_value_bytes(cella_buffer_bytes(&ours))};
    r->count.notes++;
    return cella_execute(r->session, sql, values, COUNT(values), NULL);
}

static CELLA_RESULT take_end(struct reader *r, json_t *row) {
    json_int_t things, versions, notes;
    if (!r->last || json_unpack(row, "{s:[I,I,I!]!}", "end", &things, &versions, &notes) != 0)
        return bad_row("end");
    ENSURE(r->count.things == (uint64_t)things && r->count.versions == (uint64_t)versions &&
               r->count.notes == (uint64_t)notes,
           CELLA_ERR_INTEGRITY, NULL, "%s does not have what it says that it has", r->path);
    r->told = r->count;
    return CELLA_SUCCESS;
}

static CELLA_RESULT take_row(struct reader *r, json_t *row) {
    if (json_object_get(row, "thing")) return take_thing(r, row);
    if (json_object_get(row, "version")) return take_version(r, row);
    if (json_object_get(row, "note")) return take_note(r, row);
    return take_end(r, row);
}

/* --- Chunks --- */

static CELLA_RESULT cut_off(const struct reader *r) {
    FAIL(CELLA_ERR_INTEGRITY, "copy it again from where it was made",
         "%s is not whole: it ends within a part, or has more behind its end", r->path);
}

static CELLA_RESULT unseal(struct reader *r, struct cella_bytes sealed, struct cella_secret *text) {
    char context[WHOLE_CONTEXT];
    whole_context(r->from, r->index, false, context);
    struct cella_result more = cella_sealer_unseal(r->sealer, context, sealed, text);
    if (!cella_failed(more)) return more;
    cella_result_drop(more);
    whole_context(r->from, r->index, true, context);
    r->last = true;
    struct cella_result last = cella_sealer_unseal(r->sealer, context, sealed, text);
    bool good = !cella_failed(last);
    cella_result_drop(last);
    ENSURE(good, CELLA_ERR_INTEGRITY, "copy it again from where it was made",
           "part %llu of %s was changed, or is another's", (unsigned long long)r->index, r->path);
    return CELLA_SUCCESS;
}

static CELLA_RESULT take_chunk(struct reader *r) {
    uint8_t head[4], *data = NULL;
    CELLA_BUFFER sealed = {0};
    CELLA_SECRET text = {0};
    CELLA_JSON rows = NULL;
    if (fread(head, 1, sizeof(head), r->file) != sizeof(head)) return cut_off(r);
    size_t size = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (size == 0 || size > WHOLE_RECORD_MAX) return cut_off(r);
    TRY(cella_buffer_extend(&sealed, size, &data));
    if (fread(data, 1, size, r->file) != size) return cut_off(r);
    TRY(unseal(r, cella_buffer_bytes(&sealed), &text));
    TRY(cella_json_value(cella_secret_bytes(&text), "a part of the backup", &rows));
    if (!json_is_array(rows)) return bad_row("part");
    for (size_t i = 0; i < json_array_size(rows); i++) TRY(take_row(r, json_array_get(rows, i)));
    r->index++;
    return CELLA_SUCCESS;
}

/* --- The whole --- */

static CELLA_RESULT read_header(struct reader *r) {
    CELLA_BUFFER line = {0};
    for (int c; (c = fgetc(r->file)) != '\n';) {
        const uint8_t byte = (uint8_t)c;
        ENSURE(c != EOF && line.size < WHOLE_HEADER_MAX, CELLA_ERR_FORMAT, NULL,
               "%s is no backup of a vault", r->path);
        TRY(cella_buffer_append(&line, cella_bytes(&byte, 1)));
    }
    struct cella_result parsed = cella_json_object(cella_buffer_bytes(&line), r->path, &r->header);
    cella_result_drop(parsed);
    const json_t *key = json_object_get(r->header, "key");
    r->from = json_string_value(json_object_get(r->header, "vault"));
    ENSURE(json_integer_value(json_object_get(r->header, "cella_vault_backup")) == 1 && r->from &&
               strlen(r->from) <= 64 && json_is_string(key),
           CELLA_ERR_FORMAT, NULL, "%s is no backup of a vault that this program knows", r->path);
    return cella_sealer_attach(r->whole->root, r->whole->folder,
                               cella_bytes(json_string_value(key), json_string_length(key)),
                               &r->sealer);
}

static CELLA_RESULT check_target(const struct reader *r) {
    static const char sql[] = "SELECT 1 FROM vault_thing WHERE vault = ? LIMIT 1";
    const struct cella_value vault = T(r->to);
    size_t size = strspn(r->to, "0123456789abcdefghijklmnopqrstuvwxyz-");
    CELLA_ROWS rows = NULL;
    bool there = false;
    ENSURE(size > 0 && size <= 64 && !r->to[size], CELLA_ERR_USAGE, NULL,
           "a vault's name: expected 1 to 64 of a-z, 0-9 and -, found '%s'", r->to);
    TRY(cella_query(r->session, sql, &vault, 1, &rows));
    TRY(cella_rows_next(rows, &there));
    ENSURE(!there, CELLA_ERR_EXISTS, "give another name: --as NAME",
           "there are things in a vault called %s; a restore does not mix", r->to);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_vault_whole_restore(const struct cella_vault_whole *whole, const char *path,
                                       const char *as, struct cella_vault_whole_count *count) {
    READER r = {.whole = whole, .path = path, .file = fopen(path, "re")};
    ENSURE(r.file, errno == ENOENT ? CELLA_ERR_NOT_FOUND : CELLA_ERR_IO, NULL, "cannot open %s: %s",
           path, strerror(errno));
    TRY(read_header(&r));
    r.to = as ? as : r.from;
    TRY(cella_records_migrate(whole->database));
    TRY(cella_session_begin(whole->database, true, &r.session));
    TRY(check_target(&r));
    while (!r.last) TRY(take_chunk(&r));
    if (r.told.things != r.count.things || fgetc(r.file) != EOF) return cut_off(&r);
    TRY(whole->note(whole->context, r.to, &r.count));
    *count = r.count;
    return cella_session_commit(&r.session);
}
