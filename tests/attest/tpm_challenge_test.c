/* Challenges of the TPM protocol: once, in time, for the caller who asked (threats.md A14). */
#include "attest/tpm_challenge.h"
#include "stand.h"

enum { THREADS = 64 };

static void start(struct stand *stand) {
    stand_make(stand, CELLA_ATTEST_AAD);
    GOOD(cella_tpm_challenges_migrate(stand->database));
}
static void finish(struct stand *stand) { stand_remove(stand); }

static void test_challenge(void **state) {
    (void)state;
    struct stand stand, other;
    uint8_t challenge_bytes[CELLA_TPM_CHALLENGE_SIZE], second[CELLA_TPM_CHALLENGE_SIZE];
    CELLA_BUFFER context = {0}, another = {0};
    struct cella_caller bob = *a_caller();
    const uint64_t now = 1000000;
    snprintf(bob.object, sizeof(bob.object), "bob");
    start(&stand);
    start(&other);
    const struct cella_attest_instance *i = &stand.instance;
    struct cella_bytes given = CELLA_BYTES_OF(challenge_bytes);
    GOOD(cella_tpm_challenge_new(i, a_caller(), now, challenge_bytes, &context));
    GOOD(cella_tpm_challenge_new(i, a_caller(), now, second, &another));
    assert_memory_not_equal(challenge_bytes, second, sizeof(second));
    struct cella_bytes sealed = cella_buffer_bytes(&context);
    REFUSED(cella_tpm_challenge_use(i, &bob, now, given, sealed), CELLA_ERR_PERMISSION);
    REFUSED(cella_tpm_challenge_use(i, NULL, now, given, sealed), CELLA_ERR_PERMISSION);
    REFUSED(cella_tpm_challenge_use(i, a_caller(), now + 301, given, sealed), CELLA_ERR_EXPIRED);
    REFUSED(cella_tpm_challenge_use(i, a_caller(), now - 61, given, sealed), CELLA_ERR_EXPIRED);
    REFUSED(cella_tpm_challenge_use(i, a_caller(), now, CELLA_BYTES_OF(second), sealed),
            CELLA_ERR_INTEGRITY);
    REFUSED(cella_tpm_challenge_use(i, a_caller(), now, cella_bytes(challenge_bytes, 31), sealed),
            CELLA_ERR_INTEGRITY);
    REFUSED(cella_tpm_challenge_use(&other.instance, a_caller(), now, given, sealed),
            CELLA_ERR_INTEGRITY); /* another service's */
    for (size_t at = 0; at < context.size; at++) {
        context.data[at] ^= 1;
        REFUSED(cella_tpm_challenge_use(i, a_caller(), now, given, sealed), CELLA_ERR_INTEGRITY);
        context.data[at] ^= 1;
        REFUSED(cella_tpm_challenge_use(i, a_caller(), now, given, cella_bytes(context.data, at)),
                CELLA_ERR_INTEGRITY);
    }
    GOOD(cella_tpm_challenge_use(i, a_caller(), now + 300, given, sealed));
    REFUSED(cella_tpm_challenge_use(i, a_caller(), now + 300, given, sealed), CELLA_ERR_EXISTS);
    REFUSED(cella_tpm_challenge_use(i, a_caller(), now, given, sealed), CELLA_ERR_EXISTS);
    /* The other one's use, long after, forgets the first; its age still refuses it. */
    GOOD(cella_tpm_challenge_use(i, a_caller(), now, CELLA_BYTES_OF(second),
                                 cella_buffer_bytes(&another)));
    finish(&other);
    finish(&stand);
}

struct race {
    struct stand *stand;
    struct cella_bytes challenge, context;
    uint64_t now;
    pthread_barrier_t barrier;
    _Atomic int won, lost, broken;
};

static void *run_race(void *context) {
    struct race *race = context;
    pthread_barrier_wait(&race->barrier);
    struct cella_result r = cella_tpm_challenge_use(&race->stand->instance, a_caller(), race->now,
                                                    race->challenge, race->context);
    if (!cella_failed(r))
        race->won++;
    else if (cella_code_of(r) == CELLA_ERR_EXISTS)
        race->lost++;
    else
        race->broken++;
    cella_result_drop(r);
    return NULL;
}

static void test_race(void **state) {
    (void)state;
    struct stand stand;
    uint8_t bytes[CELLA_TPM_CHALLENGE_SIZE];
    CELLA_BUFFER context = {0};
    pthread_t threads[THREADS];
    start(&stand);
    GOOD(cella_tpm_challenge_new(&stand.instance, a_caller(), 1000, bytes, &context));
    struct race race = {.stand = &stand,
                        .challenge = CELLA_BYTES_OF(bytes),
                        .context = cella_buffer_bytes(&context),
                        .now = 1000};
    pthread_barrier_init(&race.barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_race, &race), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&race.barrier);
    assert_int_equal(race.won, 1);
    assert_int_equal(race.lost, THREADS - 1);
    assert_int_equal(race.broken, 0);
    finish(&stand);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_challenge),
        cmocka_unit_test(test_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
