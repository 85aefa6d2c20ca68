/* What a request to an instance asks for: its path in the one form, before anything is decided
 * about it (azure-attestation 1; K19). */
#ifndef CELLA_ATTEST_ROUTE_H
#define CELLA_ATTEST_ROUTE_H

#include "attest/instance.h"
#include "http/target.h"

enum cella_attest_action {
    CELLA_ATTEST_DISCOVERY,
    CELLA_ATTEST_KEYS, /* /certs */
    CELLA_ATTEST_ATTEST,
    CELLA_ATTEST_POLICY_GET,
    CELLA_ATTEST_POLICY_SET,
    CELLA_ATTEST_POLICY_RESET,
    CELLA_ATTEST_CERTIFICATES_GET,
    CELLA_ATTEST_CERTIFICATES_ADD,
    CELLA_ATTEST_CERTIFICATES_REMOVE,
    CELLA_ATTEST_BASELINES,
    CELLA_ATTEST_EXPLANATION,
};
enum cella_attest_route_fault {
    CELLA_ATTEST_ROUTE_GOOD,
    CELLA_ATTEST_ROUTE_MALFORMED, /* 400 */
    CELLA_ATTEST_ROUTE_UNKNOWN,   /* 404 */
    CELLA_ATTEST_ROUTE_METHOD,    /* 405: allow says which there are */
};

struct cella_attest_route {
    enum cella_attest_route_fault fault;
    const char *allow; /* static */
    enum cella_attest_action action;
    enum cella_attest_type type; /* of those that have one */
    struct cella_bytes id;       /* of an explanation; view of flat */
    const char *permission;      /* the action that a role must allow; NULL: for anybody */
    bool versioned;              /* needs api-version */
    struct cella_http_target target;
    char flat[CELLA_HTTP_TARGET_MAX];
};
/* One spelling for every resource: "%3A" of an operation is ":", and nothing else of a path is
 * decoded. */
void cella_attest_route_read(struct cella_bytes method, struct cella_bytes target,
                             struct cella_attest_route *out);
/* Whether api-version is one that Azure Attestation has (azure-attestation 1.1). */
bool cella_attest_version_known(struct cella_bytes version);

#endif
