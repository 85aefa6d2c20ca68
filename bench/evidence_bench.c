/* Evidence made and verified per second, against the bare P-256 operations on a digest, interleaved
 * in one run so that a noisy machine disturbs all alike. Aim: 0.8 of each. */
#include <cella/evidence.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "evidence/software.h"

enum { ROUNDS = 401, BATCH = 20, SETTINGS = 24 };

struct setup {
    struct cella_software_signer *signer;
    struct cella_verifier *verifier;
    struct cella_software_claims claims;
    struct cella_buffer evidence;
    EVP_PKEY_CTX *sign, *verify;
    uint8_t digest[32], signature[80];
    size_t signature_size;
};

static void make_setup(struct setup *s) {
    CELLA_KEY key = NULL;
    CELLA_BUFFER spki = {0};
    must(cella_key_new_p256(&key));
    must(cella_key_spki(key, &spki));
    must(cella_software_signer_new(key, CELLA_ROOT_FILE, cella_bytes(NULL, 0), &s->signer));
    struct cella_bytes anchor = cella_buffer_bytes(&spki);
    must(cella_verifier_new(&anchor, 1, &s->verifier));
    s->claims.issued_unix = 1750000000;
    s->claims.memory_secret = true;
    snprintf(s->claims.platform_version, sizeof(s->claims.platform_version), "0.1.0");
    s->claims.setting_count = SETTINGS;
    for (unsigned i = 0; i < SETTINGS; i++) {
        snprintf(s->claims.setting[i].name, sizeof(s->claims.setting[i].name),
                 "kernel.setting_number_%u", i);
        snprintf(s->claims.setting[i].value, sizeof(s->claims.setting[i].value), "value %u", i);
    }
    must(cella_software_evidence(s->signer, &s->claims, &s->evidence));
    EVP_PKEY *raw = EVP_EC_gen("P-256");
    s->sign = EVP_PKEY_CTX_new(raw, NULL);
    s->verify = EVP_PKEY_CTX_new(raw, NULL);
    EVP_PKEY_free(raw);
    must_be(EVP_PKEY_sign_init(s->sign) > 0 && EVP_PKEY_verify_init(s->verify) > 0,
            "make contexts");
}

static void raw_sign(struct setup *s) {
    s->signature_size = sizeof(s->signature);
    must_be(EVP_PKEY_sign(s->sign, s->signature, &s->signature_size, s->digest, 32) > 0, "sign");
}

static void raw_verify(struct setup *s) {
    must_be(EVP_PKEY_verify(s->verify, s->signature, s->signature_size, s->digest, 32) == 1,
            "verify");
}

static void make(struct setup *s) {
    s->evidence.size = 0;
    s->claims.issued_unix++;
    must(cella_software_evidence(s->signer, &s->claims, &s->evidence));
}

static void check(struct setup *s) {
    struct cella_claims claims;
    must(cella_verifier_check(s->verifier, cella_buffer_bytes(&s->evidence), 0, 0, &claims));
    must_be(claims.software.setting_count == SETTINGS, "find the settings");
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(const double *values) {
    double sorted[ROUNDS];
    memcpy(sorted, values, sizeof(sorted));
    qsort(sorted, ROUNDS, sizeof(sorted[0]), compare);
    return sorted[ROUNDS / 2];
}

/* Of each round's own ratio, so that a slow round counts against both sides alike. */
static double median_ratio(const double *base, const double *ours) {
    double ratio[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) ratio[i] = base[i] / ours[i];
    return median(ratio);
}

int main(void) {
    static struct setup s;
    static double seconds[4][ROUNDS];
    make_setup(&s);
    void (*const work[])(struct setup *) = {raw_sign, make, raw_verify, check};
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < 4; i++) {
            double start = clock_s(CLOCK_MONOTONIC);
            for (int n = 0; n < BATCH; n++) work[i](&s);
            seconds[i][round] = (clock_s(CLOCK_MONOTONIC) - start) / BATCH;
        }
    printf("evidence of %zu bytes, %d settings; medians of %d rounds of %d, interleaved\n",
           s.evidence.size, SETTINGS, ROUNDS, BATCH);
    static const char *const names[] = {"P-256 sign", "evidence made", "P-256 verify",
                                        "evidence verified"};
    for (int i = 0; i < 4; i++) printf("%-22s %8.0f /s\n", names[i], 1 / median(seconds[i]));
    printf("ratio made/sign        %8.2f   (aim 0.80)\n", median_ratio(seconds[0], seconds[1]));
    printf("ratio verified/verify  %8.2f   (aim 0.80)\n", median_ratio(seconds[2], seconds[3]));
    cella_software_signer_free(&s.signer);
    cella_verifier_free(&s.verifier);
    cella_buffer_free(&s.evidence);
    EVP_PKEY_CTX_free(s.sign);
    EVP_PKEY_CTX_free(s.verify);
    return 0;
}
