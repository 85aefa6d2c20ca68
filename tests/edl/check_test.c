/* Interface files: what is taken and what is refused, with the place and the way out. */
#include <stdio.h>
#include <string.h>

#include "../results.h"
#include "edl/edl.h"

static struct cella_result read_text(const char *text) {
    CELLA_EDL edl;
    cella_edl_begin(&edl, NULL, 0);
    return cella_edl_read_text(&edl, "t.edl", cella_bytes_text(text));
}

/* In a trusted function's parameters, beside an integer n and a type of the interface. */
static struct cella_result read_parameter(const char *parameter) {
    char text[1024];
    snprintf(
        text, sizeof(text),
        "enclave { struct flat { int a; char b; }; struct deep { size_t n; [count=n] int *p; };\n"
        "struct bare { int *p; }; union either { int *p; long l; }; enum e { ONE = 1 };\n"
        "trusted { public void f(%s, size_t n); }; };",
        parameter);
    return read_text(text);
}

static const char *const taken[] = {
    "int a",
    "const int a",
    "unsigned a",
    "unsigned long long int a",
    "long double a",
    "signed char a",
    "[in] int *p",
    "[out] int *p",
    "[in, out] int *p",
    "[in, size=n] void *p",
    "[in, count=n] const char *p",
    "[in, size=0x10, count=010] char *p",
    "[in, size=n*2+1] char *p",
    "[in, size=(n+1)*sizeof(struct flat)] char *p",
    "[in, count=ONE] int *p",
    "[in, string] const char *s",
    "[in, out, wstring] wchar_t *s",
    "[out, string, size=n] char *s",
    "[in] int a[4]",
    "[out] int a[2][3]",
    "[in] int a[n]",
    "[in] int a[n][4]",
    "[in] int a[ONE]",
    "[in, isptr, readonly, size=n] buffer_t b",
    "[in, isary] array_t a",
    "[user_check] void *p",
    "[user_check] char **p",
    "[user_check, isary] array_t a",
    "struct flat a",
    "flat a",
    "[in] struct deep *d",
    "[in, out, count=n] deep *d",
    "[out] deep *d",
    "[user_check] bare *b",
    "enum e a",
    "foreign_t a",
    "[in] foreign_t *a",
    "[in, size=n] const struct sockaddr *a",
};

static const struct {
    const char *parameter, *says;
} refused[] = {
    {"int *p", "does not say what is behind it"},
    {"int a[4]", "does not say what is behind it"},
    {"[in] int a", "passed by value"},
    {"[in] foreign_t a", "passed by value"},
    {"[in, count=2] char **p", "pointer to pointers"},
    {"[in] int *a[4]", "array of pointers"},
    {"[user_check] int *a[4]", "array of pointers"},
    {"[in] void *p", "no size to count"},
    {"[in, count=n] void *p", "no size to count"},
    {"[in, user_check] int *p", "a direction and user_check"},
    {"[user_check, size=n] int *p", "a size and no direction"},
    {"[size=n] int *p", "a size and no direction"},
    {"[string] char *s", "a size and no direction"},
    {"[out, string] char *s", "nobody knows which size"},
    {"[in, string, size=n] char *s", "has a size"},
    {"[in, string, wstring] char *s", "string and wstring"},
    {"[in, string] int *s", "no pointer to its characters"},
    {"[in, wstring] char *s", "no pointer to its characters"},
    {"[in, isptr, isary] x_t a", "at once"},
    {"[in, isptr] int a", "plain to see"},
    {"[in, isary] x_t *a", "plain to see"},
    {"[in, isptr] flat a", "plain to see"},
    {"[in, isptr] x_t a[4]", "array of pointers"},
    {"[in, isary, count=n] x_t a", "size of its own"},
    {"[in, readonly] x_t *a", "without isptr"},
    {"[out, isptr, readonly] x_t a", "const and yet goes out"},
    {"[out] const int *p", "const and yet goes out"},
    {"[in, in] int *p", "twice"},
    {"[in, size=n, size=n] int *p", "twice"},
    {"[] int *p", "no attribute"},
    {"[inn] int *p", "unknown attribute"},
    {"[in, sizefunc=f] int *p", "not taken any more"},
    {"[in=1] int *p", "takes no value"},
    {"[in, count] int *p", "without a value"},
    {"[in, count=m] int *p", "nothing here is called"},
    {"[in, count=p] int *p", "given by itself"},
    {"[in, count=n/0] int *p", "division by zero"},
    {"[in, count=n, size=] int *p", "expected a size"},
    {"[in, count=08] int *p", "octal"},
    {"[in, count=18446744073709551616] int *p", "more than 64 bits"},
    {"[in] int a[0]", "0 elements"},
    {"[in] int a[]", "no known size"},
    {"[in] int a[2][n]", "only the first dimension"},
    {"[in, count=2] int a[4]", "whose size its dimensions say"},
    {"struct deep a", "which has pointers in it"},
    {"[in, size=n] struct deep *a", "has a size in bytes"},
    {"struct bare a", "whose member `p'"},
    {"[in] struct bare *a", "whose member `p'"},
    {"union either a", "whose member `p'"},
    {"union flat a", "used as a union"},
    {"void a", "is void"},
    {"unsigned float a", "name of a parameter"},
    {"short long a", "no type of C"},
    {"char *const p", "before the type only"},
    {"int (*f)(int)", "function pointers"},
    {"int while", "C's word"},
    {"int a, int a", "twice"},
};

static void test_parameters(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        struct cella_result r = read_parameter(taken[i]);
        if (cella_failed(r)) fail_msg("%s: %s", taken[i], r.error->what);
    }
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct cella_result r = read_parameter(refused[i].parameter);
        if (!cella_failed(r)) fail_msg("taken: %s", refused[i].parameter);
        if (!strstr(r.error->what, refused[i].says) || !strstr(r.error->what, "t.edl:"))
            fail_msg("%s: %s", refused[i].parameter, r.error->what);
        cella_result_drop(r);
    }
}

static const struct {
    const char *text, *says; /* NULL: taken */
} files[] = {
    {"enclave { };", NULL},
    {"enclave { }", NULL},
    {"enclave { trusted { void f(); }; untrusted { void o() allow(f) propagate_errno; }; };", NULL},
    {"enclave { untrusted { [cdecl, dllimport] int o(void) transition_using_threads; }; };", NULL},
    {"enclave { trusted { include \"x.h\" public x_t f(void); }; };", NULL},
    {"enclave { struct b { struct a in; }; struct a { int x; }; };", NULL},
    {"enclave { struct n { int v; [count=1] struct n *next; };"
     " trusted { public void f([in] struct n *l); }; };",
     NULL},
    {"#define N 3\n#if N > 2 && defined(N)\nenclave {\n#else\nrubbish\n#endif\n};", NULL},
    {"#ifdef X\n#error no\n#elif 1\nenclave { enum { A = N1 }; };\n#endif", NULL},
    {"", "expected enclave"},
    {"enclave { } ; x", "after the end"},
    {"enclave { trusted { public int *f(); }; };", "returns a pointer"},
    {"enclave { struct d { [count=1] int *p; }; trusted { public d f(); }; };", "pointers in it"},
    {"enclave { trusted { public int[4] f(); }; };", "returns an array"},
    {"enclave { trusted { public void f() allow(f); }; };", "allow() at a trusted"},
    {"enclave { trusted { public void f() propagate_errno; }; };", "propagate_errno"},
    {"enclave { untrusted { void o() allow(g); }; };", "no trusted function"},
    {"enclave { trusted { public void f(); public int f(); }; };", "already declared"},
    {"enclave { trusted { public void f(); }; untrusted { int f(); }; };", "already declared"},
    {"enclave { untrusted { [cdecl, stdcall] void o(); }; };", "a second one"},
    {"enclave { struct a { int x; }; union a { int x; }; };", "already defined"},
    {"enclave { struct a { struct a x; }; };", "holds itself"},
    {"enclave { struct a { [in] int *p; }; };", "only parameters have"},
    {"enclave { struct a { [count=2] int p; }; };", "not a pointer"},
    {"enclave { struct a { [count=q] int *p; int *q; }; };", "not an integer"},
    {"enclave { union a { [count=2] int *p; }; };", "attributes in the union"},
    {"enclave { struct a { }; };", "no members"},
    {"enclave { enum a { }; };", "without constants"},
    {"enclave { enum a { X }; enum b { X }; };", "already defined"},
    {"enclave { from \"nowhere.edl\" import *; };", "no file"},
    {"enclave { import nowhere; };", "expected an interface file"},
    {"#ifdef X\nenclave { };", "without an end"},
    {"enclave { };\n#endif", "without an #if"},
    {"#include <stdio.h>\nenclave { };", "#include is not taken"},
    {"#define F(x) x\nenclave { };", "with arguments"},
    {"#if 1/0\n#endif", "division by zero"},
    {"enclave { /* };", "comment without an end"},
    {"enclave { include \"x\n\" };", "text without an end"},
    {"enclave { @ };", "unexpected character"},
};

static void test_files(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct cella_result r = read_text(files[i].text);
        if (cella_failed(r) != (files[i].says != NULL))
            fail_msg("%s: %s", files[i].text, r.error ? r.error->what : "taken");
        if (files[i].says && !strstr(r.error->what, files[i].says))
            fail_msg("%s: %s", files[i].text, r.error->what);
        cella_result_drop(r);
    }
}

/* The place is that of the word that is wrong, also behind comments and conditions. */
static void test_place(void **state) {
    (void)state;
    struct cella_result r = read_text("/* a\n b */ enclave {\n#if 0\n rubbish\n#endif\n"
                                      "  trusted { public void f(int *p); }; };");
    assert_true(cella_failed(r));
    assert_non_null(strstr(r.error->what, "t.edl:6:32: "));
    assert_non_null(r.error->hint);
    cella_result_drop(r);
}

/* Every pair of attributes, on types of several kinds: taken or refused with a hint, never ignored.
 * (R32) */
static void test_pairs(void **state) {
    (void)state;
    static const char *const words[] = {"in",    "out",   "string",   "wstring", "user_check",
                                        "isptr", "isary", "readonly", "size=n",  "count=n"};
    static const char *const types[] = {"int *p",   "char *p", "wchar_t *p", "void *p", "x_t p",
                                        "int p[4]", "deep *p", "int p",      "char **p"};
    enum { WORDS = sizeof(words) / sizeof(words[0]) };
    size_t good = 0;
    for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
        for (size_t a = 0; a < WORDS; a++)
            for (size_t b = 0; b < WORDS; b++) {
                char text[128];
                snprintf(text, sizeof(text), "[%s, %s] %s", words[a], words[b], types[t]);
                struct cella_result r = read_parameter(text);
                if (a == b && !cella_failed(r)) fail_msg("taken: %s", text);
                good += !cella_failed(r);
                cella_result_drop(r);
            }
    /* Both orders of: int *p 5 pairs (in with out, each of them with size, with count), char * and
     * wchar_t * 6 (their string), void * 2, x_t 6 (isptr and isary), int[4] 1, deep * 3. */
    assert_int_equal(good, 2 * (5 + 6 + 6 + 2 + 6 + 1 + 3));
}

/* Cut and changed files end in an answer. */
static void test_truncate_and_flip(void **state) {
    (void)state;
    char text[] =
        "#if defined(A)||1\nenclave { struct s { size_t n; [count=n] int *p; }; enum e { A1 = 0x1 "
        "}; trusted { public void f([in, size=(n+1)*2] void *p, size_t n); }; untrusted { int "
        "o([out] s *q) allow(f) propagate_errno; }; };\n#endif\n";
    for (size_t size = 0; size < sizeof(text); size++) {
        CELLA_EDL edl;
        cella_edl_begin(&edl, NULL, 0);
        cella_result_drop(cella_edl_read_text(&edl, "t.edl", cella_bytes(text, size)));
    }
    for (size_t at = 0; at + 1 < sizeof(text); at++)
        for (int bit = 0; bit < 8; bit++) {
            text[at] ^= (char)(1 << bit);
            cella_result_drop(read_text(text));
            text[at] ^= (char)(1 << bit);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_truncate_and_flip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
