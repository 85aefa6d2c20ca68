#include "image/build.h"

#include <cella/image.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/image.h"
#include "base/file.h"
#include "image/elf.h"
#include "image/layout.h"
#include "image/manifest.h"
#include "image/trusted.h"
#include "image/vault.h"

enum { PATH_SIZE = 4096 };

struct work {
    struct cella_manifest manifest;
    struct cella_buffer file[CELLA_CONFIG_PROGRAM_MAX];
    struct cella_elf elf[CELLA_CONFIG_PROGRAM_MAX];
    struct cella_elf shim;
};

static void free_work(struct work **w) {
    if (!*w) return;
    for (uint32_t i = 0; i < CELLA_CONFIG_PROGRAM_MAX; i++) cella_buffer_free(&(*w)->file[i]);
    cella_manifest_free(&(*w)->manifest);
    free(*w);
}

static void folder_of(const char *file, char out[PATH_SIZE]) {
    const char *slash = file ? strrchr(file, '/') : NULL;
    if (!slash)
        snprintf(out, PATH_SIZE, ".");
    else
        snprintf(out, PATH_SIZE, "%.*s", slash == file ? 1 : (int)(slash - file), file);
}

static CELLA_RESULT read_manifest(const struct cella_build *b, struct cella_manifest *m) {
    CELLA_BUFFER text = {0};
    char path[PATH_SIZE];
    const char *slash = strrchr(b->program, '/');
    snprintf(path, sizeof(path), "/%s", slash ? slash + 1 : b->program);
    if (b->manifest) TRY(cella_file_read(b->manifest, CELLA_MANIFEST_MAX, &text));
    return cella_manifest_parse(cella_buffer_bytes(&text),
                                b->manifest ? b->manifest : "no manifest", path, m);
}

static CELLA_RESULT read_program(const struct cella_build *b, struct work *w, uint32_t i,
                                 const char *folder) {
    char path[PATH_SIZE];
    const char *name = w->manifest.program_file[i];
    bool whole = i == 0 || name[0] == '/';
    int size = snprintf(path, sizeof(path), "%s%s%s", whole ? "" : folder, whole ? "" : "/",
                        i == 0 ? b->program : name);
    ENSURE(size > 0 && (size_t)size < sizeof(path), CELLA_ERR_LIMIT, NULL,
           "the path of program %u is too long", i);
    TRY(cella_file_read(path, CELLA_PROGRAM_FILE_MAX, &w->file[i]));
    TRY(cella_elf_read(cella_buffer_bytes(&w->file[i]), path, &w->elf[i]));
    ENSURE(w->elf[i].phdr_mapped, CELLA_ERR_FORMAT,
           "link it with the distribution's own linker script",
           "%s: its program headers are not in a read-only segment, where its start code looks for "
           "them",
           path);
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_fetch(const struct cella_build *b, struct work *w, const char *folder) {
    bool fetches = false;
    TRY(cella_vault_pin(&w->manifest, folder, &fetches));
    if (!fetches) return CELLA_SUCCESS;
    ENSURE(b->fetch.size, CELLA_ERR_UNSUPPORTED, "give one with --fetch FILE",
           "this build of cella has no program that gets keys from a vault");
    return cella_elf_read(b->fetch, CELLA_FETCH_PATH,
                          &w->elf[w->manifest.config.program_count - 1]);
}

CELLA_RESULT cella_image_build(const struct cella_build *b, struct cella_buffer *out) {
    __attribute__((cleanup(free_work))) struct work *w = calloc(1, sizeof(*w));
    char folder[PATH_SIZE];
    ENSURE(w, CELLA_ERR_MEMORY, NULL, "no memory to build an image");
    struct cella_manifest *m = &w->manifest;
    folder_of(b->manifest, folder);
    TRY(read_manifest(b, m));
    for (uint32_t i = 0; i < m->config.program_count; i++) TRY(read_program(b, w, i, folder));
    TRY_IN(cella_elf_read(b->shim, "shim", &w->shim), "the shim is not usable");
    TRY(cella_trusted_pin(m, folder));
    TRY(add_fetch(b, w, folder));
    struct cella_layout_input in = {.program = w->elf,
                                    .shim = &w->shim,
                                    .heap_size = m->heap_size,
                                    .stack_size = m->stack_size,
                                    .date = m->date ? m->date : b->date};
    if (!in.date) in.date = CELLA_BUILD_DATE_DEFAULT;
    return cella_layout_build(&in, &m->config, out);
}

static CELLA_RESULT sigstruct_of(struct cella_bytes file, struct cella_sigstruct *out) {
    struct cella_image image;
    TRY(cella_image_open(file, &image));
    struct cella_result r = cella_sigstruct_parse(image.sigstruct, out);
    cella_image_free(&image);
    return r;
}

CELLA_RESULT cella_image_to_sign(struct cella_bytes file,
                                 uint8_t out[CELLA_SIGSTRUCT_SIGNED_SIZE]) {
    struct cella_sigstruct s;
    TRY(sigstruct_of(file, &s));
    cella_sigstruct_signed(&s, out);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_image_attach(struct cella_buffer *file,
                                const uint8_t modulus[CELLA_RSA3072_SIZE],
                                const uint8_t signature[CELLA_RSA3072_SIZE]) {
    struct cella_sigstruct s;
    struct cella_image image;
    struct cella_identity id;
    TRY(sigstruct_of(cella_buffer_bytes(file), &s));
    TRY(cella_sigstruct_attach(&s, modulus, signature));
    cella_sigstruct_write(&s, file->data + CELLA_IMAGE_SIGSTRUCT_OFFSET);
    TRY(cella_image_open(cella_buffer_bytes(file), &image));
    struct cella_result r = cella_image_verify(&image, &id);
    cella_image_free(&image);
    return r;
}

CELLA_RESULT cella_image_sign(struct cella_buffer *file, const struct cella_rsa3072 *key) {
    uint8_t message[CELLA_SIGSTRUCT_SIGNED_SIZE], modulus[CELLA_RSA3072_SIZE],
        signature[CELLA_RSA3072_SIZE];
    TRY(cella_image_to_sign(cella_buffer_bytes(file), message));
    TRY(cella_rsa3072_modulus(key, modulus));
    TRY(cella_rsa3072_sign(key, CELLA_BYTES_OF(message), signature));
    return cella_image_attach(file, modulus, signature);
}
