#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "platform/doctor.h"

const char cella_help_doctor[] =
    "usage: cella doctor [--json]\n"
    "Tries what this machine offers enclaves: backends, roots, secret memory, kernel features;\n"
    "says the assurance level now, what keeps it from the next and the command that would\n"
    "change that. Changes nothing.\n";

static const char *const verdicts[] = {"yes", "partly", "no"};

static void print_table(const struct cella_doctor *d) {
    for (unsigned i = 0; i < d->row_count; i++) {
        const struct cella_doctor_row *row = &d->row[i];
        printf("%-8s %-20s %-7s %s\n", row->area, row->name, verdicts[row->verdict], row->detail);
        if (row->command && row->verdict != CELLA_DOCTOR_YES)
            printf("%-37s do: %s\n", "", row->command);
    }
    printf("\nassurance now: S%d of S3\n", (int)d->assurance.level);
    if (d->assurance.weakness[0]) printf("weak even so: %s\n", d->assurance.weakness);
    if (d->assurance.blocker_count) printf("for S%d:\n", (int)d->assurance.level + 1);
    for (unsigned i = 0; i < d->assurance.blocker_count; i++) {
        printf("  - %s\n", d->assurance.blocker[i].why);
        if (d->assurance.blocker[i].command)
            printf("    do: %s\n", d->assurance.blocker[i].command);
    }
    printf("S0 to S2 are self-reported by this machine and are not confidential computing.\n");
}

static json_t *text_or_null(const char *text) { return text ? json_string(text) : json_null(); }

static struct cella_result print_json(const struct cella_doctor *d) {
    json_t *rows = json_array(), *blockers = json_array(), *settings = json_object();
    for (unsigned i = 0; i < d->row_count; i++)
        json_array_append_new(
            rows, json_pack("{s:s, s:s, s:s, s:s, s:o}", "area", d->row[i].area, "name",
                            d->row[i].name, "verdict", verdicts[d->row[i].verdict], "detail",
                            d->row[i].detail, "command", text_or_null(d->row[i].command)));
    for (unsigned i = 0; i < d->assurance.blocker_count; i++)
        json_array_append_new(blockers,
                              json_pack("{s:s, s:o}", "why", d->assurance.blocker[i].why, "command",
                                        text_or_null(d->assurance.blocker[i].command)));
    for (unsigned i = 0; i < CELLA_SETTING_COUNT; i++)
        json_object_set_new(settings, d->assurance.settings.list[i].name,
                            json_string(d->assurance.settings.list[i].value));
    char level[3] = {'S', (char)('0' + (int)d->assurance.level), 0};
    json_t *all = json_pack("{s:s, s:s, s:o, s:o, s:o}", "assurance", level, "weakness",
                            d->assurance.weakness, "next_level_needs", blockers, "checks", rows,
                            "settings", settings);
    ENSURE(all && json_dumpf(all, stdout, JSON_INDENT(2)) == 0, CELLA_ERR_IO, NULL,
           "cannot write JSON");
    json_decref(all);
    printf("\n");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cmd_doctor(int argc, char **argv) {
    static const struct option options[] = {{"json", 0, NULL, 'j'}, {NULL, 0, NULL, 0}};
    static struct cella_doctor doctor;
    bool json = false;
    optind = 0;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c != 'j') return cella_cli_usage("doctor", "unknown option '%s'", argv[optind - 1]);
        json = true;
    }
    if (optind < argc)
        return cella_cli_usage("doctor", "no words are wanted, found '%s'", argv[optind]);
    TRY(cella_doctor_examine(&doctor));
    if (json) return print_json(&doctor);
    print_table(&doctor);
    return CELLA_SUCCESS;
}
