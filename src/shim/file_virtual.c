#include "shim/file_virtual.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "shim/fetch.h"
#include "shim/file_cella.h"
#include "shim/file_tsm.h"
#include "shim/path.h"

enum { DEVICE_OWN = 2 }; /* st_dev of all these */

long shim_virtual_read(struct cella_bytes content, void *to, uint64_t size, uint64_t at) {
    if (at >= content.size) return 0;
    if (size > content.size - at) size = content.size - at;
    cella_copy(to, content.data + at, size);
    return (long)size;
}

void shim_virtual_path(struct shim_virtual *out, const char *first, struct cella_bytes second,
                       const char *third) {
    size_t a = __builtin_strlen(first), c = __builtin_strlen(third);
    bool slash = second.size > 0 && second.data[0] != '/';
    out->path[0] = 0;
    if (a + slash + second.size + (c > 0) + c >= sizeof(out->path)) return;
    char *p = out->path;
    cella_copy(p, first, a);
    p += a;
    if (slash) *p++ = '/';
    if (second.size > 0) cella_copy(p, second.data, second.size);
    p += second.size;
    if (c > 0) *p++ = '/';
    cella_copy(p, third, c);
    p[c] = 0;
}

/* ---- devices ---- */

static long null_read(struct shim_file *file, void *to, uint64_t size, uint64_t at) {
    (void)file, (void)to, (void)size, (void)at;
    return 0;
}
static long zero_read(struct shim_file *file, void *to, uint64_t size, uint64_t at) {
    (void)file, (void)at;
    cella_zero(to, size);
    return (long)size;
}
static long random_read(struct shim_file *file, void *to, uint64_t size, uint64_t at) {
    (void)file, (void)at;
    return shim_random(to, size) ? (long)size : -EIO;
}
static long swallow(struct shim_file *file, const void *from, uint64_t size, uint64_t *at) {
    (void)file, (void)from;
    if (*at == SHIM_AT_END) *at = 0;
    return (long)size;
}
static long device_stat(struct shim_file *file, struct shim_stat *out) {
    (void)file;
    *out = (struct shim_stat){.mode = S_IFCHR | 0666, .inode = 1, .device = DEVICE_OWN};
    return 0;
}

static const struct shim_file_kind null_kind = {
    .read = null_read, .write = swallow, .stat = device_stat};
static const struct shim_file_kind zero_kind = {
    .read = zero_read, .write = swallow, .stat = device_stat};
static const struct shim_file_kind random_kind = {
    .read = random_read, .write = swallow, .stat = device_stat};

static const struct {
    const char *path;
    const struct shim_file_kind *kind;
} devices[] = {
    {"/dev/null", &null_kind},      {"/dev/zero", &zero_kind}, {"/dev/random", &random_kind},
    {"/dev/urandom", &random_kind}, {"/dev/stdin", NULL},      {"/dev/stdout", NULL},
    {"/dev/stderr", NULL}, /* opened by open.c: the descriptors themselves */
};

static bool device_source(uint32_t number, struct shim_virtual *out) {
    if (number >= sizeof(devices) / sizeof(devices[0])) return false;
    shim_virtual_path(out, devices[number].path, (struct cella_bytes){NULL, 0}, "");
    out->mode = S_IFCHR | 0666;
    out->kind = devices[number].kind;
    return true;
}

/* ---- what the configuration makes visible: mounts and programs ---- */

static bool mount_source(uint32_t number, struct shim_virtual *out) {
    if (number >= shim.config.mount_count) return false;
    shim_virtual_path(out, "", shim.config.mount[number].path, "");
    out->mode = S_IFDIR | 0755;
    return true;
}

static bool program_source(uint32_t number, struct shim_virtual *out) {
    if (number >= shim_program_count()) return false;
    shim_virtual_path(out, "", shim.config.program[number].path, "");
    out->mode = S_IFREG | 0555; /* runs by exec; its bytes are the image's affair */
    return true;
}

static shim_virtual_source *const sources[] = {device_source, mount_source, program_source,
                                               shim_cella_source, shim_tsm_source};
enum { SOURCE_COUNT = sizeof(sources) / sizeof(sources[0]) };

/* Walks all files of all sources, in one order. */
struct walk {
    uint32_t source, number;
};
static bool next(struct walk *walk, struct shim_virtual *out) {
    while (walk->source < SOURCE_COUNT) {
        *out = (struct shim_virtual){0};
        if (!sources[walk->source](walk->number, out)) {
            walk->source++;
            walk->number = 0;
            continue;
        }
        walk->number++;
        if (out->path[0]) return true;
    }
    return false;
}

/* ---- folders ---- */

/* The component of path right below folder; size 0: it is elsewhere, or the folder itself. */
static struct cella_bytes component(const char *path, const char *folder) {
    const char *rest;
    if (!shim_path_inside(path, cella_bytes_text(folder), &rest))
        return (struct cella_bytes){NULL, 0};
    size_t n = 0;
    while (rest[n] && rest[n] != '/') n++;
    return cella_bytes(rest, n);
}

static bool seen_before(const struct walk *end, const char *folder, struct cella_bytes name) {
    struct walk walk = {0, 0};
    struct shim_virtual file;
    while (next(&walk, &file) && (walk.source != end->source || walk.number != end->number)) {
        struct cella_bytes other = component(file.path, folder);
        if (other.size == name.size && cella_equal(other.data, name.data, name.size)) return true;
    }
    return false;
}

static long folder_list(struct shim_file *folder, uint64_t index, struct shim_entry *out) {
    struct walk walk = {0, 0};
    struct shim_virtual file;
    while (next(&walk, &file)) {
        struct cella_bytes name = component(file.path, folder->path);
        if (!shim_path_name_valid(name) || seen_before(&walk, folder->path, name) || index-- > 0)
            continue;
        bool leaf = name.data[name.size] == 0 && !S_ISDIR(file.mode);
        out->type = !leaf ? DT_DIR : S_ISCHR(file.mode) ? DT_CHR : DT_REG;
        out->name_size = (uint8_t)name.size;
        (void)shim_text_put(out->name, sizeof(out->name), name);
        return 1;
    }
    return 0;
}

static long folder_stat(struct shim_file *file, struct shim_stat *out) {
    (void)file;
    *out = (struct shim_stat){.mode = S_IFDIR | 0755, .inode = 1, .device = DEVICE_OWN};
    return 0;
}

static const struct shim_file_kind folder_kind = {
    .folder = true, .list = folder_list, .stat = folder_stat};

/* ---- the tree ---- */

/* Finds a path: 1 a file (*out), 0 a folder above one, -ENOENT, -ENOTDIR below a file. */
static long find(const char *path, struct shim_virtual *out) {
    struct walk walk = {0, 0};
    const char *rest;
    long found = path[1] == 0 ? 0 : -ENOENT;
    while (next(&walk, out)) {
        if (!shim_path_inside(out->path, cella_bytes_text(path), &rest)) {
            if (!S_ISDIR(out->mode) && shim_path_inside(path, cella_bytes_text(out->path), &rest))
                return -ENOTDIR;
            continue;
        }
        if (*rest == 0 && !S_ISDIR(out->mode)) return 1;
        found = 0;
    }
    return found;
}

static long tree_stat(const struct shim_place *place, struct shim_stat *out) {
    struct shim_virtual file;
    if (shim_virtual_link(place->path).data) { /* as if followed: a program of the image */
        *out = (struct shim_stat){.mode = S_IFREG | 0555, .inode = 1, .device = DEVICE_OWN};
        return 0;
    }
    long e = find(place->path, &file);
    if (e == 0) return folder_stat(NULL, out);
    if (e == 1) *out = (struct shim_stat){.mode = file.mode, .inode = 1, .device = DEVICE_OWN};
    return e < 0 ? e : 0;
}

static long tree_open(const struct shim_place *place, uint32_t flags, uint32_t mode,
                      struct shim_file *file) {
    struct shim_virtual found;
    (void)mode;
    long e = shim_fetch_connect(place->path, file);
    if (e != -ENOENT) return e;
    e = find(place->path, &found);
    if (e < 0) return e == -ENOENT && (flags & O_CREAT) != 0 ? -EROFS : e;
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return -EEXIST;
    if (e == 0) {
        file->kind = &folder_kind;
        return 0;
    }
    bool reads = (flags & O_ACCMODE) != O_WRONLY, writes = (flags & O_ACCMODE) != O_RDONLY;
    if (!found.kind || (reads && (found.mode & 0444) == 0) || (writes && (found.mode & 0222) == 0))
        return -EACCES;
    file->index = found.index;
    file->serial = found.serial;
    if (found.kind == &shim_cella_kind) e = shim_cella_open(file);
    if (found.kind == &shim_tsm_kind) e = shim_tsm_open(file);
    if (e < 0) return e;
    file->kind = found.kind;
    return 0;
}

static long tree_mkdir(const struct shim_place *place, uint32_t mode) {
    struct shim_virtual found;
    (void)mode;
    if (find(place->path, &found) >= 0) return -EEXIST;
    return shim_tsm_mkdir(place->path);
}

static long tree_rmdir(const struct shim_place *place) {
    struct shim_virtual found;
    long e = find(place->path, &found);
    if (e != 0) return e == 1 ? -ENOTDIR : e;
    return shim_tsm_rmdir(place->path);
}

const struct shim_tree shim_virtual_tree = {
    .open = tree_open, .stat = tree_stat, .mkdir = tree_mkdir, .rmdir = tree_rmdir};

struct cella_bytes shim_virtual_link(const char *path) {
    static const char exe[] = "/proc/self/exe";
    if (cella_equal(path, exe,
                    __builtin_strlen(path) < sizeof(exe) ? __builtin_strlen(path) + 1
                                                         : sizeof(exe)))
        return shim.argc > 0 ? shim.config.program[0].path : (struct cella_bytes){NULL, 0};
    return (struct cella_bytes){NULL, 0};
}
