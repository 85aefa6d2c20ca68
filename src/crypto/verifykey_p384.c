#include <gmp.h>
#include <nettle/ecc-curve.h>
#include <nettle/ecdsa.h>

#include "crypto/verifykey_inner.h"

enum { SIZE = 48, LIMBS = SIZE / 8 };
_Static_assert(GMP_NUMB_BITS == 64, "numbers are laid out as 64-bit limbs below");

/* Big-endian bytes as a number of GMP's without allocation: a view of limbs. */
static void view_number(const uint8_t *bytes, mp_limb_t limbs[LIMBS], mpz_t out) {
    for (size_t i = 0; i < LIMBS; i++) {
        mp_limb_t limb = 0;
        for (size_t b = 0; b < 8; b++) limb = limb << 8 | bytes[SIZE - 8 * (i + 1) + b];
        limbs[i] = limb;
    }
    mpz_roinit_n(out, limbs, LIMBS);
}

/* ecc_point_set refuses coordinates over the field and points off the curve (A20). */
CELLA_RESULT verifykey_load_p384(struct cella_verifykey *key, struct cella_bytes xy) {
    mp_limb_t limbs[2][LIMBS];
    mpz_t x, y;
    view_number(xy.data, limbs[0], x);
    view_number(xy.data + SIZE, limbs[1], y);
    ecc_point_init(&key->point, nettle_get_secp_384r1());
    ENSURE(ecc_point_set(&key->point, x, y), CELLA_ERR_FORMAT, NULL,
           "public key: the point is not on the curve P-384");
    return CELLA_SUCCESS;
}

bool verifykey_check_p384(const struct cella_verifykey *key, struct cella_bytes digest,
                          const uint8_t *rs) {
    mp_limb_t limbs[2][LIMBS];
    struct dsa_signature signature;
    view_number(rs, limbs[0], signature.r);
    view_number(rs + SIZE, limbs[1], signature.s);
    return ecdsa_verify(&key->point, digest.size, digest.data, &signature) == 1;
}
