#include <cella/evidence.h>

#include <stdlib.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/cose.h"
#include "evidence/format.h"
#include "evidence/software_parse.h"
#include "evidence/tpm.h"

enum { ANCHOR_MAX = 1024, CLOCK_SKEW_S = 60 };

struct anchor {
    struct cella_key *key;
    uint8_t fingerprint[32];
};

struct cella_verifier {
    size_t count;
    struct anchor anchor[];
};

void cella_verifier_free(struct cella_verifier **verifier) {
    if (!*verifier) return;
    for (size_t i = 0; i < (*verifier)->count; i++) cella_key_free(&(*verifier)->anchor[i].key);
    free(*verifier);
    *verifier = NULL;
}
#define VERIFIER __attribute__((cleanup(cella_verifier_free))) struct cella_verifier *

CELLA_RESULT cella_verifier_new(const struct cella_bytes *anchors, size_t anchor_count,
                                struct cella_verifier **out) {
    *out = NULL;
    ENSURE(anchor_count > 0, CELLA_ERR_REFUSED,
           "name the platform or attestation keys you trust (--trust FILE)",
           "trust: no key is trusted, so no evidence is accepted");
    ENSURE(anchor_count <= ANCHOR_MAX, CELLA_ERR_LIMIT, NULL, "%zu trusted keys, at most %d",
           anchor_count, ANCHOR_MAX);
    VERIFIER verifier = calloc(1, sizeof(*verifier) + anchor_count * sizeof(verifier->anchor[0]));
    ENSURE(verifier, CELLA_ERR_MEMORY, NULL, "no memory for a verifier");
    verifier->count = anchor_count;
    for (size_t i = 0; i < anchor_count; i++) {
        TRY_IN(cella_key_public(anchors[i], &verifier->anchor[i].key), "trusted key %zu", i + 1);
        TRY(cella_key_fingerprint(verifier->anchor[i].key, verifier->anchor[i].fingerprint));
    }
    *out = MOVE(verifier);
    return CELLA_SUCCESS;
}

/* Anchors are found by the key itself, through its fingerprint, never by a name (A08, A25). */
static const struct anchor *find_anchor(const struct cella_verifier *verifier,
                                        const uint8_t fingerprint[32]) {
    for (size_t i = 0; i < verifier->count; i++)
        if (cella_equal(verifier->anchor[i].fingerprint, fingerprint, 32))
            return &verifier->anchor[i];
    return NULL;
}

static struct cella_result check_names_of_key(const struct cella_cose_sign1 *sign1,
                                              const struct cella_software_payload *payload,
                                              uint8_t fingerprint[32]) {
    TRY(cella_sha256(CELLA_BYTES_OF(payload->spki), fingerprint));
    ENSURE(cella_equal(sign1->kid.data, fingerprint, 32), CELLA_ERR_INTEGRITY, NULL,
           "platform key: kid is not the fingerprint of the platform key in the claims");
    ENSURE(cella_equal(payload->ueid_key, fingerprint, 32), CELLA_ERR_INTEGRITY, NULL,
           "platform key: ueid is not the fingerprint of the platform key in the claims");
    return CELLA_SUCCESS;
}

static struct cella_result check_signature(const struct cella_cose_sign1 *sign1,
                                           const struct cella_key *key) {
    CELLA_SHA256 sha = {0};
    uint8_t digest[32];
    TRY(cella_cose_sign1_digest(&sha, sign1->protected, sign1->payload, digest));
    TRY_IN(cella_key_verify_p256_digest(key, digest, sign1->signature.data),
           "signature of the evidence");
    return CELLA_SUCCESS;
}

/* Root tpm: the nested quote must certify this platform key. The quote and its PCR values count
 * only when its attestation key is an anchor: anyone with the platform key could nest a quote of a
 * key of his own. */
static struct cella_result check_root_tpm(const struct cella_verifier *verifier,
                                          const struct cella_software_payload *payload,
                                          struct cella_claims *out) {
    struct cella_tpm_quote quote;
    TRY(cella_tpm_quote_verify(payload->root_evidence, CELLA_BYTES_OF(payload->spki), &quote));
    uint8_t fingerprint[32];
    TRY(cella_sha256(quote.ak_spki, fingerprint));
    if (!find_anchor(verifier, fingerprint)) return CELLA_SUCCESS;
    out->root = CELLA_ROOT_TPM;
    cella_copy(out->trusted_by, fingerprint, sizeof(fingerprint));
    out->tpm_pcr_count = quote.pcr_count;
    for (uint32_t i = 0; i < quote.pcr_count; i++) {
        out->tpm_pcr[i].index = quote.pcr[i].index;
        cella_copy(out->tpm_pcr[i].value, quote.pcr[i].value, sizeof(quote.pcr[i].value));
    }
    return CELLA_SUCCESS;
}

static struct cella_result check_chain(const struct cella_verifier *verifier,
                                       const struct cella_cose_sign1 *sign1,
                                       const struct cella_software_payload *payload,
                                       struct cella_claims *out) {
    TRY(check_names_of_key(sign1, payload, out->platform_key));
    const struct anchor *anchor = find_anchor(verifier, out->platform_key);
    char hex[65];
    cella_hex_encode(CELLA_BYTES_OF(out->platform_key), hex);
    CELLA_KEY own = NULL;
    if (!anchor && payload->root == CELLA_ROOT_TPM)
        TRY_IN(cella_key_public(CELLA_BYTES_OF(payload->spki), &own), "platform key");
    ENSURE(anchor || own, CELLA_ERR_REFUSED,
           "compare it with `cella platform key` on that machine, then trust it",
           "platform key: %s is none of the %zu trusted keys", hex, verifier->count);
    TRY(check_signature(sign1, anchor ? anchor->key : own));
    if (payload->root == CELLA_ROOT_TPM) TRY(check_root_tpm(verifier, payload, out));
    if (out->root == CELLA_ROOT_TPM) return CELLA_SUCCESS;
    ENSURE(anchor, CELLA_ERR_REFUSED,
           "trust the platform key or the TPM's attestation key after comparing it there",
           "root tpm: neither platform key %s nor the attestation key of its quote is one of the "
           "%zu trusted keys",
           hex, verifier->count);
    out->root = CELLA_ROOT_FILE;
    cella_copy(out->trusted_by, anchor->fingerprint, sizeof(anchor->fingerprint));
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_software_self_signed(struct cella_bytes evidence,
                                        struct cella_software_payload *payload,
                                        struct cella_claims *out) {
    struct cella_cose_sign1 sign1;
    CELLA_KEY key = NULL;
    cella_zero(out, sizeof(*out));
    ENSURE(evidence.size <= CELLA_EVIDENCE_MAX, CELLA_ERR_LIMIT, NULL,
           "evidence of %zu bytes, at most %d", evidence.size, CELLA_EVIDENCE_MAX);
    TRY(cella_cose_sign1_parse(evidence, CELLA_EVIDENCE_CONTENT_TYPE, &sign1));
    TRY(cella_software_parse(sign1.payload, payload));
    TRY(check_names_of_key(&sign1, payload, out->platform_key));
    TRY_IN(cella_key_public(CELLA_BYTES_OF(payload->spki), &key), "platform key");
    TRY(check_signature(&sign1, key));
    out->software = payload->claims;
    out->root = payload->root;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_software_age(uint64_t issued, uint64_t now, uint64_t max_age_s) {
    if (max_age_s == 0) return CELLA_SUCCESS;
    ENSURE(issued <= now || issued - now <= CLOCK_SKEW_S, CELLA_ERR_EXPIRED,
           "compare the clocks of the two machines",
           "iat: the evidence was made %llu s in the future, at most %d s are allowed",
           (unsigned long long)(issued - now), CLOCK_SKEW_S);
    uint64_t age = issued <= now ? now - issued : 0;
    ENSURE(age <= max_age_s || age - max_age_s <= CLOCK_SKEW_S, CELLA_ERR_EXPIRED,
           "ask for new evidence", "iat: the evidence is %llu s old, at most %llu s are allowed",
           (unsigned long long)age, (unsigned long long)max_age_s);
    return CELLA_SUCCESS;
}

/* The claims are parsed before the signature is checked, because root tpm brings the platform key
 * in them; nothing of them leaves this function unless every check held (A35). */
CELLA_RESULT cella_verifier_check(const struct cella_verifier *verifier,
                                  struct cella_bytes evidence, uint64_t now_unix,
                                  uint64_t max_age_s, struct cella_claims *out) {
    cella_zero(out, sizeof(*out));
    ENSURE(evidence.size <= CELLA_EVIDENCE_MAX, CELLA_ERR_LIMIT, NULL,
           "evidence of %zu bytes, at most %d", evidence.size, CELLA_EVIDENCE_MAX);
    struct cella_cose_sign1 sign1;
    struct cella_software_payload payload;
    struct cella_claims claims;
    cella_zero(&claims, sizeof(claims));
    TRY(cella_cose_sign1_parse(evidence, CELLA_EVIDENCE_CONTENT_TYPE, &sign1));
    TRY(cella_software_parse(sign1.payload, &payload));
    TRY(check_chain(verifier, &sign1, &payload, &claims));
    TRY(cella_software_age(payload.claims.issued_unix, now_unix, max_age_s));
    claims.software = payload.claims;
    *out = claims;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_evidence_verify(struct cella_bytes evidence,
                                   const struct cella_verify_options *options,
                                   struct cella_claims *out) {
    cella_zero(out, sizeof(*out));
    VERIFIER verifier = NULL;
    TRY(cella_verifier_new(options->anchors, options->anchor_count, &verifier));
    return cella_verifier_check(verifier, evidence, options->now_unix, options->max_age_s, out);
}
