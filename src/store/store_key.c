/* store.key: the store's keys, sealed under the root (docs/formats/sealed-record.md). To change the
 * root is to replace this one file. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/jose.h"
#include "store/sealer_inner.h"

enum { FILE_MAX = 1 << 16, ROOT_MAX = 2048 };
static const char context[] = "store|keys";

static CELLA_RESULT name_in(const struct sealer_place *at, const char *name, char path[PATH_MAX]) {
    int n = snprintf(path, PATH_MAX, "%s/%s", at->folder, name);
    ENSURE(n > 0 && n < PATH_MAX, CELLA_ERR_LIMIT, NULL, "path too long: %s", at->folder);
    return CELLA_SUCCESS;
}

CELLA_RESULT sealer_kept_put(json_t *kept, const char *name, struct cella_bytes bytes) {
    CELLA_BUFFER text = {0};
    TRY(cella_base64_encode(bytes, true, &text));
    ENSURE(json_object_set_new(kept, name, json_stringn((const char *)text.data, text.size)) == 0,
           CELLA_ERR_MEMORY, NULL, "no memory for a store key");
    return CELLA_SUCCESS;
}

CELLA_RESULT sealer_kept_get(const json_t *kept, const char *name, struct cella_buffer *out) {
    const json_t *text = json_object_get(kept, name);
    ENSURE(json_is_string(text), CELLA_ERR_FORMAT, "restore store.key from a backup",
           "store.key does not say the root's %s", name);
    return cella_base64_decode(cella_bytes(json_string_value(text), json_string_length(text)), true,
                               out);
}

/* --- Writing --- */

static CELLA_RESULT seal_keys(const struct cella_secret *root, const struct cella_secret *keys,
                              json_t *file) {
    CELLA_SEALER sealer = NULL;
    CELLA_BUFFER sealed = {0};
    TRY(sealer_of_keys(cella_secret_bytes(root), &sealer));
    TRY(cella_sealer_seal(sealer, context, cella_secret_bytes(keys), &sealed));
    return sealer_kept_put(file, "sealed", cella_buffer_bytes(&sealed));
}

/* A root that cannot be read back would lock the store for good: it has to open what was sealed
 * before anything is replaced. */
static CELLA_RESULT try_out(const struct sealer_place *at, const json_t *kept,
                            const struct cella_secret *root) {
    CELLA_SECRET again = {0};
    TRY_IN(sealer_root_open(at, kept, &again), "the root, tried out");
    ENSURE(again.size == root->size && cella_equal_secret(again.data, root->data, root->size),
           CELLA_ERR_INTEGRITY, "choose another root", "the root %s gives another key each time",
           at->root);
    return CELLA_SUCCESS;
}

/* The text of a store.key: keys under a root. */
static CELLA_RESULT wrap(const struct sealer_place *at, const struct cella_secret *keys,
                         size_t flags, struct cella_buffer *out) {
    CELLA_SECRET root = {0};
    CELLA_JSON kept = json_object();
    CELLA_JSON file =
        json_pack("{s:i, s:s, s:O}", "cella_store_key", 1, "root", at->root, "kept", kept);
    ENSURE(kept && file && strlen(at->root) < ROOT_MAX, CELLA_ERR_MEMORY, NULL,
           "no memory for a store key, or a root of more than %d characters", ROOT_MAX - 1);
    TRY(sealer_root_make(at, kept, &root));
    TRY(try_out(at, kept, &root));
    TRY(seal_keys(&root, keys, file));
    char *text = json_dumps(file, flags | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a store key");
    struct cella_result r = cella_buffer_append(out, cella_bytes_text(text));
    free(text);
    return r;
}

static CELLA_RESULT write_file(const struct sealer_place *at, const struct cella_secret *keys,
                               unsigned flags) {
    char path[PATH_MAX];
    CELLA_BUFFER text = {0};
    TRY(name_in(at, "store.key", path));
    TRY(wrap(at, keys, JSON_INDENT(1), &text));
    return cella_file_write(path, cella_buffer_bytes(&text), 0600, flags);
}

/* --- Reading --- */

struct file {
    json_t *whole; /* owned */
    const char *root;
    const json_t *kept;
    struct cella_buffer sealed; /* owned */
};
static void free_file(struct file *file) {
    json_decref(file->whole);
    cella_buffer_free(&file->sealed);
}
#define STORE_FILE __attribute__((cleanup(free_file))) struct file

static CELLA_RESULT parse(struct cella_bytes text, const char *name, struct file *out) {
    TRY(cella_json_object(text, name, &out->whole));
    out->root = json_string_value(json_object_get(out->whole, "root"));
    out->kept = json_object_get(out->whole, "kept");
    ENSURE(json_integer_value(json_object_get(out->whole, "cella_store_key")) == 1 && out->root &&
               json_is_object(out->kept) && json_object_size(out->whole) == 4,
           CELLA_ERR_FORMAT, "restore it from a backup",
           "%s is no store key of a version that this program knows", name);
    return sealer_kept_get(out->whole, "sealed", &out->sealed);
}

/* whole stays NULL when there is none. */
static CELLA_RESULT read_file(const struct sealer_place *at, struct file *out) {
    char path[PATH_MAX];
    CELLA_BUFFER text = {0};
    TRY(name_in(at, "store.key", path));
    struct cella_result r = cella_file_read(path, FILE_MAX, &text);
    if (cella_code_of(r) == CELLA_ERR_NOT_FOUND) {
        cella_result_drop(r);
        return CELLA_SUCCESS;
    }
    TRY(r);
    return parse(cella_buffer_bytes(&text), "store.key", out);
}

static CELLA_RESULT unwrap(const struct sealer_place *at, const struct file *file,
                           struct cella_secret *keys) {
    CELLA_SECRET root = {0};
    CELLA_SEALER sealer = NULL;
    TRY_IN(sealer_root_open(at, file->kept, &root), "root %s", at->root);
    TRY(sealer_of_keys(cella_secret_bytes(&root), &sealer));
    return cella_sealer_unseal(sealer, context, cella_buffer_bytes(&file->sealed), keys);
}

static CELLA_RESULT open_file(const struct sealer_place *at, const struct file *file,
                              struct cella_secret *keys) {
    const struct sealer_place there = {
        .root = file->root, .folder = at->folder, .device = at->device};
    if (strcmp(file->root, at->root) != 0)
        cella_log(CELLA_LOG_WARN,
                  "the store is sealed under the root %s since it was re-wrapped, and opened with "
                  "it; cella.conf still says %s",
                  file->root, at->root);
    if (strncmp(file->root, "file:", 5) == 0)
        cella_log(CELLA_LOG_WARN,
                  "root %s: whoever can read this file, of %s, can read all that is sealed",
                  file->root + 5, at->folder);
    TRY_IN(unwrap(&there, file, keys), "store.key");
    return CELLA_SUCCESS;
}

/* --- Making --- */

/* To the keys there are, one that was never under a root before. */
static CELLA_RESULT add_key(const struct cella_secret *old, struct cella_secret *out) {
    CELLA_SECRET made = {0};
    ENSURE(old->size < (size_t)SEALER_KEYS_MAX * SEALER_KEY_SIZE, CELLA_ERR_LIMIT,
           "begin a new folder, and restore the vaults there from backups",
           "the store has %d keys, and can't have more", SEALER_KEYS_MAX);
    TRY(cella_secret_new(old->size + SEALER_KEY_SIZE, &made));
    cella_copy(made.data, old->data, old->size);
    TRY(cella_random(made.data + old->size, SEALER_KEY_SIZE));
    *out = MOVE(made);
    return CELLA_SUCCESS;
}

static CELLA_RESULT make(const struct sealer_place *at) {
    CELLA_SECRET before = {0}, keys = {0};
    bool there = false;
    TRY(sealer_root_old(at, &before, &there));
    TRY(add_key(&before, &keys));
    struct cella_result r = write_file(at, &keys, CELLA_FILE_EXCLUSIVE);
    if (cella_code_of(r) != CELLA_ERR_EXISTS) return r;
    cella_result_drop(r); /* another process was first: its keys they are */
    return CELLA_SUCCESS;
}

CELLA_RESULT sealer_store_keys(const struct sealer_place *at, struct cella_secret *keys) {
    for (int attempt = 0; attempt < 2; attempt++) {
        STORE_FILE file = {0};
        TRY(read_file(at, &file));
        if (file.whole) return open_file(at, &file, keys);
        TRY(make(at));
    }
    FAIL(CELLA_ERR_IO, NULL, "%s/store.key was removed while it was opened", at->folder);
}

/* --- Another root --- */

/* One at a time; the lock file stays. */
static CELLA_RESULT lock(const struct sealer_place *at, int *out) {
    char path[PATH_MAX];
    TRY(name_in(at, ".rewrap", path));
    CELLA_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    ENSURE(fd >= 0, CELLA_ERR_IO, NULL, "cannot make %s: %s", path, strerror(errno));
    ENSURE(flock(fd, LOCK_EX | LOCK_NB) == 0, CELLA_ERR_EXISTS, "wait for it to end",
           "another re-wrap of %s is under way", at->folder);
    *out = MOVE_FD(fd);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_sealer_rewrap(const char *root, const char *folder, const char *to) {
    const struct sealer_place from = {.root = root, .folder = folder, .device = "/dev/cella"};
    const struct sealer_place next = {.root = to, .folder = folder, .device = "/dev/cella"};
    CELLA_SECRET old = {0}, keys = {0};
    CELLA_FD held = -1;
    TRY(lock(&from, &held));
    TRY(sealer_store_keys(&from, &old));
    TRY(add_key(&old, &keys));
    return write_file(&next, &keys, 0);
}

/* --- Keys that leave the store --- */

CELLA_RESULT cella_sealer_detach(const char *root, const char *folder, struct cella_buffer *kept,
                                 struct cella_sealer **out) {
    const struct sealer_place at = {.root = root, .folder = folder, .device = "/dev/cella"};
    CELLA_SECRET none = {0}, key = {0};
    TRY(add_key(&none, &key));
    TRY(wrap(&at, &key, JSON_COMPACT, kept));
    return sealer_of_keys(cella_secret_bytes(&key), out);
}

/* The root is never the one that kept names: whoever made it could have another file read, or the
 * module of an HSM loaded that is a program of theirs. */
CELLA_RESULT cella_sealer_attach(const char *root, const char *folder, struct cella_bytes kept,
                                 struct cella_sealer **out) {
    const struct sealer_place at = {.root = root, .folder = folder, .device = "/dev/cella"};
    STORE_FILE file = {0};
    CELLA_SECRET keys = {0};
    TRY(parse(kept, "the sealed key", &file));
    TRY_IN(unwrap(&at, &file, &keys), "it was sealed under a root called %s where it was made",
           file.root);
    return sealer_of_keys(cella_secret_bytes(&keys), out);
}

CELLA_RESULT cella_sealer_root(const char *root, const char *folder, struct cella_buffer *out) {
    const struct sealer_place at = {.root = root, .folder = folder};
    STORE_FILE file = {0};
    TRY(read_file(&at, &file));
    const char *text = file.whole ? file.root : root;
    return cella_buffer_append(out, cella_bytes(text, strlen(text) + 1));
}
