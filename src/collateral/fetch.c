#include "collateral/fetch.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/moment.h"

enum {
    SKEW_S = 300,
    URL_SIZE = CELLA_SOURCE_URL + CELLA_WANT_PATH,
    ANSWER_MAX = CELLA_WANT_MAX * CELLA_SOURCE_MAX
};

/* Which want and source an item's origin stands for. */
static size_t origin_of(size_t want, size_t source) { return 1 + want * CELLA_SOURCE_MAX + source; }

static void url_of(const struct cella_want *want, const char *base, char url[URL_SIZE]) {
    if (want->url && strcmp(base, CELLA_INTEL_PCS) == 0)
        snprintf(url, URL_SIZE, "%s", want->url);
    else
        snprintf(url, URL_SIZE, "%s%s", base, want->path);
}

static void note(struct cella_want *want, const char *why, const char *hint) {
    snprintf(want->why, sizeof(want->why), "%s", why);
    snprintf(want->hint, sizeof(want->hint), "%s", hint ? hint : "");
    cella_log(CELLA_LOG_WARN, "%s: %s", want->what, want->why);
}

/* Of what an answer held, only the wanted thing stays, and certificates, which prove themselves. */
static bool sift(struct cella_store *store, size_t before, const struct cella_want *want,
                 size_t origin) {
    bool found = false;
    for (size_t i = before; i < store->count;) {
        struct cella_item *item = &store->item[i];
        bool wanted = cella_want_is(want, item);
        bool chain = item->kind == CELLA_ITEM_CERTIFICATE && !want->chip;
        item->origin = origin;
        found = found || wanted;
        if (wanted || chain)
            i++;
        else
            cella_store_remove(store, i);
    }
    return found;
}

/* An answer that is there already, to the byte, adds nothing. */
static bool is_there(const struct cella_store *store, const struct cella_want *want,
                     const struct cella_answer *answer) {
    for (size_t i = 0; i < store->count; i++) {
        const struct cella_item *item = &store->item[i];
        bool same = item->content.size == answer->body.size &&
                    cella_equal(item->content.data, answer->body.data, answer->body.size);
        if (cella_want_is(want, item) && (same || item->der.size))
            return true; /* lists come in several spellings */
    }
    return false;
}

static CELLA_RESULT take(struct cella_store *store, struct cella_want *want,
                         const struct cella_answer *answer, const char *url, size_t origin) {
    size_t before = store->count, taken = 0;
    char why[URL_SIZE + 64];
    TRY(cella_store_add(store, "answer", cella_buffer_bytes(&answer->body), &taken));
    bool found = sift(store, before, want, origin) || (taken > 0 && is_there(store, want, answer));
    before = store->count;
    if (found && answer->chain.size) {
        TRY(cella_store_add(store, "chain", cella_buffer_bytes(&answer->chain), &taken));
        for (size_t i = before; i < store->count;) {
            store->item[i].origin = origin;
            if (store->item[i].kind == CELLA_ITEM_CERTIFICATE)
                i++;
            else
                cella_store_remove(store, i);
        }
    }
    snprintf(why, sizeof(why), "%s: the answer is something else than was asked for", url);
    if (!found) note(want, why, "is this the service it is taken for?");
    return CELLA_SUCCESS;
}

static CELLA_RESULT ask(struct cella_store *store, struct cella_downloader *downloader,
                        struct cella_want *want, const char *base, size_t origin) {
    CELLA_ANSWER answer = {0};
    char url[URL_SIZE];
    url_of(want, base, url);
    struct cella_result r = cella_download(downloader, url, want->chain_header, &answer);
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    bool good = !cella_failed(r);
    if (!good) note(want, r.error->what, r.error->hint);
    cella_result_drop(r);
    return good ? take(store, want, &answer, url, origin) : CELLA_SUCCESS;
}

static CELLA_RESULT ask_all(struct cella_store *store, struct cella_wants *wants,
                            const struct cella_sources *sources,
                            const struct cella_download_settings *settings) {
    CELLA_DOWNLOADER downloader = NULL;
    TRY(cella_downloader_new(settings, &downloader));
    for (size_t w = 0; w < wants->count; w++)
        for (size_t s = 0; s < sources->count; s++)
            if (sources->source[s].maker == wants->want[w].maker)
                TRY(ask(store, downloader, &wants->want[w], sources->source[s].base,
                        origin_of(w, s)));
    return CELLA_SUCCESS;
}

static bool in_force(const struct cella_item *item, uint64_t time_unix) {
    return item->from_unix <= time_unix + SKEW_S &&
           (item->until_unix == 0 || time_unix <= item->until_unix);
}

static const struct cella_item *there_before(const struct cella_store *store,
                                             const struct cella_item *item) {
    for (size_t i = 0; i < store->count; i++) {
        const struct cella_item *other = &store->item[i];
        if (other->origin == 0 && other->state == CELLA_ITEM_HELD &&
            strcmp(other->name, item->name) == 0)
            return other;
    }
    return NULL;
}

/* What came and does not hold, or not now, or is older than what is there, is told, and goes. */
static void judge(struct cella_store *store, struct cella_wants *wants,
                  const struct cella_sources *sources, uint64_t time_unix) {
    for (size_t i = 0; i < store->count; i++) {
        struct cella_item *item = &store->item[i];
        char url[URL_SIZE], text[CELLA_TIME_TEXT], why[URL_SIZE + 2 * CELLA_ITEM_TEXT];
        if (item->origin == 0) continue;
        struct cella_want *want = &wants->want[(item->origin - 1) / CELLA_SOURCE_MAX];
        const struct cella_item *before = there_before(store, item);
        url_of(want, sources->source[(item->origin - 1) % CELLA_SOURCE_MAX].base, url);
        cella_time_show(item->until_unix, text);
        if (item->state == CELLA_ITEM_FAILED) {
            snprintf(why, sizeof(why), "%s: %s: %s", url, item->name, item->why);
            note(want, why, "the source gives what its maker did not sign: try another");
        } else if (!in_force(item, time_unix)) {
            snprintf(why, sizeof(why), "%s: %s: in force until %s, not now", url, item->name, text);
            note(want, why, "the source is out of date: try another, or see that it refreshes");
            item->state = CELLA_ITEM_FAILED;
        } else if (before && cella_item_newer(before, item)) {
            snprintf(why, sizeof(why), "%s: %s: older than what is there (evaluation %u, there %u)",
                     url, item->name, item->evaluation, before->evaluation);
            note(want, why, "the source is behind: it is not used");
        }
    }
}

static bool met(const struct cella_store *store, const struct cella_want *want,
                uint64_t time_unix) {
    for (size_t i = 0; i < store->count; i++)
        if (cella_want_is(want, &store->item[i]) && store->item[i].state == CELLA_ITEM_HELD &&
            in_force(&store->item[i], time_unix))
            return true;
    return false;
}

CELLA_RESULT cella_fetch(struct cella_store *store, struct cella_wants *wants,
                         const struct cella_sources *sources,
                         const struct cella_download_settings *settings, uint64_t time_unix) {
    TRY(ask_all(store, wants, sources, settings));
    TRY(cella_store_check(store));
    judge(store, wants, sources, time_unix);
    cella_store_follow(store);
    TRY(cella_store_settle(store, false));
    for (size_t w = 0; w < wants->count; w++) {
        const struct cella_want *want = &wants->want[w];
        ENSURE(met(store, want, time_unix), CELLA_ERR_UNAVAILABLE,
               want->hint[0] ? want->hint : "name a source that has it", "%s: %s", want->what,
               want->why[0] ? want->why : "no source was asked for it");
    }
    return CELLA_SUCCESS;
}
