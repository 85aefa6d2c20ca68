/* Any bytes as the host's reply to each call of an enclave, with or without a descriptor: the shim
 * uses it within its contract or ends. Input: call, whether a descriptor comes, reply. */
#include <fcntl.h>
#include <unistd.h>

#include "../tests/shim/fake.h"
#include "abi/hostcall.h"
#include "shim/hostcall.h"

static const uint8_t *reply_bytes;
static size_t reply_size;
static bool with_fd;

static void any(uint32_t op, struct fake_reply *reply) {
    (void)op;
    for (unsigned i = 0; i < reply->fd_count; i++) close(reply->fds[i]);
    reply->fd_count = 0;
    if (with_fd && (reply->fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        reply->fd_count = 1;
    reply->size = reply_size < FAKE_MESSAGE_MAX ? reply_size : FAKE_MESSAGE_MAX;
    __builtin_memcpy(reply->bytes, reply_bytes, reply->size);
}

static void list(void) {
    static uint8_t buffer[65536];
    struct shim_host_listing listing;
    struct shim_entry entry;
    if (shim_host_readdir(0, "", 0, buffer, &listing) != 0) return;
    for (uint64_t i = 0; shim_host_entry(&listing, i, &entry) == 1; i += 7)
        if (entry.name[entry.name_size] != 0 || __builtin_strlen(entry.name) != entry.name_size)
            __builtin_trap();
}

static void call(unsigned which) {
    static uint8_t grant[512];
    struct shim_stat stat;
    switch (which % 6) {
    case 0: cella_result_drop(shim_files_start()); break; /* BOOT */
    case 1: (void)shim_host_open(0, "f", O_RDONLY, 0, &stat); break;
    case 2: (void)shim_host_stat(0, "f", &stat); break;
    case 3: list(); break;
    case 4: (void)shim_host_rename(0, "f", "g"); break;
    default:
        if (shim_host_key_grant(grant, sizeof(grant)) > (long)sizeof(grant)) __builtin_trap();
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool started;
    if (size < 2) return 0;
    if (!started) {
        fake_start();
        shim.config.flags = CELLA_CONFIG_HOST_ARGS;
        shim.config.env_count = 1;
        shim.config.env[0] =
            (struct cella_config_env){cella_bytes_text("LANG"), cella_bytes_text("C"), true};
        fake.lie_host = any;
        started = true;
    }
    reply_bytes = data + 2;
    reply_size = size - 2;
    with_fd = data[1] & 1;
    fake_clear();
    (void)FAKE_ABORTS(call(data[0]));
    fake_reset();
    return 0;
}
