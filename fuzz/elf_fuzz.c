/* ELF files that go into images. */
#include "image/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cella_elf elf;
    struct cella_result r = cella_elf_read(cella_bytes(data, size), "fuzz", &elf);
    if (!cella_failed(r))
        for (uint32_t i = 0; i < elf.segment_count; i++) {
            const struct cella_elf_segment *s = &elf.segment[i];
            if (s->writable && s->executable) __builtin_trap();
            if (s->content.size > s->size) __builtin_trap();
            if (s->content.size &&
                (s->content.data < data || s->content.data + s->content.size > data + size))
                __builtin_trap();
            if (s->address < elf.low || s->address + s->size > elf.high) __builtin_trap();
        }
    cella_result_drop(r);
    return 0;
}
