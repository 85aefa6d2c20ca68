#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"
#include "http/message.h"

#define HOST "Host: x\r\n"
#define GET  "GET / HTTP/1.1\r\n"

static struct cella_http_message message;

/* The status of a whole head; 0 when it is taken, -1 when its end was not found. */
static int status(struct cella_bytes bytes) {
    struct cella_http_scan scan = {0};
    switch (cella_http_scan(&scan, bytes)) {
    case CELLA_HTTP_BAD: return 400;
    case CELLA_HTTP_MORE: return -1;
    default: return cella_http_message_parse(cella_bytes(bytes.data, scan.at), &message).status;
    }
}
static int status_of(const char *text) { return status(cella_bytes_text(text)); }

static bool is(struct cella_bytes b, const char *text) {
    return b.size == strlen(text) && cella_equal(b.data, text, b.size);
}

static void plain_requests(void **state) {
    struct cella_bytes value;
    (void)state;
    assert_int_equal(status_of(
                         "POST /a?b=c HTTP/1.1\r\nHost: localhost:8445\r\ncontent-LENGTH:  12 \r\n"
                         "X-A:\r\nx-b: \t two words\t\r\nExpect: 100-Continue\r\n\r\n"),
                     0);
    assert_true(is(message.method, "POST") && is(message.target, "/a?b=c"));
    assert_true(is(message.authority, "localhost:8445"));
    assert_int_equal(message.length, 12);
    assert_true(message.expects && !message.chunked && !message.last);
    assert_int_equal(message.count, 5);
    assert_true(cella_http_message_field(&message, "x-b", &value) && is(value, "two words"));
    assert_true(cella_http_message_field(&message, "x-a", &value) && is(value, ""));
    assert_false(cella_http_message_field(&message, "x-c", &value));
    assert_int_equal(status_of(GET HOST "X-A: 1\r\nX-A: 2\r\n\r\n"), 0);
    assert_false(cella_http_message_field(&message, "x-a", &value)); /* which one? */
    assert_int_equal(status_of(GET HOST "transfer-encoding: Chunked\r\n\r\n"), 0);
    assert_true(message.chunked);
    assert_int_equal(status_of(GET HOST "Connection: keep-alive, Close\r\n\r\n"), 0);
    assert_true(message.last);
    assert_int_equal(status_of("GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"), 0);
    assert_true(message.last); /* K16: one request a connection */
    assert_int_equal(status_of(GET HOST "X-A: caf\xc3\xa9\r\n\r\n"), 0);
    assert_int_equal(status_of("PROPFIND / HTTP/1.1\r\n" HOST "\r\n"), 0);
    assert_int_equal(status_of(GET "Host: [::1]:8445\r\n\r\n"), 0);
    assert_int_equal(status_of(GET "Host: a_b-c.example\r\n\r\n"), 0);
    assert_int_equal(status_of(GET HOST "Content-Length: 000000000000000007\r\n\r\n"), 0);
    assert_int_equal(message.length, 7);
}

/* K16: a known trick each. */
static void ambiguous_requests(void **state) {
    static const struct {
        int status;
        const char *text;
    } table[] = {
        {400, GET HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400, GET HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"},
        {400, GET HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"},
        {400, GET HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"},
        {400, GET HOST "Content-Length: 5, 5\r\n\r\n"},
        {400, GET HOST "Content-Length: +5\r\n\r\n"},
        {400, GET HOST "Content-Length: -5\r\n\r\n"},
        {400, GET HOST "Content-Length: 0x5\r\n\r\n"},
        {400, GET HOST "Content-Length: 5 5\r\n\r\n"},
        {400, GET HOST "Content-Length: 5.0\r\n\r\n"},
        {400, GET HOST "Content-Length:\r\n\r\n"},
        {400, GET HOST "Content-Length: 18446744073709551621\r\n\r\n"},
        {400, GET HOST "Content-Length: 1234567890123456789\r\n\r\n"},
        {400, GET HOST "Content-Length : 5\r\n\r\n"},
        {400, GET HOST " Content-Length: 5\r\n\r\n"},
        {400, GET HOST "Content-Length\r\n\r\n"},
        {400, GET HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400, GET HOST "Transfer-Encoding: chunked, chunked\r\n\r\n"},
        {400, GET HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"},
        {400, GET HOST "Transfer-Encoding: identity\r\n\r\n"},
        {400, GET HOST "Transfer-Encoding: xchunked\r\n\r\n"},
        {400, GET HOST "Transfer-Encoding: \"chunked\"\r\n\r\n"},
        {400, GET HOST "Transfer-Encoding:\x0b"
                       "chunked\r\n\r\n"},
        {400, GET HOST "Transfer-Encoding:\r\n chunked\r\n\r\n"},
        {400, GET HOST "Transfer-Encoding : chunked\r\n\r\n"},
        {400, GET HOST "Transfer-Encoding\t: chunked\r\n\r\n"},
        {400, GET HOST "Transfer-Encoding: chunked\rX: y\r\n\r\n"},
        {400, GET HOST "X: y\rTransfer-Encoding: chunked\r\n\r\n"},
        {400, "GET / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"},
        {400, GET HOST "X: a\r\n b\r\n\r\n"},
        {400, GET HOST "X: a\r\n\tb\r\n\r\n"},
        {400, GET " " HOST "\r\n"},
        {400, GET HOST "X: a\nY: b\r\n\r\n"},
        {400, "GET / HTTP/1.1\nHost: x\n\n"},
        {400, GET "Host: x\n\r\n"},
        {400, "\n" GET HOST "\r\n"},
        {400, "\r\n" GET HOST "\r\n"},
        {400, GET HOST ": empty\r\n\r\n"},
        {400, GET HOST "X Y: a\r\n\r\n"},
        {400, GET HOST "X\x80: a\r\n\r\n"},
        {400, GET HOST "X(: a\r\n\r\n"},
        {400, GET HOST "X: a\x7f\r\n\r\n"},
        {400, GET HOST "X: a\x01\r\n\r\n"},
        {400, GET HOST "garbage\r\n\r\n"},
        {400, GET "\r\n"},
        {400, GET HOST HOST "\r\n"},
        {400, GET HOST "Host: y\r\n\r\n"},
        {400, GET "Host:\r\n\r\n"},
        {400, GET "Host: a b\r\n\r\n"},
        {400, GET "Host: a,b\r\n\r\n"},
        {400, GET "Host: a/b\r\n\r\n"},
        {400, GET "Host: a@b\r\n\r\n"},
        {400, GET "Host: a:b\r\n\r\n"},
        {400, GET "Host: a:1:2\r\n\r\n"},
        {400, GET "Host: a:\r\n\r\n"},
        {400, GET "Host: a:123456\r\n\r\n"},
        {400, GET "Host: [::1\r\n\r\n"},
        {400, GET "Host: [::1]x\r\n\r\n"},
        {400, GET "Host: [x]\r\n\r\n"},
        {400, GET "Host: []\r\n\r\n"},
        {400, GET "Host: a%00\r\n\r\n"},
        {400, GET "Host: caf\xc3\xa9\r\n\r\n"},
        {400, "GET http://x/ HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET https://y/ HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET //x HTTP/1.1 \r\n" HOST "\r\n"},
        {400, "CONNECT x:443 HTTP/1.1\r\n" HOST "\r\n"},
        {400, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET a HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET  / HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /  HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /a b HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /\tHTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /\x80 HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /\x01 HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /#f HTTP/1.1\r\n" HOST "\r\n"},
        {400, " GET / HTTP/1.1\r\n" HOST "\r\n"},
        {400, "G(T / HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GETGETGETGETGETGETGETGETGETGETGET / HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /\r\n\r\n"},
        {400, "GET / \r\n\r\n"},
        {400, "GET / HTTP/1.1x\r\n" HOST "\r\n"},
        {400, "GET / HTTP/11\r\n" HOST "\r\n"},
        {400, "GET / HTTP/1.\r\n" HOST "\r\n"},
        {400, "GET / HTTP/01.1\r\n" HOST "\r\n"},
        {400, "GET / http/1.1\r\n" HOST "\r\n"},
        {400, "GET / HTTP/1.1 \r\n" HOST "\r\n"},
        {400, "GET / HTTPS/1.1\r\n" HOST "\r\n"},
        {505, "GET / HTTP/1.2\r\n" HOST "\r\n"},
        {505, "GET / HTTP/2.0\r\n" HOST "\r\n"},
        {505, "GET / HTTP/0.9\r\n" HOST "\r\n"},
        {400, "PRI * HTTP/2.0\r\n\r\n"},
        {417, GET HOST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n"},
        {417, GET HOST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int got = status_of(table[i].text);
        if (got != table[i].status)
            fail_msg("row %zu: expected %d, found %d: %s", i, table[i].status, got, table[i].text);
    }
}

static void zero_bytes_anywhere(void **state) {
    static const char good[] = "GET /a HTTP/1.1\r\nHost: x\r\nX-A: b\r\n\r\n";
    char text[sizeof(good) - 1];
    (void)state;
    assert_int_equal(status_of(good), 0);
    for (size_t i = 0; i < sizeof(text); i++) {
        memcpy(text, good, sizeof(text));
        text[i] = 0;
        assert_int_not_equal(status(CELLA_BYTES_OF(text)), 0);
    }
}

static void heads_that_are_cut_or_flipped(void **state) {
    static const char good[] = "POST /abc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n";
    char *text = malloc(sizeof(good) - 1); /* an end that the sanitizer watches */
    (void)state;
    for (size_t i = 0; i + 1 < sizeof(good); i++) {
        char *cut = malloc(i + 1);
        memcpy(cut, good, i);
        assert_int_equal(status(cella_bytes(cut, i)), -1);
        free(cut);
        for (int bit = 0; bit < 8; bit++) {
            memcpy(text, good, sizeof(good) - 1);
            text[i] = (char)(text[i] ^ (1 << bit));
            int got = status(cella_bytes(text, sizeof(good) - 1));
            if (got == 0) assert_true(message.target.size > 0 && message.authority.size > 0);
        }
    }
    free(text);
}

static void scan_finds_the_end_byte_by_byte(void **state) {
    static const char two[] = GET HOST "\r\n" GET;
    struct cella_http_scan scan = {0};
    size_t size = 1;
    (void)state;
    while (cella_http_scan(&scan, cella_bytes(two, size)) == CELLA_HTTP_MORE) size++;
    assert_int_equal(size, strlen(GET HOST "\r\n"));
    assert_int_equal(scan.at, size);
    scan = (struct cella_http_scan){0};
    assert_int_equal(cella_http_scan(&scan, cella_bytes_text(two)), CELLA_HTTP_WHOLE);
    assert_int_equal(scan.at, size);
}

static void fields_have_a_limit(void **state) {
    char text[8192] = GET HOST;
    (void)state;
    for (int i = 1; i < CELLA_HTTP_FIELDS; i++) strcat(text, "X: y\r\n");
    size_t size = strlen(text);
    strcat(text, "\r\n");
    assert_int_equal(status_of(text), 0);
    text[size] = 0;
    strcat(text, "X: y\r\n\r\n");
    assert_int_equal(status_of(text), 431);
}

/* --- Chunks --- */

enum { MAX = 64 };

/* Feeds the text in pieces of each size: the same outcome each time. */
static enum cella_http_scanned chunks(const char *text, size_t text_size, char *body,
                                      size_t *body_size, size_t *left) {
    enum cella_http_scanned first = CELLA_HTTP_MORE;
    for (size_t piece = 1; piece <= text_size; piece++) {
        struct cella_http_chunks c = {0};
        uint8_t *data = calloc(1, text_size + 1);
        size_t size = 0;
        enum cella_http_scanned s = CELLA_HTTP_MORE;
        size_t given = 0;
        while (s == CELLA_HTTP_MORE && given < text_size) {
            size_t part = text_size - given < piece ? text_size - given : piece;
            memcpy(data + size, text + given, part);
            size += part;
            given += part;
            s = cella_http_chunks(&c, data, &size, MAX);
        }
        if (piece == 1) first = s;
        assert_int_equal(s, first);
        if (s == CELLA_HTTP_WHOLE) {
            *body_size = c.size;
            *left = size - c.raw + text_size - given;
            memcpy(body, data, c.size);
        }
        free(data);
    }
    return first;
}

static void chunked_bodies(void **state) {
    static const struct {
        const char *text, *body;
        size_t left;
    } good[] = {
        {"0\r\n\r\n", "", 0},
        {"5\r\nhello\r\n0\r\n\r\n", "hello", 0},
        {"5\r\nhello\r\n1\r\n!\r\n00\r\n\r\n", "hello!", 0},
        {"0000000A\r\n0123456789\r\n0\r\n\r\nGET", "0123456789", 3},
        {"9\r\n\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n\r\n", 0},
    };
    static const char *const bad[] = {
        "5\nhello\n0\n\n",
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello",
        "+5\r\nhello",
        "-5\r\nhello",
        "0x5\r\nhello",
        "\r\n",
        "g\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello!\r\n",
        "5\r\nhello\n0",
        "0\r\nX: y\r\n\r\n",
        "0\r\n \r\n",
        "0\r\nGET",
        "000000005\r\nhello",
        "ffffffffffffffff\r\n",
        "FFFFFFFF\r\n",
        "41\r\n",
        "5\r\rhello",
        "0;\r\n\r\n",
        "0\r\n\n",
        "5\r\nhello\r\r0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
    };
    char body[256];
    size_t size, left;
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(chunks(good[i].text, strlen(good[i].text), body, &size, &left),
                         CELLA_HTTP_WHOLE);
        assert_int_equal(size, strlen(good[i].body));
        assert_memory_equal(body, good[i].body, size);
        assert_int_equal(left, good[i].left);
        size_t whole = strlen(good[i].text) - good[i].left;
        for (size_t cut = 1; cut < whole; cut++)
            assert_int_equal(chunks(good[i].text, cut, body, &size, &left), CELLA_HTTP_MORE);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (chunks(bad[i], strlen(bad[i]), body, &size, &left) != CELLA_HTTP_BAD)
            fail_msg("row %zu: %s", i, bad[i]);
}

static void chunks_have_a_limit_together(void **state) {
    char text[MAX * 6 + 32] = "", body[256];
    size_t size, left;
    (void)state;
    for (int i = 0; i < MAX; i++) strcat(text, "1\r\nx\r\n");
    size_t end = strlen(text);
    strcat(text, "0\r\n\r\n");
    assert_int_equal(chunks(text, strlen(text), body, &size, &left), CELLA_HTTP_WHOLE);
    assert_int_equal(size, MAX);
    text[end] = 0;
    strcat(text, "1\r\nx\r\n");
    assert_int_equal(chunks(text, strlen(text), body, &size, &left), CELLA_HTTP_BAD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_requests),
        cmocka_unit_test(ambiguous_requests),
        cmocka_unit_test(zero_bytes_anywhere),
        cmocka_unit_test(heads_that_are_cut_or_flipped),
        cmocka_unit_test(scan_finds_the_end_byte_by_byte),
        cmocka_unit_test(fields_have_a_limit),
        cmocka_unit_test(chunked_bodies),
        cmocka_unit_test(chunks_have_a_limit_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
