/* Tokens signed and checked beside OpenSSL's own EVP_DigestSign and EVP_DigestVerify over the same
 * bytes with the same keys; interleaved in
 * one run, so that a noisy machine disturbs all alike. Time of this thread alone, best batch of
 * many. */
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "bench.h"
#include "crypto/jose_inner.h"

enum { ROUNDS = 31, PAYLOAD = 2000 /* bytes of claims, as a result token has */ };

struct subject {
    enum cella_jose_kind kind;
    unsigned algorithm;
    int batch;
    struct cella_jose_key *key;
    const EVP_MD *md;
    struct cella_buffer token;
    struct cella_bytes payload;
    json_t *header;
    struct cella_jws jws;
    uint8_t raw[JOSE_SIGNATURE_MAX]; /* OpenSSL's own form */
    size_t raw_size;
};

static void init(const struct subject *s, EVP_MD_CTX *ctx, bool sign) {
    EVP_PKEY_CTX *options = NULL;
    must_be((sign ? EVP_DigestSignInit(ctx, &options, s->md, NULL, s->key->pkey)
                  : EVP_DigestVerifyInit(ctx, &options, s->md, NULL, s->key->pkey)) > 0,
            "begin");
    if (jose_algorithm_of(s->algorithm)->pss)
        must_be(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) > 0 &&
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) > 0,
                "set padding");
}

static void raw_sign(struct subject *s) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    init(s, ctx, true);
    s->raw_size = sizeof(s->raw);
    must_be(EVP_DigestSign(ctx, s->raw, &s->raw_size, s->jws.signed_part.data,
                           s->jws.signed_part.size) > 0,
            "sign");
    EVP_MD_CTX_free(ctx);
}

static void raw_check(struct subject *s) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    init(s, ctx, false);
    must_be(EVP_DigestVerify(ctx, s->raw, s->raw_size, s->jws.signed_part.data,
                             s->jws.signed_part.size) == 1,
            "check");
    EVP_MD_CTX_free(ctx);
}

static void token_sign(struct subject *s) {
    CELLA_BUFFER out = {0};
    must(cella_jws_sign(s->key, s->algorithm, s->header, s->payload, &out));
}

static void token_check(struct subject *s) {
    CELLA_JWS jws = {0};
    must(cella_jws_open(cella_buffer_bytes(&s->token), false, &jws));
    must(cella_jws_check(&jws, s->key, s->algorithm));
}

static double batch_us(struct subject *s, int count, void (*work)(struct subject *)) {
    double from = clock_us(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < count; i++) work(s);
    return (clock_us(CLOCK_THREAD_CPUTIME_ID) - from) / count;
}

static void signatures(void) {
    static struct subject subjects[] = {
        {.kind = CELLA_JOSE_RSA, .algorithm = CELLA_JOSE_RS256, .batch = 10},
        {.kind = CELLA_JOSE_RSA, .algorithm = CELLA_JOSE_PS256, .batch = 10},
        {.kind = CELLA_JOSE_P256, .algorithm = CELLA_JOSE_ES256, .batch = 100},
        {.kind = CELLA_JOSE_P384, .algorithm = CELLA_JOSE_ES384, .batch = 10}};
    static void (*const works[4])(struct subject *) = {token_sign, raw_sign, token_check,
                                                       raw_check};
    static uint8_t payload[PAYLOAD];
    memset(payload, 'a', sizeof(payload));
    printf("%-6s %12s %12s %6s   %12s %12s %6s\n", "", "token signed", "raw", "ratio",
           "opened+check", "raw", "ratio");
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        struct subject *s = &subjects[i];
        double best[4] = {1e9, 1e9, 1e9, 1e9};
        s->payload = CELLA_BYTES_OF(payload);
        s->header = json_pack("{s:s,s:s,s:s}", "typ", "JWT", "kid",
                              "dSczr5MVbNqE1VfJ1Pjc0Tj3a3xSvJIH1Wb5zzQtLKo", "jku",
                              "https://localhost:8445/certs");
        must(cella_jose_key_new(s->kind, 2048, &s->key));
        must(cella_jws_sign(s->key, s->algorithm, s->header, s->payload, &s->token));
        must(cella_jws_open(cella_buffer_bytes(&s->token), false, &s->jws));
        s->md = EVP_get_digestbyname(jose_algorithm_of(s->algorithm)->hash);
        for (int round = 0; round < ROUNDS; round++)
            for (int w = 0; w < 4; w++) {
                double us = batch_us(s, s->batch, works[w]);
                if (us < best[w]) best[w] = us;
            }
        printf("%-6s %9.1f us %9.1f us %6.2f   %9.1f us %9.1f us %6.2f\n",
               cella_jose_name(s->algorithm), best[0], best[1], best[1] / best[0], best[2], best[3],
               best[3] / best[2]);
        cella_jws_free(&s->jws);
        cella_buffer_free(&s->token);
        json_decref(s->header);
        cella_jose_key_free(&s->key);
    }
}

int main(void) {
    signatures();
    return 0;
}
