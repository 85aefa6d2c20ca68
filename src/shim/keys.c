#include "shim/keys.h"

#include <errno.h>

#include "base/reader.h"
#include "base/writer.h"
#include "shim/crypto.h"
#include "shim/hostcall.h"
#include "shim/hpke.h"
#include "shim/platcall.h"

enum { NONCE_SIZE = 32, SEALED_SIZE = CELLA_KEY_SIZE + SHIM_HPKE_TAG_SIZE };

static struct {
    uint8_t key[CELLA_CONFIG_KEY_MAX][CELLA_KEY_SIZE];
    bool have[CELLA_CONFIG_KEY_MAX];
} named; /* written at start and by the fetching program, of one thread each; read afterwards */

/* What is needed from the request until the last grant; wiped then. */
static struct {
    uint8_t private_key[SHIM_X25519_SIZE], public_key[SHIM_X25519_SIZE];
    uint8_t hash[SHIM_SHA256_SIZE]; /* of the whole request */
    uint8_t request[CELLA_KEY_REQUEST_MAX];
} asking;

const uint8_t *shim_keys_named(uint32_t index) {
    if (index >= shim.config.key_count || !named.have[index])
        shim_abort("key %u is not there", (uint64_t)index);
    return named.key[index];
}

void shim_keys_wipe(void) {
    cella_wipe(&named, sizeof(named));
    cella_wipe(&asking, sizeof(asking));
}

/* How many keys their owners are asked for. */
static uint32_t owned_count(void) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < shim.config.key_count; i++) count += !shim.config.key_vault[i];
    return count;
}

/* Request up to its evidence; then evidence over a hash of all of it, so that names, key and nonce
 * are bound (A13). */
static struct cella_result make_request(struct cella_bytes *request) {
    uint8_t nonce[NONCE_SIZE], data[SHIM_SHA512_SIZE];
    struct cella_writer w = cella_writer(asking.request, sizeof(asking.request));
    ENSURE(shim_random(asking.private_key, SHIM_X25519_SIZE) && shim_random(nonce, sizeof(nonce)),
           CELLA_ERR_UNAVAILABLE, NULL, "no randomness for the key request");
    shim_x25519_public(asking.private_key, asking.public_key);
    cella_writer_put(&w, cella_bytes_text(CELLA_KEY_REQUEST_MAGIC));
    cella_writer_u32le(&w, CELLA_KEY_VERSION);
    cella_writer_u32le(&w, owned_count());
    cella_writer_put(&w, CELLA_BYTES_OF(asking.public_key));
    cella_writer_put(&w, CELLA_BYTES_OF(nonce));
    for (uint32_t i = 0; i < shim.config.key_count; i++) {
        if (shim.config.key_vault[i]) continue;
        cella_writer_u16le(&w, (uint16_t)shim.config.key[i].size);
        cella_writer_put(&w, shim.config.key[i]);
    }
    shim_sha512(cella_bytes(CELLA_KEY_REQUEST_LABEL, sizeof(CELLA_KEY_REQUEST_LABEL)),
                cella_writer_bytes(&w), data);
    size_t head = w.size, evidence = 0;
    cella_writer_u32le(&w, 0);
    ENSURE(!w.failed, CELLA_ERR_LIMIT, NULL, "the key request is too long");
    enum cella_code code =
        shim_platform_evidence(data, w.data + w.size, w.capacity - w.size, &evidence);
    if (code != CELLA_OK)
        shim_abort("the platform gives no evidence for the key request: reason %u", (uint64_t)code);
    cella_writer_patch_u32le(&w, head, (uint32_t)evidence);
    *request = cella_bytes(asking.request, w.size + evidence);
    shim_sha256(*request, (struct cella_bytes){NULL, 0}, (struct cella_bytes){NULL, 0},
                asking.hash);
    return CELLA_SUCCESS;
}

/* ---- grants ---- */

struct grant {
    struct cella_bytes name, hash, aad, enc, sealed;
};

static bool parse_grant(struct cella_bytes bytes, struct grant *out) {
    struct cella_reader r = cella_reader(bytes);
    cella_reader_expect(&r, cella_bytes_text(CELLA_KEY_GRANT_MAGIC));
    if (cella_reader_u32le(&r) != CELLA_KEY_VERSION) return false;
    out->name = cella_reader_bytes(&r, cella_reader_u16le(&r));
    out->hash = cella_reader_bytes(&r, SHIM_SHA256_SIZE);
    out->aad = cella_bytes(bytes.data, r.at);
    out->enc = cella_reader_bytes(&r, SHIM_HPKE_ENC_SIZE);
    out->sealed = cella_reader_bytes(&r, SEALED_SIZE);
    return cella_reader_done(&r);
}

static uint32_t find_name(struct cella_bytes name) {
    uint32_t i = 0;
    while (i < shim.config.key_count &&
           (shim.config.key[i].size != name.size ||
            !cella_equal(shim.config.key[i].data, name.data, name.size)))
        i++;
    return i;
}

/* A name for a message: the configuration's own text, so that nothing of the host's is printed. */
static const char *printable(uint32_t index, char out[CELLA_CONFIG_NAME_MAX + 1]) {
    struct cella_bytes name = shim.config.key[index];
    if (name.size > CELLA_CONFIG_NAME_MAX) name.size = CELLA_CONFIG_NAME_MAX;
    cella_copy(out, name.data, name.size);
    out[name.size] = 0;
    return out;
}

/* Whether the key is the one that the manifest pins, where it pins one. Anyone can make a grant,
 * also the host: without this it could have results written under a key of its own, or feed data
 * under one (abi/keygrant.h). */
static bool is_pinned(uint32_t i) {
    uint8_t id[SHIM_SHA256_SIZE];
    if (shim.config.key_id[i].size == 0) return true;
    shim_sha256(cella_bytes(CELLA_KEY_ID_LABEL, sizeof(CELLA_KEY_ID_LABEL)),
                cella_bytes(named.key[i], CELLA_KEY_SIZE), (struct cella_bytes){NULL, 0}, id);
    return cella_equal(id, shim.config.key_id[i].data, sizeof(id));
}

/* Takes one grant; false when it is refused, which is said and changes nothing. */
static bool take_grant(struct cella_bytes bytes) {
    struct grant grant;
    char text[CELLA_CONFIG_NAME_MAX + 1];
    if (!parse_grant(bytes, &grant)) {
        shim_say("a grant is refused: it is not of the form of docs/formats/grant.md; make it "
                 "again with `cella grant`");
        return false;
    }
    uint32_t i = find_name(grant.name);
    if (i == shim.config.key_count) {
        shim_say("a grant is refused: it names a key that the manifest does not ask for");
        return false;
    }
    if (shim.config.key_vault[i]) { /* or the host could give one of its own in the vault's place */
        shim_say("the grant of key %s is refused: the manifest has it from a vault",
                 printable(i, text));
        return false;
    }
    if (named.have[i]) {
        shim_say("a grant is refused: the key %s has been given already", printable(i, text));
        return false;
    }
    if (!cella_equal(grant.hash.data, asking.hash, sizeof(asking.hash))) {
        shim_say("the grant of key %s is refused: it answers another request, of another run or "
                 "enclave; grant the "
                 "request of this run",
                 printable(i, text));
        return false;
    }
    uint8_t info[sizeof(CELLA_KEY_GRANT_LABEL) + SHIM_SHA256_SIZE];
    cella_copy(info, CELLA_KEY_GRANT_LABEL, sizeof(CELLA_KEY_GRANT_LABEL));
    cella_copy(info + sizeof(CELLA_KEY_GRANT_LABEL), asking.hash, sizeof(asking.hash));
    if (!shim_hpke_open(asking.private_key, asking.public_key, grant.enc.data, CELLA_BYTES_OF(info),
                        grant.aad, grant.sealed, named.key[i])) {
        cella_wipe(named.key[i], CELLA_KEY_SIZE);
        shim_say("the grant of key %s is refused: it was changed on its way", printable(i, text));
        return false;
    }
    if (!is_pinned(i)) {
        cella_wipe(named.key[i], CELLA_KEY_SIZE);
        shim_say("the grant of key %s is refused: the manifest pins another key, by its id",
                 printable(i, text));
        return false;
    }
    named.have[i] = true;
    return true;
}

/* Waits until every name has its key. A bad grant is refused and another awaited: whoever can send
 * one could as well send none. */
static struct cella_result take_grants(void) {
    uint8_t grant[CELLA_KEY_GRANT_MAX];
    for (uint32_t have = 0, count = owned_count(); have < count;) {
        long size = shim_host_key_grant(grant, sizeof(grant));
        if (size == -ECANCELED)
            FAIL(CELLA_ERR_UNAVAILABLE,
                 "let each owner run `cella grant` on the request, and give `cella run` the grants",
                 "the host says that no more grants will come, and keys are missing");
        if (size == -EMSGSIZE)
            shim_say("a grant is refused: it is over %u bytes", (uint64_t)sizeof(grant));
        if (size < 0 && size != -EMSGSIZE)
            shim_abort("the host could not get a grant: error %u", (uint64_t)-size);
        if (size >= 0 && take_grant(cella_bytes(grant, (size_t)size))) have++;
    }
    return CELLA_SUCCESS;
}

/* ---- keys of a vault ---- */

bool shim_keys_have(uint32_t index) { return named.have[index]; }

long shim_keys_take(uint32_t index, const uint8_t key[CELLA_KEY_SIZE]) {
    char text[CELLA_CONFIG_NAME_MAX + 1];
    if (!shim.config.key_vault[index]) return -EACCES;
    if (named.have[index]) return -EEXIST;
    cella_copy(named.key[index], key, CELLA_KEY_SIZE);
    named.have[index] = is_pinned(index);
    if (named.have[index]) return 0;
    cella_wipe(named.key[index], CELLA_KEY_SIZE);
    shim_say("the vault's key %s is refused: the manifest pins another key, by its id",
             printable(index, text));
    return -EACCES;
}

void shim_keys_complete(void) {
    char text[CELLA_CONFIG_NAME_MAX + 1];
    for (uint32_t i = 0; i < shim.config.key_count; i++)
        if (!named.have[i]) shim_abort("the key %s was not fetched", printable(i, text));
}

struct cella_result shim_keys_start(void) {
    struct cella_bytes request;
    if (owned_count() == 0) return CELLA_SUCCESS;
    TRY(make_request(&request));
    long e = shim_host_key_request(request);
    if (e < 0) shim_abort("the host could not hand the key request over: error %u", (uint64_t)-e);
    struct cella_result result = take_grants();
    cella_wipe(&asking, sizeof(asking)); /* the private key's one use is over (R51) */
    return result;
}
