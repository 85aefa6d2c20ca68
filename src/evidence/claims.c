#include "evidence/claims.h"

#include <time.h>

#include "base/text.h"

enum { HEX_MAX = 2 * 64 + 1, TIME_SIZE = 32 };

const char *cella_assurance_gap(uint32_t assurance) {
    switch (assurance) {
    case CELLA_ASSURANCE_S0:
        return "it keeps other users and containers out, not the machine's own root, who can read "
               "the enclave with a debugger "
               "or a tracer, nor the kernel, nor anyone with the hardware";
    case CELLA_ASSURANCE_S1:
        return "root cannot attach to the enclave or read its memory through the process "
               "interfaces, but tracing, BPF, kernel "
               "modules and kexec are open to root, and so is the hardware";
    case CELLA_ASSURANCE_S2:
        return "the usual routes of root are shut, but a kernel bug or anyone with the hardware "
               "still gets in, and no hardware "
               "vouches for it";
    case CELLA_ASSURANCE_S3:
        return "the platform says that its machine is a confidential VM, but no hardware evidence "
               "is in this chain, so only its "
               "own word stands for that";
    default: return "unknown level";
    }
}

static void time_text(uint64_t unix_s, char out[TIME_SIZE]) {
    time_t t = (time_t)unix_s;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(out, TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(out, TIME_SIZE, "unknown");
}

static const char *root_name(const struct cella_claims *c) {
    return c->root == CELLA_ROOT_TPM ? "tpm" : "file";
}

static bool all_zero(const uint8_t *bytes, size_t size) {
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++) any |= bytes[i];
    return any == 0;
}

static void line(FILE *to, const char *name, const char *text) {
    fprintf(to, "  %-18s %s\n", name, text);
}

static void line_hex(FILE *to, const char *name, const uint8_t *bytes, size_t size) {
    char hex[HEX_MAX];
    cella_hex_encode(cella_bytes(bytes, size), hex);
    line(to, name, size > 32 && all_zero(bytes, size) ? "0" : hex);
}

static void line_number(FILE *to, const char *name, uint64_t value, bool hexadecimal) {
    char text[32];
    snprintf(text, sizeof(text), hexadecimal ? "0x%llx" : "%llu", (unsigned long long)value);
    line(to, name, text);
}

static void print_identity(FILE *to, const struct cella_identity *id) {
    line_hex(to, "mrenclave", id->mrenclave, 32);
    line_hex(to, "mrsigner", id->mrsigner, 32);
    line_number(to, "product-id", id->product_id, false);
    line_number(to, "svn", id->svn, false);
    line(to, "debug", id->debug ? "yes: its memory is open to a debugger" : "no");
    line_number(to, "attributes", id->attributes, true);
    line_number(to, "xfrm", id->xfrm, true);
    line_number(to, "miscselect", id->miscselect, true);
    line_hex(to, "config-id", id->config_id, 64);
}

void cella_claims_print(FILE *to, const struct cella_claims *claims) {
    const struct cella_software_claims *s = &claims->software;
    char text[TIME_SIZE];
    fprintf(to, "claims\n");
    line(to, "tee", "software");
    snprintf(text, sizeof(text), "S%u", s->assurance);
    line(to, "assurance", text);
    print_identity(to, &s->identity);
    line_hex(to, "report-data", s->report_data, 64);
    time_text(s->issued_unix, text);
    line(to, "issued", text);
    line(to, "memory",
         s->memory_secret ? "secret" : "private: ordinary memory, which root can read");
    line_hex(to, "boot-id", s->boot_id, 16);
    line_hex(to, "instance-id", s->instance_id, 16);
    line(to, "platform-version", s->platform_version);
    line_hex(to, "platform-key", claims->platform_key, 32);
    line(to, "root", root_name(claims));
    line_hex(to, "trusted-by", claims->trusted_by, 32);
    for (uint32_t i = 0; i < claims->tpm_pcr_count; i++) {
        snprintf(text, sizeof(text), "pcr%u", claims->tpm_pcr[i].index);
        line_hex(to, text, claims->tpm_pcr[i].value, 32);
    }
    fprintf(to, "settings of the machine, as the platform read them\n");
    for (uint32_t i = 0; i < s->setting_count; i++)
        fprintf(to, "  %-30s %s\n", s->setting[i].name, s->setting[i].value);
}

static int set_hex(json_t *to, const char *name, const uint8_t *bytes, size_t size) {
    char hex[HEX_MAX];
    cella_hex_encode(cella_bytes(bytes, size), hex);
    return json_object_set_new(to, name, json_string(hex));
}

/* 64-bit numbers go as hexadecimal text: JSON readers lose bits above 2^53. */
static int set_u64(json_t *to, const char *name, uint64_t value) {
    char text[24];
    snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
    return json_object_set_new(to, name, json_string(text));
}

static int fill_identity(json_t *to, const struct cella_identity *id) {
    int bad = set_hex(to, "mrenclave", id->mrenclave, 32);
    bad |= set_hex(to, "mrsigner", id->mrsigner, 32);
    bad |= json_object_set_new(to, "product-id", json_integer(id->product_id));
    bad |= json_object_set_new(to, "svn", json_integer(id->svn));
    bad |= json_object_set_new(to, "debug", json_boolean(id->debug));
    bad |= set_u64(to, "attributes", id->attributes);
    bad |= set_u64(to, "xfrm", id->xfrm);
    bad |= set_u64(to, "miscselect", id->miscselect);
    return bad | set_hex(to, "config-id", id->config_id, 64);
}

static int fill_platform(json_t *to, const struct cella_claims *claims) {
    const struct cella_software_claims *s = &claims->software;
    char text[TIME_SIZE];
    int bad = set_hex(to, "report-data", s->report_data, 64);
    time_text(s->issued_unix, text);
    bad |= json_object_set_new(to, "issued", json_string(text));
    bad |= json_object_set_new(to, "iat", json_integer((json_int_t)s->issued_unix));
    bad |= json_object_set_new(to, "memory", json_string(s->memory_secret ? "secret" : "private"));
    bad |= set_hex(to, "boot-id", s->boot_id, 16);
    bad |= set_hex(to, "instance-id", s->instance_id, 16);
    bad |= json_object_set_new(to, "platform-version", json_string(s->platform_version));
    bad |= set_hex(to, "platform-key", claims->platform_key, 32);
    bad |= json_object_set_new(to, "root", json_string(root_name(claims)));
    return bad | set_hex(to, "trusted-by", claims->trusted_by, 32);
}

static int fill_maps(json_t *to, const struct cella_claims *claims) {
    json_t *settings = json_object(), *pcrs = json_object();
    int bad = json_object_set_new(to, "settings", settings) | json_object_set_new(to, "pcrs", pcrs);
    for (uint32_t i = 0; i < claims->software.setting_count; i++)
        bad |= json_object_set_new(settings, claims->software.setting[i].name,
                                   json_string(claims->software.setting[i].value));
    for (uint32_t i = 0; i < claims->tpm_pcr_count; i++) {
        char name[8];
        snprintf(name, sizeof(name), "%u", claims->tpm_pcr[i].index);
        bad |= set_hex(pcrs, name, claims->tpm_pcr[i].value, 32);
    }
    return bad;
}

json_t *cella_claims_json(const struct cella_claims *claims) {
    json_t *out = json_object();
    char level[8];
    snprintf(level, sizeof(level), "S%u", claims->software.assurance);
    int bad = json_object_set_new(out, "tee", json_string("software"));
    bad |= json_object_set_new(out, "assurance", json_string(level));
    /* No hardware evidence is in the chain, so never, whatever level the platform states. */
    bad |= json_object_set_new(out, "confidential-computing", json_false());
    bad |= fill_identity(out, &claims->software.identity) | fill_platform(out, claims) |
           fill_maps(out, claims);
    if (bad == 0) return out;
    json_decref(out);
    return NULL;
}
