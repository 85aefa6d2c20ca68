#include "collateral/download.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "http/percent.h"

#ifndef CELLA_VERSION
#define CELLA_VERSION "unversioned"
#endif

enum {
    TIMEOUT_MS = 10000,
    BODY_MAX = 1 << 20,
    HEADER_MAX = 65536 /* bytes, all headers */,
    CHAIN_MAX = 32768
};

struct cella_downloader {
    CURL *curl;
    struct cella_download_settings settings;
};

/* One answer while it comes in. */
struct incoming {
    struct cella_answer *answer;
    const char *chain_header;
    size_t body_max, header_size;
    const char *stopped; /* why we gave up on it, or NULL */
};

void cella_answer_free(struct cella_answer *answer) {
    cella_buffer_free(&answer->body);
    cella_buffer_free(&answer->chain);
}

static size_t stop(struct incoming *in, const char *why) {
    in->stopped = why;
    return 0; /* fewer bytes than given: the library ends the transfer */
}

static size_t on_body(char *data, size_t one, size_t size, void *context) {
    struct incoming *in = context;
    if (size > in->body_max - in->answer->body.size)
        return stop(in, "the answer is larger than allowed");
    struct cella_result r = cella_buffer_append(&in->answer->body, cella_bytes(data, size));
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good ? one * size : stop(in, "no memory");
}

static bool take_chain(struct incoming *in, const char *data, size_t size) {
    struct cella_bytes value = cella_bytes(data, size);
    uint8_t *to = NULL;
    size_t decoded = 0;
    while (value.size && (value.data[0] == ' ' || value.data[0] == '\t'))
        value = cella_bytes(value.data + 1, value.size - 1);
    while (value.size && strchr(" \t\r\n", value.data[value.size - 1])) value.size--;
    if (value.size > CHAIN_MAX || in->answer->chain.size) return false;
    struct cella_result r = cella_buffer_extend(&in->answer->chain, value.size, &to);
    bool good = !cella_failed(r) && cella_percent_decode(value, to, &decoded);
    cella_result_drop(r);
    in->answer->chain.size = good ? decoded : 0;
    return good;
}

static size_t on_header(char *data, size_t one, size_t size, void *context) {
    struct incoming *in = context;
    size_t name = in->chain_header ? strlen(in->chain_header) : 0;
    in->header_size += size;
    if (in->header_size > HEADER_MAX) return stop(in, "the headers are larger than allowed");
    if (name && size > name && data[name] == ':' &&
        strncasecmp(data, in->chain_header, name) == 0 &&
        !take_chain(in, data + name + 1, size - name - 1))
        return stop(in, "the header with the issuer chain cannot be read");
    return one * size;
}

/* Asked for about once a second while nothing comes, and more often else. */
static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t sent_total,
                       curl_off_t sent) {
    const struct cella_download_settings *settings = context;
    (void)total, (void)now, (void)sent_total, (void)sent;
    return settings->stop && atomic_load(settings->stop);
}

void cella_downloader_free(struct cella_downloader **downloader) {
    if (!*downloader) return;
    curl_easy_cleanup((*downloader)->curl);
    free(*downloader);
    *downloader = NULL;
}

#define SET(option, value)                                                                         \
    ENSURE(curl_easy_setopt(d->curl, option, value) == CURLE_OK, CELLA_ERR_INTERNAL, NULL,         \
           "libcurl refuses " #option)

static CELLA_RESULT configure(struct cella_downloader *d) {
    SET(CURLOPT_PROTOCOLS_STR, "https"); /* nothing else, whatever the URL says */
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)d->settings.timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)d->settings.timeout_ms);
    SET(CURLOPT_USERAGENT, "cella/" CELLA_VERSION);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, &d->settings);
    SET(CURLOPT_NOPROGRESS, 0L);
    if (d->settings.ca_path) {
        SET(CURLOPT_CAINFO, d->settings.ca_path);
        SET(CURLOPT_CAPATH, NULL);
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_downloader_new(const struct cella_download_settings *settings,
                                  struct cella_downloader **out) {
    *out = NULL;
    CELLA_DOWNLOADER d = calloc(1, sizeof(*d));
    ENSURE(d, CELLA_ERR_MEMORY, NULL, "no memory for a download");
    d->settings = *settings;
    if (!d->settings.timeout_ms) d->settings.timeout_ms = TIMEOUT_MS;
    if (!d->settings.body_max) d->settings.body_max = BODY_MAX;
    d->curl = curl_easy_init();
    ENSURE(d->curl, CELLA_ERR_MEMORY, NULL, "libcurl does not start");
    TRY(configure(d));
    *out = d;
    d = NULL;
    return CELLA_SUCCESS;
}

static CELLA_RESULT judge_status(const char *url, long status) {
    if (status == 200) return CELLA_SUCCESS;
    ENSURE(status != 404, CELLA_ERR_NOT_FOUND, "does this source know the platform? try another",
           "%s: status 404", url);
    ENSURE(status < 300 || status >= 400, CELLA_ERR_UNAVAILABLE,
           "redirects are not followed: name the source it points to", "%s: status %ld", url,
           status);
    ENSURE(status != 401 && status != 403, CELLA_ERR_UNAVAILABLE,
           "the source asks for a credential: use a caching service", "%s: status %ld", url,
           status);
    FAIL(CELLA_ERR_UNAVAILABLE, "try again later, or another source", "%s: status %ld", url,
         status);
}

static CELLA_RESULT perform(struct cella_downloader *d, const char *url, struct incoming *in,
                            long *status) {
    char detail[CURL_ERROR_SIZE] = "";
    SET(CURLOPT_URL, url);
    SET(CURLOPT_WRITEDATA, in);
    SET(CURLOPT_HEADERDATA, in);
    SET(CURLOPT_ERRORBUFFER, detail);
    CURLcode code = curl_easy_perform(d->curl);
    curl_easy_getinfo(d->curl, CURLINFO_RESPONSE_CODE, status);
    curl_easy_setopt(d->curl, CURLOPT_ERRORBUFFER, NULL);
    ENSURE(!in->stopped, CELLA_ERR_LIMIT, "this is not the service, or it is not well: try another",
           "%s: %s", url, in->stopped);
    ENSURE(code != CURLE_ABORTED_BY_CALLBACK, CELLA_ERR_UNAVAILABLE, NULL,
           "%s: given up, we are about to end", url);
    ENSURE(code != CURLE_OPERATION_TIMEDOUT, CELLA_ERR_UNAVAILABLE,
           "try again later, or another source", "%s: no whole answer within %u ms", url,
           d->settings.timeout_ms);
    ENSURE(code != CURLE_PEER_FAILED_VERIFICATION && code != CURLE_SSL_CACERT_BADFILE,
           CELLA_ERR_REFUSED, "if the server is yours, give its authority with --ca FILE",
           "%s: TLS: %s", url, detail);
    ENSURE(code == CURLE_OK, CELLA_ERR_UNAVAILABLE, "is the address right, and the service there?",
           "%s: %s", url, detail[0] ? detail : curl_easy_strerror(code));
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_download(struct cella_downloader *d, const char *url, const char *chain_header,
                            struct cella_answer *out) {
    struct incoming in = {
        .answer = out, .chain_header = chain_header, .body_max = d->settings.body_max};
    long status = 0;
    *out = (struct cella_answer){0};
    TRY(perform(d, url, &in, &status));
    return judge_status(url, status);
}

static void free_list(struct curl_slist **list) { curl_slist_free_all(*list); }

/* Adds a header; what the list held before stays on failure. */
static bool add_header(struct curl_slist **list, const char *name, const char *value) {
    size_t size = strlen(name) + strlen(value) + 1;
    char *line = malloc(size);
    if (!line) return false;
    snprintf(line, size, "%s%s", name, value);
    struct curl_slist *more = curl_slist_append(*list, line);
    cella_wipe(line, size);
    free(line);
    if (more) *list = more;
    return more != NULL;
}

CELLA_RESULT cella_exchange(struct cella_downloader *d, const struct cella_exchange *exchange,
                            long *status, struct cella_buffer *body) {
    struct cella_answer answer = {0};
    struct incoming in = {.answer = &answer, .body_max = d->settings.body_max};
    __attribute__((cleanup(free_list))) struct curl_slist *headers = NULL;
    bool good = add_header(&headers, "Accept: ", "application/json") && /* and no 100-continue */
                add_header(&headers, "Expect:", "");
    if (exchange->content_type)
        good = good && add_header(&headers, "Content-Type: ", exchange->content_type);
    if (exchange->authorization)
        good = good && add_header(&headers, "Authorization: ", exchange->authorization);
    ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for a request");
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_CUSTOMREQUEST, exchange->method);
    bool sends = exchange->content_type || strcmp(exchange->method, "POST") == 0;
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)exchange->body.size);
    SET(CURLOPT_POSTFIELDS,
        sends ? (exchange->body.size ? (const char *)exchange->body.data : "") : NULL);
    if (!sends) SET(CURLOPT_HTTPGET, 1L);
    SET(CURLOPT_CUSTOMREQUEST, exchange->method);
    struct cella_result result = perform(d, exchange->url, &in, status);
    curl_easy_setopt(d->curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(d->curl, CURLOPT_CUSTOMREQUEST, NULL);
    *body = answer.body;
    cella_buffer_free(&answer.chain);
    return result;
}
