/* What the software backend hands to the shim when it jumps to the entry, and how.
 *
 * The loader maps the image's regions at the base (read-only content from the platform's sealed
 * memfd, MAP_SHARED; writable regions from the zygote's secret memory; TCS and SSA regions and gaps
 * not at all), writes the start block into the START region, leaves exactly these descriptors open,
 * and jumps: RIP = base + entry, RSP = base + slots_offset + CELLA_SLOT_STACK_END of slot 0, RDI =
 * base, RSI = offset of the CONFIG region, RDX = its size in bytes, RCX = offset of the START
 * region. Everything else of the loader's address space is still mapped then; the shim unmaps all
 * outside [base, base + enclave_size), unregisters rseq and the robust list, seals text and closes
 * the door with seccomp. Signals are all blocked at that moment; the shim sets its handlers and
 * unblocks. The loader has set: no_new_privs, non-dumpable (unless debug), PDEATHSIG, rlimits, its
 * namespaces.
 */
#ifndef CELLA_ABI_START_H
#define CELLA_ABI_START_H

enum {
    CELLA_START_MAGIC = 0x534c4543, /* "CELS" */
    CELLA_START_VERSION = 1,
    CELLA_START_SIZE = 256,

    CELLA_START_AT_MAGIC = 0,   /* u32 */
    CELLA_START_AT_VERSION = 4, /* u32 */
    CELLA_START_AT_BASE = 8,    /* u64 */
    CELLA_START_AT_FLAGS = 16,  /* u64 */
    CELLA_START_AT_HWCAP = 24,  /* u64, AT_HWCAP as the kernel gave it */
    CELLA_START_AT_HWCAP2 = 32, /* u64, AT_HWCAP2; bit 1: FSGSBASE may be used */
    CELLA_START_AT_SEED =
        40, /* 64 bytes of the kernel's randomness, mixed with RDRAND inside (R43) */
    CELLA_START_AT_MINSIGSTKSZ = 104, /* u64, AT_MINSIGSTKSZ */
    CELLA_START_AT_RSEQ = 112,      /* u64, address of the loader's registered rseq area, 0: none */
    CELLA_START_AT_RSEQ_SIZE = 120, /* u32 */
    CELLA_START_AT_RSEQ_SIG = 124,  /* u32 */
};

enum { /* CELLA_START_AT_FLAGS */
       CELLA_START_SECRET_MEMORY =
           1,                 /* writable regions are memfd_secret; else private anonymous memory */
       CELLA_START_DEBUG = 2, /* dumpable, for a debugger; only with the debug attribute */
};

enum cella_start_fd {
    CELLA_FD_STDIN = 0,
    CELLA_FD_STDOUT = 1,
    CELLA_FD_STDERR = 2,
    CELLA_FD_HOST = 3,     /* SOCK_SEQPACKET to the host program: hostcall.h */
    CELLA_FD_PLATFORM = 4, /* SOCK_SEQPACKET to the platform monitor: platcall.h */
    CELLA_FD_FIRST_FREE = 5,
};

#endif
