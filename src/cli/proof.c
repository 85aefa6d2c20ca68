#include "cli/proof.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/proof_token.h"
#include "evidence/envelope.h"
#include "evidence/family.h"

enum { INPUT_MAX = 4 << 20, KEY_FILE_MAX = 65536, ROOT_MAX = 64, PATH_SIZE = 4096 };

void cella_cli_proof_free(struct cella_cli_proof *proof) {
    cella_buffer_free(&proof->input);
    cella_buffer_free(&proof->token.text);
    cella_buffer_free(&proof->token.jwks);
    cella_collateral_free(&proof->set);
    cella_verification_free(&proof->verification);
    cella_cli_policies_free(&proof->policies);
}

/* --- Reading --- */

struct roots {
    size_t count;
    struct cella_buffer content[ROOT_MAX];
};

static void free_roots(struct roots *roots) {
    for (size_t i = 0; i < roots->count; i++) cella_buffer_free(&roots->content[i]);
}

static struct cella_result read_root(struct roots *roots, const char *path) {
    ENSURE(roots->count < ROOT_MAX, CELLA_ERR_LIMIT, NULL, "--roots: more than %d files", ROOT_MAX);
    struct cella_buffer *content = &roots->content[roots->count++];
    *content = (struct cella_buffer){0};
    return cella_file_read(path, KEY_FILE_MAX, content);
}

static void close_folder(DIR **folder) {
    if (*folder) closedir(*folder);
}

static struct cella_result read_root_folder(struct roots *roots, const char *path) {
    __attribute__((cleanup(close_folder))) DIR *folder = opendir(path);
    ENSURE(folder, CELLA_ERR_NOT_FOUND, NULL, "--roots: cannot list folder %s", path);
    for (const struct dirent *entry; (entry = readdir(folder));) {
        char file[PATH_SIZE];
        struct stat st;
        int n = snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] == '.' || n < 0 || (size_t)n >= sizeof(file)) continue;
        if (stat(file, &st) == 0 && S_ISREG(st.st_mode)) TRY(read_root(roots, file));
    }
    return CELLA_SUCCESS;
}

static struct cella_result use_roots(struct cella_cli_proof *proof) {
    __attribute__((cleanup(free_roots))) struct roots roots = {.count = 0};
    struct cella_bytes views[ROOT_MAX];
    if (proof->roots.count == 0) return CELLA_SUCCESS;
    for (size_t i = 0; i < proof->roots.count; i++) {
        struct stat st;
        const char *path = proof->roots.item[i];
        ENSURE(stat(path, &st) == 0, CELLA_ERR_NOT_FOUND, NULL, "--roots: there is no %s", path);
        TRY(S_ISDIR(st.st_mode) ? read_root_folder(&roots, path) : read_root(&roots, path));
    }
    ENSURE(roots.count > 0, CELLA_ERR_NOT_FOUND, NULL, "--roots %s: no file in it",
           proof->roots.item[0]);
    for (size_t i = 0; i < roots.count; i++) views[i] = cella_buffer_bytes(&roots.content[i]);
    TRY_IN(cella_collateral_set_roots(proof->set, views, roots.count), "--roots");
    return CELLA_SUCCESS;
}

static struct cella_result make_set(struct cella_cli_proof *proof) {
    TRY(cella_collateral_new(&proof->set));
    TRY(use_roots(proof));
    for (size_t i = 0; i < proof->trust.count; i++) {
        CELLA_BUFFER key = {0};
        TRY(cella_file_read(proof->trust.item[i], KEY_FILE_MAX, &key));
        TRY_IN(cella_collateral_trust(proof->set, cella_buffer_bytes(&key)), "--trust %s",
               proof->trust.item[i]);
    }
    for (size_t i = 0; i < proof->collateral.count; i++)
        TRY(cella_collateral_add_path(proof->set, proof->collateral.item[i]));
    TRY(cella_cli_token_add_keys(proof));
    return cella_collateral_finish(proof->set);
}

/* A key request may come in hex or base64; evidence is decoded by its verifier. */
static struct cella_result find_request(struct cella_cli_proof *proof) {
    CELLA_ENVELOPE envelope = {0};
    struct cella_bytes input = cella_buffer_bytes(&proof->input);
    proof->is_request = cella_key_request_is(input);
    if (proof->is_request) return CELLA_SUCCESS;
    struct cella_result r = cella_envelope_open(input, &envelope);
    bool failed = cella_failed(r);
    cella_result_drop(r); /* then it is for the verifier to say what is wrong with it */
    if (failed || !cella_key_request_is(envelope.evidence)) return CELLA_SUCCESS;
    CELLA_BUFFER decoded = {0};
    TRY(cella_buffer_append(&decoded, envelope.evidence));
    cella_buffer_free(&proof->input);
    proof->input = MOVE(decoded);
    proof->is_request = true;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cli_proof_read(struct cella_cli_proof *proof, const char *path) {
    TRY(cella_file_read(path, INPUT_MAX, &proof->input));
    TRY(find_request(proof));
    TRY(cella_cli_token_read(proof));
    if (!proof->has_time) proof->time_unix = (uint64_t)time(NULL);
    return make_set(proof);
}

/* --- Judging --- */

/* The evidence of a request must be for that request, all of it (A13). */
static struct cella_result check_bound(struct cella_cli_proof *proof) {
    struct cella_verification *v = &proof->verification;
    const struct cella_claim *claim = cella_claimset_find(v->claims, "report-data");
    bool sized = claim && claim->type == CELLA_CLAIM_BYTES && claim->bytes.size == 64;
    if (!sized)
        REFUSE(v, CELLA_ERR_INTEGRITY, "key request", "report-data",
               "ask the enclave for a new request", "64 bytes", "none");
    REFUSE_TRY(v, cella_key_request_bound(&proof->request, claim->bytes.data), "key request",
               "report-data", "ask the enclave for a new request", "the SHA-512 of this request");
    return CELLA_SUCCESS;
}

/* Every policy must permit, besides what the flags ask. */
static struct cella_result ask_policies(struct cella_cli_proof *proof) {
    struct cella_verification *v = &proof->verification;
    char found[CELLA_REASON_TEXT];
    size_t denied = SIZE_MAX;
    TRY(cella_cli_policies_judge(&proof->policies, v->claims, &denied));
    if (denied == SIZE_MAX) return CELLA_SUCCESS;
    cella_cli_policies_reason(&proof->policies, denied, found, sizeof(found));
    REFUSE(v, CELLA_ERR_REFUSED, "policy", proof->policies.item[denied].path,
           "`cella verify --explain` shows every rule", "that it permits", found);
}

static struct cella_result appraise(struct cella_cli_proof *proof) {
    struct cella_verification *v = &proof->verification;
    cella_appraise(&proof->expect, v->claims, &proof->appraisal);
    if (proof->appraisal.verdict == CELLA_VERDICT_ACCEPT) return ask_policies(proof);
    const struct cella_check *check = cella_appraisal_failed(&proof->appraisal);
    REFUSE(v, CELLA_ERR_REFUSED, "policy", check ? check->claim : "checks",
           check ? check->hint : NULL, check ? check->expected : "something to appraise",
           check ? check->found : "nothing");
}

static struct cella_result reason_of(const struct cella_verification *v) {
    const struct cella_reason *r = &v->reason;
    return CELLA_FAILURE(CELLA_ERR_REFUSED, r->remedy[0] ? r->remedy : NULL,
                         "%s: %s: expected %s, found %s", r->step, r->field, r->expected, r->found);
}

static struct cella_result judge(struct cella_cli_proof *proof) {
    struct cella_verification *v = &proof->verification;
    struct cella_evidence_options options = {.type = proof->type,
                                             .time_unix = proof->time_unix,
                                             .accept_tcb = proof->accept,
                                             .accept_tcb_count = proof->accept_count,
                                             .grace_s = proof->grace_s,
                                             .max_age_s = proof->max_age_s};
    struct cella_bytes evidence = cella_buffer_bytes(&proof->input);
    if (proof->is_request) {
        REFUSE_TRY(v, cella_key_request_parse(evidence, &proof->request), "key request", "form",
                   "ask the enclave for a new request", "a well-formed key request");
        evidence = proof->request.evidence;
    }
    if (proof->token.path) {
        evidence = cella_buffer_bytes(&proof->token.text);
        options.type = CELLA_EVIDENCE_MAA; /* whatever it looks like (A23) */
    }
    TRY(cella_verify(evidence, proof->set, &options, v));
    if (v->verdict != CELLA_VERIFY_ACCEPTED) return reason_of(v);
    if (proof->token.path) TRY(cella_cli_token_check(proof));
    if (proof->is_request) TRY(check_bound(proof));
    return appraise(proof);
}

/* Whatever was read and is not accepted is refused, be it false, malformed or of another version:
 * one code. */
CELLA_RESULT cella_cli_proof_check(struct cella_cli_proof *proof) {
    struct cella_result r = judge(proof);
    struct cella_verification *v = &proof->verification;
    if (!cella_failed(r)) return r;
    v->verdict = CELLA_VERIFY_REFUSED;
    if (!v->reason.step[0]) return r; /* no memory, or a bug: not judged */
    cella_result_drop(r);
    return reason_of(v);
}
