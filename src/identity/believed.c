#include "identity/believed.h"

#include <pthread.h>
#include <stdlib.h>

enum { SETS = 256, WAYS = 4 };

struct entry {
    uint8_t digest[CELLA_SHA256_SIZE];
    uint64_t used; /* 0: a free place */
    struct issuers_token token;
    struct issuers_keys *keys; /* held, so that no other set can have its address */
};
struct believed {
    pthread_mutex_t lock;
    uint64_t clock;
    struct entry entry[SETS][WAYS];
};

CELLA_RESULT believed_new(struct believed **out) {
    *out = calloc(1, sizeof(**out));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for tokens");
    pthread_mutex_init(&(*out)->lock, NULL);
    return CELLA_SUCCESS;
}

static void forget(struct entry *entry) {
    issuers_token_free(&entry->token);
    issuers_keys_release(&entry->keys);
    entry->used = 0;
}

void believed_free(struct believed **believed) {
    if (!*believed) return;
    for (size_t i = 0; i < SETS; i++)
        for (size_t j = 0; j < WAYS; j++) forget(&(*believed)->entry[i][j]);
    pthread_mutex_destroy(&(*believed)->lock);
    free(*believed);
    *believed = NULL;
}

static struct entry *set_of(struct believed *believed, const uint8_t digest[CELLA_SHA256_SIZE]) {
    return believed->entry[digest[0] % SETS];
}

static struct entry *find(struct believed *believed, const uint8_t digest[CELLA_SHA256_SIZE]) {
    struct entry *set = set_of(believed, digest);
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].used && cella_equal(set[i].digest, digest, CELLA_SHA256_SIZE)) return &set[i];
    return NULL;
}

static struct entry *oldest(struct believed *believed, const uint8_t digest[CELLA_SHA256_SIZE]) {
    struct entry *set = set_of(believed, digest), *found = set;
    for (size_t i = 1; i < WAYS; i++)
        if (set[i].used < found->used) found = &set[i];
    return found;
}

bool believed_find(struct believed *believed, const uint8_t digest[CELLA_SHA256_SIZE],
                   struct issuers_token *out, struct issuers_keys **keys) {
    pthread_mutex_lock(&believed->lock);
    struct entry *entry = find(believed, digest);
    if (entry) {
        entry->used = ++believed->clock;
        *out = entry->token;
        json_incref(out->claims);
        *keys = entry->keys;
        atomic_fetch_add(&entry->keys->holders, 1);
    }
    pthread_mutex_unlock(&believed->lock);
    return entry != NULL;
}

void believed_keep(struct believed *believed, const uint8_t digest[CELLA_SHA256_SIZE],
                   const struct issuers_token *token, struct issuers_keys *keys) {
    pthread_mutex_lock(&believed->lock);
    struct entry *place = find(believed, digest);
    if (!place) place = oldest(believed, digest);
    atomic_fetch_add(&keys->holders, 1);
    forget(place);
    *place = (struct entry){.used = ++believed->clock, .token = *token, .keys = keys};
    cella_copy(place->digest, digest, CELLA_SHA256_SIZE);
    json_incref(place->token.claims);
    pthread_mutex_unlock(&believed->lock);
}
