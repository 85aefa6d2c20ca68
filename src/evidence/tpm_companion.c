#include "evidence/tpm_companion.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "crypto/der.h"

enum { SIGNATURE_SIZE_MAX = 1088, CERTIFICATE_PADDED_MAX = 1 << 16 };

void cella_tpm_companions_free(struct cella_tpm_companions *c) {
    for (uint32_t i = 0; i < c->decoded_count; i++) cella_buffer_free(&c->decoded[i]);
    c->decoded_count = 0;
}

static bool begins(const char *name, const char *with) {
    return strncmp(name, with, strlen(with)) == 0;
}

static bool contains_begin_line(struct cella_bytes content) {
    return content.size > 11 && memmem(content.data, content.size, "-----BEGIN ", 11) != NULL;
}

/* Malformed: a reason to refuse what needs it, not an error of the caller. Memory alone is passed
 * on. */
static struct cella_result note_broken(struct cella_tpm_companions *c, const char *name,
                                       struct cella_result r) {
    if (!cella_failed(r) || cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    if (!c->broken[0]) snprintf(c->broken, sizeof(c->broken), "%.60s: %s", name, r.error->what);
    cella_result_drop(r);
    return CELLA_SUCCESS;
}

/* --- Keys --- */

static struct cella_result add_described(struct cella_tpm_companions *c,
                                         struct cella_bytes content) {
    struct cella_tpm_public public;
    TRY(cella_tpm_public_parse(content, &public));
    if (c->key_count == CELLA_TPM_KEY_MAX) return CELLA_SUCCESS;
    c->key[c->key_count++] = (struct cella_tpm_ak){
        public.spki, false, true, public.attributes, public.scheme, public.scheme_hash};
    return CELLA_SUCCESS;
}

static struct cella_result add_spki(struct cella_tpm_companions *c, struct cella_bytes spki) {
    ENSURE(spki.size > 0 && spki.size <= CELLA_SPKI_MAX, CELLA_ERR_LIMIT, NULL,
           "attestation key: %zu bytes, at most %d", spki.size, CELLA_SPKI_MAX);
    CELLA_VERIFYKEY key = NULL; /* so that what is kept is a key, in its one spelling */
    TRY(cella_verifykey_new(spki, &key));
    if (c->key_count == CELLA_TPM_KEY_MAX) return CELLA_SUCCESS;
    struct cella_tpm_ak *ak = &c->key[c->key_count++];
    *ak = (struct cella_tpm_ak){.spki.size = spki.size};
    cella_copy(ak->spki.data, spki.data, spki.size);
    return CELLA_SUCCESS;
}

/* A point in two halves, as some JSON has it. */
static struct cella_result add_half(struct cella_tpm_companions *c, struct cella_bytes *half,
                                    struct cella_bytes content) {
    uint8_t xy[96];
    struct cella_spki spki;
    *half = content;
    if (c->key_x.size == 0 || c->key_y.size == 0) return CELLA_SUCCESS;
    ENSURE(c->key_x.size == c->key_y.size && c->key_x.size <= sizeof(xy) / 2, CELLA_ERR_FORMAT,
           NULL, "attestation key: x of %zu and y of %zu bytes", c->key_x.size, c->key_y.size);
    cella_copy(xy, c->key_x.data, c->key_x.size);
    cella_copy(xy + c->key_x.size, c->key_y.data, c->key_y.size);
    TRY(cella_spki_point(cella_bytes(xy, 2 * c->key_x.size), &spki));
    uint32_t before = c->key_count;
    TRY(add_spki(c, cella_spki_bytes(&spki)));
    if (c->key_count > before) c->key[before].embedded = true;
    return CELLA_SUCCESS;
}

/* --- Certificates and revocation lists --- */

static void stem_of(const char *name, char stem[48]) {
    snprintf(stem, 48, "%.*s", (int)strcspn(name, "."), name);
}

/* Certificates may lie in several files, each with some of the chain; the same file again begins
 * anew. */
static void begin_certificates(struct cella_tpm_companions *c, const char *name) {
    char stem[48];
    stem_of(name, stem);
    if (strstr(stem, "cert") && strcmp(c->certificate_file, stem) == 0) c->certificate_count = 0;
    if (c->certificate_count == 0 && strstr(stem, "cert"))
        snprintf(c->certificate_file, sizeof(c->certificate_file), "%s", stem);
}

/* As read from a TPM's NV index: the certificate, then zeros to the index's size. */
static struct cella_result add_certificate(struct cella_tpm_companions *c, struct cella_bytes der) {
    struct cella_certificate certificate;
    ENSURE(der.size <= CERTIFICATE_PADDED_MAX, CELLA_ERR_LIMIT, NULL, "certificate of %zu bytes",
           der.size);
    TRY(cella_certificate_parse_first(der, &certificate));
    for (size_t i = certificate.der.size; i < der.size; i++)
        ENSURE(der.data[i] == 0, CELLA_ERR_FORMAT, NULL,
               "certificate: bytes behind it that are not padding");
    ENSURE(c->certificate_count < CELLA_CHAIN_CERTIFICATES, CELLA_ERR_LIMIT, NULL,
           "more than %d certificates of an attestation key", CELLA_CHAIN_CERTIFICATES);
    c->certificate[c->certificate_count++] = certificate;
    return CELLA_SUCCESS;
}

static struct cella_result add_crl(struct cella_tpm_companions *c, struct cella_bytes der) {
    struct cella_crl crl;
    struct cella_result r = cella_crl_parse(der, &crl);
    bool good = !cella_failed(r), memory = cella_code_of(r) == CELLA_ERR_MEMORY;
    if (memory) return r;
    cella_result_drop(r); /* another maker's, in a form of its own */
    if (good && c->crl_count < CELLA_TPM_CRL_MAX) c->crl[c->crl_count++] = crl;
    return CELLA_SUCCESS;
}

typedef struct cella_result take_der(struct cella_tpm_companions *c, struct cella_bytes der);

static struct cella_result each_pem(struct cella_tpm_companions *c, struct cella_bytes text,
                                    const char *label, take_der *take, size_t *count) {
    enum { STORE_MAX = sizeof(c->decoded) / sizeof(c->decoded[0]) };
    bool found = true;
    for (size_t at = 0; found;) {
        CELLA_BUFFER block = {0};
        TRY(cella_pem_next(text, label, &at, &block, &found));
        if (!found) break;
        ENSURE(c->decoded_count < STORE_MAX, CELLA_ERR_LIMIT, NULL, "more than %d PEM blocks of %s",
               (int)STORE_MAX, label);
        struct cella_buffer *kept = &c->decoded[c->decoded_count++];
        *kept = MOVE(block); /* in a place of its own: views into it stay valid */
        TRY(take(c, cella_buffer_bytes(kept)));
        ++*count;
    }
    return CELLA_SUCCESS;
}

/* ak*: the attestation key or its certificates, told by what they hold. */
static struct cella_result add_ak(struct cella_tpm_companions *c, const char *name,
                                  struct cella_bytes content, bool *taken) {
    size_t count = 0;
    *taken = true;
    if (contains_begin_line(content)) {
        begin_certificates(c, name);
        TRY(each_pem(c, content, "PUBLIC KEY", add_spki, &count));
        TRY(each_pem(c, content, "CERTIFICATE", add_certificate, &count));
        ENSURE(count > 0, CELLA_ERR_FORMAT, NULL, "PEM of neither public key nor certificate");
        return CELLA_SUCCESS;
    }
    if (content.size == 0 || content.data[0] != 0x30) return add_described(c, content);
    struct cella_reader r = cella_reader(content);
    struct cella_reader outer = cella_der_read(&r, CELLA_DER_SEQUENCE),
                        inner = cella_der_read(&outer, CELLA_DER_SEQUENCE);
    /* A key begins with its algorithm's OID, a certificate with its version. */
    if (cella_der_peek(&inner) == CELLA_DER_OID) return add_spki(c, content);
    begin_certificates(c, name);
    return add_certificate(c, content);
}

/* --- All else --- */

static void keep(struct cella_tpm_file *list, uint32_t *count, uint32_t max, const char *name,
                 struct cella_bytes content) {
    uint32_t at = 0;
    while (at < *count && strncmp(list[at].name, name, sizeof(list[at].name) - 1) != 0) at++;
    if (at == max) return;
    if (at == *count) ++*count;
    snprintf(list[at].name, sizeof(list[at].name), "%s", name);
    list[at].content = content;
}

/* By its name too: a damaged message must be refused, not passed over as if there were none. */
static bool is_message(const char *name, struct cella_bytes content) {
    static const uint8_t head[] = {0xff, 'T', 'C', 'G', 0x80, 0x18};
    return strstr(name, ".msg") ||
           (content.size > sizeof(head) && cella_equal(content.data, head, sizeof(head)));
}

static bool is_signature(const char *name, struct cella_bytes content) {
    return (strstr(name, ".sig") || begins(name, "signature")) && content.size > 0 &&
           content.size <= SIGNATURE_SIZE_MAX;
}

static bool is_log(const char *name, struct cella_bytes content) {
    bool named =
        strstr(name, "eventlog") || strstr(name, "event_log") || strstr(name, "bios_measurements");
    return cella_eventlog_is(content) ||
           (named && content.size > 32 && content.data[0] != '{' && content.data[0] != '[');
}

static bool add_plain(struct cella_tpm_companions *c, const char *name,
                      struct cella_bytes content) {
    char stem[48];
    stem_of(name, stem);
    if (is_message(name, content))
        keep(c->message, &c->message_count, CELLA_TPM_MESSAGE_MAX, name, content);
    else if (is_log(name, content))
        keep(c->log, &c->log_count, CELLA_TPM_LOG_MAX, name, content);
    else if (is_signature(name, content))
        keep(c->signature, &c->signature_count, CELLA_TPM_SIGNATURE_COUNT, name, content);
    else if (begins(name, "td_quote"))
        keep(c->td_quote, &c->td_quote_count, CELLA_TPM_TD_QUOTE_MAX, stem, content);
    else if (strcmp(name, "nonce") == 0)
        c->nonce = content;
    else if (strcmp(name, "nitro_document") == 0)
        c->nitro_document = content;
    else
        return false;
    return true;
}

static bool is_proto(const char *name) {
    size_t size = strlen(name);
    return begins(name, "attest") && size > 3 && strcmp(name + size - 3, ".pb") == 0;
}

/* A bank as a whole takes the place of one that was there. */
static struct cella_result add_pcrs(struct cella_tpm_companions *c, struct cella_bytes content,
                                    bool proto) {
    struct cella_tpm_pcrs found[CELLA_TPM_HASH_COUNT] = {{0}};
    TRY(proto ? cella_tpm_proto_pcrs(content, found) : cella_tpm_pcrs_parse(content, found));
    for (size_t i = 0; i < CELLA_TPM_HASH_COUNT; i++)
        if (found[i].given) c->pcrs[i] = found[i];
    return CELLA_SUCCESS;
}

static struct cella_result add(struct cella_tpm_companions *c, const char *name,
                               struct cella_bytes content, bool *taken) {
    size_t count = 0;
    *taken = true;
    if (add_plain(c, name, content)) return CELLA_SUCCESS;
    if (strcmp(name, "ak_pub.x") == 0) return add_half(c, &c->key_x, content);
    if (strcmp(name, "ak_pub.y") == 0) return add_half(c, &c->key_y, content);
    if (begins(name, "pcr")) return add_pcrs(c, content, false);
    if (is_proto(name)) return add_pcrs(c, content, true);
    if (begins(name, "ak") && content.size <= CERTIFICATE_PADDED_MAX)
        return add_ak(c, name, content, taken);
    *taken = false;
    if (!strstr(name, "crl")) return CELLA_SUCCESS;
    return contains_begin_line(content) ? each_pem(c, content, "X509 CRL", add_crl, &count)
                                        : add_crl(c, content);
}

CELLA_RESULT cella_tpm_companions_add(struct cella_tpm_companions *companions, const char *name,
                                      struct cella_bytes content, bool *taken) {
    return note_broken(companions, name, add(companions, name, content, taken));
}
