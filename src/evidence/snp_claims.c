#include "evidence/snp_claims.h"

#include <stdio.h>

#include "base/memory.h"

static bool all(const uint8_t *bytes, size_t size, uint8_t value) {
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != value) return false;
    return true;
}

bool cella_snp_chip_masked(const struct cella_snp_report *report) {
    return all(report->chip_id, sizeof(report->chip_id), 0);
}

static void add_version(struct cella_claimset *claims, const char *name, const uint8_t v[3]) {
    char text[16];
    snprintf(text, sizeof(text), "%u.%u.%u", v[2], v[1], v[0]);
    cella_claim_text(claims, name, text);
}

static void add_tcb(struct cella_claimset *claims, const char *which, enum cella_snp_line line,
                    const uint8_t tcb[CELLA_SNP_TCB_SIZE]) {
    char name[CELLA_CLAIM_NAME_MAX];
    snprintf(name, sizeof(name), "snp.%s-tcb", which);
    cella_claim_bytes(claims, name, cella_bytes(tcb, CELLA_SNP_TCB_SIZE));
    for (int c = 0; c < CELLA_SNP_COMPONENT_COUNT; c++) {
        int at = cella_snp_component_at(line, (enum cella_snp_component)c);
        if (at < 0) continue;
        snprintf(name, sizeof(name), "snp.%s-tcb.%s", which,
                 cella_snp_component_name((enum cella_snp_component)c));
        cella_claim_number(claims, name, tcb[at]);
    }
}

struct bit {
    const char *name;
    unsigned bit;
};

static void add_bits(struct cella_claimset *claims, uint64_t value, const struct bit *bits,
                     size_t count) {
    for (size_t i = 0; i < count; i++)
        cella_claim_boolean(claims, bits[i].name, value >> bits[i].bit & 1);
}

static void add_policy(struct cella_claimset *claims, uint64_t policy) {
    static const struct bit bits[] = {
        {"snp.policy.smt", CELLA_SNP_POLICY_SMT},
        {"snp.policy.migrate-ma", CELLA_SNP_POLICY_MIGRATE_MA},
        {"snp.policy.debug", CELLA_SNP_POLICY_DEBUG},
        {"snp.policy.single-socket", CELLA_SNP_POLICY_SINGLE_SOCKET},
        {"snp.policy.cxl-allow", CELLA_SNP_POLICY_CXL_ALLOW},
        {"snp.policy.mem-aes-256-xts", CELLA_SNP_POLICY_MEM_AES_256_XTS},
        {"snp.policy.rapl-disabled", CELLA_SNP_POLICY_RAPL_DISABLED},
        {"snp.policy.ciphertext-hiding", CELLA_SNP_POLICY_CIPHERTEXT_HIDING},
        {"snp.policy.page-swap-disabled", CELLA_SNP_POLICY_PAGE_SWAP_DISABLED},
    };
    char abi[16];
    snprintf(abi, sizeof(abi), "%u.%u", (unsigned)(policy >> 8 & 0xff), (unsigned)(policy & 0xff));
    cella_claim_number(claims, "snp.policy", policy);
    cella_claim_text(claims, "snp.policy.abi", abi);
    add_bits(claims, policy, bits, sizeof(bits) / sizeof(bits[0]));
}

static void add_platform(struct cella_claimset *claims, uint64_t info) {
    static const struct bit bits[] = {
        {"snp.platform.smt", 0},
        {"snp.platform.tsme", 1},
        {"snp.platform.ecc", 2},
        {"snp.platform.rapl-disabled", 3},
        {"snp.platform.ciphertext-hiding", 4},
        {"snp.platform.alias-check-complete", 5},
        {"snp.platform.tio", 7},
    };
    cella_claim_number(claims, "snp.platform", info);
    add_bits(claims, info, bits, sizeof(bits) / sizeof(bits[0]));
}

/* The names every TEE shares (docs/formats/claims.md). */
static void add_common(struct cella_claimset *claims, const struct cella_snp_report *r,
                       enum cella_snp_line line) {
    size_t id_size = line == CELLA_SNP_TURIN ? CELLA_SNP_CHIP_TURIN : CELLA_SNP_CHIP_SIZE;
    cella_claim_text(claims, "tee", "snp");
    cella_claim_text(claims, "assurance", "hardware");
    cella_claim_bytes(claims, "measurement", CELLA_BYTES_OF(r->measurement));
    if (!all(r->id_key_digest, sizeof(r->id_key_digest), 0))
        cella_claim_bytes(claims, "signer", CELLA_BYTES_OF(r->id_key_digest));
    cella_claim_number(claims, "svn", r->guest_svn);
    cella_claim_boolean(claims, "debug", r->policy >> CELLA_SNP_POLICY_DEBUG & 1); /* A03 */
    cella_claim_bytes(claims, "report-data", CELLA_BYTES_OF(r->report_data));
    cella_claim_bytes(claims, "config-id", CELLA_BYTES_OF(r->host_data));
    /* A16: a masked chip identifies no platform, so the claim is not there rather than all zeros.
     */
    if (!cella_snp_chip_masked(r))
        cella_claim_bytes(claims, "platform-id", cella_bytes(r->chip_id, id_size));
}

static void add_identity(struct cella_claimset *claims, const struct cella_snp_report *r) {
    cella_claim_bytes(claims, "snp.family-id", CELLA_BYTES_OF(r->family_id));
    cella_claim_bytes(claims, "snp.image-id", CELLA_BYTES_OF(r->image_id));
    cella_claim_bytes(claims, "snp.id-key-digest", CELLA_BYTES_OF(r->id_key_digest));
    cella_claim_boolean(claims, "snp.author-key", r->author_key);
    cella_claim_bytes(claims, "snp.author-key-digest", CELLA_BYTES_OF(r->author_key_digest));
    cella_claim_bytes(claims, "snp.report-id", CELLA_BYTES_OF(r->report_id));
    if (!all(r->report_id_ma, sizeof(r->report_id_ma), 0xff))
        cella_claim_bytes(claims, "snp.report-id-ma", CELLA_BYTES_OF(r->report_id_ma));
    cella_claim_boolean(claims, "snp.chip-id-masked", cella_snp_chip_masked(r));
    cella_claim_boolean(claims, "snp.mask-chip-key", r->mask_chip_key);
}

static void add_machine(struct cella_claimset *claims, const struct cella_snp_report *r,
                        const struct cella_snp_cert *cert) {
    cella_claim_text(claims, "snp.line", cella_snp_line_name(cert->line));
    cella_claim_text(claims, "snp.product", cert->product);
    if (cert->role == CELLA_SNP_VLEK) cella_claim_text(claims, "snp.csp-id", cert->csp_id);
    if (r->has_cpuid) {
        cella_claim_number(claims, "snp.cpuid.family", r->cpuid_family);
        cella_claim_number(claims, "snp.cpuid.model", r->cpuid_model);
        cella_claim_number(claims, "snp.cpuid.stepping", r->cpuid_stepping);
    }
    add_version(claims, "snp.current-version", r->current_version);
    add_version(claims, "snp.committed-version", r->committed_version);
    if (r->has_mitigation) {
        cella_claim_number(claims, "snp.launch-mitigation", r->launch_mitigation);
        cella_claim_number(claims, "snp.current-mitigation", r->current_mitigation);
    }
}

CELLA_RESULT cella_snp_claims(const struct cella_snp_report *r, const struct cella_snp_cert *cert,
                              bool crl_checked, struct cella_claimset *claims) {
    add_common(claims, r, cert->line);
    cella_claim_number(claims, "snp.version", r->version);
    cella_claim_text(claims, "snp.signer", cert->role == CELLA_SNP_VCEK ? "vcek" : "vlek");
    cella_claim_boolean(claims, "snp.host-requested", r->vmpl == (uint32_t)CELLA_SNP_HOST_VMPL);
    cella_claim_number(claims, "snp.vmpl", r->vmpl);
    add_policy(claims, r->policy);
    add_platform(claims, r->platform_info);
    add_identity(claims, r);
    add_machine(claims, r, cert);
    add_tcb(claims, "reported", cert->line, r->reported_tcb); /* A17: each under its own name */
    add_tcb(claims, "committed", cert->line, r->committed_tcb);
    add_tcb(claims, "current", cert->line, r->current_tcb);
    add_tcb(claims, "launch", cert->line, r->launch_tcb);
    cella_claim_boolean(claims, "snp.crl-checked", crl_checked); /* A06 */
    return cella_claimset_result(claims);
}
