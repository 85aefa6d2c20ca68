#include "base/memory.h"
#include "evidence/cborwalk.h"
#include "evidence/nitro.h"

enum { COSE_SIGN1 = 18, COSE_ALG = 1, COSE_ES384 = -35, DER_SIZE_MAX = 8192, TIMESTAMP_BITS = 53 };

static bool is(struct cella_bytes text, const char *word) {
    return text.size == __builtin_strlen(word) && cella_equal(text.data, word, text.size);
}

/* Exactly one algorithm, and that is ES384: none is negotiated (A24). No unprotected headers:
 * nothing in the document is outside the signature (A36). */
static struct cella_result parse_protected(struct cella_bytes bytes) {
    struct cella_walk w = cella_walk(bytes);
    struct cella_walk_list map = cella_walk_map(&w);
    unsigned count = 0;
    for (; cella_walk_more(&w, &map); count++) {
        int64_t key = cella_walk_int(&w), value = cella_walk_int(&w);
        if (key != COSE_ALG || value != COSE_ES384)
            cella_walk_fail(&w, "a header that is not {1: -35}");
    }
    ENSURE(cella_walk_done(&w) && count == 1, CELLA_ERR_FORMAT, NULL,
           "nitro document: protected header: expected the algorithm ES384 alone, found %s",
           w.failed ? w.failed : "something else");
    return CELLA_SUCCESS;
}

static struct cella_result parse_sign1(struct cella_bytes bytes, struct cella_nitro_document *out) {
    struct cella_walk w = cella_walk(bytes);
    cella_walk_tag(&w, COSE_SIGN1);
    struct cella_walk_list array = cella_walk_array(&w);
    if (array.open || array.left != 4) cella_walk_fail(&w, "not an array of four");
    out->protected_header = cella_walk_bytes(&w);
    struct cella_walk_list unprotected = cella_walk_map(&w);
    if (unprotected.open || unprotected.left != 0) cella_walk_fail(&w, "unprotected headers");
    out->payload = cella_walk_bytes(&w);
    out->signature = cella_walk_bytes(&w);
    ENSURE(cella_walk_done(&w), CELLA_ERR_FORMAT, NULL,
           "nitro document: expected one COSE_Sign1, found %s at byte %zu",
           w.failed ? w.failed : "bytes after its end", w.in.at);
    ENSURE(out->signature.size == CELLA_NITRO_SIGNATURE_SIZE, CELLA_ERR_FORMAT, NULL,
           "nitro document: signature: expected 96 bytes, found %zu", out->signature.size);
    return CELLA_SUCCESS;
}

static void parse_pcrs(struct cella_walk *w, struct cella_nitro_document *out) {
    struct cella_walk_list map = cella_walk_map(w);
    while (cella_walk_more(w, &map)) {
        uint64_t index = cella_walk_uint(w, CELLA_NITRO_PCR_MAX - 1);
        struct cella_bytes value = cella_walk_bytes(w);
        if (value.size != 32 && value.size != 48 && value.size != 64)
            cella_walk_fail(w, "a PCR of an odd size");
        if (w->failed) return;
        if (out->pcr_present >> index & 1) cella_walk_fail(w, "a PCR twice");
        out->pcr_present |= 1U << index;
        out->pcr[index] = value;
    }
}

static void parse_bundle(struct cella_walk *w, struct cella_nitro_document *out) {
    struct cella_walk_list array = cella_walk_array(w);
    while (cella_walk_more(w, &array)) {
        if (out->bundle_count == CELLA_NITRO_BUNDLE_MAX)
            cella_walk_fail(w, "more than 8 certificates in cabundle");
        if (w->failed) return;
        out->bundle[out->bundle_count++] = cella_walk_bytes(w);
    }
}

static void parse_optional(struct cella_walk *w, bool *has, struct cella_bytes *value) {
    if (cella_walk_null(w)) return;
    *value = cella_walk_bytes(w);
    *has = true;
}

enum field {
    MODULE_ID,
    DIGEST,
    TIMESTAMP,
    PCRS,
    TPM_PCRS,
    CERTIFICATE,
    CABUNDLE,
    PUBLIC_KEY,
    USER_DATA,
    NONCE,
    COUNT
};
static const char *const names[COUNT] = {"module_id",     "digest",      "timestamp", "pcrs",
                                         "nitrotpm_pcrs", "certificate", "cabundle",  "public_key",
                                         "user_data",     "nonce"};
enum {
    NEEDED = 1U << MODULE_ID | 1U << DIGEST | 1U << TIMESTAMP | 1U << CERTIFICATE | 1U << CABUNDLE
};

static enum field field_of(struct cella_bytes key) {
    unsigned i = 0;
    while (i < COUNT && !is(key, names[i])) i++;
    return (enum field)i;
}

static void parse_field(struct cella_walk *w, enum field field, struct cella_nitro_document *out) {
    switch (field) {
    case MODULE_ID: out->module_id = cella_walk_text(w); return;
    case DIGEST: out->digest = cella_walk_text(w); return;
    case TIMESTAMP: out->timestamp_ms = cella_walk_uint(w, (1ULL << TIMESTAMP_BITS) - 1); return;
    case PCRS: parse_pcrs(w, out); return;
    case TPM_PCRS: out->tpm = true, parse_pcrs(w, out); return;
    case CERTIFICATE: out->certificate = cella_walk_bytes(w); return;
    case CABUNDLE: parse_bundle(w, out); return;
    case PUBLIC_KEY: parse_optional(w, &out->has_public_key, &out->public_key); return;
    case USER_DATA: parse_optional(w, &out->has_user_data, &out->user_data); return;
    case NONCE: parse_optional(w, &out->has_nonce, &out->nonce); return;
    case COUNT: cella_walk_skip(w); return; /* a field that AWS adds one day */
    }
}

static const char *missing(uint32_t seen) {
    for (unsigned i = 0; i < COUNT; i++)
        if ((NEEDED & ~seen) >> i & 1) return names[i];
    return "pcrs";
}

static struct cella_result parse_payload(struct cella_bytes bytes,
                                         struct cella_nitro_document *out) {
    struct cella_walk w = cella_walk(bytes);
    struct cella_walk_list map = cella_walk_map(&w);
    const char *name = "map";
    uint32_t seen = 0;
    while (cella_walk_more(&w, &map)) {
        enum field field = field_of(cella_walk_text(&w));
        name = field < COUNT ? names[field] : "an unknown field";
        if (field < COUNT && seen >> field & 1) cella_walk_fail(&w, "the field twice");
        seen |= field < COUNT ? 1U << field : 0;
        parse_field(&w, field, out);
    }
    ENSURE(cella_walk_done(&w), CELLA_ERR_FORMAT, NULL,
           "nitro document: payload: %s: %s at byte %zu", name,
           w.failed ? w.failed : "bytes after the end of the map", w.in.at);
    bool pcrs = (seen >> PCRS & 1) != (seen >> TPM_PCRS & 1); /* one of the two */
    ENSURE((seen & NEEDED) == NEEDED && pcrs, CELLA_ERR_FORMAT, NULL,
           "nitro document: payload: no %s", missing(seen));
    return CELLA_SUCCESS;
}

/* What AWS's own documentation asks a verifier to check of the fields. */
static struct cella_result check_fields(const struct cella_nitro_document *d) {
    ENSURE(d->module_id.size > 0, CELLA_ERR_FORMAT, NULL, "nitro document: module_id: empty");
    ENSURE(is(d->digest, "SHA384"), CELLA_ERR_FORMAT, NULL,
           "nitro document: digest: expected SHA384");
    ENSURE(d->timestamp_ms > 0, CELLA_ERR_FORMAT, NULL, "nitro document: timestamp: 0");
    ENSURE(d->pcr_present & 1, CELLA_ERR_FORMAT, NULL, "nitro document: pcrs: no PCR0");
    ENSURE(d->bundle_count > 0, CELLA_ERR_FORMAT, NULL, "nitro document: cabundle: empty");
    ENSURE(d->certificate.size > 0 && d->certificate.size <= DER_SIZE_MAX, CELLA_ERR_FORMAT, NULL,
           "nitro document: certificate: %zu bytes", d->certificate.size);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_nitro_parse(struct cella_bytes bytes, struct cella_nitro_document *out) {
    cella_zero(out, sizeof(*out));
    ENSURE(bytes.size <= CELLA_NITRO_DOCUMENT_MAX, CELLA_ERR_FORMAT, NULL,
           "nitro document: %zu bytes, at most %d", bytes.size, CELLA_NITRO_DOCUMENT_MAX);
    TRY(parse_sign1(bytes, out));
    TRY(parse_protected(out->protected_header));
    TRY(parse_payload(out->payload, out));
    return check_fields(out);
}
