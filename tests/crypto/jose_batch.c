/* For jose_test.py: makes keys with all that is written of them, and checks tokens of others. One
 * command a line on stdin, one answer a line on stdout.
 *
 * make KIND BITS: {"jwk":..., "spki":..., "certificate":..., "pkcs8":..., "thumbprint":...,
 * "tokens":{ALG: TOKEN, ...}}, bytes in base64url; one more than the bits: the certificate may
 * vouch for others.
 *
 * sign PKCS8 ALG: a token, with the private key in base64url.
 *
 * check TOKEN JWK: "ok", or the code of the refusal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/jose_inner.h"

static void must(struct cella_result r) {
    if (!cella_failed(r)) return;
    cella_result_print(r);
    exit(1);
}

static json_t *in_text(struct cella_bytes bytes) {
    CELLA_BUFFER out = {0};
    must(cella_base64_encode(bytes, true, &out));
    return json_stringn((const char *)out.data, out.size);
}

static json_t *token_of(const struct cella_jose_key *key, unsigned algorithm) {
    CELLA_BUFFER out = {0};
    CELLA_JSON header = json_pack("{s:s,s:s}", "typ", "JWT", "kid", "\xc3\xa4 \"kid\"");
    must(cella_jws_sign(key, algorithm, header, cella_bytes_text("{\"claim\":\"\xe2\x82\xac\"}"),
                        &out));
    return json_stringn((const char *)out.data, out.size);
}

static json_t *tokens_of(const struct cella_jose_key *key) {
    json_t *tokens = json_object();
    for (unsigned a = 1; a < CELLA_JOSE_ANY; a <<= 1)
        if (cella_jose_key_algorithms(key) & a)
            json_object_set_new(tokens, cella_jose_name(a), token_of(key, a));
    return tokens;
}

static void make(unsigned kind, unsigned bits) {
    static const uint8_t value[] = {0x04, 0x03, 'e', 'x', 't'};
    const struct cella_jose_certificate as = {.common_name = "https://localhost:8445",
                                              .not_before_unix = 1700000000,
                                              .not_after_unix = 4102444800,
                                              .is_ca = bits & 1,
                                              .extension_oid = "1.2.840.113549.1.9.127",
                                              .extension = CELLA_BYTES_OF(value)};
    CELLA_JOSE_KEY key = NULL;
    CELLA_BUFFER spki = {0};
    CELLA_BUFFER certificate = {0};
    CELLA_SECRET pkcs8 = {0};
    uint8_t thumbprint[32];
    must(cella_jose_key_new(kind, bits & ~1U, &key));
    must(cella_jose_key_spki_der(key, &spki));
    must(cella_jose_certify(key, &as, &certificate));
    must(cella_jose_key_export(key, &pkcs8));
    must(cella_jose_key_thumbprint(key, thumbprint));
    CELLA_JSON answer = json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "jwk", cella_jose_key_members(key),
                                  "spki", in_text(cella_buffer_bytes(&spki)), "certificate",
                                  in_text(cella_buffer_bytes(&certificate)), "pkcs8",
                                  in_text(cella_secret_bytes(&pkcs8)), "thumbprint",
                                  in_text(CELLA_BYTES_OF(thumbprint)), "tokens", tokens_of(key));
    json_dumpf(answer, stdout, JSON_COMPACT);
}

static void sign(const char *pkcs8, const char *alg) {
    CELLA_BUFFER der = {0};
    CELLA_JOSE_KEY key = NULL;
    unsigned algorithm = 0;
    must(cella_base64_decode(cella_bytes_text(pkcs8), true, &der));
    must(cella_jose_key_private(cella_buffer_bytes(&der), &key));
    if (!jose_algorithm_named(alg, &algorithm)) exit(1);
    CELLA_JSON token = token_of(key, algorithm);
    fputs(json_string_value(token), stdout);
}

static void check(const char *token, const char *jwk_text) {
    CELLA_JSON jwk = NULL;
    CELLA_JOSE_KEY key = NULL;
    CELLA_JWS jws = {0};
    must(cella_json_object(cella_bytes_text(jwk_text), "JWK", &jwk));
    must(cella_jose_key_jwk(jwk, &key));
    struct cella_result r = cella_jws_open(cella_bytes_text(token), false, &jws);
    if (!cella_failed(r)) r = cella_jws_check(&jws, key, CELLA_JOSE_ANY);
    fputs(cella_failed(r) ? cella_code_name(cella_code_of(r)) : "ok", stdout);
    cella_result_drop(r);
}

int main(void) {
    static char line[65536];
    while (fgets(line, sizeof(line), stdin)) {
        char *rest = NULL;
        const char *command = strtok_r(line, " ", &rest), *first = strtok_r(NULL, " ", &rest);
        const char *last = strtok_r(NULL, "\n", &rest);
        if (!command || !first || !last) return 1;
        if (strcmp(command, "make") == 0)
            make((unsigned)atoi(first), (unsigned)atoi(last));
        else if (strcmp(command, "sign") == 0)
            sign(first, last);
        else
            check(first, last);
        fputs("\n", stdout);
        fflush(stdout);
    }
    return 0;
}
