/* Unsealed keys that were used lately, so that a signature does not begin with a decryption: by the
 * exact version they belong to, least recently used out first. Thread-safe. */
#ifndef CELLA_VAULT_KEYRING_H
#define CELLA_VAULT_KEYRING_H

#include "store/sealer.h"
#include "vault/material.h"
#include "vault/records.h"

struct cella_keyring;
CELLA_RESULT cella_keyring_new(const struct cella_sealer *sealer, struct cella_keyring **out);
void cella_keyring_free(struct cella_keyring **keyring);
/* The material of a record of a key, whose sealed bytes are there; lent until _drop. */
CELLA_RESULT cella_keyring_take(struct cella_keyring *keyring, const char *vault,
                                const struct cella_record *record, struct cella_material **out);
void cella_keyring_drop(struct cella_keyring *keyring, struct cella_material **material);
/* Whether the material of that version is here, so that its sealed bytes need not be read. */
bool cella_keyring_has(struct cella_keyring *keyring, const char *vault,
                       const struct cella_record *record);
/* Forgets all: after purges, and when the root changed. What is lent lives until it is dropped. */
void cella_keyring_clear(struct cella_keyring *keyring);
/* Seals the material for a record (K21), whose version is set. */
CELLA_RESULT cella_keyring_seal(struct cella_keyring *keyring, const char *vault,
                                const struct cella_material *material, struct cella_record *record);

#endif
