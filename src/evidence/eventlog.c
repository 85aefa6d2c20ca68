#include "evidence/eventlog.h"

#include "base/memory.h"

enum {
    SIGNATURE_SIZE = 16,
    SPEC_HEAD = 8 /* class, version, errata, size of UINTN */,
    LEGACY_DIGEST = 20
};

static const struct {
    uint16_t id;
    enum cella_hash hash;
} ids[] = {{0x0004, CELLA_HASH_SHA1},
           {0x000b, CELLA_HASH_SHA256},
           {0x000c, CELLA_HASH_SHA384},
           {0x000d, CELLA_HASH_SHA512}};
enum { ID_COUNT = sizeof(ids) / sizeof(ids[0]) };

bool cella_tpm_hash_of(uint16_t algorithm, enum cella_hash *out) {
    for (size_t i = 0; i < ID_COUNT; i++) {
        if (ids[i].id != algorithm) continue;
        *out = ids[i].hash;
        return true;
    }
    return false;
}

uint16_t cella_tpm_hash_id(enum cella_hash hash) { return ids[hash].id; }

static struct cella_reader header_data(struct cella_bytes bytes) {
    struct cella_reader r = cella_reader(bytes);
    uint32_t index = cella_reader_u32le(&r), type = cella_reader_u32le(&r);
    cella_reader_zero(&r, LEGACY_DIGEST);
    if (index > 1 || type != CELLA_EVENT_NO_ACTION)
        r.failed = true; /* CCEL logs begin under index 1 */
    struct cella_reader data = cella_reader_sub(&r, cella_reader_u32le(&r));
    cella_reader_expect(&data, cella_bytes("Spec ID Event03", SIGNATURE_SIZE)); /* with its NUL */
    return data;
}

bool cella_eventlog_is(struct cella_bytes bytes) { return !header_data(bytes).failed; }

static struct cella_result read_banks(struct cella_reader *data, struct cella_eventlog *log) {
    cella_reader_skip(data, SPEC_HEAD);
    log->bank_count = cella_reader_u32le(data);
    ENSURE(!data->failed && log->bank_count >= 1 && log->bank_count <= CELLA_EVENTLOG_BANK_MAX,
           CELLA_ERR_LIMIT, NULL, "event log: header: expected 1 to %d banks, found %u",
           CELLA_EVENTLOG_BANK_MAX, log->bank_count);
    for (uint32_t i = 0; i < log->bank_count; i++) {
        enum cella_hash hash;
        log->bank[i].hash = cella_reader_u16le(data);
        log->bank[i].size = cella_reader_u16le(data);
        bool known = cella_tpm_hash_of(log->bank[i].hash, &hash);
        ENSURE(!data->failed &&
                   (known ? log->bank[i].size == cella_hash_size(hash)
                          : log->bank[i].size > 0 && log->bank[i].size <= CELLA_HASH_SIZE_MAX),
               CELLA_ERR_FORMAT, NULL, "event log: header: bank %04x with digests of %u bytes",
               log->bank[i].hash, log->bank[i].size);
        for (uint32_t j = 0; j < i;
             j++) /* two sizes for one algorithm would make two logs of one */
            ENSURE(log->bank[j].hash != log->bank[i].hash, CELLA_ERR_FORMAT, NULL,
                   "event log: header: bank %04x twice", log->bank[i].hash);
    }
    cella_reader_skip(data, cella_reader_u8(data)); /* vendor's own */
    ENSURE(cella_reader_done(data), CELLA_ERR_FORMAT, NULL,
           "event log: header: its sizes do not fit it");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_eventlog_begin(struct cella_bytes bytes, struct cella_eventlog *out) {
    *out = (struct cella_eventlog){.reader = cella_reader(bytes)};
    ENSURE(bytes.size <= CELLA_EVENTLOG_MAX, CELLA_ERR_LIMIT, NULL,
           "event log: %zu bytes, at most %d", bytes.size, CELLA_EVENTLOG_MAX);
    struct cella_reader data = header_data(bytes);
    out->crypto_agile = !data.failed;
    if (out->crypto_agile) {
        cella_reader_skip(&out->reader,
                          2 * sizeof(uint32_t) + LEGACY_DIGEST + sizeof(uint32_t) + data.size);
        return read_banks(&data, out);
    }
    out->bank_count = 1;
    out->bank[0].hash = cella_tpm_hash_id(CELLA_HASH_SHA1);
    out->bank[0].size = LEGACY_DIGEST;
    return CELLA_SUCCESS;
}

static bool is_padding(const struct cella_reader *r) {
    for (size_t i = r->at; i < r->size; i++)
        if (r->data[i] != r->data[r->at] || (r->data[i] != 0 && r->data[i] != 0xff)) return false;
    return true;
}

static uint16_t size_of(const struct cella_eventlog *log, uint16_t hash) {
    for (uint32_t i = 0; i < log->bank_count; i++)
        if (log->bank[i].hash == hash) return log->bank[i].size;
    return 0;
}

/* One digest for each bank of the header, in any order: an event without one would not be replayed
 * in that bank. */
static bool read_digests(struct cella_eventlog *log, struct cella_event *out) {
    struct cella_reader *r = &log->reader;
    out->digest_count = cella_reader_u32le(r);
    if (r->failed || out->digest_count != log->bank_count) return false;
    for (uint32_t i = 0; i < out->digest_count; i++) {
        out->digest[i].hash = cella_reader_u16le(r);
        uint16_t size = size_of(log, out->digest[i].hash);
        out->digest[i].value = cella_reader_bytes(r, size);
        if (r->failed || size == 0) return false;
        for (uint32_t j = 0; j < i; j++)
            if (out->digest[j].hash == out->digest[i].hash) return false;
    }
    return true;
}

static bool read_event(struct cella_eventlog *log, struct cella_event *out) {
    struct cella_reader *r = &log->reader;
    out->index = cella_reader_u32le(r);
    out->type = cella_reader_u32le(r);
    if (log->crypto_agile) {
        if (!read_digests(log, out)) return false;
    } else {
        out->digest_count = 1;
        out->digest[0].hash = log->bank[0].hash;
        out->digest[0].value = cella_reader_bytes(r, LEGACY_DIGEST);
    }
    uint32_t size = cella_reader_u32le(r);
    out->data = cella_reader_bytes(r, size);
    return !r->failed;
}

CELLA_RESULT cella_eventlog_next(struct cella_eventlog *log, struct cella_event *out, bool *found) {
    *out = (struct cella_event){0};
    size_t at = log->reader.at;
    *found =
        !log->reader.failed && cella_reader_left(&log->reader) > 0 && !is_padding(&log->reader);
    if (!*found) return CELLA_SUCCESS;
    bool good = read_event(log, out);
    if (!good) log->reader.failed = true;
    ENSURE(
        good, CELLA_ERR_FORMAT, NULL,
        "event log: the event at byte %zu is cut short, or its digests are not those of the header",
        at);
    return CELLA_SUCCESS;
}

/* The locality that started the TPM is the last byte of PCR 0's first value (Firmware Profile,
 * section 3.3.3). */
static void start_locality(const struct cella_event *event, struct cella_registers *out) {
    static const char name[SIGNATURE_SIZE] = "StartupLocality";
    if (event->index != 0 || event->data.size != sizeof(name) + 1 ||
        !cella_equal(event->data.data, name, sizeof(name)))
        return;
    if (out->extended & 1) return; /* only before anything was measured there */
    out->value[0][cella_hash_size(out->hash) - 1] = event->data.data[sizeof(name)];
    out->extended |= 1;
}

static struct cella_result extend(const struct cella_event *event, struct cella_registers *out) {
    ENSURE(event->index < CELLA_EVENTLOG_REGISTER_MAX, CELLA_ERR_FORMAT, NULL,
           "event log: an event for register %u, expected 0 to %d", event->index,
           CELLA_EVENTLOG_REGISTER_MAX - 1);
    for (uint32_t i = 0; i < event->digest_count; i++) {
        if (event->digest[i].hash != cella_tpm_hash_id(out->hash)) continue;
        uint8_t *value = out->value[event->index];
        struct cella_bytes parts[] = {cella_bytes(value, cella_hash_size(out->hash)),
                                      event->digest[i].value};
        uint8_t digest[CELLA_HASH_SIZE_MAX];
        TRY(cella_hash(out->hash, parts, 2, digest));
        cella_copy(value, digest, cella_hash_size(out->hash));
        out->extended |= 1U << event->index;
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_eventlog_replay(struct cella_bytes bytes, enum cella_hash hash,
                                   struct cella_registers *out) {
    *out = (struct cella_registers){.hash = hash};
    struct cella_eventlog log;
    struct cella_event event;
    bool found = true;
    TRY(cella_eventlog_begin(bytes, &log));
    ENSURE(size_of(&log, cella_tpm_hash_id(hash)) > 0, CELLA_ERR_NOT_FOUND, NULL,
           "event log: no digests of bank %04x", cella_tpm_hash_id(hash));
    while (found) {
        TRY(cella_eventlog_next(&log, &event, &found));
        if (!found) break;
        out->event_count++;
        if (event.type != CELLA_EVENT_NO_ACTION)
            TRY(extend(&event, out));
        else
            start_locality(&event, out);
    }
    return CELLA_SUCCESS;
}
