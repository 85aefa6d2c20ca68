/* A set of collateral that changes: what is fetched and imported is gathered, checked, and settled
 * to the newest of each thing that holds; what is served and shown is read from it.
 *
 * The order is always: add, check, settle. Nothing that came from outside replaces what is there
 * before it was found to hold (A37), and an older one never replaces a newer (A05). Not for several
 * threads at a time, except to read. */
#ifndef CELLA_COLLATERAL_STORE_H
#define CELLA_COLLATERAL_STORE_H

#include "collateral/item.h"

struct cella_store {
    size_t count;
    struct cella_item *item;  /* owned; in the order of names after settling */
    struct cella_bytes *root; /* owned: content of the files that replace the built-in roots */
    size_t root_count;
};
void cella_store_free(struct cella_store *store);
#define CELLA_STORE __attribute__((cleanup(cella_store_free))) struct cella_store

/* Replaces the makers' roots by those of this file or folder, for every check that follows. */
CELLA_RESULT cella_store_roots(struct cella_store *store, const char *path);
/* Adds what content holds: one item, a bundle, certificates or lists in PEM, a list in hexadecimal,
 * a certificate table. What no verifier knows is left out; *taken counts what was not. */
CELLA_RESULT cella_store_add(struct cella_store *store, const char *name,
                             struct cella_bytes content, size_t *taken);
/* Adds a file, or the files of a folder as cella_collateral_add_path does. */
CELLA_RESULT cella_store_add_path(struct cella_store *store, const char *path, size_t *taken);
/* Checks every item's chain and signature through the verifier's own collateral set, and revocation
 * by the lists that hold; sets state and why. */
CELLA_RESULT cella_store_check(struct cella_store *store);
/* What was signed with a key whose every certificate here failed does not hold. For who fails
 * items. */
void cella_store_follow(struct cella_store *store);
/* Of items with the same name the newest that holds stays, and the older go; sorted by name. Those
 * that failed stay, behind it, only with keep_failed: to be told of. */
CELLA_RESULT cella_store_settle(struct cella_store *store, bool keep_failed);
/* The first item of that name, or NULL. */
const struct cella_item *cella_store_find(const struct cella_store *store, const char *name);
/* Takes out one item. */
void cella_store_remove(struct cella_store *store, size_t index);
/* The set as a bundle. */
CELLA_RESULT cella_store_bundle(const struct cella_store *store, struct cella_buffer *out);

/* check.c, for store.c: whether a verifier knows it, and if it is broken, why. */
CELLA_RESULT cella_store_known(const char *name, struct cella_bytes content, bool *known,
                               char why[CELLA_ITEM_TEXT]);

#endif
