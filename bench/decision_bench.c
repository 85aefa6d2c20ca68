/* Whole decisions of the attestation service, from a request's body to its token, beside the raw
 * cryptography that each needs: the very signature checks of its evidence (recorded at
 * cella_verifykey_check, linked with --wrap) and one RS256 signature over a payload of the token's
 * size. No network, no HTTP. Interleaved in one run; time of this thread alone, best batch of many.
 * Vectors: CELLA_VECTORS or ../shared/vectors. */
#include <cella/verify.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/attest.h"
#include "base/file.h"
#include "base/text.h"
#include "bench.h"
#include "checks.h"

enum { ROUNDS = 41, BATCH = 20 };
static const double AIM = 0.7;

static const struct subject {
    const char *name, *path, *member, *evidence, *collateral;
    enum cella_evidence_type type;
    uint64_t time_unix;
} subjects[] = {
    {"SgxEnclave", "/attest/SgxEnclave?api-version=2020-10-01", "quote",
     "sgx-quote/v3-00606a000000-libsignal-3f0db0ac/quote.bin",
     "sgx-quote/v3-00606a000000-libsignal-3f0db0ac/collateral-20220730-ev12", CELLA_EVIDENCE_SGX,
     1659149040},
    {"SevSnpVm", "/attest/SevSnpVm?api-version=2020-10-01", "report",
     "snp-report/v3-milan-vcek-trustee-05b7438a/report.bin",
     "snp-report/v3-milan-vcek-trustee-05b7438a", CELLA_EVIDENCE_SNP, 1769904000},
    {"TdxVm", "/attest/TdxVm?api-version=2025-06-01", "quote",
     "tdx-quote/v4-b0c06f000000-dcap-qvl-f1c85033/quote.bin",
     "tdx-quote/v4-b0c06f000000-dcap-qvl-f1c85033/collateral-20250704-ev17", CELLA_EVIDENCE_TDX,
     1751624191},
};

/* --- The service --- */

struct service {
    char folder[64];
    struct cella_database *database;
    struct cella_sealer *sealer;
    struct cella_issuers *issuers;
    struct cella_audit *audit;
    struct cella_metrics *metrics;
    struct cella_trust *trust;
    struct cella_attest *attest;
    struct cella_buffer evidence, body;
    struct checks checks; /* that the evidence needs */
};

static const char *at(const struct service *s, const char *name) {
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", s->folder, name);
    return path;
}

static void open_service(struct service *s, const struct subject *subject, const char *vectors) {
    static const uint8_t key[32] = {1};
    char collateral[1024];
    const char *path[] = {collateral};
    snprintf(collateral, sizeof(collateral), "%s/%s", vectors, subject->collateral);
    struct cella_trust_settings trust = {.path = path, .path_count = 1, .source = "none"};
    snprintf(s->folder, sizeof(s->folder), "/tmp/cella-bench-XXXXXX");
    if (!mkdtemp(s->folder)) exit(1);
    must(cella_database_open(at(s, "cella.db"), &s->database));
    must(cella_sealer_open("file:root.key", s->folder, &s->sealer));
    must(cella_audit_open(at(s, "audit.log"), 1000, CELLA_BYTES_OF(key), &s->audit));
    must(cella_metrics_new(&s->metrics));
    must(cella_issuers_new(&s->issuers));
    must(cella_trust_new(&trust, &s->trust));
    struct cella_attest_parts parts = {s->database, s->sealer, s->issuers, s->audit, s->metrics};
    must(cella_attest_new(&parts, &s->attest));
    struct cella_attest_settings settings = {
        .name = "dev", .url = "https://localhost", .insecure_time = subject->time_unix};
    must(cella_attest_add(s->attest, &settings, s->trust));
}

static void close_service(struct service *s) {
    cella_attest_free(&s->attest);
    cella_trust_free(&s->trust);
    cella_issuers_free(&s->issuers);
    cella_metrics_free(&s->metrics);
    cella_audit_close(&s->audit);
    cella_sealer_close(&s->sealer);
    cella_database_close(&s->database);
    cella_buffer_free(&s->evidence);
    cella_buffer_free(&s->body);
    static const char *const files[] = {"cella.db",       "cella.db-wal", "cella.db-shm",
                                        "audit.log.head", "root.key",     "audit.log",
                                        "store.key"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) unlink(at(s, files[i]));
    rmdir(s->folder);
}

static void make_body(struct service *s, const struct subject *subject, const char *vectors) {
    char path[1024];
    CELLA_BUFFER text = {0};
    snprintf(path, sizeof(path), "%s/%s", vectors, subject->evidence);
    must(cella_file_read(path, 1 << 20, &s->evidence));
    must(cella_base64_encode(cella_buffer_bytes(&s->evidence), true, &text));
    must(cella_buffer_append(&s->body, cella_bytes_text("{\"")));
    must(cella_buffer_append(&s->body, cella_bytes_text(subject->member)));
    must(cella_buffer_append(&s->body, cella_bytes_text("\":\"")));
    must(cella_buffer_append(&s->body, cella_buffer_bytes(&text)));
    must(cella_buffer_append(&s->body, cella_bytes_text("\"}")));
}

static size_t decide(struct service *s, const struct subject *subject) {
    struct cella_http_request request = {.method = cella_bytes_text("POST"),
                                         .target = cella_bytes_text(subject->path),
                                         .authority = cella_bytes_text("localhost"),
                                         .body = cella_buffer_bytes(&s->body),
                                         .id = "00000000-0000-4000-8000-000000000000",
                                         .peer = "127.0.0.1"};
    struct cella_http_response response = {0};
    cella_attest_answer(s->attest, &request, &response);
    size_t size = response.body.size;
    if (response.status != 200) {
        fprintf(stderr, "bench: %s: %.*s\n", subject->name, (int)size,
                (const char *)response.body.data);
        exit(1);
    }
    cella_buffer_free(&response.text);
    cella_buffer_free(&response.header_text);
    return size;
}

/* --- Parts of it --- */

static void verify(const struct service *s, const struct subject *subject) {
    const struct cella_evidence_options options = {.type = subject->type,
                                                   .time_unix = subject->time_unix};
    void *hold;
    CELLA_VERIFICATION v;
    const struct cella_collateral *set = cella_trust_take(s->trust, &hold);
    must(cella_verify(cella_buffer_bytes(&s->evidence), set, &options, &v));
    cella_trust_drop(s->trust, hold);
}

static void sign(const struct cella_jose_key *key, size_t size) {
    static uint8_t payload[65536];
    CELLA_BUFFER token = {0};
    CELLA_JSON header = json_object();
    must(cella_jws_sign(key, CELLA_JOSE_RS256, header, cella_bytes(payload, size), &token));
}

static void measure(struct service *s, const struct subject *subject,
                    const struct cella_jose_key *key) {
    enum { WHOLE, VERIFY, CHECK, SIGN, KINDS };
    double best[KINDS] = {1e9, 1e9, 1e9, 1e9};
    size_t size = decide(s, subject) * 3 / 4;
    checks_record(&s->checks);
    verify(s, subject);
    checks_record(NULL);
    for (int round = 0; round < ROUNDS; round++)
        for (int kind = 0; kind < KINDS; kind++) {
            double start = clock_us(CLOCK_THREAD_CPUTIME_ID);
            for (int i = 0; i < BATCH; i++)
                if (kind == WHOLE)
                    decide(s, subject);
                else if (kind == VERIFY)
                    verify(s, subject);
                else if (kind == CHECK)
                    checks_repeat(&s->checks);
                else
                    sign(key, size);
            double each = (clock_us(CLOCK_THREAD_CPUTIME_ID) - start) / BATCH;
            if (each < best[kind]) best[kind] = each;
        }
    double raw = best[CHECK] + best[SIGN], ratio = raw / best[WHOLE];
    printf("%-11s %7.1f us (%5.0f /s): verification %6.1f (its signatures %6.1f), RS256 %6.1f, "
           "rest %5.1f; raw/whole %.2f, aim %.1f: %s\n",
           subject->name, best[WHOLE], 1e6 / best[WHOLE], best[VERIFY], best[CHECK], best[SIGN],
           best[WHOLE] - best[VERIFY] - best[SIGN], ratio, AIM, ratio >= AIM ? "held" : "missed");
}

int main(void) {
    const char *vectors = getenv("CELLA_VECTORS");
    struct cella_jose_key *key = NULL;
    if (!vectors) vectors = CELLA_SOURCE_ROOT "/../shared/vectors";
    if (access(vectors, R_OK) != 0) {
        printf("skipped: no vectors at %s\n", vectors);
        return 0;
    }
    must(cella_jose_key_new(CELLA_JOSE_RSA, 2048, &key));
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        struct service service = {.database = NULL};
        open_service(&service, &subjects[i], vectors);
        make_body(&service, &subjects[i], vectors);
        measure(&service, &subjects[i], key);
        close_service(&service);
    }
    cella_jose_key_free(&key);
    return 0;
}
