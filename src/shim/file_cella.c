#include "shim/file_cella.h"

#include <errno.h>
#include <sys/stat.h>

#include "abi/calls.h"
#include "base/reader.h"
#include "shim/calls.h"
#include "shim/fetch.h"
#include "shim/keys.h"
#include "shim/path.h"
#include "shim/platcall.h"

enum {
    SESSION_MAX = 8, /* open files of /dev/cella at a time */
    QUESTION_MAX = SHIM_TARGETINFO_SIZE + SHIM_REPORT_DATA_SIZE,
    ANSWER_MAX = 2048,
    SEAL_QUESTION = 2 + 32, /* u16 svn, key id */
};

static struct session {
    bool used, answered;
    size_t question_size, answer_size, read;
    struct cella_bytes view; /* the answer, where it lies elsewhere */
    long error;
    uint8_t question[QUESTION_MAX];
    uint8_t answer[ANSWER_MAX];
} sessions[SESSION_MAX];
static struct shim_lock
    sessions_lock; /* guards used; the rest is guarded by the open file's lock */

/* ---- the answers; each fills answer and answer_size, or returns -errno ---- */

static long answer_report(struct session *s) {
    s->answer_size = SHIM_REPORT_SIZE;
    return shim_platform_errno(
        shim_platform_report(s->question, s->question + SHIM_TARGETINFO_SIZE, s->answer));
}

static long answer_targetinfo(struct session *s) {
    s->answer_size = SHIM_TARGETINFO_SIZE;
    return shim_platform_errno(shim_platform_targetinfo(s->answer));
}

static long answer_verify(struct session *s) {
    enum cella_code code = shim_platform_verify(s->question);
    s->answer_size = 3;
    cella_copy(s->answer, "ok\n", 3);
    return code == CELLA_ERR_FORMAT ? -EACCES : shim_platform_errno(code);
}

static long answer_platform(struct session *s) {
    return shim_platform_errno(shim_platform_info(s->answer, ANSWER_MAX, &s->answer_size));
}

/* No question: this version's key of key id zero. */
static long answer_seal(struct session *s, uint16_t policy) {
    uint8_t key_id[32] = {0};
    uint16_t svn = shim.config.svn;
    if (s->question_size > 0) {
        struct cella_reader r = cella_reader(cella_bytes(s->question, s->question_size));
        svn = cella_reader_u16le(&r);
        cella_reader_copy(&r, key_id, sizeof(key_id));
    }
    s->answer_size = 32;
    return shim_platform_errno(shim_platform_seal_key(policy, svn, key_id, s->answer));
}
static long answer_seal_enclave(struct session *s) {
    return answer_seal(s, CELLA_SEAL_POLICY_ENCLAVE);
}
static long answer_seal_signer(struct session *s) {
    return answer_seal(s, CELLA_SEAL_POLICY_SIGNER);
}

static long answer_calls(struct session *s) {
    shim_calls_geometry(s->answer);
    s->answer_size = CELLA_CALLS_GEOMETRY;
    return 0;
}

/* The settings of the program that fetches keys, for it alone. */
static long answer_vault(struct session *s) {
    s->view = shim.config.vault;
    return shim_fetching() ? 0 : -ENOENT;
}

static const struct device {
    const char *path;
    uint32_t mode;
    size_t question_size; /* bytes that must be written before the answer */
    bool optional;        /* ... or none at all */
    long (*answer)(struct session *s);
} devices[] = {
    {"/dev/cella/report", 0666, QUESTION_MAX, false, answer_report},
    {"/dev/cella/targetinfo", 0444, 0, false, answer_targetinfo},
    {"/dev/cella/verify", 0666, SHIM_REPORT_SIZE, false, answer_verify},
    {"/dev/cella/platform", 0444, 0, false, answer_platform},
    {"/dev/cella/seal/enclave", 0666, SEAL_QUESTION, true, answer_seal_enclave},
    {"/dev/cella/seal/signer", 0666, SEAL_QUESTION, true, answer_seal_signer},
    {CELLA_CALLS_DEVICE, 0666, 0, false, answer_calls},
    {"/dev/cella/vault", 0444, 0, false, answer_vault},
};
enum { DEVICE_COUNT = sizeof(devices) / sizeof(devices[0]), KEYS = DEVICE_COUNT + 1 };

/* A key may be written, once, by the program that gets it from a vault. */
static uint32_t key_mode(uint32_t index) {
    return shim_fetching() && shim.config.key_vault[index] ? 0666 : 0444;
}

/* Numbers: the devices, the folder of keys, the keys. The number is the open file's index. */
bool shim_cella_source(uint32_t number, struct shim_virtual *out) {
    const struct cella_bytes none = {NULL, 0};
    if (number >= KEYS + shim.config.key_count) return false;
    out->index = number;
    out->kind = number == DEVICE_COUNT ? NULL : &shim_cella_kind;
    if (number < DEVICE_COUNT) out->mode = S_IFCHR | devices[number].mode;
    if (number >= KEYS) out->mode = S_IFCHR | key_mode(number - KEYS);
    if (number == DEVICE_COUNT) out->mode = S_IFDIR | 0555;
    if (number < DEVICE_COUNT && (devices[number].answer != answer_vault || shim_fetching()))
        shim_virtual_path(out, devices[number].path, none, "");
    if (number == DEVICE_COUNT) shim_virtual_path(out, "/dev/cella/keys", none, "");
    if (number >= KEYS)
        shim_virtual_path(out, "/dev/cella/keys", shim.config.key[number - KEYS], "");
    return true;
}

static bool is_calls(uint32_t index) {
    return index < DEVICE_COUNT && devices[index].answer == answer_calls;
}

bool shim_cella_is_calls(const struct shim_file *file) {
    return file->kind == &shim_cella_kind && is_calls(file->index);
}

long shim_cella_open(struct shim_file *file) {
    long e = -ENFILE;
    if (is_calls(file->index) && shim.calls == 0) return -ENXIO;
    shim_lock(&sessions_lock);
    for (unsigned i = 0; i < SESSION_MAX && e < 0; i++) {
        if (sessions[i].used) continue;
        sessions[i].used = true;
        file->cookie_index = i;
        e = 0;
    }
    shim_unlock(&sessions_lock);
    return e;
}

static long cella_close(struct shim_file *file) {
    shim_lock(&sessions_lock);
    cella_wipe(&sessions[file->cookie_index], sizeof(sessions[0])); /* may have held a key (R51) */
    shim_unlock(&sessions_lock);
    return 0;
}

/* The whole key at once. */
static long write_key(uint32_t index, const void *from, uint64_t size) {
    if (!shim_fetching()) return -EACCES;
    if (size != CELLA_KEY_SIZE) return -EMSGSIZE;
    long e = shim_keys_take(index, from);
    return e < 0 ? e : CELLA_KEY_SIZE;
}

/* Writes gather the question; the first one after an answer begins another. */
static long cella_write(struct shim_file *file, const void *from, uint64_t size, uint64_t *at) {
    struct session *s = &sessions[file->cookie_index];
    size_t most = file->index < DEVICE_COUNT ? devices[file->index].question_size : 0;
    if (file->index >= KEYS) return write_key(file->index - KEYS, from, size);
    *at = 0;
    if (s->answered) {
        cella_wipe(s, sizeof(*s));
        s->used = true;
    }
    if (size > most - s->question_size) return -EMSGSIZE;
    cella_copy(s->question + s->question_size, from, size);
    s->question_size += size;
    return (long)size;
}

/* Whether all of the question is there. */
static bool asked(const struct shim_file *file, const struct session *s) {
    if (file->index >= KEYS) return true;
    const struct device *device = &devices[file->index];
    return s->question_size == device->question_size || (device->optional && s->question_size == 0);
}

static long answer(const struct shim_file *file, struct session *s) {
    if (file->index < KEYS) return devices[file->index].answer(s);
    if (!shim_keys_have(file->index - KEYS)) return -EAGAIN; /* not fetched yet */
    s->answer_size = CELLA_KEY_SIZE;
    cella_copy(s->answer, shim_keys_named(file->index - KEYS), CELLA_KEY_SIZE);
    return 0;
}

/* Answers are read in order, whatever the offset; 0 at their end. */
static long cella_read(struct shim_file *file, void *to, uint64_t size, uint64_t at) {
    struct session *s = &sessions[file->cookie_index];
    (void)at;
    if (!s->answered) {
        if (!asked(file, s)) return -EINVAL;
        s->error = answer(file, s);
        s->answered = true;
    }
    if (s->error < 0) return s->error;
    struct cella_bytes whole = s->view.data ? s->view : cella_bytes(s->answer, s->answer_size);
    long n = shim_virtual_read(whole, to, size, s->read);
    if (n > 0) s->read += (size_t)n;
    return n;
}

static long cella_stat(struct shim_file *file, struct shim_stat *out) {
    uint32_t mode =
        file->index < DEVICE_COUNT ? devices[file->index].mode : key_mode(file->index - KEYS);
    *out = (struct shim_stat){.mode = S_IFCHR | mode, .inode = file->index + 2, .device = 2};
    if (is_calls(file->index)) out->size = shim.calls_size;
    return 0;
}

const struct shim_file_kind shim_cella_kind = {
    .read = cella_read, .write = cella_write, .stat = cella_stat, .close = cella_close};
