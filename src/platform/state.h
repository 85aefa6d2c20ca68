/* The platform's state folder: platform-key.pem (P-256, PKCS#8) and seal-root (32 bytes), both 0600
 * in a folder of mode 0700. Created at the first start, seal-root first; each is whole or absent at
 * every moment. Losing seal-root loses everything sealed on the machine, so it is never made anew
 * beside an old key. */
#ifndef CELLA_PLATFORM_STATE_H
#define CELLA_PLATFORM_STATE_H

#include "base/secret.h"
#include "crypto/key.h"

struct cella_state {
    int lock; /* held while the daemon lives; -1: none */
    struct cella_secret seal_root;
    struct cella_key *key;
};

/* Makes the folder, checks its owner and mode, and takes the lock: CELLA_ERR_EXISTS when another
 * daemon has it. */
CELLA_RESULT cella_state_lock(const char *folder, struct cella_state *out);
/* Loads the keys, or makes them at the first start. */
CELLA_RESULT cella_state_open(const char *folder, struct cella_state *state);
void cella_state_close(struct cella_state *state);

#endif
