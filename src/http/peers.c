#include "http/peers.h"

#include <netinet/in.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { ROWS = 1024 };

struct entry {
    struct entry *next;
    struct cella_http_peer peer;
    uint32_t count;
};
struct cella_http_peers {
    pthread_mutex_t lock;
    uint32_t max;
    uint64_t seed; /* so that nobody chooses addresses that share a row */
    struct entry *row[ROWS];
};

struct cella_http_peer cella_http_peer(const struct sockaddr_storage *address) {
    struct cella_http_peer peer = {{0}};
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        peer.address[10] = peer.address[11] = 0xff;
        cella_copy(peer.address + 12, &in->sin_addr, 4);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)address;
        bool four = IN6_IS_ADDR_V4MAPPED(&in->sin6_addr);
        cella_copy(peer.address, &in->sin6_addr, four ? 16 : 8);
    }
    return peer;
}

CELLA_RESULT cella_http_peers_new(uint32_t max, struct cella_http_peers **out) {
    *out = calloc(1, sizeof(**out));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for the table of clients");
    pthread_mutex_init(&(*out)->lock, NULL);
    (*out)->max = max;
    if (RAND_bytes((unsigned char *)&(*out)->seed, sizeof((*out)->seed)) == 1) return CELLA_SUCCESS;
    cella_http_peers_free(out);
    FAIL(CELLA_ERR_INTERNAL, NULL, "no random numbers");
}

void cella_http_peers_free(struct cella_http_peers **peers) {
    if (!*peers) return;
    for (size_t i = 0; i < ROWS; i++)
        for (struct entry *e = (*peers)->row[i], *next; e; e = next) {
            next = e->next;
            free(e);
        }
    pthread_mutex_destroy(&(*peers)->lock);
    free(*peers);
    *peers = NULL;
}

static struct entry **find(struct cella_http_peers *peers, const struct cella_http_peer *peer) {
    uint64_t half[2], hash = peers->seed;
    cella_copy(half, peer->address, sizeof(half));
    for (int i = 0; i < 2; i++) {
        hash = (hash ^ half[i]) * 0x9e3779b97f4a7c15;
        hash ^= hash >> 29;
    }
    struct entry **at = &peers->row[hash % ROWS];
    while (*at && !cella_equal((*at)->peer.address, peer->address, sizeof(peer->address)))
        at = &(*at)->next;
    return at;
}

bool cella_http_peers_enter(struct cella_http_peers *peers, const struct cella_http_peer *peer) {
    pthread_mutex_lock(&peers->lock);
    struct entry **at = find(peers, peer);
    if (!*at) {
        *at = calloc(1, sizeof(**at));
        if (*at) (*at)->peer = *peer;
    }
    bool good = *at && (*at)->count < peers->max;
    if (good) (*at)->count++;
    pthread_mutex_unlock(&peers->lock);
    return good;
}

void cella_http_peers_leave(struct cella_http_peers *peers, const struct cella_http_peer *peer) {
    pthread_mutex_lock(&peers->lock);
    struct entry **at = find(peers, peer), *entry = *at;
    if (entry && --entry->count == 0) {
        *at = entry->next;
        free(entry);
    }
    pthread_mutex_unlock(&peers->lock);
}
