/* Inside of the vault service, for its own files. */
#ifndef CELLA_VAULT_VAULT_INNER_H
#define CELLA_VAULT_VAULT_INNER_H

#include "hsm/hsm.h"
#include "vault/call.h"
#include "vault/keyring.h"
#include "vault/material.h"
#include "vault/rate.h"
#include "vault/route.h"
#include "vault/signer.h"

enum { CELLA_VAULTS_MAX = 64 };

struct cella_vault {
    struct cella_vault_settings settings; /* defaults filled in */
    char authority[256]; /* host[:port] of the url, lower case; "" catches the rest */
    struct cella_vaults *service;
    struct cella_hsm *hsm; /* where keys live: one of the service's, or NULL */
    struct cella_metric *hsm_up, *hsm_missing;
    bool hsm_compared; /* with what the store knows (keys_hsm.c) */
};

struct cella_vaults {
    struct cella_vault_parts parts;
    size_t count;
    struct cella_vault vault[CELLA_VAULTS_MAX];
    struct cella_rate *rate;       /* owned */
    struct cella_signer *signer;   /* owned: signer.h */
    struct cella_keyring *keyring; /* owned: keyring.h */
    size_t hsm_count;
    struct cella_hsm *hsm[CELLA_VAULTS_MAX]; /* owned: one for each URI */
    struct cella_metric *answered, *refused, *seconds;
};

#endif
