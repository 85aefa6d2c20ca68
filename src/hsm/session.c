#include "hsm/session.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"

enum { SESSIONS = 32, RETRY_MS = 1000, WAIT_MS = 500, BUSY_MS = 5000, HANDLES = 1024, WHY = 256 };

struct cella_hsm {
    char *uri, *folder;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct hsm_place place; /* of whoever connects; else read alone, while up or lent */
    bool up, connecting;
    uint64_t tried_ms;
    char why[WHY];           /* the last time that it went away, or did not come back */
    struct timespec refused; /* when the file of a PIN that was refused was written */
    unsigned lent, most;
    uint32_t schemes;
    size_t idle_count;
    CK_SESSION_HANDLE idle[SESSIONS];
    struct { /* handles of objects hold while somebody is logged in */
        uint8_t id[CELLA_HSM_ID_SIZE];
        CK_OBJECT_HANDLE handle;
    } known[HANDLES];
    char platform[CELLA_HSM_PLATFORM_SIZE];
};

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- Coming and going --- */

static struct timespec pin_written(const struct cella_hsm *h) {
    char path[PATH_MAX];
    struct stat st = {0};
    struct cella_result result = hsm_place_pin_path(&h->place, path, sizeof(path));
    if (!cella_failed(result) && stat(path, &st) != 0) st.st_mtim = (struct timespec){0};
    cella_result_drop(result);
    return st.st_mtim;
}

static CELLA_RESULT connect_now(struct cella_hsm *h) {
    struct timespec written = pin_written(h);
    ENSURE(!h->refused.tv_sec || h->refused.tv_sec != written.tv_sec ||
               h->refused.tv_nsec != written.tv_nsec,
           CELLA_ERR_PERMISSION, "write the PIN into the file of pin-source",
           "token %s refused the PIN; it is not tried again until its file changes",
           h->place.label);
    hsm_place_leave(&h->place);
    struct cella_result result = hsm_place_open(&h->place);
    h->refused = cella_code_of(result) == CELLA_ERR_PERMISSION ? written : (struct timespec){0};
    return result;
}

static void clear_known(struct cella_hsm *h) {
    for (size_t i = 0; i < HANDLES; i++) h->known[i].handle = CK_INVALID_HANDLE;
}

static void learn(struct cella_hsm *h) {
    CK_ULONG most = h->place.info.ulMaxSessionCount;
    h->most = SESSIONS;
    h->schemes = hsm_schemes(&h->place);
    if (most != CK_EFFECTIVELY_INFINITE && most != CK_UNAVAILABLE_INFORMATION && most < SESSIONS)
        h->most = most > 2 ? (unsigned)most - 1 : 1; /* one is the login's */
}

/* Under the lock, which is let go meanwhile: an HSM may take its time to say no. */
static CELLA_RESULT come_back(struct cella_hsm *h) {
    h->connecting = true;
    h->tried_ms = now_ms();
    h->idle_count = 0; /* they end with the module */
    clear_known(h);
    pthread_mutex_unlock(&h->lock);
    struct cella_result result = connect_now(h);
    pthread_mutex_lock(&h->lock);
    h->connecting = false;
    h->up = !cella_failed(result);
    if (h->up) learn(h);
    if (h->up && h->why[0]) cella_log(CELLA_LOG_INFO, "HSM %s is back", h->place.name);
    if (!h->up && strcmp(h->why, result.error->what) != 0)
        cella_log(CELLA_LOG_WARN, "HSM %s: %s", h->place.name, result.error->what);
    snprintf(h->why, sizeof(h->why), "%s", h->up ? "" : result.error->what);
    pthread_cond_broadcast(&h->changed);
    return result;
}

/* Waits a moment for what may change; under the lock. False: it took too long. */
static bool wait_for_change(struct cella_hsm *h, const struct timespec *until) {
    return pthread_cond_timedwait(&h->changed, &h->lock, until) == 0;
}

static struct timespec in_ms(long ms) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += ms % 1000 * 1000000L;
    t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    return t;
}

/* Up, with a session to spare; under the lock. Only when nobody works with the module any more can
 * it be left and entered again. */
static CELLA_RESULT be_there(struct cella_hsm *h) {
    const struct timespec busy = in_ms(BUSY_MS), away = in_ms(WAIT_MS);
    while (h->connecting || (!h->up && h->lent) || (h->up && h->lent >= h->most))
        if (!wait_for_change(h, h->up ? &busy : &away)) break;
    ENSURE(!h->up || h->lent < h->most, CELLA_ERR_UNAVAILABLE, NULL,
           "HSM %s: all its %u sessions are in use", h->place.name, h->most);
    if (h->up) return CELLA_SUCCESS;
    ENSURE(!h->connecting && !h->lent && now_ms() - h->tried_ms >= RETRY_MS, CELLA_ERR_UNAVAILABLE,
           NULL, "HSM %s is away: %s", h->place.name, h->why);
    struct cella_result result = come_back(h);
    bool good = !cella_failed(result);
    cella_result_drop(result);
    ENSURE(good, CELLA_ERR_UNAVAILABLE, NULL, "HSM %s is away: %s", h->place.name, h->why);
    return CELLA_SUCCESS;
}

static void gone(struct cella_hsm *h, CK_RV rv) {
    pthread_mutex_lock(&h->lock);
    if (h->up) {
        snprintf(h->why, sizeof(h->why), "it went away: %s", p11_kit_strerror(rv));
        cella_log(CELLA_LOG_WARN, "HSM %s: %s", h->place.name, h->why);
        h->tried_ms = 0;
    }
    h->up = false;
    pthread_mutex_unlock(&h->lock);
}

/* --- Lending --- */

static void give(struct cella_hsm *h, const struct hsm_session *s, bool good) {
    pthread_mutex_lock(&h->lock);
    bool keep = good && h->up && !s->writes && h->idle_count < SESSIONS;
    if (keep) h->idle[h->idle_count++] = s->handle;
    pthread_mutex_unlock(&h->lock);
    if (!keep) (void)s->module->C_CloseSession(s->handle);
    pthread_mutex_lock(&h->lock);
    h->lent--;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

static CELLA_RESULT take(struct cella_hsm *h, bool writes, struct hsm_session *out) {
    pthread_mutex_lock(&h->lock);
    struct cella_result result = be_there(h);
    bool good = !cella_failed(result), fresh = true;
    if (good) {
        *out = (struct hsm_session){h->place.module, h->place.slot, CK_INVALID_HANDLE, writes,
                                    h->place.label};
        h->lent++;
        if (!writes && h->idle_count) {
            out->handle = h->idle[--h->idle_count];
            fresh = false;
        }
    }
    pthread_mutex_unlock(&h->lock);
    if (!good || !fresh) return result;
    CK_FLAGS flags = CKF_SERIAL_SESSION | (writes ? CKF_RW_SESSION : 0);
    CK_RV rv = out->module->C_OpenSession(out->slot, flags, NULL, NULL, &out->handle);
    if (rv == CKR_OK) return CELLA_SUCCESS;
    if (rv != CKR_SESSION_COUNT) gone(h, rv);
    out->writes = true; /* there is none to keep */
    give(h, out, false);
    FAIL(CELLA_ERR_UNAVAILABLE, NULL, "HSM %s gives no session: %s", h->place.name,
         p11_kit_strerror(rv));
}

/* --- Finding --- */

CK_RV hsm_find(const struct hsm_session *s, const uint8_t id[CELLA_HSM_ID_SIZE],
               CK_OBJECT_HANDLE *out) {
    const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_SECRET_KEY};
    CK_BBOOL yes = CK_TRUE;
    *out = CK_INVALID_HANDLE;
    for (size_t i = 0; i < 2 && *out == CK_INVALID_HANDLE; i++) {
        CK_OBJECT_CLASS class = classes[i];
        CK_ATTRIBUTE wanted[] = {{CKA_TOKEN, &yes, sizeof(yes)},
                                 {CKA_CLASS, &class, sizeof(class)},
                                 {CKA_ID, (void *)id, CELLA_HSM_ID_SIZE}};
        CK_ULONG found = 0;
        CK_RV rv = s->module->C_FindObjectsInit(s->handle, wanted, 3);
        if (rv != CKR_OK) return rv;
        rv = s->module->C_FindObjects(s->handle, out, 1, &found);
        CK_RV end = s->module->C_FindObjectsFinal(s->handle);
        if (rv != CKR_OK || end != CKR_OK) return rv != CKR_OK ? rv : end;
        if (!found) *out = CK_INVALID_HANDLE;
    }
    return CKR_OK;
}

/* A handle that was found before, or now. */
static CK_RV find_known(struct cella_hsm *h, const struct hsm_session *s, const uint8_t *id,
                        bool anew, CK_OBJECT_HANDLE *out) {
    size_t at = ((size_t)id[0] << 8 | id[1]) % HANDLES;
    pthread_mutex_lock(&h->lock);
    bool known = !anew && h->known[at].handle != CK_INVALID_HANDLE &&
                 cella_equal(h->known[at].id, id, CELLA_HSM_ID_SIZE);
    if (known) *out = h->known[at].handle;
    pthread_mutex_unlock(&h->lock);
    if (known) return CKR_OK;
    CK_RV rv = hsm_find(s, id, out);
    if (rv != CKR_OK || *out == CK_INVALID_HANDLE) return rv;
    pthread_mutex_lock(&h->lock);
    cella_copy(h->known[at].id, id, CELLA_HSM_ID_SIZE);
    h->known[at].handle = *out;
    pthread_mutex_unlock(&h->lock);
    return rv;
}

/* --- Running --- */

static bool says_gone(CK_RV rv) {
    switch (rv) {
    case CKR_DEVICE_REMOVED:
    case CKR_DEVICE_ERROR:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_TOKEN_NOT_RECOGNIZED:
    case CKR_SLOT_ID_INVALID:
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_CRYPTOKI_NOT_INITIALIZED: return true;
    default: return false;
    }
}

static bool says_stale(CK_RV rv) {
    return rv == CKR_KEY_HANDLE_INVALID || rv == CKR_OBJECT_HANDLE_INVALID;
}

/* Tokens say "general error" of bad ciphertexts and of cables that were cut: which it is, the token
 * is asked. */
static bool is_there(const struct hsm_session *s) {
    CK_SESSION_INFO session;
    CK_TOKEN_INFO token;
    return s->module->C_GetSessionInfo(s->handle, &session) == CKR_OK &&
           (session.state == CKS_RO_USER_FUNCTIONS || session.state == CKS_RW_USER_FUNCTIONS) &&
           s->module->C_GetTokenInfo(s->slot, &token) == CKR_OK &&
           (token.flags & CKF_TOKEN_INITIALIZED);
}

static bool has_gone(const struct hsm_session *s, CK_RV rv) {
    bool unclear = rv == CKR_GENERAL_ERROR || rv == CKR_FUNCTION_FAILED;
    return says_gone(rv) || (unclear && !is_there(s));
}

struct task {
    const uint8_t *id;
    hsm_job *job;
    void *context;
};

/* missing: no such key in a token that is there. */
static CK_RV attempt(struct cella_hsm *h, const struct hsm_session *s, const struct task *task,
                     bool *missing) {
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    CK_RV rv = CKR_OK;
    *missing = false;
    for (int i = 0; i < 2; i++) {
        if (task->id) rv = find_known(h, s, task->id, i > 0, &key);
        if (rv != CKR_OK) return rv;
        *missing = task->id && key == CK_INVALID_HANDLE;
        if (*missing) return is_there(s) ? CKR_OK : CKR_TOKEN_NOT_PRESENT;
        rv = task->job(s, key, task->context);
        if (!task->id || !says_stale(rv)) return rv;
    }
    return rv;
}

CELLA_RESULT hsm_run(struct cella_hsm *h, const uint8_t *id, bool writes, bool again, hsm_job *job,
                     void *context, CK_RV *out) {
    const struct task task = {id, job, context};
    for (int i = 0;; i++) {
        struct hsm_session s;
        bool missing = false;
        TRY(take(h, writes, &s));
        CK_RV rv = attempt(h, &s, &task, &missing);
        bool lost = has_gone(&s, rv);
        if (lost) gone(h, rv);
        give(h, &s, rv == CKR_OK);
        if (lost && again && i == 0) continue;
        ENSURE(!lost, CELLA_ERR_UNAVAILABLE, NULL, "HSM %s went away: %s", h->place.name,
               p11_kit_strerror(rv));
        ENSURE(!missing, CELLA_ERR_NOT_FOUND, "restore the HSM from its backup",
               "token %s does not have the key", h->place.label);
        *out = rv;
        return CELLA_SUCCESS;
    }
}

/* --- Life --- */

/* Fixed fields of a token are padded with blanks; what is no plain character is left out. */
static size_t add_field(char *out, size_t at, const char *name, const unsigned char *field,
                        size_t size) {
    while (size && (field[size - 1] == ' ' || field[size - 1] == 0)) size--;
    at += (size_t)snprintf(out + at, 24, "%s=", name);
    for (size_t i = 0; i < size; i++) {
        bool plain = (field[i] >= '0' && field[i] <= '9') || (field[i] >= 'A' && field[i] <= 'Z') ||
                     (field[i] >= 'a' && field[i] <= 'z') || field[i] == '-' || field[i] == '.';
        out[at++] = plain ? (char)field[i] : '_';
    }
    out[at] = 0;
    return at;
}

static void describe(struct cella_hsm *h) {
    const CK_TOKEN_INFO *info = &h->place.info;
    size_t at = add_field(h->platform, 0, "pkcs11:manufacturer", info->manufacturerID,
                          sizeof(info->manufacturerID));
    add_field(h->platform, at, ";model", info->model, sizeof(info->model));
}

CELLA_RESULT cella_hsm_check(const char *uri, const char *folder) {
    HSM_PLACE place = {0};
    return hsm_place_read(uri, folder, false, &place);
}

CELLA_RESULT cella_hsm_open(const char *uri, const char *folder, struct cella_hsm **out) {
    struct cella_hsm *h = calloc(1, sizeof(*h));
    *out = NULL;
    ENSURE(h, CELLA_ERR_MEMORY, NULL, "no memory for an HSM");
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->changed, NULL);
    h->uri = strdup(uri);
    h->folder = strdup(folder);
    struct cella_result result =
        h->uri && h->folder ? hsm_place_read(h->uri, h->folder, false, &h->place)
                            : CELLA_FAILURE(CELLA_ERR_MEMORY, NULL, "no memory for an HSM");
    if (!cella_failed(result)) {
        clear_known(h);
        result = connect_now(h);
    }
    if (cella_failed(result)) {
        cella_hsm_close(&h);
        return result;
    }
    h->up = true;
    learn(h);
    describe(h);
    *out = h;
    return CELLA_SUCCESS;
}

void cella_hsm_close(struct cella_hsm **hsm) {
    struct cella_hsm *h = *hsm;
    if (!h) return;
    hsm_place_close(&h->place); /* ends the sessions too */
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->lock);
    free(h->uri);
    free(h->folder);
    free(h);
    *hsm = NULL;
}

const char *cella_hsm_uri(const struct cella_hsm *hsm) { return hsm->uri; }
const char *cella_hsm_platform(const struct cella_hsm *hsm) { return hsm->platform; }

bool cella_hsm_does(struct cella_hsm *hsm, enum cella_hsm_scheme scheme) {
    pthread_mutex_lock(&hsm->lock);
    bool does = hsm->schemes >> scheme & 1;
    pthread_mutex_unlock(&hsm->lock);
    return does;
}

static CK_RV look(const struct hsm_session *s, CK_OBJECT_HANDLE key, void *context) {
    (void)key;
    (void)context;
    return is_there(s) ? CKR_OK : CKR_TOKEN_NOT_PRESENT;
}

CELLA_RESULT cella_hsm_look(struct cella_hsm *hsm) {
    CK_RV rv = CKR_OK;
    return hsm_run(hsm, NULL, false, true, look, NULL, &rv);
}
