/* The zygote's own life: what runs in the forked process. */
#ifndef CELLA_PLATFORM_ZYGOTE_LOOP_H
#define CELLA_PLATFORM_ZYGOTE_LOOP_H

#include "platform/zygote.h"

__attribute__((noreturn)) void cella_zygote_main(int control,
                                                 const struct cella_zygote_options *options,
                                                 bool namespaces);

#endif
