/* Vectors of SGX and TDX quotes, field by field. */
#ifndef CELLA_TESTS_EVIDENCE_INTEL_VECTOR_H
#define CELLA_TESTS_EVIDENCE_INTEL_VECTOR_H

#include "vector.h"

#include "evidence/sgx_quote.h"

static inline const char *intel_text(const json_t *json, const char *name) {
    return json_string_value(json_object_get(json, name));
}
static inline uint64_t intel_number(const json_t *json, const char *name) {
    const json_t *value = json_object_get(json, name);
    assert_true(json_is_integer(value));
    return (uint64_t)json_integer_value(value);
}
static inline void intel_same_bytes(struct cella_bytes bytes, const json_t *json,
                                    const char *name) {
    char *text = calloc(1, 2 * bytes.size + 1);
    cella_hex_encode(bytes, text);
    assert_non_null(intel_text(json, name));
    assert_string_equal(text, intel_text(json, name));
    free(text);
}
static inline void intel_same_claim(const struct cella_verification *v, const char *prefix,
                                    const char *claim, const json_t *json, const char *field) {
    char name[64];
    snprintf(name, sizeof(name), "%s%s", prefix, claim);
    const json_t *value = json_object_get(json, field);
    if (json_is_integer(value))
        vector_same_number(v, name, (uint64_t)json_integer_value(value));
    else
        vector_same_hex(v, name, json_string_value(value));
}

static inline void intel_same_sgx_body(const struct cella_sgx_body *b, const json_t *json) {
    intel_same_bytes(b->cpusvn, json, "cpusvn");
    assert_int_equal(b->miscselect, intel_number(json, "miscselect"));
    intel_same_bytes(b->attributes, json, "attributes");
    intel_same_bytes(b->mrenclave, json, "mrenclave");
    intel_same_bytes(b->mrsigner, json, "mrsigner");
    assert_int_equal(b->isvprodid, intel_number(json, "isvprodid"));
    assert_int_equal(b->isvsvn, intel_number(json, "isvsvn"));
    intel_same_bytes(b->report_data, json, "report_data");
}

/* Header and sizes, which are no claims. */
static inline void intel_same_quote(struct cella_bytes bytes, const json_t *expected,
                                    struct cella_quote *q) {
    const json_t *header = json_object_get(expected, "header");
    char tee[9];
    VECTOR_OK(cella_quote_parse(bytes, q));
    snprintf(tee, sizeof(tee), "%08x", q->tee_type);
    assert_int_equal(q->version, intel_number(header, "version"));
    assert_int_equal(q->key_type, intel_number(header, "att_key_type"));
    assert_string_equal(tee, intel_text(header, "tee_type"));
    if (q->version == 3) {
        assert_int_equal(q->qe_svn, intel_number(header, "qe_svn"));
        assert_int_equal(q->pce_svn, intel_number(header, "pce_svn"));
    }
    intel_same_bytes(q->user_data, header, "user_data");
    if (q->version == 5) assert_int_equal(q->body_type, intel_number(header, "body_type"));
    intel_same_sgx_body(&q->qe, json_object_get(expected, "qe_report"));
    assert_int_equal(q->qe_auth.size, intel_number(expected, "qe_auth_data_len"));
    assert_int_equal(q->certification_type, intel_number(expected, "cert_data_type"));
    assert_int_equal(q->signature_size, intel_number(expected, "sig_data_len"));
    assert_true(q->size <= intel_number(expected, "quote_len") &&
                bytes.size == intel_number(expected, "quote_len"));
}

static inline void intel_same_platform(const struct cella_verification *v, const char *prefix,
                                       const json_t *expected) {
    static const char *const types[] = {"standard", "scalable", "scalable-with-integrity"};
    const json_t *components = json_object_get(expected, "pck_cpusvn_components");
    char name[64];
    vector_same_hex(v, "platform-id", intel_text(expected, "ppid"));
    intel_same_claim(v, prefix, "fmspc", expected, "fmspc");
    intel_same_claim(v, prefix, "pceid", expected, "pceid");
    intel_same_claim(v, prefix, "pck-pcesvn", expected, "pck_pcesvn");
    snprintf(name, sizeof(name), "%spck-ca", prefix);
    vector_same_text(v, name, intel_text(expected, "pck_ca"));
    snprintf(name, sizeof(name), "%stype", prefix);
    vector_same_text(v, name, types[intel_number(expected, "sgx_type")]);
    snprintf(name, sizeof(name), "%spck-components", prefix);
    const struct cella_claim *c = vector_claim(v, name);
    assert_int_equal(c->bytes.size, json_array_size(components));
    for (size_t i = 0; i < c->bytes.size; i++)
        assert_int_equal(c->bytes.data[i], json_integer_value(json_array_get(components, i)));
}

static inline bool intel_has_advisory(const struct cella_verification *v, const char *id) {
    for (size_t i = 0; i < cella_claimset_count(v->claims); i++) {
        const struct cella_claim *c = cella_claimset_at(v->claims, i);
        if (strcmp(c->name, "advisories") == 0 && c->bytes.size == strlen(id) &&
            memcmp(c->bytes.data, id, c->bytes.size) == 0)
            return true;
    }
    return false;
}

static inline size_t intel_count(const struct cella_verification *v, const char *name) {
    size_t n = 0;
    for (size_t i = 0; i < cella_claimset_count(v->claims); i++)
        n += strcmp(cella_claimset_at(v->claims, i)->name, name) == 0;
    return n;
}

static inline void intel_same_tcb(const struct cella_verification *v, const char *prefix,
                                  const json_t *set) {
    const json_t *advisories = json_object_get(set, "advisories");
    char name[64];
    vector_same_text(v, "tcb-status", intel_text(set, "status"));
    vector_same_number(v, "tcb-date", vector_time(intel_text(set, "tcb_date")));
    snprintf(name, sizeof(name), "%stcb-platform-status", prefix);
    vector_same_text(v, name, intel_text(set, "platform_status"));
    snprintf(name, sizeof(name), "%stcb-qe-status", prefix);
    vector_same_text(v, name, intel_text(set, "qe_status"));
    intel_same_claim(v, prefix, "tcb-level", set, "platform_level");
    intel_same_claim(v, prefix, "tcb-evaluation-number", set, "tcb_evaluation_data_number");
    if (intel_text(set, "tdx_module_status"))
        vector_same_text(v, "tdx.tcb-module-status", intel_text(set, "tdx_module_status"));
    if (intel_text(set, "current_status"))
        vector_same_text(v, "tdx.tcb-current-status", intel_text(set, "current_status"));
    for (size_t i = 0; i < json_array_size(advisories); i++)
        assert_true(intel_has_advisory(v, json_string_value(json_array_get(advisories, i))));
    assert_int_equal(intel_count(v, "advisories"), json_array_size(advisories));
    if (strncmp(intel_text(set, "status"), "OutOfDate", 9) == 0)
        assert_true(intel_count(v, "tcb-shortfall") > 0);
}

static inline struct cella_collateral *intel_set(const char *path, const char *folder) {
    char full[1024];
    struct cella_collateral *set = NULL;
    snprintf(full, sizeof(full), "%s/%s/%s", vector_root(), path, folder);
    VECTOR_OK(cella_collateral_new(&set));
    VECTOR_OK(cella_collateral_add_path(set, full));
    VECTOR_OK(cella_collateral_finish(set));
    return set;
}

/* Status by name, refused by default unless UpToDate, accepted by its name (A01); both ends of the
 * window (A05). */
static inline void intel_check_set(const char *path, const json_t *set, struct cella_bytes quote,
                                   enum cella_evidence_type type, const char *prefix,
                                   bool genuine) {
    const char *status = intel_text(set, "status"), *names[1] = {status};
    uint64_t when = intel_number(set, "verify_time_epoch");
    bool supported = strcmp(status, "TCB_NOT_SUPPORTED") != 0;
    struct cella_collateral *collateral = intel_set(path, intel_text(set, "dir"));
    {
        CELLA_VERIFICATION v;
        vector_verify(quote, collateral, type, when, &v);
        assert_int_equal(v.authentic, genuine);
        assert_string_equal(v.tcb_status, status);
        assert_int_equal(v.verdict, strcmp(status, "UpToDate") == 0 ? CELLA_VERIFY_ACCEPTED
                                                                    : CELLA_VERIFY_REFUSED);
        if (supported) intel_same_tcb(&v, prefix, set);
    }
    {
        CELLA_VERIFICATION v;
        struct cella_evidence_options named = {
            .type = type, .time_unix = when, .accept_tcb = names, .accept_tcb_count = 1};
        VECTOR_OK(cella_verify(quote, collateral, &named, &v));
        assert_int_equal(v.verdict, supported ? CELLA_VERIFY_ACCEPTED : CELLA_VERIFY_REFUSED);
    }
    uint64_t from = vector_time(intel_text(set, "window_from")),
             to = vector_time(intel_text(set, "window_to"));
    for (int i = 0; i < 2; i++) {
        CELLA_VERIFICATION v;
        vector_verify(quote, collateral, type, i ? to : from, &v);
        assert_string_equal(v.tcb_status, status);
        vector_refused(quote, collateral, type, i ? to + 1 : from - 1, NULL);
        CELLA_VERIFICATION outside;
        vector_verify(quote, collateral, type, i ? to + 1 : from - 1, &outside);
        assert_string_equal(outside.tcb_status, "");
    }
    cella_collateral_free(&collateral);
}

/* One bit of every byte of the quote in turn (A36), under a set where the quote is accepted or its
 * status named. */
static inline void intel_flips(const char *path, const char *folder, enum cella_evidence_type type,
                               uint64_t when, const char *status) {
    char file[512];
    CELLA_BUFFER quote = {0};
    struct cella_quote q;
    const char *names[1] = {status};
    struct cella_evidence_options options = {
        .type = type, .time_unix = when, .accept_tcb = names, .accept_tcb_count = 1};
    struct cella_collateral *collateral = intel_set(path, folder);
    snprintf(file, sizeof(file), "%s/quote.bin", path);
    vector_read(file, &quote);
    VECTOR_OK(cella_quote_parse(cella_buffer_bytes(&quote), &q));
    for (size_t i = 0; i < q.size; i++) {
        CELLA_VERIFICATION v;
        quote.data[i] ^= (uint8_t)(1U << (i % 8));
        VECTOR_OK(cella_verify(cella_buffer_bytes(&quote), collateral, &options, &v));
        quote.data[i] ^= (uint8_t)(1U << (i % 8));
        if (v.verdict == CELLA_VERIFY_ACCEPTED || v.authentic)
            print_error("byte %zu of %zu may change\n", i, q.size);
        assert_true(v.verdict == CELLA_VERIFY_REFUSED && !v.authentic);
    }
    for (size_t size = 0; size < q.size;
         size++) { /* a copy of exactly that size, so that a tool sees reads past it */
        CELLA_VERIFICATION v;
        uint8_t *cut = malloc(size ? size : 1);
        cella_copy(cut, quote.data, size);
        VECTOR_OK(cella_verify(cella_bytes(cut, size), collateral, &options, &v));
        assert_true(v.verdict == CELLA_VERIFY_REFUSED && !v.authentic);
        free(cut);
    }
    CELLA_VERIFICATION v;
    VECTOR_OK(cella_verify(cella_buffer_bytes(&quote), collateral, &options, &v));
    assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
    cella_collateral_free(&collateral);
}

#endif
