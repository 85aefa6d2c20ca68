#include "base/moment.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void cella_time_show(uint64_t unix_s, char text[CELLA_TIME_TEXT]) {
    time_t t = (time_t)unix_s;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(text, CELLA_TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(text, CELLA_TIME_TEXT, "unknown");
}

/* Count digits exactly; -1 when they are not there. */
static int digits(const char **at, int count) {
    int value = 0;
    for (int i = 0; i < count; i++, ++*at) {
        if (**at < '0' || **at > '9') return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

static bool mark(const char **at, const char *one_of) {
    if (!**at || !strchr(one_of, **at)) return false;
    ++*at;
    return true;
}

/* "Z" or "+hh:mm", in seconds. */
static bool offset_read(const char **at, int64_t *seconds) {
    *seconds = 0;
    if (mark(at, "Zz")) return true;
    int sign = **at == '-' ? -1 : 1;
    if (!mark(at, "+-")) return false;
    int hours = digits(at, 2);
    if (hours < 0 || hours > 23 || !mark(at, ":")) return false;
    int minutes = digits(at, 2);
    *seconds = sign * (hours * 3600 + minutes * 60);
    return minutes >= 0 && minutes < 60;
}

bool cella_time_read(const char *text, uint64_t *unix_s) {
    struct tm tm = {0};
    int64_t offset = 0;
    *unix_s = 0;
    tm.tm_year = digits(&text, 4) - 1900;
    if (tm.tm_year < 70 || !mark(&text, "-") || (tm.tm_mon = digits(&text, 2) - 1) < 0)
        return false;
    if (!mark(&text, "-") || (tm.tm_mday = digits(&text, 2)) < 1 || !mark(&text, "Tt "))
        return false;
    if ((tm.tm_hour = digits(&text, 2)) < 0 || !mark(&text, ":") ||
        (tm.tm_min = digits(&text, 2)) < 0)
        return false;
    if (!mark(&text, ":") || (tm.tm_sec = digits(&text, 2)) < 0) return false;
    if (mark(&text, ".")) {
        if (*text < '0' || *text > '9') return false;
        while (*text >= '0' && *text <= '9') text++;
    }
    if (!offset_read(&text, &offset) || *text) return false;
    const struct tm given = tm;
    time_t local = timegm(&tm); /* carries over what is too large, and shows it */
    if (given.tm_mon != tm.tm_mon || given.tm_mday != tm.tm_mday || given.tm_hour != tm.tm_hour ||
        given.tm_min != tm.tm_min || given.tm_sec != tm.tm_sec)
        return false;
    int64_t moment = (int64_t)local - offset;
    *unix_s = moment < 0 ? 0 : (uint64_t)moment;
    return moment >= 0;
}
