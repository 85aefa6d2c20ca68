/* Whether an older store was put back (K24). The store counts epochs, and the audit log, which only
 * grows, tells of each: a store whose epoch is behind the log's is an older one, with keys that
 * were revoked since, or policies that were replaced (docs/formats/epochs.md). */
#ifndef CELLA_SERVICE_EPOCH_H
#define CELLA_SERVICE_EPOCH_H

#include "audit/audit.h"
#include "store/database.h"
#include "store/sealer.h"

struct cella_service_epoch {
    int64_t store, log; /* the newest that each tells of; 0: none */
    /* of a TPM that the store's root is in: raised at every start; 0 and 0: there is none, or the
     * store knows another */
    int64_t store_counter, counter;
};
static inline bool cella_service_epoch_is_old(const struct cella_service_epoch *epoch) {
    return epoch->store < epoch->log || epoch->store_counter < epoch->counter;
}
struct cella_service_epoch_parts {
    struct cella_database *database;
    const struct cella_sealer *sealer;
    const char *path; /* of the audit log */
    struct cella_audit *audit;
};
CELLA_RESULT cella_service_epoch_read(const struct cella_service_epoch_parts *parts,
                                      struct cella_service_epoch *out);
/* The next epoch: first in the store, then in the log and the TPM, so that a crash between leaves
 * none that is ahead. start: of a server, which raises the counter too; else it does nothing when
 * the log has not grown since the last time. */
CELLA_RESULT cella_service_epoch_next(const struct cella_service_epoch_parts *parts, bool start);
/* The operator takes the older store for good: audited first. CELLA_ERR_USAGE when there is nothing
 * to accept. */
CELLA_RESULT cella_service_epoch_accept(const struct cella_service_epoch_parts *parts);

#endif
