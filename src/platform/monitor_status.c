#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"
#include "platform/monitor_internal.h"

__attribute__((format(printf, 2, 3))) static struct cella_result line(struct cella_buffer *out,
                                                                      const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    size_t size = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
    TRY(cella_buffer_append(out, cella_bytes(text, size)));
    return cella_buffer_append(out, cella_bytes("\n", 1));
}

/* Others' enclaves are counted but not named. */
static struct cella_result list_enclaves(struct monitor *m, const struct client *asker,
                                         struct cella_buffer *out) {
    int64_t now = monitor_now_ms();
    for (size_t i = 0; i < CLIENT_MAX && out->size < CELLA_PROTOCOL_ANSWER_MAX - 4096; i++) {
        const struct client *c = &m->clients[i];
        if (c->state != CLIENT_RUNNING || (asker->uid != 0 && asker->uid != c->uid)) continue;
        char hex[65];
        cella_hex_encode(CELLA_BYTES_OF(c->caller.identity.mrenclave), hex);
        TRY(line(out, "enclave=pid %d, uid %u, %lld s, %s%s, mrenclave %.16s..., %s", c->pid,
                 c->uid, (long long)(now - c->started_ms) / 1000,
                 c->caller.memory_secret ? "secret memory" : "private memory",
                 c->debug ? ", debug" : "", hex, c->name));
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT monitor_status(struct monitor *m, const struct client *asker,
                            struct cella_buffer *out) {
    struct cella_assurance_state state;
    cella_assurance_derive(&m->authority.settings, m->zygote.pool_size > 0, false, &state);
    cella_assurance_in_guest(m->authority.root.root, &state);
    uint64_t pages = 0;
    for (size_t i = 0; i < CLIENT_MAX; i++) pages += m->clients[i].pages;
    TRY(line(out, "platform=cella %s, pid %d", CELLA_VERSION, (int)getpid()));
    TRY(line(out, "socket=%s", m->options->paths.socket));
    TRY(line(out, "state=%s", m->options->paths.state));
    TRY(line(out, "root=%s", cella_root_name(m->authority.root.root)));
    uint8_t fingerprint[32];
    char hex[65];
    TRY(cella_key_fingerprint(m->authority.state.key, fingerprint));
    cella_hex_encode(CELLA_BYTES_OF(fingerprint), hex);
    TRY(line(out, "platform_key_sha256=%s", hex));
    TRY(line(out, "assurance=S%d", (int)state.level));
    if (state.blocker_count) TRY(line(out, "next_level_needs=%s", state.blocker[0].why));
    if (state.weakness[0]) TRY(line(out, "weakness=%s", state.weakness));
    TRY(line(out, "namespaces=%s",
             m->zygote.namespaces ? "own pid, net, ipc, uts, mount" : "none of its own"));
    TRY(line(out, "pool=%llu of %llu KiB in use", (unsigned long long)pages * 4,
             (unsigned long long)m->zygote.pool_size / 1024));
    if (m->zygote.reason[0]) TRY(line(out, "pool_note=%s", m->zygote.reason));
    TRY(line(out, "enclaves=%u", monitor_count(m, CLIENT_RUNNING)));
    return list_enclaves(m, asker, out);
}

static struct cella_result put_pem(struct cella_bytes spki, struct cella_buffer *out) {
    CELLA_BUFFER base64 = {0};
    TRY(cella_base64_encode(spki, false, &base64));
    TRY(line(out, "-----BEGIN PUBLIC KEY-----"));
    for (size_t at = 0; at < base64.size; at += 64) {
        size_t size = base64.size - at < 64 ? base64.size - at : 64;
        TRY(line(out, "%.*s", (int)size, (const char *)base64.data + at));
    }
    return line(out, "-----END PUBLIC KEY-----");
}

/* The one key that owners trust: with root tpm the attestation key, which certifies the platform
 * key in evidence. */
CELLA_RESULT monitor_public_keys(struct monitor *m, struct cella_buffer *out) {
    if (m->authority.root.root == CELLA_ROOT_TPM)
        return put_pem(cella_buffer_bytes(&m->authority.root.ak_spki), out);
    CELLA_BUFFER spki = {0};
    TRY(cella_key_spki(m->authority.state.key, &spki));
    return put_pem(cella_buffer_bytes(&spki), out);
}
