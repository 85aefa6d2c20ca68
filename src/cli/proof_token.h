/* A token of an attestation service about a key request: reading it and its issuer's keys, and what
 * is asked of it beyond its signature and times. */
#ifndef CELLA_CLI_PROOF_TOKEN_H
#define CELLA_CLI_PROOF_TOKEN_H

#include "cli/proof.h"

/* Reads the files that the flags name, once the request is read; nothing where there is no --token.
 * CELLA_ERR_USAGE for flags that do not go together. */
CELLA_RESULT cella_cli_token_read(struct cella_cli_proof *proof);
/* Adds the issuer's key set to the collateral. */
CELLA_RESULT cella_cli_token_add_keys(struct cella_cli_proof *proof);
/* Of a token whose signature and times hold: that it is by the issuer asked for, about cella's own
 * evidence, and about this very request. */
CELLA_RESULT cella_cli_token_check(struct cella_cli_proof *proof);

#endif
