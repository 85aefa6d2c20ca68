#include "evidence/software_parse.h"

#include <string.h>

#include "base/memory.h"
#include "crypto/cose.h"
#include "evidence/format.h"
#include "evidence/software.h"

#define TIME_MAX 253402300799ULL /* end of the year 9999 */

static void key_int(struct cella_cbor *c, const char *field, int64_t key) {
    cella_cbor_expect_int(c, field, key);
}

static void take_standard_claims(struct cella_cbor *c, struct cella_software_payload *out) {
    uint8_t ueid[CELLA_UEID_SIZE];
    key_int(c, "key of iat", CELLA_CLAIM_IAT);
    out->claims.issued_unix = cella_cbor_uint(c, "iat", TIME_MAX);
    key_int(c, "key of eat_nonce", CELLA_CLAIM_NONCE);
    cella_cbor_copy(c, "eat_nonce", out->claims.report_data, sizeof(out->claims.report_data));
    key_int(c, "key of ueid", CELLA_CLAIM_UEID);
    cella_cbor_copy(c, "ueid", ueid, sizeof(ueid));
    if (ueid[0] != CELLA_UEID_RAND) cella_cbor_refuse(c, "ueid", "type 1 (RAND)", "another type");
    cella_copy(out->ueid_key, ueid + 1, sizeof(out->ueid_key));
    key_int(c, "key of dbgstat", CELLA_CLAIM_DBGSTAT);
    uint64_t dbgstat = cella_cbor_uint(c, "dbgstat", CELLA_DBGSTAT_DISABLED_SINCE_BOOT);
    if (dbgstat != CELLA_DBGSTAT_ENABLED && dbgstat != CELLA_DBGSTAT_DISABLED_SINCE_BOOT)
        cella_cbor_refuse(c, "dbgstat", "0 (enabled) or 2 (disabled since boot)", "1");
    out->claims.identity.debug = dbgstat == CELLA_DBGSTAT_ENABLED;
    key_int(c, "key of eat_profile", CELLA_CLAIM_PROFILE);
    cella_cbor_expect_text(c, "eat_profile", CELLA_EVIDENCE_PROFILE);
    key_int(c, "key of swname", CELLA_CLAIM_SWNAME);
    cella_cbor_expect_text(c, "swname", CELLA_EVIDENCE_SOFTWARE_NAME);
    key_int(c, "key of swversion", CELLA_CLAIM_SWVERSION);
    cella_cbor_array(c, "swversion", 1, 1);
    cella_cbor_text_copy(c, "swversion", out->claims.platform_version,
                         sizeof(out->claims.platform_version));
}

/* Names ascend by size, then by bytes, so that none comes twice (A29). */
static bool name_ascends(const char *before, const char *after) {
    size_t n = strlen(before), m = strlen(after);
    return n != m ? n < m : strcmp(before, after) < 0;
}

static void take_settings(struct cella_cbor *c, struct cella_software_claims *claims) {
    cella_cbor_expect_text(c, "key", "settings");
    claims->setting_count = (uint32_t)cella_cbor_map(c, "settings", 0, CELLA_SETTING_MAX);
    for (uint32_t i = 0; i < claims->setting_count; i++) {
        struct cella_setting *s = &claims->setting[i];
        cella_cbor_text_copy(c, "name of a setting", s->name, sizeof(s->name));
        if (!name_ascends(i ? s[-1].name : "", s->name))
            cella_cbor_refuse(c, "name of a setting", "names in ascending order, each once",
                              "another order");
        cella_cbor_text_copy(c, "value of a setting", s->value, sizeof(s->value));
    }
}

static uint64_t take_uint(struct cella_cbor *c, const char *key, uint64_t max) {
    cella_cbor_expect_text(c, "key", key);
    return cella_cbor_uint(c, key, max);
}

static void take_bytes(struct cella_cbor *c, const char *key, uint8_t *out, size_t size) {
    cella_cbor_expect_text(c, "key", key);
    cella_cbor_copy(c, key, out, size);
}

/* One of two words; true for the first. */
static bool take_word(struct cella_cbor *c, const char *key, const char *first,
                      const char *second) {
    cella_cbor_expect_text(c, "key", key);
    struct cella_bytes word = cella_cbor_text(c, key, 0, 16);
    bool is_first = word.size == strlen(first) && cella_equal(word.data, first, word.size);
    if (is_first || (word.size == strlen(second) && cella_equal(word.data, second, word.size)))
        return is_first;
    cella_cbor_refuse(c, key, first, "another word");
    return false;
}

static enum cella_root take_root(struct cella_cbor *c) {
    cella_cbor_expect_text(c, "key", "root");
    struct cella_bytes word = cella_cbor_text(c, "root", 0, 16);
    for (enum cella_root root = CELLA_ROOT_FILE; root <= CELLA_ROOT_TDX; root++) {
        const char *name = cella_root_name(root);
        if (word.size == strlen(name) && cella_equal(word.data, name, word.size)) return root;
    }
    cella_cbor_refuse(c, "root", "file, tpm, snp or tdx", "another word");
    return CELLA_ROOT_FILE;
}

static void take_private_claims(struct cella_cbor *c, struct cella_software_payload *out) {
    struct cella_software_claims *claims = &out->claims;
    struct cella_identity *id = &claims->identity;
    key_int(c, "key of the claims of cella", CELLA_CLAIM_PRIVATE);
    size_t count = cella_cbor_map(c, "claims of cella", 17, 18);
    id->svn = (uint16_t)take_uint(c, "svn", UINT16_MAX);
    cella_cbor_expect_text(c, "key", "tee");
    cella_cbor_expect_text(c, "tee", "software"); /* never to be taken for hardware (A23) */
    out->root = take_root(c);
    id->xfrm = take_uint(c, "xfrm", UINT64_MAX);
    claims->memory_secret = take_word(c, "memory", "secret", "private");
    take_bytes(c, "boot-id", claims->boot_id, sizeof(claims->boot_id));
    take_bytes(c, "mrsigner", id->mrsigner, sizeof(id->mrsigner));
    take_settings(c, claims);
    claims->assurance = (uint32_t)take_uint(c, "assurance", CELLA_ASSURANCE_S3);
    take_bytes(c, "config-id", id->config_id, sizeof(id->config_id));
    take_bytes(c, "mrenclave", id->mrenclave, sizeof(id->mrenclave));
    id->attributes = take_uint(c, "attributes", UINT64_MAX);
    id->miscselect = (uint32_t)take_uint(c, "miscselect", UINT32_MAX);
    id->product_id = (uint16_t)take_uint(c, "product-id", UINT16_MAX);
    take_bytes(c, "instance-id", claims->instance_id, sizeof(claims->instance_id));
    cella_cbor_expect_text(c, "key", "platform-key");
    cella_cose_take_key(c, "platform-key", out->spki);
    bool nested = out->root != CELLA_ROOT_FILE;
    if (nested != (count == 18))
        cella_cbor_refuse(c, "root-evidence", "root evidence with every root but file",
                          "the contrary");
    /* A platform that no hardware vouches for cannot be in a confidential VM (A23). */
    if (claims->assurance == CELLA_ASSURANCE_S3 && !cella_root_is_hardware(out->root))
        cella_cbor_refuse(c, "assurance", "S3 only with root snp or tdx",
                          cella_root_name(out->root));
    if (!nested) return;
    cella_cbor_expect_text(c, "key", "root-evidence");
    out->root_evidence = cella_cbor_bytes(c, "root-evidence", 1, CELLA_ROOT_EVIDENCE_MAX);
}

CELLA_RESULT cella_software_parse(struct cella_bytes payload, struct cella_software_payload *out) {
    cella_zero(out, sizeof(*out));
    struct cella_cbor c = cella_cbor(payload, "evidence claims");
    cella_cbor_map(&c, "claims", 8, 8);
    take_standard_claims(&c, out);
    take_private_claims(&c, out);
    if (out->claims.identity.debug !=
        ((out->claims.identity.attributes & CELLA_ATTRIBUTE_DEBUG) != 0))
        cella_cbor_refuse(&c, "attributes", "a debug bit that agrees with dbgstat (T10)",
                          "the contrary");
    return cella_cbor_end(&c);
}
