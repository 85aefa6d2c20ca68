/* The program that gets an enclave's keys from a vault, inside the enclave, before its own program:
 * proves the enclave to an attestation service, shows the token to the vault, which releases each
 * key encrypted to a key that only this run has, and gives the keys to the shim. Part of the image,
 * and of its measurement.
 *
 * Status 0: every key is there. Otherwise it has said why, and the enclave ends. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/jose.h"
#include "fetch/link.h"
#include "fetch/wrap.h"

enum {
    REPORT_DATA_SIZE = 64,
    EVIDENCE_MAX = 1 << 20,
    SETTINGS_MAX = 32768,
    BEARER_MAX = 65536,
    KEY_SIZE = 32,
    STATUS_FAILED = 125, /* as when the shim ends an enclave */
};
#define REPORT         "/sys/kernel/config/tsm/report/fetch"
#define ATTEST_VERSION "api-version=2022-08-01"
#define VAULT_VERSION  "api-version=7.4"

struct fetch {
    struct cella_fetch_settings settings;
    SSL_CTX *tls;
    EVP_PKEY *key;
    json_t *token; /* the attestation service's reply */
};

/* All of a file of the shim's; wiped by who takes it, where it is secret. */
static CELLA_RESULT read_file(const char *path, size_t max, struct cella_buffer *out) {
    CELLA_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    ENSURE(fd >= 0, CELLA_ERR_IO, NULL, "cannot open %s: %s", path, strerror(errno));
    for (;;) {
        uint8_t chunk[4096];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        ENSURE(n >= 0, CELLA_ERR_IO, NULL, "cannot read %s: %s", path, strerror(errno));
        if (n == 0) return CELLA_SUCCESS;
        ENSURE(out->size + (size_t)n <= max, CELLA_ERR_LIMIT, NULL, "%s: over %zu bytes", path,
               max);
        TRY(cella_buffer_append(out, cella_bytes(chunk, (size_t)n)));
    }
}

static CELLA_RESULT write_file(const char *path, struct cella_bytes bytes) {
    CELLA_FD fd = open(path, O_WRONLY | O_CLOEXEC);
    ENSURE(fd >= 0 && write(fd, bytes.data, bytes.size) == (ssize_t)bytes.size, CELLA_ERR_IO, NULL,
           "cannot write %s: %s", path, strerror(errno));
    return CELLA_SUCCESS;
}

/* --- The caller's access token: the host's, who pays for the calls. It opens nothing by itself. */

static CELLA_RESULT take_bearer(const struct cella_fetch_url *url, struct cella_secret *out) {
    CELLA_BUFFER text = {0};
    char path[CELLA_FETCH_URL_MAX + 64];
    snprintf(path, sizeof(path), "/dev/cella/connect/credential/%s", url->peer);
    TRY_IN(read_file(path, BEARER_MAX, &text), "the host has no access token for %s", url->peer);
    ENSURE(text.size > 0 && !memchr(text.data, 0, text.size) &&
               !memchr(text.data, '\n', text.size) && !memchr(text.data, '\r', text.size),
           CELLA_ERR_FORMAT, NULL, "the host's access token is not one line of text");
    TRY(cella_secret_new(text.size + 1, out)); /* and a NUL */
    cella_copy(out->data, text.data, text.size);
    return CELLA_SUCCESS;
}

/* --- Proving --- */

static CELLA_RESULT evidence_over(struct cella_bytes runtime, struct cella_buffer *out) {
    uint8_t data[REPORT_DATA_SIZE] = {0}; /* the hash, then zeros: what the service compares */
    SHA256(runtime.data, runtime.size, data);
    ENSURE(mkdir(REPORT, 0700) == 0, CELLA_ERR_IO, NULL, "cannot make %s: %s", REPORT,
           strerror(errno));
    TRY(write_file(REPORT "/inblob", CELLA_BYTES_OF(data)));
    TRY(read_file(REPORT "/outblob", EVIDENCE_MAX, out));
    rmdir(REPORT);
    return CELLA_SUCCESS;
}

static CELLA_RESULT encode(struct cella_bytes bytes, json_t **out) {
    CELLA_BUFFER text = {0};
    TRY(cella_base64_encode(bytes, true, &text));
    *out = json_stringn((const char *)text.data, text.size);
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for a request");
    return CELLA_SUCCESS;
}

static CELLA_RESULT take_token(struct fetch *f) {
    CELLA_JSON set = NULL;
    CELLA_JSON evidence = NULL;
    CELLA_JSON runtime = NULL;
    CELLA_BUFFER proof = {0};
    struct cella_fetch_url url;
    char path[CELLA_FETCH_URL_MAX + 64];
    TRY(cella_wrap_key_set(f->key, &set));
    char *text = json_dumps(set, JSON_COMPACT);
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for a request");
    struct cella_result result = evidence_over(cella_bytes_text(text), &proof);
    if (!cella_failed(result)) result = encode(cella_bytes_text(text), &runtime);
    free(text);
    TRY(result);
    TRY(encode(cella_buffer_bytes(&proof), &evidence));
    CELLA_JSON body = json_pack("{s:O, s:{s:O, s:s}}", "evidence", evidence, "runtimeData", "data",
                                runtime, "dataType", "JSON");
    ENSURE(body, CELLA_ERR_MEMORY, NULL, "no memory for a request");
    cella_fetch_url(f->settings.attest, &url);
    snprintf(path, sizeof(path), "%s/attest/SoftwareEnclave?" ATTEST_VERSION, url.path);
    TRY(cella_link_post(f->tls, &url, path, NULL, body, &f->token));
    ENSURE(json_is_string(json_object_get(f->token, "token")), CELLA_ERR_PROTOCOL, NULL,
           "%s: no token in its answer", url.authority);
    return CELLA_SUCCESS;
}

/* --- Keys --- */

static CELLA_RESULT fetch_key(struct fetch *f, const struct cella_fetch_key *key) {
    struct cella_fetch_url url;
    char path[CELLA_FETCH_URL_MAX + 64];
    CELLA_JSON reply = NULL;
    CELLA_SECRET released = {0};
    CELLA_SECRET bearer = {0};
    CELLA_JSON body = json_pack("{s:O, s:s}", "target", json_object_get(f->token, "token"), "enc",
                                "RSA_AES_KEY_WRAP_256");
    ENSURE(body, CELLA_ERR_MEMORY, NULL, "no memory for a request");
    cella_fetch_key_url(key->url, &url);
    TRY(take_bearer(&url, &bearer));
    snprintf(path, sizeof(path), "%s/release?" VAULT_VERSION, url.path);
    TRY(cella_link_post(f->tls, &url, path, (const char *)bearer.data, body, &reply));
    const char *value = json_string_value(json_object_get(reply, "value"));
    ENSURE(value, CELLA_ERR_PROTOCOL, NULL, "%s: no value in its answer", url.authority);
    TRY(cella_wrap_open(f->key, value, key->url, &released));
    ENSURE(released.size == KEY_SIZE, CELLA_ERR_UNSUPPORTED,
           "make it with `cella key create NAME --kty oct --size 256 --hsm --release-policy FILE`",
           "expected a symmetric key of 256 bits, found one of %zu bytes", released.size);
    snprintf(path, sizeof(path), "/dev/cella/keys/%s", key->name);
    return write_file(path, cella_secret_bytes(&released));
}

static CELLA_RESULT fetch_all(struct fetch *f) {
    CELLA_BUFFER text = {0};
    TRY(read_file("/dev/cella/vault", SETTINGS_MAX, &text));
    TRY(cella_fetch_settings_read(cella_buffer_bytes(&text), &f->settings));
    TRY(cella_link_context(f->settings.ca, &f->tls));
    TRY(cella_wrap_key_new(&f->key));
    TRY_IN(take_token(f), "a token of %s", f->settings.attest);
    for (size_t i = 0; i < f->settings.count; i++)
        TRY_IN(fetch_key(f, &f->settings.key[i]), "key %s", f->settings.key[i].name);
    return CELLA_SUCCESS;
}

int main(void) {
    struct fetch fetch = {.tls = NULL};
    struct cella_result result = fetch_all(&fetch);
    bool failed = cella_failed(result);
    cella_result_print(result);
    cella_result_drop(result);
    cella_fetch_settings_free(&fetch.settings);
    json_decref(fetch.token);
    EVP_PKEY_free(fetch.key);
    SSL_CTX_free(fetch.tls);
    return failed ? STATUS_FAILED : 0;
}
