#include "service/vaults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

enum { JWKS_MAX = 1 << 18, URL_SIZE = 512 };

/* The instances of this server as they sign now, then the authorities of the configuration. */
static CELLA_RESULT read_authorities(struct cella_service *s) {
    for (size_t i = 0; s->attest; i++) {
        CELLA_BUFFER jwks = {0};
        const char *url = NULL;
        TRY(cella_attest_keyset(s->attest, i, &url, &jwks));
        if (!url) break;
        TRY(cella_authorities_set(s->authorities, url, cella_buffer_bytes(&jwks)));
    }
    for (size_t i = 0; i < s->config.authority_count; i++) {
        const struct cella_service_authority *a = &s->config.authority[i];
        CELLA_BUFFER jwks = {0};
        TRY_IN(cella_file_read(a->jwks, JWKS_MAX, &jwks), "[authority %s]", a->name);
        TRY_IN(cella_authorities_set(s->authorities, a->url, cella_buffer_bytes(&jwks)),
               "[authority %s]", a->name);
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_vault(struct cella_service *s, const struct cella_service_vault *v) {
    char login[URL_SIZE];
    snprintf(login, sizeof(login), "%s/%s", s->config.identity.url ? s->config.identity.url : "",
             s->config.identity.tenant ? s->config.identity.tenant : "");
    struct cella_buffer *kept = &s->login[s->login_count++];
    TRY(cella_buffer_append(kept, cella_bytes(login, strlen(login) + 1)));
    struct cella_vault_settings settings = {.name = v->name,
                                            .url = v->url,
                                            .login = v->login ? v->login : (const char *)kept->data,
                                            .resource = v->resource,
                                            .hsm = v->hsm,
                                            .hsm_keys = v->hsm_keys,
                                            .folder = s->config.folder,
                                            .recover_days = (uint32_t)v->recover_days,
                                            .purge_protection = v->purge_protection,
                                            .insecure_release_software =
                                                v->insecure_release_software,
                                            .rate = (uint32_t)v->rate};
    if (v->insecure_release_software)
        cella_log(
            CELLA_LOG_WARN,
            "[vault %s] insecure_release_software: keys that are not an HSM's may be released",
            v->name);
    return cella_vaults_add(s->vaults, &settings);
}

CELLA_RESULT cella_service_vaults_open(struct cella_service *s) {
    if (s->config.vault_count == 0) return CELLA_SUCCESS;
    const struct cella_service_pair *pair = cella_service_certificates_find(s->certificates, NULL);
    TRY(cella_authorities_new(&s->authorities));
    TRY(read_authorities(s));
    struct cella_vault_parts parts = {.database = s->database,
                                      .sealer = s->sealer,
                                      .issuers = s->issuers,
                                      .authorities = s->authorities,
                                      .audit = s->audit,
                                      .metrics = s->metrics};
    TRY(cella_vaults_new(&parts, &s->vaults));
    TRY(cella_vaults_certify(s->vaults, cella_buffer_bytes(&pair->certificate),
                             cella_secret_bytes(&pair->key)));
    for (size_t i = 0; i < s->config.vault_count; i++)
        TRY_IN(add_vault(s, &s->config.vault[i]), "[vault %s]", s->config.vault[i].name);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_service_vaults_tend(struct cella_service *s, uint64_t now_unix) {
    struct cella_result tended = cella_vaults_tend(s->vaults, now_unix);
    struct cella_result read = read_authorities(s); /* a file that is gone stops no rotation */
    if (!cella_failed(tended)) return read;
    cella_result_drop(read);
    return tended;
}
