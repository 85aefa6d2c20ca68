/* Durations of rotation policies: ISO 8601, years, months, weeks and days (azure-keyvault 2.7). */
#ifndef CELLA_VAULT_DURATION_H
#define CELLA_VAULT_DURATION_H

#include <stdbool.h>
#include <stdint.h>

struct cella_duration {
    uint32_t months, days; /* at most 1200 months, 36500 days */
};
/* "P18M", "P2Y", "P1Y6M10D", "P4W"; false for all else, also for nothing and for times of a day. */
bool cella_duration_read(const char *text, struct cella_duration *out);
/* The moment that much after (or before) another, in the calendar, UTC: the day of the month is cut
 * to the last one that the month has. */
int64_t cella_duration_after(int64_t unix_s, const struct cella_duration *duration);
int64_t cella_duration_before(int64_t unix_s, const struct cella_duration *duration);
/* At the least, in days. */
uint32_t cella_duration_days(const struct cella_duration *duration);

#endif
