#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#ifndef CELLA_VERSION
#define CELLA_VERSION "unversioned"
#endif

struct command {
    const char *word;
    const char *summary;
    const char *help;
    cella_command *run;
};

static const struct command commands[] = {
#define COMMAND(name, word, summary) {word, summary, cella_help_##name, cella_cmd_##name},
#include "cli/commands.h"
#undef COMMAND
};
enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

bool cella_cli_wants_help(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    return false;
}

struct cella_result cella_cli_usage(const char *name, const char *format, ...) {
    char text[512], hint[96];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(hint, sizeof(hint), "see `cella %s --help`", name);
    return cella_result_new(CELLA_ERR_USAGE, CELLA_WHERE, hint, "%s", text);
}

static void print_help(FILE *to) {
    fprintf(to, "usage: cella COMMAND [...]\n\ncella runs programs in measured, private enclaves, "
                "proves to others "
                "what runs,\nand lets keys go only to what was proven.\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(to, "  %-10s %s\n", commands[i].word, commands[i].summary);
    fprintf(to,
            "\n`cella COMMAND --help` says more of each; `cella --version` prints the version.\n");
}

/* `cella verify`, `policy` and `audit` tell scripts 0 accepted, 1 refused, 2 arguments or files
 * that cannot be used, and nothing else. */
static int exit_status(const struct command *command, enum cella_code code) {
    bool verdict = command && (command->run == cella_cmd_verify ||
                               command->run == cella_cmd_policy || command->run == cella_cmd_audit);
    /* `cella collateral check` is for timers: 1 when something needs attention. */
    if (command && command->run == cella_cmd_collateral && code == CELLA_ERR_EXPIRED) return 1;
    if (!verdict || code == CELLA_OK) return cella_code_exit_status(code);
    return code == CELLA_ERR_REFUSED ? 1 : 2;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return cella_code_exit_status(CELLA_ERR_USAGE);
    }
    if (strcmp(argv[1], "--version") == 0) return printf("cella %s\n", CELLA_VERSION) < 0;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0 ||
        strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return 0;
    }
    struct cella_result r;
    const struct command *found = NULL;
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].word, argv[1]) == 0) found = &commands[i];
    if (!found)
        r = CELLA_FAILURE(CELLA_ERR_USAGE, "run `cella help` for the list",
                          "no command is called '%s'", argv[1]);
    else if (cella_cli_wants_help(argc - 1, argv + 1)) {
        fputs(found->help, stdout);
        return 0;
    } else
        r = found->run(argc - 1, argv + 1);
    if (!cella_failed(r) && fflush(stdout) != 0)
        r = CELLA_FAILURE(CELLA_ERR_IO, NULL, "cannot write standard output");
    int status = exit_status(found, cella_code_of(r));
    cella_result_print(r);
    cella_result_drop(r);
    return status;
}
