/* The call ring (abi/calls.h): memory that the enclave shares with its host program. The shim maps
 * it, once, before the door closes, hands it to the program as a mapping of /dev/cella/calls, and
 * lets shared futexes reach its words and nothing else. What is in it, the shim never reads. */
#ifndef CELLA_SHIM_CALLS_H
#define CELLA_SHIM_CALLS_H

#include "shim/shim.h"

/* Asks the host for the ring where the configuration has one, and sets shim.calls. A host that has
 * none leaves it 0; one that gives something else than a memfd of exactly that size, sealed against
 * any other, has broken its contract (R40): a file that shrinks would fault at every access. */
void shim_calls_start(void);
/* The answer of /dev/cella/calls: CELLA_CALLS_GEOMETRY bytes. */
void shim_calls_geometry(uint8_t out[32]);

#endif
