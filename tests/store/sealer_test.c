/* Sealed records: what opens, and all that does not (K21, K11). */
#include "store_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/jose.h"
#include "seal/gcm.h"
#include "store/sealer_inner.h"

static const char context[] = "attest|dev|signing key|k1";
enum { OVERHEAD = 80 }; /* magic 4, key id 16, salt 32, nonce 12, tag 16 */

static const char *path_of(const struct place *p, const char *name) {
    static char path[160];
    snprintf(path, sizeof(path), "%s/%s", p->folder, name);
    return path;
}
static void put(const struct place *p, const char *name, const void *data, size_t size) {
    GOOD(cella_file_write(path_of(p, name), cella_bytes(data, size), 0600, 0));
}
static void seal(const struct cella_sealer *sealer, const char *text, struct cella_buffer *out) {
    out->size = 0;
    GOOD(cella_sealer_seal(sealer, context, cella_bytes_text(text), out));
}
static void opens(const struct cella_sealer *sealer, const struct cella_buffer *sealed,
                  const char *text) {
    CELLA_SECRET secret = {0};
    GOOD(cella_sealer_unseal(sealer, context, cella_buffer_bytes(sealed), &secret));
    assert_int_equal(secret.size, strlen(text));
    assert_memory_equal(secret.data, text, secret.size);
}

/* --- Records --- */

static void records_open_under_their_root_and_context(void **state) {
    const struct place *p = *state;
    static const size_t sizes[] = {1, 15, 16, 17, 1000, 1 << 20};
    CELLA_SEALER sealer = NULL;
    CELLA_BUFFER plain = {0};
    GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
    GOOD(cella_buffer_extend(&plain, 1 << 20, &(uint8_t *){NULL}));
    memset(plain.data, 0x5a, plain.size);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        CELLA_BUFFER sealed = {0};
        CELLA_SECRET secret = {0};
        GOOD(cella_buffer_append(&sealed, cella_bytes_text("before")));
        GOOD(cella_sealer_seal(sealer, context, cella_bytes(plain.data, sizes[i]), &sealed));
        assert_int_equal(sealed.size, 6 + sizes[i] + OVERHEAD);
        GOOD(cella_sealer_unseal(sealer, context, cella_bytes(sealed.data + 6, sealed.size - 6),
                                 &secret));
        assert_int_equal(secret.size, sizes[i]);
        assert_memory_equal(secret.data, plain.data, sizes[i]);
    }
    CELLA_BUFFER none = {0};
    REFUSED(cella_sealer_seal(sealer, context, cella_bytes(NULL, 0), &none), CELLA_ERR_LIMIT);
    REFUSED(cella_sealer_seal(sealer, context, cella_bytes(plain.data, (1 << 20) + 1), &none),
            CELLA_ERR_LIMIT);
    REFUSED(cella_sealer_seal(sealer, "", cella_bytes(plain.data, 1), &none), CELLA_ERR_INTERNAL);
    assert_int_equal(none.size, 0);
}

/* The layout, from docs/formats/sealed-record.md by hand: opens a record under a key. */
static void open_by_hand(struct cella_bytes key32, const char *of, struct cella_bytes sealed,
                         uint8_t *plain, size_t size) {
    uint8_t id[16], key[32];
    struct cella_gcm gcm;
    CELLA_BUFFER associated = {0};
    assert_int_equal(sealed.size, size + OVERHEAD);
    assert_memory_equal(sealed.data, "cSR1", 4);
    GOOD(cella_hkdf_sha256(key32, cella_bytes(NULL, 0),
                           cella_bytes_text("cella sealed record key id v1"), id, 16));
    assert_memory_equal(sealed.data + 4, id, 16);
    GOOD(cella_hkdf_sha256(key32, cella_bytes(sealed.data + 20, 32),
                           cella_bytes_text("cella sealed record key v1"), key, 32));
    cella_gcm_init(&gcm, key);
    GOOD(cella_buffer_append(&associated, cella_bytes(sealed.data, 64)));
    GOOD(cella_buffer_append(&associated, cella_bytes_text(of)));
    assert_true(cella_gcm_decrypt(&gcm, sealed.data + 52, cella_buffer_bytes(&associated),
                                  cella_bytes(sealed.data + 64, size), plain,
                                  sealed.data + 64 + size));
}

/* The member sealed of store.key. */
static void read_store_key(const struct place *p, const char *root, struct cella_buffer *sealed) {
    CELLA_BUFFER text = {0};
    CELLA_JSON file = NULL;
    GOOD(cella_file_read(path_of(p, "store.key"), 1 << 16, &text));
    GOOD(cella_json_object(cella_buffer_bytes(&text), "store.key", &file));
    assert_int_equal(json_integer_value(json_object_get(file, "cella_store_key")), 1);
    assert_string_equal(json_string_value(json_object_get(file, "root")), root);
    sealed->size = 0;
    GOOD(cella_base64_decode(cella_bytes_text(json_string_value(json_object_get(file, "sealed"))),
                             true, sealed));
}

static void records_have_the_documented_form(void **state) {
    const struct place *p = *state;
    CELLA_SEALER sealer = NULL;
    CELLA_BUFFER sealed = {0}, keys = {0};
    uint8_t root[32], key[32], plain[6];
    GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
    seal(sealer, "secret", &sealed);
    read_store_key(p, "file:root.key", &keys);
    FILE *file = fopen(path_of(p, "root.key"), "r");
    assert_non_null(file);
    assert_int_equal(fread(root, 1, sizeof(root), file), 32);
    fclose(file);
    open_by_hand(CELLA_BYTES_OF(root), "store|keys", cella_buffer_bytes(&keys), key, 32);
    open_by_hand(CELLA_BYTES_OF(key), context, cella_buffer_bytes(&sealed), plain, 6);
    assert_memory_equal(plain, "secret", 6);
}

/* Folders from before store.key: their records stand on the root, and open still; what is sealed
 * from now on does not open with the root alone. */
static void old_folders_are_taken_over(void **state) {
    const struct place *p = *state;
    CELLA_SEALER old = NULL;
    CELLA_SEALER sealer = NULL;
    CELLA_BUFFER kept = {0}, keys = {0}, sealed = {0};
    CELLA_SECRET secret = {0};
    uint8_t root[32], both[64];
    for (int i = 0; i < 32; i++) root[i] = (uint8_t)(i * 5);
    put(p, "root.key", root, sizeof(root));
    GOOD(sealer_of_keys(CELLA_BYTES_OF(root), &old));
    seal(old, "from before", &kept);
    GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
    opens(sealer, &kept, "from before");
    seal(sealer, "new", &sealed);
    REFUSED(cella_sealer_unseal(old, context, cella_buffer_bytes(&sealed), &secret),
            CELLA_ERR_INTEGRITY);
    read_store_key(p, "file:root.key", &keys);
    open_by_hand(CELLA_BYTES_OF(root), "store|keys", cella_buffer_bytes(&keys), both, 64);
    assert_memory_equal(both, root, 32);
    cella_sealer_close(&sealer);
    GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
    opens(sealer, &kept, "from before");
    opens(sealer, &sealed, "new");
}

static void no_two_records_are_alike(void **state) {
    const struct place *p = *state;
    CELLA_SEALER sealer = NULL;
    CELLA_BUFFER one = {0}, two = {0};
    GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
    seal(sealer, "the same text", &one);
    seal(sealer, "the same text", &two);
    assert_memory_equal(one.data, two.data, 20);
    assert_memory_not_equal(one.data + 20, two.data + 20, 32); /* salt, hence key */
    assert_memory_not_equal(one.data + 52, two.data + 52, 12);
    assert_memory_not_equal(one.data + 64, two.data + 64, 13);
    assert_null(memmem(one.data, one.size, "same", 4));
}

static void changed_records_do_not_open(void **state) {
    const struct place *p = *state;
    CELLA_SEALER sealer = NULL;
    CELLA_BUFFER sealed = {0};
    CELLA_SECRET secret = {0};
    GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
    seal(sealer, "a secret text", &sealed);
    for (size_t i = 0; i < sealed.size; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            sealed.data[i] ^= (uint8_t)(1u << bit);
            REFUSED(cella_sealer_unseal(sealer, context, cella_buffer_bytes(&sealed), &secret),
                    CELLA_ERR_INTEGRITY);
            assert_null(secret.data);
            sealed.data[i] ^= (uint8_t)(1u << bit);
        }
    for (size_t size = 0; size < sealed.size; size++)
        REFUSED(cella_sealer_unseal(sealer, context, cella_bytes(sealed.data, size), &secret),
                CELLA_ERR_INTEGRITY);
    GOOD(cella_buffer_append(&sealed, cella_bytes("", 1)));
    REFUSED(cella_sealer_unseal(sealer, context, cella_buffer_bytes(&sealed), &secret),
            CELLA_ERR_INTEGRITY);
    sealed.size--;
    opens(sealer, &sealed, "a secret text");
}

/* K21: a row that was moved to another tenant, kind or name. */
static void records_do_not_open_in_anothers_place(void **state) {
    const struct place *p = *state;
    static const char *const others[] = {
        "attest|dev2|signing key|k1", "attest|dev|signing key|k2",  "attest|dev|policy|k1",
        "attest|dev|signing key|k",   "attest|dev|signing key|k11", "Attest|dev|signing key|k1",
        "attest|dev|signing key|k1 ", "vault|dev|signing key|k1",   "a"};
    CELLA_SEALER sealer = NULL;
    CELLA_BUFFER sealed = {0};
    CELLA_SECRET secret = {0};
    GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
    seal(sealer, "x", &sealed);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        REFUSED(cella_sealer_unseal(sealer, others[i], cella_buffer_bytes(&sealed), &secret),
                CELLA_ERR_INTEGRITY);
    opens(sealer, &sealed, "x");
}

/* --- Roots --- */

static void another_root_is_told_from_a_change(void **state) {
    const struct place *p = *state;
    CELLA_SEALER one = NULL;
    CELLA_SEALER two = NULL;
    CELLA_BUFFER sealed = {0};
    CELLA_SECRET secret = {0};
    char other[160];
    snprintf(other, sizeof(other), "%s", path_of(p, "other"));
    GOOD(cella_file_make_folder(other, 0700));
    GOOD(cella_sealer_open("file:one.key", p->folder, &one));
    GOOD(cella_sealer_open("file:two.key", other, &two));
    seal(one, "x", &sealed);
    struct cella_result r = cella_sealer_unseal(two, context, cella_buffer_bytes(&sealed), &secret);
    assert_int_equal(cella_code_of(r), CELLA_ERR_INTEGRITY);
    assert_non_null(strstr(r.error->what, "under root"));
    cella_result_drop(r);
    sealed.data[sealed.size - 1] ^= 1;
    r = cella_sealer_unseal(one, context, cella_buffer_bytes(&sealed), &secret);
    assert_non_null(strstr(r.error->what, "changed"));
    cella_result_drop(r);
}

static void a_root_of_a_file_is_made_once(void **state) {
    const struct place *p = *state;
    CELLA_SEALER sealer = NULL;
    CELLA_BUFFER sealed = {0};
    struct stat st;
    mode_t old = umask(0);
    GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
    umask(old);
    assert_int_equal(stat(path_of(p, "root.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777u, 0600);
    assert_int_equal(st.st_size, 32);
    seal(sealer, "kept", &sealed);
    cella_sealer_close(&sealer);
    GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
    opens(sealer, &sealed, "kept");
    cella_sealer_close(&sealer);

    assert_int_equal(chmod(path_of(p, "root.key"), 0640), 0);
    REFUSED(cella_sealer_open("file:root.key", p->folder, &sealer), CELLA_ERR_PERMISSION);
    put(p, "root.key", "too short", 9);
    REFUSED(cella_sealer_open("file:root.key", p->folder, &sealer), CELLA_ERR_FORMAT);
    put(p, "root.key", "thirty-three bytes, one too many.", 33);
    REFUSED(cella_sealer_open("file:root.key", p->folder, &sealer), CELLA_ERR_LIMIT);
    put(p, "root.key", "", 0);
    REFUSED(cella_sealer_open("file:root.key", p->folder, &sealer), CELLA_ERR_FORMAT);
    /* A root that is gone is not made anew over a store that stands on it. */
    assert_int_equal(unlink(path_of(p, "root.key")), 0);
    REFUSED(cella_sealer_open("file:root.key", p->folder, &sealer), CELLA_ERR_NOT_FOUND);
    assert_int_not_equal(access(path_of(p, "root.key"), F_OK), 0);
}

static void processes_that_start_at_once_have_one_root(void **state) {
    const struct place *p = *state;
    uint8_t ids[2][4] = {{0}};
    for (int round = 0; round < 20; round++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        unlink(path_of(p, "root.key"));
        unlink(path_of(p, "store.key"));
        for (int i = 0; i < 2; i++) {
            if (fork() != 0) continue;
            struct cella_sealer *sealer = NULL;
            struct cella_buffer sealed = {0};
            struct cella_result r = cella_sealer_open("file:root.key", p->folder, &sealer);
            if (cella_failed(r)) _exit(1);
            r = cella_sealer_seal(sealer, context, cella_bytes("x", 1), &sealed);
            if (cella_failed(r) || write(pipes[1], sealed.data + 4, 4) != 4) _exit(1);
            _exit(0);
        }
        for (int i = 0; i < 2; i++) {
            int status = -1;
            assert_true(wait(&status) > 0);
            assert_int_equal(status, 0);
            assert_int_equal(read(pipes[0], ids[i], 4), 4);
        }
        assert_memory_equal(ids[0], ids[1], 4);
        close(pipes[0]);
        close(pipes[1]);
    }
}

static void a_passphrase_is_stretched(void **state) {
    const struct place *p = *state;
    CELLA_SEALER sealer = NULL;
    CELLA_BUFFER sealed = {0}, kept = {0};
    char weak[4200];
    put(p, "words", "correct horse battery\n", 22);
    GOOD(cella_sealer_open("passphrase:words", p->folder, &sealer));
    seal(sealer, "kept", &sealed);
    cella_sealer_close(&sealer);
    put(p, "words", "correct horse battery", 21); /* the line feed is no part of it */
    GOOD(cella_sealer_open("passphrase:words", p->folder, &sealer));
    opens(sealer, &sealed, "kept");
    cella_sealer_close(&sealer);

    put(p, "words", "correct horse batterz\n", 22);
    REFUSED(cella_sealer_open("passphrase:words", p->folder, &sealer), CELLA_ERR_INTEGRITY);
    put(p, "words", "correct horse battery\n", 22);
    GOOD(cella_file_read(path_of(p, "store.key"), 1 << 12, &kept));
    GOOD(cella_buffer_append(&kept, cella_bytes("", 1)));
    const char *text = (const char *)kept.data;
    const char *line = strstr(text, "scrypt n=131072 r=8 p=1 salt=");
    assert_non_null(line);
    assert_null(strstr(text, "horse"));
    /* cheaper for whoever guesses, or so dear that nothing starts */
    static const char *const costs[] = {"n=16384 r=8 p=1",   "n=0 r=8 p=1",
                                        "n=131071 r=8 p=1",  "n=131072 r=1 p=1",
                                        "n=131072 r=8 p=0",  "n=2097152 r=8 p=1",
                                        "n=131072 r=99 p=1", "n=131072 r=8 p=99"};
    for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
        snprintf(weak, sizeof(weak), "%.*sscrypt %s%s", (int)(line - text), text, costs[i],
                 strstr(line, " salt="));
        put(p, "store.key", weak, strlen(weak));
        REFUSED(cella_sealer_open("passphrase:words", p->folder, &sealer), CELLA_ERR_LIMIT);
    }
    for (size_t size = 0; size < kept.size - 2; size += 5) {
        put(p, "store.key", text, size);
        REFUSED(cella_sealer_open("passphrase:words", p->folder, &sealer), CELLA_ERR_FORMAT);
    }
}

static void a_passphrase_of_an_old_folder_opens(void **state) {
    const struct place *p = *state;
    CELLA_SEALER sealer = NULL;
    CELLA_BUFFER sealed = {0}, keys = {0};
    CELLA_JSON file = NULL;
    put(p, "words", "correct horse battery\n", 22);
    GOOD(cella_sealer_open("passphrase:words", p->folder, &sealer));
    cella_sealer_close(&sealer);
    /* as it was: the line in root.scrypt, and no store.key */
    GOOD(cella_file_read(path_of(p, "store.key"), 1 << 12, &keys));
    GOOD(cella_json_object(cella_buffer_bytes(&keys), "store.key", &file));
    GOOD(cella_buffer_append(&sealed, cella_bytes_text(json_string_value(json_object_get(
                                          json_object_get(file, "kept"), "scrypt")))));
    GOOD(cella_buffer_append(&sealed, cella_bytes("\n", 1)));
    put(p, "root.scrypt", sealed.data, sealed.size);
    assert_int_equal(unlink(path_of(p, "store.key")), 0);
    put(p, "words", "another passphrase\n", 19);
    REFUSED(cella_sealer_open("passphrase:words", p->folder, &sealer), CELLA_ERR_INTEGRITY);
    assert_int_not_equal(access(path_of(p, "store.key"), F_OK), 0);
    put(p, "words", "correct horse battery\n", 22);
    GOOD(cella_sealer_open("passphrase:words", p->folder, &sealer));
    read_store_key(p, "passphrase:words", &keys);
    assert_int_equal(keys.size, 64 + OVERHEAD); /* the old root, and a key of its own */
}

/* --- Another root --- */

static void a_store_is_wrapped_anew(void **state) {
    const struct place *p = *state;
    CELLA_SEALER before = NULL;
    CELLA_SEALER after = NULL;
    CELLA_SEALER old = NULL;
    CELLA_BUFFER sealed = {0}, later = {0}, keys = {0}, older = {0};
    CELLA_SECRET secret = {0};
    GOOD(cella_sealer_open("file:root.key", p->folder, &before));
    seal(before, "kept", &sealed);
    GOOD(cella_file_read(path_of(p, "store.key"), 1 << 12, &older));
    put(p, "words", "correct horse battery\n", 22);
    GOOD(cella_sealer_rewrap("file:root.key", p->folder, "passphrase:words"));
    read_store_key(p, "passphrase:words", &keys);
    assert_int_equal(keys.size, 64 + OVERHEAD);
    seal(before, "sealed by who was running", &later);
    /* whatever cella.conf still says */
    GOOD(cella_sealer_open("file:root.key", p->folder, &after));
    opens(after, &sealed, "kept");
    opens(after, &later, "sealed by who was running");
    assert_int_equal(unlink(path_of(p, "root.key")), 0);
    cella_sealer_close(&after);
    GOOD(cella_sealer_open("passphrase:words", p->folder, &after));
    opens(after, &sealed, "kept");
    /* K25: the old root, even with the old store.key, opens nothing that is sealed from now on */
    seal(after, "new", &sealed);
    REFUSED(cella_sealer_unseal(before, context, cella_buffer_bytes(&sealed), &secret),
            CELLA_ERR_INTEGRITY);
    put(p, "words", "another passphrase\n", 19);
    REFUSED(cella_sealer_open("file:root.key", p->folder, &old), CELLA_ERR_INTEGRITY);
}

/* Without a restart: from then on it seals under the key that the old root never had. */
static void an_open_sealer_follows(void **state) {
    const struct place *p = *state;
    CELLA_SEALER running = NULL;
    CELLA_SEALER stale = NULL;
    CELLA_SEALER other = NULL;
    CELLA_BUFFER sealed = {0}, kept = {0}, mine = {0};
    CELLA_SECRET secret = {0};
    GOOD(cella_sealer_open("file:root.key", p->folder, &running));
    GOOD(cella_sealer_open("file:root.key", p->folder, &stale));
    GOOD(cella_sealer_refresh(running));
    seal(running, "kept", &kept);
    GOOD(cella_sealer_rewrap("file:root.key", p->folder, "file:two.key"));
    assert_int_equal(unlink(path_of(p, "root.key")), 0);
    GOOD(cella_sealer_refresh(running));
    seal(running, "new", &sealed);
    opens(running, &sealed, "new");
    opens(running, &kept, "kept");
    opens(stale, &kept, "kept");
    REFUSED(cella_sealer_unseal(stale, context, cella_buffer_bytes(&sealed), &secret),
            CELLA_ERR_INTEGRITY);
    /* another store's file is not taken */
    GOOD(cella_file_read(path_of(p, "store.key"), 1 << 12, &mine));
    assert_int_equal(unlink(path_of(p, "store.key")), 0);
    GOOD(cella_sealer_open("file:three.key", p->folder, &other));
    REFUSED(cella_sealer_refresh(running), CELLA_ERR_INTEGRITY);
    opens(running, &sealed, "new");
    assert_int_equal(unlink(path_of(p, "store.key")), 0);
    REFUSED(cella_sealer_refresh(running), CELLA_ERR_IO);
    put(p, "store.key", mine.data, mine.size);
    GOOD(cella_sealer_refresh(running));
    opens(running, &sealed, "new");
}

static void a_root_that_does_not_work_changes_nothing(void **state) {
    const struct place *p = *state;
    static const char *const roots[] = {"",
                                        "tpm:",
                                        "nothing",
                                        "passphrase:absent",
                                        "enclave",
                                        "pkcs11:token=absent;object=absent",
                                        "file:no/where"};
    CELLA_SEALER sealer = NULL;
    CELLA_BUFFER sealed = {0}, before = {0};
    GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
    seal(sealer, "kept", &sealed);
    cella_sealer_close(&sealer);
    GOOD(cella_file_read(path_of(p, "store.key"), 1 << 12, &before));
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        CELLA_BUFFER now = {0};
        struct cella_result r = cella_sealer_rewrap("file:root.key", p->folder, roots[i]);
        assert_true(cella_failed(r));
        cella_result_drop(r);
        GOOD(cella_file_read(path_of(p, "store.key"), 1 << 12, &now));
        assert_int_equal(now.size, before.size);
        assert_memory_equal(now.data, before.data, now.size);
    }
    GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
    opens(sealer, &sealed, "kept");
}

/* Killed at any moment: one root works, and opens all. */
static void a_killed_rewrap_leaves_one_root(void **state) {
    const struct place *p = *state;
    CELLA_SEALER sealer = NULL;
    CELLA_BUFFER sealed = {0};
    GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
    seal(sealer, "kept", &sealed);
    cella_sealer_close(&sealer);
    for (int i = 0; i < 40; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct cella_result r = cella_sealer_rewrap("file:root.key", p->folder,
                                                        i % 2 ? "file:root.key" : "file:two.key");
            _exit(cella_failed(r));
        }
        usleep((useconds_t)(i * 53));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
        opens(sealer, &sealed, "kept");
        cella_sealer_close(&sealer);
    }
}

static void changed_store_keys_do_not_open(void **state) {
    const struct place *p = *state;
    CELLA_SEALER sealer = NULL;
    CELLA_BUFFER kept = {0};
    GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
    cella_sealer_close(&sealer);
    GOOD(cella_file_read(path_of(p, "store.key"), 1 << 12, &kept));
    for (size_t i = 0; i < kept.size; i++) {
        uint8_t was = kept.data[i];
        if (was <= ' ') continue; /* layout between members */
        kept.data[i] ^= 1;
        put(p, "store.key", kept.data, kept.size);
        struct cella_result r = cella_sealer_open("file:root.key", p->folder, &sealer);
        assert_true(cella_failed(r));
        cella_result_drop(r);
        kept.data[i] = was;
    }
    for (size_t size = 0; size < kept.size - 1; size++) {
        put(p, "store.key", kept.data, size);
        REFUSED(cella_sealer_open("file:root.key", p->folder, &sealer), CELLA_ERR_FORMAT);
    }
}

static void passphrases_that_are_none(void **state) {
    const struct place *p = *state;
    CELLA_SEALER sealer = NULL;
    REFUSED(cella_sealer_open("passphrase:absent", p->folder, &sealer), CELLA_ERR_NOT_FOUND);
    put(p, "words", "short\n", 6);
    REFUSED(cella_sealer_open("passphrase:words", p->folder, &sealer), CELLA_ERR_FORMAT);
    put(p, "words", "two lines of words\nand more\n", 28);
    REFUSED(cella_sealer_open("passphrase:words", p->folder, &sealer), CELLA_ERR_FORMAT);
    put(p, "words", "long enough to be one\n", 22);
    assert_int_equal(chmod(path_of(p, "words"), 0644), 0);
    REFUSED(cella_sealer_open("passphrase:words", p->folder, &sealer), CELLA_ERR_PERMISSION);
    assert_int_not_equal(access(path_of(p, "store.key"), F_OK), 0);
}

static void an_enclave_has_a_root_of_its_own(void **state) {
    const struct place *p = *state;
    char device[80], other[160];
    CELLA_SEALER enclave = NULL;
    CELLA_SEALER signer = NULL;
    CELLA_BUFFER sealed = {0}, older = {0};
    CELLA_SECRET secret = {0};
    snprintf(device, sizeof(device), "%s/device", p->folder);
    snprintf(other, sizeof(other), "%s", path_of(p, "other"));
    GOOD(cella_file_make_folder(other, 0700));
    REFUSED(sealer_open_device("enclave", p->folder, device, &enclave), CELLA_ERR_UNAVAILABLE);
    GOOD(cella_file_make_folder(path_of(p, "device/seal"), 0700));
    put(p, "device/seal/enclave", "0123456789abcdef0123456789abcdef", 32);
    put(p, "device/seal/signer", "0123456789ABCDEF0123456789ABCDEF", 32);
    GOOD(sealer_open_device("enclave", p->folder, device, &enclave));
    GOOD(sealer_open_device("signer", other, device, &signer));
    seal(enclave, "kept", &sealed);
    REFUSED(cella_sealer_unseal(signer, context, cella_buffer_bytes(&sealed), &secret),
            CELLA_ERR_INTEGRITY);
    cella_sealer_close(&enclave);
    GOOD(sealer_open_device("enclave", p->folder, device, &enclave));
    opens(enclave, &sealed, "kept");
    cella_sealer_close(&enclave);
    /* what was sealed before store.key was */
    GOOD(sealer_of_keys(cella_bytes_text("0123456789abcdef0123456789abcdef"), &enclave));
    seal(enclave, "from before", &older);
    cella_sealer_close(&enclave);
    GOOD(sealer_open_device("enclave", p->folder, device, &enclave));
    opens(enclave, &older, "from before");
    cella_sealer_close(&enclave);
    put(p, "device/seal/enclave", "another enclave's key, 32 bytes.", 32);
    REFUSED(sealer_open_device("enclave", p->folder, device, &enclave), CELLA_ERR_INTEGRITY);
    put(p, "device/seal/enclave", "0123456789abcdef", 16);
    REFUSED(sealer_open_device("enclave", p->folder, device, &enclave), CELLA_ERR_IO);
}

static void roots_that_are_none(void **state) {
    const struct place *p = *state;
    static const char *const roots[] = {
        "", "root.key", "file:", "passphrase:", "Enclave", "enclave:", "file", "tpm"};
    CELLA_SEALER sealer = NULL;
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
        REFUSED(cella_sealer_open(roots[i], p->folder, &sealer), CELLA_ERR_USAGE);
    REFUSED(cella_sealer_open("file:absent/root.key", p->folder, &sealer), CELLA_ERR_NOT_FOUND);
}

static void derived_keys_are_the_same_and_apart(void **state) {
    const struct place *p = *state;
    CELLA_SEALER sealer = NULL;
    CELLA_SECRET one = {0};
    CELLA_SECRET again = {0};
    CELLA_SECRET other = {0};
    GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
    GOOD(cella_sealer_derive(sealer, "audit", &one));
    GOOD(cella_sealer_derive(sealer, "audits", &other));
    cella_sealer_close(&sealer);
    GOOD(cella_sealer_open("file:root.key", p->folder, &sealer));
    GOOD(cella_sealer_derive(sealer, "audit", &again));
    assert_int_equal(one.size, 32);
    assert_memory_equal(one.data, again.data, 32);
    assert_memory_not_equal(one.data, other.data, 32);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)
int main(void) {
    const struct CMUnitTest tests[] = {
        PLACED(records_open_under_their_root_and_context),
        PLACED(records_have_the_documented_form),
        PLACED(old_folders_are_taken_over),
        PLACED(no_two_records_are_alike),
        PLACED(changed_records_do_not_open),
        PLACED(records_do_not_open_in_anothers_place),
        PLACED(another_root_is_told_from_a_change),
        PLACED(a_root_of_a_file_is_made_once),
        PLACED(processes_that_start_at_once_have_one_root),
        PLACED(a_passphrase_is_stretched),
        PLACED(a_passphrase_of_an_old_folder_opens),
        PLACED(a_store_is_wrapped_anew),
        PLACED(an_open_sealer_follows),
        PLACED(a_root_that_does_not_work_changes_nothing),
        PLACED(a_killed_rewrap_leaves_one_root),
        PLACED(changed_store_keys_do_not_open),
        PLACED(passphrases_that_are_none),
        PLACED(an_enclave_has_a_root_of_its_own),
        PLACED(roots_that_are_none),
        PLACED(derived_keys_are_the_same_and_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
