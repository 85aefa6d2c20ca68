/* token_sign URI FOLDER: signatures by keys that live in a token, SoftHSM's in vault_bench.sh,
 * beside the same by OpenSSL, in turn; processor time of one thread, best of the rounds. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "hsm/hsm.h"

enum { ROUNDS = 7, EACH = 200, DIGEST = 32, ROOM = 1024 };
/* DigestInfo of SHA-256 before the digest (RFC 8017 9.2). */
static const uint8_t info[19 + DIGEST] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60,
                                          0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
                                          0x01, 0x05, 0x00, 0x04, 0x20};

static CELLA_RESULT sign_in_token(struct cella_hsm *hsm, const uint8_t *id, bool rsa, double *us) {
    const struct cella_hsm_use how = {.scheme = rsa ? CELLA_HSM_PKCS1 : CELLA_HSM_ECDSA};
    uint8_t out[ROOM];
    size_t size = 0;
    double begin = clock_us(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < EACH; i++)
        TRY(cella_hsm_use(hsm, id, &how, cella_bytes(info, rsa ? sizeof(info) : DIGEST), out,
                          sizeof(out), &size));
    *us = (clock_us(CLOCK_THREAD_CPUTIME_ID) - begin) / EACH;
    return CELLA_SUCCESS;
}

static CELLA_RESULT sign_raw(EVP_PKEY *pkey, bool rsa, double *us) {
    uint8_t out[ROOM];
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
    bool good = context && EVP_PKEY_sign_init(context) == 1 &&
                (!rsa || EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1);
    double begin = clock_us(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; good && i < EACH; i++) {
        size_t size = sizeof(out);
        good = EVP_PKEY_sign(context, out, &size, info, rsa ? sizeof(info) : DIGEST) == 1;
    }
    *us = (clock_us(CLOCK_THREAD_CPUTIME_ID) - begin) / EACH;
    EVP_PKEY_CTX_free(context);
    ENSURE(good, CELLA_ERR_INTERNAL, NULL, "cannot sign");
    return CELLA_SUCCESS;
}

static CELLA_RESULT compare(struct cella_hsm *hsm, bool rsa) {
    const uint8_t id[CELLA_HSM_ID_SIZE] = {(uint8_t)(rsa + 1)};
    const struct cella_hsm_shape shape = {.kind = rsa ? CELLA_HSM_RSA : CELLA_HSM_EC,
                                          .bits = 2048,
                                          .exponent = 65537,
                                          .group = "prime256v1"};
    double token = 1e9, raw = 1e9, us = 0;
    EVP_PKEY *public = NULL, *pkey = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    struct cella_result r = cella_hsm_make(hsm, id, "bench", &shape, &public);
    for (int i = 0; i < ROUNDS && !cella_failed(r); i++) {
        r = sign_in_token(hsm, id, rsa, &us);
        if (us < token) token = us;
        if (!cella_failed(r)) r = sign_raw(pkey, rsa, &us);
        if (us < raw) raw = us;
    }
    EVP_PKEY_free(public);
    EVP_PKEY_free(pkey);
    TRY(r);
    printf("%-22s %38s %12.1f %10.1f %8.2f\n", rsa ? "token: RS256 2048" : "token: ES256", "",
           token, raw, raw / token);
    return CELLA_SUCCESS;
}

static CELLA_RESULT run(int argc, char **argv) {
    struct cella_hsm *hsm = NULL;
    ENSURE(argc == 3, CELLA_ERR_USAGE, NULL, "token_sign URI FOLDER");
    TRY(cella_hsm_open(argv[1], argv[2], &hsm));
    struct cella_result r = compare(hsm, true);
    if (!cella_failed(r)) r = compare(hsm, false);
    cella_hsm_close(&hsm);
    return r;
}

int main(int argc, char **argv) {
    must(run(argc, argv));
    return 0;
}
