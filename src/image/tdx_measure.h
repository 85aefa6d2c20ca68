/* MRTD of a TDX virtual machine, from its firmware alone, and the extending of RTMRs. What TDVF and
 * the guest extend into RTMRs depends on the host's tables and on what is booted: their values come
 * from the event log.
 * Source: Intel 348551 (TDX module ABI), TDH.MEM.PAGE.ADD and TDH.MR.EXTEND; Intel 344425. Pure. */
#ifndef CELLA_IMAGE_TDX_MEASURE_H
#define CELLA_IMAGE_TDX_MEASURE_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>
#include <stdint.h>

enum { CELLA_TDX_DIGEST_SIZE = 48 };

/* two_pass: each section's pages are all added before any is extended, as older KVM does; else each
 * page is extended as it is added. */
CELLA_RESULT cella_tdx_mrtd(struct cella_bytes firmware, bool two_pass,
                            uint8_t mrtd[CELLA_TDX_DIGEST_SIZE]);
/* One more event: RTMR = SHA-384(RTMR || digest). Starts from zeros. */
CELLA_RESULT cella_tdx_extend(uint8_t rtmr[CELLA_TDX_DIGEST_SIZE],
                              const uint8_t digest[CELLA_TDX_DIGEST_SIZE]);

#endif
