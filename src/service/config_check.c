#include "service/config_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "attest/instance.h"
#include "hsm/hsm.h"

static struct cella_result bad(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static struct cella_result bad(const char *name, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return CELLA_FAILURE(CELLA_ERR_USAGE, "docs/formats/configuration.md lists all settings",
                         "%s: %s", name, text);
}
#define WANT(cond, ...)                                                                            \
    do {                                                                                           \
        if (!(cond)) return bad(name, __VA_ARGS__);                                                \
    } while (0)

static bool same(const char *a, const char *b) {
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

/* Addresses that two sections share are one site, with one handler and one certificate. Port 0 is
 * another port every time. */
static bool shared(const struct cella_service_list *a, const struct cella_service_list *b,
                   const char **which) {
    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; k < b->count; k++) {
            *which = a->item[i];
            const char *colon = strrchr(*which, ':');
            if (strcmp(a->item[i], b->item[k]) == 0 && strcmp(colon, ":0") != 0) return true;
        }
    return false;
}

static CELLA_RESULT check_tls(const struct cella_service_config *c, const char *name) {
    WANT(!c->tls.certificate == !c->tls.key, "[tls]: certificate and key go together");
    WANT(!c->tls.development != !c->tls.certificate,
         "[tls]: expected certificate and key, or development = yes, and not both");
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_identity(const struct cella_service_config *c, const char *name) {
    const struct cella_service_identity *i = &c->identity;
    bool some = i->url || i->listen.count || i->tenant;
    WANT(!some || (i->url && i->listen.count && i->tenant),
         "[identity]: expected url, listen and tenant, missing %s",
         !i->url            ? "url"
         : !i->listen.count ? "listen"
                            : "tenant");
    for (size_t k = 0; k < c->issuer_count; k++) {
        WANT(c->issuer[k].issuer && c->issuer[k].jwks, "[issuer %s]: expected issuer and jwks",
             c->issuer[k].name);
        for (size_t m = 0; m < k; m++)
            WANT(strcmp(c->issuer[k].issuer, c->issuer[m].issuer) != 0,
                 "[issuer %s]: [issuer %s] has the same issuer", c->issuer[k].name,
                 c->issuer[m].name);
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_attest(const struct cella_service_config *c, size_t at,
                                 const char *name) {
    const struct cella_service_attest *a = &c->attest[at];
    const char *which;
    WANT(a->url && a->listen.count, "[attest %s]: expected %s", a->name, a->url ? "listen" : "url");
    WANT(!a->certificate == !a->key, "[attest %s]: certificate and key go together", a->name);
    WANT(!a->policy_certificates || a->mode == CELLA_ATTEST_ISOLATED,
         "[attest %s]: policy_certificates are for mode = isolated", a->name);
    WANT(!c->identity.url || strcmp(a->url, c->identity.url) != 0,
         "[attest %s]: [identity] has the same url", a->name);
    WANT(!shared(&a->listen, &c->identity.listen, &which),
         "[attest %s]: [identity] listens on %s too", a->name, which);
    for (size_t k = 0; k < at; k++) {
        const struct cella_service_attest *b = &c->attest[k];
        WANT(strcmp(a->url, b->url) != 0, "[attest %s]: [attest %s] has the same url", a->name,
             b->name);
        WANT(!shared(&a->listen, &b->listen, &which) ||
                 (same(a->certificate, b->certificate) && same(a->key, b->key)),
             "[attest %s]: [attest %s] listens on %s too, with another certificate", a->name,
             b->name, which);
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_vault(const struct cella_service_config *c, size_t at, const char *name) {
    const struct cella_service_vault *v = &c->vault[at];
    const char *which;
    WANT(v->url && v->listen.count, "[vault %s]: expected %s", v->name, v->url ? "listen" : "url");
    WANT(!v->certificate == !v->key, "[vault %s]: certificate and key go together", v->name);
    if (v->hsm_keys)
        TRY_IN(cella_hsm_check(v->hsm_keys, c->folder), "[vault %s] hsm_keys", v->name);
    WANT(v->login || c->identity.url,
         "[vault %s]: expected login = https://HOST/TENANT, where clients get their tokens, since "
         "there is no [identity]",
         v->name);
    WANT(!v->login || strncmp(v->login, "https://", 8) == 0,
         "[vault %s]: login: expected https://HOST/TENANT, found '%s'", v->name, v->login);
    WANT(!c->identity.url || strcmp(v->url, c->identity.url) != 0,
         "[vault %s]: [identity] has the same url", v->name);
    WANT(!shared(&v->listen, &c->identity.listen, &which),
         "[vault %s]: [identity] listens on %s too", v->name, which);
    for (size_t k = 0; k < c->attest_count; k++) {
        const struct cella_service_attest *a = &c->attest[k];
        WANT(strcmp(a->url, v->url) != 0 && strcmp(a->name, v->name) != 0,
             "[vault %s]: [attest %s] has the same url or name", v->name, a->name);
        WANT(!shared(&v->listen, &a->listen, &which), "[vault %s]: [attest %s] listens on %s too",
             v->name, a->name, which);
    }
    for (size_t k = 0; k < at; k++) {
        const struct cella_service_vault *b = &c->vault[k];
        WANT(strcmp(v->url, b->url) != 0, "[vault %s]: [vault %s] has the same url", v->name,
             b->name);
        WANT(!shared(&v->listen, &b->listen, &which) ||
                 (same(v->certificate, b->certificate) && same(v->key, b->key)),
             "[vault %s]: [vault %s] listens on %s too, with another certificate", v->name, b->name,
             which);
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_authorities(const struct cella_service_config *c, const char *name) {
    for (size_t k = 0; k < c->authority_count; k++)
        WANT(c->authority[k].url && c->authority[k].jwks, "[authority %s]: expected url and jwks",
             c->authority[k].name);
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_metrics(const struct cella_service_config *c, const char *name) {
    struct cella_service_list metrics = {.item = {c->server.metrics}, .count = 1};
    const char *which;
    WANT(!shared(&metrics, &c->identity.listen, &which),
         "[server] metrics: [identity] listens "
         "on %s",
         which);
    for (size_t i = 0; i < c->attest_count; i++)
        WANT(!shared(&metrics, &c->attest[i].listen, &which),
             "[server] metrics: [attest %s] listens on %s", c->attest[i].name, which);
    for (size_t i = 0; i < c->vault_count; i++)
        WANT(!shared(&metrics, &c->vault[i].listen, &which),
             "[server] metrics: [vault %s] listens on %s", c->vault[i].name, which);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_service_config_check(const struct cella_service_config *c, const char *name) {
    TRY(check_tls(c, name));
    TRY(check_identity(c, name));
    for (size_t i = 0; i < c->attest_count; i++) TRY(check_attest(c, i, name));
    for (size_t i = 0; i < c->vault_count; i++) TRY(check_vault(c, i, name));
    TRY(check_authorities(c, name));
    TRY(check_metrics(c, name));
    for (size_t i = 0; i < c->collateral.source.count; i++)
        WANT(strcmp(c->collateral.source.item[i], "none") != 0 || c->collateral.source.count == 1,
             "[collateral] source: none stands alone");
    WANT(c->identity.url || c->attest_count || c->vault_count,
         "nothing to serve: expected [identity], or at least one [attest NAME] or [vault NAME]");
    return CELLA_SUCCESS;
}
