/* A platform inside an SNP guest, under roots made here, from the kernel's interface (a double of
 * it) to the verdict: hardware root, report, platform key, enclave (threats.md A03, A13, A23). */
#include "snp_forge.h"

#include "stacked.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/platcall.h"
#include "base/file.h"
#include "platform/assurance.h"
#include "platform/authority.h"
#include "platform/root.h"

enum { ROOT, AUTHORITY, CHIP, OTHER, KEY_COUNT, REPORT = 1184 };

static EVP_PKEY *keys[KEY_COUNT];
static struct cella_buffer root, authority, leaf;
static struct cella_collateral *collateral, *without_leaf;
static struct fixture platform;
static uint8_t bound[64], measurement[48];

static void make_certificates(void) {
    struct forge_certificate ark = {.issuer = "ARK-Milan",
                                    .subject = "ARK-Milan",
                                    .serial = 0x10000,
                                    .ca = true,
                                    .path_length = -1,
                                    .from = FORGE_NOW - 90 * FORGE_DAY,
                                    .to = FORGE_NOW + 90 * FORGE_DAY};
    struct forge_certificate ask = ark;
    ask.subject = "SEV-Milan";
    ask.serial++;
    ask.path_length = 0;
    struct forge_certificate vcek = {.issuer = "SEV-Milan",
                                     .subject = "SEV-VCEK",
                                     .vcek = true,
                                     .product = "Milan-B0",
                                     .from = ark.from,
                                     .to = ark.to,
                                     .chip_size = 64,
                                     .tcb = {4, 0, 0, 0, 0, 0, 24, 219}};
    memset(vcek.chip, 0x81, 64);
    forge_certificate(&ark, keys[ROOT], keys[ROOT], &root);
    forge_certificate(&ask, keys[AUTHORITY], keys[ROOT], &authority);
    forge_certificate(&vcek, keys[CHIP], keys[AUTHORITY], &leaf);
}

static struct cella_collateral *make_set(bool with_leaf) {
    struct cella_collateral *set = NULL;
    struct cella_bytes roots[1] = {cella_buffer_bytes(&root)};
    bool taken;
    OK(cella_collateral_new(&set));
    OK(cella_collateral_set_roots(set, roots, 1));
    OK(cella_collateral_add(set, "ask.der", cella_buffer_bytes(&authority), &taken));
    if (with_leaf) OK(cella_collateral_add(set, "vcek.der", cella_buffer_bytes(&leaf), &taken));
    OK(cella_collateral_finish(set));
    return set;
}

static int setup(void **state) {
    (void)state;
    for (int i = 0; i < KEY_COUNT; i++)
        keys[i] = i == ROOT || i == AUTHORITY ? EVP_RSA_gen(2048) : EVP_EC_gen("P-384");
    make_certificates();
    collateral = make_set(true);
    without_leaf = make_set(false);
    fixture_new(&platform);
    OK(cella_root_binding(cella_buffer_bytes(&platform.spki), bound));
    memset(measurement, 0x77, sizeof(measurement));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    cella_collateral_free(&collateral);
    cella_collateral_free(&without_leaf);
    cella_buffer_free(&root);
    cella_buffer_free(&authority);
    cella_buffer_free(&leaf);
    fixture_free(&platform);
    for (int i = 0; i < KEY_COUNT; i++) EVP_PKEY_free(keys[i]);
    return 0;
}

static void fill_report(uint8_t report[REPORT], const uint8_t data[64]) {
    static const uint8_t tcb[8] = {4, 0, 0, 0, 0, 0, 24, 219};
    static const size_t tcbs[] = {0x38, 0x180, 0x1e0, 0x1f0};
    memset(report, 0, REPORT);
    report[0] = 3;
    report[8 + 2] = 3;
    report[0x34] = 1;
    memcpy(report + 0x50, data, 64);
    memcpy(report + 0x90, measurement, 48);
    for (size_t i = 0; i < 4; i++) memcpy(report + tcbs[i], tcb, 8);
    memcpy(report + 0x188, "\x19\x01\x01", 3);
    memset(report + 0x1a0, 0x81, 64);
}

static void verify_with(const struct cella_collateral *set, struct cella_bytes evidence,
                        uint64_t max_age_s, struct cella_verification *v) {
    const struct cella_evidence_options options = {.time_unix = FORGE_NOW, .max_age_s = max_age_s};
    OK(cella_verify(evidence, set, &options, v));
}

static void play(const uint8_t report[REPORT], struct cella_verification *v) {
    CELLA_BUFFER evidence = {0};
    stacked_evidence(&platform, CELLA_ROOT_SNP, cella_bytes(report, REPORT), &evidence);
    verify_with(collateral, cella_buffer_bytes(&evidence), 0, v);
}

static void refused(const uint8_t report[REPORT], const char *where, bool authentic) {
    CELLA_VERIFICATION v;
    play(report, &v);
    stacked_is(&v, where, authentic);
}

/* --- Verification --- */

static void accepts_without_a_trusted_key(void **state) {
    (void)state;
    uint8_t report[REPORT];
    CELLA_VERIFICATION v;
    fill_report(report, bound);
    forge_sign(report, keys[CHIP]);
    play(report, &v);
    stacked_accepted(&v, &platform, "snp", bound, measurement);
    assert_non_null(cella_claimset_find(v.claims, "snp.reported-tcb.microcode"));
    assert_null(cella_claimset_find(v.claims, "software.trusted-by"));
}

static void hardware_refusals_are_its_own(void **state) {
    (void)state;
    uint8_t report[REPORT];
    CELLA_BUFFER evidence = {0};
    CELLA_VERIFICATION v, w;
    fill_report(report, bound);
    forge_sign(report, keys[OTHER]);
    refused(report, "report: report.signature", false);
    forge_sign(report, keys[CHIP]);
    stacked_evidence(&platform, CELLA_ROOT_SNP, CELLA_BYTES_OF(report), &evidence);
    verify_with(without_leaf, cella_buffer_bytes(&evidence), 0, &v);
    stacked_is(&v, "amd certificate chain: vcek", false);
    verify_with(NULL, cella_buffer_bytes(&evidence), 0, &w); /* AMD's own roots: none of this */
    stacked_is(&w, "amd certificate chain: vcek", false);
    report[0x180 + 7] ^= 1;
    forge_sign(report, keys[CHIP]);
    refused(report, "report against certificate: report.reported_tcb.microcode", false);
    report[0x180 + 7] ^= 1;
    report[8 + 2] |= 8; /* debug */
    forge_sign(report, keys[CHIP]);
    refused(report, "root evidence: debug", true);
}

static void report_of_another_key(void **state) {
    (void)state;
    uint8_t report[REPORT], data[64];
    for (size_t bit = 0; bit < 512; bit += 61) {
        memcpy(data, bound, 64);
        data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        fill_report(report, data);
        forge_sign(report, keys[CHIP]);
        refused(report, "root evidence: report data", false);
    }
    struct fixture thief; /* the report of one platform, evidence of another */
    CELLA_BUFFER evidence = {0};
    CELLA_VERIFICATION v, w;
    fixture_new(&thief);
    fill_report(report, bound);
    forge_sign(report, keys[CHIP]);
    stacked_evidence(&thief, CELLA_ROOT_SNP, CELLA_BYTES_OF(report), &evidence);
    verify_with(collateral, cella_buffer_bytes(&evidence), 0, &v);
    stacked_is(&v, "root evidence: report data", false);
    fixture_free(&thief);
    stacked_evidence(&platform, CELLA_ROOT_TDX, CELLA_BYTES_OF(report), &evidence);
    verify_with(collateral, cella_buffer_bytes(&evidence), 0, &w);
    assert_int_equal(w.verdict, CELLA_VERIFY_REFUSED);
    assert_false(w.authentic);
}

/* Every byte of the nested report under a platform signature that is right, then every byte of the
 * whole, then every length. */
static void flips_and_truncations(void **state) {
    (void)state;
    uint8_t report[REPORT];
    CELLA_BUFFER evidence = {0};
    fill_report(report, bound);
    forge_sign(report, keys[CHIP]);
    for (size_t at = 0; at < REPORT; at++) {
        CELLA_VERIFICATION v;
        report[at] ^= 1;
        play(report, &v);
        report[at] ^= 1;
        if (v.verdict || v.authentic) fail_msg("report byte %zu", at);
    }
    stacked_evidence(&platform, CELLA_ROOT_SNP, CELLA_BYTES_OF(report), &evidence);
    for (size_t at = 0; at < evidence.size; at++) {
        CELLA_VERIFICATION v;
        evidence.data[at] ^= 0x10;
        verify_with(collateral, cella_buffer_bytes(&evidence), 0, &v);
        evidence.data[at] ^= 0x10;
        if (v.verdict || v.authentic) fail_msg("evidence byte %zu", at);
    }
    for (size_t size = 0; size < evidence.size; size++) {
        CELLA_VERIFICATION v;
        uint8_t *copy = malloc(size ? size : 1);
        memcpy(copy, evidence.data, size);
        verify_with(collateral, cella_bytes(copy, size), 0, &v);
        free(copy);
        if (v.verdict || v.authentic) fail_msg("size %zu", size);
    }
    for (size_t size = 1; size < REPORT; size += 7) {
        CELLA_VERIFICATION v;
        stacked_evidence(&platform, CELLA_ROOT_SNP, cella_bytes(report, size), &evidence);
        verify_with(collateral, cella_buffer_bytes(&evidence), 0, &v);
        if (v.verdict || v.authentic) fail_msg("report of size %zu", size);
    }
}

static void age_is_the_platforms(void **state) {
    (void)state;
    uint8_t report[REPORT];
    CELLA_BUFFER evidence = {0};
    CELLA_VERIFICATION v;
    fill_report(report, bound);
    forge_sign(report, keys[CHIP]);
    stacked_evidence(&platform, CELLA_ROOT_SNP, CELLA_BYTES_OF(report), &evidence);
    verify_with(collateral, cella_buffer_bytes(&evidence), 60, &v); /* NOW is long before */
    stacked_is(&v, "software evidence: issued", true);
}

/* --- S3 --- */

static void s3_needs_hardware_and_a_pin(void **state) {
    (void)state;
    uint8_t report[REPORT], other[48] = {1};
    CELLA_VERIFICATION v, low;
    struct cella_expect e = {.allow_software = true, .min_assurance = CELLA_ASSURANCE_S3};
    struct cella_expect any = {.allow_software = true};
    fill_report(report, bound);
    forge_sign(report, keys[CHIP]);
    play(report, &low);
    OK(cella_expect_root(&any, CELLA_BYTES_OF(measurement)));
    assert_null(stacked_appraise(&low, &any));
    platform.claims.assurance = CELLA_ASSURANCE_S3;
    play(report, &v);
    platform.claims.assurance = CELLA_ASSURANCE_S1;
    assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
    stacked_text(&v, "assurance", "S3");
    assert_string_equal(stacked_appraise(&v, &e), "root-measurement");
    OK(cella_expect_root(&e, CELLA_BYTES_OF(other)));
    assert_string_equal(stacked_appraise(&v, &e), "root-measurement");
    OK(cella_expect_root(&e, CELLA_BYTES_OF(measurement))); /* any one of those given */
    assert_null(stacked_appraise(&v, &e));
    assert_string_equal(stacked_appraise(&low, &e), "assurance");
    assert_int_equal(code_of(cella_expect_root(&e, cella_bytes(measurement, 32))), CELLA_ERR_USAGE);
}

/* The appraisal by itself, over claims that no verifier here would give. */
static const char *appraise(const char *tee_root, int debug, unsigned measurements) {
    static struct cella_appraisal a;
    struct cella_claimset *claims = NULL;
    struct cella_expect e = {.allow_software = true, .min_assurance = CELLA_ASSURANCE_S3};
    OK(cella_expect_root(&e, CELLA_BYTES_OF(measurement)));
    OK(cella_claimset_new(&claims));
    cella_claim_text(claims, "tee", "software");
    cella_claim_text(claims, "assurance", "S3");
    cella_claim_text(claims, "software.memory", "secret");
    cella_claim_boolean(claims, "debug", false);
    if (tee_root) cella_claim_text(claims, "root", tee_root);
    if (debug >= 0) cella_claim_boolean(claims, "root-debug", debug > 0);
    while (measurements-- > 0)
        cella_claim_bytes(claims, "root-measurement", CELLA_BYTES_OF(measurement));
    cella_appraise(&e, claims, &a);
    cella_claimset_free(&claims);
    const struct cella_check *failed = cella_appraisal_failed(&a);
    return failed ? failed->claim : NULL;
}

static void s3_appraised(void **state) {
    (void)state;
    assert_null(appraise("snp", 0, 1));
    assert_string_equal(appraise("tdx", 0, 1), "root-measurement"); /* no rtmr */
    assert_string_equal(appraise("tpm", 0, 1), "root-measurement");
    assert_string_equal(appraise("file", 0, 1), "root-measurement");
    assert_string_equal(appraise(NULL, 0, 1), "root-measurement");
    assert_string_equal(appraise("snp", 1, 1), "root-measurement"); /* A03 */
    assert_string_equal(appraise("snp", -1, 1), "root-measurement");
    assert_string_equal(appraise("snp", 0, 0), "root-measurement");
    assert_string_equal(appraise("snp", 0, 2), "root-measurement"); /* A38 */
}

/* The platform's own word for S3, with every root that is no confidential VM. */
static void s3_without_hardware(void **state) {
    (void)state;
    CELLA_BUFFER evidence = {0}, payload = {0};
    struct cella_claims claims;
    struct fixture f;
    fixture_new(&f);
    f.claims.assurance = CELLA_ASSURANCE_S3;
    assert_int_equal(code_of(cella_software_evidence(f.signer, &f.claims, &evidence)),
                     CELLA_ERR_USAGE);
    /* By a platform that signs what it likes. */
    static const char assurance[] = "assurance";
    OK(cella_buffer_append(&payload, fixture_payload(&f)));
    uint8_t *at = memmem(payload.data, payload.size, assurance, strlen(assurance));
    assert_non_null(at);
    at += strlen(assurance);
    assert_int_equal(*at, 1);
    *at = 2;
    fixture_sign(&f, cella_buffer_bytes(&payload), &evidence);
    OK(fixture_verify(&f, cella_buffer_bytes(&evidence), &claims));
    *at = 3;
    fixture_sign(&f, cella_buffer_bytes(&payload), &evidence);
    assert_int_not_equal(code_of(fixture_verify(&f, cella_buffer_bytes(&evidence), &claims)),
                         CELLA_OK);
    fixture_free(&f);
}

/* A caller's anchors alone know no hardware: root file by the platform key, else refused. */
static void anchors_alone(void **state) {
    (void)state;
    uint8_t report[REPORT];
    CELLA_BUFFER evidence = {0};
    struct cella_claims claims;
    struct fixture stranger;
    fixture_new(&stranger);
    fill_report(report, bound);
    stacked_evidence(&platform, CELLA_ROOT_SNP, CELLA_BYTES_OF(report), &evidence);
    assert_int_equal(code_of(fixture_verify(&stranger, cella_buffer_bytes(&evidence), &claims)),
                     CELLA_ERR_REFUSED);
    OK(fixture_verify(&platform, cella_buffer_bytes(&evidence), &claims));
    assert_int_equal(claims.root, CELLA_ROOT_FILE);
    fixture_free(&stranger);
}

/* --- The kernel's interface, doubled: mkdir makes the attributes, a thread plays the firmware ---
 */

enum mischief { NONE, STRANGER_ONCE, STRANGER_ALWAYS, OTHER_DATA, SHORT, DEBUG_GUEST };

static struct kernel {
    char folder[64], request[160];
    const char *provider;
    enum mischief mischief;
    struct cella_buffer table;
    bool has_table;
    unsigned reports, generation, removed;
    bool stop;
    pthread_t thread;
} kernel;

static void path_of(const char *name, char path[256]) {
    snprintf(path, 256, "%s/%s", kernel.request, name);
}

static void put_file(const char *name, const void *bytes, size_t size) {
    char path[256];
    path_of(name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

static void put_generation(void) {
    char text[16];
    int n = snprintf(text, sizeof(text), "%u\n", kernel.generation);
    put_file("generation", text, (size_t)n);
}

/* Reading outblob blocks until the report is there, as in the kernel. */
static void answer(int outblob) {
    char path[256];
    uint8_t data[64] = {0}, report[REPORT];
    path_of("inblob", path);
    int fd = open(path, O_RDONLY);
    if (read(fd, data, sizeof(data)) != sizeof(data)) kernel.stop = true;
    close(fd);
    bool stranger = kernel.mischief == STRANGER_ALWAYS ||
                    (kernel.mischief == STRANGER_ONCE && kernel.reports == 0);
    if (stranger || kernel.mischief == OTHER_DATA) data[0] ^= 1;
    kernel.generation += stranger ? 2 : 1;
    put_generation();
    fill_report(report, data);
    if (kernel.mischief == DEBUG_GUEST) report[8 + 2] |= 8;
    forge_sign(report, keys[CHIP]);
    size_t size = kernel.mischief == SHORT ? REPORT - 1 : REPORT;
    if (write(outblob, report, size) != (ssize_t)size) kernel.stop = true;
    kernel.reports++;
}

static void *firmware(void *unused) {
    (void)unused;
    char path[256];
    path_of("outblob", path);
    while (!kernel.stop) {
        int fd = open(path, O_WRONLY); /* until someone reads */
        if (fd < 0) break;
        if (!kernel.stop) answer(fd);
        close(fd);
        usleep(20000); /* until the reader has seen the end */
    }
    return NULL;
}

static int make(const char *path, mode_t mode) {
    char provider[32], outblob[256];
    if (mkdir(path, mode) != 0) return -1;
    snprintf(kernel.request, sizeof(kernel.request), "%s", path);
    int n = snprintf(provider, sizeof(provider), "%s\n", kernel.provider);
    put_file("provider", provider, (size_t)n);
    put_file("inblob", "", 0);
    put_generation();
    if (kernel.has_table) put_file("auxblob", kernel.table.data, kernel.table.size);
    path_of("outblob", outblob);
    kernel.stop = false;
    if (mkfifo(outblob, 0600) != 0) return -1;
    return pthread_create(&kernel.thread, NULL, firmware, NULL);
}

static int take_away(const char *path) {
    static const char *const names[] = {"provider", "inblob", "generation", "auxblob", "outblob"};
    char file[256];
    kernel.stop = true;
    path_of("outblob", file);
    int fd = open(file, O_RDONLY | O_NONBLOCK); /* so that the thread's open ends */
    pthread_join(kernel.thread, NULL);
    if (fd >= 0) close(fd);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        path_of(names[i], file);
        (void)unlink(file);
    }
    kernel.removed++;
    return rmdir(path);
}

static struct cella_tsm double_of(const char *provider, enum mischief mischief) {
    cella_buffer_free(&kernel.table);
    kernel = (struct kernel){.provider = provider, .mischief = mischief};
    snprintf(kernel.folder, sizeof(kernel.folder), "/tmp/cella-tsm-XXXXXX");
    assert_non_null(mkdtemp(kernel.folder));
    return (struct cella_tsm){kernel.folder, make, take_away};
}

static void double_gone(void) {
    assert_int_equal(kernel.removed, 1);
    assert_int_equal(rmdir(kernel.folder), 0); /* nothing is left in it */
}

static void end_to_end(struct cella_verification *v, enum mischief mischief, bool with_table,
                       size_t filler) {
    struct cella_root_evidence r = {0};
    CELLA_BUFFER evidence = {0};
    struct cella_software_signer *signer = NULL;
    struct cella_tsm tsm = double_of("sev_guest", mischief);
    if (with_table) { /* one entry, the VCEK, and the end */
        static const uint8_t guid[16] = {0x8d, 0x75, 0xda, 0x63, 0x64, 0xe6, 0x64, 0x45,
                                         0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd};
        uint8_t head[48] = {0};
        memcpy(head, guid, 16);
        head[16] = 48;
        head[20] = (uint8_t)leaf.size;
        head[21] = (uint8_t)(leaf.size >> 8);
        OK(cella_buffer_append(&kernel.table, CELLA_BYTES_OF(head)));
        OK(cella_buffer_append(&kernel.table, cella_buffer_bytes(&leaf)));
        uint8_t *to;
        OK(cella_buffer_extend(&kernel.table, filler, &to));
        memset(to, 0, filler);
        kernel.has_table = true;
    }
    OK(cella_root_guest(&tsm, CELLA_ROOT_SNP, &r));
    double_gone();
    assert_int_equal(r.root, CELLA_ROOT_SNP);
    bool table_fits = REPORT + kernel.table.size <= CELLA_ROOT_EVIDENCE_MAX;
    assert_int_equal(r.evidence.size, REPORT + (table_fits ? kernel.table.size : 0));
    OK(cella_software_signer_new(r.key, r.root, cella_buffer_bytes(&r.evidence), &signer));
    OK(cella_software_evidence(signer, &platform.claims, &evidence));
    verify_with(with_table && table_fits ? without_leaf : collateral, cella_buffer_bytes(&evidence),
                0, v);
    cella_software_signer_free(&signer);
    cella_root_close(&r);
}

static void from_kernel_to_verdict(void **state) {
    (void)state;
    CELLA_VERIFICATION plain, table, large, twice, debug;
    end_to_end(&plain, NONE, false, 0);
    assert_int_equal(plain.verdict, CELLA_VERIFY_ACCEPTED);
    end_to_end(&table, NONE, true, 0); /* the VCEK comes in the evidence */
    if (!table.verdict) print_error("%s: %s\n", table.reason.step, table.reason.found);
    assert_int_equal(table.verdict, CELLA_VERIFY_ACCEPTED);
    end_to_end(&large, NONE, true, CELLA_ROOT_EVIDENCE_MAX);
    assert_int_equal(large.verdict, CELLA_VERIFY_ACCEPTED);
    end_to_end(&twice, STRANGER_ONCE, false, 0);
    assert_int_equal(twice.verdict, CELLA_VERIFY_ACCEPTED);
    assert_int_equal(kernel.reports, 2);
    end_to_end(&debug, DEBUG_GUEST, false, 0);
    stacked_is(&debug, "root evidence: debug", true);
}

/* The platform's part whole: an enclave asks, and the key on the disk has no say. */
static void platform_in_a_guest(void **state) {
    (void)state;
    char folder[] = "/tmp/cella-stacked-XXXXXX", command[64];
    struct cella_authority a = {0};
    struct cella_caller caller = {.memory_secret = true};
    uint8_t request[8 + 64] = {CELLA_PLATCALL_EVIDENCE, 0, 0, 0, 64}, on_disk[32];
    CELLA_BUFFER reply = {0};
    CELLA_VERIFICATION v;
    assert_non_null(mkdtemp(folder));
    OK(cella_state_lock(folder, &a.state));
    OK(cella_state_open(folder, &a.state));
    OK(cella_key_fingerprint(a.state.key, on_disk));
    OK(cella_authority_open(&a, "file", ""));
    struct cella_tsm tsm = double_of("sev_guest", NONE);
    OK(cella_root_guest(&tsm, CELLA_ROOT_FILE, &a.root));
    double_gone();
    OK(cella_authority_use_root(&a));
    OK(cella_authority_answer(&a, &caller, CELLA_BYTES_OF(request), &reply));
    verify_with(collateral, cella_bytes(reply.data + 8, reply.size - 8), 0, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
    stacked_text(&v, "root", "snp");
    assert_memory_not_equal(stacked_claim(&v, "platform-id")->bytes.data, on_disk, 32);
    cella_authority_close(&a);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

static void kernel_refused(const char *provider, enum mischief mischief, enum cella_root wanted,
                           enum cella_code code) {
    struct cella_root_evidence r = {0};
    struct cella_tsm tsm = double_of(provider, mischief);
    assert_int_equal(code_of(cella_root_guest(&tsm, wanted, &r)), code);
    assert_int_equal(r.evidence.size, 0);
    cella_root_close(&r);
    double_gone();
}

static void refuses_what_the_kernel_gives_wrong(void **state) {
    (void)state;
    kernel_refused("tdx_guest", NONE, CELLA_ROOT_SNP, CELLA_ERR_UNAVAILABLE);
    kernel_refused("sev_guest", NONE, CELLA_ROOT_TDX, CELLA_ERR_UNAVAILABLE);
    kernel_refused("arm_cca_guest", NONE, CELLA_ROOT_FILE, CELLA_ERR_UNSUPPORTED);
    kernel_refused("sev_guest ", NONE, CELLA_ROOT_FILE, CELLA_ERR_UNSUPPORTED);
    kernel_refused("sev_guest", STRANGER_ALWAYS, CELLA_ROOT_SNP, CELLA_ERR_UNAVAILABLE);
    kernel_refused("sev_guest", OTHER_DATA, CELLA_ROOT_SNP, CELLA_ERR_INTEGRITY);
    kernel_refused("sev_guest", SHORT, CELLA_ROOT_SNP, CELLA_ERR_FORMAT);
    kernel_refused("tdx_guest", NONE, CELLA_ROOT_TDX,
                   CELLA_ERR_UNSUPPORTED); /* it gives a report */
    struct cella_root_evidence r = {0};
    struct cella_tsm none = {"/tmp/cella-tsm-there-is-none", mkdir, rmdir};
    assert_int_equal(code_of(cella_root_guest(&none, CELLA_ROOT_SNP, &r)), CELLA_ERR_NOT_FOUND);
    cella_root_close(&r);
}

static void s3_is_s2_in_a_guest(void **state) {
    (void)state;
    for (enum cella_root r = CELLA_ROOT_FILE; r <= CELLA_ROOT_TDX; r++)
        for (enum cella_assurance level = CELLA_ASSURANCE_S0; level <= CELLA_ASSURANCE_S2;
             level++) {
            struct cella_assurance_state s = {.level = level};
            cella_assurance_in_guest(r, &s);
            bool raised = level == CELLA_ASSURANCE_S2 && r >= CELLA_ROOT_SNP;
            assert_int_equal(s.level, raised ? CELLA_ASSURANCE_S3 : level);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_without_a_trusted_key),
        cmocka_unit_test(hardware_refusals_are_its_own),
        cmocka_unit_test(report_of_another_key),
        cmocka_unit_test(flips_and_truncations),
        cmocka_unit_test(age_is_the_platforms),
        cmocka_unit_test(s3_needs_hardware_and_a_pin),
        cmocka_unit_test(s3_appraised),
        cmocka_unit_test(s3_without_hardware),
        cmocka_unit_test(platform_in_a_guest),
        cmocka_unit_test(anchors_alone),
        cmocka_unit_test(from_kernel_to_verdict),
        cmocka_unit_test(refuses_what_the_kernel_gives_wrong),
        cmocka_unit_test(s3_is_s2_in_a_guest),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
