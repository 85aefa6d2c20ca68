/* SGXS: the measured records themselves, in a file. Source: Fortanix's description of the format;
 * the records are those of Intel SDM volume 3D, 36.4.1. */
#include "base/reader.h"
#include "crypto/digest.h"
#include "image/foreign.h"

enum { RECORD = 64, CHUNK = 256 };
#define FORM(cond, ...) ENSURE(cond, CELLA_ERR_FORMAT, NULL, __VA_ARGS__)

static bool tag_is(struct cella_bytes tag, const char *name) {
    return tag.size == 8 && __builtin_memcmp(tag.data, name, 8) == 0;
}

bool cella_sgxs_is(struct cella_bytes file) {
    return file.size >= RECORD && tag_is(cella_bytes(file.data, 8), "ECREATE");
}

struct state {
    uint64_t size, page; /* of the enclave; offset of the page added last */
    bool created, page_open;
};

/* One record. *data: bytes that follow it; *measured: whether they and it count. */
static CELLA_RESULT take(struct state *s, struct cella_bytes record, size_t *data, bool *measured) {
    struct cella_reader r = cella_reader(record);
    struct cella_bytes tag = cella_reader_bytes(&r, 8);
    *data = 0;
    *measured = true;
    if (tag_is(tag, "ECREATE")) {
        FORM(!s->created, "SGXS: a second ECREATE");
        cella_reader_skip(&r, 4);
        s->size = cella_reader_u64le(&r);
        cella_reader_zero(&r, 44);
        FORM(cella_reader_done(&r) && s->size && (s->size & (s->size - 1)) == 0,
             "SGXS: the enclave's size is not a power of two, or a reserved field is not zero");
        s->created = true;
        return CELLA_SUCCESS;
    }
    FORM(s->created, "SGXS: expected ECREATE first");
    uint64_t offset = cella_reader_u64le(&r);
    if (tag_is(tag, "EADD\0\0\0")) {
        FORM(offset % CELLA_PAGE_SIZE == 0 && offset < s->size, "SGXS: a page outside the enclave");
        FORM(!s->page_open || offset > s->page, "SGXS: pages out of order");
        s->page = offset;
        s->page_open = true;
        return CELLA_SUCCESS;
    }
    *measured = tag_is(tag, "EEXTEND");
    FORM(*measured || tag_is(tag, "UNMEASRD"), "SGXS: an unknown record");
    cella_reader_zero(&r, 48);
    FORM(cella_reader_done(&r), "SGXS: a reserved field is not zero");
    FORM(s->page_open && offset % CHUNK == 0 && offset >= s->page &&
             offset - s->page < CELLA_PAGE_SIZE,
         "SGXS: data outside the page added last");
    *data = CHUNK;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_sgxs_measure(struct cella_bytes file, uint8_t mrenclave[CELLA_SGX_HASH_SIZE]) {
    CELLA_SHA256 sha = {0};
    struct cella_reader r = cella_reader(file);
    struct state s = {0};
    TRY(cella_sha256_begin(&sha));
    while (cella_reader_left(&r) > 0) {
        size_t data;
        bool measured;
        struct cella_bytes record = cella_reader_bytes(&r, RECORD);
        FORM(!r.failed, "SGXS: cut off in a record");
        TRY(take(&s, record, &data, &measured));
        struct cella_bytes content = cella_reader_bytes(&r, data);
        FORM(!r.failed, "SGXS: cut off in a page");
        if (!measured) continue;
        TRY(cella_sha256_add(&sha, record));
        if (data) TRY(cella_sha256_add(&sha, content));
    }
    FORM(s.created, "SGXS: empty");
    return cella_sha256_end(&sha, mrenclave);
}
