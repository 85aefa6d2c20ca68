/* Start and end of the files half: arguments and environment from the host as far as the
 * configuration lets it, mounts, keys. */
#include "abi/hostcall.h"
#include "base/reader.h"
#include "base/writer.h"
#include "shim/calls.h"
#include "shim/fd.h"
#include "shim/file_protected.h"
#include "shim/hostcall.h"
#include "shim/keys.h"
#include "shim/mount.h"

enum { ARG_MAX = sizeof(shim.argv) / sizeof(shim.argv[0]) };

/* Environment texts that are not in the image as they must be ("NAME=value"): built here, at start
 * only. */
static struct cella_writer texts;

/* A text of the host, copied to where it stays. A NUL inside would end it early for the program
 * (R25). */
static struct cella_bytes keep(struct cella_bytes text) {
    size_t at = texts.size;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == 0) shim_broken_contract("a start text holds a NUL");
    cella_writer_put(&texts, text);
    if (texts.failed) shim_broken_contract("the start texts are too long");
    return cella_bytes(texts.data + at, text.size);
}

static struct cella_bytes take_text(struct cella_reader *r) {
    return cella_reader_bytes(r, cella_reader_u32le(r));
}

static void take_arguments(struct cella_reader *r) {
    uint32_t count = cella_reader_u32le(r);
    if (count > 0 && (shim.config.flags & CELLA_CONFIG_HOST_ARGS) == 0)
        shim_broken_contract("it sent arguments, which the manifest does not allow"); /* R44 */
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        if (shim.argc == ARG_MAX) shim_broken_contract("it sent too many arguments");
        shim.argv[shim.argc++] = keep(take_text(r));
    }
}

/* Which entry of the configuration "NAME=value" sets; only those the host may set (R44). */
static uint32_t find_env(struct cella_bytes text) {
    for (uint32_t i = 0; i < shim.config.env_count; i++) {
        struct cella_bytes name = shim.config.env[i].name;
        if (shim.config.env[i].from_host && text.size > name.size && text.data[name.size] == '=' &&
            cella_equal(text.data, name.data, name.size))
            return i;
    }
    shim_broken_contract("it sent an environment variable that the manifest does not allow");
}

static void take_environment(struct cella_reader *r,
                             struct cella_bytes values[CELLA_CONFIG_ENV_MAX]) {
    uint32_t count = cella_reader_u32le(r);
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        struct cella_bytes text = take_text(r);
        if (r->failed) return;
        uint32_t at = find_env(text);
        if (values[at].data) shim_broken_contract("it sent an environment variable twice");
        values[at] = keep(text);
    }
}

static struct cella_bytes env_text(const struct cella_config_env *env) {
    size_t at = texts.size;
    cella_writer_put(&texts, env->name);
    cella_writer_u8(&texts, '=');
    cella_writer_put(&texts, env->value);
    if (texts.failed) shim_abort("the configuration's environment is too long");
    return cella_bytes(texts.data + at, texts.size - at);
}

/* Fixed arguments and variables first, then what the host adds; pure but for shim.argv, shim.envv
 * and texts. */
static void take_boot(struct cella_bytes reply) {
    struct cella_bytes values[CELLA_CONFIG_ENV_MAX] = {{0}};
    const struct cella_config *config = &shim.config;
    shim.argc = shim.envc = 0;
    for (uint32_t i = 0; i < config->arg_count; i++) shim.argv[shim.argc++] = config->arg[i];
    if (shim.argc == 0) shim.argv[shim.argc++] = config->program[0].path;
    struct cella_reader r = cella_reader(reply);
    take_arguments(&r);
    take_environment(&r, values);
    if (!cella_reader_done(&r)) shim_broken_contract("its start message is malformed");
    for (uint32_t i = 0; i < config->env_count; i++) {
        shim.envv[shim.envc++] = values[i].data ? values[i] : env_text(&config->env[i]);
    }
}

static uint64_t texts_size(void) {
    uint64_t size = CELLA_HOSTCALL_MAX;
    for (uint32_t i = 0; i < shim.config.env_count; i++)
        size += shim.config.env[i].name.size + shim.config.env[i].value.size + 1;
    return (size + 4095) & ~4095UL;
}

static void boot(void) {
    struct cella_bytes reply;
    uint64_t size = texts_size();
    void *memory = shim_arena(size);
    if (!memory) shim_abort("the heap has no room for arguments and environment: %u bytes", size);
    texts = cella_writer(memory, size);
    long e = shim_host_begin(&(struct shim_host_request){.op = CELLA_HOSTCALL_BOOT}, &reply, NULL);
    if (e != 0) shim_broken_contract("it refused to start the enclave it asked for");
    take_boot(reply);
    shim_host_end();
}

struct cella_result shim_files_start(void) {
    shim_fds_start();
    boot();
    shim_calls_start();
    shim_mount_start();
    return shim_keys_start();
}

void shim_files_exit(void) {
    shim_fds_exit();
    shim_protected_exit();
    shim_keys_wipe();
}
