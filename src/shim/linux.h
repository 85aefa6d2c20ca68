/* Linux's own numbers, from its user-space headers only: no libc header in the core, so none of
 * their types clash. */
#ifndef CELLA_SHIM_LINUX_H
#define CELLA_SHIM_LINUX_H

#include <asm/prctl.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/signal.h>

enum { /* errors and numbers the headers of an older kernel may lack */
       SHIM_SYS_MSEAL = 462,
       SHIM_PR_SET_MDWE = 65,
       SHIM_PR_MDWE_REFUSE_EXEC_GAIN = 1,
       SHIM_SS_AUTODISARM = (int)0x80000000,
       SHIM_AUDIT_ARCH = (int)0xC000003E,
};

#endif
