#include "cli/policy_file.h"

#include <string.h>

#include "base/file.h"

CELLA_RESULT cella_cli_policy_read(const char *path, struct cella_policy **out) {
    CELLA_BUFFER text = {0};
    *out = NULL;
    TRY(cella_file_read(path, CELLA_POLICY_TEXT_MAX, &text));
    TRY_IN(cella_policy_compile(cella_buffer_bytes(&text), out, NULL), "%s", path);
    return CELLA_SUCCESS;
}

/* As written, on one line, without what could move the cursor of a terminal. */
static void print_written(FILE *to, struct cella_bytes text) {
    bool space = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool gap = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        if (gap && !space) fputc(' ', to);
        if (!gap) fputc(c < 0x20 || c == 0x7f ? '?' : c, to);
        space = gap;
    }
}

static void print_condition(FILE *to, const struct cella_policy_condition_trace *c) {
    fprintf(to, "    %-3s ", !c->reached ? "-" : c->held ? "ok" : "NO");
    print_written(to, c->text);
    fprintf(to, "\n");
    if (!c->reached) return;
    if (!c->held && c->expected[0]) fprintf(to, "          expected  %s\n", c->expected);
    if (c->found[0]) fprintf(to, "          found     %s", c->found);
    if (c->found[0] && c->matched > 1) fprintf(to, " and %u more", c->matched - 1);
    if (c->found[0]) fprintf(to, "\n");
}

static void print_rule(FILE *to, const struct cella_policy_rule_trace *rule) {
    fprintf(to, "  line %u: ", rule->line);
    print_written(to, rule->action);
    fprintf(to, ": %s%s%s\n", rule->fired ? "fired" : "did not fire", rule->note ? "; " : "",
            rule->note ? rule->note : "");
    for (uint32_t i = 0; i < rule->condition_count; i++) print_condition(to, &rule->condition[i]);
}

void cella_cli_policy_explain(FILE *to, const struct cella_policy_outcome *outcome) {
    const char *section = "";
    for (size_t i = 0; i < outcome->trace_count; i++) {
        if (strcmp(section, outcome->trace[i].section) != 0)
            fprintf(to, "%s\n", outcome->trace[i].section);
        section = outcome->trace[i].section;
        print_rule(to, &outcome->trace[i]);
    }
    if (outcome->error.line)
        fprintf(to, "error at line %u, column %u\n  expected  %s\n  found     %s\n",
                outcome->error.line, outcome->error.column, outcome->error.expected,
                outcome->error.found);
    fprintf(to, "%s: %s\n", outcome->verdict == CELLA_POLICY_PERMITTED ? "permitted" : "denied",
            outcome->reason);
}
