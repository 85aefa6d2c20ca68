#include "evidence/envelope.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"
#include "crypto/x509.h"

enum { JSON_DEPTH_MAX = 32, LABEL_MAX = 40 };

void cella_envelope_free(struct cella_envelope *envelope) { cella_buffer_free(&envelope->store); }

static bool is_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static struct cella_bytes trim(struct cella_bytes text) {
    while (text.size > 0 && is_space(text.data[0]))
        text = cella_bytes(text.data + 1, text.size - 1);
    while (text.size > 0 && is_space(text.data[text.size - 1])) text.size--;
    return text;
}

static bool is_text(struct cella_bytes bytes) {
    for (size_t i = 0; i < bytes.size; i++)
        if (!is_space(bytes.data[i]) && (bytes.data[i] < 0x20 || bytes.data[i] == 0x7f))
            return false;
    return bytes.size > 0;
}

/* base64url as most write it who pad: the padding that the size asks for, no other (A32). */
static struct cella_bytes without_padding(struct cella_bytes text) {
    size_t size = text.size;
    while (size > 0 && text.size - size < 2 && text.data[size - 1] == '=') size--;
    return size < text.size && text.size % 4 == 0 ? cella_bytes(text.data, size) : text;
}

/* Hex, base64 or base64url without white space, appended; false when it is none. Hex goes first:
 * what is all hex digits in even number is meant as such. */
static struct cella_result decode_packed(struct cella_bytes text, struct cella_buffer *out,
                                         bool *decoded) {
    size_t before = out->size;
    *decoded = false;
    if (text.size >= 2 && text.data[0] == '0' && (text.data[1] == 'x' || text.data[1] == 'X'))
        text = cella_bytes(text.data + 2, text.size - 2);
    for (int spelling = 0; spelling < 3 && !*decoded && text.size > 0; spelling++) {
        struct cella_result r = spelling == 0 ? cella_hex_decode_all(text, out)
                                : spelling == 1
                                    ? cella_base64_decode(text, false, out)
                                    : cella_base64_decode(without_padding(text), true, out);
        if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
        *decoded = !cella_failed(r);
        cella_result_drop(r);
        if (!*decoded) out->size = before;
    }
    return CELLA_SUCCESS;
}

/* The same in lines: white space goes, then the strict decoders judge what is left (A32). */
static struct cella_result decode_lines(struct cella_bytes text, struct cella_buffer *out,
                                        bool *decoded) {
    CELLA_BUFFER packed = {0};
    uint8_t *to = NULL;
    size_t size = 0;
    TRY(cella_buffer_extend(&packed, text.size, &to));
    for (size_t i = 0; i < text.size; i++)
        if (!is_space(text.data[i])) to[size++] = text.data[i];
    return decode_packed(cella_bytes(to, size), out, decoded);
}

static bool find_begin(struct cella_bytes text, char label[LABEL_MAX]) {
    static const char begin[] = "-----BEGIN ";
    const size_t size = sizeof(begin) - 1;
    for (size_t at = 0; at + size < text.size; at++) {
        if ((at > 0 && text.data[at - 1] != '\n') || !cella_equal(text.data + at, begin, size))
            continue;
        size_t n = 0;
        for (at += size; at < text.size && n + 1 < LABEL_MAX && text.data[at] != '-'; at++)
            label[n++] = (char)text.data[at];
        label[n] = 0;
        return n > 0;
    }
    return false;
}

/* The first block, whatever its label: a certificate or request that carries evidence, or evidence
 * itself. */
static struct cella_result open_pem(struct cella_bytes text, const char *label,
                                    struct cella_envelope *out) {
    size_t at = 0;
    bool found = false;
    TRY_IN(cella_pem_next(text, label, &at, &out->store, &found), "PEM");
    ENSURE(found, CELLA_ERR_FORMAT, NULL, "PEM: no whole block of %s", label);
    out->evidence = cella_buffer_bytes(&out->store);
    return CELLA_SUCCESS;
}

/* A29: nesting is bounded before the parser, which recurses, sees it. */
static bool depth_good(struct cella_bytes text) {
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX)
            return false;
        else if (!quoted && (c == '}' || c == ']'))
            depth--;
    }
    return true;
}

struct opening {
    struct cella_envelope *out;
    size_t at[CELLA_PART_MAX]; /* the store moves while it grows: places first, views at the end */
};

static struct cella_result begin_part(struct opening *o, const char *name,
                                      struct cella_part **part) {
    struct cella_envelope *out = o->out;
    ENSURE(out->part_count < CELLA_PART_MAX, CELLA_ERR_LIMIT, NULL,
           "JSON envelope: more than %d values", CELLA_PART_MAX);
    o->at[out->part_count] = out->store.size;
    *part = &out->part[out->part_count++];
    snprintf((*part)->name, sizeof((*part)->name), "%s", name);
    return CELLA_SUCCESS;
}

/* A list of 0 .. 255, as some serialisers write bytes; false when it is not one. */
static struct cella_result put_octets(const json_t *list, struct cella_buffer *to, bool *put) {
    size_t before = to->size;
    *put = json_is_array(list) && json_array_size(list) > 0;
    for (size_t i = 0; *put && i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        *put = json_is_integer(item) && json_integer_value(item) >= 0 &&
               json_integer_value(item) <= 255;
        uint8_t octet = (uint8_t)(*put ? json_integer_value(item) : 0);
        if (*put) TRY(cella_buffer_append(to, cella_bytes(&octet, 1)));
    }
    if (!*put) to->size = before;
    return CELLA_SUCCESS;
}

static struct cella_result put_json(const json_t *value, struct cella_buffer *to) {
    uint8_t *space = NULL;
    size_t size = json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY), before = to->size;
    ENSURE(size > 0, CELLA_ERR_MEMORY, NULL, "JSON envelope: a value cannot be written");
    TRY(cella_buffer_extend(to, size, &space));
    ENSURE(json_dumpb(value, (char *)space, size, JSON_COMPACT | JSON_ENCODE_ANY) == size,
           CELLA_ERR_MEMORY, NULL, "JSON envelope: a value cannot be written");
    to->size = before + size;
    return CELLA_SUCCESS;
}

/* A value in bytes: text decoded where it is hex or base64, else as it is; octets; all else as
 * JSON. */
static struct cella_result put_value(const json_t *value, struct cella_buffer *to) {
    bool done = false;
    if (json_is_string(value)) {
        struct cella_bytes text = cella_bytes(json_string_value(value), json_string_length(value));
        TRY(decode_packed(text, to, &done));
        return done ? CELLA_SUCCESS : cella_buffer_append(to, text);
    }
    TRY(put_octets(value, to, &done));
    return done ? CELLA_SUCCESS : put_json(value, to);
}

static struct cella_result add_part(struct opening *o, const char *name, const json_t *value) {
    struct cella_part *part = NULL;
    if (!value) return CELLA_SUCCESS;
    size_t before = o->out->store.size;
    TRY(begin_part(o, name, &part));
    TRY(put_value(value, &o->out->store));
    part->content.size = o->out->store.size - before;
    return CELLA_SUCCESS;
}

/* PCR values as the lines "INDEX HEX" of one bank, from a list, or from an object of index to hex.
 */
static struct cella_result add_pcrs(struct opening *o, const char *name, const json_t *values) {
    struct cella_part *part = NULL;
    if (!values) return CELLA_SUCCESS;
    size_t before = o->out->store.size;
    TRY(begin_part(o, name, &part));
    for (int i = 0; i < 24; i++) {
        char index[8], line[8 + 2 * 64 + 2];
        snprintf(index, sizeof(index), "%d", i);
        const json_t *value = json_is_array(values) ? json_array_get(values, (size_t)i)
                                                    : json_object_get(values, index);
        CELLA_BUFFER bytes = {0};
        if (!value) continue;
        TRY(put_value(value, &bytes));
        ENSURE(bytes.size > 0 && bytes.size <= 64, CELLA_ERR_FORMAT, NULL,
               "JSON envelope: PCR %d: expected 1 to 64 bytes, found %zu", i, bytes.size);
        int n = snprintf(line, sizeof(line), "%d ", i);
        cella_hex_encode(cella_buffer_bytes(&bytes), line + n);
        line[(size_t)n + 2 * bytes.size] = '\n';
        TRY(cella_buffer_append(&o->out->store, cella_bytes(line, (size_t)n + 2 * bytes.size + 1)));
    }
    part->content.size = o->out->store.size - before;
    return CELLA_SUCCESS;
}

/* The Azure attesters: {hcl_report, tpm_quote: {message, signature, pcrs}, vcek or td_quote}. */
static struct cella_result open_azure(struct opening *o, const json_t *root) {
    const json_t *quote = json_object_get(root, "tpm_quote");
    if (!quote) quote = json_object_get(root, "quote");
    TRY(add_part(o, "hcl_report", json_object_get(root, "hcl_report")));
    TRY(add_part(o, "tpm_quote.msg", json_object_get(quote, "message")));
    TRY(add_part(o, "tpm_quote.sig", json_object_get(quote, "signature")));
    TRY(add_pcrs(o, "pcrs_sha256.txt", json_object_get(quote, "pcrs")));
    TRY(add_part(o, "vcek", json_object_get(root, "vcek")));
    TRY(add_part(o, "td_quote", json_object_get(root, "td_quote")));
    return add_part(o, "ak_cert_chain", json_object_get(root, "ak_cert_chain"));
}

/* A cloud's vTPM with what the cloud adds: {attestation: {tpm: {KIND: {attest_data, signature}}},
 * pcrs, ak_pubkeys}. */
static struct cella_result open_vtpm(struct opening *o, const json_t *root) {
    const json_t *attestation = json_object_get(root, "attestation"),
                 *keys = json_object_get(root, "ak_pubkeys");
    const json_t *quotes = json_object_get(attestation, "tpm"),
                 *pcrs = json_object_get(root, "pcrs");
    const json_t *quote = json_object_get(quotes, "ecc_p256"),
                 *key = json_object_get(keys, "ecc_p256");
    TRY(add_part(o, "quote.msg", json_object_get(quote, "attest_data")));
    TRY(add_part(o, "quote.sig.der", json_object_get(quote, "signature")));
    TRY(add_part(o, "ak_pub.x", json_object_get(key, "x")));
    TRY(add_part(o, "ak_pub.y", json_object_get(key, "y")));
    TRY(add_pcrs(o, "pcrs_sha1.txt", json_object_get(pcrs, "sha1")));
    TRY(add_pcrs(o, "pcrs_sha256.txt", json_object_get(pcrs, "sha256")));
    TRY(add_pcrs(o, "pcrs_sha384.txt", json_object_get(pcrs, "sha384")));
    TRY(add_part(o, "nonce", json_object_get(root, "nonce")));
    TRY(add_part(o, "ak_cert_chain",
                 json_object_get(json_object_get(attestation, "gcp"), "ak_cert_chain")));
    return add_part(o, "nitro_document",
                    json_object_get(json_object_get(attestation, "nitro"), "document"));
}

/* One value is the evidence; the others are parts under their own names. */
static struct cella_result open_flat(struct opening *o, json_t *root, const char *evidence) {
    const char *key;
    json_t *value;
    TRY(add_part(o, evidence, json_object_get(root, evidence)));
    json_object_foreach(root, key, value) {
        if (strcmp(key, evidence) != 0) TRY(add_part(o, key, value));
    }
    return CELLA_SUCCESS;
}

static struct cella_result open_object(struct opening *o, json_t *root) {
    static const char *const names[] = {
        "quote", "td_quote", "report", "document", "attestation_document", "token", "evidence"};
    json_t *inner = json_object_get(root, "evidence");
    if (json_is_object(inner)) root = inner; /* {platform, evidence: {...}} */
    if (json_object_get(root, "hcl_report")) return open_azure(o, root);
    if (json_object_get(json_object_get(root, "attestation"), "tpm")) return open_vtpm(o, root);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const json_t *value = json_object_get(root, names[i]);
        if (json_is_string(value) || json_is_array(value)) return open_flat(o, root, names[i]);
    }
    FAIL(CELLA_ERR_FORMAT, "docs/formats/envelopes.md lists them",
         "JSON: no envelope of evidence that is known");
}

static void json_free(json_t **value) { json_decref(*value); }

static struct cella_result open_json(struct cella_bytes text, struct cella_envelope *out) {
    ENSURE(depth_good(text), CELLA_ERR_LIMIT, NULL, "JSON envelope: nested more than %d deep",
           JSON_DEPTH_MAX);
    json_error_t error;
    __attribute__((cleanup(json_free))) json_t *root =
        json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &error);
    ENSURE(json_is_object(root), CELLA_ERR_FORMAT, NULL, "JSON envelope: %s",
           root ? "not an object" : error.text);
    struct opening o = {.out = out};
    TRY(open_object(&o, root));
    for (uint32_t i = 0; i < out->part_count; i++)
        out->part[i].content.data = out->store.data + o.at[i];
    ENSURE(out->part_count > 0 && out->part[0].content.size > 0, CELLA_ERR_FORMAT, NULL,
           "JSON envelope: it holds no evidence");
    out->evidence = out->part[0].content;
    return CELLA_SUCCESS;
}

/* header.payload.signature in base64url; the signature may be empty (and is then refused by who
 * reads it). */
static bool is_jws(struct cella_bytes text) {
    size_t dots = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool digit = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_';
        if (!digit && c != '.') return false;
        dots += c == '.';
    }
    return dots == 2;
}

/* Open Enclave's report header: version 1, type 2 (remote, SGX), size of what follows, all of it.
 */
static bool open_oe(struct cella_bytes input, struct cella_bytes *evidence) {
    struct cella_reader r = cella_reader(input);
    uint32_t version = cella_reader_u32le(&r), type = cella_reader_u32le(&r);
    uint64_t size = cella_reader_u64le(&r);
    *evidence = cella_reader_rest(&r);
    return !r.failed && version == 1 && type == 2 && size == evidence->size;
}

CELLA_RESULT cella_envelope_open(struct cella_bytes input, struct cella_envelope *out) {
    *out = (struct cella_envelope){.evidence = input};
    ENSURE(input.size <= CELLA_EVIDENCE_INPUT_MAX, CELLA_ERR_LIMIT, NULL, "%zu bytes, at most %d",
           input.size, CELLA_EVIDENCE_INPUT_MAX);
    if (open_oe(input, &out->evidence)) return CELLA_SUCCESS;
    out->evidence = input;
    ENSURE(is_text(input), CELLA_ERR_FORMAT, NULL, "neither hex, base64, PEM nor JSON");
    struct cella_bytes text = trim(input);
    char label[LABEL_MAX];
    bool decoded = false;
    if (text.size > 0 && text.data[0] == '{') {
        struct cella_result r = open_json(text, out);
        if (cella_failed(r)) out->part_count = 0; /* their contents have no place yet */
        return r;
    }
    if (find_begin(text, label)) return open_pem(text, label, out);
    if (is_jws(text)) {
        out->evidence = text;
        return CELLA_SUCCESS;
    }
    TRY(decode_lines(text, &out->store, &decoded));
    ENSURE(decoded, CELLA_ERR_FORMAT, NULL, "text that is neither hex, base64, PEM nor JSON");
    out->evidence = cella_buffer_bytes(&out->store);
    return CELLA_SUCCESS;
}
