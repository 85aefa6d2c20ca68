#include "evidence/baselines.h"

#include "evidence/family.h"
#include "evidence/intel_collateral.h"

static uint64_t newest_date(const struct cella_tcbinfo *info) {
    uint64_t date = 0;
    for (uint32_t i = 0; i < info->level_count; i++)
        if (info->level[i].verdict.date_unix > date) date = info->level[i].verdict.date_unix;
    return date;
}

static bool counts(const struct cella_intel_tcbinfo *item, bool tdx) {
    return item->sign.held && item->info.tdx == tdx && item->info.evaluation > 0;
}

/* The highest number below `below`, with the newest date that any platform's TCB info has. */
static bool next_below(const struct cella_intel *state, bool tdx, uint64_t below,
                       struct cella_tcb_baseline *out) {
    *out = (struct cella_tcb_baseline){0};
    for (uint32_t i = 0; i < state->tcbinfo_count; i++) {
        const struct cella_intel_tcbinfo *item = state->tcbinfo[i];
        if (!counts(item, tdx) || item->info.evaluation >= below) continue;
        uint64_t date = newest_date(&item->info);
        if (item->info.evaluation > out->evaluation)
            *out = (struct cella_tcb_baseline){item->info.evaluation, date};
        else if (item->info.evaluation == out->evaluation && date > out->date_unix)
            out->date_unix = date;
    }
    return out->evaluation > 0;
}

size_t cella_collateral_baselines(const struct cella_collateral *collateral, bool tdx,
                                  struct cella_tcb_baseline *out, size_t max) {
    const struct cella_intel *state = cella_collateral_of(collateral, &cella_family_intel);
    struct cella_tcb_baseline next;
    uint64_t below = (uint64_t)UINT32_MAX + 1;
    size_t count = 0;
    while (state && next_below(state, tdx, below, &next)) {
        if (count < max) out[count] = next;
        count++;
        below = next.evaluation;
    }
    return count;
}
