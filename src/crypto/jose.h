/* JOSE: JSON Web Signatures in the compact form (RFC 7515, 7519, 8725) and JSON Web Keys (RFC 7517,
 * 7638), to sign and to check.
 *
 * Opening a token decodes it strictly (A29, A32) and trusts nothing: jku, x5u, x5c and jwk of a
 * header are data, never a reason to believe (A26). Which algorithm is used is fixed by the key and
 * by the caller's list, never by the header alone (A24). Keys are immutable; any number of threads
 * may use one.
 */
#ifndef CELLA_CRYPTO_JOSE_H
#define CELLA_CRYPTO_JOSE_H

#include <jansson.h>

#include "base/buffer.h"
#include "base/secret.h"

enum cella_jose_algorithm { /* bits: a set of them is a list of what is allowed */
                            CELLA_JOSE_RS256 = 1 << 0,
                            CELLA_JOSE_RS384 = 1 << 1,
                            CELLA_JOSE_RS512 = 1 << 2,
                            CELLA_JOSE_PS256 = 1 << 3,
                            CELLA_JOSE_PS384 = 1 << 4,
                            CELLA_JOSE_PS512 = 1 << 5,
                            CELLA_JOSE_ES256 = 1 << 6,
                            CELLA_JOSE_ES384 = 1 << 7,
                            CELLA_JOSE_ES512 = 1 << 8,
                            CELLA_JOSE_ANY = (1 << 9) - 1,
};
enum { CELLA_JOSE_NONE = 0 /* "none": an unsecured token; never checked, only recognised */ };
const char *cella_jose_name(enum cella_jose_algorithm algorithm);

enum {
    CELLA_JWS_SIZE_MAX = 1 << 20,
    CELLA_JOSE_X5C_MAX = 8,
    CELLA_JOSE_DEPTH_MAX = 32,
    CELLA_JSON_VALUES_MAX = 65536 /* in one document */
};

/* --- Keys --- */

enum cella_jose_kind { CELLA_JOSE_RSA, CELLA_JOSE_P256, CELLA_JOSE_P384, CELLA_JOSE_P521 };
struct cella_jose_key; /* a private or a public key */
void cella_jose_key_free(struct cella_jose_key **key);
#define CELLA_JOSE_KEY __attribute__((cleanup(cella_jose_key_free))) struct cella_jose_key *

/* bits: 2048, 3072 or 4096 of RSA; ignored else. */
CELLA_RESULT cella_jose_key_new(enum cella_jose_kind kind, unsigned bits,
                                struct cella_jose_key **out);
/* PKCS#8 DER, not encrypted, in and out. */
CELLA_RESULT cella_jose_key_private(struct cella_bytes pkcs8, struct cella_jose_key **out);
CELLA_RESULT cella_jose_key_export(const struct cella_jose_key *key, struct cella_secret *pkcs8);
/* Public keys: of SubjectPublicKeyInfo or of an X.509 certificate, DER; RSA 2048 to 8192 bits, or
 * P-256, P-384, P-521 with the point on the curve (A20). */
CELLA_RESULT cella_jose_key_spki(struct cella_bytes der, struct cella_jose_key **out);
CELLA_RESULT cella_jose_key_certificate(struct cella_bytes der, struct cella_jose_key **out);
/* Of a JWK: n and e, or crv, x and y; else of the first certificate of its x5c. Both: they must be
 * the same key. Members of private keys are refused (they are not to be shown about). use, key_ops
 * and alg narrow the algorithms that fit; none fits a key for encryption. */
CELLA_RESULT cella_jose_key_jwk(const json_t *jwk, struct cella_jose_key **out);
enum cella_jose_kind cella_jose_key_kind(const struct cella_jose_key *key);
/* The algorithms that fit the key; 0 for one that is not for signatures. */
unsigned cella_jose_key_algorithms(const struct cella_jose_key *key);
/* kty, n, e or kty, crv, x, y; new, or NULL without memory. */
json_t *cella_jose_key_members(const struct cella_jose_key *key);
CELLA_RESULT cella_jose_key_spki_der(const struct cella_jose_key *key, struct cella_buffer *out);
/* To encrypt to it: the OpenSSL key, borrowed. Going there by way of DER takes OpenSSL's coders 200
 * us. */
struct evp_pkey_st;
struct evp_pkey_st *cella_jose_key_pkey(const struct cella_jose_key *key);
/* RFC 7638, SHA-256. */
CELLA_RESULT cella_jose_key_thumbprint(const struct cella_jose_key *key, uint8_t thumbprint[32]);

/* --- Tokens --- */

/* The compact form of a payload under a header to which "alg" is added (header: without alg;
 * borrowed). An algorithm of CELLA_JOSE_NONE makes an unsecured token, key NULL. */
CELLA_RESULT cella_jws_sign(const struct cella_jose_key *key, unsigned algorithm,
                            const json_t *header, struct cella_bytes payload,
                            struct cella_buffer *out);

struct cella_jws {
    unsigned algorithm;                    /* of the header: one of the above, or CELLA_JOSE_NONE */
    json_t *header;                        /* owned */
    const char *kid, *typ;                 /* of header, or NULL */
    struct cella_bytes signed_part;        /* of the caller's text */
    struct cella_bytes payload, signature; /* of the store */
    struct cella_buffer store;             /* owned */
    size_t x5c_count; /* certificates of the header in DER, of the store; 0 when there is none */
    struct cella_bytes x5c[CELLA_JOSE_X5C_MAX];
};
void cella_jws_free(struct cella_jws *jws);
#define CELLA_JWS __attribute__((cleanup(cella_jws_free))) struct cella_jws

/* text must stay while the token is used. Strict: three parts of canonical base64url; header a JSON
 * object with a known alg; unknown crit is refused. "none" opens only with allow_none, and then
 * must have an empty signature. */
CELLA_RESULT cella_jws_open(struct cella_bytes text, bool allow_none, struct cella_jws *out);
/* CELLA_ERR_INTEGRITY when the signature does not hold, CELLA_ERR_FORMAT when the token's algorithm
 * is not among those allowed or does not fit the key. Never holds for an unsecured token. */
CELLA_RESULT cella_jws_check(const struct cella_jws *jws, const struct cella_jose_key *key,
                             unsigned allowed);
/* The payload as a strict JSON object (duplicates refused, depth 32, no NUL). New. */
CELLA_RESULT cella_jws_object(const struct cella_jws *jws, json_t **out);

/* Strict JSON of untrusted bytes (RFC 8259): an object, or any value; UTF-8, duplicates refused,
 * depth at most 32 and 65536 values (CELLA_ERR_LIMIT), no NUL in strings, no trailing bytes (A29).
 * Integers are exact in 64 bits or refused. what: the document's name; errors tell line and column
 * but never what stands there. */
CELLA_RESULT cella_json_object(struct cella_bytes text, const char *what, json_t **out);
CELLA_RESULT cella_json_value(struct cella_bytes text, const char *what, json_t **out);
/* A message as JSON, also one that quotes bytes which are no UTF-8, or was cut within a letter:
 * then every byte that is not ASCII is a question mark. New; NULL of NULL, and without memory. */
json_t *cella_json_text(const char *text);
static inline void cella_json_free(json_t **json) { json_decref(*json); }
#define CELLA_JSON __attribute__((cleanup(cella_json_free))) json_t *
/* A NumericDate: an integer of 0 to 2^53-1. false for all else, also a missing one (A27). */
bool cella_json_date(const json_t *object, const char *name, uint64_t *unix_s);

/* --- Key sets --- */

/* A JWK set of others, by which tokens are checked: each key with its kid. */
struct cella_jose_keyset;
CELLA_RESULT cella_jose_keyset_new(struct cella_bytes json, struct cella_jose_keyset **out);
void cella_jose_keyset_free(struct cella_jose_keyset **set);
/* The key of that very kid (A25: a miss is a miss). NULL kid: the only key of a set of one. */
CELLA_RESULT cella_jose_keyset_find(const struct cella_jose_keyset *set, const char *kid,
                                    const struct cella_jose_key **out);

/* --- Certificates --- */

/* A self-signed certificate for a signing key: CN and validity; is_ca for one that may vouch for
 * others. extension: one more, its OID dotted and its DER value; NULL none. DER, appended. */
struct cella_jose_certificate {
    const char *common_name;
    uint64_t not_before_unix, not_after_unix;
    bool is_ca;
    const char *extension_oid;
    struct cella_bytes extension;
};
CELLA_RESULT cella_jose_certify(const struct cella_jose_key *key,
                                const struct cella_jose_certificate *as, struct cella_buffer *der);

#endif
