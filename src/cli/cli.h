/* One file per sub-command, cmd_NAME.c, with a function cella_cmd_NAME and a text cella_help_NAME.
 */
#ifndef CELLA_CLI_CLI_H
#define CELLA_CLI_CLI_H

#include <cella/result.h>

/* argv[0] is the sub-command's name. A command prints its own output; its error is printed by main.
 */
typedef struct cella_result cella_command(int argc, char **argv);

#define COMMAND(name, word, summary)                                                               \
    CELLA_RESULT cella_cmd_##name(int argc, char **argv);                                          \
    extern const char cella_help_##name[];
#include "cli/commands.h"
#undef COMMAND

/* True when --help or -h is among the arguments before "--": the command then prints its help and
 * succeeds. */
bool cella_cli_wants_help(int argc, char **argv);
/* A usage error that ends in "see `cella NAME --help`". */
struct cella_result cella_cli_usage(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
