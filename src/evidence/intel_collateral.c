#include "evidence/intel_collateral.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "evidence/ccel.h"

enum { SPKI_SIZE = 91, LIST_MAX = CELLA_INTEL_ITEMS };

/* SubjectPublicKeyInfo of "Intel SGX Root CA" (P-256), as in every certificate of that name that
 * Intel publishes at certificates.trustedservices.intel.com (A08: the key is pinned, its
 * certificates differ in validity). */
static const uint8_t intel_root[SPKI_SIZE] = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x0b, 0xa9, 0xc4, 0xc0, 0xc0,
    0xc8, 0x61, 0x93, 0xa3, 0xfe, 0x23, 0xd6, 0xb0, 0x2c, 0xda, 0x10, 0xa8, 0xbb, 0xd4, 0xe8, 0x8e,
    0x48, 0xb4, 0x45, 0x85, 0x61, 0xa3, 0x6e, 0x70, 0x55, 0x25, 0xf5, 0x67, 0x91, 0x8e, 0x2e, 0xdc,
    0x88, 0xe4, 0x0d, 0x86, 0x0b, 0xd0, 0xcc, 0x4e, 0xe2, 0x6a, 0xac, 0xc9, 0x88, 0xe5, 0x05, 0xa9,
    0x53, 0x55, 0x8c, 0x45, 0x3f, 0x6b, 0x09, 0x04, 0xae, 0x73, 0x94};

static bool same(struct cella_bytes a, struct cella_bytes b) {
    return a.size == b.size && a.size > 0 && cella_equal(a.data, b.data, a.size);
}

/* Keeps what failed as text; want of memory goes on as an error. */
static CELLA_RESULT note(struct cella_result r, char failure[CELLA_INTEL_FAILURE]) {
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    if (cella_failed(r) && !failure[0]) snprintf(failure, CELLA_INTEL_FAILURE, "%s", r.error->what);
    cella_result_drop(r);
    return CELLA_SUCCESS;
}

/* Room for one more in an array that doubles. */
static CELLA_RESULT grow(void *array, uint32_t count, size_t size) {
    ENSURE(count < LIST_MAX, CELLA_ERR_LIMIT, "give what the evidence needs",
           "collateral: more than %d items of one kind", LIST_MAX);
    if (count & (count - 1)) return CELLA_SUCCESS;
    void *old, *new;
    cella_copy(&old, array, sizeof(old));
    new = realloc(old, (count ? 2 * (size_t)count : 1) * size);
    ENSURE(new, CELLA_ERR_MEMORY, NULL, "no memory for collateral");
    cella_copy(array, &new, sizeof(new));
    return CELLA_SUCCESS;
}

/* --- State --- */

static void clear_roots(struct cella_intel *s) {
    for (uint32_t i = 0; i < s->root_count; i++) cella_verifykey_free(&s->root[i].key);
    s->root_count = 0;
}

static CELLA_RESULT add_root(struct cella_intel *s, struct cella_bytes spki) {
    struct cella_intel_root *root = &s->root[s->root_count];
    if (cella_intel_root_of(s, spki)) return CELLA_SUCCESS;
    ENSURE(s->root_count < CELLA_INTEL_ROOTS, CELLA_ERR_LIMIT, NULL, "roots: more than %d",
           CELLA_INTEL_ROOTS);
    root->key = NULL;
    TRY(cella_verifykey_new(spki, &root->key));
    if (cella_verifykey_kind(root->key) != CELLA_VERIFYKEY_P256) {
        cella_verifykey_free(&root->key);
        FAIL(CELLA_ERR_UNSUPPORTED, NULL,
             "root: Intel's are ECDSA P-256, this is another kind of key");
    }
    root->spki = spki;
    s->root_count++;
    return CELLA_SUCCESS;
}

static void free_state(void *state) {
    struct cella_intel *s = state;
    clear_roots(s);
    for (uint32_t i = 0; i < s->certificate_count; i++)
        cella_verifykey_free(&s->certificate[i].key);
    for (uint32_t i = 0; i < s->tcbinfo_count; i++) free(s->tcbinfo[i]);
    for (uint32_t i = 0; i < s->identity_count; i++) free(s->identity[i]);
    for (uint32_t i = 0; i < s->decoded_count; i++) free(s->decoded[i]);
    free(s->certificate);
    free(s->crl);
    free(s->tcbinfo);
    free(s->identity);
    free(s->decoded);
    free(s);
}

static struct cella_result new_state(void **state) {
    *state = NULL;
    struct cella_intel *s = calloc(1, sizeof(*s));
    ENSURE(s, CELLA_ERR_MEMORY, NULL, "no memory for collateral");
    struct cella_result r = add_root(s, CELLA_BYTES_OF(intel_root));
    if (cella_failed(r))
        free_state(s);
    else
        *state = s;
    return r;
}

static struct cella_result set_root(void *state, struct cella_bytes der) {
    struct cella_intel *s = state;
    struct cella_certificate certificate;
    if (der.size == 0) {
        clear_roots(s);
        return CELLA_SUCCESS;
    }
    struct cella_result r = cella_certificate_parse(der, &certificate);
    bool is_certificate = !cella_failed(r);
    cella_result_drop(r);
    return add_root(s, is_certificate ? certificate.spki : der);
}

/* Keeps decoded bytes for as long as the set lives. */
static CELLA_RESULT keep(struct cella_intel *s, struct cella_buffer *buffer,
                         struct cella_bytes *kept) {
    TRY(grow(&s->decoded, s->decoded_count, sizeof(*s->decoded)));
    *kept = cella_buffer_bytes(buffer);
    s->decoded[s->decoded_count++] = buffer->data;
    *buffer = (struct cella_buffer){0};
    return CELLA_SUCCESS;
}

/* --- Adding --- */

static CELLA_RESULT add_certificate(struct cella_intel *s, struct cella_bytes der, bool *taken) {
    struct cella_certificate x509;
    struct cella_result r = cella_certificate_parse(der, &x509);
    if (cella_failed(r)) return note(r, s->malformed[CELLA_INTEL_KIND_CERTIFICATE]);
    enum cella_intel_role role = cella_intel_role(&x509);
    if (role == CELLA_INTEL_OTHER) return CELLA_SUCCESS;
    *taken = true;
    for (uint32_t i = 0; i < s->certificate_count; i++)
        if (same(s->certificate[i].x509.der, der)) return CELLA_SUCCESS;
    TRY(grow(&s->certificate, s->certificate_count, sizeof(*s->certificate)));
    s->certificate[s->certificate_count++] =
        (struct cella_intel_certificate){.x509 = x509, .role = role};
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_crl(struct cella_intel *s, struct cella_bytes der, bool hinted,
                            bool *taken) {
    struct cella_crl crl;
    char issuer[64];
    struct cella_result r = cella_crl_parse(der, &crl);
    if (cella_failed(r)) {
        *taken = *taken || hinted;
        if (hinted) return note(r, s->malformed[CELLA_INTEL_KIND_CRL]);
        cella_result_drop(r);
        return CELLA_SUCCESS;
    }
    cella_name_common(crl.issuer, issuer, sizeof(issuer));
    if (strncmp(issuer, "Intel SGX ", 10) != 0) return CELLA_SUCCESS;
    *taken = true;
    TRY(grow(&s->crl, s->crl_count, sizeof(*s->crl)));
    s->crl[s->crl_count] = (struct cella_intel_crl){.crl = crl};
    return cella_sha256(der, s->crl[s->crl_count++].hash);
}

static bool is_intel_name(const char *name) {
    static const char *const names[] = {"pck", "tcb", "root_ca", "rootCa", "intermediateCa"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0) return true;
    return false;
}

static CELLA_RESULT add_der(struct cella_intel *s, const char *name, struct cella_bytes der,
                            bool *taken) {
    bool crl = strstr(name, "crl") || strstr(name, "Crl");
    if (!crl) TRY(add_certificate(s, der, taken));
    return *taken ? CELLA_SUCCESS : add_crl(s, der, crl && is_intel_name(name), taken);
}

static CELLA_RESULT add_pem(struct cella_intel *s, struct cella_bytes text, const char *label,
                            bool *taken) {
    bool found = true;
    for (size_t at = 0;;) {
        CELLA_BUFFER der = {0};
        struct cella_bytes kept;
        struct cella_result r = cella_pem_next(text, label, &at, &der, &found);
        if (cella_failed(r)) return note(r, s->malformed[CELLA_INTEL_KIND_CERTIFICATE]);
        if (!found) return CELLA_SUCCESS;
        TRY(keep(s, &der, &kept));
        if (label[0] == 'C')
            TRY(add_certificate(s, kept, taken));
        else
            TRY(add_crl(s, kept, false, taken));
    }
}

static CELLA_RESULT add_tcbinfo(struct cella_intel *s, struct cella_bytes text) {
    TRY(grow(&s->tcbinfo, s->tcbinfo_count, sizeof(struct cella_intel_tcbinfo *)));
    struct cella_intel_tcbinfo *item = malloc(sizeof(*item));
    ENSURE(item, CELLA_ERR_MEMORY, NULL, "no memory for TCB info");
    item->sign = (struct cella_intel_signed){0};
    struct cella_result r = cella_tcbinfo_parse(text, &item->info);
    if (!cella_failed(r)) r = cella_intel_document_hash(text, item->sign.hash);
    if (!cella_failed(r)) {
        s->tcbinfo[s->tcbinfo_count++] = item;
        return CELLA_SUCCESS;
    }
    free(item);
    return note(r, s->malformed[CELLA_INTEL_KIND_TCBINFO]);
}

static CELLA_RESULT add_identity(struct cella_intel *s, struct cella_bytes text) {
    TRY(grow(&s->identity, s->identity_count, sizeof(struct cella_intel_identity *)));
    struct cella_intel_identity *item = malloc(sizeof(*item));
    ENSURE(item, CELLA_ERR_MEMORY, NULL, "no memory for an enclave identity");
    item->sign = (struct cella_intel_signed){0};
    struct cella_result r = cella_enclave_identity_parse(text, &item->identity);
    if (!cella_failed(r)) r = cella_intel_document_hash(text, item->sign.hash);
    if (!cella_failed(r)) {
        s->identity[s->identity_count++] = item;
        return CELLA_SUCCESS;
    }
    free(item);
    return note(r, s->malformed[CELLA_INTEL_KIND_IDENTITY]);
}

/* By the first known key of the outer object; the file's name where the text is too broken to tell.
 */
static enum cella_intel_kind json_kind(const char *name, struct cella_bytes text) {
    struct cella_json json;
    struct cella_bytes key;
    cella_json_begin(&json, text);
    for (cella_json_enter_object(&json); cella_json_key(&json, &key); cella_json_skip(&json)) {
        if (cella_json_is(key, "tcbInfo")) return CELLA_INTEL_KIND_TCBINFO;
        if (cella_json_is(key, "enclaveIdentity") || cella_json_is(key, "qeIdentity"))
            return CELLA_INTEL_KIND_IDENTITY;
    }
    if (strncmp(name, "tcb_info", 8) == 0 || strncmp(name, "tcbInfo", 7) == 0)
        return CELLA_INTEL_KIND_TCBINFO;
    if (strncmp(name, "qe_identity", 11) == 0 || strncmp(name, "qeIdentity", 10) == 0)
        return CELLA_INTEL_KIND_IDENTITY;
    return CELLA_INTEL_KIND_COUNT;
}

/* Evidence has certificates within, too, which are no collateral. */
static bool is_text(struct cella_bytes content) {
    enum { LOOKED_AT = 64 };
    size_t size = content.size < LOOKED_AT ? content.size : LOOKED_AT;
    for (size_t i = 0; i < size; i++)
        if ((content.data[i] < 0x20 && content.data[i] != '\n' && content.data[i] != '\r' &&
             content.data[i] != '\t') ||
            content.data[i] >= 0x7f)
            return false;
    return true;
}

static CELLA_RESULT add_text(struct cella_intel *s, const char *name, struct cella_bytes content,
                             bool *taken) {
    TRY(add_pem(s, content, "CERTIFICATE", taken));
    TRY(add_pem(s, content, "X509 CRL", taken));
    bool hex = content.size >= 512 && content.size % 2 == 0 && content.data[0] == '3' &&
               content.data[1] == '0';
    if (*taken || !hex) return CELLA_SUCCESS;
    CELLA_BUFFER der = {0}; /* the root's CRL as caching services give it: hex text */
    struct cella_bytes kept;
    struct cella_result r = cella_hex_decode_all(content, &der);
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    bool good = !cella_failed(r);
    cella_result_drop(r);
    if (!good) return CELLA_SUCCESS;
    TRY(keep(s, &der, &kept));
    return add_der(s, name, kept, taken);
}

static struct cella_result add(void *state, const char *name, struct cella_bytes content,
                               bool *taken) {
    struct cella_intel *s = state;
    size_t at = 0;
    *taken = false;
    while (at < content.size && (content.data[at] == ' ' || content.data[at] == '\n' ||
                                 content.data[at] == '\r' || content.data[at] == '\t'))
        at++;
    if (at == content.size) return CELLA_SUCCESS;
    if (content.data[at] == '{') {
        enum cella_intel_kind kind = json_kind(name, content);
        *taken = kind != CELLA_INTEL_KIND_COUNT;
        if (kind == CELLA_INTEL_KIND_TCBINFO) return add_tcbinfo(s, content);
        return kind == CELLA_INTEL_KIND_IDENTITY ? add_identity(s, content) : CELLA_SUCCESS;
    }
    if (cella_rtmr_log_is(content)) {
        ENSURE(s->log_count < CELLA_INTEL_LOGS, CELLA_ERR_LIMIT, NULL, "more than %d event logs",
               CELLA_INTEL_LOGS);
        s->log[s->log_count++] = content;
        *taken = true;
        return CELLA_SUCCESS;
    }
    if (content.data[0] == 0x30 && content.size > 1 && content.data[1] >= 0x80)
        return add_der(s, name, content, taken);
    return is_text(content) ? add_text(s, name, content, taken) : CELLA_SUCCESS;
}

/* --- Finishing: every signature once --- */

const struct cella_intel_root *cella_intel_root_of(const struct cella_intel *s,
                                                   struct cella_bytes spki) {
    for (uint32_t i = 0; i < s->root_count; i++)
        if (same(s->root[i].spki, spki)) return &s->root[i];
    return NULL;
}

const struct cella_intel_certificate *cella_intel_known(const struct cella_intel *s,
                                                        struct cella_bytes der) {
    for (uint32_t i = 0; i < s->certificate_count; i++)
        if (s->certificate[i].held && same(s->certificate[i].x509.der, der))
            return &s->certificate[i];
    return NULL;
}

static CELLA_RESULT check_under_roots(const struct cella_intel *s,
                                      struct cella_intel_certificate *c) {
    for (uint32_t i = 0; i < s->root_count; i++) {
        struct cella_result r = cella_certificate_check(&c->x509, s->root[i].key);
        c->signer_spki = s->root[i].spki;
        if (!cella_failed(r) || i + 1 == s->root_count) return r;
        cella_result_drop(r);
    }
    FAIL(CELLA_ERR_REFUSED, NULL, "no root for Intel is trusted");
}

/* A root's own certificate is checked under its own key, so that no byte of it can change (A36). */
static CELLA_RESULT check_certificate(const struct cella_intel *s,
                                      struct cella_intel_certificate *c) {
    const struct cella_intel_root *root = cella_intel_root_of(s, c->x509.spki);
    ENSURE(cella_intel_role_holds(&c->x509, c->role), CELLA_ERR_REFUSED, NULL,
           "%s: its constraints or key usage are not those of its role",
           cella_intel_role_name(c->role));
    ENSURE((root != NULL) == (c->role == CELLA_INTEL_ROOT), CELLA_ERR_REFUSED, NULL,
           "%s: its key is not that of a trusted root", cella_intel_role_name(c->role));
    TRY_IN(root ? cella_certificate_check(&c->x509, root->key) : check_under_roots(s, c), "%s",
           cella_intel_role_name(c->role));
    if (root) c->signer_spki = root->spki;
    TRY(cella_verifykey_new(c->x509.spki, &c->key));
    c->held = true;
    return CELLA_SUCCESS;
}

/* The root's list is checked under the pinned keys; a list whose authority is not here, under the
 * evidence's later. */
static CELLA_RESULT check_crl(struct cella_intel *s, struct cella_intel_crl *c) {
    char issuer[64];
    struct cella_result r = CELLA_FAILURE(CELLA_ERR_NOT_FOUND, NULL,
                                          "the certificate of the list's issuer is not there");
    cella_name_common(c->crl.issuer, issuer, sizeof(issuer));
    bool of_root = strcmp(issuer, cella_intel_role_name(CELLA_INTEL_ROOT)) == 0;
    for (uint32_t i = 0; of_root && i < s->root_count && !c->held; i++) {
        cella_result_drop(r);
        r = cella_crl_check(&c->crl, s->root[i].key);
        c->held = !cella_failed(r);
        c->signer_spki = s->root[i].spki;
    }
    for (uint32_t i = 0; !of_root && i < s->certificate_count && !c->held; i++) {
        const struct cella_intel_certificate *signer = &s->certificate[i];
        bool authority =
            signer->role == CELLA_INTEL_PROCESSOR_CA || signer->role == CELLA_INTEL_PLATFORM_CA;
        if (!signer->held || !authority || !same(signer->x509.subject, c->crl.issuer)) continue;
        cella_result_drop(r);
        r = cella_crl_check(&c->crl, signer->key);
        c->held = !cella_failed(r);
        c->signer_spki = signer->x509.spki;
    }
    return note(r, c->failure);
}

/* Under any of the TCB signing certificates; each key is tried once. */
static CELLA_RESULT check_signed(const struct cella_intel *s, struct cella_bytes part,
                                 const uint8_t signature[64], struct cella_intel_signed *out) {
    struct cella_result r =
        CELLA_FAILURE(CELLA_ERR_NOT_FOUND, NULL, "no TCB signing certificate that holds is there");
    for (uint32_t i = 0; i < s->certificate_count && !out->held; i++) {
        const struct cella_intel_certificate *c = &s->certificate[i];
        if (!c->held || c->role != CELLA_INTEL_TCB_SIGNING || same(c->x509.spki, out->signer_spki))
            continue;
        cella_result_drop(r);
        out->signer_spki = c->x509.spki;
        r = cella_verifykey_check(c->key, CELLA_SIG_ECDSA_P256_SHA256, part,
                                  cella_bytes(signature, 64));
        out->held = !cella_failed(r);
    }
    return note(r, out->failure);
}

static struct cella_result finish(void *state) {
    struct cella_intel *s = state;
    for (uint32_t i = 0; i < s->certificate_count; i++)
        if (s->certificate[i].role != CELLA_INTEL_PCK)
            TRY(note(check_certificate(s, &s->certificate[i]), s->certificate[i].failure));
    for (uint32_t i = 0; i < s->certificate_count; i++)
        if (s->certificate[i].held && s->certificate[i].role == CELLA_INTEL_TCB_SIGNING)
            TRY(cella_intel_chain_hash(s, &s->certificate[i]));
    for (uint32_t i = 0; i < s->crl_count; i++) TRY(check_crl(s, &s->crl[i]));
    for (uint32_t i = 0; i < s->tcbinfo_count; i++)
        TRY(check_signed(s, s->tcbinfo[i]->info.signed_part, s->tcbinfo[i]->info.signature,
                         &s->tcbinfo[i]->sign));
    for (uint32_t i = 0; i < s->identity_count; i++)
        TRY(check_signed(s, s->identity[i]->identity.signed_part,
                         s->identity[i]->identity.signature, &s->identity[i]->sign));
    return CELLA_SUCCESS;
}

const struct cella_family cella_family_intel = {.name = "intel",
                                                .new_state = new_state,
                                                .free_state = free_state,
                                                .set_root = set_root,
                                                .add = add,
                                                .finish = finish};
