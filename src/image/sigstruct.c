#include "image/sigstruct.h"

#include "base/memory.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/digest.h"

static const uint8_t header_1[16] = {6, 0, 0, 0, 0xE1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0};
static const uint8_t header_2[16] = {1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1, 0, 0, 0};
enum { EXPONENT = 3, SIGNED_1_SIZE = 128, SIGNED_2_AT = 900, SIGNED_2_SIZE = 128 };

CELLA_RESULT cella_sigstruct_parse(struct cella_bytes bytes, struct cella_sigstruct *out) {
    struct cella_reader r = cella_reader(bytes);
    struct cella_sigstruct s = {0};
    ENSURE(bytes.size == CELLA_SGX_SIGSTRUCT_SIZE, CELLA_ERR_FORMAT, NULL,
           "SIGSTRUCT: expected %d bytes, found %zu", CELLA_SGX_SIGSTRUCT_SIZE, bytes.size);
    cella_reader_expect(&r, CELLA_BYTES_OF(header_1));
    s.vendor = cella_reader_u32le(&r);
    s.date = cella_reader_u32le(&r);
    cella_reader_expect(&r, CELLA_BYTES_OF(header_2));
    s.swdefined = cella_reader_u32le(&r);
    ENSURE(!r.failed, CELLA_ERR_FORMAT, NULL, "SIGSTRUCT: its two fixed headers are not there");
    cella_reader_zero(&r, 84);
    cella_reader_copy(&r, s.modulus, sizeof(s.modulus));
    uint32_t exponent = cella_reader_u32le(&r);
    ENSURE(r.failed || exponent == EXPONENT, CELLA_ERR_FORMAT, NULL,
           "SIGSTRUCT: expected exponent 3, found %u", exponent);
    cella_reader_copy(&r, s.signature, sizeof(s.signature));
    s.miscselect = cella_reader_u32le(&r);
    s.miscmask = cella_reader_u32le(&r);
    s.cet_attributes = cella_reader_u8(&r);
    s.cet_attributes_mask = cella_reader_u8(&r);
    cella_reader_zero(&r, 2);
    cella_reader_copy(&r, s.family_id, sizeof(s.family_id));
    s.flags = cella_reader_u64le(&r);
    s.xfrm = cella_reader_u64le(&r);
    s.flags_mask = cella_reader_u64le(&r);
    s.xfrm_mask = cella_reader_u64le(&r);
    cella_reader_copy(&r, s.mrenclave, sizeof(s.mrenclave));
    cella_reader_zero(&r, 16);
    cella_reader_copy(&r, s.ext_product_id, sizeof(s.ext_product_id));
    s.product_id = cella_reader_u16le(&r);
    s.svn = cella_reader_u16le(&r);
    cella_reader_zero(&r, 12);
    cella_reader_copy(&r, s.q1, sizeof(s.q1));
    cella_reader_copy(&r, s.q2, sizeof(s.q2));
    ENSURE(cella_reader_done(&r), CELLA_ERR_FORMAT, NULL,
           "SIGSTRUCT: a reserved field is not zero");
    *out = s;
    return CELLA_SUCCESS;
}

void cella_sigstruct_write(const struct cella_sigstruct *s, uint8_t out[CELLA_SGX_SIGSTRUCT_SIZE]) {
    struct cella_writer w = cella_writer(out, CELLA_SGX_SIGSTRUCT_SIZE);
    cella_writer_put(&w, CELLA_BYTES_OF(header_1));
    cella_writer_u32le(&w, s->vendor);
    cella_writer_u32le(&w, s->date);
    cella_writer_put(&w, CELLA_BYTES_OF(header_2));
    cella_writer_u32le(&w, s->swdefined);
    cella_writer_zero(&w, 84);
    cella_writer_put(&w, CELLA_BYTES_OF(s->modulus));
    cella_writer_u32le(&w, EXPONENT);
    cella_writer_put(&w, CELLA_BYTES_OF(s->signature));
    cella_writer_u32le(&w, s->miscselect);
    cella_writer_u32le(&w, s->miscmask);
    cella_writer_u8(&w, s->cet_attributes);
    cella_writer_u8(&w, s->cet_attributes_mask);
    cella_writer_zero(&w, 2);
    cella_writer_put(&w, CELLA_BYTES_OF(s->family_id));
    cella_writer_u64le(&w, s->flags);
    cella_writer_u64le(&w, s->xfrm);
    cella_writer_u64le(&w, s->flags_mask);
    cella_writer_u64le(&w, s->xfrm_mask);
    cella_writer_put(&w, CELLA_BYTES_OF(s->mrenclave));
    cella_writer_zero(&w, 16);
    cella_writer_put(&w, CELLA_BYTES_OF(s->ext_product_id));
    cella_writer_u16le(&w, s->product_id);
    cella_writer_u16le(&w, s->svn);
    cella_writer_zero(&w, 12);
    cella_writer_put(&w, CELLA_BYTES_OF(s->q1));
    cella_writer_put(&w, CELLA_BYTES_OF(s->q2));
}

void cella_sigstruct_signed(const struct cella_sigstruct *s,
                            uint8_t out[CELLA_SIGSTRUCT_SIGNED_SIZE]) {
    uint8_t whole[CELLA_SGX_SIGSTRUCT_SIZE];
    cella_sigstruct_write(s, whole);
    cella_copy(out, whole, SIGNED_1_SIZE);
    cella_copy(out + SIGNED_1_SIZE, whole + SIGNED_2_AT, SIGNED_2_SIZE);
}

CELLA_RESULT cella_sigstruct_verify(const struct cella_sigstruct *s) {
    uint8_t message[CELLA_SIGSTRUCT_SIGNED_SIZE], q1[CELLA_RSA3072_SIZE], q2[CELLA_RSA3072_SIZE];
    cella_sigstruct_signed(s, message);
    TRY_IN(cella_rsa3072_verify(s->modulus, CELLA_BYTES_OF(message), s->signature), "SIGSTRUCT");
    TRY_IN(cella_rsa3072_quotients(s->modulus, s->signature, q1, q2), "SIGSTRUCT");
    ENSURE(cella_equal(q1, s->q1, sizeof(q1)) && cella_equal(q2, s->q2, sizeof(q2)),
           CELLA_ERR_INTEGRITY, NULL,
           "SIGSTRUCT: Q1 or Q2 does not follow from the signature; a processor would refuse it");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_sigstruct_mrsigner(const struct cella_sigstruct *s,
                                      uint8_t mrsigner[CELLA_SGX_HASH_SIZE]) {
    return cella_sha256(CELLA_BYTES_OF(s->modulus), mrsigner);
}

CELLA_RESULT cella_sigstruct_attach(struct cella_sigstruct *s,
                                    const uint8_t modulus[CELLA_RSA3072_SIZE],
                                    const uint8_t signature[CELLA_RSA3072_SIZE]) {
    cella_copy(s->modulus, modulus, sizeof(s->modulus));
    cella_copy(s->signature, signature, sizeof(s->signature));
    TRY(cella_rsa3072_quotients(modulus, signature, s->q1, s->q2));
    return cella_sigstruct_verify(s);
}
