/* The SEV-SNP attestation report, versions 2 to 5, and the certificate table that may follow it.
 * Source: AMD 56860 (SEV-SNP firmware ABI), tables ATTESTATION_REPORT and TCB_VERSION; AMD 56421
 * (GHCB) for the table. Untrusted bytes; nothing here checks a signature. */
#ifndef CELLA_EVIDENCE_SNP_REPORT_H
#define CELLA_EVIDENCE_SNP_REPORT_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>

enum cella_snp_line { /* what shares a root key and a form of TCB_VERSION */
                      CELLA_SNP_LINE_NONE = 0,
                      CELLA_SNP_MILAN,
                      CELLA_SNP_GENOA, /* also Bergamo and Siena */
                      CELLA_SNP_TURIN,
                      CELLA_SNP_LINE_COUNT
};

enum {
    CELLA_SNP_REPORT_SIZE = 1184,
    CELLA_SNP_SIGNED_SIZE = 0x2a0,
    CELLA_SNP_TCB_SIZE = 8,
    CELLA_SNP_CHIP_SIZE = 64,
    CELLA_SNP_CHIP_TURIN = 8, /* bytes in use there; the rest is zero */
    CELLA_SNP_SCALAR_SIZE = 48,
    CELLA_SNP_HOST_VMPL = -1, /* as uint32_t: the host asked for the report, not the guest */
    CELLA_SNP_SIGNED_BY_VCEK = 0,
    CELLA_SNP_SIGNED_BY_VLEK = 1,
    CELLA_SNP_NOT_SIGNED = 7,
};

enum cella_snp_policy_bit {
    CELLA_SNP_POLICY_SMT = 16,
    CELLA_SNP_POLICY_ONE = 17, /* must be one */
    CELLA_SNP_POLICY_MIGRATE_MA,
    CELLA_SNP_POLICY_DEBUG,
    CELLA_SNP_POLICY_SINGLE_SOCKET,
    CELLA_SNP_POLICY_CXL_ALLOW,
    CELLA_SNP_POLICY_MEM_AES_256_XTS,
    CELLA_SNP_POLICY_RAPL_DISABLED,
    CELLA_SNP_POLICY_CIPHERTEXT_HIDING,
    CELLA_SNP_POLICY_PAGE_SWAP_DISABLED,
    CELLA_SNP_POLICY_BITS
};

/* Components of a TCB_VERSION, in the order in which they are shown. */
enum cella_snp_component {
    CELLA_SNP_BOOT_LOADER,
    CELLA_SNP_TEE,
    CELLA_SNP_SNP,
    CELLA_SNP_MICROCODE,
    CELLA_SNP_FMC, /* Turin only */
    CELLA_SNP_COMPONENT_COUNT
};

struct cella_snp_report {
    const char *field; /* after a failed parse: where */
    uint32_t version, guest_svn, vmpl;
    uint64_t policy, platform_info;
    bool author_key, mask_chip_key;
    uint8_t signing_key; /* CELLA_SNP_SIGNED_BY_VCEK ... */
    uint8_t family_id[16], image_id[16];
    uint8_t report_data[64], measurement[48], host_data[32];
    uint8_t id_key_digest[48], author_key_digest[48];
    uint8_t report_id[32], report_id_ma[32];
    uint8_t current_tcb[8], reported_tcb[8], committed_tcb[8], launch_tcb[8];
    bool has_cpuid; /* version 3 and later */
    uint8_t cpuid_family, cpuid_model, cpuid_stepping;
    uint8_t chip_id[CELLA_SNP_CHIP_SIZE];
    uint8_t current_version[3], committed_version[3]; /* build, minor, major */
    bool has_mitigation;                              /* version 4 and later */
    uint64_t launch_mitigation, current_mitigation;
    struct cella_bytes signed_part;               /* of the caller's bytes */
    uint8_t signature[2 * CELLA_SNP_SCALAR_SIZE]; /* r || s, big-endian */
};

/* Exactly one report. Refuses versions that are not known, reserved bytes that are not zero, other
 * signature algorithms, scalars over 48 bytes (A18, A19, A31). */
CELLA_RESULT cella_snp_report_parse(struct cella_bytes bytes, struct cella_snp_report *out);

/* NONE for a processor that is none of the lines. */
enum cella_snp_line cella_snp_line_of_cpuid(uint8_t family, uint8_t model);
const char *cella_snp_line_name(enum cella_snp_line line); /* "Milan", ... */
const char *cella_snp_component_name(enum cella_snp_component component);
/* Where in a TCB_VERSION of that line the component stands; -1: not there. */
int cella_snp_component_at(enum cella_snp_line line, enum cella_snp_component component);

/* The certificate table: views into it, empty where not given. */
struct cella_snp_table {
    struct cella_bytes vcek, vlek, ask, ark, crl;
};
/* Whether it begins with an entry of a known kind. */
bool cella_snp_table_is(struct cella_bytes bytes);
/* Refuses entries that reach outside, overlap the list of entries, or come twice (A31). Entries of
 * kinds not known are left out: the host may add its own. */
CELLA_RESULT cella_snp_table_parse(struct cella_bytes bytes, struct cella_snp_table *out);
/* The same the other way: appends the table of what is not empty; behind a report it is evidence.
 */
struct cella_buffer;
CELLA_RESULT cella_snp_table_append(const struct cella_snp_table *table, struct cella_buffer *out);

#endif
