#include "base/secret.h"

#include <pthread.h>
#include <sys/mman.h>

#include "base/memory.h"

enum { SECRET_MAX = 1 << 20, PAGE = 4096, SPARE_MAX = 128 };

static size_t mapped_size(size_t size) { return (size + PAGE - 1) / PAGE * PAGE; }

/* --- Pages --- */

static void *map(size_t size) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void *map_locked(size_t size) {
    void *p = map(size);
    if (!p) return NULL;
    /* Best effort: an ordinary user's lock limit may be used up; the pages then could reach swap.
     */
    (void)mlock(p, size);
    (void)madvise(p, size, MADV_DONTDUMP);
    return p;
}

/* Pages of secrets that are gone, wiped and still locked: most secrets are small and short, and the
 * kernel takes longer over a page than a processor over what is done with it. A fork inherits pages
 * but no locks, so it begins without spare ones: the kernel zeroes this for it, which is also an
 * unlocked mutex. */
struct spare {
    pthread_mutex_t lock;
    size_t count;
    void *page[SPARE_MAX];
};
_Static_assert(sizeof(struct spare) <= PAGE, "spare pages are told in one");
static struct spare *spare;

static void make_spare(void) {
    struct spare *made = map(PAGE);
    if (made && madvise(made, PAGE, MADV_WIPEONFORK) != 0) {
        munmap(made, PAGE);
        made = NULL;
    }
    spare = made;
}

static struct spare *spares(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_spare);
    return spare;
}

static void *take_spare(void) {
    struct spare *s = spares();
    if (!s) return NULL;
    pthread_mutex_lock(&s->lock);
    void *page = s->count > 0 ? s->page[--s->count] : NULL;
    pthread_mutex_unlock(&s->lock);
    return page;
}

/* A wiped page; false: there are enough. */
static bool keep_spare(void *page) {
    struct spare *s = spares();
    if (!s) return false;
    pthread_mutex_lock(&s->lock);
    bool kept = s->count < SPARE_MAX;
    if (kept) s->page[s->count++] = page;
    pthread_mutex_unlock(&s->lock);
    return kept;
}

/* --- Secrets --- */

CELLA_RESULT cella_secret_new(size_t size, struct cella_secret *out) {
    *out = (struct cella_secret){NULL, 0};
    ENSURE(size > 0 && size <= SECRET_MAX, CELLA_ERR_LIMIT, NULL,
           "a secret has 1 to %d bytes, not %zu", SECRET_MAX, size);
    void *p = size <= PAGE ? take_spare() : NULL;
    if (!p) p = map_locked(mapped_size(size));
    ENSURE(p, CELLA_ERR_MEMORY, NULL, "no memory for a secret of %zu bytes", size);
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
    size_t mapped = mapped_size(secret->size);
    cella_wipe(secret->data, mapped); /* whole: the next one there begins with zeros */
    if (mapped > PAGE || !keep_spare(secret->data)) munmap(secret->data, mapped);
    *secret = (struct cella_secret){NULL, 0};
}
