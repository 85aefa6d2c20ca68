/* What `cella verify` and `cella grant` share: the flags that say whom to trust, what goes with the
 * evidence and what to expect; reading evidence or a key request in any spelling; verification and
 * appraisal to one verdict. */
#ifndef CELLA_CLI_PROOF_H
#define CELLA_CLI_PROOF_H

#include <cella/verify.h>
#include <stdio.h>

#include "base/buffer.h"
#include "cli/policy_proof.h"
#include "evidence/keygrant.h"
#include "policy/expect.h"

enum { CELLA_CLI_LIST_MAX = 64, CELLA_CLI_ACCEPT_MAX = 16 };

struct cella_cli_list {
    size_t count;
    const char *item[CELLA_CLI_LIST_MAX];
};

/* An attestation service's word on a key request, in the place of the evidence in it. */
struct cella_cli_token {
    const char *path, *issuer;
    const char *keys;         /* file with the issuer's key set; NULL: jwks is filled in before */
    struct cella_buffer text; /* owned */
    struct cella_buffer jwks; /* owned */
};

struct cella_cli_proof {
    struct cella_expect expect;
    struct cella_cli_token token;                   /* path NULL: none */
    struct cella_cli_list trust, collateral, roots; /* paths */
    enum cella_evidence_type type;
    bool has_time;
    uint64_t time_unix, max_age_s, grace_s;
    size_t accept_count;
    const char *accept[CELLA_CLI_ACCEPT_MAX]; /* into accept_text */
    char accept_text[CELLA_CLI_ACCEPT_MAX][48];

    struct cella_buffer input; /* owned: evidence as it was read, or a key request as bytes */
    bool is_request;
    struct cella_key_request request; /* when is_request; views into input */
    struct cella_collateral *set;     /* owned */
    struct cella_verification verification;
    struct cella_appraisal appraisal;   /* of authentic evidence */
    struct cella_cli_policies policies; /* owned */
};
void cella_cli_proof_free(struct cella_cli_proof *proof);
#define CELLA_CLI_PROOF __attribute__((cleanup(cella_cli_proof_free))) struct cella_cli_proof

/* Help text of the shared flags. */
#define CELLA_CLI_PROOF_HELP                                                                       \
    "whom to trust, and what goes with the evidence:\n"                                            \
    "  --trust FILE         public key of a software platform (`cella platform key`) or TPM; "     \
    "again for more\n"                                                                             \
    "  --allow software:S0  accept software evidence of this level (S0 to S3) or higher\n"         \
    "  --collateral PATH    bundle, folder or file with certificates, revocation lists, TCB info " \
    "...; again\n"                                                                                 \
    "                       for more\n"                                                            \
    "  --roots PATH         trust these roots (folder or file) instead of the makers' own\n"       \
    "  --type TYPE          sgx, tdx, snp, tpm, azure, nitro, maa, ra-tls, software; else told "   \
    "by the bytes\n"                                                                               \
    "  --time TIME          judge for this time: seconds since 1970, or RFC 3339; else now\n"      \
    "  --accept-tcb A,B     accept these TCB statuses besides UpToDate\n"                          \
    "  --grace SECONDS      accept collateral that is out of date by no more\n"                    \
    "  --token FILE         a key request's evidence was judged by an attestation service: its "   \
    "token\n"                                                                                      \
    "  --issuer URL         of the token: exactly this service\n"                                  \
    "  --jwks FILE          the issuer's key set (its /certs), from a source you trust\n"          \
    "what to expect:\n"                                                                            \
    "  --measurement HEX    of the enclave or virtual machine (--mrenclave: of an image, `cella "  \
    "measure`)\n"                                                                                  \
    "  --root-measurement HEX  of the confidential VM that a software platform runs in; again "    \
    "for "                                                                                         \
    "more\n"                                                                                       \
    "  --signer HEX         who signed it (--mrsigner: of an image)\n"                             \
    "  --product-id N       the product, of several by one signer\n"                               \
    "  --min-svn N          the lowest security version\n"                                         \
    "  --config-id HEX      what it was configured with\n"                                         \
    "  --min-tcb B,T,S,U    SEV-SNP: lowest boot loader, TEE, SNP and microcode versions (Turin: " \
    "F,B,T,S,U)\n"                                                                                 \
    "  --claim NAME=VALUE   any claim, as `cella verify` shows it in JSON; again for more\n"       \
    "  --policy FILE        a policy that must permit (`cella policy --help`); again for more\n"   \
    "  --max-age SECONDS    how old the evidence may be\n"                                         \
    "  --allow-debug        accept debug mode: no secrecy\n"                                       \
    "  --allow-private-memory  accept software enclaves whose memory is not secret memory\n"

/* Takes argv[*i] when it is a shared flag, with its value, and moves *i past it; *taken says
 * whether. */
CELLA_RESULT cella_cli_proof_flag(struct cella_cli_proof *proof, const char *command, int argc,
                                  char **argv, int *i, bool *taken);
/* The value of flag argv[*i]: what follows it. */
CELLA_RESULT cella_cli_value(const char *command, int argc, char **argv, int *i,
                             const char **value);
/* Reads the file and all that the flags name. Errors are for what cannot be read or used. */
CELLA_RESULT cella_cli_proof_read(struct cella_cli_proof *proof, const char *path);
/* Verifies and appraises. Success only when all is accepted; whatever was read and is not accepted
 * is CELLA_ERR_REFUSED, with the reason in verification. Other codes: it could not be judged. */
CELLA_RESULT cella_cli_proof_check(struct cella_cli_proof *proof);
/* The chain, the claims, the checks and the verdict with its reason. */
void cella_cli_proof_print(FILE *to, const struct cella_cli_proof *proof);
/* The chain of trust alone: as an indented tree with the verdict, and as a graph for `dot`. */
void cella_cli_proof_explain(FILE *to, const struct cella_cli_proof *proof);
void cella_cli_proof_dot(FILE *to, const struct cella_cli_proof *proof);
/* One JSON object with everything. */
CELLA_RESULT cella_cli_proof_json(FILE *to, const struct cella_cli_proof *proof);

#endif
