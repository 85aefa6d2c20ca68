/* Verifications of each kind of evidence per second, cold (collateral parsed and checked each time)
 * and warm (shared), on 1 and 2 threads, beside the very signature checks that each needed: these
 * are recorded at cella_verifykey_check (linked with --wrap) and repeated in the same rounds. Costs
 * are a thread's own processor time, which other work on the machine does not lengthen; how two
 * threads scale is of the clock on the wall, and says something only beside what the raw checks do.
 * Then what up to 1e6 verifications do to memory. Vectors: CELLA_VECTORS or ../shared/vectors. */
#include <cella/verify.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "bench.h"
#include "checks.h"
#include "crypto/key.h"
#include "crypto/verifykey.h"
#include "evidence/software.h"

enum { ROUNDS = 9, FILES = 24, MANY = 1000000, MANY_SECONDS = 150 };
static const double SLICE_S = 0.02;

struct subject {
    const char *name;
    enum cella_evidence_type type;
    const char *evidence, *collateral, *trust; /* below the vectors' folder; or NULL */
    uint64_t time_unix;
    const char *accept_tcb;
    double aim_cold_s, aim_warm_s; /* 0: none */
};

static const struct subject subjects[] = {
    {"sgx", CELLA_EVIDENCE_SGX, "sgx-quote/v3-00606a000000-libsignal-3f0db0ac/quote.bin",
     "sgx-quote/v3-00606a000000-libsignal-3f0db0ac/collateral-20220730-ev12", NULL, 1659149040,
     NULL, 0.8e-3, 0.17e-3},
    {"tdx", CELLA_EVIDENCE_TDX, "tdx-quote/v4-b0c06f000000-dcap-qvl-f1c85033/quote.bin",
     "tdx-quote/v4-b0c06f000000-dcap-qvl-f1c85033/collateral-20250704-ev17", NULL, 1751624191, NULL,
     0.8e-3, 0.17e-3},
    {"snp", CELLA_EVIDENCE_SNP, "snp-report/v3-milan-vcek-trustee-05b7438a/report.bin",
     "snp-report/v3-milan-vcek-trustee-05b7438a", NULL, 1769904000, NULL, 0.5e-3, 0.25e-3},
    {"tpm", CELLA_EVIDENCE_TPM, "tpm2-quote/go-tpm-tools-gce-cos-85-no-nonce/quote1.msg",
     "tpm2-quote/go-tpm-tools-gce-cos-85-no-nonce",
     "tpm2-quote/go-tpm-tools-gce-cos-85-no-nonce/ak_pub.pem", 1769904000, NULL, 0, 0},
    {"azure (snp)", CELLA_EVIDENCE_AZURE, "azure-vtpm/snp-cdai-milan-v3/hcl_report.bin",
     "azure-vtpm/snp-cdai-milan-v3", NULL, 1769904000, NULL, 0, 0},
    {"nitro", CELLA_EVIDENCE_NITRO, "nitro/evervault-beta-valid/document.cbor", NULL, NULL,
     1665651482, NULL, 2e-3, 0},
    {"maa", CELLA_EVIDENCE_MAA, "maa-jwt/AttestTpm-222ed477/token.jwt",
     "maa-jwt/AttestTpm-222ed477", NULL, 1654037336, NULL, 0, 0},
    {"software", CELLA_EVIDENCE_SOFTWARE, NULL, NULL, NULL, 1750000000, "S0", 0, 0}, /* made here */
};
enum { SUBJECTS = sizeof(subjects) / sizeof(subjects[0]) };

struct item {
    char name[256];
    struct cella_buffer content;
};

struct work {
    const struct subject *subject;
    struct cella_buffer evidence, trust;
    struct item item[FILES];
    size_t item_count;
    struct cella_collateral *shared;
    struct checks cold, warm;
};

static void collateral_build(const struct work *w, struct cella_collateral **out) {
    bool taken;
    must(cella_collateral_new(out));
    for (size_t i = 0; i < w->item_count; i++)
        must(cella_collateral_add(*out, w->item[i].name, cella_buffer_bytes(&w->item[i].content),
                                  &taken));
    if (w->trust.size) must(cella_collateral_trust(*out, cella_buffer_bytes(&w->trust)));
    must(cella_collateral_finish(*out));
}

static void verify_with(const struct work *w, const struct cella_collateral *collateral) {
    const struct cella_evidence_options options = {
        .type = w->subject->type,
        .time_unix = w->subject->time_unix,
        .accept_tcb = &w->subject->accept_tcb,
        .accept_tcb_count = w->subject->accept_tcb != NULL,
    };
    CELLA_VERIFICATION v;
    must(cella_verify(cella_buffer_bytes(&w->evidence), collateral, &options, &v));
    if (v.verdict == CELLA_VERIFY_ACCEPTED) return;
    fprintf(stderr, "bench: %s is refused: %s: %s: expected %s, found %s\n", w->subject->name,
            v.reason.step, v.reason.field, v.reason.expected, v.reason.found);
    exit(1);
}

static void cold(const struct work *w) {
    struct cella_collateral *collateral = NULL;
    collateral_build(w, &collateral);
    verify_with(w, collateral);
    cella_collateral_free(&collateral);
}

static void warm(const struct work *w) { verify_with(w, w->shared); }

static void raw_cold(const struct work *w) { checks_repeat(&w->cold); }
static void raw_warm(const struct work *w) { checks_repeat(&w->warm); }

static void load_folder(struct work *w, const char *root) {
    char path[4096];
    struct dirent **names = NULL;
    snprintf(path, sizeof(path), "%s/%s", root, w->subject->collateral);
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (names[i]->d_type == DT_REG && w->item_count < FILES &&
            strcmp(names[i]->d_name, "expected.json") != 0) {
            struct item *item = &w->item[w->item_count++];
            snprintf(path, sizeof(path), "%s/%s/%s", root, w->subject->collateral,
                     names[i]->d_name);
            snprintf(item->name, sizeof(item->name), "%s", names[i]->d_name);
            must(cella_file_read(path, 1 << 20, &item->content));
        }
        free(names[i]);
    }
    free(names);
}

static void make_software(struct work *w) {
    CELLA_KEY key = NULL;
    struct cella_software_signer *signer = NULL;
    struct cella_software_claims claims = {.issued_unix = w->subject->time_unix};
    snprintf(claims.platform_version, sizeof(claims.platform_version), "0.1.0");
    must(cella_key_new_p256(&key));
    must(cella_key_spki(key, &w->trust));
    must(cella_software_signer_new(key, CELLA_ROOT_FILE, cella_bytes(NULL, 0), &signer));
    must(cella_software_evidence(signer, &claims, &w->evidence));
    cella_software_signer_free(&signer);
}

static void load(struct work *w, const struct subject *subject, const char *root) {
    char path[4096];
    w->subject = subject;
    if (subject->evidence) {
        snprintf(path, sizeof(path), "%s/%s", root, subject->evidence);
        must(cella_file_read(path, 1 << 20, &w->evidence));
    } else
        make_software(w);
    if (subject->trust) {
        snprintf(path, sizeof(path), "%s/%s", root, subject->trust);
        must(cella_file_read(path, 1 << 20, &w->trust));
    }
    if (subject->collateral) load_folder(w, root);
    collateral_build(w, &w->shared);
    checks_record(&w->cold);
    cold(w);
    checks_record(&w->warm);
    warm(w);
    checks_record(NULL);
}

/* How many a second, of as many threads, each for SLICE_S. */
struct runner {
    void (*one)(const struct work *);
    const struct work *work;
    pthread_barrier_t *start;
    double rate, cpu_rate;
};

static void *run(void *arg) {
    struct runner *r = arg;
    pthread_barrier_wait(r->start);
    double begin = clock_s(CLOCK_MONOTONIC), cpu = clock_s(CLOCK_THREAD_CPUTIME_ID), passed = 0;
    size_t n = 0;
    for (; passed < SLICE_S; passed = clock_s(CLOCK_MONOTONIC) - begin, n++) r->one(r->work);
    r->rate = (double)n / passed;
    r->cpu_rate = (double)n / (clock_s(CLOCK_THREAD_CPUTIME_ID) - cpu);
    return NULL;
}

static double rate(void (*one)(const struct work *), const struct work *w, unsigned threads,
                   double *cpu_rate) {
    struct runner r[2];
    pthread_t thread[2];
    pthread_barrier_t start;
    double sum = 0;
    pthread_barrier_init(&start, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        r[i] = (struct runner){one, w, &start, 0, 0};
        if (pthread_create(&thread[i], NULL, run, &r[i]) != 0) exit(1);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
        sum += r[i].rate;
    }
    pthread_barrier_destroy(&start);
    *cpu_rate = r[0].cpu_rate;
    return sum;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values) {
    qsort(values, ROUNDS, sizeof(double), ascending);
    return values[ROUNDS / 2];
}

enum { RAW_COLD, RAW_WARM, COLD, WARM, RAW2, COLD2, WARM2, KINDS };

static void checks_print(const struct checks *checks, char *text, size_t size) {
    unsigned count[3] = {0};
    static const char *const names[] = {"P-256", "P-384", "RSA"};
    size_t at = 0;
    text[0] = 0;
    for (size_t i = 0; i < checks->count; i++) count[cella_verifykey_kind(checks->of[i].key)]++;
    for (size_t i = 0; i < 3 && at < size; i++)
        if (count[i])
            at += (size_t)snprintf(text + at, size - at, "%s%u %s", at ? ", " : "", count[i],
                                   names[i]);
}

static void aim_print(const char *what, double aim_s, double rate_s) {
    if (aim_s > 0)
        printf("  %s %.3f ms, aim %.2f: %s\n", what, 1e3 / rate_s, 1e3 * aim_s,
               1 / rate_s <= aim_s ? "held" : "missed");
}

static void measure(const struct work *w) {
    static double cpu[KINDS][ROUNDS], rates[KINDS][ROUNDS], scale[4][ROUNDS];
    static const struct {
        void (*one)(const struct work *);
        unsigned threads;
    } kinds[KINDS] = {{raw_cold, 1}, {raw_warm, 1}, {cold, 1}, {warm, 1},
                      {raw_warm, 2}, {cold, 2},     {warm, 2}};
    char cold_text[64], warm_text[64];
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k < KINDS; k++)
            rates[k][round] = rate(kinds[k].one, w, kinds[k].threads, &cpu[k][round]);
        scale[0][round] = cpu[WARM][round] / cpu[RAW_WARM][round];
        scale[1][round] = rates[COLD2][round] / rates[COLD][round];
        scale[2][round] = rates[WARM2][round] / rates[WARM][round];
        scale[3][round] = rates[RAW2][round] / rates[RAW_WARM][round];
    }
    double m[KINDS], s[4];
    for (int k = 0; k < KINDS; k++) m[k] = median(k < RAW2 ? cpu[k] : rates[k]);
    for (int i = 0; i < 4; i++) s[i] = median(scale[i]);
    checks_print(&w->cold, cold_text, sizeof(cold_text));
    checks_print(&w->warm, warm_text, sizeof(warm_text));
    printf("%-12s cold %8.0f /s, warm %8.0f /s\n", w->subject->name, m[COLD], m[WARM]);
    /* None recorded for software evidence, which is checked through crypto/key.h:
     * bench/evidence_bench.c sets that beside the raw operation. */
    if (w->warm.count > 0)
        printf("  raw: cold %.0f /s (%s), warm %.0f /s (%s); warm/raw %.2f\n", m[RAW_COLD],
               cold_text, m[RAW_WARM], warm_text, s[0]);
    printf("  2 threads, by the wall clock: cold %.2fx, warm %.2fx", s[1], s[2]);
    if (w->warm.count > 0) printf(", raw %.2fx", s[3]);
    printf("\n");
    aim_print("cold", w->subject->aim_cold_s, m[COLD]);
    aim_print("warm", w->subject->aim_warm_s, m[WARM]);
    fflush(stdout);
}

static long status_kb(const char *field) {
    char line[256];
    long kb = -1;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, field, strlen(field)) == 0)
            kb = strtol(line + strlen(field) + 1, NULL, 10);
    if (file) fclose(file);
    return kb;
}

/* Of the subject: warm verifications until MANY or MANY_SECONDS, and a hundredth as many cold. */
static void growth(const struct work *w) {
    double begin = clock_s(CLOCK_MONOTONIC);
    size_t n = 0, built = 0;
    for (int i = 0; i < 100; i++) cold(w);
    long start_kb = status_kb("VmRSS:");
    for (; n < MANY && clock_s(CLOCK_MONOTONIC) - begin < MANY_SECONDS; n++) {
        warm(w);
        if (n % 100 == 0) cold(w), built++;
    }
    printf("memory       %zu warm and %zu cold of %s in %.0f s: RSS %ld KiB at start, %ld at end\n",
           n, built, w->subject->name, clock_s(CLOCK_MONOTONIC) - begin, start_kb,
           status_kb("VmRSS:"));
}

int main(int argc, char **argv) {
    const char *root = getenv("CELLA_VECTORS");
    static struct work work[SUBJECTS];
    const char *only = argc > 1 ? argv[1] : NULL; /* one kind alone, as for a profile */
    if (!root) root = CELLA_SOURCE_ROOT "/../shared/vectors";
    if (access(root, R_OK) != 0) {
        printf("no vectors at %s: skipped; set CELLA_VECTORS\n", root);
        return 0;
    }
    for (int i = 0; i < SUBJECTS; i++)
        if (!only || strcmp(only, subjects[i].name) == 0) load(&work[i], &subjects[i], root);
    printf("medians of %d rounds, interleaved, each of %.0f ms\n", ROUNDS, SLICE_S * 1e3);
    for (int i = 0; i < SUBJECTS; i++)
        if (work[i].subject) measure(&work[i]);
    printf("memory       VmHWM %ld KiB of 10240\n", status_kb("VmHWM:"));
    for (int i = 0; i < SUBJECTS; i++)
        if (work[i].subject && (only || subjects[i].type == CELLA_EVIDENCE_MAA)) growth(&work[i]);
    printf("memory       VmHWM %ld KiB of 10240\n", status_kb("VmHWM:"));
    return 0;
}
