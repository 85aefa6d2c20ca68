#include <string.h>

#include "cli/cli.h"
#include "cli/proof.h"

const char cella_help_verify[] =
    "usage: cella verify EVIDENCE [--collateral PATH]... [--trust FILE]... [what to expect]\n\n"
    "Checks evidence of any TEE, or a key request with the evidence in it: form, signatures, chain "
    "to a root, TCB status,\n"
    "and what you expect. Prints the chain of trust, the claims and the verdict. Nothing is "
    "fetched. EVIDENCE may be raw,\n"
    "hex, base64, PEM or a JSON envelope; - is standard input.\n"
    "Exit status: 0 accepted, 1 refused, 2 arguments or files that cannot be "
    "used.\n\n" CELLA_CLI_PROOF_HELP "  --report-data HEX    the bytes the program put into it\n"
    "  --nonce HEX          8 to 64 bytes: the report data is the nonce, then zeros\n"
    "  --request            EVIDENCE must be a key request\n"
    "what to print:\n"
    "  --json               one JSON object\n"
    "  --explain            the chain of trust as a tree, the checks, the verdict\n"
    "  --dot                the chain of trust as a graph for Graphviz\n";

enum form { PEOPLE, JSON, EXPLAIN, DOT };

struct arguments {
    const char *path;
    enum form form;
    bool request;
};

static bool take_switch(const char *word, struct arguments *out) {
    if (strcmp(word, "--json") == 0)
        out->form = JSON;
    else if (strcmp(word, "--explain") == 0)
        out->form = EXPLAIN;
    else if (strcmp(word, "--dot") == 0)
        out->form = DOT;
    else if (strcmp(word, "--request") == 0)
        out->request = true;
    else
        return false;
    return true;
}

static struct cella_result parse(int argc, char **argv, struct cella_cli_proof *proof,
                                 struct arguments *out) {
    for (int i = 1; i < argc; i++) {
        bool taken = false;
        TRY(cella_cli_proof_flag(proof, "verify", argc, argv, &i, &taken));
        if (taken || take_switch(argv[i], out)) continue;
        if (argv[i][0] == '-' && argv[i][1])
            return cella_cli_usage("verify", "unknown flag %s", argv[i]);
        if (out->path)
            return cella_cli_usage("verify", "one file at a time: %s and %s", out->path, argv[i]);
        out->path = argv[i];
    }
    if (!out->path)
        return cella_cli_usage("verify", "expected a file with evidence or a key request");
    return CELLA_SUCCESS;
}

static struct cella_result print(enum form form, const struct cella_cli_proof *proof) {
    switch (form) {
    case JSON: return cella_cli_proof_json(stdout, proof);
    case EXPLAIN: cella_cli_proof_explain(stdout, proof); return CELLA_SUCCESS;
    case DOT: cella_cli_proof_dot(stdout, proof); return CELLA_SUCCESS;
    case PEOPLE: break;
    }
    cella_cli_proof_print(stdout, proof);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cmd_verify(int argc, char **argv) {
    CELLA_CLI_PROOF proof = {0};
    struct arguments arguments = {0};
    TRY(parse(argc, argv, &proof, &arguments));
    TRY(cella_cli_proof_read(&proof, arguments.path));
    ENSURE(proof.is_request || !arguments.request, CELLA_ERR_FORMAT, NULL,
           "%s is evidence, not a key request", arguments.path);
    if (proof.is_request && cella_expects(&proof.expect, "report-data"))
        return cella_cli_usage(
            "verify", "a key request has report data of its own: no --report-data, no --nonce");
    struct cella_result verdict = cella_cli_proof_check(&proof);
    if (cella_failed(verdict) && cella_code_of(verdict) != CELLA_ERR_REFUSED) return verdict;
    struct cella_result printed = print(arguments.form, &proof);
    if (!cella_failed(printed)) return verdict;
    cella_result_drop(verdict);
    return printed;
}
