/* The endpoints of policies (azure-attestation 7.2, 7.3). */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attest/answer.h"
#include "attest/change.h"
#include "attest/managers.h"
#include "attest/policies_inner.h"

enum { WARNINGS = 1 };

/* --- Reading --- */

void cella_policies_get(struct cella_attest_instance *instance, enum cella_attest_type type,
                        const struct cella_http_request *request,
                        struct cella_http_response *response) {
    (void)request;
    struct cella_result r = cella_own_fault(policies_refresh(instance->policies, type));
    if (cella_failed(r)) {
        cella_answer_failure(response, "InternalError", r);
        return;
    }
    const struct policy_item *item = policies_hold(instance->policies, type);
    json_t *claims =
        json_pack("{s:s%}", "x-ms-policy", (const char *)item->jws.data, item->jws.size);
    cella_policies_drop(instance->policies, &item->entry);
    cella_change_answer(instance, claims, response);
}

/* --- Setting and resetting --- */

static void describe(struct cella_change *change, enum cella_attest_type type, const char *action) {
    change->action = action;
    snprintf(change->object, sizeof(change->object), "%s/policies/%s", change->instance->scope,
             cella_attest_type_name(type));
}

/* Routes do not lead here for a shared instance; if they did, it would be refused here. */
static struct cella_result check_mode(const struct cella_attest_instance *instance) {
    ENSURE(instance->settings.mode != CELLA_ATTEST_SHARED, CELLA_ERR_REFUSED,
           "use an instance of your own",
           "attestation instance %s is shared: its policies are the default ones",
           instance->settings.name);
    return CELLA_SUCCESS;
}

/* Within the transaction, so that a certificate that is being removed does not sign any more. */
static struct cella_result check_signer(const struct cella_attest_instance *instance,
                                        struct cella_session *session,
                                        const struct cella_statement *statement) {
    CELLA_MANAGERS managers = {0};
    if (instance->settings.mode != CELLA_ATTEST_ISOLATED) return CELLA_SUCCESS;
    TRY(cella_own_fault(cella_managers_read(instance, session, &managers)));
    return cella_managers_vouch(&managers, statement, (uint64_t)time(NULL));
}

/* Takes the item over once it is stored. */
static struct cella_result store(const struct cella_change *change, enum cella_attest_type type,
                                 const struct cella_statement *statement, struct cella_bytes jws,
                                 struct policy_item **item) {
    const struct cella_attest_instance *instance = change->instance;
    CELLA_SESSION session = NULL;
    uint64_t version = 0;
    TRY(cella_session_begin(instance->database, true, &session));
    TRY(check_signer(instance, session, statement));
    TRY(policies_store(instance, session, type, jws, &version));
    TRY(cella_change_commit(change, &session));
    (*item)->version = version;
    policies_install(instance->policies, type, MOVE(*item));
    return CELLA_SUCCESS;
}

struct reading {
    struct cella_buffer jws;
    struct cella_statement statement;
    struct policy_item *item;
    struct policy_parsing parsing;
};
static void reading_free(struct reading *reading) {
    cella_statement_free(&reading->statement);
    cella_buffer_free(&reading->jws);
    policy_item_free(reading->item);
}
#define READING __attribute__((cleanup(reading_free))) struct reading

static struct cella_result read_policy(struct cella_change *change, struct reading *reading) {
    TRY(check_mode(change->instance));
    TRY(cella_change_read(change, NULL, &reading->jws, &reading->statement));
    return policy_item_of(cella_buffer_bytes(&reading->jws), &reading->statement, &reading->item,
                          &reading->parsing);
}

/* Symbol, line, column and rule, as Azure's service names them, and what was expected. */
static struct cella_result parsing_error(const struct reading *reading,
                                         struct cella_result result) {
    const struct cella_policy_fault *fault = &reading->parsing.fault;
    if (!fault->line) return result;
    struct cella_result told = CELLA_FAILURE(
        cella_code_of(result), NULL,
        "Policy parsing failed at line %u, column %u (%s): unexpected symbol %s, expected %s",
        fault->line, fault->column, fault->path, fault->found, fault->expected);
    cella_result_drop(result);
    return told;
}

static void refuse_reading(const struct cella_change *change, const struct reading *reading,
                           struct cella_result result) {
    if (reading->parsing.failed) result = parsing_error(reading, result);
    cella_change_refuse(change, reading->parsing.failed ? "PolicyParsingError" : "InvalidOperation",
                        result);
}

/* What looks like a mistake is said, and set all the same. */
static void add_warning(const struct cella_policy *policy, struct cella_http_response *response) {
    struct cella_policy_warning warning[WARNINGS];
    char text[sizeof(warning[0].text) + 64];
    bool never = false;
    size_t count = cella_policy_check(policy, warning, WARNINGS, &never);
    if (!count) return;
    snprintf(text, sizeof(text), "%zu; line %u, column %u: %s", count, warning[0].line,
             warning[0].column, warning[0].text);
    for (char *c = text; *c; c++)
        if (*c < ' ' || *c > '~') *c = '?'; /* a policy's text is no header's (K16) */
    cella_http_header_copy(response, "x-cella-policy-warnings", cella_bytes_text(text));
}

static void answer_set(struct cella_change *change, const struct reading *reading) {
    json_t *claims = json_pack("{s:s, s:s}", "x-ms-policy-result", "Updated",
                               "x-ms-policy-token-hash", change->digest);
    if (claims && reading->statement.signer)
        json_object_set(claims, "x-ms-policy-signer", reading->statement.signer);
    cella_change_answer(change->instance, claims, change->response);
}

void cella_policies_put(struct cella_attest_instance *instance, enum cella_attest_type type,
                        const struct cella_caller *caller, const struct cella_http_request *request,
                        struct cella_http_response *response) {
    struct cella_change change = {instance, caller, request, response, .action = NULL};
    READING reading = {.item = NULL};
    describe(&change, type, "policy set");
    struct cella_result r = read_policy(&change, &reading);
    if (cella_failed(r)) {
        refuse_reading(&change, &reading, r);
        return;
    }
    add_warning(reading.item->policy, response);
    r = store(&change, type, &reading.statement, cella_buffer_bytes(&reading.jws), &reading.item);
    if (cella_failed(r))
        cella_change_refuse(&change, "InvalidOperation", r);
    else
        answer_set(&change, &reading);
}

/* A policy that was signed to be set is no word to reset: the payload must be empty. */
static struct cella_result read_reset(struct cella_change *change, enum cella_attest_type type,
                                      struct reading *reading) {
    TRY(check_mode(change->instance));
    TRY(cella_change_read(change, NULL, &reading->jws, &reading->statement));
    ENSURE(reading->statement.jws.payload.size == 0, CELLA_ERR_FORMAT,
           "send a JWS with an empty payload", "the JWS of a reset has a payload of %zu bytes",
           reading->statement.jws.payload.size);
    return policy_item_default(type, &reading->item);
}

void cella_policies_reset(struct cella_attest_instance *instance, enum cella_attest_type type,
                          const struct cella_caller *caller,
                          const struct cella_http_request *request,
                          struct cella_http_response *response) {
    struct cella_change change = {instance, caller, request, response, .action = NULL};
    READING reading = {.item = NULL};
    describe(&change, type, "policy reset");
    struct cella_result r = read_reset(&change, type, &reading);
    if (!cella_failed(r))
        r = store(&change, type, &reading.statement, cella_bytes(NULL, 0), &reading.item);
    if (cella_failed(r))
        cella_change_refuse(&change, "InvalidOperation", r);
    else
        cella_change_answer(instance, json_pack("{s:s}", "x-ms-policy-result", "Removed"),
                            response);
}
