/* JOSE from strangers: the input as a token, as the header of one, as JSON, as a JWK, as a key set
 * and as a key's DER. No token holds, whatever it says; what opens has one spelling (A24, A32); and
 * what JSON is, the library's own reader says as well (A29). */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}
static void must(bool held) {
    if (!held) abort();
}

static struct cella_jose_key *keys[4];

static void make_keys(void) {
    for (unsigned kind = 0; kind < 4; kind++)
        if (!keys[kind]) must(done(cella_jose_key_new(kind, 2048, &keys[kind])));
}

static void spelled_once(struct cella_bytes text, const struct cella_jws *jws) {
    CELLA_BUFFER again = {0};
    const uint8_t *dot = memchr(text.data, '.', text.size);
    must(done(cella_buffer_append(&again, cella_bytes(text.data, (size_t)(dot + 1 - text.data)))));
    must(done(cella_base64_encode(jws->payload, true, &again)));
    must(again.size == jws->signed_part.size);
    must(done(cella_buffer_append(&again, cella_bytes_text("."))));
    must(done(cella_base64_encode(jws->signature, true, &again)));
    must(again.size == text.size && memcmp(again.data, text.data, text.size) == 0);
}

static void token(struct cella_bytes text) {
    CELLA_JWS jws = {0};
    CELLA_JSON payload = NULL;
    bool strict = done(cella_jws_open(text, false, &jws));
    must(!strict || jws.algorithm != CELLA_JOSE_NONE);
    cella_jws_free(&jws);
    bool opened = done(cella_jws_open(text, true, &jws));
    must(opened || !strict);
    if (!opened) return;
    spelled_once(text, &jws);
    for (unsigned kind = 0; kind < 4; kind++)
        must(!done(cella_jws_check(&jws, keys[kind], CELLA_JOSE_ANY)));
    for (size_t i = 0; i < jws.x5c_count; i++) {
        CELLA_JOSE_KEY key = NULL;
        (void)done(cella_jose_key_certificate(jws.x5c[i], &key));
    }
    (void)done(cella_jws_object(&jws, &payload));
}

/* The input as what was encoded, so that the header's own rules are reached. */
static void header(struct cella_bytes text) {
    CELLA_BUFFER whole = {0};
    must(done(cella_base64_encode(text, true, &whole)));
    must(done(cella_buffer_append(&whole, cella_bytes_text(".e30.AAAA"))));
    token(cella_buffer_bytes(&whole));
    whole.size -= 4;
    token(cella_buffer_bytes(&whole));
}

static void key_of(const json_t *jwk) {
    CELLA_JOSE_KEY key = NULL;
    CELLA_JOSE_KEY again = NULL;
    if (!done(cella_jose_key_jwk(jwk, &key))) return;
    CELLA_JSON members = cella_jose_key_members(key);
    must(done(cella_jose_key_jwk(members, &again)));
    must((cella_jose_key_algorithms(key) & ~cella_jose_key_algorithms(again)) == 0);
}

static void json(struct cella_bytes text) {
    CELLA_JSON ours = NULL;
    struct cella_result r = cella_json_value(text, "fuzz", &ours);
    bool limit = cella_code_of(r) == CELLA_ERR_LIMIT;
    bool good = done(r);
    if (limit) return;
    if (memchr(text.data, 0, text.size)) { /* the library overlooks NUL after a number */
        must(!good);
        return;
    }
    CELLA_JSON library = json_loadb((const char *)text.data, text.size,
                                    JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    must(good == (library != NULL) && (!good || json_equal(ours, library)));
    if (good) key_of(ours);
}

static void key_set(struct cella_bytes text) {
    struct cella_jose_keyset *set = NULL;
    const struct cella_jose_key *key = NULL;
    CELLA_JSON whole = NULL;
    if (!done(cella_jose_keyset_new(text, &set))) return;
    must(done(cella_json_object(text, "fuzz", &whole)));
    json_t *list = json_object_get(whole, "keys"), *entry;
    size_t i;
    json_array_foreach(list, i, entry) {
        const char *kid = json_string_value(json_object_get(entry, "kid"));
        must(done(cella_jose_keyset_find(set, kid, &key)) == (key != NULL));
        must(!key || cella_jose_key_algorithms(key));
    }
    must(!done(cella_jose_keyset_find(set, "", &key)));
    cella_jose_keyset_free(&set);
}

/* A private key with some bytes of its DER changed: refused, or as good as any. */
static void private_key(const uint8_t *data, size_t size) {
    CELLA_SECRET der = {0};
    CELLA_JOSE_KEY key = NULL;
    CELLA_BUFFER out = {0};
    must(done(cella_jose_key_export(keys[CELLA_JOSE_P256], &der)));
    if (size < 2 || size > 16 || data[0] >= der.size) return;
    for (size_t i = 1; i < size && data[0] + i - 1 < der.size; i++)
        der.data[data[0] + i - 1] ^= data[i];
    if (!done(cella_jose_key_private(cella_secret_bytes(&der), &key))) return;
    unsigned algorithm = cella_jose_key_algorithms(key) & -cella_jose_key_algorithms(key);
    must(done(cella_jws_sign(key, algorithm, NULL, cella_bytes(data, size), &out)));
}

/* One key, one encoding (A30). */
static void der(struct cella_bytes text) {
    CELLA_JOSE_KEY public = NULL;
    CELLA_JOSE_KEY private = NULL;
    CELLA_BUFFER again = {0};
    (void)done(cella_jose_key_private(text, &private));
    if (!done(cella_jose_key_spki(text, &public))) return;
    must(done(cella_jose_key_spki_der(public, &again)));
    must(again.size == text.size && memcmp(again.data, text.data, text.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_bytes text = cella_bytes(data, size);
    make_keys();
    token(text);
    header(text);
    json(text);
    key_set(text);
    der(text);
    private_key(data, size);
    return 0;
}
