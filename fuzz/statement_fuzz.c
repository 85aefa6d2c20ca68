/* What a policy's owner sends: bodies, JWS, policies and certificates in them. */
#include <stdlib.h>

#include "attest/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read(struct cella_bytes text) {
    CELLA_STATEMENT statement = {0};
    CELLA_BUFFER policy = {0}, certificate = {0};
    struct cella_result r = cella_statement_read(text, &statement);
    if (!cella_failed(r)) {
        cella_result_drop(cella_statement_policy(&statement, &policy));
        r = cella_statement_certificate(&statement, &certificate);
    }
    cella_result_drop(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CELLA_BUFFER jws = {0}, unsecured = {0};
    struct cella_bytes input = cella_bytes(data, size);
    struct cella_result r = cella_statement_body(input, "policyCertificateToAdd", &jws);
    if (!cella_failed(r)) read(cella_buffer_bytes(&jws));
    cella_result_drop(r);
    /* A text that is wrapped comes out as it went in. */
    /* But for bytes whose base64 begins with "version": no policy begins with them. */
    bool ambiguous = size && (data[0] == 'T' || data[0] == 'U' || (data[0] & 0xfe) == 0xbc);
    r = cella_statement_unsecured(input, &unsecured);
    if (!cella_failed(r) && !ambiguous) {
        CELLA_STATEMENT statement = {0};
        CELLA_BUFFER text = {0};
        cella_result_drop(cella_statement_read(cella_buffer_bytes(&unsecured), &statement));
        struct cella_result back = cella_statement_policy(&statement, &text);
        if (cella_failed(back) || text.size != size ||
            (size && __builtin_memcmp(text.data, data, size) != 0))
            abort();
        cella_result_drop(back);
    }
    cella_result_drop(r);
    return 0;
}
