/* Traces a child that has stopped itself; call is the system call to sweep. The wait status it
 * ended with. */
#ifndef CELLA_TESTS_SHIM_SWEEP_H
#define CELLA_TESTS_SHIM_SWEEP_H

#include <errno.h>
#include <stdint.h>
#include <sys/types.h>

int sweep(pid_t pid, uint64_t text, uint64_t text_end, int call);

#endif
