/* An audit log of any content: verification says how far it holds, and opening agrees. Half of the
 * inputs are given lines whose hashes fit, so that more than the first is looked at. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/audit_inner.h"
#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held) {
    if (!held) abort();
}
static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

/* Lines of the input become members of lines that hold. */
static void make_chain(struct cella_bytes input, struct cella_buffer *log) {
    struct audit_head head = audit_head_new();
    CELLA_BUFFER line = {0};
    while (input.size) {
        const uint8_t *feed = memchr(input.data, '\n', input.size);
        size_t size = feed ? (size_t)(feed - input.data) : input.size;
        if (!done(audit_line_make(&head, cella_bytes(input.data, size), &line, head.hash))) return;
        head.count++;
        must(done(cella_buffer_append(log, cella_buffer_bytes(&line))));
        size += feed != NULL;
        input = cella_bytes(input.data + size, input.size - size);
    }
}

static int in_memory(struct cella_bytes content, char path[32]) {
    int fd = memfd_create("log", MFD_CLOEXEC);
    must(fd >= 0 && done(cella_file_write_fd(fd, "log", content)));
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static void judge(struct cella_bytes content) {
    char path[32];
    struct cella_audit_verdict v;
    struct audit_head head;
    uint64_t torn = 0, lines = 0;
    CELLA_FD fd = in_memory(content, path);
    must(done(cella_audit_verify(path, cella_bytes(NULL, 0), &v)));
    for (size_t i = 0; i < content.size; i++) lines += content.data[i] == '\n';
    must(v.count <= lines && strlen(v.head) == AUDIT_HASH_TEXT && v.why[0]);
    must(v.broken_line == 0 || v.broken_line == v.count + 1);
    bool ends = done(audit_tail_read(fd, path, &head, &torn));
    if (v.broken_line) return;
    must(v.count == lines && ends && torn == 0); /* whole: every line of it, and to its end */
    must(head.count == v.count && head.size == content.size && strcmp(head.hash, v.head) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CELLA_BUFFER chain = {0};
    struct cella_bytes input = cella_bytes(data, size);
    judge(input);
    make_chain(input, &chain);
    judge(cella_buffer_bytes(&chain));
    /* and with one byte of the chain exchanged: never whole */
    if (size < 2 || chain.size == 0) return 0;
    chain.data[(size_t)data[0] * 251 % chain.size] ^= data[1] ? data[1] : 1;
    judge(cella_buffer_bytes(&chain));
    return 0;
}
