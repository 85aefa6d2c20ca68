/* Keys that live in the HSM of their vault (hsm_keys): made there, kept track of (residents.h),
 * destroyed there. */
#ifndef CELLA_VAULT_KEYS_HSM_H
#define CELLA_VAULT_KEYS_HSM_H

#include "vault/keys.h"

/* Whether a new key of that kty lives in the vault's HSM: those that end in -HSM, and all of a
 * Managed HSM. */
bool cella_key_is_for_hsm(const struct cella_vault *vault, const char *kty);
/* Whether this version does. */
bool cella_key_is_in_hsm(const struct cella_record *record);

/* New material under a wish, in the HSM or here; no transaction of the caller's may be open. What
 * was made in the HSM is kept with its record, or unmade. */
CELLA_RESULT cella_key_make(const struct cella_vault *vault, const struct cella_key_wish *wish,
                            const char *name, const char *version, int64_t now,
                            struct cella_material **out);
/* Imported material into the HSM; replaced by what is left of it here. */
CELLA_RESULT cella_key_move(const struct cella_vault *vault, const char *name, const char *version,
                            int64_t now, struct cella_material **material);
/* In the transaction that adds its record. */
CELLA_RESULT cella_key_keep(struct cella_session *session, const struct cella_material *material,
                            const char *version);
/* Nothing came of it. When this fails too, housekeeping finds it. */
void cella_key_unmake(const struct cella_vault *vault, const struct cella_material *material,
                      const char *version);

/* Whether the key of the call may be purged or backed up, as far as the HSM is concerned; answers
 * the error itself. */
bool cella_key_hsm_may_purge(struct cella_vault_call *call);
bool cella_key_hsm_may_back_up(struct cella_vault_call *call, struct cella_session *session);

/* Destroys what is to go. */
CELLA_RESULT cella_vault_hsm_sweep(const struct cella_vault *vault, int64_t now);
/* Now and then: whether the HSM is there; once, what store and HSM do not agree on; then sweeps. */
CELLA_RESULT cella_vault_hsm_tend(struct cella_vault *vault, int64_t now);

#endif
