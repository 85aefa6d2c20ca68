/* Files that say they are a vault's backup, and keys that say they are sealed under our root: none
 * is taken but the genuine one, and what is refused leaves nothing behind. The input is a file, or
 * what is done to a genuine one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "store/database.h"
#include "vault/records.h"
#include "vault/whole.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held) {
    if (!held) abort();
}
static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

static char folder[] = "/tmp/cella-fuzz-XXXXXX";
static struct cella_database *database;
static struct cella_sealer *sealer;
static struct cella_buffer genuine;

static struct cella_result note(void *context, const char *vault,
                                const struct cella_vault_whole_count *count) {
    (void)context, (void)vault, (void)count;
    return CELLA_SUCCESS;
}
static struct cella_vault_whole whole(void) {
    return (struct cella_vault_whole){.database = database,
                                      .sealer = sealer,
                                      .root = "file:root.key",
                                      .folder = folder,
                                      .note = note};
}

static void add_secret(void) {
    CELLA_SESSION session = NULL;
    CELLA_RECORD record = {.kind = CELLA_RECORD_SECRET, .name = "s", .deleted = -1};
    char context[384];
    record.public = json_object();
    must(done(cella_record_version(record.version)));
    must(done(cella_record_context("v", &record, context)));
    must(done(cella_sealer_seal(sealer, context, cella_bytes("secret", 6), &record.sealed)));
    must(done(cella_session_begin(database, true, &session)));
    must(done(cella_records_add(session, "v", &record)));
    must(done(cella_session_commit(&session)));
}

static void make(void) {
    char path[64];
    struct cella_vault_whole_count count;
    setenv("CELLA_LOG", "error", 1);
    must(mkdtemp(folder) != NULL);
    must(done(cella_database_open(":memory:", &database)));
    must(done(cella_records_migrate(database)));
    must(done(cella_sealer_open("file:root.key", folder, &sealer)));
    const struct cella_vault_whole w = whole();
    add_secret();
    snprintf(path, sizeof(path), "%s/file", folder);
    must(done(cella_vault_whole_backup(&w, "v", path, &count)));
    must(done(cella_file_read(path, 1 << 16, &genuine)));
}

static void restore(const uint8_t *data, size_t size) {
    char path[32];
    struct cella_vault_whole_count count;
    struct cella_vault_whole w = whole();
    int fd = memfd_create("backup", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    /* into a vault that is there: whole and genuine it is refused for that alone */
    must(!done(cella_vault_whole_restore(&w, path, "v", &count)));
    bool restored = done(cella_vault_whole_restore(&w, path, "other", &count));
    close(fd);
    must(!restored); /* the genuine one is not among the inputs: its key is another each time */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t file[8192];
    struct cella_sealer *opened = NULL;
    if (!database) make();
    if (size == 0 || size > sizeof(file) || genuine.size > sizeof(file)) return 0;
    must(!done(cella_sealer_attach("file:root.key", folder, cella_bytes(data, size), &opened)));
    restore(data, size);
    /* the input laid over a genuine file: its head is right, so that more is reached */
    size_t end = size > genuine.size ? size : genuine.size;
    memset(file, 0, end);
    memcpy(file, genuine.data, genuine.size);
    bool changed = end > genuine.size;
    const uint8_t *line = memchr(genuine.data, '\n', genuine.size);
    size_t at = (size_t)(line - genuine.data) + 1;
    for (size_t i = 0; i < size && at + i < end; i++) {
        file[at + i] ^= data[i];
        changed = changed || data[i];
    }
    if (changed) restore(file, end);
    return 0;
}
