#include "vault/duration.h"

#include <string.h>
#include <time.h>

enum { MONTHS_MAX = 1200, DAYS_MAX = 36500, DAY_S = 86400 };

bool cella_duration_read(const char *text, struct cella_duration *out) {
    static const char units[] = "YMWD";
    uint64_t months = 0, days = 0;
    const char *unit = units;
    *out = (struct cella_duration){0, 0};
    if (!text || *text++ != 'P' || !*text) return false;
    while (*text) {
        uint64_t number = 0;
        const char *start = text;
        while (*text >= '0' && *text <= '9' && text - start < 6)
            number = number * 10 + (uint64_t)(*text++ - '0');
        const char *found = *text ? strchr(unit, *text) : NULL; /* each once, in this order */
        if (text == start || !found) return false;
        if (*found == 'Y' || *found == 'M')
            months += number * (*found == 'Y' ? 12 : 1);
        else
            days += number * (*found == 'W' ? 7 : 1);
        unit = found + 1;
        text++;
    }
    if (months > MONTHS_MAX || days > DAYS_MAX || months + days == 0) return false;
    *out = (struct cella_duration){(uint32_t)months, (uint32_t)days};
    return true;
}

static int month_days(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month] + (month == 1 && leap);
}

static int64_t move(int64_t unix_s, int64_t months, int64_t days) {
    time_t at = (time_t)unix_s;
    struct tm t;
    if (!gmtime_r(&at, &t)) return unix_s;
    int64_t month = (int64_t)t.tm_year * 12 + t.tm_mon + months;
    t.tm_mon = (int)((month % 12 + 12) % 12); /* also of a time before 1900 */
    t.tm_year = (int)((month - t.tm_mon) / 12);
    int last = month_days(t.tm_year + 1900, t.tm_mon);
    if (t.tm_mday > last) t.tm_mday = last;
    return (int64_t)timegm(&t) + days * DAY_S;
}

int64_t cella_duration_after(int64_t unix_s, const struct cella_duration *duration) {
    return move(unix_s, duration->months, duration->days);
}
int64_t cella_duration_before(int64_t unix_s, const struct cella_duration *duration) {
    return move(unix_s, -(int64_t)duration->months, -(int64_t)duration->days);
}
uint32_t cella_duration_days(const struct cella_duration *duration) {
    return duration->months * 28 + duration->days;
}
