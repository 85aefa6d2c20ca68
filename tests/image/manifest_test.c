#include "sample.h"

#include "image/manifest.h"

#define VAULT     "[vault]\nattest = https://t:8445\nca = c\n"
#define KEY       "[key k]\nvault = https://v/keys/k\n"
#define DATA      "[mount /a]\ntype = protected\nhost = x\n"
#define LONG_NAME /* 65 bytes: a vault's may have 127, an enclave's 64 */                          \
    "01234567012345670123456701234567012345670123456701234567012345678"

static const char *const bad[][2] = {
    /* text, what the message must say */
    {"x = 1\n", "m:1: 'x' stands before"},
    {"[enclave]\nproduct = 1\n", "m:2: unknown setting 'product'"},
    {"[enclav]\n", "m:1: unknown section [enclav]"},
    {"[enclave]\nnonsense\n", "m:2: expected NAME = VALUE"},
    {"[enclave]\nheap = 1M\n\n; note\nheap = 2M\n",
     "m:5: [enclave] heap was already set in line 2"},
    {"[enclave]\n[enclave]\n", "m:2: [enclave] was already begun in line 1"},
    {"[enclave\n", "m:1: expected ']'"},
    {"[enclave] heap = 1M\n", "m:1: expected nothing after"},
    {"[enclave]\nproduct_id = 65536\n",
     "m:2: product_id: expected a number from 0 to 65535, found '65536'"},
    {"[enclave]\nproduct_id = -1\n", "found '-1'"},
    {"[enclave]\nproduct_id = 01\n", "found '01'"},
    {"[enclave]\nproduct_id =\n", "found ''"},
    {"[enclave]\nsecurity_version = 1x\n", "found '1x'"},
    {"[enclave]\nthreads = 0\n", "expected a number from 1 to 64"},
    {"[enclave]\nthreads = 65\n", "expected a number from 1 to 64"},
    {"[enclave]\ndebug = true\n", "debug: expected yes or no"},
    {"[enclave]\nheap = 1\n", "heap: expected a size"},
    {"[enclave]\nheap = 4m\n", "heap: expected a size"},
    {"[enclave]\nheap = 99999G\n", "heap: expected a size"},
    {"[enclave]\nheap = 18446744073709551615G\n", "heap: expected a size"},
    {"[enclave]\nstack = 2G\n", "stack: expected a size"},
    {"[enclave]\ncalls = 63K\n", "calls: expected a size from 64K to 32M"},
    {"[enclave]\ncalls = 33M\n", "calls: expected a size"},
    {"[enclave]\ncalls = 65537\n", "in whole pages of 4K, found '65537'"},
    {"[enclave]\nconfig_id = 123\n", "config_id"},
    {"[enclave]\nconfig_id = zz\n", "config_id"},
    {"[enclave]\nmemory = public\n", "memory: expected secret"},
    {"[enclave]\nhost_signals = KILL\n", "host_signals"},
    {"[enclave]\nhost_signals = SEGV\n", "host_signals"},
    {"[enclave]\ndate = 2026-13-01\n", "date: expected YYYY-MM-DD"},
    {"[enclave]\npath = app\n", "path: expected an absolute path"},
    {"[enclave]\nkeys = a b/c\n", "expected a key's name"},
    {"[key a/b]\n", "expected a key's name"},
    {"[key a]\nid = 0011\n", "id: expected the 64 hex digits"},
    {"[key a]\nkey = x\n", "unknown setting 'key' in [key]"},
    {"[arguments]\n2 = x\n1 = y\nhost = maybe\n", "m:4: host: expected yes or no"},
    {"[arguments]\n1 = x\n3 = y\n", "number 2 is missing"},
    {"[arguments]\n64 = x\n", "expected 'host' or a number"},
    {"[arguments]\nfoo = x\n", "expected 'host' or a number"},
    {"[mount]\n", "unknown section [mount]"},
    {"[mount data]\ntype = shared\nhost = x\n", "m:1: [mount]: expected an absolute path"},
    {"[mount /a/../b]\ntype = shared\nhost = x\n", "expected an absolute path"},
    {"[mount /dev/cella]\ntype = shared\nhost = x\n", "/dev belongs to the enclave"},
    {"[mount /sys]\ntype = shared\nhost = x\n", "/sys belongs to the enclave"},
    {"\n[mount /a]\nhost = x\n", "m:2: [mount]: expected a type"},
    {"[mount /a]\ntype = shared\n", "expected the host's folder"},
    {"[mount /a]\ntype = open\nhost = x\n",
     "m:2: type: expected protected, trusted or shared, found 'open'"},
    {"[mount /a]\ntype = protected\nhost = x\n", "a protected mount needs a key"},
    {"[mount /a]\ntype = shared\nhost = x\nkey = seal:enclave\n", "would encrypt nothing"},
    {"[mount /a]\ntype = protected\nhost = x\nkey = named:\n", "expected a key's name"},
    {"[mount /a]\ntype = protected\nhost = x\nkey = seal\n", "key: expected named:NAME"},
    {"[mount /a]\ntype = trusted\nhost = x\nfiles = *\nwritable = yes\n", "cannot be writable"},
    {"[mount /a]\ntype = trusted\nhost = x\n", "needs files"},
    {"[mount /a]\ntype = shared\nhost = x\nfiles = *\n", "trusted mounts only"},
    {"[mount /a]\ntype = shared\nhost = x\n[mount   /a]\ntype = shared\nhost = y\n",
     "m:4: [mount /a] was already begun in line 1"},
    {"[mount /a]\ncolour = red\n", "m:2: unknown setting 'colour'"},
    {"[program /bin/x]\n", "expected the program's file"},
    {"[program x]\nfile = y\n", "[program]: expected an absolute path"},
    {"[program /app]\nfile = y\n", "another program has the same path"},
    {"[enclave]\nheap = 1M\001\n", "m:2: a control character (byte 0x01)"},
    /* keys of a vault */
    {"[vault]\n", "m:1: [vault]: no key is of a vault"},
    {VAULT, "m:1: [vault]: no key is of a vault"},
    {VAULT "[key k]\n", "m:1: [vault]: no key is of a vault"},
    {VAULT "[enclave]\nkeys = k\n", "m:1: [vault]: no key is of a vault"},
    {"[vault]\nca = c\n" KEY, "m:4: a key of a vault needs [vault] with attest = URL and ca"},
    {"[vault]\nattest = https://t\n" KEY, "m:4: a key of a vault needs [vault]"},
    {"\n" KEY, "m:3: a key of a vault needs [vault]"},
    {DATA "key = vault:https://v/keys/k\n", "m:4: a key of a vault needs [vault]"},
    {"[vault]\nattest =\n", "m:2: attest: expected the https URL of an attestation service"},
    {"[vault]\nattest = http://t\n", "m:2: attest: expected the https URL"},
    {"[vault]\nattest = https://t?x\n", "m:2: attest: expected the https URL"},
    {"[vault]\nattest = https://u@t\n", "found 'https://u@t'"},
    {"[vault]\nca =\n", "m:2: ca: expected a PEM file"},
    {"[vault]\ncolour = red\n", "m:2: unknown setting 'colour' in [vault]; expected attest or ca"},
    {"[vault]\nca = c\nca = d\n", "m:3: [vault] ca was already set in line 2"},
    {"[vault]\nca = c\n[vault]\n", "m:3: [vault] was already begun in line 1"},
    {"[vault x]\n", "m:1: unknown section [vault x]"},
    {VAULT "[key k]\nvault =\n", "m:5: vault: expected https://HOST"},
    {VAULT "[key k]\nvault = http://v/keys/k\n", "m:5: vault: expected https://HOST"},
    {VAULT "[key k]\nvault = https://v/keys/k/\n", "m:5: vault: expected https://HOST"},
    {VAULT "[key k]\nvault = https://v/secrets/k\n", "found 'https://v/secrets/k'"},
    {VAULT "[key k]\nvault = vault:https://v/keys/k\n", "m:5: vault: expected https://HOST"},
    {VAULT "[key k]\nvault = https://v/keys/k?api-version=7.4\n", "m:5: vault: expected"},
    {VAULT KEY "vault = https://w/keys/k\n", "m:6: [key k] vault was already set in line 5"},
    {VAULT DATA "key = vault:\n", "m:7: key: expected vault:https://HOST"},
    {VAULT DATA "key = vault:https://v\n", "m:7: key: expected vault:https://HOST"},
    {VAULT DATA "key = vault:https://v/keys/k/1/2\n", "found 'vault:https://v/keys/k/1/2'"},
    {VAULT DATA "key = vault: https://v/keys/k\n", "m:7: key: expected vault:https://HOST"},
    {VAULT DATA "key = Vault:https://v/keys/k\n", "m:7: key: expected named:NAME"},
    {VAULT DATA "key = https://v/keys/k\n", "m:7: key: expected named:NAME"},
    {VAULT DATA "key = vault:https://v/keys/" LONG_NAME "\n", "m:7: expected a key's name of 1"},
    {"[enclave]\nheap = 1023K\n" VAULT KEY, "m:7: a key of a vault needs heap = 1M or more"},
    {VAULT KEY "[enclave]\nheap = 64K\n", "m:5: a key of a vault needs heap = 1M or more"},
    /* one name, two keys */
    {VAULT DATA "key = vault:https://v/keys/k\n[mount /b]\ntype = protected\nhost = b\n"
                "key = vault:https://w/keys/k\n",
     "m:11: the key of this name is https://v/keys/k already; name it by [key]"},
    {VAULT DATA "key = vault:https://v/keys/k\n[mount /b]\ntype = protected\nhost = b\n"
                "key = vault:https://v/keys/k/1\n",
     "m:11: the key of this name is https://v/keys/k already"},
    {VAULT DATA "key = vault:https://v/keys/k\n[key k]\nvault = https://w/keys/k\n",
     "m:9: the key of this name is https://v/keys/k already"},
    {VAULT "[mount /a]\ntype = shared\nhost = x\nkey = vault:https://v/keys/k\n",
     "would encrypt nothing"},
};

static char long_line[400];

static struct cella_result parse(const char *text, size_t size, struct cella_manifest *m) {
    return cella_manifest_parse(cella_bytes(text, size), "m", "/app", m);
}

static void refusals(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        static struct cella_manifest m;
        struct cella_result r = parse(bad[i][0], strlen(bad[i][0]), &m);
        if (!cella_failed(r)) fail_msg("accepted: %s", bad[i][0]);
        if (!strstr(r.error->what, bad[i][1]))
            fail_msg("'%s' does not say '%s'", r.error->what, bad[i][1]);
        cella_result_drop(r);
    }
}

static void limits(void **state) {
    (void)state;
    static struct cella_manifest m;
    memset(long_line, 'a', sizeof(long_line) - 1);
    memcpy(long_line, "[arguments]\n1=", 14);
    struct cella_result r = parse(long_line, strlen(long_line), &m);
    assert_true(cella_failed(r) && strstr(r.error->what, "m:2: expected a line of at most"));
    cella_result_drop(r);
    long_line[0] = '[';
    memset(long_line + 1, 'a', 80);
    memcpy(long_line + 81, "]\n", 3);
    r = parse(long_line, 83, &m);
    assert_true(cella_failed(r) && strstr(r.error->what, "section's name"));
    cella_result_drop(r);
    assert_code(parse("[enclave]\n\0", 11, &m), CELLA_ERR_USAGE);
}

static void defaults(void **state) {
    (void)state;
    static struct cella_manifest m;
    assert_ok(parse("", 0, &m));
    assert_true(m.config.thread_count == 4 && m.heap_size == 4 << 20 && m.stack_size == 256 << 10);
    assert_true(m.config.arg_count == 1 && m.config.arg[0].size == 4 && m.config.flags == 0 &&
                m.date == 0);
    cella_manifest_free(&m);
}

static void everything(void **state) {
    (void)state;
    static const char text[] =
        "; all settings\n[enclave]\nproduct_id = 1\nsecurity_version = 2\ndebug = yes\nthreads = "
        "64\n"
        "  heap = 1G ; indented is not a continuation\nstack=8M\ncalls = 1M\nconfig_id = "
        "AAbb\nmemory = "
        "private\n"
        "host_signals = INT TERM\ndate = 2026-11-25\npath = /bin/app\nkeys = one two\n"
        "[arguments]\n0 = name\n2 = b\n1 = a;b\nhost = yes\n"
        "[environment]\nA = 1\nB = host\nC = host:x y\nD = fixed:host\n"
        "[mount /data]\ntype = protected\nhost = ./d\nkey = named:two\nwritable = yes\n"
        "[mount /out]\ntype = shared\nhost = /tmp\nwritable = yes\n"
        "[mount /lib]\ntype = trusted\nhost = l\nfiles = *.so a/b\n"
        "[key one]\nid = 00112233445566778899aabbccddeeff00112233445566778899aabbccddeefF\n"
        "[program /bin/sub]\nfile = sub\n";
    static struct cella_manifest m;
    assert_ok(parse(text, strlen(text), &m));
    const struct cella_config *c = &m.config;
    assert_true(c->product_id == 1 && c->svn == 2 && c->thread_count == 64 &&
                m.heap_size == 1 << 30 && c->calls_size == 1 << 20);
    assert_int_equal(c->flags,
                     CELLA_CONFIG_DEBUG | CELLA_CONFIG_MEMORY_PRIVATE | CELLA_CONFIG_HOST_ARGS);
    assert_true(c->config_id[0] == 0xaa && c->config_id[1] == 0xbb && c->config_id[2] == 0);
    assert_true(c->host_signals == (1ULL << 1 | 1ULL << 14) && m.date == 0x20261125);
    assert_true(c->arg_count == 3 && memcmp(c->arg[0].data, "name", 4) == 0 &&
                memcmp(c->arg[1].data, "a;b", 3) == 0);
    assert_true(c->env_count == 4 && !c->env[0].from_host && c->env[1].from_host &&
                c->env[1].value.size == 0);
    assert_true(c->env[2].from_host && c->env[2].value.size == 3 && !c->env[3].from_host &&
                c->env[3].value.size == 4);
    assert_true(c->key_id[0].size == 32 && c->key_id[0].data[31] == 0xff && !c->key_id[1].size);
    assert_true(c->key_count == 2 && c->mount[0].key_index == 1 && c->mount[0].writable);
    assert_true(c->mount_count == 3 && c->program_count == 2);
    assert_string_equal(m.program_file[1], "sub");
    assert_string_equal(m.mount_files[2], "*.so a/b");
    cella_manifest_free(&m);
}

/* Names are the vault's, or the manifest's own; a pin stands beside; owners' keys stay owners'. */
static void vault_keys(void **state) {
    (void)state;
    static const char text[] =
        "[enclave]\nkeys = owned k\n"
        "[vault]\nca = some/ca.pem ; where\nattest = https://t:8445/\n" DATA
        "key = vault:https://v:8444/keys/Data-1/0123\n"
        "[mount /b]\ntype = protected\nhost = b\nkey = vault:https://v:8444/keys/Data-1/0123\n"
        "[mount /c]\ntype = protected\nhost = c\nkey = named:mine\n"
        "[key mine]\nvault = https://w/keys/Data-1\n"
        "id = 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    static struct cella_manifest m;
    assert_ok(parse(text, strlen(text), &m));
    const struct cella_config *c = &m.config;
    static const struct {
        const char *name, *url;
    } keys[] = {{"owned", NULL},
                {"k", NULL},
                {"Data-1", "https://v:8444/keys/Data-1/0123"},
                {"mine", "https://w/keys/Data-1"}};
    assert_int_equal(c->key_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(c->key[i].size, strlen(keys[i].name));
        assert_memory_equal(c->key[i].data, keys[i].name, c->key[i].size);
        assert_int_equal(m.key_url[i] != NULL, keys[i].url != NULL);
        if (keys[i].url) assert_string_equal(m.key_url[i], keys[i].url);
        assert_int_equal(c->key_id[i].size, i == 3 ? 32 : 0);
    }
    assert_true(c->mount[0].key_index == 2 && c->mount[1].key_index == 2 &&
                c->mount[2].key_index == 3);
    assert_string_equal(m.vault_attest, "https://t:8445/");
    assert_string_equal(m.vault_ca, "some/ca.pem");
    cella_manifest_free(&m);
}

/* Whatever the bytes: a result, no crash, nothing leaked (sanitizer build). */
static void truncate_and_flip(void **state) {
    (void)state;
    static const char text[] =
        "[enclave]\nheap = 1M\n[mount /a]\ntype = protected\nhost = x\nkey = named:k\n"
        "[environment]\nA = host:b\n[arguments]\n1 = x\n" VAULT
        "[mount /b]\ntype = protected\nhost = x\nkey = vault:https://v/keys/v\n" KEY;
    static struct cella_manifest m;
    char copy[sizeof(text)];
    memcpy(copy, text, sizeof(text));
    for (size_t i = 0; i + 1 < sizeof(text); i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            copy[i] ^= (char)(1U << bit);
            struct cella_result r = parse(copy, bit ? sizeof(text) - 1 : i, &m);
            if (!cella_failed(r)) cella_manifest_free(&m);
            cella_result_drop(r);
            copy[i] ^= (char)(1U << bit);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),   cmocka_unit_test(limits),
        cmocka_unit_test(defaults),   cmocka_unit_test(everything),
        cmocka_unit_test(vault_keys), cmocka_unit_test(truncate_and_flip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
