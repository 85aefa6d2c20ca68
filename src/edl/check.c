#include "edl/check.h"

#include <stdio.h>
#include <string.h>

enum { DIRECTION = CELLA_EDL_IN | CELLA_EDL_OUT, SIZES = CELLA_EDL_SIZED | CELLA_EDL_COUNTED };
enum { TEXTS = CELLA_EDL_STRING | CELLA_EDL_WSTRING };

/* isptr, isary and readonly say of a type of a C header what the generator cannot see. */
static CELLA_RESULT check_foreign_words(const struct cella_edl_field *f) {
    uint32_t a = f->attributes, words = CELLA_EDL_ISPTR | CELLA_EDL_ISARY;
    char type[300];
    cella_edl_type_show(&f->type, type, sizeof(type));
    if ((a & words) == words)
        CELLA_EDL_WRONG(f->attributes_place, "keep the one that the C header makes it",
                        "`%s' is isptr and isary at once", f->name);
    if ((a & words) && (f->type.base != CELLA_EDL_FOREIGN || f->type.pointers))
        CELLA_EDL_WRONG(f->attributes_place,
                        "only types whose name alone hides a pointer or an array need it",
                        "%s at `%s', whose type `%s' is plain to see",
                        a & CELLA_EDL_ISPTR ? "isptr" : "isary", f->name, type);
    if ((a & words) && f->dimensions.count)
        CELLA_EDL_WRONG(f->place, "use a struct with a pointer in it, and an array of that",
                        "`%s' is an array of %s", f->name,
                        a & CELLA_EDL_ISPTR ? "pointers" : "arrays");
    if ((a & CELLA_EDL_ISARY) && (a & (SIZES | TEXTS)))
        CELLA_EDL_WRONG(f->attributes_place, "its type has its size",
                        "`%s' is an array of a C header and has a size of its own", f->name);
    if ((a & CELLA_EDL_READONLY) && !(a & CELLA_EDL_ISPTR))
        CELLA_EDL_WRONG(f->attributes_place, "write const before the type",
                        "readonly at `%s' without isptr", f->name);
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_direction(const struct cella_edl_function *fn,
                                    const struct cella_edl_field *f) {
    uint32_t a = f->attributes;
    const char *kind = cella_edl_is_array(f) ? "an array" : "a pointer";
    if (!cella_edl_is_pointer(f) && !cella_edl_is_array(f)) {
        if (!f->has_attributes) return CELLA_SUCCESS;
        CELLA_EDL_WRONG(f->attributes_place,
                        "take them away, or make it a pointer; isptr and isary tell of a pointer "
                        "or array that a type's name hides",
                        "`%s' is passed by value and has attributes", f->name);
    }
    if ((a & DIRECTION) && (a & CELLA_EDL_USER_CHECK))
        CELLA_EDL_WRONG(f->attributes_place, "in and out copy, user_check does not: choose",
                        "`%s' has a direction and user_check", f->name);
    if ((a & (SIZES | TEXTS)) && !(a & DIRECTION))
        CELLA_EDL_WRONG(f->attributes_place, "add in, out or both",
                        "`%s' has a size and no direction", f->name);
    if (!(a & (DIRECTION | CELLA_EDL_USER_CHECK)))
        CELLA_EDL_WRONG(f->place,
                        "add [in], [out] or [in, out] with size= or count=, or [user_check] to "
                        "pass an address that nobody follows",
                        "the parameter `%s' of `%s' is %s that does not say what is behind it",
                        f->name, fn->name, kind);
    if (f->type.pointers && cella_edl_is_array(f))
        CELLA_EDL_WRONG(f->place, "use a struct with a pointer in it, and an array of that",
                        "`%s' is an array of pointers", f->name);
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_text(const struct cella_edl_field *f) {
    uint32_t a = f->attributes;
    const char *word = a & CELLA_EDL_STRING ? "string" : "wstring";
    if (!(a & TEXTS)) return CELLA_SUCCESS;
    if ((a & TEXTS) == TEXTS)
        CELLA_EDL_WRONG(f->attributes_place, "keep the one that fits its type",
                        "`%s' is string and wstring at once", f->name);
    bool is_char = f->type.pointers == 1 && f->type.base == CELLA_EDL_CHAR;
    bool is_wide = f->type.pointers == 1 && f->type.base == CELLA_EDL_WCHAR;
    if (a & CELLA_EDL_STRING ? !is_char : !is_wide)
        CELLA_EDL_WRONG(f->attributes_place, "string is for char *, wstring for wchar_t *",
                        "`%s' is %s and no pointer to its characters", f->name, word);
    if ((a & CELLA_EDL_IN) && (a & SIZES))
        CELLA_EDL_WRONG(f->attributes_place, "take size= and count= away, or string",
                        "`%s' is a %s, which ends itself, and has a size", f->name, word);
    if (!(a & CELLA_EDL_IN) && !(a & SIZES))
        CELLA_EDL_WRONG(f->attributes_place, "say size=, the room that the caller has for it",
                        "`%s' is a %s going out of nobody knows which size", f->name, word);
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_pointee(const struct cella_edl_field *f) {
    uint32_t a = f->attributes;
    if (f->type.pointers > 1)
        CELLA_EDL_WRONG(f->place, "use a struct with a pointer in it, and an array of that",
                        "`%s' is a pointer to pointers, which have no defined copy", f->name);
    if ((a & CELLA_EDL_OUT) && (f->type.is_const || (a & CELLA_EDL_READONLY)))
        CELLA_EDL_WRONG(f->place, "take out away, or const", "`%s' is const and yet goes out",
                        f->name);
    if (f->dimensions.count && (a & SIZES))
        CELLA_EDL_WRONG(f->attributes_place, "take size= and count= away",
                        "`%s' is an array, whose size its dimensions say", f->name);
    if (f->type.base == CELLA_EDL_VOID && !(a & CELLA_EDL_SIZED))
        CELLA_EDL_WRONG(f->attributes_place, "say size=, in bytes",
                        "`%s' points to void, which has no size to count", f->name);
    if (f->type.definition && f->type.definition->is_deep && (a & CELLA_EDL_SIZED))
        CELLA_EDL_WRONG(f->attributes_place, "say count=, in structs",
                        "`%s' is a struct with pointers in it, and has a size in bytes", f->name);
    return cella_edl_check_crossing(&f->type, f->place, f->name);
}

CELLA_RESULT cella_edl_check_parameter(struct cella_edl_checker *c, struct cella_edl_function *f,
                                       struct cella_edl_field *field) {
    TRY(cella_edl_resolve(c, &field->type));
    TRY(check_foreign_words(field));
    TRY(check_direction(f, field));
    TRY(check_text(field));
    TRY(cella_edl_check_sizes(c, &f->parameters, field, true));
    if (field->attributes & DIRECTION) return check_pointee(field);
    if (field->attributes & CELLA_EDL_USER_CHECK) return CELLA_SUCCESS;
    const struct cella_edl_aggregate *a = field->type.definition;
    if (a && a->is_deep)
        CELLA_EDL_WRONG(field->place, "pass a pointer to it, with [in], [out] or both",
                        "`%s' is a `%s' by value, which has pointers in it", field->name, a->name);
    return cella_edl_check_crossing(&field->type, field->place, field->name);
}

static CELLA_RESULT check_result(struct cella_edl_checker *c, struct cella_edl_function *f) {
    TRY(cella_edl_resolve(c, &f->result));
    if (f->result.pointers)
        CELLA_EDL_WRONG(f->result.place,
                        "return it through an [out] parameter with size= or count=",
                        "`%s' returns a pointer, which means nothing on the other side", f->name);
    const struct cella_edl_aggregate *a = f->result.definition;
    if (a && a->is_deep)
        CELLA_EDL_WRONG(f->result.place, "return it through an [out] parameter",
                        "`%s' returns a `%s', which has pointers in it", f->name, a->name);
    return cella_edl_check_crossing(&f->result, f->result.place, "what is returned");
}

static CELLA_RESULT check_function(struct cella_edl_checker *c, struct cella_edl_function *f) {
    TRY(check_result(c, f));
    for (uint32_t i = 0; i < f->parameters.count; i++)
        TRY(cella_edl_check_parameter(c, f, &f->parameters.item[i]));
    for (uint32_t i = 0; i < f->allow.count; i++) {
        const struct cella_edl_word *word = &f->allow.item[i];
        if (!cella_edl_find_function(&c->tree->ecalls, word->text))
            CELLA_EDL_WRONG(word->place, "name a trusted function of this interface",
                            "`%s' allows `%s', which is no trusted function", f->name, word->text);
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(f->allow.item[j].text, word->text) == 0)
                CELLA_EDL_WRONG(word->place, "write it once", "`%s' stands here twice", word->text);
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT warn(struct cella_edl_checker *c, struct cella_edl_place place,
                         const char *name) {
    char text[600];
    int size = snprintf(text, sizeof(text),
                        "%s:%u:%u: the private function `%s' is allowed by no untrusted function, "
                        "so nobody can call it",
                        place.file, place.line, place.column, name);
    struct cella_edl_word *word = CELLA_ARENA_PUSH(c->arena, c->warnings);
    struct cella_bytes copy = cella_arena_copy(c->arena, cella_bytes(text, (size_t)size + 1));
    ENSURE(word && copy.data && (size_t)size < sizeof(text), CELLA_ERR_LIMIT, NULL,
           "the interface takes too much memory");
    *word = (struct cella_edl_word){(const char *)copy.data, place};
    return CELLA_SUCCESS;
}

/* A private function can be called only during an untrusted one that allows it. */
static CELLA_RESULT check_private(struct cella_edl_checker *c) {
    for (uint32_t i = 0; i < c->tree->ecalls.count; i++) {
        const struct cella_edl_function *f = c->tree->ecalls.item[i];
        bool allowed = f->is_public;
        for (uint32_t j = 0; j < c->tree->ocalls.count; j++)
            for (uint32_t k = 0; k < c->tree->ocalls.item[j]->allow.count; k++)
                allowed |= strcmp(c->tree->ocalls.item[j]->allow.item[k].text, f->name) == 0;
        if (!allowed) TRY(warn(c, f->place, f->name));
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_edl_check(struct cella_arena *arena, struct cella_edl_tree *tree,
                             struct cella_edl_warnings *warnings) {
    struct cella_edl_checker c = {arena, tree, warnings};
    TRY(cella_edl_check_types(&c));
    struct cella_edl_functions *lists[] = {&tree->ecalls, &tree->ocalls};
    for (int k = 0; k < 2; k++)
        for (uint32_t i = 0; i < lists[k]->count; i++) TRY(check_function(&c, lists[k]->item[i]));
    return check_private(&c);
}
