#include "service/certificates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/moment.h"
#include "crypto/digest.h"

enum { PEM_MAX = 1 << 18, HOUR_S = 3600, DAY_S = 86400, AHEAD_S = 30 * DAY_S };
enum { SERVER_S = 90 * DAY_S };
#define AUTHORITY_S (3650ULL * DAY_S)

static CELLA_RESULT in_folder(const char *folder, const char *name, char path[4096]) {
    ENSURE(snprintf(path, 4096, "%s/%s", folder, name) < 4096, CELLA_ERR_LIMIT, NULL,
           "%s: a path this long", folder);
    return CELLA_SUCCESS;
}

/* --- Development --- */

CELLA_RESULT cella_service_make_authority(const char *folder,
                                          const struct cella_service_hosts *hosts,
                                          uint64_t now_unix) {
    CELLA_BUFFER certificate = {0};
    CELLA_SECRET key = {0};
    char path[4096];
    struct cella_ca_request request = {.common_name = "development authority of a cella server",
                                       .host = hosts->host,
                                       .host_count = hosts->count,
                                       .not_before_unix = now_unix - DAY_S,
                                       .not_after_unix = now_unix + AUTHORITY_S};
    TRY(cella_ca_new(&request, &certificate, &key));
    TRY(in_folder(folder, "tls", path));
    TRY(cella_file_make_folder(path, 0700));
    TRY(in_folder(folder, CELLA_SERVICE_CA_KEY, path));
    TRY(cella_file_write(path, cella_secret_bytes(&key), 0600, 0));
    TRY(in_folder(folder, CELLA_SERVICE_CA, path));
    return cella_file_write(path, cella_buffer_bytes(&certificate), 0644, 0);
}

static CELLA_RESULT issue(const struct cella_service_certificates *c,
                          const struct cella_service_pair *pair, uint64_t now_unix) {
    CELLA_BUFFER ca = {0}, certificate = {0};
    CELLA_SECRET ca_key = {0}, key = {0};
    char path[4096];
    TRY(in_folder(c->folder, CELLA_SERVICE_CA, path));
    TRY(cella_file_read(path, PEM_MAX, &ca));
    TRY(in_folder(c->folder, CELLA_SERVICE_CA_KEY, path));
    TRY(cella_file_read_secret(path, PEM_MAX, &ca_key));
    struct cella_ca_request request = {.common_name = "cella server (development)",
                                       .host = c->hosts.host,
                                       .host_count = c->hosts.count,
                                       .not_before_unix = now_unix - HOUR_S,
                                       .not_after_unix = now_unix + SERVER_S};
    TRY(cella_ca_issue(cella_buffer_bytes(&ca), cella_secret_bytes(&ca_key), &request, &certificate,
                       &key));
    TRY(cella_file_write(pair->key_path, cella_secret_bytes(&key), 0600, 0));
    return cella_file_write(pair->certificate_path, cella_buffer_bytes(&certificate), 0644, 0);
}

/* Not there or half written, of another authority or for other hosts, or soon to expire, or not yet
 * valid because the clock was set back. */
static bool must_issue(const struct cella_service_certificates *c,
                       const struct cella_service_pair *pair, uint64_t now_unix) {
    CELLA_BUFFER ca = {0}, certificate = {0};
    CELLA_SECRET key = {0};
    struct cella_ca_validity v = {0};
    const char *missing = "";
    char path[4096];
    bool ours = false, fits = false;
    struct cella_result r = in_folder(c->folder, CELLA_SERVICE_CA, path);
    if (!cella_failed(r)) r = cella_file_read(path, PEM_MAX, &ca);
    if (!cella_failed(r)) r = cella_file_read(pair->certificate_path, PEM_MAX, &certificate);
    if (!cella_failed(r))
        r = cella_ca_inspect(cella_buffer_bytes(&certificate), c->hosts.host, c->hosts.count, &v,
                             &missing);
    if (!cella_failed(r))
        r = cella_ca_signed_by(cella_buffer_bytes(&certificate), cella_buffer_bytes(&ca), &ours);
    if (!cella_failed(r)) r = cella_file_read_secret(pair->key_path, PEM_MAX, &key);
    if (!cella_failed(r))
        r = cella_ca_key_fits(cella_buffer_bytes(&certificate), cella_secret_bytes(&key), &fits);
    bool good = !cella_failed(r) && !missing && ours && fits;
    cella_result_drop(r);
    return !good || now_unix < v.not_before_unix || now_unix + AHEAD_S > v.not_after_unix;
}

/* --- Files --- */

static CELLA_RESULT look(const struct cella_service_pair *pair, uint8_t seen[32]) {
    const char *const path[] = {pair->certificate_path, pair->key_path};
    char text[512];
    int at = 0;
    for (int i = 0; i < 2; i++) {
        struct stat st = {0};
        bool there = stat(path[i], &st) == 0;
        at += snprintf(text + at, sizeof(text) - (size_t)at, "%d %llu %llu %lld.%ld %lld.%ld\n",
                       there, (unsigned long long)st.st_ino, (unsigned long long)st.st_size,
                       (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                       (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    }
    return cella_sha256(cella_bytes(text, (size_t)at), seen);
}

static CELLA_RESULT read_pair(const struct cella_service_pair *pair,
                              struct cella_buffer *certificate, struct cella_secret *key,
                              struct cella_ca_validity *validity) {
    const char *missing;
    TRY(cella_file_read(pair->certificate_path, PEM_MAX, certificate));
    TRY(cella_file_read_secret(pair->key_path, PEM_MAX, key));
    TRY_IN(cella_ca_inspect(cella_buffer_bytes(certificate), NULL, 0, validity, &missing), "%s",
           pair->certificate_path);
    return CELLA_SUCCESS;
}

static void keep(struct cella_service_pair *pair, struct cella_buffer *certificate,
                 struct cella_secret *key, const struct cella_ca_validity *validity) {
    cella_buffer_free(&pair->certificate);
    cella_secret_free(&pair->key);
    pair->certificate = MOVE(*certificate);
    pair->key = MOVE(*key);
    pair->not_before_unix = validity->not_before_unix;
    pair->not_after_unix = validity->not_after_unix;
    pair->warned = pair->stale = false;
}

static void warn_of_time(struct cella_service_pair *pair, uint64_t now_unix) {
    char text[CELLA_TIME_TEXT];
    bool before = now_unix<pair->not_before_unix, after = now_unix> pair->not_after_unix;
    if (pair->warned || (!before && now_unix + AHEAD_S < pair->not_after_unix)) return;
    pair->warned = true;
    cella_time_show(before ? pair->not_before_unix : pair->not_after_unix, text);
    cella_log(CELLA_LOG_WARN, "certificate %s: %s %s: %s", pair->certificate_path,
              before  ? "is valid from"
              : after ? "expired at"
                      : "expires at",
              text,
              before  ? "is the clock right?"
              : after ? "clients refuse it; put a new one in its place"
                      : "put a new one in its place");
}

/* --- Opening --- */

static CELLA_RESULT add_pair(struct cella_service_certificates *c, const char *label,
                             const char *certificate, const char *key) {
    struct cella_service_pair *pair = &c->pair[c->count++];
    pair->label = label;
    pair->development = !certificate;
    if (pair->development) {
        TRY(in_folder(c->folder, "tls/server.pem", pair->certificate_path));
        return in_folder(c->folder, "tls/server.key", pair->key_path);
    }
    snprintf(pair->certificate_path, sizeof(pair->certificate_path), "%s", certificate);
    snprintf(pair->key_path, sizeof(pair->key_path), "%s", key);
    return CELLA_SUCCESS;
}

static CELLA_RESULT open_pair(struct cella_service_certificates *c, struct cella_service_pair *pair,
                              uint64_t now_unix, bool check) {
    CELLA_BUFFER certificate = {0};
    CELLA_SECRET key = {0};
    struct cella_ca_validity validity;
    if (pair->development && check) return CELLA_SUCCESS;
    if (pair->development && must_issue(c, pair, now_unix)) TRY(issue(c, pair, now_unix));
    TRY(look(pair, pair->seen));
    TRY(read_pair(pair, &certificate, &key, &validity));
    keep(pair, &certificate, &key, &validity);
    warn_of_time(pair, now_unix);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_service_certificates_open(const struct cella_service_config *config,
                                             uint64_t now_unix, bool check,
                                             struct cella_service_certificates **out) {
    *out = NULL;
    __attribute__((cleanup(cella_service_certificates_free))) struct cella_service_certificates *c =
        calloc(1, sizeof(*c));
    ENSURE(c, CELLA_ERR_MEMORY, NULL, "no memory for certificates");
    c->folder = config->folder;
    TRY(cella_service_hosts_of(config, &c->hosts));
    TRY(add_pair(c, "default", config->tls.certificate, config->tls.key));
    for (size_t i = 0; i < config->attest_count; i++)
        if (config->attest[i].certificate)
            TRY(add_pair(c, config->attest[i].name, config->attest[i].certificate,
                         config->attest[i].key));
    for (size_t i = 0; i < config->vault_count; i++)
        if (config->vault[i].certificate)
            TRY(add_pair(c, config->vault[i].name, config->vault[i].certificate,
                         config->vault[i].key));
    for (size_t i = 0; i < c->count; i++) TRY(open_pair(c, &c->pair[i], now_unix, check));
    *out = MOVE(c);
    return CELLA_SUCCESS;
}

void cella_service_certificates_free(struct cella_service_certificates **certificates) {
    struct cella_service_certificates *c = *certificates;
    if (!c) return;
    for (size_t i = 0; i < c->count; i++) {
        cella_buffer_free(&c->pair[i].certificate);
        cella_secret_free(&c->pair[i].key);
    }
    free(c);
    *certificates = NULL;
}

struct cella_service_pair *cella_service_certificates_find(struct cella_service_certificates *c,
                                                           const char *name) {
    for (size_t i = 1; name && i < c->count; i++)
        if (strcmp(c->pair[i].label, name) == 0) return &c->pair[i];
    return &c->pair[0];
}

/* --- While the server runs --- */

static CELLA_RESULT take(struct cella_service_pair *pair, cella_service_certify *certify,
                         void *context) {
    CELLA_BUFFER certificate = {0};
    CELLA_SECRET key = {0};
    struct cella_ca_validity validity;
    TRY(read_pair(pair, &certificate, &key, &validity));
    TRY(certify(context, pair, cella_buffer_bytes(&certificate), cella_secret_bytes(&key)));
    keep(pair, &certificate, &key, &validity);
    cella_log(CELLA_LOG_INFO, "certificate %s: taken", pair->certificate_path);
    return CELLA_SUCCESS;
}

/* Certificate and key are two files: between the two they do not fit, so what is refused is tried
 * again. */
static void tend_pair(struct cella_service_certificates *c, struct cella_service_pair *pair,
                      uint64_t now_unix, cella_service_certify *certify, void *context) {
    uint8_t seen[32];
    struct cella_result r = CELLA_SUCCESS;
    if (pair->development && must_issue(c, pair, now_unix)) r = issue(c, pair, now_unix);
    if (!cella_failed(r)) r = look(pair, seen);
    bool changed = !cella_failed(r) && !cella_equal(seen, pair->seen, sizeof(seen));
    bool again = pair->stale && !changed;
    if (changed) cella_copy(pair->seen, seen, sizeof(seen));
    if (changed || again) r = take(pair, certify, context);
    pair->stale = cella_failed(r);
    if (cella_failed(r) && !again)
        cella_log(CELLA_LOG_WARN, "certificate %s: not taken, the old one stays: %s",
                  pair->certificate_path, r.error->what);
    cella_result_drop(r);
    warn_of_time(pair, now_unix);
}

void cella_service_certificates_tend(struct cella_service_certificates *c, uint64_t now_unix,
                                     cella_service_certify *certify, void *context) {
    for (size_t i = 0; i < c->count; i++) tend_pair(c, &c->pair[i], now_unix, certify, context);
}
