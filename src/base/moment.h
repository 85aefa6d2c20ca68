/* Moments as people write them: RFC 3339, in seconds since 1970. Hosted. */
#ifndef CELLA_BASE_MOMENT_H
#define CELLA_BASE_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

enum { CELLA_TIME_TEXT = 32 };

/* In UTC, "2026-02-14T00:17:59Z". */
void cella_time_show(uint64_t unix_s, char text[CELLA_TIME_TEXT]);
/* Any offset; fractions of a second are cut off. False for all else, and for moments before 1970.
 */
bool cella_time_read(const char *text, uint64_t *unix_s);

#endif
