#include "evidence/hcl.h"

#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"

enum {
    REPORT_DATA = 64,
    DATA_HEAD = 20,
    TYPE_SNP = 2,
    TYPE_TDX = 4,
    SNP_REPORT_DATA = 0x50,
    TD_REPORT_DATA = 128,
    TD_TYPE = 0x81,
    NV_SIZE = 2600
};

static struct cella_result read_hardware(struct cella_reader *r, struct cella_bytes *out) {
    static const char hint[] = "read NV index 0x01400001 of the virtual TPM again";
    *out = cella_reader_bytes(r, CELLA_HCL_HARDWARE_SIZE);
    ENSURE(!r->failed, CELLA_ERR_FORMAT, hint, "HCL report: cut short");
    return CELLA_SUCCESS;
}

/* What the report says of itself; nothing of it is signed, so all of it must be as it always is. */
static struct cella_result read_head(struct cella_reader *r, struct cella_hcl *out,
                                     uint32_t *size) {
    cella_reader_expect(r, cella_bytes("HCLA", 4));
    ENSURE(!r->failed, CELLA_ERR_FORMAT, NULL, "HCL report: it does not begin with HCLA");
    out->version = cella_reader_u32le(r);
    *size = cella_reader_u32le(r);
    out->request = cella_reader_u32le(r);
    uint32_t status = cella_reader_u32le(r);
    cella_reader_zero(r, 12);
    ENSURE(!r->failed && (out->version == 1 || out->version == 2), CELLA_ERR_UNSUPPORTED, NULL,
           "HCL report: version: expected 1 or 2 with reserved bytes of zero, found %u",
           out->version); /* A19 */
    ENSURE(out->request == 2 && status == 0, CELLA_ERR_UNSUPPORTED, NULL,
           "HCL report: expected request type 2 with status 0, found %u with %u", out->request,
           status);
    return CELLA_SUCCESS;
}

static struct cella_result read_data(struct cella_reader *r, struct cella_hcl *out,
                                     uint32_t report_size) {
    size_t begin = r->at;
    uint32_t size = cella_reader_u32le(r), version = cella_reader_u32le(r),
             type = cella_reader_u32le(r);
    uint32_t hash = cella_reader_u32le(r), count = cella_reader_u32le(r);
    ENSURE(!r->failed && version == 1 && (type == TYPE_SNP || type == TYPE_TDX),
           CELLA_ERR_UNSUPPORTED, NULL,
           "HCL report: expected data version 1 of report type 2 (SNP) or 4 (TDX), found %u of %u",
           version, type);
    ENSURE(hash >= 1 && hash <= 3, CELLA_ERR_UNSUPPORTED, NULL,
           "HCL report: hash type: expected 1 to 3, found %u", hash);
    out->tdx = type == TYPE_TDX;
    out->hash = (enum cella_hash)(CELLA_HASH_SHA256 + (hash - 1));
    out->runtime = cella_reader_bytes(r, count);
    /* A31: the three sizes say the same, and only zeros follow. */
    ENSURE(!r->failed && count <= size && size - count == DATA_HEAD && report_size == begin + size,
           CELLA_ERR_FORMAT, NULL,
           "HCL report: its sizes do not fit: %u of data, %u of JSON in it, %u in all", size, count,
           report_size);
    size_t padding = cella_reader_left(r);
    cella_reader_zero(r, padding);
    ENSURE(cella_reader_done(r), CELLA_ERR_FORMAT, NULL,
           "HCL report: bytes behind it that are not zero");
    /* As the whole NV index, or trimmed to what it says it is; anything between was cut on its way.
     */
    ENSURE(padding == 0 || r->size >= NV_SIZE, CELLA_ERR_FORMAT, NULL,
           "HCL report: %zu bytes, expected %u or the whole index of %d", r->size, report_size,
           NV_SIZE);
    return CELLA_SUCCESS;
}

static bool hashes_to(struct cella_bytes part, const uint8_t *expected) {
    uint8_t digest[CELLA_HASH_SIZE_MAX];
    struct cella_result r = cella_hash(CELLA_HASH_SHA384, &part, 1, digest);
    bool same = !cella_failed(r) && cella_equal(digest, expected, 48);
    cella_result_drop(r);
    return same;
}

/* The TDREPORT's own hashes and reserved bytes (Intel TDX module ABI, REPORTMACSTRUCT). Its MAC
 * speaks to its own machine only; of the rest, just CPUSVN is bound by nothing here and is not
 * used. */
static struct cella_result check_tdreport(struct cella_bytes slot) {
    enum {
        SUBTYPE = 1,
        TCB_HASH = 32,
        INFO_HASH = 80,
        TCB_INFO = 256,
        TCB_INFO_SIZE = 239,
        INFO = 512,
        INFO_SIZE = 512
    };
    static const uint16_t reserved[][2] = {
        {3, 16}, {192, 224}, {TCB_INFO + TCB_INFO_SIZE, INFO}, {1024, CELLA_HCL_HARDWARE_SIZE}};
    bool good = slot.data[0] == TD_TYPE && slot.data[SUBTYPE] == 0 && slot.data[2] <= 1;
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        for (size_t at = reserved[i][0]; at < reserved[i][1]; at++)
            good = good && slot.data[at] == 0;
    ENSURE(good, CELLA_ERR_FORMAT, NULL,
           "HCL report: expected a TDREPORT (type 81, version 0 or 1) with reserved bytes of zero");
    ENSURE(hashes_to(cella_bytes(slot.data + TCB_INFO, TCB_INFO_SIZE), slot.data + TCB_HASH) &&
               hashes_to(cella_bytes(slot.data + INFO, INFO_SIZE), slot.data + INFO_HASH),
           CELLA_ERR_INTEGRITY, NULL,
           "HCL report: the TDREPORT's hashes are not those of its parts");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_hcl_parse(struct cella_bytes bytes, struct cella_hcl *out) {
    *out = (struct cella_hcl){0};
    struct cella_hcl found = {0};
    struct cella_reader r = cella_reader(bytes);
    uint32_t size = 0;
    ENSURE(bytes.size <= CELLA_HCL_MAX, CELLA_ERR_LIMIT, NULL, "HCL report: %zu bytes, at most %d",
           bytes.size, CELLA_HCL_MAX);
    TRY(read_head(&r, &found, &size));
    TRY(read_hardware(&r, &found.hardware));
    TRY(read_data(&r, &found, size));
    if (found.tdx) {
        TRY(check_tdreport(found.hardware));
        found.hardware.size = CELLA_HCL_TDREPORT_SIZE;
    }
    found.report_data = cella_bytes(
        found.hardware.data + (found.tdx ? TD_REPORT_DATA : SNP_REPORT_DATA), REPORT_DATA);
    *out = found;
    return CELLA_SUCCESS;
}

/* --- Runtime data --- */

static struct cella_result make_key(struct cella_bytes n, struct cella_bytes e,
                                    struct cella_spki *out) {
    CELLA_BUFFER number = {0}, exponent = {0};
    uint64_t value = 0;
    TRY(cella_base64_decode(n, true, &number));
    TRY(cella_base64_decode(e, true, &exponent));
    ENSURE(exponent.size >= 1 && exponent.size <= 4 && exponent.data[0], CELLA_ERR_FORMAT, NULL,
           "runtime data: HCLAkPub: an exponent of %zu bytes", exponent.size);
    for (size_t i = 0; i < exponent.size; i++) value = value << 8 | exponent.data[i];
    return cella_spki_rsa(cella_buffer_bytes(&number), value, out);
}

static bool read_signs(struct cella_json *json) {
    bool sign = false;
    cella_json_array(json);
    while (cella_json_item(json)) sign |= cella_json_is(cella_json_string(json), "sign");
    return sign;
}

/* One JWK; the attestation key by its id, which must be there once and be one that signs. */
static struct cella_result read_key(struct cella_json *json, struct cella_hcl_runtime *out) {
    struct cella_bytes key, kid = {0}, kty = {0}, n = {0}, e = {0};
    bool sign = false;
    cella_json_enter_object(json);
    while (cella_json_key(json, &key)) {
        if (cella_json_is(key, "kid"))
            kid = cella_json_string(json);
        else if (cella_json_is(key, "kty"))
            kty = cella_json_string(json);
        else if (cella_json_is(key, "n"))
            n = cella_json_string(json);
        else if (cella_json_is(key, "e"))
            e = cella_json_string(json);
        else if (cella_json_is(key, "key_ops"))
            sign = read_signs(json);
        else
            cella_json_skip(json);
    }
    if (json->failed || !cella_json_is(kid, "HCLAkPub")) return CELLA_SUCCESS;
    ENSURE(out->ak.size == 0, CELLA_ERR_FORMAT, NULL,
           "runtime data: HCLAkPub is there twice"); /* A25 */
    ENSURE(cella_json_is(kty, "RSA") && sign, CELLA_ERR_FORMAT, NULL,
           "runtime data: HCLAkPub is not an RSA key that signs");
    return make_key(n, e, &out->ak);
}

static struct cella_result read_vm(struct cella_json *json, struct cella_hcl_runtime *out) {
    struct cella_bytes key;
    cella_json_enter_object(json);
    while (cella_json_key(json, &key)) {
        ENSURE(out->vm_count < CELLA_HCL_VM_MAX, CELLA_ERR_LIMIT, NULL,
               "runtime data: more than %d values of vm-configuration", CELLA_HCL_VM_MAX);
        bool text = cella_json_peek(json) == '"';
        struct cella_bytes value = text ? cella_json_string(json) : cella_json_raw(json);
        out->vm[out->vm_count].name = key;
        out->vm[out->vm_count].value = value;
        out->vm[out->vm_count++].text = text;
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_hcl_runtime_parse(struct cella_bytes text, struct cella_hcl_runtime *out) {
    *out = (struct cella_hcl_runtime){0};
    struct cella_json json;
    struct cella_bytes key;
    cella_json_begin(&json, text);
    cella_json_enter_object(&json);
    while (cella_json_key(&json, &key)) {
        if (cella_json_is(key, "keys")) {
            cella_json_array(&json);
            while (cella_json_item(&json)) TRY(read_key(&json, out));
        } else if (cella_json_is(key, "vm-configuration")) {
            TRY(read_vm(&json, out));
        } else if (cella_json_is(key, "user-data")) {
            out->user_data = cella_json_string(&json);
        } else {
            cella_json_skip(&json);
        }
    }
    TRY(cella_json_end(&json, "runtime data"));
    ENSURE(out->ak.size > 0, CELLA_ERR_FORMAT, NULL, "runtime data: no key HCLAkPub");
    return CELLA_SUCCESS;
}
