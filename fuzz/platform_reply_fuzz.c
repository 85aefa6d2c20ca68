/* Any bytes as the platform's reply to each call of an enclave. Input: call, reply. */
#include "../tests/shim/fake.h"
#include "shim/platcall.h"

static const uint8_t *reply_bytes;
static size_t reply_size;

static void any(uint32_t op, struct fake_reply *reply) {
    (void)op;
    reply->size = reply_size < FAKE_MESSAGE_MAX ? reply_size : FAKE_MESSAGE_MAX;
    __builtin_memcpy(reply->bytes, reply_bytes, reply->size);
}

static void call(unsigned which) {
    static const uint8_t in[SHIM_TARGETINFO_SIZE];
    static uint8_t out[SHIM_TARGETINFO_SIZE];
    size_t size = 0;
    switch (which % 6) {
    case 0: (void)shim_platform_report(in, in, out); break;
    case 1: (void)shim_platform_verify(in); break;
    case 2: (void)shim_platform_seal_key(1, 1, in, out); break;
    case 3: (void)shim_platform_evidence(in, out, sizeof(out), &size); break;
    case 4: (void)shim_platform_targetinfo(out); break;
    default: (void)shim_platform_info(out, sizeof(out), &size); break;
    }
    if (size > sizeof(out)) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    fake.lie_platform = any;
    reply_bytes = data + 1;
    reply_size = size - 1;
    fake_clear();
    (void)FAKE_ABORTS(call(data[0]));
    fake_reset();
    return 0;
}
