#include "seal/gcm.h"

#include <bearssl.h>
#include <cpuid.h>

#include "base/memory.h"
#include "seal/gcm_internal.h"

/* intel-ipsec-mb's routines are called by their own names, without its manager (which needs malloc
 * and 700 KiB of tables): each family is a leaf of assembly that keeps its state in the structures
 * given to it. The layouts are those of struct gcm_key_data and gcm_context_data in
 * intel-ipsec-mb.h 1.3. */
struct imb_key {
    _Alignas(64) uint8_t expanded[16 * 15];
    uint8_t hash_keys[16 * 48];
};
struct imb_context {
    uint8_t state[16 * 4 + 8 * 4];
};

#define IMB_FAMILY(family, keyexp)                                                                 \
    void aes_keyexp_256_##keyexp(const void *key, void *enc, void *dec);                           \
    void aes_gcm_precomp_256_##family(struct imb_key *key);                                        \
    void aes_gcm_enc_256_##family(const struct imb_key *, struct imb_context *, uint8_t *out,      \
                                  const uint8_t *in, uint64_t size, const uint8_t *iv,             \
                                  const uint8_t *aad, uint64_t aad_size, uint8_t *tag,             \
                                  uint64_t tag_size);                                              \
    void aes_gcm_dec_256_##family(const struct imb_key *, struct imb_context *, uint8_t *out,      \
                                  const uint8_t *in, uint64_t size, const uint8_t *iv,             \
                                  const uint8_t *aad, uint64_t aad_size, uint8_t *tag,             \
                                  uint64_t tag_size);
IMB_FAMILY(vaes_avx512, avx512)
IMB_FAMILY(avx_gen4, avx2)
IMB_FAMILY(avx_gen2, avx)
IMB_FAMILY(sse, sse)

/* What the assembly's parameter checks write to and read from. Defined here so that the library's
 * own error.o, which needs a libc, stays out. Never read: the arguments below are always valid. */
extern int imb_errno;
extern const int imb_errno_types[64];
int imb_errno;
const int imb_errno_types[64] = {0};

struct bear_key {
    br_aes_ct64_ctr_keys aes;
};

struct state {
    union {
        struct imb_key imb;
        struct bear_key bear;
    } key;
    uint32_t kind; /* enum cella_gcm_kind */
};
_Static_assert(sizeof(struct state) <= sizeof(((struct cella_gcm *)0)->opaque),
               "cella_gcm holds the state");
_Static_assert(_Alignof(struct state) <= _Alignof(struct cella_gcm),
               "cella_gcm is aligned for the state");

static enum cella_gcm_kind forced = CELLA_GCM_AUTO;

static uint64_t enabled_states(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* A feature counts only when the operating system saves its registers (XCR0), Intel SDM vol.
 * 1, 13.3, 15.2. */
bool cella_gcm_available(enum cella_gcm_kind kind) {
    if (kind == CELLA_GCM_BEARSSL) return true;
    uint32_t a, b, c, d, b7 = 0, c7 = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return false;
    bool sse = (c & bit_AES) && (c & bit_PCLMUL) && (c & bit_SSE4_1) && (c & bit_SSSE3);
    if (kind == CELLA_GCM_SSE) return sse;
    uint64_t states = (c & bit_OSXSAVE) ? enabled_states() : 0;
    bool avx = sse && (c & bit_AVX) && (states & 0x06) == 0x06;
    if (kind == CELLA_GCM_AVX) return avx;
    uint32_t c1 = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        b7 = b;
        c7 = c;
    }
    bool avx2 = avx && (b7 & bit_AVX2) && (b7 & bit_BMI2) && (c1 & bit_MOVBE);
    if (kind == CELLA_GCM_AVX2) return avx2;
    const uint32_t avx512 = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    return avx2 && (b7 & avx512) == avx512 && (c7 & bit_VAES) && (c7 & bit_VPCLMULQDQ) &&
           (c7 & bit_GFNI) && (states & 0xe6) == 0xe6;
}

void cella_gcm_force(enum cella_gcm_kind kind) { forced = kind; }

static uint32_t best(void) {
    for (uint32_t kind = CELLA_GCM_VAES_AVX512; kind > CELLA_GCM_BEARSSL; kind--)
        if (cella_gcm_available((enum cella_gcm_kind)kind)) return kind;
    return CELLA_GCM_BEARSSL;
}

/* Asked once: in a virtual machine each question to the processor goes to its hypervisor, and a
 * dozen of them cost more than the key. */
static uint32_t choose(void) {
    static uint32_t chosen = CELLA_GCM_AUTO;
    if (forced != CELLA_GCM_AUTO) return forced;
    uint32_t kind = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    if (kind == CELLA_GCM_AUTO) {
        kind = best();
        __atomic_store_n(&chosen, kind, __ATOMIC_RELAXED);
    }
    return kind;
}

static void imb_init(struct imb_key *key, uint32_t kind, const uint8_t *secret) {
    _Alignas(16) uint8_t unused[16 * 15]; /* the decryption schedule, which GCM has no use for */
    switch (kind) {
    case CELLA_GCM_VAES_AVX512:
        aes_keyexp_256_avx512(secret, key->expanded, unused);
        aes_gcm_precomp_256_vaes_avx512(key);
        break;
    case CELLA_GCM_AVX2:
        aes_keyexp_256_avx2(secret, key->expanded, unused);
        aes_gcm_precomp_256_avx_gen4(key);
        break;
    case CELLA_GCM_AVX:
        aes_keyexp_256_avx(secret, key->expanded, unused);
        aes_gcm_precomp_256_avx_gen2(key);
        break;
    default: aes_keyexp_256_sse(secret, key->expanded, unused); aes_gcm_precomp_256_sse(key);
    }
    cella_wipe(unused, sizeof(unused));
}

void cella_gcm_init(struct cella_gcm *gcm, const uint8_t key[CELLA_GCM_KEY_SIZE]) {
    struct state *s = (struct state *)gcm->opaque;
    cella_zero(gcm, sizeof(*gcm));
    s->kind = choose();
    if (s->kind == CELLA_GCM_BEARSSL)
        br_aes_ct64_ctr_init(&s->key.bear.aes, key, CELLA_GCM_KEY_SIZE);
    else
        imb_init(&s->key.imb, s->kind, key);
}

static void bear_run(const struct state *s, bool encrypt, const uint8_t *nonce,
                     struct cella_bytes aad, struct cella_bytes in, uint8_t *out, uint8_t *tag) {
    br_aes_ct64_ctr_keys keys = s->key.bear.aes; /* br_gcm_init wants it writable */
    br_gcm_context c;
    br_gcm_init(&c, &keys.vtable, br_ghash_ctmul64);
    br_gcm_reset(&c, nonce, CELLA_GCM_NONCE_SIZE);
    if (aad.size) br_gcm_aad_inject(&c, aad.data, aad.size);
    br_gcm_flip(&c);
    if (in.size && out != in.data) __builtin_memmove(out, in.data, in.size);
    if (in.size) br_gcm_run(&c, encrypt, out, in.size);
    br_gcm_get_tag(&c, tag);
    cella_wipe(&c, sizeof(c));
    cella_wipe(&keys, sizeof(keys));
}

static void run(const struct state *s, bool encrypt, const uint8_t *nonce, struct cella_bytes aad,
                struct cella_bytes in, uint8_t *out, uint8_t *tag) {
    if (s->kind == CELLA_GCM_BEARSSL) {
        bear_run(s, encrypt, nonce, aad, in, out, tag);
        return;
    }
    uint8_t nothing = 0;
    struct imb_context c;
    if (!in.size) in.data = out = &nothing;
    if (!aad.size) aad.data = &nothing;
#define RUN(family)                                                                                \
    (encrypt ? aes_gcm_enc_256_##family                                                            \
             : aes_gcm_dec_256_##family)(&s->key.imb, &c, out, in.data, in.size, nonce, aad.data,  \
                                         aad.size, tag, CELLA_GCM_TAG_SIZE)
    switch (s->kind) {
    case CELLA_GCM_VAES_AVX512: RUN(vaes_avx512); break;
    case CELLA_GCM_AVX2: RUN(avx_gen4); break;
    case CELLA_GCM_AVX: RUN(avx_gen2); break;
    default: RUN(sse);
    }
#undef RUN
    cella_wipe(&c, sizeof(c));
}

void cella_gcm_encrypt(const struct cella_gcm *gcm, const uint8_t nonce[CELLA_GCM_NONCE_SIZE],
                       struct cella_bytes aad, struct cella_bytes in, uint8_t *out,
                       uint8_t tag[CELLA_GCM_TAG_SIZE]) {
    run((const struct state *)gcm->opaque, true, nonce, aad, in, out, tag);
}

bool cella_gcm_decrypt(const struct cella_gcm *gcm, const uint8_t nonce[CELLA_GCM_NONCE_SIZE],
                       struct cella_bytes aad, struct cella_bytes in, uint8_t *out,
                       const uint8_t tag[CELLA_GCM_TAG_SIZE]) {
    uint8_t computed[CELLA_GCM_TAG_SIZE];
    run((const struct state *)gcm->opaque, false, nonce, aad, in, out, computed);
    bool good = cella_equal_secret(computed, tag,
                                   sizeof(computed)); /* all 16 bytes, constant time (R72, K07) */
    if (!good && in.size) cella_zero(out, in.size);
    cella_wipe(computed, sizeof(computed));
    return good;
}
