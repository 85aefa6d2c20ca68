#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"
#include "edl/generate.h"

const char cella_help_edl[] =
    "usage: cella edl [--untrusted-dir FOLDER] [--trusted-dir FOLDER] [--header-only]\n"
    "                 [--search-path FOLDER]... [-D NAME[=VALUE]]... FILE...\n"
    "Compiles interface files in EDL, which say what a host and its enclave call of one another.\n"
    "Without a folder for either side it checks only. The first error of a file is printed, with\n"
    "what to do about it; exit status 0 when all are good. The language: docs/guides/edl.md.\n\n"
    "  --untrusted-dir FOLDER   write the host's side there: NAME_u.h, NAME_u.c\n"
    "  --trusted-dir FOLDER     write the enclave's side there: NAME_t.h, NAME_t.c\n"
    "  --header-only            headers only\n"
    "  --search-path FOLDER     look for imported files there, after the importing file's folder\n"
    "  -D NAME[=VALUE]          a name of the preprocessor\n";

enum { FOLDERS_MAX = 64, NAMES_MAX = 256 };

struct options {
    const char *folders[FOLDERS_MAX], *names[NAMES_MAX];
    size_t folder_count, name_count;
    struct cella_edl_output output;
};

static CELLA_RESULT parse_options(int argc, char **argv, struct options *o) {
    static const struct option known[] = {{"search-path", required_argument, NULL, 's'},
                                          {"untrusted-dir", required_argument, NULL, 'u'},
                                          {"trusted-dir", required_argument, NULL, 't'},
                                          {"header-only", no_argument, NULL, 'h'},
                                          {0}};
    int c;
    optind = 1;
    while ((c = getopt_long(argc, argv, "D:", known, NULL)) != -1) {
        if (o->folder_count == FOLDERS_MAX || o->name_count == NAMES_MAX)
            return cella_cli_usage("edl", "too many folders or names");
        if (c == 's')
            o->folders[o->folder_count++] = optarg;
        else if (c == 'D')
            o->names[o->name_count++] = optarg;
        else if (c == 'u')
            o->output.host_folder = optarg;
        else if (c == 't')
            o->output.enclave_folder = optarg;
        else if (c == 'h')
            o->output.header_only = true;
        else
            return cella_cli_usage("edl", "unknown option");
    }
    if (optind == argc) return cella_cli_usage("edl", "no interface file");
    return CELLA_SUCCESS;
}

static CELLA_RESULT compile(const struct options *o, const char *path) {
    CELLA_EDL edl;
    cella_edl_begin(&edl, o->folders, o->folder_count);
    for (size_t i = 0; i < o->name_count; i++) TRY(cella_edl_name(&edl, o->names[i]));
    TRY(cella_edl_read(&edl, path));
    for (uint32_t i = 0; i < edl.warnings.count; i++)
        fprintf(stderr, "cella: warning: %s\n", edl.warnings.item[i].text);
    return cella_edl_generate(&edl, &o->output);
}

CELLA_RESULT cella_cmd_edl(int argc, char **argv) {
    struct options o = {0};
    TRY(parse_options(argc, argv, &o));
    for (int i = optind; i < argc; i++) TRY(compile(&o, argv[i]));
    return CELLA_SUCCESS;
}
