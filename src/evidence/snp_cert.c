#include "evidence/snp_cert.h"

#include <string.h>

#include "base/memory.h"
#include "crypto/der.h"

enum { USAGE_CERT_SIGN = 1 << 5, IA5_STRING = 0x16, OID_SIZE_MAX = 10, STRUCT_VERSION_MAX = 1 };

static const char renew[] = "fetch the certificate anew from AMD's Key Distribution Service";
#define FORM(cond, ...) ENSURE(cond, CELLA_ERR_FORMAT, renew, __VA_ARGS__)

/* 1.3.6.1.4.1.3704.1.A or .A.B (b 0: none). */
static bool extension(const struct cella_certificate *x509, uint8_t a, uint8_t b,
                      struct cella_bytes *value) {
    uint8_t oid[OID_SIZE_MAX] = {0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01, a, b};
    return cella_certificate_extension(x509, cella_bytes(oid, b ? 10 : 9), value);
}

static bool text_extension(const struct cella_certificate *x509, uint8_t a, char *out,
                           size_t size) {
    struct cella_bytes value;
    if (!extension(x509, a, 0, &value)) return false;
    struct cella_reader r = cella_reader(value);
    struct cella_bytes text = cella_der_bytes(&r, IA5_STRING);
    if (!cella_reader_done(&r) || text.size == 0 || text.size >= size) return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < 0x20 || text.data[i] > 0x7e) return false;
    cella_copy(out, text.data, text.size);
    out[text.size] = 0;
    return true;
}

static bool number_extension(const struct cella_certificate *x509, uint8_t a, uint8_t b,
                             uint64_t *out) {
    struct cella_bytes value;
    if (!extension(x509, a, b, &value)) return false;
    struct cella_reader r = cella_reader(value);
    *out = cella_der_number(&r, CELLA_DER_INTEGER);
    return cella_reader_done(&r);
}

static enum cella_snp_line line_of(const char *name) {
    for (int line = 1; line < CELLA_SNP_LINE_COUNT; line++)
        if (strcmp(name, cella_snp_line_name((enum cella_snp_line)line)) == 0)
            return (enum cella_snp_line)line;
    return CELLA_SNP_LINE_NONE;
}

/* "ARK-Milan" with prefix "ARK-". */
static bool named(const char *name, const char *prefix, enum cella_snp_line *line) {
    size_t size = strlen(prefix);
    if (strncmp(name, prefix, size) != 0) return false;
    *line = line_of(name + size);
    return *line != CELLA_SNP_LINE_NONE;
}

bool cella_snp_cert_is(const struct cella_certificate *x509, enum cella_snp_role *role,
                       enum cella_snp_line *line) {
    char subject[64], issuer[64];
    cella_name_common(x509->subject, subject, sizeof(subject));
    cella_name_common(x509->issuer, issuer, sizeof(issuer));
    bool vcek = strcmp(subject, "SEV-VCEK") == 0, vlek = strcmp(subject, "SEV-VLEK") == 0;
    *role = vcek ? CELLA_SNP_VCEK : CELLA_SNP_VLEK;
    if (vcek) return named(issuer, "SEV-", line);
    if (vlek) return named(issuer, "SEV-VLEK-", line);
    enum cella_snp_line root;
    *role = CELLA_SNP_ARK;
    if (named(subject, "ARK-", line)) return named(issuer, "ARK-", &root) && root == *line;
    *role = CELLA_SNP_ASVK;
    if (!named(subject, "SEV-VLEK-", line)) {
        *role = CELLA_SNP_ASK;
        if (!named(subject, "SEV-", line)) return false;
    }
    return named(issuer, "ARK-", &root) && root == *line; /* A07: the line of its root */
}

static CELLA_RESULT check_authority(const struct cella_certificate *x509, bool root) {
    FORM(x509->has_basic_constraints && x509->is_ca && x509->has_key_usage &&
             (x509->key_usage & USAGE_CERT_SIGN),
         "AMD certificate: expected one that may sign certificates (basicConstraints, keyUsage)");
    FORM(root || x509->path_length == 0,
         "AMD certificate: expected a path length of 0; found another");
    return CELLA_SUCCESS;
}

/* The SPLs of the extensions, at the places they have in TCB_VERSION: .3.1 blSPL, .3.2 teeSPL, .3.3
 * snpSPL, .3.4 to .3.7 spl4 to spl7, .3.8 ucodeSPL, .3.9 fmcSPL. */
static CELLA_RESULT read_tcb(struct cella_snp_cert *out) {
    static const uint8_t zen3[CELLA_SNP_TCB_SIZE] = {1, 2, 4, 5, 6, 7, 3, 8};
    static const uint8_t turin[CELLA_SNP_TCB_SIZE] = {9, 1, 2, 3, 5, 6, 7, 8};
    const uint8_t *at = out->line == CELLA_SNP_TURIN ? turin : zen3;
    struct cella_bytes none;
    for (size_t i = 0; i < CELLA_SNP_TCB_SIZE; i++) {
        uint64_t spl = 0;
        FORM(number_extension(&out->x509, 3, at[i], &spl) && spl <= UINT8_MAX,
             "AMD certificate: expected extension 1.3.6.1.4.1.3704.1.3.%u as a number of one byte",
             at[i]);
        out->tcb[i] = (uint8_t)spl;
    }
    FORM(!extension(&out->x509, 3, out->line == CELLA_SNP_TURIN ? 4 : 9, &none),
         "AMD certificate: a TCB component that line %s does not have",
         cella_snp_line_name(out->line));
    return CELLA_SUCCESS;
}

/* "Milan-B0" is of line Milan; Bergamo and Siena are of line Genoa, under whichever name. */
static bool product_is(const char *product, enum cella_snp_line line) {
    static const char *const names[][3] = {[CELLA_SNP_MILAN] = {"Milan"},
                                           [CELLA_SNP_GENOA] = {"Genoa", "Bergamo", "Siena"},
                                           [CELLA_SNP_TURIN] = {"Turin"}};
    for (size_t i = 0; i < 3 && names[line][i]; i++) {
        size_t size = strlen(names[line][i]);
        if (strncmp(product, names[line][i], size) == 0 &&
            (product[size] == 0 || product[size] == '-'))
            return true;
    }
    return false;
}

static CELLA_RESULT read_endorsement(struct cella_snp_cert *out) {
    const struct cella_certificate *x509 = &out->x509;
    uint64_t version = 0;
    bool vcek = out->role == CELLA_SNP_VCEK, provider;
    FORM(!x509->is_ca && !(x509->has_key_usage && (x509->key_usage & USAGE_CERT_SIGN)),
         "AMD certificate: expected a key that signs no certificates");
    FORM(number_extension(x509, 1, 0, &version) && version <= STRUCT_VERSION_MAX,
         "AMD certificate: expected structure version 0 or 1"); /* A19 */
    FORM(text_extension(x509, 2, out->product, sizeof(out->product)) &&
             product_is(out->product, out->line),
         "AMD certificate: expected a product of line %s, its issuer's; found \"%s\"",
         cella_snp_line_name(out->line), out->product); /* A07, A15 */
    TRY(read_tcb(out));
    size_t id_size = out->line == CELLA_SNP_TURIN ? CELLA_SNP_CHIP_TURIN : CELLA_SNP_CHIP_SIZE;
    bool chip = extension(x509, 4, 0, &out->hwid);
    FORM(vcek ? chip && out->hwid.size == id_size : !chip,
         "AMD certificate: expected a chip id of %zu bytes in a VCEK, none in a VLEK; found %zu",
         id_size, out->hwid.size); /* A16 */
    provider = text_extension(x509, 5, out->csp_id, sizeof(out->csp_id));
    FORM(provider == !vcek,
         "AMD certificate: expected a provider's name in a VLEK, none in a VCEK");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_snp_cert_read(const struct cella_certificate *x509, struct cella_snp_cert *out) {
    *out = (struct cella_snp_cert){.x509 = *x509};
    ENSURE(cella_snp_cert_is(x509, &out->role, &out->line), CELLA_ERR_UNSUPPORTED, renew,
           "AMD certificate: its names are those of none of AMD's keys for SEV-SNP");
    cella_name_common(x509->subject, out->name, sizeof(out->name));
    FORM(!x509->unknown_critical, "AMD certificate: a critical extension that is not known");
    FORM(x509->signature_algorithm == CELLA_SIG_RSA_PSS_SHA384,
         "AMD certificate: expected a signature of RSASSA-PSS with SHA-384"); /* A28 */
    if (out->role == CELLA_SNP_VCEK || out->role == CELLA_SNP_VLEK) return read_endorsement(out);
    return check_authority(x509, out->role == CELLA_SNP_ARK);
}
