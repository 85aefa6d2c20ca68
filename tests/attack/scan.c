/* T11: looks through fresh memory of the enclave for anything that is not zero: what another
 * enclave left. Allocates nearly the whole heap in pieces and its stack; prints "clean N KiB" and
 * exits 0, or says where it found something. */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

int main(void) {
    enum { PIECE = 16384 };
    size_t seen = 0;
    for (;;) {
        uint8_t *p = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) break;
        for (size_t i = 0; i < PIECE; i++)
            if (p[i]) return printf("found %02x at %p\n", p[i], (void *)(p + i)), 3;
        seen += PIECE;
    }
    printf("ready 0\nclean %zu KiB\n", seen >> 10);
    return seen < 65536;
}
