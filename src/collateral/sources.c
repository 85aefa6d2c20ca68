#include "collateral/sources.h"

#include <string.h>

#include "base/memory.h"

static bool url_good(const char *url, size_t size) {
    static const char scheme[] = "https://";
    size_t head = strlen(scheme);
    if (size <= head || size >= CELLA_SOURCE_URL || strncmp(url, scheme, head) != 0) return false;
    for (size_t i = 0; i < size; i++)
        if (url[i] <= ' ' || url[i] >= 0x7f || strchr("@?#\\%", url[i]))
            return false; /* no user, query or fragment */
    return url[head] != '/' && url[head] != ':';
}

CELLA_RESULT cella_sources_add(struct cella_sources *sources, enum cella_maker maker,
                               const char *url) {
    static const char api[] = "/sgx/certification/v4";
    size_t size = strlen(url), tail = strlen(api);
    while (size && url[size - 1] == '/') size--;
    if (size > tail && strncmp(url + size - tail, api, tail) == 0) size -= tail;
    while (size && url[size - 1] == '/') size--;
    ENSURE(url_good(url, size), CELLA_ERR_USAGE, "for example https://localhost:8081",
           "a source is https://HOST[:PORT][/PATH] and no more, found '%s'", url);
    ENSURE(sources->count < CELLA_SOURCE_MAX, CELLA_ERR_LIMIT, NULL, "more than %d sources",
           CELLA_SOURCE_MAX);
    cella_copy(sources->source[sources->count].base, url, size);
    sources->source[sources->count].base[size] = 0;
    sources->source[sources->count++].maker = maker;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_sources_default(struct cella_sources *sources) {
    bool given[2] = {false, false};
    for (size_t i = 0; i < sources->count; i++) given[sources->source[i].maker] = true;
    if (!given[CELLA_MAKER_INTEL])
        TRY(cella_sources_add(sources, CELLA_MAKER_INTEL, CELLA_INTEL_PCS));
    if (!given[CELLA_MAKER_AMD]) TRY(cella_sources_add(sources, CELLA_MAKER_AMD, CELLA_AMD_KDS));
    return CELLA_SUCCESS;
}
