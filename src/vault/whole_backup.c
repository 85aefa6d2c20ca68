#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "crypto/jose.h"
#include "vault/whole_inner.h"

struct writer {
    const struct cella_vault_whole *whole;
    const char *vault, *path;
    struct cella_session *session;
    struct cella_sealer *sealer; /* of the file */
    int fd;
    struct cella_buffer text; /* of the chunk so far: an array without its end */
    uint64_t index;
    struct cella_vault_whole_count count;
};
static void writer_close(struct writer *w) {
    cella_session_end(&w->session);
    cella_sealer_close(&w->sealer);
    cella_buffer_free(&w->text);
    cella_fd_close(&w->fd);
}
#define WRITER __attribute__((cleanup(writer_close))) struct writer

/* --- Chunks --- */

static CELLA_RESULT end_chunk(struct writer *w, bool last) {
    char context[WHOLE_CONTEXT];
    CELLA_BUFFER out = {0};
    uint8_t *size = NULL;
    TRY(cella_buffer_append(&w->text, cella_bytes_text(w->text.size ? "]" : "[]")));
    whole_context(w->vault, w->index++, last, context);
    TRY(cella_buffer_extend(&out, 4, &size));
    TRY(cella_sealer_seal(w->sealer, context, cella_buffer_bytes(&w->text), &out));
    for (int i = 0; i < 4; i++) out.data[i] = (uint8_t)((out.size - 4) >> (24 - 8 * i));
    w->text.size = 0;
    return cella_file_write_fd(w->fd, w->path, cella_buffer_bytes(&out));
}

/* Takes the row. */
static CELLA_RESULT add_row(struct writer *w, json_t *row) {
    char *text = row ? json_dumps(row, JSON_COMPACT) : NULL;
    json_decref(row);
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a backup, or a row that is no text");
    struct cella_result r =
        cella_buffer_append(&w->text, cella_bytes_text(w->text.size ? "," : "["));
    if (!cella_failed(r)) r = cella_buffer_append(&w->text, cella_bytes_text(text));
    free(text);
    TRY(r);
    return w->text.size < WHOLE_CHUNK ? CELLA_SUCCESS : end_chunk(w, false);
}

/* --- Rows --- */

static json_t *text_at(const struct cella_rows *rows, unsigned column) {
    struct cella_bytes bytes = cella_rows_bytes(rows, column);
    return cella_rows_null(rows, column) ? json_null()
                                         : json_stringn((const char *)bytes.data, bytes.size);
}

/* columns: 'i' or 't' each. */
static json_t *row_of(const struct cella_rows *rows, const char *name, const char *columns) {
    json_t *row = json_pack("{s:[]}", name), *list = json_object_get(row, name);
    bool good = list != NULL;
    for (unsigned i = 0; columns[i]; i++)
        good = good && json_array_append_new(list, columns[i] == 'i'
                                                       ? json_integer(cella_rows_integer(rows, i))
                                                       : text_at(rows, i)) == 0;
    if (good) return row;
    json_decref(row);
    return NULL;
}

static CELLA_RESULT set_sealed(json_t *row, struct cella_bytes sealed) {
    CELLA_BUFFER text = {0};
    TRY(cella_base64_encode(sealed, true, &text));
    ENSURE(json_object_set_new(row, "sealed", json_stringn((const char *)text.data, text.size)) ==
               0,
           CELLA_ERR_MEMORY, NULL, "no memory for a backup");
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_thing(struct writer *w, const struct cella_rows *rows) {
    w->count.things++;
    return add_row(w, row_of(rows, "thing", "ittiiii"));
}

enum { VERSION_SHOWN = 10, VERSION_SEALED = 12 };
static CELLA_RESULT add_version(struct writer *w, const struct cella_rows *rows) {
    CELLA_JSON row = row_of(rows, "version", "ittiiiiiiitt");
    char fold[CELLA_RECORD_NAME_MAX + 1], version[CELLA_RECORD_VERSION_SIZE + 1], context[384];
    CELLA_BUFFER sealed = {0};
    w->count.versions++;
    if (row && !cella_rows_null(rows, VERSION_SEALED)) {
        cella_rows_text(rows, 1, fold, sizeof(fold));
        cella_rows_text(rows, 2, version, sizeof(version));
        TRY(whole_secret(w->vault, (int)cella_rows_integer(rows, 0), fold, version,
                         cella_rows_bytes(rows, VERSION_SHOWN), context));
        TRY_IN(whole_reseal(w->whole->sealer, context, cella_rows_bytes(rows, VERSION_SEALED),
                            w->sealer, context, &sealed),
               "%s/%s", fold, version);
        TRY(set_sealed(row, cella_buffer_bytes(&sealed)));
    }
    return add_row(w, MOVE(row));
}

static CELLA_RESULT add_note(struct writer *w, const struct cella_rows *rows) {
    const struct whole_side from = {w->vault, w->whole->sealer}, to = {w->vault, w->sealer};
    CELLA_JSON row = row_of(rows, "note", "itt");
    char fold[CELLA_RECORD_NAME_MAX + 1];
    CELLA_BUFFER content = {0};
    w->count.notes++;
    cella_rows_text(rows, 1, fold, sizeof(fold));
    TRY_IN(whole_note(&from, &to, fold, cella_rows_bytes(rows, 3), &content), "a note of %s", fold);
    if (row) TRY(set_sealed(row, cella_buffer_bytes(&content)));
    return add_row(w, MOVE(row));
}

static CELLA_RESULT add_all(struct writer *w, const char *sql,
                            struct cella_result (*add)(struct writer *,
                                                       const struct cella_rows *)) {
    const struct cella_value vault = cella_value_text(w->vault);
    CELLA_ROWS rows = NULL;
    TRY(cella_query(w->session, sql, &vault, 1, &rows));
    for (bool there;;) {
        TRY(cella_rows_next(rows, &there));
        if (!there) return CELLA_SUCCESS;
        TRY(add(w, rows));
    }
}

/* --- The whole --- */

static CELLA_RESULT write_header(struct writer *w) {
    CELLA_BUFFER kept = {0};
    TRY(cella_sealer_detach(w->whole->root, w->whole->folder, &kept, &w->sealer));
    CELLA_JSON header =
        json_pack("{s:i, s:s, s:I, s:s%}", "cella_vault_backup", 1, "vault", w->vault, "made",
                  (json_int_t)time(NULL), "key", (const char *)kept.data, kept.size);
    char *text = header ? json_dumps(header, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a backup");
    struct cella_result r = cella_file_write_fd(w->fd, w->path, cella_bytes_text(text));
    free(text);
    TRY(r);
    return cella_file_write_fd(w->fd, w->path, cella_bytes_text("\n"));
}

/* A name that was mistyped is no empty backup. */
static CELLA_RESULT check_vault(struct writer *w) {
    const struct cella_value vault = cella_value_text(w->vault);
    CELLA_ROWS rows = NULL;
    bool there = false;
    TRY(cella_query(w->session, "SELECT 1 FROM vault_thing WHERE vault = ? LIMIT 1", &vault, 1,
                    &rows));
    TRY(cella_rows_next(rows, &there));
    ENSURE(there, CELLA_ERR_NOT_FOUND, "see the sections [vault NAME] of cella.conf",
           "there is nothing in a vault called %s", w->vault);
    return CELLA_SUCCESS;
}

static CELLA_RESULT write_all(struct writer *w) {
    TRY(write_header(w));
    TRY(add_all(w,
                "SELECT kind, name, latest, number, gone, deleted, purge_at FROM vault_thing"
                " WHERE vault = ?",
                add_thing));
    TRY(add_all(w,
                "SELECT kind, fold, version, number, enabled, managed, nbf, expires, created,"
                " updated, shown, tags, sealed FROM vault_version WHERE vault = ?",
                add_version));
    TRY(add_all(w, "SELECT kind, fold, note, content FROM vault_note WHERE vault = ?", add_note));
    TRY(add_row(w, json_pack("{s:[I,I,I]}", "end", (json_int_t)w->count.things,
                             (json_int_t)w->count.versions, (json_int_t)w->count.notes)));
    TRY(end_chunk(w, true));
    ENSURE(fsync(w->fd) == 0, CELLA_ERR_IO, NULL, "cannot bring %s to the disk: %s", w->path,
           strerror(errno));
    return w->whole->note(w->whole->context, w->vault, &w->count);
}

CELLA_RESULT cella_vault_whole_backup(const struct cella_vault_whole *whole, const char *vault,
                                      const char *path, struct cella_vault_whole_count *count) {
    WRITER w = {.whole = whole, .vault = vault, .path = path, .fd = -1};
    TRY(cella_session_begin(whole->database, false, &w.session));
    TRY(check_vault(&w));
    w.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    ENSURE(w.fd >= 0, errno == EEXIST ? CELLA_ERR_EXISTS : CELLA_ERR_IO, "give another name",
           "cannot make %s: %s", path, strerror(errno));
    struct cella_result r = write_all(&w);
    if (cella_failed(r)) (void)unlink(path);
    *count = w.count;
    return r;
}
