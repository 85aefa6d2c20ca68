/* Collateral: certificates, revocation lists, TCB info, identities, key sets and evidence companions, parsed and with
 * their own signatures verified once, then immutable and shareable between threads.
 *
 * Built by adding items; each is recognised by its content (file names help only where content cannot tell). Adding
 * never fetches. Times are not judged here but by cella_verify, for the time it is given.
 */
#ifndef CELLA_COLLATERAL_H
#define CELLA_COLLATERAL_H

#include <cella/bytes.h>
#include <cella/result.h>

struct cella_collateral;

/* An empty set with the makers' roots built in (pinned by public key, A08). */
CELLA_RESULT cella_collateral_new(struct cella_collateral **out);
void cella_collateral_free(struct cella_collateral **collateral);
/* Replaces the built-in roots by these certificates or public keys (PEM or DER), for test roots and private makers. */
CELLA_RESULT cella_collateral_set_roots(struct cella_collateral *collateral, const struct cella_bytes *roots,
                                        size_t count);
/* Adds one item. name: its file name, a hint. A malformed or wrongly signed item is an error that says which; what
 * cannot belong to collateral at all is CELLA_ERR_FORMAT. Up to 16 MiB in all. */
CELLA_RESULT cella_collateral_add(struct cella_collateral *collateral, const char *name, struct cella_bytes content);
/* Adds every file of a folder (not hidden ones; one level and folders called collateral*), or a bundle file. */
CELLA_RESULT cella_collateral_add_path(struct cella_collateral *collateral, const char *path);

#endif
