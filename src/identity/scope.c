/* Scopes and objects in the one form that they are kept and compared in. */
#include "identity/identity_inner.h"

/* "/" or "/a/b": parts of printable ASCII, none empty, ".", or ".."; no slash at the end (K19). */
bool scope_good(const char *scope) {
    size_t size = strlen(scope), parts = 0;
    if (size == 0 || size > SCOPE_MAX || scope[0] != '/') return false;
    if (size == 1) return true;
    for (const char *at = scope; *at; parts++) {
        at++;
        size_t part = strcspn(at, "/");
        for (size_t i = 0; i < part; i++)
            if (at[i] <= ' ' || at[i] > '~' || at[i] == '%' || at[i] == '\\') return false;
        if (part == 0 || (at[0] == '.' && (part == 1 || (part == 2 && at[1] == '.')))) return false;
        at += part;
    }
    return parts < SCOPE_PARTS;
}

/* Scopes have no case, as in Azure: names of instances, vaults and what is in them have none. */
void scope_normal(const char *scope, char out[SCOPE_MAX + 1]) {
    size_t size = strlen(scope);
    for (size_t i = 0; i <= size; i++) {
        char c = scope[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
}

/* "/vault/NAME" of what is in it; "" of what is above. */
void scope_root(const char *scope, char out[SCOPE_MAX + 1]) {
    size_t first = 1 + strcspn(scope + (*scope != 0), "/");
    size_t size = scope[first] ? first + 1 + strcspn(scope + first + 1, "/") : 0;
    cella_copy(out, scope, size);
    out[size] = 0;
}

bool scope_holds(const char *outer, const char *inner) {
    size_t size = strlen(outer);
    if (size == 1) return true; /* "/" */
    return strncmp(outer, inner, size) == 0 && (inner[size] == 0 || inner[size] == '/');
}

/* Object ids are GUIDs, which have no case; other issuers' subjects are what they are. */
bool object_normal(const char *object, char out[OBJECT_MAX + 1]) {
    struct cella_bytes text = cella_bytes_text(object);
    if (guid_read(text, out)) return true;
    if (!plain_text(text, OBJECT_MAX)) return false;
    memcpy(out, object, text.size + 1);
    return true;
}
