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

/* A key is old when the next one signs for as long as its own tokens live. */
static bool is_old(const struct token_times *key, size_t count, unsigned algorithm, size_t index,
                   uint64_t now_unix) {
    size_t next = following(key, count, algorithm, index);
    uint64_t stopped = next == TOKENS_NONE ? key[index].signs_unix : key[next].signs_unix;
    return now_unix > stopped + key[index].lifetime_s + TOKENS_SKEW_S;
}

static void judge(const struct token_times *key, size_t count, unsigned algorithm, size_t index,
                  uint64_t now_unix, struct token_plan *plan) {
    uint64_t marked = key[index].marked_unix;
    plan->marked_unix[index] = 0;
    if (is_old(key, count, algorithm, index, now_unix)) {
        if (!marked || marked > now_unix) marked = now_unix;
        plan->marked_unix[index] = marked;
        plan->drop[index] = now_unix > marked + key[index].lifetime_s + TOKENS_SKEW_S;
    }
    if (plan->drop[index] || plan->marked_unix[index] != key[index].marked_unix)
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
            judge(key, count, rules->algorithm, i, now_unix, plan);
        else if (key[i].marked_unix)
            plan->changed = true; /* the clock went back: it is needed again */
    }
}
