/* Log lines to stderr: "cella: level: text". Level from CELLA_LOG (error, warn, info, debug;
 * default warn). Secrets have a type of their own (secret.h) that no format takes, so they cannot
 * get here by accident. */
#ifndef CELLA_BASE_LOG_H
#define CELLA_BASE_LOG_H

#include <stdbool.h>

enum cella_log_level { CELLA_LOG_ERROR, CELLA_LOG_WARN, CELLA_LOG_INFO, CELLA_LOG_DEBUG };

bool cella_log_enabled(enum cella_log_level level);
void cella_log(enum cella_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
