/* TPM 2.0 quotes as a family of evidence. What makes an attestation key worth anything is, in this
 * order: that the caller trusts it; certificates up to a pinned authority; that the caller gave it
 * as collateral; or a Nitro document that binds it. A key that came with the evidence alone is
 * nobody's (A08, A22). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/der.h"
#include "evidence/tpm_check.h"
#include "evidence/tpm_keylime.h"
#include "evidence/tpm_roots.h"

/* --- Collateral --- */

static struct cella_result add_root(struct cella_tpm_state *state, const char *name,
                                    struct cella_bytes spki) {
    ENSURE(state->root_count < CELLA_TPM_ANCHOR_MAX, CELLA_ERR_LIMIT, NULL, "more than %d roots",
           CELLA_TPM_ANCHOR_MAX);
    ENSURE(spki.size <= CELLA_SPKI_MAX, CELLA_ERR_UNSUPPORTED, NULL, "a root's key of %zu bytes",
           spki.size);
    CELLA_VERIFYKEY key = NULL;
    TRY(cella_verifykey_new(spki, &key));
    struct cella_tpm_anchor *root = &state->root[state->root_count++];
    snprintf(root->name, sizeof(root->name), "%s", name);
    root->spki.size = spki.size;
    cella_copy(root->spki.data, spki.data, spki.size);
    return CELLA_SUCCESS;
}

static struct cella_result add_built_in(struct cella_tpm_state *state) {
    for (size_t i = 0; i < CELLA_TPM_ROOT_COUNT; i++) {
        uint8_t modulus[CELLA_TPM_ROOT_MODULUS];
        struct cella_tpm_anchor *root = &state->root[state->root_count++];
        snprintf(root->name, sizeof(root->name), "%s", cella_tpm_roots[i].name);
        TRY(cella_hex_decode(cella_bytes_text(cella_tpm_roots[i].modulus), modulus,
                             sizeof(modulus)));
        TRY(cella_spki_rsa(CELLA_BYTES_OF(modulus), 65537, &root->spki));
    }
    return CELLA_SUCCESS;
}

static void free_state(void *opaque) {
    struct cella_tpm_state *state = opaque;
    if (state) cella_tpm_companions_free(&state->companions);
    free(state);
}

static struct cella_result new_state(void **out) {
    struct cella_tpm_state *state = calloc(1, sizeof(*state));
    *out = state;
    ENSURE(state, CELLA_ERR_MEMORY, NULL, "no memory for the roots of TPMs");
    return add_built_in(state);
}

/* A certificate begins with its version, a bare key with the OID of its algorithm. */
static bool is_bare_key(struct cella_bytes der) {
    struct cella_reader r = cella_reader(der);
    struct cella_reader outer = cella_der_read(&r, CELLA_DER_SEQUENCE),
                        inner = cella_der_read(&outer, CELLA_DER_SEQUENCE);
    return cella_der_peek(&inner) == CELLA_DER_OID;
}

static struct cella_result set_root(void *opaque, struct cella_bytes der) {
    struct cella_tpm_state *state = opaque;
    struct cella_certificate certificate;
    char name[64];
    if (der.size == 0) {
        state->root_count = 0;
        return CELLA_SUCCESS;
    }
    if (is_bare_key(der)) return add_root(state, "a root of yours", der);
    TRY(cella_certificate_parse(der, &certificate));
    cella_name_common(certificate.subject, name, sizeof(name));
    return add_root(state, name[0] ? name : "a root of yours", certificate.spki);
}

static struct cella_result add(void *opaque, const char *name, struct cella_bytes content,
                               bool *taken) {
    struct cella_tpm_state *state = opaque;
    return cella_tpm_companions_add(&state->companions, name, content, taken);
}

static struct cella_result finish(void *opaque) {
    (void)opaque;
    return CELLA_SUCCESS;
}

/* Platform keys come here too; one of a kind that no quote is checked with is of no use here, and
 * no harm. */
static struct cella_result trust(void *opaque, struct cella_bytes spki) {
    struct cella_tpm_state *state = opaque;
    ENSURE(state->trusted_count < CELLA_TPM_TRUSTED_MAX, CELLA_ERR_LIMIT, NULL,
           "more than %d trusted keys", CELLA_TPM_TRUSTED_MAX);
    if (is_bare_key(spki)) state->trusted[state->trusted_count++] = spki;
    return CELLA_SUCCESS;
}

const struct cella_family cella_family_tpm = {
    .name = "tpm",
    .new_state = new_state,
    .free_state = free_state,
    .set_root = set_root,
    .add = add,
    .finish = finish,
    .trust = trust,
};

/* --- Which key signed --- */

static bool same(struct cella_bytes a, struct cella_bytes b) {
    return a.size == b.size && cella_equal(a.data, b.data, a.size);
}

/* Tries a key; true when it signed. The reason of the best failure is kept. */
static bool signed_with(const struct cella_tpm_check *check, struct cella_bytes spki,
                        struct cella_result *last, struct cella_bytes *ak) {
    struct cella_result r = cella_tpm_check_signature(check, spki);
    bool good = !cella_failed(r);
    if (good) *ak = spki;
    bool keep_last = cella_code_of(*last) == CELLA_ERR_UNSUPPORTED && !good;
    cella_result_drop(keep_last ? r : *last);
    if (!keep_last) *last = r;
    return good;
}

static struct cella_result find_key(const struct cella_tpm_check *check, struct cella_bytes *ak) {
    const struct cella_tpm_companions *from[] = {&check->own, &check->state->companions};
    struct cella_result last =
        cella_result_new(CELLA_ERR_NOT_FOUND, CELLA_WHERE,
                         "give the attestation key or its certificates beside the quote "
                         "(ak_pub.pem, ak_cert_chain.pem), or trust it (--trust)",
                         "no attestation key");
    bool found = false;
    for (size_t f = 0; f < 2 && !found; f++)
        if (from[f]->certificate_count)
            found = signed_with(check, from[f]->certificate[0].spki, &last, ak);
    for (uint32_t i = 0; i < check->state->trusted_count && !found; i++)
        found = signed_with(check, check->state->trusted[i], &last, ak);
    for (size_t f = 0; f < 2; f++)
        for (uint32_t i = 0; i < from[f]->key_count && !found; i++)
            found = signed_with(check, cella_spki_bytes(&from[f]->key[i].spki), &last, ak);
    REFUSE_TRY(check->out, last, "tpm quote", "signature", NULL,
               "a signature of the attestation key over the quote");
    return CELLA_SUCCESS;
}

/* --- Who vouches for it --- */

static bool is_trusted(const struct cella_tpm_check *check, struct cella_bytes ak) {
    for (uint32_t i = 0; i < check->state->trusted_count; i++)
        if (same(check->state->trusted[i], ak)) return true;
    return false;
}

static bool is_given(const struct cella_tpm_check *check, struct cella_bytes ak) {
    const struct cella_tpm_companions *given = &check->state->companions;
    for (uint32_t i = 0; i < given->key_count; i++)
        if (!given->key[i].embedded && same(cella_spki_bytes(&given->key[i].spki), ak)) return true;
    return false;
}

/* The document's public key is this key's point, and its PCRs are those of the quote: the
 * hypervisor vouches for both. */
static struct cella_result bind_nitro(const struct cella_tpm_check *check, struct cella_bytes ak,
                                      const struct cella_collateral *collateral) {
    struct cella_verification *out = check->out;
    TRY(cella_verify_nitro(check->own.nitro_document, collateral, check->options, out));
    out->authentic = false; /* not yet: the document is, its tie to the quote is to be shown */
    const struct cella_claim *key = cella_claimset_find(out->claims, "nitro.public-key");
    bool tail = key && key->bytes.size >= 65 && key->bytes.size <= ak.size &&
                cella_equal(ak.data + ak.size - key->bytes.size, key->bytes.data, key->bytes.size);
    if (!tail)
        REFUSE(out, CELLA_ERR_INTEGRITY, "nitro document", "public_key",
               "make the document with the attestation key in it", "the attestation key",
               key ? cella_text_hex(out, key->bytes) : "none");
    for (unsigned p = 0; check->has_values && p < CELLA_TPM_PCR_MAX; p++) {
        char name[32];
        snprintf(name, sizeof(name), "nitro.pcr%u", p);
        const struct cella_claim *pcr = cella_claimset_find(out->claims, name);
        bool quoted =
            check->attest.bank[0].pcrs >> p & 1 && check->attest.bank[0].hash == CELLA_TPM_SHA384;
        if (pcr && quoted && pcr->bytes.size == 48 &&
            !cella_equal(pcr->bytes.data, check->values[0]->value[p], 48))
            REFUSE(out, CELLA_ERR_INTEGRITY, "nitro document", name,
                   "make document and quote at the same time",
                   cella_text_hex(out, cella_bytes(check->values[0]->value[p], 48)),
                   cella_text_hex(out, pcr->bytes));
    }
    return CELLA_SUCCESS;
}

static struct cella_result vouch(const struct cella_tpm_check *check, struct cella_bytes ak,
                                 const struct cella_collateral *collateral, const char **by,
                                 int32_t *link) {
    const struct cella_tpm_companions *certificates = cella_tpm_certificates(check);
    *link = -1;
    *by = "trusted";
    if (is_trusted(check, ak)) return CELLA_SUCCESS;
    *by = "certificate";
    if (certificates && same(certificates->certificate[0].spki, ak))
        return cella_tpm_check_certificates(check, certificates, link);
    if (certificates)
        REFUSE(check->out, CELLA_ERR_INTEGRITY, "ak certificate", "public key",
               "give the certificate of the key that signed", "the key that signed the quote",
               "another key");
    *by = "given";
    if (is_given(check, ak)) return CELLA_SUCCESS;
    *by = "nitro";
    if (check->own.nitro_document.size) {
        TRY(bind_nitro(check, ak, collateral));
        *link = (int32_t)check->out->link_count - 1;
        return CELLA_SUCCESS;
    }
    REFUSE(check->out, CELLA_ERR_REFUSED, "attestation key", "trust",
           "compare the key on that machine, then trust it (--trust), or give its certificates",
           "a key that you trust or that a pinned authority certified",
           "a key that came with the evidence alone");
}

/* --- Verification --- */

static void add_claims(const struct cella_tpm_check *check, struct cella_bytes ak, const char *by,
                       int32_t link) {
    struct cella_claimset *claims = check->out->claims;
    struct cella_bytes part[] = {ak};
    uint8_t fingerprint[CELLA_HASH_SIZE_MAX] = {0};
    cella_result_drop(cella_hash(CELLA_HASH_SHA256, part, 1, fingerprint));
    struct cella_bytes id = cella_bytes(fingerprint, CELLA_SHA256_SIZE);
    bool inner =
        cella_claimset_find(claims, "tee") != NULL; /* of the Nitro document: each name once */
    if (!inner) cella_claim_text(claims, "tee", "tpm");
    if (!inner) cella_claim_bytes(claims, "platform-id", id);
    if (!cella_claimset_find(claims, "report-data"))
        cella_claim_bytes(claims, "report-data", check->attest.extra_data);
    cella_claim_bytes(claims, "tpm.ak", id);
    cella_claim_text(claims, "tpm.ak-vouched-by", by);
    cella_tpm_check_claims(check);
    link = cella_link_add(check->out, link, "attestation key", cella_text_hex(check->out, id),
                          strcmp(by, "certificate") == 0 ? "certified"
                          : strcmp(by, "nitro") == 0     ? "in the Nitro document"
                          : strcmp(by, "given") == 0     ? "given by you as collateral"
                                                         : "trusted by you",
                          true);
    cella_link_add(check->out, link, "quote", "TPM 2.0 quote", "signed with the attestation key",
                   true);
}

/* The envelope's words of key and nonce prove nothing, but must at least agree with the quote. */
static struct cella_result check_envelope(const struct cella_tpm_check *check,
                                          struct cella_bytes ak) {
    bool agrees = check->own.key_count == 0;
    for (uint32_t i = 0; i < check->own.key_count; i++)
        agrees = agrees || same(cella_spki_bytes(&check->own.key[i].spki), ak);
    if (!agrees)
        REFUSE(check->out, CELLA_ERR_INTEGRITY, "attestation key", "envelope",
               "pass the evidence on unchanged", "the key that signed the quote",
               "another key beside the quote");
    struct cella_bytes nonce = check->own.nonce;
    if (nonce.size && !same(nonce, check->attest.extra_data))
        REFUSE(check->out, CELLA_ERR_INTEGRITY, "tpm quote", "extra data",
               "ask for a quote with this nonce", cella_text_hex(check->out, nonce),
               cella_text_hex(check->out, check->attest.extra_data));
    return CELLA_SUCCESS;
}

static struct cella_result verify(struct cella_tpm_check *check, struct cella_bytes evidence,
                                  const struct cella_collateral *collateral) {
    struct cella_bytes ak, message = evidence;
    const char *by = NULL;
    int32_t link = -1;
    if (cella_tpm_keylime_is(evidence)) {
        REFUSE_TRY(check->out, cella_tpm_keylime_open(evidence, &check->own), "tpm quote", "text",
                   "pass the agent's text on unchanged",
                   "keylime's r QUOTE : SIGNATURE : PCRS, each in base64");
        message = check->own.message[0].content;
    }
    TRY(cella_tpm_check_message(check, message));
    TRY(find_key(check, &ak));
    TRY(cella_tpm_check_attributes(check, ak));
    TRY(check_envelope(check, ak));
    TRY(cella_tpm_check_pcrs(check));
    TRY(vouch(check, ak, collateral, &by, &link));
    check->out->authentic = true;
    add_claims(check, ak, by, link);
    return CELLA_SUCCESS;
}

struct cella_result cella_verify_tpm(struct cella_bytes evidence,
                                     const struct cella_collateral *collateral,
                                     const struct cella_evidence_options *options,
                                     struct cella_verification *out) {
    struct cella_tpm_check check;
    struct cella_result r = cella_tpm_check_begin(
        &check, cella_collateral_of(collateral, &cella_family_tpm), options, out);
    if (!cella_failed(r)) r = verify(&check, evidence, collateral);
    cella_tpm_check_free(&check);
    return r;
}

bool cella_detect_tpm(struct cella_bytes evidence) {
    bool alone = evidence.size > 6 && cella_equal(evidence.data,
                                                  "\xff"
                                                  "TCG",
                                                  4);
    bool sized = evidence.size > 8 && cella_equal(evidence.data + 2,
                                                  "\xff"
                                                  "TCG",
                                                  4);
    return alone || sized || cella_tpm_keylime_is(evidence);
}
