/* The store over collateral of real machines: names, the newest, and nothing that was changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "collateral/pccs.h"
#include "collateral/store.h"
#include "evidence/bundle.h"

#define QUOTE "sgx-quote/v3-00606a000000-automata-dcap-attest-268c0681/"

static enum cella_code code_of(struct cella_result r) {
    enum cella_code code = cella_code_of(r);
    if (r.error) assert_true(strlen(r.error->what) > 10);
    cella_result_drop(r);
    return code;
}
#define OK(r) assert_int_equal(code_of(r), CELLA_OK)

static const char *path_of(const char *name) {
    static char path[1024];
    const char *root = getenv("CELLA_VECTORS");
    snprintf(path, sizeof(path), "%s/%s", root ? root : CELLA_SOURCE_ROOT "/../shared/vectors",
             name);
    if (access(path, R_OK) == 0) return path;
    print_message("no %s: skipped\n", path);
    return NULL;
}

static bool add(struct cella_store *store, const char *name) {
    size_t taken = 0;
    const char *path = path_of(name);
    if (!path) return false;
    OK(cella_store_add_path(store, path, &taken));
    assert_true(taken > 0);
    return true;
}

static void settle(struct cella_store *store) {
    OK(cella_store_check(store));
    OK(cella_store_settle(store, false));
}

/* Any order of adding, any number of times, also over a bundle: the same bundle. */
static void same_items_same_bundle(void **state) {
    CELLA_STORE a = {0};
    CELLA_STORE b = {0};
    CELLA_STORE c = {0};
    CELLA_BUFFER one = {0}, two = {0}, three = {0};
    size_t taken = 0;
    (void)state;
    if (!add(&a, QUOTE "collateral-20250619-ev17") || !add(&a, QUOTE "collateral-20260811-ev21"))
        return;
    add(&b, QUOTE "collateral-20260811-ev21");
    add(&b, QUOTE "collateral-20250619-ev17");
    add(&b, QUOTE "collateral-20260811-ev21");
    settle(&a);
    settle(&b);
    OK(cella_store_bundle(&a, &one));
    OK(cella_store_bundle(&b, &two));
    assert_int_equal(one.size, two.size);
    assert_memory_equal(one.data, two.data, one.size);
    assert_int_equal(cella_store_find(&a, "tcb_info-sgx-00606a000000.json")->evaluation,
                     21); /* A05 */
    assert_int_equal(cella_store_find(&a, "qe_identity-qe.json")->evaluation, 21);
    OK(cella_store_add(&c, "bundle", cella_buffer_bytes(&one), &taken));
    assert_int_equal(taken, a.count);
    settle(&c);
    OK(cella_store_bundle(&c, &three));
    assert_int_equal(one.size, three.size);
    assert_memory_equal(one.data, three.data, one.size);
}

/* Every item, changed in one byte, does not hold, and never displaces the one that does (A36, A37).
 */
static void changed_items_do_not_hold(void **state) {
    enum { STRIDE = 41 };
    CELLA_STORE good = {0};
    (void)state;
    if (!add(&good, QUOTE "collateral-20260811-ev21")) return;
    settle(&good);
    for (size_t i = 0; i < good.count; i++) {
        const struct cella_buffer *content =
            good.item[i].der.size ? &good.item[i].der : &good.item[i].content;
        for (size_t at = i; at < content->size; at += STRIDE) {
            CELLA_STORE store = {0};
            CELLA_BUFFER changed = {0};
            size_t taken = 0;
            OK(cella_buffer_append(&changed, cella_buffer_bytes(content)));
            changed.data[at] ^= 0x01;
            for (size_t k = 0; k < good.count; k++)
                OK(cella_store_add(&store, good.item[k].name,
                                   cella_buffer_bytes(&good.item[k].content), &taken));
            OK(cella_store_add(&store, good.item[i].name, cella_buffer_bytes(&changed), &taken));
            settle(&store);
            const struct cella_item *there = cella_store_find(&store, good.item[i].name);
            assert_non_null(there);
            assert_int_equal(there->state, CELLA_ITEM_HELD);
            bool same =
                there->content.size == good.item[i].content.size &&
                memcmp(there->content.data, good.item[i].content.data, there->content.size) == 0;
            /* outside of what is signed, JSON may be spelled otherwise and hold all the same */
            if (!same && there->der.size) fail_msg("%s: changed at %zu and taken", there->name, at);
            for (size_t k = 0; k < store.count; k++)
                if (store.item[k].kind == CELLA_ITEM_CRL ||
                    store.item[k].kind == CELLA_ITEM_CERTIFICATE)
                    assert_non_null(cella_store_find(&good, store.item[k].name));
        }
    }
}

static void cut_items_are_nothing(void **state) {
    CELLA_STORE good = {0};
    (void)state;
    if (!add(&good, QUOTE "collateral-20260811-ev21")) return;
    settle(&good);
    for (size_t i = 0; i < good.count; i++) {
        const struct cella_buffer *content =
            good.item[i].der.size ? &good.item[i].der : &good.item[i].content;
        for (size_t size = 0; size < content->size; size += 1 + size / 37) {
            struct cella_item item;
            OK(cella_item_read("cut", cella_bytes(content->data, size), &item));
            /* white space at the end of a JSON document may go */
            bool spaces = !good.item[i].der.size && memchr("\n\r ", content->data[size], 3);
            if (item.kind != CELLA_ITEM_OTHER && !spaces)
                fail_msg("%s cut at %zu", good.item[i].name, size);
            cella_item_free(&item);
        }
    }
}

/* Intel's own test root: nothing holds under the real one, all under it (A08). */
static void roots_decide(void **state) {
    CELLA_STORE real = {0};
    CELLA_STORE own = {0};
    const char *root;
    (void)state;
    if (!add(&real, "dcap-testroot/sgx")) return;
    settle(&real);
    assert_null(cella_store_find(&real, "qe_identity-qe.json"));
    assert_null(cella_store_find(&real, "root_ca_crl.der"));
    root = path_of("dcap-testroot/sgx/trustedRootCaCert.pem");
    OK(cella_store_roots(&own, root));
    add(&own, "dcap-testroot/sgx");
    settle(&own);
    assert_non_null(cella_store_find(&own, "qe_identity-qe.json"));
    assert_non_null(cella_store_find(&own, "root_ca_crl.der"));
}

static void amd_items(void **state) {
    CELLA_STORE store = {0};
    size_t held = 0;
    (void)state;
    if (!add(&store, "snp-certs/milan") || !add(&store, "snp-certs/genoa") ||
        !add(&store, "snp-certs/turin"))
        return;
    add(&store, "snp-certs/negative");
    OK(cella_store_check(&store));
    OK(cella_store_settle(&store, true));
    for (size_t i = 0; i < store.count; i++) {
        held += store.item[i].state == CELLA_ITEM_HELD;
        if (store.item[i].state != CELLA_ITEM_HELD)
            print_message("%s: %s\n", store.item[i].name, store.item[i].why);
    }
    assert_int_equal(held, store.count - 1);
}

static int status_of(struct cella_pccs *pccs, const char *target, struct cella_bytes *body) {
    struct cella_http_response response = {0};
    struct cella_http_request request = {.method = cella_bytes_text("GET"),
                                         .target = cella_bytes_text(target)};
    cella_pccs_answer(pccs, &request, &response);
    *body = response.body;
    cella_buffer_free(&response.text);
    return response.status;
}

static void service_gives_the_signed_bytes(void **state) {
    CELLA_STORE store = {0};
    CELLA_PCCS pccs = NULL;
    struct cella_bytes body;
    (void)state;
    if (!add(&store, QUOTE "collateral-20260811-ev21")) return;
    settle(&store);
    OK(cella_pccs_new(&store, &pccs));
    assert_int_equal(cella_pccs_count(pccs), 4);
    assert_int_equal(status_of(pccs, "/sgx/certification/v4/tcb?fmspc=00606A000000", &body), 200);
    const struct cella_item *item = cella_store_find(&store, "tcb_info-sgx-00606a000000.json");
    assert_int_equal(body.size, item->content.size);
    assert_memory_equal(body.data, item->content.data, body.size);
    assert_int_equal(
        status_of(pccs, "/sgx/certification/v4/pckcrl?ca=platform&encoding=der", &body), 200);
    assert_int_equal(
        status_of(pccs, "/sgx/certification/v4/pckcrl?ca=processor&encoding=der", &body), 404);
    assert_int_equal(status_of(pccs, "/sgx/certification/v4/qve/identity", &body), 404);
    assert_int_equal(status_of(pccs, "/tdx/certification/v4/tcb?fmspc=00606A000000", &body), 404);
}

/* Signed, but not under a root that is trusted: kept to be shown, never served. */
static void what_failed_is_not_served(void **state) {
    CELLA_STORE store = {0};
    CELLA_PCCS pccs = NULL;
    struct cella_bytes body;
    (void)state;
    if (!add(&store, "dcap-testroot/sgx")) return;
    OK(cella_store_check(&store));
    OK(cella_store_settle(&store, true));
    assert_non_null(cella_store_find(&store, "qe_identity-qe.json"));
    OK(cella_pccs_new(&store, &pccs));
    assert_int_equal(cella_pccs_count(pccs), 0);
    assert_int_equal(status_of(pccs, "/sgx/certification/v4/qe/identity", &body), 404);
}

/* Bundles that were cut or changed give items or an error, never a crash, and nothing that does not
 * hold. */
static void broken_bundles(void **state) {
    CELLA_STORE good = {0};
    CELLA_BUFFER bundle = {0};
    (void)state;
    if (!add(&good, QUOTE "collateral-20260811-ev21")) return;
    settle(&good);
    OK(cella_store_bundle(&good, &bundle));
    for (size_t size = 0; size < bundle.size; size += 509) {
        CELLA_STORE store = {0};
        size_t taken = 0;
        (void)code_of(cella_store_add(&store, "cut", cella_bytes(bundle.data, size), &taken));
        settle(&store);
        assert_true(store.count <= good.count);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_items_same_bundle),
        cmocka_unit_test(changed_items_do_not_hold),
        cmocka_unit_test(cut_items_are_nothing),
        cmocka_unit_test(roots_decide),
        cmocka_unit_test(amd_items),
        cmocka_unit_test(service_gives_the_signed_bytes),
        cmocka_unit_test(what_failed_is_not_served),
        cmocka_unit_test(broken_bundles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
