/* Calls between host and enclave: what code made by `cella edl` is made of.
 *
 * An interface is a set of tables, the same on both sides, that say what each function passes; one
 * runtime (sdk/) walks them on either side. Programs do not use this header: they call the
 * functions that `cella edl` declares. docs/formats/calls.md describes the messages.
 *
 * The parameters of a function are a struct like any other: its members are the parameters, the
 * last one is the result. Sizes are expressions over members beside the pointer.
 */
#ifndef CELLA_CALL_H
#define CELLA_CALL_H

#include <cella/result.h>
#include <stdint.h>

enum { CELLA_CALL_VERSION = 1, CELLA_CALL_ALIGN_MAX = 16 };

/* One step of a size: reverse Polish, ended by CELLA_TERM_END. All arithmetic is over size_t and
 * checked; a negative number is refused. (threats.md R21) */
enum cella_call_operation {
    CELLA_TERM_END,
    CELLA_TERM_NUMBER, /* number */
    CELLA_TERM_MEMBER, /* an integer of width bytes at offset in the same struct */
    CELLA_TERM_ADD,
    CELLA_TERM_SUBTRACT,
    CELLA_TERM_MULTIPLY,
    CELLA_TERM_DIVIDE,
    CELLA_TERM_REMAINDER,
};
enum { CELLA_CALL_TERMS_MAX = 64 /* deep, of one expression */ };
struct cella_call_term {
    uint8_t operation;
    uint8_t width; /* 1, 2, 4, 8 */
    uint8_t is_signed;
    uint32_t offset;
    uint64_t number;
};

enum cella_call_kind {
    CELLA_MEMBER_BYTES,   /* count elements of size bytes, copied as they are */
    CELLA_MEMBER_BOOL,    /* likewise, and each byte is 0 or 1 */
    CELLA_MEMBER_STRUCT,  /* count elements of a layout */
    CELLA_MEMBER_POINTER, /* to elements of size bytes and of a layout */
    CELLA_MEMBER_HANDLE,  /* user_check: an address that is not followed */
};
enum {
    CELLA_MEMBER_IN = 1, /* parameters only: what lies in a struct goes the struct's way */
    CELLA_MEMBER_OUT = 2,
    CELLA_MEMBER_STRING = 4,    /* char, ends with its NUL */
    CELLA_MEMBER_WSTRING = 8,   /* wchar_t */
    CELLA_MEMBER_RESULT = 16,   /* what the function returns */
    CELLA_MEMBER_MEASURE = 32,  /* gives the size of another member */
    CELLA_MEMBER_OPTIONAL = 64, /* a POINTER whose size is fixed: NULL is fine (R23) */
};
struct cella_call_member {
    uint32_t offset; /* in its struct */
    uint32_t size;   /* bytes of one element */
    uint32_t count;  /* elements; of a POINTER without terms */
    uint16_t layout; /* of an element; 0: bytes */
    uint16_t terms;  /* of a POINTER: index of its size in bytes + 1, or 0 */
    uint8_t kind;    /* enum cella_call_kind */
    uint8_t flags;
};

enum {
    CELLA_LAYOUT_DENSE = 1,    /* members without gaps between them: may be copied whole */
    CELLA_LAYOUT_POINTERS = 2, /* POINTER members, itself or in a struct it holds */
    CELLA_LAYOUT_CHECKED = 4,  /* BOOL members, likewise */
    CELLA_LAYOUT_HANDLES = 8,  /* HANDLE members, likewise */
};
struct cella_call_layout {
    uint32_t size;         /* bytes of one element */
    uint16_t first, count; /* members */
    uint16_t flags;
    /* For a type whose members are not known, of a C header or a union: zeroes what is padding in
     * every use of it. NULL where the compiler cannot. (threats.md R27) */
    void (*clear_padding)(void *element);
};

enum {
    CELLA_FUNCTION_PUBLIC = 1,        /* may be called at any time, not only where allowed */
    CELLA_FUNCTION_SWITCHLESS = 2,    /* transition_using_threads */
    CELLA_FUNCTION_ERRNO = 4,         /* propagate_errno */
    CELLA_FUNCTION_ALLOWS_PUBLIC = 8, /* of an ocall: any public ecall may be made meanwhile */
};
struct cella_call_function {
    const char *name;
    uint16_t layout; /* of its parameters; 0: it has none and returns nothing */
    uint16_t flags;
    uint16_t allow_first, allow_count; /* of an ocall: ecalls that may be made meanwhile (R09) */
};

enum { CELLA_INTERFACE_NULL_ANY_SIZE = 1 /* NULL may have a size other than 0, as Open Enclave */ };
struct cella_call_interface {
    const char *name;
    uint32_t version; /* CELLA_CALL_VERSION */
    uint32_t flags;
    uint8_t digest[32];       /* SHA-256 of what the interface says */
    const uint32_t *measures; /* sizes that only this side's compiler knows; compared at start */
    uint32_t measure_count;
    const struct cella_call_layout *layouts;
    const struct cella_call_member *members;
    const struct cella_call_term *terms;
    const uint16_t *allows;
    const struct cella_call_function *ecalls, *ocalls;
    uint32_t ecall_count, ocall_count;
};

/* Calls the function of this side with its parameters. */
typedef void cella_call_thunk(void *parameters);

/* What one side's library needs of the code that was made for it. */
struct cella_call_side {
    const struct cella_call_interface *interface;
    cella_call_thunk *const *thunks; /* one for each function of this side */
};

/* For tables: a type of a C header has its padding cleared where the compiler can. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
#define CELLA_CLEARS_PADDING 1
#endif
#endif
#ifdef CELLA_CLEARS_PADDING
#define CELLA_CLEAR(name, type)                                                                    \
    static void name(void *element) { __builtin_clear_padding((type *)element); }
#define CELLA_CLEARED(name) name
#else
#define CELLA_CLEAR(name, type)
#define CELLA_CLEARED(name) NULL
#endif
#define CELLA_IS_SIGNED(type) ((type)-1 < (type)1)
/* Of a value of a type: 5 is a pointer, and an array, which becomes one. */
#define CELLA_IS_ADDRESS(type) (__builtin_classify_type(*(type *)0) == 5)

struct cella_enclave;
/* From generated code: makes call number `function`. parameters is that function's struct, or NULL
 * where it has none; its result is set, or zeroed on failure. */
CELLA_RESULT cella_call_enclave(struct cella_enclave *enclave,
                                const struct cella_call_interface *interface, uint32_t function,
                                void *parameters);
CELLA_RESULT cella_call_host(const struct cella_call_interface *interface, uint32_t function,
                             void *parameters);

#endif
