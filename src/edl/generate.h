/* From a checked interface to C: types for both sides, the tables that the runtime walks, and for
 * each function a stub on one side and a thunk on the other. */
#ifndef CELLA_EDL_GENERATE_H
#define CELLA_EDL_GENERATE_H

#include <stdarg.h>

#include "base/buffer.h"
#include "edl/edl.h"

struct cella_edl_output {
    const char *host_folder, *enclave_folder; /* NULL: that side is not wanted */
    bool header_only;
};
/* NAME_args.h and NAME_calls.h in each folder; NAME_u.h, NAME_u.c on the host's side; NAME_t.h,
 * NAME_t.c on the enclave's. */
CELLA_RESULT cella_edl_generate(struct cella_edl *edl, const struct cella_edl_output *output);

/* ---- shared by the generator's files ---- */

/* C text in the making; what fails is seen at the end. */
struct cella_edl_text {
    struct cella_buffer buffer;
    struct cella_result failed;
};
void cella_edl_out(struct cella_edl_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A layout of the tables, in their order; index 0 is bytes. */
struct cella_edl_layout {
    const char *name; /* C type */
    const struct cella_edl_aggregate *aggregate;
    const struct cella_edl_function *function; /* its parameters */
    bool is_bool, is_long_double, is_pointer_name;
};
struct cella_edl_tables {
    struct cella_edl *edl;
    const char *name; /* of the interface, as C */
    struct {
        struct cella_edl_layout *item;
        uint32_t count, capacity;
    } layouts;
};
CELLA_RESULT cella_edl_tables(struct cella_edl_tables *tables, struct cella_edl *edl);

/* The type of a field without its pointers, as C. */
void cella_edl_base_show(const struct cella_edl_type *type, char *text, size_t size);
/* "const char *name", "int name[2][3]". */
void cella_edl_declare(struct cella_edl_text *text, const struct cella_edl_field *field);
void cella_edl_expression_show(struct cella_edl_text *text,
                               const struct cella_edl_expression *expression);
void cella_edl_emit_types(struct cella_edl_text *text, const struct cella_edl_tables *tables);
CELLA_RESULT cella_edl_emit_tables(struct cella_edl_text *text, struct cella_edl_tables *tables);
void cella_edl_emit_header(struct cella_edl_text *text, const struct cella_edl_tables *tables,
                           bool host);
void cella_edl_emit_source(struct cella_edl_text *text, const struct cella_edl_tables *tables,
                           bool host);

#endif
