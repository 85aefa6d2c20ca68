/* The text of a development set-up's cella.conf. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "service/development.h"

CELLA_RESULT cella_service_text(struct cella_buffer *out, const char *format, ...) {
    char text[8192];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ENSURE(n >= 0 && (size_t)n < sizeof(text), CELLA_ERR_LIMIT, NULL, "a text this long: %zu bytes",
           (size_t)n);
    return cella_buffer_append(out, cella_bytes(text, (size_t)n));
}

void cella_service_development_url(const struct cella_service_development *d, unsigned offset,
                                   char *url, size_t size) {
    uint8_t address[16];
    bool six = inet_pton(AF_INET6, d->host, address) == 1;
    unsigned number = d->port + offset;
    char port[16] = "";
    if (number != 443) snprintf(port, sizeof(port), ":%u", number); /* clients leave 443 out */
    snprintf(url, size, "https://%s%s%s%s", six ? "[" : "", d->host, six ? "]" : "", port);
}

static CELLA_RESULT add_listen(const struct cella_service_development *d, unsigned offset,
                               struct cella_buffer *out) {
    uint8_t address[16];
    unsigned port = d->port + offset;
    if (!d->listen && d->six)
        return cella_service_text(out, "listen = 127.0.0.1:%u [::1]:%u\n", port, port);
    const char *at = d->listen ? d->listen : "127.0.0.1";
    bool six = inet_pton(AF_INET6, at, address) == 1;
    return cella_service_text(out, "listen = %s%s%s:%u\n", six ? "[" : "", at, six ? "]" : "",
                              port);
}

static CELLA_RESULT add_instance(const struct cella_service_development *d, const char *name,
                                 unsigned offset, const char *mode, const char *remark,
                                 struct cella_buffer *out) {
    char url[320];
    cella_service_development_url(d, offset, url, sizeof(url));
    TRY(cella_service_text(out, "\n# %s\n[attest %s]\nurl = %s\n", remark, name, url));
    TRY(add_listen(d, offset, out));
    return cella_service_text(out, "mode = %s\n", mode);
}

static CELLA_RESULT add_vault(const struct cella_service_development *d, const char *name,
                              unsigned offset, bool hsm, const char *remark,
                              struct cella_buffer *out) {
    char url[320];
    cella_service_development_url(d, offset, url, sizeof(url));
    TRY(cella_service_text(out, "\n# %s\n[vault %s]\nurl = %s\n", remark, name, url));
    TRY(add_listen(d, offset, out));
    return cella_service_text(out, "hsm = %s\n", hsm ? "yes" : "no");
}

CELLA_RESULT cella_service_development_config(const struct cella_service_development *d,
                                              struct cella_buffer *out) {
    char url[320];
    cella_service_development_url(d, 0, url, sizeof(url));
    TRY(cella_service_text(
        out,
        "# The configuration of a cella server, made at its first start for development.\n"
        "# docs/formats/configuration.md says all settings; `cella serve --check` tells "
        "mistakes.\n"
        "# For production see the end of docs/guides/attestation-service.md.\n"
        "\n[server]\n# 0: one per processor\nworkers = 0\n"
        "# /metrics and /healthz, by HTTPS; who reaches this address may read both\n"
        "metrics = 127.0.0.1:%u\n# none, stderr, or a file\naccess_log = none\n",
        d->port + CELLA_SERVICE_PORT_METRICS));
    TRY(cella_service_text(
        out, "\n[tls]\n# Certificates of this folder's own authority, ca.pem. For production:\n"
             "# certificate = FILE and key = FILE instead.\ndevelopment = yes\n"
             "\n[store]\nlocation = cella.db\n"
             "# Whoever can read this file can read all secrets of the store. Others: "
             "passphrase:FILE, pkcs11:URI,\n# tpm:TCTI, enclave. Later: cella vault rewrap\nroot = "
             "file:root.key\n"
             "\n[audit]\npath = audit.log\n# 0: every line on the disk before its request is "
             "answered\nsync_ms = 100\n"));
    TRY(cella_service_text(
        out,
        "\n# The embedded issuer of access tokens. For production another issuer can do that:\n"
        "# [issuer NAME] with issuer = and jwks =.\n[identity]\nurl = %s\n",
        url));
    TRY(add_listen(d, 0, out));
    TRY(cella_service_text(out, "tenant = %s\n", d->tenant));
    TRY(add_instance(d, "dev", CELLA_SERVICE_PORT_AAD, "aad",
                     "Roles guard the policies, which may be unsigned.", out));
    TRY(add_instance(d, "devisolated", CELLA_SERVICE_PORT_ISOLATED, "isolated",
                     "Policies must be signed by a policy management certificate.", out));
    TRY(cella_service_text(out, "policy_certificates = dev/policy-signing.pem\n"));
    TRY(add_instance(d, "devshared", CELLA_SERVICE_PORT_SHARED, "shared",
                     "Default policies, and nothing can be set.", out));
    TRY(add_vault(d, "devvault", CELLA_SERVICE_PORT_VAULT, false,
                  "A key vault. Keys go to what the attestation services above prove.", out));
    TRY(add_vault(d, "devhsm", CELLA_SERVICE_PORT_HSM, true,
                  "The same with the protocol of a Managed HSM; the keys are software's.", out));
    return cella_service_text(
        out, "\n[collateral]\n# Put bundles and files here (`cella collateral`); they are "
             "taken as they come.\npath = collateral\n"
             "# What evidence needs is fetched from the makers in the background, and kept "
             "here.\ncache = fetched.bundle\n");
}
