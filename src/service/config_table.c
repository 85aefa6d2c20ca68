#include "service/config_table.h"

#include <stddef.h>

#define DAY_S  86400ULL
#define YEAR_S (366 * DAY_S)

#define ROW(section, part, member, type, initial, ...)                                             \
    {                                                                                              \
        CELLA_SECTION_##section, #member, CELLA_CONF_##type,                                       \
            offsetof(struct cella_service_##part, member), initial, __VA_ARGS__                    \
    }

const struct cella_setting_row cella_setting_rows[] = {
    ROW(SERVER, server, workers, COUNT, "0", 0, 256),
    ROW(SERVER, server, metrics, ONE_LISTEN, "127.0.0.1:8449", 0, 0),
    ROW(SERVER, server, access_log, LOG, "none", 0, 0),
    ROW(SERVER, server, header_max, COUNT, "16384", 1024, 1 << 20),
    ROW(SERVER, server, request_ms, COUNT, "10000", 100, 600000),
    ROW(SERVER, server, idle_ms, COUNT, "30000", 100, 3600000),
    ROW(SERVER, server, connection_max, COUNT, "4096", 1, 1 << 20),
    ROW(SERVER, server, peer_max, COUNT, "0", 0, 1 << 20),
    ROW(SERVER, server, drain_ms, COUNT, "5000", 1, 600000),
    ROW(SERVER, server, tls12, BOOL, "no", 0, 0),
    ROW(TLS, tls, certificate, PATH, NULL, 0, 0),
    ROW(TLS, tls, key, PATH, NULL, 0, 0),
    ROW(TLS, tls, development, BOOL, "no", 0, 0),
    ROW(STORE, store, location, PATH, "cella.db", 0, 0),
    ROW(STORE, store, root, TEXT, "file:root.key", 0, 0),
    ROW(AUDIT, audit, path, PATH, "audit.log", 0, 0),
    ROW(AUDIT, audit, sync_ms, COUNT, "100", 0, 60000),
    ROW(IDENTITY, identity, url, URL, NULL, 0, 0),
    ROW(IDENTITY, identity, listen, LISTEN, NULL, 0, 0),
    ROW(IDENTITY, identity, tenant, GUID, NULL, 0, 0),
    ROW(IDENTITY, identity, token_s, COUNT, "3600", 60, DAY_S),
    ROW(IDENTITY, identity, rotate_s, COUNT, "2592000", 3600, YEAR_S),
    ROW(IDENTITY, identity, assertion_once, BOOL, "no", 0, 0),
    ROW(ISSUER, issuer, issuer, TEXT, NULL, 0, 0),
    ROW(ISSUER, issuer, jwks, PATH, NULL, 0, 0),
    ROW(ISSUER, issuer, tenant, TEXT, NULL, 0, 0),
    ROW(ATTEST, attest, url, URL, NULL, 0, 0),
    ROW(ATTEST, attest, listen, LISTEN, NULL, 0, 0),
    ROW(ATTEST, attest, mode, MODE, "aad", 0, 0),
    ROW(ATTEST, attest, algorithm, ALGORITHM, "RS256", 0, 0),
    ROW(ATTEST, attest, policy_certificates, PATH, NULL, 0, 0),
    ROW(ATTEST, attest, reference_values, PATH, NULL, 0, 0),
    ROW(ATTEST, attest, certificate, PATH, NULL, 0, 0),
    ROW(ATTEST, attest, key, PATH, NULL, 0, 0),
    ROW(ATTEST, attest, accept_tcb, WORDS, "", 0, 0),
    ROW(ATTEST, attest, token_s, COUNT, "28800", 60, YEAR_S),
    ROW(ATTEST, attest, rotate_s, COUNT, "7776000", 3600, 10 * YEAR_S),
    ROW(ATTEST, attest, grace_s, COUNT, "0", 0, YEAR_S),
    ROW(ATTEST, attest, insecure_time, TIME, NULL, 0, 0),
    ROW(VAULT, vault, url, URL, NULL, 0, 0),
    ROW(VAULT, vault, listen, LISTEN, NULL, 0, 0),
    ROW(VAULT, vault, hsm, BOOL, "no", 0, 0),
    ROW(VAULT, vault, hsm_keys, TEXT, NULL, 0, 0),
    ROW(VAULT, vault, certificate, PATH, NULL, 0, 0),
    ROW(VAULT, vault, key, PATH, NULL, 0, 0),
    ROW(VAULT, vault, login, TEXT, NULL, 0, 0),
    ROW(VAULT, vault, resource, TEXT, NULL, 0, 0),
    ROW(VAULT, vault, recover_days, COUNT, "90", 7, 90),
    ROW(VAULT, vault, purge_protection, BOOL, "no", 0, 0),
    ROW(VAULT, vault, insecure_release_software, BOOL, "no", 0, 0),
    ROW(VAULT, vault, rate, COUNT, "2000", 1, 1000000),
    ROW(AUTHORITY, authority, url, TEXT, NULL, 0, 0),
    ROW(AUTHORITY, authority, jwks, PATH, NULL, 0, 0),
    ROW(COLLATERAL, collateral, path, PATHS, "", 0, 0),
    ROW(COLLATERAL, collateral, cache, PATH, NULL, 0, 0),
    ROW(COLLATERAL, collateral, source, SOURCES, "", 0, 0),
    ROW(COLLATERAL, collateral, ca, PATH, NULL, 0, 0),
    ROW(COLLATERAL, collateral, roots, PATH, NULL, 0, 0),
    ROW(COLLATERAL, collateral, platform_keys, PATHS, "", 0, 0),
    ROW(COLLATERAL, collateral, refresh_s, COUNT, "3600", 1, 30 * DAY_S),
    ROW(COLLATERAL, collateral, timeout_ms, COUNT, "10000", 100, 600000),
};
const size_t cella_setting_row_count = sizeof(cella_setting_rows) / sizeof(cella_setting_rows[0]);

const char *cella_setting_section_name(enum cella_setting_section section) {
    static const char *const name[CELLA_SECTION_COUNT] = {
        "",           "server",         "tls",         "store",
        "audit",      "identity",       "issuer NAME", "attest NAME",
        "vault NAME", "authority NAME", "collateral"};
    return name[section];
}

bool cella_service_setting_at(size_t index, struct cella_service_setting *out) {
    if (index >= cella_setting_row_count) return false;
    const struct cella_setting_row *row = &cella_setting_rows[index];
    *out = (struct cella_service_setting){cella_setting_section_name(row->section), row->name,
                                          row->initial};
    return true;
}
