/* Descriptors and open files of the program.
 *
 * A descriptor is a number of the program's own (0 to SHIM_FD_MAX-1) and has nothing to do with the
 * host's numbers, which never reach the program. Several descriptors may share one open file (dup),
 * and several open files may share one content (protected files). Fixed maxima, no allocation.
 *
 * The raw system calls that the files half of the shim makes, for the allow-list of seccomp.c:
 * read, write, pread64, pwrite64, lseek, fstat, ftruncate, fsync, fdatasync, close, ioctl (TCGETS
 * and TIOCGWINSZ), ppoll, sendto, recvmsg.
 */
#ifndef CELLA_SHIM_FD_H
#define CELLA_SHIM_FD_H

#include "shim/shim.h"

enum {
    SHIM_FD_MAX = 256,                     /* descriptors */
    SHIM_FILE_MAX = 64,                    /* open files */
    SHIM_PATH_MAX = CELLA_CONFIG_PATH_MAX, /* bytes of an absolute path with its NUL */
    SHIM_NAME_MAX = 255,                   /* bytes of a folder entry's name */
};

/* What stat, fstat and statx tell; all else in their structures is constant. */
struct shim_stat {
    uint32_t mode; /* type and permission bits */
    uint64_t size; /* bytes */
    uint64_t inode;
    uint64_t device; /* which mount, or a number for the shim's own files */
    int64_t mtime;   /* seconds; the host's word where a host file lies below */
};

struct shim_entry { /* of a folder */
    uint8_t type;   /* DT_REG, DT_DIR, DT_CHR */
    uint8_t name_size;
    char name[SHIM_NAME_MAX + 1];
};

struct shim_file;

#define SHIM_AT_END UINT64_MAX

/* What a kind of file can do. A NULL member is refused with the usual errno. Memory given has been
 * checked. */
struct shim_file_kind {
    bool stream; /* the host kernel keeps the offset: at is ignored, no lock is held (reads may
                    block) */
    bool folder;
    /* Bytes read (0 at the end) or -errno. */
    long (*read)(struct shim_file *file, void *to, uint64_t size, uint64_t at);
    /* Bytes written or -errno. *at: where, SHIM_AT_END for appending; set to where it was. */
    long (*write)(struct shim_file *file, const void *from, uint64_t size, uint64_t *at);
    long (*stat)(struct shim_file *file, struct shim_stat *out);
    long (*resize)(struct shim_file *file, uint64_t size);
    long (*sync)(struct shim_file *file, bool data_only);
    /* The entry number index of a folder, "." and ".." not counted: 1, 0 at the end, -errno. Asked
     * in order; an index of 0 starts afresh. */
    long (*list)(struct shim_file *file, uint64_t index, struct shim_entry *out);
    /* The last descriptor is gone. */
    long (*close)(struct shim_file *file);
};

struct shim_file {
    const struct shim_file_kind *kind; /* NULL: free */
    uint32_t references; /* descriptors and calls under way; guarded by the lock of the fd table */
    uint32_t flags;      /* O_ACCMODE, O_APPEND, O_NONBLOCK */
    struct shim_lock lock; /* guards offset and what a kind keeps here */
    uint64_t offset;       /* bytes; for folders the entry number, "." and ".." counted */
    int host_fd;           /* -1: none */
    uint32_t index;        /* mount, node, session or device: whatever the kind means by it */
    uint32_t serial;       /* tells a reused index from the one that was opened */
    uint64_t cookie, cookie_index; /* host folders: where listing stands */
    char path[SHIM_PATH_MAX];      /* absolute; for folders, names in messages and /proc/self/fd */
};

/* Sets up descriptors 0, 1 and 2. */
void shim_fds_start(void);

/* The open file of a descriptor, kept open until shim_file_put. NULL: EBADF. */
struct shim_file *shim_file_get(int fd);
/* Gives it back; the last one closes it and gets the error of closing, else 0. */
long shim_file_put(struct shim_file *file);
/* A free open file (references 1, host_fd -1) or NULL: ENFILE. */
struct shim_file *shim_file_new(void);
/* Gives the file the lowest free descriptor >= lowest, which takes the caller's reference over also
 * on failure: the descriptor, or -EMFILE. */
long shim_fd_install(struct shim_file *file, int lowest, bool close_on_exec);

/* True when the open mode allows it. */
bool shim_file_may_read(const struct shim_file *file);
bool shim_file_may_write(const struct shim_file *file);

/* Checks what a raw system call returned against its contract (R40): -errno with 1 <= errno <=
 * 4095, or 0 to most. Anything else ends the enclave. */
long shim_checked(long result, uint64_t most, const char *what);

/* exit: closes all, so that protected files are committed. */
void shim_fds_exit(void);

#endif
