#include "image/snp_measure.h"

#include "abi/sgx.h"
#include "base/memory.h"
#include "base/writer.h"
#include "crypto/digest.h"
#include "image/ovmf.h"

enum {
    PAGE_INFO_SIZE = 0x70,
    HASH_TABLE_SIZE = 176, /* header, three entries, padded to 16 bytes */
    HASH_TABLE_LENGTH = 168,
    HASH_ENTRY_LENGTH = 50,
    KEY_SIZE = 0x404,
    COORDINATE = 48,
    COORDINATE_FIELD = 72,
    CURVE_P384 = 2,
};
#define FOUR_GIB  (1ULL << 32)
#define VMSA_GPA  0x0000fffffffff000ULL
#define BSP_EIP   0xfffffff0U
#define PAGES_MAX (1ULL << 20)

enum page_type { NORMAL = 1, VMSA = 2, ZERO = 3, UNMEASURED = 4, SECRETS = 5, CPUID = 6 };

/* ---- SNP_LAUNCH_UPDATE ---- */

struct context {
    uint8_t digest[CELLA_SNP_DIGEST_SIZE];
    uint64_t pages; /* so far: a bound on what an image can ask for */
};

static CELLA_RESULT update(struct context *c, enum page_type type, uint64_t gpa,
                           const uint8_t *page) {
    uint8_t info[PAGE_INFO_SIZE], contents[CELLA_SHA384_SIZE] = {0};
    ENSURE(++c->pages <= PAGES_MAX, CELLA_ERR_LIMIT, NULL,
           "the firmware asks for more than %llu pages", PAGES_MAX);
    if (page) TRY(cella_sha384(cella_bytes(page, CELLA_PAGE_SIZE), contents));
    struct cella_writer w = cella_writer(info, sizeof(info));
    cella_writer_put(&w, CELLA_BYTES_OF(c->digest));
    cella_writer_put(&w, CELLA_BYTES_OF(contents));
    cella_writer_u16le(&w, PAGE_INFO_SIZE);
    cella_writer_u8(&w, (uint8_t)type);
    cella_writer_zero(&w, 5); /* IMI, permissions of VMPL 3 to 1, reserved */
    cella_writer_u64le(&w, gpa);
    return cella_sha384(cella_writer_bytes(&w), c->digest);
}

static CELLA_RESULT update_content(struct context *c, uint64_t gpa, struct cella_bytes content) {
    for (size_t at = 0; at < content.size; at += CELLA_PAGE_SIZE)
        TRY(update(c, NORMAL, gpa + at, content.data + at));
    return CELLA_SUCCESS;
}

static CELLA_RESULT update_empty(struct context *c, enum page_type type,
                                 const struct cella_ovmf_sev_section *s) {
    for (uint64_t at = 0; at < s->size; at += CELLA_PAGE_SIZE)
        TRY(update(c, type, s->gpa + at, NULL));
    return CELLA_SUCCESS;
}

/* ---- hashes of kernel, initrd and command line ---- */

static CELLA_RESULT put_hash(struct cella_writer *w, const uint8_t guid[16],
                             struct cella_bytes first, struct cella_bytes then) {
    uint8_t digest[CELLA_SHA256_SIZE];
    CELLA_SHA256 sha = {0};
    TRY(cella_sha256_begin(&sha));
    TRY(cella_sha256_add(&sha, first));
    TRY(cella_sha256_add(&sha, then));
    TRY(cella_sha256_end(&sha, digest));
    cella_writer_put(w, cella_bytes(guid, 16));
    cella_writer_u16le(w, HASH_ENTRY_LENGTH);
    cella_writer_put(w, CELLA_BYTES_OF(digest));
    return CELLA_SUCCESS;
}

static CELLA_RESULT hash_table(const struct cella_snp_launch *l, uint8_t table[HASH_TABLE_SIZE]) {
    static const uint8_t header[16] = {0x06, 0xd6, 0x38, 0x94, 0x22, 0x4f, 0xc9, 0x4c,
                                       0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21};
    static const uint8_t cmdline[16] = {0xd8, 0x2d, 0xd0, 0x97, 0x20, 0xbd, 0x94, 0x4c,
                                        0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a};
    static const uint8_t initrd[16] = {0x31, 0xf7, 0xba, 0x44, 0x2f, 0x3a, 0xd7, 0x4b,
                                       0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d};
    static const uint8_t kernel[16] = {0x37, 0x94, 0xe7, 0x4d, 0xd2, 0xab, 0x7f, 0x42,
                                       0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b};
    static const struct cella_bytes nothing = {NULL, 0};
    struct cella_writer w = cella_writer(table, HASH_TABLE_SIZE);
    cella_writer_put(&w, CELLA_BYTES_OF(header));
    cella_writer_u16le(&w, HASH_TABLE_LENGTH);
    TRY(put_hash(&w, cmdline, l->cmdline, cella_bytes("", 1))); /* with its NUL */
    TRY(put_hash(&w, initrd, l->initrd, nothing));
    TRY(put_hash(&w, kernel, l->kernel, nothing));
    cella_writer_zero(&w, HASH_TABLE_SIZE - HASH_TABLE_LENGTH);
    ENSURE(!w.failed && w.size == HASH_TABLE_SIZE, CELLA_ERR_INTERNAL, NULL, "hash table: size");
    return CELLA_SUCCESS;
}

static CELLA_RESULT update_hashes(struct context *c, const struct cella_snp_launch *l,
                                  const struct cella_ovmf *ovmf,
                                  const struct cella_ovmf_sev_section *s) {
    uint8_t page[CELLA_PAGE_SIZE] = {0};
    if (!l->has_kernel) return update_empty(c, ZERO, s);
    size_t at = ovmf->hash_table_gpa % CELLA_PAGE_SIZE;
    ENSURE(ovmf->has_hash_table && s->size == CELLA_PAGE_SIZE &&
               at + HASH_TABLE_SIZE <= CELLA_PAGE_SIZE,
           CELLA_ERR_FORMAT, NULL,
           "firmware: expected the table of hashes inside of one page; found 0x%x, section of %llu "
           "bytes",
           ovmf->hash_table_gpa, (unsigned long long)s->size);
    TRY(hash_table(l, page + at));
    return update(c, NORMAL, s->gpa, page);
}

/* ---- the launch ---- */

static CELLA_RESULT update_section(struct context *c, const struct cella_snp_launch *l,
                                   const struct cella_ovmf *ovmf,
                                   const struct cella_ovmf_sev_section *s) {
    switch (s->type) {
    case CELLA_OVMF_SEC_MEM:
        return update_empty(c, l->flavor == CELLA_FLAVOR_GCE ? UNMEASURED : ZERO, s);
    case CELLA_OVMF_SECRETS: return update(c, SECRETS, s->gpa, NULL);
    case CELLA_OVMF_CPUID: return update(c, CPUID, s->gpa, NULL);
    case CELLA_OVMF_SVSM_CAA: return update_empty(c, ZERO, s);
    case CELLA_OVMF_KERNEL_HASHES: return update_hashes(c, l, ovmf, s);
    }
    FAIL(CELLA_ERR_INTERNAL, NULL, "a section's type that was not refused");
}

/* In the order of the table; EC2 adds the CPUID page after all others. */
static CELLA_RESULT update_sections(struct context *c, const struct cella_snp_launch *l,
                                    const struct cella_ovmf *ovmf) {
    bool hashes = false;
    for (int last = 0; last < 2; last++)
        for (uint32_t i = 0; i < ovmf->sev_count; i++) {
            const struct cella_ovmf_sev_section *s = &ovmf->sev[i];
            bool late = l->flavor == CELLA_FLAVOR_EC2 && s->type == CELLA_OVMF_CPUID;
            hashes |= s->type == CELLA_OVMF_KERNEL_HASHES;
            if (late == (last == 1)) TRY(update_section(c, l, ovmf, s));
        }
    ENSURE(!l->has_kernel || hashes, CELLA_ERR_UNSUPPORTED,
           "use a firmware that checks the kernel (OvmfPkg/AmdSev), or measure without --kernel",
           "firmware: expected a section for the hashes of kernel, initrd and command line; found "
           "none, so that a kernel would not be measured");
    return CELLA_SUCCESS;
}

static CELLA_RESULT ensure_eip(const struct cella_snp_launch *l, const struct cella_ovmf *ovmf) {
    ENSURE(l->vcpus >= 1 && l->vcpus <= CELLA_SNP_VCPU_MAX, CELLA_ERR_USAGE, NULL,
           "expected 1 to %d virtual processors; found %u", CELLA_SNP_VCPU_MAX, l->vcpus);
    ENSURE(ovmf->has_reset_eip || l->vcpus == 1, CELLA_ERR_UNSUPPORTED,
           "use a firmware for SEV-ES, or one virtual processor",
           "firmware: it does not say where the other virtual processors start");
    return CELLA_SUCCESS;
}

static uint32_t start_of(const struct cella_ovmf *ovmf, uint32_t vcpu) {
    return vcpu == 0 ? BSP_EIP : ovmf->reset_eip;
}

static CELLA_RESULT launch_snp(const struct cella_snp_launch *l, struct context *c) {
    uint8_t page[CELLA_VMSA_SIZE];
    struct cella_ovmf ovmf;
    TRY(cella_ovmf_read(l->ovmf, &ovmf));
    TRY(ensure_eip(l, &ovmf));
    if (l->has_ovmf_digest)
        cella_copy(c->digest, l->ovmf_digest, sizeof(c->digest));
    else
        TRY(update_content(c, FOUR_GIB - l->ovmf.size, l->ovmf));
    TRY(update_sections(c, l, &ovmf));
    for (uint32_t i = 0; i < l->vcpus; i++) {
        cella_snp_vmsa(l, start_of(&ovmf, i), page);
        TRY(update(c, VMSA, VMSA_GPA, page));
    }
    return CELLA_SUCCESS;
}

/* The SVSM lies below the firmware's variable store, and all processors start in it. */
static CELLA_RESULT launch_svsm(const struct cella_snp_launch *l, struct context *c) {
    uint8_t page[CELLA_VMSA_SIZE];
    struct cella_ovmf svsm, ovmf;
    ENSURE(l->flavor == CELLA_FLAVOR_QEMU && !l->has_kernel && !l->has_ovmf_digest,
           CELLA_ERR_UNSUPPORTED, NULL, "with an SVSM: QEMU only, no kernel, the firmware itself");
    TRY_IN(cella_ovmf_read(l->ovmf, &ovmf), "firmware");
    TRY_IN(cella_ovmf_read(l->svsm, &svsm), "SVSM");
    ENSURE(svsm.has_svsm_info, CELLA_ERR_FORMAT, NULL, "SVSM: it does not say where it starts");
    svsm.has_reset_eip = true; /* all processors start in the SVSM */
    TRY(ensure_eip(l, &svsm));
    uint64_t top = FOUR_GIB - l->ovmf.size;
    ENSURE(l->ovmf_vars_size % CELLA_PAGE_SIZE == 0 && l->ovmf_vars_size < FOUR_GIB / 2,
           CELLA_ERR_USAGE, NULL, "expected the size of the variable store in whole pages");
    uint64_t gpa = top - l->ovmf_vars_size - l->svsm.size;
    TRY(update_content(c, top, l->ovmf));
    TRY(update_content(c, gpa, l->svsm));
    TRY(update_sections(c, l, &svsm));
    cella_snp_vmsa(l, (uint32_t)(gpa + svsm.svsm_entry), page);
    for (uint32_t i = 0; i < l->vcpus; i++) TRY(update(c, VMSA, VMSA_GPA, page));
    return CELLA_SUCCESS;
}

/* SEV and SEV-ES: one SHA-256 over all that is loaded. */
static CELLA_RESULT launch_before_snp(const struct cella_snp_launch *l, uint8_t *digest) {
    uint8_t page[CELLA_VMSA_SIZE], table[HASH_TABLE_SIZE];
    struct cella_ovmf ovmf;
    CELLA_SHA256 sha = {0};
    TRY(cella_ovmf_read(l->ovmf, &ovmf));
    TRY(cella_sha256_begin(&sha));
    TRY(cella_sha256_add(&sha, l->ovmf));
    if (l->has_kernel) {
        ENSURE(ovmf.has_hash_table, CELLA_ERR_UNSUPPORTED,
               "use a firmware that checks the kernel (OvmfPkg/AmdSev)",
               "firmware: it has no place for the hashes of a kernel");
        TRY(hash_table(l, table));
        TRY(cella_sha256_add(&sha, CELLA_BYTES_OF(table)));
    }
    if (l->mode == CELLA_MODE_SEV_ES) TRY(ensure_eip(l, &ovmf));
    for (uint32_t i = 0; l->mode == CELLA_MODE_SEV_ES && i < l->vcpus; i++) {
        cella_snp_vmsa(l, start_of(&ovmf, i), page);
        TRY(cella_sha256_add(&sha, CELLA_BYTES_OF(page)));
    }
    return cella_sha256_end(&sha, digest);
}

CELLA_RESULT cella_snp_launch_digest(const struct cella_snp_launch *l,
                                     uint8_t digest[CELLA_SNP_DIGEST_SIZE], size_t *size) {
    struct context c = {0};
    bool snp = l->mode == CELLA_MODE_SNP || l->mode == CELLA_MODE_SNP_SVSM;
    cella_zero(digest, CELLA_SNP_DIGEST_SIZE);
    *size = snp ? CELLA_SNP_DIGEST_SIZE : CELLA_SHA256_SIZE;
    if (!snp) return launch_before_snp(l, digest);
    TRY(l->mode == CELLA_MODE_SNP ? launch_snp(l, &c) : launch_svsm(l, &c));
    cella_copy(digest, c.digest, CELLA_SNP_DIGEST_SIZE);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_snp_ovmf_digest(struct cella_bytes ovmf, uint8_t digest[CELLA_SNP_DIGEST_SIZE]) {
    struct context c = {0};
    struct cella_ovmf read;
    TRY(cella_ovmf_read(ovmf, &read));
    TRY(update_content(&c, FOUR_GIB - ovmf.size, ovmf));
    cella_copy(digest, c.digest, CELLA_SNP_DIGEST_SIZE);
    return CELLA_SUCCESS;
}

/* ---- identity of the guest's owner ---- */

CELLA_RESULT cella_snp_key_digest(const uint8_t xy[96], uint8_t digest[CELLA_SNP_DIGEST_SIZE]) {
    uint8_t key[KEY_SIZE] = {CURVE_P384};
    for (size_t i = 0; i < COORDINATE; i++) {
        key[4 + i] = xy[COORDINATE - 1 - i];
        key[4 + COORDINATE_FIELD + i] = xy[2 * COORDINATE - 1 - i];
    }
    return cella_sha384(CELLA_BYTES_OF(key), digest);
}

void cella_snp_id_block(const uint8_t digest[CELLA_SNP_DIGEST_SIZE], uint32_t guest_svn,
                        uint64_t policy, uint8_t block[CELLA_SNP_ID_BLOCK_SIZE]) {
    struct cella_writer w = cella_writer(block, CELLA_SNP_ID_BLOCK_SIZE);
    cella_writer_put(&w, cella_bytes(digest, CELLA_SNP_DIGEST_SIZE));
    cella_writer_zero(&w, 32); /* family and image id */
    cella_writer_u32le(&w, 1); /* version */
    cella_writer_u32le(&w, guest_svn);
    cella_writer_u64le(&w, policy);
}
