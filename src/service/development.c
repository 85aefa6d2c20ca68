#include "service/development.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/jose.h"
#include "identity/access.h"
#include "identity/apps.h"
#include "service/certificates.h"
#include "store/sealer.h"

enum { PATH_SIZE = 4096, PEM_MAX = 1 << 16, YEAR_S = 365 * 24 * 3600 };

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

/* --- Policy signing key of the isolated instance --- */

static CELLA_RESULT pem_of(const char *label, struct cella_bytes der, struct cella_buffer *out) {
    CELLA_BUFFER text = {0};
    TRY(cella_base64_encode(der, false, &text));
    TRY(cella_service_text(out, "-----BEGIN %s-----\n", label));
    for (size_t at = 0; at < text.size; at += 64) {
        size_t size = text.size - at < 64 ? text.size - at : 64;
        TRY(cella_buffer_append(out, cella_bytes(text.data + at, size)));
        TRY(cella_buffer_append(out, cella_bytes("\n", 1)));
    }
    if (text.data) cella_wipe(text.data, text.capacity);
    return cella_service_text(out, "-----END %s-----\n", label);
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
    TRY(cella_service_text(environment, "export ATTESTATION_ISOLATED_SIGNING_CERTIFICATE="));
    TRY(cella_base64_encode(cella_buffer_bytes(&certificate), false, environment));
    TRY(cella_service_text(environment, "\nexport ATTESTATION_ISOLATED_SIGNING_KEY="));
    TRY(cella_base64_encode(cella_secret_bytes(&pkcs8), false, environment));
    return cella_service_text(environment, "\n");
}

/* --- What the SDKs are told --- */

/* In single quotes, so that a shell takes any path as it is. */
static CELLA_RESULT add_quoted(struct cella_buffer *out, const char *name, const char *value) {
    TRY(cella_service_text(out, "export %s='", name));
    for (; *value; value++) TRY(cella_service_text(out, *value == '\'' ? "'\\''" : "%c", *value));
    return cella_service_text(out, "'\n");
}

static CELLA_RESULT add_urls(const struct cella_service_development *d, struct cella_buffer *out) {
    static const struct {
        const char *name;
        unsigned offset;
    } url[] = {{"AZURE_AUTHORITY_HOST", 0},
               {"ATTESTATION_AAD_URL", CELLA_SERVICE_PORT_AAD},
               {"ATTESTATION_ISOLATED_URL", CELLA_SERVICE_PORT_ISOLATED},
               {"ATTESTATION_SHARED_URL", CELLA_SERVICE_PORT_SHARED},
               {"KEYVAULT_URI", CELLA_SERVICE_PORT_VAULT},
               {"CELLA_VAULT", CELLA_SERVICE_PORT_VAULT},
               {"AZURE_MANAGEDHSM_URI", CELLA_SERVICE_PORT_HSM}};
    for (size_t i = 0; i < sizeof(url) / sizeof(url[0]); i++) {
        char text[320];
        cella_service_development_url(d, url[i].offset, text, sizeof(text));
        TRY(add_quoted(out, url[i].name, text));
    }
    return CELLA_SUCCESS;
}

/* --- The whole --- */

/* The application's name is for people; its object is what the roles are given to. */
struct app {
    char id[CELLA_ID_TEXT], object[CELLA_ID_TEXT];
    struct cella_secret secret; /* text, without its NUL */
};
static void free_app(struct app *app) { cella_secret_free(&app->secret); }

static CELLA_RESULT make_store(const char *folder, struct app *app) {
    static const char *const roles[][2] = {{"Attestation Contributor", "/attest"},
                                           {"Attestation Explainer", "/attest"},
                                           {"Key Vault Administrator", "/vault"},
                                           {"Managed HSM Administrator", "/vault/devhsm"},
                                           {"Managed HSM Crypto Officer", "/vault/devhsm"},
                                           {"Managed HSM Crypto User", "/vault/devhsm"}};
    CELLA_DATABASE database = NULL;
    CELLA_SEALER sealer = NULL;
    char path[PATH_SIZE];
    TRY(in_folder(folder, "cella.db", path));
    TRY(cella_database_open(path, &database));
    TRY(cella_sealer_open("file:root.key", folder, &sealer));
    TRY(cella_identity_migrate(database));
    TRY(cella_apps_new(database, "dev", app->id, app->object, &app->secret));
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        TRY(cella_access_assign(database, app->object, roles[i][0], roles[i][1]));
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_environment(const struct cella_service_development *d, const char *final,
                                    const struct app *app, struct cella_buffer *out) {
    static const char *const authority[] = {"NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE",
                                            "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"};
    char ca[PATH_SIZE];
    TRY(in_folder(final, CELLA_SERVICE_CA, ca));
    TRY(cella_service_text(out, "# What SDKs and tools want to know of this server. It holds a "
                                "secret.\n"));
    for (size_t i = 0; i < sizeof(authority) / sizeof(authority[0]); i++)
        TRY(add_quoted(out, authority[i], ca));
    TRY(add_quoted(out, "AZURE_TENANT_ID", d->tenant));
    TRY(add_quoted(out, "AZURE_CLIENT_ID", app->id));
    TRY(cella_service_text(out, "export AZURE_CLIENT_SECRET='"));
    TRY(cella_buffer_append(out, cella_secret_bytes(&app->secret)));
    TRY(cella_service_text(out, "'\n"));
    return add_urls(d, out);
}

static bool has_six(void) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    CELLA_FD fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static CELLA_RESULT make_folders(const char *folder) {
    static const char *const names[] = {"dev", "collateral"};
    char path[PATH_SIZE];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        TRY(in_folder(folder, names[i], path));
        TRY(cella_file_make_folder(path, 0700));
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT make_authority(const char *folder, const char *final,
                                   struct cella_bytes config_text, uint64_t now_unix) {
    CELLA_SERVICE_CONFIG config = {0};
    struct cella_service_hosts hosts;
    TRY(cella_service_config_parse(config_text, CELLA_SERVICE_CONFIG_NAME, final, &config));
    TRY(cella_service_hosts_of(&config, &hosts));
    return cella_service_make_authority(folder, &hosts, now_unix);
}

CELLA_RESULT cella_service_development_make(const char *folder, const char *final, void *context) {
    const struct cella_service_options *options = context;
    __attribute__((cleanup(free_app))) struct app app = {.id = ""};
    struct cella_service_development d = {
        .host = options->host, .listen = options->listen, .port = options->port, .six = has_six()};
    uint64_t now_unix = (uint64_t)time(NULL);
    CELLA_BUFFER config = {0};
    WIPED environment = {0};
    TRY(make_guid(d.tenant));
    TRY(cella_service_development_config(&d, &config));
    TRY(make_folders(folder));
    TRY(make_authority(folder, final, cella_buffer_bytes(&config), now_unix));
    TRY(make_store(folder, &app));
    TRY(add_environment(&d, final, &app, &environment));
    TRY(make_signing(folder, now_unix, &environment));
    TRY(write_in(folder, CELLA_SERVICE_ENVIRONMENT, cella_buffer_bytes(&environment), 0600));
    return write_in(folder, CELLA_SERVICE_CONFIG_NAME, cella_buffer_bytes(&config), 0600);
}

CELLA_RESULT cella_service_development_tell(const char *path) {
    CELLA_SECRET text = {0};
    char name[PATH_SIZE];
    TRY(in_folder(path, CELLA_SERVICE_ENVIRONMENT, name));
    TRY(cella_file_read_secret(name, PEM_MAX, &text));
    printf("A development set-up was made in %s. For clients: `. %s`, or\n\n", path, name);
    fwrite(text.data, 1, text.size, stdout); /* this once */
    printf("\nIt is for this machine: its certificates are issued by its own authority, its root "
           "key lies beside\nits store, and anyone who has the secret may set policies. For "
           "production give certificates of\nyour own in [tls], another root in [store], an issuer "
           "of your own in [issuer NAME], and remove dev/;\nthe whole list is at the end of "
           "docs/guides/attestation-service.md.\n\n");
    return CELLA_SUCCESS;
}
