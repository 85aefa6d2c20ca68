#include "vault/keyring.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/digest.h"

enum { WAYS = 8, SETS = 256, CONTEXT_MAX = 384 };

/* A key that is shared: freed when nobody holds it and the ring has let it go. */
struct held {
    struct cella_material *material;
    unsigned holders; /* the ring counts as one */
};

struct cella_keyring {
    pthread_mutex_t lock;
    const struct cella_sealer *sealer;
    uint64_t clock;
    struct {
        uint8_t id[CELLA_SHA256_SIZE]; /* of the context and the public part */
        struct held *held;
        uint64_t used;
    } entry[SETS][WAYS];
    /* what is lent, to find it again from its material */
    size_t lent_count, lent_room;
    struct held **lent;
};

CELLA_RESULT cella_keyring_new(const struct cella_sealer *sealer, struct cella_keyring **out) {
    *out = calloc(1, sizeof(**out));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for keys");
    pthread_mutex_init(&(*out)->lock, NULL);
    (*out)->sealer = sealer;
    return CELLA_SUCCESS;
}

static void let_go(struct held *held) {
    if (!held || --held->holders > 0) return;
    cella_material_free(&held->material);
    free(held);
}

void cella_keyring_clear(struct cella_keyring *keyring) {
    pthread_mutex_lock(&keyring->lock);
    for (size_t set = 0; set < SETS; set++)
        for (size_t way = 0; way < WAYS; way++) {
            let_go(keyring->entry[set][way].held);
            keyring->entry[set][way].held = NULL;
        }
    pthread_mutex_unlock(&keyring->lock);
}

void cella_keyring_free(struct cella_keyring **keyring) {
    if (!*keyring) return;
    cella_keyring_clear(*keyring);
    free((*keyring)->lent);
    pthread_mutex_destroy(&(*keyring)->lock);
    free(*keyring);
    *keyring = NULL;
}

/* A version is a random number that never comes twice; a purged and restored key comes back with
 * its own. */
static CELLA_RESULT identify(const char *vault, const struct cella_record *record,
                             uint8_t id[CELLA_SHA256_SIZE]) {
    char context[CONTEXT_MAX];
    TRY(cella_record_context(vault, record, context));
    return cella_sha256(cella_bytes_text(context), id);
}

static struct held *find(struct cella_keyring *keyring, const uint8_t id[CELLA_SHA256_SIZE]) {
    size_t set = id[0] % SETS;
    for (size_t way = 0; way < WAYS; way++)
        if (keyring->entry[set][way].held &&
            cella_equal(keyring->entry[set][way].id, id, CELLA_SHA256_SIZE)) {
            keyring->entry[set][way].used = ++keyring->clock;
            return keyring->entry[set][way].held;
        }
    return NULL;
}

static void keep(struct cella_keyring *keyring, const uint8_t id[CELLA_SHA256_SIZE],
                 struct held *held) {
    size_t set = id[0] % SETS, oldest = 0;
    for (size_t way = 0; way < WAYS; way++) {
        if (!keyring->entry[set][way].held) {
            oldest = way;
            break;
        }
        if (keyring->entry[set][way].used < keyring->entry[set][oldest].used) oldest = way;
    }
    let_go(keyring->entry[set][oldest].held);
    memcpy(keyring->entry[set][oldest].id, id, CELLA_SHA256_SIZE);
    keyring->entry[set][oldest].held = held;
    keyring->entry[set][oldest].used = ++keyring->clock;
    held->holders++;
}

/* Notes that it is lent; false without memory. */
static bool lend(struct cella_keyring *keyring, struct held *held) {
    if (keyring->lent_count == keyring->lent_room) {
        size_t room = keyring->lent_room ? keyring->lent_room * 2 : 16;
        struct held **more = realloc(keyring->lent, room * sizeof(struct held *));
        if (!more) return false;
        keyring->lent = more;
        keyring->lent_room = room;
    }
    keyring->lent[keyring->lent_count++] = held;
    held->holders++;
    return true;
}

static CELLA_RESULT open_sealed(struct cella_keyring *keyring, const char *vault,
                                const struct cella_record *record, struct cella_material **out) {
    char context[CONTEXT_MAX];
    CELLA_SECRET bytes = {0};
    const char *kty = json_string_value(json_object_get(record->public, "kty"));
    enum cella_material_kind kind = CELLA_MATERIAL_OCT;
    if (kty && kty[0] == 'R') kind = CELLA_MATERIAL_RSA;
    if (kty && kty[0] == 'E') kind = CELLA_MATERIAL_EC;
    TRY(cella_record_context(vault, record, context));
    TRY(cella_sealer_unseal(keyring->sealer, context, cella_buffer_bytes(&record->sealed), &bytes));
    return cella_material_open(kind, cella_secret_bytes(&bytes), out);
}

CELLA_RESULT cella_keyring_take(struct cella_keyring *keyring, const char *vault,
                                const struct cella_record *record, struct cella_material **out) {
    uint8_t id[CELLA_SHA256_SIZE];
    CELLA_MATERIAL opened = NULL;
    *out = NULL;
    TRY(identify(vault, record, id));
    pthread_mutex_lock(&keyring->lock);
    struct held *held = find(keyring, id);
    if (held && lend(keyring, held)) *out = held->material;
    pthread_mutex_unlock(&keyring->lock);
    if (*out) return CELLA_SUCCESS;
    TRY(open_sealed(keyring, vault, record, &opened));
    struct held *fresh = calloc(1, sizeof(*fresh));
    ENSURE(fresh, CELLA_ERR_MEMORY, NULL, "no memory for a key");
    fresh->material = opened;
    pthread_mutex_lock(&keyring->lock);
    bool good = lend(keyring, fresh);
    if (good && !find(keyring, id)) keep(keyring, id, fresh);
    pthread_mutex_unlock(&keyring->lock);
    if (!good) free(fresh);
    ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for a key");
    *out = MOVE(opened);
    return CELLA_SUCCESS;
}

void cella_keyring_drop(struct cella_keyring *keyring, struct cella_material **material) {
    if (!*material) return;
    pthread_mutex_lock(&keyring->lock);
    for (size_t i = 0; i < keyring->lent_count; i++) {
        if (keyring->lent[i]->material != *material) continue;
        struct held *held = keyring->lent[i];
        keyring->lent[i] = keyring->lent[--keyring->lent_count];
        let_go(held);
        break;
    }
    pthread_mutex_unlock(&keyring->lock);
    *material = NULL;
}

bool cella_keyring_has(struct cella_keyring *keyring, const char *vault,
                       const struct cella_record *record) {
    uint8_t id[CELLA_SHA256_SIZE];
    struct cella_result result = identify(vault, record, id);
    if (cella_failed(result)) {
        cella_result_drop(result);
        return false;
    }
    pthread_mutex_lock(&keyring->lock);
    bool here = find(keyring, id) != NULL;
    pthread_mutex_unlock(&keyring->lock);
    return here;
}

CELLA_RESULT cella_keyring_seal(struct cella_keyring *keyring, const char *vault,
                                const struct cella_material *material,
                                struct cella_record *record) {
    char context[CONTEXT_MAX];
    CELLA_SECRET bytes = {0};
    TRY(cella_record_context(vault, record, context));
    TRY(cella_material_save(material, &bytes));
    record->sealed.size = 0;
    return cella_sealer_seal(keyring->sealer, context, cella_secret_bytes(&bytes), &record->sealed);
}
