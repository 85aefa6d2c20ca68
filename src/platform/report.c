#include "platform/report.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/digest.h"

enum { SECRET_SIZE = 32, MAC_KEY_SIZE = 16, CPUSVN_SIZE = 16 };
static const char key_label[] = "cella report key v1"; /* with its NUL */

CELLA_RESULT cella_report_secret_new(struct cella_report_secret *out) {
    *out = (struct cella_report_secret){0};
    TRY(cella_secret_new(SECRET_SIZE, &out->secret));
    TRY(cella_random(out->secret.data, SECRET_SIZE));
    return cella_random(out->key_id, sizeof(out->key_id));
}

void cella_report_secret_free(struct cella_report_secret *secret) {
    cella_secret_free(&secret->secret);
}

void cella_report_targetinfo(const struct cella_identity *identity,
                             uint8_t out[CELLA_SGX_TARGETINFO_SIZE]) {
    struct cella_writer w = cella_writer(out, CELLA_SGX_TARGETINFO_SIZE);
    cella_writer_put(&w, CELLA_BYTES_OF(identity->mrenclave));
    cella_writer_u64le(&w, identity->attributes);
    cella_writer_u64le(&w, identity->xfrm);
    cella_writer_zero(&w, CELLA_SGX_TARGETINFO_MISCSELECT -
                              w.size); /* CET attributes, reserved, CONFIGSVN */
    cella_writer_u32le(&w, identity->miscselect);
    cella_writer_zero(&w, CELLA_SGX_TARGETINFO_CONFIGID - w.size);
    cella_writer_put(&w, CELLA_BYTES_OF(identity->config_id));
    cella_writer_zero(&w, CELLA_SGX_TARGETINFO_SIZE - w.size);
}

/* TARGETINFO is the key's derivation input whole: it is exactly the target's identity and zeros. */
static struct cella_result mac_of(const struct cella_report_secret *secret,
                                  struct cella_bytes targetinfo, struct cella_bytes key_id,
                                  struct cella_bytes body, uint8_t mac[CELLA_CMAC_SIZE]) {
    uint8_t info[sizeof(key_label) + CELLA_SGX_TARGETINFO_SIZE + 32], key[MAC_KEY_SIZE];
    struct cella_writer w = cella_writer(info, sizeof(info));
    cella_writer_put(&w, CELLA_BYTES_OF(key_label));
    cella_writer_put(&w, targetinfo);
    cella_writer_put(&w, key_id);
    struct cella_result r =
        cella_hkdf_sha256(cella_secret_bytes(&secret->secret), cella_bytes(NULL, 0),
                          cella_writer_bytes(&w), key, sizeof(key));
    if (!cella_failed(r)) r = cella_cmac_aes128(key, body, mac);
    cella_wipe(key, sizeof(key));
    return r;
}

/* CPUSVN: the platform's version, major, minor, patch, then zeros (T11). */
static void put_version(struct cella_writer *w) {
    unsigned version[3] = {0, 0, 0};
    (void)sscanf(CELLA_VERSION, "%u.%u.%u", &version[0], &version[1], &version[2]);
    for (int i = 0; i < 3; i++) cella_writer_u8(w, (uint8_t)version[i]);
    cella_writer_zero(w, CPUSVN_SIZE - 3);
}

static void put_body(struct cella_writer *w, const struct cella_identity *id,
                     struct cella_bytes report_data) {
    put_version(w);
    cella_writer_u32le(w, id->miscselect);
    cella_writer_zero(w, CELLA_SGX_REPORT_ATTRIBUTES - w->size);
    cella_writer_u64le(w, id->attributes);
    cella_writer_u64le(w, id->xfrm);
    cella_writer_put(w, CELLA_BYTES_OF(id->mrenclave));
    cella_writer_zero(w, CELLA_SGX_REPORT_MRSIGNER - w->size);
    cella_writer_put(w, CELLA_BYTES_OF(id->mrsigner));
    cella_writer_zero(w, CELLA_SGX_REPORT_CONFIGID - w->size);
    cella_writer_put(w, CELLA_BYTES_OF(id->config_id));
    cella_writer_u16le(w, id->product_id);
    cella_writer_u16le(w, id->svn);
    cella_writer_zero(w, CELLA_SGX_REPORT_REPORTDATA - w->size);
    cella_writer_put(w, report_data);
}

static bool is_targetinfo(struct cella_bytes targetinfo) {
    struct cella_reader r = cella_reader(targetinfo);
    cella_reader_skip(&r, CELLA_SGX_TARGETINFO_ATTRIBUTES + 16);
    cella_reader_zero(&r, CELLA_SGX_TARGETINFO_MISCSELECT - CELLA_SGX_TARGETINFO_ATTRIBUTES - 16);
    cella_reader_skip(&r, 4);
    cella_reader_zero(&r, CELLA_SGX_TARGETINFO_CONFIGID - CELLA_SGX_TARGETINFO_MISCSELECT - 4);
    cella_reader_skip(&r, CELLA_SGX_CONFIGID_SIZE);
    cella_reader_zero(&r, CELLA_SGX_TARGETINFO_SIZE - CELLA_SGX_TARGETINFO_CONFIGID -
                              CELLA_SGX_CONFIGID_SIZE);
    return cella_reader_done(&r);
}

CELLA_RESULT cella_report_make(const struct cella_report_secret *secret,
                               const struct cella_identity *identity, struct cella_bytes targetinfo,
                               struct cella_bytes report_data, uint8_t out[CELLA_SGX_REPORT_SIZE]) {
    ENSURE(is_targetinfo(targetinfo) && report_data.size == CELLA_SGX_REPORTDATA_SIZE,
           CELLA_ERR_FORMAT, "take TARGETINFO as the target's platform gave it",
           "TARGETINFO has a wrong size or a reserved field set");
    struct cella_writer w = cella_writer(out, CELLA_SGX_REPORT_SIZE);
    put_body(&w, identity, report_data);
    cella_writer_put(&w, CELLA_BYTES_OF(secret->key_id));
    ENSURE(!w.failed && w.size == CELLA_SGX_REPORT_MAC, CELLA_ERR_INTERNAL, NULL, "REPORT layout");
    return mac_of(secret, targetinfo, CELLA_BYTES_OF(secret->key_id),
                  cella_bytes(out, CELLA_SGX_REPORT_BODY_SIZE), out + CELLA_SGX_REPORT_MAC);
}

CELLA_RESULT cella_report_verify(const struct cella_report_secret *secret,
                                 const struct cella_identity *target, struct cella_bytes report) {
    ENSURE(report.size == CELLA_SGX_REPORT_SIZE, CELLA_ERR_FORMAT, NULL,
           "a REPORT has %d bytes, not %zu", CELLA_SGX_REPORT_SIZE, report.size);
    uint8_t targetinfo[CELLA_SGX_TARGETINFO_SIZE], mac[CELLA_CMAC_SIZE];
    cella_report_targetinfo(target, targetinfo);
    TRY(mac_of(secret, CELLA_BYTES_OF(targetinfo),
               cella_bytes(report.data + CELLA_SGX_REPORT_KEYID, 32),
               cella_bytes(report.data, CELLA_SGX_REPORT_BODY_SIZE), mac));
    bool same = cella_equal_secret(mac, report.data + CELLA_SGX_REPORT_MAC, sizeof(mac));
    cella_wipe(mac, sizeof(mac)); /* the right MAC of a forged report would be a forged report */
    ENSURE(same, CELLA_ERR_INTEGRITY, "ask for a report with this enclave as its target",
           "the report was not made on this platform since its start for this enclave");
    return CELLA_SUCCESS;
}
