/* Lines to stderr, and the end of an enclave that cannot go on. */
#include <stdarg.h>

#include "shim/core.h"

enum { LINE_MAX = 512, STDERR = 2 };

struct line {
    char text[LINE_MAX];
    size_t size;
};

static void put(struct line *line, char c) {
    if (line->size < LINE_MAX - 1) line->text[line->size++] = c;
}

static void put_text(struct line *line, const char *text) {
    for (; text && *text; text++) put(line, *text);
}

static void put_number(struct line *line, uint64_t v, unsigned base) {
    char digits[24];
    size_t n = 0;
    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    while (n) put(line, digits[--n]);
}

static void say(const char *format, va_list arguments) {
    struct line line = {.size = 0};
    put_text(&line, "cella: ");
    for (const char *p = format; *p; p++) {
        if (*p != '%') {
            put(&line, *p);
            continue;
        }
        switch (*++p) {
        case 's': put_text(&line, va_arg(arguments, const char *)); break;
        case 'u': put_number(&line, va_arg(arguments, uint64_t), 10); break;
        case 'x': put_number(&line, va_arg(arguments, uint64_t), 16); break;
        default: put(&line, *p); break;
        }
    }
    line.text[line.size++] = '\n';
    shim_syscall(__NR_write, STDERR, (long)line.text, (long)line.size, 0, 0, 0);
}

void shim_say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

/* No commit of open files here: their last commit stands. */
void shim_abort(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    for (;;) shim_syscall(__NR_exit_group, SHIM_ABORT_STATUS, 0, 0, 0, 0, 0);
}
