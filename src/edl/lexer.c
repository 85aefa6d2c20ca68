#include "edl/lexer.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

#define NO_MEMORY(pointer)                                                                         \
    ENSURE(pointer, CELLA_ERR_LIMIT, "split the file", "the interface takes too much memory")

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct cella_edl_macro *cella_edl_macro_find(struct cella_edl_macros *macros, const char *name) {
    for (uint32_t i = 0; i < macros->count; i++)
        if (!macros->item[i].is_gone && strcmp(macros->item[i].name, name) == 0)
            return &macros->item[i];
    return NULL;
}

CELLA_RESULT cella_edl_define(struct cella_arena *arena, struct cella_edl_macros *macros,
                              const char *name, const char *value, bool is_bare) {
    ENSURE(macros->count < CELLA_EDL_ITEMS_MAX, CELLA_ERR_LIMIT, NULL,
           "more than %d names are defined", CELLA_EDL_ITEMS_MAX);
    struct cella_edl_macro *old = cella_edl_macro_find(macros, name);
    if (old) old->is_gone = true;
    struct cella_edl_macro *m = CELLA_ARENA_PUSH(arena, macros);
    NO_MEMORY(m);
    *m = (struct cella_edl_macro){.name = name, .value = value, .is_bare = is_bare};
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_edl_lexer_begin(struct cella_edl_lexer *lexer, struct cella_arena *arena,
                                   struct cella_edl_macros *macros, const char *file,
                                   struct cella_bytes text) {
    *lexer = (struct cella_edl_lexer){
        .arena = arena, .macros = macros, .file = file, .inputs = 1, .line_begins = true};
    lexer->input[0] = (struct cella_edl_input){
        .data = (const char *)text.data, .size = text.size, .line = 1, .column = 1};
    lexer->place = cella_edl_lexer_here(lexer);
    const void *nul = text.size ? memchr(text.data, 0, text.size) : NULL;
    if (nul) CELLA_EDL_WRONG(lexer->place, "interface files are text", "the file has a zero byte");
    return CELLA_SUCCESS;
}

/* Where the file is, also while a macro's value is read. */
struct cella_edl_place cella_edl_lexer_here(const struct cella_edl_lexer *lexer) {
    return (struct cella_edl_place){lexer->file, lexer->input[0].line, lexer->input[0].column};
}

static char look(const struct cella_edl_lexer *l, size_t ahead) {
    const struct cella_edl_input *in = &l->input[l->inputs - 1];
    return in->size - in->at > ahead ? in->data[in->at + ahead] : 0;
}

void cella_edl_lexer_step(struct cella_edl_lexer *lexer) {
    struct cella_edl_input *in = cella_edl_lexer_input(lexer);
    if (in->at == in->size) return;
    in->column++;
    if (in->data[in->at++] != '\n') return;
    in->line++;
    in->column = 1;
}

static void steps(struct cella_edl_lexer *l, size_t count) {
    while (count--) cella_edl_lexer_step(l);
}

static CELLA_RESULT comment(struct cella_edl_lexer *l) {
    struct cella_edl_place from = cella_edl_lexer_here(l);
    steps(l, 2);
    while (look(l, 0) && !(look(l, 0) == '*' && look(l, 1) == '/')) cella_edl_lexer_step(l);
    if (!look(l, 0)) CELLA_EDL_WRONG(from, "end it with */", "a comment without an end");
    steps(l, 2);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_edl_lexer_blanks(struct cella_edl_lexer *lexer) {
    for (;;) {
        char c = look(lexer, 0);
        if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v')
            cella_edl_lexer_step(lexer);
        else if (c == '\\' && look(lexer, 1) == '\n')
            steps(lexer, 2);
        else if (c == '\\' && look(lexer, 1) == '\r' && look(lexer, 2) == '\n')
            steps(lexer, 3);
        else if (c == '/' && look(lexer, 1) == '*')
            TRY(comment(lexer));
        else if (c == '/' && look(lexer, 1) == '/')
            while (look(lexer, 0) && look(lexer, 0) != '\n') cella_edl_lexer_step(lexer);
        else
            return CELLA_SUCCESS;
    }
}

CELLA_RESULT cella_edl_lexer_name(struct cella_edl_lexer *lexer, const char **name) {
    struct cella_edl_input *in = cella_edl_lexer_input(lexer);
    size_t from = in->at;
    *name = NULL;
    if (!is_letter(look(lexer, 0))) return CELLA_SUCCESS;
    while (is_letter(look(lexer, 0)) || is_digit(look(lexer, 0))) cella_edl_lexer_step(lexer);
    ENSURE(in->at - from < 256, CELLA_ERR_LIMIT, "use a shorter name",
           "%s:%u: a name of more than 255 characters", lexer->file, lexer->input[0].line);
    char *copy = cella_arena_take(lexer->arena, in->at - from + 1);
    NO_MEMORY(copy);
    cella_copy(copy, in->data + from, in->at - from);
    *name = copy;
    return CELLA_SUCCESS;
}

static int digit_value(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 99;
}

/* As C writes them: decimal, 0 octal, 0x hexadecimal, with the suffixes u and l. */
CELLA_RESULT cella_edl_lexer_integer(struct cella_edl_lexer *lexer, uint64_t *number) {
    struct cella_edl_place place = cella_edl_lexer_here(lexer);
    unsigned base = 10;
    uint64_t value = 0;
    if (look(lexer, 0) == '0') base = 8;
    if (base == 8 && (look(lexer, 1) == 'x' || look(lexer, 1) == 'X')) {
        base = 16;
        steps(lexer, 2);
        if (digit_value(look(lexer, 0)) > 15)
            CELLA_EDL_WRONG(place, NULL, "a hexadecimal number without digits");
    }
    for (; is_digit(look(lexer, 0)) || (base == 16 && digit_value(look(lexer, 0)) < 16);
         cella_edl_lexer_step(lexer)) {
        unsigned digit = (unsigned)digit_value(look(lexer, 0));
        if (digit >= base)
            CELLA_EDL_WRONG(place, "write 0x before hexadecimal, no 0 before decimal numbers",
                            "the digit %u in an octal number", digit);
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value))
            CELLA_EDL_WRONG(place, NULL, "a number of more than 64 bits");
    }
    for (int i = 0; i < 3 && strchr("uUlL", look(lexer, 0)) && look(lexer, 0); i++)
        cella_edl_lexer_step(lexer);
    if (is_letter(look(lexer, 0)) || is_digit(look(lexer, 0)))
        CELLA_EDL_WRONG(place, NULL, "a number that ends in `%c'", look(lexer, 0));
    *number = value;
    return CELLA_SUCCESS;
}

static CELLA_RESULT text_token(struct cella_edl_lexer *l) {
    cella_edl_lexer_step(l);
    struct cella_edl_input *in = cella_edl_lexer_input(l);
    size_t from = in->at;
    while (look(l, 0) && look(l, 0) != '"' && look(l, 0) != '\n') cella_edl_lexer_step(l);
    if (look(l, 0) != '"') CELLA_EDL_WRONG(l->place, "end it with \"", "a text without an end");
    char *copy = cella_arena_take(l->arena, in->at - from + 1);
    NO_MEMORY(copy);
    cella_copy(copy, in->data + from, in->at - from);
    cella_edl_lexer_step(l);
    l->token = CELLA_EDL_TEXT;
    l->text = copy;
    return CELLA_SUCCESS;
}

/* A name; where it is a macro's, goes on in its value. */
static CELLA_RESULT word_token(struct cella_edl_lexer *l, bool *again) {
    const char *name;
    TRY(cella_edl_lexer_name(l, &name));
    struct cella_edl_macro *m = cella_edl_macro_find(l->macros, name);
    *again = m && !m->is_bare && !m->is_open;
    l->token = CELLA_EDL_WORD;
    l->text = name;
    if (!*again) return CELLA_SUCCESS;
    if (l->inputs == CELLA_EDL_NESTING_MAX)
        CELLA_EDL_WRONG(l->place, NULL, "more than %d macros in one another",
                        CELLA_EDL_NESTING_MAX - 1);
    m->is_open = true;
    l->input[l->inputs++] = (struct cella_edl_input){
        .data = m->value, .size = strlen(m->value), .line = 1, .column = 1, .macro = m};
    return CELLA_SUCCESS;
}

/* At the end of a macro's value: back to where its name stood. False at the end of the file. */
static bool leave(struct cella_edl_lexer *l) {
    if (l->inputs == 1) return false;
    cella_edl_lexer_input(l)->macro->is_open = false;
    l->inputs--;
    return true;
}

static CELLA_RESULT end_token(struct cella_edl_lexer *l) {
    if (l->conditions)
        CELLA_EDL_WRONG(l->condition[l->conditions - 1].place, "end it with #endif",
                        "a condition without an end");
    l->token = CELLA_EDL_END;
    return CELLA_SUCCESS;
}

static CELLA_RESULT sign_token(struct cella_edl_lexer *l) {
    static const char signs[] = "{}()[]*,;=+-/%";
    char c = look(l, 0);
    if (!strchr(signs, c)) {
        if (c == '<' || c == '>' || c == '.' || c == ':')
            CELLA_EDL_WRONG(l->place, "see docs/guides/edl.md for what the language has",
                            "unexpected `%c'", c);
        CELLA_EDL_WRONG(l->place, "see docs/guides/edl.md for what the language has",
                        "unexpected character 0x%02x", (unsigned)(unsigned char)c);
    }
    cella_edl_lexer_step(l);
    l->token = CELLA_EDL_SIGN;
    l->sign = c;
    return CELLA_SUCCESS;
}

/* To the end of the line, whose text is switched off. */
static CELLA_RESULT skip_line(struct cella_edl_lexer *l) {
    while (look(l, 0) && look(l, 0) != '\n') {
        TRY(cella_edl_lexer_blanks(l));
        if (look(l, 0) && look(l, 0) != '\n') cella_edl_lexer_step(l);
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_edl_lexer_next(struct cella_edl_lexer *lexer) {
    for (;;) {
        TRY(cella_edl_lexer_blanks(lexer));
        if (lexer->inputs == 1) lexer->place = cella_edl_lexer_here(lexer);
        char c = look(lexer, 0);
        if (c == '\n') {
            cella_edl_lexer_step(lexer);
            if (lexer->inputs == 1) lexer->line_begins = true;
            continue;
        }
        if (!c) {
            if (leave(lexer)) continue;
            return end_token(lexer);
        }
        if (c == '#' && lexer->inputs == 1 && lexer->line_begins) {
            TRY(cella_edl_directive(lexer));
            continue;
        }
        if (!cella_edl_lexer_live(lexer)) {
            TRY(skip_line(lexer));
            continue;
        }
        lexer->line_begins = false;
        bool again = false;
        if (is_letter(c)) {
            TRY(word_token(lexer, &again));
            if (again) continue;
            return CELLA_SUCCESS;
        }
        if (is_digit(c)) {
            lexer->token = CELLA_EDL_INTEGER;
            return cella_edl_lexer_integer(lexer, &lexer->number);
        }
        return c == '"' ? text_token(lexer) : sign_token(lexer);
    }
}

bool cella_edl_lexer_is_word(const struct cella_edl_lexer *lexer, const char *word) {
    return lexer->token == CELLA_EDL_WORD && strcmp(lexer->text, word) == 0;
}

const char *cella_edl_lexer_found(const struct cella_edl_lexer *lexer) {
    char text[300] = "the end of the file";
    if (lexer->token == CELLA_EDL_WORD) snprintf(text, sizeof(text), "`%s'", lexer->text);
    if (lexer->token == CELLA_EDL_TEXT) snprintf(text, sizeof(text), "\"%.250s\"", lexer->text);
    if (lexer->token == CELLA_EDL_SIGN) snprintf(text, sizeof(text), "`%c'", lexer->sign);
    if (lexer->token == CELLA_EDL_INTEGER)
        snprintf(text, sizeof(text), "the number %llu", (unsigned long long)lexer->number);
    struct cella_bytes copy = cella_arena_copy(lexer->arena, cella_bytes(text, strlen(text) + 1));
    return copy.data ? (const char *)copy.data : "something else";
}
