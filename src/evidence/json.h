/* A strict reader of JSON in place: views into the caller's text, nothing allocated, one pass. For
 * documents whose exact bytes are signed: cella_json_raw gives the span of a value as it stands, so
 * that what is read is what was signed, with no re-serialisation (A29).
 *
 * Strict: RFC 8259 grammar, UTF-8, no BOM, no comments, depth 32, no duplicate keys at any level
 * (also not within skipped values), no bytes after the value. Narrower where the documents allow
 * it: keys have no escapes, numbers that are asked for are exact non-negative integers, strings
 * that are asked for have no escapes. Errors are sticky: after the first, every getter gives
 * nothing and `failed` says what is wrong at `at`.
 */
#ifndef CELLA_EVIDENCE_JSON_H
#define CELLA_EVIDENCE_JSON_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>

enum { CELLA_JSON_DEPTH = 32, CELLA_JSON_KEYS = 256 /* in all objects that are open at once */ };

struct cella_json {
    const uint8_t *data;
    size_t size, at;
    const char *failed; /* NULL, or what is wrong */
    uint32_t depth, key_count;
    struct {
        uint32_t key_base; /* of key[], at the time of entering */
        uint8_t end;       /* '}' or ']' */
        bool started;
    } level[CELLA_JSON_DEPTH];
    struct cella_bytes key[CELLA_JSON_KEYS];
};

void cella_json_begin(struct cella_json *json, struct cella_bytes text);
/* Success when nothing failed and only white space is left. what: the document's name, for the
 * error. */
CELLA_RESULT cella_json_end(struct cella_json *json, const char *what);
/* The first byte of the next value: '{', '[', '"', a digit, ...; 0 at the end. */
uint8_t cella_json_peek(struct cella_json *json);
/* Objects: enter, then a value must be read or skipped after each key; _key gives false at the end,
 * having left. */
void cella_json_enter_object(struct cella_json *json);
bool cella_json_key(struct cella_json *json, struct cella_bytes *key);
/* Arrays likewise. */
void cella_json_array(struct cella_json *json);
bool cella_json_item(struct cella_json *json);
struct cella_bytes cella_json_string(struct cella_json *json);
uint64_t cella_json_number(struct cella_json *json, uint64_t maximum);
/* A string of exactly 2*size hex digits into out. */
void cella_json_hex(struct cella_json *json, uint8_t *out, size_t size);
/* A string YYYY-MM-DDThh:mm:ssZ as seconds since 1970. */
uint64_t cella_json_time_unix(struct cella_json *json);
/* Any value, checked as strictly as one that is read; _raw gives its text. */
void cella_json_skip(struct cella_json *json);
struct cella_bytes cella_json_raw(struct cella_json *json);
/* Marks the reader as failed unless it is so already. */
void cella_json_fail(struct cella_json *json, const char *why);
bool cella_json_is(struct cella_bytes key, const char *name);

#endif
