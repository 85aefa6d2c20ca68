#include "shim/file_protected.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "seal/protected.h"
#include "shim/crypto.h"
#include "shim/file_host.h"
#include "shim/hostcall.h"
#include "shim/keys.h"
#include "shim/path.h"
#include "shim/platcall.h"

enum { NODE_MIN = 2, NODE_FEW = 8, NODE_MAX = 16, CACHE_MAX = 64, PERMISSIONS = 0600 };
#define SMALLEST_MAXIMUM ((uint64_t)256 << 20) /* bytes a protected file may hold at least */

/* One open content, shared by all open files of its path. */
struct node {
    struct shim_lock lock; /* guards file, error and what lies below; taken after nodes_lock */
    uint32_t references;   /* guarded by nodes_lock, like mount, path and gone */
    uint32_t mount;
    bool writable; /* the host's descriptor is open for writing */
    bool gone;     /* no name leads here any more */
    int host_fd;
    long error;                   /* what the host's kernel refused with last */
    struct cella_protected *file; /* NULL: not open */
    void *memory;
    char path[SHIM_PATH_MAX]; /* relative to the mount: the name the file is bound to */
};

static struct shim_lock nodes_lock;
static struct node nodes[NODE_MAX];
static uint32_t node_count, cache_blocks; /* decided at start */
static uint64_t node_memory, max_size;

/* ---- memory: at most a quarter of the heap; a few files first, then larger caches, then more
 * files ---- */

static bool fits(uint64_t budget, uint32_t blocks, uint32_t count) {
    return cella_protected_memory(blocks, max_size) * count <= budget;
}

static void plan(uint64_t heap) {
    uint64_t budget = heap / 4;
    max_size = heap > SMALLEST_MAXIMUM / 64 ? heap * 64 : SMALLEST_MAXIMUM;
    cache_blocks = CELLA_PROTECTED_CACHE_MIN;
    node_count = NODE_MIN;
    while (node_count < NODE_FEW && fits(budget, cache_blocks, node_count + 1)) node_count++;
    while (cache_blocks < CACHE_MAX && fits(budget, cache_blocks + 8, node_count))
        cache_blocks += 8;
    while (node_count < NODE_MAX && fits(budget, cache_blocks, node_count + 1)) node_count++;
    node_memory = (cella_protected_memory(cache_blocks, max_size) + 63) & ~63UL;
}

void shim_protected_start(void) {
    bool needed = false;
    for (uint32_t i = 0; i < shim.config.mount_count; i++)
        needed |= shim.config.mount[i].type == CELLA_MOUNT_PROTECTED;
    if (!needed) return;
    plan(shim.config.heap.pages * 4096);
    uint64_t size = (node_memory * node_count + 4095) & ~4095UL;
    uint8_t *memory = shim_arena(size);
    if (!memory)
        shim_abort("the heap has no room for protected files: they need %u bytes; raise heap in "
                   "the manifest",
                   size);
    for (uint32_t i = 0; i < node_count; i++) nodes[i].memory = memory + i * node_memory;
}

/* ---- the storage below ---- */

static int64_t noted(struct node *node, long result) {
    if (result < 0) node->error = result;
    return result;
}
static int64_t io_read(void *context, void *buffer, uint64_t size, uint64_t offset) {
    struct node *node = context;
    return noted(node, shim_host_pread(node->host_fd, buffer, size, offset));
}
static int64_t io_write(void *context, const void *buffer, uint64_t size, uint64_t offset) {
    struct node *node = context;
    return noted(node, shim_host_pwrite(node->host_fd, buffer, size, offset));
}
static int64_t io_truncate(void *context, uint64_t size) {
    struct node *node = context;
    return noted(node, shim_host_truncate(node->host_fd, size));
}
static int64_t io_sync(void *context) {
    struct node *node = context;
    return noted(node, shim_host_sync(node->host_fd, false));
}
static int64_t io_size(void *context) {
    struct node *node = context;
    struct shim_stat stat;
    long e = noted(node, shim_host_size(node->host_fd, &stat));
    return e < 0 ? e : (int64_t)stat.size;
}

static struct cella_protected_io storage(struct node *node) {
    return (struct cella_protected_io){.read = io_read,
                                       .write = io_write,
                                       .truncate = io_truncate,
                                       .sync = io_sync,
                                       .size = io_size,
                                       .context = node};
}

/* -errno for a failed result, with a line naming the file where somebody has to look at it. */
static long failed(struct node *node, struct cella_result result) {
    enum cella_code code = cella_code_of(result);
    cella_result_drop(result);
    switch (code) {
    case CELLA_OK: return 0;
    case CELLA_ERR_IO: return node->error < 0 ? node->error : -EIO;
    case CELLA_ERR_LIMIT: return -EFBIG;
    case CELLA_ERR_FORMAT:
        shim_say("protected file %s: it is no protected file, or its header is damaged; nothing of "
                 "it was used",
                 node->path);
        return -EIO;
    case CELLA_ERR_INTEGRITY:
        shim_say("protected file %s: it does not match its key and name: changed, cut short, "
                 "swapped, or sealed under "
                 "another key; nothing of it was used",
                 node->path);
        return -EIO;
    default: shim_say("protected file %s: reason %u", node->path, (uint64_t)code); return -EIO;
    }
}

/* ---- keys ---- */

static const struct cella_config_mount *mount_of(const struct node *node) {
    return &shim.config.mount[node->mount];
}

static uint16_t seal_policy(const struct node *node) {
    return mount_of(node)->key == CELLA_KEY_SEAL_SIGNER ? CELLA_SEAL_POLICY_SIGNER
                                                        : CELLA_SEAL_POLICY_ENCLAVE;
}

static long fetch_seal_key(struct node *node, struct cella_protected_key *key) {
    enum cella_code code =
        shim_platform_seal_key(seal_policy(node), key->svn, key->key_id, key->key);
    if (code == CELLA_OK) return 0;
    shim_say("protected file %s: the platform does not give the seal key of security version %u: "
             "reason %u",
             node->path, (uint64_t)key->svn, (uint64_t)code);
    return -EACCES;
}

/* The key the mount's rule says, never another that the header would like: a header only says which
 * version and id of the rule's own kind it was sealed under. */
static long existing_key(struct node *node, const struct cella_protected_io *io,
                         struct cella_protected_key *key) {
    uint32_t rule = mount_of(node)->key;
    if (rule == CELLA_KEY_NAMED) {
        *key = (struct cella_protected_key){.kind = CELLA_PROTECTED_KEY_GIVEN};
        cella_copy(key->key, shim_keys_named(mount_of(node)->key_index), sizeof(key->key));
        return 0;
    }
    struct cella_result peeked = cella_protected_peek(io, key);
    if (cella_failed(peeked)) return failed(node, peeked);
    uint32_t kind = rule == CELLA_KEY_SEAL_SIGNER ? CELLA_PROTECTED_KEY_SEAL_SIGNER
                                                  : CELLA_PROTECTED_KEY_SEAL_ENCLAVE;
    if (key->kind != kind) {
        shim_say("protected file %s: it is not under the seal key that its mount says", node->path);
        return -EACCES;
    }
    if (key->svn > shim.config.svn) {
        shim_say("protected file %s: sealed by security version %u, and this is version %u: an "
                 "older version may not "
                 "open what a newer one sealed",
                 node->path, (uint64_t)key->svn, (uint64_t)shim.config.svn);
        return -EACCES;
    }
    return fetch_seal_key(node, key);
}

static long fresh_key(struct node *node, struct cella_protected_key *key) {
    uint32_t rule = mount_of(node)->key;
    if (rule == CELLA_KEY_NAMED) return existing_key(node, NULL, key);
    *key = (struct cella_protected_key){.svn = shim.config.svn};
    key->kind = rule == CELLA_KEY_SEAL_SIGNER ? CELLA_PROTECTED_KEY_SEAL_SIGNER
                                              : CELLA_PROTECTED_KEY_SEAL_ENCLAVE;
    if (!shim_random(key->key_id, sizeof(key->key_id))) return -EIO;
    return fetch_seal_key(node, key);
}

/* ---- opening and closing a node; nodes_lock is held ---- */

static struct node *find_node(uint32_t mount, const char *path) {
    for (uint32_t i = 0; i < node_count; i++)
        if (nodes[i].references > 0 && !nodes[i].gone && nodes[i].mount == mount &&
            cella_equal(nodes[i].path, path, __builtin_strlen(path) + 1))
            return &nodes[i];
    return NULL;
}

/* Opens the content over node->host_fd, whose size the host's kernel says; an empty file is a new
 * one. */
static long open_content(struct node *node, uint64_t host_size, bool may_create) {
    struct cella_protected_io io = storage(node);
    struct cella_protected_key key;
    struct cella_bytes name = cella_bytes_text(node->path);
    uint64_t maximum = node->writable ? max_size : 0;
    bool fresh = host_size == 0 && may_create && node->writable;
    if (host_size == 0 && !fresh) {
        shim_say("protected file %s: it is empty: cut off, or its first commit never came",
                 node->path);
        return -EIO;
    }
    long e = fresh ? fresh_key(node, &key) : existing_key(node, &io, &key);
    if (e == 0)
        e = failed(node, (fresh ? cella_protected_create : cella_protected_open)(
                             &node->file, node->memory, node_memory, cache_blocks, maximum, &io,
                             &shim_protected_crypto, &key, name));
    cella_wipe(&key, sizeof(key));
    return e;
}

/* The host's descriptor: for writing where the mount allows it, since a later open of the same path
 * may need it. */
static long open_storage(struct node *node, uint32_t flags, struct shim_stat *stat) {
    bool write = mount_of(node)->writable,
         needed = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
    uint32_t wanted = (flags & (O_CREAT | O_EXCL)) | (write ? O_RDWR : O_RDONLY);
    long fd = shim_host_open(node->mount, node->path, wanted, PERMISSIONS, stat);
    if (write && !needed && (fd == -EACCES || fd == -EPERM || fd == -EROFS)) {
        write = false;
        fd = shim_host_open(node->mount, node->path, O_RDONLY, PERMISSIONS, stat);
    }
    if (fd < 0) return fd;
    node->host_fd = (int)fd;
    node->writable = write;
    return 0;
}

static long new_node(uint32_t mount, const char *path, uint32_t flags, struct node **out) {
    uint32_t i = 0;
    struct shim_stat stat;
    while (i < node_count && nodes[i].references > 0) i++;
    if (i == node_count) {
        shim_say(
            "protected file %s: %u protected files are open, and the heap has no room for more",
            path, (uint64_t)node_count);
        return -ENFILE;
    }
    struct node *node = &nodes[i];
    *node = (struct node){.memory = node->memory, .mount = mount, .host_fd = -1};
    long e = shim_text_put(node->path, sizeof(node->path), cella_bytes_text(path));
    if (e == 0) e = open_storage(node, flags, &stat);
    if (e < 0) return e;
    e = open_content(node, stat.size, (flags & O_CREAT) != 0);
    if (e < 0) {
        shim_host_close(node->host_fd);
        return e;
    }
    node->references = 1;
    *out = node;
    return 0;
}

/* A reference to the node of a path. */
static long take_node(uint32_t mount, const char *path, uint32_t flags, struct node **out) {
    struct node *node = find_node(mount, path);
    if (!node) return new_node(mount, path, flags, out);
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return -EEXIST;
    if (!node->writable && (flags & O_ACCMODE) != O_RDONLY) return -EACCES;
    node->references++;
    *out = node;
    return 0;
}

static long commit(struct node *node, bool durable) {
    if (!node->file) return -EIO;
    if (!node->writable) return 0;
    return failed(node, cella_protected_commit(node->file, durable));
}

static long close_content(struct node *node) {
    long e = 0;
    shim_lock(&node->lock);
    if (node->file) {
        e = node->gone ? 0 : commit(node, false);
        cella_protected_close(node->file);
        node->file = NULL;
        shim_host_close(node->host_fd);
    }
    shim_unlock(&node->lock);
    return e;
}

static long drop_node(struct node *node) {
    long e = node->references == 1 ? close_content(node) : 0;
    node->references--;
    return e;
}

/* ---- open files ---- */

static long protected_read(struct shim_file *file, void *to, uint64_t size, uint64_t at) {
    struct node *node = &nodes[file->index];
    uint64_t done = 0;
    shim_lock(&node->lock);
    long e =
        node->file ? failed(node, cella_protected_read(node->file, at, to, size, &done)) : -EIO;
    shim_unlock(&node->lock);
    return e < 0 ? e : (long)done;
}

static long protected_write(struct shim_file *file, const void *from, uint64_t size, uint64_t *at) {
    struct node *node = &nodes[file->index];
    shim_lock(&node->lock);
    long e = node->file ? 0 : -EIO;
    if (e == 0 && *at == SHIM_AT_END) *at = cella_protected_length(node->file);
    if (e == 0) e = failed(node, cella_protected_write(node->file, *at, from, size));
    shim_unlock(&node->lock);
    return e < 0 ? e : (long)size;
}

static long node_stat(struct node *node, struct shim_stat *out) {
    shim_lock(&node->lock);
    long e = node->file ? shim_host_size(node->host_fd, out) : -EIO;
    if (e == 0)
        out->size = cella_protected_length(node->file); /* the plaintext's, from under the key */
    shim_unlock(&node->lock);
    out->mode = S_IFREG | (mount_of(node)->writable ? 0600 : 0400);
    out->device = SHIM_DEVICE_MOUNT + node->mount;
    return e;
}

static long protected_stat(struct shim_file *file, struct shim_stat *out) {
    return node_stat(&nodes[file->index], out);
}

static long protected_resize(struct shim_file *file, uint64_t size) {
    struct node *node = &nodes[file->index];
    shim_lock(&node->lock);
    long e = node->file ? failed(node, cella_protected_resize(node->file, size)) : -EIO;
    shim_unlock(&node->lock);
    return e;
}

static long protected_sync(struct shim_file *file, bool data_only) {
    struct node *node = &nodes[file->index];
    (void)data_only;
    shim_lock(&node->lock);
    long e = commit(node, true);
    shim_unlock(&node->lock);
    return e;
}

static long protected_close(struct shim_file *file) {
    shim_lock(&nodes_lock);
    long e = drop_node(&nodes[file->index]);
    shim_unlock(&nodes_lock);
    return e;
}

static const struct shim_file_kind protected_kind = {.read = protected_read,
                                                     .write = protected_write,
                                                     .stat = protected_stat,
                                                     .resize = protected_resize,
                                                     .sync = protected_sync,
                                                     .close = protected_close};

/* ---- the tree ---- */

static bool is_open(const struct shim_place *place) {
    shim_lock(&nodes_lock);
    bool open = find_node(place->mount, place->rest) != NULL;
    shim_unlock(&nodes_lock);
    return open;
}

static long protected_open(const struct shim_place *place, uint32_t flags, uint32_t mode,
                           struct shim_file *file) {
    bool changes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
    struct node *node;
    (void)mode;
    if (changes && !shim.config.mount[place->mount].writable) return -EROFS;
    if (!is_open(place)) {
        long e = shim_host_folder(place, file);
        if (e == 1) return (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) ? -EEXIST : 0;
        if (e < 0 && (e != -ENOENT || (flags & O_CREAT) == 0)) return e;
    }
    if ((flags & O_DIRECTORY) != 0) return -ENOTDIR;
    shim_lock(&nodes_lock);
    long e = take_node(place->mount, place->rest, flags, &node);
    shim_unlock(&nodes_lock);
    if (e < 0) return e;
    file->kind = &protected_kind;
    file->index = (uint32_t)(node - nodes);
    return (flags & O_TRUNC) != 0 ? protected_resize(file, 0) : 0;
}

static long tree_stat(const struct shim_place *place, struct shim_stat *out) {
    struct node *node;
    struct shim_stat host = {0};
    bool open = is_open(place);
    long e = open ? 0 : shim_host_tree_stat(place, &host);
    if (e < 0) return e;
    *out = host;
    if (!open && (S_ISDIR(host.mode) || host.size == 0)) return 0;
    shim_lock(&nodes_lock);
    e = take_node(place->mount, place->rest, O_RDONLY, &node);
    if (e == 0) {
        e = node_stat(node, out);
        (void)drop_node(node);
    }
    shim_unlock(&nodes_lock);
    return e;
}

/* The name that an open node had leads elsewhere now. */
static void forget_name(uint32_t mount, const char *path) {
    struct node *node = find_node(mount, path);
    if (node) node->gone = true;
}

static long tree_unlink(const struct shim_place *place) {
    shim_lock(&nodes_lock);
    long e = shim_host_name(CELLA_HOSTCALL_UNLINK, place->mount, place->rest, 0);
    if (e == 0) forget_name(place->mount, place->rest);
    shim_unlock(&nodes_lock);
    return e;
}

static long rebind(struct node *node, const char *name) {
    shim_lock(&node->lock);
    long e = node->file ? failed(node, cella_protected_rebind(node->file, cella_bytes_text(name)))
                        : -EIO;
    if (e == 0) e = commit(node, true);
    shim_unlock(&node->lock);
    return e;
}

/* Two steps (protected.h): under both names first, under the new one alone when the host has
 * renamed; whenever it stops, the file opens under the name it has. */
static long rename_node(struct node *node, const struct shim_place *to) {
    long e = rebind(node, to->rest);
    if (e < 0) return e;
    e = shim_host_rename(node->mount, node->path, to->rest);
    if (e < 0) {
        (void)rebind(node, node->path);
        return e;
    }
    forget_name(node->mount, to->rest);
    (void)shim_text_put(node->path, sizeof(node->path), cella_bytes_text(to->rest));
    return rebind(node, node->path);
}

static long tree_rename(const struct shim_place *from, const struct shim_place *to) {
    struct node *node;
    struct shim_stat stat;
    if (!is_open(from)) {
        long e = shim_host_tree_stat(from, &stat);
        if (e < 0) return e;
        /* Files are bound to their whole path below the mount: a folder moves by copying. */
        if (S_ISDIR(stat.mode)) return -EXDEV;
    }
    shim_lock(&nodes_lock);
    long e = take_node(from->mount, from->rest, O_RDWR, &node);
    if (e == 0) {
        e = rename_node(node, to);
        long closing = drop_node(node);
        if (e == 0) e = closing;
    }
    shim_unlock(&nodes_lock);
    return e;
}

const struct shim_tree shim_protected_tree = {.open = protected_open,
                                              .stat = tree_stat,
                                              .unlink = tree_unlink,
                                              .rmdir = shim_host_tree_rmdir,
                                              .mkdir = shim_host_tree_mkdir,
                                              .rename = tree_rename};

void shim_protected_exit(void) {
    shim_lock(&nodes_lock);
    for (uint32_t i = 0; i < node_count; i++)
        if (nodes[i].references > 0)
            (void)close_content(&nodes[i]); /* a call on another thread holds it still */
    /* nodes_lock stays taken: nothing opens any more, and what asks waits for the end. */
}
