/* For files of the crypto part only: how a failed OpenSSL call becomes a result. */
#ifndef CELLA_CRYPTO_OPENSSL_H
#define CELLA_CRYPTO_OPENSSL_H

#include <cella/result.h>
#include <openssl/err.h>

/* The newest reason in OpenSSL's queue, which is emptied. The text lives as long as the library. */
static inline const char *cella_openssl_reason(void) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason ? reason : "no reason given";
}
#define OPENSSL(call, what)                                                                        \
    do {                                                                                           \
        if ((call) <= 0)                                                                           \
            FAIL(CELLA_ERR_INTERNAL, NULL, "OpenSSL failed to %s: %s", (what),                     \
                 cella_openssl_reason());                                                          \
    } while (0)

#endif
