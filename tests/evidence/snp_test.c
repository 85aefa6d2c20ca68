/* SEV-SNP on real evidence: every vector with each of its fields, every bit of a report flipped,
 * every certificate offered to every report (threats.md A05, A07, A08, A15, A16, A19, A31, A36). */
#include "fixture.h"

#include <cella/verify.h>
#include <dirent.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "evidence/amd_collateral.h"
#include "evidence/family.h"

enum { VECTOR_MAX = 64, PATH_SIZE = 4096, FLIP_SEED = 12345 };

struct vector {
    char name[256];
    struct cella_buffer report, leaf;
    json_t *expected;
    bool accept;
    int64_t from, to;
};

static struct vector vectors[VECTOR_MAX];
static size_t vector_count;

static const char *folder(const char *name, char path[PATH_SIZE]) {
    const char *root = getenv("CELLA_VECTORS");
    snprintf(path, PATH_SIZE, "%s/%s", root ? root : CELLA_SOURCE_ROOT "/../shared/vectors", name);
    return path;
}

static bool read_file(const char *path, struct cella_buffer *out) {
    struct cella_result r = cella_file_read(path, 1 << 20, out);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

static int64_t unix_of(const json_t *text) {
    struct tm tm = {0};
    if (!text || !strptime(json_string_value(text), "%Y-%m-%dT%H:%M:%S", &tm)) return 0;
    return timegm(&tm);
}

static void load(const char *name, struct vector *v) {
    char path[PATH_SIZE], file[PATH_SIZE + 64];
    char relative[300];
    snprintf(relative, sizeof(relative), "snp-report/%s", name);
    folder(relative, path);
    snprintf(v->name, sizeof(v->name), "%s", name);
    snprintf(file, sizeof(file), "%s/report.bin", path);
    assert_true(read_file(file, &v->report));
    snprintf(file, sizeof(file), "%s/vcek.der", path);
    if (!read_file(file, &v->leaf)) {
        snprintf(file, sizeof(file), "%s/vlek.der", path);
        read_file(file, &v->leaf);
    }
    snprintf(file, sizeof(file), "%s/expected.json", path);
    v->expected = json_load_file(file, 0, NULL);
    assert_non_null(v->expected);
    const char *verdict = json_string_value(json_object_get(v->expected, "verdict"));
    v->accept = strncmp(verdict, "accept", 6) == 0;
    v->from = unix_of(json_object_get(v->expected, "verify_time_from"));
    v->to = unix_of(json_object_get(v->expected, "verify_time_to"));
}

static int load_all(void **state) {
    (void)state;
    char path[PATH_SIZE];
    DIR *d = opendir(folder("snp-report", path));
    if (!d) print_message("no vectors at %s\n", path);
    for (const struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.' && vector_count < VECTOR_MAX)
            load(e->d_name, &vectors[vector_count++]);
    if (d) closedir(d);
    return 0;
}

static int free_all(void **state) {
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        cella_buffer_free(&vectors[i].report);
        cella_buffer_free(&vectors[i].leaf);
        json_decref(vectors[i].expected);
    }
    return 0;
}

static const struct vector *vector_of(const char *prefix) {
    for (size_t i = 0; i < vector_count; i++)
        if (strncmp(vectors[i].name, prefix, strlen(prefix)) == 0) return &vectors[i];
    return NULL;
}

static struct cella_collateral *collateral_of(const char *name, struct cella_bytes content) {
    struct cella_collateral *c;
    bool taken;
    OK(cella_collateral_new(&c));
    if (content.size) OK(cella_collateral_add(c, name, content, &taken));
    OK(cella_collateral_finish(c));
    return c;
}

static const char *leaf_name(const struct vector *v) {
    return strstr(v->name, "vlek") ? "vlek.der" : "vcek.der";
}

static void verify(struct cella_bytes report, const struct cella_collateral *c, int64_t now,
                   struct cella_verification *out) {
    const struct cella_evidence_options options = {.type = CELLA_EVIDENCE_SNP,
                                                   .time_unix = (uint64_t)now};
    OK(cella_verify(report, c, &options, out));
    if (out->verdict == CELLA_VERIFY_ACCEPTED) return;
    assert_true(out->reason.step[0] && out->reason.field[0] && out->reason.expected[0] &&
                out->reason.found[0] && out->reason.remedy[0]);
    if (!out->authentic) assert_int_equal(cella_claimset_count(out->claims), 0);
}

static bool accepts(struct cella_bytes report, const struct cella_collateral *c, int64_t now) {
    CELLA_VERIFICATION out = {0};
    verify(report, c, now, &out);
    return out.verdict == CELLA_VERIFY_ACCEPTED;
}

/* ---- each field ---- */

static void same_hex(const struct cella_claimset *claims, const char *claim, const json_t *fields,
                     const char *field) {
    const char *want = json_string_value(json_object_get(fields, field));
    const struct cella_claim *c = cella_claimset_find(claims, claim);
    char hex[300];
    if (!want) return;
    assert_non_null(c);
    cella_hex_encode(c->bytes, hex);
    assert_string_equal(hex, want);
}

static uint64_t number_claim(const struct cella_claimset *claims, const char *claim) {
    const struct cella_claim *c = cella_claimset_find(claims, claim);
    if (!c) print_error("no claim %s\n", claim);
    assert_non_null(c);
    return c->number;
}

static void same_text(const struct cella_claimset *claims, const char *claim, const char *want) {
    const struct cella_claim *c = cella_claimset_find(claims, claim);
    assert_non_null(c);
    assert_int_equal(c->bytes.size, strlen(want));
    assert_memory_equal(c->bytes.data, want, strlen(want));
}

static void same_tcb(const struct cella_claimset *claims, const char *which, const json_t *fields) {
    static const char *const keys[] = {"bl", "tee", "snp", "ucode", "fmc"};
    char name[64];
    snprintf(name, sizeof(name), "%s_tcb", which);
    const json_t *tcb = json_object_get(fields, name);
    assert_non_null(tcb);
    for (int i = 0; i < CELLA_SNP_COMPONENT_COUNT; i++) {
        const json_t *want = json_object_get(tcb, keys[i]);
        snprintf(name, sizeof(name), "snp.%s-tcb.%s", which,
                 cella_snp_component_name((enum cella_snp_component)i));
        if (want)
            assert_int_equal(number_claim(claims, name), json_integer_value(want));
        else
            assert_null(cella_claimset_find(claims, name));
    }
    snprintf(name, sizeof(name), "%s_tcb_raw", which);
    char claim[64];
    snprintf(claim, sizeof(claim), "snp.%s-tcb", which);
    same_hex(claims, claim, fields, name);
}

static uint64_t hex_number(const json_t *fields, const char *field) {
    return strtoull(json_string_value(json_object_get(fields, field)), NULL, 16);
}

static void same_identity(const struct cella_claimset *claims, const json_t *f) {
    same_hex(claims, "report-data", f, "report_data");
    same_hex(claims, "measurement", f, "measurement");
    same_hex(claims, "config-id", f, "host_data");
    same_hex(claims, "snp.family-id", f, "family_id");
    same_hex(claims, "snp.image-id", f, "image_id");
    same_hex(claims, "snp.id-key-digest", f, "id_key_digest");
    same_hex(claims, "snp.author-key-digest", f, "author_key_digest");
    same_hex(claims, "snp.report-id", f, "report_id");
    bool none = strspn(json_string_value(json_object_get(f, "id_key_digest")), "0") == 96;
    assert_int_equal(cella_claimset_find(claims, "signer") == NULL, none);
}

static void same_numbers(const struct cella_claimset *claims, const json_t *f) {
    assert_int_equal(number_claim(claims, "snp.version"),
                     json_integer_value(json_object_get(f, "version")));
    assert_int_equal(number_claim(claims, "svn"),
                     json_integer_value(json_object_get(f, "guest_svn")));
    assert_int_equal(number_claim(claims, "snp.vmpl"),
                     json_integer_value(json_object_get(f, "vmpl")));
    assert_int_equal(number_claim(claims, "snp.policy"), hex_number(f, "policy"));
    assert_int_equal(number_claim(claims, "debug"), hex_number(f, "policy") >> 19 & 1);
    assert_int_equal(number_claim(claims, "snp.policy.smt"), hex_number(f, "policy") >> 16 & 1);
    assert_int_equal(number_claim(claims, "snp.platform"), hex_number(f, "platform_info"));
    assert_int_equal(number_claim(claims, "snp.author-key"),
                     json_integer_value(json_object_get(f, "author_key_en")));
    assert_int_equal(number_claim(claims, "snp.mask-chip-key"),
                     json_integer_value(json_object_get(f, "mask_chip_key")));
    if (json_object_get(f, "cpuid_fam")) {
        assert_int_equal(number_claim(claims, "snp.cpuid.family"), hex_number(f, "cpuid_fam"));
        assert_int_equal(number_claim(claims, "snp.cpuid.model"), hex_number(f, "cpuid_mod"));
        assert_int_equal(number_claim(claims, "snp.cpuid.stepping"), hex_number(f, "cpuid_step"));
    }
    if (json_object_get(f, "launch_mit_vector")) {
        uint64_t want = hex_number(f, "launch_mit_vector"); /* written as bytes */
        assert_int_equal(number_claim(claims, "snp.launch-mitigation"), __builtin_bswap64(want));
        want = hex_number(f, "current_mit_vector");
        assert_int_equal(number_claim(claims, "snp.current-mitigation"), __builtin_bswap64(want));
    }
}

static void same_chip(const struct cella_claimset *claims, const json_t *f) {
    const char *want = json_string_value(json_object_get(f, "chip_id"));
    bool masked = strspn(want, "0") == strlen(want);
    const struct cella_claim *c = cella_claimset_find(claims, "platform-id");
    char hex[129];
    assert_int_equal(number_claim(claims, "snp.chip-id-masked"), masked);
    assert_int_equal(c == NULL, masked); /* A16 */
    if (!c) return;
    cella_hex_encode(c->bytes, hex);
    assert_memory_equal(hex, want, strlen(hex));
    assert_int_equal(strspn(want + strlen(hex), "0"), 128 - strlen(hex));
}

static void same_fields(const struct vector *v, const struct cella_verification *out) {
    const json_t *f = json_object_get(v->expected, "fields");
    const struct cella_claimset *claims = out->claims;
    same_text(claims, "tee", "snp");
    same_text(claims, "assurance", "hardware");
    same_text(claims, "snp.signer", strstr(v->name, "vlek") ? "vlek" : "vcek");
    same_text(claims, "snp.current-version",
              json_string_value(json_object_get(f, "current_version")));
    same_text(claims, "snp.committed-version",
              json_string_value(json_object_get(f, "committed_version")));
    const json_t *leaf = json_object_get(v->expected, "endorsement");
    same_text(claims, "snp.product", json_string_value(json_object_get(leaf, "product_name")));
    const char *provider = json_string_value(json_object_get(leaf, "csp_id"));
    if (provider) same_text(claims, "snp.csp-id", provider);
    assert_int_equal(number_claim(claims, "snp.crl-checked"), 0);
    same_identity(claims, f);
    same_numbers(claims, f);
    same_chip(claims, f);
    same_tcb(claims, "reported", f); /* A17 */
    same_tcb(claims, "current", f);
    same_tcb(claims, "committed", f);
    same_tcb(claims, "launch", f);
}

static void every_vector(void **state) {
    (void)state;
    size_t accepted = 0;
    for (size_t i = 0; i < vector_count; i++) {
        const struct vector *v = &vectors[i];
        CELLA_VERIFICATION out = {0};
        struct cella_collateral *c = collateral_of(leaf_name(v), cella_buffer_bytes(&v->leaf));
        verify(cella_buffer_bytes(&v->report), c, v->from ? v->from + 1 : 1760000000, &out);
        if ((out.verdict == CELLA_VERIFY_ACCEPTED) != v->accept)
            print_error("%s: %s %s\n", v->name, out.reason.field, out.reason.found);
        assert_int_equal(out.verdict == CELLA_VERIFY_ACCEPTED, v->accept);
        assert_int_equal(out.authentic, v->accept);
        if (v->accept) {
            same_fields(v, &out);
            assert_int_equal(out.link_count, 4);
            accepted++;
        }
        cella_collateral_free(&c);
    }
    print_message("%zu accepted, %zu refused of %zu\n", accepted, vector_count - accepted,
                  vector_count);
}

/* A05: both ends of the certificate's validity, to the second. */
static void time_window(void **state) {
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        const struct vector *v = &vectors[i];
        if (!v->accept) continue;
        struct cella_bytes report = cella_buffer_bytes(&v->report);
        struct cella_collateral *c = collateral_of(leaf_name(v), cella_buffer_bytes(&v->leaf));
        assert_true(accepts(report, c, v->from));
        assert_true(accepts(report, c, v->to));
        assert_false(accepts(report, c, v->from - 1));
        assert_false(accepts(report, c, v->to + 1));
        assert_false(accepts(report, c, 0));
        cella_collateral_free(&c);
    }
}

/* A07, A16: the certificate of every other machine. */
static void other_machines(void **state) {
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        const struct vector *v = &vectors[i];
        if (!v->leaf.size) continue;
        struct cella_collateral *c = collateral_of(leaf_name(v), cella_buffer_bytes(&v->leaf));
        for (size_t k = 0; k < vector_count; k++) {
            const struct vector *w = &vectors[k];
            bool same = w->leaf.size == v->leaf.size &&
                        cella_equal(w->leaf.data, v->leaf.data, v->leaf.size);
            if (!same) assert_false(accepts(cella_buffer_bytes(&w->report), c, v->from + 1));
        }
        cella_collateral_free(&c);
    }
}

/* A36: every bit of a report of each line; nothing in it is unsigned and free. */
static void flip_report(const struct vector *v, bool all) {
    uint8_t report[CELLA_SNP_REPORT_SIZE];
    struct cella_collateral *c = collateral_of(leaf_name(v), cella_buffer_bytes(&v->leaf));
    for (size_t at = 0; at < sizeof(report); at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            if (!all && bit != at % 8) continue;
            cella_copy(report, v->report.data, sizeof(report));
            report[at] ^= (uint8_t)(1U << bit);
            assert_false(accepts(CELLA_BYTES_OF(report), c, v->from + 1));
        }
    cella_collateral_free(&c);
}

static void flipped_reports(void **state) {
    (void)state;
    if (!vector_count) skip();
    flip_report(vector_of("v3-milan-vcek"), true);
    flip_report(vector_of("v2-milan-vlek"), false);
    flip_report(vector_of("v5-genoa-vcek"), false);
    flip_report(vector_of("v5-turin-vcek"), false);
}

static void cut_reports(void **state) {
    (void)state;
    if (!vector_count) skip();
    const struct vector *v = vector_of("v5-turin-vcek");
    struct cella_collateral *c = collateral_of(leaf_name(v), cella_buffer_bytes(&v->leaf));
    const struct cella_evidence_options options = {.time_unix = (uint64_t)v->from};
    for (size_t size = 0; size < v->report.size; size++) {
        CELLA_VERIFICATION out = {0}; /* of the type that the bytes look like */
        assert_false(accepts(cella_bytes(v->report.data, size), c, v->from));
        OK(cella_verify(cella_bytes(v->report.data, size), c, &options, &out));
        assert_int_equal(out.verdict, CELLA_VERIFY_REFUSED);
    }
    cella_collateral_free(&c);
}

/* A36 on certificates: given as what their names say, or as the one that must be there. */
static void flip_certificate(const struct vector *v, const char *name,
                             const struct cella_buffer *leaf, const struct cella_buffer *changed,
                             size_t step) {
    CELLA_BUFFER copy = {0};
    OK(cella_buffer_append(&copy, cella_buffer_bytes(changed)));
    for (size_t at = 0; at < copy.size; at += step) {
        struct cella_collateral *c;
        bool taken;
        copy.data[at] ^= (uint8_t)(1U << at % 8);
        OK(cella_collateral_new(&c));
        if (leaf) OK(cella_collateral_add(c, leaf_name(v), cella_buffer_bytes(leaf), &taken));
        OK(cella_collateral_add(c, name, cella_buffer_bytes(&copy), &taken));
        OK(cella_collateral_finish(c));
        if (accepts(cella_buffer_bytes(&v->report), c, v->from + 1))
            print_error("%s: byte %zu does not count\n", name, at);
        assert_false(accepts(cella_buffer_bytes(&v->report), c, v->from + 1));
        cella_collateral_free(&c);
        copy.data[at] ^= (uint8_t)(1U << at % 8);
    }
}

static void flipped_certificates(void **state) {
    (void)state;
    char path[PATH_SIZE];
    CELLA_BUFFER ask = {0};
    CELLA_BUFFER ark = {0};
    CELLA_BUFFER asvk = {0};
    if (!vector_count) skip();
    assert_true(read_file(folder("snp-certs/milan/ask.der", path), &ask));
    assert_true(read_file(folder("snp-certs/milan/ark.der", path), &ark));
    assert_true(read_file(folder("snp-certs/milan/asvk.der", path), &asvk));
    const struct vector *vcek = vector_of("v3-milan-vcek"), *vlek = vector_of("v2-milan-vlek");
    flip_certificate(vcek, "vcek.der", NULL, &vcek->leaf, 1);
    flip_certificate(vlek, "vlek.der", NULL, &vlek->leaf, 3);
    flip_certificate(vcek, "ask.der", &vcek->leaf, &ask, 3);
    flip_certificate(vcek, "ark.der", &vcek->leaf, &ark, 3);
    flip_certificate(vlek, "asvk.der", &vlek->leaf, &asvk, 7);
}

/* ---- built-in keys ---- */

static void built_in_keys(void **state) {
    (void)state;
    static const char *const lines[] = {"", "milan", "genoa", "turin"};
    static const char *const roles[] = {"ark", "ask", "asvk"};
    CELLA_VERIFYKEY root = NULL;
    for (size_t i = 0; i < CELLA_AMD_KEY_COUNT; i++) {
        const struct cella_amd_key *key = &cella_amd_keys[i];
        char name[64], path[PATH_SIZE], common[64];
        uint8_t spki[CELLA_AMD_SPKI_SIZE];
        CELLA_BUFFER file = {0};
        struct cella_certificate x;
        snprintf(name, sizeof(name), "snp-certs/%s/%s.der", lines[key->line], roles[key->role]);
        if (!read_file(folder(name, path), &file)) skip();
        OK(cella_certificate_parse(cella_buffer_bytes(&file), &x));
        OK(cella_amd_key_spki(key, spki));
        assert_int_equal(x.spki.size, sizeof(spki));
        assert_memory_equal(x.spki.data, spki, sizeof(spki));
        assert_int_equal(x.serial.size, sizeof(key->serial));
        assert_memory_equal(x.serial.data, key->serial, sizeof(key->serial));
        assert_int_equal(x.not_before_unix, key->not_before_unix);
        assert_int_equal(x.not_after_unix, key->not_after_unix);
        uint8_t digest[CELLA_SHA256_SIZE];
        char hex[2 * CELLA_SHA256_SIZE + 1];
        OK(cella_sha256(cella_buffer_bytes(&file), digest));
        cella_hex_encode(CELLA_BYTES_OF(digest), hex);
        assert_string_equal(hex, key->sha256);
        cella_name_common(x.subject, common, sizeof(common));
        assert_string_equal(common, key->name);
        if (key->role == CELLA_SNP_ARK) {
            cella_verifykey_free(&root);
            OK(cella_verifykey_new(x.spki, &root));
        }
        OK(cella_certificate_check(&x, root));
    }
}

/* ---- containers and folders ---- */

static void put_entry(struct cella_buffer *table, const uint8_t guid[16], uint32_t at,
                      uint32_t size) {
    uint8_t numbers[8];
    for (unsigned i = 0; i < 4; i++) {
        numbers[i] = (uint8_t)(at >> 8 * i);
        numbers[4 + i] = (uint8_t)(size >> 8 * i);
    }
    OK(cella_buffer_append(table, cella_bytes(guid, 16)));
    OK(cella_buffer_append(table, CELLA_BYTES_OF(numbers)));
}

static const uint8_t vcek_guid[16] = {0x8d, 0x75, 0xda, 0x63, 0x64, 0xe6, 0x64, 0x45,
                                      0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd};
static const uint8_t ask_guid[16] = {0x79, 0xb3, 0xb7, 0x4a, 0xac, 0xbb, 0xe4, 0x4f,
                                     0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82};
static const uint8_t no_guid[16];

/* Report and table in one, as the extended guest request gives them; also the table alone. */
static void certificate_table(void **state) {
    (void)state;
    char path[PATH_SIZE];
    CELLA_BUFFER ask = {0};
    CELLA_BUFFER both = {0};
    if (!vector_count) skip();
    assert_true(read_file(folder("snp-certs/milan/ask.der", path), &ask));
    const struct vector *v = vector_of("v3-milan-vcek");
    OK(cella_buffer_append(&both, cella_buffer_bytes(&v->report)));
    put_entry(&both, vcek_guid, 72, (uint32_t)v->leaf.size);
    put_entry(&both, ask_guid, 72 + (uint32_t)v->leaf.size, (uint32_t)ask.size);
    put_entry(&both, no_guid, 0, 0);
    OK(cella_buffer_append(&both, cella_buffer_bytes(&v->leaf)));
    OK(cella_buffer_append(&both, cella_buffer_bytes(&ask)));
    assert_true(cella_detect_snp(cella_buffer_bytes(&both)));
    assert_true(accepts(cella_buffer_bytes(&both), NULL, v->from + 1));
    struct cella_bytes table = cella_bytes(both.data + v->report.size, both.size - v->report.size);
    struct cella_collateral *c = collateral_of("auxblob", table);
    assert_true(accepts(cella_buffer_bytes(&v->report), c, v->from + 1));
    assert_true(accepts(cella_buffer_bytes(&both), c, v->from + 1));
    cella_collateral_free(&c);
    for (size_t size = v->report.size + 1; size < both.size; size += size < 1300 ? 1 : 31)
        assert_false(accepts(cella_bytes(both.data, size), NULL, v->from + 1));
    struct cella_snp_table parsed;
    OK(cella_snp_table_parse(table, &parsed));
    assert_int_equal(parsed.vcek.size, v->leaf.size);
    assert_int_equal(parsed.vlek.size, 0);
    both.data[v->report.size + 16] = 71; /* within the list itself */
    assert_int_equal(code_of(cella_snp_table_parse(table, &parsed)), CELLA_ERR_FORMAT);
    both.data[v->report.size + 16] = 72;
    static const uint32_t bad[] = {0, 1, 71, 0x7fffffff, 0xfffffff0, UINT32_MAX};
    for (size_t field = 0; field < 4; field++) /* A31: both entries' offsets and sizes */
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            size_t at = v->report.size + 16 + (field / 2) * 24 + (field % 2) * 4;
            uint8_t saved[4];
            cella_copy(saved, both.data + at, 4);
            for (unsigned k = 0; k < 4; k++) both.data[at + k] = (uint8_t)(bad[i] >> 8 * k);
            assert_false(accepts(cella_buffer_bytes(&both), NULL, v->from + 1));
            cella_copy(both.data + at, saved, 4);
        }
}

/* A folder with the certificates of many machines: the right one is found. */
static void folders(void **state) {
    (void)state;
    char path[PATH_SIZE];
    if (!vector_count) skip();
    struct cella_collateral *c;
    bool taken;
    OK(cella_collateral_new(&c));
    for (size_t i = 0; i < vector_count; i++)
        OK(cella_collateral_add(c, leaf_name(&vectors[i]), cella_buffer_bytes(&vectors[i].leaf),
                                &taken));
    OK(cella_collateral_add_path(c, folder("snp-certs/milan", path)));
    OK(cella_collateral_add_path(c, folder("snp-certs/genoa", path)));
    OK(cella_collateral_add_path(c, folder("snp-certs/turin", path)));
    OK(cella_collateral_finish(c));
    for (size_t i = 0; i < vector_count; i++)
        assert_int_equal(accepts(cella_buffer_bytes(&vectors[i].report), c,
                                 vectors[i].from ? vectors[i].from + 1 : 1760000000),
                         vectors[i].accept);
    cella_collateral_free(&c);
    c = NULL;
    OK(cella_collateral_new(&c));
    OK(cella_collateral_add_path(c, folder("snp-certs/negative", path)));
    OK(cella_collateral_finish(c));
    for (size_t i = 0; i < vector_count; i++)
        assert_false(accepts(cella_buffer_bytes(&vectors[i].report), c, vectors[i].from + 1));
    cella_collateral_free(&c);
}

static void append_pem(struct cella_buffer *out, const struct cella_buffer *der) {
    CELLA_BUFFER text = {0};
    OK(cella_base64_encode(cella_buffer_bytes(der), false, &text));
    OK(cella_buffer_append(out, cella_bytes_text("issuer = CN\n-----BEGIN CERTIFICATE-----\n")));
    for (size_t at = 0; at < text.size; at += 64) {
        size_t left = text.size - at;
        OK(cella_buffer_append(out, cella_bytes(text.data + at, left < 64 ? left : 64)));
        OK(cella_buffer_append(out, cella_bytes_text("\n")));
    }
    OK(cella_buffer_append(out, cella_bytes_text("-----END CERTIFICATE-----\n")));
}

/* A chain in one PEM text, in the order and with the remarks that tools give it. */
static void pem_chain(void **state) {
    (void)state;
    char path[PATH_SIZE];
    CELLA_BUFFER ask = {0};
    CELLA_BUFFER ark = {0};
    CELLA_BUFFER text = {0};
    if (!vector_count) skip();
    const struct vector *v = vector_of("v3-milan-vcek");
    assert_true(read_file(folder("snp-certs/milan/ask.der", path), &ask));
    assert_true(read_file(folder("snp-certs/milan/ark.der", path), &ark));
    append_pem(&text, &ark);
    append_pem(&text, &ask);
    append_pem(&text, &v->leaf);
    struct cella_collateral *c = collateral_of("cert_chain.pem", cella_buffer_bytes(&text));
    assert_true(accepts(cella_buffer_bytes(&v->report), c, v->from + 1));
    cella_collateral_free(&c);
    text.data[text.size / 2] = '*'; /* within the certificate of the ASK or that of the VCEK */
    const char *names[] = {"vcek.pem", "ask.pem"};
    for (size_t i = 0; i < 2; i++) {
        bool taken;
        OK(cella_collateral_new(&c));
        OK(cella_collateral_add(c, names[i], cella_buffer_bytes(&text), &taken));
        if (i) OK(cella_collateral_add(c, "vcek.der", cella_buffer_bytes(&v->leaf), &taken));
        OK(cella_collateral_finish(c));
        assert_false(accepts(cella_buffer_bytes(&v->report), c, v->from + 1));
        cella_collateral_free(&c);
    }
    v = vector_of("v2-milan-vlek"); /* the VCEK of the chain is none of its */
    c = collateral_of("cert_chain.pem", cella_buffer_bytes(&text));
    assert_false(accepts(cella_buffer_bytes(&v->report), c, v->from + 1));
    cella_collateral_free(&c);
}

/* A08: every other line's root refuses, and so does another maker's. */
static void other_roots(void **state) {
    (void)state;
    static const char *const lines[] = {"milan", "genoa", "turin"};
    char name[64], path[PATH_SIZE];
    for (size_t i = 0; i < vector_count; i++)
        for (size_t l = 0; l < 3 && vectors[i].accept; l++) {
            CELLA_BUFFER root = {0};
            struct cella_collateral *c;
            bool taken;
            snprintf(name, sizeof(name), "snp-certs/%s/ark.der", lines[l]);
            assert_true(read_file(folder(name, path), &root));
            struct cella_bytes roots[1] = {cella_buffer_bytes(&root)};
            OK(cella_collateral_new(&c));
            OK(cella_collateral_set_roots(c, roots, 1));
            OK(cella_collateral_add(c, leaf_name(&vectors[i]), cella_buffer_bytes(&vectors[i].leaf),
                                    &taken));
            for (size_t k = 0; k < 3; k++) { /* AMD's own, and yet not under these roots */
                snprintf(name, sizeof(name), "snp-certs/%s", lines[k]);
                OK(cella_collateral_add_path(c, folder(name, path)));
            }
            OK(cella_collateral_finish(c));
            bool own = strstr(vectors[i].name, lines[l]) != NULL;
            assert_int_equal(
                accepts(cella_buffer_bytes(&vectors[i].report), c, vectors[i].from + 1), own);
            cella_collateral_free(&c);
        }
}

/* The report that lies at offset 32 of what Azure's vTPM gives. */
static void azure_reports(void **state) {
    (void)state;
    static const char *const names[] = {"snp-cdai-evidence-v1", "snp-cdai-milan-v3",
                                        "snp-trustee-genoa", "snp-trustee-hcl2023",
                                        "snp-trustee-v1"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char name[128], path[PATH_SIZE];
        CELLA_BUFFER hcl = {0};
        CELLA_BUFFER vcek = {0};
        snprintf(name, sizeof(name), "azure-vtpm/%s/hcl_report.bin", names[i]);
        if (!read_file(folder(name, path), &hcl)) skip();
        snprintf(name, sizeof(name), "azure-vtpm/%s/vcek.der", names[i]);
        assert_true(read_file(folder(name, path), &vcek));
        struct cella_collateral *c = collateral_of("vcek.der", cella_buffer_bytes(&vcek));
        assert_true(accepts(cella_bytes(hcl.data + 32, CELLA_SNP_REPORT_SIZE), c, 1767225600));
        cella_collateral_free(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector),   cmocka_unit_test(time_window),
        cmocka_unit_test(other_machines), cmocka_unit_test(flipped_reports),
        cmocka_unit_test(cut_reports),    cmocka_unit_test(flipped_certificates),
        cmocka_unit_test(built_in_keys),  cmocka_unit_test(certificate_table),
        cmocka_unit_test(folders),        cmocka_unit_test(pem_chain),
        cmocka_unit_test(other_roots),    cmocka_unit_test(azure_reports),
    };
    return cmocka_run_group_tests(tests, load_all, free_all);
}
