/* For manifest.c: values of settings. Each returns false when the text is not one. */
#ifndef CELLA_IMAGE_MANIFEST_VALUE_H
#define CELLA_IMAGE_MANIFEST_VALUE_H

#include <stdbool.h>
#include <stdint.h>

/* Decimal, no sign, no leading zero, at most max. */
bool cella_value_number(const char *text, uint64_t max, uint64_t *out);
/* A number of bytes: decimal and one of K, M, G or nothing. */
bool cella_value_size(const char *text, uint64_t min, uint64_t max, uint64_t *out);
/* yes or no. */
bool cella_value_bool(const char *text, bool *out);
/* 2 to 128 hex digits, zero padded at the end to 64 bytes. */
bool cella_value_config_id(const char *text, uint8_t out[64]);
/* YYYY-MM-DD of 1980 to 9999 to BCD. */
bool cella_value_date(const char *text, uint32_t *out);
/* Names of signals (INT TERM HUP ...) to a mask: bit n-1 for signal n. */
bool cella_value_signals(const char *text, uint64_t *out);
/* A path in one spelling: no empty part, ".", ".." or slash at the end; absolute or relative as
 * asked. */
bool cella_value_path(const char *text, bool absolute);
/* [0-9A-Za-z_-]+ of at most 64. */
bool cella_value_key_name(const char *text);

#endif
