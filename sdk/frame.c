#include "sdk/frame.h"

static __thread struct cella_frame *newest;

void cella_frame_enter(struct cella_frame *frame, const struct cella_peer *peer,
                       const struct cella_call_function *function) {
    *frame = (struct cella_frame){peer, function, newest};
    newest = frame;
}

void cella_frame_leave(struct cella_frame *frame) { newest = frame->outer; }

const struct cella_call_function *cella_frame_function(const struct cella_peer *peer) {
    for (const struct cella_frame *f = newest; f; f = f->outer)
        if (f->peer == peer) return f->function;
    return NULL;
}
