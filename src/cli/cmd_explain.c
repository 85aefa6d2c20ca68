#include <stdio.h>

#include "cli/cli.h"

const char cella_help_explain[] =
    "usage: cella explain CODE\n"
    "Says more about an error code, the word in [brackets] at the end of an error.\n"
    "Without CODE lists them all.\n";

CELLA_RESULT cella_cmd_explain(int argc, char **argv) {
    if (argc > 2) return cella_cli_usage("explain", "one code at most, found %d words", argc - 1);
    if (argc == 2) {
        const char *text = cella_code_explain(argv[1]);
        ENSURE(text, CELLA_ERR_USAGE, "run `cella explain` for the list",
               "no error code is called '%s'", argv[1]);
        printf("%s: %s\n", argv[1], text);
        return CELLA_SUCCESS;
    }
    for (int i = 0; i < CELLA_CODE_COUNT; i++) {
        const char *name = cella_code_name((enum cella_code)i);
        printf("%-12s %s\n", name, cella_code_explain(name));
    }
    return CELLA_SUCCESS;
}
