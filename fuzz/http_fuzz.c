/* Heads, chunks and targets of requests: what is taken keeps its promises, and is the same in
 * whatever pieces it comes. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "http/message.h"
#include "http/target.h"

enum { BODY_MAX = 4096 };

#define MUST(what)                                                                                 \
    do {                                                                                           \
        if (!(what)) abort();                                                                      \
    } while (0)

static bool inside(struct cella_bytes part, struct cella_bytes whole) {
    return part.size == 0 ||
           (part.data >= whole.data && part.data + part.size <= whole.data + whole.size);
}

static void check_target(struct cella_bytes text) {
    static struct cella_http_target target, again;
    struct cella_result r = cella_http_target_parse(text, &target);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    if (!good) return;
    MUST(target.path.size > 0 && target.path.data[0] == '/');
    MUST(!memchr(target.path.data, '%', target.path.size));
    MUST(!memmem(target.path.data, target.path.size, "//", 2));
    /* One spelling: what came out is taken again, and stays as it is (K19). */
    r = cella_http_target_parse(target.path, &again);
    MUST(!cella_failed(r) && again.count == 0 && again.path.size == target.path.size &&
         cella_equal(again.path.data, target.path.data, target.path.size));
}

static void check_head(struct cella_bytes bytes) {
    static struct cella_http_message m;
    struct cella_http_scan scan = {0}, slow = {0};
    enum cella_http_scanned s = cella_http_scan(&scan, bytes), t = CELLA_HTTP_MORE;
    for (size_t size = 1; size <= bytes.size && t == CELLA_HTTP_MORE; size++)
        t = cella_http_scan(&slow, cella_bytes(bytes.data, size));
    MUST(s == t);
    if (s != CELLA_HTTP_WHOLE) return;
    MUST(scan.at == slow.at && scan.at <= bytes.size && scan.at >= 2);
    struct cella_bytes head = cella_bytes(bytes.data, scan.at);
    struct cella_http_refusal r = cella_http_message_parse(head, &m);
    if (r.status) {
        MUST(r.status >= 400 && r.status < 600 && r.why);
        return;
    }
    MUST(m.method.size && m.authority.size && m.target.size && m.target.data[0] == '/');
    MUST(inside(m.method, head) && inside(m.target, head) && inside(m.authority, head));
    MUST(!(m.chunked && m.length) && m.count <= CELLA_HTTP_FIELDS && m.minor <= 1);
    for (size_t i = 0; i < m.count; i++) {
        MUST(m.field[i].name.size && inside(m.field[i].name, head));
        MUST(inside(m.field[i].value, head));
        for (size_t k = 0; k < m.field[i].value.size; k++)
            MUST(m.field[i].value.data[k] >= ' ' || m.field[i].value.data[k] == '\t');
    }
    check_target(m.target);
}

static enum cella_http_scanned chunks(struct cella_bytes bytes, size_t piece, uint8_t *body,
                                      struct cella_http_chunks *c) {
    enum cella_http_scanned s = CELLA_HTTP_MORE;
    size_t size = 0, given = 0;
    *c = (struct cella_http_chunks){0};
    while (s == CELLA_HTTP_MORE && given < bytes.size) {
        size_t part = bytes.size - given < piece ? bytes.size - given : piece;
        memcpy(body + size, bytes.data + given, part);
        given += part;
        size += part;
        s = cella_http_chunks(c, body, &size, BODY_MAX);
        MUST(s == CELLA_HTTP_BAD || (c->size <= BODY_MAX && c->size <= c->raw && c->raw <= size));
    }
    return s;
}

static void check_chunks(struct cella_bytes bytes) {
    struct cella_http_chunks one, other;
    uint8_t *first = malloc(bytes.size + 1), *second = malloc(bytes.size + 1);
    if (first && second) {
        enum cella_http_scanned s = chunks(bytes, bytes.size + 1, first, &one);
        MUST(s == chunks(bytes, 1, second, &other));
        if (s == CELLA_HTTP_WHOLE)
            MUST(one.size == other.size && memcmp(first, second, one.size) == 0);
    }
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_bytes bytes = cella_bytes(data, size);
    check_head(bytes);
    check_chunks(bytes);
    check_target(bytes);
    return 0;
}
