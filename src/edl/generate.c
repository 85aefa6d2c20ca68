#include "edl/generate.h"

#include <limits.h>
#include <stdio.h>

#include "base/file.h"

static CELLA_RESULT write_file(struct cella_edl_tables *t, const char *folder, const char *suffix,
                               struct cella_edl_text *body) {
    char path[PATH_MAX];
    struct cella_edl_text text = {0};
    int size = snprintf(path, sizeof(path), "%s/%s%s", folder, t->name, suffix);
    struct cella_result r = body->failed;
    if (!cella_failed(r) && (size < 0 || (size_t)size >= sizeof(path)))
        r = CELLA_FAILURE(CELLA_ERR_LIMIT, NULL, "the path of a generated file is too long");
    cella_edl_out(&text, "/* Made by cella edl from the interface %s: changes are lost. */\n",
                  t->name);
    if (!cella_failed(r)) r = text.failed;
    if (!cella_failed(r)) r = cella_buffer_append(&text.buffer, cella_buffer_bytes(&body->buffer));
    if (!cella_failed(r)) r = cella_file_write(path, cella_buffer_bytes(&text.buffer), 0644, 0);
    cella_buffer_free(&text.buffer);
    cella_buffer_free(&body->buffer);
    return r;
}

static void guard(struct cella_edl_text *text, const struct cella_edl_tables *t, const char *what) {
    cella_edl_out(text, "#ifndef CELLA_EDL_FILE_%s_%s\n#define CELLA_EDL_FILE_%s_%s\n\n", t->name,
                  what, t->name, what);
}

static CELLA_RESULT write_common(struct cella_edl_tables *t, const char *folder, bool header_only) {
    struct cella_edl_text args = {0}, calls = {0};
    guard(&args, t, "ARGS");
    cella_edl_out(&args, "#include <cella/call.h>\n#include <stdbool.h>\n#include <stddef.h>\n"
                         "#include <stdint.h>\n#include <wchar.h>\n\n#ifdef __cplusplus\n"
                         "extern \"C\" {\n#endif\n");
    cella_edl_emit_types(&args, t);
    cella_edl_out(&args, "\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
    TRY(write_file(t, folder, "_args.h", &args));
    if (header_only) return CELLA_SUCCESS;
    struct cella_result r = cella_edl_emit_tables(&calls, t);
    if (!cella_failed(r)) return write_file(t, folder, "_calls.h", &calls);
    cella_buffer_free(&calls.buffer);
    return r;
}

static CELLA_RESULT write_side(struct cella_edl_tables *t, const char *folder, bool host,
                               bool header_only) {
    struct cella_edl_text header = {0}, source = {0};
    TRY(cella_file_make_folder(folder, 0755));
    TRY(write_common(t, folder, header_only));
    guard(&header, t, host ? "U" : "T");
    cella_edl_emit_header(&header, t, host);
    cella_edl_out(&header, "#endif\n");
    TRY(write_file(t, folder, host ? "_u.h" : "_t.h", &header));
    if (header_only) return CELLA_SUCCESS;
    cella_edl_emit_source(&source, t, host);
    return write_file(t, folder, host ? "_u.c" : "_t.c", &source);
}

CELLA_RESULT cella_edl_generate(struct cella_edl *edl, const struct cella_edl_output *output) {
    struct cella_edl_tables t;
    TRY(cella_edl_tables(&t, edl));
    if (output->host_folder) TRY(write_side(&t, output->host_folder, true, output->header_only));
    if (output->enclave_folder)
        TRY(write_side(&t, output->enclave_folder, false, output->header_only));
    return CELLA_SUCCESS;
}
