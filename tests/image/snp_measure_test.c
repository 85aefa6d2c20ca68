/* Launch digests of SNP, SEV-ES and SEV against those that another tool and real machines gave. */
#include "sample.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/text.h"
#include "crypto/digest.h"
#include "image/ovmf.h"
#include "image/snp_measure.h"

static bool read_file(const char *folder, const char *name, struct cella_buffer *out) {
    char path[8192];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    struct cella_result r = cella_file_read(path, CELLA_OVMF_IMAGE_MAX, out);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

static const char *measure_folder(void) {
    static char path[8192];
    if (!sample_vectors()) return NULL;
    snprintf(path, sizeof(path), "%s/snp-measure", sample_vectors());
    return path;
}

/* Firmware that is public but not stored with the vectors: $CELLA_FIRMWARE, if somebody fetched it.
 */
static bool read_firmware(const char *name, struct cella_buffer *out) {
    const char *more = getenv("CELLA_FIRMWARE");
    return read_file(measure_folder(), name, out) || (more && read_file(more, name, out));
}

struct files {
    struct cella_buffer ovmf, svsm, kernel, initrd;
};

static void files_free(struct files *f) {
    cella_buffer_free(&f->ovmf);
    cella_buffer_free(&f->svsm);
    cella_buffer_free(&f->kernel);
    cella_buffer_free(&f->initrd);
}

static const char *text_of(const json_t *c, const char *key) {
    return json_string_value(json_object_get(c, key));
}

static uint64_t number_of(const json_t *c, const char *key) {
    const json_t *v = json_object_get(c, key);
    return json_is_string(v) ? strtoull(json_string_value(v), NULL, 0)
                             : (uint64_t)json_integer_value(v);
}

static void read_optional(const json_t *c, const char *key, struct cella_buffer *out) {
    const char *name = text_of(c, key);
    if (name && strncmp(name, "/dev/null", 9) != 0)
        assert_true(read_file(measure_folder(), name, out));
}

static int index_of(const char *value, const char *const *values, int count) {
    for (int i = 0; i < count; i++)
        if (strcmp(value, values[i]) == 0) return i;
    fail_msg("no %s is known", value);
    return 0;
}

static struct cella_snp_launch launch_of(const json_t *c, const struct files *f) {
    static const char *const modes[] = {"snp", "snp-svsm", "sev-es", "sev"};
    static const char *const vmms[] = {"qemu", "ec2", "gce"};
    struct cella_snp_launch l = {
        .mode = (enum cella_snp_mode)index_of(text_of(c, "mode"), modes, 4),
        .flavor = (enum cella_snp_flavor)index_of(text_of(c, "vmm"), vmms, 3),
        .ovmf = cella_buffer_bytes(&f->ovmf),
        .svsm = cella_buffer_bytes(&f->svsm),
        .ovmf_vars_size = number_of(c, "ovmf_vars_size"),
        .has_kernel = text_of(c, "kernel") != NULL,
        .kernel = cella_buffer_bytes(&f->kernel),
        .initrd = cella_buffer_bytes(&f->initrd),
        .vcpus = (uint32_t)number_of(c, "vcpus"),
        .vcpu_signature = (uint32_t)number_of(c, "vcpu_sig"),
        .guest_features = number_of(c, "guest_features"),
    };
    if (text_of(c, "append")) l.cmdline = cella_bytes_text(text_of(c, "append"));
    const char *digest = text_of(c, "snp_ovmf_hash");
    l.has_ovmf_digest = digest != NULL;
    if (digest) assert_ok(cella_hex_decode(cella_bytes_text(digest), l.ovmf_digest, 48));
    return l;
}

static bool check_case(const json_t *c) {
    __attribute__((cleanup(files_free))) struct files f = {.ovmf = {0}};
    uint8_t digest[48];
    char hex[97];
    size_t size;
    const char *svsm = text_of(c, "svsm"), *expected = text_of(c, "expected");
    if (!read_firmware(text_of(c, "ovmf"), &f.ovmf)) return false;
    if (svsm && !read_firmware(svsm, &f.svsm)) return false;
    read_optional(c, "kernel", &f.kernel);
    read_optional(c, "initrd", &f.initrd);
    struct cella_snp_launch l = launch_of(c, &f);
    struct cella_result r = cella_snp_launch_digest(&l, digest, &size);
    if (strstr(expected, "error") || strstr(expected, "Kernel")) {
        assert_true(cella_failed(r));
        cella_result_drop(r);
        return true;
    }
    assert_ok(r);
    cella_hex_encode(cella_bytes(digest, size), hex);
    if (strcmp(hex, expected) != 0) print_error("%s\n", json_dumps(c, 0));
    assert_string_equal(hex, expected);
    return true;
}

static void every_case(void **state) {
    (void)state;
    size_t i, checked = 0;
    json_t *c, *all;
    char path[8192];
    if (!measure_folder()) skip();
    snprintf(path, sizeof(path), "%s/cases.json", measure_folder());
    all = json_load_file(path, 0, NULL);
    if (!all) skip();
    json_array_foreach(all, i, c) checked += check_case(c);
    print_message("%zu of %zu digests compared\n", checked, json_array_size(all));
    assert_true(checked >= json_array_size(all) - 1); /* the SVSM's firmware is not stored */
    json_decref(all);
}

static void processor_types(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint32_t signature;
    } good[] = {{"EPYC", 0x00800f12},       {"EPYC-v4", 0x00800f12},
                {"EPYC-IBPB", 0x00800f12},  {"EPYC-Rome", 0x00830f10},
                {"EPYC-Milan", 0x00a00f11}, {"EPYC-Milan-v2", 0x00a00f11},
                {"EPYC-Genoa", 0x00a10f10}, {"EPYC-Turin", 0x00b00f00}};
    static const char *const bad[] = {
        "",         "epyc",       "EPYC-",       "EPYC-Milan-", "EPYC-v",       "EPYC-v0",
        "EPYC-v12", "EPYC-Romeo", "EPYC-Milan2", "Skylake",     "EPYC-Genoa-x1"};
    uint32_t signature;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_ok(cella_snp_vcpu_signature(good[i].name, &signature));
        assert_int_equal(signature, good[i].signature);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_code(cella_snp_vcpu_signature(bad[i], &signature), CELLA_ERR_NOT_FOUND);
}

static struct cella_snp_launch plain(struct cella_bytes ovmf) {
    return (struct cella_snp_launch){
        .ovmf = ovmf, .vcpus = 2, .vcpu_signature = 0x00800f12, .guest_features = 1};
}

static void digest_of(const struct cella_snp_launch *l, uint8_t out[48]) {
    size_t size;
    assert_ok(cella_snp_launch_digest(l, out, &size));
}

/* All that a policy relies on is in the digest. */
static void everything_counts(void **state) {
    (void)state;
    CELLA_BUFFER ovmf = {0};
    uint8_t first[48], other[48];
    if (!measure_folder() || !read_file(measure_folder(), "ovmf_AmdSev_suffix.bin", &ovmf)) skip();
    struct cella_snp_launch base = plain(cella_buffer_bytes(&ovmf));
    base.has_kernel = true;
    base.kernel = cella_bytes_text("kernel");
    base.initrd = cella_bytes_text("initrd");
    base.cmdline = cella_bytes_text("a b");
    digest_of(&base, first);
    struct cella_snp_launch changed[] = {base, base, base, base, base, base, base, base, base};
    changed[0].vcpus = 3;
    changed[1].vcpu_signature ^= 1;
    changed[2].guest_features ^= 0x20;
    changed[3].flavor = CELLA_FLAVOR_EC2;
    changed[4].flavor = CELLA_FLAVOR_GCE;
    changed[5].kernel = cella_bytes_text("kernem");
    changed[6].initrd = cella_bytes_text("");
    changed[7].cmdline = cella_bytes_text("a b ");
    changed[8].has_kernel = false;
    for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
        digest_of(&changed[i], other);
        assert_memory_not_equal(first, other, 48);
    }
}

static void refusals(void **state) {
    (void)state;
    CELLA_BUFFER sev = {0};
    CELLA_BUFFER x64 = {0};
    uint8_t digest[48];
    size_t size;
    if (!measure_folder() || !read_file(measure_folder(), "ovmf_AmdSev_suffix.bin", &sev)) skip();
    assert_true(read_file(measure_folder(), "ovmf_OvmfX64_suffix.bin", &x64));
    struct cella_snp_launch l = plain(cella_buffer_bytes(&x64));
    l.has_kernel = true; /* a kernel that the firmware does not check would not be measured */
    assert_code(cella_snp_launch_digest(&l, digest, &size), CELLA_ERR_UNSUPPORTED);
    l = plain(cella_buffer_bytes(&sev));
    l.vcpus = 0;
    assert_code(cella_snp_launch_digest(&l, digest, &size), CELLA_ERR_USAGE);
    l.vcpus = CELLA_SNP_VCPU_MAX + 1;
    assert_code(cella_snp_launch_digest(&l, digest, &size), CELLA_ERR_USAGE);
    l = plain(cella_bytes(sev.data, sev.size - 1));
    assert_code(cella_snp_launch_digest(&l, digest, &size), CELLA_ERR_FORMAT);
    l = plain(cella_bytes(sev.data, 0));
    assert_code(cella_snp_launch_digest(&l, digest, &size), CELLA_ERR_FORMAT);
    l = plain(cella_buffer_bytes(&sev));
    l.mode = CELLA_MODE_SNP_SVSM; /* that firmware is no SVSM */
    l.svsm = l.ovmf;
    assert_code(cella_snp_launch_digest(&l, digest, &size), CELLA_ERR_FORMAT);
}

/* A firmware image is a stranger's: each byte changed is another digest or a refusal. */
static void changed_firmware(void **state) {
    (void)state;
    CELLA_BUFFER ovmf = {0};
    uint8_t first[48], other[48];
    size_t size;
    if (!measure_folder() || !read_file(measure_folder(), "ovmf_AmdSev_suffix.bin", &ovmf)) skip();
    struct cella_snp_launch l = plain(cella_buffer_bytes(&ovmf));
    digest_of(&l, first);
    for (size_t at = 0; at < ovmf.size; at += at < 3000 ? 97 : 1) {
        static const uint8_t masks[] = {1, 0x80, 0xff};
        for (size_t m = 0; m < 3; m++) {
            ovmf.data[at] ^= masks[m];
            struct cella_result r = cella_snp_launch_digest(&l, other, &size);
            assert_true(cella_failed(r) || memcmp(first, other, 48) != 0);
            cella_result_drop(r);
            ovmf.data[at] ^= masks[m];
        }
    }
}

/* SHA-384 over the key's structure: curve, x and y little-endian in 72 bytes each, zeros. */
static void keys_and_block(void **state) {
    (void)state;
    uint8_t xy[96], digest[48], block[CELLA_SNP_ID_BLOCK_SIZE], expected[48], key[0x404] = {2};
    for (size_t i = 0; i < 96; i++) xy[i] = (uint8_t)(i + 1);
    for (size_t i = 0; i < 48; i++) {
        key[4 + i] = (uint8_t)(48 - i);
        key[4 + 72 + i] = (uint8_t)(96 - i);
    }
    assert_ok(cella_sha384(CELLA_BYTES_OF(key), expected));
    assert_ok(cella_snp_key_digest(xy, digest));
    assert_memory_equal(digest, expected, 48);
    cella_snp_id_block(digest, 7, 0x30000, block);
    assert_memory_equal(block, digest, 48);
    assert_int_equal(block[80], 1);
    assert_int_equal(block[84], 7);
    assert_int_equal(block[90], 3);
}

/* The digests that another tool gave for two public test keys. */
static void key_digests(void **state) {
    (void)state;
    static const char *const files[2] = {"id_key_test.pem", "author_key_test.pem"};
    static const char *const fields[2] = {"id_key_digest_b64", "author_key_digest_b64"};
    char path[8200];
    if (!measure_folder()) skip();
    snprintf(path, sizeof(path), "%s/id_block_case.json", measure_folder());
    json_t *expected = json_load_file(path, 0, NULL);
    if (!expected) skip();
    for (int i = 0; i < 2; i++) {
        uint8_t point[97], digest[48];
        size_t size = 0;
        CELLA_BUFFER want = {0};
        snprintf(path, sizeof(path), "%s/%s", measure_folder(), files[i]);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
        fclose(file);
        assert_int_equal(EVP_PKEY_get_octet_string_param(key, "encoded-pub-key", point,
                                                         sizeof(point), &size),
                         1);
        assert_int_equal(size, 97);
        assert_ok(cella_snp_key_digest(point + 1, digest));
        assert_ok(
            cella_base64_decode(cella_bytes_text(text_of(expected, fields[i])), false, &want));
        assert_int_equal(want.size, 48);
        assert_memory_equal(digest, want.data, 48);
        EVP_PKEY_free(key);
    }
    CELLA_BUFFER launch = {0};
    CELLA_BUFFER prefix = {0};
    uint8_t block[CELLA_SNP_ID_BLOCK_SIZE];
    assert_ok(cella_base64_decode(cella_bytes_text(text_of(expected, "launch_digest_b64")), false,
                                  &launch));
    cella_snp_id_block(launch.data, 0, 0x30000, block);
    assert_ok(cella_base64_encode(CELLA_BYTES_OF(block), false, &prefix));
    const char *begins = text_of(expected, "id_block_b64_prefix");
    assert_memory_equal(prefix.data, begins, strlen(begins));
    json_decref(expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),        cmocka_unit_test(processor_types),
        cmocka_unit_test(everything_counts), cmocka_unit_test(refusals),
        cmocka_unit_test(changed_firmware),  cmocka_unit_test(keys_and_block),
        cmocka_unit_test(key_digests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
