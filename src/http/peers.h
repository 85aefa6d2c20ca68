/* How many connections each address has (K17). An IPv6 client is its /64, for one client has that
 * many addresses. From any thread. */
#ifndef CELLA_HTTP_PEERS_H
#define CELLA_HTTP_PEERS_H

#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct cella_http_peer {
    uint8_t address[16];
};
struct cella_http_peer cella_http_peer(const struct sockaddr_storage *address);

struct cella_http_peers;
CELLA_RESULT cella_http_peers_new(uint32_t max, struct cella_http_peers **out);
void cella_http_peers_free(struct cella_http_peers **peers);
/* One more, unless it has max already or there is no memory. */
bool cella_http_peers_enter(struct cella_http_peers *peers, const struct cella_http_peer *peer);
void cella_http_peers_leave(struct cella_http_peers *peers, const struct cella_http_peer *peer);

#endif
