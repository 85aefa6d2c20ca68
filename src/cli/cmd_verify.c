#include <jansson.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/proof.h"
#include "evidence/claims.h"

const char cella_help_verify[] =
    "usage: cella verify EVIDENCE --trust FILE --allow software:LEVEL [...]\n\n"
    "Checks evidence, or a key request with the evidence in it: form, signature, chain to a key "
    "you trust, and what\n"
    "you expect of the enclave. Prints the chain, the claims and the verdict. Exit status 0 only "
    "when all is accepted,\n"
    "3 when it is refused. EVIDENCE may be raw, hex or base64; - is standard "
    "input.\n\n" CELLA_CLI_PROOF_HELP
    "  --report-data HEX    the 64 bytes the program put into it\n"
    "  --nonce HEX          8 to 64 bytes: the report data is the nonce, then zeros\n"
    "  --request            EVIDENCE must be a key request\n"
    "  --json               print one JSON object instead\n";

struct arguments {
    const char *path;
    bool json, request;
};

static struct cella_result parse(int argc, char **argv, struct cella_cli_proof *proof,
                                 struct arguments *out) {
    for (int i = 1; i < argc; i++) {
        bool taken = false;
        TRY(cella_cli_proof_flag(proof, "verify", argc, argv, &i, &taken));
        if (taken) continue;
        if (strcmp(argv[i], "--json") == 0)
            out->json = true;
        else if (strcmp(argv[i], "--request") == 0)
            out->request = true;
        else if (argv[i][0] == '-' && argv[i][1])
            return cella_cli_usage("verify", "unknown flag %s", argv[i]);
        else if (out->path)
            return cella_cli_usage("verify", "one file at a time: %s and %s", out->path, argv[i]);
        else
            out->path = argv[i];
    }
    if (!out->path)
        return cella_cli_usage("verify", "expected a file with evidence or a key request");
    return CELLA_SUCCESS;
}

static int fill_checks(json_t *to, const struct cella_appraisal *appraisal) {
    int bad = 0;
    for (uint32_t i = 0; i < appraisal->count; i++) {
        const struct cella_check *c = &appraisal->check[i];
        bad |= json_array_append_new(to, json_pack("{s:s, s:b, s:s, s:s}", "claim", c->claim,
                                                   "held", c->held, "expected", c->expected,
                                                   "found", c->found));
    }
    return bad;
}

static int fill(json_t *to, const struct cella_cli_proof *proof, struct cella_result verdict) {
    int bad = json_object_set_new(to, "verdict",
                                  json_string(cella_failed(verdict) ? "refuse" : "accept"));
    if (cella_failed(verdict))
        bad |= json_object_set_new(to, "reason",
                                   json_pack("{s:s, s:s, s:s*}", "code",
                                             cella_code_name(cella_code_of(verdict)), "what",
                                             verdict.error->what, "hint", verdict.error->hint));
    if (!proof->genuine) return bad;
    json_t *checks = json_array();
    bad |= json_object_set_new(to, "checks", checks) | fill_checks(checks, &proof->appraisal);
    bad |= json_object_set_new(to, "claims", cella_claims_json(&proof->claims));
    if (!proof->is_request) return bad;
    json_t *keys = json_array();
    bad |= json_object_set_new(to, "keys", keys);
    for (uint32_t i = 0; i < proof->request.key_count; i++)
        bad |= json_array_append_new(keys, json_stringn((const char *)proof->request.key[i].data,
                                                        proof->request.key[i].size));
    return bad;
}

static struct cella_result print_json(const struct cella_cli_proof *proof,
                                      struct cella_result verdict) {
    json_t *out = json_object();
    int bad = fill(out, proof, verdict);
    if (bad == 0) bad = json_dumpf(out, stdout, JSON_INDENT(2)) | (printf("\n") < 0);
    json_decref(out);
    ENSURE(bad == 0, CELLA_ERR_MEMORY, NULL, "cannot print JSON");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cmd_verify(int argc, char **argv) {
    CELLA_CLI_PROOF proof = {0};
    struct arguments arguments = {0};
    TRY(parse(argc, argv, &proof, &arguments));
    TRY(cella_cli_proof_read(&proof, arguments.path));
    ENSURE(proof.is_request || !arguments.request, CELLA_ERR_FORMAT, NULL,
           "%s is evidence, not a key request", arguments.path);
    if (proof.is_request && proof.expect.has_report_data)
        return cella_cli_usage(
            "verify", "a key request has report data of its own: no --report-data, no --nonce");
    struct cella_result verdict = cella_cli_proof_check(&proof);
    struct cella_result printed = CELLA_SUCCESS;
    if (arguments.json)
        printed = print_json(&proof, verdict);
    else
        cella_cli_proof_print(stdout, &proof, verdict);
    if (!cella_failed(printed)) return verdict;
    cella_result_drop(verdict);
    return printed;
}
