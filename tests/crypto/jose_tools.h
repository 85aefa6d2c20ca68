/* For the tests of JOSE: results to codes, and tokens put together from parts. */
#ifndef CELLA_TESTS_JOSE_TOOLS_H
#define CELLA_TESTS_JOSE_TOOLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/jose_inner.h"

/* Nothing is left in OpenSSL's queue, good or bad: the same thread's TLS would take it for its own
 * failure. */
static inline void queue_is_empty(void) { assert_int_equal(ERR_peek_error(), 0); }

static inline bool fails(struct cella_result r) {
    queue_is_empty();
    bool failed = cella_failed(r);
    cella_result_print(r);
    cella_result_drop(r);
    return failed;
}
#define OK(r) assert_false(fails(r))

static inline enum cella_code code_of(struct cella_result r) {
    queue_is_empty();
    enum cella_code code = cella_code_of(r);
    cella_result_drop(r);
    return code;
}

static inline struct cella_bytes text(const char *t) { return cella_bytes_text(t); }

/* The signed part of a token with exactly these bytes, then a signature by key over it (none: key
 * NULL). */
static inline void forge(struct cella_bytes header, struct cella_bytes payload,
                         const struct cella_jose_key *key, unsigned algorithm,
                         struct cella_buffer *out) {
    uint8_t signature[JOSE_SIGNATURE_MAX];
    size_t size = 0;
    out->size = 0;
    OK(cella_base64_encode(header, true, out));
    OK(cella_buffer_append(out, text(".")));
    OK(cella_base64_encode(payload, true, out));
    if (key) OK(jose_sign(key, algorithm, cella_buffer_bytes(out), signature, &size));
    OK(cella_buffer_append(out, text(".")));
    OK(cella_base64_encode(cella_bytes(signature, size), true, out));
}

static inline enum cella_code open_code(struct cella_bytes token, bool allow_none) {
    CELLA_JWS jws = {0};
    enum cella_code code = code_of(cella_jws_open(token, allow_none, &jws));
    /* what failed gives nothing (A35) */
    if (code != CELLA_OK)
        assert_true(!jws.header && !jws.payload.data && !jws.store.data && !jws.x5c_count);
    return code;
}

/* Opened and checked, as one code. */
static inline enum cella_code check_code(struct cella_bytes token, const struct cella_jose_key *key,
                                         unsigned allowed) {
    CELLA_JWS jws = {0};
    struct cella_result r = cella_jws_open(token, false, &jws);
    return cella_failed(r) ? code_of(r) : code_of(cella_jws_check(&jws, key, allowed));
}

#endif
