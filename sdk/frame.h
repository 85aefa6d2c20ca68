/* Which call of this side's is under way on this thread: what the other side may call meanwhile is
 * the callee's matter to know, and nobody's word is taken for it. (threats.md R09) */
#ifndef CELLA_SDK_FRAME_H
#define CELLA_SDK_FRAME_H

#include "sdk/peer.h"

struct cella_frame {
    const struct cella_peer *peer;
    const struct cella_call_function *function;
    struct cella_frame *outer;
};

void cella_frame_enter(struct cella_frame *frame, const struct cella_peer *peer,
                       const struct cella_call_function *function);
void cella_frame_leave(struct cella_frame *frame);
/* The function that this thread has called at the peer, the newest; NULL: none. */
const struct cella_call_function *cella_frame_function(const struct cella_peer *peer);

#endif
