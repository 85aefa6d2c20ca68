/* A strict DER reader over base/reader.h: definite minimal lengths, no trailing bytes where an end
 * is asked (A30, A31). Errors are sticky in the reader, as in base/reader.h. */
#ifndef CELLA_CRYPTO_DER_H
#define CELLA_CRYPTO_DER_H

#include "base/reader.h"

enum {
    CELLA_DER_BOOLEAN = 0x01,
    CELLA_DER_INTEGER = 0x02,
    CELLA_DER_BIT_STRING = 0x03,
    CELLA_DER_OCTET_STRING = 0x04,
    CELLA_DER_NULL = 0x05,
    CELLA_DER_OID = 0x06,
    CELLA_DER_ENUMERATED = 0x0a,
    CELLA_DER_SEQUENCE = 0x30,
    CELLA_DER_SET = 0x31,
    CELLA_DER_CONTEXT_0 = 0xa0,
    CELLA_DER_UTF8 = 0x0c,
    CELLA_DER_PRINTABLE = 0x13,
    CELLA_DER_UTC_TIME = 0x17,
    CELLA_DER_GENERALIZED_TIME = 0x18,
};

/* The tag of the next element, 0 at the end. */
uint8_t cella_der_peek(const struct cella_reader *r);
/* Content of the next element, which must have this tag. */
struct cella_reader cella_der_read(struct cella_reader *r, uint8_t tag);
struct cella_bytes cella_der_bytes(struct cella_reader *r, uint8_t tag);
/* The next element whole, tag and length included. */
struct cella_bytes cella_der_whole(struct cella_reader *r, uint8_t *tag);
/* Content of a non-negative, minimal INTEGER of any size (with the 0 byte before a high first bit).
 */
struct cella_bytes cella_der_unsigned(struct cella_reader *r, uint8_t tag);
/* Non-negative INTEGER or ENUMERATED up to 64 bits, minimal. */
uint64_t cella_der_number(struct cella_reader *r, uint8_t tag);
bool cella_der_boolean(struct cella_reader *r);
/* UTCTime or GeneralizedTime with seconds and Z. */
uint64_t cella_der_time_unix(struct cella_reader *r);

#endif
