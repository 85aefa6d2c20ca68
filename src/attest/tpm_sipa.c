/* Tagged events of Windows' boot loader ("SIPA": wbcl.h of the Windows SDK): {u32 id, u32 size,
 * data}, some of which hold others. */
#include <string.h>

#include "attest/tpm_events.h"
#include "base/reader.h"

enum { DEPTH_MAX = 6, TEXT_CHARS_MAX = 512, BYTES_SHOWN_MAX = 4096 };

/* As published policies use them: EVENT_CODEINTEGRITY is true; EVENT_BITLOCKER_UNLOCK.Value;
 * EVENT_APPLICATION_SVN is a number itself; EVENT_BOOT_REVOCATION_LIST.RawData, and
 * EVENT_SI_POLICY[].RawData. */
enum form { BOOLEAN, NUMBER, INTEGER, TEXT, BYTES, LIST, GROUP, GROUPS };

static const struct tag {
    uint32_t id;
    enum form form;
    const char *name;
    int fact; /* -1: none */
} tags[] = {
    {0x40010001, GROUP, "EVENT_TRUSTBOUNDARY", -1},
    {0x40010002, GROUPS, "EVENT_ELAM_AGGREGATION", -1},
    {0x40010003, GROUPS, "EVENT_LOADEDMODULE_AGGREGATION", -1},
    {0x40010005, GROUPS, "EVENT_KSR_AGGREGATION", -1},
    {0x00020001, TEXT, "EVENT_INFORMATION", -1},
    {0x00020002, NUMBER, "EVENT_BOOTCOUNTER", -1},
    {0x00020003, NUMBER, "EVENT_TRANSFER_CONTROL", -1},
    {0x00020004, NUMBER, "EVENT_APPLICATION_RETURN", -1},
    {0x00020005, NUMBER, "EVENT_BITLOCKER_UNLOCK", -1},
    {0x00020006, NUMBER, "EVENT_EVENTCOUNTER", -1},
    {0x00020007, NUMBER, "EVENT_COUNTERID", -1},
    {0x00020008, BOOLEAN, "EVENT_MORBIT_NOT_CANCELABLE", -1},
    {0x00020009, INTEGER, "EVENT_APPLICATION_SVN", -1},
    {0x0002000a, NUMBER, "EVENT_SVN_CHAIN_STATUS", -1},
    {0x0002000b, NUMBER, "EVENT_MORBIT_API_STATUS", -1},
    {0x00040001, BOOLEAN, "EVENT_BOOTDEBUGGING", CELLA_BOOT_BOOT_DEBUGGING},
    {0x00040002, BYTES, "EVENT_BOOT_REVOCATION_LIST", -1},
    {0x00050001, BOOLEAN, "EVENT_OSKERNELDEBUG", CELLA_BOOT_KERNEL_DEBUGGING},
    {0x00050002, BOOLEAN, "EVENT_CODEINTEGRITY", CELLA_BOOT_CODE_INTEGRITY},
    {0x00050003, BOOLEAN, "EVENT_TESTSIGNING", CELLA_BOOT_TEST_SIGNING},
    {0x00050004, NUMBER, "EVENT_DATAEXECUTIONPREVENTION", -1},
    {0x00050005, BOOLEAN, "EVENT_SAFEMODE", CELLA_BOOT_SAFE_MODE},
    {0x00050006, BOOLEAN, "EVENT_WINPE", CELLA_BOOT_WINPE},
    {0x00050007, NUMBER, "EVENT_PHYSICALADDRESSEXTENSION", -1},
    {0x00050008, NUMBER, "EVENT_OSDEVICE", -1},
    {0x00050009, TEXT, "EVENT_SYSTEMROOT", -1},
    {0x0005000a, NUMBER, "EVENT_HYPERVISOR_LAUNCH_TYPE", -1},
    {0x0005000b, TEXT, "EVENT_HYPERVISOR_PATH", -1},
    {0x0005000c, NUMBER, "EVENT_HYPERVISOR_IOMMU_POLICY", -1},
    {0x0005000d, BOOLEAN, "EVENT_HYPERVISOR_DEBUG", CELLA_BOOT_HYPERVISOR_DEBUGGING},
    {0x0005000e, NUMBER, "EVENT_DRIVER_LOAD_POLICY", -1},
    {0x0005000f, LIST, "EVENT_SI_POLICY", -1},
    {0x00050010, NUMBER, "EVENT_HYPERVISOR_MMIO_NX_POLICY", -1},
    {0x00050011, NUMBER, "EVENT_HYPERVISOR_MSR_FILTER_POLICY", -1},
    {0x00050012, NUMBER, "EVENT_VSM_LAUNCH_TYPE", -1},
    {0x00050013, BYTES, "EVENT_OS_REVOCATION_LIST", -1},
    {0x00050014, NUMBER, "EVENT_SMT_STATUS", -1},
    {0x00050020, BYTES, "EVENT_VSM_IDK_INFO", -1},
    {0x00050021, BOOLEAN, "EVENT_FLIGHTSIGNING", CELLA_BOOT_FLIGHT_SIGNING},
    {0x00050022, BOOLEAN, "EVENT_PAGEFILE_ENCRYPTION_ENABLED", -1},
    {0x00050023, BYTES, "EVENT_VSM_IDKS_INFO", -1},
    {0x00050024, BOOLEAN, "EVENT_HIBERNATION_DISABLED", -1},
    {0x00050025, BOOLEAN, "EVENT_DUMPS_DISABLED", -1},
    {0x00050026, BOOLEAN, "EVENT_DUMP_ENCRYPTION_ENABLED", -1},
    {0x00050027, BYTES, "EVENT_DUMP_ENCRYPTION_KEY_DIGEST", -1},
    {0x00050028, NUMBER, "EVENT_LSAISO_CONFIG", -1},
    {0x00050030, BOOLEAN, "EVENT_HYPERVISOR_BOOT_DMA_PROTECTION", -1},
    {0x00060001, BOOLEAN, "EVENT_NOAUTHORITY", -1},
    {0x00060002, BYTES, "EVENT_AUTHORITYPUBKEY", -1},
    {0x00070001, TEXT, "EVENT_FILEPATH", -1},
    {0x00070002, NUMBER, "EVENT_IMAGESIZE", -1},
    {0x00070003, NUMBER, "EVENT_HASHALGORITHMID", -1},
    {0x00070004, BYTES, "EVENT_AUTHENTICODEHASH", -1},
    {0x00070005, TEXT, "EVENT_AUTHORITYISSUER", -1},
    {0x00070006, BYTES, "EVENT_AUTHORITYSERIAL", -1},
    {0x00070007, NUMBER, "EVENT_IMAGEBASE", -1},
    {0x00070008, TEXT, "EVENT_AUTHORITYPUBLISHER", -1},
    {0x00070009, BYTES, "EVENT_AUTHORITYSHA1THUMBPRINT", -1},
    {0x0007000a, BOOLEAN, "EVENT_IMAGEVALIDATED", -1},
    {0x0007000b, INTEGER, "EVENT_MODULE_SVN", -1},
    {0x00090001, TEXT, "EVENT_ELAM_KEYNAME", -1},
    {0x00090002, BYTES, "EVENT_ELAM_CONFIGURATION", -1},
    {0x00090003, BYTES, "EVENT_ELAM_POLICY", -1},
    {0x00090004, BYTES, "EVENT_ELAM_MEASURED", -1},
    {0x000a0001, BOOLEAN, "EVENT_VBS_VSM_REQUIRED", CELLA_BOOT_VBS_REQUIRED},
    {0x000a0002, BOOLEAN, "EVENT_VBS_SECUREBOOT_REQUIRED", -1},
    {0x000a0003, BOOLEAN, "EVENT_VBS_IOMMU_REQUIRED", CELLA_BOOT_VBS_IOMMU},
    {0x000a0004, BOOLEAN, "EVENT_VBS_MMIO_NX_REQUIRED", -1},
    {0x000a0005, BOOLEAN, "EVENT_VBS_MSR_FILTERING_REQUIRED", -1},
    {0x000a0006, BOOLEAN, "EVENT_VBS_MANDATORY_ENFORCEMENT", -1},
    {0x000a0007, NUMBER, "EVENT_VBS_HVCI_POLICY", -1},
    {0x000a0008, BOOLEAN, "EVENT_VBS_MICROSOFT_BOOT_CHAIN_REQUIRED", -1},
    {0x000a0009, BOOLEAN, "EVENT_VBS_DUMP_USES_AMEROOT", -1},
    {0x000a000a, BOOLEAN, "EVENT_VBS_VSM_NOSECRETS_ENFORCED", -1},
};

static const struct tag *find(uint32_t id) {
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
        if (tags[i].id == id) return &tags[i];
    return NULL;
}

static bool is_true(struct cella_bytes data) {
    bool any = false;
    for (size_t i = 0; i < data.size; i++) any |= data.data[i] != 0;
    return any;
}

static uint64_t number_of(struct cella_bytes data) {
    uint64_t value = 0;
    for (size_t i = data.size; i > 0; i--) value = value << 8 | data.data[i - 1];
    return value;
}

/* UTF-16 with a zero at the end, of which what is ASCII is kept. */
static json_t *text_json(struct cella_bytes data) {
    char text[TEXT_CHARS_MAX + 1];
    size_t size = 0;
    struct cella_reader r = cella_reader(data);
    while (cella_reader_left(&r) >= 2 && size < TEXT_CHARS_MAX) {
        uint16_t c = cella_reader_u16le(&r);
        if (c == 0) break;
        text[size++] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    return json_stringn(text, size);
}

static json_t *group_json(struct cella_bytes data, unsigned depth, struct cella_boot_facts *facts);

/* The word that a published policy has for it. */
static json_t *number_json(const struct tag *of, uint64_t number) {
    json_t *out = json_pack("{s:I}", "Value", (json_int_t)number);
    if (number == 1 && strcmp(of->name, "EVENT_VBS_HVCI_POLICY") == 0)
        json_object_set_new(out, "String", json_string("HypervisorEnforcedCodeIntegrityEnable"));
    return out;
}

static json_t *value_json(const struct tag *of, struct cella_bytes data, unsigned depth,
                          struct cella_boot_facts *facts) {
    bool fits = data.size < 8 || (data.size == 8 && !(data.data[7] >> 7));
    switch (of->form) {
    case BOOLEAN: return json_boolean(is_true(data));
    case NUMBER:
        if (!fits) break;
        return number_json(of, number_of(data));
    case INTEGER:
        if (!fits) break;
        return json_integer((json_int_t)number_of(data));
    case TEXT: return text_json(data);
    case GROUP:
    case GROUPS: return depth < DEPTH_MAX ? group_json(data, depth + 1, facts) : NULL;
    case BYTES:
    case LIST: break;
    }
    size_t size = data.size < BYTES_SHOWN_MAX ? data.size : (size_t)BYTES_SHOWN_MAX;
    return json_pack("{s:o}", "RawData", cella_json_base64(cella_bytes(data.data, size)));
}

static void note(const struct tag *of, struct cella_bytes data, struct cella_boot_facts *facts) {
    if (of->fact >= 0) {
        facts->said[of->fact].yes |= is_true(data);
        facts->said[of->fact].no |= !is_true(data);
    }
    if (strcmp(of->name, "EVENT_VBS_HVCI_POLICY") == 0 && data.size <= 8) {
        facts->has_hvci = true;
        facts->hvci_policy = number_of(data);
    }
    if (strcmp(of->name, "EVENT_ELAM_AGGREGATION") == 0) facts->said[CELLA_BOOT_ELAM].yes = true;
}

/* What comes more than once at one level becomes a list; modules and code
 * integrity policies are one always. */
static bool add(json_t *to, const struct tag *of, json_t *value) {
    json_t *there = json_object_get(to, of->name);
    if (json_is_array(there)) return json_array_append_new(there, value) == 0;
    if (of->form == GROUPS || of->form == LIST)
        return json_object_set_new(to, of->name, json_pack("[o]", value)) == 0;
    if (!there) return json_object_set_new(to, of->name, value) == 0;
    return json_object_set_new(to, of->name, json_pack("[O,o]", there, value)) == 0;
}

static json_t *group_json(struct cella_bytes data, unsigned depth, struct cella_boot_facts *facts) {
    struct cella_reader r = cella_reader(data);
    json_t *out = json_object();
    while (out && cella_reader_left(&r) > 0) {
        uint32_t id = cella_reader_u32le(&r), size = cella_reader_u32le(&r);
        struct cella_bytes inner = cella_reader_bytes(&r, size);
        if (r.failed) break; /* the rest is no events: what was read was */
        const struct tag *of = find(id);
        if (!of) continue;
        note(of, inner, facts);
        json_t *value = value_json(of, inner, depth, facts);
        if (value && add(out, of, value)) continue;
        json_decref(out);
        return NULL;
    }
    return out;
}

json_t *cella_tpm_tagged(struct cella_bytes data, struct cella_boot_facts *facts) {
    struct cella_reader r = cella_reader(data);
    const struct tag *of = find(cella_reader_u32le(&r));
    if (r.failed || !of) return NULL;
    facts->windows_events++;
    return group_json(data, 0, facts);
}
