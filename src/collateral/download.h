/* One HTTPS GET for collateral, distrustful of who answers (A37): TLS verified, no redirects, no
 * other protocol, a deadline for the whole answer, a cap on its size, and nothing taken from the
 * URL's host but bytes. For files of this part. */
#ifndef CELLA_COLLATERAL_DOWNLOAD_H
#define CELLA_COLLATERAL_DOWNLOAD_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/buffer.h"

struct cella_download_settings {
    const char
        *ca_path; /* PEM file that replaces the system's authorities for TLS; NULL: the system's */
    uint32_t timeout_ms;     /* 0: 10000 */
    uint32_t body_max;       /* bytes; 0: 1 MiB */
    const atomic_bool *stop; /* set by another thread: waiting ends within a second; or NULL */
};
struct cella_answer {
    struct cella_buffer body;  /* owned */
    struct cella_buffer chain; /* owned: value of the header asked for, percent-decoded; empty when
                                  there was none */
};
void cella_answer_free(struct cella_answer *answer);
#define CELLA_ANSWER __attribute__((cleanup(cella_answer_free))) struct cella_answer

struct cella_downloader;
CELLA_RESULT cella_downloader_new(const struct cella_download_settings *settings,
                                  struct cella_downloader **out);
void cella_downloader_free(struct cella_downloader **downloader);
#define CELLA_DOWNLOADER __attribute__((cleanup(cella_downloader_free))) struct cella_downloader *
/* The answer with status 200; any other is CELLA_ERR_UNAVAILABLE, or CELLA_ERR_NOT_FOUND for 404.
 * Errors name the URL and the status. chain_header may be NULL. */
CELLA_RESULT cella_download(struct cella_downloader *downloader, const char *url,
                            const char *chain_header, struct cella_answer *out);

/* Any method with a body and a bearer token, for the services' own clients: an answer of any status
 * is an answer. */
struct cella_exchange {
    const char *method, *url;
    const char *content_type; /* of the body; NULL: no body */
    struct cella_bytes body;
    const char *authorization; /* value of the header, secret; or NULL */
};
CELLA_RESULT cella_exchange(struct cella_downloader *downloader,
                            const struct cella_exchange *exchange, long *status,
                            struct cella_buffer *body);

#endif
