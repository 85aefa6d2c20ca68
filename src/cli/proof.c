#include "cli/proof.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"
#include "crypto/key.h"
#include "evidence/claims.h"

enum { INPUT_MAX = 262144, TRUST_FILE_MAX = 16384, NONCE_MIN = 8, NONCE_MAX = 64 };

void cella_cli_proof_free(struct cella_cli_proof *proof) {
    for (size_t i = 0; i < proof->trust_count; i++) cella_buffer_free(&proof->trust[i].spki);
    cella_buffer_free(&proof->input);
}

CELLA_RESULT cella_cli_value(const char *command, int argc, char **argv, int *i,
                             const char **value) {
    if (*i + 1 >= argc) return cella_cli_usage(command, "%s needs a value", argv[*i]);
    *value = argv[++*i];
    return CELLA_SUCCESS;
}

static struct cella_result parse_number(const char *command, const char *flag, const char *text,
                                        uint64_t max, uint64_t *out) {
    uint64_t value = 0;
    bool good = *text != 0;
    for (const char *p = text; *p && good; p++) {
        good = *p >= '0' && *p <= '9' && value <= max / 10;
        value = value * 10 + (uint64_t)(*p - '0');
    }
    if (!good || value > max)
        return cella_cli_usage(command, "%s: expected a number from 0 to %llu, found '%s'", flag,
                               (unsigned long long)max, text);
    *out = value;
    return CELLA_SUCCESS;
}

static struct cella_result add_trust(struct cella_cli_proof *proof, const char *path) {
    ENSURE(proof->trust_count < CELLA_CLI_TRUST_MAX, CELLA_ERR_LIMIT, NULL, "more than %d --trust",
           CELLA_CLI_TRUST_MAX);
    CELLA_BUFFER text = {0};
    CELLA_KEY key = NULL;
    TRY(cella_file_read(path, TRUST_FILE_MAX, &text));
    TRY_IN(cella_key_public(cella_buffer_bytes(&text), &key), "--trust %s", path);
    struct cella_cli_trust *trust = &proof->trust[proof->trust_count++];
    trust->path = path;
    TRY(cella_key_spki(key, &trust->spki));
    return cella_key_fingerprint(key, trust->fingerprint);
}

static struct cella_result set_allow(struct cella_cli_proof *proof, const char *command,
                                     const char *text) {
    static const char prefix[] = "software:S";
    size_t n = strlen(prefix);
    if (strncmp(text, prefix, n) != 0 || text[n] < '0' || text[n] > '3' || text[n + 1])
        return cella_cli_usage(command, "--allow: expected software:S0 to software:S3, found '%s'",
                               text);
    proof->expect.allow_software = true;
    proof->expect.min_assurance = (uint32_t)(text[n] - '0');
    return CELLA_SUCCESS;
}

static struct cella_result set_hex(const char *flag, const char *text, uint8_t *out, size_t size,
                                   bool *has) {
    TRY_IN(cella_hex_decode(cella_bytes_text(text), out, size), "%s", flag);
    *has = true;
    return CELLA_SUCCESS;
}

/* A nonce is report data that begins with it and goes on in zeros. */
static struct cella_result set_nonce(struct cella_cli_proof *proof, const char *text) {
    CELLA_BUFFER nonce = {0};
    TRY_IN(cella_hex_decode_all(cella_bytes_text(text), &nonce), "--nonce");
    ENSURE(nonce.size >= NONCE_MIN && nonce.size <= NONCE_MAX, CELLA_ERR_USAGE, NULL,
           "--nonce: expected %d to %d bytes, found %zu", NONCE_MIN, NONCE_MAX, nonce.size);
    cella_zero(proof->expect.report_data, sizeof(proof->expect.report_data));
    cella_copy(proof->expect.report_data, nonce.data, nonce.size);
    proof->expect.has_report_data = true;
    return CELLA_SUCCESS;
}

static struct cella_result set_value(struct cella_cli_proof *proof, const char *command,
                                     const char *flag, const char *value, bool *taken) {
    struct cella_expect *e = &proof->expect;
    uint64_t n = 0;
    *taken = true;
    if (strcmp(flag, "--trust") == 0) return add_trust(proof, value);
    if (strcmp(flag, "--allow") == 0) return set_allow(proof, command, value);
    if (strcmp(flag, "--mrenclave") == 0)
        return set_hex(flag, value, e->mrenclave, 32, &e->has_mrenclave);
    if (strcmp(flag, "--mrsigner") == 0)
        return set_hex(flag, value, e->mrsigner, 32, &e->has_mrsigner);
    if (strcmp(flag, "--config-id") == 0)
        return set_hex(flag, value, e->config_id, 64, &e->has_config_id);
    if (strcmp(flag, "--report-data") == 0)
        return set_hex(flag, value, e->report_data, 64, &e->has_report_data);
    if (strcmp(flag, "--nonce") == 0) return set_nonce(proof, value);
    if (strcmp(flag, "--max-age") == 0) {
        TRY(parse_number(command, flag, value, UINT32_MAX, &proof->max_age_s));
        if (proof->max_age_s == 0)
            return cella_cli_usage(command, "--max-age: expected at least 1 second");
        return CELLA_SUCCESS;
    }
    if (strcmp(flag, "--product-id") == 0) {
        e->has_product_id = true;
        TRY(parse_number(command, flag, value, UINT16_MAX, &n));
        e->product_id = (uint16_t)n;
    } else if (strcmp(flag, "--min-svn") == 0) {
        e->has_min_svn = true;
        TRY(parse_number(command, flag, value, UINT16_MAX, &n));
        e->min_svn = (uint16_t)n;
    } else {
        *taken = false;
    }
    return CELLA_SUCCESS;
}

static bool takes_value(const char *flag) {
    static const char *const flags[] = {"--trust",    "--allow",     "--mrenclave",
                                        "--mrsigner", "--config-id", "--report-data",
                                        "--nonce",    "--max-age",   "--product-id",
                                        "--min-svn"};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (strcmp(flags[i], flag) == 0) return true;
    return false;
}

CELLA_RESULT cella_cli_proof_flag(struct cella_cli_proof *proof, const char *command, int argc,
                                  char **argv, int *i, bool *taken) {
    const char *flag = argv[*i], *value = NULL;
    *taken = true;
    if (strcmp(flag, "--allow-debug") == 0)
        proof->expect.allow_debug = true;
    else if (strcmp(flag, "--allow-private-memory") == 0)
        proof->expect.allow_private_memory = true;
    else
        *taken = takes_value(flag);
    if (!takes_value(flag)) return CELLA_SUCCESS;
    TRY(cella_cli_value(command, argc, argv, i, &value));
    return set_value(proof, command, flag, value, taken);
}

static bool is_raw(struct cella_bytes bytes) {
    return cella_key_request_is(bytes) ||
           (bytes.size > 0 && bytes.data[0] == 0xd2); /* COSE_Sign1 with tag 18 */
}

/* Hex or base64 in lines: white space goes, then the strict decoders judge what is left. */
static struct cella_result decode_text(struct cella_bytes text, struct cella_buffer *out) {
    CELLA_BUFFER packed = {0};
    bool hex = true, url = false;
    for (size_t i = 0; i < text.size; i++) {
        if (isspace(text.data[i])) continue;
        hex = hex && isxdigit(text.data[i]);
        url = url || text.data[i] == '-' || text.data[i] == '_';
        TRY(cella_buffer_append(&packed, cella_bytes(&text.data[i], 1)));
    }
    struct cella_bytes bytes = cella_buffer_bytes(&packed);
    if (hex) return cella_hex_decode_all(bytes, out);
    return cella_base64_decode(bytes, url || bytes.size % 4 != 0, out);
}

CELLA_RESULT cella_cli_proof_read(struct cella_cli_proof *proof, const char *path) {
    CELLA_BUFFER file = {0};
    TRY(cella_file_read(path, INPUT_MAX, &file));
    ENSURE(file.size > 0, CELLA_ERR_FORMAT, NULL, "%s is empty", path);
    if (is_raw(cella_buffer_bytes(&file))) {
        proof->input = MOVE(file);
    } else {
        struct cella_result r = decode_text(cella_buffer_bytes(&file), &proof->input);
        bool known = !cella_failed(r) && is_raw(cella_buffer_bytes(&proof->input));
        cella_result_drop(r);
        ENSURE(known, CELLA_ERR_FORMAT, "`cella run --request FILE` writes a key request",
               "%s is neither evidence (COSE_Sign1) nor a key request, raw, in hex or in base64",
               path);
    }
    proof->is_request = cella_key_request_is(cella_buffer_bytes(&proof->input));
    return CELLA_SUCCESS;
}

static struct cella_result check(struct cella_cli_proof *proof) {
    struct cella_bytes evidence = cella_buffer_bytes(&proof->input), anchors[CELLA_CLI_TRUST_MAX];
    if (proof->is_request) {
        TRY(cella_key_request_parse(evidence, &proof->request));
        evidence = proof->request.evidence;
    }
    for (size_t i = 0; i < proof->trust_count; i++)
        anchors[i] = cella_buffer_bytes(&proof->trust[i].spki);
    proof->now_unix = (uint64_t)time(NULL);
    struct cella_verify_options options = {anchors, proof->trust_count, proof->now_unix,
                                           proof->max_age_s};
    TRY(cella_evidence_verify(evidence, &options, &proof->claims));
    if (proof->is_request)
        TRY(cella_key_request_bound(&proof->request, proof->claims.software.report_data));
    proof->genuine = true;
    cella_appraise(&proof->expect, &proof->claims, &proof->appraisal);
    return cella_appraisal_result(&proof->appraisal);
}

/* Whatever was read and is not accepted is refused, be it false, malformed or of another version:
 * one exit status. */
CELLA_RESULT cella_cli_proof_check(struct cella_cli_proof *proof) {
    struct cella_result r = check(proof);
    enum cella_code code = cella_code_of(r);
    if (code != CELLA_ERR_FORMAT && code != CELLA_ERR_LIMIT && code != CELLA_ERR_UNSUPPORTED)
        return r;
    struct cella_result refused =
        cella_result_new(CELLA_ERR_REFUSED, CELLA_WHERE, r.error->hint, "%s", r.error->what);
    cella_result_drop(r);
    return refused;
}

static const char *trusted_path(const struct cella_cli_proof *proof) {
    for (size_t i = 0; i < proof->trust_count; i++)
        if (cella_equal(proof->trust[i].fingerprint, proof->claims.trusted_by, 32))
            return proof->trust[i].path;
    return "?";
}

static void print_chain(FILE *to, const struct cella_cli_proof *proof) {
    char platform[65], anchor[65];
    cella_hex_encode(CELLA_BYTES_OF(proof->claims.platform_key), platform);
    cella_hex_encode(CELLA_BYTES_OF(proof->claims.trusted_by), anchor);
    fprintf(to,
            "chain\n  form               COSE_Sign1, ES256, EAT of a cella software platform\n");
    fprintf(to, "  signature          good, by platform key %s\n", platform);
    if (proof->claims.root == CELLA_ROOT_TPM)
        fprintf(to,
                "  platform key       certified by a TPM quote over %u PCRs\n  attestation key    "
                "%s, trusted: %s\n",
                proof->claims.tpm_pcr_count, anchor, trusted_path(proof));
    else
        fprintf(to, "  platform key       trusted: %s\n", trusted_path(proof));
    uint64_t issued = proof->claims.software.issued_unix;
    long long age = (long long)proof->now_unix - (long long)issued;
    if (proof->max_age_s)
        fprintf(to, "  age                %lld s, at most %llu s wanted\n", age,
                (unsigned long long)proof->max_age_s);
    else
        fprintf(to, "  age                %lld s, not limited (--max-age)\n", age);
    if (!proof->is_request) return;
    fprintf(to, "  key request        its key, nonce and names are bound by the evidence\n  asks "
                "for          ");
    for (uint32_t i = 0; i < proof->request.key_count; i++)
        fprintf(to, " %.*s", (int)proof->request.key[i].size,
                (const char *)proof->request.key[i].data);
    fprintf(to, "\n");
}

static void print_notes(FILE *to, const struct cella_cli_proof *proof) {
    const struct cella_expect *e = &proof->expect;
    fprintf(to, "note: this is software evidence of level S%u, not confidential computing: %s\n",
            proof->claims.software.assurance,
            cella_assurance_gap(proof->claims.software.assurance));
    if (!e->has_mrenclave && !e->has_mrsigner)
        fprintf(to, "note: no --mrenclave or --mrsigner was asked for, so any program on that "
                    "platform passes\n");
    if (e->has_mrsigner && !e->has_mrenclave && !e->has_product_id)
        fprintf(to, "note: --mrsigner without --product-id takes every program of that signer\n");
    if (!proof->is_request && !e->has_report_data)
        fprintf(to, "note: no --nonce or --report-data was asked for, so this may be old evidence, "
                    "or meant for another\n");
}

void cella_cli_proof_print(FILE *to, const struct cella_cli_proof *proof,
                           struct cella_result verdict) {
    if (proof->genuine) {
        print_chain(to, proof);
        cella_claims_print(to, &proof->claims);
        fprintf(to, "checks\n");
        for (uint32_t i = 0; i < proof->appraisal.count; i++) {
            const struct cella_check *c = &proof->appraisal.check[i];
            fprintf(to, "  %-4s %-13s expected %s, found %s\n", c->held ? "ok" : "NO", c->claim,
                    c->expected, c->found);
        }
        print_notes(to, proof);
    }
    if (cella_failed(verdict))
        fprintf(to, "verdict: refuse: %s\n", verdict.error->what);
    else
        fprintf(to, "verdict: accept\n");
}
