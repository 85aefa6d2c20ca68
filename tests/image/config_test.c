#include "sample.h"

static uint8_t room[65536];

/* A configuration as layout leaves it. */
static void whole(struct sample *s) { sample_image(s, false); }

static struct cella_bytes encode(const struct cella_config *c) {
    struct cella_writer w = cella_writer(room, sizeof(room));
    assert_ok(cella_config_encode(c, &w));
    return cella_writer_bytes(&w);
}

/* A second program, which is the one that fetches keys, and what it needs. */
static void fetching(struct cella_config *c) {
    c->program[1] = c->program[0];
    c->program[1].path = cella_bytes_text("/cella/fetch");
    c->program_count = 2;
    c->flags |= CELLA_CONFIG_FETCH;
    c->key_count = 2;
    c->key[1] = cella_bytes_text("bob");
    c->key_vault[1] = true;
    c->vault = cella_bytes_text("{}");
}

static void there_and_back(void **state) {
    (void)state;
    static struct sample s;
    static struct cella_config out;
    static uint8_t again[65536];
    whole(&s);
    struct cella_bytes bytes = encode(&s.config);
    assert_ok(cella_config_decode(bytes, &out));
    assert_int_equal(out.product_id, 5);
    assert_int_equal(out.arg[1].size, 6);
    assert_memory_equal(out.arg[1].data, "--fast", 6);
    assert_true(out.env[0].from_host && out.mount[0].writable && out.trusted[0].hashes.size == 64);
    assert_true(out.heap.offset == s.config.heap.offset &&
                out.program[0].entry == s.config.program[0].entry);
    struct cella_writer w = cella_writer(again, sizeof(again));
    assert_ok(cella_config_encode(&out, &w));
    assert_int_equal(w.size, bytes.size);
    assert_memory_equal(again, bytes.data, bytes.size);
    assert_true(!out.key_vault[0] && out.vault.size == 0);
    fetching(&s.config);
    assert_ok(cella_config_decode(encode(&s.config), &out));
    assert_true(!out.key_vault[0] && out.key_vault[1] && out.program_count == 2 &&
                (out.flags & CELLA_CONFIG_FETCH) != 0);
    assert_int_equal(out.vault.size, 2);
    assert_memory_equal(out.vault.data, "{}", 2);
    cella_buffer_free(&s.image);
}

static void no_room(void **state) {
    (void)state;
    static struct sample s;
    whole(&s);
    size_t size = encode(&s.config).size;
    for (size_t i = 0; i < size; i++) {
        struct cella_writer w = cella_writer(room, i);
        assert_code(cella_config_encode(&s.config, &w), CELLA_ERR_LIMIT);
    }
    cella_buffer_free(&s.image);
}

static void truncate_and_flip(void **state) {
    (void)state;
    static struct sample s;
    static struct cella_config out;
    static const struct cella_config zero;
    whole(&s);
    fetching(&s.config);
    struct cella_bytes bytes = encode(&s.config);
    for (size_t i = 0; i < bytes.size; i++) {
        struct cella_result r = cella_config_decode(cella_bytes(room, i), &out);
        assert_true(cella_failed(r));
        assert_memory_equal(&out, &zero, sizeof(out));
        cella_result_drop(r);
        for (unsigned bit = 0; bit < 8; bit++) {
            room[i] ^= (uint8_t)(1U << bit);
            r = cella_config_decode(bytes, &out);
            if (cella_failed(r)) assert_memory_equal(&out, &zero, sizeof(out));
            cella_result_drop(r);
            room[i] ^= (uint8_t)(1U << bit);
        }
    }
    room[bytes.size] = 0;
    assert_code(cella_config_decode(cella_bytes(room, bytes.size + 1), &out), CELLA_ERR_FORMAT);
    cella_buffer_free(&s.image);
}

typedef void spoil(struct cella_config *c);
static void flags(struct cella_config *c) { c->flags = 0x80; }
static void size_odd(struct cella_config *c) { c->enclave_size += 4096; }
static void base(struct cella_config *c) { c->base_mode = 2; }
static void no_threads(struct cella_config *c) { c->thread_count = 0; }
static void many_threads(struct cella_config *c) { c->thread_count = 65; }
static void slots(struct cella_config *c) { c->slots_offset += 4096; }
static void slots_out(struct cella_config *c) { c->slots_offset = c->enclave_size - 65536; }
static void start(struct cella_config *c) { c->start_offset = c->enclave_size; }
static void heap_out(struct cella_config *c) { c->heap.pages = UINT64_MAX / 4096; }
static void heap_wrap(struct cella_config *c) { c->heap.offset = UINT64_MAX - 4095; }
static void stack_empty(struct cella_config *c) { c->stack.pages = 0; }
static void calls_small(struct cella_config *c) { c->calls_size = 4096; }
static void calls_large(struct cella_config *c) { c->calls_size = (32 << 20) + 4096; }
static void calls_odd(struct cella_config *c) { c->calls_size = 65537; }
static void no_program(struct cella_config *c) { c->program_count = 0; }
static void relative(struct cella_config *c) { c->program[0].path = cella_bytes_text("app"); }
static void nul(struct cella_config *c) { c->arg[1] = cella_bytes("a\0b", 3); }
static void entry(struct cella_config *c) { c->program[0].entry = 0x1000; }
static void phdrs(struct cella_config *c) { c->program[0].phdr = UINT64_MAX - 8; }
static void data(struct cella_config *c) { c->program[0].segment[0].data.offset = c->heap.offset; }
static void init(struct cella_config *c) { c->program[0].segment[0].init_size = 1 << 20; }
static void init_none(struct cella_config *c) { c->program[0].segment[0].init_size = 0; }
static void env_equals(struct cella_config *c) { c->env[0].name = cella_bytes_text("A=B"); }
static void env_empty(struct cella_config *c) { c->env[0].name = cella_bytes_text(""); }
static void key_name(struct cella_config *c) { c->key[0] = cella_bytes_text("a/b"); }
static void key_id(struct cella_config *c) { c->key_id[0] = cella_bytes_text("short"); }
static void key_index(struct cella_config *c) { c->mount[0].key_index = 1; }
static void key_none(struct cella_config *c) { c->mount[0].key = 0; }
static void key_trusted(struct cella_config *c) { c->mount[1].key = CELLA_KEY_SEAL_ENCLAVE; }
static void trusted_writable(struct cella_config *c) { c->mount[1].writable = true; }
static void mount_dots(struct cella_config *c) { c->mount[0].path = cella_bytes_text("/a/../b"); }
static void mount_slash(struct cella_config *c) { c->mount[0].path = cella_bytes_text("/a/"); }
static void trusted_dots(struct cella_config *c) { c->trusted[0].path = cella_bytes_text("../x"); }
static void trusted_absolute(struct cella_config *c) {
    c->trusted[0].path = cella_bytes_text("/x");
}
static void trusted_mount(struct cella_config *c) { c->trusted[0].mount = 0; }
static void trusted_size(struct cella_config *c) { c->trusted[0].size = 65536; }
static void trusted_huge(struct cella_config *c) { c->trusted[0].size = UINT64_MAX; }

/* Keys of a vault, settings, flag and program: each alone, and each missing. */
static void vault_key_alone(struct cella_config *c) { c->key_vault[0] = true; }
static void vault_text_alone(struct cella_config *c) { c->vault = cella_bytes_text("{}"); }
static void fetch_alone(struct cella_config *c) { c->flags |= CELLA_CONFIG_FETCH; }
static void vault_no_key(struct cella_config *c) { fetching(c), c->key_vault[1] = false; }
static void vault_no_text(struct cella_config *c) { fetching(c), c->vault.size = 0; }
static void vault_no_flag(struct cella_config *c) { fetching(c), c->flags = 0; }
static void vault_no_program(struct cella_config *c) { fetching(c), c->program_count = 1; }
static void vault_nul(struct cella_config *c) { fetching(c), c->vault = cella_bytes("{\0}", 3); }
static void vault_large(struct cella_config *c) {
    static char text[CELLA_CONFIG_VAULT_MAX + 1];
    fetching(c);
    memset(text, ' ', sizeof(text));
    c->vault = CELLA_BYTES_OF(text);
}

/* A bool has one spelling (A32). */
static void vault_spelling(void **state) {
    (void)state;
    static struct sample s;
    static struct cella_config out;
    whole(&s);
    fetching(&s.config);
    struct cella_bytes bytes = encode(&s.config);
    uint8_t *at = memmem(room, bytes.size, "bob\0\0\0\0\1", 8);
    assert_non_null(at);
    at[7] = 2;
    assert_code(cella_config_decode(bytes, &out), CELLA_ERR_FORMAT);
    cella_buffer_free(&s.image);
}

static void refusals(void **state) {
    (void)state;
    static spoil *const all[] = {flags,
                                 size_odd,
                                 base,
                                 no_threads,
                                 many_threads,
                                 slots,
                                 slots_out,
                                 start,
                                 heap_out,
                                 heap_wrap,
                                 stack_empty,
                                 calls_small,
                                 calls_large,
                                 calls_odd,
                                 no_program,
                                 relative,
                                 nul,
                                 entry,
                                 phdrs,
                                 data,
                                 init,
                                 init_none,
                                 env_equals,
                                 env_empty,
                                 key_name,
                                 key_id,
                                 key_index,
                                 key_none,
                                 key_trusted,
                                 trusted_writable,
                                 mount_dots,
                                 mount_slash,
                                 trusted_dots,
                                 trusted_absolute,
                                 trusted_mount,
                                 trusted_size,
                                 trusted_huge,
                                 vault_key_alone,
                                 vault_text_alone,
                                 fetch_alone,
                                 vault_no_key,
                                 vault_no_text,
                                 vault_no_flag,
                                 vault_no_program,
                                 vault_nul,
                                 vault_large};
    static struct sample s;
    static struct cella_config out, spoilt;
    whole(&s);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        spoilt = s.config;
        all[i](&spoilt);
        struct cella_result r = cella_config_decode(encode(&spoilt), &out);
        if (cella_code_of(r) != CELLA_ERR_FORMAT)
            fail_msg("case %zu gave code %d", i, cella_code_of(r));
        cella_result_drop(r);
    }
    cella_buffer_free(&s.image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),    cmocka_unit_test(no_room),
        cmocka_unit_test(truncate_and_flip), cmocka_unit_test(refusals),
        cmocka_unit_test(vault_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
