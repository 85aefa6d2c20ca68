/* The chains of AMD's collateral, checked once when the set is finished: ARK, then ASK and ASVK,
 * then VCEK and VLEK, then revocation lists. */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "evidence/amd_collateral.h"

static const char refetch[] = "fetch it anew from AMD's Key Distribution Service";

CELLA_RESULT cella_amd_key_spki(const struct cella_amd_key *key, uint8_t out[CELLA_AMD_SPKI_SIZE]) {
    /* SEQUENCE { AlgorithmIdentifier rsaEncryption, BIT STRING { SEQUENCE { modulus, 65537 } } } */
    static const uint8_t head[] = {0x30, 0x82, 0x02, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a,
                                   0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05,
                                   0x00, 0x03, 0x82, 0x02, 0x0f, 0x00, 0x30, 0x82, 0x02,
                                   0x0a, 0x02, 0x82, 0x02, 0x01, 0x00};
    static const uint8_t tail[] = {0x02, 0x03, 0x01, 0x00, 0x01};
    _Static_assert(sizeof(head) + CELLA_AMD_MODULUS_SIZE + sizeof(tail) == CELLA_AMD_SPKI_SIZE,
                   "RSA-4096 in DER");
    cella_copy(out, head, sizeof(head));
    TRY(cella_hex_decode(cella_bytes_text(key->modulus), out + sizeof(head),
                         CELLA_AMD_MODULUS_SIZE));
    cella_copy(out + sizeof(head) + CELLA_AMD_MODULUS_SIZE, tail, sizeof(tail));
    return CELLA_SUCCESS;
}

static const struct cella_amd_state *origin(const struct cella_amd_state *s) {
    return s->base ? s->base : s;
}

static const struct cella_amd_key *built_in(enum cella_snp_line line, enum cella_snp_role role,
                                            size_t *index) {
    for (*index = 0; *index < CELLA_AMD_KEY_COUNT; (*index)++)
        if (cella_amd_keys[*index].line == line && cella_amd_keys[*index].role == role)
            return &cella_amd_keys[*index];
    return NULL;
}

static CELLA_RESULT built_in_key(struct cella_amd_state *s, size_t index,
                                 const struct cella_verifykey **out) {
    uint8_t spki[CELLA_AMD_SPKI_SIZE];
    *out = s->base ? s->base->built_in[index] : NULL;
    if (*out) return CELLA_SUCCESS;
    if (!s->built_in[index]) {
        TRY(cella_amd_key_spki(&cella_amd_keys[index], spki));
        TRY(cella_verifykey_new(CELLA_BYTES_OF(spki), &s->built_in[index]));
    }
    *out = s->built_in[index];
    return CELLA_SUCCESS;
}

static struct cella_amd_signer built_in_signer(const struct cella_amd_key *key) {
    return (struct cella_amd_signer){key->name, CELLA_BYTES_OF(key->serial), key->not_before_unix,
                                     key->not_after_unix, true};
}

static struct cella_amd_signer signer_of(const struct cella_amd_item *item) {
    return (struct cella_amd_signer){item->cert.name, item->cert.x509.serial,
                                     item->cert.x509.not_before_unix,
                                     item->cert.x509.not_after_unix, false};
}

/* What the roots of the set sign: a certificate, or a list where certificate is NULL. */
static CELLA_RESULT check(const struct cella_certificate *certificate, const struct cella_crl *crl,
                          const struct cella_verifykey *key) {
    if (certificate) return cella_certificate_check(certificate, key);
    ENSURE(crl->signature_algorithm == CELLA_SIG_RSA_PSS_SHA384, CELLA_ERR_FORMAT, refetch,
           "a list that is not signed by RSASSA-PSS with SHA-384");
    return cella_crl_check(crl, key);
}

/* The first root of the line whose signature it is (A08). */
static CELLA_RESULT under_roots(struct cella_amd_state *s, enum cella_snp_line line,
                                const struct cella_certificate *certificate,
                                const struct cella_crl *crl, struct cella_amd_signer *signer) {
    const struct cella_amd_state *o = origin(s);
    if (!o->own_roots) {
        size_t index;
        const struct cella_verifykey *key;
        const struct cella_amd_key *root = built_in(line, CELLA_SNP_ARK, &index);
        ENSURE(root, CELLA_ERR_UNSUPPORTED, refetch, "a line without a root");
        TRY(built_in_key(s, index, &key));
        *signer = built_in_signer(root);
        return check(certificate, crl, key);
    }
    for (uint32_t i = 0; i < o->root_count; i++) {
        const struct cella_amd_root *root = &o->root[i];
        if (root->line != CELLA_SNP_LINE_NONE && root->line != line) continue;
        struct cella_result r = check(certificate, crl, root->key);
        *signer = root->signer;
        if (!cella_failed(r) || cella_code_of(r) == CELLA_ERR_MEMORY) return r;
        cella_result_drop(r);
    }
    FAIL(CELLA_ERR_INTEGRITY, refetch, "no signature of any of the roots that were given");
}

static bool same_key(struct cella_bytes spki, const struct cella_amd_key *key) {
    uint8_t own[CELLA_AMD_SPKI_SIZE];
    struct cella_result r = cella_amd_key_spki(key, own);
    bool same =
        !cella_failed(r) && spki.size == sizeof(own) && cella_equal(spki.data, own, sizeof(own));
    cella_result_drop(r);
    return same;
}

/* A08: by key. A root of the same name with another key is no root. */
static bool is_root(const struct cella_amd_state *s, const struct cella_snp_cert *cert) {
    const struct cella_amd_state *o = origin(s);
    struct cella_bytes have = cert->x509.spki;
    size_t index;
    const struct cella_amd_key *root = built_in(cert->line, CELLA_SNP_ARK, &index);
    if (!o->own_roots) return root && same_key(have, root);
    for (uint32_t i = 0; i < o->root_count; i++)
        if (have.size == o->root[i].spki.size &&
            cella_equal(have.data, o->root[i].spki.data, have.size))
            return true;
    return false;
}

/* Whether a built-in root is one of the set's roots: what it has certified is then built in too. */
static bool has_built_in(const struct cella_amd_state *s, const struct cella_amd_key *root) {
    const struct cella_amd_state *o = origin(s);
    if (!o->own_roots) return true;
    for (uint32_t i = 0; i < o->root_count; i++)
        if (same_key(o->root[i].spki, root)) return true;
    return false;
}

/* AMD's own certificate, byte for byte: what is built in was checked when it was built in. */
static CELLA_RESULT is_built_in(const struct cella_amd_state *s, const struct cella_snp_cert *cert,
                                bool *known) {
    size_t index;
    uint8_t digest[CELLA_SHA256_SIZE];
    char hex[2 * CELLA_SHA256_SIZE + 1];
    const struct cella_amd_key *root = built_in(cert->line, CELLA_SNP_ARK, &index);
    const struct cella_amd_key *key = built_in(cert->line, cert->role, &index);
    *known = false;
    if (!root || !key || !has_built_in(s, root)) return CELLA_SUCCESS;
    TRY(cella_sha256(cert->x509.der, digest));
    cella_hex_encode(CELLA_BYTES_OF(digest), hex);
    *known = strcmp(hex, key->sha256) == 0;
    return CELLA_SUCCESS;
}

/* Items of one role and line, those that cannot be read counted to every line. */
static const struct cella_amd_item *next_of(const struct cella_amd_state *s,
                                            enum cella_snp_role role, enum cella_snp_line line,
                                            size_t *at) {
    for (; s && *at < s->item_count; (*at)++) {
        const struct cella_snp_cert *c = &s->item[*at].cert;
        if (c->role == role && (c->line == line || c->line == CELLA_SNP_LINE_NONE))
            return &s->item[(*at)++];
    }
    return NULL;
}

/* A root certificate that is given stands for its root, and must be good. *bad: the failure of one
 * that is not, when there is no good one. */
static void given_root(const struct cella_amd_state *s, enum cella_snp_line line,
                       struct cella_amd_signer *signer, const struct cella_amd_failure **bad) {
    *bad = NULL;
    for (const struct cella_amd_state *t = s; t; t = t->base) {
        const struct cella_amd_item *item;
        for (size_t at = 0; (item = next_of(t, CELLA_SNP_ARK, line, &at));) {
            if (!item->failure.field) {
                *signer = signer_of(item);
                *bad = NULL;
                return;
            }
            *bad = &item->failure;
        }
    }
}

static CELLA_RESULT finish_root(const struct cella_amd_state *s, struct cella_amd_item *item) {
    struct cella_result r = CELLA_SUCCESS;
    bool known;
    item->root = signer_of(item);
    TRY(is_built_in(s, &item->cert, &known));
    if (known) return CELLA_SUCCESS;
    if (!is_root(s, &item->cert))
        r = CELLA_FAILURE(CELLA_ERR_INTEGRITY, refetch, "a root of that name with another key");
    else
        r = cella_certificate_check(&item->cert.x509, item->key);
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    if (cella_failed(r))
        cella_amd_fail(&item->failure, "ark", "the root key of AMD, signed by itself", r);
    return CELLA_SUCCESS;
}

static CELLA_RESULT finish_authority(struct cella_amd_state *s, struct cella_amd_item *item) {
    const struct cella_amd_failure *bad;
    struct cella_result r = CELLA_SUCCESS;
    size_t index;
    bool known;
    TRY(is_built_in(s, &item->cert, &known));
    if (known)
        item->root = built_in_signer(built_in(item->cert.line, CELLA_SNP_ARK, &index));
    else
        r = under_roots(s, item->cert.line, &item->cert.x509, NULL, &item->root);
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    if (cella_failed(r)) {
        cella_amd_fail(&item->failure,
                       item->cert.role == CELLA_SNP_ASK ? "ask.signature" : "asvk.signature",
                       "valid under the root of its line", r);
        return CELLA_SUCCESS;
    }
    given_root(s, item->cert.line, &item->root, &bad);
    if (bad) item->failure = *bad;
    return CELLA_SUCCESS;
}

/* The authority that signed it, of those given; *found says whether there is one. */
static CELLA_RESULT under_given(struct cella_amd_state *s, struct cella_amd_item *leaf,
                                enum cella_snp_role role, bool *found) {
    const struct cella_amd_failure *bad = NULL;
    *found = false;
    for (const struct cella_amd_state *t = s; t; t = t->base) {
        const struct cella_amd_item *item;
        for (size_t at = 0; (item = next_of(t, role, leaf->cert.line, &at));) {
            if (item->failure.field) {
                bad = &item->failure;
                continue;
            }
            struct cella_result r = cella_certificate_check(&leaf->cert.x509, item->key);
            *found = !cella_failed(r);
            leaf->authority = signer_of(item);
            leaf->root = item->root;
            if (*found || cella_code_of(r) == CELLA_ERR_MEMORY) return r;
            cella_result_drop(r);
        }
    }
    if (bad) leaf->failure = *bad; /* what was given is used or refused, not passed over */
    return CELLA_SUCCESS;
}

static CELLA_RESULT under_built_in(struct cella_amd_state *s, struct cella_amd_item *leaf,
                                   enum cella_snp_role role) {
    size_t index, root_index;
    const struct cella_verifykey *key;
    const struct cella_amd_key *authority = built_in(leaf->cert.line, role, &index);
    const struct cella_amd_key *root = built_in(leaf->cert.line, CELLA_SNP_ARK, &root_index);
    ENSURE(authority && root && has_built_in(s, root), CELLA_ERR_NOT_FOUND,
           "give the certificates of AMD's authorities of this line",
           "no authority's certificate for it");
    TRY(built_in_key(s, index, &key));
    leaf->authority = built_in_signer(authority);
    leaf->root = built_in_signer(root);
    return cella_certificate_check(&leaf->cert.x509, key);
}

static CELLA_RESULT finish_leaf(struct cella_amd_state *s, struct cella_amd_item *leaf) {
    bool vcek = leaf->cert.role == CELLA_SNP_VCEK, found;
    enum cella_snp_role role = vcek ? CELLA_SNP_ASK : CELLA_SNP_ASVK; /* A07 */
    const struct cella_amd_failure *bad;
    TRY(under_given(s, leaf, role, &found));
    if (found || leaf->failure.field) return CELLA_SUCCESS;
    struct cella_result r = under_built_in(s, leaf, role);
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    if (cella_failed(r)) {
        cella_amd_fail(
            &leaf->failure, vcek ? "vcek.signature" : "vlek.signature",
            vcek ? "valid under the ASK of its line" : "valid under the ASVK of its line", r);
        return CELLA_SUCCESS;
    }
    given_root(s, leaf->cert.line, &leaf->root, &bad);
    if (bad) leaf->failure = *bad;
    return CELLA_SUCCESS;
}

static CELLA_RESULT finish_crl(struct cella_amd_state *s, struct cella_amd_crl *item) {
    struct cella_amd_signer signer;
    if (item->failure.field) return CELLA_SUCCESS;
    struct cella_result r = under_roots(s, item->line, NULL, &item->crl, &signer);
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    if (cella_failed(r))
        cella_amd_fail(&item->failure, "crl.signature", "valid under the root of its line",
                       r); /* A06 */
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_amd_finish(struct cella_amd_state *s) {
    for (int pass = 0; pass < 3; pass++)
        for (size_t i = 0; i < s->item_count; i++) {
            struct cella_amd_item *item = &s->item[i];
            enum cella_snp_role role = item->cert.role;
            if (item->failure.field) continue;
            if (pass == 0 && role == CELLA_SNP_ARK) TRY(finish_root(s, item));
            if (pass == 1 && (role == CELLA_SNP_ASK || role == CELLA_SNP_ASVK))
                TRY(finish_authority(s, item));
            if (pass == 2 && role >= CELLA_SNP_VCEK) TRY(finish_leaf(s, item));
        }
    for (size_t i = 0; i < s->crl_count; i++) TRY(finish_crl(s, &s->crl[i]));
    return CELLA_SUCCESS;
}
