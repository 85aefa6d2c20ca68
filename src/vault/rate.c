#include "vault/rate.h"

#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 4096, SAVED_S = 2 };
static const uint64_t SECOND_NS = 1000000000;

struct cella_rate {
    pthread_mutex_t lock;
    struct {
        uint64_t at_ns, saved_ns; /* tokens saved, in nanoseconds of time */
    } bucket[BUCKETS];
};

CELLA_RESULT cella_rate_new(struct cella_rate **out) {
    *out = calloc(1, sizeof(**out));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for rates");
    pthread_mutex_init(&(*out)->lock, NULL);
    return CELLA_SUCCESS;
}

void cella_rate_free(struct cella_rate **rate) {
    if (*rate) pthread_mutex_destroy(&(*rate)->lock);
    free(*rate);
    *rate = NULL;
}

static size_t place_of(const char *caller) { /* FNV-1a */
    uint64_t hash = 14695981039346656037U;
    for (; *caller; caller++) hash = (hash ^ (uint8_t)*caller) * 1099511628211U;
    return hash % BUCKETS;
}

bool cella_rate_take(struct cella_rate *rate, const char *caller, uint32_t per_s, uint64_t now_ns) {
    uint64_t most = SAVED_S * SECOND_NS, price = SECOND_NS / (per_s ? per_s : 1);
    size_t place = place_of(caller);
    pthread_mutex_lock(&rate->lock);
    uint64_t at = rate->bucket[place].at_ns, saved = rate->bucket[place].saved_ns;
    uint64_t gained = at == 0 ? most : now_ns > at ? now_ns - at : 0;
    saved = gained > most - saved ? most : saved + gained;
    bool good = saved >= price;
    rate->bucket[place].at_ns = now_ns;
    rate->bucket[place].saved_ns = good ? saved - price : saved;
    pthread_mutex_unlock(&rate->lock);
    return good;
}
