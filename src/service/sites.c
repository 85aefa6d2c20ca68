/* From sections to sites: sections with the same address are one, and told apart by their host. */
#include <string.h>

#include "service/service_inner.h"

enum { FORM_MAX = 1 << 16 /* bytes of a form or a metrics request */ };

static CELLA_RESULT add_site(struct cella_service *s, const char *listen, const char *name,
                             cella_http_handler *handler, void *context, uint32_t body_max,
                             const char *instance) {
    const struct cella_service_pair *pair =
        cella_service_certificates_find(s->certificates, instance);
    for (size_t i = 0; i < s->site_count; i++)
        if (strcmp(s->site[i].listen, listen) == 0 && s->site[i].handler == handler)
            return CELLA_SUCCESS; /* the configuration was checked: with the same certificate */
    ENSURE(s->site_count < CELLA_HTTP_SITES, CELLA_ERR_LIMIT,
           "let instances share an address: the host tells them apart",
           "more addresses to listen on than %d", CELLA_HTTP_SITES);
    s->pair[s->site_count] = pair;
    s->site[s->site_count++] =
        (struct cella_http_site){.listen = listen,
                                 .name = name,
                                 .certificate = cella_buffer_bytes(&pair->certificate),
                                 .key = cella_secret_bytes(&pair->key),
                                 .handler = handler,
                                 .context = context,
                                 .body_max = body_max};
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_service_sites(struct cella_service *s) {
    const struct cella_service_identity *identity = &s->config.identity;
    TRY(add_site(s, s->config.server.metrics, "metrics", cella_service_health_answer, s, FORM_MAX,
                 NULL));
    for (size_t i = 0; i < identity->listen.count; i++)
        TRY(add_site(s, identity->listen.item[i], "identity", cella_issuer_answer, s->issuer,
                     FORM_MAX, NULL));
    for (size_t i = 0; i < s->config.attest_count; i++) {
        const struct cella_service_attest *a = &s->config.attest[i];
        for (size_t k = 0; k < a->listen.count; k++)
            TRY(add_site(s, a->listen.item[k], "attest", cella_service_answer_attest, s,
                         CELLA_ATTEST_BODY_MAX, a->certificate ? a->name : NULL));
    }
    for (size_t i = 0; i < s->config.vault_count; i++) {
        const struct cella_service_vault *v = &s->config.vault[i];
        for (size_t k = 0; k < v->listen.count; k++)
            TRY(add_site(s, v->listen.item[k], "vault", cella_service_answer_vaults, s,
                         CELLA_VAULT_BODY_MAX, v->certificate ? v->name : NULL));
    }
    return CELLA_SUCCESS;
}
