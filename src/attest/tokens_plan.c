#include "attest/tokens_plan.h"

/* The last whose time has come; before all times (a clock that went back) the first. When every
 * certificate has ended (a clock far ahead), the last, until there is another. */
size_t token_signer(const struct token_times *key, size_t count, unsigned algorithm,
                    uint64_t now_unix) {
    size_t first = TOKENS_NONE, last = TOKENS_NONE, ended = TOKENS_NONE;
    for (size_t i = 0; i < count; i++) {
        if (key[i].algorithm != algorithm) continue;
        if (key[i].ends_unix <= now_unix) {
            ended = i;
            continue;
        }
        if (first == TOKENS_NONE) first = i;
        if (key[i].signs_unix <= now_unix) last = i;
    }
    if (last != TOKENS_NONE) return last;
    return first != TOKENS_NONE ? first : ended;
}

static size_t following(const struct token_times *key, size_t count, unsigned algorithm,
                        size_t after) {
    for (size_t i = after + 1; i < count; i++)
        if (key[i].algorithm == algorithm) return i;
    return TOKENS_NONE;
}

static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

static void age(const struct token_times *key, size_t index, uint64_t now_unix,
                struct token_plan *plan) {
    uint64_t looked = key[index].looked_unix, step = 0;
    plan->looked_unix[index] = looked;
    plan->aged_s[index] = key[index].aged_s;
    if (looked && now_unix >= looked) {
        step = now_unix - looked;
        if (step < TOKENS_LOOK_S) return;
        if (step > TOKENS_STEP_S) step = TOKENS_STEP_S;
    }
    plan->looked_unix[index] = now_unix;
    plan->aged_s[index] += step;
    plan->drop[index] = plan->aged_s[index] > 2 * key[index].lifetime_s + TOKENS_SKEW_S;
    plan->changed = true;
}

void token_plan_make(const struct token_times *key, size_t count, const struct token_rules *rules,
                     uint64_t now_unix, struct token_plan *plan) {
    *plan = (struct token_plan){.pull = TOKENS_NONE};
    size_t signer = token_signer(key, count, rules->algorithm, now_unix);
    if (signer == TOKENS_NONE || key[signer].ends_unix <= now_unix) {
        plan->make = count < TOKENS_KEYS;
        plan->signs_unix = now_unix;
    } else {
        uint64_t due = key[signer].signs_unix + rules->rotate_s;
        uint64_t soonest = later(due, now_unix + rules->lead_s);
        size_t next = following(key, count, rules->algorithm, signer);
        if (next == TOKENS_NONE) {
            plan->make = now_unix + rules->lead_s >= due && count < TOKENS_KEYS;
            plan->signs_unix = soonest;
        } else if (key[next].signs_unix > soonest) {
            plan->pull = next;
            plan->pull_unix = soonest;
        }
    }
    for (size_t i = 0; i < count; i++) {
        bool superseded =
            signer != TOKENS_NONE && (i < signer || key[i].algorithm != rules->algorithm);
        if (superseded)
            age(key, i, now_unix, plan);
        else if (key[i].looked_unix || key[i].aged_s)
            plan->changed = true; /* the clock went back: it is needed again */
    }
}
