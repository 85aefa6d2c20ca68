/* One side of an interface: its header, its stubs and its thunks. */
#include <string.h>

#include "edl/generate.h"

static bool returns(const struct cella_edl_function *f) { return f->result.base != CELLA_EDL_VOID; }

static void emit_parameters(struct cella_edl_text *text, const struct cella_edl_function *f,
                            bool more) {
    for (uint32_t i = 0; i < f->parameters.count; i++) {
        cella_edl_out(text, more || i ? ", " : "");
        cella_edl_declare(text, &f->parameters.item[i]);
    }
    if (!more && f->parameters.count == 0) cella_edl_out(text, "void");
}

/* The function as its own side defines it. */
static void emit_prototype(struct cella_edl_text *text, const struct cella_edl_function *f) {
    char type[300];
    cella_edl_type_show(&f->result, type, sizeof(type));
    cella_edl_out(text, "%s %s(", type, f->name);
    emit_parameters(text, f, false);
    cella_edl_out(text, ")");
}

/* The function as the other side calls it. */
static void emit_stub_prototype(struct cella_edl_text *text, const struct cella_edl_function *f) {
    char type[300];
    cella_edl_type_show(&f->result, type, sizeof(type));
    cella_edl_out(text, "CELLA_RESULT %s(", f->name);
    if (f->is_trusted) cella_edl_out(text, "struct cella_enclave *enclave_");
    if (returns(f)) cella_edl_out(text, "%s%s *returned_", f->is_trusted ? ", " : "", type);
    emit_parameters(text, f, f->is_trusted || returns(f));
    cella_edl_out(text, ")");
}

void cella_edl_emit_header(struct cella_edl_text *text, const struct cella_edl_tables *t,
                           bool host) {
    const struct cella_edl_tree *tree = t->edl->tree;
    const struct cella_edl_functions *mine = host ? &tree->ocalls : &tree->ecalls;
    const struct cella_edl_functions *theirs = host ? &tree->ecalls : &tree->ocalls;
    cella_edl_out(text, "#include \"%s_args.h\"\n\n", t->name);
    cella_edl_out(text, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    cella_edl_out(text, "extern const struct cella_call_side %s_%s;\n", t->name,
                  host ? "host" : "enclave");
    cella_edl_out(text, "\n/* To be defined %s. */\n",
                  host ? "by the host"
                       : "in the enclave: nothing the host gives is to be believed");
    for (uint32_t i = 0; i < mine->count; i++) {
        emit_prototype(text, mine->item[i]);
        cella_edl_out(text, ";\n");
    }
    cella_edl_out(text, "\n/* To be called: %s. */\n",
                  host ? "run in the enclave" : "run in the host, which may answer anything");
    for (uint32_t i = 0; i < theirs->count; i++) {
        emit_stub_prototype(text, theirs->item[i]);
        cella_edl_out(text, ";\n");
    }
    cella_edl_out(text, "\n#ifdef __cplusplus\n}\n#endif\n");
}

static bool by_pointer(const struct cella_edl_field *f) {
    return cella_edl_is_pointer(f) || cella_edl_is_array(f);
}

static void emit_stub(struct cella_edl_text *text, const struct cella_edl_tables *t,
                      const struct cella_edl_function *f, uint32_t number) {
    bool has = f->parameters.count || returns(f);
    emit_stub_prototype(text, f);
    cella_edl_out(text, " {\n");
    if (has) cella_edl_out(text, "    struct cella_%s_%s parameters_ = {", t->name, f->name);
    for (uint32_t i = 0; i < f->parameters.count; i++)
        cella_edl_out(text, "%s.%s = %s%s", i ? ", " : "", f->parameters.item[i].name,
                      by_pointer(&f->parameters.item[i]) ? "(void *)" : "",
                      f->parameters.item[i].name);
    if (has) cella_edl_out(text, f->parameters.count ? "};\n" : "0};\n");
    cella_edl_out(text, "    %s%s%s&interface, %u, %s);\n",
                  returns(f) ? "struct cella_result r_ = " : "return ",
                  f->is_trusted ? "cella_call_enclave(" : "cella_call_host(",
                  f->is_trusted ? "enclave_, " : "", number, has ? "&parameters_" : "NULL");
    if (returns(f))
        cella_edl_out(text, "    if (returned_) *returned_ = parameters_.cella_returned;\n"
                            "    return r_;\n");
    cella_edl_out(text, "}\n\n");
}

static void emit_thunk(struct cella_edl_text *text, const struct cella_edl_tables *t,
                       const struct cella_edl_function *f) {
    bool has = f->parameters.count || returns(f);
    cella_edl_out(text, "static void run_%s(void *parameters) {\n", f->name);
    if (has)
        cella_edl_out(text, "    struct cella_%s_%s *p = parameters;\n    ", t->name, f->name);
    else
        cella_edl_out(text, "    (void)parameters;\n    ");
    cella_edl_out(text, "%s%s(", returns(f) ? "p->cella_returned = " : "", f->name);
    for (uint32_t i = 0; i < f->parameters.count; i++)
        cella_edl_out(text, "%sp->%s", i ? ", " : "", f->parameters.item[i].name);
    cella_edl_out(text, ");\n}\n");
}

void cella_edl_emit_source(struct cella_edl_text *text, const struct cella_edl_tables *t,
                           bool host) {
    const struct cella_edl_tree *tree = t->edl->tree;
    const struct cella_edl_functions *mine = host ? &tree->ocalls : &tree->ecalls;
    const struct cella_edl_functions *theirs = host ? &tree->ecalls : &tree->ocalls;
    cella_edl_out(text, "#include \"%s_%c.h\"\n\n#include \"%s_calls.h\"\n\n", t->name,
                  host ? 'u' : 't', t->name);
    for (uint32_t i = 0; i < theirs->count; i++) emit_stub(text, t, theirs->item[i], i);
    for (uint32_t i = 0; i < mine->count; i++) emit_thunk(text, t, mine->item[i]);
    cella_edl_out(text, "\nstatic cella_call_thunk *const thunks[] = {");
    for (uint32_t i = 0; i < mine->count; i++) cella_edl_out(text, "run_%s, ", mine->item[i]->name);
    cella_edl_out(text, "NULL};\nconst struct cella_call_side %s_%s = {&interface, thunks};\n",
                  t->name, host ? "host" : "enclave");
}
