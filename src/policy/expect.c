#include "policy/expect.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/moment.h"
#include "base/text.h"

/* --- What is expected --- */

static struct cella_result next(struct cella_expect *expect, struct cella_expectation **out) {
    ENSURE(expect->count < CELLA_EXPECT_MAX, CELLA_ERR_LIMIT, NULL, "more than %d expectations",
           CELLA_EXPECT_MAX);
    *out = &expect->item[expect->count++];
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_expect_bytes(struct cella_expect *expect, enum cella_expect_kind kind,
                                const char *label, const char *claim, struct cella_bytes bytes) {
    struct cella_expectation *item = NULL;
    ENSURE(bytes.size > 0 && bytes.size <= CELLA_EXPECT_BYTES_MAX, CELLA_ERR_USAGE, NULL,
           "%s: expected 1 to %d bytes, found %zu", label, CELLA_EXPECT_BYTES_MAX, bytes.size);
    TRY(next(expect, &item));
    *item = (struct cella_expectation){
        .kind = kind, .claim = claim, .label = label, .size = bytes.size};
    cella_copy(item->bytes, bytes.data, bytes.size);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_expect_root(struct cella_expect *expect, struct cella_bytes measurement) {
    ENSURE(measurement.size == CELLA_EXPECT_ROOT_SIZE, CELLA_ERR_USAGE, NULL,
           "root-measurement: expected %d bytes, found %zu", CELLA_EXPECT_ROOT_SIZE,
           measurement.size);
    ENSURE(expect->root_count < CELLA_EXPECT_ROOT_MAX, CELLA_ERR_LIMIT, NULL,
           "more than %d root measurements", CELLA_EXPECT_ROOT_MAX);
    cella_copy(expect->root_measurement[expect->root_count++], measurement.data, measurement.size);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_expect_number(struct cella_expect *expect, enum cella_expect_kind kind,
                                 const char *label, const char *claim, uint64_t number) {
    struct cella_expectation *item = NULL;
    TRY(next(expect, &item));
    *item =
        (struct cella_expectation){.kind = kind, .claim = claim, .label = label, .number = number};
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_expect_spelled(struct cella_expect *expect, const char *claim,
                                  const char *text) {
    struct cella_expectation *item = NULL;
    TRY(next(expect, &item));
    *item = (struct cella_expectation){
        .kind = CELLA_EXPECT_SPELLED, .claim = claim, .label = claim, .text = text};
    return CELLA_SUCCESS;
}

bool cella_expects(const struct cella_expect *expect, const char *claim) {
    for (uint32_t i = 0; i < expect->count; i++)
        if (strcmp(expect->item[i].claim, claim) == 0) return true;
    return false;
}

/* --- What was found --- */

/* The claim of that name; NULL when it is absent, and when it is there more than once without being
 * a list: evidence that can add claims of its own must not be able to have two answers to one
 * question (A38). */
static const struct cella_claim *find(const struct cella_claimset *claims, const char *name) {
    const struct cella_claim *found = NULL;
    for (size_t i = 0; i < cella_claimset_count(claims); i++) {
        const struct cella_claim *claim = cella_claimset_at(claims, i);
        if (strcmp(claim->name, name) != 0) continue;
        if (found && !claim->list) return NULL;
        if (!found) found = claim;
    }
    return found;
}

/* The value as text, "" when it is none. */
static void text_of(const struct cella_claimset *claims, const char *name, char *text,
                    size_t size) {
    const struct cella_claim *claim = find(claims, name);
    text[0] = 0;
    if (claim && claim->type == CELLA_CLAIM_TEXT && !claim->list)
        cella_claim_show(claim, text, size);
}

/* The next check, not held until someone says so. */
static struct cella_check *add(struct cella_appraisal *a, const char *claim, const char *hint) {
    struct cella_check *check = &a->check[a->count++];
    *check = (struct cella_check){.claim = claim, .hint = hint};
    return check;
}

static void say_found(struct cella_check *check, const struct cella_claim *claim) {
    if (claim)
        cella_claim_show(claim, check->found, sizeof(check->found));
    else
        snprintf(check->found, sizeof(check->found), "no such claim");
}

/* --- What is always asked --- */

static bool is_software(const struct cella_claimset *claims) {
    char tee[16];
    text_of(claims, "tee", tee, sizeof(tee));
    return strcmp(tee, "software") == 0;
}

static void check_tee(const struct cella_expect *expect, const struct cella_claimset *claims,
                      struct cella_appraisal *out) {
    bool software = is_software(claims);
    struct cella_check *tee =
        add(out, "tee",
            software ? "--allow software:LEVEL, knowing what that level does not stop"
                     : "give evidence that says what made it");
    snprintf(tee->expected, sizeof(tee->expected),
             expect->allow_software ? "software or hardware" : "hardware");
    text_of(claims, "tee", tee->found, sizeof(tee->found));
    tee->held = tee->found[0] && (!software || expect->allow_software);
    if (!tee->found[0]) snprintf(tee->found, sizeof(tee->found), "no such claim");
}

static void check_software(const struct cella_expect *expect, const struct cella_claimset *claims,
                           struct cella_appraisal *out) {
    struct cella_check *level =
        add(out, "assurance", "`cella doctor` on that machine says how to reach a higher level");
    snprintf(level->expected, sizeof(level->expected),
             expect->allow_software ? "S%u or higher" : "hardware", expect->min_assurance);
    text_of(claims, "assurance", level->found, sizeof(level->found));
    bool known = level->found[0] == 'S' && level->found[1] >= '0' && level->found[1] <= '3' &&
                 !level->found[2];
    level->held = expect->allow_software && known &&
                  (uint32_t)(level->found[1] - '0') >= expect->min_assurance;
    struct cella_check *memory =
        add(out, "memory", "run it where memfd_secret works, or --allow-private-memory");
    snprintf(memory->expected, sizeof(memory->expected),
             expect->allow_private_memory ? "any" : "secret");
    text_of(claims, "software.memory", memory->found, sizeof(memory->found));
    memory->held = expect->allow_private_memory || strcmp(memory->found, "secret") == 0;
}

static bool measurement_pinned(const struct cella_expect *expect, const struct cella_claim *claim) {
    if (!claim || claim->type != CELLA_CLAIM_BYTES || claim->list ||
        claim->bytes.size != CELLA_EXPECT_ROOT_SIZE)
        return false;
    for (uint32_t i = 0; i < expect->root_count; i++)
        if (cella_equal(expect->root_measurement[i], claim->bytes.data, CELLA_EXPECT_ROOT_SIZE))
            return true;
    return false;
}

/* What covers the kernel: SNP's one measurement (with direct boot), TDX's runtime measurements,
 * whose own checks are among the expectations. */
static bool kernel_pinned(const struct cella_expect *expect, const char *root) {
    return strcmp(root, "snp") == 0 ||
           (strcmp(root, "tdx") == 0 && cella_expects(expect, "tdx.rtmr1") &&
            cella_expects(expect, "tdx.rtmr2"));
}

/* The guest that the platform runs in. The platform's own word for S3 is worth what runs there, and
 * that only the caller can say (A23). */
static void check_root(const struct cella_expect *expect, const struct cella_claimset *claims,
                       struct cella_appraisal *out) {
    bool s3 = expect->allow_software && expect->min_assurance == 3;
    if (!s3 && expect->root_count == 0) return;
    char root[16];
    text_of(claims, "root", root, sizeof(root));
    const struct cella_claim *measurement = find(claims, "root-measurement");
    const struct cella_claim *debug = find(claims, "root-debug");
    bool off = debug && debug->type == CELLA_CLAIM_BOOLEAN && !debug->list && debug->number == 0;
    bool hardware = strcmp(root, "snp") == 0 || strcmp(root, "tdx") == 0;
    bool pinned = hardware && off && measurement_pinned(expect, measurement);
    bool kernel = !s3 || kernel_pinned(expect, root);
    struct cella_check *check =
        add(out, "root-measurement",
            !hardware ? "run the platform in a confidential VM with --root snp or tdx"
            : expect->root_count == 0 ? "give the guest's measurement: --root-measurement HEX"
            : pinned ? "also give --claim tdx.rtmr1=HEX and tdx.rtmr2=HEX: they cover the kernel"
                     : "another guest runs there, or another build of it");
    snprintf(check->expected, sizeof(check->expected),
             expect->root_count ? "a guest whose measurement was given" : "a measurement given");
    say_found(check, measurement);
    check->held = pinned && kernel;
}

/* A TPM, and a token about one, has no debug mode of its own to tell of. */
static bool has_no_debug(const struct cella_claimset *claims) {
    char tee[16];
    text_of(claims, "tee", tee, sizeof(tee));
    return strcmp(tee, "tpm") == 0;
}

/* A03 (T10): on every TEE. */
static void check_debug(const struct cella_expect *expect, const struct cella_claimset *claims,
                        struct cella_appraisal *out) {
    const struct cella_claim *claim = find(claims, "debug");
    if (!claim && !cella_claimset_find(claims, "debug") && has_no_debug(claims)) return;
    struct cella_check *debug =
        add(out, "debug", "run it without debug, or --allow-debug for a test");
    snprintf(debug->expected, sizeof(debug->expected), expect->allow_debug ? "any" : "no");
    say_found(debug, claim);
    bool off = claim && claim->type == CELLA_CLAIM_BOOLEAN && !claim->list && claim->number == 0;
    debug->held = expect->allow_debug || off;
}

/* --- What the caller asks --- */

static const char *hint_of(const char *claim) {
    static const char *const hints[][2] = {
        {"measurement", "another program, or another build of it, runs there"},
        {"signer", "it was signed with another key"},
        {"product-id", "another product of the same signer"},
        {"svn", "run a newer version of the image"},
        {"config-id", "it was started with another config id"},
        {"report-data", "the evidence was made for another question: ask for new evidence"},
    };
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
        if (strcmp(hints[i][0], claim) == 0) return hints[i][1];
    return "`cella verify` without it shows all claims";
}

static bool rest_zero(struct cella_bytes bytes, size_t from) {
    for (size_t i = from; i < bytes.size; i++)
        if (bytes.data[i]) return false;
    return true;
}

static bool bytes_hold(const struct cella_expectation *e, const struct cella_claim *claim) {
    if (claim->type != CELLA_CLAIM_BYTES || claim->list) return false;
    size_t size = claim->bytes.size;
    bool sized = e->kind == CELLA_EXPECT_NONCE ? size >= e->size : size == e->size;
    return sized && cella_equal(e->bytes, claim->bytes.data, e->size) &&
           rest_zero(claim->bytes, e->size);
}

static bool number_holds(const struct cella_expectation *e, const struct cella_claim *claim) {
    if (claim->type != CELLA_CLAIM_NUMBER || claim->list) return false;
    return e->kind == CELLA_EXPECT_NUMBER ? claim->number == e->number : claim->number >= e->number;
}

static bool hex_holds(const char *text, struct cella_bytes bytes) {
    CELLA_BUFFER wanted = {0};
    struct cella_result r = cella_hex_decode_all(cella_bytes_text(text), &wanted);
    bool held = !cella_failed(r) && wanted.size == bytes.size &&
                cella_equal(wanted.data, bytes.data, bytes.size);
    cella_result_drop(r);
    return held;
}

/* Typed: "1" is no text 1, and nothing is true but true (A38). */
static bool spelling_holds(const char *text, const struct cella_claim *claim) {
    uint64_t number = 0;
    switch (claim->type) {
    case CELLA_CLAIM_TEXT:
        return strlen(text) == claim->bytes.size &&
               cella_equal(text, claim->bytes.data, claim->bytes.size);
    case CELLA_CLAIM_BYTES: return hex_holds(text, claim->bytes);
    case CELLA_CLAIM_NUMBER: return cella_number_read(text, &number) && number == claim->number;
    case CELLA_CLAIM_BOOLEAN: return strcmp(text, claim->number ? "true" : "false") == 0;
    case CELLA_CLAIM_TIME: break;
    }
    return cella_time_read(text, &number) && number == claim->number;
}

static bool any_holds(const struct cella_claimset *claims, const struct cella_expectation *e,
                      const struct cella_claim *first) {
    if (!first->list) return spelling_holds(e->text, first);
    for (size_t i = 0; i < cella_claimset_count(claims); i++) {
        const struct cella_claim *claim = cella_claimset_at(claims, i);
        if (strcmp(claim->name, e->claim) == 0 && spelling_holds(e->text, claim)) return true;
    }
    return false;
}

static void say_expected(const struct cella_expectation *e, char text[CELLA_CHECK_TEXT]) {
    switch (e->kind) {
    case CELLA_EXPECT_BYTES:
    case CELLA_EXPECT_NONCE:
        cella_hex_encode(cella_bytes(e->bytes, e->size), text);
        if (e->kind == CELLA_EXPECT_NONCE && e->size < CELLA_EXPECT_BYTES_MAX - 8)
            snprintf(text + 2 * e->size, CELLA_CHECK_TEXT - 2 * e->size, " then zeros");
        return;
    case CELLA_EXPECT_NUMBER:
    case CELLA_EXPECT_AT_LEAST:
        snprintf(text, CELLA_CHECK_TEXT, "%llu%s", (unsigned long long)e->number,
                 e->kind == CELLA_EXPECT_AT_LEAST ? " or higher" : "");
        return;
    case CELLA_EXPECT_SPELLED: snprintf(text, CELLA_CHECK_TEXT, "%s", e->text); return;
    }
}

static void check_expectation(const struct cella_expectation *e,
                              const struct cella_claimset *claims, struct cella_appraisal *out) {
    const struct cella_claim *claim = find(claims, e->claim);
    struct cella_check *check = add(out, e->label, hint_of(e->claim));
    say_expected(e, check->expected);
    say_found(check, claim);
    if (!claim) return;
    switch (e->kind) {
    case CELLA_EXPECT_BYTES:
    case CELLA_EXPECT_NONCE: check->held = bytes_hold(e, claim); return;
    case CELLA_EXPECT_NUMBER:
    case CELLA_EXPECT_AT_LEAST: check->held = number_holds(e, claim); return;
    case CELLA_EXPECT_SPELLED: check->held = any_holds(claims, e, claim); return;
    }
}

void cella_appraise(const struct cella_expect *expect, const struct cella_claimset *claims,
                    struct cella_appraisal *out) {
    cella_zero(out, sizeof(*out));
    check_tee(expect, claims, out);
    check_debug(expect, claims, out);
    if (is_software(claims)) check_software(expect, claims, out);
    if (is_software(claims) || expect->root_count > 0) check_root(expect, claims, out);
    for (uint32_t i = 0; i < expect->count; i++) check_expectation(&expect->item[i], claims, out);
    if (out->count > 0 && !cella_appraisal_failed(out)) out->verdict = CELLA_VERDICT_ACCEPT;
}

const struct cella_check *cella_appraisal_failed(const struct cella_appraisal *appraisal) {
    for (uint32_t i = 0; i < appraisal->count; i++)
        if (!appraisal->check[i].held) return &appraisal->check[i];
    return NULL;
}

CELLA_RESULT cella_appraisal_result(const struct cella_appraisal *appraisal) {
    const struct cella_check *check = cella_appraisal_failed(appraisal);
    ENSURE(!check, CELLA_ERR_REFUSED, check->hint, "policy: %s: expected %s, found %s",
           check->claim, check->expected, check->found);
    ENSURE(appraisal->verdict == CELLA_VERDICT_ACCEPT, CELLA_ERR_REFUSED, NULL,
           "policy: nothing was appraised");
    return CELLA_SUCCESS;
}
