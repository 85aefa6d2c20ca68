#include "attest/tpm_claims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "attest/lenient.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"

typedef struct cella_policy_claims claims_;

static void put_boolean(claims_ *to, const char *name, bool value) {
    cella_policy_claims_boolean(to, name, value, CELLA_POLICY_SERVICE);
}

/* --- JSON claims --- */

static struct cella_result put_json(claims_ *to, const char *name, const json_t *value,
                                    bool read_only) {
    char *text = json_dumps(value, JSON_COMPACT);
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for %s", name);
    size_t size = strlen(text);
    if (size <= CELLA_POLICY_VALUE_MAX)
        cella_policy_claims_text(to, name, cella_bytes(text, size), CELLA_POLICY_SERVICE);
    if (size <= CELLA_POLICY_VALUE_MAX && read_only) cella_policy_claims_read_only(to);
    free(text);
    ENSURE(size <= CELLA_POLICY_VALUE_MAX, CELLA_ERR_LIMIT, "send a log with fewer events",
           "%s: %zu bytes of JSON, at most %d fit a policy's value", name, size,
           CELLA_POLICY_VALUE_MAX);
    return CELLA_SUCCESS;
}

static struct cella_result put_measured(const struct cella_tpm_checked *checked, claims_ *to) {
    CELLA_JSON pcrs = NULL;
    CELLA_JSON boot = NULL;
    TRY(put_json(to, "events", checked->events, false));
    TRY(cella_tpm_pcrs_json(&checked->current, &pcrs));
    TRY(put_json(to, "pcrs", pcrs, true)); /* azure-attestation 9.6: not to be issued */
    if (!checked->boot_events) return CELLA_SUCCESS;
    TRY(put_json(to, "bootEvents", checked->boot_events, false));
    TRY(cella_tpm_pcrs_json(&checked->boot, &boot));
    return put_json(to, "bootPcrs", boot, true);
}

/* --- Claims of versions 1.0 and 1.1 --- */

/* Those that say something good are there when the log says something of it, and true only when it
 * says nothing to the contrary. */
static void put_facts(const struct cella_boot_facts *facts, claims_ *to) {
    static const struct {
        enum cella_boot_fact fact;
        bool good; /* what it should be */
        const char *name;
    } names[] = {
        {CELLA_BOOT_SECURE_BOOT, true, "secureBootEnabled"},
        {CELLA_BOOT_BOOT_DEBUGGING, false, "bootDebuggingDisabled"},
        {CELLA_BOOT_SAFE_MODE, false, "notSafeMode"},
        {CELLA_BOOT_WINPE, false, "notWinPE"},
        {CELLA_BOOT_VBS_REQUIRED, true, "vbsEnabled"},
        {CELLA_BOOT_VBS_IOMMU, true, "iommuEnabled"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        enum cella_boot_fact fact = names[i].fact;
        if (!cella_boot_said(facts, fact)) continue;
        put_boolean(to, names[i].name,
                    names[i].good ? cella_boot_is(facts, fact) : cella_boot_isnt(facts, fact));
    }
}

/* Base64(SHA-256(SubjectPublicKeyInfo)). */
static struct cella_result put_key_hash(const struct cella_tpm_request *request, claims_ *to) {
    CELLA_BUFFER text = {0};
    uint8_t digest[CELLA_SHA256_SIZE];
    TRY(cella_sha256(cella_spki_bytes(&request->ak), digest));
    TRY(cella_base64_encode(CELLA_BYTES_OF(digest), false, &text));
    cella_policy_claims_text(to, "aikPubHash", cella_buffer_bytes(&text), CELLA_POLICY_SERVICE);
    return CELLA_SUCCESS;
}

/* --- Custom claims --- */

static bool read_integer(const char *text, int64_t *out) {
    bool negative = text[0] == '-';
    uint64_t number = 0;
    if (!cella_number_read(text + negative, &number) || number > INT64_MAX) return false;
    *out = negative ? -(int64_t)number : (int64_t)number;
    return true;
}

static struct cella_result put_custom(const json_t *item, const char *url, claims_ *to) {
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *text = json_string_value(json_object_get(item, "value"));
    const char *type = json_string_value(json_object_get(item, "value_type"));
    char full[512];
    int64_t integer = 0;
    int size = snprintf(full, sizeof(full), "%s/custom/%s", url, name);
    ENSURE(size > 0 && (size_t)size < sizeof(full), CELLA_ERR_LIMIT, NULL,
           "custom_claims: a name of %d characters", size);
    if (!type || strcasecmp(type, "string") == 0) {
        cella_policy_claims_text(to, full, cella_bytes_text(text), CELLA_POLICY_CUSTOM_CLAIM);
    } else if (strcasecmp(type, "integer") == 0) {
        ENSURE(read_integer(text, &integer), CELLA_ERR_FORMAT, NULL,
               "custom_claims: %s: expected a whole number", name);
        cella_policy_claims_integer(to, full, integer, CELLA_POLICY_CUSTOM_CLAIM);
    } else if (strcasecmp(type, "boolean") == 0) {
        bool yes = strcasecmp(text, "true") == 0;
        ENSURE(yes || strcasecmp(text, "false") == 0, CELLA_ERR_FORMAT, NULL,
               "custom_claims: %s: expected true or false", name);
        cella_policy_claims_boolean(to, full, yes, CELLA_POLICY_CUSTOM_CLAIM);
    } else {
        FAIL(CELLA_ERR_FORMAT, NULL,
             "custom_claims: %s: value_type: expected String, Integer or Boolean", name);
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tpm_claims(const struct cella_tpm_request *request,
                              const struct cella_tpm_checked *checked, const char *url,
                              struct cella_policy_claims *claims, json_t **service) {
    put_boolean(claims, "aikValidated", checked->aik_validated);
    put_boolean(claims, "attestKeyBound", checked->key_bound);
    put_boolean(claims, "vbsReportPresent", false);
    put_boolean(claims, "vsmReportPresent", false);
    cella_policy_claims_integer(claims, "tpmVersion", 2, CELLA_POLICY_SERVICE);
    TRY(put_key_hash(request, claims));
    put_facts(&checked->facts, claims);
    TRY(put_measured(checked, claims));
    for (size_t i = 0; i < request->custom_count; i++)
        TRY(put_custom(request->custom[i], url, claims));
    TRY(cella_policy_claims_result(claims));
    CELLA_JSON key = cella_jose_key_members(request->attest_key);
    *service = json_pack("{s:s, s:{s:O}}", "x-ms-attestation-type", "tpm", "cnf", "jwk", key);
    const char *rp_data = request->rp_data ? json_string_value(request->rp_data) : NULL;
    bool good = *service &&
                (!rp_data || json_object_set_new(*service, "rp_data", json_string(rp_data)) == 0);
    ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for claims");
    return CELLA_SUCCESS;
}
