/* Vectors of TPM quotes with what lies beside them, each file replaceable by a damaged one. */
#ifndef CELLA_TESTS_EVIDENCE_TPM_VECTOR_H
#define CELLA_TESTS_EVIDENCE_TPM_VECTOR_H

#include "vector.h"

enum { COMPANY_FILES = 24 };

struct company {
    size_t count;
    char name[COMPANY_FILES][64];
    struct cella_buffer content[COMPANY_FILES];
};

static inline void company_free(struct company *c) {
    for (size_t i = 0; i < c->count; i++) cella_buffer_free(&c->content[i]);
    c->count = 0;
}
#define COMPANY __attribute__((cleanup(company_free))) struct company

/* The files of a vector's folder, without the notes on it and its JSON form. */
static inline void company_read(const char *folder, struct company *c) {
    char full[1024], path[1024];
    struct dirent **names = NULL;
    snprintf(full, sizeof(full), "%s/%s", vector_root(), folder);
    int count = scandir(full, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;
        bool wanted = name[0] != '.' && strcmp(name, "expected.json") &&
                      strcmp(name, "evidence.json") && strcmp(name, "attestation.pb") &&
                      strncmp(name, "collateral", 10);
        if (wanted && c->count < COMPANY_FILES) {
            snprintf(path, sizeof(path), "%s/%s", folder, name);
            snprintf(c->name[c->count], sizeof(c->name[0]), "%.60s", name);
            vector_read(path, &c->content[c->count++]);
        }
        free(names[i]);
    }
    free(names);
}

static inline struct cella_buffer *company_file(struct company *c, const char *name) {
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->name[i], name) == 0) return &c->content[i];
    return NULL;
}

static inline void company_put(struct company *c, const char *name, struct cella_bytes content) {
    struct cella_buffer *file = company_file(c, name);
    if (!file) {
        assert_true(c->count < COMPANY_FILES);
        file = &c->content[c->count];
        *file = (struct cella_buffer){0};
        snprintf(c->name[c->count++], sizeof(c->name[0]), "%s", name);
    }
    file->size = 0;
    VECTOR_OK(cella_buffer_append(file, content));
}

static inline void company_drop(struct company *c, const char *name) {
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->name[i], name) != 0) continue;
        cella_buffer_free(&c->content[i]);
        c->count--;
        memmove(c->name[i], c->name[i + 1], (c->count - i) * sizeof(c->name[0]));
        memmove(&c->content[i], &c->content[i + 1], (c->count - i) * sizeof(c->content[0]));
        return;
    }
}

/* more: a further folder of collateral, or NULL. roots: instead of the built-in ones, or NULL. */
static inline struct cella_collateral *company_collateral_roots(const struct company *c,
                                                                const char *more,
                                                                const struct cella_bytes *roots) {
    struct cella_collateral *set = NULL;
    char full[1024];
    VECTOR_OK(cella_collateral_new(&set));
    if (roots) VECTOR_OK(cella_collateral_set_roots(set, roots, 1));
    for (size_t i = 0; i < c->count; i++) {
        bool taken = false;
        VECTOR_OK(
            cella_collateral_add(set, c->name[i], cella_buffer_bytes(&c->content[i]), &taken));
    }
    if (more) {
        snprintf(full, sizeof(full), "%s/%s", vector_root(), more);
        VECTOR_OK(cella_collateral_add_path(set, full));
    }
    VECTOR_OK(cella_collateral_finish(set));
    return set;
}

static inline struct cella_collateral *company_collateral(const struct company *c,
                                                          const char *more) {
    return company_collateral_roots(c, more, NULL);
}

/* The verdict with these companions; where: words of the refusal, NULL for any, "" for acceptance.
 */
static inline void company_expect(const struct company *c, const char *more,
                                  struct cella_bytes evidence, enum cella_evidence_type type,
                                  uint64_t time_unix, const char *where) {
    struct cella_collateral *set = company_collateral(c, more);
    if (where && !where[0]) {
        CELLA_VERIFICATION v;
        vector_verify(evidence, set, type, time_unix, &v);
        if (v.verdict != CELLA_VERIFY_ACCEPTED)
            print_error("%s: %s: %s\n", v.reason.step, v.reason.field, v.reason.found);
        assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
    } else {
        vector_refused(evidence, set, type, time_unix, where);
    }
    cella_collateral_free(&set);
}

/* Every byte of the file changed in one bit and cut at every length: refused. */
static inline void company_break(struct company *c, const char *more, const char *name,
                                 struct cella_bytes evidence, enum cella_evidence_type type,
                                 uint64_t time_unix, size_t stride) {
    struct cella_buffer *file = company_file(c, name);
    assert_non_null(file);
    for (size_t i = 0; i < file->size; i += stride) {
        file->data[i] ^= (uint8_t)(1U << i % 8);
        company_expect(c, more, evidence, type, time_unix, NULL);
        file->data[i] ^= (uint8_t)(1U << i % 8);
    }
    size_t whole = file->size;
    for (file->size = 0; file->size < whole; file->size += stride)
        company_expect(c, more, evidence, type, time_unix, NULL);
    file->size = whole;
}

/* The quote of expected.json against the claims, field for field. */
static inline void company_quote_fields(const struct cella_verification *v, const json_t *quote) {
    vector_same_hex(v, "tpm.extra-data", json_string_value(json_object_get(quote, "extra_data")));
    vector_same_hex(v, "tpm.qualified-signer",
                    json_string_value(json_object_get(quote, "qualified_signer")));
    vector_same_hex(v, "tpm.firmware-version",
                    json_string_value(json_object_get(quote, "firmware_version")));
    vector_same_hex(v, "tpm.pcr-digest", json_string_value(json_object_get(quote, "pcr_digest")));
    vector_same_number(v, "tpm.clock-ms",
                       (uint64_t)json_integer_value(json_object_get(quote, "clock")));
    vector_same_number(v, "tpm.reset-count",
                       (uint64_t)json_integer_value(json_object_get(quote, "reset_count")));
    vector_same_number(v, "tpm.restart-count",
                       (uint64_t)json_integer_value(json_object_get(quote, "restart_count")));
    vector_same_number(v, "tpm.clock-safe",
                       (uint64_t)json_integer_value(json_object_get(quote, "safe")));
    const json_t *selection = json_array_get(json_object_get(quote, "pcr_selection"), 0);
    vector_same_text(v, "tpm.pcr-bank", json_string_value(json_object_get(selection, "hash")));
    const json_t *pcrs = json_object_get(selection, "pcrs");
    bool valued = cella_claimset_find(v->claims, "tpm.pcr0") != NULL;
    for (int p = 0, at = 0; p < 24; p++) {
        char name[16];
        snprintf(name, sizeof(name), "tpm.pcr%d", p);
        bool selected = json_integer_value(json_array_get(pcrs, (size_t)at)) == p &&
                        (size_t)at < json_array_size(pcrs);
        at += selected;
        assert_int_equal(cella_claimset_find(v->claims, name) != NULL, selected && valued);
    }
}

#endif
