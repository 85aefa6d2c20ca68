#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"
#include "edl/edl.h"

const char cella_help_edl[] =
    "usage: cella edl [--search-path FOLDER]... [-D NAME[=VALUE]]... FILE...\n"
    "Checks interface files in EDL, with all they import: whether they are well-formed, and "
    "whether\n"
    "what they ask for is safe. The first error of a file is printed, with what to do about it;\n"
    "exit status 0 when all are good. The language: docs/guides/edl.md.\n\n"
    "  --search-path FOLDER   where to look for imported files, after the importing file's folder\n"
    "  -D NAME[=VALUE]        a name of the preprocessor\n";

enum { FOLDERS_MAX = 64, NAMES_MAX = 256 };

struct options {
    const char *folders[FOLDERS_MAX], *names[NAMES_MAX];
    size_t folder_count, name_count;
};

static CELLA_RESULT parse_options(int argc, char **argv, struct options *o) {
    static const struct option known[] = {{"search-path", required_argument, NULL, 's'}, {0}};
    int c;
    optind = 1;
    while ((c = getopt_long(argc, argv, "D:", known, NULL)) != -1) {
        if (c != 's' && c != 'D') return cella_cli_usage("edl", "unknown option");
        if (o->folder_count == FOLDERS_MAX || o->name_count == NAMES_MAX)
            return cella_cli_usage("edl", "too many folders or names");
        if (c == 's') o->folders[o->folder_count++] = optarg;
        if (c == 'D') o->names[o->name_count++] = optarg;
    }
    if (optind == argc) return cella_cli_usage("edl", "no interface file");
    return CELLA_SUCCESS;
}

static CELLA_RESULT check(const struct options *o, const char *path) {
    CELLA_EDL edl;
    cella_edl_begin(&edl, o->folders, o->folder_count);
    for (size_t i = 0; i < o->name_count; i++) TRY(cella_edl_name(&edl, o->names[i]));
    TRY(cella_edl_read(&edl, path));
    for (uint32_t i = 0; i < edl.warnings.count; i++)
        fprintf(stderr, "cella: warning: %s\n", edl.warnings.item[i].text);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cmd_edl(int argc, char **argv) {
    struct options o = {0};
    TRY(parse_options(argc, argv, &o));
    for (int i = optind; i < argc; i++) TRY(check(&o, argv[i]));
    return CELLA_SUCCESS;
}
