/* Randomness: HMAC-DRBG (NIST SP 800-90A, BearSSL) over SHA-256, seeded from three sources of which
 * the host gives at most two: RDRAND, the kernel's bytes in the start block, getrandom now (R43).
 */
#include <bearssl.h>
#include <cpuid.h>

#include "shim/core.h"

enum { SAMPLES = 64, RESEED_CALLS = 256, RDRAND_TRIES = 32, KERNEL_SEED = 64 };

static struct {
    struct shim_lock lock; /* guards drbg and calls */
    br_hmac_drbg_context drbg;
    uint32_t calls;
} generator;

static bool rdrand(uint64_t *out) {
    for (int i = 0; i < RDRAND_TRIES; i++) {
        uint64_t v;
        uint8_t ok;
        __asm__ volatile("rdrand %0; setc %1" : "=r"(v), "=qm"(ok) : : "cc");
        if (ok) {
            *out = v;
            return true;
        }
    }
    return false;
}

static bool has_rdrand(void) {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_RDRND);
}

/* SP 800-90B 4.4.1, repetition count: a source that repeats or sticks at a constant is broken. */
static bool healthy(const uint64_t *sample, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (sample[i] == sample[j]) return false;
    return true;
}

static bool rdrand_fill(uint64_t *out, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!rdrand(&out[i])) return false;
    return true;
}

static void kernel_fill(void *out, size_t size) {
    if (shim_syscall(__NR_getrandom, (long)out, (long)size, 0, 0, 0, 0) != (long)size)
        shim_broken_contract("getrandom");
}

CELLA_RESULT shim_random_init(const uint8_t seed[64]) {
    uint64_t sample[SAMPLES], kernel[KERNEL_SEED / 8], given[8];
    ENSURE(has_rdrand(), CELLA_ERR_UNSUPPORTED, NULL,
           "this processor has no RDRAND; the host's bytes alone are not enough");
    ENSURE(rdrand_fill(sample, SAMPLES) && healthy(sample, SAMPLES), CELLA_ERR_UNAVAILABLE, NULL,
           "RDRAND fails its health test");
    kernel_fill(kernel, sizeof kernel);
    cella_copy(given, seed, sizeof given);
    ENSURE(healthy(kernel, KERNEL_SEED / 8) && healthy(given, 8), CELLA_ERR_UNAVAILABLE, NULL,
           "the kernel's randomness fails its health test");
    br_hmac_drbg_init(&generator.drbg, &br_sha256_vtable, sample, sizeof sample);
    br_hmac_drbg_update(&generator.drbg, kernel, sizeof kernel);
    br_hmac_drbg_update(&generator.drbg, given, sizeof given);
    cella_wipe(sample, sizeof sample);
    cella_wipe(kernel, sizeof kernel);
    cella_wipe(given, sizeof given);
    /* The canary that BearSSL's own checks read; changed only while none of its functions runs. */
    uint64_t canary;
    br_hmac_drbg_generate(&generator.drbg, &canary, sizeof canary);
    shim_thread_current()->fs_block[5] = canary;
    return CELLA_SUCCESS;
}

bool shim_random(void *out, size_t size) {
    uint64_t fresh[4];
    bool ok = true;
    shim_lock(&generator.lock);
    if (generator.calls++ % RESEED_CALLS == 0) {
        ok = rdrand_fill(fresh, 4) && healthy(fresh, 4);
        if (ok) br_hmac_drbg_update(&generator.drbg, fresh, sizeof fresh);
        cella_wipe(fresh, sizeof fresh);
    }
    if (ok) br_hmac_drbg_generate(&generator.drbg, out, size);
    shim_unlock(&generator.lock);
    return ok;
}

long shim_sys_getrandom(const long a[6]) {
    const long known = 7; /* GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE */
    long size = a[1] < 0 || a[1] > 1 << 25 ? 1 << 25 : a[1];
    if (a[2] & ~known) return -EINVAL;
    if (!shim_writable((void *)a[0], (uint64_t)size)) return -EFAULT;
    return shim_random((void *)a[0], (size_t)size) ? size : -EAGAIN;
}
