#include <openssl/core_names.h>
#include <openssl/params.h>
#include <pthread.h>

#include "base/memory.h"
#include "crypto/der.h"
#include "crypto/openssl.h"
#include "crypto/verifykey_inner.h"

enum { SIZE = 32, DER_MAX = 2 + 2 * (2 + 1 + SIZE) };

bool verifykey_pkey(const char *type, int selection, OSSL_PARAM *params, EVP_PKEY **out) {
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    bool done = ctx && EVP_PKEY_fromdata_init(ctx) > 0 &&
                EVP_PKEY_fromdata(ctx, out, selection, params) > 0;
    EVP_PKEY_CTX_free(ctx);
    if (!done) ERR_clear_error();
    return done;
}

/* A key without a point, made once: OpenSSL takes three times as long to make a curve as to copy
 * one. Never changed. */
static EVP_PKEY *curve;
static pthread_once_t curve_once = PTHREAD_ONCE_INIT;

static void make_curve(void) {
    char group[] = "P-256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY *made = NULL;
    if (verifykey_pkey("EC", EVP_PKEY_KEY_PARAMETERS, params, &made)) curve = made;
}

/* OpenSSL refuses a point that is off the curve (A20); tests/crypto/verifykey_test.c holds it to
 * that. */
CELLA_RESULT verifykey_load_p256(struct cella_verifykey *key, struct cella_bytes xy) {
    uint8_t point[1 + 2 * SIZE] = {4};
    cella_copy(point + 1, xy.data, 2 * SIZE);
    pthread_once(&curve_once, make_curve);
    key->pkey = curve ? EVP_PKEY_dup(curve) : NULL;
    OPENSSL(key->pkey ? 1 : 0, "make a P-256 key");
    bool taken = EVP_PKEY_set1_encoded_public_key(key->pkey, point, sizeof(point)) > 0;
    if (!taken) ERR_clear_error();
    ENSURE(taken, CELLA_ERR_FORMAT, NULL, "public key: the point is not on the curve P-256");
    key->verify = EVP_PKEY_CTX_new(key->pkey, NULL);
    OPENSSL(key->verify ? EVP_PKEY_verify_init(key->verify) : 0, "make a key ready to verify");
    return CELLA_SUCCESS;
}

static size_t put_integer(uint8_t *to, const uint8_t *number) {
    size_t size = SIZE;
    while (size > 1 && number[0] == 0) number++, size--;
    size_t zero = number[0] >= 0x80;
    to[0] = CELLA_DER_INTEGER;
    to[1] = (uint8_t)(size + zero);
    to[2] = 0;
    cella_copy(to + 2 + zero, number, size);
    return 2 + zero + size;
}

bool verifykey_check_p256(const struct cella_verifykey *key, struct cella_bytes digest,
                          const uint8_t *rs) {
    uint8_t der[DER_MAX] = {CELLA_DER_SEQUENCE};
    size_t size = put_integer(der + 2, rs);
    size += put_integer(der + 2 + size, rs + SIZE);
    der[1] = (uint8_t)size;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_dup(key->verify);
    bool good = ctx && EVP_PKEY_verify(ctx, der, size + 2, digest.data, digest.size) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!good) ERR_clear_error();
    return good;
}
