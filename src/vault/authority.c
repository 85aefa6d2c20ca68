#include "vault/authority.h"

#include <string.h>

#include "base/memory.h"

bool cella_authority_normal(const char *url, char out[CELLA_AUTHORITY_MAX]) {
    static const char scheme[] = "https://";
    size_t size = url ? strlen(url) : 0, start = sizeof(scheme) - 1;
    bool host = true;
    if (size > start && url[size - 1] == '/') size--;
    if (size <= start || size >= CELLA_AUTHORITY_MAX || strncmp(url, scheme, start) != 0)
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = url[i];
        if (c <= ' ' || c >= 0x7f || strchr("@?#\\%\"<>^`{|}", c)) return false;
        if (i >= start && c == '/') {
            if (i == start || url[i - 1] == '/') return false; /* no host, or an empty part */
            host = false;
        }
        out[i] = host && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    out[size] = 0;
    return true;
}

bool cella_authority_same(const char *a, const char *b) {
    char left[CELLA_AUTHORITY_MAX], right[CELLA_AUTHORITY_MAX];
    return cella_authority_normal(a, left) && cella_authority_normal(b, right) &&
           strcmp(left, right) == 0;
}
