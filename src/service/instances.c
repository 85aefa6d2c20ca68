#include "service/instances.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "platform/root_tsm.h"
#include "service/evidence.h"

enum { FILE_MAX = 1 << 20, SOURCES_SIZE = 4096 };

static CELLA_RESULT join_sources(const struct cella_service_collateral *c,
                                 char text[SOURCES_SIZE]) {
    size_t at = 0;
    text[0] = 0;
    for (size_t i = 0; i < c->source.count; i++) {
        int n = snprintf(text + at, SOURCES_SIZE - at, " %s", c->source.item[i]);
        ENSURE(n > 0 && (size_t)n < SOURCES_SIZE - at, CELLA_ERR_LIMIT, NULL,
               "[collateral] source: too long");
        at += (size_t)n;
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT open_trust(const struct cella_service_config *config,
                               struct cella_trust **out) {
    const struct cella_service_collateral *c = &config->collateral;
    char sources[SOURCES_SIZE];
    TRY(join_sources(c, sources));
    struct cella_trust_settings settings = {.path = c->path.item,
                                            .path_count = c->path.count,
                                            .cache = c->cache,
                                            .source = sources,
                                            .ca = c->ca,
                                            .roots = c->roots,
                                            .refresh_s = (uint32_t)c->refresh_s,
                                            .timeout_ms = (uint32_t)c->timeout_ms,
                                            .platform = c->platform_keys.item,
                                            .platform_count = c->platform_keys.count};
    TRY_IN(cella_trust_new(&settings, out), "[collateral]");
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_file(struct cella_service *s, const char *path, struct cella_bytes *out) {
    if (!path) return CELLA_SUCCESS;
    struct cella_buffer *file = &s->file[s->file_count++];
    TRY(cella_file_read(path, FILE_MAX, file));
    *out = cella_buffer_bytes(file);
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_instance(struct cella_service *s, const struct cella_service_attest *a) {
    struct cella_attest_settings settings = {.name = a->name,
                                             .url = a->url,
                                             .mode = (enum cella_attest_mode)a->mode,
                                             .algorithm = (unsigned)a->algorithm,
                                             .token_s = (uint32_t)a->token_s,
                                             .rotate_s = (uint32_t)a->rotate_s,
                                             .accept_tcb_count = a->accept_tcb.count,
                                             .grace_s = a->grace_s,
                                             .insecure_time = a->insecure_time};
    _Static_assert((int)CELLA_SERVICE_LIST_MAX <= (int)CELLA_ATTEST_TCB_MAX,
                   "every status has its place");
    for (size_t i = 0; i < a->accept_tcb.count; i++) settings.accept_tcb[i] = a->accept_tcb.item[i];
    TRY(read_file(s, a->policy_certificates, &settings.policy_certificates));
    TRY(read_file(s, a->reference_values, &settings.reference_values));
    if (cella_service_evidence_offered(&cella_tsm_kernel)) {
        settings.evidence_over = cella_service_evidence_over;
        settings.evidence_context = (void *)(uintptr_t)&cella_tsm_kernel;
    }
    return cella_attest_add(s->attest, &settings, s->trust);
}

CELLA_RESULT cella_service_instances_open(struct cella_service *s) {
    struct cella_attest_parts parts = {.database = s->database,
                                       .sealer = s->sealer,
                                       .issuers = s->issuers,
                                       .audit = s->audit,
                                       .metrics = s->metrics};
    if (s->config.attest_count == 0) return CELLA_SUCCESS;
    TRY(open_trust(&s->config, &s->trust));
    TRY(cella_attest_new(&parts, &s->attest));
    for (size_t i = 0; i < s->config.attest_count; i++)
        TRY_IN(add_instance(s, &s->config.attest[i]), "[attest %s]", s->config.attest[i].name);
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_file(const char *path) {
    CELLA_BUFFER file = {0};
    return path ? cella_file_read(path, FILE_MAX, &file) : CELLA_SUCCESS;
}

CELLA_RESULT cella_service_instances_check(const struct cella_service_config *config) {
    struct cella_trust *trust = NULL;
    for (size_t i = 0; i < config->attest_count; i++) {
        const struct cella_service_attest *a = &config->attest[i];
        TRY_IN(check_file(a->policy_certificates), "[attest %s]", a->name);
        TRY_IN(check_file(a->reference_values), "[attest %s]", a->name);
    }
    for (size_t i = 0; i < config->issuer_count; i++)
        TRY_IN(check_file(config->issuer[i].jwks), "[issuer %s]", config->issuer[i].name);
    struct cella_result r = open_trust(config, &trust);
    cella_trust_free(&trust);
    return r;
}
