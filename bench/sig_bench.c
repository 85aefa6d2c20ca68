/* Signature checks behind cella_verifykey, beside the same check by OpenSSL's and nettle's own
 * functions on a digest, interleaved in one run so that a noisy machine disturbs all alike; then
 * what parsing costs, and two threads. docs/decisions/0007-signature-libraries.md takes its figures
 * of these libraries from here. */
#include <nettle/ecc-curve.h>
#include <nettle/ecdsa.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "bench.h"
#include "crypto/verifykey.h"
#include "crypto/x509.h"

enum { ROUNDS = 61, BATCH = 12, THREAD_CHECKS = 2000, PSS_SALT = 48 };

struct subject {
    const char *name;
    enum cella_signature_algorithm algorithm;
    const char *kind; /* group, or NULL for RSA-4096 */
    size_t half;
    bool pss;
    EVP_PKEY *pkey;
    const EVP_MD *md;
    uint8_t message[700], digest[64], der[512], raw[512];
    unsigned digest_size;
    size_t der_size, raw_size;
    struct cella_bytes spki;
    struct cella_verifykey *key;
    struct ecc_point point;
    struct dsa_signature nettle;
};

static void padding(const struct subject *s, EVP_PKEY_CTX *ctx) {
    if (s->kind) return;
    must_be(EVP_PKEY_CTX_set_rsa_padding(ctx, s->pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) >
                0,
            "set padding");
    must_be(EVP_PKEY_CTX_set_signature_md(ctx, s->md) > 0, "set the digest");
    must_be(!s->pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, PSS_SALT) > 0, "set the salt");
}

static void prepare_nettle(struct subject *s) {
    mpz_t x, y;
    mpz_inits(x, y, NULL);
    mpz_import(x, s->half, 1, 1, 0, 0, s->spki.data + s->spki.size - 2 * s->half);
    mpz_import(y, s->half, 1, 1, 0, 0, s->spki.data + s->spki.size - s->half);
    ecc_point_init(&s->point, s->half == 48 ? nettle_get_secp_384r1() : nettle_get_secp_256r1());
    must_be(ecc_point_set(&s->point, x, y), "set a point");
    mpz_clears(x, y, NULL);
    dsa_signature_init(&s->nettle);
    mpz_import(s->nettle.r, s->half, 1, 1, 0, 0, s->raw);
    mpz_import(s->nettle.s, s->half, 1, 1, 0, 0, s->raw + s->half);
}

static void prepare(struct subject *s) {
    s->pkey = s->kind ? EVP_EC_gen(s->kind) : EVP_RSA_gen(4096);
    must_be(s->pkey && RAND_bytes(s->message, sizeof(s->message)) > 0, "make a key");
    EVP_Digest(s->message, sizeof(s->message), s->digest, &s->digest_size, s->md, NULL);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(s->pkey, NULL);
    must_be(ctx && EVP_PKEY_sign_init(ctx) > 0, "sign");
    padding(s, ctx);
    s->der_size = sizeof(s->der);
    must_be(EVP_PKEY_sign(ctx, s->der, &s->der_size, s->digest, s->digest_size) > 0, "sign");
    EVP_PKEY_CTX_free(ctx);
    unsigned char *spki = NULL;
    s->spki.size = (size_t)i2d_PUBKEY(s->pkey, &spki);
    s->spki.data = spki;
    must(cella_verifykey_new(s->spki, &s->key));
    s->raw_size = s->kind ? 2 * s->half : s->der_size;
    cella_copy(s->raw, s->der, s->der_size);
    if (!s->kind) return;
    must(cella_ecdsa_from_der(cella_bytes(s->der, s->der_size), s->raw, s->half));
    prepare_nettle(s);
}

static void by_cella(struct subject *s) {
    must(cella_verifykey_check(s->key, s->algorithm, CELLA_BYTES_OF(s->message),
                               cella_bytes(s->raw, s->raw_size)));
}

static void by_openssl(struct subject *s) {
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(s->pkey, NULL);
    must_be(ctx && EVP_PKEY_verify_init(ctx) > 0, "verify");
    padding(s, ctx);
    must_be(EVP_PKEY_verify(ctx, s->der, s->der_size, s->digest, s->digest_size) == 1,
            "verify by OpenSSL");
    EVP_PKEY_CTX_free(ctx);
}

static void by_nettle(struct subject *s) {
    must_be(ecdsa_verify(&s->point, s->digest_size, s->digest, &s->nettle), "verify by nettle");
}

static void by_key(struct subject *s) {
    CELLA_VERIFYKEY key = NULL;
    must(cella_verifykey_new(s->spki, &key));
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values) {
    qsort(values, ROUNDS, sizeof(*values), compare);
    return values[ROUNDS / 2];
}

static double batch_us(void (*run)(struct subject *), struct subject *s) {
    double start = clock_s(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < BATCH; i++) run(s);
    return (clock_s(CLOCK_THREAD_CPUTIME_ID) - start) / BATCH * 1e6;
}

static void *thread(void *argument) {
    for (int i = 0; i < THREAD_CHECKS; i++) by_cella(argument);
    return NULL;
}

/* The same number of checks per thread, of one shared key: 2.00 is perfect where two processors are
 * free. */
static double two_threads(struct subject *s) {
    double start = clock_s(CLOCK_MONOTONIC);
    thread(s);
    double one = clock_s(CLOCK_MONOTONIC) - start;
    pthread_t threads[2];
    start = clock_s(CLOCK_MONOTONIC);
    for (int i = 0; i < 2; i++)
        must_be(pthread_create(&threads[i], NULL, thread, s) == 0, "start a thread");
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    return 2 * one / (clock_s(CLOCK_MONOTONIC) - start);
}

static void measure(struct subject *s) {
    static double cella[ROUNDS], openssl[ROUNDS], nettle[ROUNDS], load[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        cella[i] = batch_us(by_cella, s);
        openssl[i] = batch_us(by_openssl, s);
        nettle[i] = s->kind ? batch_us(by_nettle, s) : 0;
        load[i] = batch_us(by_key, s);
    }
    double c = median(cella), o = median(openssl), n = median(nettle),
           best = n > 0 && n < o ? n : o;
    printf("%-20s %8.1f %8.0f %9.1f %8.1f %10.2f %9.1f %8.2f\n", s->name, c, 1e6 / c, o, n,
           best / c, median(load), two_threads(s));
}

static struct cella_bytes certificate(const struct subject *s) {
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"bench", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 1000);
    X509_set_pubkey(x, s->pkey);
    must_be(X509_sign(x, s->pkey, s->md) > 0, "make a certificate");
    unsigned char *der = NULL;
    int size = i2d_X509(x, &der);
    X509_free(x);
    return cella_bytes(der, (size_t)size);
}

static void measure_parsing(const struct subject *s) {
    struct cella_bytes der = certificate(s);
    static double cella[ROUNDS], openssl[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double start = clock_s(CLOCK_THREAD_CPUTIME_ID);
        struct cella_certificate c;
        for (int n = 0; n < BATCH; n++) must(cella_certificate_parse(der, &c));
        cella[i] = (clock_s(CLOCK_THREAD_CPUTIME_ID) - start) / BATCH * 1e6;
        start = clock_s(CLOCK_THREAD_CPUTIME_ID);
        for (int n = 0; n < BATCH; n++) {
            const unsigned char *at = der.data;
            X509_free(d2i_X509(NULL, &at, (long)der.size));
        }
        openssl[i] = (clock_s(CLOCK_THREAD_CPUTIME_ID) - start) / BATCH * 1e6;
    }
    double c = median(cella), o = median(openssl);
    printf("\na %s certificate of %zu bytes parsed: cella %.2f us, d2i_X509 %.1f us (%.0f times)\n",
           s->name, der.size, c, o, o / c);
    OPENSSL_free((void *)der.data);
}

int main(void) {
    static struct subject subjects[4];
    subjects[0] = (struct subject){.name = "P-256 SHA-256",
                                   .algorithm = CELLA_SIG_ECDSA_P256_SHA256,
                                   .kind = "P-256",
                                   .half = 32};
    subjects[1] = (struct subject){.name = "P-384 SHA-384",
                                   .algorithm = CELLA_SIG_ECDSA_P384_SHA384,
                                   .kind = "P-384",
                                   .half = 48};
    subjects[2] = (struct subject){
        .name = "RSA-4096 PSS SHA-384", .algorithm = CELLA_SIG_RSA_PSS_SHA384, .pss = true};
    subjects[3] =
        (struct subject){.name = "RSA-4096 PKCS#1", .algorithm = CELLA_SIG_RSA_PKCS1_SHA256};
    printf("median us of %d interleaved batches of %d checks; cella hashes a message of 700 bytes, "
           "the others get its digest\n\n",
           ROUNDS, BATCH);
    printf("%-20s %8s %8s %9s %8s %10s %9s %8s\n", "check", "cella", "per s", "OpenSSL", "nettle",
           "best/cella", "key load", "2 thr.");
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        subjects[i].md = i == 1 || i == 2 ? EVP_sha384() : EVP_sha256();
        prepare(&subjects[i]);
        measure(&subjects[i]);
    }
    measure_parsing(&subjects[0]);
    return 0;
}
