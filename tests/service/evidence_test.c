/* Evidence of the server itself, on a double of the kernel's report interface: a report over the
 * key, or nothing, and never a claim without one. */
#include "service/evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <setjmp.h>
#include <cmocka.h>

#include "base/memory.h"
#include "crypto/digest.h"
#include "platform/root_tsm.h"

enum { REPORT = 1184, REPORT_DATA = 0x50 };

static struct {
    char folder[64], request[128];
    const char *provider;
    bool other_data;
    pthread_t thread;
} kernel;

static void path_of(const char *name, char path[192]) {
    snprintf(path, 192, "%s/%s", kernel.request, name);
}

static void put(const char *name, const void *bytes, size_t size) {
    char path[192];
    path_of(name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

/* Reading outblob blocks until the report is there, as in the kernel. */
static void *firmware(void *unused) {
    char path[192];
    uint8_t report[REPORT] = {2};
    (void)unused;
    report[0x34] = 1; /* signed by ECDSA P-384 */
    report[0x0a] = 2; /* policy: bit 17, which must be one */
    path_of("outblob", path);
    int out = open(path, O_WRONLY);
    path_of("inblob", path);
    int in = open(path, O_RDONLY);
    if (in >= 0 && read(in, report + REPORT_DATA, 64) == 64 && kernel.other_data)
        report[REPORT_DATA] ^= 1;
    close(in);
    put("generation", "1\n", 2);
    if (write(out, report, sizeof(report)) != sizeof(report)) abort();
    close(out);
    return NULL;
}

static int make(const char *path, mode_t mode) {
    char outblob[192];
    if (mkdir(path, mode) != 0) return -1;
    snprintf(kernel.request, sizeof(kernel.request), "%s", path);
    put("provider", kernel.provider, strlen(kernel.provider));
    put("inblob", "", 0);
    put("generation", "0\n", 2);
    path_of("outblob", outblob);
    if (mkfifo(outblob, 0600) != 0) return -1;
    return pthread_create(&kernel.thread, NULL, firmware, NULL);
}

static int take_away(const char *path) {
    static const char *const names[] = {"provider", "inblob", "generation", "outblob"};
    char file[192];
    path_of("outblob", file);
    int fd = open(file, O_RDONLY | O_NONBLOCK); /* so that the thread's open ends */
    pthread_join(kernel.thread, NULL);
    if (fd >= 0) close(fd);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        path_of(names[i], file);
        (void)unlink(file);
    }
    return rmdir(path);
}

static struct cella_tsm double_of(const char *provider, bool other_data) {
    snprintf(kernel.folder, sizeof(kernel.folder), "/tmp/cella-tsm-XXXXXX");
    assert_non_null(mkdtemp(kernel.folder));
    kernel.provider = provider;
    kernel.other_data = other_data;
    return (struct cella_tsm){kernel.folder, make, take_away};
}

static const char key[] = "what stands for a SubjectPublicKeyInfo";

static void reports_over_the_key(void **state) {
    (void)state;
    struct cella_tsm tsm = double_of("sev_guest\n", false);
    CELLA_BUFFER der = {0};
    uint8_t wanted[64] = {0};
    assert_true(cella_service_evidence_offered(&tsm));
    assert_false(cella_failed(cella_service_evidence_over(&tsm, cella_bytes_text(key), &der)));
    assert_int_equal(rmdir(kernel.folder), 0);
    static const uint8_t head[] = {0x04, 0x82, REPORT >> 8, REPORT & 0xff};
    assert_int_equal(der.size, sizeof(head) + REPORT);
    assert_memory_equal(der.data, head, sizeof(head));
    assert_false(cella_failed(cella_sha256(cella_bytes_text(key), wanted)));
    assert_memory_equal(der.data + sizeof(head) + REPORT_DATA, wanted, sizeof(wanted));
}

static void claims_nothing_else(void **state) {
    (void)state;
    CELLA_BUFFER der = {0};
    struct cella_tsm other = double_of("sev_guest\n", true);
    assert_false(cella_failed(cella_service_evidence_over(&other, cella_bytes_text(key), &der)));
    assert_int_equal(der.size, 0);
    assert_int_equal(rmdir(kernel.folder), 0);
    struct cella_tsm unknown = double_of("somebody_else\n", false);
    assert_false(cella_failed(cella_service_evidence_over(&unknown, cella_bytes_text(key), &der)));
    assert_int_equal(der.size, 0);
    assert_int_equal(rmdir(kernel.folder), 0);
    struct cella_tsm none = {"/tmp/cella-tsm-there-is-none", mkdir, rmdir};
    assert_false(cella_service_evidence_offered(&none));
    assert_false(cella_failed(cella_service_evidence_over(&none, cella_bytes_text(key), &der)));
    assert_int_equal(der.size, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_over_the_key),
        cmocka_unit_test(claims_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
