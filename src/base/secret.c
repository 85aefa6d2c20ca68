#include "base/secret.h"

#include <sys/mman.h>

#include "base/memory.h"

enum { SECRET_MAX = 1 << 20, PAGE = 4096 };

static size_t mapped_size(size_t size) { return (size + PAGE - 1) / PAGE * PAGE; }

CELLA_RESULT cella_secret_new(size_t size, struct cella_secret *out) {
    *out = (struct cella_secret){NULL, 0};
    ENSURE(size > 0 && size <= SECRET_MAX, CELLA_ERR_LIMIT, NULL,
           "a secret has 1 to %d bytes, not %zu", SECRET_MAX, size);
    void *p =
        mmap(NULL, mapped_size(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ENSURE(p != MAP_FAILED, CELLA_ERR_MEMORY, NULL, "no memory for a secret of %zu bytes", size);
    /* Best effort: an ordinary user's lock limit may be used up; the pages then could reach swap.
     */
    (void)mlock(p, mapped_size(size));
    (void)madvise(p, mapped_size(size), MADV_DONTDUMP);
    *out = (struct cella_secret){p, size};
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_secret_from(struct cella_bytes source, struct cella_secret *out) {
    TRY(cella_secret_new(source.size, out));
    cella_copy(out->data, source.data, source.size);
    return CELLA_SUCCESS;
}

void cella_secret_free(struct cella_secret *secret) {
    if (!secret->data) return;
    cella_wipe(secret->data, secret->size);
    munmap(secret->data, mapped_size(secret->size));
    *secret = (struct cella_secret){NULL, 0};
}
