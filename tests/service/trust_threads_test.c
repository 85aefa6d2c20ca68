/* The set between threads: taken, used and dropped by many while it is replaced again and again. */
#include <cella/verify.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <setjmp.h>
#include <cmocka.h>

#include "attest/trust.h"
#include "base/file.h"

enum { THREADS = 4, REPLACEMENTS = 60 };

static struct cella_trust *trust;
static atomic_bool end;
static atomic_uint verified;

static void *requests(void *context) {
    static const uint8_t evidence[432] = {3, 0, 2};
    struct cella_evidence_options options = {.time_unix = 1800000000};
    (void)context;
    while (!atomic_load(&end)) {
        void *hold;
        CELLA_VERIFICATION v = {0};
        const struct cella_collateral *set = cella_trust_take(trust, &hold);
        struct cella_result r = cella_verify(CELLA_BYTES_OF(evidence), set, &options, &v);
        cella_trust_drop(trust, hold);
        if (cella_failed(r) || v.verdict == CELLA_VERIFY_ACCEPTED) abort();
        atomic_fetch_add(&verified, 1);
        cella_trust_want(trust, CELLA_BYTES_OF(evidence));
        struct cella_trust_state state;
        cella_trust_state(trust, 0, &state);
    }
    return NULL;
}

static void replaces_under_requests(void **state) {
    (void)state;
    char folder[] = "/tmp/cella-trust-XXXXXX", file[64], text[32];
    const char *path = folder;
    pthread_t thread[THREADS];
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof(file), "%s/note.txt", folder);
    struct cella_trust_settings settings = {.path = &path, .path_count = 1};
    assert_false(cella_failed(cella_trust_new(&settings, &trust)));
    void *hold, *first_hold;
    const struct cella_collateral *first = cella_trust_take(trust, &first_hold);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, requests, NULL), 0);
    for (int i = 0; i < REPLACEMENTS; i++) {
        snprintf(text, sizeof(text), "no collateral, %d", i);
        assert_false(cella_failed(cella_file_write(file, cella_bytes_text(text), 0600, 0)));
        assert_false(cella_failed(cella_trust_tend(trust, (uint64_t)time(NULL))));
        usleep(1000);
    }
    atomic_store(&end, true);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    assert_true(atomic_load(&verified) > REPLACEMENTS);
    assert_ptr_not_equal(cella_trust_take(trust, &hold), first); /* still there, and another */
    cella_trust_drop(trust, hold);
    cella_trust_drop(trust, first_hold);
    cella_trust_free(&trust);
    assert_int_equal(unlink(file) || rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_under_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
