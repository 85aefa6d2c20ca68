/* What stands is always one policy whole, and all that was answered: through races, other
 * processes, a log or a disk without room, and kill -9. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "attest/policies_inner.h"
#include "stand_policies.h"

/* --- K22: no change without its line --- */

static void no_change_without_audit(void **state) {
    (void)state;
    struct stand stand;
    struct stat log;
    struct rlimit none, before;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_close(&stand);
    stand.in_memory = true; /* so that the log alone runs out of room */
    stand_open(&stand);
    stand_start(&stand);
    SET(&stand, CELLA_ATTEST_SNP, UNSECURED_PERMIT);
    assert_int_equal(stat(stand_path(&stand, "audit.log"), &log), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = (struct rlimit){(rlim_t)log.st_size, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    ANSWER set = {0}, gone = {0}, refused = {0};
    put(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT, &set);
    reset(&stand, CELLA_ATTEST_SNP, RESET, &gone);
    put(&stand, CELLA_ATTEST_SGX, "hello", &refused); /* nor is a refusal left out */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(set.status >= 500 && gone.status >= 500 && refused.status >= 500);
    assert_false(stands(&stand, CELLA_ATTEST_SGX, PERMIT));
    assert_true(stands(&stand, CELLA_ATTEST_SNP, PERMIT));
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    assert_true(stands(&stand, CELLA_ATTEST_SGX, PERMIT));
    stand_remove(&stand);
}

/* A disk that is full: refused as our fault, said so in the log, and nothing is changed. */
static void a_full_disk_changes_nothing(void **state) {
    (void)state;
    enum { ROOM = 64 << 10, LARGE = 200 << 10 };
    struct stand stand;
    struct rlimit none, before;
    char *policy = malloc(LARGE + 1);
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    memset(policy, ' ', LARGE);
    memcpy(policy, DENY, sizeof(DENY) - 1);
    policy[LARGE] = 0;
    char *jws = policy_jws(NULL, policy);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = (struct rlimit){ROOM, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    ANSWER full = {0}, read = {0};
    put(&stand, CELLA_ATTEST_SGX, jws, &full);
    get(&stand, CELLA_ATTEST_SGX, &read);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(full.status, 503);
    assert_string_equal(claim_text(&read, "x-ms-policy"), UNSECURED_PERMIT);
    assert_true(stands(&stand, CELLA_ATTEST_SGX, PERMIT));
    assert_int_equal(audited(&stand, "\"failed\""), 1);
    SET(&stand, CELLA_ATTEST_SGX, jws);
    assert_true(stands(&stand, CELLA_ATTEST_SGX, policy));
    free(policy), free(jws);
    stand_remove(&stand);
}

/* --- Races, other processes, kill -9 --- */

enum { RACE_TEXTS = 4, RACE_WRITES = 25 };
struct race {
    struct stand *stand;
    char *text[RACE_TEXTS], *jws[RACE_TEXTS], hash[RACE_TEXTS][44];
    _Atomic bool over;
    _Atomic unsigned reads;
};

static void *race_writes(void *context) {
    struct race *race = context;
    for (unsigned i = 0; i < RACE_WRITES; i++)
        SET(race->stand, CELLA_ATTEST_SGX, race->jws[(i + (unsigned)gettid()) % RACE_TEXTS]);
    return NULL;
}

/* Each policy that is lent is one whole: its hash is that of its text, and it stays while lent. */
static void *race_reads(void *context) {
    struct race *race = context;
    while (!race->over) {
        const struct cella_policy_entry *entry = NULL;
        char hash[44];
        GOOD(cella_policies_take(race->stand->instance.policies, CELLA_ATTEST_SGX, &entry));
        GOOD(cella_policy_hash(entry->text, hash));
        assert_string_equal(hash, entry->hash);
        bool known = entry->is_default;
        for (unsigned i = 0; i < RACE_TEXTS; i++) known |= strcmp(hash, race->hash[i]) == 0;
        assert_true(known);
        cella_policies_drop(race->stand->instance.policies, entry);
        race->reads++;
    }
    return NULL;
}

static void race_fill(struct race *race) {
    for (unsigned i = 0; i < RACE_TEXTS; i++) {
        if (asprintf(&race->text[i],
                     "version=1.0; authorizationrules{=> permit();}; "
                     "issuancerules{=> issue(type=\"n\", value=\"%0*u\");};",
                     (int)(10 + 1000 * i), i) < 0)
            abort();
        race->jws[i] = policy_jws(NULL, race->text[i]);
        GOOD(cella_policy_hash(cella_bytes_text(race->text[i]), race->hash[i]));
    }
}
static void race_free(struct race *race) {
    for (unsigned i = 0; i < RACE_TEXTS; i++) free(race->text[i]), free(race->jws[i]);
}

static void reads_never_see_a_mix(void **state) {
    (void)state;
    struct stand stand;
    struct race race = {.stand = &stand};
    pthread_t writer[2], reader[2];
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    race_fill(&race);
    for (int i = 0; i < 2; i++) pthread_create(&reader[i], NULL, race_reads, &race);
    for (int i = 0; i < 2; i++) pthread_create(&writer[i], NULL, race_writes, &race);
    for (int i = 0; i < 2; i++) pthread_join(writer[i], NULL);
    race.over = true;
    for (int i = 0; i < 2; i++) pthread_join(reader[i], NULL);
    assert_true(race.reads > RACE_WRITES);
    /* what stands in memory is what the store has last */
    const struct cella_policy_entry *entry = NULL;
    ANSWER read = {0};
    GOOD(cella_policies_take(stand.instance.policies, CELLA_ATTEST_SGX, &entry));
    get(&stand, CELLA_ATTEST_SGX, &read);
    char *jws = NULL;
    for (unsigned i = 0; i < RACE_TEXTS; i++)
        if (strcmp(entry->hash, race.hash[i]) == 0) jws = race.jws[i];
    assert_non_null(jws);
    assert_string_equal(claim_text(&read, "x-ms-policy"), jws);
    cella_policies_drop(stand.instance.policies, entry);
    race_free(&race);
    stand_remove(&stand);
}

/* Of two that come at once the later commit stands, whichever is taken over last. */
static void the_later_commit_stands(void **state) {
    (void)state;
    struct stand stand;
    struct policy_item *late = NULL;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    assert_true(stands(&stand, CELLA_ATTEST_SGX, PERMIT)); /* the look at the store is done */
    GOOD(policy_item_default(CELLA_ATTEST_SGX, &late));
    late->version = 1;
    policies_install(stand.instance.policies, CELLA_ATTEST_SGX, late);
    assert_true(stands(&stand, CELLA_ATTEST_SGX, PERMIT));
    stand_remove(&stand);
}

static void a_lent_policy_stays(void **state) {
    (void)state;
    struct stand stand;
    const struct cella_policy_entry *entry = NULL;
    CELLA_POLICY_OUTCOME outcome = {0};
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    GOOD(cella_policies_take(stand.instance.policies, CELLA_ATTEST_SGX, &entry));
    char *deny = policy_jws(NULL, DENY);
    SET(&stand, CELLA_ATTEST_SGX, deny);
    GOOD(cella_policy_evaluate(entry->policy, NULL, 0, false, &outcome));
    assert_int_equal(outcome.verdict, CELLA_POLICY_PERMITTED);
    assert_memory_equal(entry->text.data, PERMIT, strlen(PERMIT));
    cella_policies_drop(stand.instance.policies, entry);
    free(deny);
    stand_remove(&stand);
}

static void processes_agree(void **state) {
    (void)state;
    struct stand stand, other;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    other = stand;
    other.instance.tokens = NULL, other.instance.policies = NULL;
    stand_open(&other);
    stand_start(&other);
    SET(&stand, CELLA_ATTEST_SGX, UNSECURED_PERMIT);
    ANSWER read = {0};
    get(&other, CELLA_ATTEST_SGX, &read); /* at once for who asks for the policy ... */
    assert_string_equal(claim_text(&read, "x-ms-policy"), UNSECURED_PERMIT);
    char *deny = policy_jws(NULL, DENY);
    SET(&stand, CELLA_ATTEST_SGX, deny);
    usleep(1100 * 1000); /* ... and within a second for who is judged by it */
    assert_true(stands(&other, CELLA_ATTEST_SGX, DENY));
    ANSWER gone = {0};
    reset(&other, CELLA_ATTEST_SGX, RESET, &gone);
    usleep(1100 * 1000);
    assert_false(stands(&stand, CELLA_ATTEST_SGX, DENY));
    free(deny);
    stand_close(&other);
    stand_remove(&stand);
}

/* Sets policies in turn, and writes the number of each that was answered, until it is killed. */
static void set_until_killed(struct stand *stand, const struct race *race, int out) {
    stand_open(stand);
    stand_start(stand);
    for (unsigned i = 0;; i++) {
        ANSWER set = {0};
        unsigned number = i % RACE_TEXTS;
        put(stand, CELLA_ATTEST_SGX, race->jws[number], &set);
        if (set.status != 200 || write(out, &number, sizeof(number)) != sizeof(number)) _exit(1);
    }
}

static void kill_9_loses_nothing(void **state) {
    (void)state;
    enum { KILLS = 12 };
    struct stand stand;
    struct race race = {.stand = &stand};
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_start(&stand);
    race_fill(&race);
    CELLA_BUFFER before = {0};
    GOOD(cella_tokens_keyset(stand.instance.tokens, &before));
    stand_close(&stand);
    for (unsigned kills = 0; kills < KILLS; kills++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        if (child == 0) set_until_killed(&stand, &race, pipes[1]);
        assert_true(child > 0);
        close(pipes[1]);
        unsigned answered = RACE_TEXTS, number;
        /* after the first answer, at some point of the following ones */
        if (read(pipes[0], &answered, sizeof(answered)) != sizeof(answered)) fail();
        usleep((useconds_t)(rand() % 20000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(pipes[0], &number, sizeof(number)) == sizeof(number)) answered = number;
        close(pipes[0]);
        stand_open(&stand);
        stand_start(&stand);
        /* the last that was answered, or the one that was under way */
        assert_true(stands(&stand, CELLA_ATTEST_SGX, race.text[answered]) ||
                    stands(&stand, CELLA_ATTEST_SGX, race.text[(answered + 1) % RACE_TEXTS]));
        CELLA_BUFFER after = {0};
        GOOD(cella_tokens_keyset(stand.instance.tokens, &after));
        assert_int_equal(after.size, before.size);
        assert_memory_equal(after.data, before.data, before.size);
        stand_close(&stand);
    }
    race_free(&race);
    stand_remove(&stand);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_change_without_audit), cmocka_unit_test(a_full_disk_changes_nothing),
        cmocka_unit_test(reads_never_see_a_mix),   cmocka_unit_test(the_later_commit_stands),
        cmocka_unit_test(a_lent_policy_stays),     cmocka_unit_test(processes_agree),
        cmocka_unit_test(kill_9_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
