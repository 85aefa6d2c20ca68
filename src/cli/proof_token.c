#include "cli/proof_token.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"
#include "crypto/digest.h"
#include "evidence/family.h"
#include "evidence/jwt.h"

enum { KEYS_MAX = 1 << 20 };

CELLA_RESULT cella_cli_token_read(struct cella_cli_proof *proof) {
    struct cella_cli_token *token = &proof->token;
    bool keys = token->keys || token->jwks.size;
    ENSURE(token->path || (!token->issuer && !keys), CELLA_ERR_USAGE, "give the token: --token",
           "--issuer and --jwks are about a token, and there is none");
    if (!token->path) return CELLA_SUCCESS;
    ENSURE(token->issuer, CELLA_ERR_USAGE, "give the service's URL: --issuer",
           "--token: whose token must it be?");
    ENSURE(keys, CELLA_ERR_USAGE, "give the issuer's key set: --jwks",
           "--token: which keys may have signed it?");
    ENSURE(proof->trust.count == 0, CELLA_ERR_USAGE,
           "leave out --trust, or leave out --token to check the evidence yourself",
           "--trust: with --token the service says which platforms it trusts");
    ENSURE(proof->is_request, CELLA_ERR_FORMAT, "`cella run --request FILE` writes one",
           "--token: what it is about is evidence, not a key request");
    TRY(cella_file_read(token->path, CELLA_JWT_SIZE_MAX, &token->text));
    return token->keys ? cella_file_read(token->keys, KEYS_MAX, &token->jwks) : CELLA_SUCCESS;
}

CELLA_RESULT cella_cli_token_add_keys(struct cella_cli_proof *proof) {
    bool taken = false;
    if (!proof->token.path) return CELLA_SUCCESS;
    TRY(cella_collateral_add(proof->set, "jwks.json", cella_buffer_bytes(&proof->token.jwks),
                             &taken));
    ENSURE(taken, CELLA_ERR_FORMAT, "fetch the service's /certs", "%s: not a JSON Web Key Set",
           proof->token.keys ? proof->token.keys : "the issuer's /certs");
    return CELLA_SUCCESS;
}

/* The claim as the service wrote it: one text. */
static bool says(const struct cella_verification *v, const char *name, const char *text) {
    const struct cella_claim *found = NULL;
    size_t size = strlen(text), count = 0;
    for (size_t i = 0; i < cella_claimset_count(v->claims); i++) {
        const struct cella_claim *claim = cella_claimset_at(v->claims, i);
        if (strcmp(claim->name, name) != 0) continue;
        found = claim;
        count++;
    }
    return count == 1 && found->type == CELLA_CLAIM_TEXT && !found->list &&
           found->bytes.size == size && cella_equal(found->bytes.data, text, size);
}

static CELLA_RESULT expect(struct cella_verification *v, const char *name, const char *text,
                           const char *remedy) {
    char found[CELLA_REASON_TEXT] = "none";
    const struct cella_claim *claim = cella_claimset_find(v->claims, name);
    if (says(v, name, text)) return CELLA_SUCCESS;
    if (claim) cella_claim_show(claim, found, sizeof(found));
    REFUSE(v, CELLA_ERR_REFUSED, "token", name + strlen("maa."), remedy, text, found);
}

CELLA_RESULT cella_cli_token_check(struct cella_cli_proof *proof) {
    struct cella_verification *v = &proof->verification;
    char digest[2 * CELLA_SHA256_SIZE + 1];
    cella_hex_encode(CELLA_BYTES_OF(proof->request.digest), digest);
    /* A27: a key set may be of several services */
    TRY(expect(v, "maa.iss", proof->token.issuer, "ask the service whose URL you give"));
    /* A23: a token about hardware is none about an enclave of software, nor the reverse */
    TRY(expect(v, "maa.x-ms-attestation-type", "cella-software",
               "send the request to /attest/SoftwareEnclave: `cella attest`"));
    /* A13: the report data bind the request as well, which is checked after this */
    return expect(v, "maa.x-ms-cella-key-request", digest,
                  "ask the service about this request: `cella attest`");
}
