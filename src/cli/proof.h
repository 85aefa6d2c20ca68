/* What `cella verify` and `cella grant` share: the flags that say whom to trust and what to expect,
 * reading evidence or a key request in any spelling, and the walk along the chain to a verdict. */
#ifndef CELLA_CLI_PROOF_H
#define CELLA_CLI_PROOF_H

#include <stdio.h>

#include "base/buffer.h"
#include "evidence/keygrant.h"
#include "policy/expect.h"

enum { CELLA_CLI_TRUST_MAX = 64 };

struct cella_cli_trust {
    const char *path;
    struct cella_buffer spki; /* owned */
    uint8_t fingerprint[32];
};

struct cella_cli_proof {
    struct cella_expect expect;
    size_t trust_count;
    struct cella_cli_trust trust[CELLA_CLI_TRUST_MAX];
    uint64_t max_age_s, now_unix;

    struct cella_buffer input; /* owned: evidence or request as bytes */
    bool is_request;
    struct cella_key_request request; /* when is_request; views into input */
    struct cella_claims claims;
    bool genuine; /* the chain held; claims is filled in */
    struct cella_appraisal appraisal;
};
void cella_cli_proof_free(struct cella_cli_proof *proof);
#define CELLA_CLI_PROOF __attribute__((cleanup(cella_cli_proof_free))) struct cella_cli_proof

/* Help text of the shared flags. */
#define CELLA_CLI_PROOF_HELP                                                                       \
    "  --trust FILE         public key of a platform (`cella platform key`) or TPM attestation "   \
    "key; again for more\n"                                                                        \
    "  --allow software:S0  accept software evidence of this level (S0 to S3) or higher\n"         \
    "  --mrenclave HEX      the measurement of the image (`cella measure`)\n"                      \
    "  --mrsigner HEX       the signer of the image\n"                                             \
    "  --product-id N       the product, of several by one signer\n"                               \
    "  --min-svn N          the lowest security version\n"                                         \
    "  --config-id HEX      64 bytes\n"                                                            \
    "  --max-age SECONDS    how old the evidence may be\n"                                         \
    "  --allow-debug        accept a debug enclave: no secrecy\n"                                  \
    "  --allow-private-memory  accept memory that is not secret memory\n"

/* Takes argv[*i] when it is a shared flag, with its value, and moves *i past it; *taken says
 * whether. */
CELLA_RESULT cella_cli_proof_flag(struct cella_cli_proof *proof, const char *command, int argc,
                                  char **argv, int *i, bool *taken);
/* The value of flag argv[*i]: what follows it. */
CELLA_RESULT cella_cli_value(const char *command, int argc, char **argv, int *i,
                             const char **value);
/* Reads evidence or a key request: raw, hex or base64. */
CELLA_RESULT cella_cli_proof_read(struct cella_cli_proof *proof, const char *path);
/* Verifies the chain and appraises. Any failure to accept what was read is CELLA_ERR_REFUSED,
 * _INTEGRITY or _EXPIRED. */
CELLA_RESULT cella_cli_proof_check(struct cella_cli_proof *proof);
/* The chain step by step, the claims, the checks and the verdict with its reason. */
void cella_cli_proof_print(FILE *to, const struct cella_cli_proof *proof,
                           struct cella_result verdict);

#endif
