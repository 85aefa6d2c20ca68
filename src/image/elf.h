/* Reads the ELF files that go into images: x86-64 programs that need no loader (static-PIE, static
 * non-PIE) and the shim. Untrusted bytes, read over base/reader.h only. Source: System V ABI,
 * chapter 5, and its AMD64 supplement. Pure; the views point into the file. */
#ifndef CELLA_IMAGE_ELF_H
#define CELLA_IMAGE_ELF_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    CELLA_ELF_SEGMENT_MAX = 16,
    CELLA_ELF_PHDR_MAX = 64,
};
#define CELLA_ELF_SPAN_MAX (1ULL << 32) /* bytes from the first to the last page of a program */

struct cella_elf_segment {      /* a PT_LOAD with p_memsz > 0 */
    uint64_t address;           /* p_vaddr */
    uint64_t size;              /* p_memsz, bytes */
    struct cella_bytes content; /* its p_filesz bytes in the file */
    bool writable, executable;  /* never both */
};

struct cella_elf {
    bool fixed; /* ET_EXEC: must lie at its own addresses */
    uint64_t entry;
    bool phdr_mapped; /* the program headers lie in a read-only segment */
    uint64_t phdr;    /* then their address, as p_vaddr counts */
    uint32_t phdr_count;
    uint64_t low, high; /* first page and end of the last, page aligned */
    uint64_t alignment; /* largest p_align, a power of two, at least a page */
    uint32_t segment_count;
    struct cella_elf_segment segment[CELLA_ELF_SEGMENT_MAX]; /* ascending, no page in two of them */
};

/* name is for messages. Refuses, each with a message of its own: other machines and classes,
 * dynamic programs and shared libraries, text relocations, writable and executable segments,
 * executable stacks, segments out of order, overlapping or outside the file, entry points outside
 * text. */
CELLA_RESULT cella_elf_read(struct cella_bytes file, const char *name, struct cella_elf *out);

#endif
