/* Collateral: certificates, revocation lists, TCB info, identities, key sets and evidence
 * companions, parsed and with their own signatures verified once, then immutable and shareable
 * between threads.
 *
 * Built by adding items; each is recognised by its content (file names help only where content
 * cannot tell). Adding never fetches. Times are not judged here but by cella_verify, for the time
 * it is given.
 */
#ifndef CELLA_COLLATERAL_H
#define CELLA_COLLATERAL_H

#include <cella/bytes.h>
#include <cella/result.h>

struct cella_collateral;

/* An empty set with the makers' roots built in (pinned by public key, A08). */
CELLA_RESULT cella_collateral_new(struct cella_collateral **out);
void cella_collateral_free(struct cella_collateral **collateral);
/* Replaces the built-in roots by these certificates or public keys (PEM or DER), for test roots and
 * private makers. */
CELLA_RESULT cella_collateral_set_roots(struct cella_collateral *collateral,
                                        const struct cella_bytes *roots, size_t count);
/* Trusts one more public key (PEM or DER) to sign evidence itself: a software platform's key, or a
 * TPM's attestation key. It never stands for a maker's root (A23). */
CELLA_RESULT cella_collateral_trust(struct cella_collateral *collateral, struct cella_bytes key);
/* Adds one item. name: its file name, a hint where content cannot tell. *taken is false for content
 * that is no collateral (evidence itself, notes): it is then ignored. An item that is malformed or
 * wrongly signed is kept with its failure, and the verification that needs it is refused with that
 * reason: hostile collateral is a refusal, not an error of the caller. Errors are for memory and
 * limits: 16 MiB in all. */
CELLA_RESULT cella_collateral_add(struct cella_collateral *collateral, const char *name,
                                  struct cella_bytes content, bool *taken);
/* Adds every file of a folder (not hidden ones; also of its folders called collateral*), or one
 * file, which may be a bundle (docs/formats/collateral.md). */
CELLA_RESULT cella_collateral_add_path(struct cella_collateral *collateral, const char *path);
/* Checks the items' own chains and signatures, in any order of adding, and makes the set immutable.
 * Once, last. */
CELLA_RESULT cella_collateral_finish(struct cella_collateral *collateral);

#endif
