#include "evidence/identity.h"

#include "base/memory.h"

enum {
    SEEN_VERSION = 1,
    SEEN_ISSUE = 2,
    SEEN_NEXT = 4,
    SEEN_MISC = 8,
    SEEN_MISC_MASK = 16,
    SEEN_ATTRIBUTES = 32,
    SEEN_MASK = 64,
    SEEN_SIGNER = 128,
    SEEN_PRODUCT = 256,
    SEEN_BOTH = 511,
    SEEN_ID = 512,
    SEEN_NUMBER = 1024,
    SEEN_LEVELS = 2048,
    SEEN_SVN = 4096,
    SEEN_V2 = SEEN_BOTH | SEEN_ID | SEEN_NUMBER | SEEN_LEVELS
};

static const char *const ids[] = {
    [CELLA_ENCLAVE_QE] = "QE", [CELLA_ENCLAVE_TD_QE] = "TD_QE", [CELLA_ENCLAVE_QVE] = "QVE"};

const char *cella_enclave_id_name(enum cella_enclave_id id) { return ids[id]; }

static enum cella_enclave_id read_id(struct cella_json *json) {
    struct cella_bytes text = cella_json_string(json);
    for (enum cella_enclave_id id = CELLA_ENCLAVE_QE; id <= CELLA_ENCLAVE_QVE; id++)
        if (cella_json_is(text, ids[id])) return id;
    cella_json_fail(json, "an id that is none of QE, TD_QE, QVE");
    return CELLA_ENCLAVE_QE;
}

static uint32_t identity_field(struct cella_json *json, struct cella_bytes key,
                               struct cella_enclave_identity *out) {
    if (cella_json_is(key, "miscselect"))
        return cella_json_hex(json, out->miscselect, 4), SEEN_MISC;
    if (cella_json_is(key, "miscselectMask"))
        return cella_json_hex(json, out->miscselect_mask, 4), SEEN_MISC_MASK;
    if (cella_json_is(key, "attributes"))
        return cella_json_hex(json, out->attributes, 16), SEEN_ATTRIBUTES;
    if (cella_json_is(key, "attributesMask"))
        return cella_json_hex(json, out->attributes_mask, 16), SEEN_MASK;
    if (cella_json_is(key, "mrsigner")) return cella_json_hex(json, out->mrsigner, 32), SEEN_SIGNER;
    if (cella_json_is(key, "isvprodid"))
        return out->isvprodid = (uint16_t)cella_json_number(json, UINT16_MAX), SEEN_PRODUCT;
    if (cella_json_is(key, "tcbLevels"))
        return cella_tcb_svn_levels(json, out->level, &out->level_count), SEEN_LEVELS;
    if (cella_json_is(key, "isvsvn")) return (void)cella_json_number(json, UINT16_MAX), SEEN_SVN;
    cella_json_skip(json);
    return 0;
}

static uint32_t field(struct cella_json *json, struct cella_bytes key,
                      struct cella_enclave_identity *out) {
    if (cella_json_is(key, "id")) return out->id = read_id(json), SEEN_ID;
    if (cella_json_is(key, "version"))
        return out->version = (uint32_t)cella_json_number(json, 255), SEEN_VERSION;
    if (cella_json_is(key, "issueDate"))
        return out->issue_unix = cella_json_time_unix(json), SEEN_ISSUE;
    if (cella_json_is(key, "nextUpdate"))
        return out->next_unix = cella_json_time_unix(json), SEEN_NEXT;
    if (cella_json_is(key, "tcbEvaluationDataNumber"))
        return out->evaluation = (uint32_t)cella_json_number(json, UINT32_MAX), SEEN_NUMBER;
    return identity_field(json, key, out);
}

static void body(struct cella_json *json, void *to) {
    struct cella_enclave_identity *out = to;
    struct cella_bytes key;
    uint32_t seen = 0;
    for (cella_json_enter_object(json); cella_json_key(json, &key);) seen |= field(json, key, out);
    uint32_t required = out->version == 1 ? SEEN_BOTH | SEEN_SVN : SEEN_V2;
    if (out->version != 1 && out->version != 2)
        cella_json_fail(json, "an identity of a version other than 1 and 2");
    if ((seen & required) != required)
        cella_json_fail(json, "an enclave identity that lacks a member");
    if (out->version == 2 && out->level_count == 0) cella_json_fail(json, "no TCB level");
    if (out->issue_unix > out->next_unix) cella_json_fail(json, "issueDate after nextUpdate");
}

/* Version 1 stands under another name. */
static const char *outer_name(struct cella_bytes text) {
    struct cella_json json;
    struct cella_bytes key;
    cella_json_begin(&json, text);
    for (cella_json_enter_object(&json); cella_json_key(&json, &key); cella_json_skip(&json))
        if (cella_json_is(key, "qeIdentity"))
            return "qeIdentity";
        else if (cella_json_is(key, "enclaveIdentity"))
            break;
    return "enclaveIdentity";
}

CELLA_RESULT cella_enclave_identity_parse(struct cella_bytes text,
                                          struct cella_enclave_identity *out) {
    *out = (struct cella_enclave_identity){0};
    struct cella_signed_json parts = {.name = outer_name(text), .body = body, .out = out};
    TRY(cella_signed_json_parse(text, &parts));
    bool v1 = cella_json_is(cella_bytes_text(parts.name), "qeIdentity");
    ENSURE(v1 == (out->version == 1), CELLA_ERR_FORMAT, "fetch it anew",
           "enclave identity: version %u does not stand under %s", out->version, parts.name);
    out->signed_part = parts.signed_part;
    cella_copy(out->signature, parts.signature, sizeof(out->signature));
    return CELLA_SUCCESS;
}
