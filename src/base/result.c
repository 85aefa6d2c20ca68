#include <cella/result.h>

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* One allocation per error: the head and its texts together, so that drop is one free. */
struct owned_error {
    struct cella_error head;
    char what[768];
    char hint[384];
};

static const struct cella_error out_of_memory = {.code = CELLA_ERR_MEMORY,
                                                 .what = "no memory left",
                                                 .hint = "free memory or raise the limit",
                                                 .where = "result"};

struct code_text {
    const char *name;
    const char *explain;
};

static const struct code_text code_texts[CELLA_CODE_COUNT] = {
    [CELLA_OK] = {"ok", "Nothing failed."},
    [CELLA_ERR_USAGE] =
        {"usage",
         "The command line, a setting or a manifest line is not as its documentation says. "
         "The message names the word and what is allowed in its place."},
    [CELLA_ERR_IO] =
        {"io", "The operating system refused to read or write. The message ends in its own reason; "
               "nothing half-written is left behind: files are replaced whole or not at all."},
    [CELLA_ERR_NOT_FOUND] =
        {"not-found",
         "A file, key or other named thing is not there. Check the name and who may see it."},
    [CELLA_ERR_EXISTS] =
        {"exists", "A file is there already and cella does not overwrite keys or images unasked."},
    [CELLA_ERR_PERMISSION] =
        {"permission", "The operating system or the platform does not allow it to this user."},
    [CELLA_ERR_FORMAT] =
        {"format",
         "The bytes are not of the form that was expected: cut short, damaged, of another "
         "version, or something else altogether. Nothing of them was used."},
    [CELLA_ERR_LIMIT] = {"limit",
                         "A size or count is over a documented maximum. The message names both."},
    [CELLA_ERR_INTEGRITY] =
        {"integrity",
         "A signature, hash or authentication tag does not match. Either the data was "
         "changed after it was made, or the key is another one. Nothing of it was used."},
    [CELLA_ERR_REFUSED] =
        {"refused",
         "Everything is genuine, but the policy does not accept it. The message names the "
         "claim, what it is and what would satisfy the policy."},
    [CELLA_ERR_EXPIRED] =
        {"expired", "The time of validity is over, or has not begun. Check the clock first."},
    [CELLA_ERR_UNSUPPORTED] = {"unsupported",
                               "This build or this machine does not have what was asked for. "
                               "`cella doctor` lists what it has."},
    [CELLA_ERR_UNAVAILABLE] =
        {"unavailable", "A service, device or resource is not there at the moment. It may work "
                        "later; `cella doctor` tells what is missing."},
    [CELLA_ERR_MEMORY] = {"memory", "The process is out of memory."},
    [CELLA_ERR_PROTOCOL] =
        {"protocol", "The other side of a connection sent what the protocol does not allow. The "
                     "connection was closed."},
    [CELLA_ERR_INTERNAL] =
        {"internal", "A bug in cella. Please report it with the output of the command run with "
                     "CELLA_LOG=debug; it holds no secrets."},
};

const char *cella_code_name(enum cella_code code) {
    if ((unsigned)code >= CELLA_CODE_COUNT) return "unknown";
    return code_texts[code].name;
}

const char *cella_code_explain(const char *name) {
    for (unsigned i = 0; i < CELLA_CODE_COUNT; i++)
        if (strcmp(code_texts[i].name, name) == 0) return code_texts[i].explain;
    return NULL;
}

int cella_code_exit_status(enum cella_code code) {
    switch (code) {
    case CELLA_OK: return 0;
    case CELLA_ERR_USAGE: return 2;
    case CELLA_ERR_REFUSED:
    case CELLA_ERR_INTEGRITY:
    case CELLA_ERR_EXPIRED: return 3;
    default: return 1;
    }
}

static struct owned_error *error_new(enum cella_code code, const char *where, const char *hint) {
    struct owned_error *e = calloc(1, sizeof(*e));
    if (!e) return NULL;
    e->head.code = code;
    e->head.where = where;
    e->head.owned = true;
    e->head.what = e->what;
    if (hint) {
        snprintf(e->hint, sizeof(e->hint), "%s", hint);
        e->head.hint = e->hint;
    }
    return e;
}

struct cella_result cella_result_new(enum cella_code code, const char *where, const char *hint,
                                     const char *format, ...) {
    struct owned_error *e = error_new(code, where, hint);
    if (!e) return (struct cella_result){&out_of_memory};
    va_list args;
    va_start(args, format);
    vsnprintf(e->what, sizeof(e->what), format, args);
    va_end(args);
    return (struct cella_result){&e->head};
}

/* A constant error (from freestanding code) becomes an owned one, so that it can carry a trail. */
static struct owned_error *owned(struct cella_result r) {
    if (r.error->owned) return (struct owned_error *)(void *)(uintptr_t)r.error;
    struct owned_error *e = error_new(r.error->code, r.error->where, r.error->hint);
    if (e) snprintf(e->what, sizeof(e->what), "%s", r.error->what);
    return e;
}

struct cella_result cella_result_trace(struct cella_result r, const char *where) {
    if (!r.error) return r;
    struct owned_error *e = owned(r);
    if (!e) return r;
    if (e->head.trail_count < CELLA_TRAIL_MAX) e->head.trail[e->head.trail_count++] = where;
    return (struct cella_result){&e->head};
}

struct cella_result cella_result_context(struct cella_result r, const char *where,
                                         const char *format, ...) {
    if (!r.error) return r;
    r = cella_result_trace(r, where);
    if (!r.error->owned) return r;
    struct owned_error *e = owned(r);
    char was[512];
    snprintf(was, sizeof(was), "%.511s", e->what);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(e->what, sizeof(e->what), format, args);
    va_end(args);
    if (n < 0 || n > 250) n = 250; /* a long context is cut, the cause stays whole */
    snprintf(e->what + n, sizeof(e->what) - (size_t)n, ": %s", was);
    return r;
}

void cella_result_drop(struct cella_result r) {
    if (r.error && r.error->owned) free((void *)(uintptr_t)r.error);
}

void cella_result_print(struct cella_result r) {
    if (!r.error) return;
    fprintf(stderr, "cella: %s [%s]\n", r.error->what, cella_code_name(r.error->code));
    if (r.error->hint) fprintf(stderr, "  do: %s\n", r.error->hint);
    if (!cella_log_enabled(CELLA_LOG_DEBUG)) return;
    fprintf(stderr, "  at %s\n", r.error->where);
    for (unsigned i = 0; i < r.error->trail_count; i++)
        fprintf(stderr, "  from %s\n", r.error->trail[i]);
}
