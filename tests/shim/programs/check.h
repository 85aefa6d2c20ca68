/* Checks of the programs that run inside and natively: the first that fails names its line and ends
 * with 1. */
#ifndef CELLA_TESTS_SHIM_CHECK_H
#define CELLA_TESTS_SHIM_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            printf("%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #cond, errno);                    \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#endif
