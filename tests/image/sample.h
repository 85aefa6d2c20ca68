/* Small ELF files made in memory, and an image of them, for the tests of the image part. */
#ifndef CELLA_TESTS_IMAGE_SAMPLE_H
#define CELLA_TESTS_IMAGE_SAMPLE_H

#include <cella/image.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* wants some of those above */

#include "base/file.h"
#include "base/memory.h"
#include "base/writer.h"
#include "image/build.h"
#include "image/elf.h"
#include "image/layout.h"

enum { SAMPLE_ELF_SIZE = 0x3100, SAMPLE_PHDR_AT = 64, SAMPLE_PHDR_SIZE = 56 };
enum { /* fields of a program header */
       PH_TYPE = 0,
       PH_FLAGS = 4,
       PH_OFFSET = 8,
       PH_ADDRESS = 16,
       PH_FILE_SIZE = 32,
       PH_SIZE = 40,
       PH_ALIGN = 48,
};

#define assert_ok(expression)                                                                      \
    do {                                                                                           \
        struct cella_result ok_ = (expression);                                                    \
        if (cella_failed(ok_)) print_error("%s\n", ok_.error->what);                               \
        assert_false(cella_failed(ok_));                                                           \
    } while (0)
#define assert_code(expression, code_)                                                             \
    do {                                                                                           \
        struct cella_result bad_ = (expression);                                                   \
        assert_int_equal(cella_code_of(bad_), code_);                                              \
        cella_result_drop(bad_);                                                                   \
    } while (0)

static inline void sample_phdr(struct cella_writer *w, uint32_t type, uint32_t flags,
                               uint64_t offset, uint64_t address, uint64_t file_size, uint64_t size,
                               uint64_t align) {
    cella_writer_u32le(w, type);
    cella_writer_u32le(w, flags);
    cella_writer_u64le(w, offset);
    cella_writer_u64le(w, address);
    cella_writer_u64le(w, address);
    cella_writer_u64le(w, file_size);
    cella_writer_u64le(w, size);
    cella_writer_u64le(w, align);
}

/* Read-only (with headers), text, data with bss, no-exec stack; at base. shim: data page aligned.
 */
static inline void sample_elf(uint8_t out[SAMPLE_ELF_SIZE], bool fixed, uint64_t base, bool shim) {
    struct cella_writer w = cella_writer(out, SAMPLE_ELF_SIZE);
    memset(out, 0, SAMPLE_ELF_SIZE);
    cella_writer_put(&w, cella_bytes("\x7f"
                                     "ELF\2\1\1\0\0\0\0\0\0\0\0\0",
                                     16));
    cella_writer_u16le(&w, fixed ? 2 : 3);
    cella_writer_u16le(&w, 62);
    cella_writer_u32le(&w, 1);
    cella_writer_u64le(&w, base + 0x1010); /* entry */
    cella_writer_u64le(&w, SAMPLE_PHDR_AT);
    cella_writer_u64le(&w, 0);
    cella_writer_u32le(&w, 0);
    cella_writer_u16le(&w, 64);
    cella_writer_u16le(&w, SAMPLE_PHDR_SIZE);
    cella_writer_u16le(&w, 4);
    cella_writer_zero(&w, 6);
    uint64_t lead = shim ? 0 : 0x40;
    sample_phdr(&w, 1, 4, 0, base, 0x200, 0x200, 0x1000);
    sample_phdr(&w, 1, 5, 0x1000, base + 0x1000, 0x1080, 0x1080, 0x1000);
    sample_phdr(&w, 1, 6, 0x3000 + lead, base + 0x4000 + lead, 0x90, 0x2100, 0x1000);
    sample_phdr(&w, 0x6474e551, 6, 0, 0, 0, 0, 16);
    for (size_t i = 0x1000; i < SAMPLE_ELF_SIZE; i++) out[i] = (uint8_t)(i * 7 + (shim ? 1 : 0));
}

struct sample {
    uint8_t program_file[SAMPLE_ELF_SIZE], shim_file[SAMPLE_ELF_SIZE];
    struct cella_elf program, shim;
    struct cella_config config;
    struct cella_buffer image; /* signed */
};

/* One key for all tests of a program: making one takes a while. */
static inline struct cella_rsa3072 *sample_key(void) {
    static struct cella_rsa3072 *key;
    if (!key) assert_ok(cella_rsa3072_new(&key));
    return key;
}

static inline void sample_config(struct cella_config *c) {
    memset(c, 0, sizeof(*c));
    c->program_count = 1;
    c->program[0].path = cella_bytes_text("/app");
    c->arg_count = 2;
    c->arg[0] = cella_bytes_text("/app");
    c->arg[1] = cella_bytes_text("--fast");
    c->thread_count = 2;
    c->product_id = 5;
    c->svn = 9;
    c->config_id[0] = 0xaa;
    c->env_count = 1;
    c->env[0].name = cella_bytes_text("TZ");
    c->env[0].value = cella_bytes_text("UTC");
    c->env[0].from_host = true;
    c->key_count = 1;
    c->key[0] = cella_bytes_text("alice");
    c->mount_count = 2;
    c->mount[0] = (struct cella_config_mount){.path = cella_bytes_text("/data"),
                                              .host = cella_bytes_text("d"),
                                              .type = CELLA_MOUNT_PROTECTED,
                                              .key = CELLA_KEY_NAMED,
                                              .writable = true};
    c->mount[1] = (struct cella_config_mount){.path = cella_bytes_text("/lib"),
                                              .host = cella_bytes_text("l"),
                                              .type = CELLA_MOUNT_TRUSTED};
    static const uint8_t hashes[64] = {1, 2, 3};
    c->trusted_count = 1;
    c->trusted[0] = (struct cella_config_trusted){.mount = 1,
                                                  .path = cella_bytes_text("a/b"),
                                                  .size = 65537,
                                                  .hashes = cella_bytes(hashes, 64)};
}

static inline void sample_image(struct sample *s, bool fixed) {
    memset(s, 0, sizeof(*s));
    sample_elf(s->program_file, fixed, fixed ? 0x400000 : 0, false);
    sample_elf(s->shim_file, false, 0, true);
    assert_ok(cella_elf_read(CELLA_BYTES_OF(s->program_file), "program", &s->program));
    assert_ok(cella_elf_read(CELLA_BYTES_OF(s->shim_file), "shim", &s->shim));
    sample_config(&s->config);
    struct cella_layout_input in = {.program = &s->program,
                                    .shim = &s->shim,
                                    .heap_size = 65536,
                                    .stack_size = 65536,
                                    .date = 0x20260101};
    assert_ok(cella_layout_build(&in, &s->config, &s->image));
    assert_ok(cella_image_sign(&s->image, sample_key()));
}

/* Opens and verifies. */
static inline struct cella_result sample_check(struct cella_bytes file) {
    struct cella_image image;
    struct cella_identity id;
    struct cella_result r = cella_image_open(file, &image);
    if (cella_failed(r)) return r;
    r = cella_image_verify(&image, &id);
    cella_image_free(&image);
    return r;
}

/* The folder of public test vectors, or NULL: then the test says so and skips. */
static inline const char *sample_vectors(void) {
    static char path[4096];
    const char *folder = getenv("CELLA_VECTORS");
    snprintf(path, sizeof(path), "%s", folder ? folder : CELLA_SOURCE_ROOT "/../shared/vectors");
    FILE *probe = fopen(path, "r");
    if (!probe) {
        print_message("no vectors at %s (set CELLA_VECTORS): skipped\n", path);
        return NULL;
    }
    fclose(probe);
    return path;
}

#endif
