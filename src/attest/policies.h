/* The policies and policy management certificates of an instance (azure-attestation 7 and 8):
 * stored, compiled once, shared by requests. Thread-safe. */
#ifndef CELLA_ATTEST_POLICIES_H
#define CELLA_ATTEST_POLICIES_H

#include <cella/policy.h>

#include "attest/instance.h"
#include "http/server.h"

struct cella_policy_entry { /* immutable */
    const struct cella_policy *policy;
    struct cella_bytes text;
    char hash[44];        /* x-ms-policy-hash */
    const json_t *signer; /* JWK of who signed it, or NULL */
    bool is_default;
};

CELLA_RESULT cella_policies_new(const struct cella_attest_instance *instance,
                                struct cella_policies **out);
void cella_policies_free(struct cella_policies **policies);
/* The policy of a type, stored or default; *entry NULL where there is neither (Tpm,
 * SoftwareEnclave). Lent until _drop, also when it is replaced meanwhile. */
CELLA_RESULT cella_policies_take(struct cella_policies *policies, enum cella_attest_type type,
                                 const struct cella_policy_entry **entry);
void cella_policies_drop(struct cella_policies *policies, const struct cella_policy_entry *entry);
/* x-ms-policy-hash of a text: b64u(SHA-256(b64u(text))). */
CELLA_RESULT cella_policy_hash(struct cella_bytes text, char hash[44]);

/* The endpoints: the caller is authorised already, parts of the path are given. (policies_http.c)
 * They audit what they change. */
void cella_policies_get(struct cella_attest_instance *instance, enum cella_attest_type type,
                        const struct cella_http_request *request,
                        struct cella_http_response *response);
void cella_policies_put(struct cella_attest_instance *instance, enum cella_attest_type type,
                        const struct cella_caller *caller, const struct cella_http_request *request,
                        struct cella_http_response *response);
void cella_policies_reset(struct cella_attest_instance *instance, enum cella_attest_type type,
                          const struct cella_caller *caller,
                          const struct cella_http_request *request,
                          struct cella_http_response *response);
void cella_certificates_get(struct cella_attest_instance *instance,
                            const struct cella_http_request *request,
                            struct cella_http_response *response);
void cella_certificates_change(struct cella_attest_instance *instance, bool add,
                               const struct cella_caller *caller,
                               const struct cella_http_request *request,
                               struct cella_http_response *response);
void cella_baselines_get(struct cella_attest_instance *instance, enum cella_attest_type type,
                         const struct cella_http_request *request,
                         struct cella_http_response *response);

#endif
