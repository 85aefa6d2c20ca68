/* From files to a set. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/trust_inner.h"
#include "base/file.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "evidence/collateral.h"

enum { KEY_MAX = 1 << 16, DEPTH_MAX = 3, PATH_SIZE = 4096 };

#define SET __attribute__((cleanup(cella_collateral_free))) struct cella_collateral *

/* --- Whether files changed --- */

static CELLA_RESULT note_file(struct cella_buffer *notes, const char *path, const struct stat *st) {
    char line[PATH_SIZE + 128];
    int n = snprintf(line, sizeof(line), "%s %llu %llu %lld.%09ld %lld.%09ld\n", path,
                     (unsigned long long)st->st_ino, (unsigned long long)st->st_size,
                     (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
                     (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
    return cella_buffer_append(notes, cella_bytes(line, n > 0 ? (size_t)n : 0));
}

static void free_names(struct dirent ***names) { free(*names); }

static CELLA_RESULT note_path(struct cella_buffer *notes, const char *path, int depth) {
    __attribute__((cleanup(free_names))) struct dirent **names = NULL;
    struct cella_result r = CELLA_SUCCESS;
    struct stat st;
    if (stat(path, &st) != 0) return cella_buffer_append(notes, cella_bytes("absent\n", 7));
    TRY(note_file(notes, path, &st));
    if (!S_ISDIR(st.st_mode) || depth > DEPTH_MAX) return CELLA_SUCCESS;
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char entry[PATH_SIZE];
        bool named = snprintf(entry, sizeof(entry), "%s/%s", path, names[i]->d_name) < PATH_SIZE;
        if (!cella_failed(r) && named && names[i]->d_name[0] != '.')
            r = note_path(notes, entry, depth + 1);
        free(names[i]);
    }
    return r;
}

CELLA_RESULT cella_trust_signature(const struct cella_trust *trust, uint8_t signature[32]) {
    CELLA_BUFFER notes = {0};
    for (size_t i = 0; i < trust->path_count; i++) TRY(note_path(&notes, trust->path[i], 0));
    for (size_t i = 0; i < trust->platform_count; i++)
        TRY(note_path(&notes, trust->platform[i], 0));
    if (trust->cache) TRY(note_path(&notes, trust->cache, 0));
    if (trust->roots) TRY(note_path(&notes, trust->roots, 0));
    return cella_sha256(cella_buffer_bytes(&notes), signature);
}

/* --- The set --- */

/* Trust in a key ends with its file: what cannot be read is not trusted, and said so. */
static CELLA_RESULT trust_key(struct cella_collateral *set, const char *path) {
    CELLA_BUFFER key = {0};
    struct cella_result r = cella_file_read(path, KEY_MAX, &key);
    if (!cella_failed(r)) r = cella_collateral_trust(set, cella_buffer_bytes(&key));
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    if (cella_failed(r))
        cella_log(CELLA_LOG_WARN, "collateral: the platform key %s is not trusted: %s", path,
                  r.error->what);
    cella_result_drop(r);
    return CELLA_SUCCESS;
}

/* What was fetched proves itself; a file that was damaged is fetched again. */
static CELLA_RESULT add_cache(const struct cella_trust *trust, struct cella_collateral *set,
                              struct cella_store *store) {
    CELLA_STORE probe = {0};
    size_t taken = 0;
    if (!trust->cache || access(trust->cache, F_OK) != 0) return CELLA_SUCCESS;
    struct cella_result r = cella_store_add_path(&probe, trust->cache, &taken);
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    if (cella_failed(r)) {
        cella_log(CELLA_LOG_WARN, "collateral: the cache is left out: %s", r.error->what);
        cella_result_drop(r);
        return CELLA_SUCCESS;
    }
    TRY(cella_store_add_path(store, trust->cache, &taken));
    return cella_collateral_add_path(set, trust->cache);
}

/* A05: what held stays beside what the files say now, and the newest wins. */
static CELLA_RESULT add_known(const struct cella_trust *trust, struct cella_collateral *set,
                              struct cella_store *store) {
    for (size_t i = 0; i < trust->known.count; i++) {
        const struct cella_item *item = &trust->known.item[i];
        size_t taken = 0;
        bool here;
        if (item->kind == CELLA_ITEM_OTHER || item->state != CELLA_ITEM_HELD) continue;
        TRY(cella_store_add(store, item->name, cella_buffer_bytes(&item->content), &taken));
        TRY(cella_collateral_add(set, item->name, cella_buffer_bytes(&item->content), &here));
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT set_roots(const struct cella_trust *trust, struct cella_collateral *set,
                              struct cella_store *store) {
    if (!trust->roots) return CELLA_SUCCESS;
    TRY(cella_store_roots(store, trust->roots));
    return cella_collateral_set_roots(set, store->root, store->root_count);
}

static void tell_failed(const struct cella_store *store) {
    for (size_t i = 0; i < store->count; i++)
        if (store->item[i].state == CELLA_ITEM_FAILED)
            cella_log(CELLA_LOG_WARN, "collateral: %s does not hold: %s", store->item[i].name,
                      store->item[i].why);
}

CELLA_RESULT cella_trust_load(struct cella_trust *trust, struct cella_collateral **out,
                              struct cella_store *out_store) {
    SET set = NULL;
    CELLA_STORE store = {0};
    const char *family = NULL;
    size_t taken = 0;
    TRY(cella_collateral_new(&set));
    TRY(set_roots(trust, set, &store));
    for (size_t i = 0; i < trust->path_count; i++) {
        TRY(cella_store_add_path(&store, trust->path[i], &taken));
        TRY(cella_collateral_add_path(set, trust->path[i]));
    }
    TRY(add_cache(trust, set, &store));
    TRY(add_known(trust, set, &store));
    for (size_t i = 0; i < trust->platform_count; i++) TRY(trust_key(set, trust->platform[i]));
    TRY(cella_collateral_finish(set));
    const struct cella_error *failure = cella_collateral_failure(set, &family);
    ENSURE(!failure, CELLA_ERR_FORMAT, "see `cella collateral check`", "collateral: %s: %s", family,
           failure->what);
    TRY(cella_store_check(&store));
    tell_failed(&store);
    TRY(cella_store_settle(&store, false));
    *out = MOVE(set);
    *out_store = MOVE(store);
    return CELLA_SUCCESS;
}
