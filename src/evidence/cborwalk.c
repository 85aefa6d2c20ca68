#include "evidence/cborwalk.h"

enum major { UINT = 0, NEGATIVE = 1, BYTES = 2, TEXT = 3, ARRAY = 4, MAP = 5, TAG = 6, SIMPLE = 7 };
enum { BREAK = 0xff, NULL_VALUE = 22 };

struct head {
    enum major major;
    uint64_t value;
    bool open;
};

void cella_walk_fail(struct cella_walk *w, const char *why) {
    if (!w->failed) w->failed = why;
    w->in.failed = true;
}

/* The argument of the size the head says; only the shortest form has a value this large (RFC
 * 8949 4.2.1). */
static uint64_t argument(struct cella_walk *w, uint8_t info) {
    uint64_t value = 0, least = 0;
    switch (info) {
    case 24: value = cella_reader_u8(&w->in), least = 24; break;
    case 25: value = cella_reader_u16be(&w->in), least = 0x100; break;
    case 26: value = cella_reader_u32be(&w->in), least = 0x10000; break;
    case 27: value = cella_reader_u64be(&w->in), least = 0x100000000; break;
    default: cella_walk_fail(w, "a reserved form"); return 0;
    }
    if (w->in.failed) cella_walk_fail(w, "cut short");
    if (value < least) cella_walk_fail(w, "a longer form than the value needs");
    return value;
}

static struct head take_head(struct cella_walk *w) {
    uint8_t first = cella_reader_u8(&w->in), info = first & 0x1f;
    struct head head = {(enum major)(first >> 5), info, false};
    if (w->in.failed) cella_walk_fail(w, "cut short");
    if (w->failed || info < 24) return head;
    head.open = info == 31 && (head.major == ARRAY || head.major == MAP);
    head.value = head.open ? 0 : argument(w, info);
    return head;
}

static struct head expect(struct cella_walk *w, enum major major, const char *why) {
    struct head head = take_head(w);
    if (head.major != major) cella_walk_fail(w, why);
    return w->failed ? (struct head){major, 0, false} : head;
}

static uint8_t peek(const struct cella_walk *w) {
    return cella_reader_left(&w->in) > 0 ? w->in.data[w->in.at] : 0;
}

uint64_t cella_walk_uint(struct cella_walk *w, uint64_t maximum) {
    uint64_t value = expect(w, UINT, "expected a non-negative integer").value;
    if (value > maximum) cella_walk_fail(w, "an integer above its maximum");
    return w->failed ? 0 : value;
}

int64_t cella_walk_int(struct cella_walk *w) {
    struct head head = take_head(w);
    if (head.major != UINT && head.major != NEGATIVE) cella_walk_fail(w, "expected an integer");
    if (head.value > INT32_MAX) cella_walk_fail(w, "an integer above its maximum");
    if (w->failed) return 0;
    return head.major == UINT ? (int64_t)head.value : -1 - (int64_t)head.value;
}

static struct cella_bytes string(struct cella_walk *w, struct head head) {
    if (w->failed || head.value > cella_reader_left(&w->in)) {
        cella_walk_fail(w, "cut short");
        return cella_bytes(NULL, 0);
    }
    return cella_reader_bytes(&w->in, (size_t)head.value);
}

struct cella_bytes cella_walk_bytes(struct cella_walk *w) {
    return string(w, expect(w, BYTES, "expected a byte string"));
}
struct cella_bytes cella_walk_text(struct cella_walk *w) {
    return string(w, expect(w, TEXT, "expected a text string"));
}

bool cella_walk_null(struct cella_walk *w) {
    if (w->failed || peek(w) != (SIMPLE << 5 | NULL_VALUE)) return false;
    (void)cella_reader_u8(&w->in);
    return true;
}

bool cella_walk_tag(struct cella_walk *w, uint64_t tag) {
    struct cella_walk at = *w;
    struct head head = take_head(&at);
    if (at.failed || head.major != TAG || head.value != tag) return false;
    *w = at;
    return true;
}

struct cella_walk_list cella_walk_array(struct cella_walk *w) {
    struct head head = expect(w, ARRAY, "expected an array");
    return (struct cella_walk_list){head.value, head.open};
}

struct cella_walk_list cella_walk_map(struct cella_walk *w) {
    struct head head = expect(w, MAP, "expected a map");
    return (struct cella_walk_list){head.value, head.open};
}

bool cella_walk_more(struct cella_walk *w, struct cella_walk_list *list) {
    if (w->failed) return false;
    if (!list->open) return list->left > 0 ? (list->left--, true) : false;
    if (peek(w) != BREAK)
        return true; /* also at the end of the bytes: the member is then what is cut short */
    (void)cella_reader_u8(&w->in);
    return false;
}

static void skip(struct cella_walk *w, unsigned depth);

static void skip_list(struct cella_walk *w, struct head head, unsigned depth) {
    struct cella_walk_list list = {head.value, head.open};
    while (cella_walk_more(w, &list)) {
        skip(w, depth + 1);
        if (head.major == MAP) skip(w, depth + 1);
    }
}

static void skip(struct cella_walk *w, unsigned depth) {
    struct head head = take_head(w);
    if (depth >= CELLA_WALK_DEPTH) cella_walk_fail(w, "nested deeper than 8 levels");
    if (w->failed) return;
    switch (head.major) {
    case BYTES:
    case TEXT: string(w, head); return;
    case ARRAY:
    case MAP: skip_list(w, head, depth); return;
    case TAG: skip(w, depth + 1); return;
    case UINT:
    case NEGATIVE:
    case SIMPLE: return;
    }
}

void cella_walk_skip(struct cella_walk *w) { skip(w, 0); }
