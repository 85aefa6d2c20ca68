/* A guest of a cloud, of paper: an SEV-SNP machine under AMD's roots of paper, whose report binds
 * runtime data, which name the key of a TPM of paper. */
#ifndef CELLA_TESTS_ATTEST_GUEST_FORGE_H
#define CELLA_TESTS_ATTEST_GUEST_FORGE_H

#include "../evidence/snp_forge.h"
#include "tpm_forge.h"

struct guest {
    struct forge_tpm tpm;
    EVP_PKEY *root_key, *authority_key, *chip_key;
    struct cella_buffer root, authority, leaf; /* DER */
    uint8_t report[1184];
    struct cella_buffer runtime;
    /* What is sent; made by guest_sign. */
    struct cella_buffer ak_public, ak_certificate, quote, quote_signature, key_public, certify,
        certify_signature;
    uint32_t mask; /* of quoted PCRs */
    const char *type;
    json_t *payload;
};

static inline void guest_free(struct guest *g) {
    struct cella_buffer *all[] = {&g->root,    &g->authority,        &g->leaf,
                                  &g->runtime, &g->ak_public,        &g->ak_certificate,
                                  &g->quote,   &g->key_public,       &g->quote_signature,
                                  &g->certify, &g->certify_signature};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) cella_buffer_free(all[i]);
    EVP_PKEY_free(g->root_key);
    EVP_PKEY_free(g->authority_key);
    EVP_PKEY_free(g->chip_key);
    json_decref(g->payload);
    forge_tpm_free(&g->tpm);
}
#define GUEST __attribute__((cleanup(guest_free))) struct guest

/* The authorities, once: their keys are slow to make. */
static inline void guest_chain(struct guest *g) {
    struct forge_certificate root = {.issuer = "ARK-Milan",
                                     .subject = "ARK-Milan",
                                     .serial = 0x10000,
                                     .ca = true,
                                     .path_length = -1},
                             authority = {.issuer = "ARK-Milan",
                                          .subject = "SEV-Milan",
                                          .serial = 0x10001,
                                          .ca = true,
                                          .path_length = 0},
                             leaf = {.issuer = "SEV-Milan",
                                     .subject = "SEV-VCEK",
                                     .vcek = true,
                                     .product = "Milan-B0",
                                     .tcb = {4, 0, 0, 0, 0, 0, 24, 219},
                                     .chip_size = 64};
    struct forge_certificate *all[] = {&root, &authority, &leaf};
    for (size_t i = 0; i < 3; i++) {
        all[i]->from = FORGE_NOW - FORGE_DAY * (100 - 10 * (int)i);
        all[i]->to = FORGE_NOW + FORGE_DAY * (100 - 10 * (int)i);
    }
    for (size_t i = 0; i < 64; i++) leaf.chip[i] = (uint8_t)(0x80 + i);
    forge_certificate(&root, g->root_key, g->root_key, &g->root);
    forge_certificate(&authority, g->authority_key, g->root_key, &g->authority);
    forge_certificate(&leaf, g->chip_key, g->authority_key, &g->leaf);
}

static inline void guest_report(struct guest *g) {
    static const uint8_t tcb[8] = {4, 0, 0, 0, 0, 0, 24, 219};
    memset(g->report, 0, sizeof(g->report));
    g->report[0] = 3;
    g->report[8 + 2] = 3;
    g->report[0x34] = 1;
    memset(g->report + 0x90, 0x5a, 48);
    memcpy(g->report + 0x38, tcb, 8);
    memcpy(g->report + 0x180, tcb, 8);
    memcpy(g->report + 0x188, "\x19\x01\x01", 3);
    for (size_t i = 0; i < 64; i++) g->report[0x1a0 + i] = (uint8_t)(0x80 + i);
    memcpy(g->report + 0x1e0, tcb, 8);
    memcpy(g->report + 0x1f0, tcb, 8);
    GOOD(cella_sha256(cella_buffer_bytes(&g->runtime), g->report + 0x50));
    forge_sign(g->report, g->chip_key);
}

static inline void guest_runtime(struct guest *g, EVP_PKEY *key) {
    CELLA_BUFFER modulus = {0};
    char text[2048];
    uint8_t n[512];
    size_t size = forge_modulus(key, n);
    GOOD(cella_base64_encode(cella_bytes(n, size), true, &modulus));
    snprintf(text, sizeof(text),
             "{\"keys\":[{\"kid\":\"HCLAkPub\",\"key_ops\":[\"sign\"],\"kty\":\"RSA\",\"e\":"
             "\"AQAB\",\"n\":\"%.*s\"}],\"vm-configuration\":{\"console-enabled\":true,"
             "\"secure-boot\":true,\"tpm-enabled\":true,"
             "\"vmUniqueId\":\"2DEDC52A-6832-46CE-9910-E8C9980BF5A7\"},\"user-data\":\"%0128d\"}",
             (int)modulus.size, (const char *)modulus.data, 0);
    cella_buffer_free(&g->runtime);
    forge_append(&g->runtime, text, strlen(text));
}

/* Quote and certification of what stands in the guest now. */
static inline void guest_sign(struct guest *g, struct cella_bytes extra) {
    forge_public(g->tpm.ak, AK_ATTRIBUTES, CELLA_TPM_RSASSA, &g->ak_public);
    forge_public(g->tpm.enc, ENC_ATTRIBUTES, CELLA_TPM_NULL, &g->key_public);
    forge_tpm_quote(&g->tpm, g->mask, extra, &g->quote);
    forge_rsa_sign(g->tpm.ak, cella_buffer_bytes(&g->quote), &g->quote_signature);
    forge_certify(cella_buffer_bytes(&g->key_public), CELLA_TPM_ATTEST_CERTIFY, &g->certify);
    forge_rsa_sign(g->tpm.ak, cella_buffer_bytes(&g->certify), &g->certify_signature);
}

static inline void guest_make(struct guest *g) {
    *g = (struct guest){.mask = 0xff, .type = "SevSnp"};
    forge_tpm_make(&g->tpm);
    g->root_key = EVP_RSA_gen(2048);
    g->authority_key = EVP_RSA_gen(2048);
    g->chip_key = EVP_EC_gen("P-384");
    g->payload = json_pack("{s:s}", "nonce", "MTIz");
    guest_chain(g);
    guest_runtime(g, g->tpm.ak);
    guest_report(g);
    guest_sign(g, cella_bytes(NULL, 0));
}

/* The copy shares keys and certificates with the good one; buffers are its own. */
static inline struct guest *guest_copy(const struct guest *from_guest) {
    static struct guest g;
    g = (struct guest){.mask = from_guest->mask, .type = from_guest->type};
    g.tpm.ak = from_guest->tpm.ak;
    g.tpm.enc = from_guest->tpm.enc;
    memcpy(g.tpm.pcr, from_guest->tpm.pcr, sizeof(g.tpm.pcr));
    g.root_key = from_guest->root_key;
    g.authority_key = from_guest->authority_key;
    g.chip_key = from_guest->chip_key;
    g.payload = json_incref(from_guest->payload);
    memcpy(g.report, from_guest->report, sizeof(g.report));
    const struct cella_buffer *from[] = {&from_guest->root,
                                         &from_guest->authority,
                                         &from_guest->leaf,
                                         &from_guest->runtime,
                                         &from_guest->ak_public,
                                         &from_guest->quote,
                                         &from_guest->quote_signature,
                                         &from_guest->key_public,
                                         &from_guest->certify,
                                         &from_guest->certify_signature,
                                         &from_guest->tpm.log};
    struct cella_buffer *to[] = {
        &g.root,   &g.authority,       &g.leaf,       &g.runtime, &g.ak_public,
        &g.quote,  &g.quote_signature, &g.key_public, &g.certify, &g.certify_signature,
        &g.tpm.log};
    for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++)
        forge_append(to[i], from[i]->data, from[i]->size);
    return &g;
}
static inline void guest_drop(struct guest *g) {
    g->tpm.ak = g->tpm.enc = g->root_key = g->authority_key = g->chip_key = NULL;
    guest_free(g);
}

/* --- As JSON --- */

static inline json_t *guest_base64(struct cella_bytes bytes, bool url) {
    CELLA_BUFFER text = {0};
    GOOD(cella_base64_encode(bytes, url, &text));
    return json_stringn(text.size ? (const char *)text.data : "", text.size);
}
static inline json_t *guest_b64(const struct cella_buffer *buffer) {
    return guest_base64(cella_buffer_bytes(buffer), false);
}

static inline json_t *guest_isolation(const struct guest *g) {
    CELLA_BUFFER pem = {0};
    if (strcmp(g->type, "SevSnp") != 0) return json_pack("{s:s}", "Type", g->type);
    pem_of(cella_buffer_bytes(&g->leaf), &pem);
    pem_of(cella_buffer_bytes(&g->authority), &pem);
    pem_of(cella_buffer_bytes(&g->root), &pem);
    json_t *proof =
        json_pack("{s:o, s:o}", "SnpReport", guest_base64(CELLA_BYTES_OF(g->report), true),
                  "VcekCertChain", guest_base64(cella_buffer_bytes(&pem), false));
    char *text = json_dumps(proof, JSON_COMPACT);
    json_t *isolation = json_pack("{s:s, s:{s:o, s:o}}", "Type", g->type, "Evidence", "Proof",
                                  guest_base64(cella_bytes_text(text), false), "RunTimeData",
                                  guest_b64(&g->runtime));
    free(text);
    json_decref(proof);
    return isolation;
}

static inline json_t *guest_json(const struct guest *g) {
    json_t *set = json_array(), *pcrs = json_array();
    for (unsigned p = 0; p < FORGE_PCRS; p++) {
        if (!(g->mask >> p & 1)) continue;
        json_array_append_new(set, json_integer(p));
        json_array_append_new(pcrs, json_pack("{s:i, s:o}", "Index", (int)p, "Digest",
                                              guest_base64(CELLA_BYTES_OF(g->tpm.pcr[p]), false)));
    }
    json_t *tpm =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "AikCert",
                  guest_b64(&g->ak_certificate), "AikPub", guest_b64(&g->ak_public), "PcrQuote",
                  guest_b64(&g->quote), "PcrSignature", guest_b64(&g->quote_signature), "EncKeyPub",
                  guest_b64(&g->key_public), "EncKeyCertifyInfo", guest_b64(&g->certify),
                  "EncKeyCertifyInfoSignature", guest_b64(&g->certify_signature), "PcrSet", set,
                  "PCRs", pcrs);
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:o, s:O, s:o, s:o}",
                     "AttestationProtocolVersion", "2.0", "OSType", "TGludXg=", "OSDistro",
                     "VWJ1bnR1", "OSBuild", "Tm90QXBwbGljYXRpb24=", "OSVersionMajor", 22,
                     "OSVersionMinor", 4, "TcgLogs", guest_b64(&g->tpm.log), "ClientPayload",
                     g->payload, "TpmInfo", tpm, "IsolationInfo", guest_isolation(g));
}

/* {"AttestationInfo": ...}; to be freed. */
static inline char *guest_body(const struct guest *g) {
    json_t *info = guest_json(g);
    char *text = json_dumps(info, JSON_COMPACT);
    json_t *body =
        json_pack("{s:o}", "AttestationInfo", guest_base64(cella_bytes_text(text), true));
    char *out = json_dumps(body, JSON_COMPACT);
    free(text);
    json_decref(info);
    json_decref(body);
    return out;
}

#endif
