#include "vault/release_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "crypto/jose.h"
#include "vault/authority.h"

/* The compiled form is the policy's normal JSON: checked once, then only read. */
struct cella_release_policy {
    json_t *normal;
};

static const char *const operators[] = {"equals",  "notEquals",       "less",  "lessOrEquals",
                                        "greater", "greaterOrEquals", "exists"};
enum operator_ { EQUALS, NOT_EQUALS, LESS, LESS_OR_EQUALS, GREATER, GREATER_OR_EQUALS, EXISTS };
enum { OPERATOR_COUNT = 7 };
#define TEE_CLAIM    "x-ms-attestation-type"
#define TEE_SOFTWARE "cella-software"

/* Where in the policy, as a JSON pointer, and what is left of the limits. */
struct place {
    char pointer[192];
    unsigned depth, conditions;
};

#define WRONG(place, text, ...)                                                                    \
    FAIL(CELLA_ERR_FORMAT, "docs/formats/release-policy.md has the grammar",                       \
         "release policy, at '%s': " text, (place)->pointer, ##__VA_ARGS__)

static size_t go_down(struct place *place, const char *name, size_t index) {
    size_t size = strlen(place->pointer);
    if (name)
        snprintf(place->pointer + size, sizeof(place->pointer) - size, "/%.40s", name);
    else
        snprintf(place->pointer + size, sizeof(place->pointer) - size, "/%zu", index);
    place->depth++;
    return size;
}

static void go_up(struct place *place, size_t size) {
    place->pointer[size] = 0;
    place->depth--;
}

/* --- Numbers and truth values, also where they stand as text (azure-keyvault 8.3) --- */

static bool as_integer(const json_t *value, int64_t *out) {
    const char *text = json_string_value(value);
    uint64_t number = 0;
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    if (!text || !*text) return false;
    bool negative = *text == '-';
    const char *digits = text + negative;
    if (digits[0] == '0' && (digits[1] || negative)) return false; /* one spelling of each number */
    if (!cella_number_read(digits, &number) || number > INT64_MAX) return false;
    *out = negative ? -(int64_t)number : (int64_t)number;
    return true;
}

static bool as_boolean(const json_t *value, bool *out) {
    const char *text = json_string_value(value);
    if (json_is_boolean(value)) {
        *out = json_is_true(value);
        return true;
    }
    if (!text) return false;
    *out = strcmp(text, "true") == 0;
    return *out || strcmp(text, "false") == 0;
}

/* --- Reading --- */

static CELLA_RESULT read_conditions(struct place *place, const json_t *list, json_t **out);

static int operator_of(const char *name) {
    for (int i = 0; i < OPERATOR_COUNT; i++)
        if (strcmp(name, operators[i]) == 0) return i;
    return -1;
}

static CELLA_RESULT check_value(struct place *place, int op, const json_t *value) {
    int64_t number = 0;
    bool truth = false;
    if (op == EXISTS) {
        if (!as_boolean(value, &truth)) WRONG(place, "expected true or false for exists");
    } else if (op != EQUALS && op != NOT_EQUALS) {
        if (!as_integer(value, &number)) WRONG(place, "expected an integer for %s", operators[op]);
    } else if (!json_is_string(value) && !json_is_integer(value) && !json_is_boolean(value)) {
        WRONG(place, "expected a text, an integer, true or false for %s", operators[op]);
    }
    return CELLA_SUCCESS;
}

/* {"claim", OPERATOR: value}, or the older {"claim", "condition": OPERATOR, "value"}. */
static CELLA_RESULT read_claim(struct place *place, const json_t *condition, json_t **out) {
    const json_t *claim = json_object_get(condition, "claim");
    const json_t *named = json_object_get(condition, "condition");
    const json_t *value = named ? json_object_get(condition, "value") : NULL;
    const char *name, *found = NULL;
    json_t *entry;
    int op = named ? operator_of(json_is_string(named) ? json_string_value(named) : "") : -1;
    if (!json_is_string(claim) || json_string_length(claim) == 0 || json_string_length(claim) > 256)
        WRONG(place, "expected the name of a claim, a text of 1 to 256 bytes");
    if (named && (op < 0 || !value || json_object_size(condition) != 3))
        WRONG(place, "expected exactly claim, condition (an operator) and value");
    json_object_foreach((json_t *)condition, name, entry) {
        if (named || strcmp(name, "claim") == 0) continue;
        op = operator_of(name);
        if (op < 0) WRONG(place, "unknown member '%.40s'", name); /* K03: never ignored */
        if (found) WRONG(place, "expected one operator, found %.40s and %.40s", found, name);
        found = name;
        value = entry;
    }
    if (op < 0 || !value) WRONG(place, "expected an operator: equals, notEquals, less ... exists");
    TRY(check_value(place, op, value));
    *out = json_pack("{s:O, s:O}", "claim", claim, operators[op], value);
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for a release policy");
    return CELLA_SUCCESS;
}

/* The group that an object is: "allOf", "anyOf", or NULL. Real policies write them so, the
 * published grammar in lower case. */
static const char *group_of(const char *name) {
    if (strcasecmp(name, "allOf") == 0) return "allOf";
    return strcasecmp(name, "anyOf") == 0 ? "anyOf" : NULL;
}

static CELLA_RESULT read_condition(struct place *place, const json_t *condition, json_t **out) {
    const char *name, *group = NULL;
    json_t *entry, *list = NULL;
    if (!json_is_object(condition)) WRONG(place, "expected a condition, which is an object");
    if (++place->conditions > CELLA_RELEASE_POLICY_CONDITIONS_MAX ||
        place->depth > CELLA_RELEASE_POLICY_DEPTH_MAX)
        FAIL(CELLA_ERR_LIMIT, NULL, "release policy: more than %d conditions, or deeper than %d",
             CELLA_RELEASE_POLICY_CONDITIONS_MAX, CELLA_RELEASE_POLICY_DEPTH_MAX);
    json_object_foreach((json_t *)condition, name, entry) if ((group = group_of(name))) break;
    if (!group) return read_claim(place, condition, out);
    if (json_object_size(condition) != 1) WRONG(place, "expected %s alone in a group", group);
    size_t up = go_down(place, group, 0);
    TRY(read_conditions(place, entry, &list));
    go_up(place, up);
    *out = json_pack("{s:o}", group, list);
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for a release policy");
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_conditions(struct place *place, const json_t *list, json_t **out) {
    CELLA_JSON made = json_array();
    size_t count = json_array_size(list);
    ENSURE(made, CELLA_ERR_MEMORY, NULL, "no memory for a release policy");
    /* K03, A38: of no conditions neither all nor any hold */
    if (!json_is_array(list) || count == 0)
        WRONG(place, "expected a list of one condition or more");
    for (size_t i = 0; i < count; i++) {
        json_t *condition = NULL;
        size_t up = go_down(place, NULL, i);
        TRY(read_condition(place, json_array_get(list, i), &condition));
        go_up(place, up);
        ENSURE(json_array_append_new(made, condition) == 0, CELLA_ERR_MEMORY, NULL,
               "no memory for a release policy");
    }
    *out = json_incref(made);
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_authority(struct place *place, const json_t *entry, json_t **out) {
    const char *name, *group = NULL;
    const json_t *authority = json_object_get(entry, "authority"), *conditions = NULL;
    json_t *member, *list = NULL;
    char normal[CELLA_AUTHORITY_MAX];
    if (!json_is_object(entry)) WRONG(place, "expected an authority, which is an object");
    if (!json_is_string(authority) || !cella_authority_normal(json_string_value(authority), normal))
        WRONG(place, "expected authority: the https URL of an attestation service");
    json_object_foreach((json_t *)entry, name, member) {
        if (strcmp(name, "authority") == 0) continue;
        if (!group_of(name)) WRONG(place, "unknown member '%.40s'", name);
        if (group) WRONG(place, "expected allOf or anyOf, found both");
        group = group_of(name);
        conditions = member;
    }
    if (!group) WRONG(place, "expected allOf or anyOf with the conditions");
    size_t up = go_down(place, group, 0);
    TRY(read_conditions(place, conditions, &list));
    go_up(place, up);
    *out = json_pack("{s:O, s:o}", "authority", authority, group, list);
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for a release policy");
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_version(struct place *place, const json_t *policy, const char **version) {
    const char *text = json_string_value(json_object_get(policy, "version"));
    *version = "1.0.0";
    if (text && strcmp(text, "0.2") == 0) *version = "0.2";
    if (!text ||
        (strcmp(text, "1.0.0") != 0 && strcmp(text, "1.0") != 0 && strcmp(text, "0.2") != 0))
        WRONG(place, "expected version: \"1.0.0\"");
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_policy(const json_t *policy, json_t **out) {
    struct place place = {.depth = 0};
    const char *name, *version = NULL;
    json_t *member, *list = NULL;
    CELLA_JSON authorities = json_array();
    ENSURE(authorities, CELLA_ERR_MEMORY, NULL, "no memory for a release policy");
    TRY(read_version(&place, policy, &version));
    json_object_foreach((json_t *)policy, name, member) {
        if (strcmp(name, "version") == 0) continue;
        if (strcasecmp(name, "anyOf") != 0) WRONG(&place, "unknown member '%.40s'", name);
        if (list) WRONG(&place, "expected anyOf once");
        list = member;
    }
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count == 0)
        WRONG(&place, "expected anyOf: a list of one authority or more");
    for (size_t i = 0; i < count; i++) {
        json_t *entry = NULL;
        size_t first = go_down(&place, "anyOf", 0), second = go_down(&place, NULL, i);
        TRY(read_authority(&place, json_array_get(list, i), &entry));
        go_up(&place, second);
        go_up(&place, first);
        ENSURE(json_array_append_new(authorities, entry) == 0, CELLA_ERR_MEMORY, NULL,
               "no memory for a release policy");
    }
    *out = json_pack("{s:s, s:O}", "version", version, "anyOf", authorities);
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for a release policy");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_release_policy_new(struct cella_bytes json, struct cella_release_policy **out) {
    CELLA_JSON object = NULL;
    *out = NULL;
    ENSURE(json.size <= CELLA_RELEASE_POLICY_MAX, CELLA_ERR_LIMIT, NULL,
           "release policy: expected at most %d bytes, found %zu", CELLA_RELEASE_POLICY_MAX,
           json.size);
    TRY(cella_json_object(json, "release policy", &object));
    struct cella_release_policy *policy = calloc(1, sizeof(*policy));
    ENSURE(policy, CELLA_ERR_MEMORY, NULL, "no memory for a release policy");
    struct cella_result result = read_policy(object, &policy->normal);
    if (cella_failed(result))
        cella_release_policy_free(&policy);
    else
        *out = policy;
    return result;
}

void cella_release_policy_free(struct cella_release_policy **policy) {
    if (*policy) json_decref((*policy)->normal);
    free(*policy);
    *policy = NULL;
}

CELLA_RESULT cella_release_policy_normal(const struct cella_release_policy *policy,
                                         struct cella_buffer *out) {
    char *text = json_dumps(policy->normal, JSON_COMPACT | JSON_SORT_KEYS);
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a release policy");
    struct cella_result result = cella_buffer_append(out, cella_bytes(text, strlen(text)));
    free(text);
    return result;
}

/* --- Judging --- */

/* How near an entry came, and what it lacked first. */
struct trial {
    const json_t *claims;
    unsigned held;
    const json_t *failed; /* the first condition that did not hold */
    const json_t *found;  /* what the token says there, or NULL */
};

/* The claim of that very name; else, dot by dot, a member of what is within. */
static const json_t *find_claim(const json_t *claims, const char *name) {
    const json_t *found = json_object_get(claims, name);
    char part[257];
    while (!found && json_is_object(claims)) {
        const char *dot = strchr(name, '.');
        if (!dot) return json_object_get(claims, name);
        snprintf(part, sizeof(part), "%.*s", (int)(dot - name), name);
        claims = json_object_get(claims, part);
        name = dot + 1;
    }
    return found;
}

static bool equal(const json_t *want, const json_t *found) {
    int64_t a = 0, b = 0;
    bool p = false, q = false;
    if (json_is_string(want) && json_is_string(found))
        return strcmp(json_string_value(want), json_string_value(found)) == 0;
    if (json_is_boolean(want) || json_is_boolean(found))
        return as_boolean(want, &p) && as_boolean(found, &q) && p == q;
    return as_integer(want, &a) && as_integer(found, &b) && a == b;
}

static bool holds_operator(int op, const json_t *want, const json_t *found) {
    int64_t a = 0, b = 0;
    bool wanted = false;
    if (op == EXISTS) return as_boolean(want, &wanted) && wanted == (found != NULL);
    /* A claim that is missing, or is no single value, holds nothing: not even notEquals. */
    if (!found || json_is_object(found) || json_is_array(found) || json_is_null(found))
        return false;
    if (op == EQUALS) return equal(want, found);
    if (op == NOT_EQUALS) return !equal(want, found);
    if (!as_integer(want, &a) || !as_integer(found, &b)) return false;
    switch (op) {
    case LESS: return b < a;
    case LESS_OR_EQUALS: return b <= a;
    case GREATER: return b > a;
    case GREATER_OR_EQUALS: return b >= a;
    default: return false;
    }
}

/* Whether it holds, and whether what holds of it asks for evidence of software by its name. */
struct outcome {
    bool held, software;
};

static struct outcome judge_group(struct trial *trial, const char *group, const json_t *list);

static bool asks_for_software(const json_t *condition) {
    const char *claim = json_string_value(json_object_get(condition, "claim"));
    const char *type = json_string_value(json_object_get(condition, "equals"));
    return claim && type && strcmp(claim, TEE_CLAIM) == 0 && strcmp(type, TEE_SOFTWARE) == 0;
}

static struct outcome judge(struct trial *trial, const json_t *condition) {
    const json_t *list = json_object_get(condition, "allOf");
    if (list) return judge_group(trial, "allOf", list);
    if ((list = json_object_get(condition, "anyOf"))) return judge_group(trial, "anyOf", list);
    const json_t *found =
        find_claim(trial->claims, json_string_value(json_object_get(condition, "claim")));
    bool good = false;
    for (int op = 0; op < OPERATOR_COUNT; op++) {
        const json_t *want = json_object_get(condition, operators[op]);
        if (want) good = holds_operator(op, want, found);
    }
    if (good)
        trial->held++;
    else if (!trial->failed)
        *trial = (struct trial){trial->claims, trial->held, condition, found};
    return (struct outcome){good, good && asks_for_software(condition)};
}

static struct outcome judge_group(struct trial *trial, const char *group, const json_t *list) {
    bool all = strcmp(group, "allOf") == 0;
    size_t count = json_array_size(list), good = 0, software = 0;
    for (size_t i = 0; i < count; i++) {
        struct outcome one = judge(trial, json_array_get(list, i));
        good += one.held;
        software += one.software;
    }
    bool held = all ? count > 0 && good == count : good > 0;
    return (struct outcome){held, held && software > 0};
}

static void tell(const struct trial *trial, char *why, size_t size) {
    char *text = trial->failed ? json_dumps(trial->failed, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    char *found = trial->found ? json_dumps(trial->found, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    snprintf(why, size, "%.150s: found %.80s", text ? text : "?", found ? found : "no such claim");
    free(text);
    free(found);
}

bool cella_release_policy_names(const struct cella_release_policy *policy, const char *issuer) {
    const json_t *list = json_object_get(policy->normal, "anyOf");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *authority = json_object_get(json_array_get(list, i), "authority");
        if (cella_authority_same(json_string_value(authority), issuer)) return true;
    }
    return false;
}

bool cella_release_policy_holds(const struct cella_release_policy *policy, const char *issuer,
                                const json_t *claims, char *why, size_t size) {
    const json_t *list = json_object_get(policy->normal, "anyOf");
    const char *type = json_string_value(json_object_get(claims, TEE_CLAIM));
    unsigned nearest = 0;
    bool tried = false, software = type && strcmp(type, TEE_SOFTWARE) == 0;
    snprintf(why, size, "the policy names no authority %.200s", issuer);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const json_t *all = json_object_get(entry, "allOf"), *any = json_object_get(entry, "anyOf");
        struct trial trial = {.claims = claims};
        if (!cella_authority_same(json_string_value(json_object_get(entry, "authority")), issuer))
            continue;
        struct outcome outcome = judge_group(&trial, all ? "allOf" : "anyOf", all ? all : any);
        if (outcome.held && (outcome.software || !software)) {
            snprintf(why, size, "held");
            return true;
        }
        if (outcome.held) /* K03, A23: software is let in by its name alone */
            snprintf(why, size,
                     "the evidence is of software: expected " TEE_CLAIM " equals " TEE_SOFTWARE
                     " among the conditions");
        else if (!tried || trial.held > nearest)
            tell(&trial, why, size);
        nearest = trial.held > nearest ? trial.held : nearest;
        tried = true;
    }
    return false;
}
