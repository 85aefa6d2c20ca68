/* The enclave of the test. */
#include <stdlib.h>
#include <string.h>

#include "roundtrip_t.h"

int sum(const int *numbers, size_t n, long *total) {
    *total = 0;
    for (size_t i = 0; i < n; i++) *total += numbers[i];
    return numbers ? 1 : 0;
}

void nothing(void) {}

size_t text(const char *s, char *t, char *copy, size_t room) {
    for (char *c = t; *c; c++) *c = (char)(*c - 'a' + 'A');
    memset(copy, 'x', room); /* no end: the marshalling makes one */
    memcpy(copy, s, strlen(s) < room ? strlen(s) + 1 : room);
    return strlen(s);
}

struct flat value(struct flat f, enum color c, struct flat *g, bool flag) {
    g->a += f.a;
    g->d = !flag;
    f.c = c;
    return f;
}

int chain(struct node *first) {
    int all = 0;
    for (; first; first = first->next) all += first->value;
    return all;
}

void fill(struct list *l, size_t n) {
    if (n > 1000) n = 0; /* the host says how many: not without a limit */
    l->n = n;
    l->items = calloc(n ? n : 1, sizeof(int));
    for (size_t i = 0; l->items && i < n; i++) l->items[i] = (int)i;
    l->head.a = 7;
}

void twice(struct list *l) {
    for (size_t i = 0; i < l->n; i++) l->items[i] *= 2;
    l->head.c *= 2;
    l->n = 1000000; /* sizes do not come back */
    l->items = NULL;
}

long hidden(int x) { return 100 + x; }

long calls_host(int depth) {
    int pair[2] = {depth, 1}, answer = 0;
    struct cella_result r = ask(&answer, depth, pair);
    long result = cella_failed(r) ? -(long)r.error->code : answer + pair[0] + pair[1];
    cella_result_drop(r);
    return result;
}

/* The address of the enclave's own memory must not get out. */
void leak(void *p, size_t n) {
    struct flat f = {.a = 1};
    struct cella_result r = tell(&f, &f);
    memset(p, cella_failed(r) ? 1 : 2, n / 2);
    cella_result_drop(r);
}

size_t product(const void *p, size_t s, size_t n) { return p ? s * n : 0; }
