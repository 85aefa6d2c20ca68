#include "attest/tpm_events.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/jose.h"

enum {
    EV_EVENT_TAG = 6,
    EV_EFI_VARIABLE_DRIVER_CONFIG = (int)0x80000001,
    EV_EFI_VARIABLE_BOOT = (int)0x80000002,
    EV_EFI_VARIABLE_BOOT2 = (int)0x8000000c,
    EV_EFI_VARIABLE_AUTHORITY = (int)0x800000e0,
    GUID_SIZE = 16,
    NAME_MAX_CHARS = 256,
    DATA_SHOWN_MAX = 4096, /* of events of which nothing more is known */
    PCR_SECURE_BOOT = 7,
    EVENTS_MAX = 8192
};

/* TCG PC Client Platform Firmware Profile, section 10.4.1. */
const char *cella_event_type_name(uint32_t type) {
    static const struct {
        uint32_t type;
        const char *name;
    } names[] = {{0x0, "EV_PREBOOT_CERT"},
                 {0x1, "EV_POST_CODE"},
                 {0x3, "EV_NO_ACTION"},
                 {0x4, "EV_SEPARATOR"},
                 {0x5, "EV_ACTION"},
                 {0x6, "EV_EVENT_TAG"},
                 {0x7, "EV_S_CRTM_CONTENTS"},
                 {0x8, "EV_S_CRTM_VERSION"},
                 {0x9, "EV_CPU_MICROCODE"},
                 {0xa, "EV_PLATFORM_CONFIG_FLAGS"},
                 {0xb, "EV_TABLE_OF_DEVICES"},
                 {0xc, "EV_COMPACT_HASH"},
                 {0xd, "EV_IPL"},
                 {0xe, "EV_IPL_PARTITION_DATA"},
                 {0xf, "EV_NONHOST_CODE"},
                 {0x10, "EV_NONHOST_CONFIG"},
                 {0x11, "EV_NONHOST_INFO"},
                 {0x12, "EV_OMIT_BOOT_DEVICE_EVENTS"},
                 {0x80000001, "EV_EFI_VARIABLE_DRIVER_CONFIG"},
                 {0x80000002, "EV_EFI_VARIABLE_BOOT"},
                 {0x80000003, "EV_EFI_BOOT_SERVICES_APPLICATION"},
                 {0x80000004, "EV_EFI_BOOT_SERVICES_DRIVER"},
                 {0x80000005, "EV_EFI_RUNTIME_SERVICES_DRIVER"},
                 {0x80000006, "EV_EFI_GPT_EVENT"},
                 {0x80000007, "EV_EFI_ACTION"},
                 {0x80000008, "EV_EFI_PLATFORM_FIRMWARE_BLOB"},
                 {0x80000009, "EV_EFI_HANDOFF_TABLES"},
                 {0x8000000a, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"},
                 {0x8000000b, "EV_EFI_HANDOFF_TABLES2"},
                 {0x8000000c, "EV_EFI_VARIABLE_BOOT2"},
                 {0x8000000d, "EV_EFI_GPT_EVENT2"},
                 {0x80000010, "EV_EFI_HCRTM_EVENT"},
                 {0x800000e0, "EV_EFI_VARIABLE_AUTHORITY"},
                 {0x800000e1, "EV_EFI_SPDM_FIRMWARE_BLOB"},
                 {0x800000e2, "EV_EFI_SPDM_FIRMWARE_CONFIG"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].type == type) return names[i].name;
    return NULL;
}

json_t *cella_json_base64(struct cella_bytes bytes) {
    CELLA_BUFFER text = {0};
    struct cella_result r = cella_base64_encode(bytes, true, &text);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    if (!good) return NULL;
    return json_stringn(text.size ? (const char *)text.data : "", text.size);
}

/* --- UEFI variables --- */

struct variable { /* UEFI_VARIABLE_DATA */
    struct cella_bytes guid, data;
    char name[NAME_MAX_CHARS + 1]; /* ASCII of the UTF-16; "?" for what is none */
};

static bool read_variable(struct cella_bytes bytes, struct variable *out) {
    struct cella_reader r = cella_reader(bytes);
    out->guid = cella_reader_bytes(&r, GUID_SIZE);
    uint64_t chars = cella_reader_u64le(&r), size = cella_reader_u64le(&r);
    if (r.failed || chars > NAME_MAX_CHARS || size > bytes.size) return false;
    for (size_t i = 0; i < chars; i++) {
        uint16_t c = cella_reader_u16le(&r);
        out->name[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    out->name[chars] = 0;
    out->data = cella_reader_bytes(&r, (size_t)size);
    return cella_reader_done(&r);
}

/* As registries write it: the first three fields are little-endian. */
static void show_guid(struct cella_bytes g, char text[37]) {
    static const uint8_t order[GUID_SIZE] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    static const char digits[] = "0123456789ABCDEF";
    size_t at = 0;
    for (size_t i = 0; i < GUID_SIZE; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
        text[at++] = digits[g.data[order[i]] >> 4];
        text[at++] = digits[g.data[order[i]] & 15];
    }
    text[at] = 0;
}

static bool is_variable(uint32_t type) {
    return type == (uint32_t)EV_EFI_VARIABLE_DRIVER_CONFIG ||
           type == (uint32_t)EV_EFI_VARIABLE_BOOT || type == (uint32_t)EV_EFI_VARIABLE_BOOT2 ||
           type == (uint32_t)EV_EFI_VARIABLE_AUTHORITY;
}

/* Older firmware measures of a boot variable its value alone. */
static bool value_measured(const struct cella_tpm_proof *proof, const struct cella_event *event,
                           const struct variable *variable) {
    struct cella_event of_value = *event;
    bool measured = false;
    of_value.data = variable->data;
    return event->type == (uint32_t)EV_EFI_VARIABLE_BOOT &&
           cella_tpm_proof_event(proof, &of_value, &measured) && measured;
}

static bool is_secure_boot(const struct variable *variable) {
    static const char global[] = "8BE4DF61-93CA-11D2-AA0D-00E098032B8C";
    char guid[37];
    show_guid(variable->guid, guid);
    return strcmp(variable->name, "SecureBoot") == 0 && strcmp(guid, global) == 0;
}

static json_t *variable_json(const struct variable *variable) {
    char guid[37];
    show_guid(variable->guid, guid);
    return json_pack("{s:s, s:s, s:o}", "VariableGuid", guid, "UnicodeName", variable->name,
                     "VariableData", cella_json_base64(variable->data));
}

/* --- Frames --- */

/* Of an event only digest and PCR are measured: type and data are whoever's who hands out the log,
 * and anybody with the kernel's rights can extend PCRs after the boot. So what firmware and loaders
 * say counts only before the boundary that they themselves measure, known by its digest; and of the
 * PCRs that facts are read from nothing before it may be hidden: every event there must have the
 * data that its digest is of, under the type that such data have. */
struct frame {
    uint32_t boundary[CELLA_TPM_PCR_MAX]; /* EventSeq; NO_BOUNDARY */
    uint32_t hiding;                      /* bit p: some event before it hides something */
    uint32_t begun;                       /* bit p: an event was seen */
    bool secure_first; /* PCR 7 begins with SecureBoot, as the Firmware Profile has it */
};
enum { NO_BOUNDARY = -1 };

/* Where Windows' loader measures, from static and from dynamic roots of trust. */
static bool is_windows(uint32_t pcr) { return pcr >= 12 && pcr <= 14; }
static bool is_dynamic(uint32_t pcr) { return pcr == 19 || pcr == 20; }

/* Separators of firmware (Firmware Profile, section 3.3.2) and of Windows' loader. */
static bool is_boundary(const struct cella_tpm_proof *proof, const struct cella_event *event) {
    static const char words[][5] = {"\0\0\0\0", "\xff\xff\xff\xff", "WBCL"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct cella_event as = *event;
        bool same = false;
        as.data = cella_bytes(words[i], 4);
        if (cella_tpm_proof_event(proof, &as, &same) && same) return true;
    }
    return false;
}

static bool hides(const struct cella_event *event, bool measured) {
    struct variable variable;
    if (event->index == PCR_SECURE_BOOT)
        return !measured || (read_variable(event->data, &variable) && !is_variable(event->type));
    return (is_windows(event->index) || is_dynamic(event->index)) &&
           (!measured || event->type != EV_EVENT_TAG);
}

static void frame_add(const struct cella_tpm_proof *proof, const struct cella_event *event,
                      bool measured, uint32_t seq, struct frame *frame) {
    struct variable variable;
    uint32_t pcr = event->index, bit = 1U << pcr;
    if (frame->boundary[pcr] != (uint32_t)NO_BOUNDARY) return;
    if (is_boundary(proof, event)) {
        frame->boundary[pcr] = seq;
        return;
    }
    if (hides(event, measured)) frame->hiding |= bit;
    if (pcr == PCR_SECURE_BOOT && !(frame->begun & bit))
        frame->secure_first =
            measured && read_variable(event->data, &variable) && is_secure_boot(&variable);
    frame->begun |= bit;
}

/* Whether an event at that place is firmware's or a loader's own, and nothing is hidden beside it.
 */
static bool in_frame(const struct frame *frame, uint32_t pcr, uint32_t seq) {
    bool inside = frame->boundary[pcr] != (uint32_t)NO_BOUNDARY && seq < frame->boundary[pcr];
    bool whole = !(frame->hiding >> pcr & 1) && (pcr != PCR_SECURE_BOOT || frame->secure_first);
    return whole && (inside || is_dynamic(pcr));
}

/* --- Events --- */

struct walk {
    const struct cella_tpm_proof *proof;
    struct frame frame;
    struct cella_boot_facts *facts;
    json_t *list; /* or NULL */
};

static json_t *told_variable(const struct walk *walk, const struct cella_event *event,
                             bool measured, uint32_t seq) {
    struct variable variable;
    bool authority =
        event->type == (uint32_t)EV_EFI_VARIABLE_AUTHORITY && event->index == PCR_SECURE_BOOT;
    bool framed = event->index <= PCR_SECURE_BOOT && in_frame(&walk->frame, event->index, seq);
    if (!read_variable(event->data, &variable)) return NULL;
    if (measured && framed && event->index == PCR_SECURE_BOOT && is_secure_boot(&variable)) {
        bool on = variable.data.size == 1 && variable.data.data[0] == 1;
        walk->facts->said[CELLA_BOOT_SECURE_BOOT].yes |= on;
        walk->facts->said[CELLA_BOOT_SECURE_BOOT].no |= !on;
    }
    bool told = (framed && (measured || value_measured(walk->proof, event, &variable))) ||
                (authority && measured);
    return told ? variable_json(&variable) : NULL;
}

static json_t *told_tag(const struct walk *walk, const struct cella_event *event, uint32_t seq) {
    struct cella_boot_facts others = {0};
    bool of_boot = is_windows(event->index) || is_dynamic(event->index);
    if (of_boot && !in_frame(&walk->frame, event->index, seq)) return NULL;
    return cella_tpm_tagged(event->data, of_boot ? walk->facts : &others);
}

/* NULL: nothing that could be told. */
static json_t *processed(const struct walk *walk, const struct cella_event *event, bool measured,
                         uint32_t seq) {
    if (is_variable(event->type)) return told_variable(walk, event, measured, seq);
    if (!measured) return NULL;
    if (event->type == EV_EVENT_TAG) return told_tag(walk, event, seq);
    if (event->data.size > DATA_SHOWN_MAX) return NULL;
    return json_pack("{s:o}", "Data", cella_json_base64(event->data));
}

static const char *bank_name(enum cella_hash bank) {
    static const char *const names[] = {"SHA1", "SHA256", "SHA384", "SHA512"};
    return names[bank];
}

static json_t *digests_json(enum cella_hash bank, const uint8_t *digest) {
    char hex[2 * CELLA_HASH_SIZE_MAX + 1];
    cella_hex_encode(cella_bytes(digest, cella_hash_size(bank)), hex);
    return json_pack("{s:s}", bank_name(bank), hex);
}

static struct cella_result add_event(const struct cella_tpm_proof *proof,
                                     const struct cella_event *event, json_t *data, uint32_t seq,
                                     json_t *list) {
    const char *name = cella_event_type_name(event->type);
    const uint8_t *digest = NULL;
    char number[24];
    for (uint32_t i = 0; i < event->digest_count; i++)
        if (event->digest[i].hash == cella_tpm_hash_id(proof->bank))
            digest = event->digest[i].value.data;
    snprintf(number, sizeof(number), "0x%08X", event->type);
    json_t *item = json_pack("{s:s, s:i, s:I}", "EventTypeString", name ? name : number, "PcrIndex",
                             (int)event->index, "EventSeq", (json_int_t)seq);
    bool good = item && (!digest || json_object_set_new(item, "Digests",
                                                        digests_json(proof->bank, digest)) == 0);
    if (good && data) good = json_object_set(item, "ProcessedData", data) == 0;
    good = json_array_append_new(list, item) == 0 && good;
    ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for the events of a log");
    return CELLA_SUCCESS;
}

static struct cella_result tell(const struct walk *walk, const struct cella_event *event,
                                bool measured, uint32_t seq) {
    CELLA_JSON data = processed(walk, event, measured, seq);
    return walk->list ? add_event(walk->proof, event, data, seq, walk->list) : CELLA_SUCCESS;
}

/* Twice: what is told of an event rests on what comes after it. */
static struct cella_result pass(struct walk *walk, struct cella_bytes log, bool telling) {
    struct cella_eventlog reader;
    struct cella_event event;
    bool found = true, measured = false;
    TRY(cella_eventlog_begin(log, &reader));
    for (uint32_t seq = 0;; seq++) {
        TRY(cella_eventlog_next(&reader, &event, &found));
        if (!found) return CELLA_SUCCESS;
        ENSURE(seq < EVENTS_MAX, CELLA_ERR_LIMIT, NULL, "event log: more than %d events",
               EVENTS_MAX);
        if (!cella_tpm_proof_event(walk->proof, &event, &measured)) continue;
        if (telling)
            TRY(tell(walk, &event, measured, seq));
        else
            frame_add(walk->proof, &event, measured, seq, &walk->frame);
    }
}

CELLA_RESULT cella_tpm_events(const struct cella_tpm_proof *proof, struct cella_bytes log,
                              json_t **events, struct cella_boot_facts *facts) {
    CELLA_JSON list = events ? json_array() : NULL;
    struct walk walk = {.proof = proof, .facts = facts, .list = list};
    cella_zero(facts, sizeof(*facts));
    for (unsigned p = 0; p < CELLA_TPM_PCR_MAX; p++) walk.frame.boundary[p] = (uint32_t)NO_BOUNDARY;
    ENSURE(!events || list, CELLA_ERR_MEMORY, NULL, "no memory for the events of a log");
    if (log.size) TRY(pass(&walk, log, false));
    if (log.size) TRY(pass(&walk, log, true));
    if (!events) return CELLA_SUCCESS;
    *events = json_pack("{s:O}", "Events", list);
    ENSURE(*events, CELLA_ERR_MEMORY, NULL, "no memory for the events of a log");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tpm_pcrs_json(const struct cella_tpm_proof *proof, json_t **out) {
    CELLA_JSON list = json_array();
    bool good = list != NULL;
    for (unsigned p = 0; good && p < CELLA_TPM_PCR_MAX; p++) {
        if (!(proof->quoted >> p & 1)) continue;
        good = json_array_append_new(
                   list, json_pack("{s:i, s:o}", "Index", (int)p, "Digests",
                                   digests_json(proof->bank, proof->values.value[p]))) == 0;
    }
    *out = good ? json_pack("{s:O}", "PCRs", list) : NULL;
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for PCRs");
    return CELLA_SUCCESS;
}
