#include "evidence/software.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/cose.h"
#include "evidence/format.h"

enum {
    PROTECTED_MAX = 128,
    FIXED_MAX = 1536, /* all of evidence but settings and root evidence */
    SETTING_MAX = CELLA_SETTING_NAME_MAX + CELLA_SETTING_VALUE_MAX + 8,
};

struct cella_software_signer {
    struct cella_key *key;
    enum cella_root root;
    uint8_t spki[CELLA_P256_SPKI_SIZE];
    uint8_t fingerprint[32];
    uint8_t protected[PROTECTED_MAX]; /* the same for every evidence of one key */
    size_t protected_size;
    struct cella_buffer root_evidence;
    struct cella_sha256 sha;
};

void cella_software_signer_free(struct cella_software_signer **signer) {
    if (!*signer) return;
    cella_key_free(&(*signer)->key);
    cella_buffer_free(&(*signer)->root_evidence);
    cella_sha256_free(&(*signer)->sha);
    free(*signer);
    *signer = NULL;
}

static struct cella_result signer_fill(struct cella_software_signer *signer,
                                       const struct cella_key *key,
                                       struct cella_bytes root_evidence) {
    CELLA_BUFFER spki = {0};
    TRY(cella_key_share(key, &signer->key));
    TRY(cella_key_spki(key, &spki));
    ENSURE(cella_key_kind(key) == CELLA_KEY_P256 && spki.size == sizeof(signer->spki),
           CELLA_ERR_USAGE, NULL, "a platform key must be of P-256");
    cella_copy(signer->spki, spki.data, spki.size);
    TRY(cella_sha256(cella_buffer_bytes(&spki), signer->fingerprint));
    TRY(cella_buffer_append(&signer->root_evidence, root_evidence));
    struct cella_writer w = cella_writer(signer->protected, sizeof(signer->protected));
    cella_cose_put_protected(&w, CELLA_EVIDENCE_CONTENT_TYPE, signer->fingerprint);
    ENSURE(!w.failed, CELLA_ERR_INTERNAL, NULL, "no room for a COSE header");
    signer->protected_size = w.size;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_software_signer_new(const struct cella_key *platform_key, enum cella_root root,
                                       struct cella_bytes root_evidence,
                                       struct cella_software_signer **out) {
    *out = NULL;
    ENSURE(root >= CELLA_ROOT_FILE && root <= CELLA_ROOT_TDX, CELLA_ERR_USAGE, NULL,
           "unknown root %d", (int)root);
    ENSURE((root != CELLA_ROOT_FILE) == (root_evidence.size > 0), CELLA_ERR_USAGE, NULL,
           "root evidence goes with roots tpm, snp and tdx, and not with file");
    ENSURE(root_evidence.size <= CELLA_ROOT_EVIDENCE_MAX, CELLA_ERR_LIMIT, NULL,
           "root evidence of %zu bytes, at most %d", root_evidence.size, CELLA_ROOT_EVIDENCE_MAX);
    struct cella_software_signer *signer = calloc(1, sizeof(*signer));
    ENSURE(signer, CELLA_ERR_MEMORY, NULL, "no memory for a signer");
    signer->root = root;
    struct cella_result r = signer_fill(signer, platform_key, root_evidence);
    if (cella_failed(r)) cella_software_signer_free(&signer);
    *out = signer;
    return r;
}

/* What a machine says of itself may hold anything; evidence holds printable ASCII only. */
static void put_clean_text(struct cella_writer *w, const char *text) {
    char clean[CELLA_SETTING_VALUE_MAX];
    size_t n = 0;
    for (; text[n] && n < sizeof(clean) - 1; n++)
        clean[n] = text[n] >= 0x20 && text[n] <= 0x7e ? text[n] : '?';
    clean[n] = 0;
    cella_cbor_put_text(w, clean);
}

struct name { /* of a setting, with its size measured once */
    const struct cella_setting *setting;
    size_t size;
};

/* The order of encoded map keys: shorter first, then by bytes. */
static int compare_names(const struct name *a, const struct name *b) {
    if (a->size != b->size) return a->size < b->size ? -1 : 1;
    return memcmp(a->setting->name, b->setting->name, a->size);
}

/* By insertion: there are few, and a platform gives them in the same order each time. */
static void sort_names(struct name *names, uint32_t count) {
    for (uint32_t i = 1; i < count; i++) {
        struct name moved = names[i];
        uint32_t at = i;
        for (; at > 0 && compare_names(&names[at - 1], &moved) > 0; at--) names[at] = names[at - 1];
        names[at] = moved;
    }
}

static struct cella_result put_settings(struct cella_writer *w,
                                        const struct cella_software_claims *claims) {
    struct name names[CELLA_SETTING_MAX];
    for (uint32_t i = 0; i < claims->setting_count; i++)
        names[i] = (struct name){&claims->setting[i],
                                 strnlen(claims->setting[i].name, CELLA_SETTING_NAME_MAX)};
    sort_names(names, claims->setting_count);
    cella_cbor_put_map(w, claims->setting_count);
    for (uint32_t i = 0; i < claims->setting_count; i++) {
        ENSURE(names[i].size > 0 && names[i].size < CELLA_SETTING_NAME_MAX &&
                   (i == 0 || compare_names(&names[i - 1], &names[i]) < 0),
               CELLA_ERR_USAGE, NULL,
               "setting '%.47s' is named twice, or its name has 0 or more than %d characters",
               names[i].setting->name, CELLA_SETTING_NAME_MAX - 1);
        put_clean_text(w, names[i].setting->name);
        put_clean_text(w, names[i].setting->value);
    }
    return CELLA_SUCCESS;
}

static void put_key_bytes(struct cella_writer *w, const char *key, const uint8_t *bytes,
                          size_t size) {
    cella_cbor_put_text(w, key);
    cella_cbor_put_bytes(w, cella_bytes(bytes, size));
}

static void put_key_uint(struct cella_writer *w, const char *key, uint64_t value) {
    cella_cbor_put_text(w, key);
    cella_cbor_put_uint(w, value);
}

static void put_key_text(struct cella_writer *w, const char *key, const char *text) {
    cella_cbor_put_text(w, key);
    cella_cbor_put_text(w, text);
}

/* Our own claims: text keys, shortest first and then by bytes, as RFC 8949 section 4.2.1 orders
 * them. */
static struct cella_result put_private_claims(const struct cella_software_signer *signer,
                                              const struct cella_software_claims *claims,
                                              struct cella_writer *w) {
    const struct cella_identity *id = &claims->identity;
    bool nested = signer->root_evidence.size > 0;
    cella_cbor_put_map(w, nested ? 18 : 17);
    put_key_uint(w, "svn", id->svn);
    put_key_text(w, "tee", "software");
    put_key_text(w, "root", cella_root_name(signer->root));
    put_key_uint(w, "xfrm", id->xfrm);
    put_key_text(w, "memory", claims->memory_secret ? "secret" : "private");
    put_key_bytes(w, "boot-id", claims->boot_id, sizeof(claims->boot_id));
    put_key_bytes(w, "mrsigner", id->mrsigner, sizeof(id->mrsigner));
    cella_cbor_put_text(w, "settings");
    TRY(put_settings(w, claims));
    put_key_uint(w, "assurance", claims->assurance);
    put_key_bytes(w, "config-id", id->config_id, sizeof(id->config_id));
    put_key_bytes(w, "mrenclave", id->mrenclave, sizeof(id->mrenclave));
    put_key_uint(w, "attributes", id->attributes);
    put_key_uint(w, "miscselect", id->miscselect);
    put_key_uint(w, "product-id", id->product_id);
    put_key_bytes(w, "instance-id", claims->instance_id, sizeof(claims->instance_id));
    cella_cbor_put_text(w, "platform-key");
    cella_cose_put_key(w, signer->spki);
    if (nested)
        put_key_bytes(w, "root-evidence", signer->root_evidence.data, signer->root_evidence.size);
    return CELLA_SUCCESS;
}

static struct cella_result put_payload(const struct cella_software_signer *signer,
                                       const struct cella_software_claims *claims,
                                       struct cella_writer *w) {
    cella_cbor_put_map(w, 8);
    cella_cbor_put_int(w, CELLA_CLAIM_IAT);
    cella_cbor_put_uint(w, claims->issued_unix);
    cella_cbor_put_int(w, CELLA_CLAIM_NONCE);
    cella_cbor_put_bytes(w, CELLA_BYTES_OF(claims->report_data));
    cella_cbor_put_int(w, CELLA_CLAIM_UEID);
    cella_cbor_put_bytes_head(w, CELLA_UEID_SIZE);
    cella_writer_u8(w, CELLA_UEID_RAND);
    cella_writer_put(w, CELLA_BYTES_OF(signer->fingerprint));
    cella_cbor_put_int(w, CELLA_CLAIM_DBGSTAT);
    cella_cbor_put_uint(w, claims->identity.debug ? CELLA_DBGSTAT_ENABLED
                                                  : CELLA_DBGSTAT_DISABLED_SINCE_BOOT);
    cella_cbor_put_int(w, CELLA_CLAIM_PROFILE);
    cella_cbor_put_text(w, CELLA_EVIDENCE_PROFILE);
    cella_cbor_put_int(w, CELLA_CLAIM_SWNAME);
    cella_cbor_put_text(w, CELLA_EVIDENCE_SOFTWARE_NAME);
    cella_cbor_put_int(w, CELLA_CLAIM_SWVERSION);
    cella_cbor_put_array(w, 1);
    put_clean_text(w, claims->platform_version);
    cella_cbor_put_int(w, CELLA_CLAIM_PRIVATE);
    return put_private_claims(signer, claims, w);
}

/* The payload is written in place behind a head of three bytes: it always has 256 to 65535 bytes.
 */
static struct cella_result put_evidence(struct cella_software_signer *signer,
                                        const struct cella_software_claims *claims,
                                        struct cella_writer *w) {
    struct cella_bytes protected = cella_bytes(signer->protected, signer->protected_size);
    cella_cbor_put_tag(w, CELLA_COSE_SIGN1);
    cella_cbor_put_array(w, 4);
    cella_cbor_put_bytes(w, protected);
    cella_cbor_put_map(w, 0);
    size_t head_at = w->size;
    cella_writer_zero(w, 3);
    TRY(put_payload(signer, claims, w));
    ENSURE(!w->failed, CELLA_ERR_INTERNAL, NULL, "no room for evidence");
    struct cella_bytes payload = cella_bytes(w->data + head_at + 3, w->size - head_at - 3);
    struct cella_writer head = cella_writer(w->data + head_at, 3);
    cella_cbor_put_bytes_head(&head, payload.size);
    ENSURE(!head.failed && head.size == 3, CELLA_ERR_INTERNAL, NULL,
           "evidence with a payload of %zu bytes", payload.size);
    uint8_t digest[32], signature[CELLA_P256_SIGNATURE_SIZE];
    TRY(cella_cose_sign1_digest(&signer->sha, protected, payload, digest));
    TRY(cella_key_sign_p256_digest(signer->key, digest, signature));
    cella_cbor_put_bytes(w, CELLA_BYTES_OF(signature));
    ENSURE(!w->failed, CELLA_ERR_INTERNAL, NULL, "no room for evidence");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_software_evidence(struct cella_software_signer *signer,
                                     const struct cella_software_claims *claims,
                                     struct cella_buffer *out) {
    ENSURE(claims->setting_count <= CELLA_SETTING_MAX, CELLA_ERR_LIMIT, NULL,
           "%u settings, at most %d", claims->setting_count, CELLA_SETTING_MAX);
    ENSURE(claims->assurance <= CELLA_ASSURANCE_S3, CELLA_ERR_USAGE, NULL, "no assurance level S%u",
           claims->assurance);
    ENSURE(claims->assurance < CELLA_ASSURANCE_S3 || cella_root_is_hardware(signer->root),
           CELLA_ERR_USAGE, NULL, "S3 needs root snp or tdx, this one is %s",
           cella_root_name(signer->root));
    ENSURE(claims->identity.debug == ((claims->identity.attributes & CELLA_ATTRIBUTE_DEBUG) != 0),
           CELLA_ERR_USAGE, NULL, "the debug flag and the debug attribute disagree");
    size_t before = out->size;
    size_t room =
        FIXED_MAX + claims->setting_count * (size_t)SETTING_MAX + signer->root_evidence.size;
    uint8_t *to = NULL;
    TRY(cella_buffer_extend(out, room, &to));
    struct cella_writer w = cella_writer(to, room);
    struct cella_result r = put_evidence(signer, claims, &w);
    out->size = cella_failed(r) ? before : before + w.size;
    return r;
}
