#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/proof.h"
#include "client/client.h"
#include "crypto/jose.h"
#include "evidence/claims.h"
#include "seal/keyfile.h"

const char cella_help_grant[] =
    "usage: cella grant --key FILE --mrenclave HEX|--mrsigner HEX --trust FILE --allow "
    "software:LEVEL REQUEST -o OUT\n"
    "       cella grant ... --token FILE --issuer URL (--jwks FILE | --ca FILE) REQUEST -o OUT\n\n"
    "Gives a named key to an enclave, offline: checks the key request that `cella run --request` "
    "wrote, as `cella verify`\n"
    "does, and only when all is accepted seals the key to that one run of that enclave. OUT is not "
    "secret.\n"
    "With --token the evidence was checked by an attestation service that you trust (`cella "
    "attest`): its token must\n"
    "be about this request and meet the same expectations. Without --jwks its keys are fetched "
    "from "
    "URL/certs.\n\n" CELLA_CLI_PROOF_HELP
    "  --ca FILE            the authority of the issuer's TLS certificate; else the system's\n"
    "  --key FILE           the key: 64 hex digits, mode 0600 (`cella keygen --data`)\n"
    "  --name NAME          which of the keys asked for; needed when there are several\n"
    "  -o OUT               the grant, for `cella run --grant`\n";

struct arguments {
    const char *request, *key, *name, *out, *ca;
};

static struct cella_result parse(int argc, char **argv, struct cella_cli_proof *proof,
                                 struct arguments *out) {
    for (int i = 1; i < argc; i++) {
        bool taken = false;
        TRY(cella_cli_proof_flag(proof, "grant", argc, argv, &i, &taken));
        if (taken) continue;
        if (strcmp(argv[i], "--key") == 0)
            TRY(cella_cli_value("grant", argc, argv, &i, &out->key));
        else if (strcmp(argv[i], "--name") == 0)
            TRY(cella_cli_value("grant", argc, argv, &i, &out->name));
        else if (strcmp(argv[i], "-o") == 0)
            TRY(cella_cli_value("grant", argc, argv, &i, &out->out));
        else if (strcmp(argv[i], "--ca") == 0)
            TRY(cella_cli_value("grant", argc, argv, &i, &out->ca));
        else if (argv[i][0] == '-' && argv[i][1])
            return cella_cli_usage("grant", "unknown flag %s", argv[i]);
        else if (out->request)
            return cella_cli_usage("grant", "one request at a time: %s and %s", out->request,
                                   argv[i]);
        else
            out->request = argv[i];
    }
    if (!out->request) return cella_cli_usage("grant", "expected a key request");
    if (!out->key) return cella_cli_usage("grant", "--key is missing: the key to give");
    if (!out->out) return cella_cli_usage("grant", "-o is missing: where the grant goes");
    if (cella_expects(&proof->expect, "report-data"))
        return cella_cli_usage(
            "grant", "a key request has report data of its own: no --report-data, no --nonce");
    if (!cella_expects(&proof->expect, "measurement") && !cella_expects(&proof->expect, "signer"))
        return cella_cli_usage("grant", "--mrenclave or --mrsigner is needed: whom the key is for");
    return CELLA_SUCCESS;
}

static struct cella_result choose_name(const struct cella_key_request *request, const char *name,
                                       struct cella_bytes *out) {
    if (name) {
        *out = cella_bytes_text(name);
        return CELLA_SUCCESS;
    }
    ENSURE(request->key_count == 1, CELLA_ERR_USAGE,
           "say which with --name; `cella verify` lists them", "the request asks for %u keys",
           request->key_count);
    *out = request->key[0];
    return CELLA_SUCCESS;
}

/* The issuer's keys are as good as the TLS that they come by. */
static struct cella_result fetch_keys(const char *ca, struct cella_cli_token *token) {
    char url[512];
    CELLA_JSON keys = NULL;
    CELLA_CLIENT client = NULL;
    struct cella_client_settings settings = {.ca = ca};
    struct cella_client_call call = {.method = "GET", .url = url};
    if (!token->path || !token->issuer || token->keys) return CELLA_SUCCESS;
    int size = snprintf(url, sizeof(url), "%s/certs", token->issuer);
    ENSURE(size > 0 && (size_t)size < sizeof(url), CELLA_ERR_LIMIT, NULL, "--issuer: too long");
    TRY(cella_client_new(&settings, &client));
    TRY_IN(cella_client_send(client, &call, &keys), "the issuer's keys");
    char *text = json_dumps(keys, JSON_COMPACT);
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a key set");
    struct cella_result r = cella_buffer_append(&token->jwks, cella_bytes_text(text));
    free(text);
    return r;
}

static void claim_text(const struct cella_cli_proof *proof, const char *name, char *text,
                       size_t size) {
    const struct cella_claim *claim = cella_claimset_find(proof->verification.claims, name);
    snprintf(text, size, "unknown");
    if (claim) cella_claim_show(claim, text, size);
}

static void report(const struct cella_cli_proof *proof, struct cella_bytes name) {
    char measurement[160], tee[32], level[16];
    claim_text(proof, "measurement", measurement, sizeof(measurement));
    claim_text(proof, "tee", tee, sizeof(tee));
    claim_text(proof, "assurance", level, sizeof(level));
    bool software = strcmp(tee, "software") == 0; /* by itself, or in the words of a service */
    fprintf(stderr, "granted %.*s to enclave %s (%s%s%s%s)\n", (int)name.size,
            (const char *)name.data, measurement, tee, software ? ", " : "", software ? level : "",
            software ? ", not confidential computing" : "");
}

CELLA_RESULT cella_cmd_grant(int argc, char **argv) {
    CELLA_CLI_PROOF proof = {0};
    struct arguments arguments = {0};
    CELLA_SECRET key = {0};
    CELLA_BUFFER grant = {0};
    struct cella_bytes name;
    TRY(parse(argc, argv, &proof, &arguments));
    TRY(cella_keyfile_read(arguments.key, &key));
    TRY(fetch_keys(arguments.ca, &proof.token));
    TRY(cella_cli_proof_read(&proof, arguments.request));
    ENSURE(proof.is_request, CELLA_ERR_FORMAT, "`cella run --request FILE` writes one",
           "%s is evidence, not a key request", arguments.request);
    TRY_IN(cella_cli_proof_check(&proof), "nothing granted");
    TRY(choose_name(&proof.request, arguments.name, &name));
    TRY(cella_key_grant(&proof.request, name, cella_secret_bytes(&key), &grant));
    TRY(cella_file_write(arguments.out, cella_buffer_bytes(&grant), 0644, 0));
    report(&proof, name);
    return CELLA_SUCCESS;
}
