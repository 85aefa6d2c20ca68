#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "http/peers.h"

static struct cella_http_peer peer(const char *text) {
    struct sockaddr_storage address = {0};
    struct sockaddr_in *four = (void *)&address;
    struct sockaddr_in6 *six = (void *)&address;
    bool is_four = inet_pton(AF_INET, text, &four->sin_addr) == 1;
    address.ss_family = is_four ? AF_INET : AF_INET6;
    if (!is_four) assert_int_equal(inet_pton(AF_INET6, text, &six->sin6_addr), 1);
    return cella_http_peer(&address);
}

static bool same(const char *a, const char *b) {
    struct cella_http_peer x = peer(a), y = peer(b);
    return memcmp(&x, &y, sizeof(x)) == 0;
}

static void who_is_one_client(void **state) {
    (void)state;
    assert_true(same("10.0.0.1", "10.0.0.1"));
    assert_true(same("10.0.0.1", "::ffff:10.0.0.1"));
    assert_false(same("10.0.0.1", "10.0.0.2"));
    assert_false(same("::ffff:10.0.0.1", "::ffff:10.0.0.2"));
    assert_true(same("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff")); /* one /64 (K17) */
    assert_false(same("2001:db8:1:2::1", "2001:db8:1:3::1"));
    assert_false(same("::1", "127.0.0.1"));
}

static void each_has_its_number(void **state) {
    struct cella_http_peers *peers = NULL;
    struct cella_http_peer a = peer("10.0.0.1");
    (void)state;
    assert_false(cella_failed(cella_http_peers_new(3, &peers)));
    for (int i = 0; i < 3; i++) assert_true(cella_http_peers_enter(peers, &a));
    assert_false(cella_http_peers_enter(peers, &a));
    for (int i = 0; i < 5000; i++) { /* more than there are rows */
        char text[32];
        snprintf(text, sizeof(text), "10.1.%d.%d", i / 250, i % 250);
        struct cella_http_peer other = peer(text);
        for (int k = 0; k < 3; k++) assert_true(cella_http_peers_enter(peers, &other));
        assert_false(cella_http_peers_enter(peers, &other));
        if (i % 2)
            for (int k = 0; k < 3; k++) cella_http_peers_leave(peers, &other);
    }
    assert_false(cella_http_peers_enter(peers, &a));
    cella_http_peers_leave(peers, &a);
    assert_true(cella_http_peers_enter(peers, &a));
    for (int i = 0; i < 3; i++) cella_http_peers_leave(peers, &a);
    cella_http_peers_leave(peers, &a); /* one too many is nothing */
    for (int i = 0; i < 3; i++) assert_true(cella_http_peers_enter(peers, &a));
    cella_http_peers_free(&peers);
    assert_null(peers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_one_client),
        cmocka_unit_test(each_has_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
