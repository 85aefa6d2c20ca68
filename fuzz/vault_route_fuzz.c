/* Any method and path of a vault: a path has one reading, with and without empty parts and in any
 * case of its literals, and what has an action names a thing that is one (K12, K19). */
#include <stdlib.h>
#include <string.h>

#include "vault/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held) {
    if (!held) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const methods[] = {"GET", "PUT", "POST", "PATCH", "DELETE", "get"};
    struct cella_route one, two;
    char first[CELLA_ROUTE_ACTION_MAX], second[CELLA_ROUTE_ACTION_MAX], scope[256];
    uint8_t doubled[2048];
    size_t length = 0;
    if (size < 1 || size > sizeof(doubled) / 2) return 0;
    struct cella_bytes method = cella_bytes_text(methods[data[0] % 6]);
    for (size_t i = 1; i < size; i++) {
        doubled[length++] = data[i];
        if (data[i] == '/') doubled[length++] = '/';
    }
    cella_route_read(method, cella_bytes(data + 1, size - 1), &one);
    cella_route_read(method, cella_bytes(doubled, length), &two);
    must(memcmp(&one, &two, sizeof(one)) == 0);
    for (int hsm = 0; hsm < 2; hsm++) {
        bool a = one.fault == CELLA_ROUTE_GOOD && cella_route_action(&one, method, hsm, first);
        bool b = two.fault == CELLA_ROUTE_GOOD && cella_route_action(&two, method, hsm, second);
        must(a == b && (!a || strcmp(first, second) == 0));
        if (!a) continue;
        must(!one.name[0] || cella_record_name_good(cella_bytes_text(one.name)));
        must(!one.version[0] || cella_record_version_good(cella_bytes_text(one.version)));
        must(strncmp(first, "Microsoft.KeyVault/", 19) == 0);
        cella_route_scope(&one, "v", scope);
        must(strncmp(scope, "/vault/v", 8) == 0 && (scope[8] == '/' || !scope[8]));
        must(!strstr(scope, "//") && !strstr(scope, ".."));
        must(scope[8] == '/' || one.family == CELLA_ROUTE_ADMIN);
    }
    return 0;
}
