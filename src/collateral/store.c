#include "collateral/store.h"

#include <cella/collateral.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/x509.h"
#include "evidence/bundle.h"
#include "evidence/snp_report.h"

enum {
    FILE_MAX = 16 << 20 /* bytes */,
    ITEM_MAX = 4096,
    DEPTH_MAX = 3,
    PATH_SIZE = 4096,
    ROOT_MAX = 64
};

void cella_store_free(struct cella_store *store) {
    for (size_t i = 0; i < store->count; i++) cella_item_free(&store->item[i]);
    for (size_t i = 0; i < store->root_count; i++) free((void *)(uintptr_t)store->root[i].data);
    free(store->item);
    free(store->root);
    *store = (struct cella_store){0};
}

static bool same(const struct cella_buffer *a, const struct cella_buffer *b) {
    return a->size == b->size && cella_equal(a->data, b->data, a->size);
}

/* Takes the item over. What is there already, to the byte, is not there twice. */
static CELLA_RESULT append(struct cella_store *store, struct cella_item *item) {
    for (size_t i = 0; i < store->count; i++)
        if (same(&store->item[i].content, &item->content)) return CELLA_SUCCESS;
    ENSURE(store->count < ITEM_MAX, CELLA_ERR_LIMIT, NULL, "collateral: more than %d items",
           ITEM_MAX);
    struct cella_item *grown = realloc(store->item, (store->count + 1) * sizeof(*grown));
    ENSURE(grown, CELLA_ERR_MEMORY, NULL, "no memory for collateral");
    store->item = grown;
    store->item[store->count++] = *item;
    *item = (struct cella_item){0};
    return CELLA_SUCCESS;
}

/* One item; what this part does not know stays whole if a verifier does. */
static CELLA_RESULT add_one(struct cella_store *store, const char *name, struct cella_bytes content,
                            bool whole, size_t *taken) {
    CELLA_ITEM item = {0};
    bool known = true;
    TRY(cella_item_read(name, content, &item));
    if (item.kind == CELLA_ITEM_OTHER) {
        known = false;
        if (whole) TRY(cella_store_known(name, content, &known, item.why));
        if (item.why[0]) item.state = CELLA_ITEM_FAILED;
    }
    if (!known) return CELLA_SUCCESS;
    ++*taken;
    return append(store, &item);
}

static CELLA_RESULT add_blocks(struct cella_store *store, const char *name, struct cella_bytes text,
                               const char *label, size_t *taken) {
    bool found = true;
    for (size_t at = 0;;) {
        CELLA_BUFFER der = {0};
        struct cella_result r = cella_pem_next(text, label, &at, &der, &found);
        if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
        bool good = !cella_failed(r) && found;
        cella_result_drop(r);
        if (!good) return CELLA_SUCCESS;
        TRY(add_one(store, name, cella_buffer_bytes(&der), false, taken));
    }
}

static CELLA_RESULT add_table(struct cella_store *store, struct cella_bytes content,
                              size_t *taken) {
    struct cella_snp_table table;
    struct cella_result r = cella_snp_table_parse(content, &table);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    if (!good) return CELLA_SUCCESS;
    const struct cella_bytes part[] = {table.vcek, table.vlek, table.ask, table.ark, table.crl};
    for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
        if (part[i].size) TRY(add_one(store, "table", part[i], false, taken));
    return CELLA_SUCCESS;
}

/* A list as some caching services give it: DER in hexadecimal. */
static CELLA_RESULT add_hex(struct cella_store *store, const char *name, struct cella_bytes text,
                            size_t *taken) {
    CELLA_BUFFER der = {0};
    if (text.size < 64 || text.data[0] != '3' || text.data[1] != '0') return CELLA_SUCCESS;
    struct cella_result r = cella_hex_decode_all(text, &der);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good ? add_one(store, name, cella_buffer_bytes(&der), false, taken) : CELLA_SUCCESS;
}

static CELLA_RESULT add_bundle(struct cella_store *store, struct cella_bytes bundle,
                               size_t *taken) {
    struct cella_bundle_file file;
    bool found = true;
    for (size_t at = 0; found;) {
        TRY(cella_bundle_next(bundle, &at, &file, &found));
        const char *slash = strrchr(file.name, '/');
        if (found && !cella_bundle_is(file.content))
            TRY(cella_store_add(store, slash ? slash + 1 : file.name, file.content, taken));
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_store_add(struct cella_store *store, const char *name,
                             struct cella_bytes content, size_t *taken) {
    static const char begin[] = "-----BEGIN ";
    size_t before = *taken;
    if (cella_bundle_is(content)) return add_bundle(store, content, taken);
    if (cella_snp_table_is(content)) TRY(add_table(store, content, taken));
    if (content.size > sizeof(begin) && cella_equal(content.data, begin, sizeof(begin) - 1)) {
        TRY(add_blocks(store, name, content, "CERTIFICATE", taken));
        TRY(add_blocks(store, name, content, "X509 CRL", taken));
    }
    if (*taken == before) TRY(add_hex(store, name, content, taken));
    return *taken == before ? add_one(store, name, content, true, taken) : CELLA_SUCCESS;
}

/* --- Paths --- */

typedef struct cella_result take_file(struct cella_store *store, const char *path, size_t *taken);

static void free_names(struct dirent ***names) { free(*names); }

static CELLA_RESULT walk(struct cella_store *store, const char *path, int depth, take_file *take,
                         size_t *taken) {
    __attribute__((cleanup(free_names))) struct dirent **names = NULL;
    struct cella_result r = CELLA_SUCCESS;
    struct stat st;
    ENSURE(strcmp(path, "-") == 0 || stat(path, &st) == 0, CELLA_ERR_NOT_FOUND, NULL,
           "there is no %s", path);
    if (strcmp(path, "-") == 0 || !S_ISDIR(st.st_mode)) return take(store, path, taken);
    int count = scandir(path, &names, NULL, alphasort);
    ENSURE(count >= 0, CELLA_ERR_IO, NULL, "cannot list %s: %m", path);
    for (int i = 0; i < count; i++) {
        char entry[PATH_SIZE];
        const char *name = names[i]->d_name;
        bool named = snprintf(entry, sizeof(entry), "%s/%s", path, name) < PATH_SIZE &&
                     stat(entry, &st) == 0;
        bool folder = named && S_ISDIR(st.st_mode) && strncmp(name, "collateral", 10) == 0 &&
                      depth < DEPTH_MAX;
        if (!cella_failed(r) && name[0] != '.' && named && (folder || S_ISREG(st.st_mode)))
            r = walk(store, entry, depth + 1, take, taken);
        free(names[i]);
    }
    return r;
}

static CELLA_RESULT take_items(struct cella_store *store, const char *path, size_t *taken) {
    CELLA_BUFFER content = {0};
    const char *slash = strrchr(path, '/');
    TRY(cella_file_read(path, FILE_MAX, &content));
    TRY_IN(cella_store_add(store, slash ? slash + 1 : path, cella_buffer_bytes(&content), taken),
           "%s", path);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_store_add_path(struct cella_store *store, const char *path, size_t *taken) {
    return walk(store, path, 0, take_items, taken);
}

static CELLA_RESULT take_root(struct cella_store *store, const char *path, size_t *taken) {
    CELLA_BUFFER content = {0};
    TRY(cella_file_read(path, FILE_MAX, &content));
    ENSURE(store->root_count < ROOT_MAX, CELLA_ERR_LIMIT, NULL, "roots: more than %d files",
           ROOT_MAX);
    struct cella_bytes *grown = realloc(store->root, (store->root_count + 1) * sizeof(*grown));
    ENSURE(grown, CELLA_ERR_MEMORY, NULL, "no memory for roots");
    store->root = grown;
    store->root[store->root_count++] = cella_buffer_bytes(&content);
    content = (struct cella_buffer){0};
    ++*taken;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_store_roots(struct cella_store *store, const char *path) {
    size_t taken = 0;
    TRY(walk(store, path, 0, take_root, &taken));
    ENSURE(taken > 0, CELLA_ERR_USAGE, "give certificates or public keys", "%s: no file in it",
           path);
    return CELLA_SUCCESS;
}

/* --- Settling --- */

static bool failed(const struct cella_item *item) { return item->state == CELLA_ITEM_FAILED; }

static int rank(const struct cella_item *item) {
    return item->state == CELLA_ITEM_HELD ? 0 : failed(item) ? 2 : 1;
}

/* Names in order; of the same name what holds first, then the newer. */
static int compare(const void *left, const void *right) {
    const struct cella_item *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    if (order != 0) return order;
    if (rank(a) != rank(b)) return rank(a) - rank(b);
    if (cella_item_newer(a, b)) return -1;
    if (cella_item_newer(b, a)) return 1;
    order = memcmp(a->content.data, b->content.data,
                   a->content.size < b->content.size ? a->content.size : b->content.size);
    return order ? order
                 : (a->content.size > b->content.size) - (a->content.size < b->content.size);
}

/* Several things that this part does not know may have the name of one file. */
static CELLA_RESULT name_others(struct cella_store *store) {
    for (size_t i = 1; i < store->count; i++) {
        struct cella_item *item = &store->item[i];
        uint8_t digest[CELLA_SHA256_SIZE];
        char hex[9], name[CELLA_ITEM_NAME];
        if (item->kind != CELLA_ITEM_OTHER || strcmp(item->name, store->item[i - 1].name) != 0)
            continue;
        TRY(cella_sha256(cella_buffer_bytes(&item->content), digest));
        cella_hex_encode(cella_bytes(digest, 4), hex);
        const char *dot = strrchr(item->name, '.');
        int stem = dot ? (int)(dot - item->name) : (int)strlen(item->name);
        snprintf(name, sizeof(name), "%.*s-%s%.10s", stem > 80 ? 80 : stem, item->name, hex,
                 dot ? dot : "");
        cella_copy(item->name, name, sizeof(name));
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_store_settle(struct cella_store *store, bool keep_failed) {
    size_t kept = 0;
    if (store->count > 1) qsort(store->item, store->count, sizeof(store->item[0]), compare);
    TRY(name_others(store));
    if (store->count > 1) qsort(store->item, store->count, sizeof(store->item[0]), compare);
    for (size_t i = 0; i < store->count; i++) {
        struct cella_item item = store->item[i];
        bool first = kept == 0 || strcmp(store->item[kept - 1].name, item.name) != 0;
        if (failed(&item) ? keep_failed : first)
            store->item[kept++] = item;
        else
            cella_item_free(&item);
    }
    store->count = kept;
    return CELLA_SUCCESS;
}

const struct cella_item *cella_store_find(const struct cella_store *store, const char *name) {
    for (size_t i = 0; i < store->count; i++)
        if (strcmp(store->item[i].name, name) == 0) return &store->item[i];
    return NULL;
}

void cella_store_remove(struct cella_store *store, size_t index) {
    cella_item_free(&store->item[index]);
    store->count--;
    memmove(&store->item[index], &store->item[index + 1],
            (store->count - index) * sizeof(store->item[0]));
}

CELLA_RESULT cella_store_bundle(const struct cella_store *store, struct cella_buffer *out) {
    for (size_t i = 0; i < store->count; i++)
        TRY(cella_bundle_put(out, store->item[i].name,
                             cella_buffer_bytes(&store->item[i].content)));
    return cella_bundle_end(out);
}
