#include <bearssl.h>

#include "base/reader.h"
#include "base/writer.h"
#include "seal/protected_internal.h"

static const uint8_t magic[8] = {'C', 'E', 'L', 'L', 'A', 'P', 'F', '1'};
enum { VERSION = 1 };
static const char file_key_info[] = "cella protected file v1";

/* The clear fields of a slot. */
struct clear {
    uint32_t kind;
    uint16_t svn;
    uint64_t generation;
    uint8_t file_id[32], key_id[32];
};

void protected_name_hash(struct cella_bytes name, uint8_t hash[32]) {
    br_sha256_context sha;
    br_sha256_init(&sha);
    if (name.size) br_sha256_update(&sha, name.data, name.size);
    br_sha256_out(&sha, hash);
}

/* False when the slot does not hold a header of this version. */
static bool parse_clear(const uint8_t *slot, struct clear *out) {
    struct cella_reader r = cella_reader(cella_bytes(slot, HEADER_CLEAR));
    cella_reader_expect(&r, CELLA_BYTES_OF(magic));
    uint32_t version = cella_reader_u32le(&r);
    out->kind = cella_reader_u32le(&r);
    out->svn = cella_reader_u16le(&r);
    cella_reader_zero(&r, 2);
    uint32_t block = cella_reader_u32le(&r);
    out->generation = cella_reader_u64le(&r);
    cella_reader_copy(&r, out->file_id, 32);
    cella_reader_copy(&r, out->key_id, 32);
    cella_reader_skip(&r, CELLA_GCM_NONCE_SIZE + CELLA_GCM_TAG_SIZE);
    cella_reader_zero(&r, 4);
    return cella_reader_done(&r) && version == VERSION && block == BLOCK && out->generation > 0 &&
           out->kind >= CELLA_PROTECTED_KEY_GIVEN && out->kind <= CELLA_PROTECTED_KEY_SEAL_SIGNER;
}

static struct cella_result read_slot(const struct cella_protected_io *io, uint32_t number,
                                     uint8_t *slot, bool *good, struct clear *clear,
                                     uint64_t size) {
    int64_t got = io->read(io->context, slot, size, (uint64_t)number * HEADER_SLOT);
    ENSURE(got >= 0, CELLA_ERR_IO, NULL, "cannot read the header of the protected file: error %lld",
           (long long)-got);
    *good = got == (int64_t)size && parse_clear(slot, clear);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_protected_peek(const struct cella_protected_io *io,
                                  struct cella_protected_key *out) {
    cella_zero(out, sizeof(*out));
    uint64_t best = 0;
    for (uint32_t number = 0; number < 2; number++) {
        uint8_t slot[HEADER_CLEAR];
        struct clear clear;
        bool good;
        TRY(read_slot(io, number, slot, &good, &clear, sizeof(slot)));
        if (!good || clear.generation <= best) continue;
        best = clear.generation;
        out->kind = clear.kind;
        out->svn = clear.svn;
        cella_copy(out->key_id, clear.key_id, 32);
    }
    ENSURE(best > 0, CELLA_ERR_FORMAT,
           "seal the content with `cella seal`, or check which file this is",
           "this is not a protected file of version %d, or both of its headers are damaged",
           VERSION);
    return CELLA_SUCCESS;
}

/* Keys differ by file, so that blocks of two files can never stand for each other. */
static struct cella_result start_file_key(struct cella_protected *f,
                                          const struct cella_protected_key *key) {
    uint8_t file_key[32];
    bool derived = f->crypto->hkdf(CELLA_BYTES_OF(key->key), CELLA_BYTES_OF(f->file_id),
                                   cella_bytes(file_key_info, sizeof(file_key_info) - 1), file_key,
                                   sizeof(file_key));
    if (derived) cella_gcm_init(&f->gcm, file_key);
    cella_wipe(file_key, sizeof(file_key));
    ENSURE(derived, CELLA_ERR_INTERNAL, NULL, "cannot derive the key of the file");
    return CELLA_SUCCESS;
}

static struct cella_result check_name_size(struct cella_bytes name) {
    ENSURE(name.size > 0 && name.size <= CELLA_PROTECTED_NAME_MAX, CELLA_ERR_LIMIT, NULL,
           "the name of a protected file has %zu bytes: expected 1 to %d", name.size,
           CELLA_PROTECTED_NAME_MAX);
    return CELLA_SUCCESS;
}

CELLA_RESULT protected_header_new(struct cella_protected *f, const struct cella_protected_key *key,
                                  struct cella_bytes name) {
    TRY(check_name_size(name));
    f->kind = key->kind;
    f->svn = key->svn;
    cella_copy(f->key_id, key->key_id, 32);
    ENSURE(f->crypto->random(f->file_id, sizeof(f->file_id)), CELLA_ERR_UNAVAILABLE, NULL,
           "no randomness for a file id");
    protected_name_hash(name, f->name);
    f->good_slot = 1;
    f->end = 1;
    return start_file_key(f, key);
}

/* Fields that only the key opens. False when they contradict each other, which only a writer's bug
 * can do. */
static bool parse_secret(struct cella_protected *f, struct cella_bytes bytes) {
    struct cella_reader r = cella_reader(bytes);
    f->length = cella_reader_u64le(&r);
    f->end = cella_reader_u64le(&r);
    f->writes = cella_reader_u64le(&r);
    f->depth = cella_reader_u32le(&r);
    f->sessions = cella_reader_u32le(&r);
    cella_reader_copy(&r, f->root, ENTRY);
    cella_reader_copy(&r, f->name, 32);
    cella_reader_copy(&r, f->second, 32);
    cella_reader_zero(&r, cella_reader_left(&r));
    return cella_reader_done(&r) && f->depth <= DEPTH_MAX && f->length <= LENGTH_MAX &&
           f->end > 0 && f->end <= UINT32_MAX &&
           blocks_of(f->length) <= (uint64_t)1 << FANOUT_BITS * f->depth;
}

/* *good: the slot authenticates under the key. */
static struct cella_result open_slot(struct cella_protected *f,
                                     const struct cella_protected_key *key, uint32_t number,
                                     bool *good) {
    struct clear clear;
    TRY(read_slot(&f->io, number, f->header, good, &clear,
                  HEADER_SLOT)); /* anew, whole, once (R04) */
    if (!*good) return CELLA_SUCCESS;
    f->kind = clear.kind;
    f->svn = clear.svn;
    f->generation = clear.generation;
    cella_copy(f->file_id, clear.file_id, 32);
    cella_copy(f->key_id, clear.key_id, 32);
    TRY(start_file_key(f, key));
    const uint8_t *nonce = f->header + HEADER_AAD, *tag = nonce + CELLA_GCM_NONCE_SIZE;
    struct cella_bytes secret = cella_bytes(f->header + HEADER_CLEAR, HEADER_SLOT - HEADER_CLEAR);
    *good = cella_gcm_decrypt(&f->gcm, nonce, cella_bytes(f->header, HEADER_AAD), secret,
                              f->header + HEADER_CLEAR, tag);
    f->good_slot = number;
    if (*good)
        ENSURE(parse_secret(f, secret), CELLA_ERR_FORMAT, "read it with a newer cella",
               "the header is genuine but has fields that this version does not know");
    return CELLA_SUCCESS;
}

static struct cella_result check_names(struct cella_protected *f, struct cella_bytes name) {
    static const uint8_t none[32];
    uint8_t hash[32];
    TRY(check_name_size(name));
    protected_name_hash(name, hash);
    bool second = !cella_equal(f->second, none, 32) && cella_equal(f->second, hash, 32);
    ENSURE(second || cella_equal(f->name, hash, 32), CELLA_ERR_INTEGRITY,
           "give the name it was sealed for, or ask how another file came to stand in its place",
           "the protected file is genuine but bound to another name than '%.*s'", (int)name.size,
           (const char *)name.data);
    return CELLA_SUCCESS;
}

CELLA_RESULT protected_header_load(struct cella_protected *f, const struct cella_protected_key *key,
                                   struct cella_bytes name) {
    uint64_t generation[2] = {0, 0};
    for (uint32_t number = 0; number < 2; number++) {
        struct clear clear;
        bool good;
        TRY(read_slot(&f->io, number, f->header, &good, &clear, HEADER_SLOT));
        if (good) generation[number] = clear.generation;
    }
    ENSURE(generation[0] || generation[1], CELLA_ERR_FORMAT,
           "seal the content with `cella seal`, or check which file this is",
           "this is not a protected file of version %d, or both of its headers are damaged",
           VERSION);
    uint32_t first = generation[1] > generation[0];
    bool good = false;
    TRY(open_slot(f, key, first,
                  &good)); /* the newest; a crash while it was written leaves the other */
    if (!good && generation[1 - first]) TRY(open_slot(f, key, 1 - first, &good));
    ENSURE(good, CELLA_ERR_INTEGRITY,
           "give the key it was sealed with, or restore the file from a copy",
           "the key does not open the protected file: it is under another key, or its header was "
           "damaged");
    int64_t size = f->io.size(f->io.context);
    ENSURE(size >= 0, CELLA_ERR_IO, NULL, "cannot tell the size of the protected file: error %lld",
           (long long)-size);
    f->high = blocks_of((uint64_t)size);
    ENSURE(f->end == 1 || f->high >= f->end, CELLA_ERR_INTEGRITY,
           "the file was cut short: restore it from a copy",
           "the protected file has %lld bytes: expected more than %llu", (long long)size,
           (unsigned long long)(f->end - 1) * BLOCK);
    return check_names(f, name);
}

CELLA_RESULT protected_header_store(struct cella_protected *f) {
    uint8_t nonce[CELLA_GCM_NONCE_SIZE];
    TRY(protected_next_nonce(f, nonce));
    uint8_t *secret = f->header + HEADER_CLEAR,
            *tag = f->header + HEADER_AAD + CELLA_GCM_NONCE_SIZE;
    struct cella_writer w = cella_writer(f->header, HEADER_SLOT);
    cella_writer_put(&w, CELLA_BYTES_OF(magic));
    cella_writer_u32le(&w, VERSION);
    cella_writer_u32le(&w, f->kind);
    cella_writer_u16le(&w, f->svn);
    cella_writer_zero(&w, 2);
    cella_writer_u32le(&w, BLOCK);
    cella_writer_u64le(&w, f->generation + 1);
    cella_writer_put(&w, CELLA_BYTES_OF(f->file_id));
    cella_writer_put(&w, CELLA_BYTES_OF(f->key_id));
    cella_writer_put(&w, CELLA_BYTES_OF(nonce));
    cella_writer_zero(&w, CELLA_GCM_TAG_SIZE + 4);
    cella_writer_u64le(&w, f->length);
    cella_writer_u64le(&w, f->end);
    cella_writer_u64le(&w, f->writes);
    cella_writer_u32le(&w, f->depth);
    cella_writer_u32le(&w, f->sessions);
    cella_writer_put(&w, CELLA_BYTES_OF(f->root));
    cella_writer_put(&w, CELLA_BYTES_OF(f->name));
    cella_writer_put(&w, CELLA_BYTES_OF(f->second));
    cella_writer_zero(&w, HEADER_SLOT - w.size);
    ENSURE(!w.failed && w.size == HEADER_SLOT, CELLA_ERR_INTERNAL, NULL,
           "the header does not fill its slot");
    cella_gcm_encrypt(&f->gcm, nonce, cella_bytes(f->header, HEADER_AAD),
                      cella_bytes(secret, HEADER_SLOT - HEADER_CLEAR), secret, tag);
    f->generation++; /* used up, whatever comes: a half-written slot must never equal a later one */
    return protected_write_storage(f, f->header, HEADER_SLOT,
                                   (uint64_t)(1 - f->good_slot) * HEADER_SLOT);
}
