/* What this machine offers an enclave, tried out rather than guessed. */
#ifndef CELLA_PLATFORM_DOCTOR_H
#define CELLA_PLATFORM_DOCTOR_H

#include <cella/result.h>

#include "platform/assurance.h"

enum { CELLA_DOCTOR_ROW_MAX = 32 };

enum cella_doctor_verdict {
    CELLA_DOCTOR_YES,  /* there and usable */
    CELLA_DOCTOR_PART, /* works with less than it could */
    CELLA_DOCTOR_NO,   /* not to be had here now */
};

struct cella_doctor_row {
    const char *area; /* "backend", "root", "memory", "kernel" */
    char name[48];
    enum cella_doctor_verdict verdict;
    char detail[240];
    const char *command; /* what would change it; NULL: nothing here can */
};

struct cella_doctor {
    unsigned row_count;
    struct cella_doctor_row row[CELLA_DOCTOR_ROW_MAX];
    struct cella_assurance_state assurance;
};

/* Takes some milliseconds: it makes a piece of secret memory and walks all processes. */
CELLA_RESULT cella_doctor_examine(struct cella_doctor *out);

#endif
