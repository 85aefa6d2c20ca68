/* What the verifier's collateral set says of each item. */
#include <cella/collateral.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "collateral/store.h"
#include "evidence/amd_collateral.h"
#include "evidence/intel_collateral.h"

#define SET __attribute__((cleanup(cella_collateral_free))) struct cella_collateral *

static void copy_text(const char *from, char to[CELLA_ITEM_TEXT]) {
    snprintf(to, CELLA_ITEM_TEXT, "%s", from);
}

CELLA_RESULT cella_store_known(const char *name, struct cella_bytes content, bool *known,
                               char why[CELLA_ITEM_TEXT]) {
    SET set = NULL;
    *known = false;
    why[0] = 0;
    if (content.size == 0) return CELLA_SUCCESS;
    TRY(cella_collateral_new(&set));
    TRY(cella_collateral_add(set, name, content, known));
    const struct cella_intel *intel = cella_collateral_of(set, &cella_family_intel);
    const struct cella_amd_state *amd = cella_collateral_of(set, &cella_family_amd);
    for (int kind = 0; *known && kind < CELLA_INTEL_KIND_COUNT; kind++)
        if (intel->malformed[kind][0] && kind != CELLA_INTEL_KIND_CERTIFICATE)
            copy_text(intel->malformed[kind], why);
    for (size_t i = 0; i < amd->item_count; i++)
        if (amd->item[i].failure.field) copy_text(amd->item[i].failure.found, why);
    for (size_t i = 0; i < amd->crl_count; i++)
        if (amd->crl[i].failure.field) copy_text(amd->crl[i].failure.found, why);
    return CELLA_SUCCESS;
}

static bool is(struct cella_bytes bytes, const struct cella_buffer *buffer) {
    return bytes.size == buffer->size && cella_equal(bytes.data, buffer->data, bytes.size);
}

static void fail(struct cella_item *item, const char *why) {
    item->state = CELLA_ITEM_FAILED;
    snprintf(item->why, sizeof(item->why), "%s", why && why[0] ? why : "cannot be read");
}

static CELLA_RESULT judge(struct cella_item *item, bool held, const char *why,
                          struct cella_bytes signer) {
    if (!held) {
        fail(item, why);
        return CELLA_SUCCESS;
    }
    item->state = CELLA_ITEM_HELD;
    return cella_buffer_append(&item->signer, signer);
}

/* --- Intel --- */

/* The verifier checks PCK certificates when evidence brings them; here, under the authorities that
 * hold. */
static CELLA_RESULT judge_pck(const struct cella_intel *s, const struct cella_intel_certificate *c,
                              struct cella_item *item) {
    struct cella_bytes issuer = c->x509.issuer;
    for (uint32_t i = 0; i < s->certificate_count; i++) {
        const struct cella_intel_certificate *ca = &s->certificate[i];
        bool authority =
            ca->role == CELLA_INTEL_PROCESSOR_CA || ca->role == CELLA_INTEL_PLATFORM_CA;
        if (!ca->held || !authority || ca->x509.subject.size != issuer.size ||
            !cella_equal(ca->x509.subject.data, issuer.data, issuer.size))
            continue;
        struct cella_result r = cella_certificate_check(&c->x509, ca->key);
        bool good = !cella_failed(r);
        cella_result_drop(r);
        if (good)
            return judge(item, cella_intel_role_holds(&c->x509, CELLA_INTEL_PCK),
                         "not of a PCK's form", ca->x509.spki);
    }
    fail(item, "not signed by a PCK authority that is there and holds");
    return CELLA_SUCCESS;
}

static CELLA_RESULT judge_intel(const struct cella_intel *s, struct cella_item *item) {
    for (uint32_t i = 0; i < s->certificate_count; i++) {
        const struct cella_intel_certificate *c = &s->certificate[i];
        if (!is(c->x509.der, &item->der)) continue;
        return c->role == CELLA_INTEL_PCK ? judge_pck(s, c, item)
                                          : judge(item, c->held, c->failure, c->signer_spki);
    }
    for (uint32_t i = 0; i < s->crl_count; i++)
        if (is(s->crl[i].crl.der, &item->der))
            return judge(item, s->crl[i].held, s->crl[i].failure, s->crl[i].signer_spki);
    return CELLA_SUCCESS;
}

static bool same_signed(struct cella_bytes a, const uint8_t sign_a[64], struct cella_bytes b,
                        const uint8_t sign_b[64]) {
    return a.size == b.size && cella_equal(a.data, b.data, a.size) &&
           cella_equal(sign_a, sign_b, 64);
}

/* The texts are found again by what is signed, and the signature. */
static CELLA_RESULT judge_tcb_info(const struct cella_intel *s, struct cella_item *item) {
    struct cella_tcbinfo read;
    TRY(cella_tcbinfo_parse(cella_buffer_bytes(&item->content), &read));
    for (uint32_t i = 0; i < s->tcbinfo_count; i++) {
        const struct cella_intel_tcbinfo *t = s->tcbinfo[i];
        if (same_signed(read.signed_part, read.signature, t->info.signed_part, t->info.signature))
            return judge(item, t->sign.held, t->sign.failure, t->sign.signer_spki);
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT judge_identity(const struct cella_intel *s, struct cella_item *item) {
    struct cella_enclave_identity read;
    TRY(cella_enclave_identity_parse(cella_buffer_bytes(&item->content), &read));
    for (uint32_t i = 0; i < s->identity_count; i++) {
        const struct cella_intel_identity *e = s->identity[i];
        if (same_signed(read.signed_part, read.signature, e->identity.signed_part,
                        e->identity.signature))
            return judge(item, e->sign.held, e->sign.failure, e->sign.signer_spki);
    }
    return CELLA_SUCCESS;
}

/* Whose key it is, for people. */
static void name_signer(const struct cella_intel *s, struct cella_item *item) {
    for (uint32_t i = 0; i < s->certificate_count && item->state == CELLA_ITEM_HELD; i++)
        if (is(s->certificate[i].x509.spki, &item->signer))
            cella_name_common(s->certificate[i].x509.subject, item->issuer, sizeof(item->issuer));
}

/* --- AMD --- */

static CELLA_RESULT judge_amd(const struct cella_amd_state *s, struct cella_item *item) {
    for (size_t i = 0; i < s->item_count; i++)
        if (is(s->item[i].cert.x509.der, &item->der))
            return judge(item, !s->item[i].failure.field, s->item[i].failure.found,
                         cella_bytes(NULL, 0));
    for (size_t i = 0; i < s->crl_count; i++)
        if (is(s->crl[i].crl.der, &item->der))
            return judge(item, !s->crl[i].failure.field, s->crl[i].failure.found,
                         cella_bytes(NULL, 0));
    return CELLA_SUCCESS;
}

/* --- All --- */

/* A06: a certificate on its issuer's list does not hold, whatever its signature. */
static void judge_revocation(const struct cella_store *store, struct cella_item *item) {
    struct cella_certificate x509;
    struct cella_result r = cella_certificate_parse(cella_buffer_bytes(&item->der), &x509);
    bool read = !cella_failed(r);
    cella_result_drop(r);
    for (size_t i = 0; read && i < store->count && item->state == CELLA_ITEM_HELD; i++) {
        const struct cella_item *list = &store->item[i];
        struct cella_crl crl;
        bool revoked = false;
        if (list->kind != CELLA_ITEM_CRL || list->state != CELLA_ITEM_HELD) continue;
        r = cella_crl_parse(cella_buffer_bytes(&list->der), &crl);
        if (!cella_failed(r) && crl.issuer.size == x509.issuer.size &&
            cella_equal(crl.issuer.data, x509.issuer.data, crl.issuer.size))
            r = cella_crl_revokes(&crl, x509.serial, &revoked);
        if (cella_failed(r) || revoked)
            fail(item, revoked ? "revoked by its issuer" : "its issuer's list cannot be read");
        cella_result_drop(r);
    }
}

static bool has_key(const struct cella_item *item, const struct cella_buffer *spki) {
    struct cella_certificate x509;
    if (item->kind != CELLA_ITEM_CERTIFICATE) return false;
    struct cella_result r = cella_certificate_parse(cella_buffer_bytes(&item->der), &x509);
    bool has = !cella_failed(r) && is(x509.spki, spki);
    cella_result_drop(r);
    return has;
}

void cella_store_follow(struct cella_store *store) {
    for (size_t i = 0; i < store->count; i++) {
        struct cella_item *item = &store->item[i];
        size_t there = 0, held = 0;
        if (item->kind == CELLA_ITEM_CERTIFICATE || item->state != CELLA_ITEM_HELD) continue;
        for (size_t k = 0; item->signer.size && k < store->count; k++) {
            if (!has_key(&store->item[k], &item->signer)) continue;
            there++;
            held += store->item[k].state == CELLA_ITEM_HELD;
        }
        if (there > 0 && held == 0) fail(item, "the certificate of its signer does not hold");
    }
}

CELLA_RESULT cella_store_check(struct cella_store *store) {
    SET set = NULL;
    bool taken;
    TRY(cella_collateral_new(&set));
    if (store->root_count) TRY(cella_collateral_set_roots(set, store->root, store->root_count));
    for (size_t i = 0; i < store->count; i++)
        if (store->item[i].kind != CELLA_ITEM_OTHER)
            TRY(cella_collateral_add(set, store->item[i].name,
                                     cella_buffer_bytes(&store->item[i].content), &taken));
    TRY(cella_collateral_finish(set));
    const struct cella_intel *intel = cella_collateral_of(set, &cella_family_intel);
    const struct cella_amd_state *amd = cella_collateral_of(set, &cella_family_amd);
    for (size_t i = 0; i < store->count; i++) {
        struct cella_item *item = &store->item[i];
        if (item->kind == CELLA_ITEM_OTHER) continue;
        cella_buffer_free(&item->signer);
        item->state = CELLA_ITEM_UNCHECKED;
        item->why[0] = 0;
        if (item->der.size) TRY(judge_intel(intel, item));
        if (item->der.size && item->state == CELLA_ITEM_UNCHECKED) TRY(judge_amd(amd, item));
        if (item->kind == CELLA_ITEM_TCB_INFO) TRY(judge_tcb_info(intel, item));
        if (item->kind == CELLA_ITEM_IDENTITY) TRY(judge_identity(intel, item));
        if (item->state == CELLA_ITEM_UNCHECKED) fail(item, "no verifier took it");
        name_signer(intel, item);
    }
    for (size_t i = 0; i < store->count; i++)
        if (store->item[i].kind == CELLA_ITEM_CERTIFICATE) judge_revocation(store, &store->item[i]);
    cella_store_follow(store);
    return CELLA_SUCCESS;
}
