#include "shim/hostcall.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/reader.h"
#include "base/writer.h"
#include "shim/channel.h"
#include "shim/file_host.h"
#include "shim/path.h"

static struct shim_channel host;

static struct cella_bytes text(const char *s) { return cella_bytes_text(s); }

long shim_host_begin(const struct shim_host_request *request, struct cella_bytes *reply,
                     int *received) {
    shim_lock(&host.lock);
    host.fd = CELLA_FD_HOST;
    host.peer = "host program";
    struct cella_writer w = cella_writer(host.buffer, CELLA_HOSTCALL_MAX);
    cella_writer_u32le(&w, request->op);
    cella_writer_u32le(&w, request->mount);
    cella_writer_u64le(&w, request->a);
    cella_writer_u64le(&w, request->b);
    cella_writer_u32le(&w, (uint32_t)(request->first.size + request->second.size));
    cella_writer_put(&w, request->first);
    cella_writer_put(&w, request->second);
    if (w.failed)
        shim_abort("a request to the host is over %u bytes", (uint64_t)CELLA_HOSTCALL_MAX);
    size_t size = shim_channel_exchange(&host, w.size, received);
    struct cella_reader r = cella_reader(cella_bytes(host.buffer, size));
    int64_t result = (int64_t)cella_reader_u64le(&r);
    *reply = cella_reader_bytes(&r, cella_reader_u32le(&r));
    if (!cella_reader_done(&r)) shim_broken_contract("a reply's size is not what it says");
    if (result < -4095) shim_broken_contract("a result is below every error");
    if (result < 0 && reply->size > 0) shim_broken_contract("an error came with content");
    return result;
}

void shim_host_end(void) { shim_unlock(&host.lock); }

/* A call whose reply is a result alone, 0 or -errno. */
static long plain_call(const struct shim_host_request *request) {
    struct cella_bytes reply;
    long result = shim_host_begin(request, &reply, NULL);
    if (result > 0 || reply.size > 0)
        shim_broken_contract("a plain call's result is not 0 or an error");
    shim_host_end();
    return result;
}

long shim_host_open(uint32_t mount, const char *path, uint32_t flags, uint32_t mode,
                    struct shim_stat *stat) {
    struct cella_bytes reply;
    int fd = -1;
    const uint32_t allowed = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC;
    long result = shim_host_begin(&(struct shim_host_request){.op = CELLA_HOSTCALL_OPEN,
                                                              .mount = mount,
                                                              .a = flags & allowed,
                                                              .b = mode,
                                                              .first = text(path)},
                                  &reply, &fd);
    if (result > 0 || reply.size > 0) shim_broken_contract("open's result is not 0 or an error");
    if ((result == 0) != (fd >= 0))
        shim_broken_contract("open brought no descriptor, or an error brought one");
    shim_host_end();
    if (result < 0) return result;
    /* What it really is, the kernel says: a pipe, device or folder would block or mean something
     * else (R40). */
    long e = shim_host_size(fd, stat);
    if (e < 0 || !S_ISREG(stat->mode))
        shim_broken_contract("open brought something other than a regular file");
    stat->device = SHIM_DEVICE_MOUNT + mount;
    return fd;
}

long shim_host_connect(const char *name) {
    struct cella_bytes reply;
    struct shim_stat stat;
    int fd = -1;
    long result = shim_host_begin(&(struct shim_host_request){.op = CELLA_HOSTCALL_CONNECT,
                                                              .first = text(name)},
                                  &reply, &fd);
    if (result > 0 || reply.size > 0) shim_broken_contract("connect's result is not 0 or an error");
    if ((result == 0) != (fd >= 0))
        shim_broken_contract("connect brought no descriptor, or an error brought one");
    shim_host_end();
    if (result < 0) return result;
    if (shim_host_size(fd, &stat) < 0 || (!S_ISSOCK(stat.mode) && !S_ISFIFO(stat.mode)))
        shim_broken_contract("connect brought neither a socket nor a pipe");
    return fd;
}

long shim_host_stat(uint32_t mount, const char *path, struct shim_stat *out) {
    struct cella_bytes reply;
    long result = shim_host_begin(
        &(struct shim_host_request){.op = CELLA_HOSTCALL_STAT, .mount = mount, .first = text(path)},
        &reply, NULL);
    if (result > 0 || reply.size != (result == 0 ? CELLA_HOSTSTAT_SIZE : 0U))
        shim_broken_contract("stat's reply has the wrong size");
    struct cella_reader r = cella_reader(reply);
    struct shim_stat s = {.device = SHIM_DEVICE_MOUNT + mount};
    s.mode = cella_reader_u32le(&r);
    cella_reader_skip(&r, CELLA_HOSTSTAT_SIZE_AT - 4);
    s.size = cella_reader_u64le(&r);
    s.mtime = (int64_t)cella_reader_u64le(&r);
    s.inode = cella_reader_u64le(&r);
    shim_host_end();
    if (result < 0) return result;
    if ((s.mode & ~(uint32_t)(S_IFMT | 0777)) != 0 || (!S_ISREG(s.mode) && !S_ISDIR(s.mode)))
        shim_broken_contract("stat gave a mode that is neither file nor folder");
    if (s.size > INT64_MAX) shim_broken_contract("stat gave a negative size");
    *out = s;
    return 0;
}

long shim_host_name(uint32_t op, uint32_t mount, const char *path, uint32_t mode) {
    return plain_call(
        &(struct shim_host_request){.op = op, .mount = mount, .b = mode, .first = text(path)});
}

long shim_host_rename(uint32_t mount, const char *from, const char *to) {
    struct cella_bytes old = text(from);
    return plain_call(&(struct shim_host_request){.op = CELLA_HOSTCALL_RENAME,
                                                  .mount = mount,
                                                  .a = old.size,
                                                  .first = old,
                                                  .second = text(to)});
}

/* ---- folders ---- */

/* Takes one entry; false at the end. */
static bool take_entry(struct cella_reader *r, struct shim_entry *out) {
    if (cella_reader_left(r) == 0) return false;
    out->type = cella_reader_u8(r);
    out->name_size = cella_reader_u8(r);
    struct cella_bytes name = cella_reader_bytes(r, out->name_size);
    if (r->failed || (out->type != DT_REG && out->type != DT_DIR) || !shim_path_name_valid(name))
        shim_broken_contract("a folder entry is malformed");
    (void)shim_text_put(out->name, sizeof(out->name), name);
    return true;
}

long shim_host_readdir(uint32_t mount, const char *path, uint64_t cookie, uint8_t buffer[65536],
                       struct shim_host_listing *out) {
    struct cella_bytes reply;
    long result = shim_host_begin(
        &(struct shim_host_request){
            .op = CELLA_HOSTCALL_READDIR, .mount = mount, .a = cookie, .first = text(path)},
        &reply, NULL);
    if (result >= 0) cella_copy(buffer, reply.data, reply.size);
    *out = (struct shim_host_listing){cella_bytes(buffer, reply.size),
                                      result > 0 ? (uint64_t)result : 0};
    shim_host_end();
    if (result < 0) return result;
    if (result > 0 && reply.size == 0)
        shim_broken_contract("a folder listing goes on without entries");
    struct cella_reader r = cella_reader(out->entries);
    struct shim_entry entry;
    while (take_entry(&r, &entry)) {} /* all of it is checked before any is used */
    return 0;
}

long shim_host_entry(const struct shim_host_listing *listing, uint64_t index,
                     struct shim_entry *out) {
    struct cella_reader r = cella_reader(listing->entries);
    for (uint64_t i = 0; take_entry(&r, out); i++)
        if (i == index) return 1;
    return 0;
}

/* ---- keys ---- */

long shim_host_key_request(struct cella_bytes request) {
    return plain_call(
        &(struct shim_host_request){.op = CELLA_HOSTCALL_KEY_REQUEST, .first = request});
}

long shim_host_key_grant(uint8_t *grant, size_t size) {
    struct cella_bytes reply;
    long result =
        shim_host_begin(&(struct shim_host_request){.op = CELLA_HOSTCALL_KEY_GRANT}, &reply, NULL);
    if (result > 0) shim_broken_contract("a grant's result is not 0 or an error");
    if (result == 0 && reply.size <= size) {
        cella_copy(grant, reply.data, reply.size);
        result = (long)reply.size;
    } else if (result == 0) {
        result = -EMSGSIZE; /* no grant is that long: the caller says so and waits for another */
    }
    shim_host_end();
    return result;
}
