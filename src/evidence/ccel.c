#include "evidence/ccel.h"

#include <jansson.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "evidence/eventlog.h"
#include "evidence/json.h"

/* Of dstack: the digest is SHA-384 of type, name and payload, so that those can be believed as
 * well. */
enum { RUNTIME_EVENT = 0x08000001, PAYLOAD_MAX = 65536, JSON_EVENTS_MAX = 65536 };

static const char whole_log[] = "give the log whole, as the machine has it";

static CELLA_RESULT extend(struct cella_rtmr_replay *out, size_t index, struct cella_bytes digest) {
    struct cella_bytes parts[2] = {CELLA_BYTES_OF(out->rtmr[index]), digest};
    uint8_t next[CELLA_RTMR_SIZE];
    TRY(cella_hash(CELLA_HASH_SHA384, parts, 2, next));
    cella_copy(out->rtmr[index], next, sizeof(next));
    out->event_count++;
    return CELLA_SUCCESS;
}

static CELLA_RESULT replay_ccel(struct cella_bytes log, struct cella_rtmr_replay *out) {
    struct cella_registers registers;
    TRY(cella_eventlog_replay(log, CELLA_HASH_SHA384, &registers));
    ENSURE((registers.extended & ~(uint32_t)0x1e) == 0, CELLA_ERR_FORMAT, whole_log,
           "event log: it extends registers other than RTMR0 to RTMR3 (bits %x)",
           registers.extended);
    for (size_t i = 0; i < CELLA_RTMR_COUNT; i++)
        cella_copy(out->rtmr[i], registers.value[i + 1], CELLA_RTMR_SIZE);
    out->event_count = registers.event_count;
    return CELLA_SUCCESS;
}

static CELLA_RESULT text_of(const json_t *entry, const char *name, struct cella_bytes *out) {
    const json_t *value = json_object_get(entry, name);
    ENSURE(json_is_string(value), CELLA_ERR_FORMAT, whole_log,
           "event log: an entry without the text %s", name);
    *out = cella_bytes(json_string_value(value), json_string_length(value));
    return CELLA_SUCCESS;
}

static CELLA_RESULT number_of(const json_t *entry, const char *name, uint64_t maximum,
                              uint32_t *out) {
    const json_t *value = json_object_get(entry, name);
    bool good = json_is_integer(value) && json_integer_value(value) >= 0 &&
                (uint64_t)json_integer_value(value) <= maximum;
    ENSURE(good, CELLA_ERR_FORMAT, whole_log, "event log: an entry without %s up to %llu", name,
           (unsigned long long)maximum);
    *out = (uint32_t)json_integer_value(value);
    return CELLA_SUCCESS;
}

/* SHA-384(type, little-endian || ":" || name || ":" || payload). */
static CELLA_RESULT check_runtime(const json_t *entry, const uint8_t digest[CELLA_RTMR_SIZE],
                                  cella_rtmr_event *event, void *to) {
    static const uint8_t type[4] = {0x01, 0x00, 0x00, 0x08};
    struct cella_bytes name, hex;
    uint8_t found[CELLA_RTMR_SIZE];
    CELLA_BUFFER payload = {0};
    TRY(text_of(entry, "event", &name));
    TRY(text_of(entry, "event_payload", &hex));
    ENSURE(hex.size <= 2 * PAYLOAD_MAX, CELLA_ERR_LIMIT, NULL, "event log: a payload over %d bytes",
           PAYLOAD_MAX);
    TRY_IN(cella_hex_decode_all(hex, &payload), "event log: event_payload");
    struct cella_bytes parts[5] = {CELLA_BYTES_OF(type), cella_bytes(":", 1), name,
                                   cella_bytes(":", 1), cella_buffer_bytes(&payload)};
    TRY(cella_hash(CELLA_HASH_SHA384, parts, 5, found));
    ENSURE(cella_equal(found, digest, sizeof(found)), CELLA_ERR_INTEGRITY, whole_log,
           "event log: the digest of event %.40s is not that of its payload",
           (const char *)name.data);
    if (event) event(to, (const char *)name.data, cella_buffer_bytes(&payload));
    return CELLA_SUCCESS;
}

static CELLA_RESULT replay_entry(const json_t *entry, struct cella_rtmr_replay *out,
                                 cella_rtmr_event *event, void *to) {
    uint32_t index = 0, type = 0;
    uint8_t digest[CELLA_RTMR_SIZE];
    struct cella_bytes hex;
    TRY(number_of(entry, "imr", CELLA_RTMR_COUNT - 1, &index));
    TRY(number_of(entry, "event_type", UINT32_MAX, &type));
    TRY(text_of(entry, "digest", &hex));
    if (type == CELLA_EVENT_NO_ACTION) return CELLA_SUCCESS;
    TRY_IN(cella_hex_decode(hex, digest, sizeof(digest)), "event log: digest");
    if (type == RUNTIME_EVENT) TRY(check_runtime(entry, digest, event, to));
    return extend(out, index, CELLA_BYTES_OF(digest));
}

static void json_free(json_t **value) { json_decref(*value); }

/* The own reader goes first, for its bounds on depth and keys (A29); its refusal of an array is
 * then jansson's too. */
static CELLA_RESULT replay_json(struct cella_bytes log, struct cella_rtmr_replay *out,
                                cella_rtmr_event *event, void *to) {
    struct cella_json strict;
    json_error_t error;
    cella_json_begin(&strict, log);
    cella_json_skip(&strict);
    TRY(cella_json_end(&strict, "event log"));
    __attribute__((cleanup(json_free))) json_t *root =
        json_loadb((const char *)log.data, log.size, JSON_REJECT_DUPLICATES, &error);
    ENSURE(json_is_array(root), CELLA_ERR_FORMAT, whole_log,
           "event log: expected a list of events");
    ENSURE(json_array_size(root) <= JSON_EVENTS_MAX, CELLA_ERR_LIMIT, NULL,
           "event log: more than %d events", JSON_EVENTS_MAX);
    for (size_t i = 0; i < json_array_size(root); i++)
        TRY(replay_entry(json_array_get(root, i), out, event, to));
    return CELLA_SUCCESS;
}

bool cella_rtmr_log_is(struct cella_bytes log) {
    struct cella_json json;
    struct cella_bytes key;
    if (cella_eventlog_is(log)) return true;
    cella_json_begin(&json, log);
    if (cella_json_peek(&json) != '[') return false;
    cella_json_array(&json);
    if (!cella_json_item(&json) || cella_json_peek(&json) != '{') return false;
    for (cella_json_enter_object(&json); cella_json_key(&json, &key); cella_json_skip(&json))
        if (cella_json_is(key, "imr")) return true;
    return false;
}

CELLA_RESULT cella_rtmr_replay(struct cella_bytes log, struct cella_rtmr_replay *out,
                               cella_rtmr_event *event, void *to) {
    *out = (struct cella_rtmr_replay){0};
    ENSURE(log.size <= CELLA_EVENTLOG_MAX, CELLA_ERR_LIMIT, NULL, "event log: more than %d bytes",
           CELLA_EVENTLOG_MAX);
    return cella_eventlog_is(log) ? replay_ccel(log, out) : replay_json(log, out, event, to);
}
