/* Requests of TPMs after their JWS was opened, Windows' platform claims and boot logs: the first
 * byte says what the rest is. */
#include <stdlib.h>

#include "attest/tpm_claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

/* Nobody vouches for the key, which is not asked for: what the seeds' TPM signed may hold, but
 * never as vouched for. */
static void request(struct cella_bytes input) {
    static const struct cella_tpm_demand lax = {.require_valid_aik = false}, strict = {true, 0};
    CELLA_TPM_REQUEST request = {0};
    CELLA_TPM_CHECKED checked = {0};
    CELLA_TPM_CHECKED never = {0};
    struct cella_policy_claims *claims = NULL;
    json_t *service = NULL;
    if (!done(cella_tpm_request_parse(input, &request))) return;
    if (done(cella_tpm_request_check(&request, &strict, NULL, 1760000000, &never))) abort();
    if (!done(cella_tpm_request_check(&request, &lax, NULL, 1760000000, &checked))) return;
    if (checked.aik_validated) abort();
    if (done(cella_policy_claims_new(&claims)))
        done(cella_tpm_claims(&request, &checked, "https://localhost", claims, &service));
    json_decref(service);
    cella_policy_claims_free(&claims);
}

/* As if every PCR were what the log replays to. */
static void events(struct cella_bytes log) {
    struct cella_tpm_proof proof = {.bank = CELLA_HASH_SHA256, .quoted = 0xffffff};
    struct cella_registers registers;
    struct cella_boot_facts facts;
    json_t *list = NULL;
    if (!done(cella_eventlog_replay(log, proof.bank, &registers))) return;
    for (unsigned p = 0; p < CELLA_TPM_PCR_MAX; p++)
        __builtin_memcpy(proof.values.value[p], registers.value[p], CELLA_HASH_SIZE_MAX);
    if (!done(cella_tpm_proof_log(&proof, log))) abort();
    if (!done(cella_tpm_events(&proof, log, &list, &facts)) && list) abort();
    json_decref(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_tpm_statement statement;
    struct cella_boot_facts facts = {0};
    if (size == 0) return 0;
    struct cella_bytes rest = cella_bytes(data + 1, size - 1);
    switch (data[0] & 3) {
    case 0: request(rest); break;
    case 1:
        if (done(cella_tpm_statement_parse(rest, &statement)) && !statement.there) abort();
        break;
    case 2: json_decref(cella_tpm_tagged(rest, &facts)); break;
    default: events(rest); break;
    }
    return 0;
}
