#include "shim/platcall.h"

#include <errno.h>

#include "base/reader.h"
#include "base/writer.h"
#include "shim/channel.h"

static struct shim_channel platform;

/* One exchange. exact: the body of a success has capacity bytes, else at most that many. */
static enum cella_code call(uint32_t op, struct cella_bytes first, struct cella_bytes second,
                            bool exact, uint8_t *out, size_t capacity, size_t *size) {
    shim_lock(&platform.lock);
    platform.fd = CELLA_FD_PLATFORM;
    platform.peer = "platform";
    struct cella_writer w = cella_writer(platform.buffer, CELLA_PLATCALL_MAX);
    cella_writer_u32le(&w, op);
    cella_writer_u32le(&w, (uint32_t)(first.size + second.size));
    cella_writer_put(&w, first);
    cella_writer_put(&w, second);
    if (w.failed)
        shim_abort("a request to the platform is over %u bytes", (uint64_t)CELLA_PLATCALL_MAX);
    size_t received = shim_channel_exchange(&platform, w.size, NULL);
    struct cella_reader r = cella_reader(cella_bytes(platform.buffer, received));
    uint32_t code = cella_reader_u32le(&r);
    struct cella_bytes body = cella_reader_bytes(&r, cella_reader_u32le(&r));
    if (!cella_reader_done(&r) || code >= CELLA_CODE_COUNT || (code != CELLA_OK && body.size > 0) ||
        (code == CELLA_OK && exact && body.size != capacity))
        shim_abort("the platform broke its contract: a reply to call %u is malformed",
                   (uint64_t)op);
    if (code == CELLA_OK && body.size > capacity) code = CELLA_ERR_LIMIT;
    if (code == CELLA_OK) cella_copy(out, body.data, body.size);
    if (size) *size = code == CELLA_OK ? body.size : 0;
    cella_wipe(platform.buffer, received); /* a seal key may have passed (R51) */
    shim_unlock(&platform.lock);
    return (enum cella_code)code;
}

static const struct cella_bytes nothing = {NULL, 0};

enum cella_code shim_platform_report(const uint8_t target[SHIM_TARGETINFO_SIZE],
                                     const uint8_t data[SHIM_REPORT_DATA_SIZE],
                                     uint8_t report[SHIM_REPORT_SIZE]) {
    return call(CELLA_PLATCALL_REPORT, cella_bytes(target, SHIM_TARGETINFO_SIZE),
                cella_bytes(data, SHIM_REPORT_DATA_SIZE), true, report, SHIM_REPORT_SIZE, NULL);
}

enum cella_code shim_platform_verify(const uint8_t report[SHIM_REPORT_SIZE]) {
    uint8_t none;
    return call(CELLA_PLATCALL_VERIFY_REPORT, cella_bytes(report, SHIM_REPORT_SIZE), nothing, true,
                &none, 0, NULL);
}

enum cella_code shim_platform_seal_key(uint16_t policy, uint16_t svn, const uint8_t key_id[32],
                                       uint8_t key[32]) {
    uint8_t head[8];
    struct cella_writer w = cella_writer(head, sizeof(head));
    cella_writer_u16le(&w, policy);
    cella_writer_u16le(&w, svn);
    cella_writer_u32le(&w, 0);
    return call(CELLA_PLATCALL_SEAL_KEY, CELLA_BYTES_OF(head), cella_bytes(key_id, 32), true, key,
                32, NULL);
}

enum cella_code shim_platform_evidence(const uint8_t data[SHIM_REPORT_DATA_SIZE], uint8_t *out,
                                       size_t capacity, size_t *size) {
    return call(CELLA_PLATCALL_EVIDENCE, cella_bytes(data, SHIM_REPORT_DATA_SIZE), nothing, false,
                out, capacity, size);
}

enum cella_code shim_platform_targetinfo(uint8_t target[SHIM_TARGETINFO_SIZE]) {
    return call(CELLA_PLATCALL_TARGETINFO, nothing, nothing, true, target, SHIM_TARGETINFO_SIZE,
                NULL);
}

enum cella_code shim_platform_info(uint8_t *out, size_t capacity, size_t *size) {
    return call(CELLA_PLATCALL_INFO, nothing, nothing, false, out, capacity, size);
}

long shim_platform_errno(enum cella_code code) {
    switch (code) {
    case CELLA_OK: return 0;
    case CELLA_ERR_USAGE:
    case CELLA_ERR_FORMAT: return -EINVAL;
    case CELLA_ERR_NOT_FOUND: return -ENOENT;
    case CELLA_ERR_LIMIT: return -EMSGSIZE;
    case CELLA_ERR_PERMISSION:
    case CELLA_ERR_REFUSED:
    case CELLA_ERR_INTEGRITY: return -EACCES;
    case CELLA_ERR_UNSUPPORTED: return -EOPNOTSUPP;
    case CELLA_ERR_UNAVAILABLE: return -EAGAIN;
    default: return -EIO;
    }
}
