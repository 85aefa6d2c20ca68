/* How the platform's processes shut themselves in. Order matters and is told at each function. */
#ifndef CELLA_PLATFORM_CONFINE_H
#define CELLA_PLATFORM_CONFINE_H

#include <cella/result.h>
#include <stdbool.h>
#include <sys/types.h>

/* fork; with namespaces wanted and allowed, the child is init of new pid, net, ipc, uts and mount
 * namespaces
 * (*entered), so that the kernel ends all in them when it ends. An ordinary user gets no
 * namespaces: they would come with a user namespace, in which an enclave broken into would meet
 * more of the kernel, not less. */
pid_t cella_confine_fork(bool namespaces, bool *entered);
/* No core, no debugger, no descriptor theft by processes of this user (R50); dies when its parent
 * does. */
CELLA_RESULT cella_confine_self(void);
/* Closes every descriptor but 0..2 (made /dev/null) and keep, which gets number 3. */
CELLA_RESULT cella_confine_descriptors(int keep);
/* Enters an empty, read-only root folder; needs the mount namespace. */
CELLA_RESULT cella_confine_root_folder(void);
/* Gives up root for good: no capability in any set, groups cleared, no_new_privs. */
CELLA_RESULT cella_confine_drop(uid_t uid, gid_t gid);

#endif
