/* Results: the one error convention of cella.
 *
 * Every function that can fail returns `struct cella_result`, declared with CELLA_RESULT so that
 * the compiler refuses to drop it. A result holds NULL (success) or one error, which the holder
 * owns: pass it on with TRY, look at it, or give it back with cella_result_drop(). An error says
 * what was expected, what was found and what to do, and carries the trail of places it came
 * through.
 *
 * The same macros serve the freestanding code (seal core, shim): there an error is a constant in
 * the image, nothing is allocated, and the format's arguments are checked by the compiler but not
 * printed.
 *
 * Threads: no state is shared; a result may be handed to another thread.
 */
#ifndef CELLA_RESULT_H
#define CELLA_RESULT_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Codes are stable: `cella explain NAME` describes each, and the process exit status is derived
 * from it. */
enum cella_code {
    CELLA_OK = 0,
    CELLA_ERR_USAGE,       /* the caller's words are off: flags, settings, arguments */
    CELLA_ERR_IO,          /* the operating system refused a read, write, open, ... */
    CELLA_ERR_NOT_FOUND,   /* a named thing is absent */
    CELLA_ERR_EXISTS,      /* a thing is there that must not be */
    CELLA_ERR_PERMISSION,  /* the operating system or the platform forbids it */
    CELLA_ERR_FORMAT,      /* bytes do not have the form that their source document gives */
    CELLA_ERR_LIMIT,       /* a size, count or depth is over its documented maximum */
    CELLA_ERR_INTEGRITY,   /* a signature, tag or hash does not match: tampered with or wrong key */
    CELLA_ERR_REFUSED,     /* well-formed and genuine, but the policy says no */
    CELLA_ERR_EXPIRED,     /* outside its time of validity */
    CELLA_ERR_UNSUPPORTED, /* a feature or version that this build or machine does not have */
    CELLA_ERR_UNAVAILABLE, /* a service, device or resource is not there now */
    CELLA_ERR_MEMORY,      /* no memory */
    CELLA_ERR_PROTOCOL,    /* a peer broke the protocol */
    CELLA_ERR_INTERNAL,    /* a bug in cella */
    CELLA_CODE_COUNT
};

enum { CELLA_TRAIL_MAX = 12 };

struct cella_error {
    enum cella_code code;
    const char *what;  /* one sentence: what failed, expected, found */
    const char *hint;  /* what to do about it, or NULL */
    const char *where; /* file:line of the failure */
    /* hosted only; NULL and 0 in constant errors */
    const char *trail[CELLA_TRAIL_MAX]; /* file:line of each TRY it came through, innermost first */
    unsigned trail_count;
    bool owned; /* allocated: cella_result_drop frees it */
};

struct cella_result {
    const struct cella_error *error; /* NULL: success */
};

#define CELLA_RESULT  __attribute__((warn_unused_result)) struct cella_result
#define CELLA_SUCCESS ((struct cella_result){NULL})
#define CELLA_STR_(x) #x
#define CELLA_STR(x)  CELLA_STR_(x)
#define CELLA_WHERE   __FILE__ ":" CELLA_STR(__LINE__)

static inline bool cella_failed(struct cella_result r) { return r.error != NULL; }
static inline enum cella_code cella_code_of(struct cella_result r) {
    return r.error ? r.error->code : CELLA_OK;
}

/* `image.h`-style short name of a code ("integrity"), and the paragraph `cella explain` prints. */
const char *cella_code_name(enum cella_code code);

/* Return from the enclosing function with a new error. FAIL(code, hint or NULL, printf format, ...)
 */
#define FAIL(code, hint, ...) return CELLA_FAILURE(code, hint, __VA_ARGS__)
/* Return with an error unless cond holds. */
#define ENSURE(cond, code, hint, ...)                                                              \
    do {                                                                                           \
        if (!(cond)) return CELLA_FAILURE(code, hint, __VA_ARGS__);                                \
    } while (0)
/* Return the error of a failed call, with this place added to its trail. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        struct cella_result try_result_ = (expr);                                                  \
        if (try_result_.error) return cella_result_trace(try_result_, CELLA_WHERE);                \
    } while (0)

#ifdef CELLA_FREESTANDING
void cella_format_check_(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define CELLA_FIRST_(a, ...) a
#define CELLA_FAILURE(code_, hint_, ...)                                                           \
    ({                                                                                             \
        if (0) cella_format_check_(__VA_ARGS__);                                                   \
        static const struct cella_error error_ = {.code = (code_),                                 \
                                                  .what = CELLA_FIRST_(__VA_ARGS__, 0),            \
                                                  .hint = (hint_),                                 \
                                                  .where = CELLA_WHERE};                           \
        (struct cella_result){&error_};                                                            \
    })
static inline struct cella_result cella_result_trace(struct cella_result r, const char *where) {
    (void)where;
    return r;
}
static inline void cella_result_drop(struct cella_result r) { (void)r; }
#else
#define CELLA_FAILURE(code_, hint_, ...)                                                           \
    cella_result_new((code_), CELLA_WHERE, (hint_), __VA_ARGS__)
/* Like TRY, with "context: " put before what the error says. TRY_IN(expr, printf format, ...) */
#define TRY_IN(expr, ...)                                                                          \
    do {                                                                                           \
        struct cella_result try_result_ = (expr);                                                  \
        if (try_result_.error) return cella_result_context(try_result_, CELLA_WHERE, __VA_ARGS__); \
    } while (0)

/* A new error; hint may be NULL and is copied. Falls back to a constant out-of-memory error. */
struct cella_result cella_result_new(enum cella_code code, const char *where, const char *hint,
                                     const char *format, ...) __attribute__((format(printf, 4, 5)));
struct cella_result cella_result_trace(struct cella_result r, const char *where);
struct cella_result cella_result_context(struct cella_result r, const char *where,
                                         const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Frees the error. Harmless on success. */
void cella_result_drop(struct cella_result r);
/* Prints "cella: what", "  do: hint" and, at log level debug, the trail to stderr. Does not free.
 */
void cella_result_print(struct cella_result r);
/* What `cella explain NAME` prints; NULL for a name that is none. */
const char *cella_code_explain(const char *name);
/* Process exit status for a code: 0 success, 2 usage, 3 refused or integrity, 1 all else. */
int cella_code_exit_status(enum cella_code code);
#endif

#ifdef __cplusplus
}
#endif

#endif
