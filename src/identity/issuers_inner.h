/* For the files of issuers and bearers: an issuer's keys, held while a token is checked. */
#ifndef CELLA_IDENTITY_ISSUERS_INNER_H
#define CELLA_IDENTITY_ISSUERS_INNER_H

#include <stdatomic.h>

#include "identity/identity_inner.h"

enum { CELLA_ISSUER_SIZE = 256 };

struct issuers_keys {
    atomic_uint holders;
    struct cella_jose_keyset *set;
};
void issuers_keys_release(struct issuers_keys **keys);
#define ISSUERS_KEYS __attribute__((cleanup(issuers_keys_release))) struct issuers_keys *

struct issuers_held {
    struct issuers_keys *keys; /* to be released */
    char tenant[64];
    bool own;
};
/* By the exact iss; false: none. */
bool issuers_hold(const struct cella_issuers *issuers, const char *iss, struct issuers_held *out);

struct believed; /* believed.h */
struct believed *issuers_believed(const struct cella_issuers *issuers);

#endif
