/* A stack that runs over hits the guard below it and ends by SIGSEGV; nothing else is touched. */
#include <stdio.h>

static volatile char sink;

__attribute__((noinline)) static int deep(int n) {
    volatile char frame[1024];
    frame[0] = (char)n;
    if (sink == 1) return 0;
    int result = deep(n + 1) + frame[0];
    return result;
}

int main(void) {
    printf("down\n");
    fflush(stdout);
    return deep(0);
}
