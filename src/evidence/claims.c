#include "evidence/claims.h"

#include <string.h>

#include "base/memory.h"
#include "base/moment.h"
#include "base/text.h"
#include "evidence/software.h"

enum { LINE_MAX = 1024, EXACT_MAX_BITS = 53 };

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
        return "hardware vouches for the confidential VM that the platform runs in, but only its "
               "measurement, when you pin it (--root-measurement), says what runs there";
    default: return "unknown level";
    }
}

/* --- Software evidence --- */

static void add_identity(const struct cella_identity *id, struct cella_claimset *to) {
    cella_claim_bytes(to, "measurement", CELLA_BYTES_OF(id->mrenclave));
    cella_claim_bytes(to, "signer", CELLA_BYTES_OF(id->mrsigner));
    cella_claim_number(to, "product-id", id->product_id);
    cella_claim_number(to, "svn", id->svn);
    cella_claim_boolean(to, "debug", id->debug);
    cella_claim_bytes(to, "config-id", CELLA_BYTES_OF(id->config_id));
}

static void add_machine(const struct cella_claims *claims, struct cella_claimset *to) {
    const struct cella_software_claims *s = &claims->software;
    cella_claim_text(to, "software.platform-version", s->platform_version);
    cella_claim_text(to, "software.memory", s->memory_secret ? "secret" : "private");
    cella_claim_number(to, "software.attributes", s->identity.attributes);
    cella_claim_number(to, "software.xfrm", s->identity.xfrm);
    cella_claim_number(to, "software.miscselect", s->identity.miscselect);
    cella_claim_bytes(to, "software.boot-id", CELLA_BYTES_OF(s->boot_id));
    cella_claim_bytes(to, "software.instance-id", CELLA_BYTES_OF(s->instance_id));
    cella_claim_text(to, "software.root", cella_root_name((enum cella_root)claims->root));
    if (!cella_root_is_hardware((enum cella_root)claims->root))
        cella_claim_bytes(to, "software.trusted-by", CELLA_BYTES_OF(claims->trusted_by));
}

static void add_maps(const struct cella_claims *claims, struct cella_claimset *to) {
    char name[CELLA_CLAIM_NAME_MAX + 1];
    for (uint32_t i = 0; i < claims->tpm_pcr_count; i++) {
        snprintf(name, sizeof(name), "software.pcr.%u", claims->tpm_pcr[i].index);
        cella_claim_bytes(to, name, CELLA_BYTES_OF(claims->tpm_pcr[i].value));
    }
    for (uint32_t i = 0; i < claims->software.setting_count; i++) {
        snprintf(name, sizeof(name), "software.setting.%s", claims->software.setting[i].name);
        cella_claim_text(to, name, claims->software.setting[i].value);
    }
}

void cella_claims_add(const struct cella_claims *claims, struct cella_claimset *to) {
    char level[8];
    snprintf(level, sizeof(level), "S%u", claims->software.assurance);
    cella_claim_text(to, "tee", "software");
    cella_claim_text(to, "assurance", level);
    /* Not by this evidence alone: S3 is what its verifier makes of the guest's measurement. */
    cella_claim_boolean(to, "confidential-computing", false);
    add_identity(&claims->software.identity, to);
    cella_claim_bytes(to, "report-data", CELLA_BYTES_OF(claims->software.report_data));
    cella_claim_time(to, "issued", claims->software.issued_unix);
    cella_claim_bytes(to, "platform-id", CELLA_BYTES_OF(claims->platform_key));
    add_machine(claims, to);
    add_maps(claims, to);
}

/* --- Shown to people --- */

static void show_bytes(struct cella_bytes bytes, char *text, size_t size) {
    size_t shown = bytes.size < (size - 4) / 2 ? bytes.size : (size - 4) / 2;
    cella_hex_encode(cella_bytes(bytes.data, shown), text);
    if (shown < bytes.size) snprintf(text + 2 * shown, size - 2 * shown, "...");
}

static void show_text(struct cella_bytes value, char *text, size_t size) {
    size_t n = value.size < size - 1 ? value.size : size - 1;
    for (size_t i = 0; i < n; i++) /* nothing that could move the cursor of a terminal */
        text[i] = value.data[i] < 0x20 || value.data[i] == 0x7f ? '?' : (char)value.data[i];
    text[n] = 0;
}

void cella_claim_show(const struct cella_claim *claim, char *text, size_t size) {
    char time[CELLA_TIME_TEXT];
    if (size < 8) return;
    switch (claim->type) {
    case CELLA_CLAIM_TEXT: show_text(claim->bytes, text, size); return;
    case CELLA_CLAIM_BYTES: show_bytes(claim->bytes, text, size); return;
    case CELLA_CLAIM_NUMBER:
        snprintf(text, size, "%llu", (unsigned long long)claim->number);
        return;
    case CELLA_CLAIM_BOOLEAN: snprintf(text, size, "%s", claim->number ? "yes" : "no"); return;
    case CELLA_CLAIM_TIME: break;
    }
    cella_time_show(claim->number, time);
    snprintf(text, size, "%s", time);
}

void cella_claimset_print(FILE *to, const struct cella_claimset *set) {
    char text[LINE_MAX];
    fprintf(to, "claims\n");
    for (size_t i = 0; i < cella_claimset_count(set); i++) {
        const struct cella_claim *claim = cella_claimset_at(set, i);
        cella_claim_show(claim, text, sizeof(text));
        fprintf(to, "  %-26s %s\n", claim->name, text[0] ? text : "(empty)");
    }
}

/* --- JSON --- */

/* Numbers beyond 2^53 go as decimal text: most readers of JSON would lose their last bits. */
static json_t *number_json(uint64_t number) {
    char text[24];
    if (number >> EXACT_MAX_BITS == 0) return json_integer((json_int_t)number);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    return json_string(text);
}

static json_t *bytes_json(struct cella_bytes bytes) {
    CELLA_BUFFER hex = {0};
    uint8_t *to = NULL;
    struct cella_result r = cella_buffer_extend(&hex, 2 * bytes.size + 1, &to);
    bool failed = cella_failed(r);
    cella_result_drop(r);
    if (failed) return NULL;
    cella_hex_encode(bytes, (char *)to);
    return json_string((const char *)to);
}

static json_t *value_json(const struct cella_claim *claim) {
    char time[CELLA_TIME_TEXT];
    switch (claim->type) {
    case CELLA_CLAIM_TEXT: return json_stringn((const char *)claim->bytes.data, claim->bytes.size);
    case CELLA_CLAIM_BYTES: return bytes_json(claim->bytes);
    case CELLA_CLAIM_NUMBER: return number_json(claim->number);
    case CELLA_CLAIM_BOOLEAN: return json_boolean(claim->number != 0);
    case CELLA_CLAIM_TIME: break;
    }
    cella_time_show(claim->number, time);
    return json_string(time);
}

/* The object called word in root, made as needed. A value that has the word already ("snp.policy"
 * beside "snp.policy.smt") moves into it as "value". */
static json_t *object_called(json_t *root, const char *word) {
    json_t *there = json_object_get(root, word);
    if (json_is_object(there)) return there;
    json_t *object = json_object();
    int bad = there ? json_object_set(object, "value", there) : 0;
    bad |= json_object_set_new(root, word, object);
    return bad ? NULL : json_object_get(root, word);
}

/* The object that a name with dots lies in; *name is then the last part. */
static json_t *object_of(json_t *root, const char **name) {
    for (const char *dot; root && (dot = strchr(*name, '.')) && dot[1] && dot != *name;
         *name = dot + 1) {
        char word[CELLA_CLAIM_NAME_MAX];
        size_t size = (size_t)(dot - *name);
        cella_copy(word, *name, size);
        word[size] = 0;
        root = object_called(root, word);
    }
    return root;
}

static int add_json(json_t *root, const struct cella_claim *claim) {
    const char *name = claim->name;
    json_t *to = object_of(root, &name), *value = value_json(claim);
    json_t *there = json_object_get(to, name);
    if (json_is_object(there)) {
        to = there;
        name = "value";
        there = json_object_get(to, name);
    }
    if (!claim->list && !there) return json_object_set_new(to, name, value);
    if (json_is_array(there)) return json_array_append_new(there, value);
    json_t *list = json_array(); /* a list, or a name that came twice */
    int bad = there ? json_array_append(list, there) : 0;
    bad |= json_array_append_new(list, value);
    return bad | json_object_set_new(to, name, list);
}

json_t *cella_claimset_json(const struct cella_claimset *set) {
    json_t *out = json_object();
    int bad = out == NULL;
    for (size_t i = 0; bad == 0 && i < cella_claimset_count(set); i++)
        bad = add_json(out, cella_claimset_at(set, i));
    if (bad == 0) return out;
    json_decref(out);
    return NULL;
}
