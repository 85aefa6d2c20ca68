#include "fetch/link.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/http.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "crypto/jose.h"
#include "fetch/authorities.h"

enum {
    REPLY_MAX = 1 << 17,
    STATUS_AT = 9 /* "HTTP/1.1 " */,
    SAID_MAX = 256,
};

/* Of OpenSSL, else of the connection, when errno was 0 before it was used. */
static const char *reason(void) {
    int error = errno;
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    if (text) return text;
    if (error == EAGAIN) return "nothing came for 30 s"; /* CELLA_CONNECT_WAIT_S of the host */
    return error ? strerror(error) : "the connection ended";
}

static void free_bio(BIO **bio) { BIO_free_all(*bio); }
#define BIO_OWNED __attribute__((cleanup(free_bio))) BIO *

/* --- TLS --- */

static struct cella_result add_authority(void *context, const struct cella_fetch_authority *one) {
    X509_STORE *store = (X509_STORE *)context;
    const unsigned char *at = one->der.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)one->der.size);
    bool added = certificate && X509_STORE_add_cert(store, certificate) == 1;
    X509_free(certificate);
    ENSURE(added, CELLA_ERR_INTERNAL, NULL, "cannot set TLS up: %s", reason());
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_link_context(const char *ca, SSL_CTX **out) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    *out = context;
    ENSURE(context && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1,
           CELLA_ERR_INTERNAL, NULL, "cannot set TLS up: %s", reason());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    TRY_IN(cella_fetch_authorities(ca, add_authority, SSL_CTX_get_cert_store(context)),
           "the authorities that the image names");
    return CELLA_SUCCESS;
}

/* Connected, and proven to be the URL's host. */
static CELLA_RESULT open_link(SSL_CTX *context, const struct cella_fetch_url *url, BIO **out) {
    char path[CELLA_FETCH_URL_MAX + 32];
    SSL *ssl = NULL;
    BIO_OWNED link = BIO_new_ssl(context, 1);
    ENSURE(link && BIO_get_ssl(link, &ssl) == 1 && SSL_set1_host(ssl, url->host) == 1 &&
               SSL_set_tlsext_host_name(ssl, url->host) == 1,
           CELLA_ERR_INTERNAL, NULL, "cannot set TLS up: %s", reason());
    snprintf(path, sizeof(path), "/dev/cella/connect/%s", url->peer);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ENSURE(fd >= 0, CELLA_ERR_UNAVAILABLE, "is the service running, and reachable from this host?",
           "%s: the host cannot connect: %s", url->peer, strerror(errno));
    BIO *raw = BIO_new_fd(fd, BIO_CLOSE);
    if (!raw) close(fd);
    ENSURE(raw, CELLA_ERR_MEMORY, NULL, "no memory for a connection");
    BIO_push(link, raw);
    errno = 0;
    if (BIO_do_handshake(link) == 1) {
        *out = MOVE(link);
        return CELLA_SUCCESS;
    }
    long verdict = SSL_get_verify_result(ssl);
    ENSURE(verdict == X509_V_OK, CELLA_ERR_INTEGRITY,
           "the image takes only certificates of the authorities that its manifest names",
           "%s: its certificate is refused: %s", url->peer, X509_verify_cert_error_string(verdict));
    FAIL(CELLA_ERR_UNAVAILABLE, "is the service running, and reachable from this host?",
         "%s: no TLS connection: %s", url->peer, reason());
}

/* --- HTTP: OpenSSL's own client. It keeps nothing of an answer that is not 200, so what was read
 * is kept beside it. --- */

struct seen {
    struct cella_buffer bytes;
    bool over; /* no more can be read */
};
static void wipe_free(struct cella_buffer *buffer) {
    if (buffer->data) cella_wipe(buffer->data, buffer->capacity);
    cella_buffer_free(buffer);
}
static void free_seen(struct seen *seen) { wipe_free(&seen->bytes); }

static long keep_read(BIO *bio, int operation, const char *data, size_t size, int argi, long argl,
                      int result, size_t *processed) {
    struct seen *seen = (struct seen *)BIO_get_callback_arg(bio);
    (void)size, (void)argi, (void)argl;
    /* A read or write that gave up after the host's 30 s is not made again without end. */
    if ((operation & BIO_CB_RETURN) != 0 && result <= 0) BIO_clear_retry_flags(bio);
    if (operation != (BIO_CB_READ | BIO_CB_RETURN)) return result;
    bool more = result > 0 && processed && seen->bytes.size + *processed <= REPLY_MAX;
    if (more) {
        struct cella_result kept =
            cella_buffer_append(&seen->bytes, cella_bytes((const uint8_t *)data, *processed));
        more = !cella_failed(kept);
        cella_result_drop(kept);
    }
    seen->over |= !more;
    return more ? result : 0;
}

/* A line for people, of bytes that somebody else wrote. */
static void printable(const char *text, size_t size, char out[SAID_MAX]) {
    size_t n = 0;
    for (; n < size && n + 1 < SAID_MAX; n++)
        out[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
    out[n] = 0;
}

/* error.message of a body of JSON; else empty. */
static void message_of(struct cella_bytes body, char out[SAID_MAX]) {
    CELLA_JSON json = NULL;
    cella_result_drop(cella_json_object(body, "answer", &json));
    const char *message =
        json_string_value(json_object_get(json_object_get(json, "error"), "message"));
    printable(message, message ? strlen(message) : 0, out);
}

/* What the service says of a refusal: "403 Forbidden: its words". */
static CELLA_RESULT refused(const struct cella_fetch_url *url, BIO *link, struct seen *seen) {
    char rest[4096], status[SAID_MAX], message[SAID_MAX] = "";
    struct cella_buffer *kept = &seen->bytes;
    while (!seen->over && BIO_read(link, rest, sizeof(rest)) > 0) {} /* keep_read keeps it */
    ERR_clear_error();
    const char *text = (const char *)kept->data;
    ENSURE(kept->size, CELLA_ERR_UNAVAILABLE,
           "is the service running, and reachable from this host?",
           "%s: no answer: the connection ended, or nothing came for 30 s", url->authority);
    size_t line = 0;
    while (line < kept->size && text[line] != '\r' && text[line] != '\n') line++;
    ENSURE(line >= STATUS_AT + 3 && strncmp(text, "HTTP/1.", 7) == 0, CELLA_ERR_PROTOCOL, NULL,
           "%s: no answer in HTTP", url->authority);
    printable(text + STATUS_AT, line - STATUS_AT, status);
    const char *blank = memmem(text, kept->size, "\r\n\r\n", 4);
    if (blank)
        message_of(cella_bytes((const uint8_t *)blank + 4, kept->size - (size_t)(blank + 4 - text)),
                   message);
    bool unavailable = status[0] == '5' || strncmp(status, "429", 3) == 0;
    FAIL(unavailable ? CELLA_ERR_UNAVAILABLE : CELLA_ERR_REFUSED, NULL, "%s answers %s%s%s",
         url->authority, status, *message ? ": " : "", message);
}

static STACK_OF(CONF_VALUE) * headers_of(const struct cella_fetch_url *url, const char *bearer) {
    STACK_OF(CONF_VALUE) *headers = NULL;
    char *value = NULL;
    bool good = X509V3_add_value("Host", url->authority, &headers) == 1 &&
                X509V3_add_value("Accept", "application/json", &headers) == 1;
    if (good && bearer) {
        good = asprintf(&value, "Bearer %s", bearer) > 0 &&
               X509V3_add_value("Authorization", value, &headers) == 1;
        if (value) cella_wipe(value, strlen(value));
        free(value);
    }
    if (good) return headers;
    sk_CONF_VALUE_pop_free(headers, X509V3_conf_free);
    return NULL;
}

/* The body of the answer, owned by the exchange. */
static BIO *exchange(OSSL_HTTP_REQ_CTX *http, const char *path,
                     const STACK_OF(CONF_VALUE) * headers, BIO *body) {
    char *moved = NULL;
    BIO *answer = NULL;
    if (OSSL_HTTP_set1_request(http, path, headers, "application/json", body, NULL, 0, REPLY_MAX, 0,
                               0) == 1)
        answer = OSSL_HTTP_exchange(http, &moved);
    OPENSSL_free(moved); /* no redirections */
    return answer;
}

static CELLA_RESULT read_all(BIO *answer, struct cella_buffer *out) {
    uint8_t chunk[4096];
    for (int n; (n = BIO_read(answer, chunk, sizeof(chunk))) > 0;) {
        ENSURE(out->size + (size_t)n <= REPLY_MAX, CELLA_ERR_LIMIT, NULL, "an answer over 128 KiB");
        TRY(cella_buffer_append(out, cella_bytes(chunk, (size_t)n)));
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_link_post(SSL_CTX *context, const struct cella_fetch_url *url, const char *path,
                             const char *bearer, const json_t *body, json_t **reply) {
    BIO_OWNED link = NULL;
    __attribute__((cleanup(free_seen))) struct seen seen = {.over = false};
    __attribute__((cleanup(wipe_free))) struct cella_buffer text = {0};
    *reply = NULL;
    TRY(open_link(context, url, &link));
    BIO_set_callback_ex(link, keep_read);
    BIO_set_callback_arg(link, (char *)&seen);
    char *json = json_dumps(body, JSON_COMPACT);
    BIO_OWNED sent = json ? BIO_new_mem_buf(json, -1) : NULL;
    STACK_OF(CONF_VALUE) *headers = headers_of(url, bearer);
    OSSL_HTTP_REQ_CTX *http =
        OSSL_HTTP_open(NULL, NULL, NULL, NULL, 0, link, link, NULL, NULL, 0, 0);
    BIO *answer = http && headers && sent ? exchange(http, path, headers, sent) : NULL;
    struct cella_result result = answer ? read_all(answer, &text) : refused(url, link, &seen);
    if (answer) BIO_free(answer);
    OSSL_HTTP_close(http, 1);
    sk_CONF_VALUE_pop_free(headers, X509V3_conf_free);
    free(json);
    TRY(result);
    return cella_json_object(cella_buffer_bytes(&text), url->authority, reply);
}
