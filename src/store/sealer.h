/* Secrets at rest: AES-256-GCM under a key that a root keeps (docs/formats/sealed-record.md).
 *
 * The context names what the record is and whose ("attest|INSTANCE|signing key|KID"): it is
 * authenticated, so that a record put in another's place does not open (K21). Shared by threads.
 */
#ifndef CELLA_STORE_SEALER_H
#define CELLA_STORE_SEALER_H

#include "base/buffer.h"
#include "base/secret.h"

struct cella_sealer;
/* The keys of the store lie in folder/store.key, sealed under a root; made at first use. root:
 * "file:PATH" (32 random bytes, made at first use with mode 0600; whoever can read the disk can
 * read all: a warning says so), "passphrase:PATH" (a file with one line; scrypt), "pkcs11:..." (an
 * AES key in an HSM, RFC 7512), "tpm:TCTI" or "tpm:TCTI?pcrs=0,7", "enclave" or "signer" (the seal
 * key that /dev/cella gives the program inside an enclave: for this measurement, or for every
 * program of its signer). Paths are relative to folder. Where store.key names another root, after a
 * re-wrap, that one counts, and a warning says so. */
CELLA_RESULT cella_sealer_open(const char *root, const char *folder, struct cella_sealer **out);
/* After a re-wrap: takes the keys that came to store.key, while others go on. From one thread; does
 * nothing when the file is the one that was read. After a failure the keys are those of before. */
CELLA_RESULT cella_sealer_refresh(struct cella_sealer *sealer);
void cella_sealer_close(struct cella_sealer **sealer);
#define CELLA_SEALER __attribute__((cleanup(cella_sealer_close))) struct cella_sealer *
/* Appends the sealed record. */
CELLA_RESULT cella_sealer_seal(const struct cella_sealer *sealer, const char *context,
                               struct cella_bytes secret, struct cella_buffer *out);
/* CELLA_ERR_INTEGRITY: another root, another context, or changed. */
CELLA_RESULT cella_sealer_unseal(const struct cella_sealer *sealer, const char *context,
                                 struct cella_bytes sealed, struct cella_secret *out);
/* Seals the store's keys under the root `to`, with a new one for what is sealed from then on, in
 * one atomic step: it works or nothing has changed. A server that runs keeps its keys. root: as in
 * cella_sealer_open. */
CELLA_RESULT cella_sealer_rewrap(const char *root, const char *folder, const char *to);
/* The root that the store's keys are under now, as text with its NUL: what store.key says, else
 * root. */
CELLA_RESULT cella_sealer_root(const char *root, const char *folder, struct cella_buffer *out);
/* A number that only grows, of the store's own, where its root has one: a TPM (K24). root: out, the
 * root it is of, with its NUL; empty: there is none, and value is 0. raise: one more, first. */
CELLA_RESULT cella_sealer_counter(const struct cella_sealer *sealer, bool raise,
                                  struct cella_buffer *root, uint64_t *value);
/* For what leaves the store: a sealer with a key of its own. kept: one line of text by which the
 * root, and it alone, opens it again, elsewhere too, where it may be called otherwise. */
CELLA_RESULT cella_sealer_detach(const char *root, const char *folder, struct cella_buffer *kept,
                                 struct cella_sealer **out);
CELLA_RESULT cella_sealer_attach(const char *root, const char *folder, struct cella_bytes kept,
                                 struct cella_sealer **out);
/* A key of the store's own for a purpose ("audit"): the same at every start, and no record's. */
enum { CELLA_SEALER_KEY_SIZE = 32 };
CELLA_RESULT cella_sealer_derive(const struct cella_sealer *sealer, const char *purpose,
                                 struct cella_secret *key);

#endif
