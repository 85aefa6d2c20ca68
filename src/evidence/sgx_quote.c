#include "evidence/sgx_quote.h"

#include "base/memory.h"
#include "base/reader.h"

enum {
    KEY_TYPE_ECDSA_P256 = 2,
    TEE_SGX = 0,
    TEE_TDX = 0x81,
    CERTIFICATION_QE_REPORT = 6,
    SIGNATURE_SIZE = 64
};

static const uint8_t intel_vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                         0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};
static const char new_quote[] = "ask the machine for a new quote and pass all of it";

/* SDM vol. 3D, REPORT structure, without KEYID and MAC. */
static void read_sgx_body(struct cella_reader *from, struct cella_sgx_body *out) {
    struct cella_reader r = cella_reader_sub(from, CELLA_SGX_BODY_SIZE);
    out->whole = cella_bytes(r.data, r.size);
    out->cpusvn = cella_reader_bytes(&r, 16);
    out->miscselect = cella_reader_u32le(&r);
    cella_reader_zero(&r, 12);
    out->isvextprodid = cella_reader_bytes(&r, 16);
    struct cella_reader attributes = r;
    out->flags = cella_reader_u64le(&attributes);
    out->xfrm = cella_reader_u64le(&attributes);
    out->attributes = cella_reader_bytes(&r, 16);
    out->mrenclave = cella_reader_bytes(&r, 32);
    cella_reader_zero(&r, 32);
    out->mrsigner = cella_reader_bytes(&r, 32);
    cella_reader_zero(&r, 32);
    out->configid = cella_reader_bytes(&r, 64);
    out->isvprodid = cella_reader_u16le(&r);
    out->isvsvn = cella_reader_u16le(&r);
    out->configsvn = cella_reader_u16le(&r);
    cella_reader_zero(&r, 42);
    out->isvfamilyid = cella_reader_bytes(&r, 16);
    out->report_data = cella_reader_bytes(&r, 64);
    if (!cella_reader_done(&r)) from->failed = true;
}

static void read_td_body(struct cella_reader *r, bool td15, struct cella_td_body *out) {
    out->tee_tcb_svn = cella_reader_bytes(r, 16);
    out->mrseam = cella_reader_bytes(r, 48);
    out->mrsignerseam = cella_reader_bytes(r, 48);
    out->seam_attributes = cella_reader_bytes(r, 8);
    out->attributes = cella_reader_bytes(r, 8);
    out->xfam = cella_reader_bytes(r, 8);
    out->mrtd = cella_reader_bytes(r, 48);
    out->mrconfigid = cella_reader_bytes(r, 48);
    out->mrowner = cella_reader_bytes(r, 48);
    out->mrownerconfig = cella_reader_bytes(r, 48);
    for (size_t i = 0; i < 4; i++) out->rtmr[i] = cella_reader_bytes(r, 48);
    out->report_data = cella_reader_bytes(r, 64);
    if (!td15) return;
    out->tee_tcb_svn2 = cella_reader_bytes(r, 16);
    out->mrservicetd = cella_reader_bytes(r, 48);
}

static CELLA_RESULT read_header(struct cella_reader *r, struct cella_quote *out) {
    out->version = cella_reader_u16le(r);
    out->key_type = cella_reader_u16le(r);
    out->tee_type = cella_reader_u32le(r);
    out->qe_svn = cella_reader_u16le(r);
    out->pce_svn = cella_reader_u16le(r);
    struct cella_bytes vendor = cella_reader_bytes(r, 16);
    out->user_data = cella_reader_bytes(r, 20);
    ENSURE(!r->failed, CELLA_ERR_FORMAT, new_quote,
           "quote: %zu bytes are fewer than a quote header's 48", r->size);
    ENSURE(out->version >= 3 && out->version <= 5, CELLA_ERR_UNSUPPORTED,
           "versions 3, 4 and 5 are known", "quote.version: expected 3, 4 or 5, found %u",
           out->version); /* A19 */
    ENSURE(out->tee_type == TEE_SGX || (out->tee_type == TEE_TDX && out->version > 3),
           CELLA_ERR_UNSUPPORTED, NULL,
           "quote.tee type: expected 0 (SGX) or, from version 4, 0x81 (TDX), found 0x%x",
           out->tee_type);
    ENSURE(out->key_type == KEY_TYPE_ECDSA_P256, CELLA_ERR_UNSUPPORTED,
           "ask for a quote with ECDSA P-256",
           "quote.attestation key type: expected 2 (ECDSA P-256), found %u", out->key_type);
    ENSURE(cella_equal(vendor.data, intel_vendor, sizeof(intel_vendor)), CELLA_ERR_UNSUPPORTED,
           NULL, "quote.qe vendor id: not Intel's");
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_body(struct cella_reader *r, struct cella_quote *out) {
    static const uint32_t size[] = {0, CELLA_SGX_BODY_SIZE, CELLA_TD10_BODY_SIZE,
                                    CELLA_TD15_BODY_SIZE};
    out->body_type = out->tee_type == TEE_SGX ? CELLA_QUOTE_BODY_SGX : CELLA_QUOTE_BODY_TD10;
    if (out->version == 5) {
        uint16_t type = cella_reader_u16le(r);
        uint32_t stated = cella_reader_u32le(r);
        bool fits = out->tee_type == TEE_SGX
                        ? type == CELLA_QUOTE_BODY_SGX
                        : type == CELLA_QUOTE_BODY_TD10 || type == CELLA_QUOTE_BODY_TD15;
        ENSURE(!r->failed && fits, CELLA_ERR_UNSUPPORTED, NULL,
               "quote.body type: %u does not fit the TEE type 0x%x", type, out->tee_type);
        ENSURE(stated == size[type], CELLA_ERR_FORMAT, new_quote,
               "quote.body size: expected %u for body type %u, found %u", size[type], type, stated);
        out->body_type = (enum cella_quote_body)type;
    }
    if (out->body_type == CELLA_QUOTE_BODY_SGX)
        read_sgx_body(r, &out->sgx);
    else
        read_td_body(r, out->body_type == CELLA_QUOTE_BODY_TD15, &out->td);
    ENSURE(!r->failed, CELLA_ERR_FORMAT, new_quote,
           "quote.body: cut short, or reserved bytes that are not zero");
    out->signed_part = cella_bytes(r->data, r->at);
    return CELLA_SUCCESS;
}

/* QE report, its signature, authentication data and certification data: the tail of v3, the content
 * of type 6. */
static CELLA_RESULT read_qe_part(struct cella_reader *r, struct cella_quote *out) {
    read_sgx_body(r, &out->qe);
    out->qe_signature = cella_reader_bytes(r, SIGNATURE_SIZE);
    ENSURE(!r->failed, CELLA_ERR_FORMAT, new_quote,
           "quote.qe report: cut short, or reserved bytes that are not zero");
    out->qe_auth = cella_reader_bytes(r, cella_reader_u16le(r));
    ENSURE(!r->failed, CELLA_ERR_FORMAT, new_quote,
           "quote.qe authentication data: its size goes past the end");
    out->certification_type = cella_reader_u16le(r);
    out->certification = cella_reader_bytes(r, cella_reader_u32le(r));
    ENSURE(cella_reader_done(r), CELLA_ERR_FORMAT, new_quote,
           "quote.certification data: its size is not that of what is there");
    ENSURE(out->certification_type >= 1 && out->certification_type <= 7 &&
               out->certification_type != CERTIFICATION_QE_REPORT,
           CELLA_ERR_UNSUPPORTED, NULL,
           "quote.certification data type: expected 1 to 5 or 7, found %u",
           out->certification_type);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_quote_parse(struct cella_bytes bytes, struct cella_quote *out) {
    *out = (struct cella_quote){0};
    struct cella_reader r = cella_reader(bytes);
    TRY(read_header(&r, out));
    TRY(read_body(&r, out));
    uint32_t size = cella_reader_u32le(&r);
    struct cella_reader s = cella_reader_sub(&r, size);
    ENSURE(!r.failed, CELLA_ERR_FORMAT, new_quote,
           "quote.signature data: its size %u goes past the end", size);
    out->signature_size = size;
    out->size = r.at;
    out->signature = cella_reader_bytes(&s, SIGNATURE_SIZE);
    out->attestation_key = cella_reader_bytes(&s, SIGNATURE_SIZE);
    ENSURE(!s.failed, CELLA_ERR_FORMAT, new_quote, "quote.signature data: %u bytes are too few",
           size);
    if (out->version == 3) return read_qe_part(&s, out);
    uint16_t type = cella_reader_u16le(&s);
    struct cella_reader inner = cella_reader_sub(&s, cella_reader_u32le(&s));
    ENSURE(cella_reader_done(&s), CELLA_ERR_FORMAT, new_quote,
           "quote.certification data: its size is not that of what is there");
    ENSURE(type == CERTIFICATION_QE_REPORT, CELLA_ERR_UNSUPPORTED, NULL,
           "quote.certification data type: expected 6 (QE report) in version %u, found %u",
           out->version, type);
    return read_qe_part(&inner, out);
}

CELLA_RESULT cella_quote_pck_id(const struct cella_quote *quote, struct cella_pck_id *out) {
    static const size_t ppid_size[] = {0, 16, 256, 384};
    ENSURE(quote->certification_type >= 1 && quote->certification_type <= 3, CELLA_ERR_FORMAT, NULL,
           "certification data type %u does not name a PCK by its identifiers",
           quote->certification_type);
    struct cella_reader r = cella_reader(quote->certification);
    out->plain = quote->certification_type == 1;
    out->ppid = cella_reader_bytes(&r, ppid_size[quote->certification_type]);
    out->cpusvn = cella_reader_bytes(&r, 16);
    out->pcesvn = cella_reader_u16le(&r);
    out->pceid = cella_reader_bytes(&r, out->plain && cella_reader_left(&r) == 0 ? 0 : 2);
    ENSURE(cella_reader_done(&r), CELLA_ERR_FORMAT, new_quote,
           "quote.certification data: %zu bytes do not fit its type %u", quote->certification.size,
           quote->certification_type);
    return CELLA_SUCCESS;
}
