#include "abi/config.h"

#include "abi/calls.h"
#include "abi/image.h"
#include "abi/keygrant.h"
#include "abi/sgx.h"
#include "base/memory.h"

/* "CELLACFG" | u32 version | fields in the order below; a text is u32 size and its bytes.
 * docs/formats/image.md, section "Configuration". */
#define MAGIC "CELLACFG"
enum {
    VERSION = 2,
    PHDR_SIZE = 56,             /* an ELF64 program header */
    TRUSTED_SIZE_MAX_LOG2 = 40, /* bytes of a trusted file */
    ENCLAVE_SIZE_MAX_LOG2 = 46, /* what a process of 47 bit addresses can hold */
};
#define KNOWN_FLAGS                                                                                \
    ((uint32_t)(CELLA_CONFIG_DEBUG | CELLA_CONFIG_HOST_ARGS | CELLA_CONFIG_MEMORY_PRIVATE |        \
                CELLA_CONFIG_FETCH))

/* ---- encode ---- */

static void put_text(struct cella_writer *w, struct cella_bytes text) {
    cella_writer_u32le(w, (uint32_t)text.size);
    cella_writer_put(w, text);
}

static void put_range(struct cella_writer *w, const struct cella_config_range *range) {
    cella_writer_u64le(w, range->offset);
    cella_writer_u64le(w, range->pages);
}

static void put_program(struct cella_writer *w, const struct cella_config_program *p) {
    put_text(w, p->path);
    put_range(w, &p->whole);
    cella_writer_u64le(w, p->bias);
    cella_writer_u64le(w, p->entry);
    cella_writer_u64le(w, p->phdr);
    cella_writer_u32le(w, p->phdr_count);
    cella_writer_u32le(w, p->segment_count);
    for (uint32_t i = 0; i < p->segment_count; i++) {
        put_range(w, &p->segment[i].data);
        cella_writer_u64le(w, p->segment[i].init_offset);
        cella_writer_u64le(w, p->segment[i].init_size);
    }
}

static void put_layout(struct cella_writer *w, const struct cella_config *c) {
    cella_writer_u32le(w, c->flags);
    cella_writer_u16le(w, c->product_id);
    cella_writer_u16le(w, c->svn);
    cella_writer_put(w, CELLA_BYTES_OF(c->config_id));
    cella_writer_u64le(w, c->enclave_size);
    cella_writer_u32le(w, c->base_mode);
    cella_writer_u32le(w, c->thread_count);
    cella_writer_u64le(w, c->slots_offset);
    cella_writer_u64le(w, c->start_offset);
    put_range(w, &c->heap);
    put_range(w, &c->stack);
    cella_writer_u64le(w, c->host_signals);
    cella_writer_u64le(w, c->calls_size);
    cella_writer_u32le(w, c->program_count);
    cella_writer_u32le(w, c->arg_count);
    cella_writer_u32le(w, c->env_count);
    cella_writer_u32le(w, c->mount_count);
    cella_writer_u32le(w, c->key_count);
    cella_writer_u32le(w, c->trusted_count);
}

static void put_mount(struct cella_writer *w, const struct cella_config_mount *m) {
    put_text(w, m->path);
    put_text(w, m->host);
    cella_writer_u32le(w, m->type);
    cella_writer_u32le(w, m->key);
    cella_writer_u32le(w, m->key_index);
    cella_writer_u8(w, m->writable);
}

static bool counts_fit(const struct cella_config *c) {
    bool fit = c->program_count <= CELLA_CONFIG_PROGRAM_MAX &&
               c->arg_count <= CELLA_CONFIG_ARG_MAX && c->env_count <= CELLA_CONFIG_ENV_MAX &&
               c->mount_count <= CELLA_CONFIG_MOUNT_MAX && c->key_count <= CELLA_CONFIG_KEY_MAX &&
               c->trusted_count <= CELLA_CONFIG_TRUSTED_MAX;
    for (uint32_t i = 0; fit && i < c->program_count; i++)
        fit = c->program[i].segment_count <= CELLA_CONFIG_SEGMENT_MAX;
    return fit;
}

CELLA_RESULT cella_config_encode(const struct cella_config *c, struct cella_writer *w) {
    ENSURE(counts_fit(c), CELLA_ERR_LIMIT, NULL,
           "a count of the configuration is over its maximum");
    cella_writer_put(w, cella_bytes(MAGIC, 8));
    cella_writer_u32le(w, VERSION);
    put_layout(w, c);
    for (uint32_t i = 0; i < c->program_count; i++) put_program(w, &c->program[i]);
    for (uint32_t i = 0; i < c->arg_count; i++) put_text(w, c->arg[i]);
    for (uint32_t i = 0; i < c->env_count; i++) {
        put_text(w, c->env[i].name);
        put_text(w, c->env[i].value);
        cella_writer_u8(w, c->env[i].from_host);
    }
    for (uint32_t i = 0; i < c->key_count; i++) {
        put_text(w, c->key[i]);
        put_text(w, c->key_id[i]);
        cella_writer_u8(w, c->key_vault[i]);
    }
    put_text(w, c->vault);
    for (uint32_t i = 0; i < c->mount_count; i++) put_mount(w, &c->mount[i]);
    for (uint32_t i = 0; i < c->trusted_count; i++) {
        cella_writer_u32le(w, c->trusted[i].mount);
        put_text(w, c->trusted[i].path);
        cella_writer_u64le(w, c->trusted[i].size);
        cella_writer_put(w, c->trusted[i].hashes); /* its size follows from the file's */
    }
    ENSURE(!w->failed, CELLA_ERR_LIMIT, NULL, "the configuration does not fit its buffer");
    return CELLA_SUCCESS;
}

/* ---- decode ---- */

#define FORM(cond, ...) ENSURE(cond, CELLA_ERR_FORMAT, NULL, __VA_ARGS__)

/* Fails the reader unless the text has at most max bytes and no NUL, so that it is the same text to
 * C code. */
static struct cella_bytes get_text(struct cella_reader *r, size_t max) {
    struct cella_bytes text = cella_reader_bytes(r, cella_reader_u32le(r));
    bool good = text.size <= max;
    for (size_t i = 0; good && i < text.size; i++) good = text.data[i] != 0;
    if (!good) r->failed = true;
    return r->failed ? (struct cella_bytes){NULL, 0} : text;
}

static bool get_bool(struct cella_reader *r) {
    uint8_t v = cella_reader_u8(r);
    if (v > 1) r->failed = true; /* one spelling per value (A32) */
    return v == 1;
}

static struct cella_config_range get_range(struct cella_reader *r) {
    struct cella_config_range range = {0};
    range.offset = cella_reader_u64le(r);
    range.pages = cella_reader_u64le(r);
    return range;
}

static bool page_aligned(uint64_t v) { return v % CELLA_PAGE_SIZE == 0; }

static bool range_inside(const struct cella_config_range *range, uint64_t offset, uint64_t size) {
    return page_aligned(range->offset) && range->pages <= size / CELLA_PAGE_SIZE &&
           cella_range_inside(range->offset, range->pages * CELLA_PAGE_SIZE, offset, size);
}

/* A path in one spelling: parts of 1 or more bytes between single slashes, none "." or "..", no
 * slash at the end; absolute ones begin with a slash. Only "/" itself has no part. So none leads
 * out of its mount. */
static bool path_good(struct cella_bytes path, bool absolute) {
    size_t at = 0;
    if (path.size == 0) return false;
    if (absolute) {
        if (path.data[at++] != '/') return false;
        if (path.size == 1) return true;
    }
    while (at <= path.size) {
        size_t start = at;
        while (at < path.size && path.data[at] != '/') at++;
        size_t size = at - start;
        bool dots = size >= 1 && size <= 2 && path.data[start] == '.' && path.data[at - 1] == '.';
        if (size == 0 || dots) return false;
        at++;
    }
    return true;
}

static bool key_name_good(struct cella_bytes name) {
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool good = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                    c == '_' || c == '-';
        if (!good) return false;
    }
    return name.size > 0;
}

static void get_layout(struct cella_reader *r, struct cella_config *c) {
    c->flags = cella_reader_u32le(r);
    c->product_id = cella_reader_u16le(r);
    c->svn = cella_reader_u16le(r);
    cella_reader_copy(r, c->config_id, sizeof(c->config_id));
    c->enclave_size = cella_reader_u64le(r);
    c->base_mode = cella_reader_u32le(r);
    c->thread_count = cella_reader_u32le(r);
    c->slots_offset = cella_reader_u64le(r);
    c->start_offset = cella_reader_u64le(r);
    c->heap = get_range(r);
    c->stack = get_range(r);
    c->host_signals = cella_reader_u64le(r);
    c->calls_size = cella_reader_u64le(r);
    c->program_count = cella_reader_u32le(r);
    c->arg_count = cella_reader_u32le(r);
    c->env_count = cella_reader_u32le(r);
    c->mount_count = cella_reader_u32le(r);
    c->key_count = cella_reader_u32le(r);
    c->trusted_count = cella_reader_u32le(r);
}

static CELLA_RESULT check_layout(const struct cella_config *c) {
    uint64_t size = c->enclave_size;
    FORM((c->flags & ~KNOWN_FLAGS) == 0, "configuration: unknown flags");
    FORM(size >= CELLA_SLOT_STRIDE && size <= 1ULL << ENCLAVE_SIZE_MAX_LOG2 &&
             (size & (size - 1)) == 0,
         "configuration: the enclave size is not a power of two from 64 KiB to 64 TiB");
    FORM(c->base_mode <= CELLA_IMAGE_BASE_ZERO, "configuration: unknown base mode");
    FORM(c->thread_count >= 1 && c->thread_count <= CELLA_SLOT_MAX,
         "configuration: thread count not 1 to 64");
    FORM(c->slots_offset % CELLA_SLOT_STRIDE == 0 &&
             cella_range_inside(c->slots_offset, (uint64_t)c->thread_count * CELLA_SLOT_STRIDE, 0,
                                size),
         "configuration: thread slots not aligned or outside the enclave");
    FORM(page_aligned(c->start_offset) &&
             cella_range_inside(c->start_offset, CELLA_PAGE_SIZE, 0, size),
         "configuration: start block not aligned or outside the enclave");
    FORM(range_inside(&c->heap, 0, size) && c->heap.pages > 0,
         "configuration: heap outside the enclave or empty");
    FORM(range_inside(&c->stack, 0, size) && c->stack.pages > 0,
         "configuration: stack outside the enclave or empty");
    FORM(c->calls_size == 0 ||
             (page_aligned(c->calls_size) && c->calls_size >= CELLA_CALLS_SIZE_MIN &&
              c->calls_size <= CELLA_CALLS_SIZE_MAX),
         "configuration: a slot of the call ring is not of 64 KiB to 32 MiB");
    FORM(c->program_count >= 1, "configuration: no program");
    FORM(counts_fit(c), "configuration: a count is over its maximum");
    return CELLA_SUCCESS;
}

static CELLA_RESULT get_program(struct cella_reader *r, uint64_t size,
                                struct cella_config_program *p) {
    p->path = get_text(r, CELLA_CONFIG_PATH_MAX);
    p->whole = get_range(r);
    p->bias = cella_reader_u64le(r);
    p->entry = cella_reader_u64le(r);
    p->phdr = cella_reader_u64le(r);
    p->phdr_count = cella_reader_u32le(r);
    p->segment_count = cella_reader_u32le(r);
    FORM(!r->failed && path_good(p->path, true),
         "configuration: a program's path is not absolute and plain");
    FORM(range_inside(&p->whole, 0, size) && p->whole.pages > 0,
         "configuration: program outside the enclave");
    uint64_t from = p->whole.offset, bytes = p->whole.pages * CELLA_PAGE_SIZE;
    FORM(page_aligned(p->bias) && p->bias <= from,
         "configuration: a program's bias is not aligned or too high");
    FORM(cella_range_inside(p->entry, 1, from, bytes),
         "configuration: entry point outside its program");
    FORM(p->phdr_count <= 64 &&
             cella_range_inside(p->phdr, (uint64_t)p->phdr_count * PHDR_SIZE, from, bytes),
         "configuration: program headers outside their program");
    FORM(p->segment_count <= CELLA_CONFIG_SEGMENT_MAX, "configuration: too many writable segments");
    for (uint32_t i = 0; i < p->segment_count; i++) {
        struct cella_config_segment *s = &p->segment[i];
        s->data = get_range(r);
        s->init_offset = cella_reader_u64le(r);
        s->init_size = cella_reader_u64le(r);
        FORM(!r->failed && range_inside(&s->data, from, bytes) && s->data.pages > 0,
             "configuration: a writable segment is outside its program");
        FORM(page_aligned(s->init_offset) && (s->init_size == 0) == (s->init_offset == 0) &&
                 s->init_size <= s->data.pages * CELLA_PAGE_SIZE &&
                 cella_range_inside(s->init_offset, s->init_size, 0, size),
             "configuration: the first bytes of a writable segment are out of place");
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT get_env(struct cella_reader *r, struct cella_config_env *env) {
    env->name = get_text(r, CELLA_CONFIG_PATH_MAX);
    env->value = get_text(r, CELLA_CONFIG_TEXT_MAX);
    env->from_host = get_bool(r);
    bool good = !r->failed && env->name.size > 0;
    for (size_t i = 0; good && i < env->name.size; i++) good = env->name.data[i] != '=';
    FORM(good, "configuration: an environment variable is malformed");
    return CELLA_SUCCESS;
}

static CELLA_RESULT get_mount(struct cella_reader *r, uint32_t key_count,
                              struct cella_config_mount *m) {
    m->path = get_text(r, CELLA_CONFIG_PATH_MAX);
    m->host = get_text(r, CELLA_CONFIG_PATH_MAX);
    m->type = cella_reader_u32le(r);
    m->key = cella_reader_u32le(r);
    m->key_index = cella_reader_u32le(r);
    m->writable = get_bool(r);
    FORM(!r->failed && path_good(m->path, true),
         "configuration: a mount's path is not absolute and plain");
    FORM(m->type >= CELLA_MOUNT_PROTECTED && m->type <= CELLA_MOUNT_SHARED,
         "configuration: unknown mount type");
    FORM((m->type == CELLA_MOUNT_PROTECTED) == (m->key != CELLA_KEY_NONE) &&
             m->key <= CELLA_KEY_SEAL_SIGNER,
         "configuration: a mount's key does not fit its type");
    FORM(m->key == CELLA_KEY_NAMED ? m->key_index < key_count : m->key_index == 0,
         "configuration: a mount names a key that is not there");
    FORM(m->type != CELLA_MOUNT_TRUSTED || !m->writable,
         "configuration: a trusted mount is writable");
    return CELLA_SUCCESS;
}

static CELLA_RESULT get_trusted(struct cella_reader *r, const struct cella_config *c,
                                struct cella_config_trusted *t) {
    t->mount = cella_reader_u32le(r);
    t->path = get_text(r, CELLA_CONFIG_PATH_MAX);
    t->size = cella_reader_u64le(r);
    FORM(!r->failed && t->mount < c->mount_count && c->mount[t->mount].type == CELLA_MOUNT_TRUSTED,
         "configuration: a pinned file is not below a trusted mount");
    FORM(path_good(t->path, false),
         "configuration: a pinned file's path is not relative and plain");
    FORM(t->size <= 1ULL << TRUSTED_SIZE_MAX_LOG2, "configuration: a pinned file is over 1 TiB");
    uint64_t chunks = (t->size + CELLA_TRUSTED_CHUNK - 1) / CELLA_TRUSTED_CHUNK;
    t->hashes = cella_reader_bytes(r, (size_t)chunks * CELLA_SGX_HASH_SIZE);
    FORM(!r->failed, "configuration: the hashes of a pinned file are cut off");
    return CELLA_SUCCESS;
}

/* Keys of a vault, what fetches them and its settings: all of them or none. */
static CELLA_RESULT get_vault(struct cella_reader *r, struct cella_config *c) {
    bool fetches = (c->flags & CELLA_CONFIG_FETCH) != 0, keys = false;
    c->vault = get_text(r, CELLA_CONFIG_VAULT_MAX);
    for (uint32_t i = 0; i < c->key_count; i++) keys |= c->key_vault[i];
    FORM(!r->failed && keys == fetches && (c->vault.size > 0) == fetches &&
             (!fetches || c->program_count > 1),
         "configuration: keys of a vault, their settings and what fetches them do not fit");
    return CELLA_SUCCESS;
}

static CELLA_RESULT decode(struct cella_reader *r, struct cella_config *c) {
    cella_reader_expect(r, cella_bytes(MAGIC, 8));
    FORM(!r->failed, "configuration: does not begin with CELLACFG");
    uint32_t version = cella_reader_u32le(r);
    ENSURE(r->failed || version == VERSION, CELLA_ERR_UNSUPPORTED,
           "sign the program again with this release", "configuration: unknown version");
    get_layout(r, c);
    FORM(!r->failed, "configuration: cut off");
    TRY(check_layout(c));
    for (uint32_t i = 0; i < c->program_count; i++)
        TRY(get_program(r, c->enclave_size, &c->program[i]));
    for (uint32_t i = 0; i < c->arg_count; i++) c->arg[i] = get_text(r, CELLA_CONFIG_TEXT_MAX);
    FORM(!r->failed, "configuration: an argument is malformed");
    for (uint32_t i = 0; i < c->env_count; i++) TRY(get_env(r, &c->env[i]));
    for (uint32_t i = 0; i < c->key_count; i++) {
        c->key[i] = get_text(r, CELLA_CONFIG_NAME_MAX);
        FORM(!r->failed && key_name_good(c->key[i]),
             "configuration: a key's name is not of [0-9A-Za-z_-]");
        uint32_t size = cella_reader_u32le(r);
        c->key_id[i] = cella_reader_bytes(r, size);
        c->key_vault[i] = get_bool(r);
        FORM(!r->failed && (size == 0 || size == CELLA_KEY_ID_SIZE),
             "configuration: a key's id is not of 32 bytes");
    }
    TRY(get_vault(r, c));
    for (uint32_t i = 0; i < c->mount_count; i++) TRY(get_mount(r, c->key_count, &c->mount[i]));
    for (uint32_t i = 0; i < c->trusted_count; i++) TRY(get_trusted(r, c, &c->trusted[i]));
    FORM(cella_reader_done(r), "configuration: bytes after its end");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_config_decode(struct cella_bytes bytes, struct cella_config *out) {
    struct cella_reader r = cella_reader(bytes);
    cella_zero(out, sizeof(*out));
    struct cella_result result = decode(&r, out);
    if (cella_failed(result))
        cella_zero(out, sizeof(*out)); /* nothing half-checked is left to use */
    return result;
}
