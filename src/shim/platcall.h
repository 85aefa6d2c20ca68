/* Calls of the platform (abi/platcall.h), each reply checked for its exact size. Results: CELLA_OK
 * or the platform's reason as enum cella_code; a reply outside the protocol ends the enclave. */
#ifndef CELLA_SHIM_PLATCALL_H
#define CELLA_SHIM_PLATCALL_H

#include "abi/platcall.h"
#include "abi/sgx.h"
#include "shim/shim.h"

enum {
    SHIM_TARGETINFO_SIZE = 512,
    SHIM_REPORT_DATA_SIZE = 64,
    SHIM_REPORT_SIZE = 432,
};

enum cella_code shim_platform_report(const uint8_t target[SHIM_TARGETINFO_SIZE],
                                     const uint8_t data[SHIM_REPORT_DATA_SIZE],
                                     uint8_t report[SHIM_REPORT_SIZE]);
/* CELLA_OK: made on this platform for this enclave. */
enum cella_code shim_platform_verify(const uint8_t report[SHIM_REPORT_SIZE]);
enum cella_code shim_platform_seal_key(uint16_t policy, uint16_t svn, const uint8_t key_id[32],
                                       uint8_t key[32]);
/* CELLA_ERR_LIMIT when it is longer than capacity. */
enum cella_code shim_platform_evidence(const uint8_t data[SHIM_REPORT_DATA_SIZE], uint8_t *out,
                                       size_t capacity, size_t *size);
enum cella_code shim_platform_targetinfo(uint8_t target[SHIM_TARGETINFO_SIZE]);
enum cella_code shim_platform_info(uint8_t *out, size_t capacity, size_t *size);

/* -errno for a code, for the files that stand for these calls; 0 for CELLA_OK. */
long shim_platform_errno(enum cella_code code);

#endif
