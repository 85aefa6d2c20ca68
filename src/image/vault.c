#include "image/vault.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "fetch/authorities.h"
#include "fetch/settings.h"

enum { PATH_SIZE = 4096 };

static struct cella_result take(void *context, const struct cella_fetch_authority *one) {
    (void)context, (void)one; /* that each can be read is all */
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_authorities(const struct cella_manifest *m, const char *folder,
                                     struct cella_buffer *out) {
    char path[PATH_SIZE];
    bool whole = m->vault_ca[0] == '/';
    int size =
        snprintf(path, sizeof(path), "%s%s%s", whole ? "" : folder, whole ? "" : "/", m->vault_ca);
    ENSURE(size > 0 && (size_t)size < sizeof(path), CELLA_ERR_LIMIT, NULL,
           "the path of the file of authorities is too long");
    TRY_IN(cella_file_read(path, CELLA_FETCH_CA_MAX, out), "[vault] ca");
    ENSURE(!memchr(out->data, 0, out->size), CELLA_ERR_FORMAT, NULL, "[vault] ca: %s: a NUL byte",
           path);
    uint8_t *end = NULL;
    TRY(cella_buffer_extend(out, 1, &end)); /* its NUL */
    TRY_IN(cella_fetch_authorities((const char *)out->data, take, NULL), "[vault] ca: %s", path);
    return CELLA_SUCCESS;
}

static CELLA_RESULT put_settings(struct cella_manifest *m, const char *folder) {
    struct cella_config *c = &m->config;
    struct cella_fetch_settings s = {.attest = m->vault_attest};
    CELLA_BUFFER ca = {0};
    CELLA_BUFFER json = {0};
    const char *name, *text;
    TRY(read_authorities(m, folder, &ca));
    s.ca = (const char *)ca.data;
    for (uint32_t i = 0; i < c->key_count; i++) {
        if (!m->key_url[i]) continue;
        TRY(cella_manifest_keep(m, c->key[i], &name)); /* with a NUL */
        s.key[s.count++] = (struct cella_fetch_key){name, m->key_url[i]};
        c->key_vault[i] = true;
    }
    TRY(cella_fetch_settings_write(&s, &json));
    ENSURE(json.size <= CELLA_CONFIG_VAULT_MAX, CELLA_ERR_LIMIT, NULL,
           "the settings of the vault's keys are over %d bytes", CELLA_CONFIG_VAULT_MAX);
    TRY(cella_manifest_keep(m, cella_buffer_bytes(&json), &text));
    c->vault = cella_bytes_text(text);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_vault_pin(struct cella_manifest *m, const char *folder, bool *fetches) {
    struct cella_config *c = &m->config;
    *fetches = false;
    if (!m->vault_attest) return CELLA_SUCCESS;
    TRY(put_settings(m, folder));
    ENSURE(c->program_count < CELLA_CONFIG_PROGRAM_MAX, CELLA_ERR_LIMIT,
           "the program that gets keys from the vault is one of them", "more than %d programs",
           CELLA_CONFIG_PROGRAM_MAX);
    for (uint32_t i = 0; i < c->program_count; i++)
        ENSURE(c->program[i].path.size != strlen(CELLA_FETCH_PATH) ||
                   !cella_equal(c->program[i].path.data, CELLA_FETCH_PATH, c->program[i].path.size),
               CELLA_ERR_EXISTS, NULL,
               "%s is the name of the program that gets keys from the vault", CELLA_FETCH_PATH);
    c->program[c->program_count++].path = cella_bytes_text(CELLA_FETCH_PATH);
    c->flags |= CELLA_CONFIG_FETCH;
    *fetches = true;
    return CELLA_SUCCESS;
}
