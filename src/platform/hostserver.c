#include "platform/hostserver.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/keygrant.h"
#include "base/file.h"
#include "base/log.h"
#include "base/reader.h"
#include "base/writer.h"
#include "platform/hostconnect.h"
#include "platform/hostfiles.h"

enum { LIST_MAX = 32768 };

struct call {
    uint32_t op, mount;
    uint64_t a, b;
    struct cella_bytes payload;
};

/* A path from the payload as a C string; refuses NUL inside. Absolute paths and ".." the kernel
 * refuses (RESOLVE_BENEATH), where they would leave the mount. */
static bool take_path(struct cella_bytes bytes, char out[PATH_MAX]) {
    if (bytes.size >= PATH_MAX || (bytes.size && memchr(bytes.data, 0, bytes.size))) return false;
    if (bytes.size) memcpy(out, bytes.data, bytes.size);
    out[bytes.size] = 0;
    return true;
}

static long boot(const struct cella_host_server *server, struct cella_writer *w) {
    char *const *lists[] = {server->args, server->envs};
    const uint32_t counts[] = {server->arg_count, server->env_count};
    for (int i = 0; i < 2; i++) {
        cella_writer_u32le(w, counts[i]);
        for (uint32_t k = 0; k < counts[i]; k++) {
            cella_writer_u32le(w, (uint32_t)strlen(lists[i][k]));
            cella_writer_put(w, cella_bytes_text(lists[i][k]));
        }
    }
    return w->failed ? -E2BIG : 0;
}

static long take_request(const struct cella_host_server *server, struct cella_bytes request) {
    if (!server->request_path) {
        cella_log(CELLA_LOG_ERROR,
                  "the enclave asks for keys: give --request FILE to have its request written");
        return -ECANCELED;
    }
    struct cella_result r = cella_file_write(server->request_path, request, 0644, 0);
    bool failed = cella_failed(r);
    cella_result_print(r);
    cella_result_drop(r);
    return failed ? -EIO : 0;
}

/* The next key's grant that has appeared in the folder; the name is the configuration's, so it is a
 * plain one. */
static bool find_in_folder(struct cella_host_server *server, char path[PATH_MAX], bool *more) {
    *more = false;
    for (uint32_t i = 0; i < server->config->key_count; i++) {
        if (server->taken[i]) continue;
        *more = true;
        struct cella_bytes name = server->config->key[i];
        int n = snprintf(path, PATH_MAX, "%s/%.*s.grant", server->grant_folder, (int)name.size,
                         (const char *)name.data);
        struct stat st;
        if (n <= 0 || n >= PATH_MAX || stat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
            st.st_size == 0)
            continue;
        server->taken[i] = true;
        return true;
    }
    return false;
}

static long read_grant(const char *path, struct cella_writer *w) {
    CELLA_BUFFER grant = {0};
    struct cella_result r = cella_file_read(path, CELLA_KEY_GRANT_MAX, &grant);
    bool failed = cella_failed(r);
    cella_result_print(r);
    cella_result_drop(r);
    if (failed) return -EIO;
    cella_writer_put(w, cella_buffer_bytes(&grant));
    return 0;
}

static enum cella_host_answer next_grant(struct cella_host_server *server, struct cella_writer *w,
                                         long *result) {
    if (server->grants_given < server->grant_count) {
        *result = read_grant(server->grant_paths[server->grants_given++], w);
        return CELLA_HOST_ANSWERED;
    }
    char path[PATH_MAX];
    bool more = false;
    *result = -ECANCELED;
    if (server->grant_folder && find_in_folder(server, path, &more))
        *result = read_grant(path, w);
    else if (more)
        return CELLA_HOST_PENDING;
    return CELLA_HOST_ANSWERED;
}

static long share_calls(const struct cella_host_server *server, uint64_t size, int *fd) {
    if (server->calls_size == 0) return -ENOTSUP;
    if (server->calls_size != size) return -EINVAL;
    *fd = fcntl(server->calls, F_DUPFD_CLOEXEC, 0);
    return *fd < 0 ? -errno : 0;
}

static long connect_peer(const struct cella_host_server *server, struct cella_bytes name, int *fd) {
    static const char word[] = "credential/";
    char text[PATH_MAX];
    if (!take_path(name, text)) return -EINVAL;
    bool credential = strncmp(text, word, sizeof(word) - 1) == 0;
    const char *wanted = credential ? text + sizeof(word) - 1 : text;
    for (uint32_t i = 0; i < server->peer_count; i++) {
        const struct cella_host_peer *peer = &server->peers[i];
        if (strcmp(peer->name, wanted) != 0) continue;
        if (!credential) return cella_hostconnect(peer->name, fd);
        return peer->credential.size ? cella_hostconnect_bytes(peer->credential, fd) : -ENOENT;
    }
    return -EACCES; /* the image does not name it */
}

static long rename_in(int folder, const struct call *call) {
    char from[PATH_MAX], to[PATH_MAX];
    struct cella_reader r = cella_reader(call->payload);
    struct cella_bytes first = cella_reader_bytes(&r, call->a);
    struct cella_bytes second = cella_reader_rest(&r);
    if (r.failed || !take_path(first, from) || !take_path(second, to)) return -EINVAL;
    return cella_hostfile_rename(folder, from, to);
}

static long serve_file(struct cella_host_server *server, const struct call *call,
                       struct cella_writer *w, int *fd) {
    char path[PATH_MAX];
    if (call->mount >= server->mount_count || server->mount[call->mount].folder < 0) return -ENOENT;
    int folder = server->mount[call->mount].folder;
    bool writable = server->mount[call->mount].writable,
         changes = call->op >= CELLA_HOSTCALL_UNLINK;
    if (changes && !writable) return -EROFS;
    if (call->op == CELLA_HOSTCALL_RENAME) return rename_in(folder, call);
    if (!take_path(call->payload, path)) return -EINVAL;
    uint8_t stat_bytes[CELLA_HOSTSTAT_SIZE];
    size_t size = 0;
    long result;
    switch (call->op) {
    case CELLA_HOSTCALL_OPEN:
        return cella_hostfile_open(folder, path, call->a, call->b, writable, fd);
    case CELLA_HOSTCALL_STAT:
        result = cella_hostfile_stat(folder, path, stat_bytes);
        if (result == 0) cella_writer_put(w, CELLA_BYTES_OF(stat_bytes));
        return result;
    case CELLA_HOSTCALL_READDIR:
        result = cella_hostfile_list(folder, path, call->a, w->data + w->size, LIST_MAX, &size);
        if (result >= 0) w->size += size;
        return result;
    case CELLA_HOSTCALL_UNLINK: return cella_hostfile_remove(folder, path, false);
    case CELLA_HOSTCALL_RMDIR: return cella_hostfile_remove(folder, path, true);
    default: return cella_hostfile_mkdir(folder, path, call->b);
    }
}

static bool decode(struct cella_bytes request, struct call *out) {
    struct cella_reader r = cella_reader(request);
    out->op = cella_reader_u32le(&r);
    out->mount = cella_reader_u32le(&r);
    out->a = cella_reader_u64le(&r);
    out->b = cella_reader_u64le(&r);
    out->payload = cella_reader_bytes(&r, cella_reader_u32le(&r));
    return cella_reader_done(&r) && out->op >= CELLA_HOSTCALL_BOOT &&
           out->op <= CELLA_HOSTCALL_CALLS;
}

enum cella_host_answer cella_host_serve(struct cella_host_server *server,
                                        struct cella_bytes request, uint8_t *reply,
                                        size_t *reply_size, int *fd) {
    struct call call;
    long result;
    *fd = -1;
    if (!decode(request, &call)) return CELLA_HOST_BROKEN;
    struct cella_writer w = cella_writer(reply, CELLA_HOSTCALL_MAX);
    cella_writer_zero(&w, CELLA_HOSTCALL_REPLY_HEADER);
    switch (call.op) {
    case CELLA_HOSTCALL_BOOT: result = boot(server, &w); break;
    case CELLA_HOSTCALL_KEY_REQUEST: result = take_request(server, call.payload); break;
    case CELLA_HOSTCALL_KEY_GRANT:
        if (next_grant(server, &w, &result) == CELLA_HOST_PENDING) return CELLA_HOST_PENDING;
        break;
    case CELLA_HOSTCALL_CALLS: result = share_calls(server, call.a, fd); break;
    case CELLA_HOSTCALL_CONNECT: result = connect_peer(server, call.payload, fd); break;
    default: result = serve_file(server, &call, &w, fd);
    }
    if (result < 0)
        w = cella_writer(reply, CELLA_HOSTCALL_MAX),
        cella_writer_zero(&w, CELLA_HOSTCALL_REPLY_HEADER);
    struct cella_writer header = cella_writer(reply, CELLA_HOSTCALL_REPLY_HEADER);
    cella_writer_u64le(&header, (uint64_t)result);
    cella_writer_u32le(&header, (uint32_t)(w.size - CELLA_HOSTCALL_REPLY_HEADER));
    *reply_size = w.size;
    return CELLA_HOST_ANSWERED;
}

void cella_host_server_close(struct cella_host_server *server) {
    for (uint32_t i = 0; i < server->mount_count; i++) cella_fd_close(&server->mount[i].folder);
}
