/* The issuer alone behind the HTTPS server, for the scripts here.
 *
 * serve FOLDER CERTIFICATE.pem KEY.pem CLIENT-CERTIFICATE.pem JWKS PORT
 *
 * Makes a store and an application in the folder, prints what a client needs as one line of JSON,
 * and serves until SIGTERM. GET /check says who the bearer of a token for https://vault.azure.net
 * is. JWKS: of the external issuer https://issuer.test, whose subject "builder" stands for the
 * application too. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>

#include "base/file.h"
#include "identity/access.h"
#include "identity/identity_inner.h"
#include "identity/issuer.h"

struct stand {
    struct cella_issuer *issuer;
    struct cella_issuers *issuers;
    struct cella_database *database;
};

static void answer_check(const struct stand *stand, const struct cella_http_request *request,
                         struct cella_http_response *response) {
    static const char *const audience[] = {"https://vault.azure.net"};
    struct cella_bytes header = {0};
    struct cella_caller caller;
    char text[1024];
    bool allowed = false;
    (void)cella_http_request_header(request, "authorization", &header);
    struct cella_result r =
        cella_bearer_check(stand->issuers, header, audience, 1, unix_now(), &caller);
    if (!cella_failed(r))
        r = cella_access_allows(stand->database, &caller, "Microsoft.KeyVault/vaults/keys/read",
                                "/vault/v1/keys/k1", &allowed);
    response->status = cella_failed(r) ? 401 : 200;
    response->content_type = "application/json";
    snprintf(text, sizeof(text), "{\"object\":\"%s\",\"app\":\"%s\",\"allowed\":%s,\"why\":\"%s\"}",
             caller.object, caller.app, allowed ? "true" : "false",
             cella_failed(r) ? r.error->what : "");
    cella_result_drop(r);
    cella_result_drop(cella_buffer_append(&response->text, cella_bytes_text(text)));
    response->body = cella_buffer_bytes(&response->text);
}

static void answer(void *context, const struct cella_http_request *request,
                   struct cella_http_response *response) {
    struct stand *stand = context;
    if (bytes_are(request->target, "/check"))
        answer_check(stand, request, response);
    else
        cella_issuer_answer(stand->issuer, request, response);
}

static CELLA_RESULT make_app(struct stand *stand, const char *tenant, const char *url,
                             const char *certificate) {
    struct cella_app app;
    CELLA_SECRET secret = {0};
    CELLA_BUFFER pem = {0};
    char id[CELLA_ID_TEXT], thumbprint[65];
    struct cella_app_federation federation = {"https://issuer.test", "builder",
                                              "api://AzureADTokenExchange"};
    TRY(cella_app_create(stand->database, "tester", NULL, &app));
    TRY(cella_app_secret_create(stand->database, &app, 1, id, &secret));
    TRY(cella_file_read(certificate, 65536, &pem));
    TRY(cella_app_certificate_add(stand->database, &app, cella_buffer_bytes(&pem), thumbprint));
    TRY(cella_app_federation_add(stand->database, &app, &federation));
    TRY(cella_access_assign(stand->database, app.object, "Key Vault Reader", "/vault/v1"));
    printf("{\"url\":\"%s\",\"tenant\":\"%s\",\"client\":\"%s\",\"object\":\"%s\","
           "\"secret\":\"%.*s\"}\n",
           url, tenant, app.client, app.object, (int)secret.size, (const char *)secret.data);
    fflush(stdout);
    return CELLA_SUCCESS;
}

static CELLA_RESULT open_parts(struct stand *stand, const char *folder, const char *tenant,
                               const char *url, const char *jwks, struct cella_sealer **sealer) {
    const char *resource[] = {url};
    struct cella_issuer_settings settings = {
        .url = url, .tenant = tenant, .resource = resource, .resource_count = 1};
    char path[4096];
    snprintf(path, sizeof(path), "%s/cella.db", folder);
    TRY(cella_database_open(path, &stand->database));
    TRY(cella_sealer_open("file:root.key", folder, sealer));
    TRY(cella_issuers_new(&stand->issuers));
    TRY(cella_issuers_add(stand->issuers, "https://issuer.test", jwks, NULL));
    TRY(cella_issuer_new(&settings, stand->database, *sealer, &stand->issuer));
    return cella_issuer_join(stand->issuer, stand->issuers);
}

static CELLA_RESULT serve(char **argv) {
    static const char tenant[] = "11111111-2222-4333-8444-555555555555";
    struct stand stand = {.issuer = NULL};
    struct cella_sealer *sealer = NULL;
    CELLA_BUFFER certificate = {0}, key = {0};
    CELLA_HTTP_SERVER server = NULL;
    sigset_t set;
    char url[64], listen[32];
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    snprintf(url, sizeof(url), "https://localhost:%s", argv[6]);
    snprintf(listen, sizeof(listen), "127.0.0.1:%s", argv[6]);
    TRY(cella_file_read(argv[2], 65536, &certificate));
    TRY(cella_file_read(argv[3], 65536, &key));
    TRY(open_parts(&stand, argv[1], tenant, url, argv[5], &sealer));
    struct cella_http_site site = {.listen = listen,
                                   .name = "identity",
                                   .certificate = cella_buffer_bytes(&certificate),
                                   .key = cella_buffer_bytes(&key),
                                   .handler = answer,
                                   .context = &stand,
                                   .body_max = 65536};
    struct cella_http_settings settings = {.site = &site, .site_count = 1};
    TRY(cella_http_server_new(&settings, &server));
    TRY(make_app(&stand, tenant, url, argv[4]));
    CELLA_FD stop = signalfd(-1, &set, SFD_CLOEXEC);
    TRY(cella_http_server_run(server, stop));
    cella_http_server_free(&server);
    cella_issuer_free(&stand.issuer);
    cella_issuers_free(&stand.issuers);
    cella_sealer_close(&sealer);
    cella_database_close(&stand.database);
    return CELLA_SUCCESS;
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: serve FOLDER CERTIFICATE KEY CLIENT-CERTIFICATE JWKS PORT\n");
        return 2;
    }
    struct cella_result r = serve(argv);
    int status = cella_code_exit_status(cella_code_of(r));
    cella_result_print(r);
    cella_result_drop(r);
    return status;
}
