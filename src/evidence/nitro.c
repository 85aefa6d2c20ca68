#include "evidence/nitro.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/writer.h"
#include "crypto/digest.h"
#include "crypto/x509.h"
#include "evidence/cborwalk.h"
#include "evidence/family.h"
#include "evidence/nitro_claims.h"

enum {
    ANCHOR_MAX = 16,
    SKEW_S = 300 /* A05 */,
    KEY_CERT_SIGN = 1 << 5,
    DIGITAL_SIGNATURE = 1 << 0,
    HEAD_MAX = 32
};
static const char remedy_new[] = "ask the enclave for a new document";

/* A root is pinned by its key (A08). Where the certificate's own digest is known, too, its
 * self-signature needs no check. */
struct anchor {
    uint8_t spki[CELLA_SHA256_SIZE];
    uint8_t der[CELLA_SHA256_SIZE];
    bool has_der;
};

struct state {
    size_t count;
    struct anchor anchor[ANCHOR_MAX];
};

/* AWS Nitro Enclaves Root G1: the digest of the certificate as AWS publishes it in "Verifying the
 * root of trust" of the Nitro Enclaves user guide, and that of its key. */
static const struct anchor aws = {{0xf2, 0xca, 0xf5, 0xec, 0xc6, 0x19, 0x0b, 0x4a, 0x83, 0x99, 0xb7,
                                   0x8b, 0xc5, 0x8a, 0x2b, 0xbc, 0xd0, 0x38, 0x23, 0x75, 0xdb, 0x8a,
                                   0x1b, 0xfd, 0x78, 0xa8, 0x27, 0x43, 0x87, 0x4f, 0xd2, 0x25},
                                  {0x64, 0x1a, 0x03, 0x21, 0xa3, 0xe2, 0x44, 0xef, 0xe4, 0x56, 0x46,
                                   0x31, 0x95, 0xd6, 0x06, 0x31, 0x7e, 0xd7, 0xcd, 0xcc, 0x3c, 0x17,
                                   0x56, 0xe0, 0x98, 0x93, 0xf3, 0xc6, 0x8f, 0x79, 0xbb, 0x5b},
                                  true};

static struct cella_result new_state(void **out) {
    struct state *state = calloc(1, sizeof(*state));
    *out = state;
    ENSURE(state, CELLA_ERR_MEMORY, NULL, "no memory for the roots of nitro");
    state->anchor[state->count++] = aws;
    return CELLA_SUCCESS;
}

static void free_state(void *state) { free(state); }

static struct cella_result anchor_of(struct cella_bytes der, struct anchor *out) {
    struct cella_certificate certificate;
    struct cella_bytes spki = der;
    CELLA_VERIFYKEY key = NULL;
    struct cella_result r = cella_certificate_parse(der, &certificate);
    out->has_der = !cella_failed(r);
    if (out->has_der) {
        spki = certificate.spki;
        TRY(cella_sha256(der, out->der));
    }
    cella_result_drop(r);
    TRY(cella_verifykey_new(spki, &key));
    ENSURE(cella_verifykey_kind(key) == CELLA_VERIFYKEY_P384, CELLA_ERR_FORMAT, NULL,
           "nitro root: not a P-384 key");
    return cella_sha256(spki, out->spki);
}

static struct cella_result set_root(void *opaque, struct cella_bytes der) {
    struct state *state = opaque;
    struct anchor anchor = {0};
    if (der.size == 0) {
        state->count = 0;
        return CELLA_SUCCESS;
    }
    TRY(anchor_of(der, &anchor));
    ENSURE(state->count < ANCHOR_MAX, CELLA_ERR_FORMAT, NULL, "nitro: more than %d roots",
           ANCHOR_MAX);
    state->anchor[state->count++] = anchor;
    return CELLA_SUCCESS;
}

/* Documents bring their whole chain; there is no collateral. */
static struct cella_result add(void *state, const char *name, struct cella_bytes content,
                               bool *taken) {
    (void)state, (void)name, (void)content;
    *taken = false;
    return CELLA_SUCCESS;
}

static struct cella_result finish(void *state) {
    (void)state;
    return CELLA_SUCCESS;
}

const struct cella_family cella_family_nitro = {"nitro", new_state, free_state, set_root,
                                                add,     finish,    NULL};

/* --- Chain --- */

struct walk {
    const struct state *state;
    const struct cella_evidence_options *options;
    struct cella_verification *out;
    uint64_t issued_unix;
    int32_t link;
};

static const char *place_of(struct cella_verification *out, size_t i, size_t count) {
    return i == count ? "certificate" : cella_text(out, "cabundle[%zu]", i);
}

/* Valid when the document was made, which the signature shows, and at the time of judging: AWS's
 * certificates live three hours so that a document is no credential for ever (A14). */
static struct cella_result check_time(struct walk *w, const struct cella_certificate *c,
                                      const char *place) {
    const uint64_t times[2] = {w->issued_unix, w->options->time_unix};
    for (int i = 0; i < 2; i++) {
        if (times[i] >= c->not_before_unix && times[i] <= c->not_after_unix) continue;
        REFUSE(w->out, CELLA_ERR_EXPIRED, "chain", cella_text(w->out, "%s.validity", place),
               i == 0 ? remedy_new
                      : "judge the document at the time it was made (--time), or ask for a new one",
               cella_text(w->out, "from %llu to %llu", (unsigned long long)c->not_before_unix,
                          (unsigned long long)c->not_after_unix),
               cella_text(w->out, "%s %llu",
                          i == 0 ? "timestamp of the document" : "time of judging",
                          (unsigned long long)times[i]));
    }
    return CELLA_SUCCESS;
}

/* A07: a certificate may do here what its own extensions say. below: how many more signers stand
 * between it and the leaf, for the path length. */
static struct cella_result check_role(struct walk *w, const struct cella_certificate *c,
                                      const char *place, bool leaf, size_t below) {
    struct cella_verification *out = w->out;
    uint16_t usage = leaf ? DIGITAL_SIGNATURE : KEY_CERT_SIGN;
    if (c->unknown_critical)
        REFUSE(out, CELLA_ERR_REFUSED, "chain", place, remedy_new,
               "no critical extension that is unknown", "one");
    if (leaf ? c->is_ca : !c->is_ca)
        REFUSE(out, CELLA_ERR_REFUSED, "chain", cella_text(out, "%s.basicConstraints", place),
               remedy_new, leaf ? "no authority" : "an authority", leaf ? "an authority" : "none");
    if (!leaf && c->path_length >= 0 && (size_t)c->path_length < below)
        REFUSE(out, CELLA_ERR_REFUSED, "chain", cella_text(out, "%s.pathLenConstraint", place),
               remedy_new, cella_text(out, "at least %zu", below),
               cella_text(out, "%d", c->path_length));
    if (!c->has_key_usage || !(c->key_usage & usage))
        REFUSE(out, CELLA_ERR_REFUSED, "chain", cella_text(out, "%s.keyUsage", place), remedy_new,
               leaf ? "digitalSignature" : "keyCertSign",
               c->has_key_usage ? "other uses" : "none given");
    return CELLA_SUCCESS;
}

static struct cella_result parse_key(struct walk *w, const struct cella_certificate *c,
                                     const char *place, struct cella_verifykey **key) {
    REFUSE_TRY(w->out, cella_verifykey_new(c->spki, key), "chain", place, remedy_new,
               "a P-384 key");
    if (cella_verifykey_kind(*key) != CELLA_VERIFYKEY_P384)
        REFUSE(w->out, CELLA_ERR_FORMAT, "chain", place, remedy_new, "a P-384 key",
               "another kind of key");
    return CELLA_SUCCESS;
}

/* A08: by key, never by name. */
static struct cella_result check_root(struct walk *w, const struct cella_certificate *root,
                                      const struct cella_verifykey *key) {
    uint8_t spki[CELLA_SHA256_SIZE], der[CELLA_SHA256_SIZE];
    TRY(cella_sha256(root->spki, spki));
    TRY(cella_sha256(root->der, der));
    for (size_t i = 0; i < w->state->count; i++) {
        const struct anchor *anchor = &w->state->anchor[i];
        if (!cella_equal(anchor->spki, spki, sizeof(spki))) continue;
        if (anchor->has_der && cella_equal(anchor->der, der, sizeof(der))) return CELLA_SUCCESS;
        REFUSE_TRY(w->out, cella_certificate_check(root, key), "chain", "cabundle[0].signature",
                   remedy_new, "signed by its own key");
        return CELLA_SUCCESS;
    }
    REFUSE(w->out, CELLA_ERR_REFUSED, "chain", "cabundle[0]",
           "only AWS's root is built in; give another with --roots",
           w->state->count == 1
               ? cella_text(w->out, "the root with key %s",
                            cella_text_hex(w->out, CELLA_BYTES_OF(w->state->anchor[0].spki)))
               : "a root that is trusted",
           cella_text_hex(w->out, CELLA_BYTES_OF(spki)));
}

static struct cella_result add_link(struct walk *w, const struct cella_certificate *c,
                                    const char *place) {
    char name[128];
    cella_name_common(c->subject, name, sizeof(name));
    w->link = cella_link_add(
        w->out, w->link, "certificate", name,
        cella_text(w->out, w->link < 0 ? "%s, pinned by its key" : "%s, signed by the one above",
                   place),
        true);
    return CELLA_SUCCESS;
}

/* One step down: certificate i under the key of the one before. */
static struct cella_result check_step(struct walk *w, const struct cella_certificate *c,
                                      const struct cella_certificate *above,
                                      const struct cella_verifykey *issuer, size_t i,
                                      size_t count) {
    const char *place = place_of(w->out, i, count);
    TRY(check_time(w, c, place));
    TRY(check_role(w, c, place, i == count, i == count ? 0 : count - 1 - i));
    if (above && !(c->issuer.size == above->subject.size &&
                   cella_equal(c->issuer.data, above->subject.data, c->issuer.size)))
        REFUSE(w->out, CELLA_ERR_REFUSED, "chain", cella_text(w->out, "%s.issuer", place),
               remedy_new, "the subject of the one before", "another name");
    if (above)
        REFUSE_TRY(w->out, cella_certificate_check(c, issuer), "chain",
                   cella_text(w->out, "%s.signature", place), remedy_new,
                   "valid under the key of the one before");
    return CELLA_SUCCESS;
}

/* From the pinned root, which AWS puts first, to the key that signed the document. */
static struct cella_result check_chain(struct walk *w, const struct cella_nitro_document *d,
                                       struct cella_verifykey **leaf_key) {
    struct cella_certificate certificate[2];
    CELLA_VERIFYKEY issuer = NULL;
    for (size_t i = 0; i <= d->bundle_count; i++) {
        struct cella_certificate *c = &certificate[i & 1],
                                 *above = i > 0 ? &certificate[(i - 1) & 1] : NULL;
        const char *place = place_of(w->out, i, d->bundle_count);
        CELLA_VERIFYKEY key = NULL;
        REFUSE_TRY(w->out,
                   cella_certificate_parse(i < d->bundle_count ? d->bundle[i] : d->certificate, c),
                   "chain", place, remedy_new, "an X.509 certificate");
        TRY(parse_key(w, c, place, &key));
        if (i == 0) TRY(check_root(w, c, key));
        TRY(check_step(w, c, above, issuer, i, d->bundle_count));
        TRY(add_link(w, c, place_of(w->out, i, d->bundle_count)));
        cella_verifykey_free(&issuer);
        issuer = MOVE(key);
    }
    *leaf_key = MOVE(issuer);
    return CELLA_SUCCESS;
}

/* --- Document --- */

static void put_bytes_head(struct cella_writer *w, size_t size) {
    if (size < 24) {
        cella_writer_u8(w, (uint8_t)(0x40 | size));
    } else if (size < 0x100) {
        cella_writer_u8(w, 0x58);
        cella_writer_u8(w, (uint8_t)size);
    } else {
        cella_writer_u8(w, 0x59);
        cella_writer_u16be(w, (uint16_t)size); /* the document is at most 32 KiB */
    }
}

/* RFC 9052 section 4.4: what is signed is ["Signature1", protected, h'', payload]. */
static struct cella_result check_signature(struct walk *w, const struct cella_nitro_document *d,
                                           const struct cella_verifykey *key) {
    static const uint8_t context[] = {0x84, 0x6a, 'S', 'i', 'g', 'n', 'a', 't', 'u', 'r', 'e', '1'};
    uint8_t space[CELLA_NITRO_DOCUMENT_MAX + HEAD_MAX];
    struct cella_writer to = cella_writer(space, sizeof(space));
    cella_writer_put(&to, CELLA_BYTES_OF(context));
    put_bytes_head(&to, d->protected_header.size);
    cella_writer_put(&to, d->protected_header);
    put_bytes_head(&to, 0);
    put_bytes_head(&to, d->payload.size);
    cella_writer_put(&to, d->payload);
    ENSURE(!to.failed, CELLA_ERR_INTERNAL, NULL, "nitro: no room for what is signed");
    REFUSE_TRY(w->out,
               cella_verifykey_check(key, CELLA_SIG_ECDSA_P384_SHA384, cella_writer_bytes(&to),
                                     d->signature),
               "document signature", "signature", remedy_new,
               "valid under the key of its certificate");
    cella_link_add(w->out, w->link, "document",
                   cella_text(w->out, "%.*s",
                              (int)(d->module_id.size < 100 ? d->module_id.size : 100),
                              (const char *)d->module_id.data),
                   "signed by the key of the certificate above", true);
    return CELLA_SUCCESS;
}

/* The device's own clock against the time of judging. */
static struct cella_result check_age(struct walk *w) {
    uint64_t now = w->options->time_unix, made = w->issued_unix, max = w->options->max_age_s;
    if (made > now && made - now > SKEW_S)
        REFUSE(w->out, CELLA_ERR_EXPIRED, "age", "timestamp",
               "set this machine's clock, or judge at a later time",
               cella_text(w->out, "at most %d s after %llu", SKEW_S, (unsigned long long)now),
               cella_text(w->out, "%llu", (unsigned long long)made));
    if (max && now > made && now - made > max)
        REFUSE(w->out, CELLA_ERR_EXPIRED, "age", "timestamp", remedy_new,
               cella_text(w->out, "not older than %llu s", (unsigned long long)max),
               cella_text(w->out, "%llu s old", (unsigned long long)(now - made)));
    return CELLA_SUCCESS;
}

struct cella_result cella_verify_nitro(struct cella_bytes evidence,
                                       const struct cella_collateral *collateral,
                                       const struct cella_evidence_options *options,
                                       struct cella_verification *out) {
    struct walk w = {cella_collateral_of(collateral, &cella_family_nitro), options, out, 0, -1};
    struct cella_nitro_document document;
    CELLA_VERIFYKEY key = NULL;
    ENSURE(w.state, CELLA_ERR_INTERNAL, NULL, "nitro is not part of this collateral set");
    REFUSE_TRY(out, cella_nitro_parse(evidence, &document), "format", "document",
               "give the document as the device gave it", "an AWS Nitro attestation document");
    w.issued_unix = document.timestamp_ms / 1000;
    TRY(check_chain(&w, &document, &key));
    TRY(check_signature(&w, &document, key));
    out->authentic = true;
    cella_nitro_claims(&document, out->claims);
    return check_age(&w);
}

bool cella_detect_nitro(struct cella_bytes evidence) {
    struct cella_walk w = cella_walk(evidence);
    cella_walk_tag(&w, 18);
    struct cella_walk_list array = cella_walk_array(&w);
    struct cella_bytes head = cella_walk_bytes(&w);
    struct cella_walk_list unprotected = cella_walk_map(&w);
    struct cella_walk payload = cella_walk(cella_walk_bytes(&w));
    struct cella_walk_list map = cella_walk_map(&payload);
    /* our own evidence is COSE_Sign1, too, but its payload's keys are numbers */
    bool text = cella_walk_more(&payload, &map) && cella_walk_text(&payload).size > 0;
    return array.left == 4 && !unprotected.open && !w.failed && text && !payload.failed &&
           head.size > 0;
}
