#include "platform/root_tsm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "evidence/format.h"
#include "evidence/sgx_quote.h"
#include "evidence/snp_report.h"
#include "evidence/software.h"

enum {
    PATH_SIZE = 256,
    TEXT_SIZE = 64,
    BLOB_MAX = 1 << 16,
    ATTEMPTS = 8,
    PAUSE_MS = 50,
    REPORT_DATA_SIZE = 64
};

const struct cella_tsm cella_tsm_kernel = {CELLA_TSM_FOLDER, mkdir, rmdir};

static const char hint[] = "check the guest's kernel (CONFIG_TSM_REPORTS, sev-guest or tdx-guest), "
                           "or use --root file";

/* --- One attribute --- */

static struct cella_result open_attribute(const char *folder, const char *name, int flags,
                                          int *fd) {
    char path[PATH_SIZE];
    int n = snprintf(path, sizeof(path), "%s/%s", folder, name);
    ENSURE(n > 0 && (size_t)n < sizeof(path), CELLA_ERR_LIMIT, NULL, "tsm: %s is too long", folder);
    do *fd = open(path, flags | O_CLOEXEC);
    while (*fd < 0 && errno == EINTR);
    ENSURE(*fd >= 0, errno == ENOENT ? CELLA_ERR_NOT_FOUND : CELLA_ERR_UNAVAILABLE, hint,
           "tsm: cannot open %s: %s", path, strerror(errno));
    return CELLA_SUCCESS;
}

/* *busy: another attempt may succeed; then out is as it was. */
static struct cella_result read_attribute(const char *folder, const char *name, size_t max,
                                          struct cella_buffer *out, bool *busy) {
    CELLA_FD fd = -1;
    size_t before = out->size;
    TRY(open_attribute(folder, name, O_RDONLY, &fd));
    for (uint8_t part[4096];;) {
        ssize_t n = read(fd, part, sizeof(part));
        if (n == 0) return CELLA_SUCCESS;
        if (n < 0 && errno == EINTR) continue;
        *busy = n < 0 && (errno == EBUSY || errno == EAGAIN);
        if (*busy) {
            out->size = before;
            return CELLA_SUCCESS;
        }
        ENSURE(n > 0, errno == ENOENT ? CELLA_ERR_NOT_FOUND : CELLA_ERR_UNAVAILABLE, hint,
               "tsm: cannot read %s: %s", name, strerror(errno));
        ENSURE(out->size - before + (size_t)n <= max, CELLA_ERR_LIMIT, NULL,
               "tsm: %s has more than %zu bytes", name, max);
        TRY(cella_buffer_append(out, cella_bytes(part, (size_t)n)));
    }
}

/* One line, without its end. */
static struct cella_result read_line(const char *folder, const char *name, char text[TEXT_SIZE],
                                     bool *busy) {
    CELLA_BUFFER line = {0};
    TRY(read_attribute(folder, name, TEXT_SIZE - 1, &line, busy));
    size_t size = line.size;
    while (size > 0 && line.data[size - 1] == '\n') size--;
    cella_copy(text, line.data, size);
    text[size] = 0;
    return CELLA_SUCCESS;
}

/* Bytes of one write: the kernel takes a report's data whole. */
static struct cella_result write_data(const char *folder, const uint8_t data[REPORT_DATA_SIZE],
                                      bool *busy) {
    CELLA_FD fd = -1;
    ssize_t n;
    TRY(open_attribute(folder, "inblob", O_WRONLY, &fd));
    do n = write(fd, data, REPORT_DATA_SIZE);
    while (n < 0 && errno == EINTR);
    *busy = n < 0 && (errno == EBUSY || errno == EAGAIN);
    ENSURE(*busy || n == REPORT_DATA_SIZE, CELLA_ERR_UNAVAILABLE, hint,
           "tsm: cannot write inblob: %s", n < 0 ? strerror(errno) : "it took a part only");
    return CELLA_SUCCESS;
}

static struct cella_result read_generation(const char *folder, uint64_t *generation, bool *busy) {
    char text[TEXT_SIZE];
    TRY(read_line(folder, "generation", text, busy));
    ENSURE(*busy || cella_number_read(text, generation), CELLA_ERR_FORMAT, hint,
           "tsm: generation: expected a number, found '%s'", text);
    return CELLA_SUCCESS;
}

static struct cella_result read_provider(const char *folder, enum cella_root *root) {
    char text[TEXT_SIZE] = "";
    bool busy = false;
    TRY(read_line(folder, "provider", text, &busy));
    if (strcmp(text, "sev_guest") == 0)
        *root = CELLA_ROOT_SNP;
    else if (strcmp(text, "tdx_guest") == 0)
        *root = CELLA_ROOT_TDX;
    else
        FAIL(CELLA_ERR_UNSUPPORTED, "use --root file",
             "tsm: provider: expected sev_guest or tdx_guest, found '%s'", text);
    return CELLA_SUCCESS;
}

/* --- One request --- */

/* The certificate table is the host's word and a help for verifiers, who need not have it: what is
 * malformed, or too large beside the report, is left out. */
static void add_table(struct cella_buffer *report, const struct cella_buffer *table) {
    struct cella_snp_table parsed;
    if (table->size == 0 || report->size + table->size > CELLA_ROOT_EVIDENCE_MAX) return;
    struct cella_result r = cella_snp_table_parse(cella_buffer_bytes(table), &parsed);
    if (!cella_failed(r)) r = cella_buffer_append(report, cella_buffer_bytes(table));
    cella_result_drop(r);
}

static struct cella_result read_table(const char *folder, struct cella_buffer *table, bool *busy) {
    struct cella_result r = read_attribute(folder, "auxblob", BLOB_MAX, table, busy);
    enum cella_code code = cella_code_of(r);
    if (code != CELLA_ERR_NOT_FOUND && code != CELLA_ERR_LIMIT) return r;
    cella_result_drop(r); /* a host without one, or with one that could not be passed on */
    table->size = 0;
    return CELLA_SUCCESS;
}

/* The number of writes between the generations must be ours alone, or the report may be over
 * another's data. */
static struct cella_result attempt(const char *folder, enum cella_root root,
                                   const uint8_t data[REPORT_DATA_SIZE], struct cella_buffer *out,
                                   bool *busy) {
    CELLA_BUFFER report = {0}, table = {0};
    uint64_t before = 0, after = 0;
    TRY(read_generation(folder, &before, busy));
    if (!*busy) TRY(write_data(folder, data, busy));
    if (!*busy) TRY(read_attribute(folder, "outblob", BLOB_MAX, &report, busy));
    if (!*busy && root == CELLA_ROOT_SNP) TRY(read_table(folder, &table, busy));
    if (!*busy) TRY(read_generation(folder, &after, busy));
    if (*busy) return CELLA_SUCCESS;
    *busy = after != before + 1;
    if (*busy) return CELLA_SUCCESS;
    add_table(&report, &table);
    return cella_buffer_append(out, cella_buffer_bytes(&report));
}

static void pause_a_little(void) {
    const struct timespec t = {.tv_nsec = PAUSE_MS * 1000000L};
    nanosleep(&t, NULL);
}

static struct cella_result request(const char *folder, enum cella_root wanted,
                                   const uint8_t data[REPORT_DATA_SIZE], enum cella_root *root,
                                   struct cella_buffer *out) {
    TRY(read_provider(folder, root));
    ENSURE(wanted == CELLA_ROOT_FILE || wanted == *root, CELLA_ERR_UNAVAILABLE,
           "use --root auto, or the one that this guest has",
           "tsm: provider: expected that of root %s, found that of root %s",
           cella_root_name(wanted), cella_root_name(*root));
    for (int i = 0; i < ATTEMPTS; i++) {
        bool busy = false;
        TRY(attempt(folder, *root, data, out, &busy));
        if (!busy) return CELLA_SUCCESS;
        pause_a_little();
    }
    FAIL(CELLA_ERR_UNAVAILABLE, "try again", "tsm: others were at the request %d times: no report",
         ATTEMPTS);
}

/* A folder of its own for each process. One that is there already is of a process that died with
 * the same number: it goes first. */
static struct cella_result make_folder(const struct cella_tsm *tsm, char path[PATH_SIZE]) {
    int n = snprintf(path, PATH_SIZE, "%s/cella-%d", tsm->folder, (int)getpid());
    ENSURE(n > 0 && n < PATH_SIZE, CELLA_ERR_LIMIT, NULL, "tsm: %s is too long", tsm->folder);
    if (tsm->make(path, 0700) == 0) return CELLA_SUCCESS;
    if (errno == EEXIST && tsm->remove(path) == 0 && tsm->make(path, 0700) == 0)
        return CELLA_SUCCESS;
    FAIL(errno == ENOENT ? CELLA_ERR_NOT_FOUND : CELLA_ERR_UNAVAILABLE, hint,
         "tsm: cannot make %s: %s", path, strerror(errno));
}

/* --- What was given --- */

static struct cella_result find_data(enum cella_root root, struct cella_bytes evidence,
                                     uint8_t data[REPORT_DATA_SIZE]) {
    if (root == CELLA_ROOT_SNP) {
        struct cella_snp_report report;
        size_t size = evidence.size < CELLA_SNP_REPORT_SIZE ? evidence.size : CELLA_SNP_REPORT_SIZE;
        TRY_IN(cella_snp_report_parse(cella_bytes(evidence.data, size), &report), "tsm: outblob");
        cella_copy(data, report.report_data, REPORT_DATA_SIZE);
        return CELLA_SUCCESS;
    }
    struct cella_quote quote;
    TRY_IN(cella_quote_parse(evidence, &quote), "tsm: outblob");
    ENSURE(quote.body_type != CELLA_QUOTE_BODY_SGX, CELLA_ERR_FORMAT, NULL,
           "tsm: outblob: expected a TDX quote, found one of SGX");
    cella_copy(data, quote.td.report_data.data, REPORT_DATA_SIZE);
    return CELLA_SUCCESS;
}

static struct cella_result check(enum cella_root root, struct cella_bytes evidence,
                                 const uint8_t wanted[REPORT_DATA_SIZE]) {
    uint8_t data[REPORT_DATA_SIZE];
    TRY(find_data(root, evidence, data));
    ENSURE(cella_equal(data, wanted, REPORT_DATA_SIZE), CELLA_ERR_INTEGRITY, "try again",
           "tsm: outblob: the report is over other data than was asked for");
    ENSURE(evidence.size <= CELLA_ROOT_EVIDENCE_MAX, CELLA_ERR_LIMIT, NULL,
           "tsm: outblob: %zu bytes, at most %d", evidence.size, CELLA_ROOT_EVIDENCE_MAX);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tsm_report(const struct cella_tsm *tsm, enum cella_root wanted,
                              const uint8_t report_data[64], enum cella_root *root,
                              struct cella_buffer *out) {
    char path[PATH_SIZE];
    CELLA_BUFFER evidence = {0};
    TRY(make_folder(tsm, path));
    struct cella_result r = request(path, wanted, report_data, root, &evidence);
    (void)tsm->remove(path);
    TRY(r);
    TRY(check(*root, cella_buffer_bytes(&evidence), report_data));
    return cella_buffer_append(out, cella_buffer_bytes(&evidence));
}
