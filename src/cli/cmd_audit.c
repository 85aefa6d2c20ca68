#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/text.h"
#include "cli/cli.h"
#include "crypto/jose.h"
#include "service/config.h"
#include "store/database.h"
#include "store/sealer.h"

const char cella_help_audit[] =
    "usage: cella audit verify FILE [--key FOLDER]\n"
    "       cella audit show FILE [--request ID] [--last N]\n\n"
    "verify reads the audit log of a server from its first line to its last and checks the chain "
    "of hashes. It names\n"
    "the first line that was altered, removed, added or moved. Lines cut off at the end are "
    "noticed with the key of\n"
    "the server alone: give its data folder. A running server is not disturbed.\n"
    "Exit status: 0 whole, 1 broken, 2 arguments or files that cannot be used.\n\n"
    "show prints records for people; it checks nothing.\n\n"
    "  --key FOLDER   data folder of the server that wrote the log\n"
    "  --request ID   only the records of this request\n"
    "  --last N       only the newest N of them\n";

enum { LINE_MAX_BYTES = 1 << 16 };

struct arguments {
    const char *path, *key, *request;
    uint64_t last; /* 0: all */
};

static struct cella_result take_flag(const char *name, const char *value, bool verify,
                                     struct arguments *out) {
    if (verify && strcmp(name, "--key") == 0) {
        out->key = value;
    } else if (!verify && strcmp(name, "--request") == 0) {
        out->request = value;
    } else if (!verify && strcmp(name, "--last") == 0) {
        if (!cella_number_read(value, &out->last) || out->last == 0)
            return cella_cli_usage("audit", "--last: expected a number above 0, found %s", value);
    } else {
        return cella_cli_usage("audit", "unknown flag %s", name);
    }
    return CELLA_SUCCESS;
}

static struct cella_result parse(int argc, char **argv, bool verify, struct arguments *out) {
    for (int i = 2; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1]) {
            if (i + 1 == argc) return cella_cli_usage("audit", "%s: a value is missing", argv[i]);
            TRY(take_flag(argv[i], argv[i + 1], verify, out));
            i++;
        } else if (out->path) {
            return cella_cli_usage("audit", "one log at a time: %s and %s", out->path, argv[i]);
        } else {
            out->path = argv[i];
        }
    }
    return out->path ? CELLA_SUCCESS : cella_cli_usage("audit", "expected the file of a log");
}

/* --- verify --- */

static struct cella_result read_key(const char *folder, struct cella_secret *key) {
    CELLA_DATABASE database = NULL;
    CELLA_SEALER sealer = NULL;
    TRY(cella_service_open_store(folder, &database, &sealer));
    return cella_service_audit_key(database, sealer, key);
}

static struct cella_result verify(const struct arguments *arguments) {
    CELLA_SECRET key = {0};
    struct cella_audit_verdict verdict;
    if (arguments->key) TRY_IN(read_key(arguments->key, &key), "--key %s", arguments->key);
    TRY(cella_audit_verify(arguments->path, cella_secret_bytes(&key), &verdict));
    ENSURE(verdict.broken_line == 0, CELLA_ERR_REFUSED,
           "keep the file as it is; what comes before that line holds",
           "audit log %s is broken: %s", arguments->path, verdict.why);
    printf("whole: %" PRIu64 " lines, head %s\n", verdict.count, verdict.head);
    if (verdict.why[0]) printf("%s\n", verdict.why);
    return CELLA_SUCCESS;
}

/* --- show --- */

static bool is_wanted(const json_t *record, const char *request) {
    const char *its = json_string_value(json_object_get(record, "request"));
    return !request || (its && strcmp(its, request) == 0);
}

/* Strings stay as JSON spells them: what a stranger had written there must not move the cursor of
 * whoever reads it. */
static struct cella_result print_record(const json_t *record) {
    static const char *const chain[] = {"seq", "time", "prev", "hash"};
    const char *name;
    json_t *value;
    printf("%" JSON_INTEGER_FORMAT "  %s\n", json_integer_value(json_object_get(record, "seq")),
           json_string_value(json_object_get(record, "time")));
    json_object_foreach((json_t *)record, name, value) {
        bool ours = false;
        for (size_t i = 0; i < sizeof(chain) / sizeof(chain[0]); i++)
            ours = ours || strcmp(name, chain[i]) == 0;
        if (ours) continue;
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_COMPACT);
        ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory to print a record");
        size_t size = strlen(text);
        bool quoted = json_is_string(value) && size > 2 && !strchr(text, '\\');
        printf("    %-12s %.*s\n", name, (int)(quoted ? size - 2 : size), text + quoted);
        free(text);
    }
    return CELLA_SUCCESS;
}

static struct cella_result read_record(const char *path, uint64_t number, const char *line,
                                       json_t **out) {
    size_t size = strlen(line);
    ENSURE(size && line[size - 1] == '\n', CELLA_ERR_FORMAT, "`cella audit verify` says more",
           "line %" PRIu64 " of %s has no end, or is too long", number, path);
    TRY_IN(cella_json_object(cella_bytes(line, size - 1), "audit record", out),
           "line %" PRIu64 " of %s", number, path);
    const json_t *seq = json_object_get(*out, "seq"), *time = json_object_get(*out, "time");
    ENSURE(json_is_integer(seq) && json_is_string(time), CELLA_ERR_FORMAT,
           "`cella audit verify` says more", "line %" PRIu64 " of %s has no number or no time",
           number, path);
    return CELLA_SUCCESS;
}

/* Counts the records wanted, and prints all but the first skip of them. */
static struct cella_result walk(const struct arguments *arguments, FILE *file, bool print,
                                uint64_t skip, uint64_t *count) {
    static char line[LINE_MAX_BYTES + 1];
    rewind(file);
    *count = 0;
    for (uint64_t number = 1; fgets(line, sizeof(line), file); number++) {
        CELLA_JSON record = NULL;
        TRY(read_record(arguments->path, number, line, &record));
        if (!is_wanted(record, arguments->request)) continue;
        if (print && *count >= skip) TRY(print_record(record));
        ++*count;
    }
    ENSURE(!ferror(file), CELLA_ERR_IO, NULL, "cannot read %s: %s", arguments->path,
           strerror(errno));
    return CELLA_SUCCESS;
}

static void close_file(FILE **file) {
    if (*file) fclose(*file);
}

static struct cella_result show(const struct arguments *arguments) {
    uint64_t count = 0;
    __attribute__((cleanup(close_file))) FILE *file = fopen(arguments->path, "re");
    ENSURE(file, errno == ENOENT ? CELLA_ERR_NOT_FOUND : CELLA_ERR_IO, NULL, "cannot open %s: %s",
           arguments->path, strerror(errno));
    if (arguments->last) TRY(walk(arguments, file, false, 0, &count));
    uint64_t skip = count > arguments->last ? count - arguments->last : 0;
    TRY(walk(arguments, file, true, skip, &count));
    ENSURE(count || !arguments->request, CELLA_ERR_NOT_FOUND, NULL,
           "%s has no record of request %s", arguments->path, arguments->request);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cmd_audit(int argc, char **argv) {
    struct arguments arguments = {0};
    const char *what = argc > 1 ? argv[1] : "";
    bool verifies = strcmp(what, "verify") == 0;
    if (!verifies && strcmp(what, "show") != 0)
        return cella_cli_usage("audit", "expected verify or show%s%s", *what ? ", found " : "",
                               what);
    TRY(parse(argc, argv, verifies, &arguments));
    return verifies ? verify(&arguments) : show(&arguments);
}
