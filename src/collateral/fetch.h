/* Fetching: every source is asked for everything wanted, what comes is checked by the verifier's
 * own set, and the newest of each thing that holds goes into the store (A05, A37). */
#ifndef CELLA_COLLATERAL_FETCH_H
#define CELLA_COLLATERAL_FETCH_H

#include "collateral/download.h"
#include "collateral/store.h"
#include "collateral/wants.h"

/* Store: what is there already, and the roots; it is settled afterwards, and may be written when
 * this succeeds. Fails when something wanted is neither fetched nor there, good and in force at the
 * time. What a source did wrong is logged as a warning, and kept in the wants' why. */
CELLA_RESULT cella_fetch(struct cella_store *store, struct cella_wants *wants,
                         const struct cella_sources *sources,
                         const struct cella_download_settings *settings, uint64_t time_unix);

#endif
