/* Keys of the tests as the numbers they are. */
#ifndef CELLA_TESTS_VAULT_KEYS_H
#define CELLA_TESTS_VAULT_KEYS_H

#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "../results.h"
#include "base/text.h"
#include "crypto/jose.h"
#include "vault/material.h"

static inline struct cella_bytes hex(const char *text, uint8_t *out) {
    size_t size = strlen(text) / 2;
    for (size_t i = 0; i < size; i++) {
        unsigned byte = 0;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return cella_bytes(out, size);
}

/* Bytes as base64url, NUL at the end. */
static inline void base64url(struct cella_bytes bytes, char *out, size_t size) {
    CELLA_BUFFER text = {0};
    GOOD(cella_base64_encode(bytes, true, &text));
    assert_true(text.size < size);
    snprintf(out, size, "%.*s", (int)text.size, (const char *)text.data);
}

static inline void put_number(json_t *jwk, const char *name, const BIGNUM *number, int size) {
    uint8_t bytes[512];
    CELLA_BUFFER text = {0};
    if (!size) size = BN_num_bytes(number);
    assert_int_equal(BN_bn2binpad(number, bytes, size), size);
    GOOD(cella_base64_encode(cella_bytes(bytes, (size_t)size), true, &text));
    json_object_set_new(jwk, name, json_stringn((const char *)text.data, text.size));
}

/* The private JWK of a key. */
static inline json_t *jwk_of(const struct cella_material *key) {
    static const char *const rsa[][2] = {
        {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
        {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
        {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1}};
    bool ec = cella_material_kind(key) == CELLA_MATERIAL_EC;
    json_t *jwk = cella_material_members(key);
    json_object_set_new(jwk, "kty", json_string(ec ? "EC" : "RSA"));
    for (size_t i = 0; i < (ec ? 1 : 6); i++) {
        BIGNUM *number = NULL;
        assert_int_equal(EVP_PKEY_get_bn_param(cella_material_pkey(key),
                                               ec ? OSSL_PKEY_PARAM_PRIV_KEY : rsa[i][1], &number),
                         1);
        put_number(jwk, rsa[i][0], number, ec ? (int)(cella_material_bits(key) + 7) / 8 : 0);
        BN_clear_free(number);
    }
    return jwk;
}

#endif
