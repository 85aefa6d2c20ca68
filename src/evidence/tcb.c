#include "evidence/tcb.h"

#include "base/memory.h"

static const char *const names[CELLA_TCB_STATUS_COUNT] = {
    [CELLA_TCB_NONE] = "TCB_NOT_SUPPORTED",
    [CELLA_TCB_UP_TO_DATE] = "UpToDate",
    [CELLA_TCB_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
    [CELLA_TCB_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
    [CELLA_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
    [CELLA_TCB_TD_RELAUNCH_ADVISED] = "TdRelaunchAdvised",
    [CELLA_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = "TdRelaunchAdvisedConfigurationNeeded",
    [CELLA_TCB_OUT_OF_DATE] = "OutOfDate",
    [CELLA_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
    [CELLA_TCB_REVOKED] = "Revoked",
};

const char *cella_tcb_status_name(enum cella_tcb_status status) {
    return status < CELLA_TCB_STATUS_COUNT ? names[status] : names[CELLA_TCB_NONE];
}

/* The statuses that a level may have; the TdRelaunch kinds come of two levels and stand in none. */
static enum cella_tcb_status read_status(struct cella_json *json) {
    struct cella_bytes text = cella_json_string(json);
    for (enum cella_tcb_status s = CELLA_TCB_UP_TO_DATE; s < CELLA_TCB_STATUS_COUNT; s++)
        if (s != CELLA_TCB_TD_RELAUNCH_ADVISED &&
            s != CELLA_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED &&
            cella_json_is(text, names[s]))
            return s;
    cella_json_fail(json, "an unknown tcbStatus");
    return CELLA_TCB_NONE;
}

static struct cella_bytes read_advisories(struct cella_json *json) {
    cella_json_peek(json);
    size_t start = json->at;
    for (cella_json_array(json); cella_json_item(json);) cella_json_string(json);
    return json->failed ? cella_bytes(NULL, 0) : cella_bytes(json->data + start, json->at - start);
}

bool cella_tcb_level_key(struct cella_json *json, struct cella_bytes key,
                         struct cella_tcb_verdict *out) {
    if (cella_json_is(key, "tcbDate"))
        out->date_unix = cella_json_time_unix(json);
    else if (cella_json_is(key, "tcbStatus"))
        out->status = read_status(json);
    else if (cella_json_is(key, "advisoryIDs"))
        out->advisories = read_advisories(json);
    else
        return false;
    return true;
}

static void svn_level(struct cella_json *json, struct cella_svn_level *out) {
    struct cella_bytes key;
    bool svn = false;
    for (cella_json_enter_object(json); cella_json_key(json, &key);) {
        if (cella_tcb_level_key(json, key, &out->verdict)) continue;
        if (!cella_json_is(key, "tcb")) {
            cella_json_skip(json);
            continue;
        }
        for (cella_json_enter_object(json); cella_json_key(json, &key);) {
            if (cella_json_is(key, "isvsvn")) {
                out->isvsvn = (uint16_t)cella_json_number(json, UINT16_MAX);
                svn = true;
            } else {
                cella_json_skip(json);
            }
        }
    }
    if (!svn || out->verdict.status == CELLA_TCB_NONE || out->verdict.date_unix == 0)
        cella_json_fail(json, "a TCB level without its isvsvn, tcbDate or tcbStatus");
}

void cella_tcb_svn_levels(struct cella_json *json, struct cella_svn_level level[CELLA_SVN_LEVELS],
                          uint32_t *count) {
    for (cella_json_array(json); cella_json_item(json);) {
        if (*count == CELLA_SVN_LEVELS) {
            cella_json_fail(json, "more than 32 TCB levels of one enclave or module");
            return;
        }
        svn_level(json, &level[(*count)++]);
    }
}

const struct cella_svn_level *cella_tcb_svn_match(const struct cella_svn_level *level,
                                                  uint32_t count, uint16_t svn) {
    for (uint32_t i = 0; i < count; i++)
        if (level[i].isvsvn <= svn) return &level[i];
    return NULL;
}

CELLA_RESULT cella_signed_json_parse(struct cella_bytes text, struct cella_signed_json *parts) {
    struct cella_json json;
    struct cella_bytes key;
    bool body = false, signature = false;
    cella_json_begin(&json, text);
    for (cella_json_enter_object(&json); cella_json_key(&json, &key);) {
        if (cella_json_is(key, parts->name)) {
            cella_json_peek(&json);
            size_t start = json.at;
            parts->body(&json, parts->out);
            parts->signed_part = cella_bytes(json.data + start, json.at - start);
            body = true;
        } else if (cella_json_is(key, "signature")) {
            cella_json_hex(&json, parts->signature, sizeof(parts->signature));
            signature = true;
        } else {
            cella_json_skip(&json);
        }
    }
    TRY(cella_json_end(&json, parts->name));
    ENSURE(body && signature, CELLA_ERR_FORMAT, "fetch it anew",
           "%s: expected the members %s and signature", parts->name, parts->name);
    return CELLA_SUCCESS;
}
