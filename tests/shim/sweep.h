/* Traces a child that has stopped itself; call is the system call to sweep. The wait status it
 * ended with. */
#ifndef CELLA_TESTS_SHIM_SWEEP_H
#define CELLA_TESTS_SHIM_SWEEP_H

#include <errno.h>
#include <stdint.h>
#include <sys/types.h>

/* Forges a segmentation fault, code and all, in the program some time after it made the call. */
int forge(pid_t pid, uint64_t text, uint64_t text_end, int call);
int sweep(pid_t pid, uint64_t text, uint64_t text_end, int call);

#endif
