#include "attest/explain.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/moment.h"
#include "base/text.h"
#include "policy/outcome_json.h"

enum { ID_SIZE = 40 };

struct slot {
    char id[ID_SIZE];
    char *text; /* owned: JSON */
};

struct cella_explanations {
    pthread_mutex_t lock;
    size_t next;
    struct slot slot[CELLA_EXPLANATIONS_MAX];
};

CELLA_RESULT cella_explanations_new(struct cella_explanations **out) {
    *out = calloc(1, sizeof(**out));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for explanations");
    pthread_mutex_init(&(*out)->lock, NULL);
    return CELLA_SUCCESS;
}

void cella_explanations_free(struct cella_explanations **explanations) {
    struct cella_explanations *e = *explanations;
    if (!e) return;
    for (size_t i = 0; i < CELLA_EXPLANATIONS_MAX; i++) free(e->slot[i].text);
    pthread_mutex_destroy(&e->lock);
    free(e);
    *explanations = NULL;
}

/* --- What is said --- */

static json_t *reason_object(const struct cella_reason *reason) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "step", reason->step, "field", reason->field,
                     "expected", reason->expected, "found", reason->found, "remedy",
                     reason->remedy);
}

static json_t *claim_names(const struct cella_policy_claims *claims) {
    size_t count = 0;
    const struct cella_policy_claim *claim = claims ? cella_policy_claims_at(claims, &count) : NULL;
    json_t *names = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(names,
                              json_stringn((const char *)claim[i].type.data, claim[i].type.size));
    return names;
}

/* Whether a condition, as written, asks for one type that is no data of the client's: what it found
 * is then a claim from evidence. */
static bool shows_evidence_alone(const char *condition) {
    static const char *const data[] = {"runtime", "inittime", "ehd", "nonce", "payload", "rp_data"};
    for (size_t i = 0; i < sizeof(data) / sizeof(data[0]); i++)
        if (strstr(condition, data[i])) return false;
    const char *type = strstr(condition, "type");
    return type && strstr(type, "==") && strchr(type, '"');
}

static void hide_data(json_t *policy) {
    size_t i, k;
    json_t *rule, *condition;
    json_array_foreach(json_object_get(policy, "rules"), i, rule)
        json_array_foreach(json_object_get(rule, "conditions"), k, condition) {
        const char *text = json_string_value(json_object_get(condition, "condition"));
        if (!text || !shows_evidence_alone(text)) json_object_del(condition, "found");
    }
}

static json_t *policy_object(const struct cella_decision *decision,
                             const struct cella_decided *decided) {
    json_t *policy =
        decided->outcome ? cella_policy_outcome_object(decided->outcome) : json_object();
    const struct cella_policy_outcome *outcome = decided->outcome;
    json_t *issued = json_array();
    hide_data(policy);
    json_object_set_new(policy, "hash", json_string(decision->policy_hash));
    json_object_set_new(policy, "draft", json_boolean(decision->draft.size > 0));
    for (size_t i = 0; outcome && i < outcome->issued_count; i++)
        json_array_append_new(issued, json_stringn((const char *)outcome->issued[i].type.data,
                                                   outcome->issued[i].type.size));
    json_object_set_new(policy, "issued", issued); /* names in the place of values */
    if (decided->ignored) json_object_set_new(policy, "ignored", json_deep_copy(decided->ignored));
    return policy;
}

static json_t *object_of(const struct cella_decision *decision,
                         const struct cella_decided *decided) {
    char time[CELLA_TIME_TEXT], digest[2 * sizeof(decision->evidence_digest) + 1];
    cella_time_show(decision->now_unix, time);
    cella_hex_encode(CELLA_BYTES_OF(decision->evidence_digest), digest);
    json_t *out =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:o}", "requestId",
                  decision->request->id, "time", time, "instance",
                  decision->instance->settings.name, "type", cella_attest_type_name(decision->type),
                  "evidenceSha256", digest, "verdict", decided->verdict, "reason", decided->reason,
                  "collateralStale", decision->stale, "claims", claim_names(decision->claims),
                  "policy", policy_object(decision, decided));
    if (decided->code) json_object_set_new(out, "code", json_string(decided->code));
    if (decided->jti) json_object_set_new(out, "jti", json_string(decided->jti));
    if (decision->reason.step[0])
        json_object_set_new(out, "evidence", reason_object(&decision->reason));
    return out;
}

/* A policy of a thousand rules has a long trace: without it there is still the verdict. */
static char *text_of(json_t *object) {
    char *text = json_dumps(object, JSON_COMPACT);
    if (!text || strlen(text) <= CELLA_EXPLANATION_SIZE_MAX) return text;
    free(text);
    json_object_del(json_object_get(object, "policy"), "rules");
    json_object_set_new(object, "shortened", json_true());
    text = json_dumps(object, JSON_COMPACT);
    if (!text || strlen(text) <= CELLA_EXPLANATION_SIZE_MAX) return text;
    free(text);
    json_object_del(object, "claims");
    json_object_del(object, "policy");
    return json_dumps(object, JSON_COMPACT);
}

/* --- The common case, without a tree --- */

/* Text that grows; what went wrong shows at the end. */
struct words {
    struct cella_buffer text;
    bool failed;
};

static void add(struct words *w, struct cella_bytes bytes) {
    struct cella_result r = cella_buffer_append(&w->text, bytes);
    w->failed = w->failed || cella_failed(r);
    cella_result_drop(r);
}

/* A string of JSON; names of claims may hold anything but broken UTF-8. */
static void add_string(struct words *w, struct cella_bytes bytes) {
    size_t from = 0;
    add(w, cella_bytes_text("\""));
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t c = bytes.data[i];
        char escape[8];
        if (c >= ' ' && c != '"' && c != '\\') continue;
        snprintf(escape, sizeof(escape), "\\u%04x", c);
        add(w, cella_bytes(bytes.data + from, i - from));
        add(w, cella_bytes_text(escape));
        from = i + 1;
    }
    add(w, cella_bytes(bytes.data + from, bytes.size - from));
    add(w, cella_bytes_text("\""));
}

static void add_member(struct words *w, const char *name, const char *value) {
    add_string(w, cella_bytes_text(name));
    add(w, cella_bytes_text(":"));
    add_string(w, cella_bytes_text(value));
    add(w, cella_bytes_text(","));
}

static void add_names(struct words *w, const char *name, const struct cella_policy_claim *claim,
                      size_t count) {
    add_string(w, cella_bytes_text(name));
    add(w, cella_bytes_text(":["));
    for (size_t i = 0; i < count; i++) {
        if (i) add(w, cella_bytes_text(","));
        add_string(w, claim[i].type);
    }
    add(w, cella_bytes_text("]"));
}

/* Almost all decisions permit: these are told by one pass, and without the trace that only a
 * denial needs. The same members as object_of has. */
static char *text_of_permitted(const struct cella_decision *decision,
                               const struct cella_decided *decided) {
    struct words w = {.failed = false};
    char time[CELLA_TIME_TEXT], digest[2 * sizeof(decision->evidence_digest) + 1];
    size_t count = 0;
    const struct cella_policy_claim *claim = cella_policy_claims_at(decision->claims, &count);
    cella_time_show(decision->now_unix, time);
    cella_hex_encode(CELLA_BYTES_OF(decision->evidence_digest), digest);
    add(&w, cella_bytes_text("{"));
    add_member(&w, "requestId", decision->request->id);
    add_member(&w, "time", time);
    add_member(&w, "instance", decision->instance->settings.name);
    add_member(&w, "type", cella_attest_type_name(decision->type));
    add_member(&w, "evidenceSha256", digest);
    add_member(&w, "verdict", decided->verdict);
    add_member(&w, "reason", decided->reason ? decided->reason : "");
    add_member(&w, "jti", decided->jti ? decided->jti : "");
    add(&w, cella_bytes_text(decision->stale ? "\"collateralStale\":true,"
                                             : "\"collateralStale\":false,"));
    add_names(&w, "claims", claim, count);
    add(&w, cella_bytes_text(",\"policy\":{"));
    add_member(&w, "hash", decision->policy_hash);
    add(&w, cella_bytes_text(decision->draft.size ? "\"draft\":true," : "\"draft\":false,"));
    add_names(&w, "issued", decided->outcome->issued, decided->outcome->issued_count);
    add(&w, cella_bytes("}}", 3));
    if (!w.failed && w.text.size <= CELLA_EXPLANATION_SIZE_MAX) return (char *)w.text.data;
    cella_buffer_free(&w.text);
    return NULL;
}

static char *text_of_decided(const struct cella_decision *decision,
                             const struct cella_decided *decided) {
    char *text = decided->jti && decided->outcome && !decided->ignored
                     ? text_of_permitted(decision, decided)
                     : NULL;
    if (text) return text;
    json_t *object = object_of(decision, decided);
    text = object ? text_of(object) : NULL;
    json_decref(object);
    return text;
}

/* --- The ring --- */

void cella_explanations_keep(const struct cella_decision *decision,
                             const struct cella_decided *decided) {
    struct cella_explanations *e = decision->instance->explanations;
    const char *id = decision->request->id;
    if (!e || !id || strlen(id) >= ID_SIZE) return;
    char *text = text_of_decided(decision, decided);
    if (!text) return;
    pthread_mutex_lock(&e->lock);
    struct slot *slot = &e->slot[e->next];
    char *old = slot->text;
    e->next = (e->next + 1) % CELLA_EXPLANATIONS_MAX;
    cella_zero(slot->id, sizeof(slot->id));
    cella_copy(slot->id, id, strlen(id));
    slot->text = text;
    pthread_mutex_unlock(&e->lock);
    free(old);
}

json_t *cella_explanations_find(struct cella_explanations *e, struct cella_bytes id) {
    char *text = NULL;
    if (!e || id.size == 0 || id.size >= ID_SIZE) return NULL;
    pthread_mutex_lock(&e->lock);
    for (size_t i = 0; i < CELLA_EXPLANATIONS_MAX && !text; i++)
        if (strlen(e->slot[i].id) == id.size && cella_equal(e->slot[i].id, id.data, id.size))
            text = strdup(e->slot[i].text);
    pthread_mutex_unlock(&e->lock);
    json_t *object = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    return object;
}
