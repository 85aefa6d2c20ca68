#include "evidence/keygrant.h"

#include "base/memory.h"
#include "base/reader.h"
#include "crypto/digest.h"
#include "crypto/hpke.h"

enum { MAGIC_SIZE = 8, HEAD_MAX = MAGIC_SIZE + 4 + 2 + CELLA_CONFIG_NAME_MAX + 32 };

bool cella_key_request_is(struct cella_bytes bytes) {
    return bytes.size >= MAGIC_SIZE && cella_equal(bytes.data, CELLA_KEY_REQUEST_MAGIC, MAGIC_SIZE);
}

static bool name_is_good(struct cella_bytes name) {
    if (name.size == 0 || name.size > CELLA_CONFIG_NAME_MAX) return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    c == '_' || c == '-';
        if (!good) return false;
    }
    return true;
}

static bool same(struct cella_bytes a, struct cella_bytes b) {
    return a.size == b.size && cella_equal(a.data, b.data, a.size);
}

static struct cella_result read_names(struct cella_reader *r, struct cella_key_request *out) {
    ENSURE(!r->failed && out->key_count >= 1 && out->key_count <= CELLA_CONFIG_KEY_MAX,
           CELLA_ERR_FORMAT, NULL, "key request: key count: expected 1 to %d, found %u",
           CELLA_CONFIG_KEY_MAX, out->key_count);
    for (uint32_t i = 0; i < out->key_count; i++) {
        size_t size = cella_reader_u16le(r);
        out->key[i] = cella_reader_bytes(r, size);
        ENSURE(!r->failed && name_is_good(out->key[i]), CELLA_ERR_FORMAT, NULL,
               "key request: name %u: expected 1 to %d of [0-9A-Za-z_-], found %zu other bytes",
               i + 1, CELLA_CONFIG_NAME_MAX, size);
        for (uint32_t j = 0; j < i; j++)
            ENSURE(!same(out->key[i], out->key[j]), CELLA_ERR_FORMAT, NULL,
                   "key request: name %u is asked for twice", i + 1);
    }
    return CELLA_SUCCESS;
}

/* SHA-512(label, its NUL, all bytes before the size of the evidence): domain, key, nonce and names
 * together (A13). */
static struct cella_result binding(struct cella_bytes head, uint8_t report_data[64]) {
    CELLA_BUFFER labeled = {0};
    TRY(cella_buffer_append(&labeled,
                            cella_bytes(CELLA_KEY_REQUEST_LABEL, sizeof(CELLA_KEY_REQUEST_LABEL))));
    TRY(cella_buffer_append(&labeled, head));
    return cella_sha512(cella_buffer_bytes(&labeled), report_data);
}

CELLA_RESULT cella_key_request_parse(struct cella_bytes bytes, struct cella_key_request *out) {
    cella_zero(out, sizeof(*out));
    struct cella_key_request found;
    cella_zero(&found, sizeof(found));
    ENSURE(bytes.size <= CELLA_KEY_REQUEST_MAX, CELLA_ERR_LIMIT, NULL,
           "key request: %zu bytes, at most %d", bytes.size, CELLA_KEY_REQUEST_MAX);
    ENSURE(cella_key_request_is(bytes), CELLA_ERR_FORMAT, "`cella run --request FILE` writes one",
           "not a key request: it does not begin with " CELLA_KEY_REQUEST_MAGIC);
    struct cella_reader r = cella_reader(bytes);
    cella_reader_skip(&r, MAGIC_SIZE);
    uint32_t version = cella_reader_u32le(&r);
    ENSURE(version == CELLA_KEY_VERSION, CELLA_ERR_FORMAT, NULL,
           "key request: version: expected %d, found %u", CELLA_KEY_VERSION, version);
    found.key_count = cella_reader_u32le(&r);
    cella_reader_copy(&r, found.public_key, sizeof(found.public_key));
    cella_reader_copy(&r, found.nonce, sizeof(found.nonce));
    TRY(read_names(&r, &found));
    TRY(binding(cella_bytes(bytes.data, r.at), found.report_data));
    size_t size = cella_reader_u32le(&r);
    found.evidence = cella_reader_bytes(&r, size);
    ENSURE(cella_reader_done(&r) && size > 0, CELLA_ERR_FORMAT, NULL,
           "key request: it is cut short, or the size of its evidence (%zu) is not that of what "
           "follows",
           size);
    TRY(cella_sha256(bytes, found.digest));
    *out = found;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_key_request_bound(const struct cella_key_request *request,
                                     const uint8_t report_data[64]) {
    ENSURE(cella_equal(request->report_data, report_data, sizeof(request->report_data)),
           CELLA_ERR_INTEGRITY, "let the enclave make a new request; do not grant this one",
           "key request: the report data of its evidence is not of this request: the evidence was "
           "taken from elsewhere, or "
           "the key, the nonce or the names were changed");
    return CELLA_SUCCESS;
}

static struct cella_result check_asked(const struct cella_key_request *request,
                                       struct cella_bytes name) {
    for (uint32_t i = 0; i < request->key_count; i++)
        if (same(request->key[i], name)) return CELLA_SUCCESS;
    FAIL(CELLA_ERR_NOT_FOUND, "`cella verify` lists the names asked for",
         "key request: no key called '%.*s' is asked for",
         (int)(name.size < CELLA_CONFIG_NAME_MAX ? name.size : CELLA_CONFIG_NAME_MAX),
         (const char *)name.data);
}

CELLA_RESULT cella_key_grant(const struct cella_key_request *request, struct cella_bytes name,
                             struct cella_bytes key, struct cella_buffer *out) {
    ENSURE(key.size == CELLA_KEY_SIZE, CELLA_ERR_USAGE, NULL, "a named key has %d bytes, found %zu",
           CELLA_KEY_SIZE, key.size);
    TRY(check_asked(request, name));
    uint8_t space[HEAD_MAX], enc[CELLA_X25519_SIZE];
    struct cella_writer head = cella_writer(space, sizeof(space));
    cella_writer_put(&head, cella_bytes(CELLA_KEY_GRANT_MAGIC, MAGIC_SIZE));
    cella_writer_u32le(&head, CELLA_KEY_VERSION);
    cella_writer_u16le(&head, (uint16_t)name.size);
    cella_writer_put(&head, name);
    cella_writer_put(&head, CELLA_BYTES_OF(request->digest));
    ENSURE(!head.failed, CELLA_ERR_INTERNAL, NULL, "no room for the head of a grant");
    uint8_t info[sizeof(CELLA_KEY_GRANT_LABEL) + 32];
    cella_copy(info, CELLA_KEY_GRANT_LABEL, sizeof(CELLA_KEY_GRANT_LABEL));
    cella_copy(info + sizeof(CELLA_KEY_GRANT_LABEL), request->digest, 32);
    CELLA_BUFFER sealed = {0};
    TRY(cella_hpke_seal(request->public_key, CELLA_BYTES_OF(info), cella_writer_bytes(&head), key,
                        enc, &sealed));
    TRY(cella_buffer_append(out, cella_writer_bytes(&head)));
    TRY(cella_buffer_append(out, CELLA_BYTES_OF(enc)));
    return cella_buffer_append(out, cella_buffer_bytes(&sealed));
}
