/* Policy management certificates of an instance: who may set policies in isolated mode
 * (azure-attestation 8). */
#ifndef CELLA_ATTEST_MANAGERS_H
#define CELLA_ATTEST_MANAGERS_H

#include "attest/instance.h"
#include "attest/statement.h"
#include "crypto/x509.h"

enum { CELLA_MANAGERS_MAX = 64 };

struct cella_managers {
    size_t count;
    struct {
        struct cella_buffer der; /* owned */
        struct cella_certificate x509;
    } item[CELLA_MANAGERS_MAX];
};
void cella_managers_free(struct cella_managers *managers);
#define CELLA_MANAGERS __attribute__((cleanup(cella_managers_free))) struct cella_managers

/* The first certificates, of the settings: taken over once, so that one that was removed does not
 * come back. An isolated instance without any is refused. */
CELLA_RESULT cella_managers_import(const struct cella_attest_instance *instance, uint64_t now_unix);
/* In the order in which they were added. */
CELLA_RESULT cella_managers_read(const struct cella_attest_instance *instance,
                                 struct cella_session *session, struct cella_managers *out);
/* That one of them signed the statement: its own certificate, or, from a CA, through the chain in
 * x5c, with every link and date checked. CELLA_ERR_REFUSED, CELLA_ERR_EXPIRED or
 * CELLA_ERR_INTEGRITY says what is missing. */
CELLA_RESULT cella_managers_vouch(const struct cella_managers *managers,
                                  const struct cella_statement *statement, uint64_t now_unix);
/* Adding one that is there and removing one that is not change nothing. The last one that is valid
 * cannot be removed, and one that has ended cannot be added: CELLA_ERR_REFUSED. */
CELLA_RESULT cella_managers_add(const struct cella_attest_instance *instance,
                                struct cella_session *session,
                                const struct cella_managers *managers, struct cella_bytes der,
                                uint64_t now_unix);
CELLA_RESULT cella_managers_remove(const struct cella_attest_instance *instance,
                                   struct cella_session *session,
                                   const struct cella_managers *managers, struct cella_bytes der,
                                   uint64_t now_unix);

#endif
