/* Calls an enclave makes of its platform, over its own SOCK_SEQPACKET channel (descriptor
 * CELLA_FD_PLATFORM). The platform knows the enclave by the channel. One request, one reply, in
 * order; all integers little-endian. request: u32 op | u32 size of body | body reply:   u32 enum
 * cella_code | u32 size of body | body (empty unless code is 0) A request that is malformed ends
 * the enclave. */
#ifndef CELLA_ABI_PLATCALL_H
#define CELLA_ABI_PLATCALL_H

enum {
    CELLA_PLATCALL_HEADER = 8,
    CELLA_PLATCALL_MAX = 65536, /* bytes of a whole message */

    /* TARGETINFO (512) | REPORTDATA (64) -> REPORT (432) for that target */
    CELLA_PLATCALL_REPORT = 1,
    /* REPORT (432) -> empty: the report was made on this platform since its start, for the caller
       as target */
    CELLA_PLATCALL_VERIFY_REPORT = 2,
    /* u16 policy (1 enclave, 2 signer) | u16 svn | u32 0 | key id (32) -> key (32).
     * svn above the caller's own: CELLA_ERR_REFUSED. Derived from the platform's seal root, policy,
     * MRENCLAVE or MRSIGNER + product id, svn, debug bit, config id and key id. */
    CELLA_PLATCALL_SEAL_KEY = 3,
    /* REPORTDATA (64) -> evidence (COSE_Sign1 EAT) */
    CELLA_PLATCALL_EVIDENCE = 4,
    /* empty -> TARGETINFO (512) of the caller */
    CELLA_PLATCALL_TARGETINFO = 5,
    /* empty -> UTF-8 text "key=value\n" lines for /dev/cella/platform: assurance, root, memory,
       boot id */
    CELLA_PLATCALL_INFO = 6,
};

enum { CELLA_SEAL_POLICY_ENCLAVE = 1, CELLA_SEAL_POLICY_SIGNER = 2 };

#endif
