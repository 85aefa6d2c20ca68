#include "platform/authority.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "abi/platcall.h"
#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"
#include "base/writer.h"
#include "platform/sealkey.h"

CELLA_RESULT cella_authority_open(struct cella_authority *authority, const char *root_spec,
                                  const char *settings_root) {
    TRY(cella_settings_source_open(settings_root,
                                   &authority->settings)); /* first: _close relies on its -1s */
    TRY(cella_report_secret_new(&authority->report));
    TRY(cella_root_open(root_spec, authority->state.key, &authority->root));
    return cella_authority_use_root(authority);
}

CELLA_RESULT cella_authority_use_root(struct cella_authority *authority) {
    cella_software_signer_free(&authority->signer);
    if (authority->root.key) {
        cella_key_free(&authority->state.key);
        authority->state.key = MOVE(authority->root.key);
    }
    return cella_software_signer_new(authority->state.key, authority->root.root,
                                     cella_buffer_bytes(&authority->root.evidence),
                                     &authority->signer);
}

void cella_authority_close(struct cella_authority *authority) {
    cella_software_signer_free(&authority->signer);
    cella_root_close(&authority->root);
    cella_settings_source_close(&authority->settings);
    cella_report_secret_free(&authority->report);
    cella_state_close(&authority->state);
}

static struct cella_result answer_report(struct cella_authority *a,
                                         const struct cella_caller *caller, struct cella_reader *r,
                                         struct cella_buffer *out) {
    struct cella_bytes targetinfo = cella_reader_bytes(r, CELLA_SGX_TARGETINFO_SIZE);
    struct cella_bytes data = cella_reader_bytes(r, CELLA_SGX_REPORTDATA_SIZE);
    ENSURE(cella_reader_done(r), CELLA_ERR_PROTOCOL, NULL, "report: wrong size of the request");
    uint8_t *report;
    TRY(cella_buffer_extend(out, CELLA_SGX_REPORT_SIZE, &report));
    return cella_report_make(&a->report, &caller->identity, targetinfo, data, report);
}

static struct cella_result answer_verify_report(struct cella_authority *a,
                                                const struct cella_caller *caller,
                                                struct cella_reader *r) {
    struct cella_bytes report = cella_reader_bytes(r, CELLA_SGX_REPORT_SIZE);
    ENSURE(cella_reader_done(r), CELLA_ERR_PROTOCOL, NULL,
           "verify report: wrong size of the request");
    return cella_report_verify(&a->report, &caller->identity, report);
}

static struct cella_result answer_seal_key(struct cella_authority *a,
                                           const struct cella_caller *caller,
                                           struct cella_reader *r, struct cella_buffer *out) {
    uint16_t policy = cella_reader_u16le(r);
    uint16_t svn = cella_reader_u16le(r);
    cella_reader_zero(r, 4);
    struct cella_bytes key_id = cella_reader_bytes(r, CELLA_SEAL_KEY_ID_SIZE);
    ENSURE(cella_reader_done(r) &&
               (policy == CELLA_SEAL_POLICY_ENCLAVE || policy == CELLA_SEAL_POLICY_SIGNER),
           CELLA_ERR_PROTOCOL, NULL, "seal key: malformed request");
    uint8_t *key;
    TRY(cella_buffer_extend(out, CELLA_SEAL_KEY_SIZE, &key));
    return cella_seal_key(cella_secret_bytes(&a->state.seal_root), &caller->identity, policy, svn,
                          key_id, key);
}

static void fill_claims(struct cella_authority *a, const struct cella_caller *caller,
                        struct cella_bytes report_data, struct cella_software_claims *claims) {
    struct cella_assurance_state state;
    /* A debug enclave's memory is private and open to a debugger: never above S0 (T10). */
    cella_assurance_derive(&a->settings, caller->memory_secret && !caller->identity.debug, false,
                           &state);
    cella_assurance_in_guest(a->root.root, &state);
    *claims = (struct cella_software_claims){
        .identity = caller->identity,
        .issued_unix = (uint64_t)time(NULL),
        .assurance = state.level,
        .memory_secret = caller->memory_secret,
        .setting_count = CELLA_SETTING_COUNT,
    };
    memcpy(claims->report_data, report_data.data, sizeof(claims->report_data));
    memcpy(claims->boot_id, a->settings.boot_id, sizeof(claims->boot_id));
    memcpy(claims->instance_id, caller->instance_id, sizeof(claims->instance_id));
    snprintf(claims->platform_version, sizeof(claims->platform_version), "cella %s", CELLA_VERSION);
    memcpy(claims->setting, state.settings.list, sizeof(state.settings.list));
}

static struct cella_result answer_evidence(struct cella_authority *a,
                                           const struct cella_caller *caller,
                                           struct cella_reader *r, struct cella_buffer *out) {
    struct cella_bytes report_data = cella_reader_bytes(r, CELLA_SGX_REPORTDATA_SIZE);
    ENSURE(cella_reader_done(r), CELLA_ERR_PROTOCOL, NULL, "evidence: wrong size of the request");
    struct cella_software_claims claims;
    fill_claims(a, caller, report_data, &claims);
    return cella_software_evidence(a->signer, &claims, out);
}

static struct cella_result answer_targetinfo(const struct cella_caller *caller,
                                             struct cella_reader *r, struct cella_buffer *out) {
    ENSURE(cella_reader_done(r), CELLA_ERR_PROTOCOL, NULL, "targetinfo: the request has no body");
    uint8_t *targetinfo;
    TRY(cella_buffer_extend(out, CELLA_SGX_TARGETINFO_SIZE, &targetinfo));
    cella_report_targetinfo(&caller->identity, targetinfo);
    return CELLA_SUCCESS;
}

static struct cella_result answer_info(struct cella_authority *a, const struct cella_caller *caller,
                                       struct cella_reader *r, struct cella_buffer *out) {
    ENSURE(cella_reader_done(r), CELLA_ERR_PROTOCOL, NULL, "info: the request has no body");
    struct cella_assurance_state state;
    cella_assurance_derive(&a->settings, caller->memory_secret && !caller->identity.debug, false,
                           &state);
    cella_assurance_in_guest(a->root.root, &state);
    char text[512], boot_id[33];
    cella_hex_encode(CELLA_BYTES_OF(a->settings.boot_id), boot_id);
    int n = snprintf(text, sizeof(text),
                     "platform=cella %s\nbackend=software\nassurance=S%d\nroot=%s\nmemory=%s\n"
                     "debug=%s\nboot_id=%s\n",
                     CELLA_VERSION, (int)state.level, cella_root_name(a->root.root),
                     caller->memory_secret ? "secret" : "private",
                     caller->identity.debug ? "yes" : "no", boot_id);
    return cella_buffer_append(out, cella_bytes(text, (size_t)n));
}

static struct cella_result dispatch(struct cella_authority *a, const struct cella_caller *caller,
                                    uint32_t op, struct cella_reader *body,
                                    struct cella_buffer *out) {
    switch (op) {
    case CELLA_PLATCALL_REPORT: return answer_report(a, caller, body, out);
    case CELLA_PLATCALL_VERIFY_REPORT: return answer_verify_report(a, caller, body);
    case CELLA_PLATCALL_SEAL_KEY: return answer_seal_key(a, caller, body, out);
    case CELLA_PLATCALL_EVIDENCE: return answer_evidence(a, caller, body, out);
    case CELLA_PLATCALL_TARGETINFO: return answer_targetinfo(caller, body, out);
    case CELLA_PLATCALL_INFO: return answer_info(a, caller, body, out);
    default: FAIL(CELLA_ERR_PROTOCOL, NULL, "no platform call has the number %u", op);
    }
}

static void write_header(uint8_t *at, uint32_t code, size_t size) {
    struct cella_writer w = cella_writer(at, CELLA_PLATCALL_HEADER);
    cella_writer_u32le(&w, code);
    cella_writer_u32le(&w, (uint32_t)size);
}

CELLA_RESULT cella_authority_answer(struct cella_authority *authority,
                                    const struct cella_caller *caller, struct cella_bytes request,
                                    struct cella_buffer *reply) {
    struct cella_reader r = cella_reader(request);
    uint32_t op = cella_reader_u32le(&r);
    uint32_t size = cella_reader_u32le(&r);
    struct cella_reader body = cella_reader_sub(&r, size);
    ENSURE(cella_reader_done(&r), CELLA_ERR_PROTOCOL, NULL,
           "a platform call of %zu bytes says it has %u", request.size, size);
    size_t start = reply->size;
    TRY(cella_buffer_extend(reply, CELLA_PLATCALL_HEADER, &(uint8_t *){NULL}));
    struct cella_result done = dispatch(authority, caller, op, &body, reply);
    enum cella_code code = cella_code_of(done);
    if (code == CELLA_ERR_PROTOCOL) return done;
    cella_result_drop(done);
    if (code != CELLA_OK) { /* no part of an answer that failed half way (R07, R28) */
        size_t body_at = start + CELLA_PLATCALL_HEADER;
        cella_wipe(reply->data + body_at, reply->size - body_at);
        reply->size = body_at;
    }
    write_header(reply->data + start, code, reply->size - start - CELLA_PLATCALL_HEADER);
    return CELLA_SUCCESS;
}
