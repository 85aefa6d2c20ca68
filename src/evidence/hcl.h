/* The report that Azure's paravisor (HCL) keeps in the virtual TPM's NV index 0x01400001: the
 * hardware's report of the boot, and the runtime data whose hash it carries (evidence-formats 12;
 * the layout is that of Microsoft's guest attestation samples). Read without any trust in it. For
 * files of the evidence part only. */
#ifndef CELLA_EVIDENCE_HCL_H
#define CELLA_EVIDENCE_HCL_H

#include <cella/bytes.h>
#include <cella/result.h>

#include "crypto/digest.h"
#include "crypto/spki.h"
#include "evidence/json.h"

enum {
    CELLA_HCL_HARDWARE_SIZE = 1184, /* room for the hardware's report */
    CELLA_HCL_TDREPORT_SIZE = 1024,
    CELLA_HCL_MAX = 1 << 16, /* bytes; the NV index has 2600 */
    CELLA_HCL_VM_MAX = 32,
};

struct cella_hcl {
    uint32_t version, request;
    bool tdx; /* else SNP */
    enum cella_hash hash;
    struct cella_bytes hardware; /* SNP report, or TDREPORT */
    struct cella_bytes report_data;
    struct cella_bytes runtime; /* JSON, the bytes that were hashed */
};
CELLA_RESULT cella_hcl_parse(struct cella_bytes bytes, struct cella_hcl *out);

struct cella_hcl_runtime {
    struct cella_spki ak;         /* HCLAkPub */
    struct cella_bytes user_data; /* hex text as it stands */
    uint32_t vm_count;            /* vm-configuration */
    struct {
        struct cella_bytes name, value; /* text without its quotes, or a bare true, false, number */
        bool text;
    } vm[CELLA_HCL_VM_MAX];
};
CELLA_RESULT cella_hcl_runtime_parse(struct cella_bytes json, struct cella_hcl_runtime *out);

#endif
