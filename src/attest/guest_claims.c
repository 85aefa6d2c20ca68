#include "attest/guest_claims.h"

#include <stdlib.h>
#include <string.h>

#include "attest/tpm_events.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/jose.h"

typedef struct cella_policy_claims claims_;

/* --- Values --- */

static void put_text(claims_ *to, const char *name, struct cella_bytes text) {
    if (text.size) cella_policy_claims_text(to, name, text, CELLA_POLICY_SERVICE);
}
static void put_boolean(claims_ *to, const char *name, bool value) {
    cella_policy_claims_boolean(to, name, value, CELLA_POLICY_SERVICE);
}

static json_t *value_json(const struct cella_policy_value *value) {
    switch (value->type) {
    case CELLA_POLICY_INTEGER: return json_integer(value->integer);
    case CELLA_POLICY_BOOLEAN: return json_boolean(value->integer);
    case CELLA_POLICY_STRING: break;
    }
    return json_stringn(value->text.size ? (const char *)value->text.data : "", value->text.size);
}

/* Several of one name become a list. Aliases of the language ($...) are no claims of tokens. */
static struct cella_result to_json(const claims_ *claims, json_t *out) {
    size_t count = 0;
    const struct cella_policy_claim *claim = cella_policy_claims_at(claims, &count);
    for (size_t i = 0; i < count; i++) {
        char name[CELLA_CLAIM_NAME_MAX + 1];
        if (claim[i].type.size > CELLA_CLAIM_NAME_MAX || claim[i].type.data[0] == '$') continue;
        cella_copy(name, claim[i].type.data, claim[i].type.size);
        name[claim[i].type.size] = 0;
        json_t *value = value_json(&claim[i].value), *there = json_object_get(out, name);
        bool good = value != NULL;
        if (json_is_array(there))
            good = json_array_append_new(there, value) == 0 && good;
        else if (there)
            good = json_object_set_new(out, name, json_pack("[O,o]", there, value)) == 0 && good;
        else
            good = json_object_set_new(out, name, value) == 0 && good;
        ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for claims");
    }
    return CELLA_SUCCESS;
}

/* A nested claim: an object in the token, a string of JSON for the policy. */
static struct cella_result put_object(claims_ *claims, json_t *service, const char *name,
                                      json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT);
    if (text) put_text(claims, name, cella_bytes_text(text));
    free(text);
    ENSURE(text && json_object_set(service, name, value) == 0, CELLA_ERR_MEMORY, NULL,
           "no memory for %s", name);
    return CELLA_SUCCESS;
}

/* --- Nested claims --- */

CELLA_RESULT cella_guest_key_json(struct cella_bytes spki, json_t **out) {
    CELLA_JOSE_KEY key = NULL;
    TRY(cella_jose_key_spki(spki, &key));
    *out = cella_jose_key_members(key);
    bool good = *out &&
                json_object_set_new(*out, "kid", json_string("TpmEphemeralEncryptionKey")) == 0 &&
                json_object_set_new(*out, "key_ops", json_pack("[s]", "encrypt")) == 0;
    ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for a key");
    return CELLA_SUCCESS;
}

static struct cella_result add_runtime(const struct cella_guest_info *info,
                                       const struct cella_guest_checked *checked, claims_ *claims,
                                       json_t *service) {
    CELLA_JSON key = NULL;
    TRY(cella_guest_key_json(cella_spki_bytes(&checked->key.spki), &key));
    CELLA_JSON runtime = json_pack("{s:[O]}", "keys", key);
    bool good = runtime && (!info->client_payload ||
                            json_object_set(runtime, "client-payload", info->client_payload) == 0);
    ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for x-ms-runtime");
    return put_object(claims, service, "x-ms-runtime", runtime);
}

static struct cella_result add_isolation(const struct cella_guest_info *info,
                                         const struct cella_guest_checked *checked,
                                         const char *compliance, claims_ *claims, json_t *service) {
    claims_ *hardware = NULL;
    CELLA_JSON tee = json_object();
    CELLA_JSON runtime = NULL;
    TRY(cella_json_object(cella_buffer_bytes(&info->runtime), "RunTimeData", &runtime));
    TRY(cella_policy_claims_new(&hardware));
    cella_policy_claims_verified(hardware, checked->hardware.claims, false);
    struct cella_result r = cella_policy_claims_result(hardware);
    if (!cella_failed(r)) r = to_json(hardware, tee);
    cella_policy_claims_free(&hardware);
    if (cella_failed(r)) return r;
    bool good = json_object_set(tee, "x-ms-runtime", runtime) == 0;
    if (compliance)
        good &= json_object_set_new(tee, "x-ms-compliance-status", json_string(compliance)) == 0;
    ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for x-ms-isolation-tee");
    return put_object(claims, service, "x-ms-isolation-tee", tee);
}

/* --- Flat claims --- */

/* The guest's own word: no evidence says which system runs, and the service passes it on so. */
static void add_system(const struct cella_guest_info *info, claims_ *claims) {
    struct cella_bytes type = cella_buffer_bytes(&info->os_type);
    put_text(claims, "x-ms-azurevm-attestation-protocol-ver", cella_buffer_bytes(&info->protocol));
    put_text(claims, "x-ms-azurevm-ostype", type);
    put_text(claims, "x-ms-azurevm-osdistro", cella_buffer_bytes(&info->os_distro));
    put_text(claims, "x-ms-azurevm-osbuild", cella_buffer_bytes(&info->os_build));
    if (info->os_major >= 0)
        cella_policy_claims_integer(claims, "x-ms-azurevm-osversion-major", info->os_major,
                                    CELLA_POLICY_SERVICE);
    if (info->os_minor >= 0)
        cella_policy_claims_integer(claims, "x-ms-azurevm-osversion-minor", info->os_minor,
                                    CELLA_POLICY_SERVICE);
    if (type.size)
        put_boolean(claims, "x-ms-azurevm-is-windows",
                    type.size == 7 && cella_equal(type.data, "Windows", 7));
}

static void add_vm(const struct cella_guest_checked *checked, claims_ *claims) {
    for (uint32_t i = 0; i < checked->runtime.vm_count; i++)
        if (checked->runtime.vm[i].text && cella_json_is(checked->runtime.vm[i].name, "vmUniqueId"))
            put_text(claims, "x-ms-azurevm-vmid", checked->runtime.vm[i].value);
}

/* What was measured, of those facts that were. */
static void add_boot(const struct cella_boot_facts *facts, claims_ *claims) {
    static const struct {
        enum cella_boot_fact fact;
        const char *name;
    } names[] = {
        {CELLA_BOOT_SECURE_BOOT, "secureboot"},
        {CELLA_BOOT_BOOT_DEBUGGING, "x-ms-azurevm-bootdebug-enabled"},
        {CELLA_BOOT_KERNEL_DEBUGGING, "x-ms-azurevm-kerneldebug-enabled"},
        {CELLA_BOOT_HYPERVISOR_DEBUGGING, "x-ms-azurevm-hypervisordebug-enabled"},
        {CELLA_BOOT_TEST_SIGNING, "x-ms-azurevm-testsigning-enabled"},
        {CELLA_BOOT_FLIGHT_SIGNING, "x-ms-azurevm-flightsigning-enabled"},
        {CELLA_BOOT_ELAM, "x-ms-azurevm-elam-enabled"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        /* Where the log contradicts itself, what is worse for the guest. */
        bool good_is_true = names[i].fact == CELLA_BOOT_SECURE_BOOT;
        if (!cella_boot_said(facts, names[i].fact)) continue;
        put_boolean(claims, names[i].name,
                    good_is_true ? cella_boot_is(facts, names[i].fact)
                                 : facts->said[names[i].fact].yes);
    }
    if (facts->has_hvci && facts->hvci_policy <= INT64_MAX)
        cella_policy_claims_integer(claims, "x-ms-azurevm-hvci-policy", (int64_t)facts->hvci_policy,
                                    CELLA_POLICY_SERVICE);
    bool debug = cella_boot_said(facts, CELLA_BOOT_BOOT_DEBUGGING) &&
                 cella_boot_said(facts, CELLA_BOOT_KERNEL_DEBUGGING);
    bool sign = cella_boot_said(facts, CELLA_BOOT_TEST_SIGNING) &&
                cella_boot_said(facts, CELLA_BOOT_FLIGHT_SIGNING);
    if (debug)
        put_boolean(claims, "x-ms-azurevm-debuggersdisabled",
                    cella_boot_isnt(facts, CELLA_BOOT_BOOT_DEBUGGING) &&
                        cella_boot_isnt(facts, CELLA_BOOT_KERNEL_DEBUGGING) &&
                        !facts->said[CELLA_BOOT_HYPERVISOR_DEBUGGING].yes);
    if (sign)
        put_boolean(claims, "x-ms-azurevm-signingdisabled",
                    cella_boot_isnt(facts, CELLA_BOOT_TEST_SIGNING) &&
                        cella_boot_isnt(facts, CELLA_BOOT_FLIGHT_SIGNING));
}

static struct cella_result add_pcrs(const struct cella_tpm_proof *proof, claims_ *claims,
                                    json_t *service) {
    CELLA_JSON list = json_array();
    bool good = list != NULL;
    for (int p = 0; p < CELLA_TPM_PCR_MAX; p++) {
        if (!(proof->quoted >> p & 1)) continue;
        cella_policy_claims_integer(claims, "x-ms-azurevm-attested-pcrs", p, CELLA_POLICY_SERVICE);
        good = good && json_array_append_new(list, json_integer(p)) == 0;
    }
    good = good && json_object_set(service, "x-ms-azurevm-attested-pcrs", list) == 0;
    ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for claims");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_guest_claims(const struct cella_guest_info *info,
                                const struct cella_guest_checked *checked, const char *compliance,
                                struct cella_policy_claims *claims, json_t **service) {
    struct cella_boot_facts facts;
    CELLA_JSON nested = json_object();
    ENSURE(nested, CELLA_ERR_MEMORY, NULL, "no memory for claims");
    put_text(claims, "x-ms-attestation-type", cella_bytes_text("azurevm"));
    add_system(info, claims);
    add_vm(checked, claims);
    TRY(cella_tpm_events(&checked->proof, cella_buffer_bytes(&info->log), NULL, &facts));
    add_boot(&facts, claims);
    TRY(add_pcrs(&checked->proof, claims, nested));
    TRY(add_runtime(info, checked, claims, nested));
    if (info->isolation != CELLA_GUEST_TRUSTED_LAUNCH)
        TRY(add_isolation(info, checked, compliance, claims, nested));
    TRY(cella_policy_claims_result(claims));
    *service = json_incref(nested);
    return CELLA_SUCCESS;
}
