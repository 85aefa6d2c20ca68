/* Intake of images: a client's descriptor becomes a sealed, verified copy, kept for the next start.
 *
 * The copying and verifying runs in a forked worker with a deadline, so that a file on a hostile or
 * dead file system, or a huge image, holds up nobody else. The copy is a memfd sealed against every
 * change before it is measured, so what was verified is what runs (T09), whatever happens to the
 * file. A copy is found again by device, inode, size and the times of last change of content and
 * inode.
 */
#ifndef CELLA_PLATFORM_INTAKE_H
#define CELLA_PLATFORM_INTAKE_H

#include <cella/identity.h>
#include <cella/result.h>
#include <sys/types.h>

#include "platform/load.h"

enum { CELLA_INTAKE_KEPT_MAX = 16, CELLA_INTAKE_TIMEOUT_MS = 60000 };
#define CELLA_INTAKE_IMAGE_MAX (1ULL << 30) /* bytes */

struct cella_intake_key {
    uint64_t device, inode, size, mtime_s, mtime_ns, ctime_s, ctime_ns;
};

struct cella_intake_image {
    struct cella_intake_key key;
    int fd; /* read-only descriptor of the sealed copy; owned */
    struct cella_identity identity;
    uint32_t config_flags; /* CELLA_CONFIG_* */
    uint64_t host_signals;
    struct cella_load load;
    uint64_t used; /* higher: more recently */
};

struct cella_intake {
    struct cella_intake_image *kept[CELLA_INTAKE_KEPT_MAX];
    uint64_t clock;
};

/* One running worker. */
struct cella_intake_job {
    struct cella_intake_key key;
    int fd;      /* the copy being made */
    int done_fd; /* readable when the worker has ended: a pidfd; owned */
    pid_t pid;
    struct cella_intake_outcome *outcome; /* shared with the worker */
};

/* Identifies a client's descriptor without waiting for its file system. Refuses what is not a
 * regular file open for reading: whoever may not read an image may not run it either. */
CELLA_RESULT cella_intake_identify(int fd, struct cella_intake_key *out);
/* A kept image, or NULL. Valid until the next cella_intake_finish. */
const struct cella_intake_image *cella_intake_find(struct cella_intake *intake,
                                                   const struct cella_intake_key *key);
/* Starts a worker for the descriptor, which stays the caller's. */
CELLA_RESULT cella_intake_begin(int fd, const struct cella_intake_key *key,
                                struct cella_intake_job *out);
/* After done_fd became readable: keeps the image and gives it, or the reason for which it is
 * refused. */
CELLA_RESULT cella_intake_finish(struct cella_intake *intake, struct cella_intake_job *job,
                                 const struct cella_intake_image **out);
/* Kills a worker that is not wanted any more. Harmless on an empty job. */
void cella_intake_cancel(struct cella_intake_job *job);
void cella_intake_free(struct cella_intake *intake);

#endif
