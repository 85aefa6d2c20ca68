#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "evidence/json.h"
#include "evidence/maa.h"

/* Room is left in the set for the common names. */
enum {
    NUMERIC_DATE_BITS = 53,
    CLAIMS_MAX = 440,
    NAME_SIZE = CELLA_CLAIM_NAME_MAX,
    HEX_MAX = 64 /* bytes */,
    TEXT_SIZE = 128
};

/* --- What the checks need --- */

enum need { EXP = 1, NBF = 2, IAT = 4, ISS = 8, ALL = 15 };

static void copy_text(struct cella_json *json, char *out, size_t size, const char *why) {
    struct cella_bytes text = cella_json_string(json);
    if (text.size == 0 || text.size >= size) cella_json_fail(json, why);
    if (json->failed) return;
    cella_copy(out, text.data, text.size);
    out[text.size] = 0;
}

/* RFC 7519 section 2: a number; here an exact one, as the service writes it (A27). */
static uint64_t numeric_date(struct cella_json *json) {
    return cella_json_number(json, 1ULL << NUMERIC_DATE_BITS);
}

static unsigned read_one(struct cella_json *json, struct cella_bytes key,
                         struct cella_maa_token *out) {
    if (cella_json_is(key, "exp")) return out->times.expires_unix = numeric_date(json), EXP;
    if (cella_json_is(key, "nbf")) return out->times.not_before_unix = numeric_date(json), NBF;
    if (cella_json_is(key, "iat")) return out->times.issued_unix = numeric_date(json), IAT;
    if (cella_json_is(key, "iss"))
        return copy_text(json, out->issuer, sizeof(out->issuer), "iss is empty or too long"), ISS;
    if (cella_json_is(key, "attester_tcb_status"))
        return copy_text(json, out->tcb_status, sizeof(out->tcb_status),
                         "attester_tcb_status is empty or too long"),
               0;
    cella_json_skip(json);
    return 0;
}

CELLA_RESULT cella_maa_read(struct cella_bytes payload, struct cella_maa_token *out) {
    struct cella_json json;
    struct cella_bytes key;
    unsigned seen = 0;
    cella_zero(out, sizeof(*out));
    cella_json_begin(&json, payload);
    cella_json_enter_object(&json);
    while (cella_json_key(&json, &key)) seen |= read_one(&json, key, out);
    TRY(cella_json_end(&json, "token payload"));
    ENSURE(seen == ALL, CELLA_ERR_FORMAT, NULL, "token payload: no %s",
           !(seen & EXP)   ? "exp"
           : !(seen & NBF) ? "nbf"
           : !(seen & IAT) ? "iat"
                           : "iss");
    return CELLA_SUCCESS;
}

/* --- Common names --- */

enum tee { OTHER, SGX, SNP, TDX, SOFTWARE };
enum kind { HEX, HEX_NOT_ZERO, NUMBER, BOOLEAN, TEXT, TEXTS };

static const struct common {
    enum tee tee;
    const char *from, *to;
    enum kind kind;
} commons[] = {
    {SGX, "x-ms-sgx-mrenclave", "measurement", HEX},
    {SGX, "x-ms-sgx-mrsigner", "signer", HEX},
    {SGX, "x-ms-sgx-product-id", "product-id", NUMBER},
    {SGX, "x-ms-sgx-svn", "svn", NUMBER},
    {SGX, "x-ms-sgx-is-debuggable", "debug", BOOLEAN},
    {SGX, "x-ms-sgx-report-data", "report-data", HEX},
    {SGX, "x-ms-sgx-config-id", "config-id", HEX},
    {SNP, "x-ms-sevsnpvm-launchmeasurement", "measurement", HEX},
    {SNP, "x-ms-sevsnpvm-idkeydigest", "signer", HEX_NOT_ZERO},
    {SNP, "x-ms-sevsnpvm-guestsvn", "svn", NUMBER},
    {SNP, "x-ms-sevsnpvm-is-debuggable", "debug", BOOLEAN},
    {SNP, "x-ms-sevsnpvm-reportdata", "report-data", HEX},
    {SNP, "x-ms-sevsnpvm-hostdata", "config-id", HEX},
    {TDX, "tdx_mrtd", "measurement", HEX},
    {TDX, "tdx_mrconfigid", "config-id", HEX},
    {TDX, "tdx_td_attributes_debug", "debug", BOOLEAN},
    {TDX, "tdx_report_data", "report-data", HEX},
    {TDX, "attester_tcb_status", "tcb-status", TEXTS},
    {TDX, "attester_advisory_ids", "advisories", TEXTS},
    /* cella's own evidence, by cella's own service; what is asked of it is what the evidence itself
     * would be asked (A23) */
    {SOFTWARE, "x-ms-cella-assurance", "assurance", TEXT},
    {SOFTWARE, "x-ms-cella-confidential-computing", "confidential-computing", BOOLEAN},
    {SOFTWARE, "x-ms-cella-mrenclave", "measurement", HEX},
    {SOFTWARE, "x-ms-cella-mrsigner", "signer", HEX},
    {SOFTWARE, "x-ms-cella-product-id", "product-id", NUMBER},
    {SOFTWARE, "x-ms-cella-svn", "svn", NUMBER},
    {SOFTWARE, "x-ms-cella-is-debuggable", "debug", BOOLEAN},
    {SOFTWARE, "x-ms-cella-report-data", "report-data", HEX},
    {SOFTWARE, "x-ms-cella-config-id", "config-id", HEX},
    {SOFTWARE, "x-ms-cella-platform-key", "platform-id", HEX},
    {SOFTWARE, "x-ms-cella-memory", "software.memory", TEXT},
    {SOFTWARE, "x-ms-cella-root", "root", TEXT},
    {SOFTWARE, "x-ms-cella-root-measurement", "root-measurement", HEX},
    {SOFTWARE, "x-ms-cella-root-is-debuggable", "root-debug", BOOLEAN},
};
enum { COMMON_COUNT = sizeof(commons) / sizeof(commons[0]) };

struct flattening {
    uint8_t *payload;
    struct cella_json json;
    struct cella_claimset *claims;
    char name[NAME_SIZE]; /* of the value that is being read */
    uint64_t omitted;
};

static void put_hex(struct cella_claimset *claims, const char *to, struct cella_bytes text,
                    bool not_zero) {
    uint8_t bytes[HEX_MAX], any = 0;
    size_t size = text.size / 2;
    if (text.size % 2 || size == 0 || size > HEX_MAX) return;
    struct cella_result r = cella_hex_decode(text, bytes, size);
    bool bad = cella_failed(r);
    cella_result_drop(r);
    for (size_t i = 0; !bad && i < size; i++) any |= bytes[i];
    if (!bad && (any || !not_zero)) cella_claim_bytes(claims, to, cella_bytes(bytes, size));
}

static void put_texts(struct cella_claimset *claims, const char *to, struct cella_json *json) {
    char text[TEXT_SIZE];
    bool list = cella_json_peek(json) == '[';
    if (list) cella_json_array(json);
    while (!list || cella_json_item(json)) {
        copy_text(json, text, sizeof(text), "too long");
        if (!json->failed && list) cella_claim_list_text(claims, to, text);
        if (!json->failed && !list) cella_claim_text(claims, to, text);
        if (!list) return;
    }
}

/* A value that does not have the form its name promises gets no common name: a missing claim meets
 * no expectation (A38). The raw value has been checked as JSON. */
static void put_common(struct cella_claimset *claims, const struct common *c,
                       struct cella_bytes raw) {
    struct cella_json json;
    cella_json_begin(&json, raw);
    uint8_t first = cella_json_peek(&json);
    uint64_t number = c->kind == NUMBER ? cella_json_number(&json, UINT64_MAX) : 0;
    struct cella_bytes hex =
        c->kind == HEX || c->kind == HEX_NOT_ZERO ? cella_json_string(&json) : cella_bytes(NULL, 0);
    if (json.failed) return;
    switch (c->kind) {
    case HEX:
    case HEX_NOT_ZERO: put_hex(claims, c->to, hex, c->kind == HEX_NOT_ZERO); return;
    case NUMBER: cella_claim_number(claims, c->to, number); return;
    case BOOLEAN:
        if (first == 't' || first == 'f') cella_claim_boolean(claims, c->to, first == 't');
        return;
    case TEXT:
        if (first != '"') return;
        put_texts(claims, c->to, &json);
        return;
    case TEXTS: put_texts(claims, c->to, &json); return;
    }
}

/* Only of the object that tells what the TEE is: a name elsewhere, as in the guest's own runtime
 * data, is just a name. */
static void put_commons(struct cella_claimset *claims, struct cella_bytes object, enum tee tee) {
    struct cella_json json;
    struct cella_bytes key;
    cella_json_begin(&json, object);
    for (cella_json_enter_object(&json); cella_json_key(&json, &key);) {
        struct cella_bytes raw = cella_json_raw(&json);
        for (size_t i = 0; i < COMMON_COUNT; i++)
            if (commons[i].tee == tee && cella_json_is(key, commons[i].from))
                put_common(claims, &commons[i], raw);
    }
}

/* --- All claims, flattened: maa.NAME, maa.OBJECT.NAME, maa.LIST.INDEX.NAME --- */

/* Names of printable ASCII without the dot that joins them. Returns the size before, or SIZE_MAX
 * when it does not fit. */
static size_t name_push(struct flattening *f, struct cella_bytes key) {
    size_t before = strlen(f->name);
    bool good = key.size > 0 && before + 1 + key.size < NAME_SIZE;
    for (size_t i = 0; good && i < key.size; i++)
        good = key.data[i] > 0x20 && key.data[i] < 0x7f && key.data[i] != '.';
    if (!good) return SIZE_MAX;
    f->name[before] = '.';
    cella_copy(f->name + before + 1, key.data, key.size);
    f->name[before + 1 + key.size] = 0;
    return before;
}

static void put_text(struct flattening *f, struct cella_bytes raw, bool list) {
    uint8_t *text = f->payload + (raw.data - f->payload);
    if (raw.size > CELLA_CLAIM_VALUE_MAX) {
        f->omitted++;
        return;
    }
    if (raw.data[0] == '"') {
        text[cella_jwt_text(raw, text)] =
            0; /* at the closing quote at the latest, which has been read */
        list ? cella_claim_list_text(f->claims, f->name, (const char *)text)
             : cella_claim_text(f->claims, f->name, (const char *)text);
        return;
    }
    char word[64]; /* a number that is no count, or a boolean in a list */
    if (raw.size >= sizeof(word)) {
        f->omitted++;
        return;
    }
    cella_copy(word, raw.data, raw.size);
    word[raw.size] = 0;
    list ? cella_claim_list_text(f->claims, f->name, word)
         : cella_claim_text(f->claims, f->name, word);
}

static void put_scalar(struct flattening *f, bool list) {
    struct cella_json number = f->json;
    uint8_t first = cella_json_peek(&f->json);
    struct cella_bytes raw = cella_json_raw(&f->json);
    if (f->json.failed || first == 'n') return;
    if (cella_claimset_count(f->claims) >= CLAIMS_MAX) {
        f->omitted++;
        return;
    }
    uint64_t value = first >= '0' && first <= '9' ? cella_json_number(&number, UINT64_MAX) : 0;
    if (list || first == '"')
        put_text(f, raw, list);
    else if (first == 't' || first == 'f')
        cella_claim_boolean(f->claims, f->name, first == 't');
    else if (first != '-' && !number.failed)
        cella_claim_number(f->claims, f->name, value);
    else
        put_text(f, raw, false);
}

static void put_value(struct flattening *f, bool list);

static void put_list(struct flattening *f) {
    size_t index = 0;
    for (cella_json_array(&f->json); cella_json_item(&f->json); index++) {
        uint8_t first = cella_json_peek(&f->json);
        char text[24];
        if (first != '{' && first != '[') {
            put_value(f, true);
            continue;
        }
        int n = snprintf(text, sizeof(text), "%zu", index);
        size_t before = name_push(f, cella_bytes(text, (size_t)n));
        if (before == SIZE_MAX) {
            f->omitted++;
            cella_json_skip(&f->json);
            continue;
        }
        put_value(f, false);
        f->name[before] = 0;
    }
}

static void put_object(struct flattening *f) {
    struct cella_bytes key;
    for (cella_json_enter_object(&f->json); cella_json_key(&f->json, &key);) {
        size_t before = name_push(f, key);
        if (before == SIZE_MAX) {
            f->omitted++;
            cella_json_skip(&f->json);
            continue;
        }
        put_value(f, false);
        f->name[before] = 0;
    }
}

/* The depth of recursion is the reader's, 32 at most. */
static void put_value(struct flattening *f, bool list) {
    uint8_t first = cella_json_peek(&f->json);
    if (first == '{')
        put_object(f);
    else if (first == '[')
        put_list(f);
    else
        put_scalar(f, list);
}

/* --- Which TEE --- */

static const struct {
    const char *type, *name;
    enum tee tee;
} types[] = {{"sgx", "sgx", SGX},
             {"sevsnpvm", "snp", SNP},
             {"tdxvm", "tdx", TDX},
             {"cella-software", "software", SOFTWARE},
             {"azurevm", "azure-vm", OTHER},
             {"tpm", "tpm", OTHER}};
enum { TYPE_COUNT = sizeof(types) / sizeof(types[0]) };

struct found {
    struct cella_bytes type; /* x-ms-attestation-type */
    struct cella_bytes isolation;
};

static struct found find_type(struct cella_bytes object) {
    struct cella_json json;
    struct cella_bytes key;
    struct found found = {0};
    cella_json_begin(&json, object);
    for (cella_json_enter_object(&json); cella_json_key(&json, &key);) {
        bool text = cella_json_peek(&json) == '"', inner = cella_json_peek(&json) == '{';
        struct cella_bytes raw = cella_json_raw(&json);
        if (text && cella_json_is(key, "x-ms-attestation-type"))
            found.type = cella_bytes(raw.data + 1, raw.size - 2);
        if (inner && cella_json_is(key, "x-ms-isolation-tee")) found.isolation = raw;
    }
    return found;
}

static enum tee put_type(struct cella_claimset *claims, struct cella_bytes type) {
    size_t i = 0;
    while (i < TYPE_COUNT && !cella_json_is(type, types[i].type)) i++;
    cella_claim_text(claims, "tee",
                     i < TYPE_COUNT ? types[i].name
                                    : "unknown"); /* as the answer to a change of policy */
    return i < TYPE_COUNT ? types[i].tee : OTHER;
}

/* A guest attests its boot (azurevm), and the TEE below it is an object of its own; else the token
 * is of the TEE. */
void cella_maa_claims(uint8_t *payload, size_t size, struct cella_claimset *claims) {
    struct flattening f = {.payload = payload, .claims = claims, .name = "maa"};
    struct cella_bytes object = cella_bytes(payload, size);
    struct found found = find_type(object);
    if (cella_json_is(found.type, "azurevm") && found.isolation.size > 0) {
        object = found.isolation;
        found = find_type(object);
    }
    enum tee tee = put_type(claims, found.type);
    put_commons(claims, object, tee);
    if (tee != SOFTWARE) cella_claim_text(claims, "assurance", "attestation-service");
    cella_json_begin(&f.json, cella_bytes(payload, size));
    put_object(&f);
    if (f.omitted > 0) cella_claim_number(claims, "maa.omitted", f.omitted);
}
