#include "service/development.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/jose.h"
#include "identity/access.h"
#include "identity/apps.h"
#include "service/certificates.h"
#include "service/config_value.h"
#include "store/sealer.h"

enum { PATH_SIZE = 4096, PEM_MAX = 1 << 16, YEAR_S = 365 * 24 * 3600 };
enum { PORT_AAD = 2, PORT_ISOLATED = 3, PORT_SHARED = 4, PORT_METRICS = 6 };

static CELLA_RESULT add(struct cella_buffer *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static CELLA_RESULT add(struct cella_buffer *out, const char *format, ...) {
    char text[8192];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ENSURE(n >= 0 && (size_t)n < sizeof(text), CELLA_ERR_LIMIT, NULL, "a text this long: %zu bytes",
           (size_t)n);
    return cella_buffer_append(out, cella_bytes(text, (size_t)n));
}

static CELLA_RESULT in_folder(const char *folder, const char *name, char path[PATH_SIZE]) {
    ENSURE(snprintf(path, PATH_SIZE, "%s/%s", folder, name) < PATH_SIZE, CELLA_ERR_LIMIT, NULL,
           "%s: a path this long", folder);
    return CELLA_SUCCESS;
}

static CELLA_RESULT write_in(const char *folder, const char *name, struct cella_bytes content,
                             unsigned mode) {
    char path[PATH_SIZE];
    TRY(in_folder(folder, name, path));
    return cella_file_write(path, content, mode, 0);
}

/* RFC 4122, version 4. */
static CELLA_RESULT make_guid(char guid[37]) {
    uint8_t b[16];
    char hex[33];
    ENSURE(getrandom(b, sizeof(b), 0) == sizeof(b), CELLA_ERR_INTERNAL, NULL, "no random bytes");
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    cella_hex_encode(CELLA_BYTES_OF(b), hex);
    snprintf(guid, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
    return CELLA_SUCCESS;
}

/* --- cella.conf --- */

static void url_of(const struct cella_service_development *d, unsigned offset, char *url,
                   size_t size) {
    uint8_t address[16];
    bool six = inet_pton(AF_INET6, d->host, address) == 1;
    snprintf(url, size, "https://%s%s%s:%u", six ? "[" : "", d->host, six ? "]" : "",
             d->port + offset);
}

static CELLA_RESULT add_listen(const struct cella_service_development *d, unsigned offset,
                               struct cella_buffer *out) {
    uint8_t address[16];
    unsigned port = d->port + offset;
    if (!d->listen && d->six) return add(out, "listen = 127.0.0.1:%u [::1]:%u\n", port, port);
    const char *at = d->listen ? d->listen : "127.0.0.1";
    bool six = inet_pton(AF_INET6, at, address) == 1;
    return add(out, "listen = %s%s%s:%u\n", six ? "[" : "", at, six ? "]" : "", port);
}

static CELLA_RESULT add_instance(const struct cella_service_development *d, const char *name,
                                 unsigned offset, const char *mode, const char *remark,
                                 struct cella_buffer *out) {
    char url[320];
    url_of(d, offset, url, sizeof(url));
    TRY(add(out, "\n# %s\n[attest %s]\nurl = %s\n", remark, name, url));
    TRY(add_listen(d, offset, out));
    return add(out, "mode = %s\n", mode);
}

CELLA_RESULT cella_service_development_config(const struct cella_service_development *d,
                                              struct cella_buffer *out) {
    char url[320];
    url_of(d, 0, url, sizeof(url));
    TRY(add(out,
            "# The configuration of a cella server, made at its first start for development.\n"
            "# docs/formats/configuration.md says all settings; `cella serve --check` tells "
            "mistakes.\n"
            "# For production see the end of docs/guides/attestation-service.md.\n"
            "\n[server]\n# 0: one per processor\nworkers = 0\n"
            "# /metrics and /healthz, by HTTPS; who reaches this address may read both\n"
            "metrics = 127.0.0.1:%u\n# none, stderr, or a file\naccess_log = none\n",
            d->port + PORT_METRICS));
    TRY(add(out, "\n[tls]\n# Certificates of this folder's own authority, ca.pem. For production:\n"
                 "# certificate = FILE and key = FILE instead.\ndevelopment = yes\n"
                 "\n[store]\nlocation = cella.db\n"
                 "# Whoever can read this file can read all secrets of the store. Others: "
                 "passphrase:FILE, enclave\nroot = file:root.key\n"
                 "\n[audit]\npath = audit.log\n# 0: every line on the disk before its request is "
                 "answered\nsync_ms = 100\n"));
    TRY(add(out,
            "\n# The embedded issuer of access tokens. For production another issuer can do that:\n"
            "# [issuer NAME] with issuer = and jwks =.\n[identity]\nurl = %s\n",
            url));
    TRY(add_listen(d, 0, out));
    TRY(add(out, "tenant = %s\n", d->tenant));
    TRY(add_instance(d, "dev", PORT_AAD, "aad", "Roles guard the policies, which may be unsigned.",
                     out));
    TRY(add_instance(d, "devisolated", PORT_ISOLATED, "isolated",
                     "Policies must be signed by a policy management certificate.", out));
    TRY(add(out, "policy_certificates = dev/policy-signing.pem\n"));
    TRY(add_instance(d, "devshared", PORT_SHARED, "shared",
                     "Default policies, and nothing can be set.", out));
    return add(out, "\n[collateral]\n# Put bundles and files here (`cella collateral`); they are "
                    "taken as they come.\npath = collateral\n"
                    "# What evidence needs is fetched from the makers in the background, and kept "
                    "here.\ncache = fetched.bundle\n");
}

/* --- Policy signing key of the isolated instance --- */

static CELLA_RESULT pem_of(const char *label, struct cella_bytes der, struct cella_buffer *out) {
    CELLA_BUFFER text = {0};
    TRY(cella_base64_encode(der, false, &text));
    TRY(add(out, "-----BEGIN %s-----\n", label));
    for (size_t at = 0; at < text.size; at += 64) {
        size_t size = text.size - at < 64 ? text.size - at : 64;
        TRY(cella_buffer_append(out, cella_bytes(text.data + at, size)));
        TRY(cella_buffer_append(out, cella_bytes("\n", 1)));
    }
    if (text.data) cella_wipe(text.data, text.capacity);
    return add(out, "-----END %s-----\n", label);
}

static void wipe_buffer(struct cella_buffer *buffer) {
    if (buffer->data) cella_wipe(buffer->data, buffer->capacity);
    cella_buffer_free(buffer);
}
/* A buffer that held a secret for a moment. */
#define WIPED __attribute__((cleanup(wipe_buffer))) struct cella_buffer

/* Adds both, in base64 of DER, to the environment (azure-sdk-js-traces 6). */
static CELLA_RESULT make_signing(const char *folder, uint64_t now_unix,
                                 struct cella_buffer *environment) {
    CELLA_JOSE_KEY key = NULL;
    CELLA_SECRET pkcs8 = {0};
    CELLA_BUFFER certificate = {0}, pem = {0};
    WIPED key_pem = {0};
    struct cella_jose_certificate as = {.common_name = "policy signer of the development set-up",
                                        .not_before_unix = now_unix - 3600,
                                        .not_after_unix = now_unix + 10ULL * YEAR_S};
    TRY(cella_jose_key_new(CELLA_JOSE_RSA, 2048, &key));
    TRY(cella_jose_certify(key, &as, &certificate));
    TRY(cella_jose_key_export(key, &pkcs8));
    TRY(pem_of("CERTIFICATE", cella_buffer_bytes(&certificate), &pem));
    TRY(pem_of("PRIVATE KEY", cella_secret_bytes(&pkcs8), &key_pem));
    TRY(write_in(folder, "dev/policy-signing.pem", cella_buffer_bytes(&pem), 0644));
    TRY(write_in(folder, "dev/policy-signing.key", cella_buffer_bytes(&key_pem), 0600));
    TRY(add(environment, "export ATTESTATION_ISOLATED_SIGNING_CERTIFICATE="));
    TRY(cella_base64_encode(cella_buffer_bytes(&certificate), false, environment));
    TRY(add(environment, "\nexport ATTESTATION_ISOLATED_SIGNING_KEY="));
    TRY(cella_base64_encode(cella_secret_bytes(&pkcs8), false, environment));
    return add(environment, "\n");
}

/* --- What the SDKs are told --- */

/* In single quotes, so that a shell takes any path as it is. */
static CELLA_RESULT add_quoted(struct cella_buffer *out, const char *name, const char *value) {
    TRY(add(out, "export %s='", name));
    for (; *value; value++) TRY(add(out, *value == '\'' ? "'\\''" : "%c", *value));
    return add(out, "'\n");
}

static CELLA_RESULT add_urls(const struct cella_service_development *d, struct cella_buffer *out) {
    static const struct {
        const char *name;
        unsigned offset;
    } url[] = {{"AZURE_AUTHORITY_HOST", 0},
               {"ATTESTATION_AAD_URL", PORT_AAD},
               {"ATTESTATION_ISOLATED_URL", PORT_ISOLATED},
               {"ATTESTATION_SHARED_URL", PORT_SHARED}};
    for (size_t i = 0; i < sizeof(url) / sizeof(url[0]); i++) {
        char text[320];
        url_of(d, url[i].offset, text, sizeof(text));
        TRY(add_quoted(out, url[i].name, text));
    }
    return CELLA_SUCCESS;
}

/* --- The whole --- */

static CELLA_RESULT add_environment(const struct cella_service_development *d, const char *final,
                                    const struct app *app, struct cella_buffer *out) {
    char ca[PATH_SIZE];
    TRY(in_folder(final, CELLA_SERVICE_CA, ca));
    TRY(add(out, "# What the SDKs and tools want to know of this server: `. %s/%s`.\n"
                 "# It holds a secret.\n",
            final, CELLA_SERVICE_ENVIRONMENT));
    TRY(add_quoted(out, "NODE_EXTRA_CA_CERTS", ca));
    TRY(add_quoted(out, "SSL_CERT_FILE", ca));
    TRY(add_quoted(out, "CURL_CA_BUNDLE", ca));
    TRY(add_quoted(out, "REQUESTS_CA_BUNDLE", ca));
    TRY(add_quoted(out, "AZURE_TENANT_ID", d->tenant));
    TRY(add_quoted(out, "AZURE_CLIENT_ID", app->id));
    TRY(add_quoted(out, "AZURE_CLIENT_SECRET", (const char *)app->secret.data));
    return add_urls(d, out);
}
