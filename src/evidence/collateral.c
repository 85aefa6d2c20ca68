#include <cella/collateral.h>

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "crypto/x509.h"
#include "evidence/bundle.h"
#include "evidence/collateral.h"
#include "evidence/envelope.h"
#include "evidence/family.h"

enum { TOTAL_MAX = 16 << 20 /* bytes */, ITEM_MAX = 4096, FOLDER_DEPTH_MAX = 3, PATH_SIZE = 4096 };

static const struct cella_family *const families[] = {
#define FAMILY(name) &cella_family_##name,
#define TYPE(type, function)
#include "evidence/families.h"
#undef FAMILY
#undef TYPE
};
enum { FAMILY_COUNT = sizeof(families) / sizeof(families[0]) };

struct item {
    struct item *next;
    bool taken; /* by some family */
    size_t size;
    uint8_t content[];
};

struct cella_collateral {
    struct item *items; /* owned; never moved, families hold views into them */
    size_t item_count, total;
    bool finished;
    void *state[FAMILY_COUNT];
    /* What could not be taken in, by a family or, last, of a bundle: evidence is then refused. */
    struct cella_result failure[FAMILY_COUNT + 1];
};

void cella_collateral_free(struct cella_collateral **collateral) {
    struct cella_collateral *c = *collateral;
    if (!c) return;
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        if (c->state[i]) families[i]->free_state(c->state[i]);
    for (size_t i = 0; i <= FAMILY_COUNT; i++) cella_result_drop(c->failure[i]);
    for (struct item *item = c->items, *next; item; item = next) {
        next = item->next;
        free(item);
    }
    free(c);
    *collateral = NULL;
}
#define COLLATERAL __attribute__((cleanup(cella_collateral_free))) struct cella_collateral *

CELLA_RESULT cella_collateral_new(struct cella_collateral **out) {
    *out = NULL;
    COLLATERAL c = calloc(1, sizeof(*c));
    ENSURE(c, CELLA_ERR_MEMORY, NULL, "no memory for collateral");
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        TRY_IN(families[i]->new_state(&c->state[i]), "%s", families[i]->name);
    *out = MOVE(c);
    return CELLA_SUCCESS;
}

static struct cella_result ensure_open(const struct cella_collateral *c) {
    ENSURE(!c->finished, CELLA_ERR_USAGE, NULL,
           "collateral: nothing can be added once it is finished");
    return CELLA_SUCCESS;
}

/* Keeps a copy that stays in place. */
static struct cella_result keep(struct cella_collateral *c, struct cella_bytes content,
                                struct cella_bytes *kept) {
    ENSURE(content.size <= TOTAL_MAX - c->total, CELLA_ERR_LIMIT, NULL,
           "collateral: more than %d bytes in all", TOTAL_MAX);
    ENSURE(c->item_count < ITEM_MAX, CELLA_ERR_LIMIT, NULL, "collateral: more than %d items",
           ITEM_MAX);
    struct item *item = malloc(sizeof(*item) + content.size);
    ENSURE(item, CELLA_ERR_MEMORY, NULL, "no memory for %zu bytes of collateral", content.size);
    cella_copy(item->content, content.data, content.size);
    item->next = c->items;
    item->taken = false;
    item->size = content.size;
    c->items = item;
    c->item_count++;
    c->total += content.size;
    *kept = cella_bytes(item->content, content.size);
    return CELLA_SUCCESS;
}

static bool is_fatal(struct cella_result r) {
    return cella_code_of(r) == CELLA_ERR_MEMORY || cella_code_of(r) == CELLA_ERR_LIMIT;
}

/* Hostile collateral is a refusal of what needs it, not an error of the caller: the first failure
 * is kept. */
static struct cella_result keep_failure(struct cella_collateral *c, size_t family,
                                        struct cella_result r) {
    if (!cella_failed(r) || is_fatal(r)) return r;
    if (cella_failed(c->failure[family]))
        cella_result_drop(r);
    else
        c->failure[family] = r;
    return CELLA_SUCCESS;
}

/* --- Roots and trusted keys --- */

/* Each DER object of a PEM text, or the DER itself. */
typedef struct cella_result take_der(struct cella_collateral *c, struct cella_bytes der);

static struct cella_result each_pem(struct cella_collateral *c, struct cella_bytes text,
                                    const char *label, take_der *take, size_t *count) {
    bool found = true;
    for (size_t at = 0; found;) {
        CELLA_BUFFER block = {0};
        TRY(cella_pem_next(text, label, &at, &block, &found));
        if (!found) break;
        TRY(take(c, cella_buffer_bytes(&block)));
        ++*count;
    }
    return CELLA_SUCCESS;
}

static struct cella_result each_der(struct cella_collateral *c, struct cella_bytes content,
                                    take_der *take) {
    size_t count = 0;
    if (content.size > 0 && content.data[0] == 0x30)
        return take(c, content); /* a DER SEQUENCE is no text */
    TRY(each_pem(c, content, "CERTIFICATE", take, &count));
    TRY(each_pem(c, content, "PUBLIC KEY", take, &count));
    ENSURE(count > 0, CELLA_ERR_FORMAT, "give certificates or public keys, in PEM or DER",
           "neither PEM nor DER of a key");
    return CELLA_SUCCESS;
}

/* A root is one maker's, so the others may have no use for its kind of key; but none may be of use
 * to nobody. */
static struct cella_result take_root(struct cella_collateral *c, struct cella_bytes der) {
    struct cella_bytes kept;
    struct cella_result last = CELLA_SUCCESS;
    size_t taken = 0;
    TRY(keep(c, der, &kept));
    for (size_t i = 0; i < FAMILY_COUNT; i++) {
        struct cella_result r = families[i]->set_root(c->state[i], kept);
        if (is_fatal(r) || (cella_failed(r) && !cella_failed(last))) {
            cella_result_drop(last);
            last = r;
        } else {
            cella_result_drop(r);
        }
        taken += !cella_failed(r);
        if (is_fatal(last)) return last;
    }
    if (taken == 0) return last;
    cella_result_drop(last);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_collateral_set_roots(struct cella_collateral *c, const struct cella_bytes *roots,
                                        size_t count) {
    TRY(ensure_open(c));
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        TRY(families[i]->set_root(c->state[i], cella_bytes(NULL, 0)));
    for (size_t i = 0; i < count; i++) TRY_IN(each_der(c, roots[i], take_root), "root %zu", i + 1);
    return CELLA_SUCCESS;
}

static struct cella_result take_trust(struct cella_collateral *c, struct cella_bytes der) {
    struct cella_bytes kept;
    TRY(keep(c, der, &kept));
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        if (families[i]->trust) TRY_IN(families[i]->trust(c->state[i], kept), "trusted key");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_collateral_trust(struct cella_collateral *c, struct cella_bytes key) {
    TRY(ensure_open(c));
    return each_der(c, key, take_trust);
}

/* --- Items --- */

/* Whether the same bytes were taken before: folders hold things twice, alone and within an
 * envelope. */
static bool taken_before(const struct cella_collateral *c, struct cella_bytes content) {
    for (const struct item *item = c->items; item; item = item->next)
        if (item->taken && item->size == content.size &&
            cella_equal(item->content, content.data, content.size))
            return true;
    return false;
}

/* Every family sees every item: a certificate chain may matter to several. */
static struct cella_result offer(struct cella_collateral *c, const char *name,
                                 struct cella_bytes content, bool *taken) {
    struct cella_bytes kept;
    if (taken_before(c, content)) {
        *taken = true;
        return CELLA_SUCCESS;
    }
    TRY(keep(c, content, &kept));
    for (size_t i = 0; i < FAMILY_COUNT; i++) {
        bool here = false;
        TRY_IN(keep_failure(c, i, families[i]->add(c->state[i], name, kept, &here)), "%s", name);
        c->items->taken |= here;
    }
    *taken |= c->items->taken;
    return CELLA_SUCCESS;
}

static struct cella_result add_bundle(struct cella_collateral *c, struct cella_bytes bundle,
                                      bool *taken) {
    struct cella_bundle_file file;
    bool found = true;
    for (size_t at = 0; found;) {
        struct cella_result r = cella_bundle_next(bundle, &at, &file, &found);
        if (cella_failed(r)) {
            *taken = true;
            return keep_failure(c, FAMILY_COUNT, r);
        }
        const char *slash = strrchr(file.name, '/');
        if (found) TRY(offer(c, slash ? slash + 1 : file.name, file.content, taken));
    }
    return CELLA_SUCCESS;
}

/* What an envelope carries beside its evidence is collateral like any other: vcek, PCR values,
 * certificate chains. */
static struct cella_result add_parts(struct cella_collateral *c, struct cella_bytes json,
                                     bool *taken) {
    CELLA_ENVELOPE envelope = {0};
    struct cella_result r = cella_envelope_open(json, &envelope);
    bool memory = cella_code_of(r) == CELLA_ERR_MEMORY, failed = cella_failed(r);
    if (memory) return r;
    cella_result_drop(r); /* no envelope: nothing more to add */
    for (uint32_t i = 0; !failed && i < envelope.part_count; i++) {
        struct cella_bytes content = envelope.part[i].content;
        /* A key set is trusted for being given (docs/formats/collateral.md), so it comes as a file
         * of its own, never from within evidence. */
        if (content.size > 0 && content.data[0] != '{')
            TRY(offer(c, envelope.part[i].name, content, taken));
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_collateral_add(struct cella_collateral *c, const char *name,
                                  struct cella_bytes content, bool *taken) {
    *taken = false;
    TRY(ensure_open(c));
    if (cella_bundle_is(content)) return add_bundle(c, content, taken);
    TRY(offer(c, name, content, taken));
    if (content.size > 0 && content.data[0] == '{' && !*taken) return add_parts(c, content, taken);
    return CELLA_SUCCESS;
}

static struct cella_result add_file(struct cella_collateral *c, const char *path) {
    CELLA_BUFFER content = {0};
    bool taken = false;
    const char *slash = strrchr(path, '/');
    TRY(cella_file_read(path, TOTAL_MAX, &content));
    TRY_IN(cella_collateral_add(c, slash ? slash + 1 : path, cella_buffer_bytes(&content), &taken),
           "%s", path);
    return CELLA_SUCCESS;
}

static struct cella_result add_folder(struct cella_collateral *c, const char *path, int depth);

static struct cella_result add_entry(struct cella_collateral *c, const char *folder,
                                     const char *name, int depth) {
    char path[PATH_SIZE];
    struct stat st;
    if (name[0] == '.') return CELLA_SUCCESS;
    int n = snprintf(path, sizeof(path), "%s/%s", folder, name);
    ENSURE(n > 0 && (size_t)n < sizeof(path), CELLA_ERR_LIMIT, NULL, "%s/%s: a path this long",
           folder, name);
    if (stat(path, &st) != 0)
        return CELLA_SUCCESS; /* gone since it was listed, or a link to nowhere */
    if (S_ISREG(st.st_mode)) return add_file(c, path);
    bool more = S_ISDIR(st.st_mode) && strncmp(name, "collateral", strlen("collateral")) == 0;
    return more && depth < FOLDER_DEPTH_MAX ? add_folder(c, path, depth + 1) : CELLA_SUCCESS;
}

static void free_names(struct dirent ***names) { free(*names); }

/* In the order of names, so that the same folder always gives the same set. */
static struct cella_result add_folder(struct cella_collateral *c, const char *path, int depth) {
    __attribute__((cleanup(free_names))) struct dirent **names = NULL;
    struct cella_result r = CELLA_SUCCESS;
    int count = scandir(path, &names, NULL, alphasort);
    ENSURE(count >= 0, CELLA_ERR_IO, NULL, "cannot list folder %s", path);
    for (int i = 0; i < count; i++) {
        if (!cella_failed(r)) r = add_entry(c, path, names[i]->d_name, depth);
        free(names[i]);
    }
    return r;
}

CELLA_RESULT cella_collateral_add_path(struct cella_collateral *c, const char *path) {
    struct stat st;
    ENSURE(stat(path, &st) == 0, CELLA_ERR_NOT_FOUND, NULL, "collateral: there is no %s", path);
    return S_ISDIR(st.st_mode) ? add_folder(c, path, 0) : add_file(c, path);
}

CELLA_RESULT cella_collateral_finish(struct cella_collateral *c) {
    TRY(ensure_open(c));
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        TRY(keep_failure(c, i, families[i]->finish(c->state[i])));
    c->finished = true;
    return CELLA_SUCCESS;
}

/* --- For verification --- */

/* The set of those who give none: built-in roots alone, made once, never changed. */
static struct cella_collateral *none;
static pthread_once_t none_once = PTHREAD_ONCE_INIT;

static void make_none(void) {
    COLLATERAL c = NULL;
    struct cella_result r = cella_collateral_new(&c);
    if (!cella_failed(r)) r = cella_collateral_finish(c);
    if (!cella_failed(r)) none = MOVE(c);
    cella_result_drop(r); /* none stays NULL: who asks for it sees that */
}

const struct cella_collateral *cella_collateral_none(void) {
    pthread_once(&none_once, make_none);
    return none;
}

const void *cella_collateral_of(const struct cella_collateral *collateral,
                                const struct cella_family *family) {
    if (!collateral) collateral = cella_collateral_none();
    for (size_t i = 0; collateral && i < FAMILY_COUNT; i++)
        if (families[i] == family) return collateral->state[i];
    return NULL;
}

bool cella_collateral_finished(const struct cella_collateral *collateral) {
    return collateral->finished;
}

const struct cella_error *cella_collateral_failure(const struct cella_collateral *collateral,
                                                   const char **family) {
    for (size_t i = 0; i <= FAMILY_COUNT; i++) {
        if (!cella_failed(collateral->failure[i])) continue;
        *family = i < FAMILY_COUNT ? families[i]->name : "bundle";
        return collateral->failure[i].error;
    }
    return NULL;
}
