/* What the other side may write into a slot of the call ring: the turn word and the description, as
 * often as it likes. What is handed out holds, whatever was there. */
#include <stdlib.h>
#include <string.h>

#include "sdk/slot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { SLOT = 65536, STEP = 4 + 24 };
    static uint8_t slot[SLOT] __attribute__((aligned(64)));
    struct cella_slot_end end;
    memset(slot, 0, 64);
    cella_slot_init(&end, slot, SLOT);
    for (; size >= STEP; data += STEP, size -= STEP) {
        struct cella_slot_message m;
        if (data[0] & 1) memcpy(&end.turn, data, 4);
        memcpy(slot, data + 4, 24);
        uint32_t before = end.turn;
        switch (cella_slot_look(&end, &m)) {
        case CELLA_SLOT_TURN:
            if (end.turn != before + 1 || m.size > cella_slot_capacity(&end)) abort();
            if (m.kind == CELLA_CALLS_CALL
                    ? m.status != 0
                    : m.kind != CELLA_CALLS_RETURN || m.status >= CELLA_CALLS_STATUS_COUNT)
                abort();
            cella_slot_hand_over(&end, &m);
            break;
        case CELLA_SLOT_LATE:
            if (end.turn != before) abort();
            break;
        default: break;
        }
    }
    return 0;
}
