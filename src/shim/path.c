#include "shim/path.h"

#include <errno.h>
#include <fcntl.h>

static char cwd[SHIM_PATH_MAX] = "/"; /* guarded by cwd_lock */
static struct shim_lock cwd_lock;

long shim_text_put(char *to, uint64_t size, struct cella_bytes text) {
    if (text.size >= size) return -ENAMETOOLONG;
    cella_copy(to, text.data, text.size);
    to[text.size] = 0;
    return 0;
}

/* Appends one component; "." and ".." are resolved here. size is without the NUL, 0 for the root.
 */
static long put_component(char *out, size_t *size, const char *name, size_t name_size) {
    if (name_size == 0 || (name_size == 1 && name[0] == '.')) return 0;
    if (name_size == 2 && name[0] == '.' && name[1] == '.') {
        while (*size > 0 && out[--*size] != '/') {}
        return 0;
    }
    if (name_size > SHIM_NAME_MAX) return -ENAMETOOLONG;
    if (*size + 1 + name_size >= SHIM_PATH_MAX) return -ENAMETOOLONG;
    out[(*size)++] = '/';
    cella_copy(out + *size, name, name_size);
    *size += name_size;
    return 0;
}

static long put_components(char *out, size_t *size, const char *path, bool *wants_folder) {
    while (*path) {
        while (*path == '/') path++;
        size_t n = 0;
        while (path[n] && path[n] != '/') n++;
        bool dots =
            n == 0 || (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.');
        *wants_folder = dots || path[n] == '/';
        long e = put_component(out, size, path, n);
        if (e < 0) return e;
        path += n;
    }
    return 0;
}

long shim_path_join(const char *base, const char *path, char out[SHIM_PATH_MAX],
                    bool *wants_folder) {
    size_t size = 0;
    *wants_folder = false;
    if (!*path) return -ENOENT;
    long e = *path == '/' ? 0 : put_components(out, &size, base, wants_folder);
    if (e == 0) e = put_components(out, &size, path, wants_folder);
    if (e < 0) return e;
    if (size == 0) out[size++] = '/';
    out[size] = 0;
    return 0;
}

static long base_folder(int dirfd, char base[SHIM_PATH_MAX]) {
    if (dirfd == AT_FDCWD) {
        shim_lock(&cwd_lock);
        cella_copy(base, cwd, SHIM_PATH_MAX);
        shim_unlock(&cwd_lock);
        return 0;
    }
    struct shim_file *file = shim_file_get(dirfd);
    if (!file) return -EBADF;
    long e = file->kind->folder ? 0 : -ENOTDIR;
    if (e == 0) cella_copy(base, file->path, SHIM_PATH_MAX);
    (void)shim_file_put(file);
    return e;
}

long shim_path_take(int dirfd, const char *path, char out[SHIM_PATH_MAX], bool *wants_folder) {
    char text[SHIM_PATH_MAX], base[SHIM_PATH_MAX] = "/";
    long n = shim_copy_text(text, path, sizeof(text));
    if (n < 0) return n;
    if (text[0] != '/') {
        long e = base_folder(dirfd, base);
        if (e < 0) return e;
    }
    return shim_path_join(base, text, out, wants_folder);
}

bool shim_path_inside(const char *path, struct cella_bytes folder, const char **rest) {
    size_t size =
        folder.size == 1 && folder.data[0] == '/' ? 0 : folder.size; /* the root is "" here */
    for (size_t i = 0; i < size; i++)
        if (path[i] == 0 || (uint8_t)path[i] != folder.data[i]) return false;
    if (path[size] != 0 && path[size] != '/') return false;
    *rest = path + size + (path[size] == '/');
    return true;
}

bool shim_path_name_valid(struct cella_bytes name) {
    if (name.size == 0 || name.size > SHIM_NAME_MAX) return false;
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] == 0 || name.data[i] == '/') return false;
    return !(name.data[0] == '.' && (name.size == 1 || (name.size == 2 && name.data[1] == '.')));
}

/* ---- system calls about the working folder ---- */

long shim_sys_getcwd(const long a[6]) {
    char now[SHIM_PATH_MAX];
    (void)base_folder(AT_FDCWD, now);
    uint64_t size = __builtin_strlen(now) + 1;
    if ((uint64_t)a[1] < size) return -ERANGE;
    if (!shim_writable((void *)a[0], size)) return -EFAULT;
    cella_copy((void *)a[0], now, size);
    return (long)size;
}

static void set_cwd(const char *path) {
    shim_lock(&cwd_lock);
    cella_copy(cwd, path, __builtin_strlen(path) + 1);
    shim_unlock(&cwd_lock);
}

long shim_sys_fchdir(const long a[6]) {
    char path[SHIM_PATH_MAX];
    if ((int)a[0] == AT_FDCWD) return -EBADF;
    long e = base_folder((int)a[0], path);
    if (e == 0) set_cwd(path);
    return e;
}

long shim_sys_chdir(const long a[6]) {
    long e =
        shim_sys_openat((long[6]){AT_FDCWD, a[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0, 0});
    if (e < 0) return e;
    long closing[6] = {e};
    e = shim_sys_fchdir(closing);
    (void)shim_sys_close(closing);
    return e;
}
