#include "attest/policies_inner.h"

#include <stdlib.h>
#include <time.h>

#include "attest/managers.h"
#include "base/log.h"

enum { LOOK_MS = 1000 /* what another process on the store set stands after that at the latest */ };

/* --- Lending --- */

const struct policy_item *policies_hold(struct cella_policies *policies,
                                        enum cella_attest_type type) {
    struct policy_slot *slot = &policies->slot[type];
    pthread_mutex_lock(&slot->lock);
    struct policy_item *item = slot->item;
    atomic_fetch_add_explicit(&item->holders, 1, memory_order_relaxed);
    pthread_mutex_unlock(&slot->lock);
    return item;
}

static void let_go(struct policy_item *item) {
    if (item && atomic_fetch_sub_explicit(&item->holders, 1, memory_order_acq_rel) == 1)
        policy_item_free(item);
}

static uint64_t coarse_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* One request a second looks whether another process set the policy. When the store cannot be
 * asked, the policy that is known stands. */
static void look(struct cella_policies *policies, enum cella_attest_type type) {
    struct policy_slot *slot = &policies->slot[type];
    uint64_t now = coarse_ms(), due = atomic_load_explicit(&slot->look_ms, memory_order_relaxed);
    if (now < due || !atomic_compare_exchange_strong(&slot->look_ms, &due, now + LOOK_MS)) return;
    struct cella_result r = policies_refresh(policies, type);
    if (!cella_failed(r)) return;
    cella_log(CELLA_LOG_WARN, "attestation instance %s: the policy %s could not be looked up: %s",
              policies->instance->settings.name, cella_attest_type_name(type), r.error->what);
    cella_result_drop(r);
}

CELLA_RESULT cella_policies_take(struct cella_policies *policies, enum cella_attest_type type,
                                 const struct cella_policy_entry **entry) {
    look(policies, type);
    const struct policy_item *item = policies_hold(policies, type);
    *entry = NULL;
    if (item->policy) {
        *entry = &item->entry;
        return CELLA_SUCCESS;
    }
    struct cella_result r = CELLA_SUCCESS;
    if (!item->none)
        r = CELLA_FAILURE(CELLA_ERR_UNAVAILABLE, "set the policy anew",
                          "the stored policy %s cannot be used: %s", cella_attest_type_name(type),
                          item->failure);
    cella_policies_drop(policies, &item->entry);
    return r;
}

void cella_policies_drop(struct cella_policies *policies, const struct cella_policy_entry *entry) {
    (void)policies;
    let_go((struct policy_item *)(uintptr_t)entry);
}

void policies_install(struct cella_policies *policies, enum cella_attest_type type,
                      struct policy_item *item) {
    struct policy_slot *slot = &policies->slot[type];
    pthread_mutex_lock(&slot->lock);
    struct policy_item *old = slot->item;
    if (old && old->version > item->version)
        old = item; /* two came at once: the later commit stands */
    else
        slot->item = item;
    pthread_mutex_unlock(&slot->lock);
    let_go(old);
}

/* --- From the store --- */

static struct cella_result load(const struct cella_attest_instance *instance,
                                enum cella_attest_type type, struct policy_item **out) {
    CELLA_BUFFER jws = {0};
    uint64_t version = 0;
    {
        CELLA_SESSION session = NULL;
        TRY(cella_session_begin(instance->database, false, &session));
        TRY(policies_row(instance, session, type, &version, &jws));
    }
    /* A shared instance has the default policies alone, whatever it was before. */
    if (jws.size && instance->settings.mode != CELLA_ATTEST_SHARED)
        TRY(policy_item_stored(cella_buffer_bytes(&jws),
                               instance->settings.mode == CELLA_ATTEST_ISOLATED, out));
    else
        TRY(policy_item_default(type, out));
    (*out)->version = version;
    if ((*out)->failure[0])
        cella_log(
            CELLA_LOG_ERROR,
            "attestation instance %s: the stored policy %s cannot be used, and all of its type"
            " is refused: %s",
            instance->settings.name, cella_attest_type_name(type), (*out)->failure);
    return CELLA_SUCCESS;
}

CELLA_RESULT policies_refresh(struct cella_policies *policies, enum cella_attest_type type) {
    struct policy_item *item = NULL;
    uint64_t version = 0;
    {
        CELLA_SESSION session = NULL;
        TRY(cella_session_begin(policies->instance->database, false, &session));
        TRY(policies_version(policies->instance, session, type, &version));
    }
    const struct policy_item *have = policies_hold(policies, type);
    bool current = have->version >= version;
    cella_policies_drop(policies, &have->entry);
    if (current) return CELLA_SUCCESS;
    TRY(load(policies->instance, type, &item));
    policies_install(policies, type, item);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_policies_new(const struct cella_attest_instance *instance,
                                struct cella_policies **out) {
    __attribute__((cleanup(cella_policies_free))) struct cella_policies *policies =
        calloc(1, sizeof(*policies));
    ENSURE(policies, CELLA_ERR_MEMORY, NULL, "no memory for the policies of an instance");
    policies->instance = instance;
    for (size_t i = 0; i < CELLA_ATTEST_TYPE_COUNT; i++)
        pthread_mutex_init(&policies->slot[i].lock, NULL);
    TRY(policies_migrate(instance));
    TRY(cella_managers_import(instance, (uint64_t)time(NULL)));
    for (int i = 0; i < CELLA_ATTEST_TYPE_COUNT; i++)
        TRY(load(instance, (enum cella_attest_type)i, &policies->slot[i].item));
    *out = MOVE(policies);
    return CELLA_SUCCESS;
}

void cella_policies_free(struct cella_policies **policies) {
    struct cella_policies *p = *policies;
    if (!p) return;
    for (size_t i = 0; i < CELLA_ATTEST_TYPE_COUNT; i++) {
        let_go(p->slot[i].item);
        pthread_mutex_destroy(&p->slot[i].lock);
    }
    free(p);
    *policies = NULL;
}
