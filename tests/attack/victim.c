/* What the attacks are run against: holds a canary, computed so that no file holds it, in data,
 * heap, stack and registers, prints "ready ADDRESS" of the heap copy, and then sleeps and wakes
 * with the canary on its stack until the seconds given (default 60) are over. The canary is byte i
 * = i * 7 + 3, 32 bytes; canary_hex in lib.sh. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SIZE = 32 };
static uint8_t in_data[SIZE];
static volatile unsigned factor = 7; /* or the compiler would put the canary into the file */

int main(int argc, char **argv) {
    uint8_t on_stack[SIZE];
    uint8_t *in_heap = malloc(SIZE);
    if (!in_heap) return 1;
    for (int i = 0; i < SIZE; i++) on_stack[i] = (uint8_t)((unsigned)i * factor + 3);
    memcpy(in_heap, on_stack, SIZE);
    memcpy(in_data, on_stack, SIZE);
    printf("ready %lx\n", (unsigned long)(uintptr_t)in_heap);
    fflush(stdout);
    time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 60);
    while (time(NULL) < end) {
        struct timespec nap = {0, 5000000};
        nanosleep(&nap, NULL);
        __asm__ volatile("movdqu (%0), %%xmm7"
                         :
                         : "r"(on_stack)
                         : "xmm7", "memory"); /* in registers too */
        __asm__ volatile("" : : "r"(on_stack), "r"(in_data) : "memory");
    }
    puts("done");
    return 0;
}
