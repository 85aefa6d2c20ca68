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
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "store/sealer_inner.h"

enum {
    SCRYPT_N = 1 << 17, /* 128 MiB and a third of a second: once at start */
    SCRYPT_R = 8,
    SCRYPT_P = 1,
    SCRYPT_SALT = 32,
    SCRYPT_FILE_MAX = 512,
    PASSPHRASE_MIN = 12,
    PASSPHRASE_MAX = 1024
};

static CELLA_RESULT place(const char *folder, const char *path, char out[PATH_MAX]) {
    int n = *path == '/' ? snprintf(out, PATH_MAX, "%s", path)
                         : snprintf(out, PATH_MAX, "%s/%s", folder, path);
    ENSURE(*path, CELLA_ERR_USAGE, "write file:PATH, passphrase:PATH, enclave or signer",
           "the root names no file");
    ENSURE(n > 0 && n < PATH_MAX, CELLA_ERR_LIMIT, NULL, "path too long: %s", path);
    return CELLA_SUCCESS;
}

/* --- file: --- */

static CELLA_RESULT make_file(const char *path) {
    CELLA_SECRET made = {0};
    TRY(cella_secret_new(SEALER_ROOT_SIZE, &made));
    TRY(cella_random(made.data, made.size));
    struct cella_result r =
        cella_file_write(path, cella_secret_bytes(&made), 0600, CELLA_FILE_EXCLUSIVE);
    if (cella_code_of(r) != CELLA_ERR_EXISTS) return r;
    cella_result_drop(r); /* another process was first: its root it is */
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_file(const char *path, struct cella_secret *out) {
    CELLA_SECRET read = {0};
    if (access(path, F_OK) != 0 && errno == ENOENT) TRY(make_file(path));
    TRY(cella_file_read_secret(path, SEALER_ROOT_SIZE, &read));
    ENSURE(read.size == SEALER_ROOT_SIZE, CELLA_ERR_FORMAT, "restore it from a backup",
           "the root %s has %zu bytes, expected %d", path, read.size, SEALER_ROOT_SIZE);
    cella_log(CELLA_LOG_WARN, "root %s: whoever can read this file can read all that is sealed",
              path);
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
    TRY(cella_secret_new(SEALER_ROOT_SIZE, &made));
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    bool good = ctx && EVP_KDF_derive(ctx, made.data, made.size, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    ENSURE(good, CELLA_ERR_MEMORY, "it takes 128 MiB of memory", "scrypt failed");
    *out = MOVE(made);
    return CELLA_SUCCESS;
}

/* Beside the store: salt and cost, and the id of the root that came out, so that a mistyped
 * passphrase is said to be one. Not secret; weaker values are refused all the same. */
static CELLA_RESULT write_scrypt(const char *path, const struct scrypt *s) {
    char text[SCRYPT_FILE_MAX], salt[2 * SCRYPT_SALT + 1], id[2 * SEALER_ID_SIZE + 1];
    cella_hex_encode(CELLA_BYTES_OF(s->salt), salt);
    cella_hex_encode(CELLA_BYTES_OF(s->id), id);
    snprintf(text, sizeof(text), "scrypt n=%u r=%u p=%u salt=%s id=%s\n", s->n, s->r, s->p, salt,
             id);
    return cella_file_write(path, cella_bytes_text(text), 0600, CELLA_FILE_EXCLUSIVE);
}

static bool cost_is_good(const struct scrypt *s) {
    bool power = s->n && (s->n & (s->n - 1)) == 0;
    return power && s->n >= 1 << 15 && s->n <= 1 << 20 && s->r >= 8 && s->r <= 16 && s->p >= 1 &&
           s->p <= 16;
}

static CELLA_RESULT read_scrypt(const char *path, struct scrypt *s) {
    CELLA_BUFFER file = {0};
    char text[SCRYPT_FILE_MAX + 1], salt[2 * SCRYPT_SALT + 1], id[2 * SEALER_ID_SIZE + 1];
    int used = 0;
    TRY(cella_file_read(path, SCRYPT_FILE_MAX, &file));
    cella_copy(text, file.data, file.size);
    text[file.size] = 0;
    int fields = sscanf(text, "scrypt n=%7u r=%2u p=%2u salt=%64[0-9a-f] id=%32[0-9a-f]\n%n", &s->n,
                        &s->r, &s->p, salt, id, &used);
    ENSURE(fields == 5 && (size_t)used == file.size && strlen(salt) == 2 * SCRYPT_SALT &&
               strlen(id) == 2 * SEALER_ID_SIZE,
           CELLA_ERR_FORMAT, "restore it from a backup",
           "%s is not what a root from a passphrase keeps there", path);
    ENSURE(cost_is_good(s), CELLA_ERR_LIMIT, "restore it from a backup",
           "%s: scrypt with n=%u r=%u p=%u is too weak, or too much", path, s->n, s->r, s->p);
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

static CELLA_RESULT make_scrypt(const char *path, const struct cella_secret *passphrase,
                                struct cella_secret *out) {
    struct scrypt s = {.n = SCRYPT_N, .r = SCRYPT_R, .p = SCRYPT_P};
    TRY(cella_random(s.salt, sizeof(s.salt)));
    TRY(stretch(passphrase, &s, out));
    TRY(sealer_root_id(cella_secret_bytes(out), s.id));
    return write_scrypt(path, &s);
}

static CELLA_RESULT use_scrypt(const char *path, const struct cella_secret *passphrase,
                               struct cella_secret *out) {
    struct scrypt s;
    uint8_t id[SEALER_ID_SIZE];
    CELLA_SECRET made = {0};
    TRY(read_scrypt(path, &s));
    TRY(stretch(passphrase, &s, &made));
    TRY(sealer_root_id(cella_secret_bytes(&made), id));
    ENSURE(cella_equal(id, s.id, sizeof(id)), CELLA_ERR_INTEGRITY,
           "give the passphrase that the store was made with",
           "the passphrase is not the one that %s was made with", path);
    *out = MOVE(made);
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_stretched(const char *path, const char *folder, struct cella_secret *out) {
    char file[PATH_MAX], beside[PATH_MAX];
    CELLA_SECRET passphrase = {0}, made = {0};
    TRY(place(folder, path, file));
    TRY(place(folder, "root.scrypt", beside));
    TRY(read_passphrase(file, &passphrase));
    if (access(beside, F_OK) != 0 && errno == ENOENT) {
        struct cella_result r = make_scrypt(beside, &passphrase, &made);
        if (cella_code_of(r) != CELLA_ERR_EXISTS) {
            if (!cella_failed(r)) *out = MOVE(made);
            return r;
        }
        cella_result_drop(r); /* another process was first */
    }
    return use_scrypt(beside, &passphrase, out);
}

/* --- enclave, signer --- */

static CELLA_RESULT read_device(const char *device, const char *name, struct cella_secret *out) {
    char path[PATH_MAX];
    CELLA_SECRET key = {0};
    TRY(cella_secret_new(SEALER_ROOT_SIZE, &key));
    snprintf(path, sizeof(path), "%s/seal/%s", device, name);
    CELLA_FD fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
    ENSURE(fd >= 0, CELLA_ERR_UNAVAILABLE,
           "run the server inside an enclave, or choose another root",
           "no seal key: cannot open %s: %s", path, strerror(errno));
    /* As many bytes as a key has, and no more. */
    for (size_t at = 0; at < SEALER_ROOT_SIZE;) {
        ssize_t n = read(fd, key.data + at, SEALER_ROOT_SIZE - at);
        if (n < 0 && errno == EINTR) continue;
        ENSURE(n > 0, CELLA_ERR_IO, NULL, "%s gave %zu bytes, expected %d", path, at,
               SEALER_ROOT_SIZE);
        at += (size_t)n;
    }
    *out = MOVE(key);
    return CELLA_SUCCESS;
}

CELLA_RESULT sealer_root_read(const char *root, const char *folder, const char *device,
                              struct cella_secret *out) {
    static const char file[] = "file:", passphrase[] = "passphrase:";
    char path[PATH_MAX];
    if (strncmp(root, file, sizeof(file) - 1) == 0) {
        TRY(place(folder, root + sizeof(file) - 1, path));
        return read_file(path, out);
    }
    if (strncmp(root, passphrase, sizeof(passphrase) - 1) == 0)
        return read_stretched(root + sizeof(passphrase) - 1, folder, out);
    if (strcmp(root, "enclave") == 0 || strcmp(root, "signer") == 0)
        return read_device(device, root, out);
    FAIL(CELLA_ERR_USAGE, "write file:PATH, passphrase:PATH, enclave or signer",
         "no root is called %s", root);
}
