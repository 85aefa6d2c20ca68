/* Protected files from a hostile storage. The first byte chooses: the bytes as they are, or laid
 * over a genuine file, with its header sealed again under the key, so that hostile fields and trees
 * behind a good tag are reached too. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/digest.h"
#include "seal/gcm.h"
#include "seal/protected.h"

enum { CACHE = 8, STORAGE_MAX = 1 << 18, MAX = 1 << 22, CLEAR = 128, SLOT = 4096 };
static const struct cella_protected_key key = {.kind = CELLA_PROTECTED_KEY_GIVEN, .key = {1}};

struct storage {
    uint8_t data[STORAGE_MAX];
    uint64_t size;
};
static struct storage genuine, tried;

static int64_t io_read(void *context, void *buffer, uint64_t size, uint64_t offset) {
    struct storage *s = context;
    if (offset >= s->size) return 0;
    if (size > s->size - offset) size = s->size - offset;
    memcpy(buffer, s->data + offset, size);
    return (int64_t)size;
}
static int64_t io_write(void *context, const void *buffer, uint64_t size, uint64_t offset) {
    struct storage *s = context;
    if (!cella_range_inside(offset, size, 0, STORAGE_MAX)) return -28;
    memcpy(s->data + offset, buffer, size);
    if (offset + size > s->size) s->size = offset + size;
    return (int64_t)size;
}
static int64_t io_truncate(void *context, uint64_t size) {
    if (size > STORAGE_MAX) return -28;
    ((struct storage *)context)->size = size;
    return 0;
}
static int64_t io_sync(void *context) { return (void)context, 0; }
static int64_t io_size(void *context) { return (int64_t)((struct storage *)context)->size; }

static bool hkdf(struct cella_bytes secret, struct cella_bytes salt, struct cella_bytes info,
                 uint8_t *out, size_t size) {
    struct cella_result r = cella_hkdf_sha256(secret, salt, info, out, size);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}
static bool random_bytes(void *out, size_t size) {
    static unsigned seed = 1;
    for (size_t i = 0; i < size; i++) ((uint8_t *)out)[i] = (uint8_t)rand_r(&seed);
    return true;
}
static const struct cella_protected_crypto crypto = {hkdf, random_bytes};

static void *memory;
static uint64_t memory_size;

static struct cella_protected *open_file(struct storage *s, bool create, uint64_t max_size) {
    struct cella_protected_io io = {io_read, io_write, io_truncate, io_sync, io_size, s};
    struct cella_protected *f = NULL;
    cella_result_drop((create ? cella_protected_create : cella_protected_open)(
        &f, memory, memory_size, CACHE, max_size, &io, &crypto, &key, cella_bytes_text("name")));
    return f;
}

static void make_genuine(void) {
    static uint8_t content[5 * CELLA_PROTECTED_BLOCK + 9];
    memory_size = cella_protected_memory(CACHE, MAX);
    memory = aligned_alloc(64, (memory_size + 63) / 64 * 64);
    struct cella_protected *f = open_file(&genuine, true, MAX);
    if (!f) abort();
    struct cella_result r = cella_protected_write(f, 0, content, sizeof(content));
    if (!cella_failed(r)) r = cella_protected_commit(f, false);
    if (cella_failed(r)) abort();
    cella_protected_close(f);
}

static void file_gcm(struct cella_gcm *gcm, const uint8_t *slot) {
    uint8_t file_key[32];
    hkdf(CELLA_BYTES_OF(key.key), cella_bytes(slot + 32, 32),
         cella_bytes_text("cella protected file v1"), file_key, 32);
    cella_gcm_init(gcm, file_key);
}

/* Opens slot 0, lays data over it from the clear fields' offset 24 on (generation, secret fields),
 * seals it again. */
static void reseal_header(const uint8_t *data, size_t size) {
    static struct cella_gcm gcm;
    uint8_t *slot = tried.data;
    struct cella_bytes secret = cella_bytes(slot + CLEAR, SLOT - CLEAR);
    file_gcm(&gcm, slot);
    if (!cella_gcm_decrypt(&gcm, slot + 96, cella_bytes(slot, 96), secret, slot + CLEAR,
                           slot + 108))
        abort();
    for (size_t i = 0; i < size && i < 128; i++) slot[CLEAR + i] ^= data[i];
    cella_gcm_encrypt(&gcm, slot + 96, cella_bytes(slot, 96), secret, slot + CLEAR, slot + 108);
}

static void use(uint64_t max_size) {
    static uint8_t buffer[3 * CELLA_PROTECTED_BLOCK];
    struct cella_protected *f = open_file(&tried, false, max_size);
    if (!f) return;
    uint64_t length = cella_protected_length(f), done;
    uint64_t offsets[] = {0, 100, length / 2, length > 10 ? length - 10 : 0};
    for (int i = 0; i < 4; i++) {
        cella_result_drop(cella_protected_read(f, offsets[i], buffer, sizeof(buffer), &done));
        if (done > sizeof(buffer)) abort();
    }
    if (max_size) {
        cella_result_drop(cella_protected_write(f, length / 3, buffer, 20000));
        cella_result_drop(cella_protected_resize(f, length / 2));
        cella_result_drop(cella_protected_commit(f, true));
    }
    cella_protected_close(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!memory) make_genuine();
    if (size < 3 || size - 3 > STORAGE_MAX) return 0;
    unsigned mode = data[0];
    uint64_t at = ((uint64_t)data[1] | (uint64_t)data[2] << 8) * 4;
    data += 3, size -= 3;
    if (mode % 3 == 0) {
        memcpy(tried.data, data, size);
        tried.size = size;
    } else {
        memcpy(tried.data, genuine.data, genuine.size);
        tried.size = genuine.size;
        if (mode % 3 == 1)
            reseal_header(data, size);
        else if (at + size <= genuine.size)
            memcpy(tried.data + at, data, size);
    }
    struct cella_protected_io io = {io_read, io_write, io_truncate, io_sync, io_size, &tried};
    struct cella_protected_key found;
    cella_result_drop(cella_protected_peek(&io, &found));
    use(0);
    use(MAX);
    return 0;
}
