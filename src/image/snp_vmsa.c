/* The VMSA page of a virtual processor's first state: what KVM and the clouds' hypervisors load. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/writer.h"
#include "image/snp_measure.h"

enum {
    SEGMENT_SIZE = 16,
    AT_ES = 0x00,
    AT_CS = 0x10,
    AT_SS = 0x20,
    AT_DS = 0x30,
    AT_FS = 0x40,
    AT_GS = 0x50,
    AT_GDTR = 0x60,
    AT_LDTR = 0x70,
    AT_IDTR = 0x80,
    AT_TR = 0x90,
    AT_EFER = 0xd0,
    AT_CR4 = 0x148,
    AT_CR0 = 0x158,
    AT_DR7 = 0x160,
    AT_DR6 = 0x168,
    AT_RFLAGS = 0x170,
    AT_RIP = 0x178,
    AT_G_PAT = 0x268,
    AT_RDX = 0x310,
    AT_SEV_FEATURES = 0x3b0,
    AT_XCR0 = 0x3e8,
    AT_MXCSR = 0x408,
    AT_X87_FCW = 0x410,
};
#define BSP_EIP 0xfffffff0U

static void segment(uint8_t *page, size_t at, uint16_t selector, uint16_t attributes,
                    uint32_t limit, uint64_t base) {
    struct cella_writer w = cella_writer(page + at, SEGMENT_SIZE);
    cella_writer_u16le(&w, selector);
    cella_writer_u16le(&w, attributes);
    cella_writer_u32le(&w, limit);
    cella_writer_u64le(&w, base);
}

static void quad(uint8_t *page, size_t at, uint64_t value) {
    struct cella_writer w = cella_writer(page + at, 8);
    cella_writer_u64le(&w, value);
}

static void common(uint8_t *page) {
    segment(page, AT_GDTR, 0, 0, 0xffff, 0);
    segment(page, AT_IDTR, 0, 0, 0xffff, 0);
    segment(page, AT_LDTR, 0, 0x82, 0xffff, 0);
    segment(page, AT_TR, 0, 0x8b, 0xffff, 0);
    segment(page, AT_GS, 0, 0x93, 0xffff, 0);
    quad(page, AT_EFER, 0x1000); /* SVME */
    quad(page, AT_CR4, 0x40);    /* MCE */
    quad(page, AT_CR0, 0x10);
    quad(page, AT_DR7, 0x400);
    quad(page, AT_DR6, 0xffff0ff0);
    quad(page, AT_RFLAGS, 2);
    quad(page, AT_G_PAT, 0x0007040600070406);
    quad(page, AT_XCR0, 1);
}

static void real_mode(const struct cella_snp_launch *l, uint32_t eip, uint8_t *page) {
    bool ec2 = l->flavor == CELLA_FLAVOR_EC2;
    segment(page, AT_ES, 0, 0x93, 0xffff, 0);
    segment(page, AT_CS, 0xf000, ec2 && eip == BSP_EIP ? 0x9a : 0x9b, 0xffff, eip & 0xffff0000);
    segment(page, AT_SS, 0, ec2 ? 0x92 : 0x93, 0xffff, 0);
    segment(page, AT_DS, 0, 0x93, 0xffff, 0);
    segment(page, AT_FS, 0, 0x93, 0xffff, 0);
    if (ec2) segment(page, AT_TR, 0, 0x83, 0xffff, 0);
    quad(page, AT_RIP, eip & 0xffff);
    quad(page, AT_SEV_FEATURES, l->mode == CELLA_MODE_SNP ? l->guest_features : 0);
}

/* The SVSM starts in 32-bit protected mode. */
static void protected_mode(uint32_t eip, uint8_t *page) {
    segment(page, AT_ES, 0x10, 0xc93, 0xffffffff, 0);
    segment(page, AT_CS, 0x08, 0xc9b, 0xffffffff, 0);
    segment(page, AT_SS, 0x10, 0xc93, 0xffffffff, 0);
    segment(page, AT_DS, 0x10, 0xc93, 0xffffffff, 0);
    segment(page, AT_FS, 0x10, 0xc93, 0xffffffff, 0);
    quad(page, AT_CR0, 0x11);
    quad(page, AT_RIP, eip);
    quad(page, AT_SEV_FEATURES, 1);
}

void cella_snp_vmsa(const struct cella_snp_launch *l, uint32_t eip, uint8_t page[CELLA_VMSA_SIZE]) {
    bool qemu = l->flavor == CELLA_FLAVOR_QEMU;
    cella_zero(page, CELLA_VMSA_SIZE);
    common(page);
    if (l->mode == CELLA_MODE_SNP_SVSM)
        protected_mode(eip, page);
    else
        real_mode(l, eip, page);
    if (l->flavor == CELLA_FLAVOR_GCE) quad(page, AT_G_PAT, 0x00070106);
    quad(page, AT_RDX, qemu ? l->vcpu_signature : 0x600);
    quad(page, AT_MXCSR, qemu ? 0x1f80 : 0);
    /* The SVSM's QEMU leaves the x87 control word alone, as a launch on a real machine shows. */
    quad(page, AT_X87_FCW, qemu && l->mode != CELLA_MODE_SNP_SVSM ? 0x37f : 0);
}

uint32_t cella_snp_cpuid_signature(uint32_t family, uint32_t model, uint32_t stepping) {
    uint32_t base = family > 15 ? 15 : family, extended = family > 15 ? family - 15 : 0;
    return (extended & 0xff) << 20 | (model >> 4 & 15) << 16 | base << 8 | (model & 15) << 4 |
           (stepping & 15);
}

CELLA_RESULT cella_snp_vcpu_signature(const char *type, uint32_t *signature) {
    static const struct {
        const char *name;
        uint8_t family, model, stepping;
    } types[] = {{"EPYC-Rome", 23, 49, 0}, {"EPYC-Milan", 25, 1, 1}, {"EPYC-Genoa", 25, 17, 0},
                 {"EPYC-Turin", 26, 0, 0}, {"EPYC-IBPB", 23, 1, 2},  {"EPYC", 23, 1, 2}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t size = strlen(types[i].name);
        if (strncmp(type, types[i].name, size) != 0) continue;
        const char *rest = type + size; /* QEMU's versions of a type differ in other things only */
        if (*rest && !(strncmp(rest, "-v", 2) == 0 && rest[2] >= '1' && rest[2] <= '9' && !rest[3]))
            continue;
        *signature = cella_snp_cpuid_signature(types[i].family, types[i].model, types[i].stepping);
        return CELLA_SUCCESS;
    }
    FAIL(CELLA_ERR_NOT_FOUND, "EPYC, EPYC-Rome, EPYC-Milan, EPYC-Genoa or EPYC-Turin",
         "no processor type is called '%s'", type);
}
