#include "http/target.h"

#include <string.h>

#include "base/memory.h"
#include "http/percent.h"

static bool is(struct cella_bytes bytes, const char *text) {
    return bytes.size == strlen(text) && cella_equal(bytes.data, text, bytes.size);
}

bool cella_http_path_is(const struct cella_http_target *target, const char *path) {
    return is(target->path, path);
}

bool cella_http_parameter(const struct cella_http_target *target, const char *name,
                          struct cella_bytes *value) {
    for (size_t i = 0; i < target->count; i++) {
        if (!is(target->parameter[i].name, name)) continue;
        *value = target->parameter[i].value;
        return true;
    }
    return false;
}

static bool path_good(struct cella_bytes path) {
    if (path.size == 0 || path.data[0] != '/') return false;
    for (size_t i = 0; i < path.size; i++) {
        uint8_t c = path.data[i], next = i + 1 < path.size ? path.data[i + 1] : '/';
        if (c <= ' ' || c >= 0x7f || c == '%' || c == '\\' || c == '#' || c == ';') return false;
        if (c != '/') continue;
        if (next == '/' && i + 1 < path.size) return false;
        if (next == '.') { /* "/." and "/.." as whole parts */
            size_t dots = i + 2 < path.size && path.data[i + 2] == '.' ? 2 : 1;
            if (i + dots + 1 == path.size || path.data[i + dots + 1] == '/') return false;
        }
    }
    return true;
}

/* Decodes one name or value to *to, which moves on; false for what is no text. */
static bool decode(struct cella_bytes text, uint8_t **to, struct cella_bytes *out) {
    size_t size = 0;
    bool good = cella_percent_decode(text, *to, &size);
    *out = cella_bytes(*to, size);
    for (size_t i = 0; good && i < text.size; i++)
        good = text.data[i] > ' ' && text.data[i] < 0x7f && text.data[i] != '#';
    for (size_t i = 0; good && i < size; i++) good = out->data[i] >= ' ' && out->data[i] != 0x7f;
    *to += size;
    return good;
}

static CELLA_RESULT add(struct cella_http_target *out, struct cella_bytes pair, uint8_t **to) {
    const uint8_t *equals = memchr(pair.data, '=', pair.size);
    struct cella_bytes name = pair, value = cella_bytes(NULL, 0), other;
    ENSURE(out->count < CELLA_HTTP_PARAMETERS, CELLA_ERR_LIMIT, NULL,
           "query: more than %d parameters", CELLA_HTTP_PARAMETERS);
    if (equals) {
        name.size = (size_t)(equals - pair.data);
        value = cella_bytes(equals + 1, pair.size - name.size - 1);
    }
    bool good = decode(name, to, &out->parameter[out->count].name) &&
                decode(value, to, &out->parameter[out->count].value);
    name = out->parameter[out->count].name;
    ENSURE(good && name.size > 0, CELLA_ERR_FORMAT, NULL,
           "query: a parameter that is not name=value, percent-encoded");
    char text[64] = "";
    ENSURE(name.size < sizeof(text) && !memchr(name.data, 0, name.size), CELLA_ERR_LIMIT, NULL,
           "query: a name this long");
    cella_copy(text, name.data, name.size);
    ENSURE(!cella_http_parameter(out, text, &other), CELLA_ERR_FORMAT, NULL,
           "query: a parameter comes twice");
    out->count++;
    return CELLA_SUCCESS;
}

/* Clients may write the colon of an operation as %3A; after this there is one spelling (K19). Every
 * other % stays, and is refused. */
static struct cella_bytes spell(struct cella_bytes path, uint8_t **to) {
    uint8_t *from = *to;
    if (path.size == 0 || !memchr(path.data, '%', path.size)) return path;
    for (size_t i = 0; i < path.size; i++) {
        bool colon = path.size - i > 2 && path.data[i] == '%' && path.data[i + 1] == '3' &&
                     (path.data[i + 2] | 0x20) == 'a';
        *(*to)++ = colon ? ':' : path.data[i];
        if (colon) i += 2;
    }
    return cella_bytes(from, (size_t)(*to - from));
}

CELLA_RESULT cella_http_target_parse(struct cella_bytes text, struct cella_http_target *out) {
    const uint8_t *mark = text.size ? memchr(text.data, '?', text.size) : NULL;
    uint8_t *to = out->storage;
    out->count = 0;
    out->path = cella_bytes(text.data, mark ? (size_t)(mark - text.data) : text.size);
    ENSURE(text.size <= CELLA_HTTP_TARGET_MAX, CELLA_ERR_LIMIT, NULL, "target: more than %d bytes",
           CELLA_HTTP_TARGET_MAX);
    struct cella_bytes left =
        mark ? cella_bytes(mark + 1, text.size - out->path.size - 1) : cella_bytes(NULL, 0);
    out->path = spell(out->path, &to);
    ENSURE(path_good(out->path), CELLA_ERR_FORMAT, NULL, "target: not a plain path");
    while (left.size > 0) {
        const uint8_t *end = memchr(left.data, '&', left.size);
        size_t size = end ? (size_t)(end - left.data) : left.size;
        TRY(add(out, cella_bytes(left.data, size), &to));
        if (!end) break;
        left = cella_bytes(end + 1, left.size - size - 1);
    }
    return CELLA_SUCCESS;
}
