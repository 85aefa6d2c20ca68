/* One call to a vault: who, what, and how it is answered (azure-keyvault 1.2 to 1.4). Routing makes
 * it, after the path was brought to its one form, the caller known, and the role checked (K19); the
 * operations of keys, secrets and certificates take it. */
#ifndef CELLA_VAULT_CALL_H
#define CELLA_VAULT_CALL_H

#include "http/target.h"
#include "vault/records.h"
#include "vault/route.h"
#include "vault/vault.h"

enum { CELLA_VAULT_AFTER_MAX = 192, CELLA_VAULT_PAGE_MAX = 25 };

struct cella_vault; /* one vault: settings, scope and the service's parts (vault.c) */

struct cella_vault_call {
    struct cella_vault *vault;
    const struct cella_vault_settings *settings;
    const struct cella_vault_parts *parts;
    const struct cella_http_request *request;
    struct cella_http_response *response;
    struct cella_caller caller;
    const char *base;           /* "https://host[:port]" of ids */
    const char *api_version;    /* as sent, known */
    const char *path;           /* in its one form, as links have it */
    const char *name, *version; /* of the path; "" when it has none */
    const char *operation;      /* the last literal part in lower case: "create", "sign", or "" */
    uint32_t page_max;          /* maxresults, 1 to 25 */
    const char *page_after;     /* of an opened $skiptoken (K13), or "" */
    uint64_t now_unix;
    /* owned: the session that the role was looked up in, for an operation that begins by reading:
     * cella_vault_begin gives it on. NULL: given, or not kept. */
    struct cella_session *looked_in;
    char action[CELLA_ROUTE_ACTION_MAX]; /* that a role must allow; "" until it is known */
    bool audited;                        /* something of it is in the audit log already */
};

/* {"error":{"code","message"[,"innererror":{"code"}]}}; inner may be NULL. */
void cella_vault_error(struct cella_vault_call *call, int status, const char *code,
                       const char *inner, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Of a failed result: not found, conflict, bad parameter, full disk ... in Azure's words for the
 * kind of the call. The result is dropped. */
void cella_vault_failure(struct cella_vault_call *call, enum cella_record_kind kind,
                         struct cella_result result);
/* The body as a strict JSON object; answers the error itself and returns NULL. */
json_t *cella_vault_body(struct cella_vault_call *call);
void cella_vault_json(struct cella_vault_call *call, int status, const json_t *body);
/* The audit record of what is about to be answered: written first; when it can't be, 503 is
 * answered and false returned (K22). verdict "ok" or "refused"; why NULL or for the owner alone. A
 * call of which nobody wrote one gets its own when it is answered (vault.c). */
bool cella_vault_audit(struct cella_vault_call *call, const char *action, const char *object,
                       const char *verdict, const char *why);
/* With members of its own: an object that is taken. */
bool cella_vault_audit_more(struct cella_vault_call *call, const char *action, const char *object,
                            const char *verdict, const char *why, json_t *more);
/* maxresults and $skiptoken of the query into the call, `after` being room for what the token says;
 * answers the error itself (K13). */
bool cella_vault_page(struct cella_vault_call *call, const struct cella_http_target *target,
                      char after[CELLA_VAULT_AFTER_MAX]);
/* A link to the next page behind `after`, sealed to vault, caller and list (K13). */
CELLA_RESULT cella_vault_next(const struct cella_vault_call *call, const char *path,
                              const char *after, struct cella_buffer *url);
/* enabled, nbf, exp, tags of a body into a record, checked; unknown members are left alone (K14).
 */
bool cella_vault_attributes(struct cella_vault_call *call, const json_t *body,
                            struct cella_record *record);
/* The attributes object of a record, with recoveryLevel and recoverableDays. */
json_t *cella_vault_attributes_json(const struct cella_vault_call *call,
                                    const struct cella_record *record);

/* The families, by routes of azure-keyvault 2, 5, 6, 7; each answers 404 for what is not there.
 * (keys*.c, secrets.c, certificates*.c, hsm*.c) method: "GET" ... */
void cella_vault_keys(struct cella_vault_call *call, const char *method, bool deleted);
void cella_vault_secrets(struct cella_vault_call *call, const char *method, bool deleted);
void cella_vault_certificates(struct cella_vault_call *call, const char *method, bool deleted);
void cella_vault_random(struct cella_vault_call *call);
/* A Managed HSM's own endpoints. (admin*.c) */
void cella_vault_admin(struct cella_vault_call *call, const char *method,
                       const struct cella_route *route, const struct cella_http_target *target);

#endif
