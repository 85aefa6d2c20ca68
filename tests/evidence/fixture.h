/* A platform of the test's own: its key, its signer, claims to begin with, and evidence signed over
 * any payload. */
#ifndef CELLA_TESTS_EVIDENCE_FIXTURE_H
#define CELLA_TESTS_EVIDENCE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "crypto/cose.h"
#include "evidence/format.h"
#include "evidence/software.h"

enum { NOW = 1750000000 };

static inline bool fails(struct cella_result r) {
    bool failed = cella_failed(r);
    cella_result_print(r);
    cella_result_drop(r);
    return failed;
}
#define OK(r) assert_false(fails(r))

/* The code of a failure; its text must say something. */
static inline enum cella_code code_of(struct cella_result r) {
    enum cella_code code = cella_code_of(r);
    if (r.error) assert_true(strlen(r.error->what) > 10);
    cella_result_drop(r);
    return code;
}

struct fixture {
    struct cella_key *key;
    struct cella_buffer spki;
    struct cella_software_signer *signer;
    struct cella_software_claims claims;
    struct cella_buffer evidence;
};

static inline void fixture_claims(struct cella_software_claims *c) {
    memset(c, 0, sizeof(*c));
    memset(c->identity.mrenclave, 0x11, 32);
    memset(c->identity.mrsigner, 0x22, 32);
    memset(c->identity.config_id, 0x33, 64);
    memset(c->report_data, 0x44, 64);
    memset(c->boot_id, 0x55, 16);
    memset(c->instance_id, 0x66, 16);
    c->identity.product_id = 7;
    c->identity.svn = 3;
    c->identity.attributes = 5; /* INIT, MODE64BIT */
    c->identity.xfrm = 7;
    c->issued_unix = NOW;
    c->assurance = CELLA_ASSURANCE_S1;
    c->memory_secret = true;
    snprintf(c->platform_version, sizeof(c->platform_version), "0.1.0");
    static const char *const settings[][2] = {{"a", "1"},
                                              {"lockdown", "none"},
                                              {"modules_disabled", "0"},
                                              {"yama.ptrace_scope", "3"}}; /* encoded order */
    for (c->setting_count = 0; c->setting_count < 4; c->setting_count++) {
        snprintf(c->setting[c->setting_count].name, CELLA_SETTING_NAME_MAX, "%s",
                 settings[c->setting_count][0]);
        snprintf(c->setting[c->setting_count].value, CELLA_SETTING_VALUE_MAX, "%s",
                 settings[c->setting_count][1]);
    }
}

static inline void fixture_new(struct fixture *f) {
    memset(f, 0, sizeof(*f));
    OK(cella_key_new_p256(&f->key));
    OK(cella_key_spki(f->key, &f->spki));
    OK(cella_software_signer_new(f->key, CELLA_ROOT_FILE, cella_bytes(NULL, 0), &f->signer));
    fixture_claims(&f->claims);
    OK(cella_software_evidence(f->signer, &f->claims, &f->evidence));
}

static inline void fixture_free(struct fixture *f) {
    cella_key_free(&f->key);
    cella_buffer_free(&f->spki);
    cella_software_signer_free(&f->signer);
    cella_buffer_free(&f->evidence);
}

/* Evidence over a payload of any bytes, rightly signed: so that a refusal is the payload's own. */
static inline void fixture_sign(const struct fixture *f, struct cella_bytes payload,
                                struct cella_buffer *out) {
    uint8_t fingerprint[32], space[256], digest[32], signature[64], *to = NULL;
    struct cella_writer protected = cella_writer(space, sizeof(space));
    CELLA_SHA256 sha = {0};
    OK(cella_key_fingerprint(f->key, fingerprint));
    cella_cose_put_protected(&protected, CELLA_EVIDENCE_CONTENT_TYPE, fingerprint);
    OK(cella_cose_sign1_digest(&sha, cella_writer_bytes(&protected), payload, digest));
    OK(cella_key_sign_p256_digest(f->key, digest, signature));
    out->size = 0;
    OK(cella_buffer_extend(out, payload.size + 512, &to));
    struct cella_writer w = cella_writer(to, payload.size + 512);
    cella_cbor_put_tag(&w, CELLA_COSE_SIGN1);
    cella_cbor_put_array(&w, 4);
    cella_cbor_put_bytes(&w, cella_writer_bytes(&protected));
    cella_cbor_put_map(&w, 0);
    cella_cbor_put_bytes(&w, payload);
    cella_cbor_put_bytes(&w, CELLA_BYTES_OF(signature));
    assert_false(w.failed);
    out->size = w.size;
}

static inline struct cella_bytes fixture_payload(const struct fixture *f) {
    struct cella_cose_sign1 sign1;
    OK(cella_cose_sign1_parse(cella_buffer_bytes(&f->evidence), CELLA_EVIDENCE_CONTENT_TYPE,
                              &sign1));
    return sign1.payload;
}

static inline struct cella_result fixture_verify(const struct fixture *f,
                                                 struct cella_bytes evidence,
                                                 struct cella_claims *out) {
    struct cella_bytes anchor = cella_buffer_bytes(&f->spki);
    struct cella_verify_options options = {&anchor, 1, NOW, 0};
    return cella_evidence_verify(evidence, &options, out);
}

#endif
