/* Vectors where they lie, and a verification of one by the public function. For tests of the
 * evidence part. */
#ifndef CELLA_TESTS_EVIDENCE_VECTOR_H
#define CELLA_TESTS_EVIDENCE_VECTOR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cella/verify.h>
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

static inline bool vector_fails(struct cella_result r) {
    bool failed = cella_failed(r);
    cella_result_print(r);
    cella_result_drop(r);
    return failed;
}
#define VECTOR_OK(r) assert_false(vector_fails(r))

static inline const char *vector_root(void) {
    const char *path = getenv("CELLA_VECTORS");
    return path ? path : CELLA_SOURCE_ROOT "/../shared/vectors";
}

/* false, with a notice, where the vectors are not there. */
static inline bool vector_has(const char *path) {
    char full[4096];
    snprintf(full, sizeof(full), "%s/%s", vector_root(), path);
    if (access(full, R_OK) == 0) return true;
    print_message("no %s: skipped\n", full);
    return false;
}

static inline void vector_read(const char *path, struct cella_buffer *out) {
    char full[4096];
    snprintf(full, sizeof(full), "%s/%s", vector_root(), path);
    VECTOR_OK(cella_file_read(full, 1 << 20, out));
}

static inline json_t *vector_json(const char *path) {
    CELLA_BUFFER text = {0};
    json_error_t error;
    vector_read(path, &text);
    json_t *json = json_loadb((const char *)text.data, text.size, 0, &error);
    assert_non_null(json);
    return json;
}

/* Calls visit with "FAMILY/FOLDER" for each folder; returns how many. */
static inline size_t vector_each(const char *family, void (*visit)(const char *path)) {
    char full[4096], path[512];
    struct dirent **names = NULL;
    size_t visited = 0;
    snprintf(full, sizeof(full), "%s/%s", vector_root(), family);
    int count = scandir(full, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%s", family, names[i]->d_name);
        snprintf(full, sizeof(full), "%s/%s/.", vector_root(), path);
        if (names[i]->d_name[0] != '.' && access(full, X_OK) == 0) {
            visit(path);
            visited++;
        }
        free(names[i]);
    }
    free(names);
    return visited;
}

/* "2025-06-07T11:25:04.541000+00:00", the fraction left out. */
static inline uint64_t vector_time(const char *text) {
    unsigned y, mo, d, h, mi, s;
    assert_int_equal(sscanf(text, "%u-%u-%u%*1[T ]%u:%u:%u", &y, &mo, &d, &h, &mi, &s), 6);
    unsigned a = mo <= 2, era_year = y - a,
             of_year = (153 * (mo > 2 ? mo - 3 : mo + 9) + 2) / 5 + d - 1;
    uint64_t days = (uint64_t)era_year * 365 + era_year / 4 - era_year / 100 + era_year / 400 +
                    of_year - 719468;
    return days * 86400 + h * 3600 + mi * 60 + s;
}

/* Verifies; the caller frees out. */
static inline void vector_verify(struct cella_bytes evidence,
                                 const struct cella_collateral *collateral,
                                 enum cella_evidence_type type, uint64_t time_unix,
                                 struct cella_verification *out) {
    struct cella_evidence_options options = {.type = type, .time_unix = time_unix};
    VECTOR_OK(cella_verify(evidence, collateral, &options, out));
    if (out->verdict == CELLA_VERIFY_REFUSED) {
        assert_true(out->reason.step[0] && out->reason.field[0] && out->reason.expected[0] &&
                    out->reason.found[0]);
        if (!out->authentic) assert_int_equal(cella_claimset_count(out->claims), 0);
    } else {
        assert_true(out->authentic);
        assert_int_equal(out->reason.step[0], 0);
    }
}

/* Whether it is refused, and with which words of "step: field". */
static inline void vector_refused(struct cella_bytes evidence,
                                  const struct cella_collateral *collateral,
                                  enum cella_evidence_type type, uint64_t time_unix,
                                  const char *where) {
    char found[160];
    CELLA_VERIFICATION v;
    vector_verify(evidence, collateral, type, time_unix, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_REFUSED);
    snprintf(found, sizeof(found), "%s: %s", v.reason.step, v.reason.field);
    if (where && !strstr(found, where)) {
        print_error("expected '%s', found '%s': expected %s, found %s\n", where, found,
                    v.reason.expected, v.reason.found);
        fail();
    }
}

static inline const struct cella_claim *vector_claim(const struct cella_verification *v,
                                                     const char *name) {
    const struct cella_claim *claim = cella_claimset_find(v->claims, name);
    if (!claim) print_error("no claim %s\n", name);
    assert_non_null(claim);
    return claim;
}

static inline void vector_same_hex(const struct cella_verification *v, const char *name,
                                   const char *hex) {
    const struct cella_claim *claim = vector_claim(v, name);
    char *text = calloc(1, 2 * claim->bytes.size + 1);
    assert_int_equal(claim->type, CELLA_CLAIM_BYTES);
    cella_hex_encode(claim->bytes, text);
    assert_string_equal(text, hex);
    free(text);
}

static inline void vector_same_text(const struct cella_verification *v, const char *name,
                                    const char *text) {
    const struct cella_claim *claim = vector_claim(v, name);
    assert_int_equal(claim->type, CELLA_CLAIM_TEXT);
    assert_int_equal(claim->bytes.size, strlen(text));
    assert_memory_equal(claim->bytes.data, text, claim->bytes.size);
}

static inline void vector_same_number(const struct cella_verification *v, const char *name,
                                      uint64_t number) {
    assert_int_equal(vector_claim(v, name)->number, number);
}

#endif
