/* TPM 2.0 quotes of clouds: every vector with each of its fields, then each link broken (threats.md
 * A07, A08, A21, A22, A28, A31, A36). */
#include "tpm_vector.h"

#include "base/writer.h"
#include "crypto/key.h"

enum { NOW = 1772755200 /* 2026-03-06 */, NITRO_TIME = 1770116400 /* 2026-02-03T11:00 */ };

#define GCE     "tpm2-quote/go-tpm-tools-gce-cos-85-no-nonce"
#define GCP     "tpm2-quote/vaportpm-gcp-amd"
#define EC2     "tpm2-quote/vaportpm-nitro"
#define WINDOWS "tpm2-quote/go-attestation-windows"

static void check_quote(const char *folder, const char *file, const json_t *expected) {
    COMPANY c = {0};
    company_read(folder, &c);
    struct cella_collateral *set = company_collateral(&c, NULL);
    CELLA_VERIFICATION v;
    vector_verify(cella_buffer_bytes(company_file(&c, file)), set, CELLA_EVIDENCE_AUTO, NOW, &v);
    assert_int_equal(v.type, CELLA_EVIDENCE_TPM);
    bool sha1 = strcmp(folder, WINDOWS) == 0; /* A28: its key signs with SHA-1 */
    assert_int_equal(v.verdict, sha1 ? CELLA_VERIFY_REFUSED : CELLA_VERIFY_ACCEPTED);
    assert_int_equal(v.authentic, !sha1);
    if (sha1) assert_non_null(strstr(v.reason.found, "SHA-1"));
    if (!sha1) {
        const json_t *quote = json_object_get(expected, "quote");
        vector_same_text(&v, "tee", "tpm");
        vector_same_hex(&v, "report-data", json_string_value(json_object_get(quote, "extra_data")));
        company_quote_fields(&v, quote);
    }
    cella_collateral_free(&set);
}

static void visit(const char *folder) {
    char path[600];
    snprintf(path, sizeof(path), "%s/expected.json", folder);
    json_t *expected = vector_json(path);
    if (json_is_array(expected))
        for (size_t i = 0; i < json_array_size(expected); i++) {
            snprintf(path, sizeof(path), "quote%zu.msg", i);
            check_quote(folder, path, json_array_get(expected, i));
        }
    else
        check_quote(folder, "quote.msg", expected);
    json_decref(expected);
}

static void takes_every_vector(void **state) {
    (void)state;
    if (vector_has("tpm2-quote")) assert_true(vector_each("tpm2-quote", visit) >= 4);
}

static void pcr_claims_are(const struct cella_verification *v, const json_t *pcrs) {
    const char *index;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)pcrs, index, value) {
        char name[32];
        snprintf(name, sizeof(name), "tpm.pcr%s", index);
        vector_same_hex(v, name, json_string_value(value));
    }
}

static void takes_json_alone(void **state) {
    (void)state;
    const struct {
        const char *folder, *bank, *by;
        uint64_t time;
    } cases[] = {{GCP, "sha256", "certificate", NOW}, {EC2, "sha384", "nitro", NITRO_TIME}};
    for (size_t i = 0; vector_has(GCP) && i < 2; i++) {
        char path[600];
        CELLA_BUFFER text = {0};
        CELLA_VERIFICATION v;
        snprintf(path, sizeof(path), "%s/evidence.json", cases[i].folder);
        vector_read(path, &text);
        json_t *evidence = vector_json(path);
        vector_verify(cella_buffer_bytes(&text), NULL, CELLA_EVIDENCE_AUTO, cases[i].time, &v);
        assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
        vector_same_text(&v, "tpm.ak-vouched-by", cases[i].by);
        pcr_claims_are(&v, json_object_get(json_object_get(evidence, "pcrs"), cases[i].bank));
        json_decref(evidence);
        /* The certificates' own times: Google's is valid for decades, AWS's for hours. */
        vector_refused(cella_buffer_bytes(&text), NULL, CELLA_EVIDENCE_AUTO, 1700000000, "");
        if (i == 1)
            vector_refused(cella_buffer_bytes(&text), NULL, CELLA_EVIDENCE_AUTO, NOW, "validity");
    }
}

/* A36: the quote is signed whole. */
static void refuses_every_change(void **state) {
    (void)state;
    static const char *const vectors[][3] = {{GCE, "quote1.msg", "quote1.sig"},
                                             {GCP, "quote.msg", "quote.sig.der"},
                                             {EC2, "quote.msg", "quote.sig.der"}};
    for (size_t i = 0; vector_has(GCE) && i < 3; i++) {
        COMPANY c = {0};
        CELLA_BUFFER message = {0};
        company_read(vectors[i][0], &c);
        VECTOR_OK(
            cella_buffer_append(&message, cella_buffer_bytes(company_file(&c, vectors[i][1]))));
        struct cella_collateral *set = company_collateral(&c, NULL);
        for (size_t bit = 0; bit < 8 * message.size; bit++) {
            message.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
            vector_refused(cella_buffer_bytes(&message), set, CELLA_EVIDENCE_TPM, NOW, NULL);
            message.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        for (size_t size = 0; size < message.size; size++)
            vector_refused(cella_bytes(message.data, size), set, CELLA_EVIDENCE_TPM, NOW, NULL);
        cella_collateral_free(&set);
        company_break(&c, NULL, vectors[i][2], cella_buffer_bytes(&message), CELLA_EVIDENCE_TPM,
                      NOW, 1);
    }
}

/* --- Who vouches for the key (A08) --- */

static void refuses_keys_of_nobody(void **state) {
    (void)state;
    if (!vector_has(GCP)) return;
    COMPANY c = {0};
    company_read(GCP, &c);
    struct cella_bytes message = cella_buffer_bytes(company_file(&c, "quote.msg"));
    json_t *evidence = vector_json(GCP "/evidence.json");
    json_object_del(json_object_get(evidence, "attestation"), "gcp");
    char *text = json_dumps(evidence, 0);
    struct cella_bytes alone = cella_bytes_text(text);
    vector_refused(alone, NULL, CELLA_EVIDENCE_AUTO, NOW, "attestation key: trust");
    COMPANY beside = {0}; /* also where the same JSON lies in the folder of collateral */
    company_put(&beside, "evidence.json", alone);
    company_expect(&beside, NULL, alone, CELLA_EVIDENCE_AUTO, NOW, "attestation key: trust");
    free(text);
    json_decref(evidence);
    company_drop(&c, "ak_cert_chain.pem");
    company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, NOW,
                   ""); /* ak_pub.pem: the caller gave it */
    struct cella_collateral *trusting = NULL;
    VECTOR_OK(cella_collateral_new(&trusting));
    VECTOR_OK(cella_collateral_trust(trusting, cella_buffer_bytes(company_file(&c, "ak_pub.pem"))));
    bool taken = false;
    VECTOR_OK(cella_collateral_add(trusting, "q.sig",
                                   cella_buffer_bytes(company_file(&c, "quote.sig.der")), &taken));
    VECTOR_OK(cella_collateral_finish(trusting));
    CELLA_VERIFICATION v;
    vector_verify(message, trusting, CELLA_EVIDENCE_AUTO, NOW, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
    vector_same_text(&v, "tpm.ak-vouched-by", "trusted");
    cella_collateral_free(&trusting);
    company_drop(&c, "ak_pub.pem");
    company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, NOW, "tpm quote: signature");
    COMPANY other = {0};
    company_read(EC2, &other);
    company_put(&c, "ak_pub.pem", cella_buffer_bytes(company_file(&other, "ak_pub.pem")));
    company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, NOW, "tpm quote: signature");
}

static void json_refused(const json_t *evidence, uint64_t time, const char *where) {
    char *text = json_dumps(evidence, 0);
    vector_refused(cella_bytes_text(text), NULL, CELLA_EVIDENCE_AUTO, time, where);
    free(text);
}

/* What the envelope says beside the quote: of another machine, or another nonce. */
static void refuses_mixed_envelopes(void **state) {
    (void)state;
    if (!vector_has(GCP)) return;
    json_t *gcp = vector_json(GCP "/evidence.json"), *ec2 = vector_json(EC2 "/evidence.json");
    json_t *other = json_deep_copy(gcp);
    json_object_set(other, "ak_pubkeys", json_object_get(ec2, "ak_pubkeys"));
    json_refused(other, NOW, "attestation key: envelope");
    json_decref(other);
    other = json_deep_copy(gcp);
    json_object_set(other, "nonce", json_object_get(ec2, "nonce"));
    json_refused(other, NOW, "tpm quote: extra data");
    json_decref(other);
    other = json_deep_copy(gcp); /* a good document, of another key */
    json_t *attestation = json_object_get(other, "attestation");
    json_object_del(attestation, "gcp");
    json_object_set(attestation, "nitro",
                    json_object_get(json_object_get(ec2, "attestation"), "nitro"));
    json_refused(other, NITRO_TIME, "nitro document: public_key");
    json_decref(other);
    json_decref(gcp);
    json_decref(ec2);
}

static void refuses_broken_chains(void **state) {
    (void)state;
    if (!vector_has(GCP)) return;
    COMPANY c = {0};
    company_read(GCP, &c);
    struct cella_bytes message = cella_buffer_bytes(company_file(&c, "quote.msg"));
    struct cella_buffer *chain = company_file(&c, "ak_cert_chain.pem");
    const uint64_t before = 1700000000, after = 4861000000;
    company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, before, "notBefore");
    company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, after, "notAfter");
    for (size_t i = 30; i < chain->size; i += 97) { /* base64: another letter, or none */
        uint8_t was = chain->data[i];
        if (was == '\n' || was == '-' || was == '=') continue;
        chain->data[i] = was == 'B' ? 'C' : 'B';
        company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, NOW, NULL);
        chain->data[i] = was;
    }
    struct cella_bytes root = cella_bytes(chain->data, chain->size);
    struct cella_collateral *own =
        company_collateral_roots(&c, NULL, &root); /* its root among them: fine */
    CELLA_VERIFICATION v;
    vector_verify(message, own, CELLA_EVIDENCE_TPM, NOW, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
    cella_collateral_free(&own);
    CELLA_BUFFER aws = {0};
    vector_read("nitro/aws-nitro-root.pem", &aws);
    root = cella_buffer_bytes(&aws);
    own = company_collateral_roots(&c, NULL, &root);
    vector_refused(message, own, CELLA_EVIDENCE_TPM, NOW, "ak certificate: root");
    cella_collateral_free(&own);
    uint8_t *second = memmem(chain->data + 10, chain->size - 10, "-----BEGIN", 10);
    size_t leaf = (size_t)(second - chain->data);
    CELLA_BUFFER turned = {0}; /* A07: the authority first */
    VECTOR_OK(cella_buffer_append(&turned, cella_bytes(second, chain->size - leaf)));
    VECTOR_OK(cella_buffer_append(&turned, cella_bytes(chain->data, leaf)));
    company_put(&c, "ak_cert_chain.pem", cella_buffer_bytes(&turned));
    company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, NOW, "ak certificate");
}

static void refuses_unrestricted_keys(void **state) {
    (void)state;
    if (!vector_has(GCE)) return;
    COMPANY c = {0};
    company_read(GCE, &c);
    struct cella_bytes message = cella_buffer_bytes(company_file(&c, "quote1.msg"));
    struct cella_buffer *area = company_file(&c, "ak_pub.tpmt");
    company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, NOW, "");
    area->data[5] ^= 0x01; /* restricted */
    company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, NOW, "attestation key: attributes");
    area->data[5] ^= 0x01 | 0x04; /* sign */
    company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, NOW, "attestation key: attributes");
    area->data[5] ^= 0x04;
    area->size--;
    company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, NOW, "companions");
}

/* --- PCR values and the event log (A21, A22) --- */

static void put_values(struct company *c, const json_t *pcrs, const char *changed,
                       const char *dropped) {
    CELLA_BUFFER lines = {0};
    const char *index;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)pcrs, index, value) {
        char line[160];
        if (dropped && strcmp(index, dropped) == 0) continue;
        int n = snprintf(line, sizeof(line), "%s %s\n", index, json_string_value(value));
        if (changed && strcmp(index, changed) == 0) line[n - 2] = line[n - 2] == '0' ? '1' : '0';
        VECTOR_OK(cella_buffer_append(&lines, cella_bytes(line, (size_t)n)));
    }
    company_put(c, "pcrs.txt", cella_buffer_bytes(&lines));
}

/* The whole message of go-tpm-tools beside the quotes: its PCR values are those quoted, or it is
 * damaged. */
static void reads_the_tools_message(void **state) {
    (void)state;
    if (!vector_has(GCE)) return;
    COMPANY c = {0};
    CELLA_BUFFER proto = {0};
    json_t *expected = vector_json(GCE "/expected.json");
    company_read(GCE, &c);
    vector_read(GCE "/attestation.pb", &proto);
    company_put(&c, "attestation.pb", cella_buffer_bytes(&proto));
    for (size_t i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "quote%zu.msg", i);
        struct cella_collateral *set = company_collateral(&c, NULL);
        CELLA_VERIFICATION v;
        vector_verify(cella_buffer_bytes(company_file(&c, name)), set, CELLA_EVIDENCE_AUTO, NOW,
                      &v);
        assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
        pcr_claims_are(&v, json_object_get(json_array_get(expected, i), "pcrs"));
        assert_non_null(cella_claimset_find(v.claims, "tpm.event-log-pcrs"));
        cella_collateral_free(&set);
    }
    struct cella_bytes message = cella_buffer_bytes(company_file(&c, "quote1.msg"));
    struct cella_buffer *file = company_file(&c, "attestation.pb");
    static const uint8_t value[] = {0x33, 0x65, 0xd7, 0xfa, 0x2b, 0x02}; /* PCR 7 */
    uint8_t *at = memmem(file->data, file->size, value, sizeof(value));
    assert_non_null(at);
    *at ^= 1;
    company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, NOW, "pcr digest");
    *at ^= 1;
    file->size -= 1;
    company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, NOW, "companions");
    json_decref(expected);
}

/* Bytes of the n-th event of a crypto-agile log with the three banks of this one. */
static size_t event_size(const uint8_t *at, bool first) {
    uint32_t size;
    size_t head = first ? 28 : 12 + (2 + 20) + (2 + 32) + (2 + 48);
    memcpy(&size, at + head, sizeof(size));
    return head + 4 + size;
}

static void replays_the_log(void **state) {
    (void)state;
    if (!vector_has(GCE)) return;
    json_t *expected = vector_json(GCE "/expected.json");
    for (size_t i = 0; i < 3; i++) {
        COMPANY c = {0};
        char name[16];
        company_read(GCE, &c);
        snprintf(name, sizeof(name), "quote%zu.msg", i);
        struct cella_bytes message = cella_buffer_bytes(company_file(&c, name));
        const json_t *pcrs = json_object_get(json_array_get(expected, i), "pcrs");
        put_values(&c, pcrs, NULL, NULL);
        struct cella_collateral *set = company_collateral(&c, NULL);
        CELLA_VERIFICATION v;
        vector_verify(message, set, CELLA_EVIDENCE_AUTO, NOW, &v);
        assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
        pcr_claims_are(&v, pcrs);
        assert_non_null(cella_claimset_find(v.claims, "tpm.event-log-pcrs"));
        cella_collateral_free(&set);
        put_values(&c, pcrs, "7", NULL);
        company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, NOW, "pcr digest");
        put_values(&c, pcrs, NULL, "7");
        company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, NOW, "pcr values");
        put_values(&c, pcrs, NULL, NULL);
        struct cella_buffer *log = company_file(&c, "eventlog.bin");
        size_t first = event_size(log->data, true), second = event_size(log->data + first, false);
        size_t third = event_size(log->data + first + second, false);
        CELLA_BUFFER whole = {0};
        VECTOR_OK(cella_buffer_append(&whole, cella_buffer_bytes(log)));
        for (int way = 0; way < 3; way++) { /* dropped, twice, turned round */
            CELLA_BUFFER forged = {0};
            const uint8_t *a = whole.data + first, *b = a + second, *rest = b + third;
            VECTOR_OK(cella_buffer_append(&forged, cella_bytes(whole.data, first)));
            if (way == 1) VECTOR_OK(cella_buffer_append(&forged, cella_bytes(a, second)));
            if (way == 1) VECTOR_OK(cella_buffer_append(&forged, cella_bytes(a, second)));
            VECTOR_OK(cella_buffer_append(&forged, cella_bytes(b, third)));
            if (way == 2) VECTOR_OK(cella_buffer_append(&forged, cella_bytes(a, second)));
            VECTOR_OK(cella_buffer_append(&forged,
                                          cella_bytes(rest, whole.size - first - second - third)));
            company_put(&c, "eventlog.bin", cella_buffer_bytes(&forged));
            company_expect(&c, NULL, message, CELLA_EVIDENCE_TPM, NOW, "event log: pcr");
        }
    }
    json_decref(expected);
}

/* --- Other forms --- */

static void put_base64(struct cella_buffer *to, struct cella_bytes bytes) {
    VECTOR_OK(cella_base64_encode(bytes, false, to));
}

/* As tpm2-tools dumps one bank of 24 PCRs: TPML_PCR_SELECTION, then three lists of eight digests.
 */
static void dump_pcrs(const json_t *pcrs, struct cella_buffer *out) {
    uint8_t *d = NULL;
    VECTOR_OK(cella_buffer_extend(out, 132 + 4 + 3 * 532, &d));
    d[0] = 1;
    d[4] = 0x0b;
    d[6] = 3;
    memset(d + 7, 0xff, 3);
    d[132] = 3;
    for (int p = 0; p < 24; p++) {
        uint8_t *list = d + 136 + 532 * (p / 8), *digest = list + 4 + 66 * (p % 8);
        char index[8];
        snprintf(index, sizeof(index), "%d", p);
        list[0] = 8;
        digest[0] = 32;
        VECTOR_OK(cella_hex_decode(
            cella_bytes_text(json_string_value(json_object_get(pcrs, index))), digest + 2, 32));
    }
}

static void keylime_text(struct company *c, struct cella_bytes dump, struct cella_buffer *out) {
    VECTOR_OK(cella_buffer_append(out, cella_bytes("r", 1)));
    put_base64(out, cella_buffer_bytes(company_file(c, "quote1.msg")));
    VECTOR_OK(cella_buffer_append(out, cella_bytes(":", 1)));
    put_base64(out, cella_buffer_bytes(company_file(c, "quote1.sig")));
    VECTOR_OK(cella_buffer_append(out, cella_bytes(":", 1)));
    put_base64(out, dump);
}

static void takes_other_forms(void **state) {
    (void)state;
    if (!vector_has(GCE)) return;
    COMPANY c = {0}, key = {0};
    CELLA_BUFFER dump = {0}, text = {0}, joined = {0};
    json_t *expected = vector_json(GCE "/expected.json");
    company_read(GCE, &c);
    company_put(&key, "ak.tpmt", cella_buffer_bytes(company_file(&c, "ak_pub.tpmt")));
    dump_pcrs(json_object_get(json_array_get(expected, 1), "pcrs"), &dump);
    keylime_text(&c, cella_buffer_bytes(&dump), &text);
    company_expect(&key, NULL, cella_buffer_bytes(&text), CELLA_EVIDENCE_AUTO, NOW, "");
    for (size_t size = 0; size < text.size; size += 11)
        company_expect(&key, NULL, cella_bytes(text.data, size), CELLA_EVIDENCE_TPM, NOW, NULL);
    for (size_t at = 138; at < dump.size; at += 33) {
        CELLA_BUFFER forged = {0};
        if ((at - 136) % 532 >= 4 && ((at - 136) % 532 - 4) % 66 >= 2 + 32)
            continue; /* room that no digest fills */
        dump.data[at] ^= 1;
        keylime_text(&c, cella_buffer_bytes(&dump), &forged);
        dump.data[at] ^= 1;
        company_expect(&key, NULL, cella_buffer_bytes(&forged), CELLA_EVIDENCE_TPM, NOW, NULL);
    }
    /* TPM2_Quote's answer: TPM2B_ATTEST, then TPMT_SIGNATURE. */
    const struct cella_buffer *message = company_file(&c, "quote1.msg"),
                              *signature = company_file(&c, "quote1.sig");
    uint8_t size[2] = {(uint8_t)(message->size >> 8), (uint8_t)message->size};
    VECTOR_OK(cella_buffer_append(&joined, CELLA_BYTES_OF(size)));
    VECTOR_OK(cella_buffer_append(&joined, cella_buffer_bytes(message)));
    VECTOR_OK(cella_buffer_append(&joined, cella_buffer_bytes(signature)));
    company_expect(&key, NULL, cella_buffer_bytes(&joined), CELLA_EVIDENCE_AUTO, NOW, "");
    company_expect(&key, NULL, cella_bytes(joined.data + 2, joined.size - 2), CELLA_EVIDENCE_AUTO,
                   NOW, "");
    for (size_t cut = 0; cut < joined.size; cut++)
        company_expect(&key, NULL, cella_bytes(joined.data, cut), CELLA_EVIDENCE_TPM, NOW, NULL);
    json_decref(expected);
}

/* --- Quotes of a key of ours: what no real TPM says --- */

struct paper {
    uint32_t magic, bank_count, pcrs, tail;
    uint16_t type, bank, scheme, hash;
    size_t digest_size;
    uint8_t safe;
};

static void paper_verify(const struct cella_key *key, const struct cella_collateral *set,
                         const struct paper *p, const char *where) {
    uint8_t space[512], rs[64];
    struct cella_writer w = cella_writer(space, sizeof(space));
    cella_writer_u32be(&w, p->magic);
    cella_writer_u16be(&w, p->type);
    cella_writer_u32be(&w, 0); /* neither signer nor extra data */
    cella_writer_zero(&w, 16);
    cella_writer_u8(&w, p->safe);
    cella_writer_zero(&w, 8);
    cella_writer_u32be(&w, p->bank_count);
    for (uint32_t i = 0; i < p->bank_count; i++) {
        cella_writer_u16be(&w, p->bank);
        cella_writer_u8(&w, 4);
        cella_writer_u32le(&w, p->pcrs);
    }
    cella_writer_u16be(&w, (uint16_t)p->digest_size);
    cella_writer_zero(&w, p->digest_size);
    cella_writer_zero(&w, p->tail);
    VECTOR_OK(cella_key_sign_p256(key, cella_writer_bytes(&w), rs));
    cella_writer_u16be(&w, p->scheme);
    cella_writer_u16be(&w, p->hash);
    for (int i = 0; i < 2; i++) {
        cella_writer_u16be(&w, 32);
        cella_writer_put(&w, cella_bytes(rs + 32 * i, 32));
    }
    assert_false(w.failed);
    if (where) {
        vector_refused(cella_writer_bytes(&w), set, CELLA_EVIDENCE_TPM, NOW, where);
        return;
    }
    CELLA_VERIFICATION v;
    vector_verify(cella_writer_bytes(&w), set, CELLA_EVIDENCE_TPM, NOW, &v);
    assert_int_equal(v.verdict, CELLA_VERIFY_ACCEPTED);
}

static void refuses_what_no_tpm_says(void **state) {
    (void)state;
    const struct paper good = {0xff544347, 1, 0x81, 0, 0x8018, 0x000b, 0x0018, 0x000b, 32, 1};
    CELLA_KEY key = NULL;
    CELLA_BUFFER spki = {0};
    struct cella_collateral *set = NULL;
    VECTOR_OK(cella_key_new_p256(&key));
    VECTOR_OK(cella_key_spki(key, &spki));
    VECTOR_OK(cella_collateral_new(&set));
    VECTOR_OK(cella_collateral_trust(set, cella_buffer_bytes(&spki)));
    VECTOR_OK(cella_collateral_finish(set));
    paper_verify(key, set, &good, NULL);
    struct paper p;
    p = good, p.magic ^= 1, paper_verify(key, set, &p, "tpm quote: attest");
    p = good, p.type = 0x8017, paper_verify(key, set, &p, "tpm quote: attest");
    p = good, p.safe = 2, paper_verify(key, set, &p, "tpm quote: attest");
    p = good, p.bank_count = 9, paper_verify(key, set, &p, "tpm quote: attest");
    p = good, p.bank_count = 0, paper_verify(key, set, &p, "tpm quote: pcr selection");
    p = good, p.pcrs = 0, paper_verify(key, set, &p, "tpm quote: pcr selection");
    p = good, p.pcrs = 1U << 24, paper_verify(key, set, &p, "tpm quote: pcr selection");
    p = good, p.bank = 0x0012, paper_verify(key, set, &p, "tpm quote: pcr selection");
    p = good, p.digest_size = 33, paper_verify(key, set, &p, "tpm quote: pcr digest");
    p = good, p.digest_size = 20,
    paper_verify(key, set, &p, "tpm quote: signature"); /* of SHA-1 (A28) */
    p = good, p.digest_size = 20, p.hash = 4, paper_verify(key, set, &p, "tpm quote: signature");
    p = good, p.hash = 0x000c, paper_verify(key, set, &p, "tpm quote: signature");
    p = good, p.scheme = 0x0014,
    paper_verify(key, set, &p, "tpm quote: signature"); /* RSA of a curve's key (A24) */
    p = good, p.scheme = 0x001a, paper_verify(key, set, &p, "tpm quote: signature");
    p = good, p.tail = 3, paper_verify(key, set, &p, "tpm quote: signature");
    cella_collateral_free(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_every_vector),        cmocka_unit_test(takes_json_alone),
        cmocka_unit_test(refuses_every_change),      cmocka_unit_test(refuses_keys_of_nobody),
        cmocka_unit_test(refuses_mixed_envelopes),   cmocka_unit_test(refuses_broken_chains),
        cmocka_unit_test(refuses_unrestricted_keys), cmocka_unit_test(reads_the_tools_message),
        cmocka_unit_test(refuses_what_no_tpm_says),  cmocka_unit_test(replays_the_log),
        cmocka_unit_test(takes_other_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
