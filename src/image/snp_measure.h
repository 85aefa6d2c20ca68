/* The launch digest of an SEV-SNP virtual machine, as the processor makes it, for policies to name:
 * firmware, kernel, initrd, command line and the first state of each virtual processor. Also the
 * digests of SEV-ES and SEV, which came before.
 * Source: AMD 56860, SNP_LAUNCH_UPDATE (PAGE_INFO); AMD 24593 (VMSA layout), appendix B; QEMU,
 * target/i386/sev.c (hashes, VMSA values). Pure. */
#ifndef CELLA_IMAGE_SNP_MEASURE_H
#define CELLA_IMAGE_SNP_MEASURE_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>

enum cella_snp_mode { CELLA_MODE_SNP, CELLA_MODE_SNP_SVSM, CELLA_MODE_SEV_ES, CELLA_MODE_SEV };
enum cella_snp_flavor { CELLA_FLAVOR_QEMU, CELLA_FLAVOR_EC2, CELLA_FLAVOR_GCE };

enum { CELLA_SNP_DIGEST_SIZE = 48, CELLA_SNP_VCPU_MAX = 4096 };

struct cella_snp_launch {
    enum cella_snp_mode mode;
    enum cella_snp_flavor flavor;
    struct cella_bytes ovmf;
    bool has_ovmf_digest; /* of the firmware's pages alone: then of ovmf only its tables count */
    uint8_t ovmf_digest[CELLA_SNP_DIGEST_SIZE];
    struct cella_bytes svsm; /* mode SNP_SVSM */
    uint64_t ovmf_vars_size; /* mode SNP_SVSM: bytes of the variable store below the firmware */
    bool has_kernel;         /* else initrd and cmdline do not count */
    struct cella_bytes kernel, initrd, cmdline; /* may be empty */
    uint32_t vcpus;                             /* 1 to 4096 */
    uint32_t vcpu_signature;                    /* CPUID function 1, EAX */
    uint64_t guest_features;                    /* SEV_FEATURES */
};

/* digest: 48 bytes, of SEV-ES and SEV 32. */
CELLA_RESULT cella_snp_launch_digest(const struct cella_snp_launch *launch,
                                     uint8_t digest[CELLA_SNP_DIGEST_SIZE], size_t *size);
/* The digest of the firmware's pages alone, which may be handed on instead of the firmware. */
CELLA_RESULT cella_snp_ovmf_digest(struct cella_bytes ovmf, uint8_t digest[CELLA_SNP_DIGEST_SIZE]);

/* QEMU's name of a processor ("EPYC-Milan", "EPYC-Milan-v2"); CELLA_ERR_NOT_FOUND. */
CELLA_RESULT cella_snp_vcpu_signature(const char *type, uint32_t *signature);
uint32_t cella_snp_cpuid_signature(uint32_t family, uint32_t model, uint32_t stepping);

/* ID_KEY_DIGEST and AUTHOR_KEY_DIGEST of a P-384 public key x || y, big-endian (AMD 56860, ID
 * authentication information). */
CELLA_RESULT cella_snp_key_digest(const uint8_t xy[96], uint8_t digest[CELLA_SNP_DIGEST_SIZE]);

enum { CELLA_SNP_ID_BLOCK_SIZE = 96 };
/* The ID block of SNP_LAUNCH_FINISH that allows this digest alone. */
void cella_snp_id_block(const uint8_t digest[CELLA_SNP_DIGEST_SIZE], uint32_t guest_svn,
                        uint64_t policy, uint8_t block[CELLA_SNP_ID_BLOCK_SIZE]);

enum { CELLA_VMSA_SIZE = 4096 };
/* The first state of a virtual processor that starts at eip. */
void cella_snp_vmsa(const struct cella_snp_launch *launch, uint32_t eip,
                    uint8_t page[CELLA_VMSA_SIZE]);

#endif
