/* The endpoint of TCB baselines (azure-attestation 1.2): which issues of Intel's TCB data this
 * service has, and which one the policy asks for. What is not known (versions of Intel's platform
 * software) is left out. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "attest/answer.h"
#include "attest/change.h"
#include "attest/policies.h"
#include "base/memory.h"
#include "base/moment.h"
#include "evidence/baselines.h"

enum { BASELINES = 64, IDENTIFIER = 32 };

#define DEFAULT_IDENTIFIER "azuredefault"

/* x-ms-sgx-tcbidentifier of the policy's configuration rules; else the default. */
static struct cella_result identifier_of(const struct cella_attest_instance *instance,
                                         enum cella_attest_type type, char identifier[IDENTIFIER]) {
    static const char name[] = "x-ms-sgx-tcbidentifier";
    const struct cella_policy_entry *entry = NULL;
    CELLA_POLICY_OUTCOME outcome = {0};
    snprintf(identifier, IDENTIFIER, DEFAULT_IDENTIFIER);
    TRY(cella_policies_take(instance->policies, type, &entry));
    if (!entry) return CELLA_SUCCESS;
    struct cella_result r = cella_policy_configure(entry->policy, &outcome);
    for (size_t i = 0; !cella_failed(r) && i < outcome.property_count; i++) {
        const struct cella_policy_claim *property = &outcome.property[i];
        struct cella_bytes value = property->value.text;
        if (property->type.size == strlen(name) &&
            cella_equal(property->type.data, name, property->type.size) &&
            property->value.type == CELLA_POLICY_STRING && value.size < IDENTIFIER)
            snprintf(identifier, IDENTIFIER, "%.*s", (int)value.size, (const char *)value.data);
    }
    cella_policies_drop(instance->policies, entry);
    return r;
}

static json_t *baseline_json(const struct cella_tcb_baseline *baseline, const char *identifier,
                             bool selected) {
    json_t *json =
        json_pack("{s:s, s:I, s:b}", "tcbIdentifier", identifier, "tcbEvaluationDataNumber",
                  (json_int_t)baseline->evaluation, "isSelectedTcb", selected);
    char date[CELLA_TIME_TEXT];
    cella_time_show(baseline->date_unix, date);
    if (json && baseline->date_unix) json_object_set_new(json, "tcbReleaseDate", json_string(date));
    return json;
}

/* The default is the newest there is: what is verified with when the policy names none. */
static struct cella_result list(const struct cella_tcb_baseline *baseline, size_t count,
                                const char *identifier, json_t *out) {
    char number[IDENTIFIER];
    int failed = 0;
    if (count)
        failed |= json_array_append_new(
            out, baseline_json(&baseline[0], DEFAULT_IDENTIFIER,
                               strcasecmp(identifier, DEFAULT_IDENTIFIER) == 0));
    for (size_t i = 0; i < count; i++) {
        snprintf(number, sizeof(number), "%" PRIu32, baseline[i].evaluation);
        failed |= json_array_append_new(out, baseline_json(&baseline[i], number,
                                                           strcmp(identifier, number) == 0));
    }
    ENSURE(!failed, CELLA_ERR_MEMORY, NULL, "no memory for the list of baselines");
    return CELLA_SUCCESS;
}

static struct cella_result collect(const struct cella_attest_instance *instance,
                                   enum cella_attest_type type, json_t *out) {
    struct cella_tcb_baseline baseline[BASELINES];
    char identifier[IDENTIFIER];
    void *hold = NULL;
    bool tdx = type == CELLA_ATTEST_TDX;
    if (!tdx && type != CELLA_ATTEST_SGX && type != CELLA_ATTEST_OPEN_ENCLAVE)
        return CELLA_SUCCESS; /* the others have no numbered baselines */
    const struct cella_collateral *collateral = cella_trust_take(instance->trust, &hold);
    size_t count = cella_collateral_baselines(collateral, tdx, baseline, BASELINES);
    cella_trust_drop(instance->trust, hold);
    TRY(identifier_of(instance, type, identifier));
    return list(baseline, count < BASELINES ? count : BASELINES, identifier, out);
}

void cella_baselines_get(struct cella_attest_instance *instance, enum cella_attest_type type,
                         const struct cella_http_request *request,
                         struct cella_http_response *response) {
    (void)request;
    CELLA_JSON body = json_pack("{s:[]}", "tcbBaselines");
    struct cella_result r =
        cella_own_fault(collect(instance, type, json_object_get(body, "tcbBaselines")));
    if (cella_failed(r))
        cella_answer_failure(response, "InternalError", r);
    else
        cella_answer_json(response, 200, body);
}
