/* The layout and every derivation: docs/formats/sealed-record.md. */
#include "store/sealer.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"
#include "base/writer.h"
#include "crypto/digest.h"
#include "seal/gcm.h"
#include "store/sealer_inner.h"

enum {
    MAGIC_SIZE = 4,
    SALT_SIZE = 32,
    HEADER_SIZE = MAGIC_SIZE + SEALER_ID_SIZE + SALT_SIZE + CELLA_GCM_NONCE_SIZE,
    SECRET_MAX = 1 << 20, /* what a secret can hold */
    CONTEXT_MAX = 4096
};
static const char magic[MAGIC_SIZE + 1] = "cSR1";

/* Keys do not change once they are seen; more of them come as another ring. */
struct ring {
    struct cella_secret keys; /* one after the other, the oldest first; the last one seals */
    size_t count;
    uint8_t id[SEALER_KEYS_MAX][SEALER_ID_SIZE];
    struct ring *before; /* some thread may still read it */
};
struct cella_sealer {
    _Atomic(struct ring *) ring;
    char *root, *folder; /* NULL: keys that are no store's */
    struct stat seen;    /* of store.key; of who calls _refresh */
};

struct record {
    struct cella_bytes id, salt, nonce, content, tag;
    struct cella_bytes header; /* all before the content */
};

/* --- Opening --- */

CELLA_RESULT sealer_key_id(struct cella_bytes key, uint8_t id[SEALER_ID_SIZE]) {
    return cella_hkdf_sha256(key, cella_bytes(NULL, 0),
                             cella_bytes_text("cella sealed record key id v1"), id, SEALER_ID_SIZE);
}

static void free_ring(struct ring **ring) {
    while (*ring) {
        struct ring *before = (*ring)->before;
        cella_secret_free(&(*ring)->keys);
        free(*ring);
        *ring = before;
    }
}
#define RING __attribute__((cleanup(free_ring))) struct ring *

static CELLA_RESULT make_ring(struct cella_bytes keys, struct ring **out) {
    RING made = calloc(1, sizeof(*made));
    ENSURE(made, CELLA_ERR_MEMORY, NULL, "no memory for a sealer");
    made->count = keys.size / SEALER_KEY_SIZE;
    ENSURE(keys.size % SEALER_KEY_SIZE == 0 && made->count >= 1 && made->count <= SEALER_KEYS_MAX,
           CELLA_ERR_FORMAT, NULL, "expected 1 to %d keys of %d bytes, found %zu bytes",
           SEALER_KEYS_MAX, SEALER_KEY_SIZE, keys.size);
    TRY(cella_secret_from(keys, &made->keys));
    for (size_t i = 0; i < made->count; i++)
        TRY(sealer_key_id(sealer_key_at(keys, i), made->id[i]));
    *out = MOVE(made);
    return CELLA_SUCCESS;
}

CELLA_RESULT sealer_of_keys(struct cella_bytes keys, struct cella_sealer **out) {
    CELLA_SEALER made = calloc(1, sizeof(*made));
    struct ring *ring = NULL;
    ENSURE(made, CELLA_ERR_MEMORY, NULL, "no memory for a sealer");
    TRY(make_ring(keys, &ring));
    atomic_store(&made->ring, ring);
    *out = MOVE(made);
    return CELLA_SUCCESS;
}

static CELLA_RESULT stat_store_key(const char *folder, struct stat *out) {
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/store.key", folder);
    ENSURE(n > 0 && n < (int)sizeof(path) && stat(path, out) == 0, CELLA_ERR_IO,
           "restore it from a backup", "cannot find store.key in %s: %m", folder);
    return CELLA_SUCCESS;
}

CELLA_RESULT sealer_open_device(const char *root, const char *folder, const char *device,
                                struct cella_sealer **out) {
    CELLA_SECRET keys = {0};
    CELLA_SEALER made = NULL;
    struct stat seen = {0};
    const struct sealer_place place = {.root = root, .folder = folder, .device = device};
    TRY(sealer_store_keys(&place, &keys));
    TRY(stat_store_key(folder, &seen));
    TRY(sealer_of_keys(cella_secret_bytes(&keys), &made));
    made->seen = seen;
    made->root = strdup(root);
    made->folder = strdup(folder);
    ENSURE(made->root && made->folder, CELLA_ERR_MEMORY, NULL, "no memory for a sealer");
    *out = MOVE(made);
    return CELLA_SUCCESS;
}

static bool is_same(const struct stat *a, const struct stat *b) {
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

CELLA_RESULT cella_sealer_refresh(struct cella_sealer *sealer) {
    CELLA_SECRET keys = {0};
    RING made = NULL;
    struct stat now = {0};
    const struct sealer_place place = {
        .root = sealer->root, .folder = sealer->folder, .device = "/dev/cella"};
    TRY(stat_store_key(sealer->folder, &now));
    if (is_same(&now, &sealer->seen)) return CELLA_SUCCESS;
    TRY(sealer_store_keys(&place, &keys));
    TRY(make_ring(cella_secret_bytes(&keys), &made));
    struct ring *ours = atomic_load(&sealer->ring);
    /* Another store's, or an older one: what we sealed meanwhile would be lost at the next start.
     */
    ENSURE(made->count >= ours->count &&
               cella_equal_secret(made->keys.data, ours->keys.data, ours->keys.size),
           CELLA_ERR_INTEGRITY, "put the newest store.key back before this server stops",
           "store.key in %s is not that of the store that is open: the keys in use are not in it",
           sealer->folder);
    sealer->seen = now;
    made->before = ours;
    atomic_store(&sealer->ring, MOVE(made));
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_sealer_open(const char *root, const char *folder, struct cella_sealer **out) {
    return sealer_open_device(root, folder, "/dev/cella", out);
}

void cella_sealer_close(struct cella_sealer **sealer) {
    if (!*sealer) return;
    struct ring *ring = atomic_load(&(*sealer)->ring);
    free_ring(&ring);
    free((*sealer)->root);
    free((*sealer)->folder);
    free(*sealer);
    *sealer = NULL;
}

CELLA_RESULT cella_sealer_derive(const struct cella_sealer *sealer, const char *purpose,
                                 struct cella_secret *key) {
    char info[128];
    CELLA_SECRET made = {0};
    const struct ring *ring = atomic_load(&sealer->ring);
    int size = snprintf(info, sizeof(info), "cella derived key v1|%s", purpose);
    ENSURE(*purpose && size > 0 && (size_t)size < sizeof(info), CELLA_ERR_INTERNAL, NULL,
           "the purpose of a key has 1 to 100 characters");
    TRY(cella_secret_new(CELLA_SEALER_KEY_SIZE, &made));
    /* of the oldest, so that it stays the same when newer ones come */
    TRY(cella_hkdf_sha256(sealer_key_at(cella_secret_bytes(&ring->keys), 0), cella_bytes(NULL, 0),
                          cella_bytes_text(info), made.data, made.size));
    *key = MOVE(made);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_sealer_counter(const struct cella_sealer *sealer, bool raise,
                                  struct cella_buffer *root, uint64_t *value) {
    const uint8_t *id = atomic_load(&sealer->ring)->id[0];
    /* What a TPM's owner may use is 0x01800000 to 0x01bfffff; one counter a store. */
    uint32_t index = 0x01800000u | (id[0] & 0x3fu) << 16 | (uint32_t)id[1] << 8 | id[2];
    *value = 0;
    if (!sealer->root) return CELLA_SUCCESS;
    TRY(cella_sealer_root(sealer->root, sealer->folder, root));
    if (strncmp((const char *)root->data, "tpm:", 4) == 0)
        return sealer_tpm_counter((const char *)root->data, index, raise, value);
    root->size = 0;
    return CELLA_SUCCESS;
}

/* --- Records --- */

/* A key for one record: with 32 random bytes of salt no two records share one, so that no nonce
 * can repeat under a key, however many are written. */
static CELLA_RESULT key_of(const struct ring *ring, size_t which, struct cella_bytes salt,
                           struct cella_gcm *gcm) {
    uint8_t key[CELLA_GCM_KEY_SIZE];
    struct cella_result r =
        cella_hkdf_sha256(sealer_key_at(cella_secret_bytes(&ring->keys), which), salt,
                          cella_bytes_text("cella sealed record key v1"), key, sizeof(key));
    if (!cella_failed(r)) cella_gcm_init(gcm, key);
    cella_wipe(key, sizeof(key));
    return r;
}

/* Header and context: the header has one size, so that no two pairs give the same bytes. */
static CELLA_RESULT associate(struct cella_bytes header, const char *context,
                              struct cella_buffer *out) {
    size_t size = strlen(context);
    ENSURE(size > 0 && size <= CONTEXT_MAX, CELLA_ERR_INTERNAL, NULL,
           "a sealed record's context has 1 to %d bytes, not %zu", CONTEXT_MAX, size);
    TRY(cella_buffer_append(out, header));
    return cella_buffer_append(out, cella_bytes_text(context));
}

static CELLA_RESULT write_header(const struct ring *ring, uint8_t header[HEADER_SIZE]) {
    struct cella_writer w = cella_writer(header, HEADER_SIZE);
    uint8_t random[SALT_SIZE + CELLA_GCM_NONCE_SIZE];
    TRY(cella_random(random, sizeof(random)));
    cella_writer_put(&w, cella_bytes_text(magic));
    cella_writer_put(&w, CELLA_BYTES_OF(ring->id[ring->count - 1]));
    cella_writer_put(&w, CELLA_BYTES_OF(random));
    ENSURE(!w.failed && w.size == HEADER_SIZE, CELLA_ERR_INTERNAL, NULL, "a header of %zu bytes",
           w.size);
    return CELLA_SUCCESS;
}

static const uint8_t *salt_of(const uint8_t *header) {
    return header + MAGIC_SIZE + SEALER_ID_SIZE;
}
static const uint8_t *nonce_of(const uint8_t *header) { return salt_of(header) + SALT_SIZE; }

/* On the heap: gcc 12 does not keep 64-byte alignment for variables of functions that ASan watches
 * for use after return (GCC PR 110027). Wiped when it goes. */
static void free_cipher(struct cella_gcm **gcm) {
    if (*gcm) cella_wipe(*gcm, sizeof(**gcm));
    free(*gcm);
}
#define CIPHER __attribute__((cleanup(free_cipher))) struct cella_gcm *
static CELLA_RESULT new_cipher(struct cella_gcm **out) {
    *out = aligned_alloc(_Alignof(struct cella_gcm), sizeof(struct cella_gcm));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for a cipher");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_sealer_seal(const struct cella_sealer *sealer, const char *context,
                               struct cella_bytes secret, struct cella_buffer *out) {
    uint8_t header[HEADER_SIZE], *to = NULL;
    CIPHER gcm = NULL;
    const struct ring *ring = atomic_load(&sealer->ring);
    CELLA_BUFFER associated = {0};
    ENSURE(secret.size > 0 && secret.size <= SECRET_MAX, CELLA_ERR_LIMIT, NULL,
           "a sealed record holds 1 to %d bytes, not %zu", SECRET_MAX, secret.size);
    TRY(new_cipher(&gcm));
    TRY(write_header(ring, header));
    TRY(associate(CELLA_BYTES_OF(header), context, &associated));
    TRY(cella_buffer_extend(out, HEADER_SIZE + secret.size + CELLA_GCM_TAG_SIZE, &to));
    cella_copy(to, header, HEADER_SIZE);
    struct cella_result r =
        key_of(ring, ring->count - 1, cella_bytes(salt_of(header), SALT_SIZE), gcm);
    if (cella_failed(r)) {
        out->size -= HEADER_SIZE + secret.size + CELLA_GCM_TAG_SIZE;
        return r;
    }
    cella_gcm_encrypt(gcm, nonce_of(header), cella_buffer_bytes(&associated), secret,
                      to + HEADER_SIZE, to + HEADER_SIZE + secret.size);
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_record(struct cella_bytes sealed, struct record *out) {
    struct cella_reader r = cella_reader(sealed);
    cella_reader_expect(&r, cella_bytes_text(magic));
    ENSURE(!r.failed, CELLA_ERR_INTEGRITY, NULL,
           "no sealed record of a version that this program knows");
    ENSURE(sealed.size > HEADER_SIZE + CELLA_GCM_TAG_SIZE &&
               sealed.size <= HEADER_SIZE + SECRET_MAX + CELLA_GCM_TAG_SIZE,
           CELLA_ERR_INTEGRITY, NULL, "a sealed record has %d to %d bytes, this one %zu",
           HEADER_SIZE + CELLA_GCM_TAG_SIZE + 1, HEADER_SIZE + SECRET_MAX + CELLA_GCM_TAG_SIZE,
           sealed.size);
    out->header = cella_bytes(sealed.data, HEADER_SIZE);
    out->id = cella_reader_bytes(&r, SEALER_ID_SIZE);
    out->salt = cella_reader_bytes(&r, SALT_SIZE);
    out->nonce = cella_reader_bytes(&r, CELLA_GCM_NONCE_SIZE);
    out->content = cella_reader_bytes(&r, cella_reader_left(&r) - CELLA_GCM_TAG_SIZE);
    out->tag = cella_reader_rest(&r);
    return CELLA_SUCCESS;
}

/* Tells a wrong root from a record that was changed: people do the former. */
static CELLA_RESULT find_key(const struct ring *ring, const struct record *record, size_t *which) {
    char theirs[2 * SEALER_ID_SIZE + 1], ours[2 * SEALER_ID_SIZE + 1];
    for (*which = 0; *which < ring->count; ++*which)
        if (cella_equal(record->id.data, ring->id[*which], SEALER_ID_SIZE)) return CELLA_SUCCESS;
    cella_hex_encode(record->id, theirs);
    cella_hex_encode(CELLA_BYTES_OF(ring->id[ring->count - 1]), ours);
    FAIL(CELLA_ERR_INTEGRITY, "give the root, and the store.key, that the store was made with",
         "the record is sealed under root %s, this root is %s", theirs, ours);
}

CELLA_RESULT cella_sealer_unseal(const struct cella_sealer *sealer, const char *context,
                                 struct cella_bytes sealed, struct cella_secret *out) {
    struct record record;
    CIPHER gcm = NULL;
    size_t which = 0;
    const struct ring *ring = atomic_load(&sealer->ring);
    CELLA_SECRET opened = {0};
    CELLA_BUFFER associated = {0};
    TRY(read_record(sealed, &record));
    TRY(find_key(ring, &record, &which));
    TRY(associate(record.header, context, &associated));
    TRY(cella_secret_new(record.content.size, &opened));
    TRY(new_cipher(&gcm));
    TRY(key_of(ring, which, record.salt, gcm));
    bool genuine = cella_gcm_decrypt(gcm, record.nonce.data, cella_buffer_bytes(&associated),
                                     record.content, opened.data, record.tag.data);
    ENSURE(genuine, CELLA_ERR_INTEGRITY, "restore the database from a backup",
           "a sealed record was changed, or lies in another's place (expected: %s)", context);
    *out = MOVE(opened);
    return CELLA_SUCCESS;
}
