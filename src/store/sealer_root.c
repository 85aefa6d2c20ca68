/* Where the 32 bytes come from that all sealed records stand on. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/jose.h"
#include "store/sealer_inner.h"

enum {
    SCRYPT_N = 1 << 17, /* 128 MiB and a third of a second: once at start */
    SCRYPT_R = 8,
    SCRYPT_P = 1,
    SCRYPT_SALT = 32,
    SCRYPT_TEXT_MAX = 512,
    PASSPHRASE_MIN = 12,
    PASSPHRASE_MAX = 1024
};

static const char sealer_root_forms[] =
    "write file:PATH, passphrase:PATH, pkcs11:URI, tpm:TCTI, enclave or signer";

static CELLA_RESULT place(const char *folder, const char *path, char out[PATH_MAX]) {
    int n = *path == '/' ? snprintf(out, PATH_MAX, "%s", path)
                         : snprintf(out, PATH_MAX, "%s/%s", folder, path);
    ENSURE(*path, CELLA_ERR_USAGE, sealer_root_forms, "the root names no file");
    ENSURE(n > 0 && n < PATH_MAX, CELLA_ERR_LIMIT, NULL, "path too long: %s", path);
    return CELLA_SUCCESS;
}

/* --- file: --- */

static CELLA_RESULT make_file(const char *path) {
    CELLA_SECRET made = {0};
    TRY(cella_secret_new(SEALER_KEY_SIZE, &made));
    TRY(cella_random(made.data, made.size));
    struct cella_result r =
        cella_file_write(path, cella_secret_bytes(&made), 0600, CELLA_FILE_EXCLUSIVE);
    if (cella_code_of(r) != CELLA_ERR_EXISTS) return r;
    cella_result_drop(r); /* another process was first: its root it is */
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_file(const char *path, struct cella_secret *out) {
    CELLA_SECRET read = {0};
    TRY(cella_file_read_secret(path, SEALER_KEY_SIZE, &read));
    ENSURE(read.size == SEALER_KEY_SIZE, CELLA_ERR_FORMAT, "restore it from a backup",
           "the root %s has %zu bytes, expected %d", path, read.size, SEALER_KEY_SIZE);
    *out = MOVE(read);
    return CELLA_SUCCESS;
}

/* --- passphrase: --- */

struct scrypt {
    unsigned n, r, p;
    uint8_t salt[SCRYPT_SALT], id[SEALER_ID_SIZE];
};

static CELLA_RESULT stretch(const struct cella_secret *passphrase, const struct scrypt *s,
                            struct cella_secret *out) {
    uint64_t n = s->n, memory = 256ull * s->n * s->r + (1 << 20);
    uint32_t r = s->r, p = s->p;
    OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_PASSWORD, passphrase->data, passphrase->size),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SALT, (void *)s->salt, SCRYPT_SALT),
        OSSL_PARAM_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
        OSSL_PARAM_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
        OSSL_PARAM_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
        OSSL_PARAM_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
        OSSL_PARAM_END};
    CELLA_SECRET made = {0};
    TRY(cella_secret_new(SEALER_KEY_SIZE, &made));
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    bool good = ctx && EVP_KDF_derive(ctx, made.data, made.size, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    ENSURE(good, CELLA_ERR_MEMORY, "it takes 128 MiB of memory", "scrypt failed");
    *out = MOVE(made);
    return CELLA_SUCCESS;
}

/* Kept in store.key: salt and cost, and the id of the root that came out, so that a mistyped
 * passphrase is said to be one. Not secret; weaker values are refused all the same. */
static CELLA_RESULT keep_scrypt(json_t *kept, const struct scrypt *s) {
    char text[SCRYPT_TEXT_MAX], salt[2 * SCRYPT_SALT + 1], id[2 * SEALER_ID_SIZE + 1];
    cella_hex_encode(CELLA_BYTES_OF(s->salt), salt);
    cella_hex_encode(CELLA_BYTES_OF(s->id), id);
    snprintf(text, sizeof(text), "scrypt n=%u r=%u p=%u salt=%s id=%s", s->n, s->r, s->p, salt, id);
    ENSURE(json_object_set_new(kept, "scrypt", json_string(text)) == 0, CELLA_ERR_MEMORY, NULL,
           "no memory for a root");
    return CELLA_SUCCESS;
}

static bool cost_is_good(const struct scrypt *s) {
    bool power = s->n && (s->n & (s->n - 1)) == 0;
    return power && s->n >= 1 << 15 && s->n <= 1 << 20 && s->r >= 8 && s->r <= 16 && s->p >= 1 &&
           s->p <= 16;
}

/* where: for messages. */
static CELLA_RESULT parse_scrypt(const char *text, const char *where, struct scrypt *s) {
    char salt[2 * SCRYPT_SALT + 1], id[2 * SEALER_ID_SIZE + 1];
    int used = 0;
    int fields = sscanf(text, "scrypt n=%7u r=%2u p=%2u salt=%64[0-9a-f] id=%32[0-9a-f]%n", &s->n,
                        &s->r, &s->p, salt, id, &used);
    ENSURE(fields == 5 && (size_t)used == strlen(text) && strlen(salt) == 2 * SCRYPT_SALT &&
               strlen(id) == 2 * SEALER_ID_SIZE,
           CELLA_ERR_FORMAT, "restore it from a backup",
           "%s is not what a root from a passphrase keeps there", where);
    ENSURE(cost_is_good(s), CELLA_ERR_LIMIT, "restore it from a backup",
           "%s: scrypt with n=%u r=%u p=%u is too weak, or too much", where, s->n, s->r, s->p);
    TRY(cella_hex_decode(cella_bytes_text(salt), s->salt, SCRYPT_SALT));
    return cella_hex_decode(cella_bytes_text(id), s->id, SEALER_ID_SIZE);
}

static CELLA_RESULT read_passphrase(const char *path, struct cella_secret *out) {
    CELLA_SECRET read = {0};
    TRY(cella_file_read_secret(path, PASSPHRASE_MAX + 1, &read));
    size_t size = read.size;
    if (read.data[size - 1] == '\n') size--;
    ENSURE(size >= PASSPHRASE_MIN && size <= PASSPHRASE_MAX && !memchr(read.data, '\n', size),
           CELLA_ERR_FORMAT, NULL, "%s: expected one line of %d to %d characters", path,
           PASSPHRASE_MIN, PASSPHRASE_MAX);
    return cella_secret_from(cella_bytes(read.data, size), out);
}

static CELLA_RESULT use_scrypt(const char *text, const char *where,
                               const struct cella_secret *passphrase, struct cella_secret *out) {
    struct scrypt s;
    uint8_t id[SEALER_ID_SIZE];
    CELLA_SECRET made = {0};
    TRY(parse_scrypt(text, where, &s));
    TRY(stretch(passphrase, &s, &made));
    TRY(sealer_key_id(cella_secret_bytes(&made), id));
    ENSURE(cella_equal(id, s.id, sizeof(id)), CELLA_ERR_INTEGRITY,
           "give the passphrase that the store was made with",
           "the passphrase is not the one that %s was made with", where);
    *out = MOVE(made);
    return CELLA_SUCCESS;
}

static CELLA_RESULT make_stretched(const struct cella_secret *passphrase, json_t *kept,
                                   struct cella_secret *out) {
    struct scrypt s = {.n = SCRYPT_N, .r = SCRYPT_R, .p = SCRYPT_P};
    CELLA_SECRET made = {0};
    TRY(cella_random(s.salt, sizeof(s.salt)));
    TRY(stretch(passphrase, &s, &made));
    TRY(sealer_key_id(cella_secret_bytes(&made), s.id));
    TRY(keep_scrypt(kept, &s));
    *out = MOVE(made);
    return CELLA_SUCCESS;
}

static CELLA_RESULT open_stretched(const struct cella_secret *passphrase, const json_t *kept,
                                   struct cella_secret *out) {
    const char *text = json_string_value(json_object_get(kept, "scrypt"));
    return use_scrypt(text ? text : "", "store.key", passphrase, out);
}

/* root.scrypt of folders from before store.key was. */
static CELLA_RESULT old_stretched(const char *folder, const struct cella_secret *passphrase,
                                  struct cella_secret *out, bool *there) {
    char path[PATH_MAX], text[SCRYPT_TEXT_MAX + 1];
    CELLA_BUFFER file = {0};
    TRY(place(folder, "root.scrypt", path));
    *there = access(path, F_OK) == 0;
    if (!*there) return CELLA_SUCCESS;
    TRY(cella_file_read(path, SCRYPT_TEXT_MAX, &file));
    cella_copy(text, file.data, file.size);
    text[file.size ? file.size - 1 : 0] = 0; /* its line feed */
    ENSURE(file.size && file.data[file.size - 1] == '\n', CELLA_ERR_FORMAT,
           "restore it from a backup", "%s is not what a root from a passphrase keeps there", path);
    return use_scrypt(text, path, passphrase, out);
}

/* --- enclave, signer --- */

static CELLA_RESULT read_device(const char *device, const char *name, struct cella_secret *out) {
    char path[PATH_MAX];
    CELLA_SECRET key = {0};
    TRY(cella_secret_new(SEALER_KEY_SIZE, &key));
    snprintf(path, sizeof(path), "%s/seal/%s", device, name);
    CELLA_FD fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
    ENSURE(fd >= 0, CELLA_ERR_UNAVAILABLE,
           "run the server inside an enclave, or choose another root",
           "no seal key: cannot open %s: %s", path, strerror(errno));
    /* As many bytes as a key has, and no more. */
    for (size_t at = 0; at < SEALER_KEY_SIZE;) {
        ssize_t n = read(fd, key.data + at, SEALER_KEY_SIZE - at);
        if (n < 0 && errno == EINTR) continue;
        ENSURE(n > 0, CELLA_ERR_IO, NULL, "%s gave %zu bytes, expected %d", path, at,
               SEALER_KEY_SIZE);
        at += (size_t)n;
    }
    *out = MOVE(key);
    return CELLA_SUCCESS;
}

/* --- The roots there are --- */

enum kind { ROOT_FILE, ROOT_PASSPHRASE, ROOT_PKCS11, ROOT_TPM, ROOT_DEVICE };

/* rest: what comes behind the word. */
static CELLA_RESULT kind_of(const char *root, enum kind *kind, const char **rest) {
    static const char *const words[] = {"file:", "passphrase:", "pkcs11:", "tpm:"};
    *rest = root;
    *kind = ROOT_DEVICE;
    if (strcmp(root, "enclave") == 0 || strcmp(root, "signer") == 0) return CELLA_SUCCESS;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strncmp(root, words[i], strlen(words[i])) == 0) {
            *kind = (enum kind)i;
            *rest = root + strlen(words[i]);
            return CELLA_SUCCESS;
        }
    FAIL(CELLA_ERR_USAGE, sealer_root_forms, "no root is called %s", root);
}

/* Where the root's file is, and the passphrase in it. */
static CELLA_RESULT passphrase_of(const struct sealer_place *at, const char *rest,
                                  struct cella_secret *out) {
    char path[PATH_MAX];
    TRY(place(at->folder, rest, path));
    return read_passphrase(path, out);
}

static CELLA_RESULT wrap_new(const struct sealer_place *at, enum kind kind, json_t *kept,
                             struct cella_secret *key) {
    CELLA_SECRET made = {0};
    TRY(cella_secret_new(SEALER_KEY_SIZE, &made));
    TRY(cella_random(made.data, made.size));
    if (kind == ROOT_PKCS11)
        TRY(sealer_pkcs11_wrap(at, cella_secret_bytes(&made), kept));
    else
        TRY(sealer_tpm_wrap(at, cella_secret_bytes(&made), kept));
    *key = MOVE(made);
    return CELLA_SUCCESS;
}

CELLA_RESULT sealer_root_make(const struct sealer_place *at, json_t *kept,
                              struct cella_secret *key) {
    char path[PATH_MAX];
    const char *rest;
    enum kind kind;
    CELLA_SECRET passphrase = {0};
    TRY(kind_of(at->root, &kind, &rest));
    switch (kind) {
    case ROOT_FILE:
        TRY(place(at->folder, rest, path));
        if (access(path, F_OK) != 0 && errno == ENOENT) TRY(make_file(path));
        return read_file(path, key);
    case ROOT_PASSPHRASE:
        TRY(passphrase_of(at, rest, &passphrase));
        return make_stretched(&passphrase, kept, key);
    case ROOT_PKCS11:
    case ROOT_TPM: return wrap_new(at, kind, kept, key);
    case ROOT_DEVICE: break;
    }
    return read_device(at->device, at->root, key);
}

CELLA_RESULT sealer_root_open(const struct sealer_place *at, const json_t *kept,
                              struct cella_secret *key) {
    char path[PATH_MAX];
    const char *rest;
    enum kind kind;
    CELLA_SECRET passphrase = {0};
    TRY(kind_of(at->root, &kind, &rest));
    switch (kind) {
    case ROOT_FILE: TRY(place(at->folder, rest, path)); return read_file(path, key);
    case ROOT_PASSPHRASE:
        TRY(passphrase_of(at, rest, &passphrase));
        return open_stretched(&passphrase, kept, key);
    case ROOT_PKCS11: return sealer_pkcs11_unwrap(at, kept, key);
    case ROOT_TPM: return sealer_tpm_unwrap(at, kept, key);
    case ROOT_DEVICE: break;
    }
    return read_device(at->device, at->root, key);
}

CELLA_RESULT sealer_root_old(const struct sealer_place *at, struct cella_secret *key, bool *there) {
    char path[PATH_MAX];
    const char *rest;
    enum kind kind;
    CELLA_SECRET passphrase = {0};
    *there = false;
    TRY(kind_of(at->root, &kind, &rest));
    if (kind == ROOT_FILE) {
        TRY(place(at->folder, rest, path));
        *there = access(path, F_OK) == 0;
        return *there ? read_file(path, key) : CELLA_SUCCESS;
    }
    if (kind == ROOT_PASSPHRASE) {
        TRY(passphrase_of(at, rest, &passphrase));
        return old_stretched(at->folder, &passphrase, key, there);
    }
    *there = kind == ROOT_DEVICE; /* nothing tells: an enclave's key is always there */
    return *there ? read_device(at->device, at->root, key) : CELLA_SUCCESS;
}
