#include "attest/route.h"

#include <string.h>

#include "base/memory.h"

/* A path is a head and, where has_tail, one part more, which may end in an operation. */
static const struct pattern {
    const char *head;
    enum { WHOLE, TYPE, ID } tail;
    const char *operation; /* behind a ":", or "" */
    const char *method;
    enum cella_attest_action action;
    const char *permission; /* azure-attestation 1, 10 */
    bool versioned;
} patterns[] = {
    {"/.well-known/openid-configuration", WHOLE, "", "GET", CELLA_ATTEST_DISCOVERY, NULL, false},
    {"/certs", WHOLE, "", "GET", CELLA_ATTEST_KEYS, NULL, false},
    {"/attest/", TYPE, "", "POST", CELLA_ATTEST_ATTEST, NULL, true},
    {"/policies/", TYPE, "", "GET", CELLA_ATTEST_POLICY_GET, CELLA_ACTION_ATTESTATION_READ, true},
    {"/policies/", TYPE, "", "PUT", CELLA_ATTEST_POLICY_SET, CELLA_ACTION_ATTESTATION_WRITE, true},
    {"/policies/", TYPE, "reset", "POST", CELLA_ATTEST_POLICY_RESET,
     CELLA_ACTION_ATTESTATION_DELETE, true},
    {"/certificates", WHOLE, "", "GET", CELLA_ATTEST_CERTIFICATES_GET,
     CELLA_ACTION_ATTESTATION_READ, true},
    {"/certificates", WHOLE, "add", "POST", CELLA_ATTEST_CERTIFICATES_ADD,
     CELLA_ACTION_ATTESTATION_WRITE, true},
    {"/certificates", WHOLE, "remove", "POST", CELLA_ATTEST_CERTIFICATES_REMOVE,
     CELLA_ACTION_ATTESTATION_DELETE, true},
    {"/tcbbaselines/", TYPE, "", "GET", CELLA_ATTEST_BASELINES, CELLA_ACTION_ATTESTATION_READ,
     true},
    {"/decisions/", ID, "", "GET", CELLA_ATTEST_EXPLANATION, CELLA_ACTION_ATTESTATION_EXPLAIN,
     true},
};
enum { PATTERN_COUNT = sizeof(patterns) / sizeof(patterns[0]) };

static bool is(struct cella_bytes bytes, const char *text) {
    return bytes.size == strlen(text) && cella_equal(bytes.data, text, bytes.size);
}

/* --- The one form --- */

/* Clients that encode the ":" of an operation mean the same (azure-attestation 1.2). Done once, and
 * before anything is decided; what stays encoded in a path is refused (K19). */
static bool flatten(struct cella_bytes target, struct cella_attest_route *out) {
    size_t size = 0;
    bool query = false;
    if (target.size >= sizeof(out->flat)) return false;
    for (size_t i = 0; i < target.size; i++) {
        const uint8_t *at = target.data + i;
        query = query || *at == '?';
        bool colon = !query && *at == '%' && target.size - i >= 3 && at[1] == '3' &&
                     (at[2] == 'A' || at[2] == 'a');
        out->flat[size++] = colon ? ':' : (char)*at;
        if (colon) i += 2;
    }
    struct cella_result r = cella_http_target_parse(cella_bytes(out->flat, size), &out->target);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

/* Cuts the operation off. */
static struct cella_bytes cut(struct cella_bytes path, struct cella_bytes *operation) {
    const uint8_t *colon = path.size ? memchr(path.data, ':', path.size) : NULL;
    *operation = cella_bytes(NULL, 0);
    if (!colon) return path;
    size_t size = (size_t)(colon - path.data);
    *operation = cella_bytes(colon + 1, path.size - size - 1);
    return cella_bytes(path.data, size);
}

/* --- Matching --- */

static bool tail_fits(const struct pattern *p, struct cella_bytes tail,
                      struct cella_attest_route *out) {
    if (p->tail == WHOLE) return tail.size == 0;
    if (tail.size == 0 || memchr(tail.data, '/', tail.size)) return false;
    out->id = tail;
    return p->tail == ID || cella_attest_type_find(tail, &out->type);
}

static bool path_fits(const struct pattern *p, struct cella_bytes path, bool has_operation,
                      struct cella_bytes operation, struct cella_attest_route *out) {
    size_t size = strlen(p->head);
    if (path.size < size || !cella_equal(path.data, p->head, size)) return false;
    if (has_operation != (p->operation[0] != 0) || (has_operation && !is(operation, p->operation)))
        return false;
    return tail_fits(p, cella_bytes(path.data + size, path.size - size), out);
}

/* Attesting a TPM is for those who may read policies; all else may be attested by anybody. */
static const char *permission_of(const struct pattern *p, enum cella_attest_type type) {
    if (p->action == CELLA_ATTEST_ATTEST && type == CELLA_ATTEST_TPM)
        return CELLA_ACTION_ATTESTATION_READ;
    return p->permission;
}

void cella_attest_route_read(struct cella_bytes method, struct cella_bytes target,
                             struct cella_attest_route *out) {
    struct cella_bytes operation;
    out->fault = CELLA_ATTEST_ROUTE_MALFORMED;
    out->allow = NULL;
    if (!flatten(target, out)) return;
    out->fault = CELLA_ATTEST_ROUTE_UNKNOWN;
    struct cella_bytes path = cut(out->target.path, &operation);
    bool has_operation = path.size != out->target.path.size;
    for (size_t i = 0; i < PATTERN_COUNT; i++) {
        const struct pattern *p = &patterns[i];
        if (!path_fits(p, path, has_operation, operation, out)) continue;
        if (is(method, p->method)) {
            out->fault = CELLA_ATTEST_ROUTE_GOOD;
            out->action = p->action;
            out->permission = permission_of(p, out->type);
            out->versioned = p->versioned;
            return;
        }
        out->allow = out->allow ? "GET, PUT" : p->method; /* of policies alone there are two */
        out->fault = CELLA_ATTEST_ROUTE_METHOD;
    }
}

bool cella_attest_version_known(struct cella_bytes version) {
    static const char *const versions[] = {"2018-09-01-preview", "2020-10-01",
                                           "2022-08-01",         "2022-09-01-preview",
                                           "2025-06-01",         "2026-03-11-preview"};
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
        if (is(version, versions[i])) return true;
    return false;
}
