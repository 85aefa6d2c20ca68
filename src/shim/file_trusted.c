#include "shim/file_trusted.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "shim/crypto.h"
#include "shim/file_host.h"
#include "shim/hostcall.h"
#include "shim/path.h"

enum { CACHE_CHUNKS = 2, CHUNK = CELLA_TRUSTED_CHUNK };

/* Verified chunks of any trusted files, the least lately used one replaced. */
static struct {
    struct shim_lock lock; /* guards all of it */
    struct {
        uint8_t *data;
        uint64_t pinned, index, used;
        bool filled;
    } chunk[CACHE_CHUNKS];
    uint64_t clock;
} cache;

void shim_trusted_start(void) {
    if (shim.config.trusted_count == 0) return;
    for (unsigned i = 0; i < CACHE_CHUNKS; i++) {
        cache.chunk[i].filled = false;
        cache.chunk[i].data = shim_arena(CHUNK);
        if (!cache.chunk[i].data)
            shim_abort("the heap has no room for trusted files: they need %u bytes; raise heap in "
                       "the manifest",
                       (uint64_t)CACHE_CHUNKS * CHUNK);
    }
}

/* ---- chunks ---- */

static uint64_t chunk_size(const struct cella_config_trusted *pinned, uint64_t index) {
    uint64_t left = pinned->size - index * CHUNK;
    return left < CHUNK ? left : CHUNK;
}

/* Reads a chunk once into memory of the enclave and hashes that copy, so that the host cannot
 * change it between check and use (R24, R45, T09). */
static bool load(const struct shim_file *file, uint64_t index, uint8_t *to) {
    const struct cella_config_trusted *pinned = &shim.config.trusted[file->index];
    uint8_t hash[SHIM_SHA256_SIZE];
    const struct cella_bytes none = {NULL, 0};
    uint64_t size = chunk_size(pinned, index);
    if (!cella_range_inside(index * sizeof(hash), sizeof(hash), 0, pinned->hashes.size))
        return false;
    if (shim_host_pread(file->host_fd, to, size, index * CHUNK) != (long)size) return false;
    shim_sha256(cella_bytes(to, size), none, none, hash);
    return cella_equal(hash, pinned->hashes.data + index * sizeof(hash), sizeof(hash));
}

/* The verified chunk, or NULL. The cache is locked. */
static const uint8_t *take_chunk(const struct shim_file *file, uint64_t index) {
    unsigned oldest = 0;
    for (unsigned i = 0; i < CACHE_CHUNKS; i++) {
        if (cache.chunk[i].filled && cache.chunk[i].pinned == file->index &&
            cache.chunk[i].index == index) {
            cache.chunk[i].used = ++cache.clock;
            return cache.chunk[i].data;
        }
        if (cache.chunk[i].used < cache.chunk[oldest].used) oldest = i;
    }
    cache.chunk[oldest].filled = false;
    if (!load(file, index, cache.chunk[oldest].data)) return NULL;
    cache.chunk[oldest].pinned = file->index;
    cache.chunk[oldest].index = index;
    cache.chunk[oldest].used = ++cache.clock;
    cache.chunk[oldest].filled = true;
    return cache.chunk[oldest].data;
}

static long trusted_read(struct shim_file *file, void *to, uint64_t size, uint64_t at) {
    const struct cella_config_trusted *pinned = &shim.config.trusted[file->index];
    uint64_t done = 0;
    if (at >= pinned->size) return 0;
    if (size > pinned->size - at) size = pinned->size - at;
    shim_lock(&cache.lock);
    while (done < size) {
        uint64_t index = (at + done) / CHUNK, in = (at + done) % CHUNK;
        const uint8_t *chunk = take_chunk(file, index);
        if (!chunk) break;
        uint64_t n = chunk_size(pinned, index) - in;
        if (n > size - done) n = size - done;
        cella_copy((uint8_t *)to + done, chunk + in, n);
        done += n;
    }
    shim_unlock(&cache.lock);
    if (done > 0 || size == 0) return (long)done;
    shim_say("trusted file %s: it is not what the manifest pins (SHA-256 of the piece at %u does "
             "not match); restore "
             "the file or sign the image again",
             file->path, at / CHUNK * CHUNK);
    return -EIO;
}

/* ---- what the configuration says is there ---- */

static struct shim_stat pinned_stat(uint32_t index) {
    const struct cella_config_trusted *pinned = &shim.config.trusted[index];
    return (struct shim_stat){.mode = S_IFREG | 0444,
                              .size = pinned->size,
                              .inode = index + 2,
                              .device = SHIM_DEVICE_MOUNT + pinned->mount};
}

static long trusted_stat(struct shim_file *file, struct shim_stat *out) {
    *out = pinned_stat(file->index);
    return 0;
}

static long trusted_close(struct shim_file *file) {
    if (file->host_fd >= 0) shim_host_close(file->host_fd);
    return 0;
}

static const struct shim_file_kind trusted_kind = {
    .read = trusted_read, .stat = trusted_stat, .close = trusted_close};

/* What follows folder (relative, "" for the mount) in a pinned path, when it lies inside: size 0
 * never. */
static struct cella_bytes below(struct cella_bytes path, const char *folder) {
    size_t size = __builtin_strlen(folder);
    if (size == 0) return path;
    if (path.size <= size + 1 || path.data[size] != '/' || !cella_equal(path.data, folder, size))
        return (struct cella_bytes){NULL, 0};
    return cella_bytes(path.data + size + 1, path.size - size - 1);
}

/* The next component of the pinned file number i below a folder; size 0: it is elsewhere. */
static struct cella_bytes component(uint32_t mount, const char *folder, uint32_t i,
                                    bool *is_folder) {
    struct cella_bytes rest = {NULL, 0};
    if (shim.config.trusted[i].mount == mount) rest = below(shim.config.trusted[i].path, folder);
    size_t n = 0;
    while (n < rest.size && rest.data[n] != '/') n++;
    *is_folder = n < rest.size;
    return cella_bytes(rest.data, n);
}

static bool seen_before(uint32_t mount, const char *folder, uint32_t i, struct cella_bytes name) {
    bool is_folder;
    for (uint32_t k = 0; k < i; k++) {
        struct cella_bytes other = component(mount, folder, k, &is_folder);
        if (other.size == name.size && cella_equal(other.data, name.data, name.size)) return true;
    }
    return false;
}

static const char *rest_of(const struct shim_file *file) {
    const char *rest = "";
    (void)shim_path_inside(file->path, shim.config.mount[file->index].path, &rest);
    return rest;
}

static long folder_list(struct shim_file *file, uint64_t index, struct shim_entry *out) {
    const char *folder = rest_of(file);
    for (uint32_t i = 0; i < shim.config.trusted_count; i++) {
        bool is_folder;
        struct cella_bytes name = component(file->index, folder, i, &is_folder);
        if (!shim_path_name_valid(name) || seen_before(file->index, folder, i, name) || index-- > 0)
            continue;
        out->type = is_folder ? DT_DIR : DT_REG;
        out->name_size = (uint8_t)name.size;
        (void)shim_text_put(out->name, sizeof(out->name), name);
        return 1;
    }
    return 0;
}

static long folder_stat(struct shim_file *file, struct shim_stat *out) {
    *out = (struct shim_stat){
        .mode = S_IFDIR | 0555, .inode = 1, .device = SHIM_DEVICE_MOUNT + file->index};
    return 0;
}

static const struct shim_file_kind folder_kind = {
    .folder = true, .list = folder_list, .stat = folder_stat};

/* The pinned file a place names: its index, -EISDIR for a folder above one, -ENOENT. */
static long find(const struct shim_place *place) {
    size_t size = __builtin_strlen(place->rest);
    long found = size == 0 ? -EISDIR : -ENOENT;
    for (uint32_t i = 0; i < shim.config.trusted_count; i++) {
        struct cella_bytes path = shim.config.trusted[i].path;
        if (shim.config.trusted[i].mount != place->mount) continue;
        if (path.size == size && cella_equal(path.data, place->rest, size)) return i;
        if (below(path, place->rest).size > 0) found = -EISDIR;
    }
    return found;
}

static long tree_stat(const struct shim_place *place, struct shim_stat *out) {
    long i = find(place);
    struct shim_file folder = {.index = place->mount};
    if (i == -EISDIR) return folder_stat(&folder, out);
    if (i >= 0) *out = pinned_stat((uint32_t)i);
    return i < 0 ? i : 0;
}

static long tree_open(const struct shim_place *place, uint32_t flags, uint32_t mode,
                      struct shim_file *file) {
    (void)mode;
    struct shim_stat stat;
    long i = find(place);
    if ((flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0)
        return i >= 0 && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) ? -EEXIST : -EROFS;
    if (i == -EISDIR) {
        file->kind = &folder_kind;
        file->index = place->mount;
        return 0;
    }
    if (i < 0) return i;
    if ((flags & O_DIRECTORY) != 0) return -ENOTDIR;
    long fd = shim_host_open(place->mount, place->rest, O_RDONLY, 0, &stat);
    if (fd < 0) return fd;
    file->kind = &trusted_kind;
    file->host_fd = (int)fd;
    file->index = (uint32_t)i;
    if (stat.size == shim.config.trusted[i].size) return 0;
    shim_say("trusted file %s: it has %u bytes, and the manifest pins %u; restore the file or sign "
             "the image again",
             place->path, stat.size, shim.config.trusted[i].size);
    return -EIO;
}

const struct shim_tree shim_trusted_tree = {.open = tree_open, .stat = tree_stat};
