#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/moment.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/proof.h"

enum { NONCE_MIN = 8, NONCE_MAX = 64, TCB_MIN = 4, TCB_MAX = 5 };

CELLA_RESULT cella_cli_value(const char *command, int argc, char **argv, int *i,
                             const char **value) {
    if (*i + 1 >= argc) return cella_cli_usage(command, "%s needs a value", argv[*i]);
    *value = argv[++*i];
    return CELLA_SUCCESS;
}

/* A flag that takes a value: its words, and what is done with it. */
struct flag {
    const char *word;
    struct cella_result (*set)(struct cella_cli_proof *proof, const char *command,
                               const struct flag *flag, const char *value);
    const char *claim; /* for expectations: the claim, and */
    size_t size;       /* the bytes it must have; 0: any up to CELLA_EXPECT_BYTES_MAX */
};

static struct cella_result read_number(const char *command, const char *flag, const char *text,
                                       uint64_t max, uint64_t *out) {
    if (!cella_number_read(text, out) || *out > max)
        return cella_cli_usage(command, "%s: expected a number from 0 to %llu, found '%s'", flag,
                               (unsigned long long)max, text);
    return CELLA_SUCCESS;
}

static struct cella_result set_list(struct cella_cli_list *list, const char *command,
                                    const char *word, const char *value) {
    if (list->count == CELLA_CLI_LIST_MAX)
        return cella_cli_usage(command, "more than %d %s", CELLA_CLI_LIST_MAX, word);
    list->item[list->count++] = value;
    return CELLA_SUCCESS;
}

static struct cella_result set_trust(struct cella_cli_proof *proof, const char *command,
                                     const struct flag *flag, const char *value) {
    return set_list(&proof->trust, command, flag->word, value);
}

static struct cella_result set_collateral(struct cella_cli_proof *proof, const char *command,
                                          const struct flag *flag, const char *value) {
    return set_list(&proof->collateral, command, flag->word, value);
}

static struct cella_result set_roots(struct cella_cli_proof *proof, const char *command,
                                     const struct flag *flag, const char *value) {
    return set_list(&proof->roots, command, flag->word, value);
}

static struct cella_result set_token(struct cella_cli_proof *proof, const char *command,
                                     const struct flag *flag, const char *value) {
    (void)command;
    struct cella_cli_token *token = &proof->token;
    *(strcmp(flag->word, "--token") == 0    ? &token->path
      : strcmp(flag->word, "--issuer") == 0 ? &token->issuer
                                            : &token->keys) = value;
    return CELLA_SUCCESS;
}

static struct cella_result set_policy(struct cella_cli_proof *proof, const char *command,
                                      const struct flag *flag, const char *value) {
    (void)command;
    (void)flag;
    return cella_cli_policies_add(&proof->policies, value);
}

static struct cella_result set_allow(struct cella_cli_proof *proof, const char *command,
                                     const struct flag *flag, const char *text) {
    static const char prefix[] = "software:S";
    size_t n = strlen(prefix);
    if (strncmp(text, prefix, n) != 0 || text[n] < '0' || text[n] > '3' || text[n + 1])
        return cella_cli_usage(command, "%s: expected software:S0 to software:S3, found '%s'",
                               flag->word, text);
    proof->expect.allow_software = true;
    proof->expect.min_assurance = (uint32_t)(text[n] - '0');
    return CELLA_SUCCESS;
}

static struct cella_result set_type(struct cella_cli_proof *proof, const char *command,
                                    const struct flag *flag, const char *value) {
    struct cella_result r = cella_evidence_type_of(value, &proof->type);
    if (!cella_failed(r)) return r;
    cella_result_drop(r);
    return cella_cli_usage(command, "%s: no evidence is of type '%s'", flag->word, value);
}

static struct cella_result set_time(struct cella_cli_proof *proof, const char *command,
                                    const struct flag *flag, const char *value) {
    proof->has_time = true;
    if (cella_time_read(value, &proof->time_unix)) return CELLA_SUCCESS;
    if (cella_number_read(value, &proof->time_unix) && proof->time_unix <= 253402300799ULL)
        return CELLA_SUCCESS;
    return cella_cli_usage(
        command, "%s: expected seconds since 1970 or a time like 2026-02-14T00:17:59Z, found '%s'",
        flag->word, value);
}

static struct cella_result set_accept(struct cella_cli_proof *proof, const char *command,
                                      const struct flag *flag, const char *value) {
    for (const char *end; *value; value = *end ? end + 1 : end) {
        end = strchrnul(value, ',');
        size_t size = (size_t)(end - value);
        if (proof->accept_count == CELLA_CLI_ACCEPT_MAX || size == 0 ||
            size >= sizeof(proof->accept_text[0]))
            return cella_cli_usage(command,
                                   "%s: expected up to %d statuses with commas between, found '%s'",
                                   flag->word, CELLA_CLI_ACCEPT_MAX, value);
        char *text = proof->accept_text[proof->accept_count];
        cella_copy(text, value, size);
        text[size] = 0;
        proof->accept[proof->accept_count++] = text;
    }
    return CELLA_SUCCESS;
}

static struct cella_result set_grace(struct cella_cli_proof *proof, const char *command,
                                     const struct flag *flag, const char *value) {
    return read_number(command, flag->word, value, UINT32_MAX, &proof->grace_s);
}

static struct cella_result set_age(struct cella_cli_proof *proof, const char *command,
                                   const struct flag *flag, const char *value) {
    TRY(read_number(command, flag->word, value, UINT32_MAX, &proof->max_age_s));
    if (proof->max_age_s == 0)
        return cella_cli_usage(command, "--max-age: expected at least 1 second");
    return CELLA_SUCCESS;
}

static struct cella_result set_bytes(struct cella_cli_proof *proof, const char *command,
                                     const struct flag *flag, const char *value) {
    CELLA_BUFFER bytes = {0};
    struct cella_result r = cella_hex_decode_all(cella_bytes_text(value), &bytes);
    bool good = !cella_failed(r) && bytes.size > 0 && bytes.size <= CELLA_EXPECT_BYTES_MAX &&
                (flag->size == 0 || bytes.size == flag->size);
    cella_result_drop(r);
    if (!good)
        return cella_cli_usage(command, "%s: expected %s%zu bytes in hexadecimal, found '%s'",
                               flag->word, flag->size ? "" : "up to ",
                               flag->size ? flag->size : CELLA_EXPECT_BYTES_MAX, value);
    return cella_expect_bytes(&proof->expect, CELLA_EXPECT_BYTES, flag->word + 2, flag->claim,
                              cella_buffer_bytes(&bytes));
}

static struct cella_result set_root_measurement(struct cella_cli_proof *proof, const char *command,
                                                const struct flag *flag, const char *value) {
    CELLA_BUFFER bytes = {0};
    struct cella_result r = cella_hex_decode_all(cella_bytes_text(value), &bytes);
    bool good = !cella_failed(r) && bytes.size == CELLA_EXPECT_ROOT_SIZE;
    cella_result_drop(r);
    if (!good)
        return cella_cli_usage(command, "%s: expected %d bytes in hexadecimal, found '%s'",
                               flag->word, CELLA_EXPECT_ROOT_SIZE, value);
    return cella_expect_root(&proof->expect, cella_buffer_bytes(&bytes));
}

/* A nonce is report data that begins with it and goes on in zeros. */
static struct cella_result set_nonce(struct cella_cli_proof *proof, const char *command,
                                     const struct flag *flag, const char *value) {
    CELLA_BUFFER nonce = {0};
    struct cella_result r = cella_hex_decode_all(cella_bytes_text(value), &nonce);
    bool good = !cella_failed(r) && nonce.size >= NONCE_MIN && nonce.size <= NONCE_MAX;
    cella_result_drop(r);
    if (!good)
        return cella_cli_usage(command, "%s: expected %d to %d bytes in hexadecimal, found '%s'",
                               flag->word, NONCE_MIN, NONCE_MAX, value);
    return cella_expect_bytes(&proof->expect, CELLA_EXPECT_NONCE, flag->claim, flag->claim,
                              cella_buffer_bytes(&nonce));
}

static struct cella_result set_number(struct cella_cli_proof *proof, const char *command,
                                      const struct flag *flag, const char *value) {
    uint64_t number = 0;
    bool least = strncmp(flag->word, "--min-", 6) == 0;
    TRY(read_number(command, flag->word, value, UINT16_MAX, &number));
    return cella_expect_number(&proof->expect, least ? CELLA_EXPECT_AT_LEAST : CELLA_EXPECT_NUMBER,
                               flag->claim, flag->claim, number);
}

static struct cella_result set_tcb(struct cella_cli_proof *proof, const char *command,
                                   const struct flag *flag, const char *value) {
    static const char *const claims[TCB_MAX] = {"snp.reported-tcb.fmc",
                                                "snp.reported-tcb.bootloader",
                                                "snp.reported-tcb.tee", "snp.reported-tcb.snp",
                                                "snp.reported-tcb.microcode"};
    uint64_t number[TCB_MAX];
    size_t count = 0;
    bool good = *value != 0;
    for (const char *at = value; good && *at;) {
        char text[8];
        const char *end = strchrnul(at, ',');
        size_t size = (size_t)(end - at);
        good = count < TCB_MAX && size < sizeof(text);
        cella_copy(text, at, good ? size : 0);
        text[good ? size : 0] = 0;
        good = good && cella_number_read(text, &number[count++]) && number[count - 1] <= UINT8_MAX;
        at = *end ? end + 1 : end;
    }
    if (!good || count < TCB_MIN)
        return cella_cli_usage(
            command, "%s: expected %d or %d numbers from 0 to 255 with commas between, found '%s'",
            flag->word, TCB_MIN, TCB_MAX, value);
    for (size_t i = 0; i < count; i++) {
        const char *claim = claims[i + TCB_MAX - count];
        TRY(cella_expect_number(&proof->expect, CELLA_EXPECT_AT_LEAST, claim, claim, number[i]));
    }
    return CELLA_SUCCESS;
}

/* NAME=VALUE: cut in place, argv lives as long as the proof. */
static struct cella_result set_claim(struct cella_cli_proof *proof, const char *command,
                                     const struct flag *flag, const char *value) {
    char *equals = strchr((char *)(uintptr_t)value, '=');
    if (!equals || equals == value)
        return cella_cli_usage(command, "%s: expected NAME=VALUE, found '%s'", flag->word, value);
    *equals = 0;
    return cella_expect_spelled(&proof->expect, value, equals + 1);
}

static const struct flag flags[] = {
    {"--trust", set_trust, NULL, 0},
    {"--allow", set_allow, NULL, 0},
    {"--collateral", set_collateral, NULL, 0},
    {"--roots", set_roots, NULL, 0},
    {"--token", set_token, NULL, 0},
    {"--issuer", set_token, NULL, 0},
    {"--jwks", set_token, NULL, 0},
    {"--policy", set_policy, NULL, 0},
    {"--type", set_type, NULL, 0},
    {"--time", set_time, NULL, 0},
    {"--accept-tcb", set_accept, NULL, 0},
    {"--grace", set_grace, NULL, 0},
    {"--max-age", set_age, NULL, 0},
    {"--measurement", set_bytes, "measurement", 0},
    {"--root-measurement", set_root_measurement, NULL, 0},
    {"--mrenclave", set_bytes, "measurement", 32},
    {"--signer", set_bytes, "signer", 0},
    {"--mrsigner", set_bytes, "signer", 32},
    {"--config-id", set_bytes, "config-id", 0},
    {"--report-data", set_bytes, "report-data", 0},
    {"--nonce", set_nonce, "report-data", 0},
    {"--product-id", set_number, "product-id", 0},
    {"--min-svn", set_number, "svn", 0},
    {"--min-tcb", set_tcb, NULL, 0},
    {"--claim", set_claim, NULL, 0},
};

CELLA_RESULT cella_cli_proof_flag(struct cella_cli_proof *proof, const char *command, int argc,
                                  char **argv, int *i, bool *taken) {
    const char *value = NULL;
    *taken = true;
    if (strcmp(argv[*i], "--allow-debug") == 0) {
        proof->expect.allow_debug = true;
        return CELLA_SUCCESS;
    }
    if (strcmp(argv[*i], "--allow-private-memory") == 0) {
        proof->expect.allow_private_memory = true;
        return CELLA_SUCCESS;
    }
    for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++) {
        if (strcmp(flags[f].word, argv[*i]) != 0) continue;
        TRY(cella_cli_value(command, argc, argv, i, &value));
        return flags[f].set(proof, command, &flags[f], value);
    }
    *taken = false;
    return CELLA_SUCCESS;
}
