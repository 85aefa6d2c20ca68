#include "policy/azure_claims.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

typedef struct cella_policy_claims claims_;
typedef const struct cella_claimset set_;
typedef const struct cella_claim claim_;

enum {
    FIELD_MAX = 256 /* bytes of a field shown in hex */,
    NAME_MAX_BYTES = CELLA_CLAIM_NAME_MAX + 1
};

/* --- Names --- */

enum tee { SGX = 1, SNP = 2, TDX = 4, SOFTWARE = 8 };

/* From cella's name to Azure's. SVNs of SEV-SNP are those of the reported TCB. */
static const struct name {
    enum tee tee;
    const char *from, *to;
} names[] = {
    {SGX, "debug", "x-ms-sgx-is-debuggable"},
    {SGX, "measurement", "x-ms-sgx-mrenclave"},
    {SGX, "signer", "x-ms-sgx-mrsigner"},
    {SGX, "product-id", "x-ms-sgx-product-id"},
    {SGX, "svn", "x-ms-sgx-svn"},
    {SGX, "report-data", "x-ms-sgx-report-data"},
    {SGX, "debug", "$is-debuggable"},
    {SGX, "measurement", "$sgx-mrenclave"},
    {SGX, "signer", "$sgx-mrsigner"},
    {SGX, "product-id", "$product-id"},
    {SGX, "svn", "$svn"},
    {SNP, "snp.author-key-digest", "x-ms-sevsnpvm-authorkeydigest"},
    {SNP, "snp.reported-tcb.bootloader", "x-ms-sevsnpvm-bootloader-svn"},
    {SNP, "snp.family-id", "x-ms-sevsnpvm-familyId"},
    {SNP, "svn", "x-ms-sevsnpvm-guestsvn"},
    {SNP, "config-id", "x-ms-sevsnpvm-hostdata"},
    {SNP, "snp.id-key-digest", "x-ms-sevsnpvm-idkeydigest"},
    {SNP, "snp.image-id", "x-ms-sevsnpvm-imageId"},
    {SNP, "debug", "x-ms-sevsnpvm-is-debuggable"},
    {SNP, "measurement", "x-ms-sevsnpvm-launchmeasurement"},
    {SNP, "snp.reported-tcb.microcode", "x-ms-sevsnpvm-microcode-svn"},
    {SNP, "snp.policy.migrate-ma", "x-ms-sevsnpvm-migration-allowed"},
    {SNP, "report-data", "x-ms-sevsnpvm-reportdata"},
    {SNP, "snp.report-id", "x-ms-sevsnpvm-reportid"},
    {SNP, "snp.policy.smt", "x-ms-sevsnpvm-smt-allowed"},
    {SNP, "snp.reported-tcb.snp", "x-ms-sevsnpvm-snpfw-svn"},
    {SNP, "snp.reported-tcb.tee", "x-ms-sevsnpvm-tee-svn"},
    {SNP, "snp.vmpl", "x-ms-sevsnpvm-vmpl"},
    {TDX, "tcb-status", "attester_tcb_status"},
    {TDX, "advisories", "attester_advisory_ids"},
    {TDX, "config-id", "tdx_mrconfigid"},
    {TDX, "tdx.mrowner", "tdx_mrowner"},
    {TDX, "tdx.mrownerconfig", "tdx_mrownerconfig"},
    {TDX, "tdx.mrseam", "tdx_mrseam"},
    {TDX, "tdx.mrsignerseam", "tdx_mrsignerseam"},
    {TDX, "measurement", "tdx_mrtd"},
    {TDX, "report-data", "tdx_report_data"},
    {TDX, "tdx.rtmr0", "tdx_rtmr0"},
    {TDX, "tdx.rtmr1", "tdx_rtmr1"},
    {TDX, "tdx.rtmr2", "tdx_rtmr2"},
    {TDX, "tdx.rtmr3", "tdx_rtmr3"},
    {TDX, "tdx.seam-attributes", "tdx_seam_attributes"},
    {TDX, "tdx.attributes", "tdx_td_attributes"},
    {TDX, "tdx.xfam", "tdx_xfam"},
    {TDX, "tdx.tee-tcb-svn", "tdx_tee_tcb_svn"},
    {TDX, "tdx.sept-ve-disable", "tdx_td_attributes_septve_disable"},
    {TDX, "tdx.pks", "tdx_td_attributes_protection_keys"},
    {TDX, "tdx.key-locker", "tdx_td_attributes_key_locker"},
    {TDX, "tdx.perfmon", "tdx_td_attributes_perfmon"},
    /* cella's own: never under a name that means hardware (A23). */
    {SOFTWARE, "assurance", "x-ms-cella-assurance"},
    {SOFTWARE, "confidential-computing", "x-ms-cella-confidential-computing"},
    {SOFTWARE, "measurement", "x-ms-cella-mrenclave"},
    {SOFTWARE, "signer", "x-ms-cella-mrsigner"},
    {SOFTWARE, "product-id", "x-ms-cella-product-id"},
    {SOFTWARE, "svn", "x-ms-cella-svn"},
    {SOFTWARE, "debug", "x-ms-cella-is-debuggable"},
    {SOFTWARE, "report-data", "x-ms-cella-report-data"},
    {SOFTWARE, "config-id", "x-ms-cella-config-id"},
    {SOFTWARE, "platform-id", "x-ms-cella-platform-key"},
    {SOFTWARE, "issued", "x-ms-cella-issued"},
    {SOFTWARE, "software.memory", "x-ms-cella-memory"},
    {SOFTWARE, "software.root", "x-ms-cella-root"},
    {SOFTWARE, "software.trusted-by", "x-ms-cella-trusted-by"},
    {SOFTWARE, "software.platform-version", "x-ms-cella-platform-version"},
    {SOFTWARE, "root-measurement", "x-ms-cella-root-measurement"},
    {SOFTWARE, "root-debug", "x-ms-cella-root-is-debuggable"},
};
enum { NAME_COUNT = sizeof(names) / sizeof(names[0]) };

/* Beyond the table: those below, and what the service adds to a token. */
static const char *const others[] = {"x-ms-attestation-type",
                                     "x-ms-compliance-status",
                                     "x-ms-runtime",
                                     "x-ms-inittime",
                                     "x-ms-policy-hash",
                                     "x-ms-policy",
                                     "x-ms-policy-signer",
                                     "x-ms-ver",
                                     "x-ms-isolation-tee",
                                     "x-ms-sgx-ehd",
                                     "x-ms-sgx-collateral",
                                     "x-ms-sgx-config-id",
                                     "x-ms-sgx-config-svn",
                                     "x-ms-sgx-isv-extended-product-id",
                                     "x-ms-sgx-isv-family-id",
                                     "x-ms-sgx-tcbidentifier",
                                     "x-ms-sevsnpvm-uvm-endorsement",
                                     "tdx_seamsvn",
                                     "tdx_td_attributes_debug",
                                     "x-ms-cella-collateral-stale",
                                     "x-ms-cella-key-request",
                                     "$tee"};

static bool is(struct cella_bytes type, const char *name) {
    return type.size == strlen(name) && cella_equal(type.data, name, type.size);
}
static bool begins(struct cella_bytes type, const char *with) {
    return type.size >= strlen(with) && cella_equal(type.data, with, strlen(with));
}

bool cella_azure_claim_known(struct cella_bytes type) {
    static const char *const families[] = {"x-ms-sgx-", "x-ms-sevsnpvm-", "tdx_", "$", "x-ms-"};
    bool ours = false;
    if (begins(type, "x-ms-azurevm-")) return true; /* of the guest, which says many */
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        ours = ours || begins(type, families[i]);
    for (size_t i = 0; ours && i < NAME_COUNT; i++)
        if (is(type, names[i].to)) return true;
    for (size_t i = 0; ours && i < sizeof(others) / sizeof(others[0]); i++)
        if (is(type, others[i])) return true;
    return !ours;
}

/* --- Values --- */

static void put_text(claims_ *to, const char *name, const char *text) {
    cella_policy_claims_text(to, name, cella_bytes_text(text), CELLA_POLICY_SERVICE);
}

static void put_hex(claims_ *to, const char *name, struct cella_bytes bytes) {
    char text[2 * FIELD_MAX + 1];
    if (bytes.size > FIELD_MAX) return; /* no field that the service shows is so long */
    cella_hex_encode(bytes, text);
    put_text(to, name, text);
}

/* A number that the language's integers cannot hold becomes text, which no order compares. */
static void put_number(claims_ *to, const char *name, uint64_t number) {
    char text[24];
    if (number <= INT64_MAX) {
        cella_policy_claims_integer(to, name, (int64_t)number, CELLA_POLICY_SERVICE);
        return;
    }
    snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    put_text(to, name, text);
}

static void put(claims_ *to, const char *name, claim_ *claim) {
    switch (claim->type) {
    case CELLA_CLAIM_TEXT:
        cella_policy_claims_text(to, name, claim->bytes, CELLA_POLICY_SERVICE);
        return;
    case CELLA_CLAIM_BYTES: put_hex(to, name, claim->bytes); return;
    case CELLA_CLAIM_BOOLEAN:
        cella_policy_claims_boolean(to, name, claim->number, CELLA_POLICY_SERVICE);
        return;
    case CELLA_CLAIM_NUMBER:
    case CELLA_CLAIM_TIME: put_number(to, name, claim->number); return;
    }
}

static bool text_is(set_ *verified, const char *name, const char *text) {
    claim_ *claim = cella_claimset_find(verified, name);
    return claim && claim->type == CELLA_CLAIM_TEXT && is(claim->bytes, text);
}

/* --- Per TEE --- */

static struct cella_bytes bytes_of(set_ *verified, const char *name, size_t size) {
    claim_ *claim = cella_claimset_find(verified, name);
    bool good = claim && claim->type == CELLA_CLAIM_BYTES && claim->bytes.size >= size;
    return good ? claim->bytes : cella_bytes(NULL, 0);
}

static void by_table(claims_ *to, set_ *verified, enum tee tee) {
    for (size_t i = 0; i < cella_claimset_count(verified); i++) {
        claim_ *claim = cella_claimset_at(verified, i);
        for (size_t k = 0; k < NAME_COUNT; k++)
            if (names[k].tee == tee && strcmp(names[k].from, claim->name) == 0)
                put(to, names[k].to, claim);
    }
}

static void sgx(claims_ *to, set_ *verified) {
    static const struct {
        const char *from, *to;
    } key_separation[] = {{"config-id", "x-ms-sgx-config-id"},
                          {"sgx.config-svn", "x-ms-sgx-config-svn"},
                          {"sgx.isvextprodid", "x-ms-sgx-isv-extended-product-id"},
                          {"sgx.isvfamilyid", "x-ms-sgx-isv-family-id"}};
    struct cella_bytes attributes = bytes_of(verified, "sgx.attributes", 1);
    put_text(to, "x-ms-attestation-type", "sgx");
    put_text(to, "$tee", "sgx");
    by_table(to, verified, SGX);
    if (attributes.size == 0 || !(attributes.data[0] & 0x80)) return; /* ATTRIBUTES.KSS */
    for (size_t i = 0; i < sizeof(key_separation) / sizeof(key_separation[0]); i++) {
        claim_ *claim = cella_claimset_find(verified, key_separation[i].from);
        if (claim) put(to, key_separation[i].to, claim);
    }
}

static void snp(claims_ *to, set_ *verified) {
    put_text(to, "x-ms-attestation-type", "sevsnpvm");
    by_table(to, verified, SNP);
    /* Here the service shows zeros where cella has no claim. */
}

static void tdx(claims_ *to, set_ *verified) {
    struct cella_bytes attributes = bytes_of(verified, "tdx.attributes", 8);
    struct cella_bytes svn = bytes_of(verified, "tdx.tee-tcb-svn", 16);
    claim_ *debug = cella_claimset_find(verified, "debug");
    put_text(to, "x-ms-attestation-type", "tdxvm");
    put_text(to, "eat_profile", "https://aka.ms/maa-eat-profile-tdxvm");
    put_text(to, "intuse", "generic");
    by_table(to, verified, TDX);
    if (debug && debug->type == CELLA_CLAIM_BOOLEAN)
        put_text(to, "dbgstat", debug->number ? "enabled" : "disabled");
    if (attributes.size)
        cella_policy_claims_boolean(to, "tdx_td_attributes_debug", attributes.data[0] & 1,
                                    CELLA_POLICY_SERVICE);
    if (svn.size) cella_policy_claims_integer(to, "tdx_seamsvn", svn.data[0], CELLA_POLICY_SERVICE);
}

/* Names of their own, and a type that no hardware has: a policy and a relying party must name it to
 * take it (A23). */
static void software(claims_ *to, set_ *verified) {
    put_text(to, "x-ms-attestation-type", "cella-software");
    by_table(to, verified, SOFTWARE);
}

/* A token of the service itself: its claims have the right names already. */
static void token(claims_ *to, set_ *verified) {
    for (size_t i = 0; i < cella_claimset_count(verified); i++) {
        claim_ *claim = cella_claimset_at(verified, i);
        if (strncmp(claim->name, "maa.", 4) == 0) put(to, claim->name + 4, claim);
    }
}

static bool is_token(set_ *verified) { return cella_claimset_find(verified, "maa.iss") != NULL; }

void cella_policy_claims_verified(struct cella_policy_claims *claims,
                                  const struct cella_claimset *verified, bool own_names) {
    if (is_token(verified))
        token(claims, verified);
    else if (text_is(verified, "tee", "sgx"))
        sgx(claims, verified);
    else if (text_is(verified, "tee", "snp"))
        snp(claims, verified);
    else if (text_is(verified, "tee", "tdx"))
        tdx(claims, verified);
    else if (text_is(verified, "tee", "software"))
        software(claims, verified);
    for (size_t i = 0; own_names && i < cella_claimset_count(verified); i++) {
        claim_ *claim = cella_claimset_at(verified, i);
        if (strncmp(claim->name, "maa.", 4) != 0) put(claims, claim->name, claim);
    }
}
