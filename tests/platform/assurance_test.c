/* T8, T9: the level follows the settings, read anew each time, and never exceeds what they prove.
 */
#include "cmocka_all.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "platform/assurance.h"
#include "platform/capscan.h"

static char root[64];
static struct cella_settings_source source;
static struct cella_assurance_state got;

static void put(const char *path, const char *text) {
    char full[256], folder[256];
    snprintf(full, sizeof(full), "%s%s", root, path);
    snprintf(folder, sizeof(folder), "%s", full);
    *strrchr(folder, '/') = 0;
    assert_ok(cella_file_make_folder(folder, 0755));
    assert_ok(cella_file_write(full, cella_bytes_text(text), 0644, 0));
}

static void drop(const char *path) {
    char full[256];
    snprintf(full, sizeof(full), "%s%s", root, path);
    assert_int_equal(unlink(full), 0);
}

static void put_process(const char *pid, const char *permitted, const char *bounding,
                        bool kernel_thread) {
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/%s/status", pid);
    snprintf(text, sizeof(text),
             "Name:\tdaemon %s\nState:\tS "
             "(sleeping)\n%sCapInh:\t0\nCapPrm:\t%s\nCapEff:\t0\nCapBnd:\t%s\n",
             pid, kernel_thread ? "" : "VmSize:\t  100 kB\n", permitted, bounding);
    put(path, text);
}

/* A machine that gives S2. */
static int make_machine(void **state) {
    (void)state;
    strcpy(root, "/tmp/cella-assurance-XXXXXX");
    assert_non_null(mkdtemp(root));
    put("/proc/cmdline", "quiet proc_mem.force_override=never\n");
    put("/proc/sys/kernel/random/boot_id", "00112233-4455-6677-8899-aabbccddeeff\n");
    put("/proc/sys/kernel/yama/ptrace_scope", "3\n");
    put("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    put("/proc/sys/kernel/modules_disabled", "1\n");
    put("/proc/sys/kernel/kexec_load_disabled", "1\n");
    put("/sys/kernel/kexec_crash_loaded", "0\n");
    put("/proc/sys/kernel/usermodehelper/bset", "0\t0\n");
    put("/proc/sys/kernel/perf_event_paranoid", "3\n");
    put("/proc/sys/kernel/unprivileged_bpf_disabled", "2\n");
    put("/proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n");
    put_process("1", "0", "0", false);
    put_process("2", "ffffffffffffffff", "ffffffffffffffff", true);   /* kthreadd */
    put_process("40", "0000000000000400", "0000000000000400", false); /* NET_BIND_SERVICE */
    put("/proc/self/ns/keep", "");
    char link[256];
    snprintf(link, sizeof(link), "%s/proc/self/ns/pid", root);
    assert_int_equal(symlink("pid:[4026531836]", link), 0);
    assert_ok(cella_settings_source_open(root, &source));
    return 0;
}

static int remove_machine(void **state) {
    (void)state;
    char command[128];
    cella_settings_source_close(&source);
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

static enum cella_assurance level(void) {
    cella_assurance_derive(&source, true, false, &got);
    return got.level;
}

static void test_s2_and_what_it_says(void **state) {
    (void)state;
    assert_int_equal(level(), CELLA_ASSURANCE_S2);
    assert_string_equal(cella_settings_value(&got.settings, CELLA_SETTING_LOCKDOWN), "integrity");
    assert_string_equal(cella_settings_value(&got.settings, CELLA_SETTING_SWAP), "1");
    assert_string_equal(cella_settings_value(&got.settings, CELLA_SETTING_FORCE_OVERRIDE), "never");
    assert_string_equal(cella_settings_value(&got.settings, CELLA_SETTING_CAPABILITIES),
                        "none outside");
    assert_int_equal(source.boot_id[15], 0xff);
    assert_int_equal(got.weakness[0], 0);
    assert_int_equal(got.blocker_count, 1); /* S3 is never given here */
}

/* Each line alone must lower the level, and say so. */
static void test_each_setting_lowers(void **state) {
    (void)state;
    static const struct {
        const char *path, *value, *good;
        enum cella_assurance level;
    } cases[] = {
        {"/proc/sys/kernel/yama/ptrace_scope", "2\n", "3\n", CELLA_ASSURANCE_S0},
        {"/proc/sys/kernel/yama/ptrace_scope", "30\n", "3\n", CELLA_ASSURANCE_S0},
        {"/proc/sys/kernel/yama/ptrace_scope", "", "3\n", CELLA_ASSURANCE_S0},
        {"/proc/sys/kernel/yama/ptrace_scope", NULL, "3\n", CELLA_ASSURANCE_S0},
        {"/sys/kernel/security/lockdown", "[none] integrity confidentiality\n",
         "none [integrity] confidentiality\n", CELLA_ASSURANCE_S1},
        {"/sys/kernel/security/lockdown", NULL, "none integrity [confidentiality]\n",
         CELLA_ASSURANCE_S1},
        {"/proc/sys/kernel/modules_disabled", "0\n", "1\n", CELLA_ASSURANCE_S1},
        {"/proc/sys/kernel/kexec_load_disabled", "0\n", "1\n", CELLA_ASSURANCE_S1},
        {"/sys/kernel/kexec_crash_loaded", "1\n", "0\n", CELLA_ASSURANCE_S1},
        {"/proc/sys/kernel/usermodehelper/bset", "4294967295\t511\n", "0\t0\n", CELLA_ASSURANCE_S1},
        {"/proc/sys/kernel/usermodehelper/bset", "0\n", "0\t0\n", CELLA_ASSURANCE_S1},
        {"/proc/sys/kernel/usermodehelper/bset", NULL, "0\t0\n", CELLA_ASSURANCE_S1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(level(), CELLA_ASSURANCE_S2);
        if (cases[i].value)
            put(cases[i].path, cases[i].value);
        else
            drop(cases[i].path);
        assert_int_equal(level(), cases[i].level);
        assert_true(got.blocker_count > 0);
        put(cases[i].path, cases[i].good);
    }
    assert_int_equal(level(), CELLA_ASSURANCE_S2);
}

static void test_absent_modules_and_kexec_are_closed(void **state) {
    (void)state;
    drop("/proc/sys/kernel/modules_disabled");
    drop("/proc/sys/kernel/kexec_load_disabled");
    drop("/sys/kernel/kexec_crash_loaded");
    assert_int_equal(level(), CELLA_ASSURANCE_S2);
    put("/proc/sys/kernel/modules_disabled", "0\n");
    assert_int_equal(level(), CELLA_ASSURANCE_S1);
    put("/sys/module/module/parameters/sig_enforce", "Y\n");
    assert_int_equal(level(), CELLA_ASSURANCE_S2);
}

static void test_capabilities(void **state) {
    (void)state;
    static const int dangerous[] = {16, 17, 19, 21, 22, 38, 39, 40};
    for (size_t i = 0; i < 8; i++) {
        char mask[32];
        snprintf(mask, sizeof(mask), "%016llx", 1ULL << dangerous[i]);
        put_process("77", mask, "0", false);
        assert_int_equal(level(), CELLA_ASSURANCE_S1);
        put_process("77", "0", mask, false); /* bounding alone: one exec away */
        assert_int_equal(level(), CELLA_ASSURANCE_S1);
        assert_non_null(strstr(cella_settings_value(&got.settings, CELLA_SETTING_CAPABILITIES),
                               "77 daemon 77"));
        put_process("77", "0", "0", false);
        assert_int_equal(level(), CELLA_ASSURANCE_S2);
    }
    put("/proc/78/status",
        "Name:\tx\nState:\tS\nVmSize:\t1 kB\n"); /* says nothing of its capabilities */
    assert_int_equal(level(), CELLA_ASSURANCE_S1);
}

/* hidepid, or a pid namespace: what is not seen proves nothing. */
static void test_scan_must_see_all(void **state) {
    (void)state;
    char path[256];
    snprintf(path, sizeof(path), "%s/proc/self/ns/pid", root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(level(), CELLA_ASSURANCE_S1);
    assert_int_equal(symlink("pid:[4026532000]", path), 0);
    assert_int_equal(level(), CELLA_ASSURANCE_S1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("pid:[4026531836]", path), 0);
    assert_int_equal(level(), CELLA_ASSURANCE_S2);
    drop("/proc/1/status");
    snprintf(path, sizeof(path), "%s/proc/1", root);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(level(), CELLA_ASSURANCE_S1);
}

static void test_private_memory_holds_s0(void **state) {
    (void)state;
    cella_assurance_derive(&source, false, false, &got);
    assert_int_equal(got.level, CELLA_ASSURANCE_S0);
    assert_string_equal(cella_settings_value(&got.settings, CELLA_SETTING_CAPABILITIES),
                        "not scanned below S1");
    cella_assurance_derive(&source, false, true, &got);
    assert_string_equal(cella_settings_value(&got.settings, CELLA_SETTING_CAPABILITIES),
                        "none outside");
}

static void test_weakness_against_users(void **state) {
    (void)state;
    put("/proc/sys/kernel/perf_event_paranoid", "-1\n");
    put("/proc/sys/kernel/unprivileged_bpf_disabled", "0\n");
    (void)level();
    assert_non_null(strstr(got.weakness, "perf"));
    assert_non_null(strstr(got.weakness, "bpf"));
}

static void test_hostile_values(void **state) {
    (void)state;
    char huge[3000];
    memset(huge, 'A', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = 0;
    put("/proc/sys/kernel/core_pattern", huge);
    put("/sys/kernel/security/lockdown", "]][[");
    assert_int_equal(level(), CELLA_ASSURANCE_S1);
    assert_int_equal(strlen(cella_settings_value(&got.settings, CELLA_SETTING_CORE_PATTERN)),
                     CELLA_SETTING_VALUE_MAX - 1);
    assert_false(cella_capscan_mask_is_clean("0 0 0"));
    assert_false(cella_capscan_mask_is_clean(""));
    assert_false(cella_capscan_mask_is_clean("524288 0")); /* SYS_PTRACE */
    assert_true(cella_capscan_mask_is_clean("1024 0"));
}

/* The machine itself: whatever it says, reading must work and stay consistent. */
static void test_this_machine(void **state) {
    (void)state;
    struct cella_settings_source real;
    struct cella_assurance_state a, b;
    assert_ok(cella_settings_source_open("", &real));
    cella_assurance_derive(&real, true, false, &a);
    cella_assurance_derive(&real, true, false, &b);
    assert_int_equal(a.level, b.level);
    for (int i = 0; i < CELLA_SETTING_COUNT; i++)
        assert_true(a.settings.list[i].value[0] || i == CELLA_SETTING_CORE_PATTERN);
    cella_settings_source_close(&real);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_machine, remove_machine)
int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_s2_and_what_it_says),
        CASE(test_each_setting_lowers),
        CASE(test_absent_modules_and_kexec_are_closed),
        CASE(test_capabilities),
        CASE(test_scan_must_see_all),
        CASE(test_private_memory_holds_s0),
        CASE(test_weakness_against_users),
        CASE(test_hostile_values),
        CASE(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
