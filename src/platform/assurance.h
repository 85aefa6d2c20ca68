/* The assurance level, derived anew for each evidence and never above what the settings prove at
 * that moment (docs/threat-model.md; A23, T04, T11). S3 is S2 inside a
 * confidential VM: cella_assurance_in_guest. */
#ifndef CELLA_PLATFORM_ASSURANCE_H
#define CELLA_PLATFORM_ASSURANCE_H

#include "platform/settings.h"

enum { CELLA_BLOCKER_MAX = 12 };

struct cella_assurance_state {
    enum cella_assurance level;
    struct cella_settings settings;
    unsigned blocker_count; /* what keeps it from the next level */
    struct {
        char why[160];
        const char
            *command; /* what would change it, or NULL where only another kernel or machine would */
    } blocker[CELLA_BLOCKER_MAX];
    char weakness[160]; /* settings that weaken even S0 against other users; empty: none */
};

/* memory_secret false holds the level at S0. full: also scan where the outcome cannot change the
 * level (doctor). */
void cella_assurance_derive(struct cella_settings_source *source, bool memory_secret, bool full,
                            struct cella_assurance_state *out);

/* Raises S2 to S3 where a confidential VM's hardware vouches for the platform's key. What the guest
 * is, the verifier decides by its measurement. */
void cella_assurance_in_guest(enum cella_root root, struct cella_assurance_state *state);

#endif
