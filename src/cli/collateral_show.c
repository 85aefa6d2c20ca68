/* `cella collateral import`, `show` and `check`. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/moment.h"
#include "base/text.h"
#include "cli/collateral.h"

struct arguments {
    const char *roots, *time, *output, *warn_days;
    bool json;
};

static CELLA_RESULT read_arguments(int argc, char **argv, struct arguments *out) {
    static const struct option options[] = {
        {"roots", required_argument, NULL, 'r'},     {"time", required_argument, NULL, 't'},
        {"output", required_argument, NULL, 'o'},    {"json", no_argument, NULL, 'j'},
        {"warn-days", required_argument, NULL, 'w'}, {NULL, 0, NULL, 0}};
    *out = (struct arguments){0};
    opterr = 0; /* the message is ours */
    for (int c; (c = getopt_long(argc, argv, "o:", options, NULL)) != -1;) {
        if (c == 'r')
            out->roots = optarg;
        else if (c == 't')
            out->time = optarg;
        else if (c == 'o')
            out->output = optarg;
        else if (c == 'j')
            out->json = true;
        else if (c == 'w')
            out->warn_days = optarg;
        else
            return cella_cli_collateral_usage("unknown option, or one without its value");
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cli_collateral_import(int argc, char **argv) {
    struct arguments a;
    CELLA_STORE store = {0};
    size_t failed = 0;
    TRY(read_arguments(argc, argv, &a));
    if (!a.output || optind == argc)
        return cella_cli_collateral_usage("import: expected PATH... and -o BUNDLE");
    if (a.roots) TRY(cella_store_roots(&store, a.roots));
    for (int i = optind; i < argc; i++) {
        size_t taken = 0;
        TRY(cella_store_add_path(&store, argv[i], &taken));
        ENSURE(taken > 0, CELLA_ERR_FORMAT, "give files or folders with collateral",
               "%s: no collateral in it", argv[i]);
    }
    TRY(cella_store_check(&store));
    for (size_t i = 0; i < store.count; i++) {
        if (store.item[i].state != CELLA_ITEM_FAILED) continue;
        fprintf(stderr, "cella: %s: left out: %s\n", store.item[i].name, store.item[i].why);
        failed++;
    }
    TRY(cella_store_settle(&store, false));
    ENSURE(store.count > 0, CELLA_ERR_INTEGRITY, "are these of another maker's roots? see --roots",
           "nothing is written: none of %zu items holds", failed);
    TRY(cella_cli_collateral_write(&store, a.output));
    fprintf(stderr, "%s: %zu items%s\n", a.output, store.count,
            failed ? ", some were left out" : "");
    return CELLA_SUCCESS;
}

/* --- Show --- */

static const char *state_text(const struct cella_item *item, uint64_t now) {
    if (item->state == CELLA_ITEM_FAILED) return "failed";
    if (item->from_unix > now) return "not yet in force";
    if (item->until_unix && item->until_unix < now) return "out of date";
    return item->state == CELLA_ITEM_HELD ? "holds" : "unchecked";
}

static void moment(uint64_t unix_s, char text[CELLA_TIME_TEXT]) {
    if (unix_s)
        cella_time_show(unix_s, text);
    else
        snprintf(text, CELLA_TIME_TEXT, "-");
}

static void print_table(const struct cella_store *store, uint64_t now) {
    printf("%-34s %-26s %-20s %-20s %4s  %s\n", "item", "issuer", "from", "until", "eval", "state");
    for (size_t i = 0; i < store->count; i++) {
        const struct cella_item *item = &store->item[i];
        char from[CELLA_TIME_TEXT], until[CELLA_TIME_TEXT], evaluation[12] = "-";
        moment(item->from_unix, from);
        moment(item->until_unix, until);
        if (item->evaluated) snprintf(evaluation, sizeof(evaluation), "%u", item->evaluation);
        printf("%-34s %-26s %-20s %-20s %4s  %s%s%s\n", item->name,
               item->issuer[0] ? item->issuer : "-", from, until, evaluation, state_text(item, now),
               item->why[0] ? ": " : "", item->why);
    }
}

static json_t *moment_json(uint64_t unix_s) {
    char text[CELLA_TIME_TEXT];
    if (!unix_s) return json_null();
    cella_time_show(unix_s, text);
    return json_string(text);
}

static CELLA_RESULT print_json(const struct cella_store *store, uint64_t now) {
    json_t *items = json_array(), *whole = json_pack("{s:o}", "items", items);
    bool good = whole != NULL;
    for (size_t i = 0; good && i < store->count; i++) {
        const struct cella_item *item = &store->item[i];
        json_t *one =
            json_pack("{s:s, s:s, s:s*, s:o, s:o, s:o, s:s, s:s*, s:I}", "name", item->name, "kind",
                      cella_item_kind_name(item->kind), "issuer",
                      item->issuer[0] ? item->issuer : NULL, "from", moment_json(item->from_unix),
                      "until", moment_json(item->until_unix), "tcb_evaluation_data_number",
                      item->evaluated ? json_integer(item->evaluation) : json_null(), "state",
                      state_text(item, now), "why", item->why[0] ? item->why : NULL, "size",
                      (json_int_t)item->content.size);
        good = one && json_array_append_new(items, one) == 0;
    }
    good = good && json_dumpf(whole, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF;
    json_decref(whole);
    ENSURE(good, CELLA_ERR_IO, NULL, "cannot write the table");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cli_collateral_show(int argc, char **argv) {
    struct arguments a;
    CELLA_STORE store = {0};
    uint64_t now;
    TRY(read_arguments(argc, argv, &a));
    if (optind + 1 != argc)
        return cella_cli_collateral_usage("show: expected one bundle or folder");
    TRY(cella_cli_collateral_time(a.time, &now));
    TRY(cella_cli_collateral_open(&store, argv[optind], a.roots, true));
    if (a.json) return print_json(&store, now);
    print_table(&store, now);
    return CELLA_SUCCESS;
}

/* --- Check --- */

/* Says what is wrong with the item, or soon will be; false: nothing. */
static bool complain(const struct cella_item *item, uint64_t now, uint64_t warn_s) {
    char text[CELLA_TIME_TEXT];
    moment(item->until_unix, text);
    if (item->state == CELLA_ITEM_FAILED)
        printf("%s: does not hold: %s\n", item->name, item->why);
    else if (item->from_unix > now)
        printf("%s: not in force yet\n", item->name);
    else if (item->until_unix && item->until_unix < now)
        printf("%s: out of date since %s\n", item->name, text);
    else if (item->until_unix && item->until_unix - now < warn_s)
        printf("%s: will be out of date at %s\n", item->name, text);
    else
        return false;
    return true;
}

CELLA_RESULT cella_cli_collateral_check(int argc, char **argv) {
    enum { DAY_S = 86400, DAYS_MAX = 36500 };
    struct arguments a;
    CELLA_STORE store = {0};
    uint64_t now, days = 7;
    size_t count = 0;
    TRY(read_arguments(argc, argv, &a));
    if (optind + 1 != argc)
        return cella_cli_collateral_usage("check: expected one bundle or folder");
    if (a.warn_days && (!cella_number_read(a.warn_days, &days) || days > DAYS_MAX))
        return cella_cli_collateral_usage("--warn-days: expected a number of days");
    TRY(cella_cli_collateral_time(a.time, &now));
    TRY(cella_cli_collateral_open(&store, argv[optind], a.roots, true));
    for (size_t i = 0; i < store.count; i++) count += complain(&store.item[i], now, days * DAY_S);
    ENSURE(count == 0, CELLA_ERR_EXPIRED, "`cella collateral fetch` gets what is newer",
           "%s: %zu of %zu items need attention", argv[optind], count, store.count);
    printf("%s: %zu items, all in force\n", argv[optind], store.count);
    return CELLA_SUCCESS;
}
