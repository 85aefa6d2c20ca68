/* Whether the time of an RSA decryption tells what was wrong with the padding (K06), and that of
 * the check of a MAC which byte of it is wrong (K07): Welch's t between pairs of classes of
 * ciphertexts, taken in random order, with the slowest tenth left out. |t| under 4.5 is what dudect
 * takes for no difference. bench_padding [DECRYPTIONS OF A CLASS, 4000].
 *
 * Each pair differs in one thing that an oracle would tell: Bleichenbacher's of PKCS #1 v1.5, whose
 * every ciphertext decrypts to something; Manger's of OAEP, all of whose classes are refused. The
 * last pair is one class twice: what this machine's noise alone gives. */
#include <math.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#include "bench.h"
#include "crypto/digest.h"
#include "vault/material.h"

enum { K = 256, POOL = 512 };

enum class_ {
    V15_SOUND,
    V15_FIRST,
    V15_TYPE,
    V15_SHORT,
    V15_NO_END,
    OAEP_FIRST,
    OAEP_LABEL,
    MAC_FIRST, /* K07: which byte of a MAC is wrong */
    MAC_LAST,
    CLASSES
};
static const char *const names[] = {[V15_SOUND] = "v1.5 sound",    [V15_FIRST] = "v1.5 first byte",
                                    [V15_TYPE] = "v1.5 type",      [V15_SHORT] = "v1.5 too short",
                                    [V15_NO_END] = "v1.5 no end",  [OAEP_FIRST] = "OAEP first byte",
                                    [OAEP_LABEL] = "OAEP label",   [MAC_FIRST] = "HS256 first byte",
                                    [MAC_LAST] = "HS256 last byte"};
static const enum class_ pairs[][2] = {{V15_SOUND, V15_FIRST},   {V15_SOUND, V15_TYPE},
                                       {V15_SOUND, V15_SHORT},   {V15_SOUND, V15_NO_END},
                                       {OAEP_FIRST, OAEP_LABEL}, {MAC_FIRST, MAC_LAST},
                                       {V15_SOUND, V15_SOUND}};

static uint8_t pool[CLASSES][POOL][K];
static struct cella_material *keys[2]; /* RSA; oct */
enum { DIGEST = 32 };

static void make_block(enum class_ class_, uint8_t block[K]) {
    must(cella_random(block, K));
    block[0] = class_ == V15_FIRST || class_ == OAEP_FIRST; /* n has its highest bit */
    if (class_ >= OAEP_FIRST) return;
    for (size_t i = 1; i < K; i++)
        if (!block[i]) block[i] = 3;
    block[1] = class_ == V15_TYPE ? 1 : 2;
    if (class_ != V15_NO_END) block[class_ == V15_SHORT ? 6 : K - 33] = 0;
}

/* block^e mod n, so that it decrypts to that very block. */
static void make_rsa_pool(const struct cella_material *key) {
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *n = NULL, *e = NULL, *number = BN_new();
    EVP_PKEY_get_bn_param(cella_material_pkey(key), OSSL_PKEY_PARAM_RSA_N, &n);
    EVP_PKEY_get_bn_param(cella_material_pkey(key), OSSL_PKEY_PARAM_RSA_E, &e);
    for (int c = 0; c <= OAEP_LABEL; c++)
        for (int i = 0; i < POOL; i++) {
            uint8_t block[K];
            do make_block((enum class_)c, block);
            while (BN_cmp(BN_bin2bn(block, K, number), n) >= 0);
            BN_mod_exp(number, number, e, n, ctx);
            must_be(BN_bn2binpad(number, pool[c][i], K) == K, "encrypt");
        }
    BN_free(number);
    BN_free(n);
    BN_free(e);
    BN_CTX_free(ctx);
}

/* A digest, and behind it its MAC with one byte changed. */
static void make_mac_pool(const struct cella_material *key) {
    for (int c = MAC_FIRST; c <= MAC_LAST; c++)
        for (int i = 0; i < POOL; i++) {
            CELLA_PRODUCT made = {0};
            uint8_t *at = pool[c][i];
            must(cella_random(at, DIGEST));
            struct cella_operands with = {.algorithm = "HS256", .value = cella_bytes(at, DIGEST)};
            must(cella_material_use(key, CELLA_OP_SIGN, &with, &made));
            memcpy(at + DIGEST, made.value, DIGEST);
            at[DIGEST + (c == MAC_FIRST ? 0 : DIGEST - 1)] ^= 1;
        }
}

static double time_us(enum class_ class_, long i) {
    CELLA_PRODUCT made = {0};
    bool mac = class_ >= MAC_FIRST;
    const uint8_t *at = pool[class_][i % POOL];
    struct cella_operands with = {.algorithm = mac                   ? "HS256"
                                               : class_ < OAEP_FIRST ? "RSA1_5"
                                                                     : "RSA-OAEP-256",
                                  .value = cella_bytes(at, mac ? DIGEST : K),
                                  .signature = cella_bytes(at + DIGEST, DIGEST)};
    double start = clock_us(CLOCK_THREAD_CPUTIME_ID);
    struct cella_result result =
        cella_material_use(keys[mac], mac ? CELLA_OP_VERIFY : CELLA_OP_DECRYPT, &with, &made);
    double taken = clock_us(CLOCK_THREAD_CPUTIME_ID) - start;
    bool refused = class_ == OAEP_FIRST || class_ == OAEP_LABEL;
    must_be(cella_failed(result) == refused && !made.valid, "answer as it should");
    cella_result_drop(result);
    return taken;
}

static int by_size(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

struct moments {
    double count, mean, variance;
};
static struct moments moments_of(const double *times, long count, double most) {
    struct moments m = {0, 0, 0};
    for (long i = 0; i < count; i++) {
        if (times[i] > most) continue;
        double delta = times[i] - m.mean;
        m.mean += delta / ++m.count;
        m.variance += delta * (times[i] - m.mean);
    }
    m.variance /= m.count - 1;
    return m;
}

static double compare(const enum class_ pair[2], long count) {
    double *times[2] = {calloc((size_t)count, sizeof(double)),
                        calloc((size_t)count, sizeof(double))};
    double *all = calloc((size_t)count * 2, sizeof(double));
    long done[2] = {0, 0};
    must_be(times[0] && times[1] && all, "get memory");
    while (done[0] < count || done[1] < count) {
        int which = done[0] == count ? 1 : done[1] == count ? 0 : (int)(random() & 1);
        times[which][done[which]] = time_us(pair[which], done[which]);
        done[which]++;
    }
    for (int w = 0; w < 2; w++) memcpy(all + w * count, times[w], (size_t)count * sizeof(double));
    qsort(all, (size_t)count * 2, sizeof(double), by_size);
    double most = all[count * 2 * 9 / 10];
    struct moments a = moments_of(times[0], count, most), b = moments_of(times[1], count, most);
    double t = (a.mean - b.mean) / sqrt(a.variance / a.count + b.variance / b.count);
    printf("%-16s %-16s %8ld %10.2f %10.2f %8.2f\n", names[pair[0]], names[pair[1]], count, a.mean,
           b.mean, t);
    free(times[0]);
    free(times[1]);
    free(all);
    return fabs(t);
}

int main(int argc, char **argv) {
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 4000;
    double worst = 0;
    must_be(count >= 100, "measure that few: give 100 or more");
    srandom(20261125);
    must(cella_material_new(CELLA_MATERIAL_RSA, CELLA_CURVE_NONE, 2048, 0, &keys[0]));
    must(cella_material_new(CELLA_MATERIAL_OCT, CELLA_CURVE_NONE, 256, 0, &keys[1]));
    make_rsa_pool(keys[0]);
    make_mac_pool(keys[1]);
    for (long i = 0; i < 200; i++) time_us(V15_SOUND, i); /* warm */
    printf("%-16s %-16s %8s %10s %10s %8s\n", "class", "beside", "each", "us", "us", "t");
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        double t = compare(pairs[i], count);
        worst = t > worst ? t : worst;
    }
    cella_material_free(&keys[0]);
    cella_material_free(&keys[1]);
    printf("largest |t| %.2f: %s\n", worst,
           worst < 4.5 ? "no difference" : "a difference, or noise");
    return 0;
}
