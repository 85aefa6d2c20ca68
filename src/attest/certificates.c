/* The endpoints of policy management certificates (azure-attestation 8). */
#include <stdio.h>
#include <time.h>

#include "attest/answer.h"
#include "attest/change.h"
#include "attest/managers.h"
#include "attest/policies.h"
#include "base/text.h"

/* --- Listing --- */

static json_t *jwk_of(struct cella_bytes der) {
    CELLA_BUFFER text = {0};
    struct cella_jose_key *key = NULL;
    struct cella_result r = cella_jose_key_certificate(der, &key);
    if (!cella_failed(r)) r = cella_base64_encode(der, false, &text);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    if (!good) {
        cella_jose_key_free(&key);
        return NULL;
    }
    unsigned algorithms = cella_jose_key_algorithms(key);
    unsigned algorithm = algorithms & CELLA_JOSE_RS256 ? (unsigned)CELLA_JOSE_RS256 : algorithms;
    bool rsa = cella_jose_key_kind(key) == CELLA_JOSE_RSA;
    cella_jose_key_free(&key);
    return json_pack("{s:s, s:s, s:s, s:[s%]}", "alg", cella_jose_name(algorithm), "kty",
                     rsa ? "RSA" : "EC", "use", "sig", "x5c", (const char *)text.data, text.size);
}

static struct cella_result list(const struct cella_attest_instance *instance, json_t *keys) {
    CELLA_MANAGERS managers = {0};
    CELLA_SESSION session = NULL;
    if (instance->settings.mode != CELLA_ATTEST_ISOLATED) return CELLA_SUCCESS;
    TRY(cella_session_begin(instance->database, false, &session));
    TRY(cella_own_fault(cella_managers_read(instance, session, &managers)));
    for (size_t i = 0; i < managers.count; i++)
        ENSURE(json_array_append_new(keys, jwk_of(cella_buffer_bytes(&managers.item[i].der))) == 0,
               CELLA_ERR_INTERNAL, NULL, "a policy management certificate cannot be shown");
    return CELLA_SUCCESS;
}

void cella_certificates_get(struct cella_attest_instance *instance,
                            const struct cella_http_request *request,
                            struct cella_http_response *response) {
    (void)request;
    CELLA_JSON keys = json_array();
    struct cella_result r = list(instance, keys);
    if (cella_failed(r))
        cella_answer_failure(response, "InternalError", r);
    else
        cella_change_answer(
            instance, json_pack("{s:{s:O}}", "x-ms-policy-certificates", "keys", keys), response);
}

/* --- Changing --- */

static struct cella_result check_mode(const struct cella_attest_instance *instance) {
    ENSURE(instance->settings.mode == CELLA_ATTEST_ISOLATED, CELLA_ERR_REFUSED,
           "use an isolated instance",
           "attestation instance %s is not isolated: it has no policy management certificates",
           instance->settings.name);
    return CELLA_SUCCESS;
}

static struct cella_result carry_out(struct cella_change *change, bool add,
                                     const struct cella_statement *statement,
                                     struct cella_bytes der) {
    const struct cella_attest_instance *instance = change->instance;
    uint64_t now_unix = (uint64_t)time(NULL);
    CELLA_MANAGERS managers = {0};
    CELLA_SESSION session = NULL;
    TRY(cella_session_begin(instance->database, true, &session));
    TRY(cella_own_fault(cella_managers_read(instance, session, &managers)));
    TRY(cella_managers_vouch(&managers, statement, now_unix));
    if (add)
        TRY(cella_managers_add(instance, session, &managers, der, now_unix));
    else
        TRY(cella_managers_remove(instance, session, &managers, der, now_unix));
    return cella_change_commit(change, &session);
}

static struct cella_result change_list(struct cella_change *change, bool add) {
    CELLA_BUFFER jws = {0}, der = {0};
    CELLA_STATEMENT statement = {0};
    TRY(check_mode(change->instance));
    TRY(cella_change_read(change, add ? "policyCertificateToAdd" : "policyCertificateToRemove",
                          &jws, &statement));
    TRY(cella_statement_certificate(&statement, &der));
    TRY(cella_thumbprint(cella_buffer_bytes(&der), change->detail));
    return carry_out(change, add, &statement, cella_buffer_bytes(&der));
}

void cella_certificates_change(struct cella_attest_instance *instance, bool add,
                               const struct cella_caller *caller,
                               const struct cella_http_request *request,
                               struct cella_http_response *response) {
    struct cella_change change = {instance, caller, request, response,
                                  .action = add ? "certificate add" : "certificate remove"};
    snprintf(change.object, sizeof(change.object), "%s/certificates", instance->scope);
    struct cella_result r = change_list(&change, add);
    if (cella_failed(r))
        cella_change_refuse(&change, "InvalidOperation", r);
    else
        cella_change_answer(instance,
                            json_pack("{s:s, s:s}", "x-ms-certificate-thumbprint", change.detail,
                                      "x-ms-policycertificates-result",
                                      add ? "IsPresent" : "IsAbsent"),
                            response);
}
