#include "attest/discovery.h"

#include "attest/answer.h"

/* Names of claims that tokens may have; the list informs, nobody goes by it. */
static json_t *claims_supported(void) {
    return json_pack("[s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s]", "is-debuggable", "sgx-mrsigner",
                     "sgx-mrenclave", "product-id", "svn", "tee", "x-ms-ver", "x-ms-policy-hash",
                     "x-ms-policy-signer", "x-ms-attestation-type", "x-ms-compliance-status",
                     "x-ms-runtime", "x-ms-inittime", "x-ms-sgx-mrenclave", "x-ms-sgx-mrsigner",
                     "x-ms-sgx-is-debuggable", "x-ms-sevsnpvm-launchmeasurement",
                     "x-ms-sevsnpvm-hostdata", "tdx_mrtd");
}

void cella_discovery_answer(const struct cella_attest_instance *instance,
                            struct cella_http_response *response) {
    const char *url = instance->settings.url;
    unsigned algorithm =
        instance->settings.algorithm ? instance->settings.algorithm : (unsigned)CELLA_JOSE_RS256;
    CELLA_JSON body =
        json_pack("{s:[s,s], s:[s], s:s+, s:s, s:s+, s:o}", "response_types_supported", "token",
                  "none", "id_token_signing_alg_values_supported", cella_jose_name(algorithm),
                  "revocation_endpoint", url, "/revoke", "issuer", url, "jwks_uri", url, "/certs",
                  "claims_supported", claims_supported());
    if (body)
        cella_answer_json(response, 200, body);
    else
        cella_answer_failure(response, "InternalError",
                             CELLA_FAILURE(CELLA_ERR_MEMORY, NULL, "no memory for an answer"));
}
