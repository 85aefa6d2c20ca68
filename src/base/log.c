#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static enum cella_log_level chosen_level(void) {
    const char *want = getenv("CELLA_LOG");
    for (unsigned i = 0; want && i < sizeof(level_names) / sizeof(level_names[0]); i++)
        if (strcmp(want, level_names[i]) == 0) return (enum cella_log_level)i;
    return CELLA_LOG_WARN;
}

bool cella_log_enabled(enum cella_log_level level) { return level <= chosen_level(); }

void cella_log(enum cella_log_level level, const char *format, ...) {
    if (!cella_log_enabled(level)) return;
    char line[1024]; /* one write per line, so that lines of several processes do not mix */
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    fprintf(stderr, "cella: %s: %s\n", level_names[level], line);
}
