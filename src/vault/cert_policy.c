#include "vault/cert_policy.h"

#include <string.h>
#include <strings.h>

#include "crypto/jose.h"

static const char pkcs12[] = "application/x-pkcs12", pem[] = "application/x-pem-file";
enum { MONTHS_MAX = 120, DAYS_MAX = 3660, DAY_S = 86400, TEXTS_MAX = 100, TEXT_MAX = 1024 };

/* Azure's defaults, where the JavaScript client's DefaultCertificatePolicy leaves nearly all out.
 */
static json_t *defaults(void) {
    return json_pack("{s:{s:b, s:s, s:i, s:b}, s:{s:s}, s:{s:s, s:{}, s:[s, s], s:[s, s], s:i},"
                     " s:[{s:{s:i}, s:{s:s}}], s:{s:s}, s:{s:b}}",
                     "key_props", "exportable", 1, "kty", "RSA", "key_size", 2048, "reuse_key", 0,
                     "secret_props", "contentType", pkcs12, "x509_props", "subject", "", "sans",
                     "ekus", "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "key_usage",
                     "digitalSignature", "keyEncipherment", "validity_months", 12,
                     "lifetime_actions", "trigger", "lifetime_percentage", 80, "action",
                     "action_type", "AutoRenew", "issuer", "name", "Self", "attributes", "enabled",
                     1);
}

#define WRONG(what) FAIL(CELLA_ERR_FORMAT, NULL, "policy." what)

static CELLA_RESULT check_key(const json_t *props) {
    const char *kty = json_string_value(json_object_get(props, "kty"));
    const char *crv = json_string_value(json_object_get(props, "crv"));
    json_int_t size = json_integer_value(json_object_get(props, "key_size"));
    enum cella_material_curve curve;
    bool rsa = kty && strncmp(kty, "RSA", 3) == 0, ec = kty && strncmp(kty, "EC", 2) == 0;
    if (!rsa && !ec) WRONG("key_props.kty: expected RSA, RSA-HSM, EC or EC-HSM");
    if (rsa && size != 2048 && size != 3072 && size != 4096)
        WRONG("key_props.key_size: expected 2048, 3072 or 4096");
    if (ec && crv && !cella_curve_find(crv, &curve))
        WRONG("key_props.crv: expected P-256, P-256K, P-384 or P-521");
    return CELLA_SUCCESS;
}

static bool texts(const json_t *list) {
    if (!json_is_array(list) || json_array_size(list) > TEXTS_MAX) return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_string(item) || json_string_length(item) > TEXT_MAX) return false;
    }
    return true;
}

static CELLA_RESULT check_sans(const json_t *sans) {
    static const char *const kinds[] = {"dns_names", "emails", "upns", "uris", "ipAddresses"};
    const char *name;
    json_t *list;
    if (!json_is_object(sans)) WRONG("x509_props.sans: expected an object");
    json_object_foreach((json_t *)sans, name, list) {
        bool known = json_is_null(list) || texts(list), listed = false;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
            listed = listed || strcmp(name, kinds[i]) == 0;
        if (!known || !listed)
            WRONG("x509_props.sans: expected lists of dns_names, emails, upns, uris, ipAddresses");
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_x509(const json_t *props) {
    static const char *const usages[] = {"digitalSignature", "nonRepudiation", "keyEncipherment",
                                         "dataEncipherment", "keyAgreement",   "keyCertSign",
                                         "cRLSign",          "encipherOnly",   "decipherOnly"};
    const json_t *usage = json_object_get(props, "key_usage");
    json_int_t months = json_integer_value(json_object_get(props, "validity_months"));
    if (!json_is_string(json_object_get(props, "subject")) ||
        json_string_length(json_object_get(props, "subject")) > TEXT_MAX)
        WRONG("x509_props.subject: expected a distinguished name, for example CN=host.example");
    if (months < 1 || months > MONTHS_MAX) WRONG("x509_props.validity_months: expected 1 to 120");
    if (!texts(json_object_get(props, "ekus"))) WRONG("x509_props.ekus: expected a list of OIDs");
    if (!texts(usage)) WRONG("x509_props.key_usage: expected a list");
    for (size_t i = 0; i < json_array_size(usage); i++) {
        size_t at = 0, count = sizeof(usages) / sizeof(usages[0]);
        while (at < count && strcmp(json_string_value(json_array_get(usage, i)), usages[at]) != 0)
            at++;
        if (at == count) WRONG("x509_props.key_usage: an unknown usage");
    }
    return check_sans(json_object_get(props, "sans"));
}

static CELLA_RESULT check_rest(const json_t *policy) {
    const json_t *actions = json_object_get(policy, "lifetime_actions");
    const char *type =
        json_string_value(json_object_get(json_object_get(policy, "secret_props"), "contentType"));
    if (!type || (strcmp(type, pkcs12) != 0 && strcmp(type, pem) != 0))
        WRONG("secret_props.contentType: expected application/x-pkcs12 or application/x-pem-file");
    if (!json_is_string(json_object_get(json_object_get(policy, "issuer"), "name")))
        WRONG("issuer.name: expected Self or Unknown");
    if (!json_is_object(json_object_get(policy, "attributes")))
        WRONG("attributes: expected an object");
    if (!json_is_array(actions)) WRONG("lifetime_actions: expected a list");
    for (size_t i = 0; i < json_array_size(actions); i++) {
        const json_t *action = json_array_get(actions, i);
        const json_t *trigger = json_object_get(action, "trigger");
        const json_t *percent = json_object_get(trigger, "lifetime_percentage");
        const json_t *days = json_object_get(trigger, "days_before_expiry");
        const char *word =
            json_string_value(json_object_get(json_object_get(action, "action"), "action_type"));
        if (!word || (strcasecmp(word, "AutoRenew") != 0 && strcasecmp(word, "EmailContacts") != 0))
            WRONG("lifetime_actions: expected action_type AutoRenew or EmailContacts");
        if ((!percent == !days) ||
            (percent && (json_integer_value(percent) < 1 || json_integer_value(percent) > 99)) ||
            (days && (json_integer_value(days) < 1 || json_integer_value(days) > DAYS_MAX)))
            WRONG("lifetime_actions: expected lifetime_percentage of 1 to 99 or days_before_expiry "
                  "of 1 to 3660");
    }
    return CELLA_SUCCESS;
}

/* What a policy may have besides what the defaults have. */
static bool is_optional(const char *within, const char *name) {
    static const char *const optional[][2] = {
        {"key_props", "crv"}, {"issuer", "cty"}, {"issuer", "cert_transparency"}};
    for (size_t i = 0; within && i < sizeof(optional) / sizeof(optional[0]); i++)
        if (strcmp(within, optional[i][0]) == 0 && strcmp(name, optional[i][1]) == 0) return true;
    return false;
}

/* Members that both know take the client's value; of objects, member by member; nulls are as
 * absent. What is not of a policy is not kept (K14). */
static bool merge(json_t *into, const json_t *from, const char *within) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)from, name, value) {
        json_t *old = json_object_get(into, name);
        if (json_is_null(value) || (!old && !is_optional(within, name))) continue;
        bool good = json_is_object(old) && json_is_object(value) && strcmp(name, "sans") != 0
                        ? merge(old, value, name)
                        : json_object_set(into, name, value) == 0;
        if (!good) return false;
    }
    return true;
}

/* The actions as they are known, checked before, and nothing else that came with them (K14). */
static bool keep_known_actions(json_t *policy) {
    const json_t *actions = json_object_get(policy, "lifetime_actions");
    json_t *list = json_array();
    for (size_t i = 0; list && i < json_array_size(actions); i++) {
        const json_t *one = json_array_get(actions, i);
        const json_t *trigger = json_object_get(one, "trigger");
        json_t *type = json_object_get(json_object_get(one, "action"), "action_type");
        json_array_append_new(
            list, json_pack("{s:{s:O*, s:O*}, s:{s:O}}", "trigger", "lifetime_percentage",
                            json_object_get(trigger, "lifetime_percentage"), "days_before_expiry",
                            json_object_get(trigger, "days_before_expiry"), "action", "action_type",
                            type));
    }
    return list && json_object_set_new(policy, "lifetime_actions", list) == 0;
}

CELLA_RESULT cella_cert_policy(const json_t *policy, const json_t *base, json_t **out) {
    CELLA_JSON made = base ? json_deep_copy(base) : defaults();
    *out = NULL;
    ENSURE(made, CELLA_ERR_MEMORY, NULL, "no memory for a policy");
    ENSURE(!policy || json_is_object(policy), CELLA_ERR_FORMAT, NULL, "policy: expected an object");
    ENSURE(!policy || merge(made, policy, NULL), CELLA_ERR_MEMORY, NULL, "no memory for a policy");
    TRY(check_key(json_object_get(made, "key_props")));
    TRY(check_x509(json_object_get(made, "x509_props")));
    TRY(check_rest(made));
    ENSURE(keep_known_actions(made), CELLA_ERR_MEMORY, NULL, "no memory for a policy");
    *out = json_incref(made);
    return CELLA_SUCCESS;
}

void cella_cert_policy_key(const json_t *policy, struct cella_cert_key *out) {
    const json_t *props = json_object_get(policy, "key_props");
    const char *kty = json_string_value(json_object_get(props, "kty"));
    const char *crv = json_string_value(json_object_get(props, "crv"));
    *out = (struct cella_cert_key){
        .kind = kty[0] == 'E' ? CELLA_MATERIAL_EC : CELLA_MATERIAL_RSA,
        .curve = CELLA_CURVE_P256,
        .bits = (unsigned)json_integer_value(json_object_get(props, "key_size")),
        .exportable = json_is_true(json_object_get(props, "exportable")),
        .reuse = json_is_true(json_object_get(props, "reuse_key")),
    };
    if (crv) cella_curve_find(crv, &out->curve);
}

bool cella_cert_policy_pem(const json_t *policy) {
    const json_t *props = json_object_get(policy, "secret_props");
    return strcmp(json_string_value(json_object_get(props, "contentType")), pem) == 0;
}

bool cella_cert_policy_self(const json_t *policy) {
    const json_t *issuer = json_object_get(policy, "issuer");
    return strcasecmp(json_string_value(json_object_get(issuer, "name")), "Self") == 0;
}

unsigned cella_cert_policy_months(const json_t *policy) {
    const json_t *props = json_object_get(policy, "x509_props");
    return (unsigned)json_integer_value(json_object_get(props, "validity_months"));
}

int64_t cella_cert_policy_renewal(const json_t *policy, int64_t not_before, int64_t not_after) {
    const json_t *actions = json_object_get(policy, "lifetime_actions");
    for (size_t i = 0; i < json_array_size(actions); i++) {
        const json_t *action = json_array_get(actions, i);
        const json_t *trigger = json_object_get(action, "trigger");
        const json_t *percent = json_object_get(trigger, "lifetime_percentage");
        const char *word =
            json_string_value(json_object_get(json_object_get(action, "action"), "action_type"));
        if (strcasecmp(word, "AutoRenew") != 0) continue;
        if (percent)
            return not_before + (not_after - not_before) * json_integer_value(percent) / 100;
        return not_after -
               json_integer_value(json_object_get(trigger, "days_before_expiry")) * DAY_S;
    }
    return -1;
}
