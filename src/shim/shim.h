/* Inside the shim: what its files share. The shim is the trusted runtime between the program and
 * the host kernel (docs/architecture.md): freestanding, no libc, no allocation after start but what
 * arena gives.
 *
 *   start.S entry_*   gate to the machine: entry, SIGSYS frame, raw system calls          } core
 *   start.c seccomp.c vm.c thread.c futex.c signal.c process.c time.c random.c syscall.c  }
 *   fd.c path.c mount.c hostcall.c platcall.c file_*.c keys.c hpke.c                      } files
 * and keys
 *
 * Threads: every function may run on any thread of the enclave; each lock is named beside what it
 * guards, and locks are taken in the order vm < fds < file < channel.
 */
#ifndef CELLA_SHIM_SHIM_H
#define CELLA_SHIM_SHIM_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/config.h"
#include "abi/image.h"
#include "abi/start.h"
#include "base/memory.h"

/* ---- core: state (start.c) ---- */
struct shim_state {
    uint64_t base, size; /* the enclave's range */
    uint64_t flags;      /* CELLA_START_* */
    uint64_t hwcap, hwcap2, minsigstksz;
    uint64_t calls, calls_size; /* the call ring, outside the enclave (calls.h); 0: none */
    struct cella_config config; /* decoded once at start, never changed */
    uint32_t argc; /* final arguments and environment: fixed ones, then the host's where allowed */
    struct cella_bytes argv[CELLA_CONFIG_ARG_MAX + 64];
    uint32_t envc;
    struct cella_bytes envv[CELLA_CONFIG_ENV_MAX]; /* "NAME=value" */
};
extern struct shim_state shim;

/* ---- core: raw host system calls (start.S). The only place from which seccomp allows them. ----
 */
long shim_syscall(long number, long a, long b, long c, long d, long e, long f);

/* ---- core: memory of the program (vm.c) ---- */
/* Memory for the shim itself, taken from the heap at start; page aligned, zeroed. NULL when the
 * heap is too small. Only before the program runs. */
void *shim_arena(uint64_t size);
/* True when the program may read (or write) [p, p+n): inside the enclave and mapped by it. n == 0
 * is true. */
bool shim_readable(const void *p, uint64_t n);
bool shim_writable(void *p, uint64_t n);
/* Copies a NUL-terminated text of the program. Returns its length, -EFAULT, or -ENAMETOOLONG when
 * it needs more than size bytes with its NUL. */
long shim_copy_text(char *to, const char *from, uint64_t size);
/* Maps size bytes (page multiple) of zeroed memory for the program; for file-backed private
 * mappings. Returns the address or -errno. hint and flags as mmap's. */
long shim_vm_map(uint64_t hint, uint64_t size, int prot, int flags);

/* ---- core: locks and waiting (futex.c). Zero is unlocked. Not recursive. Waiting is by private
 * futex. ---- */
struct shim_lock {
    uint32_t word;
};
void shim_lock(struct shim_lock *lock);
void shim_unlock(struct shim_lock *lock);

/* ---- core: relative waits (time.c). A host signal that means nothing ends any wait of the kernel;
 * so each has an end, which stays when the wait is made again. Without it a host that signals more
 * often than a wait lasts keeps it for ever (R12). ---- */
/* A length that a program gave, checked by its caller to be neither negative nor malformed. */
static inline uint64_t shim_wait_ns(int64_t s, int64_t ns) {
    return s > UINT32_MAX ? UINT64_MAX : (uint64_t)s * 1000000000 + (uint64_t)ns;
}
/* Monotonic nanoseconds at which a wait of ns, begun or made again now, ends. */
uint64_t shim_wait_end(uint64_t ns);
/* The same now; for calls that take only a length. */
uint64_t shim_wait_left(uint64_t end);
/* Passes the result on; after -EINTR the end is kept for the same call made again. */
long shim_wait_result(uint64_t end, long result);

/* ---- core: randomness (random.c) ---- */
bool shim_random(void *out, size_t size);

/* ---- core: say and stop (process.c) ---- */
/* One line "cella: text\n" to stderr, cut at 512 bytes. format: %s %u (uint64) %x (uint64) only. */
void shim_say(const char *format, ...);
/* Says why and ends the whole enclave; for broken contracts (R40) and bugs. */
__attribute__((noreturn)) void shim_abort(const char *format, ...);
/* Calls shim_abort; a host reply or system call result outside its legal set. */
#define shim_broken_contract(what) shim_abort("the host broke its contract: %s", (what))

/* ---- system calls (syscall.c dispatches by table; the handlers stand in the file of their noun)
 * ---- */
/* A handler gets the six arguments, may block, and returns a value or -errno. */
typedef long shim_handler(const long a[6]);

/* ---- files and keys: called by core ---- */
/* Opens channels, asks the host for BOOT, fills shim.argv and shim.envv, prepares mounts, fetches
 * named keys (a request to the host, then waiting for grants). Fails closed: an error here ends the
 * enclave. */
CELLA_RESULT shim_files_start(void);
/* exec: close descriptors marked close-on-exec. exit: commit and close all protected files. */
void shim_files_exec(void);
void shim_files_exit(void);
/* Reads a range of an open descriptor into memory, for private file mappings. Bytes read or -errno.
 */
long shim_file_read_at(int fd, void *to, uint64_t size, uint64_t offset);
/* The address at which a shared writable mapping of the descriptor is: only /dev/cella/calls has
 * one. -errno: ENODEV for all other files. */
long shim_file_map_shared(int fd, uint64_t size, int prot, uint64_t offset);

/* Handlers that files and keys provide; core's own are declared in core.h. */
shim_handler shim_sys_read, shim_sys_write, shim_sys_readv, shim_sys_writev, shim_sys_pread64,
    shim_sys_pwrite64, shim_sys_preadv, shim_sys_pwritev, shim_sys_open, shim_sys_openat,
    shim_sys_creat, shim_sys_close, shim_sys_stat, shim_sys_lstat, shim_sys_fstat,
    shim_sys_newfstatat, shim_sys_statx, shim_sys_lseek, shim_sys_ioctl, shim_sys_access,
    shim_sys_faccessat, shim_sys_faccessat2, shim_sys_dup, shim_sys_dup2, shim_sys_dup3,
    shim_sys_fcntl, shim_sys_flock, shim_sys_fsync, shim_sys_fdatasync, shim_sys_truncate,
    shim_sys_ftruncate, shim_sys_getdents64, shim_sys_getcwd, shim_sys_chdir, shim_sys_fchdir,
    shim_sys_rename, shim_sys_renameat, shim_sys_renameat2, shim_sys_mkdir, shim_sys_mkdirat,
    shim_sys_rmdir, shim_sys_unlink, shim_sys_unlinkat, shim_sys_readlink, shim_sys_readlinkat,
    shim_sys_chmod, shim_sys_fchmod, shim_sys_umask, shim_sys_poll, shim_sys_ppoll, shim_sys_statfs,
    shim_sys_fstatfs, shim_sys_fadvise64, shim_sys_fallocate, shim_sys_sendfile,
    shim_sys_close_range, shim_sys_copy_file_range, shim_sys_utimensat, shim_sys_sync;

#endif
