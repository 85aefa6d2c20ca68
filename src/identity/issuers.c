/* The issuers whose tokens are accepted, and their keys: sets that are replaced whole while checks
 * that began with the old one end with it. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "identity/believed.h"

enum { ISSUERS_MAX = 64, JWKS_MAX = 1 << 20 };

/* --- Key sets --- */

void issuers_keys_release(struct issuers_keys **keys) {
    struct issuers_keys *k = *keys;
    *keys = NULL;
    if (!k || atomic_fetch_sub(&k->holders, 1) != 1) return;
    cella_jose_keyset_free(&k->set);
    free(k);
}

static CELLA_RESULT read_keys(struct cella_bytes jwks, struct issuers_keys **out) {
    struct issuers_keys *keys = calloc(1, sizeof(*keys));
    ENSURE(keys, CELLA_ERR_MEMORY, NULL, "no memory for an issuer's keys");
    atomic_init(&keys->holders, 1);
    struct cella_result r = cella_jose_keyset_new(jwks, &keys->set);
    if (cella_failed(r))
        issuers_keys_release(&keys);
    else
        *out = keys;
    return r;
}

/* --- The list --- */

struct entry {
    char iss[CELLA_ISSUER_SIZE], tenant[64];
    bool own;
    char *path; /* owned; NULL: given in memory */
    struct stat seen;
    time_t looked; /* CLOCK_MONOTONIC */
    struct issuers_keys *keys;
};
struct issuers_state {
    pthread_mutex_t lock;
    size_t count;
    struct entry entry[ISSUERS_MAX];
};
/* The state changes under checks that hold the list as const: keys come and go, issuers do not. */
struct cella_issuers {
    struct issuers_state *state;
    struct believed *believed; /* owned */
};

struct believed *issuers_believed(const struct cella_issuers *issuers) {
    return issuers->believed;
}

CELLA_RESULT cella_issuers_new(struct cella_issuers **out) {
    struct cella_issuers *issuers = calloc(1, sizeof(*issuers));
    if (issuers) issuers->state = calloc(1, sizeof(*issuers->state));
    if (!issuers || !issuers->state) {
        free(issuers);
        FAIL(CELLA_ERR_MEMORY, NULL, "no memory for issuers");
    }
    pthread_mutex_init(&issuers->state->lock, NULL);
    struct cella_result r = believed_new(&issuers->believed);
    if (cella_failed(r))
        cella_issuers_free(&issuers);
    else
        *out = issuers;
    return r;
}

void cella_issuers_free(struct cella_issuers **issuers) {
    if (!*issuers) return;
    struct issuers_state *state = (*issuers)->state;
    for (size_t i = 0; i < state->count; i++) {
        issuers_keys_release(&state->entry[i].keys);
        free(state->entry[i].path);
    }
    believed_free(&(*issuers)->believed);
    pthread_mutex_destroy(&state->lock);
    free(state);
    free(*issuers);
    *issuers = NULL;
}

/* Exact bytes (K01): no prefix, no case, no slash more or less. */
static struct entry *find(struct issuers_state *state, const char *iss) {
    for (size_t i = 0; i < state->count; i++)
        if (strcmp(state->entry[i].iss, iss) == 0) return &state->entry[i];
    return NULL;
}

struct addition {
    const char *iss, *tenant, *path;
    bool own;
    const struct stat *seen;
};

/* Takes the keys over. Under the lock. */
static CELLA_RESULT put(struct issuers_state *state, const struct addition *a,
                        struct issuers_keys **keys) {
    struct entry *entry = find(state, a->iss);
    ENSURE(!entry || (entry->own == a->own && !entry->path && !a->path), CELLA_ERR_EXISTS,
           "name each issuer once", "the issuer %s is there already", a->iss);
    if (!entry) {
        ENSURE(state->count < ISSUERS_MAX, CELLA_ERR_LIMIT, NULL, "more issuers than %d",
               ISSUERS_MAX);
        entry = &state->entry[state->count];
        *entry = (struct entry){.own = a->own, .path = a->path ? strdup(a->path) : NULL};
        ENSURE(!a->path || entry->path, CELLA_ERR_MEMORY, NULL, "no memory for an issuer");
        snprintf(entry->iss, sizeof(entry->iss), "%s", a->iss);
        snprintf(entry->tenant, sizeof(entry->tenant), "%s", a->tenant ? a->tenant : "");
        if (a->seen) entry->seen = *a->seen;
        state->count++;
    }
    issuers_keys_release(&entry->keys);
    entry->keys = MOVE(*keys);
    return CELLA_SUCCESS;
}

static CELLA_RESULT add(struct cella_issuers *issuers, const struct addition *a,
                        struct cella_bytes jwks) {
    struct issuers_keys *keys = NULL;
    ENSURE(plain_text(cella_bytes_text(a->iss), CELLA_ISSUER_SIZE - 1), CELLA_ERR_USAGE, NULL,
           "an issuer is 1 to %d printable characters", CELLA_ISSUER_SIZE - 1);
    ENSURE(!a->tenant || strlen(a->tenant) < 64, CELLA_ERR_USAGE, NULL,
           "a tenant is up to 63 characters");
    TRY_IN(read_keys(jwks, &keys), "keys of the issuer %s", a->iss);
    pthread_mutex_lock(&issuers->state->lock);
    struct cella_result r = put(issuers->state, a, &keys);
    pthread_mutex_unlock(&issuers->state->lock);
    issuers_keys_release(&keys);
    return r;
}

CELLA_RESULT cella_issuers_set(struct cella_issuers *issuers, const char *iss,
                               struct cella_bytes jwks) {
    return add(issuers, &(struct addition){.iss = iss}, jwks);
}

CELLA_RESULT issuers_own(struct cella_issuers *issuers, const char *iss, const char *tenant,
                         struct cella_bytes jwks) {
    return add(issuers, &(struct addition){.iss = iss, .tenant = tenant, .own = true}, jwks);
}

/* --- Files --- */

CELLA_RESULT cella_issuers_add(struct cella_issuers *issuers, const char *iss,
                               const char *jwks_path, const char *tenant) {
    CELLA_BUFFER jwks = {0};
    struct stat seen = {0};
    ENSURE(stat(jwks_path, &seen) == 0, CELLA_ERR_IO, "the issuer's jwks_uri gives it", "%s: %s",
           jwks_path, strerror(errno));
    TRY(cella_file_read(jwks_path, JWKS_MAX, &jwks));
    return add(issuers,
               &(struct addition){.iss = iss, .tenant = tenant, .path = jwks_path, .seen = &seen},
               cella_buffer_bytes(&jwks));
}

static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Once a second at most; what does not read leaves the keys that were there. Under the lock: the
 * file is small and local, and the others wait for its keys anyway. */
static void look(struct entry *entry) {
    struct timespec now;
    struct stat seen;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!entry->path || entry->looked == now.tv_sec) return;
    entry->looked = now.tv_sec;
    if (stat(entry->path, &seen) != 0 || same_file(&seen, &entry->seen)) return;
    CELLA_BUFFER jwks = {0};
    struct issuers_keys *keys = NULL;
    struct cella_result r = cella_file_read(entry->path, JWKS_MAX, &jwks);
    if (!cella_failed(r)) r = read_keys(cella_buffer_bytes(&jwks), &keys);
    entry->seen = seen;
    if (cella_failed(r)) {
        cella_log(CELLA_LOG_WARN, "issuer %s: its keys stay as they were: %s: %s", entry->iss,
                  entry->path, r.error->what);
        cella_result_drop(r);
        return;
    }
    issuers_keys_release(&entry->keys);
    entry->keys = keys;
    cella_log(CELLA_LOG_INFO, "issuer %s: keys read again", entry->iss);
}

bool issuers_hold(const struct cella_issuers *issuers, const char *iss, struct issuers_held *out) {
    struct issuers_state *state = issuers->state;
    *out = (struct issuers_held){.keys = NULL};
    pthread_mutex_lock(&state->lock);
    struct entry *entry = find(state, iss);
    if (entry) {
        look(entry);
        out->own = entry->own;
        memcpy(out->tenant, entry->tenant, sizeof(out->tenant));
        out->keys = entry->keys;
        atomic_fetch_add(&out->keys->holders, 1);
    }
    pthread_mutex_unlock(&state->lock);
    return entry != NULL;
}
