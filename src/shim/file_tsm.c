#include "shim/file_tsm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/writer.h"
#include "shim/path.h"
#include "shim/platcall.h"

enum {
    REPORT_MAX = 4,      /* report folders at a time */
    NAME_MAX = 64,       /* bytes of a folder's name with its NUL */
    INBLOB_MAX = 64,     /* TSM_REPORT_INBLOB_MAX */
    OUTBLOB_MAX = 16384, /* bytes of evidence */
    WRITER_MAX = 8,      /* open inblob files */
};
static const char root[] = "/sys/kernel/config/tsm/report";
static const char provider[] = "cella_software\n";

enum attribute { INBLOB, OUTBLOB, AUXBLOB, PROVIDER, GENERATION, ATTRIBUTE_COUNT };
static const struct {
    const char *name;
    uint32_t mode;
} attributes[ATTRIBUTE_COUNT] = {
    [INBLOB] = {"inblob", 0200},         [OUTBLOB] = {"outblob", 0400},
    [AUXBLOB] = {"auxblob", 0400},       [PROVIDER] = {"provider", 0444},
    [GENERATION] = {"generation", 0444},
};

static struct shim_lock tsm_lock; /* guards all below */
static struct report {
    char name[NAME_MAX]; /* "": free */
    uint32_t serial;     /* one more with each mkdir, so that files of a removed folder know */
    uint8_t inblob[INBLOB_MAX];
    size_t inblob_size;
    uint64_t write_generation,
        read_generation; /* as in the kernel: equal when outblob is up to date */
    uint8_t outblob[OUTBLOB_MAX];
    size_t outblob_size;
} reports[REPORT_MAX];

/* What an open inblob has been given; it counts when the file is closed, as configfs does it. */
static struct pending {
    bool used;
    uint8_t bytes[INBLOB_MAX];
    size_t size;
} pendings[WRITER_MAX];

/* Numbers 0: the report folder itself; then per report its attributes. */
bool shim_tsm_source(uint32_t number, struct shim_virtual *out) {
    const struct cella_bytes none = {NULL, 0};
    if (number == 0) {
        shim_virtual_path(out, root, none, "");
        out->mode = S_IFDIR | 0755;
        return true;
    }
    uint32_t i = (number - 1) / ATTRIBUTE_COUNT, attribute = (number - 1) % ATTRIBUTE_COUNT;
    if (i >= REPORT_MAX) return false;
    shim_lock(&tsm_lock);
    if (reports[i].name[0]) {
        shim_virtual_path(out, root, cella_bytes_text(reports[i].name), attributes[attribute].name);
        out->mode = S_IFREG | attributes[attribute].mode;
        out->kind = &shim_tsm_kind;
        out->index = i * ATTRIBUTE_COUNT + attribute;
        out->serial = reports[i].serial;
    }
    shim_unlock(&tsm_lock);
    return true;
}

/* The report of an open file, or NULL when its folder is gone. tsm_lock is held. */
static struct report *report_of(const struct shim_file *file) {
    struct report *report = &reports[file->index / ATTRIBUTE_COUNT];
    return report->name[0] && report->serial == file->serial ? report : NULL;
}
static enum attribute attribute_of(const struct shim_file *file) {
    return (enum attribute)(file->index % ATTRIBUTE_COUNT);
}

long shim_tsm_open(struct shim_file *file) {
    if (attribute_of(file) != INBLOB) return 0;
    long e = -ENFILE;
    shim_lock(&tsm_lock);
    for (unsigned i = 0; i < WRITER_MAX && e < 0; i++) {
        if (pendings[i].used) continue;
        pendings[i] = (struct pending){.used = true};
        file->cookie_index = i;
        e = 0;
    }
    shim_unlock(&tsm_lock);
    return e;
}

/* ---- writing inblob ---- */

static long tsm_write(struct shim_file *file, const void *from, uint64_t size, uint64_t *at) {
    struct pending *pending = &pendings[file->cookie_index];
    if (*at == SHIM_AT_END) *at = pending->size;
    if (!cella_range_inside(*at, size, 0, INBLOB_MAX)) return -EFBIG;
    shim_lock(&tsm_lock);
    cella_copy(pending->bytes + *at, from, size);
    if (*at + size > pending->size) pending->size = *at + size;
    shim_unlock(&tsm_lock);
    return (long)size;
}

static long accept_inblob(struct report *report, const struct pending *pending) {
    /* Written so often without a read in between that the generations would meet again (kernel:
     * EBUSY). */
    if (report->write_generation == report->read_generation - 1) return -EBUSY;
    cella_zero(report->inblob, sizeof(report->inblob)); /* a short nonce is followed by zeros */
    cella_copy(report->inblob, pending->bytes, pending->size);
    report->inblob_size = pending->size;
    report->write_generation++;
    return 0;
}

static long tsm_close(struct shim_file *file) {
    if (attribute_of(file) != INBLOB) return 0;
    shim_lock(&tsm_lock);
    struct pending *pending = &pendings[file->cookie_index];
    struct report *report = report_of(file);
    long e = report && pending->size > 0 ? accept_inblob(report, pending) : 0;
    *pending = (struct pending){0};
    shim_unlock(&tsm_lock);
    return e;
}

/* ---- reading ---- */

static long refresh(struct report *report) {
    if (report->inblob_size == 0) return -EINVAL;
    if (report->outblob_size > 0 && report->read_generation == report->write_generation) return 0;
    report->outblob_size = 0;
    enum cella_code code =
        shim_platform_evidence(report->inblob, report->outblob, OUTBLOB_MAX, &report->outblob_size);
    if (code != CELLA_OK) return shim_platform_errno(code);
    report->read_generation = report->write_generation;
    return 0;
}

/* A reader in the middle of an outblob that another replaced is told to begin again. */
static long read_outblob(struct shim_file *file, struct report *report, void *to, uint64_t size,
                         uint64_t at) {
    if (at > 0 && file->cookie != report->read_generation) return -EWOULDBLOCK;
    long e = at == 0 ? refresh(report) : 0;
    if (e < 0) return e;
    file->cookie = report->read_generation;
    return shim_virtual_read(cella_bytes(report->outblob, report->outblob_size), to, size, at);
}

static long read_generation(const struct report *report, void *to, uint64_t size, uint64_t at) {
    char text[24];
    size_t n = sizeof(text);
    uint64_t v = report->write_generation;
    text[--n] = '\n';
    do text[--n] = (char)('0' + v % 10);
    while (v /= 10);
    return shim_virtual_read(cella_bytes(text + n, sizeof(text) - n), to, size, at);
}

static long tsm_read(struct shim_file *file, void *to, uint64_t size, uint64_t at) {
    shim_lock(&tsm_lock);
    struct report *report = report_of(file);
    long n = -ENOENT;
    if (report) switch (attribute_of(file)) {
        case OUTBLOB: n = read_outblob(file, report, to, size, at); break;
        case PROVIDER: n = shim_virtual_read(cella_bytes_text(provider), to, size, at); break;
        case GENERATION: n = read_generation(report, to, size, at); break;
        case AUXBLOB:
            n = 0;
            break; /* there is none: all that a verifier needs is in the evidence */
        default: n = -EACCES; break;
        }
    shim_unlock(&tsm_lock);
    return n;
}

static long tsm_stat(struct shim_file *file, struct shim_stat *out) {
    *out = (struct shim_stat){.mode = S_IFREG | attributes[attribute_of(file)].mode,
                              .inode = file->index + 2,
                              .device = 2};
    return 0;
}

static long tsm_resize(struct shim_file *file, uint64_t size) {
    (void)file,
        (void)size; /* O_TRUNC and ftruncate: nothing to cut, as for the kernel's attributes */
    return 0;
}

const struct shim_file_kind shim_tsm_kind = {.read = tsm_read,
                                             .write = tsm_write,
                                             .stat = tsm_stat,
                                             .resize = tsm_resize,
                                             .close = tsm_close};

/* ---- folders ---- */

/* The name right below root, or NULL. */
static const char *report_name(const char *path) {
    const char *name;
    if (!shim_path_inside(path, cella_bytes_text(root), &name) || !*name) return NULL;
    for (const char *p = name; *p; p++)
        if (*p == '/') return NULL;
    return name;
}

long shim_tsm_mkdir(const char *path) {
    const char *name = report_name(path);
    if (!name) return -EPERM;
    long e = -ENOSPC;
    shim_lock(&tsm_lock);
    for (unsigned i = 0; i < REPORT_MAX && e == -ENOSPC; i++) {
        if (reports[i].name[0]) continue;
        uint32_t serial = reports[i].serial + 1;
        reports[i] = (struct report){.serial = serial};
        e = shim_text_put(reports[i].name, NAME_MAX, cella_bytes_text(name));
    }
    shim_unlock(&tsm_lock);
    return e;
}

long shim_tsm_rmdir(const char *path) {
    const char *name = report_name(path);
    long e = -EPERM;
    shim_lock(&tsm_lock);
    for (unsigned i = 0; name && i < REPORT_MAX; i++) {
        if (!reports[i].name[0] ||
            !cella_equal(reports[i].name, name, __builtin_strlen(reports[i].name) + 1))
            continue;
        reports[i].name[0] = 0;
        e = 0;
    }
    shim_unlock(&tsm_lock);
    return e;
}
