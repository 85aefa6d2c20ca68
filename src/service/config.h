/* The configuration of a server: DATA/cella.conf, in INI (docs/formats/configuration.md has every
 * setting).
 *
 * Strict: an unknown section or setting, one given twice, a value that is none, or two that
 * contradict each other are errors that name file:line, what was expected and what was found.
 * Parsing reads no file but the bytes given. Paths are relative to the data folder and come out
 * with it before them. A setting that is not given has its default, so only texts that have none
 * are NULL. */
#ifndef CELLA_SERVICE_CONFIG_H
#define CELLA_SERVICE_CONFIG_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    CELLA_SERVICE_CONFIG_MAX = 1 << 18, /* bytes of the file */
    CELLA_SERVICE_ATTEST_MAX = 32,      /* instances */
    CELLA_SERVICE_ISSUER_MAX = 16,
    CELLA_SERVICE_VAULT_MAX = 32,
    CELLA_SERVICE_AUTHORITY_MAX = 16,
    CELLA_SERVICE_LIST_MAX = 16, /* values of one setting */
};
#define CELLA_SERVICE_CONFIG_NAME "cella.conf"

struct cella_service_list {
    const char *item[CELLA_SERVICE_LIST_MAX];
    size_t count;
};

struct cella_service_server {
    uint64_t workers; /* 0: one per processor */
    const char *metrics;
    const char *access_log; /* "none", "stderr" or a path */
    uint64_t header_max, request_ms, idle_ms, connection_max, peer_max, drain_ms;
    bool tls12;
};
struct cella_service_tls {
    const char *certificate, *key; /* NULL: development */
    bool development;              /* certificates are issued by the folder's own authority */
};
struct cella_service_store {
    const char *location, *root;
};
struct cella_service_audit {
    const char *path;
    uint64_t sync_ms;
};
struct cella_service_identity {
    const char *url; /* NULL: the section is not there */
    struct cella_service_list listen;
    const char *tenant;
    uint64_t token_s, rotate_s;
    bool assertion_once;
};
struct cella_service_issuer {
    const char *name;
    const char *issuer, *jwks, *tenant;
};
struct cella_service_attest {
    const char *name, *url;
    struct cella_service_list listen;
    uint64_t mode;      /* enum cella_attest_mode */
    uint64_t algorithm; /* CELLA_JOSE_RS256 or CELLA_JOSE_ES256 */
    const char *policy_certificates, *reference_values, *certificate, *key;
    struct cella_service_list accept_tcb;
    uint64_t token_s, rotate_s, grace_s, insecure_time;
};
struct cella_service_vault {
    const char *name, *url;
    struct cella_service_list listen;
    const char *certificate, *key, *login, *resource, *hsm_keys;
    bool hsm, purge_protection, insecure_release_software;
    uint64_t recover_days, rate;
};
struct cella_service_authority {
    const char *name;
    const char *url, *jwks;
};
struct cella_service_collateral {
    struct cella_service_list path, source, platform_keys;
    const char *cache, *ca, *roots;
    uint64_t refresh_s, timeout_ms;
};

struct cella_service_config {
    const char *folder; /* of data */
    struct cella_service_server server;
    struct cella_service_tls tls;
    struct cella_service_store store;
    struct cella_service_audit audit;
    struct cella_service_identity identity;
    struct cella_service_collateral collateral;
    size_t issuer_count, attest_count, vault_count, authority_count;
    struct cella_service_issuer issuer[CELLA_SERVICE_ISSUER_MAX];
    struct cella_service_attest attest[CELLA_SERVICE_ATTEST_MAX];
    struct cella_service_vault vault[CELLA_SERVICE_VAULT_MAX];
    struct cella_service_authority authority[CELLA_SERVICE_AUTHORITY_MAX];
    char **text; /* owned: every text the above point to */
    size_t text_count;
};

/* name: of the file, for messages. */
CELLA_RESULT cella_service_config_parse(struct cella_bytes bytes, const char *name,
                                        const char *folder, struct cella_service_config *out);
/* DATA/cella.conf; CELLA_ERR_NOT_FOUND where there is none. */
CELLA_RESULT cella_service_config_read(const char *folder, struct cella_service_config *out);
void cella_service_config_free(struct cella_service_config *config);
#define CELLA_SERVICE_CONFIG                                                                       \
    __attribute__((cleanup(cella_service_config_free))) struct cella_service_config

/* The settings that there are, for the documentation and its test: section "attest NAME" stands for
 * every name. default NULL: none, "": empty. False after the last. */
struct cella_service_setting {
    const char *section, *name, *initial;
};
bool cella_service_setting_at(size_t index, struct cella_service_setting *out);

/* --- Parts for other commands --- */

struct cella_database;
struct cella_sealer;
struct cella_secret;
/* The store and the sealer of a data folder, as its cella.conf says; also while a server runs. */
CELLA_RESULT cella_service_open_store(const char *folder, struct cella_database **database,
                                      struct cella_sealer **sealer);
/* The key of the audit log's checkpoint, kept sealed in the store; made at first use. */
CELLA_RESULT cella_service_audit_key(struct cella_database *database,
                                     const struct cella_sealer *sealer, struct cella_secret *key);

#endif
