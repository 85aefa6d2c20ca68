#include "evidence/snp_report.h"

#include "base/memory.h"
#include "base/reader.h"

enum { ALGORITHM_P384_SHA384 = 1, SCALAR_FIELD = 72, SIGNATURE_RESERVED = 368 };

static const char renew[] = "ask the machine for a new report and pass its bytes on unchanged";
#define FORM(r, cond, name, ...)                                                                   \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            (r)->field = (name);                                                                   \
            FAIL(CELLA_ERR_FORMAT, renew, __VA_ARGS__);                                            \
        }                                                                                          \
    } while (0)

/* Little-endian of 72 bytes in the report, big-endian of 48 where it is checked. Not more than the
 * curve has, or one signature would have many spellings (A18). */
static bool read_scalar(struct cella_reader *r, uint8_t out[CELLA_SNP_SCALAR_SIZE]) {
    uint8_t field[SCALAR_FIELD];
    cella_reader_copy(r, field, sizeof(field));
    for (size_t i = 0; i < CELLA_SNP_SCALAR_SIZE; i++)
        out[i] = field[CELLA_SNP_SCALAR_SIZE - 1 - i];
    for (size_t i = CELLA_SNP_SCALAR_SIZE; i < SCALAR_FIELD; i++)
        if (field[i]) return false;
    return true;
}

static CELLA_RESULT read_zero(struct cella_reader *r, size_t size, struct cella_snp_report *out,
                              const char *name) {
    cella_reader_zero(r, size);
    FORM(out, !r->failed, name, "expected zeros in %s; found others", name);
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_head(struct cella_reader *r, struct cella_snp_report *out) {
    out->version = cella_reader_u32le(r);
    FORM(out, out->version >= 2 && out->version <= 5, "report.version",
         "expected version 2 to 5; found %u", out->version); /* A19, A28 */
    out->guest_svn = cella_reader_u32le(r);
    out->policy = cella_reader_u64le(r);
    FORM(out, out->policy >> CELLA_SNP_POLICY_ONE & 1, "report.policy",
         "expected bit 17 of the policy to be one; found zero");
    FORM(out, out->policy >> CELLA_SNP_POLICY_BITS == 0, "report.policy",
         "expected no policy bits above %d; found 0x%llx", CELLA_SNP_POLICY_BITS - 1,
         (unsigned long long)out->policy);
    cella_reader_copy(r, out->family_id, sizeof(out->family_id));
    cella_reader_copy(r, out->image_id, sizeof(out->image_id));
    out->vmpl = cella_reader_u32le(r);
    FORM(out, out->vmpl <= 3 || out->vmpl == (uint32_t)CELLA_SNP_HOST_VMPL, "report.vmpl",
         "expected a VMPL of 0 to 3, or 0xffffffff for the host; found %u", out->vmpl);
    uint32_t algorithm = cella_reader_u32le(r);
    FORM(out, algorithm == ALGORITHM_P384_SHA384, "report.signature_algo",
         "expected 1 (ECDSA P-384 with SHA-384); found %u", algorithm); /* A18 */
    cella_reader_copy(r, out->current_tcb, sizeof(out->current_tcb));
    out->platform_info = cella_reader_u64le(r);
    uint32_t key = cella_reader_u32le(r);
    out->author_key = key & 1;
    out->mask_chip_key = key >> 1 & 1;
    out->signing_key = key >> 2 & 7;
    FORM(out, key >> 5 == 0, "report.key_info", "expected bits 5 to 31 to be zero; found 0x%x",
         key);
    return read_zero(r, 4, out, "report.reserved 0x04c");
}

static CELLA_RESULT read_cpuid(struct cella_reader *r, struct cella_snp_report *out) {
    out->has_cpuid = out->version >= 3;
    if (!out->has_cpuid) return read_zero(r, 24, out, "report.reserved 0x188");
    out->cpuid_family = cella_reader_u8(r);
    out->cpuid_model = cella_reader_u8(r);
    out->cpuid_stepping = cella_reader_u8(r);
    return read_zero(r, 21, out, "report.reserved 0x18b");
}

static CELLA_RESULT read_versions(struct cella_reader *r, struct cella_snp_report *out) {
    cella_reader_copy(r, out->committed_tcb, sizeof(out->committed_tcb));
    cella_reader_copy(r, out->current_version, sizeof(out->current_version));
    TRY(read_zero(r, 1, out, "report.reserved 0x1eb"));
    cella_reader_copy(r, out->committed_version, sizeof(out->committed_version));
    TRY(read_zero(r, 1, out, "report.reserved 0x1ef"));
    cella_reader_copy(r, out->launch_tcb, sizeof(out->launch_tcb));
    out->has_mitigation = out->version >= 4;
    if (!out->has_mitigation) return read_zero(r, 168, out, "report.reserved 0x1f8");
    out->launch_mitigation = cella_reader_u64le(r);
    out->current_mitigation = cella_reader_u64le(r);
    return read_zero(r, 152, out, "report.reserved 0x208");
}

CELLA_RESULT cella_snp_report_parse(struct cella_bytes bytes, struct cella_snp_report *out) {
    *out = (struct cella_snp_report){0};
    FORM(out, bytes.size == CELLA_SNP_REPORT_SIZE, "report",
         "expected a report of %d bytes; found %zu", CELLA_SNP_REPORT_SIZE, bytes.size);
    struct cella_reader r = cella_reader(bytes);
    TRY(read_head(&r, out));
    cella_reader_copy(&r, out->report_data, sizeof(out->report_data));
    cella_reader_copy(&r, out->measurement, sizeof(out->measurement));
    cella_reader_copy(&r, out->host_data, sizeof(out->host_data));
    cella_reader_copy(&r, out->id_key_digest, sizeof(out->id_key_digest));
    cella_reader_copy(&r, out->author_key_digest, sizeof(out->author_key_digest));
    cella_reader_copy(&r, out->report_id, sizeof(out->report_id));
    cella_reader_copy(&r, out->report_id_ma, sizeof(out->report_id_ma));
    cella_reader_copy(&r, out->reported_tcb, sizeof(out->reported_tcb));
    TRY(read_cpuid(&r, out));
    cella_reader_copy(&r, out->chip_id, sizeof(out->chip_id));
    TRY(read_versions(&r, out));
    out->signed_part = cella_bytes(bytes.data, r.at);
    FORM(out, read_scalar(&r, out->signature), "report.signature.r",
         "expected zeros above 48 bytes of r; found others");
    FORM(out, read_scalar(&r, out->signature + CELLA_SNP_SCALAR_SIZE), "report.signature.s",
         "expected zeros above 48 bytes of s; found others");
    TRY(read_zero(&r, SIGNATURE_RESERVED, out, "report.signature.reserved"));
    FORM(out, cella_reader_done(&r) && out->signed_part.size == CELLA_SNP_SIGNED_SIZE, "report",
         "the report does not end where its form ends");
    return CELLA_SUCCESS;
}

enum cella_snp_line cella_snp_line_of_cpuid(uint8_t family, uint8_t model) {
    if (family == 0x19 && model <= 0x0f) return CELLA_SNP_MILAN;
    if (family == 0x19 && ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf)))
        return CELLA_SNP_GENOA;
    if (family == 0x1a && model <= 0x11) return CELLA_SNP_TURIN;
    return CELLA_SNP_LINE_NONE;
}

const char *cella_snp_line_name(enum cella_snp_line line) {
    static const char *const names[CELLA_SNP_LINE_COUNT] = {"none", "Milan", "Genoa", "Turin"};
    return names[line < CELLA_SNP_LINE_COUNT ? line : CELLA_SNP_LINE_NONE];
}

const char *cella_snp_component_name(enum cella_snp_component component) {
    static const char *const names[CELLA_SNP_COMPONENT_COUNT] = {"bootloader", "tee", "snp",
                                                                 "microcode", "fmc"};
    return names[component];
}

int cella_snp_component_at(enum cella_snp_line line, enum cella_snp_component component) {
    static const int8_t zen3[CELLA_SNP_COMPONENT_COUNT] = {0, 1, 6, 7, -1};
    static const int8_t turin[CELLA_SNP_COMPONENT_COUNT] = {1, 2, 3, 7, 0};
    if (line == CELLA_SNP_LINE_NONE) return -1;
    return line == CELLA_SNP_TURIN ? turin[component] : zen3[component];
}
