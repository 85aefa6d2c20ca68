#include "policy/lexer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

void cella_policy_lexer_begin(struct cella_policy_lexer *lexer, struct cella_arena *arena,
                              struct cella_bytes text) {
    *lexer = (struct cella_policy_lexer){.arena = arena, .all = text, .line = 1};
    cella_policy_lexer_next(lexer);
}

static int look(const struct cella_policy_lexer *l, size_t ahead) {
    return l->at + ahead < l->all.size ? l->all.data[l->at + ahead] : -1;
}

static bool is_letter(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_digit(int c) { return c >= '0' && c <= '9'; }

static void step(struct cella_policy_lexer *l) {
    if (l->all.data[l->at++] != '\n') return;
    l->line++;
    l->line_start = l->at;
}

static void skip_space(struct cella_policy_lexer *l) {
    for (;;) {
        int c = look(l, 0);
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            step(l);
        } else if (c == '/' && look(l, 1) == '/') {
            while (look(l, 0) >= 0 && look(l, 0) != '\n') l->at++;
        } else {
            return;
        }
    }
}

static enum cella_policy_token bad(struct cella_policy_lexer *l, const char *why) {
    l->wrong = why;
    return TOKEN_BAD;
}

static enum cella_policy_token name(struct cella_policy_lexer *l) {
    while (is_letter(look(l, 0)) || is_digit(look(l, 0))) l->at++;
    l->text = cella_bytes(l->all.data + l->from, l->at - l->from);
    return TOKEN_NAME;
}

static int digit(int c, int base) {
    int value = is_digit(c)                                       ? c - '0'
                : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' && c > 0 ? (c | 0x20) - 'a' + 10
                                                                  : 99;
    return value < base ? value : -1;
}

static enum cella_policy_token integer(struct cella_policy_lexer *l) {
    bool minus = look(l, 0) == '-';
    l->at += minus;
    int base = look(l, 0) == '0' && (look(l, 1) | 0x20) == 'x' ? 16 : 10;
    if (base == 16) l->at += 2;
    if (digit(look(l, 0), base) < 0) return bad(l, "a number without digits");
    l->number = 0;
    for (int d; (d = digit(look(l, 0), base)) >= 0; l->at++)
        if (__builtin_mul_overflow(l->number, base, &l->number) ||
            __builtin_add_overflow(l->number, minus ? -d : d, &l->number))
            return bad(l, "a number beyond 64 bits");
    return is_letter(look(l, 0)) ? bad(l, "a letter in a number") : TOKEN_INTEGER;
}

/* The closing quote may stand on a later line: queries of JMESPath are long. */
static enum cella_policy_token string(struct cella_policy_lexer *l) {
    size_t from = ++l->at, size = 0, end = from;
    while (end < l->all.size && l->all.data[end] != '"') end += l->all.data[end] == '\\' ? 2 : 1;
    if (end >= l->all.size) return l->at = l->all.size, bad(l, "a string that is not closed");
    uint8_t *out = cella_arena_take(l->arena, end - from);
    if (!out) return bad(l, "more text than memory");
    while (l->at < end) {
        if (look(l, 0) == '\\' && look(l, 1) != '"' && look(l, 1) != '\\')
            return bad(l, "a backslash before something other than \" and \\");
        if (look(l, 0) == '\\') l->at++;
        out[size++] = l->all.data[l->at];
        if (out[size - 1] == 0) return bad(l, "a NUL in a string");
        step(l);
    }
    l->at++;
    l->text = cella_bytes(out, size);
    return TOKEN_STRING;
}

static enum cella_policy_token two(struct cella_policy_lexer *l, int second,
                                   enum cella_policy_token both, enum cella_policy_token one) {
    if (look(l, 0) != second) return one;
    l->at++;
    return both;
}

static enum cella_policy_token sign(struct cella_policy_lexer *l) {
    switch (l->all.data[l->at++]) {
    case '=':
        if (look(l, 0) == '>') return l->at++, TOKEN_ARROW;
        return two(l, '=', TOKEN_EQ, TOKEN_ASSIGN);
    case '!': return two(l, '=', TOKEN_NE, TOKEN_NOT);
    case '<': return two(l, '=', TOKEN_LE, TOKEN_LT);
    case '>': return two(l, '=', TOKEN_GE, TOKEN_GT);
    case '&': return look(l, 0) == '&' ? (l->at++, TOKEN_AND) : bad(l, "a single &");
    case ':': return TOKEN_COLON;
    case ';': return TOKEN_SEMICOLON;
    case ',': return TOKEN_COMMA;
    case '.': return TOKEN_DOT;
    case '(': return TOKEN_OPEN;
    case ')': return TOKEN_CLOSE;
    case '[': return TOKEN_BRACKET;
    case ']': return TOKEN_BRACKET_END;
    case '{': return TOKEN_BRACE;
    case '}': return TOKEN_BRACE_END;
    case '|': return bad(l, "|, which the language has not: write two rules");
    case 0xe2: return bad(l, "a typographic quote or sign, where \" is meant");
    default: return bad(l, "a character that no policy has here");
    }
}

void cella_policy_lexer_next(struct cella_policy_lexer *l) {
    l->end_before = l->end;
    skip_space(l);
    l->from = l->at;
    l->place = (struct cella_policy_place){l->line, (uint32_t)(l->at - l->line_start + 1)};
    int c = look(l, 0);
    if (c < 0)
        l->token = TOKEN_END;
    else if (is_letter(c))
        l->token = name(l);
    else if (is_digit(c) || (c == '-' && is_digit(look(l, 1))))
        l->token = integer(l);
    else if (c == '"')
        l->token = string(l);
    else
        l->token = sign(l);
    l->end = l->at;
}

void cella_policy_lexer_found(const struct cella_policy_lexer *l, char *text, size_t size) {
    size_t n = l->end - l->from, room = size - 4;
    if (l->token == TOKEN_END) {
        snprintf(text, size, "the end of the text");
    } else if (l->token == TOKEN_BAD) {
        snprintf(text, size, "%s", l->wrong);
    } else {
        size_t shown = n < room ? n : room - 3;
        snprintf(text, size, "%.*s%s", (int)shown, (const char *)l->all.data + l->from,
                 shown < n ? "..." : "");
    }
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?'; /* nothing that moves the cursor of a terminal */
}

bool cella_policy_lexer_is(const struct cella_policy_lexer *l, const char *word) {
    return l->token == TOKEN_NAME && strlen(word) == l->text.size &&
           strncasecmp(word, (const char *)l->text.data, l->text.size) == 0;
}
