/* What sessions for reading made of rows, kept with their connection (database.h). */
#include <stdlib.h>

#include "base/memory.h"
#include "store/database_inner.h"

static uint32_t hash_of(struct cella_bytes key) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < key.size; i++) hash = (hash ^ key.data[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static void forget(struct database_memo *memo) {
    if (memo->object) memo->free(memo->object);
    free(memo->key);
    *memo = (struct database_memo){.object = NULL};
}

void database_memo_clear(struct database_connection *c) {
    for (size_t i = 0; c->memo_count > 0 && i < DATABASE_MEMOS; i++)
        if (c->memo[i].object) {
            forget(&c->memo[i]);
            c->memo_count--;
        }
}

static bool is(const struct database_memo *memo, uint32_t hash, struct cella_bytes key) {
    return memo->object && memo->hash == hash && memo->key_size == key.size &&
           cella_equal(memo->key, key.data, key.size);
}

void *cella_session_recall(struct cella_session *session, struct cella_bytes key) {
    if (session->write) return NULL;
    struct database_connection *c = session->connection;
    uint32_t hash = hash_of(key);
    struct database_memo *memo = &c->memo[hash % DATABASE_MEMOS];
    return is(memo, hash, key) ? memo->object : NULL;
}

void cella_session_keep(struct cella_session *session, struct cella_bytes key, void *object,
                        void (*free_object)(void *object)) {
    struct database_connection *c = session->connection;
    uint32_t hash = hash_of(key);
    struct database_memo *memo = &c->memo[hash % DATABASE_MEMOS];
    uint8_t *copy = session->write || key.size == 0 ? NULL : malloc(key.size);
    if (!copy) {
        free_object(object);
        return;
    }
    cella_copy(copy, key.data, key.size);
    if (!memo->object) c->memo_count++;
    forget(memo);
    *memo = (struct database_memo){
        .hash = hash, .key_size = key.size, .key = copy, .object = object, .free = free_object};
}
