#include "evidence/nitro_claims.h"

#include <stdio.h>

#include "base/memory.h"

enum {
    NAME_SIZE = 32,
    TEXT_MAX = 256,
    PCR_BOOT = 4 /* what NitroTPM's UEFI started */,
    PCR_SIGNER = 8
};

static bool is_zero(struct cella_bytes value) {
    uint8_t any = 0;
    for (size_t i = 0; i < value.size; i++) any |= value.data[i];
    return any == 0;
}

static bool has(const struct cella_nitro_document *d, unsigned pcr) {
    return d->pcr_present >> pcr & 1;
}

/* A03: an enclave that runs with a debug console has no measurements: PCR0 to PCR2 are zero. */
static bool is_debug(const struct cella_nitro_document *d) {
    bool zero = !d->tpm;
    for (unsigned i = 0; i <= 2; i++) zero = zero && (!has(d, i) || is_zero(d->pcr[i]));
    return zero;
}

static void put_text(struct cella_claimset *claims, const char *name, struct cella_bytes value) {
    char text[TEXT_MAX];
    size_t size = value.size < sizeof(text) - 1 ? value.size : sizeof(text) - 1;
    cella_copy(text, value.data, size);
    text[size] = 0;
    cella_claim_text(claims, name, text);
}

static void put_common(const struct cella_nitro_document *d, struct cella_claimset *claims) {
    unsigned measured = d->tpm ? PCR_BOOT : 0;
    cella_claim_text(claims, "tee", d->tpm ? "nitro-tpm" : "nitro");
    cella_claim_text(claims, "assurance", "hypervisor");
    if (has(d, measured)) cella_claim_bytes(claims, "measurement", d->pcr[measured]);
    if (!d->tpm && has(d, PCR_SIGNER) && !is_zero(d->pcr[PCR_SIGNER]))
        cella_claim_bytes(claims, "signer", d->pcr[PCR_SIGNER]);
    cella_claim_boolean(claims, "debug", is_debug(d));
    if (d->has_user_data) cella_claim_bytes(claims, "report-data", d->user_data);
    put_text(claims, "platform-id", d->module_id);
    cella_claim_time(claims, "issued", d->timestamp_ms / 1000);
}

void cella_nitro_claims(const struct cella_nitro_document *d, struct cella_claimset *claims) {
    char name[NAME_SIZE];
    put_common(d, claims);
    cella_claim_text(claims, "nitro.document", d->tpm ? "nitrotpm" : "enclave");
    put_text(claims, "nitro.module-id", d->module_id);
    put_text(claims, "nitro.digest", d->digest);
    cella_claim_number(claims, "nitro.timestamp-ms", d->timestamp_ms);
    for (unsigned i = 0; i < CELLA_NITRO_PCR_MAX; i++) {
        snprintf(name, sizeof(name), "nitro.pcr%u", i);
        if (has(d, i)) cella_claim_bytes(claims, name, d->pcr[i]);
    }
    if (d->has_public_key) cella_claim_bytes(claims, "nitro.public-key", d->public_key);
    if (d->has_user_data) cella_claim_bytes(claims, "nitro.user-data", d->user_data);
    if (d->has_nonce) cella_claim_bytes(claims, "nitro.nonce", d->nonce);
}
