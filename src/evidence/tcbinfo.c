#include "evidence/tcbinfo.h"

#include "base/memory.h"

enum {
    SEEN_VERSION = 1,
    SEEN_ISSUE = 2,
    SEEN_NEXT = 4,
    SEEN_FMSPC = 8,
    SEEN_TYPE = 16,
    SEEN_NUMBER = 32,
    SEEN_LEVELS = 64,
    SEEN_REQUIRED = 127,
    SEEN_ID = 128,
    ALL_COMPONENTS = 0xffff
};

/* "sgxtcbcomp01svn" .. "sgxtcbcomp16svn" of version 2: 1 .. 16, else 0. */
static uint32_t component_of(struct cella_bytes key) {
    if (key.size != 15 || !cella_equal(key.data, "sgxtcbcomp", 10) ||
        !cella_equal(key.data + 12, "svn", 3))
        return 0;
    uint32_t tens = (uint32_t)(key.data[10] - '0'), ones = (uint32_t)(key.data[11] - '0');
    return tens <= 1 && ones <= 9 && tens * 10 + ones <= 16 ? tens * 10 + ones : 0;
}

/* One {svn, category?, type?} of version 3. */
static void component(struct cella_json *json, uint8_t *svn, struct cella_bytes *category) {
    struct cella_bytes key;
    bool seen = false;
    for (cella_json_enter_object(json); cella_json_key(json, &key);) {
        if (cella_json_is(key, "svn")) {
            *svn = (uint8_t)cella_json_number(json, UINT8_MAX);
            seen = true;
        } else if (cella_json_is(key, "category") && category) {
            *category = cella_json_string(json);
        } else {
            cella_json_skip(json);
        }
    }
    if (!seen) cella_json_fail(json, "a TCB component without svn");
}

static uint32_t components(struct cella_json *json, uint8_t svn[16], struct cella_bytes *category) {
    uint32_t count = 0;
    for (cella_json_array(json); cella_json_item(json); count++) {
        if (count == 16) {
            cella_json_fail(json, "more than 16 TCB components");
            return 0;
        }
        component(json, &svn[count], category ? &category[count] : NULL);
    }
    return count == 16 ? ALL_COMPONENTS : 0;
}

struct tcb_seen {
    uint32_t sgx, tdx;
    bool pcesvn;
};

static void tcb(struct cella_json *json, struct cella_tcbinfo *info, struct cella_tcb_level *out,
                struct tcb_seen *seen) {
    struct cella_bytes key;
    bool first = info->level_count == 0;
    for (cella_json_enter_object(json); cella_json_key(json, &key);) {
        uint32_t n = component_of(key);
        if (n > 0) {
            out->sgx[n - 1] = (uint8_t)cella_json_number(json, UINT8_MAX);
            seen->sgx |= (uint32_t)1 << (n - 1);
        } else if (cella_json_is(key, "pcesvn")) {
            out->pcesvn = (uint16_t)cella_json_number(json, UINT16_MAX);
            seen->pcesvn = true;
        } else if (cella_json_is(key, "sgxtcbcomponents")) {
            if (seen->sgx) cella_json_fail(json, "TCB components in two forms");
            seen->sgx = components(json, out->sgx, first ? info->sgx_category : NULL);
        } else if (cella_json_is(key, "tdxtcbcomponents")) {
            seen->tdx = components(json, out->tdx, first ? info->tdx_category : NULL);
        } else {
            cella_json_skip(json);
        }
    }
}

/* Gives whether the level has TDX components. */
static bool level(struct cella_json *json, struct cella_tcbinfo *info,
                  struct cella_tcb_level *out) {
    struct cella_bytes key;
    struct tcb_seen seen = {0};
    for (cella_json_enter_object(json); cella_json_key(json, &key);) {
        if (cella_tcb_level_key(json, key, &out->verdict)) continue;
        if (cella_json_is(key, "tcb"))
            tcb(json, info, out, &seen);
        else
            cella_json_skip(json);
    }
    if (seen.sgx != ALL_COMPONENTS || !seen.pcesvn)
        cella_json_fail(json, "a TCB level without all components and pcesvn");
    if (out->verdict.status == CELLA_TCB_NONE || out->verdict.date_unix == 0)
        cella_json_fail(json, "a TCB level without its tcbDate or tcbStatus");
    return seen.tdx == ALL_COMPONENTS;
}

static void levels(struct cella_json *json, struct cella_tcbinfo *out, uint32_t *with_tdx) {
    for (cella_json_array(json); cella_json_item(json);) {
        if (out->level_count == CELLA_TCB_LEVELS) {
            cella_json_fail(json, "more than 64 TCB levels");
            return;
        }
        *with_tdx += level(json, out, &out->level[out->level_count]);
        out->level_count++;
    }
    if (out->level_count == 0) cella_json_fail(json, "no TCB level");
}

static void module(struct cella_json *json, bool identity, struct cella_tdx_module *out) {
    struct cella_bytes key;
    uint32_t seen = 0;
    for (cella_json_enter_object(json); cella_json_key(json, &key);) {
        if (cella_json_is(key, "mrsigner")) {
            cella_json_hex(json, out->mrsigner, 48);
            seen |= 1;
        } else if (cella_json_is(key, "attributes")) {
            cella_json_hex(json, out->attributes, 8);
            seen |= 2;
        } else if (cella_json_is(key, "attributesMask")) {
            cella_json_hex(json, out->attributes_mask, 8);
            seen |= 4;
        } else if (identity && cella_json_is(key, "id")) {
            out->id = cella_json_string(json);
            seen |= 8;
        } else if (identity && cella_json_is(key, "tcbLevels")) {
            cella_tcb_svn_levels(json, out->level, &out->level_count);
            seen |= 16;
        } else {
            cella_json_skip(json);
        }
    }
    if (seen != (identity ? 31 : 7))
        cella_json_fail(json, "a TDX module identity that is not whole");
}

static void identities(struct cella_json *json, struct cella_tcbinfo *out) {
    for (cella_json_array(json); cella_json_item(json);) {
        if (out->identity_count == CELLA_TDX_MODULES) {
            cella_json_fail(json, "more than 8 TDX module identities");
            return;
        }
        module(json, true, &out->identity[out->identity_count++]);
    }
}

static bool read_id(struct cella_json *json) {
    struct cella_bytes id = cella_json_string(json);
    bool tdx = cella_json_is(id, "TDX");
    if (!tdx && !cella_json_is(id, "SGX"))
        cella_json_fail(json, "an id that is neither SGX nor TDX");
    return tdx;
}

/* Gives the bit of what was read. */
static uint32_t field(struct cella_json *json, struct cella_bytes key, struct cella_tcbinfo *out,
                      uint32_t *with_tdx) {
    if (cella_json_is(key, "version"))
        return out->version = (uint32_t)cella_json_number(json, 255), SEEN_VERSION;
    if (cella_json_is(key, "issueDate"))
        return out->issue_unix = cella_json_time_unix(json), SEEN_ISSUE;
    if (cella_json_is(key, "nextUpdate"))
        return out->next_unix = cella_json_time_unix(json), SEEN_NEXT;
    if (cella_json_is(key, "tcbType"))
        return out->tcb_type = (uint32_t)cella_json_number(json, UINT32_MAX), SEEN_TYPE;
    if (cella_json_is(key, "tcbEvaluationDataNumber"))
        return out->evaluation = (uint32_t)cella_json_number(json, UINT32_MAX), SEEN_NUMBER;
    if (cella_json_is(key, "id")) return out->tdx = read_id(json), SEEN_ID;
    if (cella_json_is(key, "fmspc")) return cella_json_hex(json, out->fmspc, 6), SEEN_FMSPC;
    if (cella_json_is(key, "tcbLevels")) return levels(json, out, with_tdx), SEEN_LEVELS;
    if (cella_json_is(key, "pceId")) {
        out->has_pceid = true;
        cella_json_hex(json, out->pceid, 2);
    } else if (cella_json_is(key, "tdxModule")) {
        out->has_module = true;
        module(json, false, &out->module);
    } else if (cella_json_is(key, "tdxModuleIdentities")) {
        identities(json, out);
    } else {
        cella_json_skip(json);
    }
    return 0;
}

static void body(struct cella_json *json, void *to) {
    struct cella_tcbinfo *out = to;
    struct cella_bytes key;
    uint32_t seen = 0, with_tdx = 0;
    for (cella_json_enter_object(json); cella_json_key(json, &key);)
        seen |= field(json, key, out, &with_tdx);
    if ((seen & SEEN_REQUIRED) != SEEN_REQUIRED)
        cella_json_fail(json, "TCB info that lacks a member");
    if (out->version != 2 && out->version != 3)
        cella_json_fail(json, "TCB info of a version other than 2 and 3"); /* A19 */
    if ((out->version == 3) != ((seen & SEEN_ID) != 0))
        cella_json_fail(json, "id does not fit the version");
    if (out->issue_unix > out->next_unix) cella_json_fail(json, "issueDate after nextUpdate");
    if (out->tdx && (with_tdx != out->level_count || !out->has_module))
        cella_json_fail(json, "TCB info of TDX without tdxModule or tdxtcbcomponents");
}

CELLA_RESULT cella_tcbinfo_parse(struct cella_bytes text, struct cella_tcbinfo *out) {
    *out = (struct cella_tcbinfo){0};
    struct cella_signed_json parts = {.name = "tcbInfo", .body = body, .out = out};
    TRY(cella_signed_json_parse(text, &parts));
    out->signed_part = parts.signed_part;
    cella_copy(out->signature, parts.signature, sizeof(out->signature));
    return CELLA_SUCCESS;
}
