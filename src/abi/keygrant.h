/* How an owner gives a key to a proven enclave: request and grant. docs/formats/grant.md is the
 * full text.
 *
 * request: "CELLAREQ" | u32 version 1 | u32 key count | X25519 public key (32, fresh per enclave
 * start) | nonce (32, random) | per key: u16 size + name | u32 size + evidence evidence REPORTDATA
 * = SHA-512("cella key request v1\0" || all bytes of the request before the u32 size of evidence)
 * (threats.md A13) grant:   "CELLAGRT" | u32 version 1 | u16 size + key name | SHA-256 of the whole
 * request (32) | HPKE enc (32) | ciphertext (32 + 16) HPKE (RFC 9180) base mode, DHKEM(X25519,
 * HKDF-SHA256), HKDF-SHA256, AES-256-GCM; info = "cella grant v1\0" || SHA-256 of the request; aad
 * = all bytes of the grant before enc. All integers little-endian. The private key lives only in
 * the enclave's memory, so a request is good for one run; each name is taken once. */
#ifndef CELLA_ABI_KEYGRANT_H
#define CELLA_ABI_KEYGRANT_H

#define CELLA_KEY_REQUEST_MAGIC "CELLAREQ"
#define CELLA_KEY_REQUEST_LABEL "cella key request v1" /* with its NUL */
#define CELLA_KEY_GRANT_MAGIC   "CELLAGRT"
#define CELLA_KEY_GRANT_LABEL   "cella grant v1" /* with its NUL */
/* A key's id: SHA-256("cella key id v1\0" || the 32 bytes). It tells nothing of a random key. An
 * image that pins it takes no other key under that name: a grant says nothing of who made it, so
 * without a pin the host could give its own. */
#define CELLA_KEY_ID_LABEL "cella key id v1" /* with its NUL */

enum {
    CELLA_KEY_VERSION = 1,
    CELLA_KEY_SIZE = 32, /* bytes of a named key */
    CELLA_KEY_ID_SIZE = 32,
    CELLA_KEY_REQUEST_MAX = 32768, /* bytes */
    CELLA_KEY_GRANT_MAX = 512,
    CELLA_HPKE_KEM_X25519 = 0x0020,
    CELLA_HPKE_KDF_SHA256 = 0x0001,
    CELLA_HPKE_AEAD_AES256GCM = 0x0002,
};

#endif
