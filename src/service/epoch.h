/* Whether an older store was put back (K24). The store counts epochs, and the audit log, which only
 * grows, tells of each: a store whose epoch is behind the log's is an older one, with keys that
 * were revoked since, or policies that were replaced (docs/formats/epochs.md). */
#ifndef CELLA_SERVICE_EPOCH_H
#define CELLA_SERVICE_EPOCH_H

#include "audit/audit.h"
#include "store/database.h"

struct cella_service_epoch {
    int64_t store, log; /* the newest that each tells of; 0: none */
};
static inline bool cella_service_epoch_is_old(const struct cella_service_epoch *epoch) {
    return epoch->store < epoch->log;
}
/* Reads both. path: of the audit log. */
CELLA_RESULT cella_service_epoch_read(struct cella_database *database, const char *path,
                                      struct cella_service_epoch *out);
/* The next epoch: first in the store, then in the log, so that a crash between leaves no log that
 * is ahead. Does nothing when the log has not grown since the last time, unless always. */
CELLA_RESULT cella_service_epoch_next(struct cella_database *database, struct cella_audit *audit,
                                      bool always);
/* The operator takes the older store for good: audited first. CELLA_ERR_USAGE when there is nothing
 * to accept. */
CELLA_RESULT cella_service_epoch_accept(struct cella_database *database, const char *path,
                                        struct cella_audit *audit);

#endif
