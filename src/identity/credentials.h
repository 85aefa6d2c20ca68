/* What applications prove themselves with, for the files of the identity part. */
#ifndef CELLA_IDENTITY_CREDENTIALS_H
#define CELLA_IDENTITY_CREDENTIALS_H

#include "identity/apps.h"

enum {
    SECRET_RANDOM = 33,                    /* bytes: 264 bits */
    SECRET_SIZE = (SECRET_RANDOM / 3 * 4), /* characters */
    SECRET_SALT = 16,
    SECRET_HASH = 32,
};

/* A secret has 264 random bits of our own making, so that one HMAC-SHA-256 under a salt hides it:
 * slow hashes are for what people choose, where guesses are few, and would let anyone keep the
 * server busy. */
CELLA_RESULT secret_hash(struct cella_bytes salt, struct cella_bytes secret,
                         uint8_t hash[SECRET_HASH]);

enum secret_verdict { SECRET_WRONG, SECRET_EXPIRED, SECRET_GOOD };
/* Against every secret of the client; of a client that is not there, against one that nobody has,
 * so that both take as long (K27). */
CELLA_RESULT secret_check(struct cella_session *session, const char *client,
                          struct cella_bytes secret, uint64_t now_unix,
                          enum secret_verdict *verdict);

/* The number of rows that a client has in a table (SQL that counts), below the maximum. */
CELLA_RESULT credentials_room(struct cella_session *session, const char *sql, const char *client);

#endif
