/* Keys of a vault: what the files of the keys API share (azure-keyvault 2, 4, 8). */
#ifndef CELLA_VAULT_KEYS_H
#define CELLA_VAULT_KEYS_H

#include "vault/call.h"
#include "vault/material.h"

/* A record's public JSON holds: kty, the public members of the JWK, key_ops, and for keys that may
 * be released exportable and release_policy {contentType, data, immutable}. */

/* {"key", "attributes", "tags", "release_policy"}; of a deleted key also its recovery. New. */
json_t *cella_key_bundle(const struct cella_vault_call *call, const struct cella_record *record);
/* "https://host/keys/NAME/VERSION", or without the version. */
void cella_key_id(const struct cella_vault_call *call, const struct cella_record *record,
                  bool versioned, char id[512]);

/* What a body asks a key to be. */
struct cella_key_wish {
    enum cella_material_kind kind;
    enum cella_material_curve curve;
    unsigned bits;
    uint32_t exponent;
    char kty[16];
    json_t *key_ops; /* owned: checked list, or NULL: the kind's own */
    json_t *policy;  /* owned: normal release_policy, or NULL */
    bool exportable;
    bool resident; /* in the vault's HSM (keys_hsm.h) */
};
void cella_key_wish_free(struct cella_key_wish *wish);
#define CELLA_KEY_WISH __attribute__((cleanup(cella_key_wish_free))) struct cella_key_wish
/* kty of a create body or of a JWK; answers the error itself. */
bool cella_key_kty(struct cella_vault_call *call, const char *kty, struct cella_key_wish *wish);
/* key_ops, attributes.exportable and release_policy of a body, with the rules of 8.1; answers the
 * error itself. key_ops: also of a JWK. */
bool cella_key_wish_read(struct cella_vault_call *call, const json_t *body, const json_t *key_ops,
                         struct cella_key_wish *wish);
/* A list of operations; NULL and an answered error when it is none. New. */
json_t *cella_key_ops_read(struct cella_vault_call *call, const json_t *list);
/* A release_policy object made normal; NULL and an answered error when it is none. New. */
json_t *cella_key_policy_read(struct cella_vault_call *call, const json_t *object);
/* K04: whether a version of such a policy may follow the one there is; answers the error itself. */
bool cella_key_policy_may_follow(struct cella_vault_call *call, const struct cella_record *before,
                                 const json_t *policy);
/* The record of new material under a wish, sealed; its version is set. */
CELLA_RESULT cella_key_record(struct cella_vault_call *call, const struct cella_key_wish *wish,
                              const struct cella_material *material, struct cella_record *record);

/* The operations. (keys_make.c, keys_read.c, keys_use.c, keys_release.c, keys_rotate.c, backup.c)
 */
void cella_key_create(struct cella_vault_call *call);
void cella_key_import(struct cella_vault_call *call);
void cella_key_get(struct cella_vault_call *call);
void cella_key_list(struct cella_vault_call *call, bool deleted);
void cella_key_versions(struct cella_vault_call *call);
void cella_key_update(struct cella_vault_call *call);
void cella_key_delete(struct cella_vault_call *call);
void cella_key_get_deleted(struct cella_vault_call *call);
void cella_key_recover(struct cella_vault_call *call);
void cella_key_purge(struct cella_vault_call *call);
void cella_key_use(struct cella_vault_call *call);
void cella_key_release(struct cella_vault_call *call);
void cella_key_rotate(struct cella_vault_call *call);
void cella_key_rotation_get(struct cella_vault_call *call);
void cella_key_rotation_set(struct cella_vault_call *call);
void cella_key_attestation(struct cella_vault_call *call);
/* One key whose rotation policy may say that it is time. */
CELLA_RESULT cella_key_rotate_due(const struct cella_vault *vault, const char *name, int64_t now);

/* K09: enabled, within its time, and allowed by key_ops; answers the error itself. op: "sign" ...
 * as in key_ops. */
bool cella_key_usable(struct cella_vault_call *call, const struct cella_record *record,
                      const char *op);

#endif
