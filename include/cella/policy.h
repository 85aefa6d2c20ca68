/* Policies: Azure Attestation's policy language, versions 1.0, 1.1 and 1.2, over the claims of
 * verified evidence (docs/formats/policy.md).
 *
 * A policy is compiled once into an immutable object, which any number of threads may evaluate at
 * the same time. Evaluation is pure: no clock, no network, no global state; all it needs it
 * allocates for itself within the limits below. Whatever goes wrong denies: nothing is permitted
 * but by a permit() that was reached without a deny() and without an error (A35, A38).
 */
#ifndef CELLA_POLICY_H
#define CELLA_POLICY_H

#include <cella/bytes.h>
#include <cella/claims.h>
#include <cella/result.h>
#include <stdint.h>

/* Limits (A29). What is above is refused: at compile time as an error, at evaluation as a denial
 * with an error. */
enum {
    CELLA_POLICY_TEXT_MAX = 256 << 10,  /* bytes of a policy */
    CELLA_POLICY_RULES_MAX = 1024,      /* in all sections */
    CELLA_POLICY_CONDITIONS_MAX = 32,   /* in a rule */
    CELLA_POLICY_MATCHES_MAX = 16,      /* in a condition */
    CELLA_POLICY_NESTING_MAX = 16,      /* function calls within each other */
    CELLA_POLICY_QUERY_MAX = 16 << 10,  /* bytes of a JMESPath query */
    CELLA_POLICY_QUERY_DEPTH_MAX = 128, /* of its tree: a.b.c is three deep */
    CELLA_POLICY_JSON_DEPTH_MAX = 32,
    CELLA_POLICY_CLAIMS_MAX = 4096,   /* incoming ones and those that rules add */
    CELLA_POLICY_VALUE_MAX = 1 << 20, /* bytes of one value */
    CELLA_POLICY_STEPS_MAX = 2000000, /* claims looked at, values made, nodes of queries visited */
    CELLA_POLICY_MEMORY_MAX = 64 << 20, /* bytes of one evaluation */
};

/* --- Claims of the language --- */

enum cella_policy_value_type { CELLA_POLICY_STRING, CELLA_POLICY_INTEGER, CELLA_POLICY_BOOLEAN };

enum cella_policy_issuer {
    CELLA_POLICY_CUSTOM_CLAIM, /* "CustomClaim": the attested party's own word */
    CELLA_POLICY_SERVICE,      /* "AttestationService": from evidence */
    CELLA_POLICY_POLICY,       /* "AttestationPolicy": added by a rule */
};
/* The words above; static. */
const char *cella_policy_issuer_name(enum cella_policy_issuer issuer);
const char *cella_policy_value_type_name(enum cella_policy_value_type type);

struct cella_policy_value {
    enum cella_policy_value_type type;
    bool read_only;          /* may be looked at, never issued */
    int64_t integer;         /* also a boolean, as 0 or 1 */
    struct cella_bytes text; /* of a string: UTF-8 */
};

struct cella_policy_claim {
    struct cella_bytes type; /* its name */
    struct cella_policy_value value;
    enum cella_policy_issuer issuer;
};

/* A list of claims that owns them; several may have one type. Errors stick: add freely, then check
 * _result once. */
struct cella_policy_claims;
CELLA_RESULT cella_policy_claims_new(struct cella_policy_claims **out);
void cella_policy_claims_free(struct cella_policy_claims **claims);
void cella_policy_claims_text(struct cella_policy_claims *claims, const char *type,
                              struct cella_bytes text, enum cella_policy_issuer issuer);
void cella_policy_claims_integer(struct cella_policy_claims *claims, const char *type,
                                 int64_t integer, enum cella_policy_issuer issuer);
void cella_policy_claims_boolean(struct cella_policy_claims *claims, const char *type, bool value,
                                 enum cella_policy_issuer issuer);
/* Makes the claim added last read-only. */
void cella_policy_claims_read_only(struct cella_policy_claims *claims);
CELLA_RESULT cella_policy_claims_result(const struct cella_policy_claims *claims);
const struct cella_policy_claim *cella_policy_claims_at(const struct cella_policy_claims *claims,
                                                        size_t *count);
/* Adds the claims of a JSON object, as in a token (strings, integers, booleans; a list gives
 * several claims; an object becomes a string of JSON), or of a list of {"type", "value", "issuer",
 * "valueType", "readOnly"}. Strict JSON (A29). The issuer of a claim that names none is the one
 * given. */
CELLA_RESULT cella_policy_claims_json(struct cella_policy_claims *claims, struct cella_bytes json,
                                      enum cella_policy_issuer issuer);
/* Adds verified claims under the names of Azure Attestation for their TEE (docs/formats/policy.md),
 * and with own_names also under cella's. */
void cella_policy_claims_verified(struct cella_policy_claims *claims,
                                  const struct cella_claimset *verified, bool own_names);

/* --- A policy --- */

struct cella_policy;

/* Where a text is wrong, for a caller that shows it; lines and columns count from 1, columns in
 * bytes. */
struct cella_policy_fault {
    uint32_t line, column;
    char path[64]; /* "policy > authorizationrules > rule 2 > condition 1" */
    char expected[160];
    char found[80];
};

/* CELLA_ERR_FORMAT for a text that is no policy, CELLA_ERR_UNSUPPORTED for another version,
 * CELLA_ERR_LIMIT. The error names line, column, expected and found; fault, unless NULL, has the
 * same in parts. */
CELLA_RESULT cella_policy_compile(struct cella_bytes text, struct cella_policy **out,
                                  struct cella_policy_fault *fault);
void cella_policy_free(struct cella_policy **policy);
/* 10, 11 or 12. */
uint32_t cella_policy_version(const struct cella_policy *policy);
uint32_t cella_policy_rule_count(const struct cella_policy *policy);

/* What looks like a mistake: a policy or rule that can never permit, claims no TEE has, claims that
 * cannot be issued. */
struct cella_policy_warning {
    uint32_t line, column;
    char text[256];
};
/* Writes at most max warnings, in the order of the text; returns how many there are.
 * *never_permits: no claims whatever can pass. */
size_t cella_policy_check(const struct cella_policy *policy, struct cella_policy_warning *warning,
                          size_t max, bool *never_permits);

/* --- Evaluation --- */

enum cella_policy_verdict {
    CELLA_POLICY_DENIED = 0,
    CELLA_POLICY_PERMITTED = 1
}; /* A35: the default denies */

/* Why a condition did not hold, or which claim held it. */
struct cella_policy_condition_trace {
    struct cella_bytes text; /* as written */
    bool reached;            /* conditions after one that fails are not looked at */
    bool held;
    uint32_t matched;   /* claims */
    char expected[256]; /* what the nearest claim did not meet: "value == 1" */
    char found[256];    /* "2 (Integer, AttestationService)", or "no claim of type x" */
};

struct cella_policy_rule_trace {
    const char *section; /* "configurationrules", "authorizationrules", "issuancerules" */
    uint32_t line, column;
    struct cella_bytes text; /* as written */
    struct cella_bytes action;
    bool fired;
    uint32_t made;    /* claims that the action added */
    const char *note; /* static: why an action had no effect, or NULL */
    uint32_t condition_count;
    const struct cella_policy_condition_trace *condition;
};

struct cella_policy_outcome {
    enum cella_policy_verdict verdict;
    uint32_t permits, denies; /* how many fired */
    struct cella_policy_fault
        error;          /* line 0: none; else what could not be evaluated, which denies */
    const char *reason; /* static, one sentence; of the verdict */
    const struct cella_policy_claim *issued; /* empty unless permitted */
    size_t issued_count;
    const struct cella_policy_claim *property; /* by issueproperty(), in order */
    size_t property_count;
    const struct cella_policy_rule_trace *trace; /* of the rules reached; only when asked for */
    size_t trace_count;
    uint64_t steps;
    void *memory; /* owns all of the above */
};
void cella_policy_outcome_free(struct cella_policy_outcome *outcome);
#define CELLA_POLICY_OUTCOME                                                                       \
    __attribute__((cleanup(cella_policy_outcome_free))) struct cella_policy_outcome

/* Success means that the evaluation was carried out, whatever the verdict; errors are for memory
 * alone. The texts in the outcome point into the claims and the policy: both must outlive it. */
CELLA_RESULT cella_policy_evaluate(const struct cella_policy *policy,
                                   const struct cella_policy_claim *claim, size_t count, bool trace,
                                   struct cella_policy_outcome *out);
/* The configuration rules alone, which come before the evidence is verified: fills only property
 * and error. */
CELLA_RESULT cella_policy_configure(const struct cella_policy *policy,
                                    struct cella_policy_outcome *out);

#endif
